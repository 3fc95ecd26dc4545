//! Golden values of `scipy.stats` 1.17.1 (`pip install scipy`), and properties.
//!
//! Ties: `permutation_test((r[:m], r[m:]), lambda x, y, axis=-1: y.sum(axis), vectorized=True,
//! n_resamples=inf)` with `r = rankdata(a + b)`; without: `mannwhitneyu(b, a, method="exact")`.
//! Intervals: the differences that `mannwhitneyu` of the shifted groups does not reject.

use super::*;
use crate::statistics::random::Random;

/// Hollander and Wolfe's permeability of the human chorioamnion (R's example of `wilcox.test`).
const AT_TERM: [f64; 10] = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46];
const EARLY: [f64; 5] = [1.15, 0.88, 0.90, 0.74, 1.21];
const BEFORE: [f64; 8] = [101.2, 99.8, 100.4, 98.7, 100.9, 101.5, 99.1, 100.0];
const AFTER: [f64; 8] = [104.9, 103.2, 106.0, 105.1, 102.8, 104.4, 107.3, 105.5];

fn near(value: f64, truth: f64) {
    assert!((value - truth).abs() <= 1e-12 * truth.abs().max(1.0), "{value} is not {truth}");
}

#[test]
fn probabilities_are_those_of_scipy() {
    near(rank_sum(&AT_TERM, &EARLY), 0.254_412_254_412_254_4);
    near(rank_sum(&BEFORE, &AFTER), 0.000_155_400_155_400_155_4);
    let (before, after) = ([10.0, 10.0, 12.0, 13.0, 13.0, 15.0], [12.0, 13.0, 16.0, 16.0, 17.0]);
    near(rank_sum(&before, &after), 0.095_238_095_238_095_23);
    let (before, after) = ([1.0, 1.0, 1.0, 1.0, 2.0], [1.0, 3.0, 3.0, 3.0, 3.0, 3.0]);
    near(rank_sum(&before, &after), 0.025_974_025_974_025_976);
}

/// `mannwhitneyu(b, a, method="asymptotic")`, with a third of the values tied.
#[test]
fn many_values_are_as_in_scipy_s_normal_approximation() {
    let before: Vec<f64> = (0..60).map(|i| f64::from(i * 37 % 101)).collect();
    let after: Vec<f64> = (0..60).map(|i| f64::from((i * 53 + 11) % 97 + 6)).collect();
    near(rank_sum(&before, &after), 0.372_221_584_434_562_1);
}

#[test]
fn shifts_and_intervals_are_those_of_scipy() {
    let shift = hodges_lehmann(&AT_TERM, &EARLY, 0.95).unwrap();
    near(shift.value, -0.305);
    near(shift.low, -0.76);
    near(shift.high, 0.15);
    let shift = hodges_lehmann(&BEFORE, &AFTER, 0.95).unwrap();
    near(shift.value, 4.6);
    let wide = hodges_lehmann(&BEFORE, &AFTER, 0.99).unwrap();
    assert!(wide.low < shift.low && wide.high > shift.high, "{wide:?} {shift:?}");
}

#[test]
fn every_split_is_counted() {
    let mut random = Random::new(5);
    for (m, n) in [(1, 1), (2, 3), (4, 4), (6, 5), (3, 7)] {
        let values: Vec<f64> = (0..m + n).map(|_| random.below(6) as f64).collect();
        let ranks = doubled_ranks(&values[..m], &values[m..]);
        let observed: usize = ranks[m..].iter().sum();
        let splits = (0_u32..1 << (m + n)).filter(|split| split.count_ones() as usize == n);
        let sum = |split: u32| -> usize {
            (0..m + n).filter(|i| split >> i & 1 == 1).map(|i| ranks[i]).sum()
        };
        let sums: Vec<usize> = splits.map(sum).collect();
        let share = |of: &dyn Fn(usize) -> bool| {
            sums.iter().filter(|sum| of(**sum)).count() as f64 / sums.len() as f64
        };
        let tails = share(&|sum| sum <= observed).min(share(&|sum| sum >= observed));
        near(rank_sum(&values[..m], &values[m..]), (2.0 * tails).min(1.0));
    }
}

#[test]
fn the_interval_has_the_shifts_that_the_test_does_not_reject() {
    let mut random = Random::new(6);
    for (m, n) in [(4, 4), (5, 8), (10, 10), (3, 12)] {
        let before: Vec<f64> = (0..m).map(|_| random.normal()).collect();
        let after: Vec<f64> = (0..n).map(|_| random.normal() + 1.0).collect();
        let shift = hodges_lehmann(&before, &after, 0.95).unwrap();
        let p = |by: f64| rank_sum(&before, &after.iter().map(|v| v - by).collect::<Vec<_>>());
        assert!(p(shift.low + 1e-9) > 0.05 && p(shift.high - 1e-9) > 0.05, "{shift:?}");
        assert!(p(shift.low - 1e-9) <= 0.05 && p(shift.high + 1e-9) <= 0.05, "{shift:?}");
    }
}

#[test]
fn intervals_cover_the_shift_as_often_as_they_say() {
    let mut random = Random::new(7);
    let mut covered = 0;
    for _ in 0..1_000 {
        let before: Vec<f64> = (0..6).map(|_| random.normal()).collect();
        let after: Vec<f64> = (0..6).map(|_| random.normal() + 0.7).collect();
        covered += u32::from(hodges_lehmann(&before, &after, 0.95).unwrap().covers(0.7));
    }
    assert!((940..=980).contains(&covered), "{covered} of 1000");
}

#[test]
fn three_values_cannot_bound_a_shift_and_four_can() {
    let (three, four) = ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0]);
    let shift = hodges_lehmann(&three, &three, 0.95).unwrap();
    assert_eq!((shift.value, shift.low, shift.high), (0.0, f64::NEG_INFINITY, f64::INFINITY));
    let shift = hodges_lehmann(&four, &four, 0.95).unwrap();
    assert_eq!((shift.low, shift.high), (-3.0, 3.0));
    assert_eq!(hodges_lehmann(&[], &four, 0.95), None);
    assert_eq!((rank_sum(&[], &four), rank_sum(&[1.0; 5], &[1.0; 5])), (1.0, 1.0));
    assert_eq!((smallest_p(3, 3), smallest_p(5, 5)), (0.1, 2.0 / 252.0));
}

/// Of groups whose true shift is the one reported, 80 % are found significant.
#[test]
fn the_smallest_detectable_shift_is_found_as_often_as_it_says() {
    let mut random = Random::new(8);
    let (mut found, mut shifts) = (0, Vec::new());
    for _ in 0..400 {
        let group =
            |random: &mut Random| -> Vec<f64> { (0..10).map(|_| 0.05 * random.normal()).collect() };
        shifts.push(smallest_detectable(&group(&mut random), &group(&mut random), 0.05, 0.8));
    }
    let mut shifts: Vec<f64> = shifts.into_iter().flatten().collect();
    let shift = median(&mut shifts).unwrap();
    for _ in 0..1_000 {
        let before: Vec<f64> = (0..10).map(|_| 0.05 * random.normal()).collect();
        let after: Vec<f64> = (0..10).map(|_| 0.05 * random.normal() + shift).collect();
        found += u32::from(rank_sum(&before, &after) <= 0.05);
    }
    assert!((760..=850).contains(&found), "{found} of 1000 at {shift}");
    assert_eq!(smallest_detectable(&[1.0; 3], &[1.0, 2.0, 3.0], 0.05, 0.8), None);
    assert_eq!(smallest_detectable(&[1.0; 4], &[1.0; 4], 0.05, 0.8), Some(0.0));
}

/// `median_abs_deviation(v, scale="normal") / median(v)`; scipy keeps more digits of 1.4826.
#[test]
fn the_robust_variation_disregards_a_value_far_out() {
    let variation = robust_variation(&[10.0, 11.0, 12.0, 9.0, 30.0]).unwrap();
    assert!((variation - 0.134_782_019_864_145_65).abs() < 1e-5, "{variation}");
    assert_eq!((robust_variation(&[]), robust_variation(&[0.0; 3])), (None, None));
}
