//! The curve as a picture: response times and CPU against the load, as SVG without any library.
//!
//! One dot per trial and quantile: hollow if the trial missed an objective, grey if something else
//! than the target limited it. Dashed lines are the objectives, the band is the answer.

use std::fmt::Write as _;

use uringbench_core::time::Nanos;
use uringbench_document::capacity::{CapacityDocument, TrialFigures};

use super::rows;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 870.0;
const TOP: f64 = 66.0;
/// The lower edge of the panel of times, with and without a panel of CPUs below.
const TIMES_END: f64 = 400.0;
const CPU_TOP: f64 = 430.0;
const CPU_END: f64 = 550.0;
const RADIUS: f64 = 4.5;
/// Steps within a power of ten that are labelled.
const STEPS: [f64; 3] = [1.0, 2.0, 5.0];
/// More powers of ten than this are labelled by themselves.
const DECADES_WITH_STEPS: f64 = 2.5;
/// Colours that people who see few of them can distinguish (Okabe and Ito).
const P99: &str = "#0072b2";
const P50: &str = "#e69f00";
const CPU: &str = "#009e73";
const OBJECTIVE: &str = "#cc3311";
const GREY: &str = "#9a9a9a";
const INK: &str = "#333333";

/// The picture; `None` if no trial has a response time.
pub fn curve(document: &CapacityDocument) -> Option<String> {
    let axes = Axes::of(document)?;
    let height = if axes.cpus.is_some() { CPU_END + 54.0 } else { TIMES_END + 54.0 };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    text(&mut svg, (LEFT, 24.0), "start", &format!("{} {}", document.method, document.url));
    text(&mut svg, (RIGHT, 24.0), "end", &super::headline(document));
    legend(&mut svg, axes.cpus.is_some());
    axes.band(&mut svg, document);
    axes.frame(&mut svg, document);
    axes.objectives(&mut svg, document);
    for trial in &document.trials {
        axes.dots(&mut svg, trial);
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

/// A logarithmic scale, or a linear one, from values to coordinates.
#[derive(Clone, Copy)]
struct Scale {
    least: f64,
    most: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// A logarithmic scale around these values; `None` without any.
    fn around(
        values: impl Iterator<Item = f64>,
        margin: f64,
        (from, to): (f64, f64),
    ) -> Option<Self> {
        let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
        for value in values.filter(|value| *value > 0.0) {
            (least, most) = (least.min(value), most.max(value));
        }
        (most > 0.0).then(|| Self { least: least / margin, most: most * margin, from, to })
    }

    fn at(&self, value: f64) -> f64 {
        let share = (value / self.least).ln() / (self.most / self.least).ln();
        self.from + share * (self.to - self.from)
    }

    /// The values to label: 1, 2 and 5 times powers of ten, or these alone.
    fn ticks(&self) -> Vec<f64> {
        let decades = (self.most / self.least).log10();
        let steps = if decades > DECADES_WITH_STEPS { &STEPS[..1] } else { &STEPS[..] };
        let (first, last) = (self.least.log10().floor() as i32, self.most.log10().ceil() as i32);
        let all =
            (first..=last).flat_map(|power| steps.iter().map(move |it| it * 10_f64.powi(power)));
        all.filter(|tick| (self.least..=self.most).contains(tick)).collect()
    }
}

/// The axes of both panels.
struct Axes {
    loads: Scale,
    times: Scale,
    /// CPUs at the upper edge of their panel.
    cpus: Option<f64>,
}

impl Axes {
    fn of(document: &CapacityDocument) -> Option<Self> {
        let trials = || document.trials.iter();
        let bounds = document.goals.iter().filter_map(|goal| goal.time_ns);
        let times = trials().flat_map(|it| [it.response_p50_ns, it.response_p99_ns]).flatten();
        let all = times.clone().chain(bounds).map(|nanos| nanos as f64);
        times.clone().next()?;
        let used = trials().filter_map(|trial| trial.target_cpus).fold(0.0, f64::max);
        Some(Self {
            loads: Scale::around(trials().map(|trial| trial.load), 1.1, (LEFT, RIGHT))?,
            times: Scale::around(all, 1.5, (TIMES_END, TOP))?,
            cpus: (used > 0.0).then_some(used * 1.1),
        })
    }

    fn bottom(&self) -> f64 {
        if self.cpus.is_some() { CPU_END } else { TIMES_END }
    }

    /// The answer, shaded.
    fn band(&self, svg: &mut String, document: &CapacityDocument) {
        let answer = &document.answer;
        let from = answer.lower.map(|load| self.loads.at(load));
        let to = answer.upper.map(|load| self.loads.at(load));
        let (from, to) = match (from, to) {
            (Some(from), to) => (from, to.unwrap_or(RIGHT)),
            (None, _) => return,
        };
        let (width, height) = ((to - from).max(1.0), self.bottom() - TOP);
        let _ = writeln!(
            svg,
            "<rect x=\"{from:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height}\" \
             fill=\"{P99}\" fill-opacity=\"0.15\"/>"
        );
    }

    fn frame(&self, svg: &mut String, document: &CapacityDocument) {
        for tick in self.times.ticks() {
            let y = self.times.at(tick);
            line(svg, (LEFT, y), (RIGHT, y), "#e2e2e2");
            text(svg, (LEFT - 8.0, y + 4.0), "end", &Nanos(tick as u64).to_string());
        }
        let bottom = self.bottom();
        for tick in self.loads.ticks() {
            let x = self.loads.at(tick);
            line(svg, (x, TOP), (x, bottom), "#efefef");
            text(svg, (x, bottom + 18.0), "middle", &rows::load(document, tick));
        }
        if let Some(most) = self.cpus {
            for share in [0.0, 0.5, 1.0] {
                let y = CPU_END - share * (CPU_END - CPU_TOP);
                line(svg, (LEFT, y), (RIGHT, y), "#e2e2e2");
                text(svg, (LEFT - 8.0, y + 4.0), "end", &format!("{:.2} CPU", share * most));
            }
            line(svg, (LEFT, CPU_END), (RIGHT, CPU_END), "#444444");
        }
        line(svg, (LEFT, TOP), (LEFT, bottom), "#444444");
        line(svg, (LEFT, TIMES_END), (RIGHT, TIMES_END), "#444444");
        let what = match document.over.as_str() {
            "connections" => "connections",
            _ => "offered rate",
        };
        text(svg, ((LEFT + RIGHT) / 2.0, bottom + 40.0), "middle", what);
    }

    fn objectives(&self, svg: &mut String, document: &CapacityDocument) {
        for goal in &document.goals {
            let Some(nanos) = goal.time_ns else { continue };
            let y = self.times.at(nanos as f64);
            let _ = writeln!(
                svg,
                "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{RIGHT}\" y2=\"{y:.1}\" \
                 stroke=\"{OBJECTIVE}\" stroke-width=\"1.5\" stroke-dasharray=\"6 4\"/>"
            );
            text(svg, (LEFT + 6.0, y - 5.0), "start", &goal.objective);
        }
    }

    fn dots(&self, svg: &mut String, trial: &TrialFigures) {
        let x = self.loads.at(trial.load);
        let times = [(trial.response_p50_ns, P50), (trial.response_p99_ns, P99)];
        for (nanos, colour) in times {
            if let Some(nanos) = nanos {
                dot(svg, (x, self.times.at(nanos as f64)), colour, trial);
            }
        }
        if let (Some(most), Some(used)) = (self.cpus, trial.target_cpus) {
            dot(svg, (x, CPU_END - used / most * (CPU_END - CPU_TOP)), CPU, trial);
        }
    }
}

/// A dot in the form that says what the trial counts for.
fn dot(svg: &mut String, (x, y): (f64, f64), colour: &str, trial: &TrialFigures) {
    let colour = if trial.limit.is_some() { GREY } else { colour };
    let fill = if trial.good || trial.limit.is_some() { colour } else { "#ffffff" };
    let _ = writeln!(
        svg,
        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{RADIUS}\" fill=\"{fill}\" stroke=\"{colour}\" \
         stroke-width=\"1.6\" fill-opacity=\"0.85\"/>"
    );
}

fn legend(svg: &mut String, has_cpus: bool) {
    let cpu = if has_cpus { Some((CPU, CPU, "target CPU")) } else { None };
    let entries = [
        (P99, P99, "response p99"),
        (P50, P50, "p50"),
        (P99, "#ffffff", "missed an objective"),
        (GREY, GREY, "disturbed or generator-limited"),
    ];
    let mut x = LEFT + 6.0;
    for (stroke, fill, label) in entries.into_iter().chain(cpu) {
        let _ = writeln!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"46\" r=\"{RADIUS}\" fill=\"{fill}\" stroke=\"{stroke}\" \
             stroke-width=\"1.6\"/>"
        );
        text(svg, (x + 10.0, 50.0), "start", label);
        x += 34.0 + 7.2 * label.len() as f64;
    }
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), colour: &str) {
    let _ = writeln!(
        svg,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\"/>",
        from.0, from.1, to.0, to.1
    );
}

fn text(svg: &mut String, at: (f64, f64), anchor: &str, text: &str) {
    crate::svg::text(svg, at, anchor, INK, text);
}
