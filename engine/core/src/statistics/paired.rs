//! Pairs compared: the shift between the two halves of each, and whether it is chance.
//!
//! Both take the differences, one per pair (of logarithms when a ratio is asked for), and assume
//! only that without an effect each was as likely with the other sign.

use super::distribution::{normal_quantile, t_quantile};
use super::random::Random;
use super::{Estimate, deviation, median};

/// Pairs up to which the distribution of the signed-rank sum is counted out.
const EXACT_RANKS_MAX: usize = 100;
/// Pairs up to which every assignment of signs is tried.
const EXACT_SIGNS_MAX: usize = 16;
const DRAWS: u32 = 20_000;

/// The shift of Hodges and Lehmann (the median of all pairwise means) with the interval that
/// inverts Wilcoxon's signed-rank test (Hollander, Wolfe and Chicken 2014, section 3.2 and 3.3).
/// Exact up to 100 pairs. Too few pairs for `confidence` (fewer than 6 for 0.95) leave the
/// interval unbounded; no pairs are `None`.
pub fn hodges_lehmann(differences: &[f64], confidence: f64) -> Option<Estimate> {
    let mut means = Vec::with_capacity(differences.len() * (differences.len() + 1) / 2);
    for (i, a) in differences.iter().enumerate() {
        means.extend(differences[i..].iter().map(|b| f64::midpoint(*a, *b)));
    }
    means.sort_unstable_by(f64::total_cmp);
    let value = median(&mut means.clone())?;
    Some(match ranks_outside(differences.len(), (1.0 - confidence) / 2.0) {
        Some(outside) => {
            Estimate { value, low: means[outside], high: means[means.len() - 1 - outside] }
        }
        None => Estimate { value, low: f64::NEG_INFINITY, high: f64::INFINITY },
    })
}

/// The probability, without an effect, of a mean at least as far from zero as that of
/// `differences` (two-sided sign-flip test, Fisher 1935). Counted out up to 16 pairs, drawn
/// 20,000 times beyond; 1 when there are none.
pub fn sign_flip(differences: &[f64], seed: u64) -> f64 {
    let magnitude: f64 = differences.iter().map(|d| d.abs()).sum();
    // Sums that differ by rounding alone are the same sum.
    let observed = differences.iter().sum::<f64>().abs() - magnitude * 1e-12;
    let is_as_far = |signs: &mut dyn FnMut(usize) -> bool| {
        let sum: f64 =
            differences.iter().enumerate().map(|(i, d)| if signs(i) { *d } else { -d }).sum();
        u32::from(sum.abs() >= observed)
    };
    if differences.len() <= EXACT_SIGNS_MAX {
        let all = 1_u32 << differences.len();
        let far: u32 = (0..all).map(|signs| is_as_far(&mut |i| signs >> i & 1 == 1)).sum();
        return f64::from(far) / f64::from(all);
    }
    let mut random = Random::new(seed);
    let far: u32 = (0..DRAWS).map(|_| is_as_far(&mut |_| random.coin())).sum();
    // What was observed is one of the assignments (Phipson and Smyth 2010).
    f64::from(far + 1) / f64::from(DRAWS + 1)
}

/// The smallest shift that a test of `differences` at level `alpha` finds with probability
/// `power`, if they are normal with the spread of these. `None` if no shift is large enough,
/// because there are too few pairs for the level.
pub fn smallest_detectable(differences: &[f64], alpha: f64, power: f64) -> Option<f64> {
    let pairs = differences.len() as f64;
    if 2.0 / pairs.exp2() > alpha {
        return None;
    }
    let degrees = pairs - 1.0;
    let error = deviation(differences)? / pairs.sqrt();
    Some((t_quantile(alpha / 2.0, degrees) + t_quantile(1.0 - power, degrees)) * error)
}

/// How many of the ordered pairwise means lie outside the interval on either side: one fewer than
/// the largest k with P(W < k) <= `tail`, W the signed-rank sum of `n` pairs. `None` when not even
/// all of the means reach far enough.
fn ranks_outside(n: usize, tail: f64) -> Option<usize> {
    let sums = n * (n + 1) / 2;
    if n > EXACT_RANKS_MAX {
        let (pairs, sums) = (n as f64, sums as f64);
        let deviation = (sums * (2.0 * pairs + 1.0) / 12.0).sqrt();
        return Some((sums / 2.0 - normal_quantile(tail) * deviation).floor() as usize - 1);
    }
    let mut probability = vec![0.0; sums + 1];
    probability[0] = 1.0;
    for rank in 1..=n {
        for sum in (0..=sums).rev() {
            let with = if sum >= rank { probability[sum - rank] } else { 0.0 };
            probability[sum] = f64::midpoint(probability[sum], with);
        }
    }
    let mut below = 0.0;
    let inside = probability.iter().position(|p| {
        below += p;
        below > tail
    });
    inside?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hollander and Wolfe's depression scale data (R's example of `wilcox.test`): shift -0.46,
    /// 96.1 % interval -0.786 to -0.010.
    const BEFORE: [f64; 9] = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30];
    #[expect(clippy::approx_constant, reason = "3.14 is a score of the scale")]
    const AFTER: [f64; 9] = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29];

    fn differences() -> Vec<f64> {
        AFTER.iter().zip(BEFORE).map(|(after, before)| after - before).collect()
    }

    #[test]
    fn hollander_and_wolfes_example() {
        let shift = hodges_lehmann(&differences(), 0.95).unwrap();
        let rounded = shift.map(|v| (v * 1e3).round() / 1e3);
        assert_eq!(rounded, Estimate { value: -0.46, low: -0.786, high: -0.01 });
    }

    #[test]
    fn five_pairs_cannot_bound_a_shift_and_six_can() {
        let five = hodges_lehmann(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.95).unwrap();
        assert_eq!((five.value, five.low, five.high), (3.0, f64::NEG_INFINITY, f64::INFINITY));
        let six = hodges_lehmann(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 0.95).unwrap();
        assert_eq!((six.value, six.low, six.high), (3.5, 1.0, 6.0));
        assert_eq!(hodges_lehmann(&[], 0.95), None);
    }

    /// The distribution of the rank sum, counted over all 2^n assignments.
    #[test]
    fn the_ranks_left_out_are_those_of_the_full_enumeration() {
        for n in 1..=12_usize {
            let all = 1_usize << n;
            let sum_of = |signs: usize| (0..n).filter(move |i| signs >> i & 1 == 1).map(|i| i + 1);
            let sums: Vec<usize> = (0..all).map(|signs| sum_of(signs).sum()).collect();
            let below = |k: usize| sums.iter().filter(|&&sum| sum < k).count();
            let allowed = (0..=n * (n + 1) / 2).rev().find(|&k| below(k) * 40 <= all);
            assert_eq!(ranks_outside(n, 0.025), allowed.unwrap().checked_sub(1), "{n} pairs");
        }
    }

    #[test]
    fn the_smallest_detectable_shift_is_found_as_often_as_it_says() {
        let mut random = Random::new(10);
        let shift = smallest_detectable(&[-1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0], 0.05, 0.8);
        // The deviation of these is the square root of 8/7; a unit deviation needs less.
        let shift = shift.unwrap() / (8.0_f64 / 7.0).sqrt();
        let mut found = 0;
        for _ in 0..1_000 {
            let pairs: Vec<f64> = (0..8).map(|_| random.normal() + shift).collect();
            found += u32::from(sign_flip(&pairs, 0) <= 0.05);
        }
        assert!((760..=850).contains(&found), "{found} of 1000 at {shift}");
        assert_eq!(smallest_detectable(&[1.0; 5], 0.05, 0.8), None);
        assert_eq!(smallest_detectable(&[], 0.05, 0.8), None);
    }

    #[test]
    fn normal_ranks_are_near_the_exact_ones() {
        let exact = ranks_outside(100, 0.025).unwrap();
        let approximate = ranks_outside(101, 0.025).unwrap();
        assert!((exact + 20..exact + 60).contains(&approximate), "{exact} {approximate}");
    }

    #[test]
    fn sign_flips_are_counted_out_when_few_and_drawn_when_many() {
        // All of one sign: only the two extreme assignments of 2^6 are as far.
        assert_eq!(sign_flip(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 0), 2.0 / 64.0);
        assert_eq!(sign_flip(&[1.0, -1.0], 0), 1.0);
        assert_eq!(sign_flip(&[], 0), 1.0);
        // {2, 2, -1}: |sum| = 3; the sums over signs are ±5, ±3 and twice ±1: 4 of 8 are as far.
        assert_eq!(sign_flip(&[2.0, 2.0, -1.0], 0), 4.0 / 8.0);
        let mut random = Random::new(9);
        let many: Vec<f64> = (0..17).map(|_| random.normal() + 0.4).collect();
        let exact = {
            let sum = many.iter().sum::<f64>().abs();
            let of =
                |signs: u32| (0..17).map(move |i| if signs >> i & 1 == 1 { 1.0 } else { -1.0 });
            let sums = (0..1 << 17).map(|s| of(s).zip(&many).map(|(x, y)| x * y).sum::<f64>());
            sums.filter(|s| s.abs() >= sum - 1e-9).count() as f64 / f64::from(1 << 17)
        };
        let drawn = sign_flip(&many, 4);
        assert!((drawn - exact).abs() < 0.01, "{drawn} {exact}");
    }

    #[test]
    fn intervals_cover_the_shift_of_skewed_pairs_as_often_as_promised() {
        let mut random = Random::new(5);
        let covered = (0..1_000)
            .filter(|_| {
                let pairs: Vec<f64> =
                    (0..10).map(|_| 0.3 + random.normal().exp() - random.normal().exp()).collect();
                hodges_lehmann(&pairs, 0.95).unwrap().covers(0.3)
            })
            .count();
        assert!(covered >= 935, "{covered} of 1,000");
    }
}
