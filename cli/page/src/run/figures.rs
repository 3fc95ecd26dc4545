//! The key figures, the objectives, and the figures of a chosen stretch of time.

use maud::{Markup, html};
use uringbench_document::timeline::Unit;
use uringbench_document::{Document, SloHeld};
use uringbench_report::comparison::signed;

use super::Parts;
use super::verdict::Tone;
use crate::foreign::Foreign;
use crate::objective::{Metric, Objective};
use crate::show;
use crate::table::heads;

/// A figure that stands at the top.
struct Tile {
    /// Its name for the scripts, which write the figure of a chosen stretch in its place.
    key: &'static str,
    label: String,
    value: String,
    /// What it is to be compared with.
    beside: String,
}

/// Four to six figures.
pub(super) fn tiles(parts: &Parts<'_>) -> Markup {
    let document = parts.page.document;
    let tiles: Vec<Tile> =
        [rate(document), median(document), tail(parts), errors(document), cpu(document)]
            .into_iter()
            .chain([generator(document)])
            .flatten()
            .collect();
    html! {
        section.tiles aria-label="Key figures" {
            @for tile in &tiles {
                div.tile data-figure=(tile.key) {
                    p.label { (Foreign(&tile.label)) }
                    p.value data-whole=(Foreign(&tile.value)) { (Foreign(&tile.value)) }
                    p.beside data-whole=(Foreign(&tile.beside)) { (Foreign(&tile.beside)) }
                }
            }
        }
    }
}

fn rate(document: &Document) -> Option<Tile> {
    let of = if document.is_scenario() { "requests " } else { "" };
    let beside = match document.rate.offered {
        Some(offered) if document.is_scenario() => {
            format!("{} flows offered", show::per_second(offered))
        }
        Some(offered) => format!("{} offered", show::per_second(offered)),
        None => format!("{} in all", show::count(document.counts.outcomes.ok)),
    };
    let value = show::per_second(document.rate.completed);
    Some(Tile { key: "rate", label: format!("{of}completed"), value, beside })
}

/// What the times of the run are called.
fn time_word(document: &Document) -> &'static str {
    if document.is_served_at_once() { "service time" } else { "response time" }
}

fn median(document: &Document) -> Option<Tile> {
    let times = &document.latency_ns.response;
    (times.count > 0).then(|| Tile {
        key: "p50",
        label: format!("{} p50", time_word(document)),
        value: show::nanos(times.p50),
        beside: format!("n {}", show::count(times.count)),
    })
}

fn tail(parts: &Parts<'_>) -> Option<Tile> {
    let document = parts.page.document;
    let times = &document.latency_ns.response;
    let is_p99 = |objective: &Objective| {
        objective.is_time_of_run()
            && matches!(objective.metric, Metric::Quantile(quantile) if quantile.name() == "p99")
    };
    let bound = parts.objectives.iter().flatten().find(|objective| is_p99(objective));
    let beside = match bound {
        Some(objective) => {
            format!("objective {} {}", objective.sign(), show::value(Unit::Ns, objective.bound))
        }
        None => format!("max {}", show::nanos(times.max)),
    };
    (times.count > 0).then(|| Tile {
        key: "p99",
        label: format!("{} p99", time_word(document)),
        value: show::nanos(times.p99),
        beside,
    })
}

fn errors(document: &Document) -> Option<Tile> {
    let outcomes = &document.counts.outcomes;
    Some(Tile {
        key: "errors",
        label: "errors".to_owned(),
        value: show::share(outcomes.error_share()),
        beside: format!(
            "{} of {}",
            show::count(outcomes.errors()),
            show::count(outcomes.errors() + outcomes.ok)
        ),
    })
}

/// The target's CPU time per request, by the best source there is.
fn cpu(document: &Document) -> Option<Tile> {
    let by_cost = document.cost.map(|cost| cost.cpu_us.value);
    let by_usage = document.target_usage.as_ref().and_then(|usage| usage.cpu_us_per_request);
    let by_samples = document.target.as_ref().and_then(|target| target.cpu.us_per_request);
    let micros = by_cost.or(by_usage).or(by_samples)?;
    let beside = match &document.target_usage {
        Some(usage) => {
            let of = uringbench_report::timeline::value(Unit::Cpus, usage.cpus_allowed);
            format!("{:.2} of {of} busy", usage.cpus)
        }
        None => "by its samples".to_owned(),
    };
    Some(Tile {
        key: "cpu",
        label: "target CPU/request".to_owned(),
        value: show::value(Unit::Ns, micros * 1e3),
        beside,
    })
}

/// Whether the load generator had room left.
fn generator(document: &Document) -> Option<Tile> {
    let workers = &document.client.workers;
    let busiest = workers.iter().map(|worker| worker.busy).reduce(f64::max)?;
    let lateness = &document.latency_ns.lateness;
    let (key, label, value, beside) = match lateness.p99 {
        Some(_) if !document.is_served_at_once() => (
            "lateness",
            "lateness p99 of the client",
            show::nanos(lateness.p99),
            format!("its CPU {} busy", show::share(Some(busiest))),
        ),
        _ => (
            "client",
            "CPU of the client",
            show::share(Some(busiest)),
            "its busiest worker".to_owned(),
        ),
    };
    Some(Tile { key, label: label.to_owned(), value, beside })
}

/// Each objective with the measured value, how far it is from it, and from second to second.
pub(super) fn objectives(parts: &Parts<'_>) -> Markup {
    let held = &parts.page.document.slo;
    if held.is_empty() {
        return html! {};
    }
    html! {
        section aria-label="Objectives" {
            h2 { "Objectives " span.scope data-scope { "whole run" } }
            div.wide {
                table #objectives {
                    (heads(&["objective", "measured", "from its bound", "", "missed in"]))
                    tbody {
                        @for (held, objective) in held.iter().zip(&parts.objectives) {
                            (objective_row(parts, held, objective.as_ref()))
                        }
                    }
                }
            }
        }
    }
}

fn objective_row(parts: &Parts<'_>, held: &SloHeld, objective: Option<&Objective>) -> Markup {
    let (tone, word) = match held.met {
        Some(true) => (Tone::Good, "met"),
        Some(false) => (Tone::Bad, "missed"),
        None => (Tone::Doubtful, "cannot tell"),
    };
    let course = objective.and_then(|objective| objective.course(&parts.grid));
    let course = course.map(|it| format!("{} of {} intervals", it.missed, it.decided));
    let about = objective.and_then(|objective| objective.about.as_deref());
    html! {
        tr data-about=[about.map(Foreign)] {
            th scope="row" { (Foreign(&held.objective)) }
            td { (Foreign(&held.measured)) }
            td { (margin(parts.page.document, objective).as_deref().unwrap_or(show::NOTHING)) }
            td class=(tone.class()) { (tone.sign()) " " (word) }
            td { (course.as_deref().unwrap_or(show::NOTHING)) }
        }
    }
}

/// How far the measured value is from the bound.
fn margin(document: &Document, objective: Option<&Objective>) -> Option<String> {
    let objective = objective.filter(|objective| objective.about.is_none())?;
    let times = &document.latency_ns.response;
    let nanos = |value: Option<u64>| value.map(|value| value as f64);
    let measured = match objective.metric {
        Metric::Quantile(quantile) => nanos(times.at(quantile)),
        Metric::Max => nanos(times.max),
        Metric::Mean => nanos(times.mean),
        Metric::Errors => document.counts.outcomes.error_share(),
        Metric::Rate => Some(document.rate.completed),
    }?;
    (objective.bound > 0.0).then(|| signed(measured / objective.bound - 1.0))
}

/// Where the scripts write the figures of a chosen stretch beside those of the rest.
pub(super) fn chosen(parts: &Parts<'_>) -> Markup {
    if parts.grid.rows.is_empty() {
        return html! {};
    }
    html! {
        section #stretch .stretch hidden aria-label="Chosen stretch of time" {
            div.bar {
                p #chosen aria-live="polite" {
                    "All of the run. Drag in a chart, or focus one and press the arrow keys: every \
                     figure and the flame graph follow the stretch."
                }
                div #choices .choices {}
            }
        }
        section #against .wide hidden aria-label="Stretch against the rest" {}
    }
}
