//! The frame of a chart of points: places across in percent, down in pixels, so that it keeps its
//! texts at any width.

use maud::{Markup, html};

use crate::foreign::Foreign;
use crate::panel::{Scale, ticks};
use crate::svg::{beside, percent, px};

/// Pixels below the plot, for labels.
pub(crate) const FOOT: f64 = 20.0;

/// A span of values and how they become places.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    low: f64,
    high: f64,
    scale: Scale,
}

impl Span {
    /// The span of these values, with room at both ends; `None` without values.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>, scale: Scale) -> Option<Self> {
        let is_valid = |value: &f64| value.is_finite() && (scale != Scale::Log || *value > 0.0);
        let (low, high) = values
            .into_iter()
            .filter(is_valid)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), it| {
                (it.min(low), it.max(high))
            });
        if low > high {
            return None;
        }
        Some(match scale {
            Scale::Log => Self { low: low / 1.15, high: high * 1.15, scale },
            Scale::Linear => {
                Self { low: 0.0, high: if high > 0.0 { high * 1.1 } else { 1.0 }, scale }
            }
            Scale::Fitted => {
                let room = ((high - low) * 0.1).max(high.abs() * 0.01).max(1e-9);
                Self { low: low - room, high: high + room, scale }
            }
        })
    }

    /// From `-size` to `size`.
    pub(crate) const fn around_zero(size: f64) -> Self {
        Self { low: -size, high: size, scale: Scale::Fitted }
    }

    /// The share of the way from the low end to the high one.
    pub(crate) fn share(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Log => (value.max(self.low) / self.low).ln() / (self.high / self.low).ln(),
            _ => (value - self.low) / (self.high - self.low),
        };
        share.clamp(0.0, 1.0)
    }

    /// Values for about so many labels.
    pub(crate) fn ticks(&self, count: usize) -> Vec<f64> {
        ticks((self.low, self.high), self.scale, count)
    }
}

/// A chart of points.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plot {
    pub(crate) x: Span,
    pub(crate) y: Span,
    /// Pixels of the plot, without the labels below it.
    pub(crate) height: f64,
}

impl Plot {
    /// Percent of the width; the first part is left to the labels of the other axis.
    pub(crate) fn at(&self, x: f64) -> String {
        percent(1.0 + self.x.share(x) * 98.0)
    }

    /// Pixels from the top.
    pub(crate) fn down(&self, y: f64) -> String {
        px(self.height - self.y.share(y) * (self.height - 8.0))
    }

    /// The picture: grid and labels around `inside`.
    pub(crate) fn picture(
        &self,
        x_label: impl Fn(f64) -> String,
        y_label: impl Fn(f64) -> String,
        inside: &Markup,
    ) -> Markup {
        let foot = self.height + FOOT - 5.0;
        html! {
            svg.chart width="100%" height=(self.height + FOOT) aria-hidden="true"
                focusable="false" {
                @for tick in self.y.ticks(4) {
                    line.grid x1="0" x2="100%" y1=(self.down(tick)) y2=(self.down(tick)) {}
                }
                (inside)
                @for tick in self.y.ticks(4) {
                    @let place = self.height - self.y.share(tick) * (self.height - 8.0);
                    text x="4" y=(beside(place)) { (Foreign(&y_label(tick))) }
                }
                line.axis x1="0" x2="100%" y1=(px(self.height)) y2=(px(self.height)) {}
                @for tick in self.x.ticks(5) {
                    text x=(self.at(tick)) y=(px(foot)) text-anchor=(self.anchor(tick)) {
                        (Foreign(&x_label(tick)))
                    }
                }
            }
        }
    }

    /// Labels at the edges stay inside.
    fn anchor(&self, x: f64) -> &'static str {
        match self.x.share(x) {
            share if share < 0.06 => "start",
            share if share > 0.94 => "end",
            _ => "middle",
        }
    }

    /// A dot.
    pub(crate) fn dot(&self, class: &str, (x, y): (f64, f64), radius: f64) -> Markup {
        html! { circle class=(class) cx=(self.at(x)) cy=(self.down(y)) r=(radius) {} }
    }

    /// A line through places, as its segments.
    pub(crate) fn line(&self, class: &str, points: &[(f64, f64)]) -> Markup {
        html! {
            @for two in points.windows(2) {
                line class=(class) x1=(self.at(two[0].0)) y1=(self.down(two[0].1))
                    x2=(self.at(two[1].0)) y2=(self.down(two[1].1)) {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_within_the_plot() {
        let x = Span::of([1.0, 1_000.0], Scale::Log).expect("values");
        let y = Span::of([5.0, 5.0], Scale::Fitted).expect("values");
        let plot = Plot { x, y, height: 100.0 };
        assert_eq!((plot.at(1e-9), plot.at(1e9)), ("1.00%".to_owned(), "99.00%".to_owned()));
        assert_eq!(plot.down(5.0), "54.0");
        assert!(Span::of([f64::NAN], Scale::Linear).is_none());
        assert!((Span::around_zero(2.0).share(0.0) - 0.5).abs() < 1e-12);
    }
}
