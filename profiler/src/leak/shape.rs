//! The course of an envelope: the kind of curve that explains it.
//!
//! Two families compete. Those that end in a line (a line; with one step; with a knee; with a
//! transient that decays) have a late slope, which can be a leak. Those that only slow down
//! (towards a plateau; like a logarithm; like a root) are caches that fill. Each is fitted by least
//! squares over a grid of its one non-linear parameter; BIC (Schwarz 1978) with the effective
//! number of points chooses within a family.

use uringbench_core::statistics::autocorrelation::{effective, lag_one};

use super::envelope::Envelope;
use super::least_squares::{Fit, Row, fit, predict};

/// A curve that ends in a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Late {
    /// From the start on.
    Line,
    /// With a jump before the window of this number.
    Step(usize),
    /// After a warm-up of another slope, up to the window of this number.
    Knee(usize),
    /// After a transient that decays over this share of the run.
    Transient(f64),
}

/// A curve that only slows down; the parameter is a share of the run, or the exponent.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Slowing {
    Plateau(f64),
    Logarithm(f64),
    Root(f64),
}

/// The explanation of an envelope.
#[derive(Clone, Debug)]
pub(super) struct Explained {
    /// The best curve that ends in a line.
    pub(super) late: Late,
    /// Its coefficients: level, slope over the whole run, and the third term's.
    pub(super) fit: Fit,
    /// The number of independent windows that the windows are equivalent to.
    pub(super) effective: f64,
    /// Twice the log-likelihood by which `late` explains the envelope better than any curve that
    /// only slows down, regardless of the number of parameters; negative if worse.
    pub(super) over_slowing: f64,
    /// Whether a curve that only slows down is the better explanation (BIC).
    pub(super) is_slowing: bool,
    /// The limit of that curve, if it has one.
    pub(super) plateau: Option<f64>,
    /// For a transient or a knee: other lengths of it that explain nearly as much.
    pub(super) rivals: Vec<Rival>,
}

/// A curve of the same kind as the chosen one that the readings do not rule out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rival {
    /// Its fit.
    pub(super) fit: Fit,
    /// The remaining distance to being ruled out: 1 for the best, 0 for the worst.
    pub(super) leeway: f64,
}

/// A transient or a step has to explain this much more (twice the logarithm) than BIC demands,
/// because its position was searched for.
const SEARCHED: f64 = 6.0;
/// Twice the logarithm by which a rival may explain less: 95 % of chi-squared with one degree of
/// freedom (the profile likelihood of the slope).
const RIVAL: f64 = 3.84;
/// Windows on either side of a step or a knee.
const SIDE_MIN: usize = 4;
/// Decays of a transient, as shares of the run: so dense that readings cannot distinguish
/// neighbours. With 8 of them the gaps biased the slope: intervals covered it in 62 % instead of 95
/// %.
const DECAYS: Grid = Grid { least: 0.02, most: 0.6 };
/// A plateau is approached with the decays of a transient and with slower ones.
const PLATEAUS: Grid = Grid { least: 0.02, most: 1.0 };
const LOGARITHMS: Grid = Grid { least: 0.003, most: 0.3 };
const ROOTS: Grid = Grid { least: 0.3, most: 0.8 };
/// Ratio of neighbouring values in a grid. Both families use the same: a finer grid would explain
/// more just because it is finer.
const GRID_STEP: f64 = 1.02;

/// The tried values of a curve's one non-linear parameter.
#[derive(Clone, Copy)]
struct Grid {
    least: f64,
    most: f64,
}

impl Grid {
    fn values(self) -> impl Iterator<Item = f64> {
        std::iter::successors(Some(self.least), |value| Some(value * GRID_STEP))
            .take_while(move |value| *value <= self.most)
    }
}

/// Explain an envelope of at least 8 windows; `quantum` is the step of the value. `None` if the
/// axis does not move.
pub(super) fn explain(envelope: &Envelope, quantum: f64) -> Option<Explained> {
    let shares = shares(&envelope.x)?;
    let y = &envelope.y;
    let n = y.len();
    // No fit can be better than the rounding of the readings.
    let rounding = n as f64 * quantum * quantum / 12.0;
    let all = late_candidates(&shares, y);
    let candidates = all.iter().filter_map(|kind| best_of(kind)).collect::<Vec<_>>();
    let tightest = candidates.iter().min_by(|a, b| a.1.squares.total_cmp(&b.1.squares)).copied()?;
    let effective = effective(n, lag_one(&residuals(&shares, y, tightest), 3)).max(3.0);
    let misfit = |squares: f64| effective * ((squares + rounding) / n as f64).ln();
    let cost = |(late, fit): &(Late, Fit)| {
        let searched = if *late == Late::Line { 0.0 } else { 2.0 * (n as f64).ln() + SEARCHED };
        misfit(fit.squares) + searched
    };
    let best = candidates.iter().min_by(|a, b| cost(a).total_cmp(&cost(b))).copied()?;
    let slowing = slowing(&shares, y);
    let (is_slowing, over_slowing, plateau) = match slowing {
        Some((curve, fit)) => {
            let difference = misfit(fit.squares) - misfit(best.1.squares);
            let is_better = misfit(fit.squares) + (n as f64).ln() < cost(&best);
            let level = fit.coefficients[0] + fit.coefficients[1];
            let plateau = matches!(curve, Slowing::Plateau(_)).then_some(level);
            (is_better, difference, plateau)
        }
        None => (false, f64::INFINITY, None),
    };
    let kind = all.iter().find(|kind| kind.contains(&best));
    let rivals = match best.0 {
        Late::Line | Late::Step(_) => Vec::new(),
        Late::Knee(_) | Late::Transient(_) => kind
            .into_iter()
            .flatten()
            .map(|(_, fit)| (fit, misfit(fit.squares) - misfit(best.1.squares)))
            .filter(|(_, less)| *less < RIVAL)
            .map(|(fit, less)| Rival { fit: *fit, leeway: (1.0 - less.max(0.0) / RIVAL).sqrt() })
            .collect(),
    };
    let (late, fit) = best;
    Some(Explained { late, fit, effective, over_slowing, is_slowing, plateau, rivals })
}

fn best_of(kind: &[(Late, Fit)]) -> Option<(Late, Fit)> {
    kind.iter().copied().min_by(|a, b| a.1.squares.total_cmp(&b.1.squares))
}

impl Explained {
    /// The transient at a position in the run (0 to 1), to be subtracted.
    pub(super) fn transient(&self, share: f64) -> f64 {
        match self.late {
            Late::Transient(decay) => self.fit.coefficients[2] * (-share / decay).exp(),
            _ => 0.0,
        }
    }
}

/// The axis as shares of the run, 0 to 1.
pub(super) fn shares(x: &[f64]) -> Option<Vec<f64>> {
    let (first, last) = (*x.first()?, *x.last()?);
    (last > first).then(|| x.iter().map(|x| (x - first) / (last - first)).collect())
}

/// One row of the design of `late`.
fn row(late: Late, index: usize, shares: &[f64]) -> Row {
    let share = shares[index];
    let third = match late {
        Late::Line => 0.0,
        Late::Step(at) => f64::from(u8::from(index >= at)),
        Late::Knee(at) => (shares[at] - share).max(0.0),
        Late::Transient(decay) => (-share / decay).exp(),
    };
    [1.0, share, third, 0.0]
}

/// The residuals of a fit, in order.
fn residuals(shares: &[f64], y: &[f64], (late, fit): (Late, Fit)) -> Vec<f64> {
    let off = |(index, y): (usize, &f64)| y - predict(&fit.coefficients, &row(late, index, shares));
    y.iter().enumerate().map(off).collect()
}

/// All curves that end in a line, by their kinds.
fn late_candidates(shares: &[f64], y: &[f64]) -> [Vec<(Late, Fit)>; 4] {
    let places = SIDE_MIN..y.len().saturating_sub(SIDE_MIN - 1);
    let steps = places.clone().map(Late::Step).collect();
    // After a knee there must be enough windows for a slope.
    let knees = (2..=y.len() / 2).map(Late::Knee).collect();
    let transients = DECAYS.values().map(Late::Transient).collect();
    let kinds: [Vec<Late>; 4] = [vec![Late::Line], steps, knees, transients];
    let fitted = |late: Late| {
        let rows: Vec<Row> = (0..y.len()).map(|index| row(late, index, shares)).collect();
        let columns = if late == Late::Line { 2 } else { 3 };
        fit(&rows, columns, y).map(|fit| (late, fit))
    };
    kinds.map(|kind| kind.into_iter().filter_map(fitted).collect())
}

/// The best curve that rises and only slows down.
fn slowing(shares: &[f64], y: &[f64]) -> Option<(Slowing, Fit)> {
    let curves = (PLATEAUS.values().map(Slowing::Plateau))
        .chain(LOGARITHMS.values().map(Slowing::Logarithm))
        .chain(ROOTS.values().map(Slowing::Root));
    let fitted = |curve: Slowing| {
        let rise = |share: f64| match curve {
            Slowing::Plateau(decay) => 1.0 - (-share / decay).exp(),
            Slowing::Logarithm(start) => (1.0 + share / start).ln(),
            Slowing::Root(power) => share.powf(power),
        };
        let rows: Vec<Row> = shares.iter().map(|&share| [1.0, rise(share), 0.0, 0.0]).collect();
        fit(&rows, 2, y).filter(|fit| fit.coefficients[1] > 0.0).map(|fit| (curve, fit))
    };
    curves.filter_map(fitted).min_by(|a, b| a.1.squares.total_cmp(&b.1.squares))
}
