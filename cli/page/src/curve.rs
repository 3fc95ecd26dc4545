//! The percentile curve: how long the slowest one in two, ten, hundred … takes. Both axes are
//! logarithmic, so that the tail is as visible as the middle.

use std::fmt::Write as _;

use hdrhistogram::Histogram;
use maud::{Markup, html};
use serde::Serialize;
use uringbench_document::Document;
use uringbench_document::timeline::Unit;

use crate::foreign::Foreign;
use crate::objective::{Metric, Objective};
use crate::panel::{Line, Panel, Scale, Shape, ticks};
use crate::show;
use crate::svg::{beside, class, percent, px};

/// Points from one in one to one in ten.
const POINTS_PER_DECADE: u32 = 12;
/// Pixels of the plot and of the labels below it.
const PLOT: f64 = 220.0;
const FOOT: f64 = 20.0;

/// The curves of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Curve {
    /// One in so many requests.
    pub(crate) one_in: Vec<f64>,
    pub(crate) lines: Vec<Line>,
    pub(crate) corners: Vec<Corner>,
}

/// An objective: that all but one in so many requests take less.
#[derive(Debug, Serialize)]
pub(crate) struct Corner {
    pub(crate) label: String,
    pub(crate) one_in: f64,
    pub(crate) value: f64,
}

impl Curve {
    /// Of the measured window; `None` without times.
    pub(crate) fn of(document: &Document, objectives: &[Objective]) -> Option<Self> {
        let histograms = &document.histograms;
        let mut named = vec![("response", histograms.response().ok()?, 0)];
        if document.is_served_at_once() {
            named[0].0 = "service";
        } else {
            named.extend(histograms.service().ok().map(|it| ("service", it, 1)));
            named.extend(histograms.lateness().ok().map(|it| ("lateness", it, 2)));
        }
        named.retain(|(_, histogram, _)| !histogram.is_empty());
        let most = named.iter().map(|(_, histogram, _)| histogram.len()).max()?;
        let one_in = places(most);
        let lines = named.iter().map(|(label, histogram, ink)| {
            let line = Line::new(label, *ink, values(histogram, &one_in));
            if *ink == 0 { line } else { line.dashed() }
        });
        let corner = |objective: &Objective| match objective.metric {
            Metric::Quantile(quantile) if objective.is_time_of_run() => Some(Corner {
                label: format!(
                    "{} {} {}",
                    quantile.name(),
                    objective.sign(),
                    show::value(Unit::Ns, objective.bound)
                ),
                one_in: 1.0 / (1.0 - quantile.share()),
                value: objective.bound,
            }),
            _ => None,
        };
        Some(Self {
            lines: lines.collect(),
            corners: objectives.iter().filter_map(corner).collect(),
            one_in,
        })
    }

    /// As a picture.
    pub(crate) fn picture(&self) -> Markup {
        let panel = Panel {
            id: "curve",
            title: String::new(),
            about: String::new(),
            unit: Unit::Ns,
            scale: Scale::Log,
            shape: Shape::Lines,
            x: self.one_in.clone(),
            lines: self.lines.clone(),
            limits: Vec::new(),
            reach: Vec::new(),
        };
        let Some((low, high)) = panel.range() else { return html! {} };
        let most = self.corners.iter().map(|corner| corner.value * 1.3).fold(high, f64::max);
        let range = (low, most);
        let last = self.one_in.last().copied().unwrap_or(2.0).max(2.0);
        let x = |one_in: f64| one_in.ln() / last.ln() * 100.0;
        let y = |value: f64, size: f64| size - panel.height(range, value) * size;
        html! {
            svg.chart width="100%" height=(PLOT + FOOT) aria-hidden="true" focusable="false" {
                @for tick in ticks(range, Scale::Log, 6) {
                    line.grid x1="0" x2="100%" y1=(px(y(tick, PLOT))) y2=(px(y(tick, PLOT))) {}
                    text x="4" y=(beside(y(tick, PLOT))) { (show::value(Unit::Ns, tick)) }
                }
                svg width="100%" height=(PLOT) viewBox="0 0 1000 100" preserveAspectRatio="none" {
                    @for line in &self.lines {
                        path class=(class(line)) d=(self.path(line, x, |value| y(value, 100.0))) {}
                    }
                }
                @for corner in &self.corners {
                    @let at = percent(x(corner.one_in).min(100.0));
                    @let height = px(y(corner.value, PLOT));
                    line.bound x1="0" x2=(at) y1=(height) y2=(height) {}
                    line.bound x1=(at) x2=(at) y1=(height) y2=(PLOT) {}
                    text.bound x=(at) y=(px(y(corner.value, PLOT) - 4.0)) text-anchor="end" {
                        (Foreign(&corner.label))
                    }
                }
                line.axis x1="0" x2="100%" y1=(PLOT) y2=(PLOT) {}
                @for (one_in, name) in marks(last) {
                    line.grid x1=(percent(x(one_in))) x2=(percent(x(one_in))) y1="0" y2=(PLOT) {}
                    text x=(percent(x(one_in))) y=(PLOT + FOOT - 5.0) text-anchor="middle" {
                        (name)
                    }
                }
            }
        }
    }

    fn path(&self, line: &Line, x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) -> String {
        let mut path = String::new();
        for (one_in, value) in self.one_in.iter().zip(&line.values) {
            let Some(value) = value.filter(|value| *value > 0.0) else { continue };
            let command = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{command}{:.1} {:.2}", x(*one_in) * 10.0, y(value));
        }
        path
    }
}

/// The places that have a name, up to the last.
pub(crate) fn marks(last: f64) -> Vec<(f64, String)> {
    let named = [(2.0, "50 %"), (10.0, "90 %"), (100.0, "99 %"), (1e3, "99.9 %")];
    let more = [(1e4, "99.99 %"), (1e5, "99.999 %"), (1e6, "99.9999 %")];
    let all = named.into_iter().chain(more).filter(|(one_in, _)| *one_in <= last * 0.8);
    all.map(|(one_in, name)| (one_in, name.to_owned())).collect()
}

/// One in one, and so on, up to one in all.
pub(crate) fn places(count: u64) -> Vec<f64> {
    let step = |at: u32| 10_f64.powf(f64::from(at) / f64::from(POINTS_PER_DECADE));
    let mut places: Vec<f64> = (0..).map(step).take_while(|at| *at < count as f64).collect();
    places.push(count.max(1) as f64);
    places
}

/// The values at these places, as far as there are requests for them.
pub(crate) fn values(histogram: &Histogram<u64>, one_in: &[f64]) -> Vec<Option<f64>> {
    let count = histogram.len() as f64;
    let value = |at: &f64| {
        let nanos = histogram.value_at_quantile(1.0 - 1.0 / at);
        (*at <= count).then_some(nanos as f64)
    };
    one_in.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_ends_with_its_last_request() {
        assert_eq!(places(1), [1.0]);
        let places = places(1_000);
        assert_eq!((places.len(), places[12].round(), places.last()), (37, 10.0, Some(&1_000.0)));
        let mut histogram = Histogram::new(3).expect("three digits");
        (1..=100).for_each(|value| histogram.record(value * 1_000).expect("it fits"));
        let values = values(&histogram, &[1.0, 2.0, 10.0, 100.0, 200.0]);
        let rounded: Vec<_> =
            values.into_iter().map(|value| value.map(|it| (it / 1e3).round())).collect();
        assert_eq!(rounded, [Some(1.0), Some(50.0), Some(90.0), Some(99.0), None]);
    }

    #[test]
    fn marks_stop_before_the_edge() {
        let names: Vec<_> = marks(1_000.0).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["50 %", "90 %", "99 %"]);
    }
}
