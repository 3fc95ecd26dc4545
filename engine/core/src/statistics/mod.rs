//! Statistics for verdicts: estimates with intervals, tests and trends, from numbers alone.
//!
//! `distribution` has the curves, `two_sample` compares groups and `paired` pairs, `bootstrap` puts
//! an interval on what was measured in a row, `trend` and `regression` fit a slope, `crossing`
//! locates a bound, `change_points` finds new levels, `outliers` single far values,
//! `autocorrelation` says how many of the values are news, `multiple_testing` keeps many tests
//! honest, `random` is the seeded source of chance.
//! What the numbers mean, and which verdict follows, is the callers'.

pub mod autocorrelation;
pub mod bootstrap;
pub mod change_points;
pub mod crossing;
pub mod distribution;
pub mod multiple_testing;
pub mod outliers;
pub mod paired;
pub mod random;
pub mod regression;
pub mod trend;
pub mod two_sample;

/// A number that was estimated, with the interval its confidence reaches over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// The interval's lower end; minus infinity when there was too little to bound it.
    pub low: f64,
    /// The interval's upper end; infinity when there was too little to bound it.
    pub high: f64,
}

impl Estimate {
    /// Whether the interval has `truth` in it.
    pub const fn covers(self, truth: f64) -> bool {
        self.low <= truth && truth <= self.high
    }

    /// The same on another scale; `scale` must grow with its argument.
    pub fn map(self, scale: impl Fn(f64) -> f64) -> Self {
        Self { value: scale(self.value), low: scale(self.low), high: scale(self.high) }
    }
}

/// The arithmetic mean; `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The standard deviation of which `values` are a sample; `None` of fewer than two.
pub fn deviation(values: &[f64]) -> Option<f64> {
    let centre = mean(values).filter(|_| values.len() > 1)?;
    let squares: f64 = values.iter().map(|value| (value - centre).powi(2)).sum();
    Some((squares / (values.len() as f64 - 1.0)).sqrt())
}

/// The median, reordering `values`; of an even number the mean of the middle two. `None` of
/// nothing.
pub fn median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let half = values.len() / 2;
    let is_odd = values.len() % 2 == 1;
    let (below, upper, _) = values.select_nth_unstable_by(half, f64::total_cmp);
    let upper = *upper;
    if is_odd {
        return Some(upper);
    }
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Some(lower.midpoint(upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_of_the_sorted_values() {
        for n in 1..30_usize {
            let mut random = random::Random::new(n as u64);
            let values: Vec<f64> = (0..n).map(|_| random.below(9) as f64).collect();
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let middle = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0;
            assert_eq!(median(&mut values.clone()), Some(middle), "{values:?}");
        }
        assert_eq!((median(&mut []), mean(&[])), (None, None));
        assert_eq!(mean(&[1.0, 2.0, 6.0]), Some(3.0));
    }

    #[test]
    fn an_estimate_knows_what_it_covers_and_moves_to_another_scale() {
        let estimate = Estimate { value: 0.0, low: -1.0, high: 2.0 };
        assert!(estimate.covers(-1.0) && estimate.covers(2.0) && !estimate.covers(2.1));
        assert_eq!(estimate.map(|v| v * 2.0), Estimate { value: 0.0, low: -2.0, high: 4.0 });
    }
}
