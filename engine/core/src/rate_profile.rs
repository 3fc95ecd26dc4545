//! Schedules whose rate changes: ramps, steps, spikes and rests.
//!
//! The rate is a function of time made of straight segments; its integral counts slots. The
//! k-th slot is due where that integral reaches k, which has a closed form in each segment, so
//! due times do not drift. Arrivals that are random in number (Poisson) are the same with
//! exponential steps instead of whole ones (Çinlar 1975, the time change of a Poisson process).

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

use crate::plan::Arrivals;
use crate::rate::Rate;
use crate::schedule::Share;
use crate::time::{Nanos, Timestamp};

/// A time in which the rate goes evenly from one value to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// How long it lasts.
    pub length: Nanos,
    /// The rate at its beginning; without one nothing is due.
    pub from: Option<Rate>,
    /// The rate at its end.
    pub to: Option<Rate>,
}

impl Segment {
    /// A rate that holds so long.
    pub const fn even(length: Nanos, rate: Option<Rate>) -> Self {
        Self { length, from: rate, to: rate }
    }

    /// Slots per second at its beginning and at its end.
    fn rates(&self) -> (f64, f64) {
        let per_second = |rate: Option<Rate>| rate.map_or(0.0, Rate::as_f64);
        (per_second(self.from), per_second(self.to))
    }

    /// Slots due within its first `span`.
    fn slots(&self, span: Nanos) -> f64 {
        let (from, to) = self.rates();
        let (time, length) = (span.as_secs_f64(), self.length.as_secs_f64());
        from * time + (to - from) / length * time * time / 2.0
    }

    /// When `slots` of them have been due, in seconds from its beginning.
    fn time_of(&self, slots: f64) -> f64 {
        let (from, to) = self.rates();
        let slope = (to - from) / self.length.as_secs_f64();
        // The root of the quadratic in the form that does not cancel.
        2.0 * slots / (from + (from * from + 2.0 * slope * slots).max(0.0).sqrt())
    }
}

/// Slots per second on average between two moments, both counted from the start. After the last
/// segment its rate holds.
pub fn mean_rate(segments: &[Segment], from: Nanos, to: Nanos) -> f64 {
    let span = to.0.saturating_sub(from.0);
    if span == 0 {
        return 0.0;
    }
    (slots_until(segments, to) - slots_until(segments, from)) / Nanos(span).as_secs_f64()
}

fn slots_until(segments: &[Segment], end: Nanos) -> f64 {
    let (mut slots, mut rest) = (0.0, end);
    for segment in segments {
        let span = rest.min(segment.length);
        slots += segment.slots(span);
        rest = Nanos(rest.0 - span.0);
    }
    slots + rest.as_secs_f64() * segments.last().map_or(0.0, |last| last.rates().1)
}

/// One worker's slots at a rate that changes.
#[derive(Clone, Debug)]
pub struct Varying {
    /// Still to come, the next one last.
    coming: Vec<Segment>,
    under_way: Segment,
    began: Timestamp,
    /// Slots of all workers before it.
    before: f64,
    /// The next slot's place among those of all workers.
    place: f64,
    due: Timestamp,
    steps: Steps,
}

/// From one of a worker's slots to its next, in slots of all workers.
#[derive(Clone, Debug)]
enum Steps {
    Even(f64),
    Exponential { mean: f64, random: Box<Xoshiro256PlusPlus> },
}

impl Varying {
    /// The share of one worker in a schedule that goes through `segments` from `start` on, none
    /// of them without length, the last with a rate at its end; `None` when there is no segment.
    pub fn new(
        arrivals: Arrivals,
        segments: &[Segment],
        share: Share,
        start: Timestamp,
        seed: u64,
    ) -> Option<Self> {
        let mut coming: Vec<_> = segments.iter().rev().copied().collect();
        let under_way = coming.pop()?;
        let count = f64::from(share.count);
        let (place, steps) = match arrivals {
            Arrivals::Constant => (f64::from(share.index), Steps::Even(count)),
            Arrivals::Poisson => {
                let mixed = u64::from(share.index).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let random = Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_add(mixed));
                let mut steps = Steps::Exponential { mean: count, random: Box::new(random) };
                (steps.draw(), steps)
            }
        };
        let mut varying =
            Self { coming, under_way, began: start, before: 0.0, place, due: start, steps };
        varying.find();
        Some(varying)
    }

    /// When the next slot is due.
    #[inline]
    pub const fn due(&self) -> Timestamp {
        self.due
    }

    /// Go on to the slot after.
    #[inline]
    pub fn advance(&mut self) {
        self.place += self.steps.draw();
        self.find();
    }

    fn find(&mut self) {
        loop {
            let within = self.place - self.before;
            let length = self.under_way.length;
            let all = self.under_way.slots(length);
            if within < all {
                self.set(self.under_way.time_of(within));
                return;
            }
            let Some(next) = self.coming.pop() else {
                // The last rate holds.
                self.set(length.as_secs_f64() + (within - all) / self.under_way.rates().1);
                return;
            };
            self.before += all;
            self.began = self.began + length;
            self.under_way = next;
        }
    }

    fn set(&mut self, seconds: f64) {
        let due = self.began + Nanos((seconds * 1e9).round() as u64);
        // Never before the one before it, whatever the rounding.
        self.due = self.due.max(due);
    }
}

impl Steps {
    fn draw(&mut self) -> f64 {
        match self {
            Self::Even(step) => *step,
            Self::Exponential { mean, random } => {
                // 53 random bits in (0, 1], so that the logarithm is finite.
                let uniform = ((random.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64;
                -uniform.ln() * *mean
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: Timestamp = Timestamp(1_000_000_000_000);

    fn segment(seconds: u64, from: u64, to: u64) -> Segment {
        let rate = |per_second: u64| Rate::from_milli(per_second * 1_000);
        Segment { length: Nanos::from_secs(seconds), from: rate(from), to: rate(to) }
    }

    fn due_times(mut schedule: Varying, until: Timestamp) -> Vec<Timestamp> {
        let mut times = Vec::new();
        while schedule.due() < until {
            times.push(schedule.due());
            schedule.advance();
        }
        times
    }

    #[test]
    fn ramps_steps_and_spikes_have_as_many_slots_as_their_areas() {
        // 2 s at 100, a ramp of 4 s to 500, a spike of 1 s at 1,000, then 500.
        let segments = [
            segment(2, 100, 100),
            segment(4, 100, 500),
            segment(1, 1_000, 1_000),
            segment(1, 500, 500),
        ];
        let all = Varying::new(Arrivals::Constant, &segments, Share::WHOLE, START, 0);
        let all = all.expect("there are segments");
        let times = due_times(all, START + Nanos::from_secs(10));
        let count = |from: u64, to: u64| {
            let window = START + Nanos::from_secs(from)..START + Nanos::from_secs(to);
            times.iter().filter(|time| window.contains(time)).count() as i64
        };
        for (from, to, slots) in
            [(0, 2, 200), (2, 4, 400), (4, 6, 800), (6, 7, 1_000), (7, 10, 1_500)]
        {
            assert!((count(from, to) - slots).abs() <= 1, "{from}..{to}: {}", count(from, to));
            let mean = mean_rate(&segments, Nanos::from_secs(from), Nanos::from_secs(to));
            assert!((mean - slots as f64 / (to - from) as f64).abs() < 1e-6);
        }
        assert_eq!(times[0], START);
        assert!(times.is_sorted());
    }

    #[test]
    fn steps_and_rests_are_due_to_the_nanosecond() {
        let part = |millis, rate| Segment::even(Nanos::from_millis(millis), Rate::per_second(rate));
        let due = |segments: &[Segment], share| {
            let schedule = Varying::new(Arrivals::Constant, segments, share, START, 1);
            let times = due_times(schedule.expect("there are segments"), START + Nanos::SECOND);
            times.iter().map(|time| time.since(START).0).collect::<Vec<_>>()
        };
        let millis = |times: &[u64]| times.iter().map(|time| time * 1_000_000).collect::<Vec<_>>();
        let segments = [part(3, 1_000), part(6, 500), part(10, 0), part(1, 1_000)];
        assert_eq!(due(&segments, Share::WHOLE)[..9], millis(&[0, 1, 2, 3, 5, 7, 19, 20, 21]));
        assert_eq!(due(&[part(5, 0), part(1, 1_000)], Share::WHOLE)[..2], millis(&[5, 6]));
        let mut merged: Vec<_> =
            (0..2).flat_map(|index| due(&segments, Share { index, count: 2 })).collect();
        merged.sort_unstable();
        assert_eq!(merged, due(&segments, Share::WHOLE), "workers change together");
        let means =
            [(0, 3, 1_000.0), (3, 9, 500.0), (9, 19, 0.0), (4, 14, 250.0), (19, 40, 1_000.0)];
        for (from, to, rate) in means {
            let mean = mean_rate(&segments, Nanos::from_millis(from), Nanos::from_millis(to));
            assert!((mean - rate).abs() < 1e-6, "{from}..{to}: {mean}");
        }
    }

    #[test]
    fn random_arrivals_follow_the_rate() {
        let segments = [segment(100, 10, 1_000)];
        let mut times: Vec<_> = (0..4)
            .flat_map(|index| {
                let share = Share { index, count: 4 };
                let schedule = Varying::new(Arrivals::Poisson, &segments, share, START, 5);
                let schedule = schedule.expect("there are segments");
                due_times(schedule, START + Nanos::from_secs(100))
            })
            .collect();
        times.sort_unstable();
        for (from, to) in [(0, 25), (25, 50), (50, 75), (75, 100)] {
            let window = START + Nanos::from_secs(from)..START + Nanos::from_secs(to);
            let count = times.iter().filter(|time| window.contains(time)).count() as f64;
            let mean = mean_rate(&segments, Nanos::from_secs(from), Nanos::from_secs(to)) * 25.0;
            // Five standard deviations of a Poisson count.
            assert!((count - mean).abs() < 5.0 * mean.sqrt(), "{from}..{to}: {count} of {mean}");
        }
    }

    proptest! {
        #[test]
        fn workers_interleave_to_the_whole_schedule(
            parts in prop::collection::vec((1u64..5, 1u64..300, 1u64..300), 1..5),
            count in 1u32..=8,
        ) {
            let segments: Vec<_> =
                parts.iter().map(|&(length, from, to)| segment(length, from, to)).collect();
            let end = START + Nanos::from_secs(parts.iter().map(|part| part.0).sum::<u64>() + 2);
            let of = |share| due_times(
                Varying::new(Arrivals::Constant, &segments, share, START, 0)
                    .expect("there are segments"),
                end,
            );
            let mut parts: Vec<_> =
                (0..count).flat_map(|index| of(Share { index, count })).collect();
            parts.sort_unstable();
            let whole = of(Share::WHOLE);
            prop_assert_eq!(parts.len(), whole.len());
            for (part, whole) in parts.iter().zip(&whole) {
                prop_assert!(part.0.abs_diff(whole.0) <= 1);
            }
        }
    }
}
