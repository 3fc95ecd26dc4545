//! The server's side of a world: it receives requests, and sends answers in pieces.

use std::cmp::Reverse;

use rand_core::Rng;
use rustix::io::Errno;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_engine::EventKind;
use uringbench_ring::Failure;

use super::{End, Happening, Speech, World};
use crate::server::{Answer, Leaving, TIMED_OUT, answer, replied};

/// The start of an answer that opens a WebSocket.
const OPENS: &[u8] = b"HTTP/1.1 101";
/// A message that is no echo.
const SPOKEN: &[u8] = b"\x81\x05hello";

impl World {
    /// An attempt to connect ends.
    pub(super) fn connected(&mut self, connection: u32, generation: u32, refused: bool) {
        let simulated = self.connections.get_mut(&connection);
        if simulated.is_some_and(|s| s.generation == generation && !s.is_up) {
            let kind = if refused {
                EventKind::ConnectFailed(Failure(Errno::CONNREFUSED))
            } else {
                self.current(connection, generation).is_up = true;
                self.leave_later(connection, generation);
                if self.below(1_000) < self.climate.refuse_share / 8 {
                    // The target closes it after a while, used or not.
                    let time = self.now + Nanos(self.below(20_000_000));
                    self.at(
                        time,
                        Happening::WorkerHandle { connection, generation, end: End::Close },
                    );
                }
                EventKind::Connected
            };
            self.tell(connection, generation, kind);
        }
    }

    /// Begins a send whose end will be reported.
    pub(super) fn begin_told(&mut self, connection: u32, generation: u32) {
        let simulated = self.current(connection, generation);
        assert!(!simulated.is_told, "two sends at once whose ends are reported");
        simulated.is_told = true;
        self.soon(Happening::Sent { connection, generation });
    }

    /// The server receives TLS records.
    pub(super) fn decrypt(&mut self, connection: u32, generation: u32, bytes: &[u8]) {
        let length = self.climate.request_length;
        let has_script = self.climate.script.is_some();
        let is_redis = self.climate.is_redis;
        let now = self.now;
        let simulated = self.current(connection, generation);
        let secure = simulated.secure.as_mut().expect("only records are made to be sent");
        let (plain, out) = secure.receive(bytes);
        let time = simulated.busy_until.max(now);
        if has_script {
            self.deliver(connection, generation, time, out, None);
            return self.visit(connection, generation, &plain);
        }
        if is_redis {
            self.deliver(connection, generation, time, out, None);
            return self.take_commands(connection, generation, &plain);
        }
        let came = simulated.half + plain.len();
        simulated.half = came % length;
        self.deliver(connection, generation, time, out, None);
        for _ in 0..came / length {
            self.serve(connection, generation);
        }
    }

    /// The server receives one request.
    pub(super) fn serve(&mut self, connection: u32, generation: u32) {
        self.witness.requests.set(self.witness.requests.get() + 1);
        let (manners, is_head) = (self.climate.manners, self.climate.is_head);
        let answer = match (&self.climate.always, &self.climate.websocket) {
            (Some(answer), _) => answer.clone(),
            (None, _) if self.climate.is_redis => self.reply_to_command(),
            (None, _) if self.climate.is_postgres => self.answer_transaction(),
            (None, Some(websocket)) => replied(&mut self.random, manners, websocket),
            (None, None) => answer(&mut self.random, manners, is_head),
        };
        self.give(connection, generation, answer);
    }

    /// Sends the answer to an opening, with a greeting in its segment or directly after it; more
    /// messages may follow at any time.
    pub(super) fn greet(&mut self, connection: u32, generation: u32, answer: Answer) {
        let Speech { greeting, pushes, within } = self.climate.speech;
        let is_refused = !matches!(&answer, Answer::Bytes(bytes) if bytes.starts_with(OPENS));
        if is_refused || greeting + pushes == 0 {
            return self.give(connection, generation, answer);
        }
        let at_once = self.below(greeting + 1);
        let Answer::Bytes(mut bytes) = answer else { return };
        (0..at_once).for_each(|_| bytes.extend_from_slice(SPOKEN));
        self.witness.spoken.set(self.witness.spoken.get() + at_once);
        self.give(connection, generation, Answer::Bytes(bytes));
        (at_once..greeting).for_each(|_| self.say(connection, generation));
        for _ in 0..pushes {
            let time = self.now + Nanos(self.below(within.0));
            self.at(time, Happening::Speaks { connection, generation });
        }
    }

    /// Sends a message without a request.
    pub(super) fn say(&mut self, connection: u32, generation: u32) {
        self.witness.spoken.set(self.witness.spoken.get() + 1);
        self.give(connection, generation, Answer::Bytes(SPOKEN.to_vec()));
    }

    /// Sends an answer when it is ready.
    pub(super) fn give(&mut self, connection: u32, generation: u32, answer: Answer) {
        let service = self.climate.service_min + Nanos(self.below(self.climate.service_max.0));
        let (now, (from, to)) = (self.now, self.climate.stall);
        let simulated = self.current(connection, generation);
        if simulated.is_silent {
            return;
        }
        let mut time = simulated.busy_until.max(now) + service;
        if (from..to).contains(&time) {
            time = to;
        }
        simulated.busy_until = time;
        let (bytes, end) = match answer {
            Answer::Bytes(bytes) => (bytes, None),
            Answer::ThenClose(bytes) => (bytes, Some(End::Close)),
            Answer::ThenReset(bytes) => (bytes, Some(End::Reset)),
            Answer::Silence => (Vec::new(), None),
        };
        simulated.is_silent = bytes.is_empty() || end.is_some();
        if !bytes.is_empty() {
            simulated.answers_at = time;
        }
        let bytes = self.encrypted(connection, generation, bytes, end);
        self.deliver(connection, generation, time, bytes, end);
        self.current(connection, generation).given += 1;
        self.leave_later(connection, generation);
    }

    /// Closes the connection if nothing arrives for long.
    pub(super) fn leave_later(&mut self, connection: u32, generation: u32) {
        let Some((after, _)) = self.climate.leaves else { return };
        let now = self.now;
        let simulated = self.current(connection, generation);
        let (time, given) = (simulated.busy_until.max(now) + after, simulated.given);
        self.at(time, Happening::Leaves { connection, generation, given });
    }

    /// Closes it, unless something has arrived.
    pub(super) fn leave(&mut self, connection: u32, generation: u32, given: u64) {
        let Some((_, leaving)) = self.climate.leaves else { return };
        let Some(simulated) = self.living(connection, generation) else { return };
        if simulated.given != given || simulated.is_silent {
            return;
        }
        let (bytes, end) = match leaving {
            Leaving::Closing => (Vec::new(), Some(End::Close)),
            Leaving::Breaking => (Vec::new(), Some(End::Reset)),
            Leaving::Saying => (TIMED_OUT.to_vec(), Some(End::Close)),
            Leaving::Pushing => (b"push".to_vec(), None),
        };
        let bytes = self.encrypted(connection, generation, bytes, end);
        self.current(connection, generation).is_silent = end.is_some();
        self.deliver(connection, generation, self.now, bytes, end);
    }

    /// The bytes of an answer on the wire: with TLS in records, some of them damaged, some followed
    /// by a close notify.
    pub(super) fn encrypted(
        &mut self,
        connection: u32,
        generation: u32,
        plain: Vec<u8>,
        end: Option<End>,
    ) -> Vec<u8> {
        let is_corrupt = self.below(1_000) < self.climate.corrupt_share;
        let is_announced = end == Some(End::Close) && self.below(2) == 0;
        let place = self.below(1 << 32) as usize;
        let Some(secure) = &mut self.current(connection, generation).secure else { return plain };
        let mut bytes = secure.seal(&plain);
        if is_announced {
            bytes.extend_from_slice(&secure.end());
        }
        if is_corrupt && !bytes.is_empty() {
            let place = place % bytes.len();
            bytes[place] ^= 0x40;
        }
        bytes
    }

    /// Delivers bytes in pieces.
    pub(super) fn deliver(
        &mut self,
        connection: u32,
        generation: u32,
        mut time: Timestamp,
        mut bytes: Vec<u8>,
        end: Option<End>,
    ) {
        while !bytes.is_empty() {
            let whole = self.below(3) > 0;
            let piece =
                if whole { bytes.len() } else { 1 + self.below(bytes.len() as u64) as usize };
            let rest = bytes.split_off(piece);
            self.at(time, Happening::Arrives { connection, generation, bytes });
            bytes = rest;
            time = time + Nanos(self.below(50_000));
        }
        if let Some(simulated) = self.connections.get_mut(&connection) {
            simulated.busy_until = simulated.busy_until.max(time);
        }
        if let Some(end) = end {
            self.at(time, Happening::WorkerHandle { connection, generation, end });
        }
    }
}

impl World {
    /// The kernel sends the submitted bytes in order.
    pub(super) fn send_all(&mut self) {
        for _ in 0..std::mem::take(&mut self.unsubmitted) {
            self.witness.departures.borrow_mut().push(self.now);
            self.now = self.now + self.climate.send_cost;
        }
    }

    /// Before the loop waits it has seen every completion, so every open connection must have an
    /// armed receive: otherwise the loop would miss the end of an idle connection.
    pub(super) fn check_receives(&self) {
        if self.climate.is_slow {
            return;
        }
        for (number, simulated) in &self.connections {
            let is_watched = simulated.armed.is_some() || !simulated.is_up;
            assert!(is_watched, "no receive is armed on connection {number}, which is up");
        }
    }

    /// Shuffles completions of different connections; those of one connection keep their order.
    pub(super) fn reorder(&mut self) {
        let salt = self.random.next_u64();
        let mut events: Vec<_> = self.events.drain(..).collect();
        if salt.is_multiple_of(2) {
            events.sort_by_key(|event| Reverse(u64::from(event.connection).wrapping_mul(salt)));
        }
        self.events.extend(events);
    }
}
