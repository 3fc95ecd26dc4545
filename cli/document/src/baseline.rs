//! A named baseline: what the figures of a known state are, schema `uringbench.baseline/1`.
//!
//! One small file per name, to be kept in the repository of the program under test. It has the
//! values of every run, so that a gate compares with the runs themselves and not with a summary.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::read::is_newer;

/// The value of `schema`.
pub const SCHEMA: &str = "uringbench.baseline/1";
const FAMILY: &str = "uringbench.baseline/";

/// A baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BaselineDocument {
    /// `uringbench.baseline/1`.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// When its last run began, RFC 3339, UTC.
    pub established: String,
    /// Versions of uringbench that measured it.
    pub uringbench: Vec<String>,
    /// The machine and the plan, in the keys that must be equal to compare.
    pub conditions: ConditionFigures,
    /// Its runs.
    pub runs: Vec<BaselineRun>,
    /// Its figures.
    pub figures: Vec<BaselineFigure>,
}

/// Key `conditions`: what must be equal for runs to be comparable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConditionFigures {
    /// The machine that generated the load.
    pub host: BTreeMap<String, Value>,
    /// The plan.
    pub plan: BTreeMap<String, Value>,
}

/// One of `runs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselineRun {
    /// Its folder where it was measured.
    pub run: String,
    /// When it began, RFC 3339, UTC.
    pub started: String,
}

/// One of `figures`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BaselineFigure {
    /// As in a comparison.
    pub metric: String,
    /// `per_s`, `ns` or `bytes`.
    pub unit: String,
    /// Where the values come from, if the figure has several sources.
    pub source: String,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation.
    pub deviation: f64,
    /// The 95 % interval of the mean, by Student's t.
    pub ci_low: f64,
    /// Its upper end.
    pub ci_high: f64,
    /// The smallest median of later runs that is no warning; `null` if less is better.
    pub acceptable_from: Option<f64>,
    /// The largest; `null` if more is better.
    pub acceptable_to: Option<f64>,
    /// The value of each run.
    pub values: Vec<f64>,
}

/// Why a text is not a baseline, and the fix.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// A later version.
    #[error("it is a `{0}`, written by a newer uringbench than this one: update this one")]
    Newer(String),
    /// Another document.
    #[error("it is a `{0}`, not a baseline (`{SCHEMA}`): make one with `uringbench baseline set`")]
    Other(String),
    /// Not JSON, or parts are missing.
    #[error("it is damaged ({0}): restore it, or make it again with `uringbench baseline set`")]
    Damaged(serde_json::Error),
}

#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    schema: String,
}

impl BaselineDocument {
    /// The baseline in a text.
    ///
    /// # Errors
    /// If there is none, or one of a later version.
    pub fn read(text: &str) -> Result<Self, BaselineError> {
        let Head { schema } = serde_json::from_str(text).map_err(BaselineError::Damaged)?;
        match schema.as_str() {
            SCHEMA => serde_json::from_str(text).map_err(BaselineError::Damaged),
            newer if is_newer(newer, FAMILY) => Err(BaselineError::Newer(schema)),
            _ => Err(BaselineError::Other(schema)),
        }
    }
}
