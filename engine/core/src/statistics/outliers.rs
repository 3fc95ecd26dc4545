//! Single values far from their neighbours (Hampel's identifier).
//!
//! A value is measured by the median of its neighbours and their median absolute deviation, which
//! neither a trend nor a step of the whole series disturbs. Two far values in a row are no
//! outliers: a new level begins like that.

use super::median;

/// Neighbours on each side.
const REACH: usize = 7;
/// The fewest neighbours that say anything.
const NEIGHBOURS_MIN: usize = 5;
/// Standard deviations of a normal distribution per median absolute deviation.
const NORMAL: f64 = 1.4826;
/// The smallest scale as a share of the level: neighbours may be equal by chance.
const SCALE_MIN: f64 = 0.005;

/// A value far from its neighbours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlier {
    /// Its index.
    pub index: usize,
    /// The median of its neighbours.
    pub expected: f64,
    /// Its distance in standard deviations; negative below.
    pub z: f64,
}

/// The values more than `z_min` standard deviations from their neighbours, alone.
pub fn outliers(values: &[f64], z_min: f64) -> Vec<Outlier> {
    let all = (0..values.len()).filter_map(|index| measured(values, index));
    let far: Vec<Outlier> = all.filter(|outlier| outlier.z.abs() > z_min).collect();
    let is_alone = |outlier: &&Outlier| {
        let is_beside = |other: &Outlier| {
            other.index.abs_diff(outlier.index) == 1 && other.z.signum() == outlier.z.signum()
        };
        !far.iter().any(is_beside)
    };
    far.iter().filter(is_alone).copied().collect()
}

/// A value measured by its neighbours, if there are enough.
fn measured(values: &[f64], index: usize) -> Option<Outlier> {
    let before = &values[index.saturating_sub(REACH)..index];
    let after = &values[index + 1..(index + 1 + REACH).min(values.len())];
    let mut neighbours = [before, after].concat();
    if neighbours.len() < NEIGHBOURS_MIN {
        return None;
    }
    let expected = median(&mut neighbours)?;
    let mut deviations: Vec<f64> =
        neighbours.iter().map(|value| (value - expected).abs()).collect();
    let scale = (NORMAL * median(&mut deviations)?).max(SCALE_MIN * expected.abs());
    let distance = values[index] - expected;
    let z = if distance == 0.0 { 0.0 } else { distance / scale };
    Some(Outlier { index, expected, z })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::random::Random;

    const Z: f64 = 10.0;

    fn noise(random: &mut Random, n: usize) -> Vec<f64> {
        (0..n).map(|_| 100.0 + 3.0 * random.normal()).collect()
    }

    fn indexes(values: &[f64]) -> Vec<usize> {
        outliers(values, Z).into_iter().map(|outlier| outlier.index).collect()
    }

    #[test]
    fn a_single_far_value_is_found_anywhere() {
        let mut random = Random::new(3);
        for index in [0, 1, 17, 38, 39] {
            let mut values = noise(&mut random, 40);
            values[index] = 40.0;
            assert_eq!(indexes(&values), [index]);
        }
        let flat = [[5.0; 10].as_slice(), &[5.3], &[5.0; 10]].concat();
        let found = outliers(&flat, Z);
        assert_eq!((found[0].index, found[0].expected), (10, 5.0));
        assert!((found[0].z - 12.0).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn a_step_a_slope_and_a_pair_of_values_are_no_outliers() {
        let mut random = Random::new(4);
        let mut step = noise(&mut random, 60);
        step[30..].iter_mut().for_each(|value| *value += 60.0);
        assert_eq!(indexes(&step), [0; 0]);
        let slope: Vec<f64> = (0..60).map(f64::from).collect();
        assert_eq!(indexes(&slope), [0; 0]);
        let mut late = noise(&mut random, 60);
        late[58..].iter_mut().for_each(|value| *value += 60.0);
        assert_eq!(indexes(&late), [0; 0], "a new level may begin so");
        assert_eq!(indexes(&[1.0, 2.0, 900.0]), [0; 0], "too few neighbours");
    }

    #[test]
    fn noise_has_few() {
        let mut random = Random::new(5);
        let count: usize = (0..200).map(|_| indexes(&noise(&mut random, 100)).len()).sum();
        assert!(count <= 10, "{count} of 20,000 values");
    }
}
