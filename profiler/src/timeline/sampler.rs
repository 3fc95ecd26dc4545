//! A thread that takes a reading at every tick until it is stopped.
//!
//! Ticks are absolute times, so that they do not drift; a tick that is missed is skipped, and
//! reported.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_machine::cgroup::MemoryFiles;

use super::heaps::{Heaps, LOOKS_MAX, REVIEW_PERIOD};
use super::host::Host;
use super::membership::Membership;
use super::reading::Reading;
use super::tree::{ProcessReader, THREADS_MAX};
use crate::runtime::Runtime;
use crate::selector::{Found, Selector};

/// The largest number of ticks per second: more would disturb the target.
pub const HZ_MAX: u32 = 100;

/// What a sampler reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SamplerOptions {
    /// Readings per second, 1 to [`HZ_MAX`].
    pub hz: u32,
    /// Whether to read the heaps of runtimes as well.
    pub follows_heaps: bool,
}

/// A running sampler.
#[derive(Debug)]
pub struct Sampler {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// The results of a sampler.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampled {
    /// In order of time.
    pub readings: Vec<Reading>,
    /// Garbage-collected runtimes of the target's largest processes.
    pub runtimes: Vec<Runtime>,
    /// Notes for the reader of the timeline, a sentence each.
    pub notes: Vec<String>,
}

#[derive(Debug, Default)]
struct Shared {
    readings: Mutex<Vec<Reading>>,
    runtimes: Mutex<BTreeSet<Runtime>>,
    /// Why heaps are not read.
    heapless: Mutex<Vec<String>>,
    control: Mutex<Control>,
    changed: Condvar,
    is_measuring: AtomicBool,
}

#[derive(Debug, Default)]
struct Control {
    is_stopped: bool,
    ticks_missed: u64,
}

/// The files of the target's memory: of the selected group, or else of the group of its first root.
fn memory_files(found: &Found) -> Option<MemoryFiles> {
    let of_first = || {
        let first = found.roots.first().or_else(|| found.members.first())?;
        MemoryFiles::of_process(*first)
    };
    found.cgroup.as_deref().and_then(MemoryFiles::at).or_else(of_first)
}

impl Sampler {
    /// Starts reading the processes found for `selector`, for the first time at once. Fails if no
    /// thread can be started.
    pub fn start(selector: Selector, found: Found, options: SamplerOptions) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let readers = Readers {
            cgroup: memory_files(&found),
            tree: ProcessReader::new(Membership::new(selector, found)),
            host: Host::default(),
            heaps: options.follows_heaps.then(Heaps::default),
        };
        let period = Nanos(1_000_000_000 / u64::from(options.hz.clamp(1, HZ_MAX)));
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("timeline".to_owned())
            .spawn(move || run(&of_thread, readers, period))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Sets whether a window is being measured, in which costly values are not read.
    pub fn measuring(&self, is_measuring: bool) {
        self.shared.is_measuring.store(is_measuring, Ordering::Relaxed);
    }

    /// The readings so far, without the first `seen`.
    pub fn readings_after(&self, seen: usize) -> Vec<Reading> {
        lock(&self.shared.readings).get(seen..).map(<[_]>::to_vec).unwrap_or_default()
    }

    /// The runtimes that were recognised so far.
    pub fn runtimes(&self) -> Vec<Runtime> {
        lock(&self.shared.runtimes).iter().copied().collect()
    }

    /// Takes a last reading and ends.
    pub fn stop(mut self) -> Sampled {
        self.end();
        let readings = std::mem::take(&mut *lock(&self.shared.readings));
        let missed = lock(&self.shared.control).ticks_missed;
        let mut notes = notes(&readings, missed);
        notes.extend(std::mem::take(&mut *lock(&self.shared.heapless)));
        let runtimes = std::mem::take(&mut *lock(&self.shared.runtimes)).into_iter().collect();
        Sampled { readings, runtimes, notes }
    }

    fn end(&mut self) {
        lock(&self.shared.control).is_stopped = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has already passed on its readings.
            let _ = thread.join();
        }
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.end();
    }
}

struct Readers {
    tree: ProcessReader,
    cgroup: Option<MemoryFiles>,
    host: Host,
    /// The heaps of the target's runtimes, if they are followed.
    heaps: Option<Heaps>,
}

impl Readers {
    fn read(&mut self, due: Timestamp, is_measuring: bool) -> Reading {
        let time = now();
        let mut reading = Reading {
            time,
            late: time.since(due),
            target: self.tree.read(time, is_measuring),
            cgroup: self.cgroup.as_ref().map(MemoryFiles::read),
            host: self.host.read(),
            ..Reading::default()
        };
        if let Some(heaps) = &mut self.heaps {
            heaps.follow(time, &reading.target);
            reading.heaps = heaps.read(time);
            reading.unread_heaps = heaps.unread();
        }
        reading
    }
}

fn run(shared: &Shared, mut readers: Readers, period: Nanos) {
    let mut due = now();
    let mut looked: Option<Timestamp> = None;
    loop {
        let is_measuring = shared.is_measuring.load(Ordering::Relaxed);
        let reading = readers.read(due, is_measuring);
        let read = reading.time;
        let is_due = looked.is_none_or(|looked| read.since(looked) >= REVIEW_PERIOD);
        if let Some(heaps) = readers.heaps.as_ref().filter(|_| !reading.target.each.is_empty()) {
            lock(&shared.runtimes).extend(heaps.runtimes());
            // The notes of the last reading in which the target lived stay.
            *lock(&shared.heapless) = heaps.notes();
        } else if is_due && !reading.target.each.is_empty() {
            looked = Some(read);
            lock(&shared.runtimes).extend(runtimes(&reading));
        }
        lock(&shared.readings).push(reading);
        let (next, missed) = next_tick(due, now(), period);
        lock(&shared.control).ticks_missed += missed;
        if wait(shared, next) {
            // So that short runs end with their last values; directly after a tick a reading would
            // be only noise.
            let end = now();
            if end.since(read).0 >= period.0 / 10 {
                let is_measuring = shared.is_measuring.load(Ordering::Relaxed);
                let last = readers.read(end, is_measuring);
                lock(&shared.readings).push(last);
            }
            return;
        }
        due = next;
    }
}

/// The runtimes of the largest processes.
fn runtimes(reading: &Reading) -> Vec<Runtime> {
    let mut each = reading.target.each.clone();
    each.sort_unstable_by_key(|process| std::cmp::Reverse(process.bytes));
    each.iter().take(LOOKS_MAX).filter_map(|process| Runtime::of(process.pid)).collect()
}

/// The next tick after `due` that is still in the future, and the number of missed ticks between.
fn next_tick(due: Timestamp, now: Timestamp, period: Nanos) -> (Timestamp, u64) {
    let missed = now.since(due).0 / period.0;
    (due + Nanos((missed + 1) * period.0), missed)
}

/// Waits until `due`; returns whether the sampler was stopped.
fn wait(shared: &Shared, due: Timestamp) -> bool {
    let mut control = lock(&shared.control);
    loop {
        let left = due.since(now());
        if control.is_stopped || left == Nanos::ZERO {
            return control.is_stopped;
        }
        let waited = shared.changed.wait_timeout(control, Duration::from_nanos(left.0));
        control = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}

fn notes(readings: &[Reading], missed: u64) -> Vec<String> {
    let mut notes = Vec::new();
    let unread = readings.iter().map(|reading| reading.target.threads_unread).max().unwrap_or(0);
    if unread > 0 {
        notes.push(format!(
            "run queue and switches of the target are of {THREADS_MAX} threads; up to {unread} \
             more were not read"
        ));
    }
    if missed > 0 {
        let late = readings.iter().map(|reading| reading.late).max().unwrap_or_default();
        let were = if missed == 1 { "reading was" } else { "readings were" };
        notes.push(format!(
            "{missed} {were} left out of the timeline because the machine was too busy (the latest \
             came {late} late)"
        ));
    }
    if readings.iter().any(|r| r.target.processes > 0 && r.target.fds.is_none()) {
        let fix = "run as its user or with CAP_SYS_PTRACE";
        notes.push(format!("the target's file descriptors may not be counted: {fix}"));
    }
    if readings.iter().any(|reading| reading.target.is_shmem_per_process) {
        notes.push(
            "shared memory may be counted more than once, for each process that maps it: run as \
             root or with CAP_CHECKPOINT_RESTORE to count it once"
                .to_owned(),
        );
    }
    if readings.last().is_some_and(|last| last.target.processes == 0) {
        notes.push("the target was gone at the end of the timeline".to_owned());
    }
    notes
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The data is complete even after a panic: every update is a single push or sum.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The current time, on the clock of the load and of the samples.
fn now() -> Timestamp {
    let time = clock_gettime(ClockId::Monotonic);
    Timestamp(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

#[cfg(test)]
mod tests;
