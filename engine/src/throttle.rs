//! Slow readers and slow writers: a few bytes at a time, on each connection by itself.
//!
//! A connection that waits for its time is woken by the look at all deadlines, to the millisecond.

use uringbench_core::time::{Nanos, Timestamp};

use crate::connection::{Connection, Receive};
use crate::driver::{Driver, ReceiveMode};
use crate::event_loop::EventLoop;

/// So many bytes, and then a pause until the time for the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Bytes at a time, at least 1.
    pub bytes: u32,
    /// From one time to the next.
    pub every: Nanos,
}

/// Ten times a second, or as often as a byte is due.
const TIMES_A_SECOND: u32 = 10;

impl RateLimit {
    /// `rate` bytes a second, at least 1.
    pub fn at(rate: u32) -> Self {
        let bytes = (rate / TIMES_A_SECOND).max(1);
        let every = Nanos::SECOND.0 * u64::from(bytes) / u64::from(rate.max(1));
        Self { bytes, every: Nanos(every) }
    }

    /// How long so many bytes take.
    fn time_of(self, length: usize) -> Nanos {
        Nanos(self.every.0 * length as u64 / u64::from(self.bytes))
    }
}

impl<D: Driver> EventLoop<D> {
    /// Arm a receive of a few bytes, or put it off until it is time.
    pub(crate) fn read_slowly(&mut self, number: u32, trickle: RateLimit, now: Timestamp) {
        let connection = &mut self.connections[number as usize];
        let generation = connection.generation;
        let Some(session) = &mut connection.session else { return };
        if connection.receive != Receive::None {
            return;
        }
        if session.read_at > now {
            self.sweep_at = self.sweep_at.min(session.read_at);
            return;
        }
        connection.receive = Receive::Once;
        self.driver.receive(number, generation, ReceiveMode::AtMost(trickle.bytes));
    }

    /// So many bytes have come: more is received when their time is over. A buffer may hold fewer
    /// than are wanted at a time.
    pub(crate) fn note_read(&mut self, number: u32, length: usize, now: Timestamp) {
        let Some(trickle) = self.options.reading else { return };
        if let Some(session) = &mut self.connections[number as usize].session {
            let since = session.read_at.max(now - trickle.every);
            session.read_at = since + trickle.time_of(length);
        }
    }

    /// The time a connection waited for may have come.
    pub(crate) fn go_on_slowly(&mut self, number: u32, now: Timestamp) {
        if let Some(trickle) = self.options.reading {
            self.read_slowly(number, trickle, now);
        }
        if !self.connections[number as usize].is_sending {
            self.go_on_sending(number, now);
        }
    }
}

impl Connection {
    /// When a connection is to be woken that waits for its time to read or to send.
    pub(crate) fn wake_at(&self) -> Timestamp {
        let Some(session) = &self.session else { return Timestamp::NEVER };
        let waits_to_read = self.receive == Receive::None && session.read_at > Timestamp::default();
        let waits_to_send = !self.is_sending && !session.unsent.is_empty();
        let read_at = if waits_to_read { session.read_at } else { Timestamp::NEVER };
        let write_at = if waits_to_send { session.write_at } else { Timestamp::NEVER };
        read_at.min(write_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_become_bytes_and_pauses() {
        let trickle = |rate| RateLimit::at(rate);
        assert_eq!(trickle(1), RateLimit { bytes: 1, every: Nanos::SECOND });
        assert_eq!(trickle(7).bytes, 1);
        assert_eq!(trickle(1_000).time_of(250), Nanos::from_millis(250));
        assert_eq!(trickle(1_000), RateLimit { bytes: 100, every: Nanos::from_millis(100) });
        for rate in [1, 3, 9, 11, 99, 12_345, 10_000_000] {
            let RateLimit { bytes, every } = trickle(rate);
            let actual = f64::from(bytes) / every.as_secs_f64();
            assert!((actual / f64::from(rate) - 1.0).abs() < 1e-6, "{rate}: {actual}");
        }
    }
}
