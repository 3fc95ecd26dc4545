//! The first line of a run's page: the verdict with its reason and what to do.

use maud::{Markup, html};
use uringbench_core::http::secrets::without_secrets;
use uringbench_core::summary::plural;
use uringbench_document::insight::InsightSeverity;
use uringbench_document::{Document, SloHeld};
use uringbench_report::soak::headline;

use super::Parts;
use crate::foreign::Foreign;
use crate::show;

/// How good it is: a colour and a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Doubtful,
    Bad,
}

impl Tone {
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Doubtful => "doubtful",
            Self::Bad => "bad",
        }
    }

    /// Nothing is said by colour alone.
    pub(crate) const fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Doubtful => "?",
            Self::Bad => "✗",
        }
    }
}

/// The head of the page.
pub(super) fn header(parts: &Parts<'_>) -> Markup {
    let document = parts.page.document;
    let tone = tone(document);
    let reasons = &document.verdict.reasons;
    html! {
        header class=(format!("verdict {}", tone.class())) {
            h1 {
                span.word { (tone.sign()) " " (Foreign(&word(document))) }
                " · " (Foreign(&sentence(parts)))
            }
            @if let Some(first) = reasons.first() {
                p.because {
                    "Because: " (Foreign(&first.message)) "."
                    @if reasons.len() > 1 { " " a href="#findings" { (more(reasons.len() - 1)) } }
                }
            } @else if let Some(advice) = advice(document) {
                p.because { (Foreign(&advice)) }
            }
            p.what {
                (Foreign(&document.plan.method)) " " (Foreign(&without_secrets(&document.plan.url)))
                @if let Some(name) = &document.plan.name { " · " (Foreign(name)) }
                " · " (Foreign(&load(document)))
                " · " (document.measured()) " measured · began " (Foreign(&document.started))
            }
            @for sentence in parts.page.missing { p.missing { (Foreign(sentence)) } }
        }
    }
}

fn more(count: usize) -> String {
    format!("{} more", plural(count as u64, "reason"))
}

/// The word of the verdict; a soak has one of its own.
fn word(document: &Document) -> String {
    let validity = document.verdict.validity.to_uppercase();
    match &document.soak {
        Some(soak) if document.verdict.validity == "valid" => headline(soak),
        Some(soak) => format!("{} · {validity}", headline(soak)),
        None => validity,
    }
}

fn tone(document: &Document) -> Tone {
    let is_missed = document.slo.iter().any(|held| held.met == Some(false));
    let is_leaking = document.soak.as_ref().is_some_and(|soak| soak.verdict == "leak");
    let is_open = document.slo.iter().any(|held| held.met.is_none())
        || document.soak.as_ref().is_some_and(|soak| soak.verdict == "inconclusive");
    match document.verdict.validity.as_str() {
        "valid" if is_missed || is_leaking => Tone::Bad,
        "valid" if !is_open => Tone::Good,
        "valid" | "suspect" if !is_missed && !is_leaking => Tone::Doubtful,
        _ => Tone::Bad,
    }
}

/// What the run shows, in a sentence.
fn sentence(parts: &Parts<'_>) -> String {
    let document = parts.page.document;
    if document.counts.released == 0 {
        return "no request was sent in the measured window".to_owned();
    }
    let with = |met: Option<bool>| document.slo.iter().find(move |held| held.met == met);
    let all = document.slo.len() as u64;
    let missed = document.slo.iter().filter(|held| held.met == Some(false)).count() as u64;
    if let Some(held) = with(Some(false)) {
        let of = match all {
            1 => String::new(),
            _ => format!("; {missed} of {} missed", plural(all, "objective")),
        };
        return format!("{} misses {}{}{of}", held.measured, held.objective, seconds(parts, held));
    }
    if let Some(held) = with(None) {
        return format!("{} cannot be decided: {}", held.objective, held.measured);
    }
    if let Some(held) = with(Some(true)) {
        return match all {
            1 => format!("{} meets {}", held.measured, held.objective),
            _ => format!(
                "{all} of {} are met, {} with {}",
                plural(all, "objective"),
                held.objective,
                held.measured
            ),
        };
    }
    figures(document)
}

/// The main figures of a run without objectives.
fn figures(document: &Document) -> String {
    let rate = show::per_second(document.rate.completed);
    let times = &document.latency_ns.response;
    let time = match (times.p99, times.max) {
        (Some(p99), _) => format!(", 99 % within {}", show::nanos(Some(p99))),
        (None, Some(max)) => format!(", the slowest {}", show::nanos(Some(max))),
        (None, None) => String::new(),
    };
    let outcomes = &document.counts.outcomes;
    let errors = match outcomes.errors() {
        0 => ", no errors".to_owned(),
        _ => format!(", {} errors", show::share(outcomes.error_share())),
    };
    format!("{rate} completed{time}{errors}")
}

/// In how many rows an objective was missed, and when first.
fn seconds(parts: &Parts<'_>, held: &SloHeld) -> String {
    let at = parts.page.document.slo.iter().position(|other| other == held);
    let objective = at.and_then(|at| parts.objectives[at].as_ref());
    let Some(course) = objective.and_then(|objective| objective.course(&parts.grid)) else {
        return String::new();
    };
    match course.first_missed {
        Some(first) if course.missed < course.decided => format!(
            " in {} of {} intervals, first at {}",
            course.missed,
            course.decided,
            show::clock(first)
        ),
        Some(_) => " all the time".to_owned(),
        None => String::new(),
    }
}

/// The first advice of the most serious insight.
fn advice(document: &Document) -> Option<String> {
    let insight = document.insights.iter().max_by_key(|insight| insight.severity)?;
    if insight.severity == InsightSeverity::Info {
        return None;
    }
    let advice = insight.recommendations.first();
    Some(match advice {
        Some(advice) => format!("{}. Do: {advice}.", insight.description),
        None => format!("{}.", insight.description),
    })
}

/// `open loop, 20,000/s constant, 64 connections`.
fn load(document: &Document) -> String {
    let plan = &document.plan;
    let connections = plural(plan.connections.into(), "connection");
    match (plan.rate, plan.users) {
        (Some(rate), _) => {
            let arrivals = plan.arrivals.as_deref().unwrap_or("constant");
            format!("open loop, {} {arrivals}, {connections}", show::per_second(rate))
        }
        (None, Some(users)) => {
            format!("closed loop, {}, {connections}", plural(users.into(), "user"))
        }
        (None, None) if plan.load == "open" => format!("open loop, replayed, {connections}"),
        (None, None) => format!("closed loop, {connections}"),
    }
}
