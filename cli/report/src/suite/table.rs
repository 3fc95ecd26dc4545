//! The rows of a case's table.

use uringbench_core::summary::Percent;
use uringbench_core::time::Nanos;
use uringbench_document::suite::{CellFigures, CellState, SuiteCell, SuiteDocument};

use crate::text::per_second;
use crate::timeline::bytes;

/// The heads of the columns.
pub(super) const HEADS: [&str; 11] = [
    "",
    "target",
    "rate",
    "95 % interval",
    "p50",
    "p95",
    "p99",
    "CPU/request",
    "memory",
    "errors",
    "verdict",
];
/// Cells of a target with the same reason, above which only the conclusions name it.
const SAME_MAX: usize = 3;
/// The columns of text.
pub(super) const LEFT: [usize; 3] = [0, 1, 10];

/// The row of a cell.
pub(super) fn row(cell: &SuiteCell) -> [String; HEADS.len()] {
    let none = || "-".to_owned();
    let place = cell.rank.map_or_else(none, |rank| rank.to_string());
    let Some(figures) = &cell.figures else {
        let mut row = [const { String::new() }; HEADS.len()].map(|_| none());
        row[0] = String::new();
        row[1].clone_from(&cell.target);
        row[10] = state(cell).to_owned();
        return row;
    };
    let time = |ns: Option<f64>| ns.map_or_else(none, |ns| Nanos(ns.round() as u64).to_string());
    let cpu = figures.cpu_us_per_request;
    [
        place,
        cell.target.clone(),
        per_second(figures.rate),
        interval(figures),
        time(figures.response_p50_ns),
        time(figures.response_p95_ns),
        time(figures.response_p99_ns),
        cpu.map_or_else(none, |us| Nanos((us * 1e3).round() as u64).to_string()),
        figures.memory_bytes.map_or_else(none, bytes),
        figures.error_share.map_or_else(none, |share| Percent(share).to_string()),
        match cell.state {
            CellState::Measured => figures.validity.clone(),
            _ => state(cell).to_owned(),
        },
    ]
}

/// What has to be said about a cell that its row and the conclusions do not tell.
pub(super) fn remark(suite: &SuiteDocument, cell: &SuiteCell) -> Option<String> {
    let alike = |other: &&SuiteCell| other.target == cell.target && other.reason == cell.reason;
    let is_told = suite.cells.iter().filter(alike).count() > SAME_MAX;
    let mut parts: Vec<String> = cell.reason.iter().filter(|_| !is_told).cloned().collect();
    if cell.killed_for_memory > 0 && cell.state == CellState::Measured {
        let times = cell.killed_for_memory;
        parts.push(format!("the kernel killed {times} processes of it: its memory was used up"));
    }
    let missed = cell.slo.iter().filter(|it| it.met == Some(false));
    parts.extend(missed.map(|it| format!("misses {}: {}", it.objective, it.measured)));
    (!parts.is_empty()).then(|| format!("{}: {}", cell.target, parts.join("; ")))
}

fn state(cell: &SuiteCell) -> &'static str {
    match cell.state {
        CellState::Measured => "measured",
        CellState::Checked if cell.is_wrong => "wrong answers",
        CellState::Checked => "right answers",
        CellState::Lacking => "cannot",
        CellState::Failed => "failed",
        CellState::Unfinished => "unfinished",
    }
}

fn interval(figures: &CellFigures) -> String {
    let ends = figures.rate_interval.and_then(|it| it.ci_low.zip(it.ci_high));
    ends.map_or_else(
        || "-".to_owned(),
        |(low, high)| {
            let (low, high) = (per_second(low), per_second(high));
            format!("{} to {high}", low.trim_end_matches("/s"))
        },
    )
}
