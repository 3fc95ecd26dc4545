//! How often the kernel may refuse to enter a ring before the driver gives up.

use uringbench_core::time::Nanos;
use uringbench_ring::Failure;

/// Refusals in a row, each shortly after the last: a tenth of a second without any progress.
const IN_A_ROW_MAX: u32 = 100;
/// From the second one on, the kernel gets time to find memory, or room in its queue.
const PAUSE: Nanos = Nanos::MILLISECOND;

/// Refusals since the last successful call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusals {
    in_a_row: u32,
    latest: Option<Failure>,
}

impl Refusals {
    /// A call succeeded.
    #[inline]
    pub(crate) const fn end(&mut self) {
        self.in_a_row = 0;
    }

    /// A call was refused. Returns how long to wait before the next.
    pub(crate) fn note(&mut self, failure: Failure) -> Nanos {
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.latest = Some(failure);
        if self.in_a_row > 1 { PAUSE } else { Nanos::ZERO }
    }

    /// The latest refusal, after too many.
    #[inline]
    pub(crate) fn verdict(&self) -> Result<(), Failure> {
        if self.in_a_row < IN_A_ROW_MAX {
            return Ok(());
        }
        self.latest.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn many_in_a_row_are_a_failure_and_one_success_forgets_them() {
        let mut refusals = Refusals::default();
        assert_eq!(refusals.note(Failure(Errno::AGAIN)), Nanos::ZERO, "one may pass at once");
        for _ in 2..IN_A_ROW_MAX {
            assert_eq!(refusals.note(Failure(Errno::AGAIN)), PAUSE);
            assert_eq!(refusals.verdict(), Ok(()));
        }
        refusals.end();
        for _ in 1..IN_A_ROW_MAX {
            refusals.note(Failure(Errno::AGAIN));
        }
        assert_eq!(refusals.verdict(), Ok(()), "they were counted from the success on");
        refusals.note(Failure(Errno::NOMEM));
        assert_eq!(refusals.verdict(), Err(Failure(Errno::NOMEM)), "the latest is named");
    }
}
