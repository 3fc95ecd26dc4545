//! How long threads are off their CPUs, and the stacks with which they left.
//!
//! Every interval is exact: from a thread's switch out to its next switch in, on any CPU. Stacks
//! are taken at one of N departures. An interval whose departure was sampled weighs N times its
//! length, the others nothing; as each departure is equally likely to be the one of N, the sum of
//! weights has the exact sum as its mean (Horvitz and Thompson 1952), for any lengths, and with N =
//! 1 it is the exact sum. It scatters more with fewer waits. `tree` decides which threads are the
//! target's.

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};
use uringbench_core::time::{Nanos, Timestamp};

use super::{Content, Record};
use crate::stack::StackId;

/// Ended threads that are remembered: the kernel switches them out once more after it has announced
/// their end.
const GONE_MAX: usize = 4_096;

/// Tracks the context switches of threads, in order of time.
///
/// Memory follows the number of threads and processes seen.
#[derive(Debug, Default)]
pub struct OffCpu {
    off: FxHashMap<u32, Departure>,
    noted: FxHashMap<u32, Note>,
    gone: Gone,
    totals: FxHashMap<u32, WaitTotals>,
    gaps: OffCpuGaps,
}

/// An interval in which a thread did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffCpuInterval {
    /// The process.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
    /// When it left its CPU.
    pub start: Timestamp,
    /// When it got one again.
    pub end: Timestamp,
    /// Whether it could have continued, and waited for a CPU only.
    pub is_preempted: bool,
    /// Nanoseconds of waiting that its stack represents; 0 if no stack was taken.
    pub weight: u64,
    /// The stack with which it left; [`StackId::EMPTY`] if none was taken.
    pub stack: StackId,
}

impl OffCpuInterval {
    /// Its exact length.
    pub fn length(&self) -> Nanos {
        self.end.since(self.start)
    }
}

/// Exact sums of the intervals in which the threads of a process did not run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitTotals {
    /// The number of intervals.
    pub intervals: u64,
    /// Waiting for something.
    pub blocked: Nanos,
    /// Waiting for a CPU after being preempted.
    pub preempted: Nanos,
}

/// Waits that could not be measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OffCpuGaps {
    /// Threads that got a CPU and had not been seen leaving one: new ones, and those that waited
    /// when observation began or records were lost.
    pub unknown_starts: u64,
    /// Intervals whose end was not seen, because records were lost or the thread has ended.
    pub dropped: u64,
}

#[derive(Clone, Copy, Debug)]
struct Departure {
    pid: u32,
    start: Timestamp,
    is_preempted: bool,
    note: Option<Note>,
}

#[derive(Clone, Copy, Debug)]
struct Note {
    time: Timestamp,
    stack: StackId,
    period: u64,
}

impl OffCpu {
    /// Apply a record; those without a switch are ignored. Returns the interval that it ends, if
    /// any.
    ///
    /// When records were lost, all open intervals are dropped: a thread may have run in the
    /// meantime on any CPU. One that ended before the loss was announced may be too long.
    pub fn observe(&mut self, record: &Record<'_>) -> Option<OffCpuInterval> {
        match record.content {
            Content::SwitchedOut { is_preempted } => self.leave(record, is_preempted),
            Content::SwitchedIn => return self.come(record),
            Content::Fork { tid, .. } => self.gone.forget(tid),
            Content::Exit { tid, .. } => {
                self.noted.remove(&tid);
                self.gaps.dropped += u64::from(self.off.remove(&tid).is_some());
                self.gone.add(tid);
            }
            Content::Lost(_) => {
                self.gaps.dropped += self.off.len() as u64;
                self.off.clear();
                self.noted.clear();
            }
            _ => {}
        }
        None
    }

    /// The thread leaves its CPU at `time` with this stack, which was taken at one of `period`
    /// departures. The record of the switch follows.
    pub fn note_stack(&mut self, tid: u32, time: Timestamp, stack: StackId, period: u64) {
        if is_thread(tid) {
            self.noted.insert(tid, Note { time, stack, period });
        }
    }

    /// Observation ends: the open intervals, cut at `end`, in the order of threads.
    pub fn finish(&mut self, end: Timestamp) -> Vec<OffCpuInterval> {
        let mut open: Vec<_> = self.off.drain().collect();
        open.sort_unstable_by_key(|&(tid, _)| tid);
        open.into_iter().map(|(tid, departure)| self.close(tid, departure, end)).collect()
    }

    /// The total waits of a process, up to the last interval that ended.
    pub fn totals(&self, pid: u32) -> WaitTotals {
        self.totals.get(&pid).copied().unwrap_or_default()
    }

    /// Waits missing in the totals.
    pub const fn gaps(&self) -> OffCpuGaps {
        self.gaps
    }

    fn leave(&mut self, record: &Record<'_>, is_preempted: bool) {
        let &Record { pid, tid, time: start, .. } = record;
        let note = self.noted.remove(&tid).filter(|note| note.time <= start);
        if !is_thread(tid) || self.gone.contains(tid) {
            return;
        }
        let departure = Departure { pid, start, is_preempted, note };
        // It cannot leave twice: a switch in between was not recorded.
        self.gaps.dropped += u64::from(self.off.insert(tid, departure).is_some());
    }

    fn come(&mut self, record: &Record<'_>) -> Option<OffCpuInterval> {
        let &Record { tid, time, .. } = record;
        self.noted.remove(&tid);
        let Some(departure) = self.off.remove(&tid) else {
            let is_unknown = is_thread(tid) && !self.gone.contains(tid);
            self.gaps.unknown_starts += u64::from(is_unknown);
            return None;
        };
        Some(self.close(tid, departure, time))
    }

    fn close(&mut self, tid: u32, departure: Departure, end: Timestamp) -> OffCpuInterval {
        let Departure { pid, start, is_preempted, note } = departure;
        let length = end.since(start);
        let waits = self.totals.entry(pid).or_default();
        waits.intervals += 1;
        if is_preempted {
            waits.preempted += length
        } else {
            waits.blocked += length
        }
        let weight = note.map_or(0, |note| note.period.saturating_mul(length.0));
        let stack = note.map_or(StackId::EMPTY, |note| note.stack);
        OffCpuInterval { pid, tid, start, end, is_preempted, weight, stack }
    }
}

/// Neither the idle task nor one without a number.
const fn is_thread(tid: u32) -> bool {
    !matches!(tid, 0 | u32::MAX)
}

/// The threads that ended last.
#[derive(Debug, Default)]
struct Gone {
    threads: FxHashSet<u32>,
    oldest_first: VecDeque<u32>,
}

impl Gone {
    fn add(&mut self, tid: u32) {
        if self.threads.insert(tid) {
            self.oldest_first.push_back(tid);
        }
        if self.oldest_first.len() > GONE_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.threads.remove(&oldest);
        }
    }

    fn forget(&mut self, tid: u32) {
        if self.threads.remove(&tid) {
            self.oldest_first.retain(|&gone| gone != tid);
        }
    }

    fn contains(&self, tid: u32) -> bool {
        self.threads.contains(&tid)
    }
}

#[cfg(test)]
mod tests;
