//! Redis: what replies mean for commands, and for the opening of a connection.
//!
//! Replies come in the order of their commands; pushes come at any time and answer none. How
//! connections end, and what happens to commands on them, is decided in `endings`.

use std::fmt::Display;

use uringbench_core::answer_code::CodeWord;
use uringbench_core::ending::Ending;
use uringbench_core::http::quote;
use uringbench_core::outcome::Outcome;
use uringbench_core::resp::reader::{ReplyFault, ReplyProgress, WholeReply};

use super::receiver::{FeedResult, Read, Receiver};
use crate::connections::connect_failure::ConnectFailure;
use crate::drivers::Driver;
use crate::wire::Wire;

impl<D: Driver> Receiver<'_, D> {
    /// Read all of these bytes.
    pub(super) fn read_replies(&mut self, mut bytes: &[u8]) -> Read {
        while !bytes.is_empty() {
            let connection = &mut self.connections[self.number];
            let is_asked = connection.in_flight() > 0;
            let Wire::Redis(redis) = connection.wire_mut() else { return Read::All };
            match redis.reader_mut().feed(bytes) {
                Ok(ReplyProgress::Reply { consumed, reply }) => {
                    let rest = &bytes[consumed..];
                    if is_asked {
                        if let Some(over) = self.on_reply(&reply) {
                            return Read::Over(over);
                        }
                    } else if let Some(over) = self.on_unasked(&reply, bytes) {
                        return Read::Over(over);
                    }
                    bytes = rest;
                }
                Ok(ReplyProgress::Aside { consumed }) => {
                    self.recorder.totals().unsolicited_messages += 1;
                    bytes = &bytes[consumed..];
                }
                Ok(ReplyProgress::NeedMore) => {
                    if redis.reader().is_push() {
                        return Read::All;
                    }
                    if is_asked {
                        let id = self.connections.answering(self.number);
                        self.connections.in_flight_mut().get_mut(id).begin_response(self.now);
                    } else if !self.is_being_opened() {
                        // A command that is sent now would be taken for answered.
                        self.statuses.unsolicited(bytes);
                        return Read::Over(FeedResult::Unsolicited);
                    }
                    return Read::All;
                }
                Err(fault) => return Read::Over(self.on_fault(fault, bytes)),
            }
        }
        Read::All
    }

    /// A command is answered.
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
        // What is left of a command that was answered early would be read as the next one.
        let is_early = connection.owes_answered();
        if reply.code.is_error()
            && let Wire::Redis(redis) = connection.wire()
        {
            let text = String::from_utf8_lossy(redis.reader().error());
            // A known word is in the code.
            let known = CodeWord::Redis(None) != reply.code.word();
            let rest = text.split_once(' ').filter(|_| known).map_or(&*text, |(_, rest)| rest);
            let text = rest.escape_debug();
            let turn = connection.turn();
            self.statuses.failed(1, || self.driver.peer_address(number, turn));
            let cause: &dyn Display = &reply.code;
            self.recorder.caused_with(0, slot, (Outcome::Status, 1), (cause, &text));
        }
        self.recorder.gather(&mut self.alike, answers, now);
        is_early.then_some(FeedResult::Finished(Ending::Early))
    }

    /// Whether the login is not answered yet.
    fn is_being_opened(&self) -> bool {
        self.connections[self.number].is_opening() && !self.follow_up.is_opened
    }

    /// A reply came while no command was in flight: it answers the opening, or nothing.
    #[cold]
    #[inline(never)]
    fn on_unasked(&mut self, reply: &WholeReply, bytes: &[u8]) -> Option<FeedResult> {
        let config = self.connections.config().redis.clone()?;
        let steps = config.commands.login.steps();
        let Wire::Redis(redis) = self.connections[self.number].wire_mut() else { return None };
        let Some(step) = redis.opening(&steps) else {
            self.statuses.unsolicited(bytes);
            return Some(FeedResult::Unsolicited);
        };
        let error = redis.reader().error();
        if let Some(refusal) = config.commands.login.refusal(step, reply.code, error) {
            let why = refusal.to_string();
            return Some(FeedResult::NotOpened(ConnectFailure::Redis(why.into())));
        }
        redis.accept();
        self.follow_up.is_opened = redis.opening(&steps).is_none();
        None
    }

    /// The bytes are no reply.
    #[cold]
    #[inline(never)]
    fn on_fault(&mut self, fault: ReplyFault, bytes: &[u8]) -> FeedResult {
        let quote = quote::first_line(bytes);
        if self.is_being_opened() {
            // An alert of TLS (RFC 8446 section 5.1).
            let hint = match bytes {
                [0x15, 0x03, ..] => "the port speaks TLS: use rediss://",
                _ => "check the port",
            };
            let why = format!("the target does not speak Redis ({fault}: {quote}): {hint}");
            return FeedResult::NotOpened(ConnectFailure::Redis(why.into()));
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
