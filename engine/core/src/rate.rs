//! An offered rate as an integer, so that a schedule computed from it never drifts.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Requests per second, kept as thousandths: 1 is one request in 1,000 s.
/// Range: 0.001/s to 1,000,000,000/s, never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Rate(u64);

impl Rate {
    const MAX_MILLI: u64 = 1_000_000_000_000;

    /// From thousandths of a request per second; `None` outside the range.
    pub fn from_milli(milli: u64) -> Option<Self> {
        (1..=Self::MAX_MILLI).contains(&milli).then_some(Self(milli))
    }

    /// From whole requests per second; `None` outside the range.
    pub fn per_second(requests: u64) -> Option<Self> {
        requests.checked_mul(1_000).and_then(Self::from_milli)
    }

    /// Thousandths of a request per second.
    pub const fn milli(self) -> u64 {
        self.0
    }

    /// Twice this rate; `None` outside the range.
    pub fn doubled(self) -> Option<Self> {
        Self::from_milli(self.0 * 2)
    }

    /// Requests per second, for display.
    pub const fn as_f64(self) -> f64 {
        self.0 as f64 / 1e3
    }
}

impl TryFrom<u64> for Rate {
    type Error = &'static str;

    fn try_from(milli: u64) -> Result<Self, &'static str> {
        Self::from_milli(milli).ok_or("a rate is 1 to 10^12 thousandths of a request per second")
    }
}

impl From<Rate> for u64 {
    fn from(rate: Rate) -> Self {
        rate.0
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.as_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_absurd_rates_cannot_be_made() {
        assert_eq!(Rate::per_second(0), None);
        assert_eq!(Rate::per_second(2_000_000_000), None);
        assert_eq!(Rate::per_second(u64::MAX), None);
        assert_eq!(Rate::per_second(50_000).map(Rate::milli), Some(50_000_000));
        assert_eq!(Rate::from_milli(500).map(Rate::as_f64), Some(0.5));
    }
}
