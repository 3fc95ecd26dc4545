//! The queue of connections that can take a request, and which of them is next.
//!
//! Each is listed at most once, so the memory for all of them is allocated at the start. The loop
//! checks whether a listed one can still take a request.

use std::collections::VecDeque;

use uringbench_core::plan::ConnectionOrder;

/// Connections that can take a request.
pub(crate) struct Lineup {
    /// Those with no request in flight.
    ready: VecDeque<u32>,
    /// Those that have taken requests and can take more; used when there are no others.
    partial: VecDeque<u32>,
    order: ConnectionOrder,
}

impl Lineup {
    /// An empty one with room for so many connections.
    pub(crate) fn new(connections: u32, order: ConnectionOrder) -> Self {
        let room = || VecDeque::with_capacity(connections as usize);
        Self { ready: room(), partial: room(), order }
    }

    /// List a connection that is not listed.
    #[inline]
    pub(crate) fn add(&mut self, number: u32) {
        self.ready.push_back(number);
    }

    /// List one that was just used and can take more.
    #[inline]
    pub(crate) fn add_partial(&mut self, number: u32) {
        self.partial.push_back(number);
    }

    /// The next one. It stays listed.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<u32> {
        if self.ready.is_empty() {
            std::mem::swap(&mut self.ready, &mut self.partial);
        }
        match self.order {
            ConnectionOrder::RoundRobin => self.ready.front().copied(),
            ConnectionOrder::Lifo => self.ready.back().copied(),
        }
    }

    /// Remove the one that [`Self::next`] has returned.
    #[inline]
    pub(crate) fn take(&mut self) {
        match self.order {
            ConnectionOrder::RoundRobin => self.ready.pop_front(),
            ConnectionOrder::Lifo => self.ready.pop_back(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The connections that take these requests, each of which is answered before the next.
    fn taken(order: ConnectionOrder, requests: u32) -> Vec<u32> {
        let mut lineup = Lineup::new(4, order);
        (0..4).for_each(|number| lineup.add(number));
        let take = |_| {
            let number = lineup.next().expect("one is always ready");
            lineup.take();
            lineup.add(number);
            number
        };
        (0..requests).map(take).collect()
    }

    #[test]
    fn in_turn_each_is_used_alike_and_else_the_one_used_last() {
        assert_eq!(taken(ConnectionOrder::RoundRobin, 9), [0, 1, 2, 3, 0, 1, 2, 3, 0]);
        assert_eq!(taken(ConnectionOrder::Lifo, 5), [3; 5]);
    }

    #[test]
    fn those_that_have_taken_some_come_when_there_are_no_others() {
        for order in [ConnectionOrder::RoundRobin, ConnectionOrder::Lifo] {
            let mut lineup = Lineup::new(3, order);
            lineup.add_partial(0);
            lineup.add(1);
            assert_eq!(lineup.next(), Some(1));
            lineup.take();
            assert_eq!(lineup.next(), Some(0));
            lineup.take();
            assert_eq!(lineup.next(), None);
        }
    }

    #[test]
    fn no_more_room_is_taken_than_there_are_connections() {
        let mut lineup = Lineup::new(64, ConnectionOrder::RoundRobin);
        let room = [lineup.ready.capacity(), lineup.partial.capacity()];
        for round in 0..1_000 {
            (0..64).for_each(|number| lineup.add((number + round) % 64));
            for _ in 0..64 {
                let number = lineup.next().expect("it was added");
                lineup.take();
                lineup.add_partial(number);
            }
            while lineup.next().is_some() {
                lineup.take();
            }
        }
        assert_eq!([lineup.ready.capacity(), lineup.partial.capacity()], room);
    }
}
