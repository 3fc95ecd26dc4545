//! The turn. There is no other loop and no callback.
//!
//! One worker's connections, work and records, driven by a [`Driver`]. [`receive`] handles the
//! bytes on connections, [`endings`] how they open and end; this file decides when.

mod end;
mod endings;
mod receive;
mod receiver;
mod replies;
mod streams;

use std::ops::Range;
use std::sync::Arc;

use uringbench_core::chaos::DueRows;
use uringbench_core::http::header_cache::HeaderCache;
use uringbench_core::http::request::is_idempotent;
use uringbench_core::http2::streams::AnswerForm;
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
use crate::connections::in_flight::{Exchange, ExchangeId};
use crate::connections::throttle::RateLimit;
use crate::control::Command;
use crate::drivers::{Driver, Until};
use crate::record::departures::{Departures, Notes};
use crate::record::inspection::Inspection;
use crate::record::recorder::{IntervalCounts, Recorder};
use crate::record::statuses::Statuses;
use crate::wire::ConnectionConfig;
use crate::wire::stream::AnswerReader;
use crate::work::{Next, Reading, Start, Work};

/// Requests up to this size, a pipeline's taken together, are left to the kernel: they fit into the
/// socket's buffer, so none is cut while another is sent after it.
pub(crate) const LEFT_ALONE_MAX: usize = 16 << 10;
/// No wait is longer, so that a command is applied within this time.
const WAIT_MAX: Nanos = Nanos::from_millis(100);

/// Options of a loop, besides its slots.
#[derive(Clone, Copy, Debug)]
pub struct LoopOptions {
    /// Connections to hold, at least 1.
    pub connections: u32,
    /// Further connections to hold, which carry nothing.
    pub idle: u32,
    /// Time from one connect to the next; zero for no limit.
    pub connect_gap: Nanos,
    /// The read rate of each connection.
    pub reading: Option<RateLimit>,
    /// The write rate of each connection.
    pub writing: Option<RateLimit>,
    /// Addresses of the target, at least 1.
    pub peers: u16,
    /// Requests in flight on each, at least 1.
    pub pipeline: u16,
    /// Requests sent on a connection before it is closed and reopened, at least 1; `None` for no
    /// limit.
    pub per_connection: Option<u32>,
    /// Which connection sends the next request.
    pub order: ConnectionOrder,
    /// Whether the request is a HEAD.
    pub is_head: bool,
    /// Whether the request may be sent twice with the same effect.
    pub is_repeatable: bool,
    /// Whether slots are released on a schedule.
    pub is_open: bool,
    /// See [`uringbench_core::plan::Parts::has_due_times`].
    pub has_due_times: bool,
    /// See [`uringbench_core::plan::Limits::timeout`].
    pub timeout: Nanos,
    /// Seed of the waits of failed attempts.
    pub seed: u64,
    /// See [`uringbench_core::plan::Observe::slice`].
    pub slice: Nanos,
    /// This loop's part of the run.
    pub share: Share,
    /// How many bodies the requests take in turn; 0 if all have the same.
    pub rows: u32,
}

impl LoopOptions {
    /// The options of worker `share` of a plan.
    pub fn of(plan: &Plan, share: Share) -> Self {
        // A thousandth of a connection per second is the minimum.
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
            share,
            // Each takes memory: there are fewer.
            rows: plan.workload.rows() as u32,
        }
    }
}

/// How many copies of its request a driver keeps in a row: as many as are sent together.
pub(crate) fn copies_kept(plan: &Plan) -> usize {
    let pipeline = usize::from(plan.workload.pipeline());
    if plan.workload.differs() {
        return 1;
    }
    if plan.workload.bytes().len() * pipeline <= LEFT_ALONE_MAX { pipeline } else { 1 }
}

/// The result of a turn, for its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Another turn.
    Continue,
    /// An interval has ended: take it with [`EventLoop::close_interval`], then another turn.
    IntervalOver,
    /// Every slot has ended: take the last interval.
    Finished,
}

/// The times that cut a run into phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boundaries {
    /// The start of the warm-up, if any.
    pub start: Timestamp,
    /// The start of the measured window.
    pub measure_from: Timestamp,
    /// Its end; [`Timestamp::NEVER`] while requests limit it.
    pub measure_to: Timestamp,
}

impl Boundaries {
    /// The phase at `now`.
    pub fn phase(&self, now: Timestamp) -> Phase {
        if now >= self.measure_to {
            Phase::Drain
        } else if now >= self.measure_from {
            Phase::Measure
        } else {
            Phase::Warmup
        }
    }

    /// Slots due in this window are measured.
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

/// The current interval.
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
    /// How long bodies had waited for windows when the measured window ended.
    window_waits: Option<Nanos>,
}

/// Whether slots wait for connections.
#[derive(Clone, Copy, Debug, Default)]
struct Starvation {
    /// Every slot due up to this time found all connections busy.
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
    /// By connection; empty if every step reads only the status.
    readers: Vec<AnswerReader>,
    /// Requests of this turn whose times of sending are not stamped yet.
    departures: Departures,
    inspection: Inspection,
    intervals: Intervals,
    starvation: Starvation,
    applied: Command,
    /// Why the driver stopped working.
    halted: Option<Failure>,
    /// Whether this side has closed all WebSockets, because the run is over.
    has_parted: bool,
    /// Buffer for decrypted bytes.
    plain: Vec<u8>,
}

impl<D: Driver> EventLoop<D> {
    /// A loop with no connection made yet: call `turn` until it [`Self::is_settled`].
    pub fn new(driver: D, options: LoopOptions, config: ConnectionConfig) -> Self {
        let readers = if config.reads_answers() { options.connections as usize } else { 0 };
        let never = Boundaries {
            start: Timestamp::default(),
            measure_from: Timestamp::NEVER,
            measure_to: Timestamp::NEVER,
        };
        let departures =
            Departures::new(options.is_open, options.has_due_times, config.http2.is_some());
        Self {
            driver,
            work: Work::new(&options, &config),
            connections: Connections::new(options, config),
            recorder: Recorder::new(options.has_due_times),
            statuses: Statuses::new(options.peers),
            header_cache: HeaderCache::default(),
            readers: std::iter::repeat_with(AnswerReader::default).take(readers).collect(),
            departures,
            inspection: Inspection::default(),
            intervals: Intervals {
                boundaries: never,
                to: Timestamp::NEVER,
                count: 0,
                enters_seen: 0,
                spun_seen: Nanos::ZERO,
                window_waits: None,
            },
            starvation: Starvation::default(),
            applied: Command::Run,
            halted: None,
            has_parted: false,
            plain: Vec::new(),
            options,
        }
    }

    /// Whether every connection has been up, or has failed at every address.
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

    /// Why the latest failed connection failed: it could not be made, or TLS on it broke.
    pub fn connect_failure(&self) -> Option<ConnectFailure> {
        self.connections.connect_failure().cloned()
    }

    /// Responses recognised without parsing, and parsed.
    pub const fn shape_counts(&self) -> (u64, u64) {
        let (hits, misses) = self.connections.streams().block_counts();
        (self.header_cache.hits() + hits, self.header_cache.misses() + misses)
    }

    /// The fewest streams that an HTTP/2 target has allowed on a connection, if that is fewer than
    /// planned.
    pub(crate) fn streams_limited(&self) -> Option<u32> {
        self.connections.streams().limited_to()
    }

    /// Whether that limit changed, or differed between connections.
    pub(crate) fn streams_vary(&self) -> bool {
        self.connections.streams().do_limits_vary()
    }

    /// How long bodies waited for windows of an HTTP/2 target, on all connections, until the end of
    /// the measured window.
    pub(crate) fn window_waits(&mut self) -> Nanos {
        let now = self.driver.now();
        self.intervals.window_waits.unwrap_or_else(|| self.connections.blocked(now))
    }

    /// Samples of answers that are not plain successes.
    pub(crate) fn take_statuses(&mut self) -> Statuses {
        std::mem::take(&mut self.statuses)
    }

    /// Completions that went through the kernel's overflow list.
    pub fn overflowed(&self) -> u64 {
        self.driver.overflowed()
    }

    /// Why the driver stopped working, if it did: the run has ended as if aborted.
    pub const fn halted(&self) -> Option<Failure> {
        self.halted
    }

    /// The phases' times; the window's end is known when the run has finished, at the latest.
    pub const fn boundaries(&self) -> Boundaries {
        self.intervals.boundaries
    }

    /// When the first request left, if one has.
    pub(crate) fn first_sent(&self) -> Option<Timestamp> {
        self.departures.first()
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

    /// From now on count requests by the time at which they were due, too.
    pub fn count_by_due(&mut self, rows: DueRows) {
        self.recorder.count_by_due(rows);
    }

    /// The requests by due time, if they were counted.
    pub(crate) fn take_due_rows(&mut self) -> Option<Box<DueRows>> {
        self.recorder.take_due_rows()
    }

    /// One turn: handle events, release due slots, wait for more events.
    pub fn turn(&mut self, command: Command) -> Turn {
        // Two clock readings per turn, shared by every decision in it. `arrived` stamps all
        // completions of the last wait; a reading per completion would not be closer to their
        // arrival, since the kernel delivered them together.
        let arrived = self.driver.now();
        // An interval includes nothing that happens after its end: the start of the measured window
        // must not be counted to the warm-up.
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
        // The sends of this turn leave from `released` on.
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

    /// The driver stopped working: the next turn ends the run.
    #[cold]
    fn halt(&mut self, failure: Failure) {
        self.halted = Some(failure);
        let now = self.driver.now();
        self.apply_command(Command::Abort, now);
    }

    /// Prolong the ended interval by another slice, unless its phase is over too: it then covers
    /// both. Returns whether it does.
    pub fn prolong_interval(&mut self) -> bool {
        let Intervals { boundaries, to, count, .. } = &mut self.intervals;
        if *to == boundaries.measure_from || *to == boundaries.measure_to {
            return false;
        }
        *count += 1;
        *to = (*to + self.options.slice).min(boundaries.next(*to));
        true
    }

    /// Return the ended interval and continue with `fresh`, which must be empty.
    pub fn close_interval(&mut self, mut fresh: Box<IntervalCounts>) -> Box<IntervalCounts> {
        let now = self.driver.now();
        let end = self.intervals.to.min(now);
        let phase = self.intervals.boundaries.phase(end);
        if end == self.intervals.boundaries.measure_to {
            self.intervals.window_waits.get_or_insert_with(|| self.connections.blocked(end));
        }
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

    /// The last request has ended: read the TCP state of the connections that are up.
    pub(crate) fn inspect_all(&mut self) -> Vec<TcpReading> {
        self.inspection.ask_all(&mut self.driver, &self.connections)
    }

    /// The run is over: send a close on every connection.
    pub(crate) fn send_close_all(&mut self) {
        self.connections.send_close_all(&mut self.driver);
    }

    /// Send every due request that has a connection. Returns when the next one is due, unless it
    /// waits for a connection.
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

    /// Send due requests on a connection that can take them.
    #[inline]
    fn start(&mut self, start: Start, now: Timestamp) {
        let Start { number, user, slot, count } = start;
        self.recorder.released(self.work.step_number(user), slot, count);
        let totals = self.recorder.totals();
        if self.options.has_due_times {
            totals.waited += u64::from(slot.due <= self.starvation.until);
        }
        let exchange = Exchange::new(slot, count, user, now);
        let id = self.connections.begin_exchange(number, exchange);
        self.departures.add(id, number);
        let is_first = self.connections[number].note_used(slot.measured);
        totals.connections_used += u32::from(is_first);
        self.send((number, id), (user, count), now);
        self.connections.note_sent(number);
        let (in_flight, work) = (self.connections.in_flight_mut(), &mut self.work);
        let notes = Notes { in_flight, work, recorder: &mut self.recorder };
        self.departures.leave_in_groups(&mut self.driver, notes);
    }

    /// Send `count` requests of a user's step.
    #[inline]
    fn send(&mut self, (number, id): (u32, ExchangeId), (user, count): (u32, u16), now: Timestamp) {
        let step = self.work.step(user);
        if let Some(socket) = &step.socket {
            self.connections.begin_websocket(number, Arc::clone(socket));
        }
        let length = if let Some(range) = step.constant.clone() {
            self.connections.send_shared(&mut self.driver, (number, id), (range, count), now)
        } else if self.connections.config().http2.is_some() {
            let is_kept = matches!(step.reading, Reading::Whole);
            let form = AnswerForm { is_head: step.is_head, is_kept };
            let mut request = self.connections.take_rendered();
            self.work.render((user, 1), now, &mut request);
            self.connections.send_own((number, id), request, form)
        } else {
            let mut out = self.driver.take_buffer();
            self.work.render((user, count), now, &mut out);
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
            // A window limited by time lasts to its end, even without slots.
            return now >= boundaries.measure_to && self.is_parted(now);
        }
        let is_drained = now >= boundaries.measure_to + self.options.timeout;
        if is_drained || self.applied == Command::Abort {
            self.give_up_all(now);
            return true;
        }
        false
    }

    /// End all slots: sent ones as censored, unsent ones as not sent.
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

    /// The rate of an open loop is its schedule's; that of a closed loop is measured in the window.
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
