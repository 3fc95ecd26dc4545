//! How the rate of each target follows its number of connections.

use uringbench_core::summary::plural;
use uringbench_document::suite::{
    CellState, ScalingFigures, ScalingPoint, SuiteCell, SuiteDocument,
};
use uringbench_document::target::Interval95;

use super::per_second;
use crate::usl::{UslPoint, fit_usl};

/// Numbers of connections from which a course is visible.
const POINTS_MIN: usize = 3;
/// A rate this far below the best one has fallen.
const FALLEN: f64 = 0.9;
/// A rate this near to the best one is as good.
const AS_GOOD: f64 = 0.95;

/// The courses of all targets, in the order of cases and targets.
pub(super) fn scaling(suite: &SuiteDocument) -> Vec<ScalingFigures> {
    let mut all = Vec::new();
    let mut seen = Vec::new();
    for cell in &suite.cells {
        let loaded = (&cell.scenario, &cell.flow);
        if seen.contains(&loaded) {
            continue;
        }
        seen.push(loaded);
        let name = match &cell.flow {
            Some(flow) => format!("{}/{flow}", cell.scenario),
            None => cell.scenario.clone(),
        };
        for target in &suite.targets {
            let is_its = |other: &&SuiteCell| {
                other.target == target.name && (&other.scenario, &other.flow) == loaded
            };
            let mut points: Vec<ScalingPoint> =
                suite.cells.iter().filter(is_its).filter_map(point).collect();
            points.sort_by_key(|point| point.connections);
            if points.len() >= POINTS_MIN {
                all.extend(course(&target.name, &name, points, suite.settings.seed));
            }
        }
    }
    all
}

/// A cell that measures its target, as a point.
fn point(cell: &SuiteCell) -> Option<ScalingPoint> {
    let figures = cell.figures.as_ref().filter(|figures| figures.counted > 0)?;
    (cell.state == CellState::Measured).then_some(())?;
    Some(ScalingPoint {
        connections: cell.connections?,
        rate: figures.rate,
        rate_interval: figures.rate_interval,
        response_p99_ns: figures.response_p99_ns,
        cpus: figures.cpus,
    })
}

/// The course through points in the order of their connections; `None` without any.
fn course(
    target: &str,
    case: &str,
    points: Vec<ScalingPoint>,
    seed: u64,
) -> Option<ScalingFigures> {
    let (first, last) = (*points.first()?, *points.last()?);
    let best = points.iter().fold(first, |best, it| if it.rate > best.rate { *it } else { best });
    let enough = *points.iter().find(|it| it.rate >= AS_GOOD * best.rate)?;
    let has_fallen = falls(&best, &last);
    let shown = |point: ScalingPoint| {
        let connections = plural(u64::from(point.connections), "connection");
        format!("{} with {connections}", per_second(point.rate))
    };
    let sentence = if has_fallen {
        format!("the rate falls under load: {}, {}", shown(best), shown(last))
    } else if enough.connections == last.connections {
        format!("the rate still grows: {}, {}", shown(first), shown(last))
    } else {
        let (enough, last) = (shown(enough), shown(last));
        format!("more connections change little: {enough}, {last}")
    };
    let of_law = |point: &ScalingPoint| UslPoint {
        load: f64::from(point.connections),
        rate: point.rate,
        is_generator_limited: false,
    };
    let law = fit_usl(&points.iter().map(of_law).collect::<Vec<_>>(), seed).ok();
    Some(ScalingFigures {
        target: target.to_owned(),
        case: case.to_owned(),
        best_connections: best.connections,
        has_fallen,
        sentence,
        serial_share: law.map(|law| law.sigma.into()),
        agreement_cost: law.map(|law| law.kappa.into()),
        points,
    })
}

/// Whether the last rate is lower than the best one, by much and beyond chance.
fn falls(best: &ScalingPoint, last: &ScalingPoint) -> bool {
    let end = |point: &ScalingPoint, end: fn(Interval95) -> Option<f64>| {
        point.rate_interval.and_then(end)
    };
    let is_beyond_chance = end(last, |it| it.ci_high)
        .zip(end(best, |it| it.ci_low))
        .is_some_and(|(last, best)| last < best);
    last.rate < FALLEN * best.rate && is_beyond_chance
}

#[cfg(test)]
mod tests;
