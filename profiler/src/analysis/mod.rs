//! What a recording says about the target, in figures: the key `target` of the result document.
//!
//! `build` counts and calls `statistics`, `stored` has the figures of a stretch of a stored
//! profile, `diff` compares two.

mod blocks;
mod build;
mod counters;
mod diff;
mod stored;

use std::ops::Range;

use uringbench_core::record::{Interval, PhaseSpan};
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_document::target::TargetFigures;

use crate::profile::Windows;

pub use self::build::build;
pub use self::diff::{Comparison, Delta, FunctionDelta, compare};
pub use self::stored::Cut;

/// The load that ran beside a recording.
#[derive(Clone, Copy, Debug)]
pub struct LoadRecord<'a> {
    /// When its first phase began.
    pub start: Timestamp,
    /// What happened when, in the finest steps there are.
    pub intervals: &'a [Interval],
    /// Its phases.
    pub phases: &'a [PhaseSpan],
    /// Response p99 above which an interval is a spike; by default three times the usual.
    pub spike: Option<Nanos>,
}

/// Figures, and the windows that files are cut by.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// The figures.
    pub figures: TargetFigures,
    /// The measured window, or the whole recording without a load.
    pub window: Range<Timestamp>,
    /// What of it was sampled, in whole intervals of the load: what the figures are about. All of
    /// it, unless sampling was switched off meanwhile.
    pub sampled: Windows,
    /// The slow stretches.
    pub spikes: Vec<Range<Timestamp>>,
}
