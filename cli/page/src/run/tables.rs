//! Tables of a run: functions, steps and flows, failures, findings and insights.

use maud::{Markup, html};
use serde::Serialize;
use uringbench_core::outcome::Outcome;
use uringbench_core::summary::Quantile;
use uringbench_document::insight::{InsightFigures, InsightSeverity};
use uringbench_document::target::{Function, TargetFigures};
use uringbench_document::{Document, FlowFigures, StepFigures, TimeFigures};

use crate::foreign::{Foreign, safe};
use crate::show;
use crate::spark::Sparks;
use crate::table::{heads, table};

/// Functions shown; the run's document has more.
const FUNCTIONS_SHOWN: usize = 25;
/// Steps whose quantiles the scripts get, at most.
const CURVES_MAX: usize = 1_000;

/// The quantiles of a step or a flow.
#[derive(Debug, Serialize)]
pub(super) struct StepCurve {
    /// The number of its row.
    row: usize,
    label: String,
    /// One in so many requests, and the time.
    points: Vec<(f64, u64)>,
}

/// The functions with most CPU time, and what else the profile says.
pub(super) fn functions(document: &Document) -> Markup {
    let Some(target) = &document.target else { return html! {} };
    if target.functions.is_empty() {
        return profile_text(target);
    }
    // As in the text: the others are in it with all that they call.
    let used = target.functions.iter().filter(|function| function.self_share > 0.0);
    let functions: Vec<Vec<String>> = used.take(FUNCTIONS_SHOWN).map(function).collect();
    html! {
        section aria-label="Functions" {
            h2 { "Functions " span.scope data-scope { "measured window" } }
            p {
                "CPU time of the target by function: in the function itself, and with all that it "
                "calls. Brackets: 95 % interval."
            }
            (table(&["function", "self", "total", "µs/request", "file"], &functions))
        }
        (profile_text(target))
    }
}

fn function(function: &Function) -> Vec<String> {
    vec![
        function.function.clone(),
        show::share(Some(function.self_share)),
        show::share(Some(function.total_share)),
        function.us_per_request.map_or_else(|| show::NOTHING.to_owned(), show::ranged),
        function.module.clone(),
    ]
}

/// The lines of the text report: how it was sampled, waits, counters, spikes, overhead.
fn profile_text(target: &TargetFigures) -> Markup {
    let lines = uringbench_report::target::lines(target);
    html! {
        details {
            summary { "The profile in words: how it was taken, waits, counters, spikes" }
            pre {
                @for (name, line) in &lines { (format!("{name:<10}")) (Foreign(line)) "\n" }
            }
        }
    }
}

const STEP_HEADS: [&str; 9] =
    ["step", "requests", "passed/s", "failed", "p50", "p99", "p99.9", "max", "percentiles"];

/// A row of the table of steps.
struct StepRow<'a> {
    is_flow: bool,
    name: String,
    cells: Vec<String>,
    response: &'a TimeFigures,
}

/// A row for each flow and each step of a scenario, with its percentiles as a picture.
pub(super) fn steps(document: &Document) -> Markup {
    if !document.is_scenario() {
        return html! {};
    }
    let flows = document.flows.iter().map(flow_row);
    let rows: Vec<StepRow<'_>> = flows.chain(document.steps.iter().map(step_row)).collect();
    let sparks = Sparks::of(rows.iter().map(|row| row.response));
    html! {
        section aria-label="Steps and flows" {
            h2 { "Flows and steps " span.scope data-scope { "measured window" } }
            p #steps-about {
                "Response times from the moment a step was due; those of a flow are of all its "
                "steps, without think times. Pictures: from p50 at the left to the slowest at "
                "the right, all rows on the same logarithmic axes."
            }
            div.wide {
                table #steps {
                    (heads(&STEP_HEADS))
                    tbody {
                        @for (at, row) in rows.iter().enumerate() {
                            tr.flow[row.is_flow] data-step=(at) data-name=(Foreign(&row.name)) {
                                th scope="row" { (Foreign(&row.name)) }
                                @for cell in &row.cells { td { (Foreign(cell)) } }
                                td {
                                    @if let Some(sparks) = &sparks {
                                        (sparks.picture(row.response))
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn times(figures: &TimeFigures) -> [String; 4] {
    [figures.p50, figures.p99, figures.p999, figures.max].map(show::nanos)
}

fn flow_row(flow: &FlowFigures) -> StepRow<'_> {
    let ended = flow.passed + flow.failed;
    let mut cells = vec![
        format!("{} flows", show::count(ended)),
        show::per_second(flow.rate),
        failed(flow.failed, ended),
    ];
    cells.extend(times(&flow.response));
    StepRow { is_flow: true, name: flow.name.clone(), cells, response: &flow.response }
}

fn step_row(step: &StepFigures) -> StepRow<'_> {
    let errors: u64 = step.errors.iter().flatten().map(|(_, count)| count).sum();
    let ended = step.ok.unwrap_or_default() + errors;
    let mut cells = vec![
        show::count(step.released),
        step.rate.map_or_else(|| show::NOTHING.to_owned(), show::per_second),
        failed(errors, ended),
    ];
    cells.extend(times(&step.response));
    StepRow { is_flow: false, name: label(step), cells, response: &step.response }
}

fn label(step: &StepFigures) -> String {
    match &step.flow {
        Some(flow) => format!("{flow}/{}", step.name),
        None => step.name.clone(),
    }
}

fn failed(errors: u64, ended: u64) -> String {
    match (errors, ended) {
        (0, _) | (_, 0) => show::count(errors),
        _ => {
            let share = show::share(Some(errors as f64 / ended as f64));
            format!("{} ({share})", show::count(errors))
        }
    }
}

/// The quantiles of every row of the table of steps.
pub(super) fn step_curves(document: &Document) -> Vec<StepCurve> {
    if !document.is_scenario() {
        return Vec::new();
    }
    let flows = document.flows.iter().map(|flow| (flow.name.clone(), &flow.response));
    let steps = document.steps.iter().map(|step| (label(step), &step.response));
    let curve = |(row, (label, figures)): (usize, (String, &TimeFigures))| {
        let point = |quantile: Quantile| {
            figures.at(quantile).map(|nanos| (1.0 / (1.0 - quantile.share()), nanos))
        };
        let points = Quantile::ALL.into_iter().filter_map(point).collect();
        StepCurve { row, label: safe(&label).into_owned(), points }
    };
    flows.chain(steps).take(CURVES_MAX).enumerate().map(curve).collect()
}

/// A row of the table of failures.
struct FailureRow {
    cells: [String; 3],
    /// The step that it is about.
    about: Option<String>,
    /// Whether it repeats a part of the whole run's rows, for those who choose the step.
    is_part: bool,
}

/// How requests ended, and why.
pub(super) fn failures(document: &Document) -> Markup {
    let counts = &document.counts;
    if counts.outcomes.errors() == 0 && counts.causes.is_empty() {
        return html! {};
    }
    let mut rows = failures_of_run(document);
    rows.extend(document.steps.iter().flat_map(failures_of_step));
    html! {
        section aria-label="Failures" {
            h2 { "Failures " span.scope data-scope { "measured window" } }
            div.wide {
                table #failures {
                    (heads(&["outcome", "requests", "why"]))
                    tbody {
                        @for row in &rows {
                            @let about = row.about.as_deref().map(Foreign);
                            @let [outcome, requests, why] = &row.cells;
                            tr data-about=[about] data-only=[row.is_part.then_some("step")]
                                hidden[row.is_part] {
                                th scope="row" { (Foreign(outcome)) }
                                td { (Foreign(requests)) }
                                td { (Foreign(why)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn failures_of_run(document: &Document) -> Vec<FailureRow> {
    let counts = &document.counts;
    let whole = |cells| FailureRow { cells, about: None, is_part: false };
    let causes = counts.causes.iter();
    let mut rows: Vec<FailureRow> = causes
        .map(|it| whole([it.outcome.clone(), show::count(it.count), it.cause.clone()]))
        .collect();
    for outcome in Outcome::ALL.into_iter().filter(|outcome| *outcome != Outcome::Ok) {
        let explained: u64 = counts
            .causes
            .iter()
            .filter(|cause| cause.outcome == outcome.key())
            .map(|cause| cause.count)
            .sum();
        let rest = counts.outcomes.of(outcome).saturating_sub(explained);
        if rest > 0 {
            let why = of_status(document, outcome);
            rows.push(whole([outcome.key().to_owned(), show::count(rest), why]));
        }
    }
    rows
}

/// Failed checks, which stand in the table always, and the outcomes of the step alone.
fn failures_of_step(step: &StepFigures) -> Vec<FailureRow> {
    let name = label(step);
    let of_step = |cells, is_part| FailureRow { cells, about: Some(name.clone()), is_part };
    let checks = step.failures.iter().map(|failure| {
        let what = format!("{name}: {}", failure.what);
        of_step(["failed check".to_owned(), show::count(failure.count), what], false)
    });
    let outcomes = step.errors.iter().flatten().filter(|(_, count)| **count > 0);
    let outcomes = outcomes.map(|(outcome, count)| {
        let causes = step.causes.iter().filter(|cause| cause.outcome == *outcome);
        let causes = causes.map(|it| format!("{} × {}", it.cause, show::count(it.count)));
        let why = causes.collect::<Vec<_>>().join(", ");
        of_step([outcome.clone(), show::count(*count), format!("{name}: {why}")], true)
    });
    checks.chain(outcomes).collect()
}

/// The codes behind answers with an error status.
fn of_status(document: &Document, outcome: Outcome) -> String {
    if outcome != Outcome::Status {
        return show::NOTHING.to_owned();
    }
    let codes = document.counts.by_status.iter().filter(|(code, _)| **code >= 400);
    let codes = codes.map(|(code, &count)| (code.to_string(), count));
    // Those of gRPC have successes among them.
    let words = document.counts.by_code.iter().filter(|(word, _)| *word != "OK");
    let words = words.map(|(word, &count)| (word.clone(), count));
    let all = codes.chain(words).map(|(code, count)| format!("{code} × {}", show::count(count)));
    all.collect::<Vec<_>>().join(", ")
}

/// Reasons of the verdict, notes and insights.
pub(super) fn findings(document: &Document) -> Markup {
    let verdict = &document.verdict;
    html! {
        section #findings aria-label="Findings" {
            h2 { "Can the numbers be trusted?" }
            @if verdict.reasons.is_empty() {
                p { "Yes: none of the rules found a fault." }
            }
            ul.findings {
                @for reason in &verdict.reasons {
                    li class=(if reason.severity == "invalid" { "bad" } else { "doubtful" }) {
                        strong { (Foreign(&reason.severity)) " " code { (Foreign(&reason.code)) } }
                        " " (Foreign(&reason.message)) "."
                    }
                }
                @for note in &verdict.notes { li { (Foreign(note)) } }
            }
            @if !document.insights.is_empty() {
                h2 { "What stands out" }
                ul.findings { @for insight in &document.insights { (self::insight(insight)) } }
            }
        }
    }
}

fn insight(insight: &InsightFigures) -> Markup {
    let class = match insight.severity {
        InsightSeverity::Critical => "bad",
        InsightSeverity::Warning => "doubtful",
        InsightSeverity::Info => "info",
    };
    html! {
        li class=(class) {
            strong { (insight.severity.key()) } " " (Foreign(&insight.description)) "."
            @if !insight.recommendations.is_empty() {
                ul { @for advice in &insight.recommendations { li { (Foreign(advice)) } } }
            }
        }
    }
}
