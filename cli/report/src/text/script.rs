//! The tables of a scenario: its flows, and their steps.

use std::ops::RangeInclusive;

use uringbench_core::outcome::Outcome;
use uringbench_core::summary::{Grouped, Quantile};
use uringbench_document::{CauseFigures, Document, StepFigures, TimeFigures};

use super::{Page, WIDTH, per_second, shown, wrap};
use crate::paint::Ink;

/// Minimum and maximum columns of the names; a longer one has a line of its own.
const NAMES: RangeInclusive<usize> = 24..=40;
/// Steps shown, failed ones first; the stored document has all of them.
const STEPS_SHOWN: usize = 40;
/// Before a name.
const INDENT: &str = "  ";
/// Columns of a figure.
const FIGURES: usize = 11;
/// Reasons of failures shown per step.
const FAILURES_SHOWN: usize = 3;

impl Page {
    pub(super) fn script(&mut self, document: &Document) {
        let shown = shown_steps(&document.steps);
        let names = document.flows.iter().map(|flow| flow.name.clone());
        let names = names.chain(shown.iter().map(|step| full_name(step)));
        let longest = names.map(|name| name.chars().count() + INDENT.len() + 1);
        let fitting = longest.filter(|width| NAMES.contains(width)).max();
        let width = fitting.unwrap_or(*NAMES.start());
        self.heads("flows", width);
        for flow in &document.flows {
            let failed = flow.failed + flow.unfinished;
            self.row((&flow.name, width), (flow.passed, failed, Some(flow.rate)), &flow.response);
            if flow.unfinished > 0 {
                let unfinished = Grouped(flow.unfinished);
                self.push(format!("    {unfinished} cut short by the end of the run"));
            }
        }
        self.heads("steps", width);
        for step in &shown {
            let counts = (step.ok.unwrap_or(0), failed(step), step.rate);
            self.row((&full_name(step), width), counts, &step.response);
            self.failures(step);
            if step.released == 0 {
                self.push("    none was due in the measured window".to_owned());
            }
        }
        if let hidden @ 1.. = document.steps.len() - shown.len() {
            self.push(format!("{INDENT}and {} more, in run.json", Grouped(hidden as u64)));
        }
    }

    /// Why requests of a step did not pass: the failed checks and captures, or the outcomes.
    fn failures(&mut self, step: &StepFigures) {
        let without = Outcome::ALL.into_iter().filter(|outcome| {
            !matches!(outcome, Outcome::Ok | Outcome::Status | Outcome::CheckFailed)
        });
        let without = without.map(|outcome| (outcome, ended(step, outcome)));
        let without = without.filter(|(_, count)| *count > 0);
        let without = without.map(|(outcome, count)| (because(step, outcome, count), count));
        let answered = step.failures.iter().map(|failure| (failure.what.clone(), failure.count));
        let unchecked = causes(step, Outcome::CheckFailed);
        let unchecked = unchecked.map(|cause| (cause.cause.clone(), cause.count));
        for (what, count) in answered.chain(without).chain(unchecked).take(FAILURES_SHOWN) {
            let text = format!("{} x {what}", Grouped(count));
            for (index, line) in wrap(&text, WIDTH - 2 * INDENT.len()).into_iter().enumerate() {
                let indent = INDENT.repeat(if index == 0 { 2 } else { 3 });
                self.push(format!("{indent}{}", self.colour.paint(Ink::Red, line)));
            }
        }
    }

    fn heads(&mut self, title: &str, width: usize) {
        let heads = ["passed", "failed", "rate", "p50", "p95", "p99", "max"];
        let heads: String = heads.iter().map(|head| right(head)).collect();
        self.push(format!("{title:<width$}{heads}"));
    }

    fn row(
        &mut self,
        (name, width): (&str, usize),
        (passed, failed, rate): (u64, u64, Option<f64>),
        time: &TimeFigures,
    ) {
        let mut name = format!("{INDENT}{name}");
        if name.chars().count() >= width {
            self.push(std::mem::take(&mut name));
        }
        let failures = right(&Grouped(failed).to_string());
        let failures = if failed > 0 { self.colour.paint(Ink::Red, failures) } else { failures };
        let times: String = [Quantile::P50, Quantile::P95, Quantile::P99]
            .map(|quantile| right(&shown(time.at(quantile))))
            .concat();
        self.push(format!(
            "{name:<width$}{}{failures}{}{times}{}",
            right(&Grouped(passed).to_string()),
            right(&rate.map_or_else(|| "-".to_owned(), per_second)),
            right(&shown(time.max)),
        ));
    }
}

/// The steps that fit, in order.
fn shown_steps(steps: &[StepFigures]) -> Vec<&StepFigures> {
    let mut places: Vec<usize> = (0..steps.len()).collect();
    if places.len() > STEPS_SHOWN {
        places.sort_by_key(|&place| failed(&steps[place]) == 0);
        places.truncate(STEPS_SHOWN);
        places.sort_unstable();
    }
    places.into_iter().map(|place| &steps[place]).collect()
}

fn full_name(step: &StepFigures) -> String {
    format!("{}/{}", step.flow.as_deref().unwrap_or_default(), step.name)
}

fn ended(step: &StepFigures, outcome: Outcome) -> u64 {
    step.errors.as_ref().and_then(|errors| errors.get(outcome.key())).copied().unwrap_or(0)
}

fn causes(step: &StepFigures, outcome: Outcome) -> impl Iterator<Item = &CauseFigures> {
    step.causes.iter().filter(move |cause| cause.outcome == outcome.key())
}

/// How `count` requests of a step ended, and why most of them did.
fn because(step: &StepFigures, outcome: Outcome, count: u64) -> String {
    let key = outcome.key();
    match causes(step, outcome).next() {
        Some(first) if first.count < count => format!("{key}, most often: {}", first.cause),
        Some(first) => format!("{key}: {}", first.cause),
        None => key.to_owned(),
    }
}

/// Requests without a passing answer.
fn failed(step: &StepFigures) -> u64 {
    step.errors.iter().flat_map(|errors| errors.values()).sum()
}

fn right(text: &str) -> String {
    format!("{text:>FIGURES$}")
}
