//! Answers that do not measure the target's work: redirects, and errors of one kind.

use uringbench_core::summary::Grouped;
use uringbench_document::Document;
use uringbench_document::insight::{InsightFigures, InsightSeverity};

use super::insight;

/// Share of the requests from which errors stand out.
const ERRORS_MIN: f64 = 0.01;
/// Share of the errors from which they are of one kind.
const ALIKE: f64 = 0.9;
/// Share of the answers from which redirects stand out.
const REDIRECTS_MIN: f64 = 0.01;

/// Nearly all errors have the same cause.
pub(super) fn errors_alike(run: &Document) -> Option<InsightFigures> {
    let released = run.counts.released;
    let outcomes = &run.counts.outcomes;
    let errors = released.saturating_sub(outcomes.ok);
    if released == 0 || (errors as f64) < ERRORS_MIN * released as f64 {
        return None;
    }
    let (kind, count) = most_frequent(run)?;
    if (count as f64) < ALIKE * errors as f64 {
        return None;
    }
    let share = errors as f64 / released as f64;
    Some(insight(
        ("errors_alike", InsightSeverity::Critical),
        format!(
            "{:.1} % of the requests failed, and {} of {} failures are alike: {kind}",
            share * 100.0,
            Grouped(count),
            Grouped(errors)
        ),
        &[("errors", errors as f64), ("share", share), ("alike", count as f64)],
        &["repair this one first: the times of failed requests are not those of the work"],
    ))
}

/// The most frequent kind of failure: a status, or a cause of another outcome.
fn most_frequent(run: &Document) -> Option<(String, u64)> {
    let statuses = run.counts.by_status.iter().filter(|(status, _)| **status >= 400);
    let statuses = statuses.map(|(status, &count)| (format!("status {status}"), count));
    let words = run.counts.by_code.iter().map(|(word, &count)| (format!("`{word}`"), count));
    let causes = run.counts.causes.iter().filter(|cause| cause.outcome != "status");
    let causes = causes.map(|cause| (cause.cause.clone(), cause.count));
    statuses.chain(words).chain(causes).max_by_key(|(_, count)| *count)
}

/// A share of the answers leads elsewhere.
pub(super) fn redirects(run: &Document) -> Option<InsightFigures> {
    const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];
    let of = |status: &u16| run.counts.by_status.get(status).copied().unwrap_or(0);
    let count: u64 = REDIRECTS.iter().map(of).sum();
    let answers: u64 = run.counts.by_status.values().sum();
    // A scenario may follow or expect them.
    if run.is_scenario() || answers == 0 || (count as f64) < REDIRECTS_MIN * answers as f64 {
        return None;
    }
    let share = count as f64 / answers as f64;
    Some(insight(
        ("redirects", InsightSeverity::Warning),
        format!(
            "{:.0} % of the answers are redirects, which are not followed: the page behind them \
             was not measured",
            share * 100.0
        ),
        &[("redirects", count as f64), ("share", share)],
        &["load the address to which they lead (see it with curl -I)"],
    ))
}
