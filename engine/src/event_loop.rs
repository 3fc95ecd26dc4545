//! The turn. There is no other loop and no callback.
//!
//! One worker's connections, slots and records, driven by a [`Driver`]. What happens to a
//! connection is in `receive`, how connections come and go in `connections`; this file decides
//! when.

use std::ops::Range;

use uringbench_core::http::header_cache::HeaderCache;
use uringbench_core::http::request::is_idempotent;
use uringbench_core::outcome::Outcome;
use uringbench_core::pacer::{Pace, Pacer};
use uringbench_core::plan::{ConnectionOrder, Load, Plan};
use uringbench_core::rate::Rate;
use uringbench_core::record::Phase;
use uringbench_core::schedule::Share;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_ring::Failure;

use crate::connect_failure::ConnectFailure;
use crate::connect_queue::ConnectQueue;
use crate::connection::{Connection, Exchange, Exchanges};
use crate::control::Command;
use crate::departures::Departures;
use crate::driver::{Driver, Until};
use crate::flows::Flows;
use crate::inspection::Inspection;
use crate::lineup::Lineup;
use crate::recorder::{IntervalCounts, Recorder};
use crate::session::{ConnectionConfig, SEALED_AT_ONCE};
use crate::statuses::Statuses;
use crate::throttle::RateLimit;

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

/// One worker's event loop.
pub struct EventLoop<D: Driver> {
    pub(crate) driver: D,
    pub(crate) options: LoopOptions,
    pub(crate) connections: Vec<Connection>,
    pub(crate) exchanges: Exchanges,
    pub(crate) recorder: Recorder,
    pub(crate) header_cache: HeaderCache,
    pub(crate) statuses: Statuses,
    pub(crate) inspection: Inspection,
    pub(crate) terms: ConnectionConfig,
    pub(crate) flows: Option<Box<Flows>>,
    /// Whether requests are sent from the driver's copy and never told of.
    is_plain: bool,
    /// Whether what comes is read otherwise than as plain answers.
    pub(crate) is_read_otherwise: bool,
    /// Whether every byte of payload is wanted.
    pub(crate) reads_payload: bool,
    /// Requests sent together at most: large ones go one by one.
    pub(crate) batch_max: u16,
    /// Requests of this turn whose times of sending are still to be stamped.
    pub(crate) departures: Departures,
    /// Connections with something to send at the end of this turn.
    pub(crate) unflushed: Vec<u32>,
    /// What has just been decrypted.
    pub(crate) plain: Vec<u8>,
    /// What TLS has to say in answer to it.
    pub(crate) answer: Vec<u8>,
    /// Why the driver does not work any more.
    halted: Option<Failure>,
    /// None until the run begins.
    pub(crate) pacer: Option<Pacer>,
    /// Connections that can take a request.
    pub(crate) lineup: Lineup,
    pub(crate) connected: u32,
    pub(crate) connecting: u32,
    /// Idle connections established now.
    pub(crate) idle: u32,
    pub(crate) connect_queue: ConnectQueue,
    /// Connections that have neither been up nor tried every address.
    pub(crate) untried: u32,
    pub(crate) connect_failure: Option<ConnectFailure>,
    /// WebSockets whose end is awaited.
    pub(crate) parting: u32,
    /// Whether this side has ended all of them, because the run is over.
    pub(crate) has_parted: bool,
    /// When some deadline may have passed: until then none has.
    pub(crate) sweep_at: Timestamp,
    pub(crate) boundaries: Boundaries,
    pub(crate) interval_to: Timestamp,
    intervals: u32,
    /// Every slot due until then found all connections busy.
    pub(crate) starved_until: Timestamp,
    is_starved: bool,
    applied: Command,
    enters_seen: u64,
    spun_seen: Nanos,
}

impl<D: Driver> EventLoop<D> {
    /// A loop whose connections are all still to be made: turn it until it [`Self::is_settled`].
    pub fn new(driver: D, options: LoopOptions, terms: ConnectionConfig) -> Self {
        let count = options.connections;
        let is_pieced = options.writing.is_some() || terms.held_at.is_some();
        let at_once = if terms.tls.is_some() { SEALED_AT_ONCE } else { LEFT_ALONE_MAX };
        let pipelined = terms.request.len() * usize::from(options.pipeline);
        Self {
            driver,
            connections: (0..count + options.idle)
                .map(|_| Connection::new(terms.held_at.is_some()))
                .collect(),
            exchanges: Exchanges::new(count, options.pipeline),
            recorder: Recorder::new(options.has_due_times),
            header_cache: HeaderCache::default(),
            statuses: Statuses::new(options.peers),
            inspection: Inspection::default(),
            is_plain: terms.tls.is_none() && pipelined <= LEFT_ALONE_MAX && !is_pieced,
            // What is answered before it was sent needs a closer look.
            is_read_otherwise: terms.is_read_otherwise() || options.writing.is_some(),
            reads_payload: terms.reads_payload(),
            batch_max: if pipelined <= at_once && !is_pieced { options.pipeline } else { 1 },
            flows: terms.flows.as_ref().map(|terms| Box::new(Flows::new(terms, count))),
            terms,
            departures: Departures::new(options.is_open),
            unflushed: Vec::new(),
            plain: Vec::new(),
            answer: Vec::new(),
            halted: None,
            pacer: None,
            lineup: Lineup::new(count, options.order),
            connected: 0,
            connecting: 0,
            idle: 0,
            connect_queue: ConnectQueue::new(options.connect_gap),
            untried: count + options.idle,
            connect_failure: None,
            parting: 0,
            has_parted: false,
            sweep_at: Timestamp::default(),
            boundaries: Boundaries {
                start: Timestamp::default(),
                measure_from: Timestamp::NEVER,
                measure_to: Timestamp::NEVER,
            },
            interval_to: Timestamp::NEVER,
            intervals: 0,
            starved_until: Timestamp::default(),
            is_starved: false,
            applied: Command::Run,
            enters_seen: 0,
            spun_seen: Nanos::ZERO,
            options,
        }
    }

    /// Whether every connection has been made, or has failed to at every address.
    pub const fn is_settled(&self) -> bool {
        self.untried == 0
    }

    /// Connections established now.
    pub const fn connected(&self) -> u32 {
        self.connected
    }

    /// Idle connections established now.
    pub const fn idle(&self) -> u32 {
        self.idle
    }

    /// Why the latest connection that failed did: it could not be made, or TLS on it broke off.
    pub fn connect_failure(&self) -> Option<ConnectFailure> {
        self.connect_failure.clone()
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
        self.boundaries
    }

    /// Begin the run: slots from now on come from `pacer`.
    pub fn begin(&mut self, pacer: Pacer, boundaries: Boundaries) {
        self.pacer = Some(pacer);
        self.boundaries = boundaries;
        self.cut_rates();
        (self.enters_seen, self.spun_seen) = (self.driver.enters(), self.driver.spun());
        let (steps, flows) = self.followed();
        self.recorder.current.follow(steps, flows);
        self.open_interval(boundaries.start);
    }

    /// One turn: handle what happened, release what is due, wait for more.
    pub fn turn(&mut self, command: Command) -> Turn {
        // Two clock readings a turn, shared by every decision in it. `arrived` stamps all
        // completions the last wait brought; reading per completion would be no nearer to their
        // arrival, since the kernel delivered them together.
        let arrived = self.driver.now();
        // An interval takes nothing that happens after its end: the first moment of the measured
        // window must not be counted to the warm-up.
        if arrived >= self.interval_to {
            return Turn::IntervalOver;
        }
        while let Some(event) = self.driver.next_event() {
            self.on_event(event, arrived);
        }
        if arrived >= self.sweep_at {
            self.sweep(arrived);
        }
        self.start_due_connects(arrived);
        // From `released` on the sends of this turn leave.
        let released = self.driver.now();
        self.departures.begin(released);
        if command > self.applied {
            self.apply_command(command, released);
        }
        if released >= self.interval_to {
            return Turn::IntervalOver;
        }
        let next_due = self.release(released);
        self.flush(released);
        self.depart_all();
        if self.is_over(released) {
            return Turn::Finished;
        }
        let is_set_up = self.pacer.is_none() && self.is_settled();
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
        let Boundaries { measure_from, measure_to, .. } = self.boundaries;
        if self.interval_to == measure_from || self.interval_to == measure_to {
            return false;
        }
        self.intervals += 1;
        let next = self.boundaries.next(self.interval_to);
        self.interval_to = (self.interval_to + self.options.slice).min(next);
        true
    }

    /// Give away the interval that is over and go on with `fresh`, which must be empty.
    pub fn close_interval(&mut self, mut fresh: Box<IntervalCounts>) -> Box<IntervalCounts> {
        let now = self.driver.now();
        let end = self.interval_to.min(now);
        let followed = self.followed();
        fresh.reset((self.intervals, self.boundaries.phase(end), end), followed);
        let mut closed = std::mem::replace(&mut self.recorder.current, fresh);
        closed.end = end;
        closed.last = self.intervals - 1;
        (closed.in_flight, closed.connected) = (self.exchanges.in_flight(), self.connected);
        self.header_cache.drain_deviations(&mut closed.tolerated);
        let (enters, spun) = (self.driver.enters(), self.driver.spun());
        closed.totals.enters = enters - std::mem::replace(&mut self.enters_seen, enters);
        closed.totals.spun = Nanos(spun.0 - std::mem::replace(&mut self.spun_seen, spun).0);
        self.open_interval(end);
        self.inspect_some(end);
        closed
    }

    /// How many steps and flows of a script are counted apart.
    fn followed(&self) -> (usize, usize) {
        self.flows.as_ref().map(|flows| flows.counts()).unwrap_or_default()
    }

    fn open_interval(&mut self, start: Timestamp) {
        let current = &mut self.recorder.current;
        current.index = self.intervals;
        current.phase = self.boundaries.phase(start);
        current.start = start;
        self.intervals += 1;
        self.interval_to = (start + self.options.slice).min(self.boundaries.next(start));
    }

    /// Release every slot that is due and has a connection. When the next one is due, unless
    /// that is for connections to decide.
    fn release(&mut self, now: Timestamp) -> Option<Timestamp> {
        if std::mem::take(&mut self.is_starved) {
            self.starved_until = now;
        }
        if self.flows.is_some() {
            return self.release_steps(now);
        }
        let timeout = self.options.timeout;
        while let Some(slot) = self.pacer.as_mut()?.give_up(now, timeout) {
            self.recorder.released(slot, 1);
            self.recorder.failed(slot, 1, Outcome::NotSent, now);
        }
        loop {
            let Some(number) = self.lineup.next() else {
                self.note_starved();
                return None;
            };
            let (sent, pace) = self.dispatch(number, now);
            if sent > 0 {
                self.send_requests(number, sent, now);
                self.recorder.current.totals.sent_bytes +=
                    self.terms.request.len() as u64 * u64::from(sent);
                self.depart_in_groups();
            }
            match pace {
                Some(Pace::WaitUntil(due)) => return Some(due),
                Some(Pace::Done) => return None,
                Some(Pace::Release(..)) | None => {}
            }
        }
    }

    /// Send so many copies of the request.
    #[inline]
    pub(crate) fn send_requests(&mut self, number: u32, count: u16, now: Timestamp) {
        if self.is_plain {
            self.driver.send(number, self.connections[number as usize].generation, count);
        } else {
            self.send_tracked(number, count, now);
        }
    }

    /// A connection that can take a request now. Those listed that no longer can leave the list:
    /// one may have ended while nothing was in flight on it.
    pub(crate) fn usable_connection(&mut self) -> Option<u32> {
        loop {
            let number = self.lineup.next()?;
            let connection = &mut self.connections[number as usize];
            if connection.room(&self.options) > 0 {
                return Some(number);
            }
            connection.is_listed = false;
            self.lineup.take();
        }
    }

    /// Something is due, or may be, and every connection is busy.
    #[inline]
    pub(crate) const fn note_starved(&mut self) {
        self.is_starved = true;
    }

    /// Give due slots to a connection: as many as it can take in a closed loop, one in an open
    /// one, so that they spread. How many, and the pacer's answer if it had no slot. The
    /// connection stays listed only if it can take more.
    fn dispatch(&mut self, number: u32, now: Timestamp) -> (u16, Option<Pace>) {
        let Some(pacer) = &mut self.pacer else { return (0, Some(Pace::Done)) };
        let connection = &mut self.connections[number as usize];
        let room = connection.room(&self.options).min(self.batch_max);
        let mut sent = 0;
        if room > 0 {
            let (slot, count) = match pacer.poll(now, room) {
                Pace::Release(slot, count) => (slot, count),
                pace => return (0, Some(pace)),
            };
            self.recorder.released(slot, count);
            if self.options.is_open {
                self.recorder.current.totals.waited += u64::from(slot.due <= self.starved_until);
            }
            let exchange = Exchange::new(slot, count, now);
            self.departures.add(self.exchanges.push(number, connection, exchange));
            connection.taken = connection.taken.saturating_add(u32::from(count));
            self.recorder.used(connection, slot);
            sent = count;
        }
        self.lineup.take();
        connection.is_listed = room > sent;
        if connection.is_listed {
            self.lineup.add_partial(number);
        }
        (sent, None)
    }

    fn is_over(&mut self, now: Timestamp) -> bool {
        let Some(pacer) = &self.pacer else { return false };
        let is_quiet = self.flows.as_ref().is_none_or(|flows| flows.is_over());
        if self.exchanges.in_flight() == 0 && is_quiet && pacer.is_done(now) {
            if pacer.is_exhausted() {
                // A window limited by requests ends when the last of them has.
                self.boundaries.measure_to = self.boundaries.measure_to.min(now);
            }
            // One limited by time lasts to its end, even when no slot is left in it.
            return now >= self.boundaries.measure_to && self.is_all_said(now);
        }
        let is_drained = now >= self.boundaries.measure_to + self.options.timeout;
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
        let Some(pacer) = &mut self.pacer else { return };
        pacer.finish(now);
        if self.flows.is_some() {
            return self.give_up_flows(now);
        }
        if self.options.is_open {
            while let Pace::Release(slot, count) = pacer.poll(now, 1) {
                self.recorder.released(slot, count);
                self.recorder.failed(slot, count, Outcome::NotSent, now);
            }
        }
    }

    fn apply_command(&mut self, command: Command, now: Timestamp) {
        self.applied = command;
        if let Some(pacer) = &mut self.pacer {
            pacer.finish(now);
        }
        let boundaries = &mut self.boundaries;
        // The command may come before the first slot.
        let now = now.max(boundaries.start);
        boundaries.measure_from = boundaries.measure_from.min(now);
        boundaries.measure_to = boundaries.measure_to.min(now);
        self.interval_to = self.interval_to.min(now);
        self.cut_rates();
    }

    /// The rate of an open loop is its schedule's; a closed loop's is what the window holds.
    fn cut_rates(&mut self) {
        if !self.options.is_open {
            self.recorder.cut_at(self.boundaries.measured());
        }
    }

    fn until(&self, now: Timestamp, next_due: Option<Timestamp>) -> Until {
        let latest = (now + WAIT_MAX).min(self.interval_to).min(self.sweep_at);
        let latest = latest.min(self.connect_queue.wake_at(self.connecting));
        match next_due {
            Some(due) if due <= latest => Until::Due(due),
            _ => Until::Around(latest),
        }
    }
}
