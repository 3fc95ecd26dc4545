//! Whether the target leaks: key `soak`, filled by the profiler's leak rules.

use serde::{Deserialize, Serialize};

use crate::target::Interval95;

/// Key `soak`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SoakFigures {
    /// `leak`, `no_leak` or `inconclusive`: the worst of the resources.
    pub verdict: String,
    /// Growth of private, shared and swapped memory per completed request, 95 %.
    pub bytes_per_request: Option<f64>,
    /// The lower end of its interval.
    pub ci_low: Option<f64>,
    /// The upper end.
    pub ci_high: Option<f64>,
    /// The smallest leak that this run would have detected with 95 % probability, in bytes per
    /// request.
    pub smallest_detectable: Option<f64>,
    /// The additional time that would have been needed, if it is inconclusive.
    pub needs_minutes: Option<f64>,
    /// The additional requests that would do as well, at any rate.
    pub needs_requests: Option<f64>,
    /// The reason for the verdict, in one sentence.
    pub reason: String,
    /// The verdict on memory, in bytes.
    pub memory: Option<ResourceFigures>,
    /// The verdict on file descriptors.
    pub fds: Option<ResourceFigures>,
    /// The verdict on threads.
    pub threads: Option<ResourceFigures>,
    /// The growth of each kind of memory after the warm-up, in bytes.
    pub grown: Option<Grown>,
    /// With a leak of memory, the kinds that grow: `private`, `shared`, `swapped`.
    pub growing: Vec<String>,
    /// Processes that ended under load, if growth was measured within their lives.
    pub replaced_processes: usize,
    /// Runtimes with a garbage collector that the target uses.
    pub runtimes: Vec<String>,
    /// The heaps of runtimes that report their collections; they are part of `memory`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub heaps: Vec<HeapFigures>,
    /// The verdict on the memory beside those heaps, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside_heaps: Option<ResourceFigures>,
    /// When the target ended under load, in seconds from the load's start.
    pub target_ended_s: Option<f64>,
    /// With `--dose`: what the growth follows.
    pub dose: Option<DoseFigures>,
    /// Pages first touched and never freed, by function.
    pub leak_functions: Vec<LeakFunction>,
    /// Bytes of such pages.
    pub surviving_bytes: Option<u64>,
    /// Growth of the memory in the same time.
    pub grown_bytes: Option<i64>,
    /// Further facts.
    pub notes: Vec<String>,
}

/// The verdict on one resource; slopes are per request, or per hour of an idle target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceFigures {
    /// `leak`, `no_leak` or `inconclusive`.
    pub verdict: String,
    /// Growth was measured against `requests` or `hours`.
    pub axis: String,
    /// With `no_leak`: a leak is smaller than this, per request or per hour.
    #[serde(default)]
    pub below: Option<f64>,
    /// Growth per request; `null` when measured per hour.
    pub per_request: Option<Interval95>,
    /// Growth per hour.
    pub per_hour: Interval95,
    /// The smallest growth that this run would have detected with 95 % probability; `null` without
    /// any.
    pub smallest_detectable: Option<f64>,
    /// Growth below this is not called a leak.
    pub floor: Option<f64>,
    /// Seconds left out at the start, up to where the course changed.
    pub warmup_cut_s: f64,
    /// `flat`, `linear`, `saturating` or `step`.
    pub shape: String,
    /// Windows used for the slope.
    pub windows: usize,
    /// At this growth, the time until the cgroup's limit; `null` without one.
    pub hours_to_limit: Option<f64>,
    /// The reason for the verdict, in one sentence.
    pub reason: String,
}

/// The verdict on the heap of one process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HeapFigures {
    /// The process.
    pub pid: u32,
    /// Its collector: `Serial`, `Parallel`, `G1`, `Z` or `other`.
    pub collector: String,
    /// `leak`, `no_leak` or `inconclusive`.
    pub verdict: String,
    /// Full collections or whole concurrent cycles after the warm-up.
    pub collections: usize,
    /// The collections that are missing, if it is inconclusive.
    pub needs_collections: Option<usize>,
    /// Growth of what collections leave, per request, 95 %; `null` below 3, or without requests.
    pub bytes_per_request: Option<Interval95>,
    /// What the first of them left, in bytes.
    pub live_first_bytes: Option<f64>,
    /// What the last of them left.
    pub live_last_bytes: Option<f64>,
    /// The reason for the verdict, in one sentence.
    pub reason: String,
}

/// Growth after the warm-up, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grown {
    /// Private memory of processes.
    pub private: f64,
    /// Shared memory, each object counted once.
    pub shared: f64,
    /// Memory that was swapped out.
    pub swapped: f64,
}

/// With `--dose`: what the growth follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DoseFigures {
    /// `per request`, `per second`, `per request and per second`, `no growth` or `undecided`.
    pub follows: String,
    /// Growth that follows requests.
    pub bytes_per_request: Interval95,
    /// Growth that follows time.
    pub bytes_per_second: Interval95,
}

/// One of `leak_functions`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeakFunction {
    /// Its name.
    pub function: String,
    /// Bytes of pages first touched in it that still exist.
    pub bytes: u64,
    /// Their share of all such pages.
    pub share: f64,
    /// Per completed request.
    pub bytes_per_request: Option<f64>,
}
