//! The state of each rule over the seconds of a run, as Prometheus has it: inactive, pending until
//! the condition has held for long enough, firing until it no longer holds.

use uringbench_core::histogram::LatencyCounts;
use uringbench_core::record::Interval;
use uringbench_core::time::Nanos;
use uringbench_export::live::rates;

use crate::condition::AlertMetric;
use crate::rules::{AlertRule, AlertRules};

/// What is known of a second.
pub struct AlertRow<'a> {
    /// Its end, from the start of the run.
    pub end: Nanos,
    /// Its length.
    pub length: Nanos,
    /// Requests that ended in it.
    pub ended: u64,
    /// Those that ended with a passing answer.
    pub passed: u64,
    /// Their times; a request of the warm-up that ends in the measured window has none.
    pub response: &'a LatencyCounts,
}

impl<'a> AlertRow<'a> {
    /// The row of an interval.
    pub fn of(interval: &Interval, response: &'a LatencyCounts) -> Self {
        let ended: u64 = interval.outcomes.iter().sum();
        Self {
            end: interval.start + interval.length,
            length: interval.length,
            ended,
            passed: ended.saturating_sub(interval.errors),
            response,
        }
    }

    /// A figure; `None` if nothing ended, so that there is none, or the row is too short for it.
    fn value(&self, metric: AlertMetric) -> Option<f64> {
        let (rate, share) = rates(self.ended, self.passed, self.length);
        let seconds = |ns: f64| ns / 1e9;
        match metric {
            AlertMetric::ResponseQuantile(thousandths) => {
                let value = self.response.value_at(f64::from(thousandths) / 1_000.0);
                value.map(|ns| seconds(ns as f64))
            }
            AlertMetric::ResponseMean => self.response.mean().map(seconds),
            AlertMetric::RequestsPerSecond => rate,
            AlertMetric::ErrorRate => share,
        }
    }
}

/// The state of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertState {
    /// The condition does not hold.
    Inactive,
    /// It has held since then.
    Pending(Nanos),
    /// It has held for long enough.
    Firing,
}

/// A rule that began to fire, or was resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertTransition {
    /// The rule.
    pub rule: AlertRule,
    /// Whether it fires now, or no longer does.
    pub is_firing: bool,
    /// When, from the start of the run.
    pub at: Nanos,
    /// The value that decided.
    pub value: f64,
}

impl AlertTransition {
    /// `alert slow (warning) FIRING at 12.0 s: response_time_p95 is 623 ms, rule `…``.
    pub fn line(&self) -> String {
        let AlertRule { name, condition, severity, message, .. } = &self.rule;
        let state = if self.is_firing { "FIRING" } else { "resolved" };
        let (metric, value) = (condition.metric, condition.metric.shown(self.value));
        let message = if message.is_empty() { String::new() } else { format!("; {message}") };
        format!(
            "alert {name} ({}) {state} at {}: {} is {value}, rule `{condition}`{message}",
            severity.word(),
            self.at,
            metric.name(),
        )
    }
}

/// Rules with their states.
#[derive(Clone, Debug)]
pub struct AlertEvaluation {
    rules: Vec<(AlertRule, AlertState)>,
    rows: u64,
    /// For each rule, rows without its figure.
    unknown: Vec<u64>,
}

impl AlertEvaluation {
    /// Before the first row.
    pub fn new(rules: &AlertRules) -> Self {
        let rules: Vec<_> =
            rules.rules.iter().map(|rule| (rule.clone(), AlertState::Inactive)).collect();
        Self { unknown: vec![0; rules.len()], rules, rows: 0 }
    }

    /// Evaluate a row; returns the rules that changed. A row without the figure of a rule leaves
    /// its state as it is, and is counted.
    pub fn evaluate(&mut self, row: &AlertRow<'_>) -> Vec<AlertTransition> {
        self.rows += 1;
        let mut changed = Vec::new();
        for ((rule, state), unknown) in self.rules.iter_mut().zip(&mut self.unknown) {
            let Some(value) = row.value(rule.condition.metric) else {
                *unknown += 1;
                continue;
            };
            let before = *state;
            *state = next(before, rule, rule.condition.holds(value), row.end);
            let was_firing = before == AlertState::Firing;
            let is_firing = *state == AlertState::Firing;
            if was_firing != is_firing {
                changed.push(AlertTransition { rule: rule.clone(), is_firing, at: row.end, value });
            }
        }
        changed
    }

    /// The rules with their states, in the order of the file.
    pub fn states(&self) -> impl Iterator<Item = (&AlertRule, AlertState)> {
        self.rules.iter().map(|(rule, state)| (rule, *state))
    }

    /// Rows without the figure of each rule, and all rows.
    pub fn unknown(&self) -> (&[u64], u64) {
        (&self.unknown, self.rows)
    }
}

fn next(state: AlertState, rule: &AlertRule, holds: bool, now: Nanos) -> AlertState {
    let since = match state {
        _ if !holds => return AlertState::Inactive,
        AlertState::Firing => return AlertState::Firing,
        AlertState::Pending(since) => since,
        AlertState::Inactive => now,
    };
    match now.0.saturating_sub(since.0) >= rule.condition.hold.0 {
        true => AlertState::Firing,
        false => AlertState::Pending(since),
    }
}
