//! Whether what was claimed of a suite's targets holds.
//!
//! The interval of its figure decides, in each case that tests it; the worst case counts, unless
//! the claim is about the average of them. A rate that was claimed for another machine cannot be
//! contradicted by a lower one here, unless the claim names its CPUs: then even perfect scaling
//! must not reach it.

use std::collections::BTreeMap;

use uringbench_core::summary::plural;
use uringbench_core::time::Nanos;
use uringbench_document::Document;
use uringbench_document::suite::{
    CellFigures, CellState, ClaimVerdict, SuiteCell, SuiteClaim, SuiteDocument,
};
use uringbench_document::target::{Interval95, TargetUsage};

use super::{SuitePlace, counted, mebibytes, per_second, places_of, rate};

/// The verdict in one case.
struct CaseVerdict {
    verdict: ClaimVerdict,
    reason: String,
    measured: Option<Interval95>,
    per_cpu: Option<f64>,
}

impl CaseVerdict {
    const fn because(verdict: ClaimVerdict, reason: String) -> Self {
        Self { verdict, reason, measured: None, per_cpu: None }
    }
}

/// Decides the claims of a suite by its cells and their runs, which are in the order of the cells.
/// `tests` says whether what a claim names is a cell.
pub fn decide_claims(
    suite: &mut SuiteDocument,
    runs: &[Vec<&Document>],
    tests: impl Fn(&str, usize) -> bool,
) {
    let mut claims = std::mem::take(&mut suite.claims);
    let mut figures: BTreeMap<String, Vec<Option<Interval95>>> = BTreeMap::new();
    for claim in &mut claims {
        let of_cells = figures
            .entry(claim.figure.clone())
            .or_insert_with(|| intervals(&claim.figure, runs, suite.targets.len()));
        let cells = Cells { suite, of_cells };
        let tested: Vec<usize> = (0..suite.cells.len())
            .filter(|&at| suite.cells[at].target == claim.target && tests(&claim.case, at))
            .collect();
        let worst = match claim.is_average {
            true if !tested.is_empty() => Some((None, cells.averaged(claim, &tested))),
            _ => {
                let each = tested.iter().map(|&at| (Some(at), cells.decided(claim, at)));
                each.min_by_key(|(_, decided)| decided.verdict)
            }
        };
        let Some((cell, decided)) = worst else {
            claim.verdict = ClaimVerdict::CannotBeDecided;
            claim.reason = "nothing that tests it was part of this run".to_owned();
            continue;
        };
        claim.verdict = decided.verdict;
        claim.reason = decided.reason;
        claim.decided_in = cell.map(|at: usize| suite.cells[at].case.clone());
        claim.measured = decided.measured;
        claim.per_cpu = decided.per_cpu;
    }
    suite.claims = claims;
}

/// A figure of each cell with its interval; `None` without a run that counts and has it.
fn intervals(figure: &str, runs: &[Vec<&Document>], targets: usize) -> Vec<Option<Interval95>> {
    let values: Vec<Vec<f64>> = runs.iter().map(|runs| values(figure, runs)).collect();
    // The spread of all cells says how far that of the few runs of one can be believed.
    let cases: Vec<Vec<Vec<f64>>> = values.chunks(targets.max(1)).map(<[_]>::to_vec).collect();
    let places = places_of(&cases).into_iter().flatten();
    let interval = |(values, place): (&Vec<f64>, Option<SuitePlace>)| {
        let value = *values.first()?;
        let one = Interval95 { value, ci_low: None, ci_high: None };
        Some(place.map_or(one, |place| place.interval))
    };
    values.iter().zip(places).map(interval).collect()
}

/// The cells of a suite with the figure that a claim is about.
struct Cells<'a> {
    suite: &'a SuiteDocument,
    of_cells: &'a [Option<Interval95>],
}

impl Cells<'_> {
    fn decided(&self, claim: &SuiteClaim, at: usize) -> CaseVerdict {
        let cell = &self.suite.cells[at];
        match claim.figure.as_str() {
            "checks" => checked(cell),
            "no_leak" => soaked(cell),
            _ => {
                let decided = match &claim.against {
                    Some(against) => self
                        .pair(claim, against, at)
                        .map(|(one, other)| relative(claim, one, other)),
                    None => self.measured(claim, at).map(|it| absolute(claim, cell, it)),
                };
                decided
                    .unwrap_or_else(|why| CaseVerdict::because(ClaimVerdict::CannotBeDecided, why))
            }
        }
    }

    /// The figures of the target and of the one that it is compared with, in the case of a cell.
    fn pair(
        &self,
        claim: &SuiteClaim,
        against: &str,
        at: usize,
    ) -> Result<(Interval95, Interval95), String> {
        let cells = &self.suite.cells;
        let is_other = |other: &SuiteCell| other.target == against && other.case == cells[at].case;
        let other = cells.iter().position(is_other);
        let other = other.ok_or_else(|| format!("{against} was not measured"))?;
        let of_other = self.measured(claim, other);
        Ok((self.measured(claim, at)?, of_other.map_err(|why| format!("{against}: {why}"))?))
    }

    /// The geometric mean over all cases that test the claim.
    fn averaged(&self, claim: &SuiteClaim, tested: &[usize]) -> CaseVerdict {
        let of_cell = |at: &usize| match &claim.against {
            Some(against) => self.pair(claim, against, *at).map(|(one, other)| ratio(one, other)),
            None => self.measured(claim, *at),
        };
        let each: Result<Vec<Interval95>, String> = tested.iter().map(of_cell).collect();
        let each = match each {
            Ok(each) => each,
            Err(why) => return CaseVerdict::because(ClaimVerdict::CannotBeDecided, why),
        };
        let count = each.len() as f64;
        let value = (each.iter().map(|it| it.value.ln()).sum::<f64>() / count).exp();
        // Cases are independent of each other.
        let halves: Option<Vec<f64>> = each.iter().map(|it| half(*it)).collect();
        let half = halves.map(|all| all.iter().map(|half| half * half).sum::<f64>().sqrt() / count);
        let mean = around(value, half);
        let shown = |value: f64| match &claim.against {
            Some(_) => format!("{value:.2}"),
            None => shown(&claim.figure, value),
        };
        let cases = plural(each.len() as u64, "case");
        let reason = format!("the geometric mean of {cases} is {}", interval(mean, shown));
        let verdict = within(mean, claim.at_least, claim.at_most);
        CaseVerdict { measured: Some(mean), ..CaseVerdict::because(verdict, reason) }
    }

    /// The claim's figure of a cell with its interval, or why there is none.
    fn measured(&self, claim: &SuiteClaim, at: usize) -> Result<Interval95, String> {
        let cell = &self.suite.cells[at];
        let is_measured = matches!(cell.state, CellState::Measured | CellState::Unfinished);
        let interval = self.of_cells[at].filter(|_| is_measured).ok_or_else(|| {
            cell.reason.clone().unwrap_or_else(|| "it was not measured".to_owned())
        })?;
        let times = |value: f64| value * claim.times;
        Ok(Interval95 {
            value: times(interval.value),
            ci_low: interval.ci_low.map(times),
            ci_high: interval.ci_high.map(times),
        })
    }
}

/// Whether all answers passed.
fn checked(cell: &SuiteCell) -> CaseVerdict {
    let reason = || cell.reason.clone().unwrap_or_else(|| "it was not measured".to_owned());
    match cell.state {
        CellState::Checked if !cell.is_wrong => {
            CaseVerdict::because(ClaimVerdict::Holds, "every answer passed its check".to_owned())
        }
        CellState::Checked => CaseVerdict::because(ClaimVerdict::DoesNotHold, reason()),
        CellState::Measured | CellState::Unfinished if cell.figures.is_some() => {
            let failed = cell.figures.as_ref().and_then(|it| it.error_share).unwrap_or(0.0) > 0.0;
            let runs = plural(cell.runs.len() as u64, "run");
            match failed {
                true => CaseVerdict::because(
                    ClaimVerdict::DoesNotHold,
                    format!("some answers of {runs} were wrong or missing"),
                ),
                false => CaseVerdict::because(
                    ClaimVerdict::Holds,
                    format!("every answer of {runs} passed its check"),
                ),
            }
        }
        CellState::Lacking => CaseVerdict::because(ClaimVerdict::DoesNotHold, reason()),
        CellState::Failed if cell.is_wrong => {
            CaseVerdict::because(ClaimVerdict::DoesNotHold, reason())
        }
        _ => CaseVerdict::because(ClaimVerdict::CannotBeDecided, reason()),
    }
}

/// Whether it keeps its memory.
fn soaked(cell: &SuiteCell) -> CaseVerdict {
    let Some(soak) = &cell.soak else {
        let why = cell.reason.clone().unwrap_or_else(|| "there was no soak".to_owned());
        return CaseVerdict::because(ClaimVerdict::CannotBeDecided, why);
    };
    let verdict = match soak.verdict.as_str() {
        "leak" => ClaimVerdict::DoesNotHold,
        "no_leak" => ClaimVerdict::Holds,
        _ => ClaimVerdict::CannotBeDecided,
    };
    let requests = plural(soak.requests, "request");
    let reason = format!("in {requests}: {}", soak.reason.trim_end_matches('.'));
    CaseVerdict { measured: soak.bytes_per_request, ..CaseVerdict::because(verdict, reason) }
}

/// The figure in each run that counts.
fn values(figure: &str, runs: &[&Document]) -> Vec<f64> {
    let usage = |run: &Document, read: fn(&TargetUsage) -> Option<f64>| {
        run.target_usage.as_ref().and_then(read)
    };
    let read = |run: &Document| {
        let response = &run.latency_ns.response;
        match figure {
            "rate" => Some(rate(run)),
            "p50" => response.p50.map(|ns| ns as f64),
            "p95" => response.p95.map(|ns| ns as f64),
            "p99" => response.p99.map(|ns| ns as f64),
            "memory" => usage(run, |it| it.memory_bytes.map(|bytes| bytes as f64)),
            "cpus" => usage(run, |it| Some(it.cpus)),
            "cpu_per_request" => usage(run, |it| it.cpu_us_per_request.map(|us| us * 1e3)),
            _ => None,
        }
    };
    counted(runs).into_iter().filter_map(read).collect()
}

/// The figure against the claimed bounds.
fn absolute(claim: &SuiteClaim, cell: &SuiteCell, measured: Interval95) -> CaseVerdict {
    let cpus = cell.figures.as_ref().and_then(|it: &CellFigures| it.cpus).filter(|it| *it > 0.0);
    let per_cpu = (claim.figure == "rate").then_some(()).and(cpus).map(|it| measured.value / it);
    let mut verdict = within(measured, claim.at_least, claim.at_most);
    let shown = |value: f64| shown(&claim.figure, value);
    let mut reason = format!("measured {}", interval(measured, shown));
    if let (ClaimVerdict::DoesNotHold, Some(per_cpu), Some(claimed)) =
        (verdict, per_cpu, claim.at_least)
    {
        let needed = claimed / per_cpu;
        let used = cpus.unwrap_or_default();
        match claim.cpus {
            Some(cpus) if needed > cpus => {
                let most = shown(per_cpu * cpus);
                reason = format!("{reason}; {cpus} CPUs as fast as these reach {most} at most");
            }
            _ => {
                verdict = ClaimVerdict::CannotBeDecided;
                reason = format!(
                    "{reason} with {used:.2} CPUs; the claim takes {needed:.1} CPUs as fast as \
                     these"
                );
            }
        }
    }
    CaseVerdict { measured: Some(measured), per_cpu, ..CaseVerdict::because(verdict, reason) }
}

/// The ratio of the figure to that of another target, against the claimed bounds.
fn relative(claim: &SuiteClaim, one: Interval95, other: Interval95) -> CaseVerdict {
    let ratio = ratio(one, other);
    let shown_of = |value: f64| shown(&claim.figure, value);
    let reason = format!(
        "{} is {} times {}",
        shown_of(one.value),
        interval(ratio, |value| format!("{value:.2}")),
        shown_of(other.value)
    );
    let verdict = within(ratio, claim.at_least, claim.at_most);
    CaseVerdict { measured: Some(ratio), ..CaseVerdict::because(verdict, reason) }
}

/// One figure divided by another. Both are normal on logarithms, and independent.
fn ratio(one: Interval95, other: Interval95) -> Interval95 {
    let half = half(one).zip(half(other)).map(|(a, b)| a.hypot(b));
    around(one.value / other.value, half)
}

/// The interval around a value with this half of its width, on logarithms.
fn around(value: f64, half: Option<f64>) -> Interval95 {
    Interval95 {
        value,
        ci_low: half.map(|half| value / half.exp()),
        ci_high: half.map(|half| value * half.exp()),
    }
}

/// Half of the width of an interval, on logarithms.
fn half(interval: Interval95) -> Option<f64> {
    Some((interval.ci_high? / interval.value).ln())
}

/// Whether the whole interval is within the bounds, or outside them. A figure without an interval
/// proves nothing.
fn within(measured: Interval95, at_least: Option<f64>, at_most: Option<f64>) -> ClaimVerdict {
    let Some((low, high)) = measured.ci_low.zip(measured.ci_high) else {
        return ClaimVerdict::CannotBeDecided;
    };
    let (least, most) = (at_least.unwrap_or(f64::NEG_INFINITY), at_most.unwrap_or(f64::INFINITY));
    if low >= least && high <= most {
        ClaimVerdict::Holds
    } else if high < least || low > most {
        ClaimVerdict::DoesNotHold
    } else {
        ClaimVerdict::CannotBeDecided
    }
}

fn interval(measured: Interval95, shown: impl Fn(f64) -> String) -> String {
    match measured.ci_low.zip(measured.ci_high) {
        Some((low, high)) => {
            format!("{} ({} to {})", shown(measured.value), shown(low), shown(high))
        }
        None => format!("{} in one run, which has no interval", shown(measured.value)),
    }
}

/// A figure with its unit.
fn shown(figure: &str, value: f64) -> String {
    match figure {
        "rate" => per_second(value),
        "memory" => mebibytes(value),
        "cpus" => format!("{value:.2} CPUs"),
        _ => Nanos(value.round() as u64).to_string(),
    }
}

#[cfg(test)]
mod tests;
