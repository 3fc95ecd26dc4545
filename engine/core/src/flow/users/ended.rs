//! The report of a flow that has ended.

use crate::pacer::Slot;
use crate::time::{Nanos, Timestamp};

/// How a flow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowEnd {
    /// Every step passed.
    Passed,
    /// A step failed.
    Failed,
    /// The run ended first.
    Unfinished,
}

/// A flow that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its index, from 0.
    pub flow: u32,
    /// When it was due to begin.
    pub slot: Slot,
    /// When it ended.
    pub done: Timestamp,
    /// The time its user waited for answers, from the moment each request was due: all of the flow
    /// except for think times.
    pub response: Nanos,
    /// The part of that in which its requests waited to be sent after they were due.
    pub lateness: Nanos,
    /// How it ended.
    pub end: FlowEnd,
}
