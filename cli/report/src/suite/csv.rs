//! A suite for other programs: a row for each run, and the metrics of each cell as JSON.

use serde_json::{Value, json};
use uringbench_document::Document;
use uringbench_document::suite::{SuiteCell, SuiteDocument};

use crate::history::{guarded, record};

/// A cell with its runs, in their order.
pub struct MeasuredCell<'a> {
    /// The cell.
    pub cell: &'a SuiteCell,
    /// Its runs, with their numbers.
    pub runs: Vec<(u32, &'a Document)>,
}

const HEADS: [&str; 22] = [
    "target",
    "category",
    "scenario",
    "case",
    "flow",
    "connections",
    "run",
    "started",
    "validity",
    "rate_per_s",
    "completed",
    "errors",
    "error_share",
    "mean_ns",
    "p50_ns",
    "p95_ns",
    "p99_ns",
    "max_ns",
    "target_cpus",
    "target_cpu_us_per_request",
    "target_memory_bytes",
    "folder",
];

/// A row for each run (RFC 4180), with a line of names.
pub fn csv(cells: &[MeasuredCell<'_>]) -> String {
    let mut page = record(&HEADS.map(str::to_owned));
    for MeasuredCell { cell, runs } in cells {
        for ((number, run), folder) in runs.iter().zip(&cell.runs) {
            page.push_str(&record(&row(cell, (*number, folder), run)));
        }
    }
    page
}

fn row(
    cell: &SuiteCell,
    (run_number, folder): (u32, &str),
    run: &Document,
) -> [String; HEADS.len()] {
    let number = |value: Option<u64>| value.map(|it| it.to_string()).unwrap_or_default();
    let decimal = |value: Option<f64>| value.map(|it| it.to_string()).unwrap_or_default();
    let response = &run.latency_ns.response;
    let usage = run.target_usage.as_ref();
    [
        guarded(&cell.target),
        guarded(&cell.category),
        guarded(&cell.scenario),
        guarded(&cell.case),
        guarded(cell.flow.as_deref().unwrap_or_default()),
        run.plan.connections.to_string(),
        run_number.to_string(),
        run.started.clone(),
        run.verdict.validity.clone(),
        run.rate.completed.to_string(),
        run.counts.completed.to_string(),
        run.counts.outcomes.errors().to_string(),
        decimal(run.counts.outcomes.error_share()),
        number(response.mean),
        number(response.p50),
        number(response.p95),
        number(response.p99),
        number(response.max),
        decimal(usage.map(|usage| usage.cpus)),
        decimal(usage.and_then(|usage| usage.cpu_us_per_request)),
        number(usage.and_then(|usage| usage.memory_bytes)),
        guarded(folder),
    ]
}

/// The metrics of each measured cell, in the keys that scripts around feature benchmarks read.
/// Times are milliseconds, memory is in MB of 1,000,000 bytes; what is unknown is `null`.
pub fn metrics(suite: &SuiteDocument) -> Value {
    let cells = suite.cells.iter().filter_map(|cell| {
        let figures = cell.figures.as_ref()?;
        let ms = |ns: Option<f64>| ns.map(|ns| ns / 1e6);
        Some(json!({
            "framework": cell.target,
            "category": cell.category,
            "scenario": cell.case,
            "metrics": {
                "rps": figures.rate,
                "avg_latency_ms": ms(figures.response_mean_ns),
                "p50_latency_ms": ms(figures.response_p50_ns),
                "p95_latency_ms": ms(figures.response_p95_ns),
                "p99_latency_ms": ms(figures.response_p99_ns),
                "memory_mb": figures.memory_bytes.map(|bytes| bytes / 1e6),
                "cpu_percent": figures.cpus.map(|cpus| 100.0 * cpus),
                "error_rate": figures.error_share,
                "connection_failures": figures.connection_failures,
            },
        }))
    });
    Value::Array(cells.collect())
}
