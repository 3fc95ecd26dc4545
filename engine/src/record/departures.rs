//! When requests leave. Those of a turn are submitted to the kernel together, which sends one after
//! the other, each in some microseconds: a single time for all would make the last ones' service
//! times too long, and their lateness too short, by up to a millisecond.
//!
//! They are submitted in groups, the clock is read before and after, and each is stamped by its
//! place between the two. A group costs a system call of its own. An open loop pays it: its
//! lateness is one of its figures, and several are due at once only when it is behind. A closed
//! loop sends several in most turns: in some turns it measures how long a send takes, and uses that
//! to stamp the others.

use uringbench_core::time::{Nanos, Timestamp};

use super::recorder::Recorder;
use crate::connections::in_flight::{ExchangeId, InFlight};
use crate::drivers::Driver;
use crate::work::{Departed, Work};

/// Requests of an open loop submitted together: some 10 µs over the loopback interface. A send that
/// takes long moves the stamps of all its group: measured by `benches/sent_stamps`, four runs, 2
/// virtual CPUs, the error at p99 was 11 to 14 µs, with groups of 4 it was 22 to 28 µs (17 µs on a
/// day with faster sends, when it was 26 to 36 µs with groups of 8, 39 to 81 µs of 16, 90 to 128
/// µs of 32), and 4 to 7 ms without groups. The CPU time per request at 100,000/s and 220,000/s
/// was that of groups of 4 (seven pairs: 1.001 and 0.998 of it).
const GROUP_OPEN: usize = 2;
/// The same for a closed loop, whose stamps are corrected after each group.
const GROUP_CLOSED: usize = 64;
/// One turn in so many of a closed loop is measured. In every turn, with groups of 16, that cost 3
/// % of the rate at 64 connections.
const LOOK_EVERY: u32 = 8;
/// So few at the end of a turn, as in an open loop always, are not worth a system call of their
/// own.
const STRAGGLERS_MAX: usize = 4;

/// Requests of this turn without a stamp, in the order of their sending.
#[derive(Debug)]
pub(crate) struct Departures {
    /// Their exchanges, and the send of the turn with which each leaves.
    waiting: Vec<(ExchangeId, u32)>,
    /// How many sends these are.
    sends: u32,
    /// The sends of connections whose requests of a turn leave in one.
    shared: Option<SharedSends>,
    /// How many leave together.
    group: usize,
    /// The earliest time at which one of them left.
    from: Timestamp,
    /// When the turn began to send.
    begun: Timestamp,
    /// When the first turn of the run that sent something began to; never, before it has.
    first: Timestamp,
    /// How long an undisturbed send takes, as far as known: zero before the first measurement.
    each: Nanos,
    /// Turns until the next measurement.
    look_in: u32,
    /// Whether slots have due times.
    has_due_times: bool,
}

/// The sends of a turn, one for each connection that has requests in it.
#[derive(Debug, Default)]
struct SharedSends {
    turn: u64,
    /// By connection: the latest turn with a request, and the place of its send in that turn.
    of: Vec<(u64, u32)>,
}

impl SharedSends {
    /// The send of a connection in this turn, which is the one at `next` if it has none yet.
    #[inline]
    fn place(&mut self, number: u32, next: u32) -> u32 {
        let number = number as usize;
        if number >= self.of.len() {
            self.of.resize(number + 1, (0, 0));
        }
        let send = &mut self.of[number];
        if send.0 != self.turn {
            *send = (self.turn, next);
        }
        send.1
    }
}

/// Where departures are recorded.
pub(crate) struct Notes<'a> {
    pub(crate) in_flight: &'a mut InFlight,
    pub(crate) work: &'a mut Work,
    pub(crate) recorder: &'a mut Recorder,
}

impl Departures {
    /// `is_together`: all requests of a turn are sent at its end, those of a connection in one
    /// send.
    pub(crate) fn new(is_open: bool, has_due_times: bool, is_together: bool) -> Self {
        let group = match (is_together, is_open) {
            (true, _) => usize::MAX,
            (false, true) => GROUP_OPEN,
            (false, false) => GROUP_CLOSED,
        };
        Self {
            waiting: Vec::with_capacity(group.min(GROUP_CLOSED)),
            sends: 0,
            shared: is_together.then(SharedSends::default),
            group,
            from: Timestamp::default(),
            begun: Timestamp::default(),
            first: Timestamp::NEVER,
            each: Nanos::ZERO,
            look_in: 0,
            has_due_times,
        }
    }

    /// The first of them leaves from now on.
    #[inline]
    pub(crate) fn begin(&mut self, now: Timestamp) {
        (self.from, self.begun) = (now, now);
        if let Some(shared) = &mut self.shared {
            shared.turn += 1;
        }
    }

    /// The requests of an exchange of this connection were given to the driver.
    #[inline]
    pub(crate) fn add(&mut self, exchange: ExchangeId, number: u32) {
        let place = match &mut self.shared {
            None => self.sends,
            Some(shared) => shared.place(number, self.sends),
        };
        self.sends = self.sends.max(place + 1);
        self.waiting.push((exchange, place));
    }

    /// When the first request of the run left, if one has.
    pub(crate) fn first(&self) -> Option<Timestamp> {
        Some(self.first).filter(|first| *first < Timestamp::NEVER)
    }

    fn is_group(&self) -> bool {
        self.waiting.len() >= self.group
    }

    /// When the last of the turn's requests will have left, unless this turn is measured.
    fn expected(&mut self) -> Option<Timestamp> {
        let count = self.sends as usize;
        if count > STRAGGLERS_MAX {
            if self.look_in == 0 {
                self.look_in = LOOK_EVERY - 1;
                return None;
            }
            self.look_in -= 1;
        }
        Some(self.from + Nanos(self.each.0 * count as u64))
    }

    /// This many have left by `to`.
    fn learn(&mut self, to: Timestamp) {
        let each = to.since(self.from).0 / u64::from(self.sends.max(1));
        let Nanos(known) = self.each;
        // The minimum counts: if this thread lost its CPU in between, its sends are not measured,
        // and a stamp that is too late could be after the answer.
        let most = if known == 0 { each } else { known + known / 16 + 1 };
        self.each = Nanos(each.min(most));
    }

    /// A request was given to the driver: a full group leaves.
    #[inline]
    pub(crate) fn leave_in_groups<D: Driver>(&mut self, driver: &mut D, notes: Notes<'_>) {
        if self.is_group() {
            self.leave(driver, notes);
        }
    }

    /// The turn has no more requests: the rest leave now, or with the wait.
    #[inline]
    pub(crate) fn leave_all<D: Driver>(&mut self, driver: &mut D, notes: Notes<'_>) {
        if self.waiting.is_empty() {
            return;
        }
        match self.expected() {
            Some(to) => self.stamp_to(to, notes),
            None => self.leave(driver, notes),
        }
    }

    fn leave<D: Driver>(&mut self, driver: &mut D, notes: Notes<'_>) {
        driver.submit();
        let to = driver.now();
        self.learn(to);
        self.stamp_to(to, notes);
    }

    /// Stamp those waiting, the last of which has left by `to`, and record their lateness.
    fn stamp_to(&mut self, to: Timestamp, notes: Notes<'_>) {
        let Notes { in_flight, work, recorder } = notes;
        let from = std::mem::replace(&mut self.from, to);
        let (count, begun) = (std::mem::take(&mut self.sends), self.begun);
        self.first = self.first.min(begun);
        let each = share(from, to, count);
        for (id, place) in self.waiting.drain(..) {
            let sent = from + Nanos(each.0 * u64::from(place));
            let exchange = in_flight.get_mut(id);
            exchange.leave(sent, self.has_due_times);
            work.departed(exchange, recorder, Departed { begun, sent });
        }
    }
}

/// The time of one of `count` sends, which took from `from` to `to` together: one division for all
/// of them, in 64 bits, since it is in the path of every request.
fn share(from: Timestamp, to: Timestamp, count: u32) -> Nanos {
    Nanos(to.since(from).0 / u64::from(count.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_loop_looks_now_and_then_and_stamps_by_the_time_a_send_takes() {
        let mut departures = Departures::new(false, false, false);
        let mut looks = 0;
        for turn in 0..64 {
            departures.begin(Timestamp(1_000_000 * turn));
            (0..10).for_each(|exchange| departures.add(ExchangeId(exchange), exchange));
            let expected = departures.expected();
            let real = departures.from + Nanos(10 * 2_000);
            match expected {
                Some(expected) => assert_eq!(expected, real),
                None => {
                    looks += 1;
                    // Once it lost its CPU for a second.
                    let lost = Nanos(if looks == 3 { 1_000_000_000 } else { 0 });
                    let before = departures.each;
                    departures.learn(real + lost);
                    let most = before.0.max(2_000) * 17 / 16 + 1;
                    assert!((2_000..=most).contains(&departures.each.0), "{departures:?}");
                    departures.learn(real);
                    assert_eq!(departures.each, Nanos(2_000), "the least is known at once");
                }
            }
            departures.waiting.clear();
            departures.sends = 0;
        }
        assert_eq!(looks, 8);
    }

    #[test]
    fn an_open_loop_looks_whenever_two_leave() {
        let mut departures = Departures::new(true, true, false);
        departures.begin(Timestamp(1_000));
        departures.add(ExchangeId(0), 0);
        assert!(!departures.is_group());
        assert_eq!(departures.expected(), Some(Timestamp(1_000)), "nothing is known yet");
        departures.add(ExchangeId(1), 0);
        assert!(departures.is_group());
    }

    #[test]
    fn requests_of_a_connection_that_leave_in_one_send_have_one_place() {
        let mut departures = Departures::new(false, false, true);
        for turn in 1..4 {
            departures.begin(Timestamp(turn));
            // Connections take turns; 900 has one request.
            let numbers = [7, 3, 900, 7, 3, 7];
            (0..).zip(numbers).for_each(|(id, number)| departures.add(ExchangeId(id), number));
            let places: Vec<u32> = departures.waiting.drain(..).map(|(_, place)| place).collect();
            assert_eq!((places, departures.sends), (vec![0, 1, 2, 0, 1, 0], 3), "turn {turn}");
            departures.sends = 0;
        }
    }

    #[test]
    fn stamps_keep_their_order_and_lie_between_the_two_readings() {
        let (from, to) = (Timestamp(1_000), Timestamp(1_100));
        let each = share(from, to, 4).0;
        assert_eq!([0, 1, 2, 3].map(|place| 1_000 + place * each), [1_000, 1_025, 1_050, 1_075]);
        // A span of centuries, a clock that did not move, and an empty group.
        assert_eq!(share(Timestamp(0), Timestamp(u64::MAX), 32), Nanos(u64::MAX / 32));
        assert_eq!(share(from, from, 32), Nanos::ZERO);
        assert_eq!(share(from, to, 0), Nanos(100));
    }
}
