//! The end of a connection that stood, and what it means for the requests on it.
//!
//! A request that the target cannot have acted on, or that may be sent twice, is given back: it
//! keeps its place among the exchanges of its connection's number, and is sent again when that is
//! up again. Its slot, its due time and the time it was first sent stay what they are, so that what
//! it has waited is counted; only the timeout begins anew. The others end here.

use std::fmt::Display;

use uringbench_core::ending::{CLOSED_IDLE, Ending, STREAM_CUT};
use uringbench_core::http::header_cache::HeaderCache;
use uringbench_core::http::response::Response;
use uringbench_core::http::unfinished::Unfinished;
use uringbench_core::outcome::Outcome;
use uringbench_core::time::{Nanos, Timestamp};

use crate::connection::{Connection, Exchange, Link};
use crate::driver::Driver;
use crate::event_loop::EventLoop;
use crate::receive::FeedResult;
use crate::statuses::Statuses;

/// A request is sent again so often at most, where its connection ended unannounced.
const RETRIES_MAX: u8 = 3;
/// From then on a connection that has answered nothing has stood idle: what ends it may have been
/// under way when a request was sent on it.
const IDLE_MIN: Nanos = Nanos::from_millis(10);
/// The status of a server that is about to close a connection on which nothing came.
const REQUEST_TIMEOUT: u16 = 408;

/// How a connection that stood ends.
#[derive(Clone, Copy)]
pub(crate) enum End<'a> {
    /// The target closes it, and has said so with its latest answer.
    Announced,
    /// The target has closed it or broken it off.
    Closed,
    /// The target has said 408, or closed TLS, on a connection that nothing came on.
    Expired,
    /// TLS broke, with the cause.
    Tls(&'a dyn Display),
    /// The target has ended a WebSocket, with the cause: no message on it is sent twice.
    WebSocket(&'a dyn Display),
    /// An answer was malformed; it has ended already.
    Malformed,
    /// Bytes came that nobody had asked for.
    Unsolicited,
    /// The oldest answer is late. It may still come, so that the connection is of no further use.
    Late,
}

impl<D: Driver> EventLoop<D> {
    /// A connection ends: requests in flight on it are given back or fail.
    pub(crate) fn fail_connection(&mut self, number: u32, end: End<'_>, now: Timestamp) {
        self.note_parted(number);
        let is_sending = self.connections[number as usize].in_flight > 0;
        let ending = self.ending(number, end);
        self.settle(number, end, ending, now);
        if self.is_idle(number) {
            self.idle -= 1;
            self.recorder.current.totals.idle_lost += 1;
        } else {
            self.connected -= 1;
            self.recorder.current.totals.endings.add(ending);
        }
        self.close_lost(number, is_sending, now);
    }

    fn ending(&mut self, number: u32, end: End<'_>) -> Ending {
        let connection = &self.connections[number as usize];
        match end {
            End::Announced => Ending::Announced,
            End::WebSocket(_) if connection.in_flight == 0 => Ending::Announced,
            End::WebSocket(_) => Ending::Unanswered,
            End::Closed | End::Expired if connection.in_flight == 0 => Ending::Idle,
            End::Expired => Ending::Idle,
            End::Closed if self.exchanges.oldest(number, connection).is_begun() => {
                Ending::BrokenOff
            }
            End::Closed => Ending::Unanswered,
            End::Tls(_) => Ending::Tls,
            End::Malformed => Ending::Malformed,
            End::Unsolicited => Ending::Unsolicited,
            End::Late => Ending::Late,
        }
    }

    /// What becomes of the requests in flight.
    fn settle(&mut self, number: u32, end: End<'_>, ending: Ending, now: Timestamp) {
        if self.connections[number as usize].in_flight == 0 {
            return;
        }
        let is_repeatable = self.is_repeatable(number);
        let behind: &dyn Display = match (end, ending) {
            // The target has not read what came behind the request it closes with.
            (End::Announced, _) if !self.is_talk(number) => return self.give_back(number, now),
            (End::Closed | End::Expired, Ending::Unanswered | Ending::Idle) => {
                let connection = &self.connections[number as usize];
                let is_old = connection.has_stood(self.exchanges.oldest(number, connection));
                if is_old && is_repeatable {
                    return self.give_back_or_fail(number, end, &CLOSED_IDLE, now);
                }
                let cause = if self.is_talk(number) {
                    "the target closed the WebSocket before its answer"
                } else if is_old {
                    CLOSED_IDLE
                } else {
                    "the target closed a new connection without an answer"
                };
                return self.fail_all(number, Outcome::Reset, &cause, now);
            }
            (End::Tls(cause) | End::WebSocket(cause), _) => {
                return self.fail_all(number, Outcome::Reset, cause, now);
            }
            (End::Late, _) => {
                let cause = self.late_cause(number);
                self.fail_unfinished(number, Outcome::Timeout, cause, now);
                &"the connection was dropped, since an answer before this one was late"
            }
            (End::Malformed, _) => &"the answer before it was malformed",
            (End::Announced | End::Closed | End::Expired | End::Unsolicited, _) => {
                let cause = "the target closed the connection in the middle of an answer";
                self.fail_unfinished(number, Outcome::Reset, cause, now);
                &"the target closed the connection in the middle of the answer before it"
            }
        };
        self.give_back_or_fail(number, end, behind, now);
    }

    /// Why the oldest answer on a connection is late.
    fn late_cause(&mut self, number: u32) -> &'static str {
        let connection = &self.connections[number as usize];
        let unfinished = connection.parser.unfinished();
        let is_begun = self.exchanges.oldest(number, connection).is_begun();
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

    /// End the oldest exchange in flight on a connection that has one, with the cause and how far
    /// its answer had come.
    fn fail_unfinished(&mut self, number: u32, outcome: Outcome, cause: &str, now: Timestamp) {
        let connection = &self.connections[number as usize];
        let slot = self.exchanges.oldest(number, connection).slot();
        match connection.parser.unfinished() {
            Some(unfinished) => self.recorder.caused_with(slot, outcome, &cause, &unfinished),
            None => self.recorder.caused(slot, outcome, &cause, 1),
        }
        self.fail_oldest(number, 1, outcome, now);
    }

    /// Whether the answer that a connection awaits is read as a stream.
    fn is_stream(&mut self, number: u32) -> bool {
        let connection = &self.connections[number as usize];
        if self.terms.stream.is_some() || connection.in_flight == 0 {
            return self.terms.stream.is_some();
        }
        let user = self.exchanges.oldest(number, connection).user;
        self.flows.as_ref().is_some_and(|flows| flows.is_stream(user))
    }

    /// Whether messages go to and fro on it, each of which the target may have acted on.
    fn is_talk(&self, number: u32) -> bool {
        self.terms.websocket.is_some()
            || self.flows.as_ref().is_some_and(|flows| flows.is_talk(number))
    }

    /// Whether what is in flight on a connection may be sent twice and mean the same.
    fn is_repeatable(&mut self, number: u32) -> bool {
        if self.is_talk(number) {
            return false;
        }
        let connection = &self.connections[number as usize];
        match &self.flows {
            Some(flows) if connection.in_flight > 0 => {
                flows.is_repeatable(self.exchanges.oldest(number, connection).user)
            }
            _ => self.options.is_repeatable,
        }
    }

    /// Give back what may be sent twice and has not been sent too often; the rest fails.
    fn give_back_or_fail(
        &mut self,
        number: u32,
        end: End<'_>,
        cause: &dyn Display,
        now: Timestamp,
    ) {
        let is_repeatable = self.is_repeatable(number);
        loop {
            let connection = &self.connections[number as usize];
            if connection.in_flight == 0 {
                return;
            }
            let since = connection.renewed;
            let oldest = *self.exchanges.oldest(number, connection);
            if is_repeatable && oldest.retries < RETRIES_MAX {
                return self.give_back(number, now);
            }
            // Behind a late answer others may be late themselves.
            let is_late = oldest.sent.max(since) + self.options.timeout <= now;
            let outcome = match end {
                End::Late if is_late => Outcome::Timeout,
                _ => Outcome::Reset,
            };
            self.recorder.caused(oldest.slot(), outcome, cause, oldest.count);
            self.fail_oldest(number, u16::MAX, outcome, now);
        }
    }

    /// Everything in flight on a connection waits to be sent again.
    fn give_back(&mut self, number: u32, now: Timestamp) {
        let connection = &mut self.connections[number as usize];
        connection.owed = connection.in_flight;
        connection.renewed = now;
        self.exchanges.give_back(number, connection);
    }

    /// No connection can be made for what was given back.
    #[cold]
    pub(crate) fn fail_given_back(&mut self, number: u32, failure: &dyn Display, now: Timestamp) {
        let cause = format!("its connection ended, and no other can be made: {failure}");
        self.fail_all(number, Outcome::Reset, &cause, now);
    }

    /// What was given back has waited too long for a connection.
    #[cold]
    pub(crate) fn give_up_given_back(&mut self, number: u32, now: Timestamp) {
        let cause = "its connection ended, and no other stood within --timeout";
        self.fail_all(number, Outcome::Timeout, &cause, now);
    }

    /// The run ends before the answers on a connection have come.
    pub(crate) fn cut_short(&mut self, number: u32, now: Timestamp) {
        if self.is_stream(number) {
            return self.fail_all(number, Outcome::Censored, &STREAM_CUT, now);
        }
        self.fail_exchanges(number, Outcome::Censored, now);
    }

    /// End everything in flight on a connection for this reason.
    pub(crate) fn fail_all(
        &mut self,
        number: u32,
        outcome: Outcome,
        cause: &dyn Display,
        now: Timestamp,
    ) {
        let connection = &self.connections[number as usize];
        for exchange in self.exchanges.of(number, connection) {
            self.recorder.caused(exchange.slot(), outcome, cause, exchange.count);
        }
        self.fail_exchanges(number, outcome, now);
    }

    /// Send what was given back, as much as may go at once.
    #[cold]
    #[inline(never)]
    pub(crate) fn send_again(&mut self, number: u32, now: Timestamp) {
        let batch_max = self.batch_max;
        let connection = &mut self.connections[number as usize];
        if !connection.can_send_again() {
            return;
        }
        let count = connection.owed.min(batch_max);
        let first = connection.in_flight - connection.owed;
        connection.owed -= count;
        connection.taken = connection.taken.saturating_add(u32::from(count));
        for slot in self.exchanges.slots(number, connection).skip(first.into()).take(count.into()) {
            self.recorder.sent_again(slot);
        }
        if self.flows.is_some() {
            return self.send_step_again(number, now);
        }
        self.recorder.current.totals.sent_bytes +=
            self.terms.request.len() as u64 * u64::from(count);
        self.send_requests(number, count, now);
    }
}

impl Connection {
    /// Bytes came though nothing is in flight: some belong to no answer and do no harm, and a 408
    /// is a server's way to close what nothing came on.
    #[cold]
    #[inline(never)]
    pub(crate) fn unasked(
        &mut self,
        bytes: &[u8],
        header_cache: &mut HeaderCache,
        statuses: &mut Statuses,
    ) -> FeedResult {
        if bytes.starts_with(b"HTTP/1.") && bytes.get(8..12) == Some(b" 408") {
            return FeedResult::Expired;
        }
        let harmless = self.parser.drop_unasked(bytes, header_cache);
        if harmless == bytes.len() {
            return FeedResult::Open;
        }
        statuses.unsolicited(&bytes[harmless..]);
        FeedResult::Unsolicited
    }

    /// Whether it had a life before the oldest request in flight on it: it has answered another, or
    /// has stood idle. A target that ends it then may not have seen that request.
    pub(crate) fn has_stood(&self, oldest: &Exchange) -> bool {
        let Link::Up { since } = self.link else { return false };
        let has_answered = self.taken > u32::from(self.in_flight - self.owed);
        has_answered || oldest.sent.since(since) >= IDLE_MIN
    }

    /// Whether an answer is that of a server which closes a connection because nothing came on it,
    /// and has crossed the request: that may be sent again (RFC 9110 section 15.5.9).
    pub(crate) fn has_expired(&self, oldest: &Exchange, response: &Response) -> bool {
        !response.keep_alive
            && response.status == REQUEST_TIMEOUT
            && oldest.retries < RETRIES_MAX
            && self.has_stood(oldest)
    }

    /// Whether something was given back that can be sent now.
    pub(crate) fn can_send_again(&self) -> bool {
        let has_sent = self.owed < self.in_flight;
        self.owed > 0
            && self.is_up()
            && !self.is_sending
            // A request in pieces must be whole before the next one begins.
            && !(has_sent && self.owes_request())
    }
}
