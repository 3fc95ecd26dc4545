//! The noise floor: measured from runs of one program, known to comparisons of the same conditions.

use std::collections::BTreeMap;

use uringbench_document::noise::{NoiseDocument, NoiseFigure, SCHEMA};

use crate::baseline::variations;
use crate::conditions::differences;
use crate::group::{MeasuredRun, RunGroup};
use crate::metric::Metric;

/// The noise floor that these runs of one program show; `None` if none of them is evidence.
pub fn noise_of(group: &RunGroup) -> Option<NoiseDocument> {
    let counted: Vec<&MeasuredRun> = group.runs.iter().filter(|run| run.is_counted()).collect();
    let conditions = group.conditions.first()?.clone();
    let figures = variations(&counted).into_iter();
    Some(NoiseDocument {
        schema: SCHEMA.to_owned(),
        measured: counted.iter().map(|run| run.run.started.clone()).max()?,
        conditions,
        runs: counted.len(),
        figures: figures
            .map(|(metric, (variation, values))| NoiseFigure {
                metric: metric.key().to_owned(),
                variation,
                values,
            })
            .collect(),
    })
}

/// The noise floor of the conditions of `group` among those that were measured, the latest one.
/// Empty if there is none.
pub fn known_noise(group: &RunGroup, known: &[NoiseDocument]) -> BTreeMap<Metric, f64> {
    let Some(conditions) = group.conditions.first() else { return BTreeMap::new() };
    let alike = known.iter().filter(|it| differences(&it.conditions, conditions).is_empty());
    let latest = alike.max_by(|a, b| a.measured.cmp(&b.measured));
    let figures = latest.into_iter().flat_map(|latest| &latest.figures);
    figures.filter_map(|it| Some((Metric::named(&it.metric)?, it.variation))).collect()
}

#[cfg(test)]
mod tests {
    use uringbench_document::Document;

    use super::*;
    use crate::fixture;

    fn group(rates: &[f64], connections: u32) -> RunGroup {
        let run = |&rate: &f64| {
            let mut run = fixture::run();
            run.rate.completed = rate;
            run.plan.connections = connections;
            run
        };
        let runs: Vec<Document> = rates.iter().map(run).collect();
        RunGroup::new("A", runs.iter().map(|run| (String::new(), run)))
    }

    #[test]
    fn the_floor_of_the_same_conditions_is_known() {
        let group = group(&[10.0, 11.0, 12.0, 9.0, 30.0], 64);
        let noise = noise_of(&group).unwrap();
        assert_eq!((noise.runs, noise.figures[0].metric.as_str()), (5, "rate"));
        let floor = known_noise(&group, std::slice::from_ref(&noise));
        assert!((floor[&Metric::Rate] - 0.134_78).abs() < 1e-4, "{floor:?}");
        assert_eq!(floor[&Metric::ClientCpu], 0.0);
        let mut later = noise.clone();
        later.measured = "2999".to_owned();
        later.figures[0].variation = 0.5;
        assert_eq!(known_noise(&group, &[later, noise])[&Metric::Rate], 0.5);
    }

    #[test]
    fn the_floor_of_other_conditions_is_not() {
        let noise = noise_of(&group(&[10.0; 5], 64)).unwrap();
        assert!(known_noise(&group(&[10.0], 65), &[noise]).is_empty());
        assert_eq!(noise_of(&group(&[], 64)), None);
    }
}
