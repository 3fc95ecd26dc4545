//! Everything that a suite measured: `suite.json`, schema `uringbench.suite/1`.
//!
//! `uringbench-decision` computes the figures; here they are only assigned to keys. A cell is a
//! target with a case: a scenario, or a flow of it, with a number of connections.

use serde::{Deserialize, Serialize};

use crate::Environment;
use crate::insight::InsightFigures;
use crate::target::Interval95;

/// The value of `schema`.
pub const SCHEMA: &str = "uringbench.suite/1";

/// A suite and its cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuiteDocument {
    /// `uringbench.suite/1`.
    pub schema: String,
    /// The name of the suite.
    pub name: String,
    /// The heading of its report.
    pub title: String,
    /// The start of its first run, UTC.
    pub started: Option<String>,
    /// Whether all of it was measured.
    pub is_complete: bool,
    /// How each cell was measured.
    pub settings: SuiteSettings,
    /// The machine.
    pub host: Option<Environment>,
    /// What limits the results, in sentences.
    pub notes: Vec<String>,
    /// The results in words, the most important first.
    pub conclusions: Vec<String>,
    /// The targets, in the order of the file.
    pub targets: Vec<SuiteTarget>,
    /// The cells, by case and then by target.
    pub cells: Vec<SuiteCell>,
}

/// How each cell was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SuiteSettings {
    /// Runs of each cell.
    pub runs: u32,
    /// Load before the measured window; `null` for that of each scenario, as the next one.
    pub warmup_s: Option<f64>,
    /// Length of the measured window.
    pub duration_s: Option<f64>,
    /// `run` if a target is a new process for each run, `round` if for each round of all scenarios.
    pub restart: String,
    /// The seed of the order of targets.
    pub seed: u64,
    /// CPUs of the targets.
    pub target_cpus: String,
    /// The duration of everything, and that of the load alone.
    pub took_s: f64,
    /// See `took_s`.
    pub loaded_s: f64,
}

/// One of `targets`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SuiteTarget {
    /// Its name.
    pub name: String,
    /// The command that starts it.
    pub command: String,
    /// Its worker processes.
    pub workers: u32,
    /// The CPUs that its control group allows; `null` without a limit.
    pub limit_cpus: Option<f64>,
    /// The memory that its control group allows; `null` without a limit.
    pub limit_memory_bytes: Option<u64>,
    /// Cases in which no target is better, alone or together with others.
    pub firsts: u32,
    /// The geometric mean of its rates relative to the best target of each case, over the cases
    /// that all targets completed; `null` without any.
    pub relative_rate: Option<f64>,
    /// The most private memory that it had in a run.
    pub memory_bytes: Option<u64>,
    /// The picture of its memory over all runs, from the folder of the suite.
    #[serde(default)]
    pub memory_picture: Option<String>,
    /// What its runs have in common, with the number of cells.
    pub insights: Vec<CountedInsight>,
}

/// An insight of one or more cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CountedInsight {
    /// The number of cells.
    pub cells: u32,
    /// The first case of them.
    pub case: String,
    /// The insight of that cell.
    pub insight: InsightFigures,
}

/// Whether a cell was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellState {
    /// All runs were made.
    Measured,
    /// The target cannot answer it, by the suite's file.
    Lacking,
    /// The target failed, or answered wrongly.
    Failed,
    /// The suite ended before all runs were made.
    Unfinished,
}

/// One of `cells`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuiteCell {
    /// The name of the target.
    pub target: String,
    /// The name of the case.
    pub case: String,
    /// The group of the scenario.
    pub category: String,
    /// The name of the scenario.
    pub scenario: String,
    /// The only flow; `null` for all.
    pub flow: Option<String>,
    /// Whether it was measured.
    pub state: CellState,
    /// Why it was not, or why its figures cannot be trusted.
    pub reason: Option<String>,
    /// Its place among the targets of the case by rate, from 1; targets that the runs cannot tell
    /// apart share one. `null` if it is not known.
    pub rank: Option<u32>,
    /// The figures; `null` without a run.
    pub figures: Option<CellFigures>,
    /// The folders of the runs, from that of the suite.
    pub runs: Vec<String>,
    /// The flame graph, from the folder of the suite.
    pub flamegraph: Option<String>,
    /// How often the kernel killed a process of the target because its memory was used up.
    pub killed_for_memory: u64,
    /// The observations on its median run.
    pub insights: Vec<InsightFigures>,
}

/// Key `figures`: the medians of the runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CellFigures {
    /// `valid`, `suspect` or `invalid`: the worst of the runs that count.
    pub validity: String,
    /// Runs that count: those that measure the target.
    pub counted: u32,
    /// Requests per second that ended `ok`, or flows where a flow has several steps.
    pub rate: f64,
    /// The interval of the rate; `null` with a single run of each target.
    pub rate_interval: Option<Interval95>,
    /// Response times; `null` if there are too few for the quantile.
    pub response_mean_ns: Option<f64>,
    /// See `response_mean_ns`, as the next two.
    pub response_p50_ns: Option<f64>,
    /// 95 %.
    pub response_p95_ns: Option<f64>,
    /// 99 %.
    pub response_p99_ns: Option<f64>,
    /// Processor time of the target per request.
    pub cpu_us_per_request: Option<f64>,
    /// Processors that the target used.
    pub cpus: Option<f64>,
    /// Private memory of the target at the end.
    pub memory_bytes: Option<f64>,
    /// Share of requests that failed.
    pub error_share: Option<f64>,
    /// Connections that could not be made, in all runs.
    pub connection_failures: u64,
}
