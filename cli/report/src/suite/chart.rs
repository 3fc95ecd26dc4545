//! The rates of a category as a picture: bars relative to the best target of each case, with their
//! intervals, as SVG without any library.

use std::fmt::Write as _;

use uringbench_document::suite::{CellState, SuiteCell, SuiteDocument};

use super::{cases, of_case};
use crate::svg::{escaped, text};
use crate::text::per_second;

const WIDTH: f64 = 900.0;
/// Where bars begin and where the best one ends.
const LEFT: f64 = 190.0;
const FULL: f64 = 680.0;
const BAR: f64 = 16.0;
const GAP: f64 = 14.0;
const TOP: f64 = 64.0;
/// Letters of a name that fit beside the bars.
const NAME_MAX: usize = 26;
/// Colours that people who see few of them can distinguish (Okabe and Ito).
const COLOURS: [&str; 6] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"];
const INK: &str = "#333333";
const GREY: &str = "#8a8a8a";

/// The picture of a category; `None` if none of its cells has a rate.
pub fn chart(suite: &SuiteDocument, category: &str) -> Option<String> {
    let is_in = |case: &&str| {
        let mut cells = suite.cells.iter().filter(|cell| cell.case == *case);
        cells.any(|cell| cell.category == category && cell.figures.is_some())
    };
    let cases: Vec<&str> = cases(suite).into_iter().filter(is_in).collect();
    if cases.is_empty() {
        return None;
    }
    let mut body = String::new();
    let mut y = TOP;
    for case in cases {
        text(&mut body, (LEFT - 10.0, y + 12.5), "end", INK, &shortened(case));
        let rate = |cell: &SuiteCell| cell.figures.as_ref().map_or(0.0, |it| it.rate);
        let best = of_case(suite, case).map(rate).fold(0.0, f64::max);
        for cell in of_case(suite, case) {
            bar(&mut body, cell, colour(suite, &cell.target), best, y);
            y += BAR + 2.0;
        }
        y += GAP;
    }
    let height = y + 10.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\" role=\"img\">\n<title>{}</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
        escaped(&format!("Rates of {category}: {}", suite.title)),
    );
    text(&mut svg, (20.0, 24.0), "start", INK, &format!("{}: {category}", suite.title));
    let mut x = 20.0;
    for target in &suite.targets {
        let fill = colour(suite, &target.name);
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"38\" width=\"12\" height=\"12\" fill=\"{fill}\"/>"
        );
        text(&mut svg, (x + 18.0, 48.5), "start", INK, &target.name);
        x += 34.0 + 8.0 * target.name.chars().count() as f64;
    }
    text(
        &mut svg,
        (WIDTH - 20.0, 48.5),
        "end",
        GREY,
        "requests per second; lines are 95 % intervals",
    );
    svg.push_str(&body);
    svg.push_str("</svg>\n");
    Some(svg)
}

fn bar(svg: &mut String, cell: &SuiteCell, fill: &str, best: f64, y: f64) {
    let middle = y + BAR / 2.0;
    let Some(figures) = cell.figures.as_ref().filter(|it| it.rate > 0.0) else {
        let why = match cell.state {
            CellState::Lacking => "cannot answer it",
            CellState::Failed => "failed",
            CellState::Measured | CellState::Checked | CellState::Unfinished => "not measured",
        };
        text(svg, (LEFT + 4.0, middle + 4.5), "start", GREY, &format!("{}: {why}", cell.target));
        return;
    };
    let at = |rate: f64| (rate / best).min(1.25) * (FULL - LEFT);
    let faint = if figures.counted == 0 { " fill-opacity=\"0.35\"" } else { "" };
    let width = at(figures.rate);
    let _ = writeln!(
        svg,
        "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\" \
         fill=\"{fill}\"{faint}/>"
    );
    let mut end = LEFT + width;
    if let Some((low, high)) = figures.rate_interval.and_then(|it| it.ci_low.zip(it.ci_high)) {
        let (from, to) = (LEFT + at(low), LEFT + at(high));
        end = end.max(to);
        let _ = writeln!(
            svg,
            "<path d=\"M{from:.1} {middle:.1}H{to:.1}M{from:.1} {:.1}v6M{to:.1} {:.1}v6\" \
             stroke=\"{INK}\" stroke-width=\"1.3\" fill=\"none\"/>",
            middle - 3.0,
            middle - 3.0
        );
    }
    let place = cell.rank.map_or_else(String::new, |rank| format!("{rank}. "));
    let doubt = match figures.counted {
        0 => " (does not measure it)",
        _ => "",
    };
    let label = format!("{place}{}{doubt}", per_second(figures.rate));
    text(svg, (end + 6.0, middle + 4.5), "start", INK, &label);
}

fn colour(suite: &SuiteDocument, target: &str) -> &'static str {
    let at = suite.targets.iter().position(|it| it.name == target).unwrap_or(0);
    COLOURS[at % COLOURS.len()]
}

fn shortened(name: &str) -> String {
    match name.char_indices().nth(NAME_MAX) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}
