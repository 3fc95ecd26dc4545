//! Percentile bands: the response times of several runs over the percentiles, as the median of the
//! runs and the range from the fastest to the slowest of them. Both axes are logarithmic.

use std::fmt::Write as _;

use maud::{Markup, html};
use uringbench_core::statistics::median;
use uringbench_document::Document;
use uringbench_document::timeline::Unit;
use uringbench_report::comparison::signed;

use crate::curve::{marks, places, values};
use crate::panel::Scale;
use crate::plot::{FOOT, Span};
use crate::show;
use crate::svg::{beside, percent, px};
use crate::table::table;

/// Pixels of the plot.
const PLOT: f64 = 240.0;
/// As many requests of a run lie beyond its last percentile, at least: as in all figures.
const BEYOND_MIN: f64 = 10.0;
/// Places that are not on the grid of the curve: the median, and 95 %.
const NAMED: [f64; 2] = [2.0, 20.0];

/// The response times of a run over the percentiles.
#[derive(Clone, Debug)]
pub struct RunCurve {
    /// One in so many requests takes longer.
    one_in: Vec<f64>,
    /// Nanoseconds.
    nanos: Vec<f64>,
}

/// Those of several runs.
#[derive(Clone, Debug)]
pub struct PercentileBand {
    one_in: Vec<f64>,
    median: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
    runs: usize,
}

impl RunCurve {
    /// Of the measured window; `None` with so few requests that there is no percentile.
    pub fn of(document: &Document) -> Option<Self> {
        let histogram = document.histograms.response().ok()?;
        let last = histogram.len() as f64 / BEYOND_MIN;
        let mut one_in: Vec<f64> =
            places(histogram.len()).into_iter().chain(NAMED).filter(|at| *at <= last).collect();
        one_in.sort_by(f64::total_cmp);
        one_in.dedup();
        let nanos: Vec<f64> = values(&histogram, &one_in).into_iter().flatten().collect();
        (one_in.len() > 1 && nanos.len() == one_in.len()).then_some(Self { one_in, nanos })
    }
}

impl PercentileBand {
    /// As far as the shortest run goes; `None` without runs.
    pub fn of(runs: &[RunCurve]) -> Option<Self> {
        let shortest = runs.iter().min_by_key(|run| run.one_in.len())?;
        // The last place of a run is its own, the others are those of every run.
        let is_of_all = |at: &f64| runs.iter().all(|run| run.at(*at).is_some());
        let one_in: Vec<f64> = shortest.one_in.iter().copied().filter(is_of_all).collect();
        let of_place = |at: &f64| runs.iter().filter_map(|run| run.at(*at)).collect::<Vec<_>>();
        let all: Vec<Vec<f64>> = one_in.iter().map(of_place).collect();
        let end = |most: fn(f64, f64) -> f64| {
            all.iter().filter_map(|of| of.iter().copied().reduce(most)).collect()
        };
        Some(Self {
            median: all.clone().iter_mut().filter_map(|of| median(of)).collect(),
            low: end(f64::min),
            high: end(f64::max),
            one_in,
            runs: runs.len(),
        })
    }

    /// Median, fastest and slowest run at a place.
    fn at(&self, one_in: f64) -> Option<[f64; 3]> {
        let at = self.one_in.iter().position(|at| is_same(*at, one_in))?;
        Some([*self.median.get(at)?, *self.low.get(at)?, *self.high.get(at)?])
    }
}

impl RunCurve {
    fn at(&self, one_in: f64) -> Option<f64> {
        let at = self.one_in.partition_point(|at| *at < one_in * (1.0 - 1e-9));
        self.one_in.get(at).filter(|at| is_same(**at, one_in)).map(|_| self.nanos[at])
    }
}

fn is_same(one: f64, other: f64) -> bool {
    (one / other - 1.0).abs() < 1e-9
}

/// The bands of two sides in one chart, with the table that says the same. `id` is its name in the
/// page.
pub(crate) fn figure(sides: &[PercentileBand; 2], names: [&str; 2], id: &str) -> Markup {
    let [title, about, table] = ["title", "about", "table"].map(|of| format!("{id}-{of}"));
    html! {
        figure role="figure" aria-labelledby=(title) aria-describedby=(about)
            aria-details=(table) {
            figcaption {
                h3 id=(title) { "How long the slowest take" }
                p id=(about) {
                    "At 99 %: one request in a hundred takes longer. The line is the median of the "
                    "runs; shaded: from the fastest run to the slowest. Both axes are logarithmic."
                }
                (legend(sides, names))
            }
            (picture(sides))
            details id=(table) {
                summary { "Table of percentiles" }
                (self::table_of(sides, names))
            }
        }
    }
}

fn legend(sides: &[PercentileBand; 2], names: [&str; 2]) -> Markup {
    let runs = |band: &PercentileBand| uringbench_core::summary::plural(band.runs as u64, "run");
    html! {
        ul.legend {
            @for (at, (name, band)) in names.into_iter().zip(sides).enumerate() {
                li {
                    svg width="24" height="10" aria-hidden="true" focusable="false" {
                        path class=(format!("curve i{at}{}", dashes(at))) d="M1 5H23" {}
                    }
                    (crate::foreign::Foreign(name)) ", " (runs(band))
                }
            }
        }
    }
}

/// The second side is dashed: colour alone says nothing.
fn dashes(at: usize) -> &'static str {
    if at == 0 { "" } else { " dashed" }
}

fn picture(sides: &[PercentileBand; 2]) -> Markup {
    let all = sides.iter().flat_map(|side| side.low.iter().chain(&side.high)).copied();
    let Some(span) = Span::of(all, Scale::Log) else {
        return html! { p.nothing { "No values." } };
    };
    let ends = sides.iter().filter_map(|side| side.one_in.last().copied());
    let last = ends.fold(2.0, f64::max);
    let x = |one_in: f64| one_in.ln() / last.ln() * 100.0;
    let y = |nanos: f64, size: f64| size - span.share(nanos) * size;
    html! {
        svg.chart width="100%" height=(PLOT + FOOT) aria-hidden="true" focusable="false" {
            @for tick in span.ticks(6) {
                line.grid x1="0" x2="100%" y1=(px(y(tick, PLOT))) y2=(px(y(tick, PLOT))) {}
            }
            @for (one_in, name) in marks(last) {
                line.grid x1=(percent(x(one_in))) x2=(percent(x(one_in))) y1="0" y2=(PLOT) {}
                text x=(percent(x(one_in))) y=(PLOT + FOOT - 5.0) text-anchor="middle" { (name) }
            }
            svg width="100%" height=(PLOT) viewBox="0 0 1000 100" preserveAspectRatio="none" {
                @for (at, side) in sides.iter().enumerate() {
                    path class=(format!("band i{at}"))
                        d=(area(side, x, |nanos| y(nanos, 100.0))) {}
                }
                @for (at, side) in sides.iter().enumerate() {
                    path class=(format!("curve i{at}{}", dashes(at)))
                        d=(course(&side.one_in, &side.median, x, |nanos| y(nanos, 100.0))) {}
                }
            }
            @for tick in span.ticks(6) {
                text x="4" y=(beside(y(tick, PLOT))) { (show::value(Unit::Ns, tick)) }
            }
            line.axis x1="0" x2="100%" y1=(PLOT) y2=(PLOT) {}
        }
    }
}

fn course(one_in: &[f64], nanos: &[f64], x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) -> String {
    let mut path = String::new();
    for (one_in, nanos) in one_in.iter().zip(nanos) {
        let command = if path.is_empty() { 'M' } else { 'L' };
        let _ = write!(path, "{command}{:.1} {:.2}", x(*one_in) * 10.0, y(*nanos));
    }
    path
}

/// Along the slowest runs, and back along the fastest.
fn area(side: &PercentileBand, x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) -> String {
    let back = |values: &[f64]| values.iter().rev().copied().collect::<Vec<_>>();
    let one_in = [side.one_in.clone(), back(&side.one_in)].concat();
    let nanos = [side.high.clone(), back(&side.low)].concat();
    course(&one_in, &nanos, x, y) + "z"
}

fn table_of(sides: &[PercentileBand; 2], names: [&str; 2]) -> Markup {
    let last = sides.iter().filter_map(|side| side.one_in.last().copied()).fold(2.0, f64::max);
    let named = marks(last / 0.8).into_iter().chain([(20.0, "95 %".to_owned())]);
    let mut named: Vec<_> = named.collect();
    named.sort_by(|one, other| one.0.total_cmp(&other.0));
    let nanos = |value: f64| show::value(Unit::Ns, value);
    let cell = |side: &PercentileBand, at: f64| match side.at(at) {
        Some([median, low, high]) if side.runs > 1 => {
            format!("{} ({} to {})", nanos(median), nanos(low), nanos(high))
        }
        Some([median, ..]) => nanos(median),
        None => show::NOTHING.to_owned(),
    };
    let change = |at: f64| {
        let [before, after] = [sides[0].at(at)?[0], sides[1].at(at)?[0]];
        (before > 0.0).then(|| signed(after / before - 1.0))
    };
    let row = |(at, name): (f64, String)| {
        let change = change(at).unwrap_or_else(|| show::NOTHING.to_owned());
        let cells = [cell(&sides[0], at), cell(&sides[1], at)];
        (cells[0] != show::NOTHING || cells[1] != show::NOTHING).then(|| {
            let [before, after] = cells;
            vec![name, before, after, change]
        })
    };
    let rows: Vec<_> = named.into_iter().filter_map(row).collect();
    table(&["percentile", names[0], names[1], "change of the medians"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One in one, ten and a hundred of a run, as multiples of a time.
    fn run(nanos: f64, places: usize) -> RunCurve {
        let one_in = [1.0, 2.0, 10.0, 100.0];
        let all = [1.0, 2.0, 3.0, 4.0].map(|factor| factor * nanos);
        RunCurve { one_in: one_in[..places].to_vec(), nanos: all[..places].to_vec() }
    }

    #[test]
    fn a_band_is_median_and_range_as_far_as_every_run_goes() {
        let runs = [run(1e3, 4), run(9e3, 3), run(2e3, 4)];
        let band = PercentileBand::of(&runs).expect("there are runs");
        assert_eq!(band.one_in, [1.0, 2.0, 10.0]);
        assert_eq!(band.at(10.0), Some([6e3, 3e3, 27e3]));
        assert_eq!(band.at(100.0), None, "one of the runs is too short");
        assert!(PercentileBand::of(&[]).is_none());
    }

    #[test]
    fn the_table_says_what_the_picture_shows() {
        let before = PercentileBand::of(&[run(1e6, 4), run(3e6, 4)]).expect("there are runs");
        let after = PercentileBand::of(&[run(4e6, 4)]).expect("there is a run");
        let page = figure(&[before, after], ["<old>", "new"], "band-0").into_string();
        assert!(page.contains("&lt;old&gt;, 2 runs") && page.contains("new, 1 run"), "{page}");
        let row = "99 %</th><td>8.00 ms (4.00 ms to 12.0 ms)</td><td>16.0 ms</td><td>+100 %";
        assert!(page.contains(row), "{page}");
        assert_eq!(page.matches("class=\"band ").count(), 2);
        assert!(!page.contains("NaN"));
    }
}
