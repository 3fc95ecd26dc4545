//! Bencher Metric Format (BMF) of bencher.dev: benchmarks, their measures, their values.
//!
//! `latency` (nanoseconds) and `throughput` (per second) are Bencher's own measures, sent in its
//! units: the mean response time, and completed requests. The other measures have the names of the
//! history. Bounds are the smallest and the largest value of several runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::benchmark::{Benchmark, BenchmarkFigure, cut};

/// Longest name of a benchmark in bytes.
const NAME_MAX: usize = 1_024;

/// The document: measures by benchmark.
pub type BencherDocument = BTreeMap<String, BTreeMap<String, BencherValue>>;

/// A value with its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BencherValue {
    /// The mean over the runs.
    pub value: f64,
    /// The smallest; left out for a single run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower_value: Option<f64>,
    /// The largest; left out for a single run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper_value: Option<f64>,
}

/// The document of these benchmarks.
pub fn document(benchmarks: &[Benchmark]) -> BencherDocument {
    let named = benchmarks.iter().map(|benchmark| {
        let results = benchmark.figures.iter().filter(|figure| figure.is_result());
        let measures = results.map(|figure| (measure(figure), value(figure)));
        (cut(&benchmark.name, NAME_MAX).to_owned(), measures.collect())
    });
    named.collect()
}

fn measure(figure: &BenchmarkFigure) -> String {
    match figure.kind.name {
        "response_mean_ns" => "latency".to_owned(),
        "rate_completed" => "throughput".to_owned(),
        name => name.to_owned(),
    }
}

fn value(figure: &BenchmarkFigure) -> BencherValue {
    let bound = |value: f64| (figure.runs > 1).then_some(value);
    BencherValue {
        value: figure.mean,
        lower_value: bound(figure.min),
        upper_value: bound(figure.max),
    }
}
