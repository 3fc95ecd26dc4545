//! The server's side of a script: it recognises, checks and answers requests and messages.

use std::ops::Range;
use std::sync::Arc;

use rand_core::Rng;
use uringbench_core::flow::script::Script;
use uringbench_core::time::Timestamp;

use super::World;
use crate::server::{Answer, Websocket, answer, events, opened, replied};
use crate::visits::{Latest, Visit, is_blind, is_stream, socket};

impl World {
    /// The server receives bytes of constant requests.
    pub(super) fn visit_constant(&mut self, connection: u32, generation: u32, range: Range<usize>) {
        let script = self.climate.script.clone().expect("parts are sent of a script's requests");
        self.visit(connection, generation, &script.constants()[range]);
    }

    /// The server receives bytes of a user.
    pub(super) fn visit(&mut self, connection: u32, generation: u32, bytes: &[u8]) {
        let Some(script) = self.climate.script.clone() else { return };
        let simulated = self.current(connection, generation);
        simulated.inbox.extend_from_slice(bytes);
        loop {
            let simulated = self.current(connection, generation);
            let is_talk = simulated.is_opened;
            let end = if is_talk { frame_end(&simulated.inbox) } else { end_of(&simulated.inbox) };
            let Some(end) = end else { return };
            let message: Vec<u8> = simulated.inbox.drain(..end).collect();
            if is_talk {
                self.reply(connection, generation, &message);
            } else {
                self.attend(connection, generation, &script, &message);
            }
        }
    }

    fn count(&self, request: &[u8]) {
        self.witness.requests.set(self.witness.requests.get() + 1);
        self.witness.bytes.set(self.witness.bytes.get() + request.len() as u64);
    }

    /// Handles a complete request.
    fn attend(&mut self, connection: u32, generation: u32, script: &Arc<Script>, request: &[u8]) {
        self.count(request);
        let visit = self.witness.visits.borrow_mut().read(script, request);
        let manners = self.climate.manners;
        let talk = socket(script, visit.step);
        // It ends when its connection ends.
        let is_talk = talk.is_some();
        let answer = if let Some(accept) = talk {
            let simulated = self.current(connection, generation);
            simulated.is_opened = true;
            simulated.is_blind = is_blind(script, visit.step);
            opened(&mut self.random, manners, &Websocket { accept, payload: Vec::new() })
        } else if is_stream(script, visit.step) && self.random.next_u64().is_multiple_of(2) {
            events(&mut self.random)
        } else {
            let answer = answer(&mut self.random, manners, visit.is_head);
            // An answer that will be taken for that of another request names no user.
            let is_ahead = self.current(connection, generation).is_ahead;
            if is_ahead { answer } else { named(answer, &visit) }
        };
        let simulated = self.current(connection, generation);
        simulated.answers_at = Timestamp::NEVER;
        // An earlier surplus message may be taken for the answer to this request.
        let is_answered = simulated.is_ahead;
        simulated.is_ahead |= matches!(&answer, Answer::Bytes(bytes) if is_doubled(bytes));
        self.greet(connection, generation, answer);
        let answered = match (is_talk, is_answered) {
            (true, _) => Timestamp::NEVER,
            (false, true) => self.now,
            (false, false) => self.current(connection, generation).answers_at,
        };
        let Some(user) = visit.user else { return };
        let latest = Latest { connection, generation, answered };
        let its = connection;
        let before = self.witness.visits.borrow_mut().replace(user, latest);
        if let Some(Latest { connection, generation, answered }) = before {
            let may_change = !script.has_own_connections() || connection == its;
            assert!(may_change, "user {user} has another's connection");
            let is_up = self.living(connection, generation).is_some();
            assert!(!is_up || answered <= self.now, "user {user} has two requests in flight");
        }
    }

    /// Handles a complete frame.
    fn reply(&mut self, connection: u32, generation: u32, frame: &[u8]) {
        const CLOSE: u8 = 8;
        let opcode = frame[0] & 0x0f;
        if opcode == CLOSE {
            let goodbye = Answer::ThenClose(b"\x88\x00".to_vec());
            return self.give(connection, generation, goodbye);
        }
        if opcode > CLOSE {
            return;
        }
        self.count(frame);
        let (now, is_blind) = (self.now, self.current(connection, generation).is_blind);
        let mut visits = self.witness.visits.borrow_mut();
        visits.messages += 1;
        if is_blind {
            // Any message may be taken for the answer, and the close frame waits for its turn.
            visits.end_talk(connection, generation, now);
        }
        drop(visits);
        let (head, _) = lengths(frame).expect("a whole frame");
        let (mask, payload) = frame[head - 4..].split_at(4);
        let payload = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
        let websocket = Websocket { accept: String::new(), payload: payload.collect() };
        let answer = replied(&mut self.random, self.climate.manners, &websocket);
        self.give(connection, generation, answer);
    }
}

/// The end of the first request.
fn end_of(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).expect("a header is text");
    let length = text.split("\r\n").find_map(|line| line.strip_prefix("Content-Length: "));
    let length = length.map_or(0, |length| length.trim().parse().expect("a length"));
    (bytes.len() >= head + length).then_some(head + length)
}

/// The lengths of a client's frame: of the header with the mask, and of the whole frame.
fn lengths(bytes: &[u8]) -> Option<(usize, usize)> {
    let (head, payload) = match bytes.get(1)? & 0x7f {
        126 => (8, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
        length @ 0..126 => (6, usize::from(length)),
        127.. => panic!("no message is that long"),
    };
    Some((head, head + payload))
}

fn frame_end(bytes: &[u8]) -> Option<usize> {
    let (_, all) = lengths(bytes)?;
    (bytes.len() >= all).then_some(all)
}

/// An answer that names its user.
fn named(answer: Answer, visit: &Visit) -> Answer {
    const LINE: &[u8] = b"HTTP/1.1 200 OK\r\n";
    let name = visit.user.map_or_else(|| "constant".to_owned(), |user| user.to_string());
    match answer {
        Answer::Bytes(bytes) if bytes.starts_with(LINE) && !is_doubled(&bytes) => {
            let header = format!("X-User: {name}\r\n");
            Answer::Bytes([LINE, header.as_bytes(), &bytes[LINE.len()..]].concat())
        }
        answer => answer,
    }
}

/// Whether the bytes are the same twice.
fn is_doubled(bytes: &[u8]) -> bool {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    first == second
}
