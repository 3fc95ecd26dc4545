//! Small multiples: the percentiles of each step in the row of its figures, all on the same axes,
//! so that rows can be compared by eye. Both axes are logarithmic.

use std::fmt::Write as _;

use maud::{Markup, html};
use uringbench_core::summary::Quantile;
use uringbench_document::TimeFigures;

use crate::panel::Scale;
use crate::plot::Span;

/// Pixels of a picture.
const WIDTH: f64 = 132.0;
const HEIGHT: f64 = 30.0;
/// Pixels between a point and the edge.
const EDGE: f64 = 3.0;

/// The axes of all rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sparks {
    x: Span,
    y: Span,
}

/// One in so many, and nanoseconds.
fn points(figures: &TimeFigures) -> Vec<(f64, f64)> {
    let point =
        |quantile: Quantile| Some((1.0 / (1.0 - quantile.share()), figures.at(quantile)? as f64));
    Quantile::ALL.into_iter().filter_map(point).filter(|(_, nanos)| *nanos > 0.0).collect()
}

impl Sparks {
    /// The axes that fit these rows; `None` if no row has a percentile.
    pub(crate) fn of<'a>(rows: impl IntoIterator<Item = &'a TimeFigures>) -> Option<Self> {
        let all: Vec<_> = rows.into_iter().flat_map(points).collect();
        let span = |of: fn(&(f64, f64)) -> f64| Span::of(all.iter().map(of), Scale::Log);
        Some(Self { x: span(|point| point.0)?, y: span(|point| point.1)? })
    }

    /// The curve of a row.
    pub(crate) fn picture(&self, figures: &TimeFigures) -> Markup {
        let place = |(one_in, nanos): (f64, f64)| {
            let inside = |share: f64, size: f64| EDGE + share * (size - 2.0 * EDGE);
            let down = inside(1.0 - self.y.share(nanos), HEIGHT);
            (inside(self.x.share(one_in), WIDTH), down)
        };
        let points: Vec<_> = points(figures).into_iter().map(place).collect();
        let mut path = String::new();
        for (x, y) in &points {
            let command = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{command}{x:.0} {y:.1}");
        }
        html! {
            svg.spark width=(WIDTH) height=(HEIGHT) aria-hidden="true" focusable="false" {
                line.grid x1="0" x2=(WIDTH) y1=(HEIGHT - 0.5) y2=(HEIGHT - 0.5) {}
                @if !path.is_empty() { path class="curve i0" d=(path) {} }
                @for (x, y) in &points {
                    circle.dot cx=(format!("{x:.0}")) cy=(format!("{y:.1}")) r="1.5" {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_share_their_axes() {
        let slow =
            TimeFigures { p50: Some(1_000_000), p99: Some(100_000_000), ..Default::default() };
        let fast = TimeFigures { p50: Some(10_000), ..TimeFigures::default() };
        let none = TimeFigures::default();
        let sparks = Sparks::of([&slow, &fast, &none]).expect("two have percentiles");
        let height = |figures: &TimeFigures| {
            let picture = sparks.picture(figures).into_string();
            let rest = picture.split("cy=\"").nth(1).map(str::to_owned);
            rest.map(|rest| rest.split('"').next().unwrap_or_default().parse::<f64>())
        };
        let [slow_at, fast_at] = [&slow, &fast].map(|it| height(it).expect("a dot").expect("y"));
        assert!(slow_at < fast_at, "slower is higher: {slow_at} {fast_at}");
        assert_eq!(height(&none), None);
        assert!(Sparks::of([&none]).is_none());
    }
}
