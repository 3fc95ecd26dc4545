//! Baselines: runs of a known state as a document, and back as a group to compare with.

use std::collections::{BTreeMap, BTreeSet};

use uringbench_core::statistics::distribution::t_quantile;
use uringbench_core::statistics::{deviation, mean, two_sample};
use uringbench_document::Document;
use uringbench_document::baseline::{BaselineDocument, BaselineFigure, BaselineRun, SCHEMA};
use uringbench_document::comparison::ComparedRun;

use crate::compare::RUNS_MIN;
use crate::conditions::differences;
use crate::group::{MeasuredRun, RunGroup};
use crate::metric::{Better, Metric};
use crate::settings::ComparisonSettings;

/// The tail of a 95 % interval.
const TAIL: f64 = 0.025;

/// Why runs cannot be a baseline, and the fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaselineRefusal {
    /// Too few runs, so that nothing could be compared with it.
    #[error(
        "a baseline needs at least {RUNS_MIN} runs that measure the target, better 10; there are \
         {counted} of {all}{}",
        why.as_ref().map_or_else(String::new, |why| format!(": {why}"))
    )]
    TooFew {
        /// Runs that are evidence.
        counted: usize,
        /// All runs.
        all: usize,
        /// Why one is none.
        why: Option<String>,
    },
    /// The runs differ in more than chance.
    #[error("the runs were not measured alike: {0} differs; establish a baseline of equal runs")]
    Mixed(String),
}

/// The baseline of these runs.
///
/// # Errors
/// If too few of them are evidence, or they were measured under different conditions.
pub fn establish(
    name: &str,
    runs: &[(String, Document)],
    settings: &ComparisonSettings,
) -> Result<BaselineDocument, BaselineRefusal> {
    let group = RunGroup::new(name, runs.iter().map(|(name, run)| (name.clone(), run)));
    let counted: Vec<&MeasuredRun> = group.runs.iter().filter(|run| run.is_counted()).collect();
    if counted.len() < RUNS_MIN {
        let why = group.runs.iter().find_map(|run| run.run.excluded.clone());
        let (counted, all) = (counted.len(), group.runs.len());
        return Err(BaselineRefusal::TooFew { counted, all, why });
    }
    let (first, others) = group.conditions.split_first().expect("a run has conditions");
    if let Some(other) = others.iter().flat_map(|other| differences(first, other)).next() {
        return Err(BaselineRefusal::Mixed(other.key));
    }
    let versions: BTreeSet<String> =
        runs.iter().filter_map(|(_, run)| run.host.uringbench.clone()).collect();
    let figures = Metric::ALL.into_iter().filter_map(|metric| figure(metric, &counted, settings));
    Ok(BaselineDocument {
        schema: SCHEMA.to_owned(),
        name: name.to_owned(),
        established: counted.iter().map(|run| run.run.started.clone()).max().unwrap_or_default(),
        uringbench: versions.into_iter().collect(),
        conditions: first.clone(),
        runs: counted
            .iter()
            .map(|run| BaselineRun { run: run.run.run.clone(), started: run.run.started.clone() })
            .collect(),
        figures: figures.collect(),
    })
}

fn figure(
    metric: Metric,
    runs: &[&MeasuredRun],
    settings: &ComparisonSettings,
) -> Option<BaselineFigure> {
    let (source, values) = values_of_all(metric, runs)?;
    let (centre, deviation) = (mean(&values)?, deviation(&values)?);
    let degrees = values.len() as f64 - 1.0;
    let reach = t_quantile(TAIL, degrees) * deviation / (values.len() as f64).sqrt();
    let warn = settings.limits_of(metric).warn;
    let middle = uringbench_core::statistics::median(&mut values.clone())?;
    let (from, to) = match metric.better() {
        Better::Higher => (Some(middle * (1.0 - warn)), None),
        Better::Lower => (None, Some(middle * (1.0 + warn))),
    };
    Some(BaselineFigure {
        metric: metric.key().to_owned(),
        unit: metric.unit().key().to_owned(),
        source: source.to_owned(),
        mean: centre,
        deviation,
        ci_low: centre - reach,
        ci_high: centre + reach,
        acceptable_from: from,
        acceptable_to: to,
        values,
    })
}

/// The runs of a baseline, to compare others with.
pub fn group_of(baseline: &BaselineDocument) -> RunGroup {
    let value_of = |figure: &BaselineFigure, at: usize| {
        let metric = Metric::named(&figure.metric)?;
        let source = metric.sources().iter().find(|source| source.key == figure.source)?;
        Some(((metric, source.key), *figure.values.get(at)?))
    };
    let runs = baseline.runs.iter().enumerate().map(|(at, run)| MeasuredRun {
        run: ComparedRun {
            run: run.run.clone(),
            started: run.started.clone(),
            validity: "valid".to_owned(),
            excluded: None,
        },
        values: baseline.figures.iter().filter_map(|figure| value_of(figure, at)).collect(),
        blocks: BTreeMap::new(),
    });
    RunGroup {
        label: baseline.name.clone(),
        runs: runs.collect(),
        conditions: vec![baseline.conditions.clone()],
    }
}

/// The values of a figure from the best source that all runs have, with its name.
fn values_of_all(metric: Metric, runs: &[&MeasuredRun]) -> Option<(&'static str, Vec<f64>)> {
    metric.sources().iter().find_map(|source| {
        let of_run = |run: &&MeasuredRun| run.values.get(&(metric, source.key)).copied();
        Some((source.key, runs.iter().map(of_run).collect::<Option<_>>()?))
    })
}

/// The spread of every figure from run to run, as a share; of figures that every run has.
pub(crate) fn variations(runs: &[&MeasuredRun]) -> BTreeMap<Metric, (f64, Vec<f64>)> {
    let of = |metric: Metric| {
        let (_, values) = values_of_all(metric, runs)?;
        Some((metric, (two_sample::robust_variation(&values)?, values)))
    };
    Metric::ALL.into_iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use uringbench_document::comparison::Decision;

    use super::*;
    use crate::compare::compare;
    use crate::fixture;

    fn runs(factor: f64, count: usize) -> Vec<(String, Document)> {
        let run = |at: usize| {
            let mut run = fixture::run();
            run.rate.completed *= factor * (1.0 + 0.001 * at as f64);
            run.host.uringbench = Some("0.1.0".to_owned());
            (format!("run{at}"), run)
        };
        (0..count).map(run).collect()
    }

    #[test]
    fn a_baseline_has_the_figures_of_its_runs_and_passes_through_its_file() {
        let settings = ComparisonSettings::default();
        let baseline = establish("main", &runs(1.0, 5), &settings).unwrap();
        let rate = &baseline.figures[0];
        let one = runs(1.0, 1)[0].1.rate.completed;
        assert!((rate.mean / one - 1.002).abs() < 1e-9, "{rate:?}");
        // The deviation of 0, 1, 2, 3, 4 is the square root of 2.5; t(4) = 2.776.
        assert!((rate.deviation / one - 0.001 * 2.5_f64.sqrt()).abs() < 1e-9, "{rate:?}");
        let reach = 2.776_445_105 * rate.deviation / 5.0_f64.sqrt();
        assert!((rate.ci_high - rate.mean - reach).abs() < 1e-6 * one, "{rate:?}");
        assert!((rate.acceptable_from.unwrap() / one - 1.002 * 0.95).abs() < 1e-9);
        assert_eq!((rate.acceptable_to, rate.values.len()), (None, 5));
        assert_eq!(baseline.uringbench, ["0.1.0"]);
        let text = serde_json::to_string_pretty(&baseline).unwrap();
        assert_eq!(BaselineDocument::read(&text).unwrap(), baseline);
        let later = runs(0.8, 6);
        let later = RunGroup::new("new", later.iter().map(|(name, run)| (name.clone(), run)));
        let verdict = |after| compare(&[group_of(&baseline), after], &settings).unwrap().verdict;
        assert_eq!(verdict(later), Decision::Fail);
        assert_eq!(verdict(group_of(&baseline)), Decision::Pass);
    }

    #[test]
    fn runs_that_are_few_or_unequal_are_no_baseline() {
        let settings = ComparisonSettings::default();
        let few = establish("main", &runs(1.0, 3), &settings).unwrap_err().to_string();
        assert!(few.ends_with("better 10; there are 3 of 3"), "{few}");
        let mut mixed = runs(1.0, 5);
        mixed[3].1.plan.pipeline = 4;
        let mixed = establish("main", &mixed, &settings).unwrap_err().to_string();
        assert!(mixed.contains("plan.pipeline differs"), "{mixed}");
    }

    #[test]
    fn other_documents_are_no_baselines() {
        let cases = [
            (r#"{"schema": "uringbench.baseline/2"}"#, "newer uringbench"),
            (r#"{"schema": "uringbench.run/1"}"#, "not a baseline"),
            (r#"{"schema": "uringbench.baseline/1"}"#, "damaged (missing field"),
            ("x", "damaged"),
        ];
        for (text, part) in cases {
            let why = BaselineDocument::read(text).unwrap_err().to_string();
            assert!(why.contains(part), "{text}: {why}");
        }
    }
}
