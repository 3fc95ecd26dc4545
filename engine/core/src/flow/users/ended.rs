//! The report of a flow that has ended.

use crate::pacer::Slot;
use crate::time::{Nanos, Timestamp};

/// How a flow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowEnd {
    /// Every step passed.
    Passed,
    /// A step did not.
    Failed,
    /// The run was over before it was.
    Unfinished,
}

/// A flow that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Which, from 0.
    pub flow: u32,
    /// When it was to begin.
    pub slot: Slot,
    /// When it ended.
    pub done: Timestamp,
    /// How long its user waited for answers, from the moment each request was due: all of the
    /// flow but its pauses.
    pub response: Nanos,
    /// How much of that its requests waited to be sent, since they were due.
    pub lateness: Nanos,
    /// How it ended.
    pub end: FlowEnd,
}
