//! The timeline as text: the main series, a line each with minimum, median and maximum and its
//! course.

use uringbench_core::summary::{Grouped, Percent};
use uringbench_core::time::Nanos;
use uringbench_document::timeline::{SeriesFigures, TimelineFigures, Unit};

/// Columns of the names on the left.
const NAMES: usize = 14;
/// Columns of one value.
const CELL: usize = 12;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The lines, with the column heads first.
pub fn lines(timeline: &TimelineFigures) -> Vec<String> {
    let heads = ["min", "median", "max"].map(|head| format!("{head:>CELL$}")).concat();
    let length = Nanos((timeline.length_s * 1e9).round() as u64);
    let mut lines = vec![format!("{:<NAMES$}{heads}  {length}", "timeline")];
    lines.extend(timeline.series.iter().map(line));
    lines
}

/// A figure in its unit.
pub fn value(unit: Unit, value: f64) -> String {
    let show = match unit {
        Unit::PerS => per_second,
        Unit::Count => count,
        Unit::Ns => nanos,
        Unit::Cpus => cores,
        Unit::Threads => threads,
        Unit::Share => percent,
        Unit::Bytes => bytes,
    };
    show(value)
}

fn line(series: &SeriesFigures) -> String {
    let values = [series.min, series.median, series.max];
    let cells = values.map(|it| format!("{:>CELL$}", value(series.unit, it))).concat();
    let line = format!("{:<NAMES$}{cells}  {}", series.name, bars(&series.course));
    line.trim_end().to_owned()
}

/// A course from its minimum (lowest bar) to its maximum; a blank for unknown values. A constant
/// series is a line at the bottom.
fn bars(course: &[Option<f64>]) -> String {
    let least = course.iter().flatten().copied().fold(f64::INFINITY, f64::min);
    let most = course.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
    let bar = |height: f64| {
        let share = if most > least { (height - least) / (most - least) } else { 0.0 };
        BARS[((share * 8.0) as usize).min(7)]
    };
    course.iter().map(|height| height.map_or(' ', bar)).collect()
}

fn count(value: f64) -> String {
    Grouped(value.round() as u64).to_string()
}

/// As in the summary: a decimal below 100.
pub(crate) fn per_second(value: f64) -> String {
    match value {
        0.0 => "0/s".to_owned(),
        v if v < 100.0 => format!("{v:.1}/s"),
        v => format!("{}/s", Grouped(v.round() as u64)),
    }
}

fn nanos(value: f64) -> String {
    Nanos(value.round() as u64).to_string()
}

fn cores(value: f64) -> String {
    format!("{value:.2} CPU")
}

/// Threads that waited, on average.
fn threads(value: f64) -> String {
    format!("{value:.3}")
}

fn percent(value: f64) -> String {
    Percent(value).to_string()
}

pub(crate) fn bytes(value: f64) -> String {
    let (value, unit) = match value {
        b if b < 1024.0 => return format!("{b:.0} B"),
        b if b < 1024.0 * 1024.0 => (b / 1024.0, "KiB"),
        b if b < 1024.0 * 1024.0 * 1024.0 => (b / 1024.0 / 1024.0, "MiB"),
        b => (b / 1024.0 / 1024.0 / 1024.0, "GiB"),
    };
    format!("{value:.1} {unit}")
}

#[cfg(test)]
mod tests;
