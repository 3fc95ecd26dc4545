//! How often the rings are read and how many switches are recorded, so that this affects neither
//! the target nor the load. Pure: times and counts are arguments.

use uringbench_core::time::{Nanos, Timestamp};

/// CPU time that a round should take, in nanoseconds: less than the time for which 64 connections
/// keep a fast server busy.
const ROUND: u64 = 100_000;
/// The pause before anything is measured.
const PAUSE_FIRST: u64 = 5_000_000;
/// The shortest pause: a wake-up costs some 10 µs, so a shorter pause alone would cost 1 % of a
/// CPU.
const PAUSE_MIN: u64 = 1_000_000;
/// The longest pause, and so the longest delay of a command.
const PAUSE_MAX: u64 = 100_000_000;
/// Waits are timed by two records for every thread switch. Above this many switches per second,
/// timing all of them would cost over 1 % of a CPU: then they are timed in intervals.
pub(super) const SWITCHES_MAX: u64 = 8_000;
/// The largest number of wait stacks per second; above it one of more switches is sampled.
const WAIT_STACKS_MAX: u64 = 500;
/// The initial number of switches per sampled stack: it bounds the stacks before the first
/// evaluation.
pub(super) const WAIT_PERIOD_FIRST: u64 = 64;
/// The time for which switches are counted before a decision.
const LOOK: Nanos = Nanos::from_millis(100);
/// The length of a rest after too many switches, as a multiple of the time for which they were
/// counted.
const REST_FACTOR: u64 = 9;

/// The pause between two readings of the rings. Pure.
///
/// If the profiler has no CPU of its own, it stops other programs on its CPU while it reads: with
/// many short rounds the load leaves no gap in which the target has nothing to do, with a few long
/// ones it does (nginx at 997 Hz next to the generator: 6 % fewer requests per second instead of
/// 3).
#[derive(Clone, Copy, Debug)]
pub(super) struct PollInterval(Nanos);

impl PollInterval {
    pub(super) const fn new() -> Self {
        Self(Nanos(PAUSE_FIRST))
    }

    pub(super) const fn pause(self) -> Nanos {
        self.0
    }

    /// The last round took this much CPU time: sets the next pause so that about as much data
    /// arrives as a round should handle.
    pub(super) fn took(&mut self, busy: Nanos) {
        let wanted = self.0.0.saturating_mul(ROUND) / busy.0.max(1);
        // Shorten at once, lengthen in steps: a single quiet round is no trend.
        self.0 = Nanos(wanted.min(self.0.0 + self.0.0 / 4).clamp(PAUSE_MIN, PAUSE_MAX));
    }
}

/// Limits the cost of timing waits. Pure.
#[derive(Clone, Copy, Debug)]
pub(super) struct SwitchSampling {
    state: SwitchState,
    /// The number of switches per sampled stack.
    period: u64,
    timed: Nanos,
}

#[derive(Clone, Copy, Debug)]
enum SwitchState {
    /// Switches are recorded, and were counted at `since`.
    Timing {
        since: Timestamp,
        switches: u64,
        stacks: u64,
    },
    Resting {
        until: Timestamp,
    },
}

/// A change to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    GoOn,
    /// Sample the stack of one of this many switches.
    TakeOneOf(u64),
    /// Stop timing waits for a while.
    Rest,
    /// Start timing them again.
    Resume,
}

impl SwitchSampling {
    pub(super) const fn new(start: Timestamp) -> Self {
        let state = SwitchState::Timing { since: start, switches: 0, stacks: 0 };
        Self { state, period: WAIT_PERIOD_FIRST, timed: Nanos::ZERO }
    }

    /// Evaluates the numbers of switches and of stacks seen by `now`.
    pub(super) fn advise(&mut self, now: Timestamp, switches: u64, stacks: u64) -> Advice {
        let begun = SwitchState::Timing { since: now, switches, stacks };
        match self.state {
            SwitchState::Resting { until } if now < until => Advice::GoOn,
            SwitchState::Resting { .. } => {
                self.state = begun;
                Advice::Resume
            }
            SwitchState::Timing { since, .. } if now.since(since) < LOOK => Advice::GoOn,
            SwitchState::Timing { since, switches: switches_then, stacks: stacks_then } => {
                let looked = now.since(since);
                self.timed += looked;
                self.state = begun;
                let per_second = |count: u64| (count as f64 / looked.as_secs_f64()) as u64;
                if per_second(switches - switches_then) > SWITCHES_MAX {
                    self.state =
                        SwitchState::Resting { until: now + Nanos(looked.0 * REST_FACTOR) };
                    return Advice::Rest;
                }
                self.steer(per_second(stacks - stacks_then))
            }
        }
    }

    /// Raises the period at once, lowers it in steps.
    fn steer(&mut self, stacks_rate: u64) -> Advice {
        let before = self.period;
        if stacks_rate > WAIT_STACKS_MAX {
            self.period *= stacks_rate.div_ceil(WAIT_STACKS_MAX).next_power_of_two();
        } else if stacks_rate * 4 < WAIT_STACKS_MAX {
            self.period = (self.period / 2).max(1);
        }
        if self.period == before { Advice::GoOn } else { Advice::TakeOneOf(self.period) }
    }

    /// The time for which waits were timed by `now`.
    pub(super) fn timed(&self, now: Timestamp) -> Nanos {
        match self.state {
            SwitchState::Timing { since, .. } => self.timed + now.since(since),
            SwitchState::Resting { .. } => self.timed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_as_long_as_they_should_be() {
        let mut rounds = PollInterval::new();
        // A millisecond brings 25 µs of work: four make a round.
        for _ in 0..40 {
            let busy = rounds.pause().0 / 40;
            rounds.took(Nanos(busy));
        }
        assert_eq!(rounds.pause(), Nanos::from_millis(4));
        rounds.took(Nanos(400_000));
        assert_eq!(rounds.pause(), Nanos::from_millis(1), "at once");
        rounds.took(Nanos::from_millis(80));
        assert_eq!(rounds.pause(), Nanos::from_millis(1), "no more often");
        rounds.took(Nanos(0));
        assert_eq!(rounds.pause(), Nanos(1_250_000), "step by step");
        for _ in 0..40 {
            rounds.took(Nanos(0));
        }
        assert_eq!(rounds.pause(), Nanos::from_millis(100), "no more seldom");
    }

    #[test]
    fn many_switches_are_thinned_and_too_many_are_timed_now_and_then() {
        let at = |millis: u64| Timestamp(millis * 1_000_000);
        let mut poll_interval = SwitchSampling::new(at(0));
        assert_eq!(poll_interval.advise(at(50), 90_000, 9_000), Advice::GoOn, "too early to tell");
        // 100 ms with 800 switches are as many as are allowed; 10 stacks are few.
        assert_eq!(
            poll_interval.advise(at(100), 800, 10),
            Advice::TakeOneOf(WAIT_PERIOD_FIRST / 2)
        );
        assert_eq!(poll_interval.advise(at(200), 1_600, 50), Advice::GoOn);
        assert_eq!(poll_interval.advise(at(300), 2_400, 50 + 151), Advice::TakeOneOf(128));
        assert_eq!(poll_interval.advise(at(400), 3_201 + 10, 220), Advice::Rest);
        assert_eq!(poll_interval.timed(at(900)), Nanos::from_millis(400));
        assert_eq!(poll_interval.advise(at(1_299), 3_211, 220), Advice::GoOn);
        assert_eq!(poll_interval.advise(at(1_300), 3_211, 220), Advice::Resume);
        assert_eq!(poll_interval.timed(at(1_350)), Nanos::from_millis(450));
        for step in 0..12 {
            let _halved = poll_interval.advise(at(1_400 + step * 100), 3_211, 220);
        }
        assert_eq!(poll_interval.period, 1, "rare waits are all taken");
    }
}
