//! The pacer: which slot is released now, and which are in the measured window.
//!
//! A pure function of time and of the slots released so far; it never sleeps. Due slots without a
//! free connection keep their due time until they are taken or given up: the backlog is a position
//! in the schedule and needs no memory.

use std::sync::Arc;

use crate::plan::{Load, Plan};
use crate::rate_profile::Varying;
use crate::schedule::{Schedule, Share};
use crate::time::{Nanos, Timestamp};

/// A planned start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// When it is to be sent.
    pub due: Timestamp,
    /// Whether it is in the measured window.
    pub measured: bool,
}

/// The pacer's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// This many slots with this due time are released now, at least one.
    Release(Slot, u16),
    /// Nothing is due before this time.
    WaitUntil(Timestamp),
    /// There are no more slots.
    Done,
}

/// Slots of one worker, in order.
#[derive(Clone, Debug)]
pub struct Pacer {
    source: Source,
    measure_from: Timestamp,
    /// No slot due at or after this is released.
    end: Timestamp,
    /// Measured slots left, if the run is limited by requests.
    measured_left: Option<u64>,
}

#[derive(Clone, Debug)]
enum Source {
    /// A slot is due at any time from the start on.
    Closed {
        start: Timestamp,
    },
    Open(Schedule),
}

impl Pacer {
    /// The slots of worker `share` in a run that starts at `start` with the warm-up.
    pub fn new(plan: &Plan, share: Share, start: Timestamp) -> Self {
        let source = match &plan.load {
            Load::Closed => Source::Closed { start },
            Load::Replay => {
                let replay = plan.workload.script().and_then(|script| script.replay());
                let times = replay.map_or_else(|| [].into(), |replay| Arc::clone(&replay.times));
                Source::Open(Schedule::replay(times, share, start))
            }
            Load::Open { rate, arrivals, .. } => {
                let segments = plan.load.segments();
                let varying = Varying::new(*arrivals, segments, share, start, plan.seed);
                Source::Open(varying.map_or_else(
                    || Schedule::new(*arrivals, *rate, share, start, plan.seed),
                    |varying| Schedule::Varying(Box::new(varying)),
                ))
            }
        };
        let measure_from = start + plan.limits.warmup;
        let end =
            plan.limits.window.duration().map_or(Timestamp::NEVER, |span| measure_from + span);
        Self {
            source,
            measure_from,
            end,
            measured_left: plan.limits.window.requests().map(|total| share.of(total)),
        }
    }

    /// Release the next slot if it is due; in a closed loop, where all are equal, up to `at_most`
    /// (at least 1) at once.
    #[inline]
    pub fn poll(&mut self, now: Timestamp, at_most: u16) -> Pace {
        let due = match &self.source {
            Source::Closed { start } => now.max(*start),
            Source::Open(schedule) => schedule.due(),
        };
        let measured = due >= self.measure_from;
        if due >= self.end || measured && self.measured_left == Some(0) {
            return Pace::Done;
        }
        if due > now {
            return Pace::WaitUntil(due);
        }
        let mut count = at_most;
        if let Source::Open(schedule) = &mut self.source {
            schedule.advance();
            count = 1;
        }
        if measured && let Some(left) = &mut self.measured_left {
            count = u64::from(count).min(*left) as u16;
            *left -= u64::from(count);
        }
        Pace::Release(Slot { due, measured }, count)
    }

    /// The next slot's index in the times of a replay; otherwise `None`.
    #[inline]
    pub const fn number(&self) -> Option<usize> {
        match &self.source {
            Source::Closed { .. } => None,
            Source::Open(schedule) => schedule.number(),
        }
    }

    /// Release the next slot if it has been due for longer than `patience`: it is given up. Never
    /// in a closed loop.
    #[inline]
    pub fn give_up(&mut self, now: Timestamp, patience: Nanos) -> Option<Slot> {
        let Source::Open(schedule) = &self.source else { return None };
        if schedule.due() + patience >= now {
            return None;
        }
        match self.poll(now, 1) {
            Pace::Release(slot, _) => Some(slot),
            Pace::WaitUntil(_) | Pace::Done => None,
        }
    }

    /// Whether no slots are left, at any time.
    #[inline]
    pub fn is_done(&self, now: Timestamp) -> bool {
        let due = match &self.source {
            Source::Closed { start } => now.max(*start),
            Source::Open(schedule) => schedule.due(),
        };
        due >= self.end || self.is_exhausted() && due >= self.measure_from
    }

    /// Whether every possible measured slot has been released.
    pub fn is_exhausted(&self) -> bool {
        self.measured_left == Some(0)
    }

    /// Release no slot that is due later than `now`: the run ends early.
    pub fn finish(&mut self, now: Timestamp) {
        self.end = self.end.min(now + Nanos(1));
        if matches!(self.source, Source::Closed { .. }) {
            self.end = Timestamp::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::request::{RequestParts, RequestTemplate};
    use crate::plan::{Arrivals, Limit};
    use crate::rate::Rate;

    const START: Timestamp = Timestamp(1_000);

    fn plan(load: Load, limit: Limit, warmup: Nanos) -> Plan {
        let parts = RequestParts::new("GET", "test", "/");
        let request = RequestTemplate::build(parts).expect("a plain request");
        let plan = Plan::plain(([127, 0, 0, 1], 80).into(), request).with(|plan| {
            plan.load = load;
            plan.limits.window = limit;
            plan.limits.warmup = warmup;
        });
        plan.expect("a plan")
    }

    fn open(per_second: u64) -> Load {
        let rate = Rate::per_second(per_second).expect("a valid rate");
        Load::open(rate, Arrivals::Constant)
    }

    /// Everything released when polled every `step` until `until`.
    fn released(pacer: &mut Pacer, step: u64, until: u64) -> Vec<Slot> {
        let mut slots = Vec::new();
        let mut now = START;
        while now.0 <= until {
            while let Pace::Release(slot, count) = pacer.poll(now, 1) {
                assert_eq!(count, 1);
                slots.push(slot);
            }
            now = now + Nanos(step);
        }
        slots
    }

    #[test]
    fn a_timed_open_loop_releases_rate_times_duration_however_often_it_is_asked() {
        for step in [10_000, 7_000_000, 3_000_000_000] {
            let plan = plan(open(1_000), Limit::Duration(Nanos::SECOND), Nanos::from_millis(500));
            let mut pacer = Pacer::new(&plan, Share::WHOLE, START);
            let slots = released(&mut pacer, step, 4_000_000_000);
            assert_eq!(slots.iter().filter(|slot| !slot.measured).count(), 500);
            assert_eq!(slots.iter().filter(|slot| slot.measured).count(), 1_000);
            assert_eq!(pacer.poll(Timestamp(5_000_000_000), 1), Pace::Done);
        }
    }

    #[test]
    fn a_counted_run_releases_exactly_that_many_measured_slots() {
        for load in [Load::Closed, open(1_000)] {
            let plan = plan(load, Limit::Requests(37), Nanos::from_millis(2));
            let mut pacer = Pacer::new(&plan, Share { index: 1, count: 2 }, START);
            let mut measured = 0;
            for now in (1_000..1_000_000_000).step_by(500_000) {
                if let Pace::Release(slot, count) = pacer.poll(Timestamp(now), 4) {
                    measured += u16::from(slot.measured) * count;
                }
            }
            assert_eq!(measured, 18);
        }
    }

    #[test]
    fn waiting_names_the_next_due_time() {
        let plan = plan(open(1_000), Limit::Duration(Nanos::SECOND), Nanos::ZERO);
        let mut pacer = Pacer::new(&plan, Share::WHOLE, START);
        let first = Slot { due: START, measured: true };
        assert_eq!(pacer.poll(START, 9), Pace::Release(first, 1));
        assert_eq!(pacer.poll(START, 9), Pace::WaitUntil(START + Nanos::MILLISECOND));
    }

    #[test]
    fn only_slots_older_than_the_patience_are_given_up() {
        let plan = plan(open(1_000), Limit::Duration(Nanos::SECOND), Nanos::ZERO);
        let mut pacer = Pacer::new(&plan, Share::WHOLE, START);
        let now = START + Nanos::from_millis(10);
        let patience = Nanos::from_millis(8);
        let given_up: Vec<_> =
            std::iter::from_fn(|| pacer.give_up(now, patience)).map(|slot| slot.due).collect();
        assert_eq!(given_up, [START, START + Nanos::MILLISECOND]);
    }

    #[test]
    fn finishing_early_keeps_what_was_due_and_drops_what_was_not() {
        let plan = plan(open(1_000), Limit::Duration(Nanos::SECOND), Nanos::ZERO);
        let mut pacer = Pacer::new(&plan, Share::WHOLE, START);
        pacer.finish(START + Nanos::from_millis(3));
        assert_eq!(released(&mut pacer, 1_000_000, 2_000_000_000).len(), 4);
        let closed = self::plan(Load::Closed, Limit::Requests(10), Nanos::ZERO);
        let mut pacer = Pacer::new(&closed, Share::WHOLE, START);
        pacer.finish(START);
        assert_eq!(pacer.poll(START, 1), Pace::Done);
    }
}
