//! A comparison as text and as Markdown: the verdict in a sentence first, then the figures, then
//! the functions that explain them.

use uringbench_core::time::Nanos;
use uringbench_document::comparison::{
    ComparedGroup, ComparisonDocument, Decision, Effect, FigureChange, FunctionChanges,
    GroupComparison,
};
use uringbench_document::target::Interval95;

use crate::markdown::escaped;
use crate::paint::{Colour, Ink};
use crate::text::{per_second, wrap};
use crate::{table, timeline};

/// Columns of prose.
const WIDTH: usize = 96;
/// Functions shown; the document has all.
const FUNCTIONS_SHOWN: usize = 8;

/// Below the table.
const LEGEND: &str =
    "shows: the smallest change that such runs show; in parentheses: not in the verdict";

/// The heads of the table.
const COLUMNS: [&str; 8] =
    ["figure", "before", "after", "change", "95 % interval", "chance", "shows", ""];

/// The text for a terminal.
pub fn text(document: &ComparisonDocument, colour: Colour) -> String {
    let pages = document.comparisons.iter().map(|comparison| page(comparison, colour));
    pages.collect::<Vec<_>>().join("\n")
}

/// Markdown for a summary of CI or a comment.
pub fn markdown(document: &ComparisonDocument) -> String {
    let sections = document.comparisons.iter().map(section);
    sections.collect::<Vec<_>>().join("\n")
}

fn page(comparison: &GroupComparison, colour: Colour) -> String {
    let mut page = String::new();
    let verdict = comparison.verdict.word().to_uppercase();
    let indent = verdict.chars().count().max(8) + 2;
    for (at, line) in wrap(&comparison.sentence, WIDTH - indent).iter().enumerate() {
        let head = if at == 0 { verdict.as_str() } else { "" };
        let head = colour.paint(ink(comparison.verdict), format!("{head:<indent$}"));
        page.push_str(&format!("{head}{line}\n"));
    }
    let rows = [("before", &comparison.before), ("after", &comparison.after)];
    for (name, group) in rows {
        page.push_str(&format!("{name:<indent$}{}\n", named(group)));
    }
    page.push('\n');
    if !comparison.figures.is_empty() {
        let mut rows = vec![COLUMNS.map(str::to_owned)];
        rows.extend(comparison.figures.iter().map(cells));
        for (at, row) in table::aligned(&rows, &[0, COLUMNS.len() - 1]).into_iter().enumerate() {
            let ink = match at.checked_sub(1).map(|at| &comparison.figures[at]) {
                None => Some(Ink::Dim),
                Some(figure) => ink_of(figure),
            };
            let row = ink.map_or_else(|| row.clone(), |ink| colour.paint(ink, &row));
            page.push_str(&format!("{row}\n"));
        }
        page.push_str(&format!("\n{}\n{}\n", counts(comparison), colour.paint(Ink::Dim, LEGEND)));
    }
    for line in functions(comparison.functions.as_ref()) {
        page.push_str(&format!("{line}\n"));
    }
    for note in notes(comparison) {
        for (at, line) in wrap(&note, WIDTH - 10).iter().enumerate() {
            page.push_str(&format!("{:<10}{line}\n", if at == 0 { "note" } else { "" }));
        }
    }
    page
}

fn section(comparison: &GroupComparison) -> String {
    let verdict = comparison.verdict.word().to_uppercase();
    let mut section = format!("**{verdict}**: {}\n\n", escaped(&comparison.sentence));
    if !comparison.figures.is_empty() {
        section.push_str(&format!("| {} |\n", COLUMNS.join(" | ")));
        section.push_str("|---|---:|---:|---:|---:|---:|---:|---|\n");
        for figure in &comparison.figures {
            section.push_str(&format!("| {} |\n", cells(figure).join(" | ")));
        }
        section.push_str(&format!("\n{}\n", counts(comparison)));
    }
    let functions = functions(comparison.functions.as_ref());
    if !functions.is_empty() {
        section.push_str(&format!("\n```text\n{}\n```\n", functions.join("\n").trim_start()));
    }
    let named = |group| escaped(&named(group));
    let (before, after) = (named(&comparison.before), named(&comparison.after));
    section.push_str(&format!("\nBefore: {before}. After: {after}.\n"));
    for note in notes(comparison) {
        section.push_str(&format!("- {}\n", escaped(&note)));
    }
    section
}

/// `main (10 runs)`.
fn named(group: &ComparedGroup) -> String {
    let counted = group.runs.iter().filter(|run| run.excluded.is_none()).count();
    match (counted, group.runs.len()) {
        (1, 1) => format!("{} (1 run)", group.label),
        (counted, all) if counted == all => format!("{} ({all} runs)", group.label),
        (counted, all) => format!("{} ({counted} of {all} runs count)", group.label),
    }
}

fn cells(figure: &FigureChange) -> [String; COLUMNS.len()] {
    let value = |number: f64| value(&figure.unit, number);
    [
        figure.title.clone(),
        value(figure.before),
        value(figure.after),
        signed(figure.change.value),
        interval(figure.change),
        chance(figure.p_adjusted),
        figure.smallest_detectable.map_or_else(|| "-".to_owned(), share),
        outcome(figure),
    ]
}

/// A value of a unit.
pub fn value(unit: &str, value: f64) -> String {
    match unit {
        "per_s" => per_second(value),
        "bytes" => timeline::bytes(value),
        _ => Nanos(value.round() as u64).to_string(),
    }
}

fn interval(change: Interval95) -> String {
    match (change.ci_low, change.ci_high) {
        (Some(low), Some(high)) => format!("{} to {}", signed(low), signed(high)),
        _ => "unknown".to_owned(),
    }
}

fn chance(p: f64) -> String {
    if p < 0.001 { "<0.1 %".to_owned() } else { share(p) }
}

fn outcome(figure: &FigureChange) -> String {
    let state = figure.state.word();
    match (figure.gated, figure.effect) {
        (true, Effect::Improved) => format!("{state}, better"),
        (true, _) if figure.severe => format!("{state}, severe"),
        (true, _) => state.to_owned(),
        (false, Effect::Improved) => "(better)".to_owned(),
        (false, Effect::Regressed) => "(worse)".to_owned(),
        (false, Effect::Unchanged) => "(unchanged)".to_owned(),
        (false, Effect::Undecided) => "(undecided)".to_owned(),
    }
}

fn counts(comparison: &GroupComparison) -> String {
    let counts = comparison.counts;
    format!(
        "{} worse, {} better, {} unchanged, {} undecided",
        counts.regressed, counts.improved, counts.unchanged, counts.undecided
    )
}

fn functions(functions: Option<&FunctionChanges>) -> Vec<String> {
    let Some(functions) = functions else { return Vec::new() };
    let mut lines = vec![
        String::new(),
        format!(
            "{} of {} functions of the target changed beyond chance, per request",
            functions.changed.len(),
            functions.compared
        ),
    ];
    for function in functions.changed.iter().take(FUNCTIONS_SHOWN) {
        let (before, after) = (function.before_us, function.after_us);
        lines.push(format!(
            "  {:<7} {:+.2} µs ({before:.2} -> {after:.2})  q {:.3}  {}{}",
            function.became,
            function.change_us.value,
            function.q,
            function.function,
            if function.module.is_empty() {
                String::new()
            } else {
                format!(" ({})", function.module)
            },
        ));
    }
    lines
}

fn notes(comparison: &GroupComparison) -> Vec<String> {
    let differences = comparison
        .differences
        .iter()
        .map(|it| format!("not measured alike: {} {} -> {}", it.key, it.before, it.after));
    comparison.notes.iter().cloned().chain(differences).collect()
}

const fn ink(verdict: Decision) -> Ink {
    match verdict {
        Decision::Pass => Ink::Green,
        Decision::Warn | Decision::Inconclusive => Ink::Yellow,
        Decision::Fail | Decision::Invalid => Ink::Red,
    }
}

fn ink_of(figure: &FigureChange) -> Option<Ink> {
    match (figure.gated, figure.effect) {
        (false, _) => Some(Ink::Dim),
        (true, Effect::Improved) => Some(Ink::Green),
        (true, Effect::Regressed) => Some(ink(figure.state)),
        (true, _) => None,
    }
}

/// A change as text: `+1.2 %`.
pub fn signed(share: f64) -> String {
    let percent = share * 100.0;
    if percent.abs() >= 99.5 { format!("{percent:+.0} %") } else { format!("{percent:+.1} %") }
}

/// `1.2 %`.
fn share(share: f64) -> String {
    let percent = share * 100.0;
    if percent >= 99.5 { format!("{percent:.0} %") } else { format!("{percent:.1} %") }
}

#[cfg(test)]
mod tests;
