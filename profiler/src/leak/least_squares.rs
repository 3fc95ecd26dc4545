//! Ordinary least squares with up to four columns, by the normal equations.
//!
//! The callers' columns are of order one, so that the equations stay well conditioned.

/// One row of a design, with as many columns as the fit.
pub(super) type Row = [f64; COLUMNS_MAX];

/// The most columns of a fit.
pub(super) const COLUMNS_MAX: usize = 4;

/// A fitted model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fit {
    /// One coefficient per column.
    pub(super) coefficients: Row,
    /// The sum of squared residuals.
    pub(super) squares: f64,
    /// The variance of the second coefficient (the slope), for residuals of variance 1.
    pub(super) slope_variance: f64,
}

/// Fit `y` by the first `columns` columns of `rows`; `None` if they are not independent.
pub(super) fn fit(rows: &[Row], columns: usize, y: &[f64]) -> Option<Fit> {
    // The normal equations, with the right-hand side and the second unit vector beside them.
    let mut equations = [[0.0; COLUMNS_MAX + 2]; COLUMNS_MAX];
    for (row, value) in rows.iter().zip(y) {
        for i in 0..columns {
            for j in 0..columns {
                equations[i][j] += row[i] * row[j];
            }
            equations[i][COLUMNS_MAX] += row[i] * value;
        }
    }
    equations[1.min(columns - 1)][COLUMNS_MAX + 1] = 1.0;
    for pivot in 0..columns {
        let best = (pivot..columns)
            .max_by(|&a, &b| equations[a][pivot].abs().total_cmp(&equations[b][pivot].abs()))?;
        equations.swap(pivot, best);
        let scale = equations[pivot][pivot];
        if scale.abs() < 1e-9 * rows.len() as f64 {
            return None;
        }
        equations[pivot].iter_mut().for_each(|value| *value /= scale);
        let equation = equations[pivot];
        for (i, other) in equations.iter_mut().enumerate().take(columns) {
            let factor = other[pivot];
            if i != pivot {
                other.iter_mut().zip(equation).for_each(|(value, by)| *value -= factor * by);
            }
        }
    }
    let mut coefficients = [0.0; COLUMNS_MAX];
    for i in 0..columns {
        coefficients[i] = equations[i][COLUMNS_MAX];
    }
    let residual = |(row, value): (&Row, &f64)| value - predict(&coefficients, row);
    let squares = rows.iter().zip(y).map(|at| residual(at).powi(2)).sum();
    let slope_variance = equations[1.min(columns - 1)][COLUMNS_MAX + 1];
    Some(Fit { coefficients, squares, slope_variance })
}

/// The model's value for a row.
pub(super) fn predict(coefficients: &Row, row: &Row) -> f64 {
    coefficients.iter().zip(row).map(|(coefficient, value)| coefficient * value).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_fitted_as_the_textbook_does_it() {
        let x = [0.0, 1.0, 2.0, 3.0, 4.0];
        let y = [1.0, 3.0, 2.0, 5.0, 4.0];
        let rows = x.map(|x| [1.0, x, 0.0, 0.0]);
        let fit = fit(&rows, 2, &y).unwrap();
        // Sxy / Sxx = 8 / 10; mean 3 at mean 2; residuals -0.4, 0.8, -1, 1.2, -0.6.
        assert!(
            (fit.coefficients[1] - 0.8).abs() < 1e-12 && (fit.coefficients[0] - 1.4).abs() < 1e-12
        );
        assert!((fit.squares - 3.6).abs() < 1e-12, "{}", fit.squares);
        assert!((fit.slope_variance - 0.1).abs() < 1e-12);
    }

    #[test]
    fn dependent_columns_are_refused() {
        let rows = [[1.0, 2.0, 2.0, 0.0]; 6];
        assert!(fit(&rows, 3, &[1.0; 6]).is_none());
    }
}
