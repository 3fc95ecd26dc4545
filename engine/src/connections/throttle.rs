//! Slow readers and slow writers: a few bytes at a time on each connection.
//!
//! A connection that waits for its next read or send is woken by the check of all deadlines, to the
//! millisecond.

use uringbench_core::time::Nanos;

/// A number of bytes, and the pause until the next ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Bytes at a time, at least 1.
    pub bytes: u32,
    /// Time between two reads or sends.
    pub every: Nanos,
}

/// Ten times per second, or less often for rates below ten bytes per second.
const TIMES_A_SECOND: u32 = 10;

impl RateLimit {
    /// `rate` bytes per second, at least 1.
    pub fn at(rate: u32) -> Self {
        let bytes = (rate / TIMES_A_SECOND).max(1);
        let every = Nanos::SECOND.0 * u64::from(bytes) / u64::from(rate.max(1));
        Self { bytes, every: Nanos(every) }
    }

    /// How long so many bytes take at this rate.
    pub(super) fn time_of(self, length: usize) -> Nanos {
        Nanos(self.every.0 * length as u64 / u64::from(self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_become_bytes_and_pauses() {
        let trickle = |rate| RateLimit::at(rate);
        assert_eq!(trickle(1), RateLimit { bytes: 1, every: Nanos::SECOND });
        assert_eq!(trickle(7).bytes, 1);
        assert_eq!(trickle(1_000).time_of(250), Nanos::from_millis(250));
        assert_eq!(trickle(1_000), RateLimit { bytes: 100, every: Nanos::from_millis(100) });
        for rate in [1, 3, 9, 11, 99, 12_345, 10_000_000] {
            let RateLimit { bytes, every } = trickle(rate);
            let actual = f64::from(bytes) / every.as_secs_f64();
            assert!((actual / f64::from(rate) - 1.0).abs() < 1e-6, "{rate}: {actual}");
        }
    }
}
