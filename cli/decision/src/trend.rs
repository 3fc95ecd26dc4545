//! How a figure goes over the runs of one benchmark: changes of level, slope, outliers.
//!
//! Only runs that can be compared take part: those of the newest run's target, machine and load,
//! unless they are invalid. What is left out is counted.

use uringbench_core::statistics::autocorrelation::{effective, lag_one};
use uringbench_core::statistics::change_points::{ChangeRule, LevelChange, change_points};
use uringbench_core::statistics::outliers::{Outlier, outliers};
use uringbench_core::statistics::regression::least_squares;
use uringbench_core::statistics::trend::{SlopeRule, theil_sen};
use uringbench_core::statistics::{Estimate, median};
use uringbench_core::summary::plural_were;
use uringbench_document::civil::Civil;
use uringbench_document::history::{FigureKind, HistoryEntry};
use uringbench_document::trend::{
    TREND_SCHEMA, TrendChange, TrendDocument, TrendOutlier, TrendPoint, TrendSlope,
};

/// Standard deviations from its neighbours that make a run an outlier.
const OUTLIER_Z: f64 = 10.0;
/// The fewest runs of a slope.
const SLOPE_RUNS_MIN: usize = 5;
/// The shortest time of a slope in days: a change per day needs one.
const SLOPE_DAYS_MIN: f64 = 1.0;
const CONFIDENCE: f64 = 0.95;
const SECONDS_PER_DAY: f64 = 86_400.0;

/// Which figure, and over how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrendOptions {
    /// The figure.
    pub figure: FigureKind,
    /// The days before the newest run over which the slope is fitted.
    pub window_days: f64,
}

/// The course of a figure over runs, given in any order.
pub fn trend(mut runs: Vec<HistoryEntry>, options: TrendOptions) -> TrendDocument {
    runs.sort_by(|a, b| a.timestamp.cmp(&b.timestamp));
    let newest = runs.last().cloned().unwrap_or_default();
    let (runs, mut notes) = comparable(runs, &newest);
    let name = options.figure.name;
    let all = runs.len();
    let points: Vec<TrendPoint> = runs.into_iter().filter_map(|run| point(run, name)).collect();
    if points.len() < all {
        let missing = plural_were((all - points.len()) as u64, "run");
        notes.push(format!("{missing} left out: without {name}"));
    }
    let values: Vec<f64> = points.iter().map(|point| point.value).collect();
    let outliers = outliers(&values, OUTLIER_Z);
    let cleared = cleared(&values, &outliers);
    let changes = change_points(&cleared, ChangeRule::default());
    let slope = slope(&points, &cleared, &changes, options.window_days);
    TrendDocument {
        schema: TREND_SCHEMA.to_owned(),
        benchmark_name: newest.benchmark_name,
        target: newest.target,
        figure: name.to_owned(),
        more_is_better: options.figure.more_is_better,
        changes: changes.iter().map(|it| change(it, options.figure.more_is_better)).collect(),
        slope,
        outliers: outliers.into_iter().map(outlier).collect(),
        points,
        notes,
    }
}

/// The runs that can be compared with the newest, and what was left out.
fn comparable(runs: Vec<HistoryEntry>, newest: &HistoryEntry) -> (Vec<HistoryEntry>, Vec<String>) {
    let mut notes = Vec::new();
    let mut keep = |runs: Vec<HistoryEntry>, why: &str, is_kept: &dyn Fn(&HistoryEntry) -> bool| {
        let all = runs.len();
        let kept: Vec<_> = runs.into_iter().filter(|run| is_kept(run)).collect();
        if kept.len() < all {
            let count = plural_were((all - kept.len()) as u64, "run");
            notes.push(format!("{count} left out: {why}"));
        }
        kept
    };
    let runs = keep(runs, "of another target", &|run| run.target == newest.target);
    let runs = keep(runs, "on another machine, kernel or engine", &|run| {
        run.host_fingerprint == newest.host_fingerprint
    });
    let runs =
        keep(runs, "with another load", &|run| run.plan_fingerprint == newest.plan_fingerprint);
    let runs = keep(runs, "invalid", &|run| run.validity != "invalid");
    (runs, notes)
}

fn point(run: HistoryEntry, figure: &str) -> Option<TrendPoint> {
    let value = run.figure(figure)?;
    let HistoryEntry { timestamp, commit_sha, branch, folder, .. } = run;
    Some(TrendPoint { timestamp, commit_sha, branch, folder, value })
}

/// The values with the median of its neighbours in the place of each outlier.
fn cleared(values: &[f64], outliers: &[Outlier]) -> Vec<f64> {
    let mut cleared = values.to_vec();
    for outlier in outliers {
        cleared[outlier.index] = outlier.expected;
    }
    cleared
}

fn change(found: &LevelChange, more_is_better: bool) -> TrendChange {
    let is_better = (found.after > found.before) == more_is_better;
    TrendChange {
        at: found.index,
        before: found.before,
        after: found.after,
        change: (found.before != 0.0).then(|| found.after / found.before - 1.0),
        p: found.p,
        direction: if is_better { "better" } else { "worse" }.to_owned(),
    }
}

fn outlier(found: Outlier) -> TrendOutlier {
    TrendOutlier { at: found.index, expected: found.expected, z: found.z }
}

/// The slope over the window, or since the last change in it.
fn slope(
    points: &[TrendPoint],
    values: &[f64],
    changes: &[LevelChange],
    window_days: f64,
) -> Option<TrendSlope> {
    let days: Vec<f64> = points.iter().map(|point| days(&point.timestamp)).collect();
    let end = *days.last()?;
    let in_window = days.iter().position(|day| end - day <= window_days)?;
    let last_change = changes.last().map_or(0, |change| change.index);
    let from = in_window.max(last_change);
    let (x, y) = (&days[from..], &values[from..]);
    if x.len() < SLOPE_RUNS_MIN || end - x[0] < SLOPE_DAYS_MIN {
        return None;
    }
    let line = least_squares(x, y)?;
    let residuals: Vec<f64> =
        x.iter().zip(y).map(|(x, y)| y - line.intercept - line.slope * x).collect();
    let rule =
        SlopeRule { confidence: CONFIDENCE, effective: effective(y.len(), lag_one(&residuals, 2)) };
    let Estimate { value, low, high } = theil_sen(x, y, rule)?;
    let middle = median(&mut y.to_vec())?;
    let direction = match () {
        () if low > 0.0 => "rising",
        () if high < 0.0 => "falling",
        () => "none",
    };
    Some(TrendSlope {
        window_days,
        from,
        runs: y.len(),
        level: middle,
        per_day: value,
        per_day_low: Some(low).filter(|low| low.is_finite()),
        per_day_high: Some(high).filter(|high| high.is_finite()),
        share_per_day: (middle != 0.0).then(|| value / middle),
        least_squares_per_day: line.slope,
        r_squared: line.r_squared,
        direction: direction.to_owned(),
    })
}

/// Days since 1970; runs of an unreadable time are of its first day.
fn days(timestamp: &str) -> f64 {
    Civil::parse(timestamp).map_or(0.0, Civil::unix_seconds) / SECONDS_PER_DAY
}

#[cfg(test)]
mod tests;
