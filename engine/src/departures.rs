//! When requests leave. Those of a turn are handed to the kernel together, which sends one after
//! the other, each in some microseconds: one time for all would make the last ones' service times
//! too long, and their lateness too short, by up to a millisecond.
//!
//! They are handed over in groups, the clock is read before and after, and each is stamped by its
//! place between the two.

use uringbench_core::time::{Nanos, Timestamp};

use crate::driver::Driver;
use crate::event_loop::EventLoop;

/// Requests handed over together: over the loopback interface some 40 µs' worth. On a busy machine
/// the error was 1.6 µs at p50 and 24 to 55 µs at p99 in six runs, with groups of 32 it was 3 µs
/// and 53 to 68 µs in three: a send that takes long moves the stamps of all its group.
const GROUP: usize = 8;
/// So few at the end of a turn leave with its wait, stamped with the time before it: that is nearer
/// to it than a system call of their own is worth.
const STRAGGLERS_MAX: usize = 4;

/// Requests of this turn that are not stamped yet, in the order of their sending.
#[derive(Debug)]
pub(crate) struct Departures {
    /// Where their exchanges are.
    waiting: Vec<u32>,
    /// None of them has left before.
    from: Timestamp,
    /// When the turn began to send.
    begun: Timestamp,
}

impl Departures {
    pub(crate) fn new() -> Self {
        let never = Timestamp::default();
        Self { waiting: Vec::with_capacity(GROUP), from: never, begun: never }
    }

    /// The first of them leaves from now on.
    #[inline]
    pub(crate) const fn begin(&mut self, now: Timestamp) {
        (self.from, self.begun) = (now, now);
    }

    /// The request of the exchange at this place has been given to the driver.
    #[inline]
    pub(crate) fn add(&mut self, exchange: u32) {
        self.waiting.push(exchange);
    }
}

/// When the send at `place`, from 0, of `count` began that took from `from` to `to`.
fn stamp(from: Timestamp, to: Timestamp, place: usize, count: usize) -> Timestamp {
    let span = u128::from(to.since(from).0);
    // No more than the span.
    from + Nanos((span * place as u128 / count.max(1) as u128) as u64)
}

impl<D: Driver> EventLoop<D> {
    /// A request has been given to the driver: once there is a group of them, they leave.
    #[inline]
    pub(crate) fn depart_in_groups(&mut self) {
        if self.departures.waiting.len() >= GROUP {
            self.depart();
        }
    }

    /// The turn has no more requests: the rest of them leave now, or with the wait.
    #[inline]
    pub(crate) fn depart_all(&mut self) {
        match self.departures.waiting.len() {
            0 => {}
            1..=STRAGGLERS_MAX => self.stamp_to(self.departures.from),
            _ => self.depart(),
        }
    }

    fn depart(&mut self) {
        self.driver.submit();
        let to = self.driver.now();
        self.stamp_to(to);
    }

    /// Stamp those waiting, the last of which has left by `to`, and time their lateness.
    fn stamp_to(&mut self, to: Timestamp) {
        let from = std::mem::replace(&mut self.departures.from, to);
        let (count, begun) = (self.departures.waiting.len(), self.departures.begun);
        for (place, index) in self.departures.waiting.drain(..).enumerate() {
            let sent = stamp(from, to, place, count);
            let exchange = self.exchanges.at(index);
            exchange.leave(sent, self.options.has_due_times);
            let slot = exchange.slot();
            match &mut self.flows {
                None if self.options.is_open => self.recorder.sent(slot, sent),
                None => {
                    let span = sent.since(begun).0 * u64::from(exchange.count);
                    self.recorder.current.totals.departing.0 += span;
                }
                Some(flows) => flows.sent(exchange.user, slot, &mut self.recorder, sent),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_keep_their_order_and_lie_between_the_two_readings() {
        let (from, to) = (Timestamp(1_000), Timestamp(1_100));
        let stamps: Vec<_> = (0..4).map(|place| stamp(from, to, place, 4).0).collect();
        assert_eq!(stamps, [1_000, 1_025, 1_050, 1_075]);
        // A span of centuries, a clock that has not moved, and no group at all.
        assert_eq!(stamp(Timestamp(0), Timestamp(u64::MAX), 31, 32).0, u64::MAX / 32 * 31 + 30);
        assert_eq!(stamp(from, from, 31, 32), from);
        assert_eq!(stamp(from, to, 0, 0), from);
    }
}
