//! Whether the target leaks: a verdict per resource, in units per request, with its interval.
//!
//! `envelope` reduces the series to windows that a garbage collector cannot fool, `shape` separates
//! a line from a step, a warm-up and a cache that fills, `verdict` puts an interval on the slope
//! and draws the verdict, `memory` judges all kinds of memory, through the lives of processes,
//! `rate_steps` separates per-request leaks from per-second ones. The leak flame graph shows where
//! the memory comes from; `timeline` reads the series.

mod envelope;
mod least_squares;
mod memory;
pub mod rate_steps;
mod shape;
mod verdict;

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
    /// The readings; both coordinates never go back.
    pub points: Vec<Point>,
}

/// What counts as a leak.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Growth per request below which nothing is called a leak.
    pub floor_per_request: f64,
    /// Growth per hour below which nothing is called a leak, whatever it is per request.
    pub floor_per_hour: f64,
    /// The step in which the resource grows at least: a page, a descriptor.
    pub quantum: f64,
    /// Where the resource ends (a memory limit), for the time left until then.
    pub limit: Option<f64>,
    /// What one unit is called.
    pub unit: ResourceUnit,
    /// Who gives memory back.
    pub heap: Heap,
}

/// Who gives memory back, which decides how much of a line is evidence; the most reluctant last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Heap {
    /// The program itself, or a count of references: what it holds is in use.
    Freed,
    /// A collector that lets the heap grow to a multiple of what it last found in use (Go, V8,
    /// Ruby, Erlang): a heap that settles grows by as much as a small leak.
    Collected,
    /// A collector that lets the heap grow to its limit before it looks at all of it (HotSpot,
    /// .NET): what is resident does not tell what is in use.
    CollectedAtItsLimit,
}

impl Heap {
    /// What a heap of `level` bytes may grow by after the warm-up without a leak.
    pub fn least_growth(self, level: f64) -> f64 {
        const MIB: f64 = 1_048_576.0;
        match self {
            Self::Freed => MIB,
            Self::Collected => (64.0 * MIB).max(level / 4.0),
            Self::CollectedAtItsLimit => f64::INFINITY,
        }
    }
}

/// What is counted.
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
    /// Memory: 16 bytes a request and 1 MB an hour, whichever is more at the run's rate. 16 bytes
    /// are the smallest block `malloc` hands out.
    pub const BYTES: Self = Self {
        floor_per_request: 16.0,
        floor_per_hour: 1e6,
        quantum: 4_096.0,
        limit: None,
        unit: ResourceUnit::Bytes,
        heap: Heap::Freed,
    };
    /// Descriptors: 1 in 10,000 requests, and 10 an hour (a limit of 1,024 lasts four days).
    pub const DESCRIPTORS: Self = Self {
        floor_per_request: 1e-4,
        floor_per_hour: 10.0,
        quantum: 1.0,
        limit: None,
        unit: ResourceUnit::Descriptors,
        heap: Heap::Freed,
    };
    /// Threads: as descriptors; each holds a stack besides.
    pub const THREADS: Self = Self { unit: ResourceUnit::Threads, ..Self::DESCRIPTORS };
}

/// The verdict.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LeakVerdict {
    /// It grows with the load, by more than the floor, and nothing suggests that it will stop.
    Leak,
    /// It does not grow by more than this, in units of the verdict's axis.
    NoLeak {
        /// The smallest leak that is ruled out; at most the floor.
        below: f64,
    },
    /// The run cannot tell.
    Inconclusive {
        /// How much longer it would have had to be.
        needs_minutes: f64,
    },
}

/// What the growth was measured against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Completed requests: a slope is per request.
    Requests,
    /// Seconds, of an idle target or one that grows by the clock: a slope is per hour.
    Hours,
}

/// The course of the lower envelope after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// No growth to be seen.
    Flat,
    /// A line.
    Linear,
    /// Growth that slows down: a cache or a heap that fills.
    Saturating {
        /// The level it tends to; `None` when it has none (a logarithm, a root).
        plateau: Option<f64>,
    },
    /// One jump, with what is left before and after it.
    Step {
        /// Its height.
        height: f64,
    },
}

/// What was found out about a series.
#[derive(Clone, Debug, PartialEq)]
pub struct LeakResult {
    /// The verdict.
    pub verdict: LeakVerdict,
    /// What the slopes below are against.
    pub axis: Axis,
    /// Growth per request with its 95 % interval; `None` without requests.
    pub per_request: Option<Estimate>,
    /// Growth per hour at the run's mean rate, 95 %.
    pub per_hour: Estimate,
    /// The smallest leak that would most likely (95 %) have been seen, on the axis.
    pub smallest_detectable: f64,
    /// The floor that was applied, on the axis.
    pub floor: f64,
    /// Seconds cut from the start as warm-up.
    pub warmup_cut_s: f64,
    /// The course of the series.
    pub shape: Shape,
    /// Windows that the slope rests on.
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
