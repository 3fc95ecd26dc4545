//! Go's benchmark format, for benchstat and its relatives: a line for each run, so that runs of one
//! name are its samples.
//!
//! Units end in `-ns` or `-bytes` as the format has them; benchstat shows the first in seconds.
//! `Unit` lines name the direction of each.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use uringbench_document::Document;
use uringbench_document::history::{FIGURES, HistoryEntry};

use crate::ExportError;
use crate::benchmark::name_of;

/// The text of these runs.
///
/// # Errors
/// If a document is damaged.
pub fn text(runs: &[Document]) -> Result<String, ExportError> {
    let entries = runs.iter().map(|run| Ok(HistoryEntry::of_run(&run.to_json()?)?));
    let entries: Vec<HistoryEntry> = entries.collect::<Result<_, ExportError>>()?;
    let mut page = String::new();
    let mut units = BTreeSet::new();
    let mut lines = String::new();
    for (run, entry) in runs.iter().zip(&entries) {
        lines.push_str(&configuration(run));
        let _ = write!(lines, "Benchmark{} {}", word(&name(run)), run.counts.completed.max(1));
        for (name, unit, more_is_better) in figures() {
            let Some(value) = entry.figure(name).filter(|value| value.is_finite()) else {
                continue;
            };
            let _ = write!(lines, " {value} {unit}");
            units.insert((unit, more_is_better));
        }
        lines.push('\n');
    }
    for (unit, more_is_better) in units {
        let better = if more_is_better { "higher" } else { "lower" };
        let _ = writeln!(page, "Unit {unit} better={better}");
    }
    page.push_str(&lines);
    Ok(page)
}

/// The figures with their units.
fn figures() -> impl Iterator<Item = (&'static str, String, bool)> {
    FIGURES.into_iter().filter_map(|kind| {
        let unit = match kind.name {
            "response_mean_ns" => "ns/op".to_owned(),
            "rate_completed" => "req/s".to_owned(),
            "error_share" => "errors/op".to_owned(),
            "rate_offered" | "rate_achieved" | "requests" => return None,
            name => match name.strip_suffix("_us_per_request") {
                Some(name) => format!("{}-us/op", name.replace('_', "-")),
                None => name.replace('_', "-"),
            },
        };
        Some((kind.name, unit, kind.more_is_better))
    })
}

/// Lines that describe the run; they hold until they change.
fn configuration(run: &Document) -> String {
    let git = run.git.as_ref();
    let keys = [
        ("cpu", run.host.cpu.clone()),
        ("kernel", run.host.kernel.clone()),
        ("commit", git.map(|git| git.commit.clone())),
        ("validity", Some(run.verdict.validity.clone())),
    ];
    let lines = keys.into_iter().map(|(key, value)| {
        // A key without a value takes back an earlier one.
        let value = value.unwrap_or_default();
        let value: Vec<_> = value.split_whitespace().collect();
        format!("{key}: {}\n", value.join(" ")).replace(": \n", ":\n")
    });
    lines.collect()
}

/// The benchmark's name and the load, as Go's sub-benchmarks have it.
fn name(run: &Document) -> String {
    let plan = &run.plan;
    let rate = plan.rate.map(|rate| format!("/rate={rate}")).unwrap_or_default();
    format!("/{}/connections={}{rate}", name_of(run), plan.connections)
}

/// A name without white space; a letter after `Benchmark` must not be a small one, hence the slash.
fn word(name: &str) -> String {
    let plain =
        |letter: char| if letter.is_whitespace() || letter.is_control() { '_' } else { letter };
    name.chars().map(plain).collect()
}
