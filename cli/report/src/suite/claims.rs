//! Claims, leaks and scaling as rows of tables.

use uringbench_core::summary::Grouped;
use uringbench_core::time::Nanos;
use uringbench_document::suite::{ClaimVerdict, ScalingFigures, SuiteCell, SuiteClaim};
use uringbench_document::target::Interval95;

use crate::text::per_second;
use crate::timeline::bytes;

pub(super) const CLAIM_HEADS: [&str; 6] =
    ["claim", "claimed", "measured", "per CPU", "verdict", "why"];
pub(super) const LEAK_HEADS: [&str; 5] = ["target", "case", "verdict", "per request", "why"];
pub(super) const SCALING_HEADS: [&str; 4] = ["target", "case", "rates", "what they show"];

/// A row for each claim.
pub(super) fn claim(claim: &SuiteClaim) -> [String; CLAIM_HEADS.len()] {
    let against = claim.against.as_ref();
    let against = against.map_or_else(String::new, |name| format!(", against {name}"));
    let unit = |value: f64| shown(claim, value);
    let bounds = [("at least", claim.at_least), ("at most", claim.at_most)];
    let mut claimed: Vec<String> = bounds
        .into_iter()
        .filter_map(|(word, bound)| Some(format!("{word} {}", unit(bound?))))
        .collect();
    if let Some(cpus) = claim.cpus {
        claimed.push(format!("on {cpus} CPUs"));
    }
    if claimed.is_empty() {
        claimed
            .push(if claim.figure == "no_leak" { "no leak" } else { "right answers" }.to_owned());
    }
    [
        format!("{} ({}{against})", claim.text, claim.target),
        claimed.join(", "),
        claim.measured.map_or_else(none, |it| interval(it, unit)),
        claim.per_cpu.map_or_else(none, per_second),
        verdict(claim.verdict).to_owned(),
        match &claim.decided_in {
            Some(case) => format!("{case}: {}", claim.reason),
            None => claim.reason.clone(),
        },
    ]
}

/// The word for a verdict.
pub(super) const fn verdict(verdict: ClaimVerdict) -> &'static str {
    match verdict {
        ClaimVerdict::Holds => "holds",
        ClaimVerdict::DoesNotHold => "does not hold",
        ClaimVerdict::CannotBeDecided => "cannot be decided here",
    }
}

/// The row of a cell with a soak.
pub(super) fn leak(cell: &SuiteCell) -> Option<[String; LEAK_HEADS.len()]> {
    let soak = cell.soak.as_ref()?;
    let verdict = match soak.verdict.as_str() {
        "leak" => "LEAK",
        "no_leak" => "no leak",
        _ => "inconclusive",
    };
    let growth = |value: f64| format!("{value:.1} bytes");
    Some([
        cell.target.clone(),
        cell.case.clone(),
        format!("{verdict} in {} requests", Grouped(soak.requests)),
        soak.bytes_per_request.map_or_else(none, |it| interval(it, growth)),
        soak.reason.clone(),
    ])
}

/// The row of a course over connections.
pub(super) fn scaling(figures: &ScalingFigures) -> [String; SCALING_HEADS.len()] {
    let points = figures.points.iter();
    let rates: Vec<String> =
        points.map(|it| format!("{}: {}", it.connections, per_second(it.rate))).collect();
    let share = figures.serial_share.map(|it| {
        format!("; serial share {}", interval(it, |share| format!("{:.1} %", 100.0 * share)))
    });
    [
        figures.target.clone(),
        figures.case.clone(),
        rates.join(", "),
        format!("{}{}", figures.sentence, share.unwrap_or_default()),
    ]
}

fn none() -> String {
    "-".to_owned()
}

fn interval(figure: Interval95, shown: impl Fn(f64) -> String) -> String {
    match figure.ci_low.zip(figure.ci_high) {
        Some((low, high)) => {
            format!("{} ({} to {})", shown(figure.value), shown(low), shown(high))
        }
        None => shown(figure.value),
    }
}

/// A figure of a claim with its unit.
fn shown(claim: &SuiteClaim, value: f64) -> String {
    if claim.against.is_some() {
        return format!("{value:.2} x");
    }
    match claim.figure.as_str() {
        "rate" => per_second(value),
        "memory" => bytes(value),
        "cpus" => format!("{value:.2}"),
        "no_leak" => format!("{value:.1} bytes"),
        _ => Nanos(value.round() as u64).to_string(),
    }
}
