//! Runs as benchmarks of functions: those of one name are one benchmark, with a mean and a range.
//!
//! Services that follow benchmarks know names, figures and units, nothing of loads.

use uringbench_document::Document;
use uringbench_document::history::{FIGURES, FigureKind, HistoryEntry};

use crate::ExportError;

/// Several runs of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Benchmark {
    /// The name.
    pub name: String,
    /// The figures, in the order of [`FIGURES`].
    pub figures: Vec<BenchmarkFigure>,
}

/// One figure over the runs of a benchmark.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BenchmarkFigure {
    /// Which figure.
    pub kind: FigureKind,
    /// The mean over the runs.
    pub mean: f64,
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
    /// The number of runs that have it.
    pub runs: usize,
}

/// The name of a run, or else its flows, or method and path.
pub fn name_of(document: &Document) -> String {
    let plan = &document.plan;
    if let Some(name) = &plan.name {
        return name.clone();
    }
    if document.flows.is_empty() {
        return format!("{} {}", plan.method, plan.path()).trim_end().to_owned();
    }
    let names: Vec<_> = document.flows.iter().map(|flow| flow.name.as_str()).collect();
    names.join(", ")
}

/// The benchmarks of these runs, in the order of their first runs.
///
/// # Errors
/// If a document is damaged.
pub fn benchmarks(runs: &[Document]) -> Result<Vec<Benchmark>, ExportError> {
    let mut groups: Vec<(String, Vec<HistoryEntry>)> = Vec::new();
    for run in runs {
        let entry = HistoryEntry::of_run(&run.to_json()?)?;
        match groups.iter_mut().find(|(name, _)| *name == entry.benchmark_name) {
            Some((_, group)) => group.push(entry),
            None => groups.push((entry.benchmark_name.clone(), vec![entry])),
        }
    }
    let benchmarks = groups.into_iter().map(|(name, runs)| {
        let figures = FIGURES.into_iter().filter_map(|kind| BenchmarkFigure::of(kind, &runs));
        Benchmark { name, figures: figures.collect() }
    });
    Ok(benchmarks.collect())
}

impl BenchmarkFigure {
    fn of(kind: FigureKind, runs: &[HistoryEntry]) -> Option<Self> {
        let values = runs.iter().filter_map(|run| run.figure(kind.name));
        let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        let min = values.iter().copied().reduce(f64::min)?;
        let max = values.iter().copied().reduce(f64::max)?;
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        Some(Self { kind, mean, min, max, runs: values.len() })
    }

    /// Whether it is a number of the target that later runs can be compared with; the others
    /// describe the run.
    pub fn is_result(&self) -> bool {
        !matches!(self.kind.name, "rate_offered" | "rate_achieved" | "requests")
    }
}

/// Cut to at most `bytes` bytes, at the border of a character.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
