//! What was sampled of the target: key `target`. The profiler fills it; nothing is computed here.
//!
//! Times are in the units their names state, shares are 0..=1, and what is not known is `null`.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;
use uringbench_core::statistics::Estimate;

/// Key `target`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetFigures {
    /// `cgroup`, `system_wide`, `tasks`, or `procfs_only` when no samples could be taken.
    pub mode: String,
    /// Whether the kernel's frames are missing.
    pub is_user_only: bool,
    /// Why not in a better way, each with its fix.
    pub instead_of: Vec<String>,
    /// `cycles` or `cpu-clock`.
    pub clock: Option<String>,
    /// Samples per second of CPU time.
    pub hz: Option<u32>,
    /// `valid`, `suspect` or `invalid`: whether the shares below can be trusted.
    pub validity: Option<String>,
    /// What speaks against them.
    pub reasons: Vec<ProfileReason>,
    /// Samples of the target on a CPU, in the window that the figures are about.
    pub samples: u64,
    /// Records the kernel had no room for.
    pub lost: u64,
    /// How often the kernel took fewer samples than asked for.
    pub throttled: u64,
    /// Sampled CPU time over what the scheduler accounted to the target.
    pub coverage: Option<f64>,
    /// Share of user stacks followed to the thread's start.
    pub unwound: Option<f64>,
    /// The target's processes.
    pub processes: Vec<Process>,
    /// Its CPU time in the window, by the samples.
    pub cpu: Cpu,
    /// The functions that used most of it, by what they used themselves.
    pub functions: Vec<Function>,
    /// Where its threads waited; `null` when waits were not timed.
    pub waits: Option<Waits>,
    /// Slow stretches and what was different in them; `null` without a load.
    pub spikes: Option<Spikes>,
    /// What the kernel counted in the measured window, per request; `null` without a load.
    pub counters: Option<CountersPerRequest>,
    /// What reading Python came to; `null` without Python.
    pub python: Option<Python>,
    /// What sampling cost; `null` unless it was measured.
    pub overhead: Option<Overhead>,
    /// CPU time that other processes used meanwhile, the most first.
    pub elsewhere: Vec<OtherProcess>,
    /// The files that were written, by their names.
    pub files: Vec<String>,
    /// What else a reader should know.
    pub notes: Vec<String>,
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
    /// Its number.
    pub pid: u32,
    /// What it was called last.
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
    /// The file it is of.
    pub module: String,
    /// Share of the CPU time it used itself.
    pub self_share: f64,
    /// Share of the CPU time it was running in, what it called included.
    pub total_share: f64,
    /// CPU time it used itself, per request; `null` without a load.
    pub us_per_request: Option<Interval95>,
}

/// A figure with its 95 % interval; an unbounded end is `null`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval95 {
    /// The best single figure.
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
    /// Seconds threads waited for something, exact.
    pub blocked_s: f64,
    /// Seconds threads could have run but had no CPU, exact.
    pub preempted_s: f64,
    /// Seconds in which waits were timed.
    #[serde(default)]
    pub timed_s: f64,
    /// How many waits that is.
    pub intervals: u64,
    /// Share of the blocked time that was waiting for work to come.
    pub for_work_share: Option<f64>,
    /// Seconds blocked on anything but work while requests were in flight; `null` without a
    /// load.
    pub blocked_in_flight_s: Option<f64>,
    /// What was blocked on most, work left out: the function that waited.
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
    /// Response p99 or lateness above which a stretch is one.
    pub threshold_ns: u64,
    /// The stretches, from the start of the run.
    pub windows: Vec<SpikeStretch>,
    /// Samples in them.
    pub samples: u64,
    /// Whether there were too few samples to compare.
    pub too_few_samples: bool,
    /// Functions over-represented in them, the largest excess first.
    pub functions: Vec<SpikeFunction>,
}

/// A stretch of a run.
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
    /// Share of the samples in spikes that it was running in.
    pub spike_share: f64,
    /// The same elsewhere.
    pub other_share: f64,
    /// The ratio of the two.
    pub ratio: Interval95,
    /// Probability of such a difference by chance, adjusted for all functions compared.
    pub q: f64,
}

/// Key `python`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Python {
    /// Processes that were read.
    pub processes: Vec<u32>,
    /// Readings tried.
    pub readings: u64,
    /// Readings lost to changes under the reader's eyes.
    pub failed: u64,
    /// Native samples joined with a Python stack of the same moment.
    pub merged: u64,
    /// Joined with one from up to half a second away.
    pub near: u64,
    /// Joined although the two do not agree frame by frame.
    pub forced: u64,
    /// Samples of Python's loop without a Python stack.
    pub unmatched: u64,
}

/// Key `overhead`: what sampling changes, as shares (−0.01 is 1 % less).
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

/// Key `counters`: a side is `null` when nothing of it could be counted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CountersPerRequest {
    /// Requests completed while it was counted.
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
    /// Context switches; `null` when only user code could be counted.
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

/// The mode of a target that nothing could be recorded of.
const NONE: &str = "none";

impl TargetFigures {
    /// Of a target that nothing could be recorded of.
    pub fn absent(why: &str) -> Self {
        Self { mode: NONE.to_owned(), instead_of: vec![why.to_owned()], ..Self::default() }
    }

    /// Whether nothing could be recorded of it.
    pub fn is_absent(&self) -> bool {
        self.mode == NONE
    }

    /// As it stands in the run's document: its keys by the alphabet, and without figures where
    /// there are none.
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

/// Keys by the alphabet: as they have stood since they were first written.
pub(crate) fn by_the_alphabet<T: Serialize, S: Serializer>(
    figures: &T,
    to: S,
) -> Result<S::Ok, S::Error> {
    serde_json::to_value(figures).map_err(serde::ser::Error::custom)?.serialize(to)
}
