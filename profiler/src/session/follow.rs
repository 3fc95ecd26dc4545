//! The thread that reads the rings while the target runs: it wakes when there is something to
//! read, and otherwise does nothing.

use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_perf::Session;

use super::gather::{Gatherer, Toggled};
use crate::record::{Order, peek_time};
use crate::selector;

/// The longest sleep: an order waits no longer than this to be heard.
const SLEEP_MAX: Nanos = Nanos::from_millis(100);
/// Waits are timed by two records for every switch between threads; past this many in a second
/// they would cost the target over 1 % of a CPU, and are switched off.
pub(super) const SWITCHES_MAX: u64 = 8_000;
/// Stacks of waits taken per second at most; past it one of more switches is taken.
const WAIT_STACKS_MAX: u64 = 500;

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Told {
    /// Switch sampling on and off at these moments.
    Toggle(Vec<Switch>),
    /// End.
    Stop,
}

/// A change to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch {
    /// When.
    pub at: Timestamp,
    /// What holds from then on.
    pub on: bool,
}

/// What the thread hands over when it ends.
pub(super) struct Followed {
    pub(super) gatherer: Gatherer,
    pub(super) toggled: Vec<Toggled>,
    /// When waits were no longer timed, because there were too many.
    pub(super) waits_end: Option<Timestamp>,
    /// Samples and records the kernel counted as lost, where the rings could not say so.
    pub(super) lost: u64,
    /// What went wrong meanwhile.
    pub(super) failures: Vec<String>,
}

/// Reads rings until it is told to stop.
pub(super) struct Follower {
    pub(super) session: Session,
    pub(super) gatherer: Gatherer,
    pub(super) order: Order,
    pub(super) roots: Vec<u32>,
    pub(super) switches: Vec<Switch>,
    pub(super) pace: SwitchPace,
}

impl Follower {
    pub(super) fn run(mut self, told: &Receiver<Told>) -> Followed {
        let mut toggled = Vec::new();
        let mut waits_end = None;
        let mut failures = Vec::new();
        loop {
            match told.try_recv() {
                Ok(Told::Toggle(switches)) => {
                    self.switches = switches;
                    self.switches.reverse();
                }
                Ok(Told::Stop) | Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {}
            }
            let now = now();
            if let Some(switch) = self.switches.pop_if(|switch| switch.at <= now) {
                if let Err(why) = self.session.set_sampling(switch.on) {
                    failures.push(format!("sampling could not be switched: {why}"));
                }
                if !switch.on {
                    self.interrupt_waits(now);
                }
                let target_cpu_ns = cpu_used(&self.roots);
                toggled.push(Toggled { time: now, on: switch.on, target_cpu_ns });
            }
            let next = self.switches.last().map_or(SLEEP_MAX, |switch| switch.at.since(now));
            if let Err(why) = self.session.wait(Duration::from_nanos(next.min(SLEEP_MAX).0)) {
                failures.push(format!("the rings can no longer be waited for: {why}"));
                break;
            }
            self.round();
            let seen = self.gatherer.tally.switches;
            let changed = match self.pace.advise(now, seen, self.gatherer.tally.wait_stacks) {
                Advice::GoOn => Ok(()),
                Advice::TakeOneOf(period) => self.session.set_off_cpu_period(period),
                Advice::Stop => {
                    waits_end = Some(now);
                    self.interrupt_waits(now);
                    // Stacks of waits whose length is unknown are worth nothing: as rare as can be.
                    let period = self.session.set_off_cpu_period(i64::MAX as u64);
                    period.and_then(|()| self.session.set_switches(false))
                }
            };
            if let Err(why) = changed {
                failures.push(format!("the timing of waits could not be changed: {why}"));
            }
        }
        // Fails only for events that are gone, which record nothing either.
        let _gone = self.session.disable();
        self.round();
        let Self { session, order, gatherer, .. } = &mut self;
        order.finish(|bytes| gatherer.take(bytes, |event| session.kind_of(event)));
        let lost = self.session.lost();
        Followed { gatherer: self.gatherer, toggled, waits_end, lost, failures }
    }

    /// Switches are not recorded from here on: what was, is taken in before waits are dropped.
    fn interrupt_waits(&mut self, time: Timestamp) {
        self.round();
        let Self { session, order, gatherer, .. } = self;
        order.finish(|bytes| gatherer.take(bytes, |event| session.kind_of(event)));
        gatherer.interrupt_waits(time);
    }

    /// Read what the rings hold, and take in what is older than all that can still come.
    fn round(&mut self) {
        let order = &mut self.order;
        let malformed = &mut self.gatherer.tally.malformed;
        self.session.drain(&mut |cpu, bytes| match peek_time(bytes) {
            Some(time) => order.push(cpu, time, bytes),
            None => *malformed += 1,
        });
        self.order.end_round();
        let Self { session, order, gatherer, .. } = self;
        order.for_each_ready(|bytes| gatherer.take(bytes, |event| session.kind_of(event)));
    }
}

/// Keeps what the timing of waits costs within bounds, once a second. Pure.
#[derive(Clone, Copy, Debug)]
pub(super) struct SwitchPace {
    checked: Timestamp,
    switches: u64,
    stacks: u64,
    period: u64,
    is_stopped: bool,
}

/// What is to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    GoOn,
    /// Take the stack of one of so many switches.
    TakeOneOf(u64),
    /// Time no more waits.
    Stop,
}

impl SwitchPace {
    pub(super) const fn new(start: Timestamp) -> Self {
        Self { checked: start, switches: 0, stacks: 0, period: 1, is_stopped: false }
    }

    /// So many switches and so many stacks of them have been seen by `now`.
    pub(super) fn advise(&mut self, now: Timestamp, switches: u64, stacks: u64) -> Advice {
        let passed = now.since(self.checked);
        if passed < Nanos::SECOND || self.is_stopped {
            return Advice::GoOn;
        }
        let per_second = |count: u64| (count as f64 / passed.as_secs_f64()) as u64;
        let switches_rate = per_second(switches - self.switches);
        let stacks_rate = per_second(stacks - self.stacks);
        (self.checked, self.switches, self.stacks) = (now, switches, stacks);
        if switches_rate > SWITCHES_MAX {
            self.is_stopped = true;
            return Advice::Stop;
        }
        if stacks_rate > WAIT_STACKS_MAX {
            self.period *= stacks_rate.div_ceil(WAIT_STACKS_MAX).next_power_of_two();
            return Advice::TakeOneOf(self.period);
        }
        Advice::GoOn
    }
}

/// CPU time that the living threads of these processes and their descendants have used, in
/// nanoseconds.
fn cpu_used(roots: &[u32]) -> u64 {
    let members = selector::descendants(roots);
    let threads = members.iter().flat_map(|&pid| {
        selector::threads(pid)
            .into_iter()
            .map(move |tid| format!("/proc/{pid}/task/{tid}/schedstat"))
    });
    let used = threads.filter_map(|path| {
        let text = std::fs::read_to_string(path).ok()?;
        text.split_ascii_whitespace().next()?.parse::<u64>().ok()
    });
    used.sum()
}

/// Now, on the clock of all records.
pub fn now() -> Timestamp {
    let time = clock_gettime(ClockId::Monotonic);
    // Monotonic time is never negative and 64 bits of nanoseconds last 584 years.
    Timestamp(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_switches_are_thinned_and_too_many_are_left_alone() {
        let second = |n: u64| Timestamp(n * 1_000_000_000);
        let mut pace = SwitchPace::new(second(0));
        assert_eq!(pace.advise(second(1), 400, 400), Advice::GoOn);
        // Within the same second nothing is judged, however much there is.
        assert_eq!(pace.advise(Timestamp(1_500_000_000), 90_000, 9_000), Advice::GoOn);
        assert_eq!(pace.advise(second(2), 2_400, 1_900), Advice::TakeOneOf(4));
        assert_eq!(pace.advise(second(3), 4_400, 2_400), Advice::GoOn);
        assert_eq!(pace.advise(second(4), 7_400, 3_400), Advice::TakeOneOf(8));
        assert_eq!(pace.advise(second(5), 7_400 + SWITCHES_MAX + 1, 3_500), Advice::Stop);
        assert_eq!(pace.advise(second(6), 900_000, 3_500), Advice::GoOn);
    }
}
