//! Slopes and trends without assuming a distribution: Theil–Sen and Mann–Kendall.
//!
//! Both correct for neighbours that are alike; without that, every slowly wandering series has a
//! "significant" trend.

use std::cmp::Ordering;
use std::ops::Range;

use super::autocorrelation::{at_lag, effective, lag_one};
use super::distribution::{normal_quantile, normal_tail, t_quantile};
use super::{Estimate, median};

/// How to put an interval on a slope.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlopeRule {
    /// Of the interval, such as 0.95.
    pub confidence: f64,
    /// How many independent points the points are worth (`autocorrelation::effective`).
    pub effective: f64,
}

/// The slope of Theil (1950) and Sen (1968): the median of the slopes of all pairs of points, with
/// Sen's interval; its variance is raised by n / `effective`, and Student's t with `effective` - 2
/// degrees stands for the normal. `None` when no two points differ in x; an unbounded interval
/// when the points are worth fewer than 3.
pub fn theil_sen(x: &[f64], y: &[f64], rule: SlopeRule) -> Option<Estimate> {
    theil_sen_within(std::slice::from_ref(&(0..x.len().min(y.len()))), x, y, rule)
}

/// The common slope of several stretches whose levels may differ: only pairs of points of the same
/// stretch count, and the variances of Kendall's S add up (Hirsch, Slack and Smith 1982).
///
/// # Panics
/// When a stretch reaches past the points.
pub fn theil_sen_within(
    stretches: &[Range<usize>],
    x: &[f64],
    y: &[f64],
    rule: SlopeRule,
) -> Option<Estimate> {
    let mut slopes = Vec::new();
    let (mut variance, mut points) = (0.0, 0);
    for stretch in stretches {
        let (x, y) = (&x[stretch.clone()], &y[stretch.clone()]);
        for i in 0..x.len() {
            let later = x[i + 1..].iter().zip(&y[i + 1..]).filter(|(b, _)| **b != x[i]);
            slopes.extend(later.map(|(b, v)| (v - y[i]) / (b - x[i])));
        }
        variance += variance_of_s(y);
        points += x.len();
    }
    slopes.sort_unstable_by(f64::total_cmp);
    let value = median(&mut slopes.clone())?;
    let unbounded = Estimate { value, low: f64::NEG_INFINITY, high: f64::INFINITY };
    let degrees = rule.effective - 2.0;
    if degrees < 1.0 {
        return Some(unbounded);
    }
    let inflation = (points as f64 / rule.effective).max(1.0);
    let reach = t_quantile((1.0 - rule.confidence) / 2.0, degrees) * (variance * inflation).sqrt();
    let outside = (slopes.len() as f64 - reach) / 2.0;
    if outside < 0.0 {
        return Some(unbounded);
    }
    let outside = (outside.floor() as usize).min((slopes.len() - 1) / 2);
    Some(Estimate { value, low: slopes[outside], high: slopes[slopes.len() - 1 - outside] })
}

/// What to assume of neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbours {
    /// They have nothing in common.
    Independent,
    /// They may be alike: Hamed and Rao (1998, J. Hydrology 204).
    Alike,
}

/// The outcome of a Mann–Kendall test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// Kendall's S: pairs that rise minus pairs that fall.
    pub s: f64,
    /// The variance of S without a trend.
    pub variance: f64,
    /// The probability of an S at least as far from zero without a trend.
    pub p: f64,
}

/// Whether `y`, evenly spaced, goes up or down (Mann 1945, Kendall 1975), ties counted.
pub fn mann_kendall(y: &[f64], neighbours: Neighbours) -> Trend {
    let mut s = 0.0;
    for i in 0..y.len() {
        s += y[i + 1..].iter().map(|later| sign(later - y[i])).sum::<f64>();
    }
    let mut variance = variance_of_s(y);
    if neighbours == Neighbours::Alike {
        variance *= hamed_rao(y);
    }
    let z = if variance > 0.0 { (s.abs() - 1.0).max(0.0) / variance.sqrt() } else { 0.0 };
    Trend { s, variance, p: (2.0 * normal_tail(z)).min(1.0) }
}

/// The variance of Kendall's S with ties (Kendall 1975): of all orders of the same values.
fn variance_of_s(y: &[f64]) -> f64 {
    let term = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    let mut sorted = y.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let ties: f64 = sorted.chunk_by(|a, b| a == b).map(|tie| term(tie.len() as f64)).sum();
    (term(y.len() as f64) - ties) / 18.0
}

/// By how much autocorrelation raises the variance of S: equation 10 of the paper, with the
/// autocorrelations of the ranks of the values freed of their Theil–Sen line, as far as they
/// differ from zero at 5 % without a gap (later ones are chance, and taking the line off makes
/// most of them negative). Taking the line off also hides autocorrelation in a short row, so the
/// factor is at least that of the first-order autoregression without that bias, and at least 1:
/// alternation must not make a trend.
fn hamed_rao(y: &[f64]) -> f64 {
    let n = y.len() as f64;
    let times: Vec<f64> = (0..y.len()).map(|t| t as f64).collect();
    let plain = SlopeRule { confidence: 0.95, effective: n };
    let slope = theil_sen(&times, y, plain).map_or(0.0, |slope| slope.value);
    let freed: Vec<f64> = times.iter().zip(y).map(|(t, v)| v - slope * t).collect();
    let ranks = ranks(&freed);
    let threshold = normal_quantile(0.025) / n.sqrt();
    let sum: f64 = (1..y.len().saturating_sub(2))
        .map(|lag| (lag as f64, at_lag(&ranks, lag)))
        .take_while(|(_, rho)| rho.abs() > threshold)
        .map(|(lag, rho)| (n - lag) * (n - lag - 1.0) * (n - lag - 2.0) * rho)
        .sum();
    let counted = 1.0 + 2.0 * sum / (n * (n - 1.0) * (n - 2.0));
    counted.max(n / effective(y.len(), lag_one(&freed, 2)))
}

/// The rank of each value, ties sharing the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tie in order.chunk_by(|&a, &b| values[a] == values[b]) {
        for &index in tie {
            ranks[index] = before as f64 + (tie.len() as f64 + 1.0) / 2.0;
        }
        before += tie.len();
    }
    ranks
}

fn sign(value: f64) -> f64 {
    match value.total_cmp(&0.0) {
        _ if value == 0.0 => 0.0,
        Ordering::Less => -1.0,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::random::Random;

    const PLAIN: f64 = 0.95;

    fn walk(random: &mut Random, n: usize, rho: f64) -> Vec<f64> {
        let mut value = random.normal();
        let step = |_| {
            value = rho * value + (1.0 - rho * rho).sqrt() * random.normal();
            value
        };
        (0..n).map(step).collect()
    }

    /// Hollander and Wolfe's cloud-seeding data (example 9.1): the ten slopes by hand.
    #[test]
    fn the_median_slope_of_the_cloud_seeding_data() {
        let (x, y) = ([1.0, 2.0, 3.0, 4.0, 5.0], [1.26, 1.27, 1.12, 1.16, 1.03]);
        let slope = theil_sen(&x, &y, SlopeRule { confidence: PLAIN, effective: 5.0 }).unwrap();
        assert!((slope.value + 0.05625).abs() < 1e-12, "{slope:?}");
        assert_eq!(
            theil_sen(&[1.0, 1.0], &[1.0, 2.0], SlopeRule { confidence: 0.9, effective: 2.0 }),
            None
        );
    }

    /// Sen's own example (1968, section 6): slope 4; the interval's ends are slopes of pairs.
    #[test]
    fn sens_own_example() {
        let x = [1.0, 2.0, 3.0, 4.0, 10.0, 12.0, 18.0];
        let y = [9.0, 15.0, 19.0, 20.0, 45.0, 55.0, 78.0];
        let mut slopes = Vec::new();
        for i in 0..7 {
            slopes.extend((i + 1..7).map(|j| (y[j] - y[i]) / (x[j] - x[i])));
        }
        slopes.sort_by(f64::total_cmp);
        let slope = theil_sen(&x, &y, SlopeRule { confidence: PLAIN, effective: 7.0 }).unwrap();
        assert_eq!((slope.value, slopes[10]), (4.0, 4.0));
        assert!(slope.low < 4.0 && slope.high > 4.0, "{slope:?}");
        assert!(slopes.contains(&slope.low) && slopes.contains(&slope.high));
    }

    /// The variance formula against all orders of the same values, ties and all.
    #[test]
    fn the_variance_of_s_is_that_over_all_orders() {
        fn orders(values: &mut Vec<f64>, from: usize, sums: &mut Vec<f64>) {
            if from == values.len() {
                sums.push(mann_kendall(values, Neighbours::Independent).s);
            }
            for i in from..values.len() {
                values.swap(from, i);
                orders(values, from + 1, sums);
                values.swap(from, i);
            }
        }
        for values in [vec![1.0, 2.0, 3.0, 4.0, 5.0], vec![1.0, 1.0, 2.0, 2.0, 2.0, 3.0]] {
            let mut sums = Vec::new();
            orders(&mut values.clone(), 0, &mut sums);
            let variance = sums.iter().map(|s| s * s).sum::<f64>() / sums.len() as f64;
            assert!((variance_of_s(&values) - variance).abs() < 1e-9, "{values:?}");
        }
    }

    #[test]
    fn intervals_cover_the_slope_with_alike_neighbours_and_with_a_step_between() {
        let mut random = Random::new(11);
        let x: Vec<f64> = (0..60).map(f64::from).collect();
        let (mut covered, mut covered_in_parts, mut covered_naively) = (0, 0, 0);
        for _ in 0..300 {
            let noise = walk(&mut random, 60, 0.6);
            let y: Vec<f64> = x.iter().zip(&noise).map(|(x, e)| 0.05 * x + e).collect();
            let stepped: Vec<f64> =
                y.iter().enumerate().map(|(i, v)| v + if i < 30 { 0.0 } else { 40.0 }).collect();
            let rule = SlopeRule { confidence: PLAIN, effective: 60.0 * 0.4 / 1.6 };
            let naive = SlopeRule { effective: 60.0, ..rule };
            covered += u32::from(theil_sen(&x, &y, rule).unwrap().covers(0.05));
            covered_naively += u32::from(theil_sen(&x, &y, naive).unwrap().covers(0.05));
            let parts = theil_sen_within(&[0..30, 30..60], &x, &stepped, rule).unwrap();
            covered_in_parts += u32::from(parts.covers(0.05));
        }
        assert!(covered >= 276 && covered_in_parts >= 276, "{covered} {covered_in_parts} of 300");
        assert!(covered_naively < 250, "independence should fail here: {covered_naively} of 300");
    }

    #[test]
    fn mann_kendall_finds_trends_and_hamed_rao_spares_what_only_wanders() {
        let rising: Vec<f64> = (0..10).map(f64::from).collect();
        let trend = mann_kendall(&rising, Neighbours::Independent);
        // 10 · 9 · 25 / 18 = 125; z = 44 / √125.
        assert_eq!((trend.s, trend.variance), (45.0, 125.0));
        assert!((trend.p - 8.303e-5).abs() < 1e-7, "{}", trend.p);
        assert_eq!(mann_kendall(&[4.0; 9], Neighbours::Alike).p, 1.0);
        let mut random = Random::new(12);
        let (mut plain, mut corrected) = (0, 0);
        for _ in 0..200 {
            let wandering = walk(&mut random, 100, 0.7);
            plain += u32::from(mann_kendall(&wandering, Neighbours::Independent).p < 0.05);
            corrected += u32::from(mann_kendall(&wandering, Neighbours::Alike).p < 0.05);
        }
        assert!(plain > 50 && corrected < 24, "{plain} and {corrected} of 200");
    }

    #[test]
    fn ties_share_a_rank_and_flat_points_have_no_slope() {
        assert_eq!(ranks(&[5.0, 1.0, 5.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
        let x: Vec<f64> = (0..20).map(f64::from).collect();
        let flat = theil_sen(&x, &[7.0; 20], SlopeRule { confidence: 0.95, effective: 20.0 });
        assert_eq!(flat, Some(Estimate { value: 0.0, low: 0.0, high: 0.0 }));
        let few = theil_sen(&x, &x, SlopeRule { confidence: 0.95, effective: 2.5 }).unwrap();
        assert_eq!((few.value, few.low, few.high), (1.0, f64::NEG_INFINITY, f64::INFINITY));
    }
}
