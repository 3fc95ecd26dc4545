//! Two groups compared: the shift from one to the other, and whether it is chance.
//!
//! The test is the permutation test of the rank sum (Wilcoxon 1945): every split of the values
//! into two groups of these sizes is equally likely without a difference. The splits are counted
//! out, not drawn, also with ties, since the sum of ranks takes few values. The shift inverts the
//! test, so that test and interval agree. Take logarithms to compare ratios.

use super::distribution::{normal_quantile, normal_tail, t_quantile};
use super::{Estimate, mean, median};

/// Values of both groups together up to which all splits are counted.
const EXACT_MAX: usize = 100;
/// A normal sample's standard deviation over its median absolute deviation.
const DEVIATION_OF_MAD: f64 = 1.4826;
/// The rank test needs this many times the values of Student's t test for normal values
/// (Hodges and Lehmann 1956: 3/π is its efficiency).
const RANK_TEST_COST: f64 = std::f64::consts::PI / 3.0;

/// The probability, without a difference, of a rank sum at least as far out on its side, doubled:
/// the two-sided permutation test. Counted out up to 100 values together, normal beyond; 1 if
/// a group is empty.
pub fn rank_sum(before: &[f64], after: &[f64]) -> f64 {
    let ranks = doubled_ranks(before, after);
    let sum: usize = ranks[before.len()..].iter().sum();
    if before.is_empty() || after.is_empty() {
        return 1.0;
    }
    if ranks.len() > EXACT_MAX {
        return normal_rank_sum(&ranks, after.len(), sum);
    }
    let share = shares_of_sums(&ranks, after.len());
    let low: f64 = share[..=sum].iter().sum();
    let high: f64 = share[sum..].iter().sum();
    (2.0 * low.min(high)).min(1.0)
}

/// The smallest p-value that groups of these sizes can have.
pub fn smallest_p(before: usize, after: usize) -> f64 {
    (2.0 / splits(before, after)).min(1.0)
}

/// The shift of Hodges and Lehmann (1963), the median of all differences between a value of
/// `after` and one of `before`, with the interval that inverts the rank-sum test. Too few values
/// for `confidence` (fewer than 4 on each side for 0.95) leave the interval unbounded; `None` if
/// a group is empty.
pub fn hodges_lehmann(before: &[f64], after: &[f64], confidence: f64) -> Option<Estimate> {
    let mut differences = Vec::with_capacity(before.len() * after.len());
    for later in after {
        differences.extend(before.iter().map(|earlier| later - earlier));
    }
    differences.sort_unstable_by(f64::total_cmp);
    let value = median(&mut differences.clone())?;
    let outside = differences_outside(before.len(), after.len(), (1.0 - confidence) / 2.0);
    Some(match outside {
        Some(outside) => Estimate {
            value,
            low: differences[outside],
            high: differences[differences.len() - 1 - outside],
        },
        None => Estimate { value, low: f64::NEG_INFINITY, high: f64::INFINITY },
    })
}

/// The smallest shift that the rank-sum test at level `alpha` finds with probability `power`, if
/// values are normal with the spread of these. `None` if no shift is large enough, because the
/// groups are too small for the level.
pub fn smallest_detectable(before: &[f64], after: &[f64], alpha: f64, power: f64) -> Option<f64> {
    if smallest_p(before.len(), after.len()) > alpha {
        return None;
    }
    let degrees = (before.len() + after.len()) as f64 - 2.0;
    let squares = |values: &[f64]| {
        let centre = mean(values).unwrap_or_default();
        values.iter().map(|value| (value - centre).powi(2)).sum::<f64>()
    };
    let variance = (squares(before) + squares(after)) / degrees;
    let of_sizes = 1.0 / before.len() as f64 + 1.0 / after.len() as f64;
    let error = (variance * of_sizes * RANK_TEST_COST).sqrt();
    Some((t_quantile(alpha / 2.0, degrees) + t_quantile(1.0 - power, degrees)) * error)
}

/// The spread of `values` as a share of their median, without regard to a few far out: 1.4826
/// times the median absolute deviation. `None` of nothing, or if the median is not above zero.
pub fn robust_variation(values: &[f64]) -> Option<f64> {
    let centre = median(&mut values.to_vec()).filter(|centre| *centre > 0.0)?;
    let mut distances: Vec<f64> = values.iter().map(|value| (value - centre).abs()).collect();
    Some(DEVIATION_OF_MAD * median(&mut distances)? / centre)
}

/// Twice the rank of each value among all, ties sharing the mean of theirs: whole numbers.
fn doubled_ranks(before: &[f64], after: &[f64]) -> Vec<usize> {
    let values: Vec<f64> = before.iter().chain(after).copied().collect();
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0; values.len()];
    let mut below = 0;
    for tie in order.chunk_by(|&a, &b| values[a] == values[b]) {
        for &index in tie {
            ranks[index] = 2 * below + tie.len() + 1;
        }
        below += tie.len();
    }
    ranks
}

/// The share of all choices of `chosen` of the ranks that have each sum.
fn shares_of_sums(ranks: &[usize], chosen: usize) -> Vec<f64> {
    let largest: usize = ranks.iter().sum();
    let mut choices = vec![vec![0.0; largest + 1]; chosen + 1];
    choices[0][0] = 1.0;
    let mut seen = 0;
    for (at, &rank) in ranks.iter().enumerate() {
        seen += rank;
        for count in (1..=chosen.min(at + 1)).rev() {
            let (fewer, more) = choices.split_at_mut(count);
            for sum in rank..=seen {
                more[0][sum] += fewer[count - 1][sum - rank];
            }
        }
    }
    let all = splits(ranks.len() - chosen, chosen);
    choices[chosen].iter().map(|count| count / all).collect()
}

/// In how many ways values split into groups of these sizes.
fn splits(before: usize, after: usize) -> f64 {
    (1..=after).fold(1.0, |all, i| all * (before + i) as f64 / i as f64)
}

fn normal_rank_sum(ranks: &[usize], chosen: usize, sum: usize) -> f64 {
    let n = ranks.len() as f64;
    let (chosen, others) = (chosen as f64, n - chosen as f64);
    let ranks: Vec<f64> = ranks.iter().map(|&rank| rank as f64 / 2.0).collect();
    let centre = (n + 1.0) / 2.0;
    let squares: f64 = ranks.iter().map(|rank| (rank - centre).powi(2)).sum();
    let deviation = (chosen * others * squares / (n * (n - 1.0))).sqrt();
    let distance = ((sum as f64 / 2.0 - chosen * centre).abs() - 0.5).max(0.0);
    if deviation > 0.0 { (2.0 * normal_tail(distance / deviation)).min(1.0) } else { 1.0 }
}

/// How many of the ordered differences lie outside the interval on either side: one fewer than
/// the largest k with P(U < k) <= `tail`. `None` if not even all of them reach far enough.
fn differences_outside(before: usize, after: usize, tail: f64) -> Option<usize> {
    if before + after > EXACT_MAX {
        let (m, n) = (before as f64, after as f64);
        let deviation = (m * n * (m + n + 1.0) / 12.0).sqrt();
        return Some((m * n / 2.0 - normal_quantile(tail) * deviation).floor() as usize - 1);
    }
    let ranks: Vec<usize> = (1..=before + after).collect();
    let least = after * (after + 1) / 2;
    let mut below = 0.0;
    let inside = shares_of_sums(&ranks, after)[least..].iter().position(|share| {
        below += share;
        below > tail
    });
    inside?.checked_sub(1)
}

#[cfg(test)]
mod tests;
