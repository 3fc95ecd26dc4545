//! Which connection is made next, and when.
//!
//! Concurrent attempts are bounded, and paced if a connect rate is configured. Time is an argument.

use std::collections::VecDeque;

use uringbench_core::time::{Nanos, Timestamp};

/// Concurrent attempts: more would only overflow the target's accept queue.
const CONNECTING_MAX: u32 = 256;
/// Attempts that could not be made in time are caught up within this span, not beyond it.
const CATCH_UP: Nanos = Nanos::from_millis(100);

/// Connections that wait to be made, in order of arrival.
#[derive(Debug, Default)]
pub(crate) struct ConnectQueue {
    waiting: VecDeque<u32>,
    /// From one attempt to the next; zero without a rate.
    gap: Nanos,
    next: Timestamp,
}

impl ConnectQueue {
    pub(crate) fn new(gap: Nanos) -> Self {
        Self { waiting: VecDeque::new(), gap, next: Timestamp::default() }
    }

    /// Put a connection in line.
    pub(crate) fn enqueue(&mut self, number: u32) {
        self.waiting.push_back(number);
    }

    /// The connection to make now, if the limits of rate and of concurrent attempts allow one.
    #[inline]
    pub(crate) fn next(&mut self, connecting: u32, now: Timestamp) -> Option<u32> {
        if self.waiting.is_empty() || connecting >= CONNECTING_MAX || now < self.next {
            return None;
        }
        self.next = self.next.max(now - CATCH_UP) + self.gap;
        self.waiting.pop_front()
    }

    /// When the next one may be made, if only the rate delays it.
    #[inline]
    pub(crate) fn wake_at(&self, connecting: u32) -> Timestamp {
        if self.waiting.is_empty() || connecting >= CONNECTING_MAX {
            Timestamp::NEVER
        } else {
            self.next
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `count` are admitted when the queue is polled every `step` for `span`.
    fn admitted(gap: Nanos, count: u32, step: Nanos, span: Nanos) -> u32 {
        let mut connect_queue = ConnectQueue::new(gap);
        (0..count).for_each(|number| connect_queue.enqueue(number));
        let (start, mut now, mut admitted) = (Timestamp(7_000_000_000), Nanos::ZERO, 0);
        while now < span {
            while let Some(number) = connect_queue.next(0, start + now) {
                assert_eq!(number, admitted, "out of turn");
                admitted += 1;
            }
            now += step;
        }
        admitted
    }

    #[test]
    fn a_rate_is_kept_and_what_was_missed_is_made_up_for() {
        let gap = Nanos::from_millis(1);
        // The first hundred milliseconds' worth may be made at once.
        let even = admitted(gap, 10_000, Nanos(100_000), Nanos::SECOND);
        assert!((1_000..=1_101).contains(&even), "{even}");
        let rough = admitted(gap, 10_000, Nanos::from_millis(50), Nanos::SECOND);
        assert!((950..=1_101).contains(&rough), "{rough}");
        assert_eq!(admitted(Nanos::ZERO, 5_000, Nanos::SECOND, Nanos(1)), 5_000);
    }

    #[test]
    fn attempts_under_way_are_bounded() {
        let mut connect_queue = ConnectQueue::new(Nanos::ZERO);
        connect_queue.enqueue(3);
        let now = Timestamp(1);
        assert_eq!(connect_queue.next(CONNECTING_MAX, now), None);
        assert_eq!(connect_queue.wake_at(CONNECTING_MAX), Timestamp::NEVER);
        assert_eq!(connect_queue.next(CONNECTING_MAX - 1, now), Some(3));
        assert_eq!(connect_queue.next(0, now), None);
        assert_eq!(connect_queue.wake_at(0), Timestamp::NEVER);
    }

    #[test]
    fn what_waits_for_its_time_says_when_that_is() {
        let mut connect_queue = ConnectQueue::new(Nanos::SECOND);
        let now = Timestamp(10_000_000_000);
        (0..2).for_each(|number| connect_queue.enqueue(number));
        assert_eq!(connect_queue.next(0, now), Some(0));
        assert_eq!(connect_queue.next(0, now), None);
        let wake_at = connect_queue.wake_at(0);
        assert!(wake_at > now && wake_at <= now + Nanos::SECOND);
        assert_eq!(connect_queue.next(0, wake_at), Some(1));
    }
}
