//! The heaps of the target's JVMs at each tick: which are open, which cannot be read and why.
//!
//! A process of the target that was not looked at yet counts as a heap that is not read: it may be
//! a JVM. What a heap's counters mean is left to `leak::heap`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use uringbench_core::time::{Nanos, Timestamp};

use super::reading::TargetReading;
use crate::leak::heap::HeapReading;
use crate::runtime::Runtime;
use crate::runtime::jvm::{JvmError, JvmHeap};

/// Time between two checks of processes that were looked at: a script may start a program in its
/// own place, and a JVM that could not be read may be readable by now.
pub(super) const REVIEW_PERIOD: Nanos = Nanos::from_secs(20);
/// Processes looked at in one reading, the largest first, at about 100 µs each.
pub(super) const LOOKS_MAX: usize = 8;
/// Time between two counts of resident pages, and how many times as long as they took: the kernel
/// reads an entry for each page.
const RESIDENT_PERIOD: Nanos = Nanos::from_secs(2);
const RESIDENT_SHARE: u64 = 200;
/// The period is doubled at most so often while a heap cannot be counted.
const BACK_OFF_MAX: u32 = 5;

/// A process, by its PID and its start.
type Id = (u32, u64);

/// The heaps that are read.
#[derive(Debug, Default)]
pub(super) struct Heaps {
    /// The runtime of each process that was looked at.
    known: BTreeMap<Id, Option<Runtime>>,
    reviewed: Option<Timestamp>,
    open: Vec<JvmHeap>,
    /// Why the heaps of JVMs are not read.
    refused: BTreeMap<Id, JvmError>,
    /// Processes that were not looked at, at the last reading that lists them.
    unchecked: u64,
    /// When resident pages may be counted again, of all heaps at the same tick.
    resident_due: Timestamp,
    failures: u32,
}

impl Heaps {
    /// Looks at processes that are new, if the reading lists them.
    pub(super) fn follow(&mut self, now: Timestamp, target: &TargetReading) {
        if target.each.is_empty() {
            return;
        }
        let mut each = target.each.clone();
        each.sort_unstable_by_key(|process| std::cmp::Reverse(process.bytes));
        let ids: Vec<Id> = each.iter().map(|process| (process.pid, process.start)).collect();
        let is_due = self.reviewed.is_none_or(|last| now.since(last) >= REVIEW_PERIOD);
        if is_due {
            self.reviewed = Some(now);
            for id in ids.iter().take(LOOKS_MAX).chain(self.refused.keys()) {
                self.known.remove(id);
            }
        }
        let present: BTreeSet<Id> = ids.iter().copied().collect();
        self.known.retain(|id, _| present.contains(id));
        let unknown = ids.into_iter().filter(|id| !self.known.contains_key(id));
        let unknown: Vec<Id> = unknown.collect();
        for &id in unknown.iter().take(LOOKS_MAX) {
            let runtime = Runtime::of(id.0);
            self.known.insert(id, runtime);
            if runtime == Some(Runtime::Jvm) {
                self.open(id);
            } else {
                self.open.retain(|heap| heap.id() != id);
                self.refused.remove(&id);
            }
        }
        let unlisted = target.processes.saturating_sub(each.len() as u64);
        self.unchecked = unknown.len().saturating_sub(LOOKS_MAX) as u64 + unlisted;
    }

    fn open(&mut self, id: Id) {
        if self.open.iter().any(|heap| heap.id() == id) {
            return;
        }
        match JvmHeap::open(id.0, id.1) {
            Ok(heap) => {
                self.refused.remove(&id);
                self.open.push(heap);
                (self.resident_due, self.failures) = (Timestamp(0), 0);
            }
            Err(why) => {
                self.refused.insert(id, why);
            }
        }
    }

    /// Reads the heaps of processes that live.
    pub(super) fn read(&mut self, now: Timestamp) -> Vec<HeapReading> {
        let mut readings = Vec::with_capacity(self.open.len());
        let Self { open, refused, .. } = self;
        refused.retain(|&id, _| is_alive(id));
        open.retain_mut(|heap| {
            // The file of a JVM that ended keeps its bytes while it is open.
            let is_alive = is_alive(heap.id());
            let reading = is_alive.then(|| heap.read()).flatten();
            if is_alive && reading.is_none() {
                refused.insert(heap.id(), JvmError::NoCounters);
            }
            readings.extend(reading);
            reading.is_some()
        });
        if now >= self.resident_due && !readings.is_empty() {
            self.count_resident(now, &mut readings);
        }
        readings
    }

    /// Counts the resident pages of all heaps, which are those of `readings` in the same order.
    fn count_resident(&mut self, now: Timestamp, readings: &mut [HeapReading]) {
        let begun = Instant::now();
        for (heap, reading) in self.open.iter_mut().zip(readings.iter_mut()) {
            reading.resident = heap.resident(reading.counters.reserved);
        }
        let took = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let is_whole = readings.iter().all(|reading| reading.resident.is_some());
        self.failures = if is_whole { 0 } else { (self.failures + 1).min(BACK_OFF_MAX) };
        let period = RESIDENT_PERIOD.0 << self.failures;
        let pause = took.saturating_mul(RESIDENT_SHARE).max(period);
        // Just before a tick, so that it is the next one.
        self.resident_due = now + Nanos(pause - RESIDENT_PERIOD.0 / 20);
    }

    /// JVMs whose heaps are not read, and processes that may be some.
    pub(super) fn unread(&self) -> u64 {
        self.refused.len() as u64 + self.unchecked
    }

    /// The runtimes of the processes that were looked at.
    pub(super) fn runtimes(&self) -> impl Iterator<Item = Runtime> + '_ {
        self.known.values().filter_map(|runtime| *runtime)
    }

    /// Why heaps are not read: a sentence for each reason.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut reasons: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for ((pid, _), why) in &self.refused {
            reasons.entry(why.to_string()).or_default().push(*pid);
        }
        let note = |(why, pids): (String, Vec<u32>)| match pids.len() - 1 {
            0 => format!("{why} (JVM {})", pids[0]),
            more => format!("{why} (JVM {} and {more} more)", pids[0]),
        };
        reasons.into_iter().map(note).collect()
    }
}

/// Whether a process lives that began at the tick.
fn is_alive((pid, start): Id) -> bool {
    uringbench_machine::processes::ProcessEntry::read(pid)
        .is_some_and(|entry| entry.start == start && !entry.is_ended)
}

#[cfg(test)]
mod tests;
