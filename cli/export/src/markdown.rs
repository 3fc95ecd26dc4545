//! A run as Markdown, for the summary of a CI job or a comment: the verdict first, then
//! objectives, figures, and what explains them.
//!
//! Texts of servers and files stand in it, so every cell is escaped: no markup, no mention of a
//! user, no reference to an issue.

use std::fmt::Write as _;

use uringbench_core::summary::{Grouped, Percent, plural};
use uringbench_core::time::Nanos;
use uringbench_document::{Document, TimeFigures};
use uringbench_report::comparison::value;
use uringbench_report::markdown::escaped;

use crate::benchmark::name_of;

/// Causes of failures shown; the stored document has all of them.
const CAUSES_SHOWN: usize = 4;
/// Steps shown; the stored document has all of them.
const STEPS_SHOWN: usize = 50;

/// The page of a run, which `stored` names if it is stored.
pub fn page(run: &Document, stored: Option<&str>) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(page, "### {} {}: {}\n", mark(run), word(run), escaped(&name_of(run)));
    for reason in &run.verdict.reasons {
        let (code, message) = (&reason.code, escaped(&reason.message));
        let _ = writeln!(page, "- `{code}`: {message}");
    }
    if let Some(soak) = &run.soak {
        let verdict = soak.verdict.replace('_', " ").to_uppercase();
        let _ = writeln!(page, "- **{verdict}**: {}", escaped(&soak.reason));
    }
    objectives(&mut page, run);
    figures(&mut page, run);
    steps(&mut page, run);
    details(&mut page, run, stored);
    page
}

const fn mark_of(is_good: bool, is_bad: bool) -> &'static str {
    match (is_good, is_bad) {
        (_, true) => "❌",
        (true, _) => "✅",
        _ => "⚠️",
    }
}

/// The worst of verdict and objectives.
fn mark(run: &Document) -> &'static str {
    let is_leaking = run.soak.as_ref().is_some_and(|soak| soak.verdict == "leak");
    let is_missed = run.slo.iter().any(|held| held.met == Some(false));
    let is_unknown = run.slo.iter().any(|held| held.met.is_none());
    let is_bad = is_invalid(run) || is_missed || is_leaking;
    mark_of(run.verdict.validity == "valid" && !is_unknown, is_bad)
}

/// An invalid measurement says nothing about objectives.
fn is_invalid(run: &Document) -> bool {
    run.verdict.validity == "invalid"
}

/// `VALID, 1 of 3 objectives missed`.
fn word(run: &Document) -> String {
    let verdict = run.verdict.validity.to_uppercase();
    if is_invalid(run) {
        return verdict;
    }
    let missed = run.slo.iter().filter(|held| held.met == Some(false)).count();
    match (run.slo.len(), missed) {
        (0, _) => verdict,
        (all, 0) if run.slo.iter().all(|held| held.met.is_some()) => {
            format!("{verdict}, {} met", plural(all as u64, "objective"))
        }
        (_, 0) => format!("{verdict}, objectives not decided"),
        (all, missed) => {
            format!("{verdict}, {missed} of {} missed", plural(all as u64, "objective"))
        }
    }
}

fn objectives(page: &mut String, run: &Document) {
    if run.slo.is_empty() {
        return;
    }
    page.push_str("\n| objective | measured | |\n|---|---|---|\n");
    for held in &run.slo {
        let (mark, met) = match held.met {
            _ if is_invalid(run) => ("⚠️", "not decided"),
            Some(true) => ("✅", "met"),
            Some(false) => ("❌", "**missed**"),
            None => ("⚠️", "not decided"),
        };
        let (objective, measured) = (escaped(&held.objective), escaped(&held.measured));
        let _ = writeln!(page, "| {objective} | {measured} | {mark} {met} |");
    }
}

fn figures(page: &mut String, run: &Document) {
    page.push_str("\n| figure | value |\n|---|---:|\n");
    let mut row = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(page, "| {name} | {value} |");
        }
    };
    let per_second = |rate: f64| value("per_s", rate);
    row("completed", Some(per_second(run.rate.completed)));
    row("offered", run.rate.offered.map(per_second));
    let (errors, share) = (run.counts.outcomes.errors(), run.counts.outcomes.error_share());
    let errors = share.map(|share| format!("{} ({})", Grouped(errors), Percent(share)));
    row("errors", errors);
    let kind = if run.is_served_at_once() { "service" } else { "response" };
    let times = &run.latency_ns.response;
    for (name, time) in quantiles(times) {
        row(&format!("{kind} {name}"), time.map(|ns| Nanos(ns).to_string()));
    }
    row("requests", Some(Grouped(run.counts.released).to_string()));
    let usage = run.target_usage.as_ref();
    let cpu = usage.and_then(|usage| usage.cpu_us_per_request);
    row("target CPU/request", cpu.map(|us| format!("{us:.2} µs")));
    let memory = usage.and_then(|usage| usage.memory_bytes);
    row("target memory", memory.map(|bytes| value("bytes", bytes as f64)));
}

const fn quantiles(times: &TimeFigures) -> [(&'static str, Option<u64>); 5] {
    [
        ("p50", times.p50),
        ("p95", times.p95),
        ("p99", times.p99),
        ("p99.9", times.p999),
        ("max", times.max),
    ]
}

fn steps(page: &mut String, run: &Document) {
    if !run.is_scenario() {
        return;
    }
    page.push_str("\n| step | requests | p50 | p99 | not ok |\n|---|---:|---:|---:|---:|\n");
    for step in run.steps.iter().take(STEPS_SHOWN) {
        let flow = step.flow.as_deref().map(|flow| format!("{flow}/")).unwrap_or_default();
        let name = escaped(&format!("{flow}{}", step.name));
        let shown = |ns: Option<u64>| ns.map_or_else(|| "-".to_owned(), |ns| Nanos(ns).to_string());
        let errors: u64 = step.errors.iter().flat_map(|errors| errors.values()).sum();
        let _ = writeln!(
            page,
            "| {name} | {} | {} | {} | {} |",
            Grouped(step.released),
            shown(step.response.p50),
            shown(step.response.p99),
            Grouped(errors),
        );
    }
    if let Some(more @ 1..) = run.steps.len().checked_sub(STEPS_SHOWN) {
        let _ = writeln!(page, "\n{} more.", plural(more as u64, "step"));
    }
}

/// What is looked at second, folded.
fn details(page: &mut String, run: &Document, stored: Option<&str>) {
    page.push_str("\n<details><summary>Details</summary>\n\n");
    for cause in run.counts.causes.iter().take(CAUSES_SHOWN) {
        let (count, text) = (Grouped(cause.count), escaped(&cause.cause));
        let _ = writeln!(page, "- {count} × {}: {text}", cause.outcome);
    }
    for insight in &run.insights {
        let _ = writeln!(page, "- {}", escaped(&insight.description));
        for advice in &insight.recommendations {
            let _ = writeln!(page, "  - {}", escaped(advice));
        }
    }
    for note in &run.verdict.notes {
        let _ = writeln!(page, "- {}", escaped(note));
    }
    let plan = &run.plan;
    let connections = plural(plan.connections.into(), "connection");
    let (target, measured) = (escaped(&plan.url), run.measured());
    let load = &plan.load;
    let _ = writeln!(page, "- {load} loop, {connections}, {measured} measured, target {target}");
    let host = [&run.host.hostname, &run.host.cpu, &run.host.kernel];
    let host: Vec<_> = host.into_iter().flatten().map(|it| escaped(it)).collect();
    let version = run.host.uringbench.as_deref().unwrap_or("of an early version");
    let _ = writeln!(page, "- uringbench {} on {}", escaped(version), host.join(", "));
    if let Some(stored) = stored {
        let _ = writeln!(page, "- stored in {}", escaped(stored));
    }
    page.push_str("\n</details>\n");
}
