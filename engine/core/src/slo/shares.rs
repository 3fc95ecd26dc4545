//! Objectives as shares of requests: which requests are outside, and how many of all may be.
//!
//! A quantile below a time means that a share of the requests may take longer: `p99<20ms` allows
//! 1 %. A request that failed is outside every objective.

use super::{Metric, Slo, SloError, Term};
use crate::summary::Quantile;

/// One objective.
#[derive(Clone, Debug, PartialEq)]
pub struct ShareObjective {
    /// The objective: `p99 < 20.0 ms`.
    pub text: String,
    /// The share of requests that may be outside it, from 0 to below 1.
    pub share: f64,
    /// Requests that take longer are outside, as those that fail; `None` counts those that fail.
    pub time: Option<TimeBound>,
}

/// The longest time of a request that is inside an objective.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeBound {
    /// The bound in nanoseconds.
    pub nanos: u64,
    /// Whether a time equal to it is inside.
    pub inclusive: bool,
}

impl Slo {
    /// Its objectives as shares of requests, in the order they were written.
    ///
    /// # Errors
    /// If one is about a mean or a rate, or no request could be inside.
    pub fn shares(&self) -> Result<Vec<ShareObjective>, SloError> {
        self.terms.iter().map(Term::share).collect()
    }
}

impl Term {
    fn share(&self) -> Result<ShareObjective, SloError> {
        let time = TimeBound { nanos: self.bound as u64, inclusive: self.inclusive };
        let (share, time) = match self.metric {
            Metric::Quantile(quantile) => (beyond(quantile), Some(time)),
            Metric::Max => (0.0, Some(time)),
            // All requests may fail only if 100 % is written.
            Metric::Errors => (self.bound.min(1.0 - f64::EPSILON), None),
            Metric::Mean | Metric::Rate => return Err(SloError::NotAShare(self.metric.name())),
        };
        Ok(ShareObjective { text: self.text(), share, time })
    }
}

/// The share beyond a quantile, as it is written: 1 - 0.999 is not 0.001.
const fn beyond(quantile: Quantile) -> f64 {
    match quantile {
        Quantile::P50 => 0.5,
        Quantile::P90 => 0.1,
        Quantile::P95 => 0.05,
        Quantile::P99 => 0.01,
        Quantile::P999 => 0.001,
        Quantile::P9999 => 0.0001,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_shares_of_requests_that_may_take_longer() {
        let slo: Slo = "p99<20ms, p99.9<=1s, max<2s, errors<0.1%".parse().unwrap();
        let shares = slo.shares().unwrap();
        let bound = |nanos, inclusive| Some(TimeBound { nanos, inclusive });
        let found: Vec<_> = shares.iter().map(|it| (it.share, it.time)).collect();
        let expected = [
            (0.01, bound(20_000_000, false)),
            (0.001, bound(1_000_000_000, true)),
            (0.0, bound(2_000_000_000, false)),
            (0.001, None),
        ];
        assert_eq!(found, expected);
        assert_eq!(shares[0].text, "p99 < 20.0 ms");
    }

    #[test]
    fn means_and_rates_have_no_requests_outside() {
        for term in ["mean<1ms", "rate>9k"] {
            let slo: Slo = term.parse().unwrap();
            let why = slo.shares().unwrap_err().to_string();
            assert!(why.contains("p99<20ms"), "{why}");
        }
    }
}
