//! How the rate of each target follows its number of connections.

use uringbench_core::statistics::Estimate;
use uringbench_core::summary::Grouped;
use uringbench_document::suite::{
    CellState, ScalingFigures, ScalingPoint, SuiteCell, SuiteDocument,
};
use uringbench_document::target::Interval95;

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
    let mut seen: Vec<&str> = Vec::new();
    for cell in &suite.cells {
        let name = without_connections(cell);
        if seen.contains(&name) {
            continue;
        }
        seen.push(name);
        for target in &suite.targets {
            let is_its = |other: &&SuiteCell| {
                other.target == target.name && without_connections(other) == name
            };
            let mut points: Vec<ScalingPoint> =
                suite.cells.iter().filter(is_its).filter_map(point).collect();
            points.sort_by_key(|point| point.connections);
            if points.len() >= POINTS_MIN {
                all.push(course(&target.name, name, points, suite.settings.seed));
            }
        }
    }
    all
}

fn without_connections(cell: &SuiteCell) -> &str {
    cell.case.split_once('@').map_or(&*cell.case, |(name, _)| name)
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

fn course(target: &str, case: &str, points: Vec<ScalingPoint>, seed: u64) -> ScalingFigures {
    let best =
        points.iter().copied().reduce(|best, it| if it.rate > best.rate { it } else { best });
    let first = points.first().copied();
    let last = points.last().copied();
    let mut sentence = String::new();
    let (mut best_connections, mut has_fallen) = (0, false);
    if let (Some(best), Some(first), Some(last)) = (best, first, last) {
        (best_connections, has_fallen) = (best.connections, falls(&best, &last));
        let enough = points.iter().find(|it| it.rate >= AS_GOOD * best.rate).unwrap_or(&best);
        sentence = match () {
            () if has_fallen => format!(
                "the rate falls under load: {} with {} connections, {} with {}",
                rate(best.rate),
                best.connections,
                rate(last.rate),
                last.connections
            ),
            () if enough.connections == last.connections => format!(
                "the rate still grows: {} with {} connections, {} with {}",
                rate(first.rate),
                first.connections,
                rate(last.rate),
                last.connections
            ),
            () => format!(
                "{} connections are enough for {}, and more change little",
                enough.connections,
                rate(enough.rate)
            ),
        };
    }
    let of_law = |point: &ScalingPoint| UslPoint {
        load: f64::from(point.connections),
        rate: point.rate,
        is_generator_limited: false,
    };
    let law = fit_usl(&points.iter().map(of_law).collect::<Vec<_>>(), seed).ok();
    let figure = |estimate: Estimate| Interval95::from(estimate);
    ScalingFigures {
        target: target.to_owned(),
        case: case.to_owned(),
        best_connections,
        has_fallen,
        sentence,
        serial_share: law.map(|law| figure(law.sigma)),
        agreement_cost: law.map(|law| figure(law.kappa)),
        points,
    }
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

fn rate(rate: f64) -> String {
    format!("{}/s", Grouped(rate.round() as u64))
}

#[cfg(test)]
mod tests;
