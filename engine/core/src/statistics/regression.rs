//! The line of least squares through points, and how much of their spread it explains.

use super::mean;

/// A fitted line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FittedLine {
    /// Change of y per unit of x.
    pub slope: f64,
    /// y at x = 0.
    pub intercept: f64,
    /// The share of the variance of y that the line explains, 0..=1; 1 of constant y.
    pub r_squared: f64,
}

/// The line with the smallest sum of squared distances in y (Legendre 1805); `None` when no two
/// points differ in x.
pub fn least_squares(x: &[f64], y: &[f64]) -> Option<FittedLine> {
    let n = x.len().min(y.len());
    let (x, y) = (&x[..n], &y[..n]);
    let (middle_x, middle_y) = (mean(x)?, mean(y)?);
    let products = |a: &[f64], middle_a: f64, b: &[f64], middle_b: f64| -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - middle_a) * (b - middle_b)).sum()
    };
    let of_x = products(x, middle_x, x, middle_x);
    let of_y = products(y, middle_y, y, middle_y);
    let of_both = products(x, middle_x, y, middle_y);
    if of_x == 0.0 {
        return None;
    }
    let slope = of_both / of_x;
    let r_squared = if of_y == 0.0 { 1.0 } else { (of_both * of_both / of_x / of_y).min(1.0) };
    Some(FittedLine { slope, intercept: middle_y - slope * middle_x, r_squared })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Anscombe's first series (1973): all four have y = 3.00 + 0.500 x and r² = 0.67.
    /// `scipy.stats.linregress(x, y)` of scipy 1.17.1.
    #[test]
    fn anscombes_first_series() {
        let x = [10.0, 8.0, 13.0, 9.0, 11.0, 14.0, 6.0, 4.0, 12.0, 7.0, 5.0];
        let y = [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68];
        let line = least_squares(&x, &y).unwrap();
        assert!((line.slope - 0.500_090_909_090_909).abs() < 1e-12, "{line:?}");
        assert!((line.intercept - 3.000_090_909_090_909).abs() < 1e-11, "{line:?}");
        assert!((line.r_squared - 0.666_542_459_508_774_6).abs() < 1e-12, "{line:?}");
    }

    #[test]
    fn points_above_one_another_have_no_line_and_constant_ones_a_flat_one() {
        assert_eq!(least_squares(&[1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(least_squares(&[], &[]), None);
        let flat = FittedLine { slope: 0.0, intercept: 7.0, r_squared: 1.0 };
        assert_eq!(least_squares(&[1.0, 2.0, 3.0], &[7.0; 3]), Some(flat));
    }
}
