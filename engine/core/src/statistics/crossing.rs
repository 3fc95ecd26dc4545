//! Where a share that grows with a load reaches a bound: logistic regression over the logarithm
//! of the load, and the interval of the crossing.
//!
//! Slow requests come in groups, and the groups grow with the share: the variance of a trial grows
//! with its power 1.5 (Tweedie 1984, groups that arrive at random). How large it is, is estimated
//! from the trials (quasi-likelihood, Wedderburn 1974). The interval is Fieller's (1954) with
//! Student's t. A trial far off the curve is left out if nearly all others agree, and counted.

use super::distribution::t_quantile;
use super::{Estimate, median};

/// The requests of one trial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CountedTrial {
    /// The load, above 0.
    pub load: f64,
    /// Requests that count.
    pub hits: f64,
    /// All requests, at least 1.
    pub of: f64,
}

/// The load at which the share of hits reaches a bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crossing {
    /// The load, with its interval.
    pub load: Estimate,
    /// Growth of ln(share / (1 - share)) per ln(load).
    pub slope: f64,
    /// Variance of the hits of a trial, as a multiple of requests × (share (1 - share))^1.5.
    pub dispersion: f64,
    /// Variance of the share of one trial at the crossing, as a multiple of the share's square;
    /// from 1 on, few groups decide, and the interval is less certain than it says.
    pub variation: f64,
    /// Trials left out because they were far off.
    pub outliers: usize,
}

/// Fewer trials say nothing about their own spread.
pub const TRIALS_MIN: usize = 5;
/// From this slope on the share jumps from nothing to everything within a thousandth of the load:
/// the trials cannot locate the crossing between two neighbours.
const SLOPE_MAX: f64 = 5_000.0;
/// The largest first step of the slope.
const SLOPE_STEP: f64 = 5.0;
/// The variance of a trial grows with this power of that of independent requests.
const POWER: f64 = 1.5;
/// A trial is far off beyond this many robust standard deviations of all.
const FAR: f64 = 25.0;
/// At most one trial in so many is left out.
const OUTLIERS_OF: usize = 5;
const STEPS_MAX: usize = 100;

/// The crossing of `share` (0 < `share` < 1); `None` with too few trials, with loads that are all
/// the same, or if the share does not grow gradually.
pub fn crossing(trials: &[CountedTrial], share: f64, confidence: f64) -> Option<Crossing> {
    let near: Vec<_> = (0..trials.len()).filter(|&at| !is_far(trials, at)).collect();
    let outliers = trials.len() - near.len();
    if outliers == 0 || outliers * OUTLIERS_OF > trials.len() {
        return Fit::of(trials)?.crossing(trials, share, confidence);
    }
    let near: Vec<_> = near.into_iter().map(|at| trials[at]).collect();
    let crossing = Fit::of(&near)?.crossing(&near, share, confidence)?;
    Some(Crossing { outliers, ..crossing })
}

/// Whether a trial is far off the curve through all others.
fn is_far(trials: &[CountedTrial], at: usize) -> bool {
    let mut others = trials.to_vec();
    let trial = others.remove(at);
    let Some(fit) = Fit::of(&others) else { return false };
    let mut sizes: Vec<f64> = others.iter().map(|other| fit.residual(other).abs()).collect();
    let spread = 1.4826 * median(&mut sizes).unwrap_or_default().max(1.0);
    fit.residual(&trial).abs() > FAR * spread
}

/// logit(share) = `level` + `slope` (ln load - `centre`).
#[derive(Clone, Copy, Debug)]
struct Fit {
    centre: f64,
    level: f64,
    slope: f64,
    /// Variances of level and slope and their covariance, for a dispersion of 1.
    covariance: [f64; 3],
}

impl Fit {
    /// Fisher's scoring, in steps of limited size.
    fn of(trials: &[CountedTrial]) -> Option<Self> {
        let weight: f64 = trials.iter().map(|trial| trial.of).sum();
        let hits: f64 = trials.iter().map(|trial| trial.hits).sum();
        if trials.len() < TRIALS_MIN || hits <= 0.0 || hits >= weight {
            return None;
        }
        let centre = trials.iter().map(|trial| trial.of * trial.load.ln()).sum::<f64>() / weight;
        let level = (hits / (weight - hits)).ln();
        let mut fit = Self { centre, level, slope: 0.0, covariance: [0.0; 3] };
        for _ in 0..STEPS_MAX {
            let ([level, slope], covariance) = fit.step(trials)?;
            // Far from the solution a full step may overshoot it.
            let most = fit.slope.abs().max(SLOPE_STEP);
            fit.level += level.clamp(-1.0, 1.0);
            fit.slope += slope.clamp(-most, most);
            fit.covariance = covariance;
            if fit.slope.abs() > SLOPE_MAX || !fit.level.is_finite() {
                return None;
            }
            if level.abs() < 1e-10 && slope.abs() < 1e-10 * most {
                return (fit.slope > 0.0).then_some(fit);
            }
        }
        None
    }

    fn share(&self, load: f64) -> f64 {
        1.0 / (1.0 + (-(self.level + self.slope * (load.ln() - self.centre))).exp())
    }

    /// The step towards the root of the quasi-score, and the inverse of its information.
    fn step(&self, trials: &[CountedTrial]) -> Option<([f64; 2], [f64; 3])> {
        let (mut score, mut information) = ([0.0; 2], [0.0; 3]);
        for trial in trials {
            let x = trial.load.ln() - self.centre;
            let share = self.share(trial.load);
            let root = spread(share).sqrt();
            let missed = (trial.hits - trial.of * share) / root;
            let weight = trial.of * root;
            score = [score[0] + missed, score[1] + missed * x];
            let [a, b, c] = information;
            information = [a + weight, b + weight * x * x, c + weight * x];
        }
        let [a, b, c] = information;
        let determinant = a * b - c * c;
        if determinant.is_nan() || determinant <= a * b * 1e-12 {
            return None;
        }
        let inverse = [b / determinant, a / determinant, -c / determinant];
        let [p, q, r] = inverse;
        Some(([p * score[0] + r * score[1], r * score[0] + q * score[1]], inverse))
    }

    /// How far a trial is off the curve, in standard deviations at a dispersion of 1.
    fn residual(&self, trial: &CountedTrial) -> f64 {
        let share = self.share(trial.load);
        (trial.hits - trial.of * share) / (trial.of * spread(share).powf(POWER)).sqrt()
    }

    fn crossing(&self, trials: &[CountedTrial], share: f64, confidence: f64) -> Option<Crossing> {
        let degrees = trials.len() as f64 - 2.0;
        let squares: f64 = trials.iter().map(|trial| self.residual(trial).powi(2)).sum();
        let dispersion = (squares / degrees).max(1.0);
        // Where single trials vary by more than the share itself, few groups decide, and the
        // estimate of the spread is as uncertain.
        let requests = trials.iter().map(|trial| trial.of).sum::<f64>() / trials.len() as f64;
        let variation = dispersion / (requests * spread(share).sqrt());
        let reach = t_quantile((1.0 - confidence) / 2.0, degrees).powi(2);
        let reach = reach * dispersion * variation.max(1.0);
        let [level, slope, both] = self.covariance.map(|variance| variance * reach);
        // All x with (above + slope x)² <= the variance of it, by `reach`.
        let above = self.level - (share / (1.0 - share)).ln();
        let (a, b) = (self.slope.powi(2) - slope, above * self.slope - both);
        let c = above.powi(2) - level;
        let load = |x: f64| (self.centre + x).exp();
        let (low, high) = if a > 0.0 {
            let root = (b * b - a * c).max(0.0).sqrt();
            (load((-b - root) / a), load((-b + root) / a))
        } else {
            (0.0, f64::INFINITY)
        };
        let value = load(-above / self.slope);
        value.is_finite().then_some(Crossing {
            load: Estimate { value, low, high },
            slope: self.slope,
            dispersion,
            variation,
            outliers: 0,
        })
    }
}

/// The variance of a share for independent requests.
fn spread(share: f64) -> f64 {
    let share = share.clamp(1e-9, 1.0 - 1e-9);
    share * (1.0 - share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::random::Random;

    fn trials(rows: &[(f64, f64, f64)]) -> Vec<CountedTrial> {
        rows.iter().map(|&(load, hits, of)| CountedTrial { load, hits, of }).collect()
    }

    const ROWS: [(f64, f64, f64); 8] = [
        (900.0, 12.0, 9_000.0),
        (950.0, 40.0, 9_500.0),
        (980.0, 55.0, 9_800.0),
        (1_000.0, 120.0, 10_000.0),
        (1_000.0, 70.0, 10_000.0),
        (1_020.0, 130.0, 10_200.0),
        (1_050.0, 310.0, 10_500.0),
        (1_100.0, 600.0, 11_000.0),
    ];

    /// `scipy.optimize.fsolve` of the quasi-score of level and slope, the inverse of its
    /// information, Pearson's chi-squared over 6 degrees, Fieller's formula with `scipy.stats.t`.
    #[test]
    fn fits_match_scipy() {
        let found = crossing(&trials(&ROWS), 0.01, 0.95).unwrap();
        let near = |value: f64, truth: f64| assert!((value / truth - 1.0).abs() < 1e-7, "{value}");
        near(found.slope, 19.088_631_638_227_092);
        near(found.dispersion, 43.140_630_617_255_08);
        near(found.variation, 0.043_357_965_144_470_71);
        near(found.load.value, 1_001.281_494_770_090_8);
        near(found.load.low, 990.298_748_911_864_2);
        near(found.load.high, 1_010.733_606_627_498_7);
        assert_eq!(found.outliers, 0);
    }

    #[test]
    fn a_trial_far_off_is_left_out_and_counted() {
        let mut rows = ROWS.to_vec();
        rows.push((940.0, 5_000.0, 9_400.0));
        let found = crossing(&trials(&rows), 0.01, 0.95).unwrap();
        assert_eq!(found.outliers, 1);
        assert!((found.load.value - 1_001.28).abs() < 0.1, "{found:?}");
    }

    #[test]
    fn a_jump_or_a_level_share_has_no_crossing() {
        let jump = [900.0, 910.0, 920.0, 1_000.0, 1_010.0].map(|load| {
            let hits = if load < 950.0 { 0.0 } else { 9_000.0 };
            (load, hits, 9_000.0)
        });
        assert_eq!(crossing(&trials(&jump), 0.01, 0.95), None);
        let falling = ROWS.map(|(load, hits, of)| (2_000.0 - load, hits, of));
        assert_eq!(crossing(&trials(&falling), 0.01, 0.95), None);
        assert_eq!(crossing(&trials(&ROWS[..4]), 0.01, 0.95), None, "too few");
        let alike = ROWS.map(|(_, hits, of)| (1_000.0, hits, of));
        assert_eq!(crossing(&trials(&alike), 0.01, 0.95), None, "one load");
    }

    /// Trials whose bad requests come in groups of 20, as those of a queue do.
    #[test]
    fn the_interval_covers_the_crossing_as_often_as_it_says() {
        let (mut covered, seeds) = (0, 400);
        for seed in 0..seeds {
            let mut random = Random::new(seed);
            let trial = |at: usize| {
                let load = 960.0 + 10.0 * (at % 9) as f64;
                // 1 % at 1,000.
                let odds = (0.01_f64 / 0.99).ln() + 20.0 * (load / 1_000.0).ln();
                let share = 1.0 / (1.0 + (-odds).exp());
                let groups = (0..500).filter(|_| random.unit() < share).count();
                (load, groups as f64 * 20.0, 10_000.0)
            };
            let rows: Vec<_> = (0..18).map(trial).collect();
            let found = crossing(&trials(&rows), 0.01, 0.95);
            covered += u32::from(found.is_some_and(|found| found.load.covers(1_000.0)));
        }
        assert!(covered >= 368, "{covered} of {seeds}");
    }
}
