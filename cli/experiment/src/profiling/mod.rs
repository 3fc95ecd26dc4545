//! The profiler during a load or alone: its settings, and the use of its results.

mod changes;
mod exports;
pub mod files;
mod overhead;
mod profiled_run;
mod stream;

use uringbench_core::time::Nanos;
use uringbench_profiler::selector::Selector;

pub use changes::{changed_functions, is_profiled, measured_windows};
pub use files::free_cpus;
pub(crate) use profiled_run::{ProfileReport, ProfiledRun};

/// Default samples per second and CPU: not a multiple of common timer frequencies.
pub const HZ: u32 = 99;
/// Default number of timeline rows per second.
pub const TIMELINE_HZ: u32 = 1;

/// The settings for sampling the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfilePlan {
    /// The processes of the target.
    pub selector: Selector,
    /// Samples per second and CPU; `None` takes none.
    pub hz: Option<u32>,
    /// Whether the cost of a request is evaluated.
    pub costs: bool,
    /// Rows of the timeline per second.
    pub timeline_hz: u32,
    /// Whether sampling is switched on and off to measure its cost.
    pub measures_overhead: bool,
    /// Whether to record which functions allocate memory that is never freed.
    pub follows_memory: bool,
    /// Response p99 above which a slice is a spike.
    pub spike: Option<Nanos>,
}

impl ProfilePlan {
    /// Follows these processes and evaluates the cost of a request; nothing is sampled.
    pub const fn of_cost(processes: Vec<u32>) -> Self {
        Self {
            selector: Selector::Processes(processes),
            hz: None,
            costs: true,
            timeline_hz: TIMELINE_HZ,
            measures_overhead: false,
            follows_memory: false,
            spike: None,
        }
    }
}
