//! The turn. There is no other loop and no callback.
//!
//! One worker's connections, work and records, driven by a [`Driver`]. What arrives on connections
//! is in [`receive`], how they come and end in [`endings`]; this file decides when.

mod endings;
mod receive;
mod receiver;

use std::ops::Range;
use std::sync::Arc;

use uringbench_core::http::header_cache::HeaderCache;
use uringbench_core::http::request::is_idempotent;
use uringbench_core::pacer::Pacer;
use uringbench_core::plan::{ConnectionOrder, Load, Plan};
use uringbench_core::rate::Rate;
use uringbench_core::record::TcpReading;
use uringbench_core::schedule::Share;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_core::window::Phase;
use uringbench_ring::Failure;

use crate::connections::Connections;
use crate::connections::connect_failure::ConnectFailure;
use crate::connections::in_flight::Exchange;
use crate::connections::throttle::RateLimit;
use crate::control::Command;
use crate::drivers::{Driver, Until};
use crate::record::departures::{Departures, Notes};
use crate::record::inspection::Inspection;
use crate::record::recorder::{IntervalCounts, Recorder};
use crate::record::statuses::Statuses;
use crate::wire::ConnectionConfig;
use crate::wire::stream::AnswerReader;
use crate::work::{Next, Start, Work};

/// Requests of at most this size, a pipeline's taken together, are left to the kernel: they fit
/// into the socket's buffer, so that none is cut short while another is sent behind it.
pub(crate) const LEFT_ALONE_MAX: usize = 16 << 10;
/// No wait is longer, so that a command is applied within this time.
const WAIT_MAX: Nanos = Nanos::from_millis(100);

/// What a loop is given to do, beside its slots.
#[derive(Clone, Copy, Debug)]
pub struct LoopOptions {
    /// Connections to hold, at least 1.
    pub connections: u32,
    /// Connections to hold besides, which carry nothing.
    pub idle: u32,
    /// From one attempt to connect to the next; zero as soon as may be.
    pub connect_gap: Nanos,
    /// How slowly each connection takes its answers.
    pub reading: Option<RateLimit>,
    /// How slowly each connection sends its requests.
    pub writing: Option<RateLimit>,
    /// Addresses of the target, at least 1.
    pub peers: u16,
    /// Requests in flight on each, at least 1.
    pub pipeline: u16,
    /// Requests a connection takes before it is closed and made anew, at least 1; `None` as long
    /// as it lasts.
    pub per_connection: Option<u32>,
    /// Which connection takes the next request.
    pub order: ConnectionOrder,
    /// Whether the request is a HEAD.
    pub is_head: bool,
    /// Whether the request may be sent twice and mean the same.
    pub is_repeatable: bool,
    /// Whether slots are released on a schedule.
    pub is_open: bool,
    /// See [`uringbench_core::plan::Parts::has_due_times`].
    pub has_due_times: bool,
    /// See [`uringbench_core::plan::Limits::timeout`].
    pub timeout: Nanos,
    /// Decides how long attempts that failed wait for the next one.
    pub seed: u64,
    /// See [`uringbench_core::plan::Observe::slice`].
    pub slice: Nanos,
}

impl LoopOptions {
    /// What worker `share` of a plan is given to do.
    pub fn of(plan: &Plan, share: Share) -> Self {
        // A thousandth of a connection a second is the least there is.
        let gap =
            |rate: Rate| Nanos(1_000 * Nanos::SECOND.0 * u64::from(share.count) / rate.milli());
        Self {
            connections: share.of(u64::from(plan.connections())) as u32,
            idle: share.of(u64::from(plan.transport.connections.idle)) as u32,
            connect_gap: plan.transport.connections.rate.map_or(Nanos::ZERO, gap),
            reading: plan.read_rate().map(RateLimit::at),
            writing: plan.transport.connections.write_rate.map(RateLimit::at),
            peers: plan.peers().len().min(usize::from(u16::MAX)) as u16,
            pipeline: plan.workload.pipeline(),
            per_connection: plan.transport.connections.requests,
            order: plan.transport.connections.order,
            is_head: plan.workload.is_head(),
            is_repeatable: is_idempotent(plan.workload.bytes()),
            is_open: plan.load != Load::Closed,
            has_due_times: plan.has_due_times(),
            timeout: plan.limits.timeout,
            seed: plan.seed ^ u64::from(share.index).rotate_right(16),
            slice: plan.observe.slice,
        }
    }
}

/// How many copies of its request a driver keeps, one behind the other: as many as are sent
/// together.
pub(crate) fn copies_kept(plan: &Plan) -> usize {
    let pipeline = usize::from(plan.workload.pipeline());
    if plan.workload.script().is_some() {
        return 1;
    }
    if plan.workload.bytes().len() * pipeline <= LEFT_ALONE_MAX { pipeline } else { 1 }
}

/// What a turn asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Another turn.
    Continue,
    /// An interval is over: take it with [`EventLoop::close_interval`], then another turn.
    IntervalOver,
    /// Every slot has ended: take the last interval.
    Finished,
}

/// The times that cut a run into phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boundaries {
    /// The first moment of the warm-up, if any.
    pub start: Timestamp,
    /// The first moment of the measured window.
    pub measure_from: Timestamp,
    /// Its end; [`Timestamp::NEVER`] while requests limit it.
    pub measure_to: Timestamp,
}

impl Boundaries {
    /// The phase that `now` lies in.
    pub fn phase(&self, now: Timestamp) -> Phase {
        if now >= self.measure_to {
            Phase::Drain
        } else if now >= self.measure_from {
            Phase::Measure
        } else {
            Phase::Warmup
        }
    }

    /// What is due in this window is measured.
    pub(crate) const fn measured(&self) -> Range<Timestamp> {
        self.measure_from..self.measure_to
    }

    /// The next boundary after `now`.
    fn next(&self, now: Timestamp) -> Timestamp {
        [self.measure_from, self.measure_to]
            .into_iter()
            .filter(|&boundary| boundary > now)
            .min()
            .unwrap_or(Timestamp::NEVER)
    }
}

/// Where the run stands among its intervals.
#[derive(Clone, Copy, Debug)]
struct Intervals {
    boundaries: Boundaries,
    /// The end of the current one.
    to: Timestamp,
    /// How many have begun.
    count: u32,
    /// The driver's counters when it began.
    enters_seen: u64,
    spun_seen: Nanos,
}

/// Whether slots wait for connections.
#[derive(Clone, Copy, Debug, Default)]
struct Starvation {
    /// Every slot due until then found all connections busy.
    until: Timestamp,
    is_now: bool,
}

/// One worker's event loop.
pub struct EventLoop<D: Driver> {
    driver: D,
    options: LoopOptions,
    connections: Connections,
    work: Work,
    recorder: Recorder,
    statuses: Statuses,
    header_cache: HeaderCache,
    /// By connection; empty where no step looks at more than a status.
    readers: Vec<AnswerReader>,
    /// Requests of this turn whose times of sending are still to be stamped.
    departures: Departures,
    inspection: Inspection,
    intervals: Intervals,
    starvation: Starvation,
    applied: Command,
    /// Why the driver does not work any more.
    halted: Option<Failure>,
    /// Whether this side has ended all WebSockets, because the run is over.
    has_parted: bool,
    /// Room for the bytes that have just been decrypted.
    plain: Vec<u8>,
}

impl<D: Driver> EventLoop<D> {
    /// A loop whose connections are all still to be made: turn it until it [`Self::is_settled`].
    pub fn new(driver: D, options: LoopOptions, config: ConnectionConfig) -> Self {
        let readers = if config.reads_answers() { options.connections as usize } else { 0 };
        let never = Boundaries {
            start: Timestamp::default(),
            measure_from: Timestamp::NEVER,
            measure_to: Timestamp::NEVER,
        };
        Self {
            driver,
            work: Work::new(&options, &config),
            connections: Connections::new(options, config),
            recorder: Recorder::new(options.has_due_times),
            statuses: Statuses::new(options.peers),
            header_cache: HeaderCache::default(),
            readers: std::iter::repeat_with(AnswerReader::default).take(readers).collect(),
            departures: Departures::new(options.is_open, options.has_due_times),
            inspection: Inspection::default(),
            intervals: Intervals {
                boundaries: never,
                to: Timestamp::NEVER,
                count: 0,
                enters_seen: 0,
                spun_seen: Nanos::ZERO,
            },
            starvation: Starvation::default(),
            applied: Command::Run,
            halted: None,
            has_parted: false,
            plain: Vec::new(),
            options,
        }
    }

    /// Whether every connection has been made, or has failed to at every address.
    pub const fn is_settled(&self) -> bool {
        self.connections.is_settled()
    }

    /// Connections established now.
    pub const fn connected(&self) -> u32 {
        self.connections.connected()
    }

    /// Idle connections established now.
    pub const fn idle(&self) -> u32 {
        self.connections.idle()
    }

    /// Why the latest connection that failed did: it could not be made, or TLS on it broke off.
    pub fn connect_failure(&self) -> Option<ConnectFailure> {
        self.connections.connect_failure().cloned()
    }

    /// Responses recognised without parsing, and parsed.
    pub const fn shape_counts(&self) -> (u64, u64) {
        (self.header_cache.hits(), self.header_cache.misses())
    }

    /// What was kept of answers that are no plain success.
    pub(crate) fn take_statuses(&mut self) -> Statuses {
        std::mem::take(&mut self.statuses)
    }

    /// Completions that left the queue for the kernel's slow path.
    pub fn overflowed(&self) -> u64 {
        self.driver.overflowed()
    }

    /// Why the driver does not work any more, if that is so: the run has ended as one that is
    /// aborted.
    pub const fn halted(&self) -> Option<Failure> {
        self.halted
    }

    /// The phases' times; the window's end is known at the latest when the run has finished.
    pub const fn boundaries(&self) -> Boundaries {
        self.intervals.boundaries
    }

    /// Begin the run: slots from now on come from `pacer`.
    pub fn begin(&mut self, pacer: Pacer, boundaries: Boundaries) {
        self.work.begin(pacer);
        self.intervals.boundaries = boundaries;
        self.cut_rates();
        self.intervals.enters_seen = self.driver.enters();
        self.intervals.spun_seen = self.driver.spun();
        self.recorder.follow(self.work.counts());
        self.open_interval(boundaries.start);
    }

    /// One turn: handle the events there are, release what is due, wait for more.
    pub fn turn(&mut self, command: Command) -> Turn {
        // Two clock readings a turn, shared by every decision in it. `arrived` stamps all
        // completions the last wait brought; reading per completion would be no nearer to their
        // arrival, since the kernel delivered them together.
        let arrived = self.driver.now();
        // An interval takes nothing that happens after its end: the first moment of the measured
        // window must not be counted to the warm-up.
        if arrived >= self.intervals.to {
            return Turn::IntervalOver;
        }
        while let Some(event) = self.driver.next_event() {
            self.on_event(event, arrived);
        }
        if arrived >= self.connections.wakes_at() {
            self.sweep(arrived);
        }
        self.start_due_connects(arrived);
        // From `released` on the sends of this turn leave.
        let released = self.driver.now();
        self.departures.begin(released);
        if command > self.applied {
            self.apply_command(command, released);
        }
        if released >= self.intervals.to {
            return Turn::IntervalOver;
        }
        let next_due = self.release(released);
        self.connections.flush(&mut self.driver, released);
        let (in_flight, work) = (self.connections.in_flight_mut(), &mut self.work);
        let notes = Notes { in_flight, work, recorder: &mut self.recorder };
        self.departures.leave_all(&mut self.driver, notes);
        if self.is_over(released) {
            return Turn::Finished;
        }
        let is_set_up = !self.work.has_begun() && self.is_settled();
        if !is_set_up && let Err(failure) = self.driver.wait(self.until(released, next_due)) {
            self.halt(failure);
        }
        Turn::Continue
    }

    /// The driver does not work any more: the next turn ends the run.
    #[cold]
    fn halt(&mut self, failure: Failure) {
        self.halted = Some(failure);
        let now = self.driver.now();
        self.apply_command(Command::Abort, now);
    }

    /// Let the interval that is over go on for another slice, unless its phase is over too: it
    /// then covers both. Whether it does.
    pub fn prolong_interval(&mut self) -> bool {
        let Intervals { boundaries, to, count, .. } = &mut self.intervals;
        if *to == boundaries.measure_from || *to == boundaries.measure_to {
            return false;
        }
        *count += 1;
        *to = (*to + self.options.slice).min(boundaries.next(*to));
        true
    }

    /// Give away the interval that is over and go on with `fresh`, which must be empty.
    pub fn close_interval(&mut self, mut fresh: Box<IntervalCounts>) -> Box<IntervalCounts> {
        let now = self.driver.now();
        let end = self.intervals.to.min(now);
        let phase = self.intervals.boundaries.phase(end);
        fresh.reset((self.intervals.count, phase, end), self.work.counts());
        let mut closed = self.recorder.close_interval(fresh);
        closed.end = end;
        closed.last = self.intervals.count - 1;
        closed.in_flight = self.connections.in_flight().count();
        closed.connected = self.connected();
        self.header_cache.drain_deviations(&mut closed.tolerated);
        let (enters, spun) = (self.driver.enters(), self.driver.spun());
        let Intervals { enters_seen, spun_seen, .. } = &mut self.intervals;
        closed.totals.enters = enters - std::mem::replace(enters_seen, enters);
        closed.totals.spun = Nanos(spun.0 - std::mem::replace(spun_seen, spun).0);
        self.open_interval(end);
        self.inspection.ask_some(&mut self.driver, &self.connections, end);
        closed
    }

    fn open_interval(&mut self, start: Timestamp) {
        let Intervals { boundaries, to, count, .. } = &mut self.intervals;
        self.recorder.open_interval((*count, boundaries.phase(start)), start);
        *count += 1;
        *to = (start + self.options.slice).min(boundaries.next(start));
    }

    /// The last request has ended: ask TCP about the connections that stand.
    pub(crate) fn inspect_all(&mut self) -> Vec<TcpReading> {
        self.inspection.ask_all(&mut self.driver, &self.connections)
    }

    /// The run is over: say goodbye on every connection.
    pub(crate) fn send_close_all(&mut self) {
        self.connections.send_close_all(&mut self.driver);
    }

    /// Send every request that is due and has a connection. When the next one is due, unless that
    /// is for connections to decide.
    fn release(&mut self, now: Timestamp) -> Option<Timestamp> {
        if std::mem::take(&mut self.starvation.is_now) {
            self.starvation.until = now;
        }
        let window = self.intervals.boundaries.measured();
        let recorder = &mut self.recorder;
        for number in self.work.give_up_stale(self.options.timeout, recorder, &window, now) {
            let connection = &self.connections[number];
            if connection.is_up() && connection.taken() > 0 {
                self.close_gracefully(number);
            }
        }
        loop {
            match self.work.next(&mut self.connections, &window, now) {
                Next::Send(start) => self.start(start, now),
                Next::Wait { until, is_starved } => {
                    self.starvation.is_now |= is_starved;
                    return until;
                }
            }
        }
    }

    /// Send requests that are due on a connection that can take them.
    #[inline]
    fn start(&mut self, start: Start, now: Timestamp) {
        let Start { number, user, slot, count } = start;
        self.recorder.released(self.work.step_number(user), slot, count);
        let totals = self.recorder.totals();
        if self.options.has_due_times {
            totals.waited += u64::from(slot.due <= self.starvation.until);
        }
        let exchange = Exchange::new(slot, count, user, now);
        self.departures.add(self.connections.begin_exchange(number, exchange));
        let is_first = self.connections[number].note_used(slot.measured);
        totals.connections_used += u32::from(is_first);
        self.send(number, (user, count), now);
        self.connections.note_sent(number);
        let (in_flight, work) = (self.connections.in_flight_mut(), &mut self.work);
        let notes = Notes { in_flight, work, recorder: &mut self.recorder };
        self.departures.leave_in_groups(&mut self.driver, notes);
    }

    /// Send `count` requests of a user's step.
    #[inline]
    fn send(&mut self, number: u32, (user, count): (u32, u16), now: Timestamp) {
        let step = self.work.step(user);
        if let Some(socket) = &step.socket {
            self.connections.begin_websocket(number, Arc::clone(socket));
        }
        let length = if let Some(range) = step.constant.clone() {
            let length = range.len() * usize::from(count);
            self.connections.send_shared(&mut self.driver, number, (range, count), now);
            length
        } else {
            let mut out = self.driver.take_buffer();
            self.work.render(user, now, &mut out);
            let length = out.len();
            self.connections.send_made(&mut self.driver, number, out);
            length
        };
        self.recorder.totals().sent_bytes += length as u64;
    }

    fn is_over(&mut self, now: Timestamp) -> bool {
        if !self.work.has_begun() {
            return false;
        }
        let boundaries = &mut self.intervals.boundaries;
        if self.connections.in_flight().count() == 0 && self.work.is_done(now) {
            if self.work.is_exhausted() {
                // A window limited by requests ends when the last of them has.
                boundaries.measure_to = boundaries.measure_to.min(now);
            }
            // One limited by time lasts to its end, even when no slot is left in it.
            return now >= boundaries.measure_to && self.is_parted(now);
        }
        let is_drained = now >= boundaries.measure_to + self.options.timeout;
        if is_drained || self.applied == Command::Abort {
            self.give_up_all(now);
            return true;
        }
        false
    }

    /// End every slot that has not ended: sent ones as censored, unsent ones as not sent.
    fn give_up_all(&mut self, now: Timestamp) {
        for number in 0..self.options.connections {
            self.cut_short(number, now);
        }
        self.work.finish(now);
        let window = self.intervals.boundaries.measured();
        self.work.give_up_all(&mut self.recorder, &window, now);
    }

    fn apply_command(&mut self, command: Command, now: Timestamp) {
        self.applied = command;
        self.work.finish(now);
        let Intervals { boundaries, to, .. } = &mut self.intervals;
        // The command may come before the first slot.
        let now = now.max(boundaries.start);
        boundaries.measure_from = boundaries.measure_from.min(now);
        boundaries.measure_to = boundaries.measure_to.min(now);
        *to = (*to).min(now);
        self.cut_rates();
    }

    /// The rate of an open loop is its schedule's; a closed loop's is what the window holds.
    fn cut_rates(&mut self) {
        if !self.options.is_open {
            self.recorder.cut_at(self.intervals.boundaries.measured());
        }
    }

    fn until(&self, now: Timestamp, next_due: Option<Timestamp>) -> Until {
        let latest = (now + WAIT_MAX).min(self.intervals.to).min(self.connections.wakes_at());
        let latest = latest.min(self.connections.connects_at());
        match next_due {
            Some(due) if due <= latest => Until::Due(due),
            _ => Until::Around(latest),
        }
    }
}
