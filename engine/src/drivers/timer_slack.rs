//! How long before a due time a hybrid wait must wake up, learned from past delays.

use uringbench_core::time::Nanos;

/// A decaying maximum of observed wake-up delays, plus a margin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimerSlack {
    delay_max: Nanos,
}

impl Default for TimerSlack {
    /// 60 µs: p99 of a timed `io_uring_enter` was measured at 41 µs on a virtual machine.
    fn default() -> Self {
        Self { delay_max: Nanos(48_000) }
    }
}

impl TimerSlack {
    /// The slack is never less than the first, nor more than the second.
    const RANGE: (u64, u64) = (20_000, 500_000);

    /// Wake this long before the due time.
    #[inline]
    pub(crate) fn span(self) -> Nanos {
        Nanos((self.delay_max.0 + self.delay_max.0 / 4).clamp(Self::RANGE.0, Self::RANGE.1))
    }

    /// A wake-up came this late.
    pub(crate) fn observe(&mut self, delay: Nanos) {
        // 1/64 less per wake-up: a rare long delay is forgotten after some hundred short ones.
        let decayed = self.delay_max.0 - self.delay_max.0 / 64;
        self.delay_max = Nanos(decayed.max(delay.0.min(Self::RANGE.1)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_covers_the_worst_seen_and_forgets_it_in_time() {
        let mut margin = TimerSlack::default();
        assert_eq!(margin.span(), Nanos(60_000));
        margin.observe(Nanos(100_000));
        assert_eq!(margin.span(), Nanos(125_000));
        for _ in 0..1_000 {
            margin.observe(Nanos(5_000));
        }
        assert_eq!(margin.span(), Nanos(20_000));
        margin.observe(Nanos(u64::MAX));
        assert_eq!(margin.span(), Nanos(500_000));
    }
}
