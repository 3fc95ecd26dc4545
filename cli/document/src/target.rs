//! The profile of the target: key `target`. The profiler fills it; nothing is computed here.
//!
//! Times are in the units of their names, shares are 0..=1, and unknown values are `null`.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;
use uringbench_core::statistics::Estimate;

/// Key `target`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetFigures {
    /// `cgroup`, `system_wide`, `tasks`, `procfs_only` if no samples could be taken, or `unsampled`
    /// if none were planned.
    pub mode: String,
    /// Whether the kernel's frames are missing.
    pub is_user_only: bool,
    /// Why a better mode was not available, each with its fix.
    pub instead_of: Vec<String>,
    /// `cycles` or `cpu-clock`.
    pub clock: Option<String>,
    /// Configured samples per second of CPU time.
    pub hz: Option<u32>,
    /// `valid`, `suspect` or `invalid`: whether the shares below can be trusted.
    pub validity: Option<String>,
    /// The reasons against them.
    pub reasons: Vec<ProfileReason>,
    /// Samples of the target on a CPU, in the window of the figures.
    pub samples: u64,
    /// Records for which the kernel had no room.
    pub lost: u64,
    /// How often the kernel took fewer samples than configured.
    pub throttled: u64,
    /// Sampled CPU time over the CPU time that the scheduler accounted to the target.
    pub coverage: Option<f64>,
    /// Share of user stacks that reach the thread's start.
    pub unwound: Option<f64>,
    /// The target's processes.
    pub processes: Vec<Process>,
    /// Its CPU time in the window, by the samples.
    pub cpu: Cpu,
    /// The functions with most CPU time of their own.
    pub functions: Vec<Function>,
    /// The waits of its threads; `null` if waits were not timed.
    pub waits: Option<Waits>,
    /// Spikes and the functions that ran more in them; `null` without a load.
    pub spikes: Option<Spikes>,
    /// The kernel's counters in the measured window, per request; `null` without a load.
    pub counters: Option<CountersPerRequest>,
    /// Counts of reading Python stacks; `null` without Python.
    pub python: Option<Python>,
    /// The cost of sampling; `null` unless it was measured.
    pub overhead: Option<Overhead>,
    /// CPU time of other processes in the same time, the largest first.
    pub elsewhere: Vec<OtherProcess>,
    /// The files that were written, by their names.
    pub files: Vec<String>,
    /// Further facts.
    pub notes: Vec<String>,
}

/// Key `target_usage`: read from procfs at both ends of the measured window, without a profile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetUsage {
    /// CPUs used on average.
    pub cpus: f64,
    /// CPUs it may use, by affinity, working threads and quota.
    pub cpus_allowed: f64,
    /// CPU time per complete answer; `null` without any.
    pub cpu_us_per_request: Option<f64>,
    /// Resident private memory (RssAnon) of its processes at the end of the window; `null` if it
    /// cannot be read.
    pub memory_bytes: Option<u64>,
    /// Periods in which its control group had used up its CPU quota and was stopped; `null` if that
    /// cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttled_periods: Option<u64>,
    /// Its processes, the busiest first, 64 at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<ProcessUsage>,
}

/// One of `target_usage.processes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessUsage {
    /// Its PID.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// CPUs used on average.
    pub cpus: f64,
}

/// One of `reasons`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileReason {
    /// The rule.
    pub code: String,
    /// The figure and the fix.
    pub message: String,
}

/// One of `processes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its PID.
    pub pid: u32,
    /// Its last name.
    pub name: String,
}

/// Key `cpu`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cpu {
    /// Seconds of CPU time in the window.
    pub seconds: f64,
    /// Share of it in the kernel.
    pub kernel_share: Option<f64>,
    /// Per completed request; `null` without a load.
    pub us_per_request: Option<f64>,
}

/// One of `functions`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// Its name.
    pub function: String,
    /// Its file.
    pub module: String,
    /// Share of the CPU time in the function itself.
    pub self_share: f64,
    /// Share of the CPU time in the function and all that it called.
    pub total_share: f64,
    /// CPU time in the function itself, per request; `null` without a load.
    pub us_per_request: Option<Interval95>,
}

/// A figure with its 95 % interval; an unbounded end is `null`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval95 {
    /// The estimate.
    pub value: f64,
    /// The lower end.
    pub ci_low: Option<f64>,
    /// The upper end.
    pub ci_high: Option<f64>,
}

impl From<Estimate> for Interval95 {
    fn from(estimate: Estimate) -> Self {
        let bounded = |end: f64| end.is_finite().then_some(end);
        let Estimate { value, low, high } = estimate;
        Self { value, ci_low: bounded(low), ci_high: bounded(high) }
    }
}

/// Key `waits`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Waits {
    /// Seconds in which threads waited for something, exact.
    pub blocked_s: f64,
    /// Seconds in which threads could have run but had no CPU, exact.
    pub preempted_s: f64,
    /// Seconds in which waits were timed.
    #[serde(default)]
    pub timed_s: f64,
    /// The number of waits.
    pub intervals: u64,
    /// Share of the blocked time that was waiting for work.
    pub for_work_share: Option<f64>,
    /// Seconds blocked on anything but work while requests were in flight; `null` without a
    /// load.
    pub blocked_in_flight_s: Option<f64>,
    /// The functions with most blocked time, waiting for work excluded.
    pub functions: Vec<WaitFunction>,
}

/// One of `waits.functions`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WaitFunction {
    /// The innermost function of the target's own code.
    pub function: String,
    /// Seconds.
    pub seconds: f64,
}

/// Key `spikes`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spikes {
    /// `nothing_timed`, `none`, `some` or `all`.
    pub extent: String,
    /// Response p99 or lateness above which an interval is a spike.
    pub threshold_ns: u64,
    /// The spikes, from the start of the run.
    pub windows: Vec<SpikeStretch>,
    /// Samples inside them.
    pub samples: u64,
    /// Whether there were too few samples to compare.
    pub too_few_samples: bool,
    /// Functions over-represented in them, the largest excess first.
    pub functions: Vec<SpikeFunction>,
}

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpikeStretch {
    /// From, in seconds.
    pub from_s: f64,
    /// To.
    pub to_s: f64,
}

/// One of `spikes.functions`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpikeFunction {
    /// Its name.
    pub function: String,
    /// Share of the samples inside spikes that contain it.
    pub spike_share: f64,
    /// The same outside of spikes.
    pub other_share: f64,
    /// The ratio of the two.
    pub ratio: Interval95,
    /// Probability of such a difference by chance, adjusted for all comparisons.
    pub q: f64,
}

/// Key `python`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Python {
    /// Processes that were read.
    pub processes: Vec<u32>,
    /// Readings attempted.
    pub readings: u64,
    /// Readings that failed because the interpreter changed.
    pub failed: u64,
    /// Native samples matched with a simultaneous Python stack.
    pub merged: u64,
    /// Matched with one up to half a second away.
    pub near: u64,
    /// Matched although the two do not agree frame by frame.
    pub forced: u64,
    /// Samples of Python's loop without a Python stack.
    pub unmatched: u64,
}

/// Key `overhead`: the changes caused by sampling, as shares (−0.01 is 1 % less).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Overhead {
    /// Pairs of blocks with and without sampling.
    pub pairs: usize,
    /// Change of requests per second.
    pub throughput_change: Option<Interval95>,
    /// Change of the response p99.
    pub response_p99_change: Option<Interval95>,
    /// Change of the target's CPU time per request.
    pub cpu_per_request_change: Option<Interval95>,
}

/// One of `elsewhere`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OtherProcess {
    /// The process.
    pub name: String,
    /// Seconds of CPU time.
    pub seconds: f64,
}

/// Key `counters`: a side is `null` if it could not be counted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CountersPerRequest {
    /// Requests completed during counting.
    pub requests: f64,
    /// Counts of the target.
    pub target: Option<PerRequest>,
    /// Counts of the load generator, without the profiler.
    pub generator: Option<PerRequest>,
}

/// Counts per completed request.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PerRequest {
    /// CPU time, microseconds.
    pub cpu_us: f64,
    /// Context switches; `null` if only user code could be counted.
    pub context_switches: Option<f64>,
    /// Changes of CPU; likewise.
    pub migrations: Option<f64>,
    /// Page faults.
    pub page_faults: f64,
    /// CPU cycles; `null` without a PMU.
    pub cycles: Option<f64>,
    /// Instructions; likewise.
    pub instructions: Option<f64>,
    /// Whether the kernel's half of faults, cycles and instructions is missing.
    pub is_user_only: bool,
}

/// The mode of a target without a recording.
const NONE: &str = "none";

impl TargetFigures {
    /// A target without a recording.
    pub fn absent(why: &str) -> Self {
        Self { mode: NONE.to_owned(), instead_of: vec![why.to_owned()], ..Self::default() }
    }

    /// Whether nothing was recorded.
    pub fn is_absent(&self) -> bool {
        self.mode == NONE
    }

    /// As in the run's document: keys in alphabetical order, and no figures without a recording.
    pub(crate) fn serialize<S: Serializer>(
        figures: &Option<Self>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match figures {
            Some(absent) if absent.is_absent() => {
                json!({"mode": NONE, "instead_of": absent.instead_of}).serialize(to)
            }
            figures => by_the_alphabet(figures, to),
        }
    }
}

/// Keys in alphabetical order, which documents have always had.
pub(crate) fn by_the_alphabet<T: Serialize, S: Serializer>(
    figures: &T,
    to: S,
) -> Result<S::Ok, S::Error> {
    serde_json::to_value(figures).map_err(serde::ser::Error::custom)?.serialize(to)
}
