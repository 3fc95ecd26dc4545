//! Intervals for what was measured in a row, where neighbours are alike.
//!
//! The moving-block bootstrap (Künsch 1989): resample whole runs of neighbours, so that what they
//! share is kept. The spread of the resampled statistic is its standard error; the interval uses
//! Student's t with one degree of freedom less than there are blocks, because few blocks know
//! little about their own spread.

use super::autocorrelation::at_lag;
use super::distribution::t_quantile;
use super::random::Random;
use super::{Estimate, mean};

/// How to resample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resampling {
    /// Neighbours kept together; at least 1.
    pub block: usize,
    /// Resampled rows; 400 fix a standard error within about 4 %.
    pub draws: u32,
    /// Names the draws.
    pub seed: u64,
    /// Of the interval, such as 0.95.
    pub confidence: f64,
}

impl Resampling {
    /// Blocks as long as the autocorrelation of `values` asks for: (√6 ρ/(1-ρ²))^⅔ n^⅓
    /// (Carlstein 1986), at least 1 and at most a fifth of the row. 400 draws, 95 %.
    pub fn suited_to(values: &[f64], seed: u64) -> Self {
        let n = values.len() as f64;
        let rho = at_lag(values, 1).clamp(0.0, 0.97);
        let ideal = (6.0_f64.sqrt() * rho / (1.0 - rho * rho)).powf(2.0 / 3.0) * n.cbrt();
        let block = (ideal.ceil() as usize).min(values.len() / 5).max(1);
        Self { block, draws: 400, seed, confidence: 0.95 }
    }

    /// Resampled rows of the indices 0..`n`, one at a time to `each`. Rows longer than a block
    /// only; a `block` of 0 is taken as 1.
    pub fn rows(&self, n: usize, mut each: impl FnMut(&[usize])) {
        let block = self.block.clamp(1, n.max(1));
        let mut random = Random::new(self.seed);
        let mut row = Vec::with_capacity(n + block);
        for _ in 0..self.draws {
            row.clear();
            while row.len() < n {
                let start = random.below(n - block + 1);
                row.extend(start..start + block);
            }
            row.truncate(n);
            each(&row);
        }
    }

    /// The interval around `value` from its values on resampled rows of `n`; unbounded when there
    /// are fewer than two blocks.
    pub fn interval(&self, value: f64, n: usize, resampled: &[f64]) -> Estimate {
        let reach = self.standard_error(n, resampled) * self.reach(n);
        if reach.is_nan() {
            return Estimate { value, low: f64::NEG_INFINITY, high: f64::INFINITY };
        }
        Estimate { value, low: value - reach, high: value + reach }
    }

    /// The standard error of a statistic from its values on resampled rows of `n`; infinite when
    /// there are fewer than two blocks.
    pub fn standard_error(&self, n: usize, resampled: &[f64]) -> f64 {
        let blocks = self.blocks(n);
        let Some(centre) = mean(resampled).filter(|_| blocks >= 2.0) else {
            return f64::INFINITY;
        };
        let squares: f64 = resampled.iter().map(|v| (v - centre).powi(2)).sum();
        // A mean of k blocks spreads (k - 1)/k of its variance around the sample's own mean.
        (squares / resampled.len() as f64 * blocks / (blocks - 1.0)).sqrt()
    }

    /// How many of the blocks fit in a row of `n`.
    pub fn blocks(&self, n: usize) -> f64 {
        n as f64 / self.block.max(1) as f64
    }

    /// How many standard errors the interval reaches to either side.
    fn reach(&self, n: usize) -> f64 {
        let degrees = self.blocks(n) - 1.0;
        if degrees < 1.0 {
            return f64::INFINITY;
        }
        t_quantile((1.0 - self.confidence) / 2.0, degrees)
    }
}

/// The mean of `values`, a row in time; `None` of nothing.
pub fn mean_interval(values: &[f64], resampling: &Resampling) -> Option<Estimate> {
    let value = mean(values)?;
    let mut resampled = Vec::with_capacity(resampling.draws as usize);
    resampling.rows(values.len(), |row| {
        resampled.push(row.iter().map(|&i| values[i]).sum::<f64>() / row.len() as f64);
    });
    Some(resampling.interval(value, values.len(), &resampled))
}

/// The sum of `numerators` over the sum of `denominators`, rows of the same moments (longer one
/// cut). `None` when the denominators' sum is not positive.
pub fn ratio_interval(
    numerators: &[f64],
    denominators: &[f64],
    resampling: &Resampling,
) -> Option<Estimate> {
    let n = numerators.len().min(denominators.len());
    let below: f64 = denominators[..n].iter().sum();
    if below.is_nan() || below <= 0.0 {
        return None;
    }
    let value = numerators[..n].iter().sum::<f64>() / below;
    let mut resampled = Vec::with_capacity(resampling.draws as usize);
    resampling.rows(n, |row| {
        let below: f64 = row.iter().map(|&i| denominators[i]).sum();
        if below > 0.0 {
            resampled.push(row.iter().map(|&i| numerators[i]).sum::<f64>() / below);
        }
    });
    Some(resampling.interval(value, n, &resampled))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(random: &mut Random, n: usize, rho: f64) -> Vec<f64> {
        let mut value = random.normal();
        let step = |_| {
            value = rho * value + (1.0 - rho * rho).sqrt() * random.normal();
            value
        };
        (0..n).map(step).collect()
    }

    #[test]
    fn blocks_stay_whole_and_rows_keep_their_length() {
        let resampling = Resampling { block: 4, draws: 50, seed: 1, confidence: 0.95 };
        let mut rows = 0;
        resampling.rows(10, |row| {
            rows += 1;
            assert_eq!(row.len(), 10);
            for block in row.chunks(4) {
                assert!(block.windows(2).all(|pair| pair[1] == pair[0] + 1), "{row:?}");
            }
        });
        assert_eq!(rows, 50);
    }

    #[test]
    fn means_of_alike_neighbours_are_covered_where_single_draws_fail() {
        let mut random = Random::new(8);
        let (mut covered, mut covered_singly) = (0, 0);
        for seed in 0..400 {
            let values = row(&mut random, 120, 0.7);
            let suited = Resampling::suited_to(&values, seed);
            let singly = Resampling { block: 1, ..suited };
            covered += u32::from(mean_interval(&values, &suited).unwrap().covers(0.0));
            covered_singly += u32::from(mean_interval(&values, &singly).unwrap().covers(0.0));
        }
        assert!(covered >= 352, "{covered} of 400");
        assert!(covered_singly < 300, "single draws should fail: {covered_singly} of 400");
    }

    #[test]
    fn ratios_are_covered() {
        let mut random = Random::new(9);
        let mut covered = 0;
        for seed in 0..400 {
            let below: Vec<f64> = row(&mut random, 60, 0.3).iter().map(|v| 10.0 + v).collect();
            let above: Vec<f64> = below.iter().map(|v| 2.0 * v + random.normal()).collect();
            let suited = Resampling::suited_to(&below, seed);
            covered += u32::from(ratio_interval(&above, &below, &suited).unwrap().covers(2.0));
        }
        assert!((365..=396).contains(&covered), "{covered} of 400");
    }

    #[test]
    fn too_little_is_unbounded_and_nothing_is_none() {
        let resampling = Resampling { block: 1, draws: 10, seed: 1, confidence: 0.95 };
        let one = mean_interval(&[3.0], &resampling).unwrap();
        assert_eq!((one.value, one.low, one.high), (3.0, f64::NEG_INFINITY, f64::INFINITY));
        assert_eq!(mean_interval(&[], &resampling), None);
        assert_eq!(ratio_interval(&[1.0], &[0.0], &resampling), None);
        let same = mean_interval(&[5.0; 20], &resampling).unwrap();
        assert_eq!((same.low, same.high), (5.0, 5.0));
    }
}
