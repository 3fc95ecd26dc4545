//! The figures of a suite's cells, and the places of its targets.
//!
//! A cell has few runs, so its own spread is hardly known. The runs of all targets in a case are
//! taken to vary alike relative to their rates, and their variance is moderated by that of all
//! cases (Smyth, "Linear models and empirical Bayes methods", 2004), which gives the intervals more
//! degrees of freedom. Targets share a place unless they differ by more than chance: Bonferroni's
//! bound over all pairs of the case.

use uringbench_core::statistics::distribution::t_quantile;
use uringbench_core::statistics::{mean, median};
use uringbench_core::summary::Grouped;
use uringbench_document::Document;
use uringbench_document::suite::CellFigures;
use uringbench_document::target::Interval95;

use crate::group::excluded;

mod claims;
mod conclusions;
mod scaling;

pub use claims::decide_claims;
pub use conclusions::conclude;

/// Differences below this are no reason to prefer a target.
const SMALLEST: f64 = 0.01;
/// Of both the intervals and the places.
const CONFIDENCE: f64 = 0.95;
/// Degrees of freedom that the variance of all cases counts for in each of them: it is believed as
/// much as two runs of each of four targets.
const PRIOR_DEGREES: f64 = 4.0;

/// The place of a target in a case, and the interval of its rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SuitePlace {
    /// From 1; several may share it.
    pub rank: u32,
    /// The interval of the rate.
    pub interval: Interval95,
}

/// The figures of a cell from its runs; `None` without any.
pub fn cell_figures(runs: &[&Document]) -> Option<CellFigures> {
    let counted = counted(runs);
    let shown: &[&Document] = if counted.is_empty() { runs } else { &counted };
    let figure = |read: &dyn Fn(&Document) -> Option<f64>| {
        let mut values: Vec<f64> = shown.iter().filter_map(|run| read(run)).collect();
        median(&mut values)
    };
    let nanos = |read: fn(&Document) -> Option<u64>| figure(&|run| read(run).map(|ns| ns as f64));
    let usage = |read: fn(&uringbench_document::target::TargetUsage) -> Option<f64>| {
        figure(&|run| run.target_usage.as_ref().and_then(read))
    };
    let has = |word: &&str| shown.iter().any(|run| run.verdict.validity == *word);
    let worst = ["invalid", "suspect"].into_iter().find(has);
    Some(CellFigures {
        validity: worst.unwrap_or("valid").to_owned(),
        counted: u32::try_from(counted.len()).unwrap_or(u32::MAX),
        rate: figure(&|run| Some(rate(run)))?,
        offered: figure(&|run| run.rate.offered),
        rate_interval: None,
        response_mean_ns: nanos(|run| run.latency_ns.response.mean),
        response_p50_ns: nanos(|run| run.latency_ns.response.p50),
        response_p95_ns: nanos(|run| run.latency_ns.response.p95),
        response_p99_ns: nanos(|run| run.latency_ns.response.p99),
        cpu_us_per_request: usage(|usage| usage.cpu_us_per_request),
        cpus: usage(|usage| Some(usage.cpus)),
        memory_bytes: usage(|usage| usage.memory_bytes.map(|bytes| bytes as f64)),
        error_share: figure(&|run| run.counts.outcomes.error_share()),
        connection_failures: runs.iter().map(|run| run.counts.outcomes.connect_failed).sum(),
    })
}

/// The run of a cell whose rate is nearest to that of the figures.
pub fn typical<'a>(runs: &[&'a Document], figures: &CellFigures) -> Option<&'a Document> {
    let distance = |run: &Document| (rate(run) - figures.rate).abs();
    runs.iter().copied().min_by(|a, b| distance(a).total_cmp(&distance(b)))
}

/// Why the figures of a cell cannot be trusted, if no run of it measures the target.
pub fn distrust(runs: &[&Document]) -> Option<String> {
    counted(runs).is_empty().then(|| runs.iter().find_map(|run| excluded(run))).flatten()
}

/// The runs that measure the target.
fn counted<'a>(runs: &[&'a Document]) -> Vec<&'a Document> {
    runs.iter().copied().filter(|run| excluded(run).is_none()).collect()
}

/// Requests per second, or flows where these have several steps: a step is no unit of its own.
fn rate(run: &Document) -> f64 {
    let has_several_steps = run.is_scenario() && run.steps.len() > run.flows.len();
    match has_several_steps && !run.flows.is_empty() {
        true => run.flows.iter().map(|flow| flow.rate).sum(),
        false => run.rate.completed,
    }
}

/// A rate as text.
fn per_second(rate: f64) -> String {
    format!("{}/s", Grouped(rate.round() as u64))
}

/// An amount of memory as text.
fn mebibytes(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / f64::from(1 << 20))
}

/// The places of targets in each case by the rates of their runs that count. `None` for a target
/// without any, and for all if no target of the suite has two.
pub fn places(cases: &[Vec<Vec<&Document>>]) -> Vec<Vec<Option<SuitePlace>>> {
    let rates = |runs: &Vec<&Document>| counted(runs).iter().map(|run| rate(run)).collect();
    let cases = cases.iter().map(|case| case.iter().map(rates).collect());
    places_of(&cases.collect::<Vec<Vec<Vec<f64>>>>())
}

fn places_of(cases: &[Vec<Vec<f64>>]) -> Vec<Vec<Option<SuitePlace>>> {
    let cases: Vec<CaseLogs> = cases.iter().map(|rates| CaseLogs::of(rates)).collect();
    let degrees: f64 = cases.iter().map(|case| case.degrees).sum();
    let squares: f64 = cases.iter().map(|case| case.squares).sum();
    let prior = if degrees > 0.0 { squares / degrees } else { 0.0 };
    cases.iter().map(|case| case.places(prior, degrees)).collect()
}

/// The logarithms of the rates of a case, by target.
struct CaseLogs {
    logs: Vec<Vec<f64>>,
    means: Vec<f64>,
    /// The squared distances from the means, and their degrees of freedom.
    squares: f64,
    degrees: f64,
}

impl CaseLogs {
    fn of(rates: &[Vec<f64>]) -> Self {
        let positive = |rates: &Vec<f64>| {
            rates.iter().filter(|rate| **rate > 0.0).map(|rate| rate.ln()).collect::<Vec<f64>>()
        };
        let logs: Vec<Vec<f64>> = rates.iter().map(positive).collect();
        let means: Vec<f64> =
            logs.iter().map(|logs| mean(logs).unwrap_or(f64::NEG_INFINITY)).collect();
        let of = |(logs, mean): (&Vec<f64>, &f64)| {
            logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>()
        };
        let squares = logs.iter().zip(&means).map(of).sum();
        let degrees = logs.iter().map(|logs| logs.len().saturating_sub(1)).sum::<usize>() as f64;
        Self { logs, means, squares, degrees }
    }

    /// The places, with the variance of all cases and its degrees of freedom.
    fn places(&self, prior: f64, prior_degrees: f64) -> Vec<Option<SuitePlace>> {
        let mut places = vec![None; self.logs.len()];
        // Its own runs are among those of all cases.
        let weight = PRIOR_DEGREES.min(prior_degrees - self.degrees);
        let degrees = self.degrees + weight;
        let mut order: Vec<usize> =
            (0..self.logs.len()).filter(|&at| !self.logs[at].is_empty()).collect();
        if degrees <= 0.0 || order.is_empty() {
            return places;
        }
        let spread = ((self.squares + weight * prior) / degrees).sqrt();
        let count = |at: usize| self.logs[at].len() as f64;
        let quantile = |pairs: f64| t_quantile((1.0 - CONFIDENCE) / 2.0 / pairs, degrees) * spread;
        let pairs = (order.len() * (order.len() - 1) / 2).max(1);
        let (own, of_pairs) = (quantile(1.0), quantile(pairs as f64));
        order.sort_by(|a, b| self.means[*b].total_cmp(&self.means[*a]));
        let (mut leader, mut rank) = (order[0], 1);
        for (at, &target) in order.iter().enumerate() {
            let chance = of_pairs * (1.0 / count(leader) + 1.0 / count(target)).sqrt();
            if self.means[leader] - self.means[target] > chance.max(SMALLEST) {
                (leader, rank) = (target, u32::try_from(at + 1).unwrap_or(u32::MAX));
            }
            let half = own / count(target).sqrt();
            let interval = Interval95 {
                value: self.means[target].exp(),
                ci_low: Some((self.means[target] - half).exp()),
                ci_high: Some((self.means[target] + half).exp()),
            };
            places[target] = Some(SuitePlace { rank, interval });
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use uringbench_document::TimeFigures;

    use super::*;
    use crate::fixture;

    fn ranks(rates: &[&[f64]]) -> Vec<Option<u32>> {
        let rates: Vec<Vec<f64>> = rates.iter().map(|rates| rates.to_vec()).collect();
        let places = places_of(&[rates]).remove(0);
        places.into_iter().map(|place| place.map(|place| place.rank)).collect()
    }

    #[test]
    fn targets_that_the_runs_cannot_tell_apart_share_a_place() {
        let places = ranks(&[&[100.0, 104.0], &[101.0, 97.0], &[55.0, 57.0], &[56.0, 54.0]]);
        assert_eq!(places, [Some(1), Some(1), Some(3), Some(3)]);
    }

    #[test]
    fn a_difference_beyond_chance_is_a_place_and_one_below_a_hundredth_is_none() {
        assert_eq!(ranks(&[&[80.0, 81.0, 80.5], &[99.0, 100.0, 101.0]]), [Some(2), Some(1)]);
        assert_eq!(ranks(&[&[100.0, 100.0], &[99.5, 99.5]]), [Some(1), Some(1)]);
        assert_eq!(ranks(&[&[100.0, 100.0], &[98.0, 98.0]]), [Some(1), Some(2)]);
    }

    #[test]
    fn without_a_second_run_of_any_target_nobody_has_a_place() {
        assert_eq!(ranks(&[&[100.0], &[50.0]]), [None, None]);
        assert_eq!(ranks(&[&[], &[]]), [None, None]);
        assert_eq!(ranks(&[&[100.0], &[], &[50.0, 51.0]]), [Some(1), None, Some(2)]);
    }

    /// The interval of one group is Student's on logarithms: the mean, and 4.302653 standard errors
    /// on both sides.
    #[test]
    fn the_interval_of_one_target_is_students() {
        let place = places_of(&[vec![vec![90.0, 100.0, 111.0]]])[0][0].expect("a place");
        let (low, high) =
            (place.interval.ci_low.expect("low"), place.interval.ci_high.expect("high"));
        assert!((low - 77.0418).abs() < 0.001 && (high - 129.7131).abs() < 0.001, "{place:?}");
    }

    /// Two runs say little of their spread; those of other cases say more.
    #[test]
    fn the_runs_of_other_cases_narrow_an_interval() {
        let case = |rates: [f64; 2]| vec![rates.to_vec()];
        let width = |places: &[Vec<Option<SuitePlace>>]| {
            let interval = places[0][0].expect("a place").interval;
            (interval.ci_high.expect("high") / interval.ci_low.expect("low")).ln()
        };
        let alone = width(&places_of(&[case([100.0, 102.0])]));
        let others: Vec<_> = (0..9).map(|_| case([50.0, 51.0])).collect();
        let among = width(&places_of(&[&[case([100.0, 102.0])], &*others].concat()));
        assert!(among < 0.3 * alone, "{among} of {alone}");
        let wild: Vec<_> = (0..9).map(|_| case([50.0, 90.0])).collect();
        let among_wild = width(&places_of(&[&[case([100.0, 102.0])], &*wild].concat()));
        assert!(among_wild > alone, "{among_wild} of {alone}");
    }

    #[test]
    fn the_typical_run_is_found_by_the_rate_of_the_figures() {
        let with = |requests: f64, flows: f64| {
            let mut run = fixture::run();
            run.rate.completed = requests;
            let flow = serde_json::json!({
                "name": "f", "passed": 1, "failed": 0, "unfinished": 0, "rate": flows,
                "response": TimeFigures::default(), "service": TimeFigures::default(),
                "lateness": TimeFigures::default(),
            });
            run.flows = vec![serde_json::from_value(flow).expect("a flow")];
            let step = serde_json::json!({
                "name": "s", "released": 1, "completed": 1, "response": TimeFigures::default(),
                "service": TimeFigures::default(), "first_byte": null, "flow": "f",
            });
            let step = |_| serde_json::from_value(step.clone()).expect("a step");
            run.steps = (0..2).map(step).collect();
            run
        };
        let runs = [with(500.0, 10.0), with(100.0, 30.0), with(900.0, 20.0)];
        let figures = cell_figures(&runs.each_ref()).expect("figures");
        assert_eq!(figures.rate, 20.0);
        let typical = typical(&runs.each_ref(), &figures).expect("a run");
        assert_eq!(typical.rate.completed, 900.0);
    }

    #[test]
    fn figures_are_medians_of_the_runs_that_count() {
        let with = |rate: f64, validity: &str| {
            let mut run = fixture::run();
            run.rate.completed = rate;
            run.flows.clear();
            validity.clone_into(&mut run.verdict.validity);
            run
        };
        let runs = [with(10.0, "valid"), with(30.0, "suspect"), with(20.0, "valid")];
        let figures = cell_figures(&runs.each_ref()).expect("figures");
        assert_eq!((figures.rate, figures.counted), (20.0, 3));
        assert_eq!(figures.validity, "suspect");
        let runs = [with(10.0, "valid"), with(99.0, "invalid")];
        let figures = cell_figures(&runs.each_ref()).expect("figures");
        assert_eq!((figures.rate, figures.counted, &*figures.validity), (10.0, 1, "valid"));
        let runs = [with(99.0, "invalid")];
        let figures = cell_figures(&runs.each_ref()).expect("figures");
        assert_eq!((figures.rate, figures.counted, &*figures.validity), (99.0, 0, "invalid"));
        assert_eq!(distrust(&runs.each_ref()).as_deref(), Some("the run is INVALID"));
        assert_eq!(cell_figures(&[]), None);
    }
}
