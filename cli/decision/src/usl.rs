//! The Universal Scalability Law (Gunther 2007): which part of the work is serial, and which part
//! is spent on keeping workers in agreement.
//!
//! X(n) = λ n / (1 + σ (n - 1) + κ n (n - 1)), fitted by least squares with λ > 0, σ >= 0 and
//! κ >= 0, so that noise cannot make a target faster than linear. Intervals come from resampled
//! residuals. The curve is not continued beyond twice the highest load.

use uringbench_core::statistics::Estimate;
use uringbench_core::statistics::random::Random;

/// A measured point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UslPoint {
    /// Requests in service on average, or connections; above 0.
    pub load: f64,
    /// Requests completed per second.
    pub rate: f64,
    /// Whether the generator was the limit: the point then says nothing about the target.
    pub is_generator_limited: bool,
}

/// The law, fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UslFit {
    /// Requests per second at a load of 1, with a 95 % interval as the others.
    pub lambda: Estimate,
    /// The serial share.
    pub sigma: Estimate,
    /// The cost of agreement, per pair.
    pub kappa: Estimate,
    /// The load with the highest rate, and that rate; `None` beyond [`UslFit::load_max`].
    pub peak: Option<(f64, f64)>,
    /// The highest load for which the law is used: twice the highest measured.
    pub load_max: f64,
    /// Points used.
    pub points: usize,
    /// Share of the variance of the rates that the law explains.
    pub r_squared: f64,
}

/// Why the law is not fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UslError {
    /// Too few loads.
    #[error("{found} loads without a limit of the generator, {LOADS_MIN} are needed")]
    FewLoads {
        /// How many there are.
        found: usize,
    },
    /// No bend is visible.
    #[error(
        "{found} loads reach 80 % of the highest rate, {HIGH_MIN} are needed: the first, linear \
         part alone says nothing about the rest"
    )]
    FewHigh {
        /// How many there are.
        found: usize,
    },
    /// The rates do not follow any such law.
    #[error("the rates do not follow the law at any load")]
    NoFit,
}

const LOADS_MIN: usize = 8;
const HIGH_MIN: usize = 2;
/// From this share of the highest rate on a load is high.
const HIGH: f64 = 0.8;
/// Loads closer together than this factor are the same.
const SAME: f64 = 1.02;
const EXTRAPOLATED: f64 = 2.0;
const DRAWS: usize = 400;
const STEPS_MAX: usize = 500;

/// The law through the points of a target.
///
/// # Errors
/// If the points are too few, or do not bend.
pub fn fit_usl(points: &[UslPoint], seed: u64) -> Result<UslFit, UslError> {
    let is_usable = |point: &&UslPoint| {
        !point.is_generator_limited && point.load > 0.0 && point.rate.is_finite()
    };
    let used: Vec<(f64, f64)> =
        points.iter().filter(is_usable).map(|point| (point.load, point.rate)).collect();
    let found = distinct(&used);
    if found < LOADS_MIN {
        return Err(UslError::FewLoads { found });
    }
    let most = used.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
    let high: Vec<_> = used.iter().filter(|(_, rate)| *rate >= HIGH * most).copied().collect();
    let found = distinct(&high);
    if found < HIGH_MIN {
        return Err(UslError::FewHigh { found });
    }
    let law = Law::of(&used).ok_or(UslError::NoFit)?;
    let load_max = EXTRAPOLATED * used.iter().map(|(load, _)| *load).fold(0.0, f64::max);
    let [lambda, sigma, kappa] = law.intervals(&used, seed);
    let mean = used.iter().map(|(_, rate)| rate).sum::<f64>() / used.len() as f64;
    let all: f64 = used.iter().map(|(_, rate)| (rate - mean).powi(2)).sum();
    Ok(UslFit {
        lambda,
        sigma,
        kappa,
        peak: law.peak().filter(|(load, _)| *load <= load_max),
        load_max,
        points: used.len(),
        r_squared: if all > 0.0 { 1.0 - law.squares(&used) / all } else { 0.0 },
    })
}

impl UslFit {
    /// The rate at a load; `None` beyond the loads for which the law is used.
    pub fn rate(&self, load: f64) -> Option<f64> {
        let law = Law([self.lambda.value, self.sigma.value, self.kappa.value]);
        (load > 0.0 && load <= self.load_max).then(|| law.rate(load))
    }
}

/// Loads that differ.
fn distinct(points: &[(f64, f64)]) -> usize {
    let mut loads: Vec<f64> = points.iter().map(|(load, _)| *load).collect();
    loads.sort_by(f64::total_cmp);
    loads.dedup_by(|next, last| *next <= *last * SAME);
    loads.len()
}

/// λ, σ and κ.
#[derive(Clone, Copy, Debug)]
struct Law([f64; 3]);

impl Law {
    /// Levenberg and Marquardt's method, parameters kept from becoming negative.
    fn of(points: &[(f64, f64)]) -> Option<Self> {
        let first = points.iter().map(|(load, rate)| rate / load).fold(0.0, f64::max);
        let mut law = Self([first, 0.01, 0.0001]);
        let (mut squares, mut damping) = (law.squares(points), 1e-3);
        if !(squares.is_finite() && first > 0.0) {
            return None;
        }
        for _ in 0..STEPS_MAX {
            let Some(next) = law.step(points, damping) else { break };
            let after = next.squares(points);
            if after < squares {
                let gain = (squares - after) / squares;
                (law, squares, damping) = (next, after, (damping / 4.0_f64).max(1e-12));
                if gain < 1e-14 {
                    break;
                }
            } else {
                damping *= 4.0;
                if damping > 1e12 {
                    break;
                }
            }
        }
        (law.0[0] > 0.0).then_some(law)
    }

    fn rate(&self, load: f64) -> f64 {
        let Self([lambda, ..]) = self;
        lambda * load / self.slowing(load)
    }

    fn slowing(&self, load: f64) -> f64 {
        let Self([_, sigma, kappa]) = self;
        1.0 + sigma * (load - 1.0) + kappa * load * (load - 1.0)
    }

    fn squares(&self, points: &[(f64, f64)]) -> f64 {
        points.iter().map(|(load, rate)| (rate - self.rate(*load)).powi(2)).sum()
    }

    /// A step of the parameters that are free: not at zero with nothing to gain above it.
    fn step(&self, points: &[(f64, f64)], damping: f64) -> Option<Self> {
        let (mut normal, mut right) = ([[0.0; 3]; 3], [0.0; 3]);
        for &(load, rate) in points {
            let (slowing, of_law) = (self.slowing(load), self.rate(load));
            let slopes = [
                of_law / self.0[0],
                -of_law * (load - 1.0) / slowing,
                -of_law * load * (load - 1.0) / slowing,
            ];
            for row in 0..3 {
                right[row] += slopes[row] * (rate - of_law);
                for column in 0..3 {
                    normal[row][column] += slopes[row] * slopes[column];
                }
            }
        }
        for row in 0..3 {
            let is_fixed = row > 0 && self.0[row] <= 0.0 && right[row] <= 0.0;
            if is_fixed || normal[row][row] <= 0.0 {
                normal[row] = [0.0; 3];
                for line in &mut normal {
                    line[row] = 0.0;
                }
                (normal[row][row], right[row]) = (1.0, 0.0);
            } else {
                normal[row][row] *= 1.0 + damping;
            }
        }
        let by = solved(normal, right)?;
        let moved = |at: usize| (self.0[at] + by[at]).max(0.0);
        let lambda = (self.0[0] + by[0]).max(self.0[0] / 10.0);
        Some(Self([lambda, moved(1), moved(2)]))
    }

    /// The load with the highest rate, and the rate; `None` if the rate never falls.
    fn peak(&self) -> Option<(f64, f64)> {
        let Self([_, sigma, kappa]) = self;
        let load = ((1.0 - sigma) / kappa).sqrt();
        load.is_finite().then(|| (load, self.rate(load)))
    }

    /// 95 % intervals: the law fitted again to its own curve with residuals drawn at random.
    fn intervals(&self, points: &[(f64, f64)], seed: u64) -> [Estimate; 3] {
        let mut random = Random::new(seed);
        // Three parameters take up a part of the spread.
        let count = points.len() as f64;
        let scale = (count / (count - 3.0)).sqrt();
        let residuals: Vec<f64> =
            points.iter().map(|(load, rate)| (rate - self.rate(*load)) * scale).collect();
        let mut drawn: [Vec<f64>; 3] = Default::default();
        for _ in 0..DRAWS {
            let again: Vec<_> = points
                .iter()
                .map(|(load, _)| {
                    (*load, self.rate(*load) + residuals[random.below(residuals.len())])
                })
                .collect();
            if let Some(law) = Self::of(&again) {
                for (values, value) in drawn.iter_mut().zip(law.0) {
                    values.push(value);
                }
            }
        }
        let mut at = 0;
        drawn.map(|mut values| {
            let value = self.0[at];
            at += 1;
            values.sort_by(f64::total_cmp);
            let beyond = values.len() / 40;
            let low = values.get(beyond).map_or(value, |low| low.min(value));
            let high = values.iter().nth_back(beyond).map_or(value, |high| high.max(value));
            Estimate { value, low, high }
        })
    }
}

/// The solution of three linear equations, by elimination with the largest pivot.
fn solved(mut rows: [[f64; 3]; 3], mut right: [f64; 3]) -> Option<[f64; 3]> {
    for at in 0..3 {
        let size = |row: &usize| rows[*row][at].abs();
        let pivot = (at..3).max_by(|a, b| size(a).total_cmp(&size(b)))?;
        rows.swap(at, pivot);
        right.swap(at, pivot);
        if rows[at][at] == 0.0 || !rows[at][at].is_finite() {
            return None;
        }
        for below in at + 1..3 {
            let factor = rows[below][at] / rows[at][at];
            let above = rows[at];
            rows[below].iter_mut().zip(above).for_each(|(value, above)| *value -= factor * above);
            right[below] -= factor * right[at];
        }
    }
    let mut solution = [0.0; 3];
    for at in (0..3).rev() {
        let known: f64 = (at + 1..3).map(|column| rows[at][column] * solution[column]).sum();
        solution[at] = (right[at] - known) / rows[at][at];
    }
    Some(solution)
}

#[cfg(test)]
mod tests;
