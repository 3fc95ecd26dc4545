//! Follows the schedule of a run on a thread of its own: begins each fault at its time, ends it,
//! and reports when it was seen to work and when it was seen to be gone.
//!
//! The end of the run, or of the process, ends every fault first.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use uringbench_core::chaos::{ChaosPlan, FaultKind, Injection, PlannedFault};
use uringbench_core::time::{Nanos, Timestamp};

use crate::active::{BeginError, Held, Prepared, Targets, prepare};
use crate::journal::{Journal, JournalError, Open};
use crate::now;
use crate::undo::Undo;
use crate::watchdog::Watchdog;

/// How soon the end of the run is noticed.
const LOOK: Nanos = Nanos::from_millis(5);
/// How often a killed process is looked for: each time all processes of the machine are read.
const LOOK_RESTARTED: Nanos = Nanos::from_millis(50);
/// How long a killed process may take until something starts it again.
const RESTARTED_WITHIN: Nanos = Nanos::from_secs(60);

/// What became of one injection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InjectionReport {
    /// The fault's number in the plan.
    pub fault: usize,
    /// When it was ordered.
    pub injected: Timestamp,
    /// When it was seen to work.
    pub effective: Option<Timestamp>,
    /// When it was seen to be gone.
    pub cleared: Option<Timestamp>,
    /// What was done, in words.
    pub done: String,
    /// Why it did not begin or did not work.
    pub failure: Option<String>,
    /// Why it may be still there, with the command that ends it.
    pub left: Option<String>,
}

/// The thread that injects the faults of one run.
#[derive(Debug)]
pub struct FaultRunner {
    is_finished: Arc<AtomicBool>,
    thread: JoinHandle<Vec<InjectionReport>>,
}

/// A fault that is there.
struct Active {
    number: usize,
    until: Timestamp,
    undo: Vec<(u32, Undo)>,
    held: Held,
}

/// A killed process that is to come back. A thread waits for it: other faults begin and end
/// meanwhile.
struct Restarting {
    number: usize,
    thread: JoinHandle<Result<Option<Timestamp>, String>>,
}

/// Follows one schedule.
struct Follower {
    plan: ChaosPlan,
    targets: Arc<dyn Targets>,
    journal: Journal,
    is_over: Arc<dyn Fn() -> bool + Send + Sync>,
    active: Vec<Active>,
    restarting: Vec<Restarting>,
    reports: Vec<InjectionReport>,
}

/// Everything that a schedule needs before the load begins.
#[derive(Debug)]
pub struct ReadyFaults {
    follower: Follower,
    injections: Vec<Injection>,
    watchdog: Watchdog,
}

impl ReadyFaults {
    /// Begins to inject: `from` is the start of the measured window. Faults end as soon as
    /// `is_over` says so.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn begin(
        mut self,
        from: Timestamp,
        is_over: impl Fn() -> bool + Send + Sync + 'static,
    ) -> std::io::Result<FaultRunner> {
        let is_finished = Arc::new(AtomicBool::new(false));
        let finished = Arc::clone(&is_finished);
        self.follower.is_over = Arc::new(move || finished.load(Ordering::Relaxed) || is_over());
        let thread = thread::Builder::new().name("faults".to_owned()).spawn(move || {
            self.follower.follow(&self.injections, from);
            self.follower.journal.close();
            drop(self.watchdog);
            self.follower.reports
        })?;
        Ok(FaultRunner { is_finished, thread })
    }
}

impl FaultRunner {
    /// The journal and the watchdog of a schedule. The watchdog is this program, at `program`.
    ///
    /// # Errors
    /// There is no journal or no watchdog, so nothing can be injected.
    pub fn prepare(
        (plan, injections): (&ChaosPlan, &[Injection]),
        targets: Arc<dyn Targets>,
        folder: &Path,
        program: &Path,
    ) -> Result<ReadyFaults, JournalError> {
        let journal = Journal::create(folder)?;
        let failed = |cause| JournalError::Io { path: PathBuf::from(program), cause };
        let watchdog = Watchdog::start(program, journal.path()).map_err(failed)?;
        let follower = Follower {
            plan: plan.clone(),
            targets,
            journal,
            is_over: Arc::new(|| false),
            active: Vec::new(),
            restarting: Vec::new(),
            reports: Vec::new(),
        };
        Ok(ReadyFaults { follower, injections: injections.to_vec(), watchdog })
    }

    /// Ends every fault and the thread. Returns the injections that were begun, in order.
    pub fn finish(self) -> Vec<InjectionReport> {
        self.is_finished.store(true, Ordering::Relaxed);
        // If it panicked, its watchdog has undone the faults.
        self.thread.join().unwrap_or_default()
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl Follower {
    fn follow(&mut self, injections: &[Injection], from: Timestamp) {
        for injection in injections {
            let at = from + injection.at;
            while let Some(first) = self.first_end().filter(|end| *end <= at) {
                if !self.wait_until(first) {
                    return self.end_all();
                }
                self.end_until(first);
            }
            if !self.wait_until(at) {
                return self.end_all();
            }
            self.begin(injection);
        }
        while let Some(first) = self.first_end() {
            if !self.wait_until(first) {
                break;
            }
            self.end_until(first);
        }
        self.end_all();
    }

    fn first_end(&self) -> Option<Timestamp> {
        self.active.iter().map(|active| active.until).min()
    }

    /// Waits; `false` if the run ended first.
    fn wait_until(&self, time: Timestamp) -> bool {
        wait_until(time, self.is_over.as_ref())
    }

    fn begin(&mut self, injection: &Injection) {
        let fault = self.plan.faults[injection.fault].clone();
        let injected = now();
        let number = self.reports.len();
        self.reports.push(InjectionReport {
            fault: injection.fault,
            injected,
            effective: None,
            cleared: None,
            done: fault.kind.key().to_owned(),
            failure: None,
            left: None,
        });
        if let Err(BeginError(cause)) = self.begin_at(number, &fault, injection.length) {
            self.reports[number].failure = Some(cause);
        }
    }

    fn begin_at(
        &mut self,
        number: usize,
        fault: &PlannedFault,
        length: Nanos,
    ) -> Result<(), BeginError> {
        let prepared = prepare(&fault.kind, self.targets.as_ref())?;
        self.reports[number].done = prepared.seen();
        let undo = prepared.undo();
        self.refuse_twice(&undo)?;
        // The watchdog waits until a slow command has begun it.
        let allowance = Nanos(prepared.begins_within().as_nanos() as u64);
        let until = now() + length;
        let mut written = Vec::new();
        for undo in undo {
            let id = self.journal.begin(&fault.name, &undo, (until + allowance).0);
            written.push((id.map_err(|why| why.to_string())?, undo));
        }
        // From here on it is undone in any case.
        self.active.push(Active { number, until, undo: written, held: Held::Nothing });
        let held = prepared.act();
        let is_effective = held.is_ok() && prepared.await_effect();
        let effective = is_effective.then(now);
        self.reports[number].effective = effective;
        let held = match held {
            Ok(held) => held,
            Err(why) => {
                self.end_until_of(|active| active.number == number);
                return Err(BeginError(why));
            }
        };
        if let Prepared::Kill { processes, .. } = &prepared {
            // Its end is that it is there again, also if it was slow to go.
            self.active.retain(|active| active.number != number);
            self.await_restart(number, &fault.kind, processes.iter().map(|it| it.pid).collect());
        } else if let Some(active) = self.active.last_mut() {
            active.held = held;
            // It lasts as long as planned, however long it took to begin.
            active.until = effective.map_or(until, |effective| effective + length);
        }
        if !is_effective {
            return Err(BeginError("it was begun, and not seen to work".to_owned()));
        }
        Ok(())
    }

    /// Refuses to change what another fault has changed: its old value would be that of the fault.
    fn refuse_twice(&self, undo: &[Undo]) -> Result<(), BeginError> {
        let touches = |other: &Undo| undo.iter().any(|ours| ours.touches(other));
        let mut here = self.active.iter().flat_map(|active| &active.undo);
        if here.any(|(_, other)| touches(other)) {
            let why = "another fault of this run has changed the same thing: name one target in \
                       one way, or move one fault";
            return Err(BeginError(why.to_owned()));
        }
        let others = self.journal.others();
        if let Some(Open { name, .. }) = others.iter().find(|other| touches(&other.undo)) {
            return Err(BeginError(format!("another run has the same target, for `{name}`")));
        }
        Ok(())
    }

    /// A killed process is started again, by us or by what watches over it.
    fn await_restart(&mut self, number: usize, kind: &FaultKind, killed: Vec<u32>) {
        let FaultKind::Kill { process, restart, .. } = kind.clone() else { return };
        let (targets, is_over) = (Arc::clone(&self.targets), Arc::clone(&self.is_over));
        let delay = restart.unwrap_or_default();
        let wait = move || come_back(targets.as_ref(), &process, delay, &killed, is_over.as_ref());
        match thread::Builder::new().name("restart".to_owned()).spawn(wait) {
            Ok(thread) => self.restarting.push(Restarting { number, thread }),
            Err(why) => self.reports[number].left = Some(format!("no thread waits for it: {why}")),
        }
    }

    fn end_until(&mut self, time: Timestamp) {
        self.end_until_of(|active| active.until <= time);
    }

    fn end_all(&mut self) {
        self.end_until_of(|_| true);
        for Restarting { number, thread } in self.restarting.drain(..) {
            let report = &mut self.reports[number];
            match thread.join() {
                Ok(Ok(time)) => report.cleared = time,
                Ok(Err(why)) => report.left = Some(why),
                Err(_) => report.left = Some("what waited for it has ended".to_owned()),
            }
        }
    }

    fn end_until_of(&mut self, is_over: impl Fn(&Active) -> bool) {
        let (over, rest) = self.active.drain(..).partition(is_over);
        self.active = rest;
        let over: Vec<Active> = over;
        for Active { number, undo, held, .. } in over {
            let mut left = held.end().err();
            for (id, undo) in undo {
                match undo.apply() {
                    // If it is not written down, it is undone once more.
                    Ok(()) => drop(self.journal.end(id)),
                    Err(why) => left = Some(why.to_string()),
                }
            }
            let report = &mut self.reports[number];
            match left {
                None => report.cleared = Some(now()),
                Some(_) => report.left = left,
            }
        }
    }
}

/// Waits; `false` if the run ended first.
fn wait_until(time: Timestamp, is_over: &(dyn Fn() -> bool + Send + Sync)) -> bool {
    loop {
        let left = time.since(now());
        if left == Nanos::ZERO {
            return true;
        }
        if is_over() {
            return false;
        }
        thread::sleep(Duration::from_nanos(left.0.min(LOOK.0)));
    }
}

/// When a killed process is there again; `None` if that was not seen.
fn come_back(
    targets: &dyn Targets,
    process: &str,
    delay: Nanos,
    killed: &[u32],
    is_over: &(dyn Fn() -> bool + Send + Sync),
) -> Result<Option<Timestamp>, String> {
    if targets.is_ours(process) {
        // What the run started ends with it, so at its end nothing is started again.
        if !wait_until(now() + delay, is_over) {
            return Ok(None);
        }
        let is_there = targets.restart(process)?;
        return Ok(is_there.then(now));
    }
    let deadline = now() + RESTARTED_WITHIN;
    while now() < deadline && wait_until(now() + LOOK_RESTARTED, is_over) {
        let found = targets.find(process).map(|found| found.members).unwrap_or_default();
        if found.iter().any(|pid| !killed.contains(pid)) {
            return Ok(Some(now()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
