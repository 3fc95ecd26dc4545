//! Change points against Apache Otava's own examples, and in series whose breaks are known.
//!
//! The golden values are those of Otava 0.7 (commit 1ceb153) with `TTestSignificanceTester.compare`
//! replaced by scipy 1.17.1's `ttest_ind_from_stats(…, np.std(ddof=1), …, equal_var=False)`, and
//! p = 1 for a side of one value, and `merge` computing the change before a dropped one again as
//! it does the change after. Called as `compute_change_points(series, window_len, max_pvalue,
//! min_magnitude)`.

use super::*;
use crate::statistics::random::Random;

/// Otava's demonstration (tests/tigerbeetle_test.py): 365 measurements of TigerBeetle.
const TIGERBEETLE: &str = include_str!("../../../tests/data/tigerbeetle.txt");

fn tigerbeetle() -> Vec<f64> {
    let numbers = TIGERBEETLE.split_whitespace().map(|number| number.parse::<f64>().unwrap());
    numbers.collect()
}

fn rule(window: usize, p_max: f64, magnitude_min: f64) -> ChangeRule {
    ChangeRule { window, p_max, magnitude_min }
}

#[track_caller]
fn assert_found(values: &[f64], rule: ChangeRule, expected: &[(usize, f64, f64, f64)]) {
    let found = change_points(values, rule);
    let indexes: Vec<_> = found.iter().map(|change| change.index).collect();
    assert_eq!(indexes, expected.iter().map(|change| change.0).collect::<Vec<_>>(), "{rule:?}");
    for (found, &(_, p, before, after)) in found.iter().zip(expected) {
        for (value, golden) in [(found.p, p), (found.before, before), (found.after, after)] {
            assert!((value / golden - 1.0).abs() < 1e-4, "{found:?}: {value} is not {golden}");
        }
    }
}

#[test]
fn otavas_demonstration() {
    let series = tigerbeetle();
    assert_eq!(series.len(), 365);
    let default = [
        (71, 7.05886e-34, 24287.6, 28431.8),
        (95, 3.3705e-21, 28431.8, 27440.7),
        (131, 4.57148e-24, 27440.7, 28485.5),
        (192, 3.76034e-33, 28485.5, 29398.5),
    ];
    assert_found(&series, ChangeRule::default(), &default);
    let all = [
        (71, 7.05886e-34, 24287.6, 28431.8),
        (95, 2.79387e-20, 28431.8, 27268.3),
        (117, 2.04853e-5, 27268.3, 27711.6),
        (131, 6.93629e-10, 27711.6, 28485.5),
        (192, 4.8956e-8, 28485.5, 29006.3),
        (212, 7.25495e-7, 29006.3, 29449.8),
    ];
    assert_found(&series, rule(50, 0.001, 0.0), &all);
    // Otava's own tests expect these two; p of the first is 0.0108.
    let large = [(15, 0.0108159, 26000.7, 23828.8), (71, 2.14398e-136, 23828.8, 28890.5)];
    assert_found(&series, rule(30, 0.05, 0.05), &large);
    assert_found(&series, rule(30, 0.01, 0.05), &[(71, 1.87847e-37, 24287.6, 28890.5)]);
}

#[test]
fn otavas_short_examples() {
    let halved = [
        1.02, 0.95, 0.99, 1.00, 1.12, 1.00, 1.01, 0.98, 1.01, 0.96, 0.50, 0.51, 0.48, 0.48, 0.55,
        0.50, 0.49, 0.51, 0.50, 0.49,
    ];
    assert_found(&halved, ChangeRule::default(), &[(10, 4.1084e-13, 1.004, 0.501)]);
    assert_found(&halved, rule(10, 0.0001, 0.0), &[(10, 4.1084e-13, 1.004, 0.501)]);
    let first = [1.02, 0.95, 0.99, 1.00, 1.12, 0.90, 0.50, 0.51, 0.48, 0.48, 0.55];
    assert_found(&first, ChangeRule::default(), &[(6, 2.06413e-6, 0.996667, 0.504)]);
    let second = [2.02, 2.03, 2.01, 2.04, 1.82, 1.85, 1.79, 1.81, 1.80, 1.76, 1.78];
    assert_found(&second, ChangeRule::default(), &[(4, 3.9913e-8, 2.025, 1.80143)]);
    let steps =
        [0.3, 2.4, 1.5, -0.9, -0.5, 99.7, 98.3, 99.1, 149.0, 149.7, 149.5, 149.1, 148.8, 150.0];
    let expected = [(5, 1.30683e-11, 0.56, 99.0333), (8, 2.31601e-6, 99.0333, 149.35)];
    assert_found(&steps, ChangeRule::default(), &expected);
    // examples/csv of Otava: -12.9 %, and a series without a change.
    let metric2 = [10.43, 10.23, 10.29, 10.91, 10.34, 10.69, 9.23, 9.11, 9.13, 9.03];
    assert_found(&metric2, ChangeRule::default(), &[(6, 1.55779e-5, 10.4817, 9.125)]);
    let metric1 = [
        154023.0, 138455.0, 143112.0, 149190.0, 132098.0, 151344.0, 155145.0, 148889.0, 149466.0,
        148209.0,
    ];
    assert_found(&metric1, ChangeRule::default(), &[]);
}

/// `scipy.stats.ttest_ind([1, 2, 3, 4], [2, 4, 6, 8, 11], equal_var=False).pvalue`.
#[test]
fn welchs_test_is_scipys() {
    let p = welch(&[1.0, 2.0, 3.0, 4.0], &[2.0, 4.0, 6.0, 8.0, 11.0]);
    assert!((p / WELCH - 1.0).abs() < 1e-9, "{p}");
    assert_eq!(welch(&[1.0], &[2.0, 3.0]), 1.0);
    assert_eq!((welch(&[1.0; 3], &[1.0; 3]), welch(&[1.0; 3], &[2.0; 3])), (1.0, 0.0));
}
const WELCH: f64 = 0.07733045971847786;

#[test]
fn breaks_are_found_where_they_were_made_and_nowhere_else() {
    let mut random = Random::new(5);
    let (mut exact, mut near, mut extra) = (0, 0, 0);
    for _ in 0..100 {
        // 3 % noise; -10 % at 60, +15 % at 120.
        let level = |at: usize| {
            if at < 60 {
                100.0
            } else if at < 120 {
                90.0
            } else {
                103.5
            }
        };
        let series: Vec<f64> =
            (0..180).map(|at| level(at) * (1.0 + 0.03 * random.normal())).collect();
        for change in change_points(&series, ChangeRule::default()) {
            let off = change.index.abs_diff(60).min(change.index.abs_diff(120));
            exact += u32::from(off == 0);
            near += u32::from(off <= 2);
            extra += u32::from(off > 2);
        }
    }
    assert!(exact >= 150 && near >= 195 && extra <= 25, "{exact} {near} {extra}");
}

#[test]
fn noise_alone_seldom_has_a_change() {
    let mut random = Random::new(6);
    let rows = 200;
    let false_alarms = (0..rows).filter(|_| {
        let series: Vec<f64> = (0..100).map(|_| 100.0 + 5.0 * random.normal()).collect();
        !change_points(&series, ChangeRule::default()).is_empty()
    });
    let count = false_alarms.count();
    assert!(count <= 20, "{count} of {rows} series");
}

#[test]
fn degenerate_series_have_no_change() {
    for series in [&[][..], &[1.0], &[1.0, 2.0], &[5.0; 60]] {
        assert_eq!(change_points(series, ChangeRule::default()), [], "{series:?}");
    }
    let from_zero: Vec<f64> = [[0.0; 10], [1.0; 10]].concat();
    let found = change_points(&from_zero, ChangeRule { magnitude_min: 0.0, ..Default::default() });
    assert_eq!(found.iter().map(|change| change.index).collect::<Vec<_>>(), [10]);
}
