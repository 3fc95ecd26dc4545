//! The seconds of runs as CSV (RFC 4180): a line of names, then a line for each interval.

use uringbench_document::{Document, IntervalFigures};
use uringbench_report::history::{guarded, record};

use crate::benchmark::name_of;
use crate::live::RATE_MIN;

const HEADS: [&str; 18] = [
    "run",
    "started",
    "validity",
    "t_s",
    "length_s",
    "phase",
    "released",
    "completed",
    "errors",
    "in_flight",
    "connected",
    "response_p50_ns",
    "response_p99_ns",
    "response_max_ns",
    "lateness_p99_ns",
    "sent_bytes",
    "received_bytes",
    "completed_per_s",
];

/// The rows of these runs.
pub fn csv(runs: &[Document]) -> String {
    let mut page = record(&HEADS.map(str::to_owned));
    for run in runs {
        let name = guarded(&name_of(run));
        let rows = run.intervals.iter().map(|interval| record(&row(&name, run, interval)));
        page.extend(rows);
    }
    page
}

fn row(name: &str, run: &Document, interval: &IntervalFigures) -> [String; HEADS.len()] {
    let known = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
    let per_second = match interval.length_s {
        length if length >= RATE_MIN.as_secs_f64() => {
            (interval.completed as f64 / length).to_string()
        }
        _ => String::new(),
    };
    [
        name.to_owned(),
        run.started.clone(),
        run.verdict.validity.clone(),
        interval.t_s.to_string(),
        interval.length_s.to_string(),
        guarded(&interval.phase),
        interval.released.to_string(),
        interval.completed.to_string(),
        interval.errors.to_string(),
        interval.in_flight.to_string(),
        interval.connected.to_string(),
        known(interval.response_p50_ns),
        known(interval.response_p99_ns),
        known(interval.response_max_ns),
        known(interval.lateness_p99_ns),
        interval.sent_bytes.to_string(),
        interval.received_bytes.to_string(),
        per_second,
    ]
}
