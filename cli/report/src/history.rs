//! The history as text: a table of runs, one run, and runs as CSV.

use std::collections::BTreeSet;
use std::path::Path;

use uringbench_core::summary::{Grouped, Percent};
use uringbench_core::time::Nanos;
use uringbench_document::history::{FIGURES, HistoryEntry};

use crate::paint::{Colour, Ink};

/// Digits of a commit's hash that are shown.
const HASH: usize = 8;
/// Columns of a name at most; longer ones are cut.
const NAME_MAX: usize = 28;
/// Columns of the names on the left of one run.
const NAMES: usize = 10;

/// A column of the table: its head, the side on which it is filled up, and its cells.
struct Column {
    head: &'static str,
    is_number: bool,
    cell: fn(&HistoryEntry) -> String,
}

const fn text(head: &'static str, cell: fn(&HistoryEntry) -> String) -> Column {
    Column { head, is_number: false, cell }
}

const fn number(head: &'static str, cell: fn(&HistoryEntry) -> String) -> Column {
    Column { head, is_number: true, cell }
}

const COLUMNS: [Column; 12] = [
    text("run", |run| last_part(&run.folder)),
    text("name", |run| shortened(&run.benchmark_name)),
    text("commit", |run| run.commit_sha.iter().flat_map(|hash| hash.chars().take(HASH)).collect()),
    text("branch", |run| shortened(run.branch.as_deref().unwrap_or_default())),
    number("rate", |run| shown(run, "rate_completed")),
    number("p50", |run| shown(run, "response_p50_ns")),
    number("p99", |run| shown(run, "response_p99_ns")),
    number("time", |run| shown(run, "time_mean_ns")),
    number("cpu/req", |run| shown(run, "target_cpu_us_per_request")),
    number("errors", |run| shown(run, "error_share")),
    text("verdict", |run| run.validity.clone()),
    text("tags", |run| run.tags.join(" ")),
];

/// Runs as a table, in the order given; columns without any value are left out.
pub fn table(runs: &[HistoryEntry], colour: Colour) -> String {
    let mut shown = Vec::new();
    for column in &COLUMNS {
        let cells: Vec<String> = runs.iter().map(column.cell).collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            let width = cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
            shown.push((column, width.max(column.head.len()), cells));
        }
    }
    let line = |cell: &dyn Fn(usize) -> String| {
        let cells = shown.iter().enumerate().map(|(at, (column, width, _))| {
            let text = cell(at);
            if column.is_number { format!("{text:>width$}") } else { format!("{text:<width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let head = line(&|at| shown[at].0.head.to_owned());
    let mut page = format!("{}\n", colour.paint(Ink::Dim, head));
    for row in 0..runs.len() {
        page.push_str(&line(&|at| shown[at].2[row].clone()));
        page.push('\n');
    }
    page
}

/// One run: where it came from, its figures, and what was noticed.
pub fn entry(run: &HistoryEntry, folder: &Path) -> String {
    let mut page = String::new();
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            page.push_str(format!("{name:<NAMES$}{value}").trim_end());
            page.push('\n');
        }
    };
    line("run", &run.benchmark_name);
    line("began", &run.timestamp);
    line("target", &run.target);
    line("sent", &run.scenario);
    line("verdict", &run.validity);
    let branch = run.branch.iter().map(|branch| format!(" on {branch}"));
    let commit: String = run.commit_sha.iter().cloned().chain(branch).collect();
    line("commit", &commit);
    line("tags", &run.tags.join(" "));
    let host = [&run.environment.hostname, &run.environment.cpu, &run.environment.kernel];
    let host: Vec<_> = host.into_iter().flatten().cloned().collect();
    line("host", &host.join(" · "));
    line("with", &run.tool_version.iter().map(|it| format!("uringbench {it}")).collect::<String>());
    line("seed", &run.seed.map(|seed| seed.to_string()).unwrap_or_default());
    line("plan", run.plan_fingerprint.as_deref().unwrap_or_default());
    line("stored", &folder.display().to_string());
    page.push('\n');
    for name in names(std::slice::from_ref(run)) {
        page.push_str(&format!("{name:<28}{}\n", shown(run, &name)));
    }
    for insight in &run.insights {
        page.push_str(&format!("\n{}: {}\n", insight.severity, insight.description));
        insight.recommendations.iter().for_each(|it| page.push_str(&format!("  - {it}\n")));
    }
    page
}

/// Runs as CSV (RFC 4180), with a line of names.
pub fn csv(runs: &[HistoryEntry]) -> String {
    let figures = names(runs);
    let heads = [
        "run_id",
        "timestamp",
        "benchmark_name",
        "commit_sha",
        "branch",
        "tags",
        "target",
        "scenario",
        "validity",
        "tool_version",
        "seed",
        "host_fingerprint",
        "plan_fingerprint",
        "folder",
    ];
    let heads: Vec<String> =
        heads.into_iter().map(str::to_owned).chain(figures.iter().cloned()).collect();
    let mut page = record(&heads);
    for run in runs {
        let or_empty = |text: &Option<String>| guarded(text.as_deref().unwrap_or_default());
        let mut cells = vec![
            run.run_id.clone(),
            run.timestamp.clone(),
            guarded(&run.benchmark_name),
            or_empty(&run.commit_sha),
            or_empty(&run.branch),
            guarded(&run.tags.join(" ")),
            guarded(&run.target),
            guarded(&run.scenario),
            run.validity.clone(),
            or_empty(&run.tool_version),
            run.seed.map(|seed| seed.to_string()).unwrap_or_default(),
            or_empty(&run.host_fingerprint),
            or_empty(&run.plan_fingerprint),
            guarded(&run.folder),
        ];
        let figure = |name: &String| run.figure(name).map(|it| it.to_string()).unwrap_or_default();
        cells.extend(figures.iter().map(figure));
        page.push_str(&record(&cells));
    }
    page
}

/// A text that no spreadsheet takes for a formula.
pub fn guarded(text: &str) -> String {
    match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text.to_owned(),
    }
}

/// A line of CSV (RFC 4180).
pub fn record(cells: &[String]) -> String {
    let cell = |text: &String| match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.clone(),
    };
    format!("{}\r\n", cells.iter().map(cell).collect::<Vec<_>>().join(","))
}

/// The figures that the runs have: the known ones first, in their order.
fn names(runs: &[HistoryEntry]) -> Vec<String> {
    let mut present: BTreeSet<&String> = runs.iter().flat_map(|run| run.results.keys()).collect();
    let known = FIGURES.iter().map(|kind| kind.name.to_owned());
    let mut names: Vec<String> = known.filter(|name| present.remove(name)).collect();
    names.extend(present.into_iter().cloned());
    names
}

/// A figure of a run as it is read, empty without one.
fn shown(run: &HistoryEntry, name: &str) -> String {
    run.figure(name).map(|value| figure(name, value)).unwrap_or_default()
}

/// A figure with the unit that is in its name.
pub fn figure(name: &str, value: f64) -> String {
    match name {
        _ if name.ends_with("_ns") => Nanos(value.round() as u64).to_string(),
        _ if name.ends_with("_share") => Percent(value).to_string(),
        _ if name.ends_with("_bytes") => crate::timeline::bytes(value),
        _ if name.contains("_us_") => format!("{value:.2} µs"),
        _ if name.starts_with("rate_") => crate::timeline::per_second(value),
        _ if value.fract() == 0.0 && (0.0..1e15).contains(&value) => {
            Grouped(value as u64).to_string()
        }
        _ => format!("{value}"),
    }
}

fn last_part(folder: &str) -> String {
    folder.rsplit('/').next().unwrap_or_default().to_owned()
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME_MAX {
        return name.to_owned();
    }
    name.chars().take(NAME_MAX - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, figures: &[(&str, f64)]) -> HistoryEntry {
        HistoryEntry {
            run_id: "1".to_owned(),
            timestamp: "2026-02-28T23:59:59.120Z".to_owned(),
            benchmark_name: name.to_owned(),
            folder: "127.0.0.1_80/web/20260228T235959Z".to_owned(),
            target: "127.0.0.1:80".to_owned(),
            scenario: "GET /".to_owned(),
            validity: "valid".to_owned(),
            results: figures.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
            ..HistoryEntry::default()
        }
    }

    #[test]
    fn runs_stand_in_columns_and_empty_columns_are_left_out() {
        let figures = [("rate_completed", 148_894.2), ("response_p99_ns", 476_600.0)];
        let mut second = run("a benchmark with a very long name indeed", &[]);
        second.commit_sha = Some("0123456789abcdef".to_owned());
        second.tags = vec!["before".to_owned(), "x".to_owned()];
        let page = table(&[run("web", &figures), second], Colour::No);
        let expected = "\
run               name                          commit         rate     p99  verdict  tags
20260228T235959Z  web                                     148,894/s  477 µs  valid
20260228T235959Z  a benchmark with a very lon…  01234567                     valid    before x
";
        assert_eq!(page, expected);
    }

    #[test]
    fn one_run_is_shown_with_all_its_figures() {
        let figures = [("error_share", 0.0125), ("target_cpu_us_per_request", 6.5), ("own", 3.0)];
        let page = entry(&run("web", &figures), Path::new("results/x"));
        for line in ["run       web", "stored    results/x", "own                         3"] {
            assert!(page.contains(line), "{line}: {page}");
        }
        assert!(page.contains("1.25 %") || page.contains("1.2 %"), "{page}");
        assert!(page.contains("6.50 µs"), "{page}");
        assert!(!page.contains("commit"), "{page}");
    }

    #[test]
    fn csv_quotes_where_it_must() {
        let page = csv(&[run("a, \"b\"", &[("rate_completed", 1.5)])]);
        let lines: Vec<_> = page.split("\r\n").collect();
        assert!(lines[0].starts_with("run_id,timestamp,") && lines[0].ends_with("rate_completed"));
        assert!(lines[1].contains(",\"a, \"\"b\"\"\","), "{}", lines[1]);
        assert!(lines[1].ends_with(",1.5") && lines[2].is_empty());
        assert_eq!(csv(&[]).lines().count(), 1);
    }
}
