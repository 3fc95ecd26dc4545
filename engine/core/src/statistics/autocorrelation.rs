//! How much each value of a row says about the next, and so how many of them are news.

use super::mean;

/// The sample autocorrelation of `values` at `lag`, about their mean, with the divisor n (so that
/// it never leaves -1 to 1; Box and Jenkins 1976, section 2.1.5). 0 for constant or too few values.
pub fn at_lag(values: &[f64], lag: usize) -> f64 {
    let Some(mean) = mean(values).filter(|_| lag < values.len()) else {
        return 0.0;
    };
    let total: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    let shared: f64 = values.iter().zip(&values[lag..]).map(|(a, b)| (a - mean) * (b - mean)).sum();
    if total > 0.0 { shared / total } else { 0.0 }
}

/// The lag-1 autocorrelation with its small-sample bias taken off: by the (1 + 4ρ)/n of Marriott
/// and Pope (1954, Biometrika 41) for residuals of a mean, and about twice that for residuals of
/// a fitted line (`fitted` = 2). Kept within -0.99 to 0.99.
pub fn lag_one(residuals: &[f64], fitted: u32) -> f64 {
    let n = residuals.len() as f64;
    let raw = at_lag(residuals, 1);
    if n < 4.0 || raw == 0.0 {
        return raw;
    }
    (raw + f64::from(fitted) * (1.0 + 4.0 * raw) / (n + 4.0 * f64::from(fitted)).max(1.0))
        .clamp(-0.99, 0.99)
}

/// How many independent values say as much about a mean or a slope as `n` values of a first-order
/// autoregression with lag-1 autocorrelation `rho`: n (1 - ρ)/(1 + ρ) (Bayley and Hammersley
/// 1946, for large n). Negative autocorrelation is not counted as a gain.
pub fn effective(n: usize, rho: f64) -> f64 {
    let rho = rho.clamp(0.0, 0.999);
    n as f64 * (1.0 - rho) / (1.0 + rho)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::random::Random;

    fn autoregression(random: &mut Random, n: usize, rho: f64) -> Vec<f64> {
        let mut value = random.normal();
        let step = |_| {
            value = rho * value + (1.0 - rho * rho).sqrt() * random.normal();
            value
        };
        (0..n).map(step).collect()
    }

    #[test]
    fn the_definition_by_hand() {
        // About the mean 3: -2 -1 0 1 2; lag 1: 2 + 0 + 0 + 2 = 4 of 10; lag 4: -4 of 10.
        let values = [1.0, 2.0, 3.0, 4.0, 5.0];
        assert_eq!((at_lag(&values, 1), at_lag(&values, 4), at_lag(&values, 0)), (0.4, -0.4, 1.0));
        assert_eq!((at_lag(&values, 5), at_lag(&[7.0; 4], 1), at_lag(&[], 0)), (0.0, 0.0, 0.0));
    }

    #[test]
    fn the_corrected_lag_is_nearly_unbiased_in_short_rows() {
        let mut random = Random::new(6);
        for rho in [0.0, 0.5, 0.8] {
            let rows = 4_000;
            let sum: f64 =
                (0..rows).map(|_| lag_one(&autoregression(&mut random, 40, rho), 1)).sum();
            let average = sum / f64::from(rows);
            assert!((average - rho).abs() < 0.03, "{rho}: {average}");
        }
    }

    /// The variance of the mean of a row is that of so many independent values.
    #[test]
    fn the_effective_number_predicts_the_variance_of_a_mean() {
        let mut random = Random::new(7);
        let (n, rho, rows) = (400, 0.8, 2_000);
        let squares: f64 =
            (0..rows).map(|_| mean(&autoregression(&mut random, n, rho)).unwrap().powi(2)).sum();
        let ratio = squares / f64::from(rows) * effective(n, rho);
        assert!((0.9..1.1).contains(&ratio), "{ratio}");
        assert_eq!((effective(10, -0.5), effective(30, 0.5)), (10.0, 10.0));
    }
}
