//! Random numbers of which some are more frequent than others, as the keys of real loads are.

use serde::{Deserialize, Serialize};

use crate::statistics::random::Random;

/// The form of a distribution over a range, with its parameter in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkewForm {
    /// The k-th number has a probability in proportion to 1 / k^parameter. 0.001 to 1,000.
    Zipf(u32),
    /// A bell around the middle of the range, cut at so many standard deviations on each side, as
    /// pgbench's `random_gaussian`. 2 to 1,000.
    Gaussian(u32),
    /// The first numbers are the most frequent, e^parameter times as frequent as the last, as
    /// pgbench's `random_exponential`. 0.001 to 1,000.
    Exponential(u32),
}

/// What a [`Skew`] is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SkewParts {
    /// The form and its parameter.
    pub form: SkewForm,
    /// At most `high`.
    pub low: i64,
    /// At least `low`, and less than 2^63 above it.
    pub high: i64,
    /// Digits of each number, with zeros before it; 0 for as many as it has.
    pub width: u8,
}

/// A distribution over a range, ready to be drawn from.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(from = "SkewParts", into = "SkewParts")]
pub struct Skew {
    parts: SkewParts,
    zipf: Zipf,
}

/// Rejection-inversion for Zipf's law over 1 to n: Hörmann and Derflinger, "Rejection-inversion to
/// generate variates from monotone discrete distributions", 1996. It needs no table, so the range
/// may be of any size.
#[derive(Clone, Copy, Debug, Default)]
struct Zipf {
    exponent: f64,
    /// The integral of the law at 1.5, less 1, and at n + 0.5.
    begin: f64,
    end: f64,
    /// Within this distance a number is accepted at once.
    near: f64,
}

impl Skew {
    /// A distribution of these parts.
    pub fn new(parts: SkewParts) -> Self {
        let zipf = match parts.form {
            SkewForm::Zipf(milli) => Zipf::new(parts.count(), parameter(milli)),
            SkewForm::Gaussian(_) | SkewForm::Exponential(_) => Zipf::default(),
        };
        Self { parts, zipf }
    }

    /// Its parts.
    pub const fn parts(&self) -> &SkewParts {
        &self.parts
    }

    /// A number.
    pub fn draw(&self, random: &mut Random) -> i64 {
        let count = self.parts.count();
        let index = match self.parts.form {
            SkewForm::Zipf(_) => self.zipf.draw(count, random) - 1.0,
            SkewForm::Gaussian(milli) => (gaussian(parameter(milli), random) * count).floor(),
            SkewForm::Exponential(milli) => (exponential(parameter(milli), random) * count).floor(),
        };
        // Numbers over 2^53 are rounded: the last one could be passed.
        self.parts.low.saturating_add_unsigned(index as u64).min(self.parts.high)
    }
}

impl SkewParts {
    /// How many numbers there are.
    fn count(&self) -> f64 {
        self.high.abs_diff(self.low) as f64 + 1.0
    }
}

fn parameter(milli: u32) -> f64 {
    f64::from(milli) / 1_000.0
}

/// 0 (included) to 1 (not), the middle being the most frequent.
fn gaussian(cut: f64, random: &mut Random) -> f64 {
    loop {
        let normal = random.normal();
        if (-cut..cut).contains(&normal) {
            return (normal + cut) / (2.0 * cut);
        }
    }
}

/// 0 (included) to 1 (not), the begin being the most frequent.
fn exponential(parameter: f64, random: &mut Random) -> f64 {
    let cut = (-parameter).exp();
    let uniform = 1.0 - random.unit();
    (-(cut + (1.0 - cut) * uniform).ln() / parameter).clamp(0.0, 1.0 - f64::EPSILON)
}

impl Zipf {
    fn new(count: f64, exponent: f64) -> Self {
        let law = Self { exponent, ..Self::default() };
        Self {
            begin: law.integral(1.5) - 1.0,
            end: law.integral(count + 0.5),
            near: 2.0 - law.inverse(law.integral(2.5) - law.density(2.0)),
            ..law
        }
    }

    /// 1 to `count`.
    fn draw(&self, count: f64, random: &mut Random) -> f64 {
        loop {
            let area = self.end + random.unit() * (self.begin - self.end);
            let place = self.inverse(area);
            let number = (place + 0.5).floor().clamp(1.0, count);
            if number - place <= self.near
                || area >= self.integral(number + 0.5) - self.density(number)
            {
                return number;
            }
        }
    }

    /// x^-exponent.
    fn density(&self, x: f64) -> f64 {
        (-self.exponent * x.ln()).exp()
    }

    /// An integral of [`Self::density`], exact also where the exponent is near 1.
    fn integral(&self, x: f64) -> f64 {
        let log = x.ln();
        let power = (1.0 - self.exponent) * log;
        log * if power.abs() > 1e-8 { power.exp_m1() / power } else { 1.0 + power / 2.0 }
    }

    /// The inverse of [`Self::integral`].
    fn inverse(&self, area: f64) -> f64 {
        // Rounding may bring it below -1.
        let power = (area * (1.0 - self.exponent)).max(-1.0);
        let factor = if power.abs() > 1e-8 { power.ln_1p() / power } else { 1.0 - power / 2.0 };
        (area * factor).exp()
    }
}

impl From<SkewParts> for Skew {
    fn from(parts: SkewParts) -> Self {
        Self::new(parts)
    }
}

impl From<Skew> for SkewParts {
    fn from(skew: Skew) -> Self {
        skew.parts
    }
}

/// The rest follows from the parts.
impl PartialEq for Skew {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl Eq for Skew {}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: u32 = 200_000;

    fn counted(form: SkewForm, low: i64, high: i64) -> Vec<f64> {
        let skew = Skew::new(SkewParts { form, low, high, width: 0 });
        let mut random = Random::new(7);
        let mut counts = vec![0.0; (high - low + 1) as usize];
        for _ in 0..DRAWS {
            let number = skew.draw(&mut random);
            assert!((low..=high).contains(&number), "{number}");
            counts[(number - low) as usize] += 1.0;
        }
        counts
    }

    /// Whether counts are as probable as Pearson's test says at 1 in 10,000.
    fn expect(counts: &[f64], weights: &[f64]) {
        let total: f64 = weights.iter().sum();
        let expected = weights.iter().map(|weight| weight / total * f64::from(DRAWS));
        let distance: f64 =
            counts.iter().zip(expected).map(|(&seen, of)| (seen - of) * (seen - of) / of).sum();
        let freedom = (weights.len() - 1) as f64;
        // Wilson and Hilferty 1931.
        let bound =
            freedom * (1.0 - 2.0 / (9.0 * freedom) + 3.72 * (2.0 / (9.0 * freedom)).sqrt()).powi(3);
        assert!(distance < bound, "{distance} of {bound}: {counts:?}");
    }

    #[test]
    fn zipf_has_the_probabilities_of_its_law() {
        for milli in [1, 500, 990, 1_000, 1_001, 1_500, 3_000] {
            let weights: Vec<f64> =
                (1..=20).map(|k| f64::from(k).powf(-f64::from(milli) / 1_000.0)).collect();
            expect(&counted(SkewForm::Zipf(milli), -5, 14), &weights);
        }
    }

    #[test]
    fn the_others_have_those_of_pgbench_s_documentation() {
        // f(x) = phi(2 * parameter * (x - mu) / (max - min + 1)) / (2 Phi(parameter) - 1).
        let cut = 2.5;
        let weights: Vec<f64> = (0..10)
            .map(|k| {
                let edge = |k: f64| 2.0 * cut * (k / 10.0) - cut;
                normal_below(edge(f64::from(k) + 1.0)) - normal_below(edge(f64::from(k)))
            })
            .collect();
        expect(&counted(SkewForm::Gaussian(2_500), 1, 10), &weights);
        // f(x) = exp(-parameter * (x - min) / (max - min + 1)) / (1 - exp(-parameter)).
        let weights: Vec<f64> = (0..10).map(|k| (-5.0 * f64::from(k) / 10.0).exp()).collect();
        expect(&counted(SkewForm::Exponential(5_000), 1, 10), &weights);
    }

    /// The normal distribution's share below `x`, by Simpson's rule.
    fn normal_below(x: f64) -> f64 {
        let density = |t: f64| (-t * t / 2.0).exp();
        let (steps, from) = (2_000, -8.0);
        let width = (x - from) / f64::from(steps);
        (0..=steps)
            .map(|step| {
                let weight = match step {
                    0 => 1.0,
                    last if last == steps => 1.0,
                    odd if odd % 2 == 1 => 4.0,
                    _ => 2.0,
                };
                weight * density(from + f64::from(step) * width)
            })
            .sum::<f64>()
            * width
    }

    #[test]
    fn the_widest_ranges_hold() {
        let mut random = Random::new(3);
        for form in [
            SkewForm::Zipf(990),
            SkewForm::Zipf(1_000_000),
            SkewForm::Zipf(1),
            SkewForm::Gaussian(2_000),
            SkewForm::Exponential(1),
            SkewForm::Exponential(1_000_000),
        ] {
            for (low, high) in [(0, 0), (i64::MIN, -2), (1, i64::MAX), (5, 6)] {
                let skew = Skew::new(SkewParts { form, low, high, width: 0 });
                for _ in 0..200 {
                    let number = skew.draw(&mut random);
                    assert!((low..=high).contains(&number), "{form:?}: {number}");
                }
            }
        }
    }

    #[test]
    fn a_stored_one_draws_the_same() {
        let parts = SkewParts { form: SkewForm::Zipf(1_200), low: 3, high: 900, width: 6 };
        let skew = Skew::new(parts);
        let stored = serde_json::to_string(&skew).expect("plain data");
        assert_eq!(stored, r#"{"form":{"zipf":1200},"low":3,"high":900,"width":6}"#);
        let again: Skew = serde_json::from_str(&stored).expect("its own text");
        assert_eq!(again, skew);
        let drawn = |skew: &Skew| {
            let mut random = Random::new(1);
            (0..50).map(|_| skew.draw(&mut random)).collect::<Vec<_>>()
        };
        assert_eq!(drawn(&again), drawn(&skew));
    }
}
