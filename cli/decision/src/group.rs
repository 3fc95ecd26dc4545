//! A group of runs that stand for one thing: which of them are evidence, and their figures.
//!
//! A run that is INVALID, or in which the load generator was the limit, does not measure the target
//! and is no evidence. It stays in the list, with the reason.

use std::collections::BTreeMap;

use uringbench_document::Document;
use uringbench_document::baseline::ConditionFigures;
use uringbench_document::comparison::{ComparedGroup, ComparedRun};

use crate::conditions::conditions;
use crate::metric::Metric;

/// The reason of a verdict that makes the rate that of the client.
const CLIENT_LIMITED: &str = "client_limited";

/// Runs of one thing.
#[derive(Clone, Debug)]
pub struct RunGroup {
    pub(crate) label: String,
    pub(crate) runs: Vec<MeasuredRun>,
    /// Its conditions; the runs of a group are checked against them too.
    pub(crate) conditions: Vec<ConditionFigures>,
}

/// One run of a group.
#[derive(Clone, Debug)]
pub(crate) struct MeasuredRun {
    pub(crate) run: ComparedRun,
    /// By figure and source.
    pub(crate) values: BTreeMap<(Metric, &'static str), f64>,
    /// The figure in blocks of the run.
    pub(crate) blocks: BTreeMap<Metric, Vec<f64>>,
}

impl RunGroup {
    /// The group of these runs, each with the name of its folder.
    pub fn new<'a>(
        label: impl Into<String>,
        runs: impl IntoIterator<Item = (String, &'a Document)>,
    ) -> Self {
        let (mut measured, mut of_all) = (Vec::new(), Vec::new());
        for (name, run) in runs {
            measured.push(MeasuredRun::new(name, run));
            let new = conditions(run);
            if !of_all.contains(&new) {
                of_all.push(new);
            }
        }
        Self { label: label.into(), runs: measured, conditions: of_all }
    }

    /// Its name.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The number of runs that are evidence.
    pub fn counted(&self) -> usize {
        self.runs.iter().filter(|run| run.is_counted()).count()
    }

    /// The name of the run whose CPU time per request is the median of those that `has` holds for.
    pub fn typical(&self, has: impl Fn(&str) -> bool) -> Option<&str> {
        let mut known: Vec<&MeasuredRun> =
            self.runs.iter().filter(|run| run.is_counted() && has(&run.run.run)).collect();
        let cpu = |run: &MeasuredRun| run.first(Metric::TargetCpu).unwrap_or(f64::INFINITY);
        known.sort_by(|a, b| cpu(a).total_cmp(&cpu(b)));
        known.get(known.len().saturating_sub(1) / 2).map(|run| run.run.run.as_str())
    }

    pub(crate) fn compared(&self) -> ComparedGroup {
        let runs = self.runs.iter().map(|run| run.run.clone()).collect();
        ComparedGroup { label: self.label.clone(), runs }
    }
}

impl MeasuredRun {
    fn new(name: String, run: &Document) -> Self {
        let of_source = |metric: Metric| {
            let values = metric.sources().iter();
            values.filter_map(move |source| Some(((metric, source.key), source.value(run)?)))
        };
        Self {
            run: ComparedRun {
                run: name,
                started: run.started.clone(),
                validity: run.verdict.validity.clone(),
                excluded: excluded(run),
            },
            values: Metric::ALL.into_iter().flat_map(of_source).collect(),
            blocks: Metric::ALL.into_iter().map(|metric| (metric, metric.blocks(run))).collect(),
        }
    }

    pub(crate) const fn is_counted(&self) -> bool {
        self.run.excluded.is_none()
    }

    fn first(&self, metric: Metric) -> Option<f64> {
        metric.sources().iter().find_map(|source| self.values.get(&(metric, source.key)).copied())
    }
}

/// Why a run is no evidence, if it is not.
pub(crate) fn excluded(run: &Document) -> Option<String> {
    let reasons = &run.verdict.reasons;
    let decisive = match run.verdict.validity.as_str() {
        "invalid" => reasons.iter().find(|reason| reason.severity == "invalid"),
        _ => reasons.iter().find(|reason| reason.code == CLIENT_LIMITED),
    };
    let is_invalid = run.verdict.validity == "invalid";
    match decisive {
        Some(reason) => Some(format!("{}: {}", reason.code, reason.message)),
        None => is_invalid.then(|| "the run is INVALID".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use uringbench_document::ReasonGiven;

    use super::*;
    use crate::fixture;

    fn run(validity: &str, code: &str) -> Document {
        let mut run = fixture::run();
        validity.clone_into(&mut run.verdict.validity);
        run.verdict.reasons = vec![ReasonGiven {
            code: code.to_owned(),
            message: "why".to_owned(),
            severity: validity.to_owned(),
        }];
        run
    }

    #[test]
    fn runs_that_do_not_measure_the_target_are_no_evidence() {
        let runs = [
            run("valid", ""),
            run("suspect", "steal"),
            run("suspect", CLIENT_LIMITED),
            run("invalid", "generator_limited"),
        ];
        let named = runs.iter().enumerate().map(|(at, run)| (at.to_string(), run));
        let group = RunGroup::new("A", named);
        assert_eq!(group.counted(), 2);
        let why: Vec<_> = group.runs.iter().map(|run| run.run.excluded.as_deref()).collect();
        let of = ["client_limited: why", "generator_limited: why"];
        assert_eq!(why, [None, None, Some(of[0]), Some(of[1])]);
        assert_eq!(group.typical(|run| run != "0"), Some("1"));
        assert_eq!(group.typical(|run| run == "3"), None);
    }
}
