//! How connections open and end, and the effect on the requests on them.
//!
//! A request that the target cannot have processed, or that may be sent twice, is given back: it
//! keeps its place among the exchanges of its connection's number, and is sent again when that
//! connection is open again. Its slot, its due time and the time it was first sent stay the same,
//! so that its waiting time counts; only the timeout starts again. Other requests end here.

use std::fmt::Display;

use uringbench_core::ending::{Ending, STREAM_CUT};
use uringbench_core::http::response::Response;
use uringbench_core::http::unfinished::Unfinished;
use uringbench_core::outcome::Outcome;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_core::window::Phase;

use super::EventLoop;
use super::end::{End, TRUNCATED, UNCLOSED, closed_cause};
use crate::connections::connect_failure::ConnectFailure;
use crate::connections::connection::{Connection, Link};
use crate::connections::in_flight::{Exchange, ExchangeId};
use crate::connections::send::Begun;
use crate::drivers::Driver;
use crate::wire::websocket::{WebSocket, WebSocketConfig};
use crate::work::Reading;

/// The largest number of times that a request is sent again after its connection ended unannounced.
pub(super) const RETRIES_MAX: u8 = 3;
/// The status of a server that is about to close an idle connection.
const REQUEST_TIMEOUT: u16 = 408;
/// The shortest time between two checks of deadlines, and so the largest delay in noticing one.
const SWEEP_EVERY: Nanos = Nanos::MILLISECOND;
/// The longest wait for the target's Close frame.
const PARTING_MAX: Nanos = Nanos::SECOND;

/// Whether the answer was sent by a server that closes an idle connection, before it received the
/// request: the request may be sent again (RFC 9110 section 15.5.9).
pub(super) fn has_expired(
    connection: &Connection,
    exchange: &Exchange,
    response: &Response,
) -> bool {
    response.status == REQUEST_TIMEOUT
        && exchange.retries() < RETRIES_MAX
        && connection.has_stood(exchange)
}

/// Opening connections.
impl<D: Driver> EventLoop<D> {
    /// Starts the connections whose turn it is.
    #[inline]
    pub(super) fn start_due_connects(&mut self, now: Timestamp) {
        while let Some(number) = self.connections.next_to_connect(now) {
            let begun = self.connections.start_connecting(&mut self.driver, number, now);
            if let Err(failure) = begun {
                self.note_failed_attempt(number, ConnectFailure::Refused(failure), now);
                self.connections.retry(number, now);
            }
        }
    }

    pub(super) fn on_connected(&mut self, number: u32, now: Timestamp) {
        let Link::Connecting { since } = self.connections[number].link() else { return };
        self.recorder.connected(now.since(since));
        match self.connections.begin_session(&mut self.driver, number, now) {
            Begun::Up => self.open(number, now),
            Begun::Opening => {}
            Begun::Failed(failure) => self.on_connect_failed(number, failure, now),
        }
    }

    /// The connection is ready for its first request.
    pub(super) fn open(&mut self, number: u32, now: Timestamp) {
        self.connections.open(number, now);
        self.connections.receive(&mut self.driver, number, now);
        self.send_again(number, now);
        self.mark_ready(number);
    }

    /// Lists a connection as able to take a request, if it is able and not listed yet.
    #[inline]
    pub(super) fn mark_ready(&mut self, number: u32) {
        if self.connections.is_newly_ready(number) && !self.work.note_free(number) {
            self.connections.list(number);
        }
    }

    pub(super) fn on_connect_failed(
        &mut self,
        number: u32,
        failure: ConnectFailure,
        now: Timestamp,
    ) {
        self.connections.note_attempt_ended();
        self.note_failed_attempt(number, failure, now);
        self.connections.close_failed(&mut self.driver, number, now);
    }

    /// A failed attempt ends a slot, if one is due that no connection can take.
    fn note_failed_attempt(&mut self, number: u32, failure: ConnectFailure, now: Timestamp) {
        self.recorder.totals().connects_failed += 1;
        let has_tried_all = self.connections.note_failed_attempt(number, failure.clone());
        if has_tried_all && self.connections[number].owed() > 0 {
            let cause = format!("its connection ended, and no other can be made: {failure}");
            self.fail_all(number, Outcome::Reset, &cause, now);
        }
        if !self.connections.is_idle(number) {
            let connection = (number, self.connections.connected());
            let window = self.intervals.boundaries.measured();
            self.work.fail_next(connection, &failure, &mut self.recorder, &window, now);
        }
    }
}

/// Ending connections.
impl<D: Driver> EventLoop<D> {
    /// A connection ends: requests in flight on it are given back or fail.
    pub(super) fn fail_connection(&mut self, number: u32, end: End<'_>, now: Timestamp) {
        let is_sending = self.connections[number].in_flight() > 0;
        let ending = end.ending(&self.connections[number], self.telling(number));
        self.settle(number, end, ending, now);
        let totals = self.recorder.totals();
        if self.connections.is_idle(number) {
            totals.idle_lost += 1;
        } else {
            totals.endings.add(ending);
        }
        self.close_lost(number, is_sending, now);
    }

    /// The exchange by which the end of a connection is classified, if one awaits its answer.
    fn telling(&self, number: u32) -> Option<&Exchange> {
        let connection = &self.connections[number];
        if connection.wire().http2().is_some() {
            // Streams have no order: one whose answer has begun shows most.
            let of = self.connections.in_flight().of(number, connection.share());
            let sent = of.map(|(_, exchange)| exchange).filter(|exchange| !exchange.is_owed());
            return sent.max_by_key(|exchange| exchange.is_begun());
        }
        let in_flight = self.connections.in_flight();
        (connection.in_flight() > 0).then(|| in_flight.get(self.connections.answering(number)))
    }

    pub(super) fn close_lost(&mut self, number: u32, is_sending: bool, now: Timestamp) {
        self.connections.close_lost(&mut self.driver, number, is_sending, now);
        self.forget_answer(number);
    }

    /// A connection has completed its task: closes it in order.
    pub(super) fn close_gracefully(&mut self, number: u32) {
        self.connections.close_gracefully(&mut self.driver, number);
        self.forget_answer(number);
    }

    /// Discards the part of an answer that has arrived.
    fn forget_answer(&mut self, number: u32) {
        if let Some(reader) = self.readers.get_mut(number as usize) {
            reader.clear();
        }
    }

    /// Gives back or ends the requests in flight.
    fn settle(&mut self, number: u32, end: End<'_>, ending: Ending, now: Timestamp) {
        if self.connections[number].in_flight() == 0 {
            return;
        }
        if self.connections[number].wire().http2().is_some() {
            let cause = self.closed_cause(number, ending);
            return self.receiver(number, now).settle_streams(end, cause);
        }
        let behind: &dyn Display = match (end, ending) {
            // The target has not read the requests after the one with which it closes, and those
            // after an early answer have not been sent on this connection.
            (End::Finished(Ending::Announced | Ending::Early), _) => {
                return self.connections.give_back_all(number, now);
            }
            // It may have read the requests after the one with which this side closes.
            (End::Finished(_), _) if self.is_repeatable(number) => {
                return self.connections.give_back_all(number, now);
            }
            (End::Finished(ending), _) => {
                let cause = format!("uringbench closed the connection {}", ending.when());
                return self.fail_sent(number, &cause, now);
            }
            (_, Ending::Idle) if self.is_repeatable(number) => {
                let cause = self.closed_cause(number, ending);
                return self.give_back_or_fail(number, end, &cause, now);
            }
            (End::Closed | End::Reset | End::Expired, Ending::Unanswered | Ending::Idle) => {
                let cause = self.closed_cause(number, ending);
                return self.fail_all(number, Outcome::Reset, &cause, now);
            }
            (
                End::Tls(cause) | End::Goodbye(cause) | End::Fatal(cause) | End::Violated(cause),
                _,
            ) => {
                return self.fail_all(number, Outcome::Reset, cause, now);
            }
            (End::Unclosed, _) => {
                return self.fail_all(number, Outcome::Reset, &UNCLOSED, now);
            }
            (End::Truncated, _) => {
                let id = self.connections.answering(number);
                self.fail_because(number, id, Outcome::Reset, &TRUNCATED, now);
                &"the target closed the connection behind the answer before it"
            }
            (End::Late, _) => {
                let cause = self.late_cause(number);
                self.fail_unfinished(number, Outcome::Timeout, cause, now);
                &"the connection was dropped, since an answer before this one was late"
            }
            (End::Malformed, _) => &"the answer before it was malformed",
            (End::Reset, _) => {
                let cause = "the target reset the connection in the middle of an answer";
                self.fail_unfinished(number, Outcome::Reset, cause, now);
                &"the target reset the connection in the middle of the answer before it"
            }
            (End::Closed | End::Expired | End::Unsolicited, _) => {
                let cause = "the target closed the connection in the middle of an answer";
                self.fail_unfinished(number, Outcome::Reset, cause, now);
                &"the target closed the connection in the middle of the answer before it"
            }
        };
        self.give_back_or_fail(number, end, behind, now);
    }

    fn closed_cause(&self, number: u32, ending: Ending) -> &'static str {
        closed_cause(&self.connections[number], ending, self.options.has_due_times)
    }

    /// Why the current answer on a connection is late.
    fn late_cause(&self, number: u32) -> &'static str {
        let id = self.connections.answering(number);
        let is_begun = self.connections.in_flight().get(id).is_begun();
        let wire = self.connections[number].wire();
        let is_greeted = |socket: &WebSocket| socket.is_opening() || socket.greeting() == 0;
        if wire.websocket().is_some_and(|socket| !is_greeted(socket)) {
            return "the WebSocket is open, but not all messages of its `greeting` came within \
                    --timeout: lower `greeting`";
        }
        let unfinished = wire.unfinished();
        match (is_begun, self.is_stream(number), unfinished) {
            (false, _, _) => "no byte of an answer came within --timeout",
            (true, true, _) => {
                "the stream brought nothing for as long as --timeout: raise it, or end the answer \
                 earlier with --events"
            }
            (true, false, Some(Unfinished::UntilClose)) => {
                "the end of the answer cannot be seen within --timeout; one that never ends is \
                 read with --sse or --stream, and ended by --events"
            }
            (true, false, _) => {
                "the answer began but did not end within --timeout: raise it; one that never ends \
                 is read with --sse or --stream, and ended by --events"
            }
        }
    }

    /// The user whose answer a connection is receiving; 0 without users.
    fn user(&self, number: u32) -> u32 {
        self.connections.in_flight().get(self.connections.answering(number)).user()
    }

    /// Whether the expected answer on a connection is read as a stream.
    fn is_stream(&self, number: u32) -> bool {
        self.connections[number].in_flight() > 0
            && matches!(self.work.step(self.user(number)).reading, Reading::Stream(_))
    }

    /// Whether the requests in flight on a connection may be sent twice with the same effect.
    fn is_repeatable(&self, number: u32) -> bool {
        !self.connections[number].wire().is_open_websocket()
            && self.work.step(self.user(number)).is_repeatable
    }

    /// Gives back the requests that may be sent twice and have not been sent too often; the others
    /// fail.
    fn give_back_or_fail(
        &mut self,
        number: u32,
        end: End<'_>,
        cause: &dyn Display,
        now: Timestamp,
    ) {
        while self.connections[number].in_flight() > 0 {
            let id = self.connections.answering(number);
            let exchange = *self.connections.in_flight().get(id);
            if exchange.retries() < RETRIES_MAX && self.is_repeatable(number) {
                return self.connections.give_back_all(number, now);
            }
            // After a late answer other answers may be late themselves.
            let since = exchange.sent().max(self.connections[number].renewed());
            let outcome = match end {
                End::Late if since + self.options.timeout <= now => Outcome::Timeout,
                _ => Outcome::Reset,
            };
            self.caused(&exchange, (outcome, exchange.count()), cause);
            self.fail(number, id, (outcome, exchange.count()), now);
        }
    }

    /// Sends the requests that were given back, as far as they may be sent now.
    #[inline]
    pub(super) fn send_again(&mut self, number: u32, now: Timestamp) {
        if self.connections[number].owed() > 0 {
            self.send_owed(number, now);
        }
    }

    #[cold]
    #[inline(never)]
    fn send_owed(&mut self, number: u32, now: Timestamp) {
        while self.connections[number].can_send_again()
            && let Some(id) = self.connections.take_owed(number)
        {
            let exchange = *self.connections.in_flight().get(id);
            let (user, count) = (exchange.user(), exchange.count());
            self.recorder.sent_again(self.work.step_number(user), exchange.slot(), count);
            self.send((number, id), (user, count), now);
        }
    }

    /// `count` requests of an exchange end without an answer.
    pub(super) fn fail(
        &mut self,
        number: u32,
        id: ExchangeId,
        (outcome, count): (Outcome, u16),
        now: Timestamp,
    ) {
        let (connection, in_flight) = self.connections.with_exchanges(number);
        let exchange = *in_flight.get(id);
        in_flight.end(number, connection.share_mut(), id, count);
        let at = || self.driver.peer_address(number, connection.turn());
        self.statuses.failed(count, at);
        self.work.failed(&exchange, count, outcome, &mut self.recorder, now);
    }

    /// One request of an exchange ends without an answer, with the cause.
    pub(super) fn fail_because(
        &mut self,
        number: u32,
        id: ExchangeId,
        outcome: Outcome,
        cause: &dyn Display,
        now: Timestamp,
    ) {
        let exchange = *self.connections.in_flight().get(id);
        self.caused(&exchange, (outcome, 1), cause);
        self.fail(number, id, (outcome, 1), now);
    }

    /// Records the cause with which requests of an exchange end.
    fn caused(&mut self, exchange: &Exchange, ended: (Outcome, u16), cause: &dyn Display) {
        let step = self.work.step_number(exchange.user());
        self.recorder.caused(step, exchange.slot(), ended, cause);
    }

    /// The request whose answer is arriving ends, with the cause and the part of the answer that
    /// arrived.
    fn fail_unfinished(&mut self, number: u32, outcome: Outcome, cause: &str, now: Timestamp) {
        let id = self.connections.answering(number);
        let exchange = *self.connections.in_flight().get(id);
        let (step, slot) = (self.work.step_number(exchange.user()), exchange.slot());
        match self.connections[number].wire().unfinished() {
            Some(unfinished) => {
                self.recorder.caused_with(step, slot, (outcome, 1), (&cause, &unfinished));
            }
            None => self.recorder.caused(step, slot, (outcome, 1), &cause),
        }
        self.fail(number, id, (outcome, 1), now);
    }

    /// Ends everything in flight on a connection with this outcome.
    fn fail_all(&mut self, number: u32, outcome: Outcome, cause: &dyn Display, now: Timestamp) {
        let connection = &self.connections[number];
        for (_, exchange) in self.connections.in_flight().of(number, connection.share()) {
            let step = self.work.step_number(exchange.user());
            self.recorder.caused(step, exchange.slot(), (outcome, exchange.count()), cause);
        }
        self.end_all(number, outcome, now);
    }

    /// Fails the requests that were sent on a connection. Those that wait to be sent again do so on
    /// the next one.
    fn fail_sent(&mut self, number: u32, cause: &dyn Display, now: Timestamp) {
        let connection = &self.connections[number];
        let of = self.connections.in_flight().of(number, connection.share());
        let sent = of.filter(|(_, exchange)| !exchange.is_owed());
        let sent: Vec<_> = sent.map(|(id, exchange)| (id, *exchange)).collect();
        for (id, exchange) in sent {
            self.caused(&exchange, (Outcome::Reset, exchange.count()), cause);
            self.fail(number, id, (Outcome::Reset, exchange.count()), now);
        }
    }

    fn end_all(&mut self, number: u32, outcome: Outcome, now: Timestamp) {
        while self.connections[number].in_flight() > 0 {
            let id = self.connections.answering(number);
            let count = self.connections.in_flight().get(id).count();
            self.fail(number, id, (outcome, count), now);
        }
    }

    /// The run ends before the answers on a connection have arrived.
    pub(super) fn cut_short(&mut self, number: u32, now: Timestamp) {
        if self.is_stream(number) {
            return self.fail_all(number, Outcome::Censored, &STREAM_CUT, now);
        }
        self.end_all(number, Outcome::Censored, now);
    }
}

/// How this side ends WebSockets.
///
/// If answers are identified only by their order, it sends a Close frame and checks the messages
/// that arrive before the target's Close frame. If an unrequested message is taken for an answer,
/// the true answer remains, and so on with every message after it. Such a connection is always one
/// message ahead, which cannot be detected while it is busy. But its last answer remains: it shows
/// that the target sends without a request.
impl<D: Driver> EventLoop<D> {
    /// The connection has carried its share of requests, and all are answered: ends it.
    pub(super) fn leave(&mut self, number: u32, now: Timestamp) {
        let is_blind = self.is_blind();
        let socket = self.connections[number].wire_mut().websocket_mut();
        let Some(socket) = socket.filter(|_| is_blind) else {
            return self.close_gracefully(number);
        };
        let goodbye = socket.goodbye();
        self.part(number, now);
        self.connections.reply(&mut self.driver, number, &goodbye, now);
    }

    /// Whether the messages of a run are identified as answers only by their order.
    fn is_blind(&self) -> bool {
        let config = &self.connections.config().websocket;
        config.as_ref().is_some_and(|config| !WebSocketConfig::knows_answers(config))
    }

    /// This side has sent a Close frame: waits for the target's.
    pub(super) fn part(&mut self, number: u32, now: Timestamp) {
        self.connections.begin_parting(number, now);
        self.connections.wake_at(now + PARTING_MAX);
        self.connections.receive(&mut self.driver, number, now);
    }

    /// A connection whose WebSocket this side has closed ends, whichever side closed it first.
    pub(super) fn close_parted(&mut self, number: u32, now: Timestamp) {
        self.close_lost(number, false, now);
    }

    /// The run only waits for Close frames: returns whether all have arrived. Messages that arrive
    /// with them are not part of the measured window.
    pub(super) fn is_parted(&mut self, now: Timestamp) -> bool {
        if self.is_blind() && !self.has_parted {
            if self.recorder.phase() != Phase::Drain {
                self.intervals.to = self.intervals.to.min(now);
                return false;
            }
            self.has_parted = true;
            for number in 0..self.options.connections {
                if self.connections[number].is_up() {
                    self.leave(number, now);
                }
            }
        }
        let latest = self.intervals.boundaries.measure_to + self.options.timeout;
        self.connections.parting() == 0 || now >= latest
    }
}

/// Deadlines.
impl<D: Driver> EventLoop<D> {
    /// Checks every deadline: attempts and exchanges that took too long, retries that are due.
    ///
    /// There is no timer and no queue entry per request: each check finds the earliest deadline,
    /// and everything that begins later has a later one, so no deadline can pass unnoticed before
    /// the next check. A run in which nothing times out checks about once per timeout.
    pub(super) fn sweep(&mut self, now: Timestamp) {
        // Set first: operations that the check starts may bring it forward.
        let latest = now + self.options.timeout;
        self.connections.set_wakes_at(latest);
        let mut earliest = latest;
        for number in 0..self.connections.count() {
            earliest = earliest.min(self.look_at(number, now));
        }
        let earliest = earliest.min(self.connections.wakes_at());
        self.connections.set_wakes_at(earliest.max(now + SWEEP_EVERY));
    }

    /// Checks the deadlines of a connection, and returns the next one.
    fn look_at(&mut self, number: u32, now: Timestamp) -> Timestamp {
        let timeout = self.options.timeout;
        let connection = &self.connections[number];
        let mut earliest = Timestamp::NEVER;
        let late_at = connection.renewed() + timeout;
        if connection.owed() > 0 && !connection.is_up() {
            if late_at <= now {
                let cause = "its connection ended, and no other stood within --timeout";
                self.fail_all(number, Outcome::Timeout, &cause, now);
            } else {
                earliest = late_at;
            }
        }
        let connection = &self.connections[number];
        // A rate-limited connection also waits for its time before its first request.
        let (deadline, wakes_at) = match connection.link() {
            Link::Down { retry_at } => (retry_at, Timestamp::NEVER),
            Link::Connecting { since } => (since + timeout, Timestamp::NEVER),
            Link::Opening { since } => (since + timeout, connection.wakes_at()),
            Link::Parting { since } => (since + PARTING_MAX.min(timeout), connection.wakes_at()),
            Link::Up { .. } => {
                let late_at = self.late_at(number).min(self.barred_until(number));
                (late_at.min(self.judged_at(number)), connection.wakes_at())
            }
            Link::Closing { .. } => return earliest,
        };
        if deadline > now {
            earliest = earliest.min(deadline);
            if wakes_at > now {
                return earliest.min(wakes_at);
            }
            self.connections.go_on_slowly(&mut self.driver, number, now);
            return earliest;
        }
        match connection.link() {
            Link::Down { .. } => self.connections.connect(number),
            Link::Connecting { .. } => {
                self.on_connect_failed(number, ConnectFailure::TimedOut, now);
            }
            Link::Opening { .. } => {
                let config = self.connections.config().websocket.as_ref();
                let failure = ConnectFailure::unopened(&self.connections[number], config);
                self.on_connect_failed(number, failure, now);
            }
            Link::Parting { .. } => self.close_parted(number, now),
            Link::Up { .. } if self.judged_at(number) < Timestamp::NEVER => {
                self.give_up_answer(number, now);
            }
            Link::Up { .. } if self.barred_until(number) <= now => {
                self.fail_connection(number, End::Finished(Ending::Barred), now);
            }
            Link::Up { .. } if self.connections[number].wire().http2().is_some() => {
                self.end_late_streams(number, now);
                return earliest.min(self.late_at(number)).min(self.barred_until(number));
            }
            // The connection cannot be reused, since the late answer may still arrive.
            Link::Up { .. } | Link::Closing { .. } => self.fail_connection(number, End::Late, now),
        }
        earliest
    }

    /// When the first answer on an open connection becomes late; never, if none is expected.
    fn late_at(&self, number: u32) -> Timestamp {
        let connection = &self.connections[number];
        let later = |id| self.connections.streams().last_message(id);
        match self.connections.in_flight().earliest(number, connection.share(), later) {
            Some(sent) => sent.max(connection.renewed()) + self.options.timeout,
            None => Timestamp::NEVER,
        }
    }

    /// When messages that are held on a connection have to be evaluated; never, if none are.
    fn judged_at(&self, number: u32) -> Timestamp {
        let connection = &self.connections[number];
        if connection.in_flight() == 0 {
            return Timestamp::NEVER;
        }
        let held = connection.wire().websocket().and_then(|socket| socket.held());
        match held.zip(self.work.step(self.user(number)).hearing) {
            Some((held, hearing)) => held.since + hearing.patience(self.options.timeout),
            None => Timestamp::NEVER,
        }
    }
}
