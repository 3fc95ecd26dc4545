//! The figures of a recording: the key `target` of the result document.
//!
//! `build` counts and calls `statistics`, `cost` divides the kernel's accounts by the requests,
//! `stored` computes the figures of a part of a stored profile, `diff` compares two.

mod blocks;
mod build;
mod cost;
mod counters;
mod diff;
mod stored;

use std::ops::Range;

use uringbench_core::record::Interval;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_core::window::NamedWindows;
use uringbench_document::target::TargetFigures;

use crate::profile::Windows;

pub use self::build::build;
pub use self::cost::{ROWS_MIN, cost};
pub use self::diff::{Comparison, Delta, FunctionDelta, changed_in_all, compare};
pub use self::stored::Cut;

/// The load during a recording.
#[derive(Clone, Copy, Debug)]
pub struct LoadRecord<'a> {
    /// When its first phase began.
    pub start: Timestamp,
    /// Its intervals, the finest there are.
    pub intervals: &'a [Interval],
    /// Its windows.
    pub windows: &'a NamedWindows,
    /// Response p99 that makes an interval a spike; by default three times the usual.
    pub spike: Option<Nanos>,
}

/// Figures, and the windows of the files.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// The figures.
    pub figures: TargetFigures,
    /// The measured window, or the whole recording without a load.
    pub window: Range<Timestamp>,
    /// The sampled part of it, in whole intervals of the load, which the figures cover. All of it,
    /// unless sampling was switched off at times.
    pub sampled: Windows,
    /// The spikes.
    pub spikes: Vec<Range<Timestamp>>,
}
