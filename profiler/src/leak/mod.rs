//! Whether the target leaks: a verdict per resource, in units per request, with its interval.
//!
//! `envelope` reduces the series to windows that exclude a garbage collector's sawtooth, `shape`
//! separates a line from a step, a warm-up and a cache that fills, `verdict` computes the slope
//! with its interval and the verdict, `memory` combines all kinds of memory and the lives of
//! processes, `rate_steps` separates per-request leaks from per-second ones. The leak flame graph
//! shows the origin of the memory; `timeline` reads the series.

mod envelope;
pub mod heap;
mod least_squares;
mod memory;
pub mod rate_steps;
mod rises;
mod shape;
mod verdict;
mod wording;

use uringbench_core::statistics::Estimate;

pub use memory::{Kinds, Memory, MemoryPoint, ProcessPoint, judge_memory};
pub use verdict::judge;

/// One reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Seconds since the series began.
    pub t_s: f64,
    /// Requests completed up to here.
    pub requests: u64,
    /// The resource: bytes, descriptors or threads.
    pub value: f64,
}

/// One resource over a run, in order of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceSeries {
    /// The readings; neither coordinate decreases.
    pub points: Vec<Point>,
}

/// The definition of a leak.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Growth per request below which nothing is called a leak.
    pub floor_per_request: f64,
    /// Growth per hour below which nothing is called a leak, whatever it is per request.
    pub floor_per_hour: f64,
    /// The smallest step of the resource: a page, a descriptor.
    pub quantum: f64,
    /// The limit of the resource (of memory), for the time left until then.
    pub limit: Option<f64>,
    /// The unit.
    pub unit: ResourceUnit,
    /// How the runtime frees memory.
    pub heap: Heap,
}

impl Rules {
    /// Growth on an axis below which nothing is called a leak, at so many requests per hour.
    fn floor(&self, axis: Axis, per_hour: f64) -> f64 {
        match axis {
            Axis::Hours => self.floor_per_hour,
            Axis::Requests => self.floor_per_request.max(self.floor_per_hour / per_hour),
        }
    }
}

/// How the runtime frees memory, which decides how much of a steady growth is evidence; in
/// ascending order of reluctance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Heap {
    /// By the program itself, or by reference counts: all of the heap is in use.
    Freed,
    /// Memory of a runtime beside its heap: compiled code, classes, stacks.
    Beside,
    /// By a collector that lets the heap grow to a multiple of the memory last found in use (Go,
    /// V8, Ruby, Erlang): a heap that settles grows by as much as a small leak.
    Collected,
    /// By a collector that lets the heap grow to its limit before a full collection (HotSpot,
    /// .NET): resident memory does not show how much is in use.
    CollectedAtItsLimit,
}

impl Heap {
    /// The growth after the warm-up that a heap of `level` bytes may have without a leak.
    pub fn least_growth(self, level: f64) -> f64 {
        const MIB: f64 = 1_048_576.0;
        match self {
            Self::Freed => MIB,
            Self::Beside => (8.0 * MIB).max(level / 10.0),
            Self::Collected => (64.0 * MIB).max(level / 4.0),
            Self::CollectedAtItsLimit => f64::INFINITY,
        }
    }
}

/// The unit of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceUnit {
    /// Memory.
    Bytes,
    /// Open file descriptors.
    Descriptors,
    /// Threads.
    Threads,
}

impl Rules {
    /// Memory: 16 bytes per request and 1 MB per hour, whichever is more at the run's rate. 16
    /// bytes are the smallest block of `malloc`.
    pub const BYTES: Self = Self {
        floor_per_request: 16.0,
        floor_per_hour: 1e6,
        quantum: 4_096.0,
        limit: None,
        unit: ResourceUnit::Bytes,
        heap: Heap::Freed,
    };
    /// Descriptors: 1 in 10,000 requests, and 10 per hour (a limit of 1,024 lasts four days).
    pub const DESCRIPTORS: Self = Self {
        floor_per_request: 1e-4,
        floor_per_hour: 10.0,
        quantum: 1.0,
        limit: None,
        unit: ResourceUnit::Descriptors,
        heap: Heap::Freed,
    };
    /// Threads: as descriptors; each also has a stack.
    pub const THREADS: Self = Self { unit: ResourceUnit::Threads, ..Self::DESCRIPTORS };
}

/// The verdict.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LeakVerdict {
    /// It grows with the load, by more than the floor, and no sign suggests that it will stop.
    Leak,
    /// It does not grow by more than this, in units of the verdict's axis.
    NoLeak {
        /// The smallest leak that is ruled out; at most the floor.
        below: f64,
    },
    /// The run cannot decide.
    Inconclusive {
        /// The additional time that would have been needed.
        needs_minutes: f64,
    },
}

/// The axis of the growth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Completed requests: a slope is per request.
    Requests,
    /// Seconds, for an idle target or one that grows with time: a slope is per hour.
    Hours,
}

/// The course of the lower envelope after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// No visible growth.
    Flat,
    /// A line.
    Linear,
    /// Growth that slows down: a cache or a heap that fills.
    Saturating {
        /// Its limit; `None` if it has none (a logarithm, a root).
        plateau: Option<f64>,
    },
    /// One jump, without the growth before and after it.
    Step {
        /// Its height.
        height: f64,
    },
}

/// The verdict on a series, with figures.
#[derive(Clone, Debug, PartialEq)]
pub struct LeakResult {
    /// The verdict.
    pub verdict: LeakVerdict,
    /// The axis of the slopes below.
    pub axis: Axis,
    /// The run's mean rate, requests per second; `None` where requests are not the axis.
    pub rate: Option<f64>,
    /// Growth per request with its 95 % interval; `None` without requests.
    pub per_request: Option<Estimate>,
    /// Growth per hour at the run's mean rate, 95 %.
    pub per_hour: Estimate,
    /// The smallest leak that would have been detected with 95 % probability, on the axis.
    pub smallest_detectable: f64,
    /// The floor that was applied, on the axis.
    pub floor: f64,
    /// Seconds cut from the start as warm-up.
    pub warmup_cut_s: f64,
    /// The course of the series.
    pub shape: Shape,
    /// Windows used for the slope.
    pub windows: usize,
    /// Length of a window.
    pub window_s: f64,
    /// Hours until the limit at the estimated growth; `None` without a limit or growth.
    pub hours_to_limit: Option<f64>,
    /// Why, in one sentence.
    pub reason: String,
}

#[cfg(test)]
mod corpus;
