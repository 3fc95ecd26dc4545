//! The edges of the measured window of a closed loop: an exchange that crosses an edge counts by
//! its share inside.
//!
//! A closed loop sends its next request when the last answer has arrived, so a window of a few
//! service times is cut at both ends. Counting the requests sent in it counts the last one of each
//! connection completely, counting the answers the first one. If each is counted by the share of
//! its time inside the window, the expected sum in a steady state is rate x window, however long
//! the window is (Campbell's theorem: each contributes overlap / length, and its overlap with a
//! window, over all possible start times, sums up to length x window).

use std::ops::Range;

use crate::time::Timestamp;

/// Corrections of the counts of exchanges begun in the window, for those that cross an edge:
/// negative for those that end after it, positive for those that began before it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EdgeShares {
    /// To those sent.
    pub sent: f64,
    /// To complete answers.
    pub completed: f64,
    /// To those that ended `ok`.
    pub ok: f64,
    /// To the sum of their service times, in nanoseconds: the part outside the window is
    /// subtracted.
    pub busy: f64,
}

impl EdgeShares {
    /// Add another worker's or interval's.
    pub fn merge(&mut self, other: Self) {
        self.sent += other.sent;
        self.completed += other.completed;
        self.ok += other.ok;
        self.busy += other.busy;
    }
}

/// The share of the time from `began` to `ended` that lies in `window`, 0..=1. An instant lies
/// either inside or outside.
pub fn share_within(window: &Range<Timestamp>, began: Timestamp, ended: Timestamp) -> f64 {
    let whole = ended.since(began).0;
    if whole == 0 {
        return f64::from(u8::from(window.contains(&began)));
    }
    let inside = ended.min(window.end).since(began.max(window.start)).0;
    inside as f64 / whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::random::Random;
    use crate::time::Nanos;

    const SECOND: u64 = Nanos::SECOND.0;

    /// The rate in a window with connections that are each always busy with one exchange, whose
    /// length comes from `draw`.
    fn rate(window: &Range<Timestamp>, connections: u32, draw: &mut impl FnMut() -> u64) -> f64 {
        let mut sum = 0.0;
        for _ in 0..connections {
            let mut now = Timestamp(0);
            while now < window.end {
                let done = now + Nanos(draw());
                sum += share_within(window, now, done);
                now = done;
            }
        }
        sum / (window.end.since(window.start).as_secs_f64())
    }

    #[test]
    fn answers_that_always_take_as_long_show_their_rate_in_any_window() {
        let places = [(0, 10), (3, 13), (5, 6), (0, 100), (7, 15)];
        for (from, to) in places.map(|(from, to)| (from * SECOND, to * SECOND)) {
            for (connections, seconds) in [(64, 3.0), (2, 8.4), (1, 200.0)] {
                let window = Timestamp(from)..Timestamp(to);
                let mut draw = || (seconds * SECOND as f64) as u64;
                let shown = rate(&window, connections, &mut draw);
                let truth = f64::from(connections) / seconds;
                assert!((shown / truth - 1.0).abs() < 1e-6, "{shown} for {truth} in {window:?}");
            }
        }
    }

    /// Exponential times with a mean of 1 s in a window of 2 s: one window has a large random
    /// error, but the mean of thousands is right.
    #[test]
    fn answers_that_vary_show_their_rate_on_average() {
        let mut random = Random::new(7);
        let mut draw = || {
            let uniform = (random.below(1 << 30) as f64 + 0.5) / f64::from(1 << 30);
            (-uniform.ln() * SECOND as f64) as u64
        };
        let window = Timestamp(20 * SECOND)..Timestamp(22 * SECOND);
        let shown = rate(&window, 20_000, &mut draw) / 20_000.0;
        // A connection's sum has a deviation below 1 per second; five of the mean's are 0.035.
        assert!((shown - 1.0).abs() < 0.035, "{shown}");
    }

    #[test]
    fn what_takes_no_time_is_inside_or_outside() {
        let window = Timestamp(10)..Timestamp(20);
        let at = |time| share_within(&window, Timestamp(time), Timestamp(time));
        assert_eq!([at(9), at(10), at(19), at(20)], [0.0, 1.0, 1.0, 0.0]);
        let from = |began, ended| share_within(&window, Timestamp(began), Timestamp(ended));
        assert_eq!(
            [from(0, 5), from(0, 15), from(5, 25), from(18, 22)],
            [0.0, 1.0 / 3.0, 0.5, 0.5]
        );
    }
}
