//! The page of a suite: what follows from it, then a matrix of targets and cases for each figure.

use maud::{Markup, html};
use uringbench_document::Environment;
use uringbench_document::suite::{CellFigures, CellState, SuiteCell, SuiteDocument, SuiteTarget};
use uringbench_document::timeline::Unit;
use uringbench_report::suite::{SuiteTable, tables};

use crate::foreign::Foreign;
use crate::run::Tone;
use crate::shell;
use crate::show;
use crate::svg::percent;
use crate::table::{heads, table};

/// A figure of the matrix.
struct Figure {
    id: &'static str,
    title: &'static str,
    about: &'static str,
    unit: Unit,
    is_more_better: bool,
    of: fn(&CellFigures) -> Option<f64>,
}

const FIGURES: [Figure; 4] = [
    Figure {
        id: "rate",
        title: "Requests per second",
        about: "More is better. Places are by this figure: targets that chance may have ordered \
                share one.",
        unit: Unit::PerS,
        is_more_better: true,
        of: |figures| Some(figures.rate),
    },
    Figure {
        id: "p99",
        title: "Response time p99",
        about: "Less is better, at the load that each target carried.",
        unit: Unit::Ns,
        is_more_better: false,
        of: |figures| figures.response_p99_ns,
    },
    Figure {
        id: "cpu",
        title: "Processor time per request",
        about: "Less is better: what a request costs the target.",
        unit: Unit::Ns,
        is_more_better: false,
        of: |figures| figures.cpu_us_per_request.map(|micros| micros * 1e3),
    },
    Figure {
        id: "memory",
        title: "Private memory",
        about: "Less is better, at the end of a run.",
        unit: Unit::Bytes,
        is_more_better: false,
        of: |figures| figures.memory_bytes,
    },
];

/// The columns of the targets.
const TARGET_COLUMNS: [&str; 6] =
    ["target", "first in", "relative rate", "most memory", "workers", "command"];

/// The page as one HTML file.
pub fn suite(document: &SuiteDocument) -> String {
    let body = html! {
        main {
            (header(document))
            @for decided in &tables(document) { (decided_table(decided)) }
            @for figure in &FIGURES { (matrix(document, figure)) }
            (targets(document))
            (remarks(document))
            (conditions(document))
        }
    };
    shell::page(&document.title, &body, &[])
}

fn decided_table(decided: &SuiteTable) -> Markup {
    html! {
        section aria-label=(decided.title) {
            h2 { (decided.title) }
            (table(decided.heads, &decided.lines))
        }
    }
}

fn header(document: &SuiteDocument) -> Markup {
    let failed = document.cells.iter().filter(|cell| cell.state == CellState::Failed).count();
    let is_doubtful = |cell: &&SuiteCell| {
        cell.figures.as_ref().is_some_and(|figures| figures.validity == "invalid")
    };
    let invalid = document.cells.iter().filter(is_doubtful).count();
    let tone = match (document.is_complete, failed + invalid) {
        (true, 0) => Tone::Good,
        _ => Tone::Doubtful,
    };
    let first = document.conclusions.first();
    html! {
        header class=(format!("verdict {}", tone.class())) {
            h1 {
                span.word { (tone.sign()) " " (Foreign(&document.title)) }
                " · "
                @match first {
                    Some(first) => (Foreign(first)),
                    None => "nothing was measured that allows a conclusion",
                }
            }
            @if !document.is_complete {
                p.because {
                    "Not complete: the suite ended early. Go on with " code { "--resume" } "."
                }
            }
            p.what {
                (document.targets.len()) " targets × " (cases(document).len()) " cases, "
                (document.settings.runs) " runs of each · cells that failed: " (failed)
                ", not to be trusted: " (invalid)
                @if let Some(started) = &document.started { " · began " (Foreign(started)) }
            }
        }
        @if document.conclusions.len() > 1 || !document.notes.is_empty() {
            ul.findings {
                @for sentence in document.conclusions.iter().skip(1) { li { (Foreign(sentence)) } }
                @for note in &document.notes { li.doubtful { (Foreign(note)) } }
            }
        }
    }
}

fn cases(document: &SuiteDocument) -> Vec<&str> {
    let mut cases: Vec<&str> = Vec::new();
    for cell in &document.cells {
        if !cases.contains(&&*cell.case) {
            cases.push(&cell.case);
        }
    }
    cases
}

/// Targets across, cases down.
fn matrix(document: &SuiteDocument, figure: &Figure) -> Markup {
    let known =
        |cell: &SuiteCell| cell.figures.as_ref().is_some_and(|it| (figure.of)(it).is_some());
    if !document.cells.iter().any(known) {
        return html! {};
    }
    let title = format!("matrix-{}", figure.id);
    html! {
        section aria-labelledby=(title) {
            h2 id=(title) { (figure.title) }
            p.about { (figure.about) }
            div.wide {
                table.matrix {
                    thead {
                        tr {
                            th scope="col" { "case" }
                            @for target in &document.targets {
                                th scope="col" { (Foreign(&target.name)) }
                            }
                        }
                    }
                    tbody {
                        @for case in cases(document) {
                            tr {
                                th scope="row" { (Foreign(case)) }
                                @for target in &document.targets {
                                    (cell_of(document, case, target, figure))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn cell_of(document: &SuiteDocument, case: &str, target: &SuiteTarget, figure: &Figure) -> Markup {
    let of_case = || document.cells.iter().filter(|cell| cell.case == case);
    let Some(cell) = of_case().find(|cell| cell.target == target.name) else {
        return html! { td { (show::NOTHING) } };
    };
    let value = |cell: &SuiteCell| cell.figures.as_ref().and_then(|it| (figure.of)(it));
    let is_of_rate = figure.id == "rate";
    let Some(own) = value(cell) else { return state(cell, is_of_rate) };
    let all: Vec<f64> = of_case().filter_map(value).collect();
    let most = all.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let is_tied =
        cell.rank == Some(1) && of_case().filter(|other| other.rank == Some(1)).count() > 1;
    html! {
        td class=[(is_of_rate && cell.rank == Some(1)).then_some("first")] {
            (show::value(figure.unit, own))
            @if is_of_rate { (places(cell, is_tied)) }
            @if let Some(figures) = &cell.figures { (doubt(figures)) }
            svg.length width="100%" height="6" aria-hidden="true" focusable="false" {
                rect class=(if figure.is_more_better { "more" } else { "less" })
                    width=(percent(own / most * 100.0)) height="6" {}
            }
        }
    }
}

/// Interval and place.
fn places(cell: &SuiteCell, is_tied: bool) -> Markup {
    let interval = cell.figures.as_ref().and_then(|figures| figures.rate_interval);
    html! {
        @if let Some(interval) = interval {
            @if let (Some(low), Some(high)) = (interval.ci_low, interval.ci_high) {
                span.scope { " [" (show::three(low)) " … " (show::three(high)) "]" }
            }
        }
        @match (cell.rank, is_tied) {
            (Some(1), true) => span { " ≈ first" },
            (Some(1), false) => span { " ★ first" },
            (Some(place), _) => span.scope { " place " (place) },
            (None, _) => "",
        }
    }
}

fn doubt(figures: &CellFigures) -> Markup {
    html! {
        @match figures.validity.as_str() {
            "invalid" => span.bad { " ✗ invalid" },
            "suspect" => span.doubtful { " ⚠ suspect" },
            _ => "",
        }
        @if figures.error_share.is_some_and(|share| share > 0.0) {
            span.bad { " errors " (show::share(figures.error_share)) }
        }
    }
}

/// Why a cell has no figure; the reason is named once.
fn state(cell: &SuiteCell, is_named: bool) -> Markup {
    let word = match cell.state {
        CellState::Measured => "- (too few requests)",
        CellState::Checked if cell.is_wrong => "✗ wrong answers",
        CellState::Checked => "✓ right answers",
        CellState::Lacking => "– cannot",
        CellState::Failed => "✗ failed",
        CellState::Unfinished => "… not run",
    };
    let is_named = is_named && cell.state != CellState::Measured;
    let reason = cell.reason.as_deref().filter(|_| is_named);
    html! {
        td {
            (word)
            @if let Some(reason) = reason { p.about { (Foreign(reason)) } }
        }
    }
}

fn targets(document: &SuiteDocument) -> Markup {
    html! {
        section aria-label="Targets" {
            h2 { "Targets" }
            div.wide {
                table {
                    (heads(&TARGET_COLUMNS))
                    tbody {
                        @for target in &document.targets {
                            @let memory = target.memory_bytes.map(|it| it as f64);
                            @let memory = memory.map(|it| show::value(Unit::Bytes, it));
                            tr {
                                th scope="row" { (Foreign(&target.name)) }
                                td { (target.firsts) }
                                td { (show::share(target.relative_rate)) }
                                td { (memory.as_deref().unwrap_or(show::NOTHING)) }
                                td { (target.workers) }
                                td.prose { code { (Foreign(&target.command)) } }
                            }
                        }
                    }
                }
            }
            p.about {
                "Relative rate: the geometric mean of the rates relative to the best target of "
                "each case, over the cases that all targets completed."
            }
        }
    }
}

/// What the runs of each target have in common, and the cells that need a word.
fn remarks(document: &SuiteDocument) -> Markup {
    let with_reason = || document.cells.iter().filter(|cell| cell.reason.is_some());
    html! {
        @for target in document.targets.iter().filter(|target| !target.insights.is_empty()) {
            section aria-label="What limits a target" {
                h3 { "What limits " (Foreign(&target.name)) }
                ul {
                    @for it in &target.insights {
                        li {
                            strong { (it.insight.severity.key()) }
                            " (" (it.cells) " cells, first in "
                            (Foreign(&it.case)) ") " (Foreign(&it.insight.description))
                            @for advice in &it.insight.recommendations {
                                " Do: " (Foreign(advice)) "."
                            }
                        }
                    }
                }
            }
        }
        @if with_reason().next().is_some() {
            details {
                summary { "Cells that need a word" }
                ul {
                    @for cell in with_reason() {
                        li {
                            (Foreign(&cell.target)) ", " (Foreign(&cell.case)) ": "
                            (Foreign(cell.reason.as_deref().unwrap_or_default()))
                        }
                    }
                }
            }
        }
    }
}

fn conditions(document: &SuiteDocument) -> Markup {
    let settings = &document.settings;
    let seconds = |value: Option<f64>| {
        value.map_or_else(|| "as in the scenario".to_owned(), |it| format!("{} s", show::three(it)))
    };
    let none = Environment::default();
    let host = document.host.as_ref().unwrap_or(&none);
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| show::NOTHING.to_owned());
    let facts = [
        ("warm-up", seconds(settings.warmup_s)),
        ("measured window", seconds(settings.duration_s)),
        ("runs of each cell", settings.runs.to_string()),
        ("a new process for each", settings.restart.clone()),
        ("seed of the order", settings.seed.to_string()),
        ("CPUs of the targets", settings.target_cpus.clone()),
        ("took", show::clock(settings.took_s)),
        ("machine", text(&host.hostname)),
        ("CPU", text(&host.cpu)),
        ("kernel", text(&host.kernel)),
        ("uringbench", text(&host.uringbench)),
    ];
    html! {
        details {
            summary { "How it was measured" }
            dl { @for (name, value) in facts { dt { (name) } dd { (Foreign(&value)) } } }
        }
        (shell::made())
    }
}
