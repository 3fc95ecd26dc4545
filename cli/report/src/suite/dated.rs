//! The results of one target of a suite, for files with the date in their names.

use serde_json::{Value, json};
use uringbench_document::Document;
use uringbench_document::suite::{SuiteCell, SuiteDocument, SuiteTarget};

/// `load_test_YYYY-MM-DD.json`: the figures of each case.
pub fn load_test(suite: &SuiteDocument, target: &SuiteTarget, date: &str) -> Value {
    let ms = |ns: Option<f64>| ns.map(|ns| ns / 1e6);
    let cases = cells(suite, target).map(|cell| {
        let figures = cell.figures.clone().unwrap_or_default();
        let has_figures = cell.figures.is_some();
        let interval = figures.rate_interval;
        json!({
            "name": cell.case,
            "state": cell.state,
            "reason": cell.reason,
            "place": cell.rank,
            "validity": has_figures.then_some(figures.validity),
            "requests_per_second": has_figures.then_some(figures.rate),
            "requests_per_second_low": interval.and_then(|it| it.ci_low),
            "requests_per_second_high": interval.and_then(|it| it.ci_high),
            "mean_ms": ms(figures.response_mean_ns),
            "p50_ms": ms(figures.response_p50_ns),
            "p95_ms": ms(figures.response_p95_ns),
            "p99_ms": ms(figures.response_p99_ns),
            "error_rate": figures.error_share,
            "cpu_us_per_request": figures.cpu_us_per_request,
            "cpus": figures.cpus,
            "memory_bytes": figures.memory_bytes,
            "objectives": cell.slo,
            "flamegraph": cell.flamegraph,
        })
    });
    let cases: Vec<Value> = cases.collect();
    json!({
        "implementation": target.name,
        "date": date,
        "suite": suite.name,
        "host": suite.host,
        "settings": suite.settings,
        "cases": cases,
    })
}

/// `memory_YYYY-MM-DD.json`: the most memory over all runs, that at the end of each case, and the
/// soaks. `peak` is in bytes; `soaks` are the runs of the cells with one, by their folders.
pub fn memory_use(
    suite: &SuiteDocument,
    target: &SuiteTarget,
    (date, peak): (&str, Option<u64>),
    soaks: &[(String, &Document)],
) -> Value {
    let cases = cells(suite, target).map(|cell| {
        let figures = cell.figures.as_ref();
        let run = cell.soak.as_ref().map(|soak| &soak.run);
        let soak = run.and_then(|run| soaks.iter().find(|(folder, _)| folder == run));
        json!({
            "name": cell.case,
            "memory_bytes": figures.and_then(|it| it.memory_bytes),
            "killed_for_memory": cell.killed_for_memory,
            "soak_requests": cell.soak.as_ref().map(|soak| soak.requests),
            "soak": soak.and_then(|(_, run)| run.soak.as_ref()),
        })
    });
    let cases: Vec<Value> = cases.collect();
    json!({
        "implementation": target.name,
        "date": date,
        "suite": suite.name,
        "host": suite.host,
        "limit_bytes": target.limit_memory_bytes,
        "peak_bytes": peak,
        "cases": cases,
    })
}

/// `microbench_YYYY-MM-DD.json`: the benchmarks of functions that the target brought along.
pub fn microbench(suite: &SuiteDocument, target: &str, date: &str, benchmarks: &Value) -> Value {
    json!({
        "implementation": target,
        "date": date,
        "suite": suite.name,
        "host": suite.host,
        "benchmarks": benchmarks,
    })
}

fn cells<'a>(
    suite: &'a SuiteDocument,
    target: &'a SuiteTarget,
) -> impl Iterator<Item = &'a SuiteCell> {
    suite.cells.iter().filter(|cell| cell.target == target.name)
}
