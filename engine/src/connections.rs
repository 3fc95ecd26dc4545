//! How connections come and go: attempts, failures, losses, deadlines.

use std::fmt::Display;

use uringbench_core::outcome::Outcome;
use uringbench_core::pacer::Pace;
use uringbench_core::statistics::random::Random;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_ring::Room;

use crate::connect_failure::ConnectFailure;
use crate::connection::{Link, Receive, UNKNOWN, parser};
use crate::driver::{Driver, ReceiveMode, UnderWay};
use crate::event_loop::EventLoop;
use crate::parting::PARTING_MAX;
use crate::retry::End;

/// The first wait after a failed attempt; it doubles with each, up to the maximum.
const RETRY_FIRST: Nanos = Nanos::from_millis(10);
const RETRY_MAX: Nanos = Nanos::from_millis(100);
/// The maximum is at least so much for each connection.
const RETRY_EACH: Nanos = Nanos::MILLISECOND;
/// Deadlines are looked for at most this often: one may be noticed that much late.
const SWEEP_EVERY: Nanos = Nanos::MILLISECOND;

/// Generations count modulo 2^24, as many as a completion carries.
const fn next_generation(generation: u32) -> u32 {
    (generation + 1) & 0xff_ffff
}

impl<D: Driver> EventLoop<D> {
    /// A connection is to be made as soon as it is its turn.
    fn connect(&mut self, number: u32) {
        self.connections[number as usize].link = Link::Down { retry_at: Timestamp::NEVER };
        self.connect_queue.enqueue(number);
    }

    /// Start connecting those whose turn it is.
    #[inline]
    pub(crate) fn start_due_connects(&mut self, now: Timestamp) {
        while let Some(number) = self.connect_queue.next(self.connecting, now) {
            self.start_connecting(number, now);
        }
    }

    fn start_connecting(&mut self, number: u32, now: Timestamp) {
        let connection = &mut self.connections[number as usize];
        match self.driver.connect(number, connection.generation, connection.turn) {
            Ok(()) => {
                connection.link = Link::Connecting { since: now };
                self.connecting += 1;
            }
            Err(failure) => {
                self.note_failed_attempt(number, ConnectFailure::Refused(failure), now);
                let wait = self.next_retry(number);
                self.retry_at(number, now + wait);
            }
        }
    }

    pub(crate) fn on_connected(&mut self, number: u32, now: Timestamp) {
        let connection = &mut self.connections[number as usize];
        let Link::Connecting { since } = connection.link else { return };
        self.recorder.connected(now.since(since));
        if !self.begin_session(number, now) {
            self.open(number, now);
        }
    }

    /// The connection is ready for its first request.
    pub(crate) fn open(&mut self, number: u32, now: Timestamp) {
        let connection = &mut self.connections[number as usize];
        connection.link = Link::Up { since: now };
        connection.renewed = now;
        let is_owed = connection.owed > 0;
        connection.failures = 0;
        self.connecting -= 1;
        self.note_tried(number);
        if self.is_idle(number) {
            self.idle += 1;
        } else {
            self.connected += 1;
        }
        self.go_on_receiving(number, now);
        if is_owed {
            self.send_again(number, now);
        }
        self.mark_ready(number);
    }

    /// Whether a connection is held open and carries nothing.
    #[inline]
    pub(crate) const fn is_idle(&self, number: u32) -> bool {
        number >= self.options.connections
    }

    /// Receive on an idle connection, so that its end is noticed.
    pub(crate) fn arm_idle_receive(&mut self, number: u32) {
        let is_multi = self.driver.has_multishot();
        let connection = &mut self.connections[number as usize];
        if connection.receive == Receive::None {
            connection.receive = if is_multi { Receive::Multi } else { Receive::Once };
            let mode =
                if is_multi { ReceiveMode::Multi } else { ReceiveMode::AfterSend(Room::Small) };
            self.driver.receive(number, connection.generation, mode);
        }
    }

    pub(crate) fn on_connect_failed(
        &mut self,
        number: u32,
        failure: ConnectFailure,
        now: Timestamp,
    ) {
        self.connecting -= 1;
        self.note_failed_attempt(number, failure, now);
        self.close(number, false, now);
    }

    /// The attempt's end is the end of a slot, if one is due that no connection can take.
    fn note_failed_attempt(&mut self, number: u32, failure: ConnectFailure, now: Timestamp) {
        self.connect_failure = Some(failure.clone());
        let is_idle = self.is_idle(number);
        self.recorder.current.totals.connects_failed += 1;
        let connection = &mut self.connections[number as usize];
        connection.failures = connection.failures.saturating_add(1);
        connection.turn = connection.turn.wrapping_add(1);
        let (has_tried_all, is_owed) =
            (connection.failures >= self.options.peers, connection.owed > 0);
        if has_tried_all {
            self.note_tried(number);
        }
        if has_tried_all && is_owed {
            self.fail_given_back(number, &failure, now);
        }
        if self.flows.is_some() {
            if !is_idle && self.pacer.is_some() {
                self.fail_next_step(number, now);
            }
        } else if !is_idle
            && (!self.options.is_open || self.connected == 0)
            && let Some(pacer) = &mut self.pacer
            && let Pace::Release(slot, count) = pacer.poll(now, 1)
        {
            self.recorder.released(slot, count);
            if let Some(failure) = &self.connect_failure {
                self.recorder.caused(slot, Outcome::ConnectFailed, failure, count);
            }
            self.recorder.failed(slot, count, Outcome::ConnectFailed, now);
        }
    }

    fn note_tried(&mut self, number: u32) {
        let connection = &mut self.connections[number as usize];
        if !std::mem::replace(&mut connection.is_tried, true) {
            self.untried -= 1;
        }
    }

    /// Close a connection that has ended, and make it again in time.
    pub(crate) fn close_lost(&mut self, number: u32, is_sending: bool, now: Timestamp) {
        let not_before = self.connect_again_at(number, now);
        self.close(number, is_sending, not_before);
    }

    /// When a connection that ends may be made again: one that ends soon, and without an answer,
    /// only after a while. A target that drops whatever it accepts would be asked without end.
    fn connect_again_at(&mut self, number: u32, now: Timestamp) -> Timestamp {
        let connection = &mut self.connections[number as usize];
        let Link::Up { since } = connection.link else { return now };
        if connection.has_answered {
            connection.unanswered = 0;
            return now;
        }
        let rounds = connection.unanswered;
        connection.unanswered = rounds.saturating_add(1);
        since + self.pause(number, rounds.into())
    }

    /// How long a connection waits after so many attempts that failed alike: twice as long each
    /// time, up to a bound that grows with their number, so that all together ask no more than a
    /// thousand times a second. A part of it is drawn, lest those that failed together come back
    /// together; the same seed draws the same.
    fn pause(&self, number: u32, rounds: u32) -> Nanos {
        let connection = &self.connections[number as usize];
        let all = self.connections.len() as u64;
        let most = Nanos(RETRY_EACH.0.saturating_mul(all)).max(RETRY_MAX).min(Nanos::SECOND);
        let whole = Nanos(RETRY_FIRST.0 << rounds.min(8)).min(most);
        let draw = u64::from(number) << 32 | u64::from(connection.generation);
        let off = Random::new(self.options.seed ^ draw).below(whole.0 as usize / 2);
        Nanos(whole.0 - off as u64)
    }

    /// The connection has had its share of requests, and all their answers: close it in order.
    pub(crate) fn close_gracefully(&mut self, number: u32) {
        self.send_close(number);
        self.connected -= 1;
        self.close(number, false, Timestamp::default());
    }

    fn close(&mut self, number: u32, is_sending: bool, not_before: Timestamp) {
        let connection = &mut self.connections[number as usize];
        let under_way = UnderWay {
            connecting: matches!(connection.link, Link::Connecting { .. }),
            receiving: connection.receive != Receive::None,
            sending: is_sending,
            sending_tracked: connection.is_sending,
        };
        self.driver.close(number, connection.generation, under_way);
        connection.link = Link::Closing { not_before };
        connection.generation = next_generation(connection.generation);
        connection.receive = Receive::None;
        connection.small_in_row = UNKNOWN;
        connection.is_sending = false;
        connection.taken = 0;
        connection.has_answered = false;
        connection.session = None;
        connection.parser = parser(self.terms.held_at.is_some());
        if let Some(flows) = &mut self.flows {
            flows.forget(number);
        }
    }

    pub(crate) fn on_closed(&mut self, number: u32, now: Timestamp) {
        let connection = &mut self.connections[number as usize];
        let Link::Closing { not_before } = connection.link else { return };
        if connection.failures > 0 {
            let wait = self.next_retry(number);
            return self.retry_at(number, now + wait);
        }
        let is_owed = connection.owed > 0;
        let is_quiet = !is_owed && self.flows.as_ref().is_none_or(|flows| flows.is_over());
        if is_quiet && self.pacer.as_ref().is_some_and(|pacer| pacer.is_done(now)) {
            // Nothing is left to send on it.
            connection.link = Link::Down { retry_at: Timestamp::NEVER };
            return;
        }
        self.recorder.current.totals.reconnects += 1;
        if not_before > now {
            self.retry_at(number, not_before);
        } else {
            self.connect(number);
        }
    }

    fn next_retry(&self, number: u32) -> Nanos {
        let failures = self.connections[number as usize].failures;
        // The next address at once; waiting begins when all have failed.
        let Some(rounds) = failures.checked_sub(self.options.peers) else { return Nanos::ZERO };
        self.pause(number, rounds.into())
    }

    fn retry_at(&mut self, number: u32, retry_at: Timestamp) {
        self.connections[number as usize].link = Link::Down { retry_at };
        self.sweep_at = self.sweep_at.min(retry_at);
    }

    /// List a connection as able to take a request, if it is and is not listed yet.
    #[inline]
    pub(crate) fn mark_ready(&mut self, number: u32) {
        let connection = &mut self.connections[number as usize];
        if number < self.options.connections
            && !connection.is_listed
            && connection.room(&self.options) > 0
        {
            if self.flows.as_mut().is_some_and(|flows| flows.note_free(number)) {
                return;
            }
            connection.is_listed = true;
            self.lineup.add(number);
        }
    }

    /// End every exchange in flight on a connection.
    pub(crate) fn fail_exchanges(&mut self, number: u32, outcome: Outcome, now: Timestamp) {
        while self.connections[number as usize].in_flight > 0 {
            self.fail_oldest(number, u16::MAX, outcome, now);
        }
    }

    /// End up to `at_most` of the oldest exchanges in flight on a connection that has one.
    pub(crate) fn fail_oldest(
        &mut self,
        number: u32,
        at_most: u16,
        outcome: Outcome,
        now: Timestamp,
    ) {
        let connection = &mut self.connections[number as usize];
        let oldest = *self.exchanges.oldest(number, connection);
        let count = oldest.count.min(at_most);
        let at = || self.driver.peer_address(number, connection.turn);
        self.statuses.failed(count, at);
        self.exchanges.end(number, connection, count);
        connection.owed = connection.owed.min(connection.in_flight);
        match &mut self.flows {
            Some(flows) => flows.failed(&oldest, outcome, &mut self.recorder, now),
            None => self.recorder.failed(oldest.slot(), count, outcome, now),
        }
    }

    /// End the oldest exchange in flight on a connection that has one, with the cause.
    pub(crate) fn fail_oldest_because(
        &mut self,
        number: u32,
        outcome: Outcome,
        cause: &dyn Display,
        now: Timestamp,
    ) {
        let slot = self.exchanges.oldest(number, &self.connections[number as usize]).slot();
        self.recorder.caused(slot, outcome, cause, 1);
        self.fail_oldest(number, 1, outcome, now);
    }

    /// Look at every deadline: attempts and exchanges that took too long, retries that are due.
    ///
    /// No timer and no queue entry per request: each look finds the earliest deadline there is,
    /// and everything begun later has a later one, so nothing can pass unseen before
    /// `sweep_at`. A run without timeouts looks about once per timeout span.
    pub(crate) fn sweep(&mut self, now: Timestamp) {
        let timeout = self.options.timeout;
        // Set first: what the look itself begins may move it closer.
        self.sweep_at = now + timeout;
        let mut earliest = self.sweep_at;
        for number in 0..self.connections.len() as u32 {
            let connection = &self.connections[number as usize];
            let late_at = connection.renewed + timeout;
            if connection.owed > 0 && !connection.is_up() {
                if late_at <= now {
                    self.give_up_given_back(number, now);
                } else {
                    earliest = earliest.min(late_at);
                }
            }
            let connection = &self.connections[number as usize];
            // A slow one waits for its time also before its first request.
            let (deadline, wake_at) = match connection.link {
                Link::Down { retry_at } => (retry_at, Timestamp::NEVER),
                Link::Connecting { since } => (since + timeout, Timestamp::NEVER),
                Link::Opening { since } => (since + timeout, connection.wake_at()),
                Link::Parting { since } => (since + PARTING_MAX.min(timeout), connection.wake_at()),
                Link::Up { .. } if connection.in_flight > 0 => {
                    let wake_at = connection.wake_at();
                    let sent = self.exchanges.oldest(number, connection).sent;
                    (late_at.max(sent + timeout).min(self.judged_at(number)), wake_at)
                }
                Link::Up { .. } => (Timestamp::NEVER, connection.wake_at()),
                Link::Closing { .. } => continue,
            };
            if deadline > now {
                earliest = earliest.min(deadline);
                if wake_at <= now {
                    self.go_on_slowly(number, now);
                } else {
                    earliest = earliest.min(wake_at);
                }
                continue;
            }
            match connection.link {
                Link::Down { .. } => self.connect(number),
                Link::Connecting { .. } => {
                    self.on_connect_failed(number, ConnectFailure::TimedOut, now);
                }
                Link::Opening { .. } => {
                    let failure = self.unopened(number);
                    self.on_connect_failed(number, failure, now);
                }
                Link::Parting { .. } => self.fail_connection(number, End::Closed, now),
                Link::Up { .. } if self.judged_at(number) < Timestamp::NEVER => {
                    self.give_up_answer(number, now);
                }
                // The connection cannot be used on, since the late answer may still arrive.
                Link::Up { .. } | Link::Closing { .. } => {
                    self.fail_connection(number, End::Late, now)
                }
            }
        }
        self.sweep_at = self.sweep_at.min(earliest).max(now + SWEEP_EVERY);
    }
}
