//! One pinned thread: it owns its driver, connections, slots and records, and shares only the
//! command and, once per interval, a box of counts. It never waits for the collector.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use uringbench_core::chaos::DueRows;
use uringbench_core::pacer::Pacer;
use uringbench_core::plan::{Engine, Plan};
use uringbench_core::record::{Backend, TcpReading};
use uringbench_core::schedule::Share;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_ring::Failure;

use crate::clock;
use crate::connections::connect_failure::ConnectFailure;
use crate::control::{Command, Control};
use crate::drivers::Driver;
use crate::drivers::backends::{EngineError, Runtime, RuntimeDriver};
use crate::drivers::monoio_driver::MonoioDriver;
use crate::drivers::ring_driver::RingDriver;
use crate::drivers::tokio_uring_driver::TokioUringDriver;
use crate::event_loop::{Boundaries, EventLoop, LoopOptions, Turn};
use crate::record::recorder::IntervalCounts;
use crate::record::statuses::Statuses;
use crate::run::RunError;
use crate::wire::ConnectionConfig;
use crate::wire::postgres::PostgresConfig;
use crate::wire::redis::RedisConfig;
use crate::wire::tls::client_config;
use crate::work::users::FlowConfig;

/// A worker's message to the collector.
pub(crate) enum Report {
    /// The thread runs on its CPU and has tried its connections.
    Ready(Ready),
    /// It could not begin, or it panicked: its last message.
    Failed(RunError),
    /// An interval is over.
    Interval(Box<IntervalCounts>),
    /// The run is over. The thread waits to be released, so that its cost can still be read.
    Finished(Finished),
}

pub(crate) struct Ready {
    pub(crate) backend: Backend,
    pub(crate) thread: i32,
    pub(crate) connected: u32,
    pub(crate) idle: u32,
    pub(crate) failure: Option<ConnectFailure>,
}

pub(crate) struct Finished {
    pub(crate) boundaries: Boundaries,
    /// When its first request left.
    pub(crate) first_sent: Option<Timestamp>,
    pub(crate) shape_counts: (u64, u64),
    /// The fewest streams that an HTTP/2 target allowed, if they were fewer than planned.
    pub(crate) streams_limited: Option<u32>,
    /// Whether that limit varied.
    pub(crate) streams_vary: bool,
    /// How long bodies waited for windows of an HTTP/2 target.
    pub(crate) window_waits: Nanos,
    pub(crate) overflowed: u64,
    pub(crate) failure: Option<ConnectFailure>,
    /// Why its driver stopped working, if it did.
    pub(crate) halted: Option<Failure>,
    pub(crate) statuses: Statuses,
    pub(crate) tcp: Vec<TcpReading>,
    /// Its requests by due time, if the plan asks for them.
    pub(crate) due_rows: Option<Box<DueRows>>,
}

/// A worker's ends of its channels.
pub(crate) struct WorkerChannels {
    pub(crate) reports: Sender<(usize, Report)>,
    /// When the run starts; closed if it does not.
    pub(crate) start: Receiver<Timestamp>,
    /// Emptied boxes to fill again.
    pub(crate) empties: Receiver<Box<IntervalCounts>>,
    /// Closed when the thread may end.
    pub(crate) release: Receiver<()>,
}

/// Boxes passed on and not returned; from here on intervals are prolonged instead: a worker's
/// memory is bounded, however long the collector is delayed.
const AWAY_MAX: usize = 16;
/// Empty boxes kept.
const IDLE_MAX: usize = 2;

/// The boxes of one worker.
struct Boxes<'a> {
    empties: &'a Receiver<Box<IntervalCounts>>,
    #[expect(clippy::vec_box, reason = "boxes are handed over as they are")]
    idle: Vec<Box<IntervalCounts>>,
    /// Passed on and not returned.
    away: usize,
}

impl<'a> Boxes<'a> {
    /// One is empty at the start, beside the one being filled.
    fn new(empties: &'a Receiver<Box<IntervalCounts>>) -> Self {
        Self { empties, idle: vec![Box::default()], away: 0 }
    }

    /// Whether another may be passed on.
    fn has_room(&mut self) -> bool {
        while let Ok(empty) = self.empties.try_recv() {
            self.away -= 1;
            self.idle.push(empty);
        }
        self.idle.truncate(IDLE_MAX);
        self.away < AWAY_MAX
    }

    /// An empty one, in exchange for one that is passed on.
    fn exchange(&mut self) -> Box<IntervalCounts> {
        self.away += 1;
        self.idle.pop().unwrap_or_default()
    }
}

/// The whole life of worker `index`'s thread. The collector learns of every end; it would wait for
/// a worker that ended silently.
pub(crate) fn live(index: usize, links: &WorkerChannels, work: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
        let lost = RunError::WorkerLost { worker: index, cause: cause_of(&*panic) };
        let _ = links.reports.send((index, Report::Failed(lost)));
    }
}

/// The message of a panic.
fn cause_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "it gave no cause".to_owned())
}

/// The work of worker `index`.
pub(crate) fn work(plan: &Plan, index: usize, control: &Control, links: &WorkerChannels) {
    match plan.transport.carrier.engine() {
        Engine::Ring => work_over(plan, index, control, links, |connections| {
            let driver = RingDriver::new(plan, connections, index).map_err(RunError::Ring)?;
            Ok((driver, Backend::Ring))
        }),
        Engine::Monoio => work_over(plan, index, control, links, |connections| {
            of_runtime(MonoioDriver::over_monoio(plan, connections, index))
        }),
        Engine::TokioUring => work_over(plan, index, control, links, |connections| {
            // The runtime itself would report only an error number.
            uringbench_ring::probe().map_err(|why| RunError::Ring(why.into()))?;
            of_runtime(TokioUringDriver::over_tokio_uring(plan, connections, index))
        }),
    }
}

fn of_runtime<R: Runtime>(
    driver: Result<RuntimeDriver<R>, EngineError>,
) -> Result<(RuntimeDriver<R>, Backend), RunError> {
    let driver = driver.map_err(RunError::Engine)?;
    let backend = driver.backend();
    Ok((driver, backend))
}

/// The same, over the driver that `make` creates for this many connections.
pub(crate) fn work_over<D: Driver>(
    plan: &Plan,
    index: usize,
    control: &Control,
    links: &WorkerChannels,
    make: impl FnOnce(u32) -> Result<(D, Backend), RunError>,
) {
    let report = |report| {
        // The collector outlives every worker; if it is gone, so is the run.
        let _ = links.reports.send((index, report));
    };
    let share = Share { index: index as u32, count: plan.transport.cpus.len() as u32 };
    let (mut event_loop, backend) = match prepare(plan, share, make) {
        Ok(prepared) => prepared,
        Err(failure) => return report(Report::Failed(failure)),
    };
    while !event_loop.is_settled() && control.command() == Command::Run {
        event_loop.turn(Command::Run);
        if let Some(failure) = event_loop.halted() {
            return report(Report::Failed(RunError::Halted(failure)));
        }
    }
    let due_rows = due_rows(plan);
    report(Report::Ready(Ready {
        backend,
        thread: rustix::thread::gettid().as_raw_nonzero().get(),
        connected: event_loop.connected(),
        idle: event_loop.idle(),
        failure: event_loop.connect_failure(),
    }));
    let Ok(start) = links.start.recv() else { return };
    let measure_from = start + plan.limits.warmup;
    let span = plan.limits.window.duration();
    let measure_to = span.map_or(Timestamp::NEVER, |span| measure_from + span);
    let boundaries = Boundaries { start, measure_from, measure_to };
    event_loop.begin(Pacer::new(plan, share, start), boundaries);
    if let Some(mut rows) = due_rows {
        rows.begin_at(start);
        event_loop.count_by_due(rows);
    }
    let mut boxes = Boxes::new(&links.empties);
    loop {
        let turn = event_loop.turn(control.command());
        if turn == Turn::Continue {
            continue;
        }
        if !boxes.has_room() && turn == Turn::IntervalOver && event_loop.prolong_interval() {
            continue;
        }
        report(Report::Interval(event_loop.close_interval(boxes.exchange())));
        if turn == Turn::Finished {
            break;
        }
    }
    report(Report::Finished(finish(&mut event_loop)));
    // Ends when the collector drops its end.
    let _ = links.release.recv();
}

/// The rows for requests by their due times, if they are wanted: made before the start, since they
/// take milliseconds in long runs. What ends during the drain was due before.
fn due_rows(plan: &Plan) -> Option<DueRows> {
    let span = plan.limits.window.duration()?;
    let by_due = plan.observe.by_due?;
    Some(DueRows::new(Timestamp(0), plan.limits.warmup + span, by_due.good))
}

/// Ends the connections, and hands over what the loop knows in the end.
fn finish<D: Driver>(event_loop: &mut EventLoop<D>) -> Finished {
    let window_waits = event_loop.window_waits();
    let tcp = event_loop.inspect_all();
    event_loop.send_close_all();
    Finished {
        boundaries: event_loop.boundaries(),
        first_sent: event_loop.first_sent(),
        shape_counts: event_loop.shape_counts(),
        streams_limited: event_loop.streams_limited(),
        streams_vary: event_loop.streams_vary(),
        window_waits,
        overflowed: event_loop.overflowed(),
        failure: event_loop.connect_failure(),
        halted: event_loop.halted(),
        statuses: event_loop.take_statuses(),
        tcp,
        due_rows: event_loop.take_due_rows(),
    }
}

fn prepare<D: Driver>(
    plan: &Plan,
    share: Share,
    make: impl FnOnce(u32) -> Result<(D, Backend), RunError>,
) -> Result<(EventLoop<D>, Backend), RunError> {
    let cpu = plan.transport.cpus[share.index as usize];
    if !core_affinity::set_for_current(core_affinity::CoreId { id: cpu }) {
        return Err(RunError::Pin(cpu));
    }
    let options = LoopOptions::of(plan, share);
    let (driver, backend) = make(options.connections + options.idle)?;
    let tls = plan.tls().map(client_config).transpose().map_err(RunError::Tls)?;
    let flows = plan.workload.script().map(|script| FlowConfig {
        script: Arc::clone(script),
        share,
        seed: plan.seed,
        epoch: clock::epoch(),
    });
    let redis = plan.workload.commands().map(|commands| RedisConfig {
        commands: Arc::clone(commands),
        share,
        epoch: clock::epoch(),
    });
    let postgres = plan.workload.transactions().map(|transactions| PostgresConfig {
        transactions: Arc::clone(transactions),
        share,
        epoch: clock::epoch(),
        seed: plan.seed ^ u64::from(share.index).rotate_right(16),
        keys: Arc::default(),
    });
    let terms = ConnectionConfig { tls, flows, redis, postgres, ..ConnectionConfig::of(plan) };
    Ok((EventLoop::new(driver, options, terms), backend))
}
