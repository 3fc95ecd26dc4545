//! The curves of the tests: normal, Student's t, chi-squared, and the logarithm of the factorial.
//!
//! Tails are computed as such (never as one minus the other side), so that a small probability
//! keeps its digits.

use std::f64::consts::SQRT_2;

use libm::{erfc, lgamma};

/// Where a continued fraction has converged.
const PRECISION: f64 = 1e-15;
const TERMS_MAX: u32 = 10_000;

/// ln n!.
pub fn ln_factorial(n: u64) -> f64 {
    lgamma(n as f64 + 1.0)
}

/// The probability that a standard normal value is larger than `z`.
pub fn normal_tail(z: f64) -> f64 {
    erfc(z / SQRT_2) / 2.0
}

/// The probability that a chi-squared value of one degree of freedom is larger than `x`.
pub fn chi_squared_tail(x: f64) -> f64 {
    erfc((x.max(0.0) / 2.0).sqrt())
}

/// The probability that a Student's t value of `degrees` of freedom is larger than `t`.
pub fn t_tail(t: f64, degrees: f64) -> f64 {
    if t.is_infinite() {
        return if t > 0.0 { 0.0 } else { 1.0 };
    }
    let half = beta_share(degrees / 2.0, 0.5, degrees / (degrees + t * t)) / 2.0;
    if t < 0.0 { 1.0 - half } else { half }
}

/// The z that a standard normal value exceeds with probability `tail` (0 < `tail` < 1).
pub fn normal_quantile(tail: f64) -> f64 {
    quantile(tail, normal_tail)
}

/// The t that a Student's t value of `degrees` > 0 exceeds with probability `tail`
/// (0 < `tail` < 1).
pub fn t_quantile(tail: f64, degrees: f64) -> f64 {
    quantile(tail, |t| t_tail(t, degrees))
}

/// Bisection between powers of two: slower than a formula, and right for every curve.
fn quantile(tail: f64, tail_of: impl Fn(f64) -> f64) -> f64 {
    if tail > 0.5 {
        return -quantile(1.0 - tail, tail_of);
    }
    let (mut low, mut high) = (0.0, 1.0);
    while tail_of(high) > tail && high < 1e300 {
        (low, high) = (high, high * 2.0);
    }
    for _ in 0..48 {
        let middle = f64::midpoint(low, high);
        if tail_of(middle) > tail { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// The regularised incomplete beta function I_x(a, b): Abramowitz and Stegun 26.5.8 (continued
/// fraction, Lentz's method), on the side where it converges fast.
fn beta_share(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_share(b, a, 1.0 - x);
    }
    let front = lgamma(a + b) - lgamma(a) - lgamma(b) + a * x.ln() + b * (1.0 - x).ln() - a.ln();
    let tiny = f64::MIN_POSITIVE / PRECISION;
    let (mut c, mut d) = (1.0, 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0), tiny));
    let mut fraction = d;
    for m in 1..TERMS_MAX {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut step = 1.0;
        for numerator in [even, odd] {
            d = 1.0 / away_from_zero(1.0 + numerator * d, tiny);
            c = away_from_zero(1.0 + numerator / c, tiny);
            step = d * c;
            fraction *= step;
        }
        if (step - 1.0).abs() < PRECISION {
            break;
        }
    }
    fraction * front.exp()
}

fn away_from_zero(value: f64, tiny: f64) -> f64 {
    if value.abs() < tiny { tiny } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    fn near(value: f64, truth: f64, relative: f64) {
        assert!((value - truth).abs() <= truth.abs() * relative, "{value} is not {truth}");
    }

    #[test]
    fn factorials_are_right() {
        let mut product = 0.0;
        for n in 1..200_u64 {
            product += (n as f64).ln();
            assert!((ln_factorial(n) - product).abs() < 1e-10, "{n}");
        }
    }

    /// Abramowitz and Stegun, tables 26.1, 26.8 and 26.10; R's pnorm and pt for the far tails.
    #[test]
    fn tails_match_the_tables() {
        near(normal_tail(1.0), 0.158_655_253_931_457, 1e-12);
        near(normal_tail(-1.0), 0.841_344_746_068_543, 1e-12);
        near(normal_tail(6.0), 9.865_876_450_376_9e-10, 1e-11);
        near(chi_squared_tail(3.841_458_820_694_124), 0.05, 1e-11);
        // Two degrees and one have a closed form.
        for t in [-3.0, 0.5, 4.0_f64] {
            near(t_tail(t, 2.0), 0.5 - t / (2.0 * (2.0 + t * t).sqrt()), 1e-11);
            near(t_tail(t, 1.0), 0.5 - t.atan() / PI, 1e-11);
        }
        assert_eq!((t_tail(f64::INFINITY, 3.0), t_tail(f64::NEG_INFINITY, 3.0)), (0.0, 1.0));
    }

    #[test]
    fn quantiles_match_the_tables() {
        near(normal_quantile(0.025), 1.959_963_984_540_054, 1e-11);
        near(normal_quantile(0.975), -1.959_963_984_540_054, 1e-11);
        near(t_quantile(0.025, 4.0), 2.776_445_105_197_79, 1e-10);
        near(t_quantile(0.025, 1.0), 12.706_204_736_174_7, 1e-10);
        near(t_quantile(0.05, 30.0), 1.697_260_886_593_96, 1e-10);
        assert!(normal_quantile(0.5).abs() < 1e-12);
    }
}
