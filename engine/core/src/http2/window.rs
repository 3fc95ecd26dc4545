//! Windows of flow control (RFC 9113 sections 5.2 and 6.9): what may be sent, and when received
//! bytes are given back.

/// No window is larger.
pub(super) const WINDOW_MAX: i64 = (1 << 31) - 1;

/// Bytes that may be sent. A change of SETTINGS makes it negative if more was sent than is allowed
/// since (RFC 9113 section 6.9.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SendWindow(i64);

/// The peer made it larger than is possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

impl SendWindow {
    pub(super) const fn new(bytes: u32) -> Self {
        Self(bytes as i64)
    }

    /// How many bytes may be sent now.
    pub(super) fn left(self) -> usize {
        self.0.max(0) as usize
    }

    /// So many were sent, at most [`Self::left`].
    pub(super) const fn take(&mut self, bytes: usize) {
        self.0 -= bytes as i64;
    }

    /// It changes by so many.
    pub(super) const fn change(&mut self, bytes: i64) -> Result<(), TooLarge> {
        self.0 += bytes;
        if self.0 > WINDOW_MAX { Err(TooLarge) } else { Ok(()) }
    }
}

/// Received bytes that have not been given back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ReceiveDebt(u32);

impl ReceiveDebt {
    pub(super) const NONE: Self = Self(0);

    /// So many were received, of a window of `window` bytes. From half of it on returns how many to
    /// give back.
    #[inline]
    pub(super) const fn add(&mut self, bytes: u32, window: u32) -> Option<u32> {
        self.0 = self.0.saturating_add(bytes);
        if self.0 < window.div_ceil(2) || self.0 == 0 {
            return None;
        }
        Some(std::mem::replace(&mut self.0, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_may_be_negative_but_never_too_large() {
        let mut window = SendWindow::new(100);
        window.take(100);
        assert_eq!((window.change(-40), window.left()), (Ok(()), 0));
        assert_eq!((window.change(50), window.left()), (Ok(()), 10));
        assert_eq!(window.change(WINDOW_MAX - 10), Ok(()));
        assert_eq!(window.change(1), Err(TooLarge));
    }

    #[test]
    fn debts_are_given_back_at_half() {
        for window in [1, 2, 1_000, 65_535, (1 << 30) - 1] {
            let mut debt = ReceiveDebt::NONE;
            let mut sum = 0;
            let each = window.min(16_384);
            for _ in 0..70_000 {
                assert_eq!(debt.add(0, window), None);
                if let Some(bytes) = debt.add(each, window) {
                    assert!((window / 2..=window).contains(&bytes) && bytes > 0);
                    sum += bytes;
                }
            }
            assert_eq!(sum + debt.0, 70_000 * each);
            assert!(sum > 0);
        }
    }
}
