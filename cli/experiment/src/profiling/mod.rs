//! The profiler beside a load or alone: what is asked of it, and what becomes of what it finds.

mod exports;
pub mod files;
mod overhead;
mod profiled_run;
mod stream;

use uringbench_core::time::Nanos;
use uringbench_profiler::selector::Selector;

pub(crate) use profiled_run::{ProfileReport, ProfiledRun};

/// Samples per second and CPU unless asked otherwise: no multiple of anything that ticks.
pub const HZ: u32 = 99;
/// Rows of the timeline per second unless asked otherwise.
pub const TIMELINE_HZ: u32 = 1;

/// What is sampled of the target, decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfilePlan {
    /// Who the target is.
    pub selector: Selector,
    /// Samples per second and CPU.
    pub hz: u32,
    /// Rows of the timeline per second.
    pub timeline_hz: u32,
    /// Whether sampling is switched on and off to see what it costs.
    pub measures_overhead: bool,
    /// Whether to follow where memory that stays comes from.
    pub follows_memory: bool,
    /// Response p99 above which a slice is a spike.
    pub spike: Option<Nanos>,
}
