//! HTTP/2: what events of its machine mean for requests, and how its connections end.
//!
//! Streams end in any order, each alone. A request that the target has not processed (GOAWAY,
//! REFUSED_STREAM) is given back, with its due time and its first send; `endings` sends it again.

use std::fmt::{self, Display};

use uringbench_core::answer_code::AnswerCode;
use uringbench_core::grpc::status;
use uringbench_core::http::response::{Persistence, Response};
use uringbench_core::http2::error::{ErrorCode, Violation};
use uringbench_core::http2::machine::{Http2Machine, StreamAnswer, StreamEvent};
use uringbench_core::outcome::Outcome;
use uringbench_core::pacer::Slot;

use super::end::End;
use super::endings::RETRIES_MAX;
use super::receiver::{FeedResult, Read, Receiver};
use crate::connections::connect_failure::ConnectFailure;
use crate::connections::in_flight::{Exchange, ExchangeId};
use crate::drivers::Driver;
use crate::record::recorder::Answers;
use crate::work::Reading;

/// The cause of a request that was given back too often.
const REFUSED: &str = "the target refused the stream (REFUSED_STREAM or GOAWAY), and its \
                       repetitions: lower -p or -c, or raise the target's limits";
/// The cause of a request on a connection that ends.
const BROKEN_OFF: &str = "the target closed the connection in the middle of an answer";
const DROPPED: &str = "the connection was dropped, since an answer was late on it";
const NOTHING_CAME: &str =
    "nothing came on the connection within --timeout, neither this answer nor another";

/// What an error of the target asks for, as the end of a cause.
const fn hint(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::HTTP_1_1_REQUIRED => ": it wants HTTP/1.1; leave --http2 out",
        ErrorCode::ENHANCE_YOUR_CALM => {
            ": it takes this load for an attack; lower -p or -c, or raise its limits"
        }
        _ => "",
    }
}

/// The cause of a call that is answered by an HTTP status other than 200: what it stands for, as
/// gRPC maps it (`http-grpc-status-mapping.md`).
struct NoCall(u16);

impl Display for NoCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNKNOWN: u8 = 2;
        let status = match self.0 {
            400 => 13,
            401 => 16,
            403 => 7,
            404 => 12,
            429 | 502..=504 => 14,
            _ => UNKNOWN,
        };
        write!(
            f,
            "HTTP status {} instead of an answer of gRPC, which stands for {}: check the \
             address, and what is between",
            self.0,
            status::name(status)
        )
    }
}

/// The receive path.
impl<D: Driver> Receiver<'_, D> {
    /// Read all of these bytes.
    pub(super) fn read_streams(&mut self, mut bytes: &[u8]) -> Read {
        let number = self.number;
        if let Err(broken) = self.connections.hear_http2(number, self.now) {
            return Read::Over(self.on_violation(broken));
        }
        while !bytes.is_empty() {
            if let Some(whole) = self.connections.feed_whole_http2(number, bytes) {
                self.on_answer(ExchangeId(whole.exchange), whole.answer);
                bytes = &bytes[whole.consumed..];
                continue;
            }
            let replies = &mut self.follow_up.replies;
            let progress = match self.connections.feed_http2(number, bytes, replies) {
                Ok(progress) => progress,
                Err(broken) => return Read::Over(self.on_violation(broken)),
            };
            bytes = &bytes[progress.consumed..];
            let Some(event) = progress.event else { break };
            if let Some(over) = self.on_event(event) {
                return Read::Over(over);
            }
        }
        self.connections.note_read_http2(number);
        self.follow_up.is_owing = self.connections[number].owed() > 0;
        if self.connections.is_drained(number) {
            return Read::Over(FeedResult::Drained);
        }
        Read::All
    }

    #[inline]
    fn on_event(&mut self, event: StreamEvent) -> Option<FeedResult> {
        match event {
            StreamEvent::Answered { exchange, answer } => {
                self.on_answer(ExchangeId(exchange), answer)
            }
            StreamEvent::Began { exchange } => {
                let (_, in_flight) = self.connections.with_exchanges(self.number);
                in_flight.get_mut(ExchangeId(exchange)).begin_response(self.now);
            }
            StreamEvent::Message { exchange, number } => {
                self.on_message_of_call(ExchangeId(exchange), number);
            }
            StreamEvent::Opened | StreamEvent::Room => self.on_room(),
            StreamEvent::Refused { exchange } => self.return_or_fail(ExchangeId(exchange)),
            StreamEvent::Reset { exchange, code } => {
                let cause = format!("the target reset the stream ({code}){}", hint(code));
                self.fail_stream(ExchangeId(exchange), Outcome::Reset, &cause);
            }
            StreamEvent::Malformed { exchange, fault } => {
                self.fail_stream(ExchangeId(exchange), Outcome::Malformed, &fault);
            }
            StreamEvent::GoingAway { code } => return self.on_going_away(code),
        }
        None
    }

    /// A limit or a window has changed. A target that allows no stream is not open yet.
    fn on_room(&mut self) {
        let connection = &self.connections[self.number];
        if !connection.is_opening() {
            return self.connections.note_allowed(self.number);
        }
        let allowed = connection.wire().http2().map_or(0, |http2| http2.machine.allowed());
        self.follow_up.is_opened = allowed > 0;
    }

    /// An answer is complete.
    #[inline]
    fn on_answer(&mut self, id: ExchangeId, answer: StreamAnswer) {
        let number = self.number;
        let (connection, in_flight) = self.connections.with_exchanges(number);
        let exchange = in_flight.get_mut(id);
        exchange.begin_response(self.now);
        let user = exchange.user();
        if let Reading::Whole = self.work.step(user).reading
            && let (Some(http2), Some(reader)) =
                (connection.wire_mut().http2_mut(), self.readers.get_mut(number as usize))
        {
            http2.machine.take_answer(reader.buffers());
        }
        let slot = exchange.slot();
        let code = match answer.grpc_status {
            None => AnswerCode::http(answer.status),
            Some(status) => AnswerCode::grpc(status),
        };
        let answers = in_flight.answered(number, connection.share_mut(), id, (code, 1));
        connection.note_answer(answer.body_bytes);
        if self.connections.config().has_calls() {
            return self.on_called((slot, answers), answer);
        }
        let connection = &self.connections[number];
        let at = || self.driver.peer_address(number, connection.turn());
        self.statuses.answered(answer.status, b"", at);
        let response = Response {
            status: answer.status,
            persistence: Persistence::Kept,
            is_event_stream: false,
            head_bytes: 0,
            body_bytes: answer.body_bytes,
        };
        self.note_answered((user, answers), &response, b"");
    }

    /// A message of a stream of messages is complete.
    #[inline]
    fn on_message_of_call(&mut self, id: ExchangeId, number: u32) {
        let exchange = *self.connections.in_flight().get(id);
        let before = self.connections.note_message(id, number, self.now);
        let Some(stream) = self.connections.config().stream else { return };
        let Some(counts) = self.recorder.timed(exchange.slot()) else { return };
        counts.note_event((exchange.sent(), before, self.now), stream.stall);
    }

    /// A call is answered, by its status or, if that is not 200, by that of HTTP.
    #[inline]
    fn on_called(&mut self, (slot, answers): (Slot, Answers), answer: StreamAnswer) {
        if answer.grpc_status == Some(0) {
            return self.recorder.gather(&mut self.alike, answers, self.now);
        }
        self.on_failed_call((slot, answers), answer);
    }

    #[cold]
    #[inline(never)]
    fn on_failed_call(&mut self, (slot, answers): (Slot, Answers), answer: StreamAnswer) {
        let connection = &self.connections[self.number];
        let at = || self.driver.peer_address(self.number, connection.turn());
        let failed = (Outcome::Status, 1);
        match answer.grpc_status {
            Some(status) => {
                self.statuses.failed(1, at);
                let text = status::text(self.connections.streams().grpc_message(status));
                let text = text.escape_debug();
                self.recorder.caused_with(0, slot, failed, (&answers.code, &text));
            }
            None => {
                self.statuses.answered(answer.status, b"", at);
                let cause = NoCall(answer.status);
                self.recorder.caused(0, slot, failed, &cause);
            }
        }
        self.recorder.ended_as(&answers, Outcome::Status, self.now);
    }

    /// The target takes no further streams: those that it has not processed are given back.
    #[cold]
    fn on_going_away(&mut self, code: ErrorCode) -> Option<FeedResult> {
        let number = self.number;
        if self.connections[number].is_opening() {
            self.follow_up.is_opened = false;
            let why =
                format!("the target sends GOAWAY ({code}) before the first request{}", hint(code));
            return Some(FeedResult::NotOpened(ConnectFailure::Http2(why.into())));
        }
        self.connections.note_allowed(number);
        loop {
            let http2 = self.connections[number].wire_mut().http2_mut();
            let Some(exchange) = http2.and_then(|it| it.machine.next_unprocessed()) else { break };
            self.return_or_fail(ExchangeId(exchange));
        }
        None
    }

    /// The target has not processed a request: it is sent again, unless that happened too often.
    #[cold]
    fn return_or_fail(&mut self, id: ExchangeId) {
        let (connection, in_flight) = self.connections.with_exchanges(self.number);
        if in_flight.get(id).retries() < RETRIES_MAX {
            in_flight.give_back(connection.share_mut(), id);
        } else {
            match self.expulsion() {
                Some(cause) => self.fail_stream(id, Outcome::Reset, &cause),
                None => self.fail_stream(id, Outcome::Reset, &REFUSED),
            }
        }
    }

    /// The cause of requests on a connection that the target ends with an error.
    fn expulsion(&self) -> Option<String> {
        let code = self.connections[self.number].wire().http2()?.machine.expulsion()?;
        Some(format!("the target ended the connection (GOAWAY {code}){}", hint(code)))
    }

    /// A request ends without an answer.
    #[cold]
    fn fail_stream(&mut self, id: ExchangeId, outcome: Outcome, cause: &dyn Display) {
        let number = self.number;
        let (connection, in_flight) = self.connections.with_exchanges(number);
        let exchange = *in_flight.get(id);
        let count = exchange.count();
        in_flight.end(number, connection.share_mut(), id, count);
        let at = || self.driver.peer_address(number, connection.turn());
        self.statuses.failed(count, at);
        let step = self.work.step_number(exchange.user());
        self.recorder.caused(step, exchange.slot(), (outcome, count), cause);
        self.work.failed(&exchange, count, outcome, self.recorder, self.now);
    }

    /// The target broke the protocol.
    #[cold]
    fn on_violation(&mut self, broken: Violation) -> FeedResult {
        if self.connections[self.number].is_opening() {
            self.follow_up.is_opened = false;
            return FeedResult::NotOpened(ConnectFailure::Http2(broken.fault.into()));
        }
        self.follow_up.replies.extend(Http2Machine::goodbye(broken.code));
        FeedResult::Violated(broken)
    }
}

/// Ends.
impl<D: Driver> Receiver<'_, D> {
    /// A connection of HTTP/2 ends with requests in flight: those that were given back wait for the
    /// next one. `closed`: the cause of those without any byte of an answer.
    pub(super) fn settle_streams(&mut self, end: End<'_>, closed: &'static str) {
        let expulsion = self.expulsion();
        for (id, exchange) in self.sent_streams() {
            let last_message = self.connections.streams().last_message(id);
            let (connection, in_flight) = self.connections.with_exchanges(self.number);
            let may_repeat = self.work.step(exchange.user()).is_repeatable
                && exchange.retries() < RETRIES_MAX
                && !exchange.is_begun()
                && connection.has_stood(&exchange);
            let since = exchange.sent().max(connection.renewed());
            let is_late = since.max(last_message) + self.timeout <= self.now;
            let (outcome, cause): (Outcome, &dyn Display) = match end {
                End::Violated(cause) => (Outcome::Malformed, cause),
                End::Tls(cause) => (Outcome::Reset, cause),
                End::Late if is_late => (Outcome::Timeout, &NOTHING_CAME),
                End::Closed | End::Reset | End::Late if may_repeat => {
                    in_flight.give_back(connection.share_mut(), id);
                    continue;
                }
                End::Late => (Outcome::Reset, &DROPPED),
                _ => match &expulsion {
                    Some(cause) => (Outcome::Reset, cause),
                    None if exchange.is_begun() => (Outcome::Reset, &BROKEN_OFF),
                    None => (Outcome::Reset, &closed),
                },
            };
            self.fail_stream(id, outcome, cause);
        }
        self.connections[self.number].renew(self.now);
    }

    /// The requests that were sent on the connection and are not answered.
    fn sent_streams(&self) -> Vec<(ExchangeId, Exchange)> {
        let connection = &self.connections[self.number];
        let of = self.connections.in_flight().of(self.number, connection.share());
        of.filter(|(_, exchange)| !exchange.is_owed()).map(|(id, it)| (id, *it)).collect()
    }

    /// Ends the streams whose answers are late, and adds the frames for that to the follow-up.
    /// Returns whether the connection goes on: it does not if nothing has come on it since one of
    /// them was sent.
    pub(super) fn end_late_streams(&mut self) -> bool {
        let connection = &self.connections[self.number];
        let (renewed, timeout, now) = (connection.renewed(), self.timeout, self.now);
        let heard = connection.wire().http2().map_or(now, |http2| http2.heard);
        let of = self.connections.in_flight().of(self.number, connection.share());
        let streams = self.connections.streams();
        // A stream of messages is late when it brings none, however long it lasts.
        let since =
            |id, exchange: &Exchange| exchange.sent().max(renewed).max(streams.last_message(id));
        let late = of.filter(|(id, exchange)| since(*id, exchange) + timeout <= now);
        let late: Vec<_> = late.map(|(id, exchange)| (id, *exchange)).collect();
        if late.iter().any(|(_, it)| !it.is_owed() && heard <= it.sent().max(renewed)) {
            return false;
        }
        for (id, exchange) in late {
            if let Some(http2) = self.connections[self.number].wire_mut().http2_mut() {
                http2.machine.cancel(id.0, &mut self.follow_up.replies);
            }
            let cause = match (exchange.is_owed(), exchange.is_begun()) {
                (true, _) => "the target had not taken it, and did not take it within --timeout",
                (false, false) => "no byte of an answer came within --timeout",
                (false, true) => "the answer began but did not end within --timeout: raise it",
            };
            self.fail_stream(id, Outcome::Timeout, &cause);
        }
        true
    }
}
