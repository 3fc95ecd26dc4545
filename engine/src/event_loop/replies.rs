//! Databases: what replies mean for commands and transactions, and for the opening of a connection.
//!
//! Replies come in the order of their requests; pushes and notices come at any time and answer
//! none. How connections end, and what happens to requests on them, is decided in `endings`.

use std::fmt::Display;

use uringbench_core::answer_code::{AnswerCode, CodeWord};
use uringbench_core::ending::Ending;
use uringbench_core::http::quote;
use uringbench_core::outcome::Outcome;
use uringbench_core::pacer::Slot;
use uringbench_core::postgres::message;
use uringbench_core::postgres::opening::OpeningProgress;
use uringbench_core::postgres::reader::BlockStatus;
use uringbench_core::reply::{ReplyProgress, WholeReply};

use super::receiver::{FeedResult, Read, Receiver};
use crate::connections::connect_failure::ConnectFailure;
use crate::drivers::Driver;
use crate::wire::{DatabaseFault, Wire};

impl<D: Driver> Receiver<'_, D> {
    /// Read all of these bytes.
    pub(super) fn read_replies(&mut self, mut bytes: &[u8]) -> Read {
        while !bytes.is_empty() {
            let connection = &mut self.connections[self.number];
            // Requests that were given back are not sent yet.
            let is_asked = connection.in_flight() > connection.owed();
            match connection.wire_mut().feed_reply(bytes) {
                Ok(ReplyProgress::Reply { consumed, reply }) => {
                    let (of_reply, rest) = (bytes, &bytes[consumed..]);
                    bytes = rest;
                    let over = if self.awaits_own() {
                        self.on_own()
                    } else if is_asked {
                        self.on_reply(&reply)
                    } else {
                        self.on_unasked(&reply, of_reply)
                    };
                    if let Some(over) = over {
                        return Read::Over(over);
                    }
                }
                Ok(ReplyProgress::Aside { consumed }) => {
                    self.recorder.totals().unsolicited_messages += 1;
                    bytes = &bytes[consumed..];
                    // A notice may stand within an answer; a push does not.
                    let wire = self.connections[self.number].wire();
                    if let Wire::Postgres(_) = wire
                        && let Some(over) = self.note_under_way(is_asked, bytes)
                    {
                        return Read::Over(over);
                    }
                }
                Ok(ReplyProgress::NeedMore) => {
                    return self.note_under_way(is_asked, bytes).map_or(Read::All, Read::Over);
                }
                Err(fault) => return Read::Over(self.on_fault(fault, bytes)),
            }
        }
        Read::All
    }

    /// A reply may have begun, and has not ended.
    fn note_under_way(&mut self, is_asked: bool, bytes: &[u8]) -> Option<FeedResult> {
        let wire = self.connections[self.number].wire();
        if !wire.has_reply_begun() || self.awaits_own() {
            return None;
        }
        if is_asked {
            let id = self.connections.answering(self.number);
            self.connections.in_flight_mut().get_mut(id).begin_response(self.now);
            return None;
        }
        if self.is_being_opened() {
            return None;
        }
        // A request that is sent now would be taken for answered.
        self.statuses.unsolicited(bytes);
        Some(FeedResult::Unsolicited)
    }

    /// Whether the next reply is that to a statement of this side's own.
    #[inline]
    fn awaits_own(&self) -> bool {
        match self.connections[self.number].wire() {
            Wire::Postgres(postgres) => postgres.awaits_own(),
            _ => false,
        }
    }

    /// Such a statement is answered.
    #[cold]
    fn on_own(&mut self) -> Option<FeedResult> {
        let farewell = self.farewell();
        if let Some(postgres) = self.connections[self.number].wire_mut().postgres_mut() {
            postgres.take_own();
        }
        farewell
    }

    /// A request is answered.
    #[inline]
    fn on_reply(&mut self, reply: &WholeReply) -> Option<FeedResult> {
        let (number, now) = (self.number, self.now);
        let (connection, in_flight) = self.connections.with_exchanges(number);
        let id = in_flight.oldest(number, connection.share());
        let exchange = in_flight.get_mut(id);
        exchange.begin_response(now);
        let slot = exchange.slot();
        let answers = in_flight.answered(number, connection.share_mut(), id, (reply.code, 1));
        connection.note_answer(reply.payload);
        // What is left of a request that was answered early would be read as the next one.
        let is_early = connection.owes_answered();
        if reply.code.is_error() {
            self.note_error(slot, reply.code);
        }
        self.recorder.gather(&mut self.alike, answers, now);
        let fatal = self.note_block(slot);
        fatal.or_else(|| is_early.then_some(FeedResult::Finished(Ending::Early)))
    }

    /// The reply is an error: count why.
    #[cold]
    #[inline(never)]
    fn note_error(&mut self, slot: Slot, code: AnswerCode) {
        let number = self.number;
        let connection = &self.connections[number];
        let text = match connection.wire() {
            Wire::Redis(redis) => {
                let text = String::from_utf8_lossy(redis.reader().error());
                // A known word is in the code.
                let known = CodeWord::Redis(None) != code.word();
                let rest = text.split_once(' ').filter(|_| known).map_or(&*text, |(_, rest)| rest);
                rest.escape_debug().to_string()
            }
            Wire::Postgres(postgres) => {
                let error = postgres.reader().error();
                let text = error.map(|error| format!("{}{}", error.message, error.fix()));
                self.without_password(text.unwrap_or_default())
            }
            Wire::Http(_) | Wire::WebSocket(_) | Wire::Http2(_) => String::new(),
        };
        let turn = connection.turn();
        self.statuses.failed(1, || self.driver.peer_address(number, turn));
        let cause: &dyn Display = &code;
        self.recorder.caused_with(0, slot, (Outcome::Status, 1), (cause, &text));
    }

    /// What an answer of PostgreSQL says besides its code: how many rows it had, and what became of
    /// its transaction.
    #[inline]
    fn note_block(&mut self, slot: Slot) -> Option<FeedResult> {
        let connection = &mut self.connections[self.number];
        let is_last = connection.in_flight() == connection.owed();
        let Wire::Postgres(postgres) = connection.wire_mut() else { return None };
        let reader = postgres.reader();
        if slot.measured {
            self.recorder.totals().rows += reader.rows();
        }
        if reader.farewell().is_some() {
            return self.farewell();
        }
        if reader.status() != BlockStatus::Idle && is_last {
            // A statement has failed within BEGIN: the next transaction would fail with it.
            self.follow_up.replies.extend(message::query("ROLLBACK"));
            postgres.send_own();
        }
        None
    }

    /// The end of the connection, if the latest answer announces it.
    #[cold]
    fn farewell(&self) -> Option<FeedResult> {
        let Wire::Postgres(postgres) = self.connections[self.number].wire() else { return None };
        let error = postgres.reader().farewell()?;
        let why = self.without_password(format!("the server ends the connection: {error}"));
        Some(FeedResult::Fatal(why.into()))
    }

    fn without_password(&self, text: String) -> String {
        match &self.connections.config().postgres {
            Some(config) => config.without_password(text),
            None => text,
        }
    }

    /// Whether the login is not answered yet.
    fn is_being_opened(&self) -> bool {
        self.connections[self.number].is_opening() && !self.follow_up.is_opened
    }

    /// A reply came while no request was in flight: it answers the opening, or nothing.
    #[cold]
    #[inline(never)]
    fn on_unasked(&mut self, reply: &WholeReply, bytes: &[u8]) -> Option<FeedResult> {
        if let Some(farewell) = self.farewell() {
            return Some(farewell);
        }
        let unsolicited = |receiver: &mut Self| {
            receiver.statuses.unsolicited(bytes);
            Some(FeedResult::Unsolicited)
        };
        let Some(config) = self.connections.config().redis.clone() else {
            return unsolicited(self);
        };
        let steps = config.commands.login.steps();
        let Wire::Redis(redis) = self.connections[self.number].wire_mut() else { return None };
        let Some(step) = redis.opening(&steps) else { return unsolicited(self) };
        let error = redis.reader().error();
        if let Some(refusal) = config.commands.login.refusal(step, reply.code, error) {
            let why = refusal.to_string();
            return Some(FeedResult::NotOpened(ConnectFailure::Database(why.into())));
        }
        redis.accept();
        self.follow_up.is_opened = redis.opening(&steps).is_none();
        None
    }

    /// Read bytes of the opening of PostgreSQL, and those behind it.
    #[cold]
    #[inline(never)]
    pub(super) fn read_opening(&mut self, mut bytes: &[u8]) -> Read {
        let Some(config) = self.connections.config().postgres.clone() else { return Read::All };
        while !bytes.is_empty() {
            let wire = self.connections[self.number].wire_mut();
            let Some(postgres) = wire.postgres_mut() else { return Read::All };
            let consumed = match postgres.open(bytes, &config) {
                None => return self.read_replies(bytes),
                Some(Ok(OpeningProgress::NeedMore)) => return Read::All,
                Some(Ok(OpeningProgress::Send(consumed, out))) => {
                    self.follow_up.replies.extend(out);
                    consumed
                }
                Some(Ok(OpeningProgress::Opened(consumed))) => {
                    self.follow_up.is_opened = true;
                    consumed
                }
                Some(Err(refusal)) => {
                    let why = config.without_password(refusal.to_string());
                    let failure = ConnectFailure::Database(why.into());
                    return Read::Over(FeedResult::NotOpened(failure));
                }
            };
            bytes = &bytes[consumed..];
        }
        Read::All
    }

    /// The bytes are no reply.
    #[cold]
    #[inline(never)]
    fn on_fault(&mut self, fault: DatabaseFault, bytes: &[u8]) -> FeedResult {
        let quote = quote::first_line(bytes);
        if self.is_being_opened() {
            // An alert of TLS (RFC 8446 section 5.1).
            let hint = match bytes {
                [0x15, 0x03, ..] => "the port speaks TLS: use rediss://",
                _ => "check the port",
            };
            let why = format!("the target does not speak Redis ({fault}: {quote}): {hint}");
            return FeedResult::NotOpened(ConnectFailure::Database(why.into()));
        }
        let connection = &self.connections[self.number];
        if connection.in_flight() > 0 {
            let id = self.connections.answering(self.number);
            let slot = self.connections.in_flight().get(id).slot();
            let seen = (&fault as &dyn Display, &quote as &dyn Display);
            self.recorder.caused_with(0, slot, (Outcome::Malformed, 1), seen);
        }
        FeedResult::Malformed
    }
}
