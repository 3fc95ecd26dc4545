//! Whether to poll for an answer for a while before sleeping.
//!
//! A wake-up costs the sleeping thread, and the target on the same machine which wakes it, some µs
//! each, and delays the answer by as much. Polling is free, but only if the CPU would have been
//! idle and the answer comes soon.

use uringbench_core::time::{Nanos, Timestamp};

/// Longest poll: about the time of one exchange over loopback when neither side is awake, so that
/// both stay awake afterwards.
const SPAN: Nanos = Nanos(50_000);
/// One successful poll in so many pays for the others.
const PAYS_ONE_IN: u8 = 4;
const CREDIT_MAX: u8 = 64;
/// Without credit, one wait in so many is polled anyway.
const TRY_ONE_IN: u8 = 64;
/// How often to check whether another thread wants this CPU, which costs a system call.
const ASK_EVERY: Nanos = Nanos::from_millis(10);
/// Another thread does if this one has waited for its CPU for this part of the time since. On a CPU
/// of its own it was one in 30, on one shared with the target one in 4.
const SHARED_FROM: u64 = 8;

/// The results of past polls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpinPolicy {
    /// Unsuccessful polls until polling stops.
    credit: u8,
    /// Waits since the last poll without credit.
    waits: u8,
    ask_at: Timestamp,
    /// When it was last checked, and how long the thread had waited for its CPU by then.
    asked: (Timestamp, Nanos),
    is_shared: bool,
}

impl Default for SpinPolicy {
    fn default() -> Self {
        Self {
            credit: CREDIT_MAX,
            waits: 0,
            ask_at: Timestamp::default(),
            asked: (Timestamp::default(), Nanos::ZERO),
            is_shared: false,
        }
    }
}

impl SpinPolicy {
    /// How long to poll now; zero for not at all. `run_queue` is the total time the thread has
    /// waited for its CPU.
    #[inline]
    pub(crate) fn span(&mut self, now: Timestamp, run_queue: impl FnOnce() -> Nanos) -> Nanos {
        if now >= self.ask_at {
            self.ask(now, run_queue());
        }
        if self.is_shared {
            return Nanos::ZERO;
        }
        if self.credit == 0 {
            self.waits += 1;
            if self.waits < TRY_ONE_IN {
                return Nanos::ZERO;
            }
            self.waits = 0;
            self.credit = 1;
        }
        SPAN
    }

    /// An event arrived in time.
    #[inline]
    pub(crate) fn came(&mut self) {
        self.credit = (self.credit + PAYS_ONE_IN - 1).min(CREDIT_MAX);
    }

    /// No event arrived in time.
    pub(crate) fn was_vain(&mut self) {
        self.credit = self.credit.saturating_sub(1);
    }

    /// Leave a CPU that another thread wants as soon as there is nothing to do.
    #[cold]
    fn ask(&mut self, now: Timestamp, run_queue: Nanos) {
        let (then, before) = std::mem::replace(&mut self.asked, (now, run_queue));
        let waited = run_queue.0.saturating_sub(before.0);
        self.is_shared = waited > now.since(then).0 / SHARED_FROM;
        self.ask_at = now + ASK_EVERY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `waits` poll if one poll in `success` finds something.
    fn lookouts(success: u32, waits: u32) -> u32 {
        let (mut policy, mut made) = (SpinPolicy::default(), 0);
        for _ in 0..waits {
            if policy.span(Timestamp::default(), Nanos::default) == Nanos::ZERO {
                continue;
            }
            made += 1;
            if made % success == 0 {
                policy.came();
            } else {
                policy.was_vain();
            }
        }
        made
    }

    #[test]
    fn it_looks_out_while_that_pays() {
        assert_eq!(lookouts(1, 10_000), 10_000);
        assert_eq!(lookouts(3, 10_000), 10_000);
    }

    #[test]
    fn it_mostly_sleeps_where_answers_take_longer_and_still_tries() {
        let made = lookouts(u32::MAX, 100_000);
        assert!((1_500..1_700).contains(&made), "{made}");
    }

    #[test]
    fn it_takes_it_up_again_when_answers_come_sooner() {
        let mut policy = SpinPolicy::default();
        let now = Timestamp::default();
        for _ in 0..1_000 {
            if policy.span(now, Nanos::default) > Nanos::ZERO {
                policy.was_vain();
            }
        }
        let slept = (0..1_000).filter(|_| {
            let is_asleep = policy.span(now, Nanos::default) == Nanos::ZERO;
            if !is_asleep {
                policy.came();
            }
            is_asleep
        });
        assert!(slept.count() < usize::from(TRY_ONE_IN));
    }

    #[test]
    fn it_leaves_the_cpu_to_what_else_wants_it() {
        let mut policy = SpinPolicy::default();
        let mut at = |millis, run_queue: u64| {
            policy.span(Timestamp::default() + Nanos::from_millis(millis), || Nanos(run_queue))
        };
        assert_eq!(at(1_000, 0), SPAN);
        // An eighth of the 10 ms, and less.
        assert_eq!(at(1_010, 1_250_000), SPAN);
        assert_eq!(at(1_020, 2_500_001), Nanos::ZERO);
        // No check in between.
        assert_eq!(at(1_029, u64::MAX), Nanos::ZERO);
        assert_eq!(at(1_030, 2_500_001), SPAN);
    }
}
