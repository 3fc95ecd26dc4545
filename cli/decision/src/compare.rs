//! Compares groups of runs: the change of every figure, whether it is chance, and what follows.
//!
//! The change is the Hodges–Lehmann estimate of the ratio, its probability that of an exact
//! permutation test, adjusted over all gated figures of all groups (Holm). A figure fails if it
//! is worse by more than the limit and that is not chance; it passes if the interval leaves no
//! room for more than the lower limit; anything else is undecided.

use uringbench_core::statistics::multiple_testing::holm;
use uringbench_core::statistics::{Estimate, median, paired, two_sample};
use uringbench_document::comparison::{
    ChangeCounts, ComparisonDocument, ComparisonLimits, ConditionDifference, Decision, Effect,
    Evidence, FigureChange, GroupComparison,
};

use crate::conditions::differences;
use crate::group::{MeasuredRun, RunGroup};
use crate::metric::{Better, Metric};
use crate::sentence;
use crate::settings::{ComparisonSettings, Pairing};

/// Of every interval.
const CONFIDENCE: f64 = 0.95;
/// The probability of any false difference among the gated figures.
pub(crate) const ALPHA: f64 = 0.05;
/// How often the smallest detectable change is found.
const POWER: f64 = 0.8;
/// Runs of each group below which nothing is decided.
pub(crate) const RUNS_MIN: usize = 4;

/// Complete pairs below which runs in turn are compared as independent ones: their order was
/// random, so that is right too, and fewer pairs bound no change.
const PAIRS_MIN: usize = 6;

/// Why groups are not compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotComparable {
    /// Hosts or plans differ.
    #[error(
        "{} and {after} were not measured alike: {}; repeat one under the conditions of the \
         other, or compare all the same with --force",
        before,
        list(differences)
    )]
    Conditions {
        /// The first group.
        before: String,
        /// The other one.
        after: String,
        /// What differs.
        differences: Vec<ConditionDifference>,
    },
    /// No figure is known of both.
    #[error("{before} and {after} have no figure in common: none of the gated ones was measured")]
    NoFigure {
        /// The first group.
        before: String,
        /// The other one.
        after: String,
    },
}

fn list(differences: &[ConditionDifference]) -> String {
    let each = differences.iter().map(|it| format!("{} {} -> {}", it.key, it.before, it.after));
    each.collect::<Vec<_>>().join(", ")
}

/// Compares the first group with each of the others.
///
/// # Errors
/// If the groups were measured under different conditions and the settings do not force it.
pub fn compare(
    groups: &[RunGroup],
    settings: &ComparisonSettings,
) -> Result<ComparisonDocument, NotComparable> {
    let Some((before, others)) = groups.split_first() else {
        return Ok(ComparisonDocument::of(Vec::new()));
    };
    let mut pairs = Vec::with_capacity(others.len());
    for after in others {
        pairs.push(Compared::new(before, after, settings)?);
    }
    let gated = pairs.iter().flat_map(|pair| &pair.figures).filter(|figure| figure.is_gated);
    let mut adjusted = holm(&gated.map(|figure| figure.p).collect::<Vec<_>>()).into_iter();
    let family = adjusted.len();
    let comparisons = pairs.iter().map(|pair| {
        let figures = pair.figures.iter().map(|figure| {
            let p = match figure.is_gated {
                true => adjusted.next().unwrap_or(1.0),
                false => (figure.p * pair.figures.len() as f64).min(1.0),
            };
            figure.change(p, family, settings)
        });
        let figures = figures.collect();
        pair.concluded(figures, family, settings)
    });
    Ok(ComparisonDocument::of(comparisons.collect()))
}

/// Two groups with their figures, before the probabilities are adjusted.
struct Compared<'a> {
    before: &'a RunGroup,
    after: &'a RunGroup,
    evidence: Evidence,
    differences: Vec<ConditionDifference>,
    figures: Vec<MeasuredFigure>,
}

/// A figure in both groups.
struct MeasuredFigure {
    metric: Metric,
    is_gated: bool,
    evidence: Evidence,
    before: Vec<f64>,
    after: Vec<f64>,
    /// Of the logarithms of the ratio.
    shift: Estimate,
    p: f64,
}

impl<'a> Compared<'a> {
    fn new(
        before: &'a RunGroup,
        after: &'a RunGroup,
        settings: &ComparisonSettings,
    ) -> Result<Self, NotComparable> {
        let named = || (before.label.clone(), after.label.clone());
        let differences = all_differences(before, after);
        if !differences.is_empty() && !settings.is_forced {
            let (before, after) = named();
            return Err(NotComparable::Conditions { before, after, differences });
        }
        let pairs = pairs(before, after);
        let (evidence, runs) = match settings.pairing {
            Pairing::InTurn if pairs.0.len() >= PAIRS_MIN => (Evidence::Pairs, pairs),
            _ => {
                let runs = (counted(before), counted(after));
                let is_single = runs.0.len() == 1 && runs.1.len() == 1;
                (if is_single { Evidence::Blocks } else { Evidence::Runs }, runs)
            }
        };
        let mut figures = Vec::new();
        for metric in Metric::ALL {
            let is_gated = settings.gated.contains(&metric);
            figures.extend(MeasuredFigure::of(metric, is_gated, evidence, &runs));
        }
        let is_measured = !runs.0.is_empty() && !runs.1.is_empty();
        if is_measured && !figures.iter().any(|figure| figure.is_gated) {
            let (before, after) = named();
            return Err(NotComparable::NoFigure { before, after });
        }
        Ok(Self { before, after, evidence, differences, figures })
    }

    fn concluded(
        &self,
        figures: Vec<FigureChange>,
        family: usize,
        settings: &ComparisonSettings,
    ) -> GroupComparison {
        let counted = (self.before.counted(), self.after.counted());
        let worst = figures.iter().filter(|it| it.gated).map(|it| it.state).max();
        let verdict = if counted.0 == 0 || counted.1 == 0 {
            Decision::Invalid
        } else if counted.0.min(counted.1) < RUNS_MIN {
            Decision::Inconclusive
        } else {
            worst.unwrap_or(Decision::Inconclusive)
        };
        let count = |effect| figures.iter().filter(|it| it.effect == effect).count();
        let mut comparison = GroupComparison {
            verdict,
            sentence: String::new(),
            evidence: self.evidence,
            before: self.before.compared(),
            after: self.after.compared(),
            limits: settings.limits,
            differences: self.differences.clone(),
            notes: sentence::notes(self.before, self.after, self.evidence),
            counts: ChangeCounts {
                improved: count(Effect::Improved),
                regressed: count(Effect::Regressed),
                unchanged: count(Effect::Unchanged),
                undecided: count(Effect::Undecided),
            },
            figures,
            functions: None,
        };
        comparison.sentence = sentence::of(&comparison, counted, family);
        comparison
    }
}

/// The differences of conditions between the groups and within each.
fn all_differences(before: &RunGroup, after: &RunGroup) -> Vec<ConditionDifference> {
    let Some(first) = before.conditions.first() else { return Vec::new() };
    let others = before.conditions.iter().skip(1).chain(&after.conditions);
    let mut all: Vec<ConditionDifference> = Vec::new();
    for difference in others.flat_map(|other| differences(first, other)) {
        if !all.iter().any(|known| known.key == difference.key) {
            all.push(difference);
        }
    }
    all
}

/// The runs that are evidence.
fn counted(group: &RunGroup) -> Vec<&MeasuredRun> {
    group.runs.iter().filter(|run| run.is_counted()).collect()
}

/// The pairs of runs of which both are evidence.
fn pairs<'a>(
    before: &'a RunGroup,
    after: &'a RunGroup,
) -> (Vec<&'a MeasuredRun>, Vec<&'a MeasuredRun>) {
    let pairs = before.runs.iter().zip(&after.runs);
    pairs.filter(|(one, other)| one.is_counted() && other.is_counted()).unzip()
}

impl MeasuredFigure {
    /// `None` if not every run has it from one source.
    fn of(
        metric: Metric,
        is_gated: bool,
        evidence: Evidence,
        (before, after): &(Vec<&MeasuredRun>, Vec<&MeasuredRun>),
    ) -> Option<Self> {
        if before.is_empty() || after.is_empty() {
            return None;
        }
        let from = |source: &'static str, runs: &[&MeasuredRun]| -> Option<Vec<f64>> {
            runs.iter().map(|run| run.values.get(&(metric, source)).copied()).collect()
        };
        let sources = metric.sources().iter();
        let of_runs = sources.map(|source| source.key);
        let (mut before, mut after, blocks) = of_runs
            .filter_map(|key| Some((from(key, before)?, from(key, after)?)))
            .map(|(one, other)| (one, other, blocks(metric, before[0], after[0])))
            .next()?;
        if let (Evidence::Blocks, Some((one, other))) = (evidence, blocks) {
            (before, after) = (one, other);
        }
        let log = |values: &[f64]| values.iter().map(|value| value.ln()).collect::<Vec<_>>();
        let (one, other) = (log(&before), log(&after));
        let (shift, p) = match evidence {
            Evidence::Pairs => {
                let differences = differences_of(&one, &other);
                let p = paired::sign_flip(&differences, metric as u64);
                (paired::hodges_lehmann(&differences, CONFIDENCE)?, p)
            }
            Evidence::Runs | Evidence::Blocks => {
                let p = two_sample::rank_sum(&one, &other);
                (two_sample::hodges_lehmann(&one, &other, CONFIDENCE)?, p)
            }
        };
        Some(Self { metric, is_gated, evidence, before, after, shift, p })
    }

    fn change(
        &self,
        p_adjusted: f64,
        family: usize,
        settings: &ComparisonSettings,
    ) -> FigureChange {
        let change = self.shift.map(|shift| shift.exp() - 1.0);
        let limits = settings.limits_of(self.metric);
        let worse = worse(self.metric.better(), change);
        let state = state(worse, p_adjusted, limits);
        let middle = |values: &[f64]| median(&mut values.to_vec()).unwrap_or_default();
        FigureChange {
            metric: self.metric.key().to_owned(),
            title: self.metric.title().to_owned(),
            unit: self.metric.unit().key().to_owned(),
            better: self.metric.better().key().to_owned(),
            gated: self.is_gated,
            before: middle(&self.before),
            after: middle(&self.after),
            values_before: self.before.clone(),
            values_after: self.after.clone(),
            change: change.into(),
            p: self.p,
            p_adjusted,
            smallest_detectable: self.smallest_detectable(family),
            noise: settings.noise.get(&self.metric).copied(),
            limits,
            state,
            severe: state == Decision::Fail && worse.value > limits.severe,
            effect: effect(worse, p_adjusted, state, limits),
        }
    }

    /// At the level of the first step of Holm's adjustment.
    fn smallest_detectable(&self, family: usize) -> Option<f64> {
        let log = |values: &[f64]| values.iter().map(|value| value.ln()).collect::<Vec<_>>();
        let (before, after) = (log(&self.before), log(&self.after));
        let alpha = ALPHA / family.max(1) as f64;
        let shift = match self.evidence {
            Evidence::Pairs => {
                let differences = differences_of(&before, &after);
                paired::smallest_detectable(&differences, alpha, POWER)
            }
            _ => two_sample::smallest_detectable(&before, &after, alpha, POWER),
        };
        shift.map(|shift| shift.exp() - 1.0).filter(|share| share.is_finite())
    }
}

fn blocks(metric: Metric, one: &MeasuredRun, other: &MeasuredRun) -> Option<(Vec<f64>, Vec<f64>)> {
    let of = |run: &MeasuredRun| run.blocks.get(&metric).filter(|it| it.len() >= RUNS_MIN).cloned();
    Some((of(one)?, of(other)?))
}

fn differences_of(before: &[f64], after: &[f64]) -> Vec<f64> {
    before.iter().zip(after).map(|(one, other)| other - one).collect()
}

/// By what share a figure is worse: a rate that fell, a time that rose.
pub(crate) fn worse(better: Better, change: Estimate) -> Estimate {
    match better {
        Better::Lower => change,
        Better::Higher => Estimate { value: -change.value, low: -change.high, high: -change.low },
    }
}

fn state(worse: Estimate, p_adjusted: f64, limits: ComparisonLimits) -> Decision {
    let is_real = p_adjusted <= ALPHA;
    if worse.value > limits.fail && is_real {
        Decision::Fail
    } else if worse.value > limits.warn && is_real {
        Decision::Warn
    } else if worse.high < limits.warn {
        Decision::Pass
    } else {
        Decision::Inconclusive
    }
}

fn effect(worse: Estimate, p_adjusted: f64, state: Decision, limits: ComparisonLimits) -> Effect {
    match state {
        Decision::Fail | Decision::Warn => Effect::Regressed,
        _ if -worse.value > limits.warn && p_adjusted <= ALPHA => Effect::Improved,
        Decision::Pass if worse.low > -limits.warn => Effect::Unchanged,
        _ => Effect::Undecided,
    }
}

#[cfg(test)]
mod tests;
