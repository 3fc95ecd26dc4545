//! A run from plan to record: start the workers and add up their results, without a verdict.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use thiserror::Error;
use uringbench_core::histogram::LatencyCounts;
use uringbench_core::outcome::Counts;
use uringbench_core::plan::{Limit, Load, Plan};
use uringbench_core::record::{Backend, Interval, RunRecord, WorkerRecord};
use uringbench_core::schedule::Share;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_core::window::NamedWindows;
use uringbench_ring::{Failure, SetupError};

use crate::clock;
use crate::connections::connect_failure::ConnectFailure;
use crate::control::{Command, Control};
use crate::drivers::backends::EngineError;
use crate::event_loop::Boundaries;
use crate::record::collector::{Collector, Sums, WorkerSums};
use crate::record::recorder::IntervalCounts;
use crate::record::thread_cost::{ThreadCost, resident, resident_peak};
use crate::wire::tls::TlsSetupError;
use crate::worker::{self, Finished, Ready, Report, WorkerChannels};

/// Receives the progress of a run, on the collector's thread.
pub trait Observer {
    /// The backend is known: called first.
    fn carried_by(&mut self, _backend: Backend) {}
    /// The first slot is due at this time; this many connections are up.
    fn started(&mut self, start: Timestamp, connected: u32);
    /// The measured window begins about now (not called without one).
    fn measure_begins(&mut self);
    /// An interval is complete; `response` are the times of the slots that ended in it.
    fn interval(&mut self, interval: &Interval, response: &LatencyCounts);
    /// The measured window has ended about now.
    fn measure_ended(&mut self);
}

/// Why a run failed.
#[derive(Debug, Error)]
pub enum RunError {
    /// A worker's CPU is not available.
    #[error("cannot pin a worker to CPU {0}: it is offline or not allowed here; see --cores")]
    Pin(usize),
    /// A worker has no ring.
    #[error("{error}{fix}", error = .0, fix = other_engine(.0))]
    Ring(SetupError),
    /// A runtime does not support it.
    #[error(transparent)]
    Engine(EngineError),
    /// TLS cannot be set up as planned.
    #[error(transparent)]
    Tls(TlsSetupError),
    /// Not a single connection could be made.
    #[error("cannot connect to {peers}: {failure}")]
    Unreachable {
        /// The addresses tried.
        peers: String,
        /// Cause and fix.
        failure: ConnectFailure,
    },
    /// A signal arrived before the first request.
    #[error("interrupted before the first request was sent")]
    Interrupted,
    /// The operating system could not start a thread.
    #[error("cannot start a worker thread: {0}")]
    Thread(std::io::Error),
    /// The kernel refused all work before the first request.
    #[error("io_uring_enter failed repeatedly: {0}")]
    Halted(Failure),
    /// A worker died; the figures would be incomplete.
    #[error(
        "worker {worker} ended unexpectedly ({cause}), so the figures would be incomplete: this \
         is a bug in uringbench, please report it"
    )]
    WorkerLost {
        /// Its number, from 0.
        worker: usize,
        /// The message of its panic.
        cause: String,
    },
}

/// Between the last worker's readiness and the first slot: time for all of them to wake up.
const START_DELAY: Nanos = Nanos::from_millis(2);

/// Execute a plan. `control` ends it early.
pub fn run(
    plan: &Plan,
    control: &Control,
    observer: &mut dyn Observer,
) -> Result<RunRecord, RunError> {
    run_with(plan, control, observer, &|index, links| worker::work(plan, index, control, links))
}

/// The same, with the function of each worker.
fn run_with(
    plan: &Plan,
    control: &Control,
    observer: &mut dyn Observer,
    work: &(dyn Fn(usize, &WorkerChannels) + Sync),
) -> Result<RunRecord, RunError> {
    std::thread::scope(|scope| {
        let halt = Halt(control);
        let (reports, inbox) = channel();
        let resident_before = resident();
        let mut crew =
            WorkerPool { workers: Vec::new(), inbox, resident_before, rss_of_connections: 0 };
        for index in 0..plan.transport.cpus.len() {
            let (ours, links) = WorkerHandle::new(reports.clone());
            let builder = std::thread::Builder::new().name(format!("worker-{index}"));
            builder
                .spawn_scoped(scope, move || worker::live(index, &links, || work(index, &links)))
                .map_err(RunError::Thread)?;
            crew.workers.push(ours);
        }
        drop(reports);
        let record = crew.run(plan, control, observer)?;
        halt.disarm();
        Ok(record)
    })
}

/// Ends every worker if the collector ends before them for any reason: nothing would take their
/// intervals.
struct Halt<'a>(&'a Control);

impl Halt<'_> {
    fn disarm(self) {
        std::mem::forget(self);
    }
}

impl Drop for Halt<'_> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The collector's ends of one worker's channels.
struct WorkerHandle {
    start: Option<Sender<Timestamp>>,
    empties: Sender<Box<IntervalCounts>>,
    release: Option<Sender<()>>,
    ready: Option<Ready>,
    /// Cost at the start and at the end of the measured window.
    cost: [ThreadCost; 2],
    finished: Option<Finished>,
}

impl WorkerHandle {
    fn new(reports: Sender<(usize, Report)>) -> (Self, WorkerChannels) {
        let (start, start_receiver) = channel();
        let (empties, empties_receiver) = channel();
        let (release, release_receiver) = channel();
        let links = WorkerChannels {
            reports,
            start: start_receiver,
            empties: empties_receiver,
            release: release_receiver,
        };
        let ours = Self {
            start: Some(start),
            empties,
            release: Some(release),
            ready: None,
            cost: [ThreadCost::default(); 2],
            finished: None,
        };
        (ours, links)
    }

    fn read_cost(&mut self, moment: usize) {
        if let Some(ready) = &self.ready {
            self.cost[moment] = ThreadCost::read(ready.thread);
        }
    }
}

/// All workers, for the collector.
struct WorkerPool {
    workers: Vec<WorkerHandle>,
    inbox: Receiver<(usize, Report)>,
    /// Resident memory before there was any worker, in bytes.
    resident_before: u64,
    /// Its growth until every connection was tried.
    rss_of_connections: u64,
}

/// The collector's position in the run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    BeforeMeasure,
    Measuring,
    AfterMeasure,
}

impl WorkerPool {
    fn run(
        mut self,
        plan: &Plan,
        control: &Control,
        observer: &mut dyn Observer,
    ) -> Result<RunRecord, RunError> {
        let connected = self.await_ready(plan, control)?;
        self.rss_of_connections = resident().saturating_sub(self.resident_before);
        let start = clock::now() + START_DELAY;
        for worker in &mut self.workers {
            if let Some(sender) = worker.start.take() {
                // A worker that has ended reported that in its last message.
                let _ = sender.send(start);
            }
        }
        observer.carried_by(self.backend());
        observer.started(start, connected);
        let mut collector = Collector::new(plan, start);
        self.collect(plan, start, control, observer, &mut collector)?;
        Ok(self.record(plan, start, control, collector.into_sums()))
    }

    /// Wait until every worker has tried its connections. Returns how many are up.
    fn await_ready(&mut self, plan: &Plan, control: &Control) -> Result<u32, RunError> {
        while self.workers.iter().any(|worker| worker.ready.is_none()) {
            match self.inbox.recv() {
                Ok((index, Report::Ready(ready))) => self.workers[index].ready = Some(ready),
                Ok((_, Report::Failed(why))) => return Err(why),
                Ok((index, Report::Interval(_) | Report::Finished(_))) => return Err(lost(index)),
                Err(_) => return Err(lost(self.missing())),
            }
        }
        if control.command() != Command::Run {
            return Err(RunError::Interrupted);
        }
        let ready = || self.workers.iter().filter_map(|worker| worker.ready.as_ref());
        let connected = ready().map(|ready| ready.connected).sum();
        match ready().find_map(|ready| ready.failure.clone()) {
            Some(failure) if connected == 0 => {
                let peers: Vec<_> = plan.peers().iter().map(ToString::to_string).collect();
                Err(RunError::Unreachable { peers: peers.join(", "), failure })
            }
            _ => Ok(connected),
        }
    }

    /// The backend. All workers of a run have the same.
    fn backend(&self) -> Backend {
        let mut ready = self.workers.iter().filter_map(|worker| worker.ready.as_ref());
        ready.next().map_or_else(Backend::default, |ready| ready.backend)
    }

    fn collect(
        &mut self,
        plan: &Plan,
        start: Timestamp,
        control: &Control,
        observer: &mut dyn Observer,
        collector: &mut Collector,
    ) -> Result<(), RunError> {
        let measure_from = start + plan.limits.warmup;
        let measure_to =
            plan.limits.window.duration().map_or(Timestamp::NEVER, |d| measure_from + d);
        let mut stage = Stage::BeforeMeasure;
        loop {
            let now = clock::now();
            if stage == Stage::BeforeMeasure && now >= measure_from {
                stage = Stage::Measuring;
                self.workers.iter_mut().for_each(|worker| worker.read_cost(0));
                observer.measure_begins();
            }
            let is_finished = self.workers.iter().all(|worker| worker.finished.is_some());
            let is_interrupted = control.command() != Command::Run;
            let is_over = now >= measure_to || is_interrupted || is_finished;
            if stage == Stage::Measuring && is_over {
                stage = Stage::AfterMeasure;
                // Those that have finished were read when they did.
                let running = |worker: &&mut WorkerHandle| worker.finished.is_none();
                self.workers.iter_mut().filter(running).for_each(|worker| worker.read_cost(1));
                observer.measure_ended();
            }
            if is_finished {
                break;
            }
            let boundary = if stage == Stage::BeforeMeasure { measure_from } else { measure_to };
            let wait = Duration::from_nanos(boundary.since(now).0.clamp(1_000, 100_000_000));
            match self.inbox.recv_timeout(wait) {
                Ok((_, Report::Failed(why))) => return Err(why),
                Ok((index, report)) => {
                    self.on_report(index, report, stage, observer, collector);
                    self.end_with_the_halted(control);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(lost(self.missing())),
            }
        }
        Ok(())
    }

    /// The index of a worker that reports nothing more, although it has not finished.
    fn missing(&self) -> usize {
        self.workers.iter().position(|worker| worker.finished.is_none()).unwrap_or_default()
    }

    /// Once a driver has stopped working, the load is not the planned one: all workers end, and the
    /// measurements stay.
    fn end_with_the_halted(&self, control: &Control) {
        let finished = self.workers.iter().filter_map(|worker| worker.finished.as_ref());
        if finished.into_iter().any(|finished| finished.halted.is_some()) {
            control.abort();
        }
    }

    fn on_report(
        &mut self,
        index: usize,
        report: Report,
        stage: Stage,
        observer: &mut dyn Observer,
        collector: &mut Collector,
    ) {
        let worker = &mut self.workers[index];
        match report {
            Report::Interval(mut handover) => {
                collector.add(index, &mut handover);
                // A worker that has ended takes none back.
                let _ = worker.empties.send(handover);
            }
            Report::Finished(finished) => {
                if stage == Stage::Measuring {
                    worker.read_cost(1);
                }
                worker.finished = Some(finished);
                worker.release = None;
                collector.finish(index);
            }
            Report::Ready(_) | Report::Failed(_) => {}
        }
        for (interval, response) in collector.take_complete() {
            observer.interval(interval, &response);
        }
    }

    fn record(mut self, plan: &Plan, start: Timestamp, control: &Control, sums: Sums) -> RunRecord {
        let finished = self.workers.iter().filter_map(|worker| worker.finished.as_ref());
        let windows: Vec<_> =
            finished.map(|finished| (finished.boundaries, finished.first_sent)).collect();
        let by_requests = is_by_requests(plan);
        let boundaries = window_of(&windows, start, by_requests);
        let over = clock::now();
        let measured = boundaries.measure_to.since(boundaries.measure_from);
        let workers = self
            .workers
            .iter()
            .zip(&sums.workers)
            .enumerate()
            .map(|(index, (ends, its))| {
                let share = Share { index: index as u32, count: self.workers.len() as u32 };
                WorkerRecord {
                    cpu: plan.transport.cpus[index],
                    connections: share.of(u64::from(plan.connections())) as u32,
                    measured,
                    unloaded: if by_requests { unloaded(&boundaries, ends) } else { Nanos::ZERO },
                    ..worker_record(ends, its)
                }
            })
            .collect();
        let mut each =
            self.workers.iter_mut().filter_map(|it| it.finished.as_mut()?.due_rows.take());
        let mut due_rows = each.next().map(|rows| *rows);
        if let Some(sum) = &mut due_rows {
            each.for_each(|rows| sum.merge(&rows));
        }
        let record = RunRecord {
            backend: self.backend(),
            windows: NamedWindows::of_run(boundaries.start, boundaries.measured(), over),
            counts: sums.counts,
            causes: sums.causes,
            tolerated: sums.tolerated,
            edges: sums.edges,
            warmup_counts: sums.warmup_counts,
            codes: sums.codes,
            times: sums.times,
            intervals: sums.intervals,
            slices: sums.slices,
            due_rows,
            steps: sums.steps,
            flows: sums.flows,
            workers,
            rss_of_connections: self.rss_of_connections,
            rss_peak: resident_peak(),
            interrupted: control.command() != Command::Run,
        };
        debug_assert!(is_lawful(&record.counts) && is_lawful(&record.warmup_counts));
        record
    }
}

/// The alternative if io_uring is missing.
fn other_engine(error: &SetupError) -> &'static str {
    match error {
        SetupError::Unavailable(_) | SetupError::NoMemory => {
            "; or load over epoll, with `--engine monoio`"
        }
        SetupError::TooManyFiles { .. } | SetupError::NoMinimumWait | SetupError::Other { .. } => {
            ""
        }
    }
}

/// A worker that ended without a message.
fn lost(worker: usize) -> RunError {
    RunError::WorkerLost { worker, cause: "it gave no cause".to_owned() }
}

/// released = Σ outcomes, nothing in flight. The verdict checks it as well, in every build.
fn is_lawful(counts: &Counts) -> bool {
    counts.in_flight() == Some(0)
}

fn worker_record(ends: &WorkerHandle, sums: &WorkerSums) -> WorkerRecord {
    let cost = ends.cost[1].since(&ends.cost[0]);
    let (user, system) = cost.user_and_system();
    let established = ends.ready.as_ref().map_or(0, |ready| ready.connected);
    let finished = ends.finished.as_ref();
    let statuses = finished.map(|finished| &finished.statuses);
    let (shape_hits, shape_misses) = finished.map_or((0, 0), |finished| finished.shape_counts);
    WorkerRecord {
        established,
        established_min: sums.connected_min.unwrap_or(established),
        connections_used: sums.all.connections_used,
        endings: sums.all.endings,
        reconnects: sums.all.reconnects,
        connects_failed: sums.all.connects_failed,
        unsolicited: sums.all.unsolicited,
        unsolicited_messages: sums.all.unsolicited_messages,
        user,
        system,
        run_queue: cost.run_queue,
        preempted: cost.preempted,
        enters: sums.enters,
        spun: sums.spun,
        waited: sums.measured.waited,
        departing: sums.measured.departing,
        buffers_exhausted: sums.all.buffers_exhausted,
        events: sums.measured.events,
        stalls: sums.measured.stalls,
        rows: sums.measured.rows,
        idle: ends.ready.as_ref().map_or(0, |ready| ready.idle),
        idle_lost: sums.all.idle_lost,
        handshakes_full: sums.all.handshakes_full,
        handshakes_resumed: sums.all.handshakes_resumed,
        completions_overflowed: finished.map_or(0, |finished| finished.overflowed),
        connect_failure: finished
            .and_then(|finished| finished.failure.as_ref())
            .map(|failure| failure.to_string()),
        halted: finished.and_then(|finished| finished.halted).map(|failure| failure.to_string()),
        sent_bytes: sums.measured.sent_bytes,
        received_bytes: sums.measured.received_bytes,
        shape_hits,
        shape_misses,
        streams_limited: finished.and_then(|finished| finished.streams_limited),
        streams_vary: finished.is_some_and(|finished| finished.streams_vary),
        window_waits: finished.map_or(Nanos::ZERO, |finished| finished.window_waits),
        tcp: finished.map_or_else(Vec::new, |finished| finished.tcp.clone()),
        statuses: statuses.map_or_else(Vec::new, |statuses| statuses.samples().to_vec()),
        unsolicited_sample: statuses.and_then(|its| its.unsolicited_sample().map(str::to_owned)),
        failed_at: statuses.map_or_else(Vec::new, |statuses| statuses.failed_at().to_vec()),
        ..WorkerRecord::default()
    }
}

/// Whether a closed loop without a warm-up is limited by a number of requests: its window is the
/// time that they take.
fn is_by_requests(plan: &Plan) -> bool {
    plan.load == Load::Closed
        && matches!(plan.limits.window, Limit::Requests(_) | Limit::Either(..))
        && plan.limits.warmup == Nanos::ZERO
}

/// The window of a run whose workers had these, and sent their first requests then.
///
/// A thread may be woken late. The window of a run that requests limit begins with the first one:
/// the time before it, much of a run of a few milliseconds, is a warm-up.
fn window_of(
    workers: &[(Boundaries, Option<Timestamp>)],
    start: Timestamp,
    by_requests: bool,
) -> Boundaries {
    let ends = || workers.iter().map(|(boundaries, _)| boundaries);
    let whole = Boundaries {
        start,
        measure_from: ends().map(|b| b.measure_from).max().unwrap_or(start),
        measure_to: ends().map(|b| b.measure_to).max().unwrap_or(start),
    };
    let first_sent = workers.iter().filter_map(|(_, first_sent)| *first_sent).min();
    match first_sent.filter(|sent| by_requests && *sent < whole.measure_to) {
        Some(sent) => Boundaries { measure_from: sent, ..whole },
        None => whole,
    }
}

/// How much of the window of a run that requests limit lies outside of a worker's own.
fn unloaded(window: &Boundaries, worker: &WorkerHandle) -> Nanos {
    let own = worker.finished.as_ref().map(|finished| {
        let from = finished.first_sent.unwrap_or(window.measure_to).max(window.measure_from);
        finished.boundaries.measure_to.min(window.measure_to).since(from)
    });
    let whole = window.measure_to.since(window.measure_from);
    Nanos(whole.0 - own.unwrap_or_default().0)
}

#[cfg(test)]
mod tests;
