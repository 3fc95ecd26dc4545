//! How a figure of a benchmark went over many runs: the document of `uringbench trend`.

use serde::{Deserialize, Serialize};

/// The value of `schema`.
pub const TREND_SCHEMA: &str = "uringbench.trend/1";

/// A figure over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrendDocument {
    /// `uringbench.trend/1`.
    pub schema: String,
    /// The name of the benchmark.
    pub benchmark_name: String,
    /// Host and port of its target.
    pub target: String,
    /// The name of the figure, as in the history.
    pub figure: String,
    /// Whether more of it is better.
    pub more_is_better: bool,
    /// The runs, oldest first.
    pub points: Vec<TrendPoint>,
    /// Where the level changed, in order.
    pub changes: Vec<TrendChange>,
    /// The slope at the end; `null` if there are too few runs or too little time for one.
    pub slope: Option<TrendSlope>,
    /// Single runs far from their neighbours; they take no part in changes and slope.
    pub outliers: Vec<TrendOutlier>,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

/// One of `points`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrendPoint {
    /// When the run began, RFC 3339, UTC.
    pub timestamp: String,
    /// Its commit.
    pub commit_sha: Option<String>,
    /// Its branch.
    pub branch: Option<String>,
    /// Its folder.
    pub folder: String,
    /// The figure.
    pub value: f64,
}

/// One of `changes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrendChange {
    /// The index in `points` of the first run of the new level.
    pub at: usize,
    /// The mean since the change before.
    pub before: f64,
    /// The mean until the next change.
    pub after: f64,
    /// `after / before − 1`; `null` if it was 0 before.
    pub change: Option<f64>,
    /// The probability of such a difference by chance.
    pub p: f64,
    /// `better` or `worse`.
    pub direction: String,
}

/// Key `slope`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrendSlope {
    /// Days asked for.
    pub window_days: f64,
    /// The index in `points` of the first run of the fit: the window begins there, or the level
    /// changed there.
    pub from: usize,
    /// Runs in the fit.
    pub runs: usize,
    /// The median of their figures.
    pub level: f64,
    /// Change per day: the median of the slopes of all pairs (Theil–Sen).
    pub per_day: f64,
    /// The lower end of its 95 % interval; `null` if it is unbounded.
    pub per_day_low: Option<f64>,
    /// The upper end.
    pub per_day_high: Option<f64>,
    /// Change per day as a share of the median; `null` of a median of 0.
    pub share_per_day: Option<f64>,
    /// Change per day by least squares.
    pub least_squares_per_day: f64,
    /// The share of the variance that the line of least squares explains.
    pub r_squared: f64,
    /// `rising`, `falling`, or `none` if the interval contains 0.
    pub direction: String,
}

/// One of `outliers`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrendOutlier {
    /// Its index in `points`.
    pub at: usize,
    /// The median of its neighbours.
    pub expected: f64,
    /// Its distance from that in standard deviations; negative below.
    pub z: f64,
}
