//! What a request costs the target, by the kernel's accounts: key `cost`.

use serde::{Deserialize, Serialize};

use crate::target::Interval95;

/// Key `cost`: means over the measured window, each with its interval over seconds of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CostFigures {
    /// Whole rows of the timeline in the measured window, on which the intervals rest.
    pub rows: usize,
    /// Their length.
    pub seconds: f64,
    /// Requests completed in them.
    pub requests: f64,
    /// CPU time per request, microseconds.
    pub cpu_us: Interval95,
    /// Share of it in the kernel.
    pub kernel_share: Option<f64>,
    /// Context switches per request: waits and preemptions.
    pub context_switches: Option<Interval95>,
    /// Page faults per request, with and without disk access.
    pub page_faults: Option<Interval95>,
    /// Memory that the kernel gave out per request: a page for each fault without disk access, so
    /// a lower bound where pages are huge.
    pub faulted_bytes: Option<Interval95>,
    /// Instructions per request; `null` without a PMU.
    pub instructions: Option<f64>,
    /// Growth of the resident memory per request.
    pub resident_growth_bytes: Option<Interval95>,
    /// Resident memory, the mean.
    pub resident_bytes: Option<f64>,
    /// Resident memory, the maximum.
    pub resident_peak_bytes: Option<f64>,
    /// CPUs used, the mean.
    pub cpus: f64,
    /// Standard deviation over mean of the CPU time per request, over the rows.
    pub cpu_variation: Option<f64>,
    /// The same of the requests per second.
    pub rate_variation: Option<f64>,
}
