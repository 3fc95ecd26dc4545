//! What stands out in a run: its cause as far as the figures show it, and what to do.
//!
//! A verdict says whether the figures can be trusted; an insight says what they mean. Each rule
//! reads one document and names the figures on which it rests. Without its data it is silent.

mod answers;
mod cpu;
mod memory;
mod times;

use uringbench_document::Document;
use uringbench_document::insight::{InsightFigures, InsightSeverity};

/// A rule.
type Rule = fn(&Document) -> Option<InsightFigures>;

const RULES: [Rule; 9] = [
    answers::errors_alike,
    answers::redirects,
    cpu::generator_limited,
    cpu::throttled,
    cpu::one_worker,
    cpu::unequal_workers,
    cpu::saturated,
    memory::growing,
    memory::swapping,
];
/// Rules on times and rates, which a disturbed load generator changes as well as the target.
const RULES_OF_TIMES: [Rule; 4] =
    [times::delayed_ack, times::long_tail, times::garbage_collection, times::falling_rate];
/// Reasons of a verdict by which the cause of slow answers is not the target's.
const DISTURBED: [&str; 7] = [
    "preempted",
    "steal",
    "late_sends",
    "generator_limited",
    "throttled",
    "retransmits",
    "buffers_exhausted",
];

/// Everything that stands out in a run, the most serious first.
pub fn insights(run: &Document) -> Vec<InsightFigures> {
    let is_disturbed =
        run.verdict.reasons.iter().any(|reason| DISTURBED.contains(&reason.code.as_str()));
    let of_times = if is_disturbed { [].iter() } else { RULES_OF_TIMES.iter() };
    let mut found: Vec<InsightFigures> =
        RULES.iter().chain(of_times).filter_map(|rule| rule(run)).collect();
    found.sort_by_key(|insight| std::cmp::Reverse(insight.severity));
    found
}

/// An insight, built part by part.
fn insight(
    (kind, severity): (&str, InsightSeverity),
    description: String,
    figures: &[(&str, f64)],
    recommendations: &[&str],
) -> InsightFigures {
    InsightFigures {
        kind: kind.to_owned(),
        severity,
        description,
        figures: figures.iter().map(|&(name, value)| (name.to_owned(), value)).collect(),
        recommendations: recommendations.iter().map(|&text| text.to_owned()).collect(),
    }
}

#[cfg(test)]
mod tests;
