//! Charts as SVG. Texts keep their size at any width: positions across are in percent, and only
//! the curves are in an inner picture that is stretched.

use std::fmt::Write as _;

use maud::{Markup, html};
use uringbench_core::statistics::median;
use uringbench_document::timeline::Unit;

use crate::foreign::Foreign;
use crate::panel::{Line, Panel, Shape, ticks_of};
use crate::show;

/// Width of the inner picture in its own units.
pub(crate) const WIDTH: f64 = 1_000.0;
/// Its height.
const HEIGHT: f64 = 100.0;
/// Pixels of the plot.
const PLOT: f64 = 118.0;
/// Pixels above the largest value.
const TOP: f64 = 10.0;
/// Pixels below it, for the labels of the axis.
const FOOT: f64 = 20.0;
/// Labels of the height axis, about.
const LABELS: usize = 3;
/// Points of a curve, at most.
const POINTS_MAX: usize = 400;

/// The axis of all charts over time: its end in seconds, the phases that are not measured, and
/// moments to mark.
#[derive(Clone, Debug, Default)]
pub(crate) struct TimeAxis {
    pub(crate) end: f64,
    pub(crate) outside: Vec<(f64, f64)>,
    pub(crate) spikes: Vec<(f64, f64)>,
}

impl TimeAxis {
    /// Percent of the width.
    fn at(&self, seconds: f64) -> f64 {
        if self.end > 0.0 { (seconds / self.end * 100.0).clamp(0.0, 100.0) } else { 0.0 }
    }

    /// Moments for labels.
    fn labels(&self) -> Vec<f64> {
        const STEPS: [f64; 17] = [
            1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0,
            7_200.0, 14_400.0, 43_200.0, 86_400.0,
        ];
        let step = STEPS.into_iter().find(|step| self.end / step <= 5.0).unwrap_or(self.end / 5.0);
        (0..=5).map(|at| f64::from(at) * step).filter(|at| *at <= self.end * 0.97).collect()
    }
}

/// The picture of a chart over time; `heat` is what stands behind its curves.
pub(crate) fn panel(panel: &Panel, axis: &TimeAxis, heat: Option<&Markup>) -> Markup {
    let Some(range) = panel.range() else {
        return html! { p.nothing { "No values." } };
    };
    let y = |value: f64| PLOT - panel.height(range, value) * (PLOT - TOP);
    html! {
        svg.chart width="100%" height=(PLOT + FOOT) aria-hidden="true" focusable="false" {
            @for (from, to) in &axis.outside {
                rect.outside x=(percent(axis.at(*from))) y="0"
                    width=(percent(axis.at(*to) - axis.at(*from))) height=(PLOT) {}
            }
            @for tick in ticks_of(panel.unit, range, panel.scale, LABELS) {
                line.grid x1="0" x2="100%" y1=(px(y(tick))) y2=(px(y(tick))) {}
            }
            (curves(panel, range, axis, heat))
            @for bound in &panel.limits {
                line.bound x1="0" x2="100%" y1=(px(y(bound.value))) y2=(px(y(bound.value))) {}
                text.bound x="99.5%" y=(px(y(bound.value) - 3.0)) text-anchor="end" {
                    (Foreign(&bound.label))
                }
            }
            @for (tick, label) in height_labels(panel, range) {
                text x="4" y=(beside(y(tick))) { (label) }
            }
            @for (from, _) in &axis.spikes {
                rect.spike x=(percent(axis.at(*from))) y="0" width="3" height="5" {}
            }
            line.axis x1="0" x2="100%" y1=(PLOT) y2=(PLOT) {}
            (time_labels(axis))
        }
    }
}

/// Values for labels, and their texts; bytes that would read alike are in the next smaller unit.
fn height_labels(panel: &Panel, range: (f64, f64)) -> Vec<(f64, String)> {
    let values = ticks_of(panel.unit, range, panel.scale, LABELS);
    let label = |value: &f64| (*value, show::value(panel.unit, *value));
    let labels: Vec<_> = values.iter().map(label).collect();
    let is_alike = labels.windows(2).any(|two| two[0].1 == two[1].1);
    if !is_alike || panel.unit != Unit::Bytes {
        return labels;
    }
    let kibibytes = |value: f64| show::count((value / 1_024.0).max(0.0).round() as u64);
    values.into_iter().map(|value| (value, format!("{} KiB", kibibytes(value)))).collect()
}

/// The place of a value in the inner picture, from its top.
pub(crate) fn inside(panel: &Panel, range: (f64, f64), value: f64) -> f64 {
    HEIGHT - panel.height(range, value) * (1.0 - TOP / PLOT) * HEIGHT
}

fn curves(panel: &Panel, range: (f64, f64), axis: &TimeAxis, heat: Option<&Markup>) -> Markup {
    let y = |value: f64| inside(panel, range, value);
    html! {
        svg width="100%" height=(PLOT) viewBox=(format!("0 0 {WIDTH} {HEIGHT}"))
            preserveAspectRatio="none" {
            @if let Some(heat) = heat { (heat) }
            @if panel.shape == Shape::Stacked {
                @for (at, line) in panel.lines.iter().enumerate() {
                    path class=(format!("bars i{}", line.ink)) d=(bars(panel, at, axis, y)) {}
                }
            } @else {
                @for line in &panel.lines {
                    path class=(class(line)) d=(course(line, &panel.x, axis, y)) {}
                }
            }
        }
    }
}

/// The classes of a curve.
pub(crate) fn class(line: &Line) -> String {
    format!("curve i{}{}", line.ink, if line.is_dashed { " dashed" } else { "" })
}

fn time_labels(axis: &TimeAxis) -> Markup {
    html! {
        @for label in axis.labels() {
            @let anchor = if label == 0.0 { "start" } else { "middle" };
            text x=(percent(axis.at(label))) y=(PLOT + FOOT - 5.0) text-anchor=(anchor) {
                (show::clock(label))
            }
        }
    }
}

/// The path of a curve. Unknown values are gaps.
fn course(line: &Line, x: &[f64], axis: &TimeAxis, y: impl Fn(f64) -> f64) -> String {
    let width = line.values.len().div_ceil(POINTS_MAX).max(1);
    let mut path = String::new();
    let mut is_open = false;
    for (values, x) in line.values.chunks(width).zip(x.chunks(width)) {
        let known: Vec<f64> =
            values.iter().flatten().copied().filter(|it| it.is_finite()).collect();
        let (Some(first), Some(last)) = (x.first(), x.last()) else { continue };
        if known.is_empty() {
            is_open = false;
            continue;
        }
        let value = match line.is_peak {
            true => known.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            false => known.iter().sum::<f64>() / known.len() as f64,
        };
        let place = axis.at((first + last) / 2.0) / 100.0 * WIDTH;
        // A value between two gaps is a dot: a line of almost no length.
        let (command, dot) = if is_open { ("L", "") } else { ("M", "h.01") };
        let _ = write!(path, "{command}{place:.1} {:.2}{dot}", y(value));
        is_open = true;
    }
    path
}

/// The path of a line's bars, each upon those of the lines before.
fn bars(panel: &Panel, at: usize, axis: &TimeAxis, y: impl Fn(f64) -> f64) -> String {
    let width = panel.x.len().div_ceil(POINTS_MAX).max(1);
    // Intervals at the edges of phases are shorter.
    let mut steps: Vec<f64> = panel.x.windows(2).map(|two| two[1] - two[0]).collect();
    let half = median(&mut steps).map_or(axis.end / 2.0, |step| step * width as f64 / 2.0);
    let mean = |line: &Line, from: usize, to: usize| {
        let known: f64 = line.values[from..to].iter().flatten().sum();
        known / (to - from) as f64
    };
    let mut path = String::new();
    for from in (0..panel.x.len()).step_by(width) {
        let to = (from + width).min(panel.x.len());
        let below: f64 = panel.lines[..at].iter().map(|line| mean(line, from, to)).sum();
        let own = mean(&panel.lines[at], from, to);
        if own <= 0.0 {
            continue;
        }
        let middle = (panel.x[from] + panel.x[to - 1]) / 2.0;
        let [left, right] = [middle - half, middle + half].map(|at| axis.at(at) / 100.0 * WIDTH);
        let (bottom, top) = (y(below), y(below + own));
        let _ = write!(path, "M{left:.1} {bottom:.2}H{right:.1}V{top:.2}H{left:.1}z");
    }
    path
}

/// The names of a chart's curves beside samples of their strokes.
pub(crate) fn legend(lines: &[Line]) -> Markup {
    html! {
        ul.legend {
            @for line in lines {
                li {
                    svg width="24" height="10" aria-hidden="true" focusable="false" {
                        path class=(class(line)) d="M1 5H23" {}
                    }
                    (Foreign(&line.label))
                }
            }
        }
    }
}

/// Where the label of a line stands: above it, or below it at the upper edge.
pub(crate) fn beside(line: f64) -> String {
    px(if line < 14.0 { line + 13.0 } else { line - 3.0 })
}

/// `12.50%`.
pub(crate) fn percent(value: f64) -> String {
    format!("{value:.2}%")
}

/// Pixels.
pub(crate) fn px(value: f64) -> String {
    format!("{value:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panel::Scale;

    #[test]
    fn a_curve_has_gaps_where_nothing_is_known() {
        let line = Line::new("x", 0, vec![Some(1.0), Some(2.0), None, Some(f64::NAN), Some(3.0)]);
        let axis = TimeAxis { end: 5.0, ..TimeAxis::default() };
        let path = course(&line, &[0.5, 1.5, 2.5, 3.5, 4.5], &axis, |value| value);
        assert_eq!(path, "M100.0 1.00h.01L300.0 2.00M900.0 3.00h.01");
    }

    #[test]
    fn a_long_curve_is_short_and_keeps_its_peak() {
        let mut values = vec![Some(1.0); 3_600];
        values[1_777] = Some(99.0);
        let x: Vec<f64> = (0..3_600).map(|at| f64::from(at) + 0.5).collect();
        let line = Line::new("x", 0, values).peak();
        let axis = TimeAxis { end: 3_600.0, ..TimeAxis::default() };
        let path = course(&line, &x, &axis, |value| value);
        assert!(path.len() < 8_000 && path.contains(" 99.00"), "{}", path.len());
    }

    #[test]
    fn labels_of_time_are_few_at_every_length() {
        for end in [0.0, 0.3, 3.5, 61.0, 3_600.0, 86_400.0, 1e7] {
            let axis = TimeAxis { end, ..TimeAxis::default() };
            let labels = axis.labels();
            assert!((1..=6).contains(&labels.len()) || end == 0.0, "{end}: {labels:?}");
        }
    }

    #[test]
    fn a_chart_without_values_says_so() {
        let nothing = Panel {
            id: "x",
            title: String::new(),
            about: String::new(),
            unit: Unit::Count,
            scale: Scale::Linear,
            shape: Shape::Lines,
            x: vec![0.5],
            lines: vec![Line::new("a", 0, vec![None])],
            limits: Vec::new(),
            reach: Vec::new(),
        };
        let picture = panel(&nothing, &TimeAxis::default(), None).into_string();
        assert_eq!(picture, "<p class=\"nothing\">No values.</p>");
    }
}
