//! A chart over the time of a run: what is drawn here as SVG, and again by the scripts.

use serde::Serialize;
use uringbench_document::timeline::Unit;

/// A chart over time.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Panel {
    /// Its name in the page.
    pub(crate) id: &'static str,
    pub(crate) title: String,
    /// What it shows, in a sentence.
    pub(crate) about: String,
    pub(crate) unit: Unit,
    /// How values become heights.
    pub(crate) scale: Scale,
    pub(crate) shape: Shape,
    /// The middle of each value in time, seconds from the start of the run.
    pub(crate) x: Vec<f64>,
    pub(crate) lines: Vec<Line>,
    pub(crate) limits: Vec<Bound>,
    /// Further values that have to fit in: what is drawn behind the lines.
    pub(crate) reach: Vec<f64>,
}

/// How values become heights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scale {
    /// From zero.
    Linear,
    /// From the smallest value: for courses whose slope matters.
    Fitted,
    Log,
}

/// How values are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Shape {
    Lines,
    /// Each line's bars upon those of the one before.
    Stacked,
    /// Lines over the counts of response times.
    Heat,
}

/// The courses of a chart: colour and dashes tell them apart.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) label: String,
    /// The number of its colour.
    pub(crate) ink: u8,
    pub(crate) is_dashed: bool,
    /// Of several values in one place the largest is drawn, not the mean.
    pub(crate) is_peak: bool,
    pub(crate) values: Vec<Option<f64>>,
}

/// A bound of an objective.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Bound {
    pub(crate) label: String,
    pub(crate) value: f64,
}

impl Line {
    /// A solid line.
    pub(crate) fn new(label: &str, ink: u8, values: Vec<Option<f64>>) -> Self {
        Self { label: label.to_owned(), ink, is_dashed: false, is_peak: false, values }
    }

    pub(crate) fn dashed(self) -> Self {
        Self { is_dashed: true, ..self }
    }

    pub(crate) fn peak(self) -> Self {
        Self { is_peak: true, ..self }
    }

    fn known(&self) -> impl Iterator<Item = f64> {
        self.values.iter().flatten().copied().filter(|value| value.is_finite())
    }

    /// Whether it has a value other than 0.
    pub(crate) fn is_something(&self) -> bool {
        self.known().any(|value| value != 0.0)
    }
}

impl Panel {
    /// The values to fit in: smallest and largest; bounds are included.
    pub(crate) fn range(&self) -> Option<(f64, f64)> {
        let values: Vec<f64> = match self.shape {
            Shape::Stacked => self.sums(),
            _ => self.lines.iter().flat_map(Line::known).collect(),
        };
        let bounds = self.limits.iter().map(|limit| limit.value);
        let bounds = bounds.chain(self.reach.iter().copied());
        let all =
            values.into_iter().chain(bounds).filter(|it| self.scale != Scale::Log || *it > 0.0);
        let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (value.min(low), value.max(high))
        });
        if low > high {
            return None;
        }
        Some(match self.scale {
            Scale::Linear => (0.0, if high > 0.0 { high * 1.08 } else { 1.0 }),
            Scale::Fitted => {
                let room = ((high - low) * 0.08).max(high.abs() * 0.002).max(f64::MIN_POSITIVE);
                (low - room, high + room)
            }
            Scale::Log => (low / 1.3, high * 1.3),
        })
    }

    fn sums(&self) -> Vec<f64> {
        let sum = |at: usize| self.lines.iter().filter_map(|line| line.values[at]).sum();
        (0..self.x.len()).map(sum).collect()
    }

    /// Where a value stands between the bottom, 0, and the top, 1.
    pub(crate) fn height(&self, (low, high): (f64, f64), value: f64) -> f64 {
        let share = match self.scale {
            Scale::Log => (value.max(low) / low).ln() / (high / low).ln(),
            _ => (value - low) / (high - low),
        };
        share.clamp(0.0, 1.0)
    }
}

/// Values for labels of an axis, at most about `count`.
pub(crate) fn ticks((low, high): (f64, f64), scale: Scale, count: usize) -> Vec<f64> {
    if scale == Scale::Log {
        return log_ticks(low, high, count);
    }
    even_ticks((low, high), nice_step((high - low) / count.max(1) as f64), count)
}

/// The same in a unit: bytes are counted in powers of 1,024.
pub(crate) fn ticks_of(unit: Unit, range: (f64, f64), scale: Scale, count: usize) -> Vec<f64> {
    if unit != Unit::Bytes || scale == Scale::Log {
        return ticks(range, scale, count);
    }
    let rough = (range.1 - range.0) / count.max(1) as f64;
    let power = 1_024_f64.powf(rough.max(1.0).log(1_024.0).floor());
    even_ticks(range, nice_step(rough / power) * power, count)
}

fn even_ticks((low, high): (f64, f64), step: f64, count: usize) -> Vec<f64> {
    let first = (low / step).ceil() as i64;
    let all = (first..).map(|at| at as f64 * step);
    all.take_while(|value| *value <= high * (1.0 + 1e-9)).take(count + 2).collect()
}

/// 1, 2 or 5 times a power of ten, at least `rough`.
fn nice_step(rough: f64) -> f64 {
    let power = 10_f64.powf(rough.max(f64::MIN_POSITIVE).log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= rough * 0.999);
    factor.unwrap_or(10.0) * power
}

fn log_ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let decades = (high / low).log10();
    let factors: &[f64] = if decades < 2.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let first = low.log10().floor() as i32;
    let last = high.log10().ceil() as i32;
    let all = (first..=last).flat_map(|power| factors.iter().map(move |f| f * 10_f64.powi(power)));
    let all: Vec<f64> = all.filter(|value| (low..=high).contains(value)).collect();
    let skip = all.len().div_ceil(count.max(1)).max(1);
    all.into_iter().step_by(skip).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(scale: Scale, values: Vec<Option<f64>>) -> Panel {
        Panel {
            id: "x",
            title: String::new(),
            about: String::new(),
            unit: Unit::Count,
            scale,
            shape: Shape::Lines,
            x: (0..values.len()).map(|at| at as f64).collect(),
            lines: vec![Line::new("a", 0, values)],
            limits: Vec::new(),
            reach: Vec::new(),
        }
    }

    #[test]
    fn a_range_holds_its_values_and_bounds() {
        let mut linear = panel(Scale::Linear, vec![Some(50.0), None, Some(100.0)]);
        assert_eq!(linear.range(), Some((0.0, 108.0)));
        linear.limits.push(Bound { label: String::new(), value: 200.0 });
        assert_eq!(linear.range(), Some((0.0, 216.0)));
        let log = panel(Scale::Log, vec![Some(0.0), Some(10.0), Some(f64::NAN)]);
        assert_eq!(log.range(), Some((10.0 / 1.3, 13.0)));
        assert_eq!(panel(Scale::Log, vec![None]).range(), None);
        let constant = panel(Scale::Fitted, vec![Some(7.0); 3]);
        let (low, high) = constant.range().expect("it has values");
        assert!(low < 7.0 && high > 7.0 && (constant.height((low, high), 7.0) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn labels_are_round_and_few() {
        assert_eq!(ticks((0.0, 540.0), Scale::Linear, 4), [0.0, 200.0, 400.0]);
        assert_eq!(ticks((0.0, 0.07), Scale::Linear, 4), [0.0, 0.02, 0.04, 0.06]);
        assert_eq!(ticks((90.0, 900.0), Scale::Log, 5), [100.0, 200.0, 500.0]);
        assert_eq!(ticks((1e3, 1e9), Scale::Log, 4), [1e3, 1e5, 1e7, 1e9]);
        let mib = 1_048_576.0;
        let of_bytes = ticks_of(Unit::Bytes, (0.0, 66.0 * mib), Scale::Linear, 4);
        assert_eq!(of_bytes, [0.0, 20.0 * mib, 40.0 * mib, 60.0 * mib]);
        for range in [(0.0, 1e-300), (0.0, 1e300), (5.0, 5.1)] {
            assert!(ticks(range, Scale::Linear, 4).len() <= 6);
        }
    }
}
