//! Claims about targets: read from a suite file, checked, and ready for a verdict.

use schemars::JsonSchema;
use serde::Deserialize;
use uringbench_core::units;

use super::plan::{Case, TargetPlan};
use crate::diagnostic::{Diagnostics, FieldPath, did_you_mean};

/// A published or wanted property of a target, on which the suite decides.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claim {
    /// The claim, in the words of whoever made it.
    pub(crate) text: String,
    /// Where it was made.
    pub(crate) source: Option<String>,
    /// The target that it is about; default each of them.
    pub(crate) target: Option<String>,
    /// The case, scenario, flow or category that tests it; it must hold in each case.
    pub(crate) case: String,
    /// What is claimed.
    pub(crate) figure: ClaimFigure,
    /// The figure is that of the target divided by that of each of these targets.
    #[serde(default)]
    pub(crate) against: Vec<String>,
    /// The lower bound: per second for `rate`, `"20ms"` for times, `"100M"` for memory, a number of
    /// CPUs, or a ratio with `against`.
    pub(crate) at_least: Option<ClaimBound>,
    /// The upper bound.
    pub(crate) at_most: Option<ClaimBound>,
    /// The amount that a request, or a flow with several steps, counts for: 100 if it creates 100
    /// of the tasks that are claimed. Multiplies a `rate`.
    pub(crate) times: Option<f64>,
    /// Whether the claim is about the geometric mean of all cases, and not about each of them.
    #[serde(default)]
    pub(crate) average: bool,
    /// The CPUs of the machine on which the claim was measured, if it says so: a lower `rate` here
    /// then disproves it only if it would not be reached on that many CPUs either.
    pub(crate) cpus: Option<f64>,
}

/// What is claimed.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ClaimFigure {
    /// Requests per second, or flows where a flow has several steps.
    Rate,
    /// The median of the response times.
    P50,
    /// The time that 95 % of the responses meet.
    P95,
    /// The time that 99 % of the responses meet.
    P99,
    /// Private memory at the end of a run.
    Memory,
    /// Processors in use.
    Cpus,
    /// Processor time of a request.
    CpuPerRequest,
    /// No memory is lost: decided by a run with `soak`.
    NoLeak,
    /// Every answer is as the scenario demands.
    Checks,
}

/// A bound of a claim.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "write a number, or a text such as \"20ms\" or \"100M\"")]
pub(crate) enum ClaimBound {
    /// A rate, a number of CPUs or a ratio.
    Number(f64),
    /// A time or an amount of memory.
    Text(String),
}

/// A claim against at most one other target.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimPlan {
    /// The claim in words.
    pub text: String,
    /// Where it was made.
    pub source: Option<String>,
    /// The target that it is about.
    pub target: String,
    /// The target that it is compared with.
    pub against: Option<String>,
    /// The name of what tests it.
    pub case: String,
    /// What is claimed.
    pub figure: ClaimFigure,
    /// The lower bound: per second, nanoseconds, bytes, CPUs, or a ratio.
    pub at_least: Option<f64>,
    /// The upper bound.
    pub at_most: Option<f64>,
    /// What multiplies a rate.
    pub times: f64,
    /// Whether it is about the geometric mean of all cases.
    pub is_average: bool,
    /// The CPUs of the machine on which it was measured.
    pub cpus: Option<f64>,
}

impl ClaimFigure {
    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::Memory => "memory",
            Self::Cpus => "cpus",
            Self::CpuPerRequest => "cpu_per_request",
            Self::NoLeak => "no_leak",
            Self::Checks => "checks",
        }
    }

    /// Whether it is a number, and not a verdict.
    const fn has_bounds(self) -> bool {
        !matches!(self, Self::NoLeak | Self::Checks)
    }
}

/// The claims of a suite; meaningless if a problem was added. `has_soak` says whether a run with
/// `soak` has a duration.
pub(super) fn claims(
    given: &[Claim],
    (targets, cases): (&[TargetPlan], &[Case]),
    has_soak: bool,
    diagnostics: &mut Diagnostics<'_>,
) -> Vec<ClaimPlan> {
    let mut plans = Vec::new();
    for (at, claim) in given.iter().enumerate() {
        let place = FieldPath::top("claim").index(at);
        check_names(claim, &place, (targets, cases), diagnostics);
        check_figure(claim, &place, (cases, has_soak), diagnostics);
        let is_ratio = !claim.against.is_empty();
        let mut bound = |key: &str, given: &Option<ClaimBound>| {
            let read = bound(given.as_ref()?, claim.figure, is_ratio);
            diagnostics.take(&place.key(key), read)
        };
        let (at_least, at_most) =
            (bound("at_least", &claim.at_least), bound("at_most", &claim.at_most));
        if at_least.zip(at_most).is_some_and(|(low, high)| low > high) {
            diagnostics.add(&place.key("at_most"), "`at_most` is below `at_least`: exchange them");
        }
        let all = || targets.iter().map(|target| target.name.clone()).collect();
        let about: Vec<String> = claim.target.clone().map_or_else(all, |target| vec![target]);
        let against = claim.against.iter().cloned().map(Some);
        let against: Vec<_> = if is_ratio { against.collect() } else { vec![None] };
        let pairs = about.iter().flat_map(|target| against.iter().map(move |it| (target, it)));
        let pairs = pairs.filter(|(target, against)| against.as_ref() != Some(target));
        plans.extend(pairs.map(|(target, against)| ClaimPlan {
            text: claim.text.clone(),
            source: claim.source.clone(),
            target: target.clone(),
            against: against.clone(),
            case: claim.case.clone(),
            figure: claim.figure,
            at_least,
            at_most,
            times: claim.times.unwrap_or(1.0),
            is_average: claim.average,
            cpus: claim.cpus,
        }));
    }
    plans
}

fn check_names(
    claim: &Claim,
    place: &FieldPath,
    (targets, cases): (&[TargetPlan], &[Case]),
    diagnostics: &mut Diagnostics<'_>,
) {
    if claim.text.trim().is_empty() {
        diagnostics.add(&place.key("text"), "the text is empty: say what is claimed");
    }
    let known = || targets.iter().map(|target| target.name.as_str());
    let mut check = |name: &str, place: &FieldPath| {
        if !known().any(|it| it == name) {
            let meant = did_you_mean(name, known());
            diagnostics.add(place, format!("there is no target `{name}`{meant}"));
        }
    };
    if let Some(target) = &claim.target {
        check(target, &place.key("target"));
    }
    for (at, name) in claim.against.iter().enumerate() {
        check(name, &place.key("against").index(at));
    }
    if claim.target.as_ref().is_some_and(|target| claim.against.contains(target)) {
        diagnostics.add(&place.key("against"), "a target cannot be compared with itself");
    }
    if !cases.is_empty() && !cases.iter().any(|case| case.is_called(&claim.case)) {
        let meant = did_you_mean(&claim.case, cases.iter().map(|case| case.name.as_str()));
        diagnostics.add(
            &place.key("case"),
            format!("there is no scenario or cell `{}`{meant}", claim.case),
        );
    }
}

fn check_figure(
    claim: &Claim,
    place: &FieldPath,
    (cases, has_soak): (&[Case], bool),
    diagnostics: &mut Diagnostics<'_>,
) {
    let is_rate = claim.figure == ClaimFigure::Rate && claim.against.is_empty();
    let has_bound = claim.at_least.is_some() || claim.at_most.is_some();
    let name = claim.figure.name();
    if claim.figure.has_bounds() && !has_bound {
        diagnostics.add(&place.key("figure"), format!("`{name}` needs `at_least` or `at_most`"));
    }
    if !claim.figure.has_bounds() && (has_bound || !claim.against.is_empty()) {
        let why = format!("`{name}` has no bounds: leave `at_least`, `at_most`, `against` out");
        diagnostics.add(&place.key("figure"), why);
    }
    if claim.cpus.is_some_and(|cpus| cpus <= 0.0 || !cpus.is_finite()) {
        diagnostics.add(&place.key("cpus"), "a number of CPUs is above 0");
    }
    if claim.cpus.is_some() && !is_rate {
        diagnostics.add(&place.key("cpus"), "only a rate depends on `cpus`: leave it out");
    }
    if claim.times.is_some_and(|times| times <= 0.0 || !times.is_finite()) {
        diagnostics.add(&place.key("times"), "a number above 0");
    }
    if claim.times.is_some() && !is_rate {
        diagnostics.add(&place.key("times"), "only a rate has `times`: leave it out");
    }
    if claim.average && (is_rate || !claim.figure.has_bounds()) {
        let why = "an average is one of ratios, times or memory: leave it out, or add `against`";
        diagnostics.add(&place.key("average"), why);
    }
    let mut tested = cases.iter().filter(|case| case.is_called(&claim.case));
    if claim.figure == ClaimFigure::NoLeak && (!has_soak || tested.any(|case| !case.has_soak)) {
        let why = "a leak needs a soak: add `soak = true` to the scenario, and a duration such as \
                   soak = \"5m\" to [run]";
        diagnostics.add(&place.key("figure"), why);
    }
}

fn bound(given: &ClaimBound, figure: ClaimFigure, is_ratio: bool) -> Result<f64, String> {
    let number = match (given, figure) {
        (ClaimBound::Number(number), _) if is_ratio => *number,
        (ClaimBound::Text(text), _) if is_ratio => {
            return Err(format!("`{text}` is no ratio: write a number such as 1.5"));
        }
        (ClaimBound::Number(number), ClaimFigure::Rate | ClaimFigure::Cpus) => *number,
        (ClaimBound::Text(text), ClaimFigure::Rate) => units::rate(text)?.as_f64(),
        (ClaimBound::Text(text), ClaimFigure::Memory) => super::compile::bytes(text)? as f64,
        (
            ClaimBound::Text(text),
            ClaimFigure::P50 | ClaimFigure::P95 | ClaimFigure::P99 | ClaimFigure::CpuPerRequest,
        ) => units::span(text)?.0 as f64,
        (ClaimBound::Number(number), ClaimFigure::Memory) => {
            return Err(format!("{number} has no unit: write a text such as \"100M\""));
        }
        (ClaimBound::Number(number), _) => {
            return Err(format!("{number} has no unit: write a text such as \"20ms\""));
        }
        (ClaimBound::Text(text), _) => return Err(format!("`{text}` is no number of CPUs")),
    };
    match number.is_finite() && number > 0.0 {
        true => Ok(number),
        false => Err("a bound is above 0".to_owned()),
    }
}

#[cfg(test)]
mod tests;
