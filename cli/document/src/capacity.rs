//! The document of a capacity search, schema `uringbench.capacity/1`: `capacity.json`.
//!
//! As in the document of a run, keys are added, never renamed or removed, units are in the names,
//! and a figure that does not exist is `null`. Each trial is a run of its own with a `run.json`.

use serde::{Deserialize, Serialize};

use crate::read::{ReadError, read_as};
use crate::{EncodeError, Environment};

/// The value of `schema`.
pub const CAPACITY_SCHEMA: &str = "uringbench.capacity/1";

/// A whole search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CapacityDocument {
    /// `uringbench.capacity/1`.
    pub schema: String,
    /// When the search began, RFC 3339, UTC.
    pub started: String,
    /// The target as typed, without its secrets unless they are kept.
    pub url: String,
    /// The method, or the file of the scenario.
    pub method: String,
    /// The name given with `--name`.
    pub name: Option<String>,
    /// The load that is varied: `rate` in requests (flows of a scenario) per second, or
    /// `connections`.
    pub over: String,
    /// How the search proceeded.
    pub settings: CapacitySettings,
    /// The answer.
    pub answer: CapacityFound,
    /// The answer for each objective.
    pub goals: Vec<GoalFound>,
    /// Every trial, in the order they were run.
    pub trials: Vec<TrialFigures>,
    /// The Universal Scalability Law through the trials.
    pub usl: UslFigures,
    /// The machine that generated the load.
    pub host: Environment,
}

/// Key `settings`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CapacitySettings {
    /// The objectives as written; empty over connections without one.
    pub slo: String,
    /// The first load.
    pub from: f64,
    /// The highest load allowed.
    pub to: f64,
    /// The width asked for, as a share of the lower end.
    pub width: f64,
    /// The longest time for the search.
    pub budget_s: f64,
    /// Length of the first trials.
    pub initial_s: f64,
    /// Length of the last trials.
    pub full_s: f64,
    /// Time that decides about a load.
    pub sum_s: f64,
    /// Share of that time in which trials may be bad.
    pub exceed_ratio: f64,
    /// `constant` or `poisson`; `null` over connections.
    pub arrivals: Option<String>,
    /// Seed of the first trial; each further trial has the next.
    pub seed: u64,
}

/// Key `answer`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CapacityFound {
    /// The highest load that surely meets all objectives; `null` if none did.
    pub lower: Option<f64>,
    /// The lowest load that surely misses one; `null` if none did.
    pub upper: Option<f64>,
    /// Why there is no upper end: `generator` or `range`.
    pub ceiling: Option<String>,
    /// The objective that is missed first.
    pub limiting: Option<String>,
    /// Good requests per second to expect at the lower end.
    pub conditional_throughput: Option<f64>,
    /// Whether the interval is as narrow as asked.
    pub settled: bool,
    /// Whether a long trial at the lower end met all objectives; `null` without one.
    pub confirmed: Option<bool>,
    /// Whether the target had to recover from an overload.
    pub recovery_checked: bool,
    /// What the overload left behind; `null` without anything.
    pub hysteresis: Option<HysteresisFound>,
    /// Whether the search was interrupted.
    pub interrupted: bool,
    /// Why the search ended before its time otherwise; `null` if it did not.
    pub ended: Option<String>,
    /// Time spent.
    pub duration_s: f64,
}

/// Key `answer.hysteresis`: a load was met before an overload, and missed after it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HysteresisFound {
    /// The overload.
    pub overload: f64,
    /// The lower load.
    pub load: f64,
    /// Whether it was met when tried again.
    pub recovered: bool,
}

/// One of `goals`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GoalFound {
    /// The objective.
    pub objective: String,
    /// Share of requests that may be outside it.
    pub loss_ratio: f64,
    /// The time that makes a request be outside; `null` if only those that failed are.
    pub time_ns: Option<u64>,
    /// The highest load that surely meets it.
    pub lower: Option<f64>,
    /// The lowest load that surely misses it.
    pub upper: Option<f64>,
    /// The estimate from all trials near it; `null` if the share of bad requests jumps.
    pub crossing: Option<CrossingFound>,
}

/// Key `goals.crossing`: the load at which the objective is just met.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CrossingFound {
    /// The load.
    pub load: f64,
    /// Lower end of its 99 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Variance of the share of one trial, as a multiple of the share's square; from 1 on, the
    /// interval is less certain than it says.
    pub variation: f64,
    /// Trials left out because they were far off.
    pub outliers: usize,
}

/// One of `trials`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialFigures {
    /// The folder of the run, from the folder of the search.
    pub folder: String,
    /// The load.
    pub load: f64,
    /// `expand`, `bisect`, `refine`, `overload`, `step_back` or `confirm`.
    pub purpose: String,
    /// The measured window.
    pub duration_s: f64,
    /// Requests that ended.
    pub requests: u64,
    /// Requests outside each objective.
    pub bad: Vec<u64>,
    /// Whether all objectives were met.
    pub good: bool,
    /// What limited the trial beside the target: `generator` or `disturbed`; `null` for nothing.
    pub limit: Option<String>,
    /// The verdict of the run: `valid`, `suspect` or `invalid`.
    pub validity: String,
    /// The codes of its reasons.
    pub reasons: Vec<String>,
    /// Requests per second that ended `ok`.
    pub completed: f64,
    /// Requests in service on average: rate × mean service time.
    pub in_service: Option<f64>,
    /// Median of the response times; `null` like every quantile without samples enough.
    pub response_p50_ns: Option<u64>,
    /// 99 % quantile.
    pub response_p99_ns: Option<u64>,
    /// 99.9 % quantile.
    pub response_p999_ns: Option<u64>,
    /// CPUs that the target used; `null` if it is on another machine.
    pub target_cpus: Option<f64>,
    /// Share of its time that the busiest worker was busy.
    pub client_busy: f64,
}

/// Key `usl`: X(n) = λ n / (1 + σ (n - 1) + κ n (n - 1)), n requests in service or connections.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UslFigures {
    /// Why it is not fitted; `null` if it is.
    pub reason: Option<String>,
    /// λ, requests per second at n = 1.
    pub lambda: Option<FittedFigure>,
    /// σ, the serial share.
    pub sigma: Option<FittedFigure>,
    /// κ, the cost of agreement per pair.
    pub kappa: Option<FittedFigure>,
    /// The n with the highest rate; `null` if it is beyond `load_max`.
    pub peak_load: Option<f64>,
    /// That rate.
    pub peak_rate: Option<f64>,
    /// The law is not continued beyond this n: twice the highest measured.
    pub load_max: Option<f64>,
    /// Trials used.
    pub points: usize,
    /// Share of the variance that the law explains.
    pub r_squared: Option<f64>,
}

/// A parameter with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FittedFigure {
    /// The parameter.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl CapacityDocument {
    /// The document as it is printed and stored, without a final line break.
    ///
    /// # Errors
    /// [`EncodeError`] if a figure cannot be encoded as JSON.
    pub fn to_json(&self) -> Result<String, EncodeError> {
        serde_json::to_string_pretty(self).map_err(EncodeError::of)
    }

    /// The document in a text.
    ///
    /// # Errors
    /// If there is none, or one of a later version.
    pub fn read(text: &str) -> Result<Self, ReadError> {
        read_as(text, CAPACITY_SCHEMA)
    }
}
