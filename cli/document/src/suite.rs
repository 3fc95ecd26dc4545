//! Everything that a suite measured: `suite.json`, schema `uringbench.suite/1`.
//!
//! `uringbench-decision` computes the figures; here they are only assigned to keys. A cell is a
//! target with a case: a scenario, or a flow of it, with a number of connections.

use serde::{Deserialize, Serialize};

use crate::Environment;
use crate::insight::InsightFigures;
use crate::read::{ReadError, read_as};
use crate::run::SloHeld;
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
    /// What was claimed of the targets, and whether it holds.
    #[serde(default)]
    pub claims: Vec<SuiteClaim>,
    /// How the rates follow the number of connections, where cells differ in nothing else.
    #[serde(default)]
    pub scaling: Vec<ScalingFigures>,
}

impl SuiteDocument {
    /// The document in a text.
    ///
    /// # Errors
    /// If there is none, or one of a later version.
    pub fn read(text: &str) -> Result<Self, ReadError> {
        read_as(text, SCHEMA)
    }
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
    /// Only its answers were checked, as the suite's file wants; `is_wrong` is the result.
    Checked,
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
    /// The connections; `null` for those of the scenario.
    #[serde(default)]
    pub connections: Option<u32>,
    /// Whether it was measured.
    pub state: CellState,
    /// Why it was not, or why its figures cannot be trusted.
    pub reason: Option<String>,
    /// Its place among the targets of the case by rate, from 1; targets that the runs cannot tell
    /// apart share one. `null` if it is not known.
    pub rank: Option<u32>,
    /// The figures; `null` without a run.
    pub figures: Option<CellFigures>,
    /// The objectives of the scenario in the median run.
    #[serde(default)]
    pub slo: Vec<SloHeld>,
    /// The folders of the runs, from that of the suite.
    pub runs: Vec<String>,
    /// The flame graph, from the folder of the suite.
    pub flamegraph: Option<String>,
    /// Whether an answer was not as the scenario demands; `reason` has it.
    #[serde(default)]
    pub is_wrong: bool,
    /// The verdict on leaks; `null` without a soak.
    #[serde(default)]
    pub soak: Option<CellSoak>,
    /// How often the kernel killed a process of the target because its memory was used up.
    pub killed_for_memory: u64,
    /// The observations on its median run.
    pub insights: Vec<InsightFigures>,
}

/// Key `soak` of a cell: whether the target leaks under it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellSoak {
    /// `leak`, `no_leak` or `inconclusive`.
    pub verdict: String,
    /// Why, in a sentence.
    pub reason: String,
    /// Growth of the memory per request; `null` if it was not measured against requests.
    pub bytes_per_request: Option<Interval95>,
    /// Requests that were completed.
    pub requests: u64,
    /// The folder of the run, from that of the suite.
    pub run: String,
}

/// Whether a claim holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimVerdict {
    /// The measurement contradicts it.
    DoesNotHold,
    /// The measurement neither confirms nor contradicts it.
    CannotBeDecided,
    /// The measurement confirms it.
    Holds,
}

/// One of `claims`: what was claimed, and what was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuiteClaim {
    /// The claim in words.
    pub text: String,
    /// Where it was made.
    pub source: Option<String>,
    /// The target that it is about.
    pub target: String,
    /// The target whose figure divides that of `target`; `null` for the figure itself.
    pub against: Option<String>,
    /// The name of the case, scenario, flow or category that tests it.
    pub case: String,
    /// `rate` (per second), `p50`, `p95`, `p99` (nanoseconds), `memory` (bytes), `cpus`,
    /// `cpu_per_request` (nanoseconds), `no_leak` or `checks`.
    pub figure: String,
    /// The claimed lower bound.
    pub at_least: Option<f64>,
    /// The claimed upper bound.
    pub at_most: Option<f64>,
    /// The amount that a request, or a flow with several steps, counts for in a rate.
    pub times: f64,
    /// Whether the geometric mean of all cases decides, and not each of them.
    pub is_average: bool,
    /// The CPUs of the machine of the claim.
    pub cpus: Option<f64>,
    /// The verdict: the worst of its cases.
    pub verdict: ClaimVerdict,
    /// Why, in a sentence.
    pub reason: String,
    /// The case that decided the verdict.
    pub decided_in: Option<String>,
    /// The figure there, with its interval if there is one.
    pub measured: Option<Interval95>,
    /// A rate for each CPU that the target used.
    pub per_cpu: Option<f64>,
}

/// One of `scaling`: a target under more and more connections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScalingFigures {
    /// The name of the target.
    pub target: String,
    /// The name of the case, without its connections.
    pub case: String,
    /// By connections.
    pub points: Vec<ScalingPoint>,
    /// The connections with the highest rate.
    pub best_connections: u32,
    /// Whether the rate with the most connections is lower than the best one, beyond chance and by
    /// more than 10 %.
    pub has_fallen: bool,
    /// What the rates show, in a sentence.
    pub sentence: String,
    /// The share of the work that is serial, by the Universal Scalability Law; `null` if it cannot
    /// be fitted: it needs eight numbers of connections.
    pub serial_share: Option<Interval95>,
    /// The cost of agreement between two connections at work; see `serial_share`.
    pub agreement_cost: Option<Interval95>,
}

/// One of `points`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScalingPoint {
    /// Connections.
    pub connections: u32,
    /// Requests per second that ended `ok`, or flows where a flow has several steps.
    pub rate: f64,
    /// The interval of the rate.
    pub rate_interval: Option<Interval95>,
    /// 99 % of the responses took at most this time.
    pub response_p99_ns: Option<f64>,
    /// Processors that the target used.
    pub cpus: Option<f64>,
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
    /// The planned rate; `null` in a closed loop. Targets that are offered the same have no places.
    #[serde(default)]
    pub offered: Option<f64>,
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
