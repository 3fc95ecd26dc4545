//! Two or more groups of runs compared: `comparison.json`, schema `uringbench.comparison/1`.
//!
//! `uringbench-decision` computes the figures and decides; here they are only assigned to keys.
//! Shares are 0..=1: a change of 0.06 is 6 % more. Values are nanoseconds, bytes or per second, as
//! `unit` says.

use serde::{Deserialize, Serialize};

use crate::read::{ReadError, read_as};
use crate::target::Interval95;

/// The value of `schema`.
pub const SCHEMA: &str = "uringbench.comparison/1";

/// A comparison: the first group with each of the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComparisonDocument {
    /// `uringbench.comparison/1`.
    pub schema: String,
    /// The worst of all comparisons.
    pub verdict: Decision,
    /// The first group with each other one, in the order given.
    pub comparisons: Vec<GroupComparison>,
}

/// What follows from a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Nothing is worse than the limit.
    Pass,
    /// Something is worse than the lower limit.
    Warn,
    /// The runs do not decide.
    Inconclusive,
    /// Too few of the runs measure the target.
    Invalid,
    /// Something is worse than the upper limit.
    Fail,
}

/// One of `comparisons`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupComparison {
    /// What follows.
    pub verdict: Decision,
    /// The same in a sentence, with the figure that decided.
    pub sentence: String,
    /// What the intervals are made of.
    pub evidence: Evidence,
    /// The first group.
    pub before: ComparedGroup,
    /// The other group.
    pub after: ComparedGroup,
    /// The limits that were asked for.
    pub limits: ComparisonLimits,
    /// Differences of hosts and plans, which make it a comparison of two things at once.
    pub differences: Vec<ConditionDifference>,
    /// Further facts.
    pub notes: Vec<String>,
    /// How many figures changed.
    pub counts: ChangeCounts,
    /// The figures.
    pub figures: Vec<FigureChange>,
    /// The functions of the target that changed; `null` unless both groups were profiled.
    #[serde(default)]
    pub functions: Option<FunctionChanges>,
}

/// What the intervals of a comparison are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// Runs of each group, independent of each other.
    Runs,
    /// Runs in pairs, one of each group shortly after the other.
    Pairs,
    /// Blocks of a single run of each group.
    Blocks,
}

/// `before` and `after`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparedGroup {
    /// Its name: as typed, or `A`, `B`.
    pub label: String,
    /// Its runs.
    pub runs: Vec<ComparedRun>,
}

/// One of `runs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparedRun {
    /// Its folder.
    pub run: String,
    /// When it began, RFC 3339, UTC.
    pub started: String,
    /// `valid`, `suspect` or `invalid`.
    pub validity: String,
    /// Why its figures do not count; `null` if they do.
    pub excluded: Option<String>,
}

/// Key `limits`: shares by which a figure may be worse.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComparisonLimits {
    /// More is a warning.
    pub warn: f64,
    /// More is a failure.
    pub fail: f64,
    /// More is a severe failure.
    pub severe: f64,
}

/// One of `differences`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConditionDifference {
    /// The key, such as `host.kernel` or `plan.connections`.
    pub key: String,
    /// Its value in the first group.
    pub before: String,
    /// Its value in the other.
    pub after: String,
}

/// Key `counts`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeCounts {
    /// Figures that are better by more than the lower limit.
    pub improved: usize,
    /// Figures that are worse by more than the lower limit.
    pub regressed: usize,
    /// Figures that changed by less than the lower limit.
    pub unchanged: usize,
    /// Figures of which the runs do not decide it.
    pub undecided: usize,
}

/// How a figure changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Better by more than the lower limit, and not by chance.
    Improved,
    /// Worse by more than the lower limit, and not by chance.
    Regressed,
    /// By less than the lower limit.
    Unchanged,
    /// The runs do not decide it.
    Undecided,
}

/// One of `figures`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FigureChange {
    /// `rate`, `response_p50`, `response_p95`, `response_p99`, `response_p999`,
    /// `target_cpu_per_request`, `target_memory` or `client_cpu_per_request`.
    pub metric: String,
    /// Its name in reports.
    pub title: String,
    /// `per_s`, `ns` or `bytes`.
    pub unit: String,
    /// `higher` or `lower`.
    pub better: String,
    /// Whether the verdict depends on it.
    pub gated: bool,
    /// Median of the first group.
    pub before: f64,
    /// Median of the other.
    pub after: f64,
    /// The values behind it, in the order of the runs.
    pub values_before: Vec<f64>,
    /// Those of the other group.
    pub values_after: Vec<f64>,
    /// The change, as a share of the first group's value, with its 95 % interval.
    pub change: Interval95,
    /// Probability of such a difference by chance.
    pub p: f64,
    /// The same, adjusted for the number of figures (Holm).
    pub p_adjusted: f64,
    /// The smallest change that such runs show four times in five; `null` if they are too few.
    pub smallest_detectable: Option<f64>,
    /// The noise floor of this figure on this host; `null` if it was not measured.
    pub noise: Option<f64>,
    /// The limits that held: those asked for, but at least three times the noise floor.
    pub limits: ComparisonLimits,
    /// What follows from it alone.
    pub state: Decision,
    /// Whether it is worse than the limit of severe failures.
    pub severe: bool,
    /// How it changed.
    pub effect: Effect,
}

/// Key `functions`: costs per request, by the samples of one run of each group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionChanges {
    /// The run of the first group.
    pub before: String,
    /// The run of the other.
    pub after: String,
    /// Functions that were compared.
    pub compared: usize,
    /// Those that changed beyond chance: first those of whose cost the change is the largest share.
    pub changed: Vec<ChangedFunction>,
}

/// One of `changed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangedFunction {
    /// Its name.
    pub function: String,
    /// Its file.
    pub module: String,
    /// `grown`, `shrunk`, `new` or `gone`.
    pub became: String,
    /// CPU time per request before, with all that it calls, in microseconds.
    pub before_us: f64,
    /// The same after.
    pub after_us: f64,
    /// The difference.
    pub change_us: Interval95,
    /// Probability of such a difference by chance, adjusted for all comparisons.
    pub q: f64,
}

impl Decision {
    /// The word for it in documents and reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
            Self::Invalid => "invalid",
        }
    }
}

impl ComparisonDocument {
    /// The document of these comparisons.
    pub fn of(comparisons: Vec<GroupComparison>) -> Self {
        let worst = comparisons.iter().map(|comparison| comparison.verdict).max();
        Self {
            schema: SCHEMA.to_owned(),
            verdict: worst.unwrap_or(Decision::Inconclusive),
            comparisons,
        }
    }

    /// The document in a text.
    ///
    /// # Errors
    /// If there is none, or one of a later version.
    pub fn read(text: &str) -> Result<Self, ReadError> {
        read_as(text, SCHEMA)
    }
}
