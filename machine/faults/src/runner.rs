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

use uringbench_core::chaos::{ChaosPlan, FaultKind, Injection};
use uringbench_core::time::{Nanos, Timestamp};

use crate::active::{BeginError, Held, Prepared, Targets, prepare};
use crate::journal::{Journal, JournalError};
use crate::now;
use crate::undo::Undo;
use crate::watchdog::Watchdog;

/// How soon the end of the run is noticed.
const LOOK: Nanos = Nanos::from_millis(5);
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

/// Follows one schedule.
struct Follower {
    plan: ChaosPlan,
    targets: Arc<dyn Targets>,
    journal: Journal,
    is_over: Box<dyn Fn() -> bool + Send + Sync>,
    active: Vec<Active>,
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
        self.follower.is_over = Box::new(move || finished.load(Ordering::Relaxed) || is_over());
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
            is_over: Box::new(|| false),
            active: Vec::new(),
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
        loop {
            let left = time.since(now());
            if left == Nanos::ZERO {
                return true;
            }
            if (self.is_over)() {
                return false;
            }
            thread::sleep(Duration::from_nanos(left.0.min(LOOK.0)));
        }
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
        let until = injected + injection.length;
        match self.begin_at(number, &fault.name, &fault.kind, until) {
            Ok(prepared) => {
                if let FaultKind::Kill { process, restart, .. } = &fault.kind
                    && let Prepared::Kill { processes, .. } = &prepared
                {
                    let killed: Vec<u32> = processes.iter().map(|it| it.pid).collect();
                    self.await_restart(number, process, *restart, &killed);
                }
            }
            Err(BeginError(cause)) => self.reports[number].failure = Some(cause),
        }
    }

    fn begin_at(
        &mut self,
        number: usize,
        name: &str,
        kind: &FaultKind,
        until: Timestamp,
    ) -> Result<Prepared, BeginError> {
        let prepared = prepare(kind, self.targets.as_ref())?;
        self.reports[number].done = prepared.seen();
        let undo = prepared.undo();
        let others = self.journal.others();
        if let Some(other) = others.iter().find(|it| undo.iter().any(|ours| ours.touches(&it.undo)))
        {
            let name = &other.name;
            return Err(BeginError(format!("another run has the same target, for `{name}`")));
        }
        let mut written = Vec::new();
        for undo in undo {
            let id = self.journal.begin(name, &undo, until.0);
            written.push((id.map_err(|why| why.to_string())?, undo));
        }
        // From here on it is undone in any case.
        self.active.push(Active { number, until, undo: written, held: Held::Nothing });
        let held = prepared.act();
        let is_effective = held.is_ok() && prepared.await_effect();
        if is_effective {
            self.reports[number].effective = Some(now());
        }
        match held {
            Ok(held) => {
                if let Some(active) = self.active.last_mut() {
                    active.held = held;
                }
            }
            Err(why) => {
                self.end_until_of(|active| active.number == number);
                return Err(BeginError(why));
            }
        }
        if !is_effective {
            return Err(BeginError("it was begun, and not seen to work".to_owned()));
        }
        Ok(prepared)
    }

    /// A killed process is started again, by us or by what watches over it.
    fn await_restart(
        &mut self,
        number: usize,
        process: &str,
        restart: Option<Nanos>,
        killed: &[u32],
    ) {
        self.active.retain(|active| active.number != number);
        let targets = Arc::clone(&self.targets);
        if targets.is_ours(process) {
            // Also at the end of the run: what was killed is there again.
            let _is_running = self.wait_until(now() + restart.unwrap_or_default());
            match targets.restart(process) {
                Ok(()) => self.reports[number].cleared = Some(now()),
                Err(why) => self.reports[number].left = Some(why),
            }
            return;
        }
        let deadline = now() + RESTARTED_WITHIN;
        while now() < deadline && self.wait_until(now() + LOOK) {
            let found = targets.find(process).map(|found| found.members).unwrap_or_default();
            if found.iter().any(|pid| !killed.contains(pid)) {
                self.reports[number].cleared = Some(now());
                return;
            }
        }
    }

    fn end_until(&mut self, time: Timestamp) {
        self.end_until_of(|active| active.until <= time);
    }

    fn end_all(&mut self) {
        self.end_until_of(|_| true);
    }

    fn end_until_of(&mut self, is_over: impl Fn(&Active) -> bool) {
        let (over, rest) = self.active.drain(..).partition(is_over);
        self.active = rest;
        let over: Vec<Active> = over;
        for Active { number, undo, held, .. } in over {
            drop(held);
            let mut left = None;
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
