//! The two lists that the action `benchmark-action/github-action-benchmark` reads: in one less is
//! better (`customSmallerIsBetter`), in the other more is (`customBiggerIsBetter`).

use serde::{Deserialize, Serialize};

use crate::benchmark::{Benchmark, BenchmarkFigure};

/// The direction of all entries of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryDirection {
    /// Times, costs and errors: `customSmallerIsBetter`.
    SmallerIsBetter,
    /// Rates: `customBiggerIsBetter`.
    BiggerIsBetter,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionEntry {
    /// The benchmark and the figure.
    pub name: String,
    /// The unit, as it is shown.
    pub unit: String,
    /// The mean over the runs.
    pub value: f64,
    /// Half of the range over the runs, as text; left out for a single run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
    /// The number of runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<String>,
}

/// The entries of a direction.
pub fn entries(benchmarks: &[Benchmark], direction: EntryDirection) -> Vec<ActionEntry> {
    let more_is_better = direction == EntryDirection::BiggerIsBetter;
    let of_benchmark = |benchmark: &Benchmark| {
        let figures = benchmark.figures.iter().filter(|figure| figure.is_result());
        let figures = figures.filter(|figure| figure.kind.more_is_better == more_is_better);
        figures.map(|figure| entry(&benchmark.name, figure)).collect::<Vec<_>>()
    };
    benchmarks.iter().flat_map(of_benchmark).collect()
}

fn entry(benchmark: &str, figure: &BenchmarkFigure) -> ActionEntry {
    let (title, unit) = titled(figure.kind.name);
    let is_several = figure.runs > 1;
    ActionEntry {
        name: format!("{benchmark} {title}"),
        unit: unit.to_owned(),
        value: figure.mean,
        range: is_several.then(|| format!("± {}", (figure.max - figure.min) / 2.0)),
        extra: is_several.then(|| format!("{} runs", figure.runs)),
    }
}

/// A figure's name without its unit, in words, and the unit.
fn titled(name: &str) -> (String, &'static str) {
    let (title, unit) = match name {
        "rate_completed" => ("rate", "req/s"),
        "error_share" => ("errors", "share"),
        _ => match name.strip_suffix("_ns") {
            Some(title) => (title, "ns"),
            None => match name.strip_suffix("_us_per_request") {
                Some(title) => (title, "us/req"),
                None => (name.strip_suffix("_bytes").unwrap_or(name), "bytes"),
            },
        },
    };
    (title.replace('_', " "), unit)
}
