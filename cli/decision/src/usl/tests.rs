//! Fits against scipy and the published example, intervals against simulated laws.

use super::*;

fn points(loads: &[f64], rates: &[f64]) -> Vec<UslPoint> {
    let point = |(&load, &rate)| UslPoint { load, rate, is_generator_limited: false };
    loads.iter().zip(rates).map(point).collect()
}

/// `scipy.optimize.least_squares` of the rates with bounds ((0, 0, 0), (∞, ∞, ∞)) from 16 starts.
/// The first is `specSDM91` of R's package `usl`, whose manual has 89.995, 0.02773 and 0.00010437.
#[test]
fn fits_match_scipy() {
    let sdm = (
        vec![1.0, 18.0, 36.0, 72.0, 108.0, 144.0, 216.0],
        vec![64.9, 995.9, 1652.4, 1853.2, 1828.9, 1775.0, 1702.2],
        [89.995_204_28, 0.027_728_434_59, 0.000_104_365_698_6],
    );
    let serial = (
        vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0],
        vec![955.16, 1878.91, 3548.68, 6531.08, 10880.0, 16100.0, 21300.0, 25500.0],
        [993.511_620_7, 0.031_421_292_93, 0.0],
    );
    let linear = (
        vec![1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0],
        vec![101.0, 199.0, 303.0, 398.0, 605.0, 801.0, 1195.0, 1604.0],
        [100.079_245_3, 0.0, 0.0],
    );
    let falling = (
        vec![1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0],
        vec![980.0, 1830.0, 3120.0, 3900.0, 4270.0, 4400.0, 4190.0, 3500.0, 2880.0],
        [977.622_579_5, 0.052_072_625_44, 0.008_221_155_733],
    );
    for (loads, rates, truth) in [sdm, serial, linear, falling] {
        let pairs: Vec<_> = loads.iter().copied().zip(rates).collect();
        let law = Law::of(&pairs).unwrap();
        for (found, truth) in law.0.into_iter().zip(truth) {
            let is_near = (found - truth).abs() <= 1e-5 * truth.max(1e-4);
            assert!(is_near, "{:?} instead of {truth} in {pairs:?}", law.0);
        }
    }
}

#[test]
fn the_law_ends_at_twice_the_highest_load() {
    let loads = [1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0];
    let rates = [980.0, 1830.0, 3120.0, 3900.0, 4270.0, 4400.0, 4190.0, 3500.0, 2880.0];
    let fit = fit_usl(&points(&loads, &rates), 1).unwrap();
    assert_eq!(fit.load_max, 64.0);
    assert!(fit.rate(64.0).is_some() && fit.rate(64.1).is_none());
    let (load, rate) = fit.peak.unwrap();
    assert!((load - 10.74).abs() < 0.01 && (rate - fit.rate(load).unwrap()).abs() < 1e-9);
    assert!(fit.r_squared > 0.99 && fit.points == 9, "{fit:?}");
}

#[test]
fn too_few_points_and_points_without_a_bend_have_no_law() {
    let loads: Vec<f64> = (1..=8).map(f64::from).collect();
    let rates: Vec<f64> = loads.iter().map(|load| 100.0 * load).collect();
    let all = points(&loads, &rates);
    assert_eq!(fit_usl(&all[..7], 1), Err(UslError::FewLoads { found: 7 }));
    let mut limited = all.clone();
    limited[0].is_generator_limited = true;
    assert_eq!(fit_usl(&limited, 1), Err(UslError::FewLoads { found: 7 }));
    let doubled: Vec<f64> = (0..8).map(|power| 2_f64.powi(power)).collect();
    let rates: Vec<f64> = doubled.iter().map(|load| 100.0 * load).collect();
    assert_eq!(fit_usl(&points(&doubled, &rates), 1), Err(UslError::FewHigh { found: 1 }));
}

#[test]
fn intervals_cover_the_law_that_made_the_points() {
    let (mut covered, seeds) = ([0, 0], 60);
    for seed in 0..seeds {
        let mut random = Random::new(seed);
        let loads = [1.0, 2.0, 4.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0];
        let law = Law([1_000.0, 0.05, 0.001]);
        let rates = loads.map(|load| law.rate(load) + 40.0 * random.normal());
        let fit = fit_usl(&points(&loads, &rates), seed).unwrap();
        covered[0] += u32::from(fit.sigma.covers(0.05));
        covered[1] += u32::from(fit.kappa.covers(0.001));
    }
    assert!(covered.iter().all(|covered| *covered >= 51), "{covered:?} of {seeds}");
}
