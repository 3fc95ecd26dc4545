//! A suite as text, Markdown, CSV and JSON for other programs.

mod chart;
mod claims;
mod csv;
mod dated;
mod memory;
mod table;

use std::fmt::Write as _;

use uringbench_core::summary::plural;
use uringbench_document::insight::InsightSeverity;
use uringbench_document::suite::{CellState, SuiteCell, SuiteDocument, SuiteTarget};

use crate::markdown::escaped;
use crate::paint::{Colour, Ink};
use crate::table::aligned;
use crate::text::wrap;
use crate::timeline::bytes;

pub use chart::chart;
pub use csv::{MeasuredCell, csv, metrics};
pub use dated::{load_test, memory_use, microbench};
pub use memory::{memory, peak_memory};

/// Columns of a line of text.
const WIDTH: usize = 100;

/// The suite on a terminal: the conclusions, and a table of each case.
pub fn text(suite: &SuiteDocument, colour: Colour) -> String {
    let mut page = format!("{}\n", colour.paint(Ink::Bold, &suite.title));
    for sentence in suite.notes.iter().chain(&suite.conclusions) {
        for (at, line) in wrap(sentence, WIDTH - 2).into_iter().enumerate() {
            let _ = writeln!(page, "{} {line}", if at == 0 { "-" } else { " " });
        }
    }
    for case in cases(suite) {
        let _ = writeln!(page, "\n{}", colour.paint(Ink::Bold, case));
        let rows: Vec<_> = of_case(suite, case).map(table::row).collect();
        let rows: Vec<_> = std::iter::once(table::HEADS.map(str::to_owned)).chain(rows).collect();
        for (at, line) in aligned(&rows, &table::LEFT).into_iter().enumerate() {
            let line = if at == 0 { colour.paint(Ink::Dim, line) } else { line };
            let _ = writeln!(page, "{line}");
        }
        for why in of_case(suite, case).filter_map(|cell| table::remark(suite, cell)) {
            for line in wrap(&why, WIDTH - 2) {
                let _ = writeln!(page, "  {line}");
            }
        }
    }
    let claims = suite.claims.iter().map(|claim| {
        let [text, _, _, _, verdict, why] = claims::claim(claim);
        format!("{verdict}: {text}: {why}")
    });
    listed(&mut page, "Claims", claims, colour);
    let leaks = suite.cells.iter().filter_map(claims::leak);
    let leaks =
        leaks.map(|[target, case, verdict, _, why]| format!("{target}, {case}: {verdict}: {why}"));
    listed(&mut page, "Leaks", leaks, colour);
    let scaling = suite.scaling.iter();
    let scaling = scaling.map(|it| format!("{}, {}: {}", it.target, it.case, it.sentence));
    listed(&mut page, "Scaling over connections", scaling, colour);
    page
}

/// A heading and sentences below it, unless there are none.
fn listed(page: &mut String, title: &str, sentences: impl Iterator<Item = String>, colour: Colour) {
    for (at, sentence) in sentences.enumerate() {
        if at == 0 {
            let _ = writeln!(page, "\n{}", colour.paint(Ink::Bold, title));
        }
        for (at, line) in wrap(&sentence, WIDTH - 2).into_iter().enumerate() {
            let _ = writeln!(page, "{} {line}", if at == 0 { "-" } else { " " });
        }
    }
}

/// The suite as `final_report.md`. `charts` are the pictures by category.
pub fn markdown(suite: &SuiteDocument, charts: &[(String, String)]) -> String {
    let mut page = format!("# {}\n\n", escaped(&suite.title));
    if !suite.is_complete {
        page.push_str("**Not complete**: the suite ended early. Go on with `--resume`.\n\n");
    }
    page.push_str("## Conclusions\n\n");
    if suite.conclusions.is_empty() {
        page.push_str("Nothing was measured that allows one.\n");
    }
    for sentence in &suite.conclusions {
        let _ = writeln!(page, "- {}", escaped(sentence));
    }
    page.push_str("\n## Targets\n\n");
    let heads = ["target", "command", "workers", "limits", "first in", "relative rate", "memory"];
    rows(&mut page, &heads, suite.targets.iter().map(target_row));
    page.push_str("\n## Results\n");
    for category in categories(suite) {
        let _ = writeln!(page, "\n### {}\n", escaped(category));
        if let Some((_, file)) = charts.iter().find(|(name, _)| name == category) {
            let _ = writeln!(page, "![rates of {}]({file})\n", escaped(category));
        }
        let of_category = |case: &&&str| {
            suite.cells.iter().any(|cell| cell.case == **case && cell.category == category)
        };
        for case in cases(suite).iter().filter(of_category) {
            let _ = writeln!(page, "**{}**\n", escaped(case));
            let heads: Vec<&str> = table::HEADS.iter().copied().chain(["profile"]).collect();
            let cells = of_case(suite, case).map(|cell| {
                let mut row = table::row(cell).map(|text| escaped(&text)).to_vec();
                row.push(
                    cell.flamegraph
                        .as_ref()
                        .map_or_else(String::new, |file| format!("[flame graph]({file})")),
                );
                row
            });
            rows(&mut page, &heads, cells);
            let remarks: Vec<String> =
                of_case(suite, case).filter_map(|cell| table::remark(suite, cell)).collect();
            if !remarks.is_empty() {
                page.push('\n');
            }
            for why in remarks {
                let _ = writeln!(page, "- {}", escaped(&why));
            }
            page.push('\n');
        }
    }
    for SuiteTable { title, heads, lines } in tables(suite) {
        let _ = writeln!(page, "\n## {title}\n");
        let lines = lines.iter();
        let lines = lines.map(|line| line.iter().map(|text| escaped(text)).collect());
        rows(&mut page, heads, lines);
    }
    page.push_str(&limits(suite));
    if suite.targets.iter().any(|target| target.memory_picture.is_some()) {
        page.push_str("\n## Memory\n\n");
    }
    for target in &suite.targets {
        if let Some(file) = &target.memory_picture {
            let _ = writeln!(page, "![memory of {}]({file})\n", escaped(&target.name));
        }
    }
    page.push_str(&conditions(suite));
    page
}

/// What a suite decides beside its figures, as a table.
#[derive(Clone, Debug)]
pub struct SuiteTable {
    /// Its heading.
    pub title: &'static str,
    /// The heads of its columns.
    pub heads: &'static [&'static str],
    /// Its lines, at least one.
    pub lines: Vec<Vec<String>>,
}

/// The claims, the leaks and the courses over connections of a suite, as far as it has some.
pub fn tables(suite: &SuiteDocument) -> Vec<SuiteTable> {
    let claims = suite.claims.iter().map(|it| claims::claim(it).to_vec()).collect();
    let leaks = suite.cells.iter().filter_map(claims::leak).map(|it| it.to_vec()).collect();
    let scaling = suite.scaling.iter().map(|it| claims::scaling(it).to_vec()).collect();
    let mut tables = vec![
        SuiteTable { title: "Claims", heads: &claims::CLAIM_HEADS, lines: claims },
        SuiteTable { title: "Leaks", heads: &claims::LEAK_HEADS, lines: leaks },
        SuiteTable {
            title: "Scaling over connections",
            heads: &claims::SCALING_HEADS,
            lines: scaling,
        },
    ];
    tables.retain(|table| !table.lines.is_empty());
    tables
}

/// The observations on each target.
fn limits(suite: &SuiteDocument) -> String {
    let mut page = String::new();
    for target in suite.targets.iter().filter(|target| !target.insights.is_empty()) {
        let _ = writeln!(page, "\n### {}\n", escaped(&target.name));
        for it in &target.insights {
            let cells = plural(u64::from(it.cells), "cell");
            let severity = match it.insight.severity {
                InsightSeverity::Info => "",
                InsightSeverity::Warning => "**warning** ",
                InsightSeverity::Critical => "**critical** ",
            };
            let _ = writeln!(
                page,
                "- {severity}({cells}, first in {}) {}",
                escaped(&it.case),
                escaped(&it.insight.description)
            );
            for advice in &it.insight.recommendations {
                let _ = writeln!(page, "  - {}", escaped(advice));
            }
        }
    }
    if page.is_empty() { page } else { format!("\n## What limits the targets\n{page}") }
}

/// How it was measured, on what.
fn conditions(suite: &SuiteDocument) -> String {
    let mut page = "\n## How it was measured\n\n".to_owned();
    let settings = &suite.settings;
    let span = |seconds: Option<f64>| {
        seconds.map_or_else(|| "as the scenario says".to_owned(), |it| format!("{it} s"))
    };
    let mut line = |name: &str, value: String| {
        let _ = writeln!(page, "- {name}: {}", escaped(&value));
    };
    line("started", suite.started.clone().unwrap_or_default());
    line("runs of each cell", settings.runs.to_string());
    line("measured window", span(settings.duration_s));
    line("warm-up", span(settings.warmup_s));
    let restart = match settings.restart.as_str() {
        "run" => "a new process for each run, targets in a new random order for each",
        _ => "a new process for each round of all scenarios, targets in a new random order",
    };
    line("order", format!("{restart} (seed {})", settings.seed));
    line("CPUs of the targets", settings.target_cpus.clone());
    if let Some(host) = &suite.host {
        let parts = [&host.cpu, &host.kernel, &host.hostname].into_iter().flatten();
        line("host", parts.cloned().collect::<Vec<_>>().join(", "));
        let version = host.uringbench.clone().unwrap_or_default();
        let cores = host.cores.map_or_else(String::new, |cores| format!("{cores} CPUs, "));
        line("with", format!("{cores}uringbench {version}"));
    }
    if settings.took_s > 0.0 {
        let share = 100.0 * (1.0 - settings.loaded_s / settings.took_s);
        line("time", format!("{:.0} s, of which {share:.0} % without load", settings.took_s));
    }
    page.push_str(
        "- rates are medians of the runs with the 95 % interval of Student's t on logarithms; the \
         runs of all targets in a case give its variance, moderated by that of all cases\n- \
         targets share a place unless they differ beyond chance, at 5 % over all pairs of a case \
         (Bonferroni), and by more than 1 %\n- every answer was checked as its scenario demands \
         before a cell was measured, and in each run\n",
    );
    for note in &suite.notes {
        let _ = writeln!(page, "- {}", escaped(note));
    }
    page
}

fn target_row(target: &SuiteTarget) -> Vec<String> {
    let cpus = target.limit_cpus.map(|cpus| format!("{cpus} CPUs"));
    let memory = target.limit_memory_bytes.map(|limit| bytes(limit as f64));
    let limits: Vec<String> = cpus.into_iter().chain(memory).collect();
    vec![
        escaped(&target.name),
        escaped(&target.command),
        target.workers.to_string(),
        if limits.is_empty() { "none".to_owned() } else { limits.join(", ") },
        target.firsts.to_string(),
        target.relative_rate.map_or_else(|| "-".to_owned(), |it| format!("{:.0} %", 100.0 * it)),
        target.memory_bytes.map_or_else(|| "-".to_owned(), |it| bytes(it as f64)),
    ]
}

/// A table of cells that are Markdown already.
fn rows(page: &mut String, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let _ = writeln!(page, "| {} |", heads.join(" | "));
    let _ = writeln!(page, "|{}", "---|".repeat(heads.len()));
    for row in rows {
        let _ = writeln!(page, "| {} |", row.join(" | "));
    }
}

/// The names of the cases, in their order.
fn cases(suite: &SuiteDocument) -> Vec<&str> {
    let mut cases: Vec<&str> = Vec::new();
    for cell in &suite.cells {
        if cases.last() != Some(&cell.case.as_str()) {
            cases.push(&cell.case);
        }
    }
    cases
}

/// The names of the categories, in their order.
pub fn categories(suite: &SuiteDocument) -> Vec<&str> {
    let mut all: Vec<&str> = Vec::new();
    for cell in &suite.cells {
        if !all.contains(&cell.category.as_str()) {
            all.push(&cell.category);
        }
    }
    all
}

/// The cells of a case, the best first, those without a place last.
fn of_case<'a>(suite: &'a SuiteDocument, case: &'a str) -> impl Iterator<Item = &'a SuiteCell> {
    let mut cells: Vec<&SuiteCell> = suite.cells.iter().filter(|cell| cell.case == case).collect();
    let rate = |cell: &SuiteCell| cell.figures.as_ref().map_or(0.0, |figures| figures.rate);
    cells.sort_by(|a, b| {
        let place = |cell: &SuiteCell| (cell.state != CellState::Measured, cell.rank.unwrap_or(99));
        place(a).cmp(&place(b)).then(rate(b).total_cmp(&rate(a)))
    });
    cells.into_iter()
}

#[cfg(test)]
mod tests;
