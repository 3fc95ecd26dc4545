//! What the run of a trial counts for: its requests outside an objective, and whether something
//! else than the target was the limit.
//!
//! A target is measured by the requests that reached it. If the generator did not offer the load,
//! the trial says nothing. If the machine was disturbed, a trial that met the objectives all the
//! same is still a lower bound, and one that did not says nothing.

use uringbench_core::slo::{ShareObjective, TimeBound};
use uringbench_document::{Document, EncodeError};

use super::trial::TrialLimit;

/// The rules of the verdict that mean that the load was not offered.
const NOT_OFFERED: [&str; 5] =
    ["generator_limited", "client_limited", "completions_overflowed", "engine_failed", "law"];
/// The rules that mean, if they make a run invalid, that the machine took the CPUs away.
const DISTURBED: [&str; 2] = ["preempted", "steal"];
/// The rule about a quota, which never makes a run invalid.
const THROTTLED: &str = "throttled";
/// Lateness p99 that does not change an objective, as a share of its time.
const LATENESS_OF_BOUND: f64 = 0.1;
/// Lateness p99 in nanoseconds that never matters: the cost of a timer wake-up of the kernel.
const LATENESS_MAX: f64 = 50_000.0;

/// The requests of a run outside each objective, and all that ended.
///
/// # Errors
/// If the histogram in the document is damaged.
pub fn bad_requests(
    document: &Document,
    objectives: &[ShareObjective],
) -> Result<(Vec<u64>, u64), EncodeError> {
    let outcomes = &document.counts.outcomes;
    let ended = outcomes.ok + outcomes.errors();
    let response = document.histograms.response()?;
    // Requests without an answer are in the histogram at the age they reached.
    let answered = outcomes.status + outcomes.check_failed + outcomes.malformed;
    let failed_early = answered + outcomes.reset + outcomes.connect_failed;
    let bad = |objective: &ShareObjective| match objective.time {
        None => outcomes.errors(),
        Some(TimeBound { nanos, inclusive }) => {
            let from = nanos + u64::from(inclusive);
            let late = response.count_between(from, response.high());
            (late + failed_early).max(outcomes.errors()).min(ended)
        }
    };
    Ok((objectives.iter().map(bad).collect(), ended))
}

/// What limited a run beside the target.
pub fn trial_limit(document: &Document, objectives: &[ShareObjective]) -> TrialLimit {
    let reasons = &document.verdict.reasons;
    let has = |code: &str| reasons.iter().any(|reason| reason.code == code);
    if NOT_OFFERED.into_iter().any(has) {
        return TrialLimit::Generator;
    }
    let is_invalid = |code: &str| {
        reasons.iter().any(|reason| reason.code == code && reason.severity == "invalid")
    };
    let is_late = has("late_sends") && is_late_for(document, objectives);
    if is_late || has(THROTTLED) || DISTURBED.into_iter().any(is_invalid) {
        TrialLimit::Disturbed
    } else {
        TrialLimit::Nothing
    }
}

/// Whether requests were sent so late that an objective may have been missed for it.
fn is_late_for(document: &Document, objectives: &[ShareObjective]) -> bool {
    let bounds = objectives.iter().filter_map(|objective| objective.time);
    let strictest = bounds.map(|bound| bound.nanos).min();
    let lateness = document.latency_ns.lateness.p99;
    lateness.zip(strictest).is_some_and(|(lateness, bound)| {
        lateness as f64 > (bound as f64 * LATENESS_OF_BOUND).max(LATENESS_MAX)
    })
}
