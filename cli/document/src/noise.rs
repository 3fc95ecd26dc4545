//! The noise floor of a host and a plan: how much the same program differs from run to run, schema
//! `uringbench.noise/1`.

use serde::{Deserialize, Serialize};

use crate::baseline::ConditionFigures;

/// The value of `schema`.
pub const SCHEMA: &str = "uringbench.noise/1";

/// A noise floor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoiseDocument {
    /// `uringbench.noise/1`.
    pub schema: String,
    /// When its last run began, RFC 3339, UTC.
    pub measured: String,
    /// The machine and the plan that it is the noise of.
    pub conditions: ConditionFigures,
    /// Its runs.
    pub runs: usize,
    /// The figures.
    pub figures: Vec<NoiseFigure>,
}

/// One of `figures`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoiseFigure {
    /// As in a comparison.
    pub metric: String,
    /// Spread from run to run as a share of the median: 1.4826 times the median absolute deviation.
    pub variation: f64,
    /// The value of each run.
    pub values: Vec<f64>,
}
