//! The seconds of runs as CSV (RFC 4180): a line of names, then a line for each interval.

use csv::{Terminator, WriterBuilder};
use uringbench_document::{Document, IntervalFigures};

use crate::benchmark::name_of;

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
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    let rows = runs.iter().flat_map(|run| {
        let name = guarded(&name_of(run));
        run.intervals.iter().map(move |interval| row(&name, run, interval))
    });
    let written = writer
        .write_record(HEADS)
        .and_then(|()| rows.into_iter().try_for_each(|row| writer.write_record(row)));
    written.expect("memory accepts every row, and all rows have the columns of the first");
    let bytes = writer.into_inner().expect("memory accepts every row");
    String::from_utf8(bytes).expect("every cell is UTF-8")
}

fn row(name: &str, run: &Document, interval: &IntervalFigures) -> [String; HEADS.len()] {
    let known = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
    let per_second = match interval.length_s {
        length if length > 0.0 => (interval.completed as f64 / length).to_string(),
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

/// A text that no spreadsheet takes for a formula.
fn guarded(text: &str) -> String {
    match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text.to_owned(),
    }
}
