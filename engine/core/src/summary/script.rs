//! The figures of a script's steps and flows.

use crate::cause::Cause;
use crate::flow::script::{Part, Script};
use crate::outcome::{Counts, Outcome};
use crate::record::{FlowRecord, RunRecord, StepRecord};
use crate::summary::{TimeSummary, ratio};
use crate::time::Nanos;

/// The summary of a script.
#[derive(Clone, Debug, PartialEq)]
pub struct ScriptSummary {
    /// Its steps, by number.
    pub steps: Vec<StepSummary>,
    /// Its flows.
    pub flows: Vec<FlowSummary>,
}

/// One step's requests.
#[derive(Clone, Debug, PartialEq)]
pub struct StepSummary {
    /// Its name.
    pub name: String,
    /// Its part: a flow's name, `on_start` or `on_end`.
    pub flow: String,
    /// The outcomes of its requests.
    pub counts: Counts,
    /// Those that passed, per second; in a closed loop, those across an edge of the window by their
    /// share.
    pub rate: f64,
    /// Share of those that did not pass; `None` if none ended.
    pub error_share: Option<f64>,
    /// done − due.
    pub response: TimeSummary,
    /// done − sent.
    pub service: TimeSummary,
    /// sent − due.
    pub lateness: TimeSummary,
    /// Why answers did not pass, with counts, the most frequent first.
    pub failures: Vec<(String, u64)>,
    /// Why requests ended without a passing answer, where that is known, the most first.
    pub causes: Vec<Cause>,
}

/// One kind of flow.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowSummary {
    /// Its name.
    pub name: String,
    /// Flows in which every step passed.
    pub passed: u64,
    /// Flows in which a step failed.
    pub failed: u64,
    /// Flows unfinished at the end of the run.
    pub unfinished: u64,
    /// Those that passed, per second.
    pub rate: f64,
    /// Share of those that did not pass; `None` if none ended.
    pub error_share: Option<f64>,
    /// Their length without think times.
    pub response: TimeSummary,
    /// The part of it that was waiting for answers.
    pub service: TimeSummary,
    /// The part of it that was waiting to send a due request.
    pub lateness: TimeSummary,
}

impl ScriptSummary {
    pub(super) fn of(script: &Script, record: &RunRecord, measured: Nanos) -> Self {
        let per_second = |count: u64, edge: f64| {
            ratio((count as f64 + edge).max(0.0), measured.as_secs_f64()).unwrap_or(0.0)
        };
        let only = (record.steps.len() == 1).then_some(&record.times);
        let step = |((part, step), record): ((Part, &crate::flow::Step), &StepRecord)| {
            let mut failures: Vec<_> = record
                .failures
                .iter()
                .map(|(failed, count)| (step.describe(*failed), *count))
                .collect();
            failures.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            let counts = record.counts.clone();
            let [response, service, lateness] = match only {
                Some(times) => {
                    [&times.response, &times.service, &times.lateness].map(TimeSummary::of)
                }
                None => [&record.response, &record.service, &record.lateness]
                    .map(TimeSummary::of_counts),
            };
            StepSummary {
                name: step.name.clone(),
                flow: match part {
                    Part::Start => "on_start".to_owned(),
                    Part::Flow(flow) => script.flows()[flow as usize].name.clone(),
                    Part::End => "on_end".to_owned(),
                },
                rate: per_second(counts.of(Outcome::Ok), record.edge),
                error_share: ratio(counts.errors() as f64, counts.ended() as f64),
                counts,
                response,
                service,
                lateness,
                failures,
                causes: record.causes.list(),
            }
        };
        let flow = |(name, record): (&String, &FlowRecord)| FlowSummary {
            name: name.clone(),
            passed: record.passed,
            failed: record.failed,
            unfinished: record.unfinished,
            rate: per_second(record.passed, record.edge),
            error_share: ratio((record.failed + record.unfinished) as f64, record.ended() as f64),
            response: TimeSummary::of_counts(&record.response),
            service: TimeSummary::of_counts(&record.service),
            lateness: TimeSummary::of_counts(&record.lateness),
        };
        let names = script.flows().iter().map(|flow| &flow.name);
        Self {
            steps: script.steps().zip(&record.steps).map(step).collect(),
            flows: names.zip(&record.flows).map(flow).collect(),
        }
    }

    /// Flows that have ended, passed or not.
    pub fn flows_ended(&self) -> u64 {
        self.flows.iter().map(|flow| flow.passed + flow.failed + flow.unfinished).sum()
    }

    /// A step of a flow: the flow's index and the step's within it.
    pub fn step(&self, flow: usize, step: usize) -> Option<&StepSummary> {
        let name = &self.flows.get(flow)?.name;
        self.steps.iter().filter(|step| step.flow == *name).nth(step)
    }
}
