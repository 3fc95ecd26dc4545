//! `microbenchmark.json`: a benchmark of functions that another tool measured, as it was imported.

use serde::{Deserialize, Serialize};

use crate::EncodeError;
use crate::history::HistoryEntry;
use crate::run::{Environment, GitRevision, fingerprint};

/// The value of `schema`.
pub const BENCHMARK_SCHEMA: &str = "uringbench.microbenchmark/1";

/// An imported benchmark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MicroBenchmark {
    /// `uringbench.microbenchmark/1`.
    pub schema: String,
    /// The tool that measured: `criterion`.
    pub tool: String,
    /// The whole name of the benchmark.
    pub name: String,
    /// When it was measured, RFC 3339, UTC.
    pub started: String,
    /// The revision of the source; left out if it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitRevision>,
    /// Names given with `--tag`.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The mean time of an iteration.
    pub mean_ns: TimeEstimate,
    /// The median.
    pub median_ns: TimeEstimate,
    /// The standard deviation between samples.
    pub std_dev_ns: TimeEstimate,
    /// The mean time of an iteration in each sample.
    pub samples_ns: Vec<f64>,
}

/// An estimate with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimeEstimate {
    /// The estimate.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// How often the interval contains the truth: 0.95.
    pub confidence: f64,
}

impl MicroBenchmark {
    /// The benchmark in a text.
    ///
    /// # Errors
    /// If there is none.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// As JSON, without a final line break.
    ///
    /// # Errors
    /// If a figure cannot be encoded.
    pub fn to_json(&self) -> Result<String, EncodeError> {
        serde_json::to_string_pretty(self).map_err(EncodeError::of)
    }

    /// The entry of the history; its folder is left empty.
    pub fn entry(&self) -> HistoryEntry {
        let figures = [
            ("time_mean_ns", self.mean_ns.value),
            ("time_mean_low_ns", self.mean_ns.low),
            ("time_mean_high_ns", self.mean_ns.high),
            ("time_median_ns", self.median_ns.value),
            ("time_std_dev_ns", self.std_dev_ns.value),
        ];
        HistoryEntry {
            run_id: fingerprint([self.tool.as_str(), &self.started, &self.name]),
            timestamp: self.started.clone(),
            benchmark_name: self.name.clone(),
            commit_sha: self.git.as_ref().map(|git| git.commit.clone()),
            branch: self.git.as_ref().and_then(|git| git.branch.clone()),
            tags: self.tags.clone(),
            target: self.tool.clone(),
            scenario: self.name.clone(),
            validity: "valid".to_owned(),
            results: figures.map(|(name, value)| (name.to_owned(), value)).into(),
            environment: Environment::default(),
            ..HistoryEntry::default()
        }
    }
}
