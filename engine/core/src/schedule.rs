//! The due times of slots: integer nanoseconds, no drift, a share for every worker.
//!
//! A schedule is an endless series of due times; the pacer decides when to stop. Only a replay has
//! a last one.

use std::sync::Arc;

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::plan::Arrivals;
use crate::rate::Rate;
use crate::rate_profile::Varying;
use crate::time::{Nanos, Timestamp};

/// A share of the whole schedule: worker `index` of `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// 0..count.
    pub index: u32,
    /// At least 1.
    pub count: u32,
}

impl Share {
    /// The whole schedule.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// This share of `total` items; the first workers take the remainder.
    pub fn of(self, total: u64) -> u64 {
        let (each, rest) = (total / u64::from(self.count), total % u64::from(self.count));
        each + u64::from(u64::from(self.index) < rest)
    }
}

/// The due times of one worker, from one start on.
#[derive(Clone, Debug)]
pub enum Schedule {
    /// Equal gaps: the worker takes every `count`-th tick of the whole.
    Constant(Ticks),
    /// Exponential gaps. The sum of independent Poisson streams is one of the summed rate, so each
    /// worker draws its own at its share of the rate.
    Poisson(Gaps),
    /// At given times.
    Replay(Replay),
    /// At a changing rate.
    Varying(Box<Varying>),
}

/// Ticks `start + ⌊(index + k·count) · 10¹² / milli⌋` for k = 0, 1, …, kept as quotient and
/// remainder so that stepping is exact and needs no division.
#[derive(Clone, Debug)]
pub struct Ticks {
    due: Timestamp,
    remainder: u64,
    step: u64,
    step_remainder: u64,
    milli: u64,
}

/// Exponential gaps with a fixed mean, from a seeded generator.
#[derive(Clone, Debug)]
pub struct Gaps {
    due: Timestamp,
    fraction: f64,
    mean: f64,
    random: Box<Xoshiro256PlusPlus>,
}

/// Every `count`-th of the given times, from the worker's index on.
#[derive(Clone, Debug)]
pub struct Replay {
    due: Timestamp,
    /// Shared by all workers.
    times: Arc<[Nanos]>,
    at: usize,
    step: usize,
    start: Timestamp,
}

impl Schedule {
    /// The share of one worker in a schedule with these times after `start`, in ascending order.
    /// After the last one, the next is due [`Timestamp::NEVER`].
    pub fn replay(times: Arc<[Nanos]>, share: Share, start: Timestamp) -> Self {
        Self::Replay(Replay::new(times, share, start))
    }

    /// The share of one worker in a schedule that starts at `start`.
    pub fn new(arrivals: Arrivals, rate: Rate, share: Share, start: Timestamp, seed: u64) -> Self {
        match arrivals {
            Arrivals::Constant => Self::Constant(Ticks::new(rate, share, start)),
            Arrivals::Poisson => Self::Poisson(Gaps::new(rate, share, start, seed)),
        }
    }

    /// When the next slot is due.
    #[inline]
    pub const fn due(&self) -> Timestamp {
        match self {
            Self::Constant(ticks) => ticks.due,
            Self::Poisson(gaps) => gaps.due,
            Self::Replay(replay) => replay.due,
            Self::Varying(varying) => varying.due(),
        }
    }

    /// The next slot's index in the times of a replay, over all workers; `None` for other
    /// schedules.
    pub const fn number(&self) -> Option<usize> {
        match self {
            Self::Constant(_) | Self::Poisson(_) | Self::Varying(_) => None,
            Self::Replay(replay) => Some(replay.at),
        }
    }

    /// Advance to the next slot.
    #[inline]
    pub fn advance(&mut self) {
        match self {
            Self::Constant(ticks) => ticks.advance(),
            Self::Poisson(gaps) => gaps.advance(),
            Self::Replay(replay) => replay.advance(),
            Self::Varying(varying) => varying.advance(),
        }
    }
}

impl Replay {
    fn new(times: Arc<[Nanos]>, share: Share, start: Timestamp) -> Self {
        let at = share.index as usize;
        let mut replay =
            Self { due: Timestamp::NEVER, times, at, step: share.count as usize, start };
        replay.due = replay.time();
        replay
    }

    #[inline]
    fn advance(&mut self) {
        self.at = self.at.saturating_add(self.step);
        self.due = self.time();
    }

    fn time(&self) -> Timestamp {
        self.times.get(self.at).map_or(Timestamp::NEVER, |span| self.start + *span)
    }
}

impl Ticks {
    fn new(rate: Rate, share: Share, start: Timestamp) -> Self {
        let milli = rate.milli();
        let split = |ticks: u32| {
            let scaled = u128::from(ticks) * 1_000_000_000_000;
            // At most 2^32 ticks of 10^12 ns each over at least 1: below 2^73, so the quotient
            // is bounded by a start that is never reached rather than by a panic.
            let quotient = u64::try_from(scaled / u128::from(milli)).unwrap_or(u64::MAX);
            (quotient, (scaled % u128::from(milli)) as u64)
        };
        let (offset, remainder) = split(share.index);
        let (step, step_remainder) = split(share.count);
        Self { due: start + Nanos(offset), remainder, step, step_remainder, milli }
    }

    #[inline]
    fn advance(&mut self) {
        self.remainder += self.step_remainder;
        let carry = self.remainder >= self.milli;
        self.remainder -= if carry { self.milli } else { 0 };
        self.due = self.due + Nanos(self.step + u64::from(carry));
    }
}

impl Gaps {
    fn new(rate: Rate, share: Share, start: Timestamp, seed: u64) -> Self {
        // Distinct streams for distinct workers: the generator mixes its seed.
        let seed = seed.wrapping_add(u64::from(share.index).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut gaps = Self {
            due: start,
            fraction: 0.0,
            mean: 1e12 * f64::from(share.count) / rate.milli() as f64,
            random: Box::new(Xoshiro256PlusPlus::seed_from_u64(seed)),
        };
        gaps.advance();
        gaps
    }

    fn advance(&mut self) {
        // 53 random bits in (0, 1], so that the logarithm is finite.
        let uniform = ((self.random.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64;
        let gap = -uniform.ln() * self.mean + self.fraction;
        self.fraction = gap.fract();
        self.due = self.due + Nanos(gap as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: Timestamp = Timestamp(1_000_000_000_000);

    fn rate(milli: u64) -> Rate {
        Rate::from_milli(milli).expect("a rate within its range")
    }

    proptest! {
        #[test]
        fn ticks_are_the_closed_form_without_drift(
            milli in 1u64..=1_000_000_000_000,
            count in 1u32..=64,
            index_of in 0u32..64,
            slots in 1u64..2_000,
        ) {
            let share = Share { index: index_of % count, count };
            let mut schedule =
                Schedule::new(Arrivals::Constant, rate(milli), share, START, 0);
            for _ in 0..slots {
                schedule.advance();
            }
            let tick = u128::from(share.index) + u128::from(slots) * u128::from(count);
            let offset = tick * 1_000_000_000_000 / u128::from(milli);
            let exact = u128::from(START.0) + offset;
            prop_assert_eq!(u128::from(schedule.due().0), exact.min(u128::from(u64::MAX)));
        }

        #[test]
        fn workers_replay_every_time_once(
            mut times in proptest::collection::vec(0..1_000_000_u64, 0..200),
            count in 1u32..=9,
        ) {
            times.sort_unstable();
            let all: Arc<[Nanos]> = times.iter().copied().map(Nanos).collect();
            let mut seen = vec![None; times.len()];
            for index in 0..count {
                let share = Share { index, count };
                let mut schedule = Schedule::replay(Arc::clone(&all), share, START);
                let mut before = START;
                let mut taken = 0;
                while schedule.due() != Timestamp::NEVER {
                    prop_assert!(schedule.due() >= before);
                    before = schedule.due();
                    let number = schedule.number().expect("a replay has numbers");
                    prop_assert_eq!(number % count as usize, index as usize);
                    prop_assert_eq!(seen[number].replace(schedule.due().since(START)), None);
                    schedule.advance();
                    taken += 1;
                }
                prop_assert_eq!(taken, share.of(times.len() as u64));
                schedule.advance();
                prop_assert_eq!(schedule.due(), Timestamp::NEVER, "it stays so");
            }
            let expected: Vec<_> = all.iter().copied().map(Some).collect();
            prop_assert_eq!(seen, expected);
        }

        #[test]
        fn shares_add_up_to_the_whole(total in 0u64..1_000_000, count in 1u32..=64) {
            let sum: u64 = (0..count).map(|index| Share { index, count }.of(total)).sum();
            prop_assert_eq!(sum, total);
        }
    }

    #[test]
    fn the_workers_ticks_interleave_to_the_whole_schedule() {
        let whole = due_times(
            Schedule::new(Arrivals::Constant, rate(3_000_000), Share::WHOLE, START, 0),
            300,
        );
        let mut parts: Vec<_> = (0..3)
            .flat_map(|index| {
                let share = Share { index, count: 3 };
                due_times(Schedule::new(Arrivals::Constant, rate(3_000_000), share, START, 0), 100)
            })
            .collect();
        parts.sort_unstable();
        assert_eq!(parts, whole);
    }

    #[test]
    fn poisson_gaps_have_the_mean_and_spread_of_their_law() {
        let schedule = Schedule::new(Arrivals::Poisson, rate(10_000_000), Share::WHOLE, START, 7);
        let times = due_times(schedule, 200_001);
        let gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1].0 - pair[0].0) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // Mean 100 µs with standard error 100/√200,000 = 0.22 µs; an exponential's deviation
        // equals its mean. Five standard errors either way.
        assert!((mean - 100_000.0).abs() < 1_120.0, "{mean}");
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.02, "{}", variance.sqrt() / mean);
    }

    #[test]
    fn only_a_replay_numbers_its_slots() {
        let times: Arc<[Nanos]> = [Nanos(5), Nanos(7)].into();
        let mut replay = Schedule::replay(times, Share::WHOLE, START);
        assert_eq!((replay.number(), replay.due()), (Some(0), START + Nanos(5)));
        replay.advance();
        assert_eq!((replay.number(), replay.due()), (Some(1), START + Nanos(7)));
        let constant = Schedule::new(Arrivals::Constant, rate(1), Share::WHOLE, START, 0);
        assert_eq!(constant.number(), None);
    }

    #[test]
    fn the_same_seed_gives_the_same_times_and_another_others() {
        let times = |seed, index| {
            let share = Share { index, count: 2 };
            due_times(Schedule::new(Arrivals::Poisson, rate(1_000_000), share, START, seed), 50)
        };
        assert_eq!(times(1, 0), times(1, 0));
        assert_ne!(times(1, 0), times(2, 0));
        assert_ne!(times(1, 0), times(1, 1));
    }

    fn due_times(mut schedule: Schedule, count: usize) -> Vec<Timestamp> {
        std::iter::repeat_with(|| {
            let due = schedule.due();
            schedule.advance();
            due
        })
        .take(count)
        .collect()
    }
}
