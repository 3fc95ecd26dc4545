//! A run as the history lists it: what it is called, where it came from, and its main figures.
//!
//! Read from a part of its document, so that an index of many runs is made fast; figures keep the
//! names under which they are listed, exported and followed over time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::insight::InsightFigures;
use crate::read::{ReadError, check_schema};
use crate::run::{
    Environment, GitRevision, PlanFigures, RateFigures, SCHEMA, TimeFigures, VerdictGiven,
    fingerprint,
};
use crate::target::TargetUsage;

mod figures;

pub use figures::{FIGURES, FigureKind};

/// The value of `schema` of a list of runs.
pub const HISTORY_SCHEMA: &str = "uringbench.history/1";

/// A list of runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryList {
    /// `uringbench.history/1`.
    pub schema: String,
    /// The runs, newest first.
    pub runs: Vec<HistoryEntry>,
}

/// A run in the history.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// 16 digits of this run: the same wherever its document lies.
    pub run_id: String,
    /// When it began, RFC 3339, UTC.
    pub timestamp: String,
    /// Its name, or else what it sent.
    pub benchmark_name: String,
    /// The commit; `null` if it was not started in a git repository.
    pub commit_sha: Option<String>,
    /// The branch.
    pub branch: Option<String>,
    /// Names given with `--tag`.
    pub tags: Vec<String>,
    /// Its folder; one below the folder of the results is written relative to it.
    pub folder: String,
    /// Host and port of the target.
    pub target: String,
    /// What it sent: method and path, or the names of its flows.
    pub scenario: String,
    /// `valid`, `suspect` or `invalid`.
    pub validity: String,
    /// Version of the program that measured.
    pub tool_version: Option<String>,
    /// Seed of every random choice.
    pub seed: Option<u64>,
    /// The fingerprint of the machine.
    pub host_fingerprint: Option<String>,
    /// The fingerprint of the load.
    pub plan_fingerprint: Option<String>,
    /// The main figures by name; those without samples are left out.
    pub results: BTreeMap<String, f64>,
    /// The machine.
    pub environment: Environment,
    /// What was noticed in the run.
    #[serde(default)]
    pub insights: Vec<InsightEntry>,
}

/// Something that was noticed in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InsightEntry {
    /// Its kind, a word.
    pub insight_type: String,
    /// The finding with its figures.
    pub description: String,
    /// How much it matters.
    pub severity: String,
    /// What to do.
    #[serde(default)]
    pub recommendations: Vec<String>,
}

/// The part of a run's document that the history needs; the rest is skipped unread.
#[derive(Deserialize)]
pub(crate) struct Brief {
    started: String,
    #[serde(default)]
    git: Option<GitRevision>,
    #[serde(default)]
    tags: Vec<String>,
    verdict: VerdictGiven,
    plan: PlanFigures,
    host: Environment,
    pub(crate) rate: RateFigures,
    pub(crate) counts: BriefCounts,
    pub(crate) latency_ns: BriefTimes,
    pub(crate) client: BriefClient,
    steps: Vec<Named>,
    #[serde(default)]
    flows: Vec<Named>,
    #[serde(default)]
    pub(crate) target_usage: Option<TargetUsage>,
    #[serde(default)]
    pub(crate) target: Option<BriefTarget>,
    #[serde(default)]
    pub(crate) timeline: Option<BriefTimeline>,
    #[serde(default)]
    insights: Vec<InsightFigures>,
}

impl From<InsightFigures> for InsightEntry {
    fn from(insight: InsightFigures) -> Self {
        let InsightFigures { kind, severity, description, recommendations, .. } = insight;
        let severity = severity.key().to_owned();
        Self { insight_type: kind, description, severity, recommendations }
    }
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
pub(crate) struct BriefCounts {
    pub(crate) released: u64,
    pub(crate) outcomes: BriefOutcomes,
}

#[derive(Deserialize)]
pub(crate) struct BriefOutcomes {
    pub(crate) ok: u64,
}

#[derive(Deserialize)]
pub(crate) struct BriefTimes {
    pub(crate) response: TimeFigures,
    pub(crate) service: TimeFigures,
}

#[derive(Deserialize)]
pub(crate) struct BriefClient {
    pub(crate) cpu_ns_per_request: Option<f64>,
}

#[derive(Deserialize)]
pub(crate) struct BriefTarget {
    #[serde(default)]
    pub(crate) cpu: BriefCpu,
    #[serde(default)]
    pub(crate) counters: Option<BriefCounters>,
}

#[derive(Default, Deserialize)]
pub(crate) struct BriefCpu {
    pub(crate) us_per_request: Option<f64>,
}

#[derive(Deserialize)]
pub(crate) struct BriefCounters {
    pub(crate) target: Option<BriefPerRequest>,
}

#[derive(Deserialize)]
pub(crate) struct BriefPerRequest {
    pub(crate) cpu_us: f64,
}

#[derive(Deserialize)]
pub(crate) struct BriefTimeline {
    pub(crate) series: Vec<BriefSeries>,
}

#[derive(Deserialize)]
pub(crate) struct BriefSeries {
    pub(crate) name: String,
    pub(crate) max: f64,
}

impl HistoryEntry {
    /// The entry of the run whose document this is; its folder is left empty.
    ///
    /// # Errors
    /// If the text is no run, or one of a later version.
    pub fn of_run(text: &str) -> Result<Self, ReadError> {
        check_schema(text, SCHEMA)?;
        let brief: Brief = serde_json::from_str(text).map_err(ReadError::Damaged)?;
        let plan = &brief.plan;
        let target = plan.authority().to_owned();
        let scenario = match brief.flows.as_slice() {
            [] => format!("{} {}", plan.method, plan.path()).trim_end().to_owned(),
            flows => joined(flows),
        };
        let benchmark_name = plan.name.clone().unwrap_or_else(|| scenario.clone());
        let host = brief.host.hostname.clone().unwrap_or_default();
        let seed = plan.seed.to_string();
        let identity = [&host, &brief.started, &target, &benchmark_name, &seed];
        let steps = brief.steps.iter().map(|step| step.name.as_str());
        let plan_fingerprint = plan.fingerprint.clone();
        let plan_fingerprint = plan_fingerprint.unwrap_or_else(|| plan.compute_fingerprint(steps));
        let host_fingerprint = brief.host.fingerprint.clone();
        let host_fingerprint = host_fingerprint.unwrap_or_else(|| brief.host.compute_fingerprint());
        let results = figures::of(&brief);
        Ok(Self {
            run_id: fingerprint(identity.map(String::as_str)),
            timestamp: brief.started,
            benchmark_name,
            commit_sha: brief.git.as_ref().map(|git| git.commit.clone()),
            branch: brief.git.and_then(|git| git.branch),
            tags: brief.tags,
            folder: String::new(),
            target,
            scenario,
            validity: brief.verdict.validity,
            tool_version: brief.host.uringbench.clone(),
            seed: Some(brief.plan.seed),
            host_fingerprint: Some(host_fingerprint),
            plan_fingerprint: Some(plan_fingerprint),
            results,
            environment: brief.host,
            insights: brief.insights.into_iter().map(InsightEntry::from).collect(),
        })
    }

    /// A figure by name.
    pub fn figure(&self, name: &str) -> Option<f64> {
        self.results.get(name).copied()
    }
}

fn joined(flows: &[Named]) -> String {
    let names: Vec<_> = flows.iter().map(|flow| flow.name.as_str()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests;
