//! The memory of a target over all its runs as a picture, from its file of resources.

use std::fmt::Write as _;

use crate::svg::text;
use crate::timeline::bytes;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 880.0;
const TOP: f64 = 120.0;
const BOTTOM: f64 = 360.0;
const HEIGHT: f64 = 380.0;
const INK: &str = "#333333";
const LINE: &str = "#0072b2";
const BAND: &str = "#f0f0f0";
/// Lines across the picture.
const STEPS: u32 = 4;
/// Cases narrower than this have no name.
const NAME_MIN: f64 = 13.0;

/// The picture of a target's private memory, second by second; `None` without two readings.
/// `resources` is its CSV file, with the columns `case` and `private_bytes`.
pub fn memory(target: &str, resources: &str) -> Option<String> {
    let readings = readings(resources);
    if readings.len() < 2 {
        return None;
    }
    let most = readings.iter().map(|(_, bytes)| *bytes).fold(0.0, f64::max).max(1.0);
    let x = |at: usize| LEFT + (RIGHT - LEFT) * at as f64 / (readings.len() - 1) as f64;
    let y = |bytes: f64| BOTTOM - (BOTTOM - TOP) * bytes / (1.05 * most);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    text(&mut svg, (20.0, 22.0), "start", INK, &format!("Private memory of {target}"));
    bands(&mut svg, &readings);
    for step in 0..=STEPS {
        let value = most * f64::from(step) / f64::from(STEPS);
        let at = y(value);
        let _ = writeln!(svg, "<path d=\"M{LEFT} {at:.1}H{RIGHT}\" stroke=\"#cccccc\"/>");
        text(&mut svg, (LEFT - 6.0, at + 4.0), "end", INK, &bytes(value));
    }
    let points = readings.iter().enumerate();
    let points: Vec<String> =
        points.map(|(at, (_, bytes))| format!("{:.1},{:.1}", x(at), y(*bytes))).collect();
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{LINE}\" stroke-width=\"1.5\"/>",
        points.join(" ")
    );
    text(&mut svg, (RIGHT, BOTTOM + 16.0), "end", INK, "seconds under load, in order");
    svg.push_str("</svg>\n");
    Some(svg)
}

/// The most private memory in bytes over all runs; `None` without a reading. `resources` is as for
/// [`memory`].
pub fn peak_memory(resources: &str) -> Option<u64> {
    let readings = readings(resources).into_iter();
    readings.map(|(_, bytes)| bytes).reduce(f64::max).map(|bytes| bytes as u64)
}

/// The case and the private memory of each line of a file of resources.
fn readings(resources: &str) -> Vec<(&str, f64)> {
    let mut lines = resources.lines();
    let heads: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let column = |name: &str| heads.iter().position(|head| *head == name);
    let Some((case, memory)) = column("case").zip(column("private_bytes")) else {
        return Vec::new();
    };
    lines
        .filter_map(|line| {
            // From the end: the name of a case, which is first, may have commas.
            let cells: Vec<&str> = line.rsplitn(heads.len(), ',').collect();
            let cell = |at: usize| cells.get(heads.len() - 1 - at).copied();
            Some((cell(case)?.trim_matches('"'), cell(memory)?.parse().ok()?))
        })
        .collect()
}

/// Every second case in grey, with the names of those that are wide enough.
fn bands(svg: &mut String, readings: &[(&str, f64)]) {
    let x = |at: usize| LEFT + (RIGHT - LEFT) * at as f64 / readings.len() as f64;
    let mut begin = 0;
    for (number, group) in readings.chunk_by(|(one, _), (other, _)| one == other).enumerate() {
        let (from, to) = (x(begin), x(begin + group.len()));
        if number % 2 == 1 {
            let _ = writeln!(
                svg,
                "<rect x=\"{from:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\" \
                 fill=\"{BAND}\"/>",
                to - from,
                BOTTOM - TOP
            );
        }
        if to - from >= NAME_MIN {
            let at = from + 11.0;
            let _ = writeln!(svg, "<g transform=\"translate({at:.1} {}) rotate(-60)\">", TOP - 4.0);
            text(svg, (0.0, 0.0), "start", INK, group[0].0);
            svg.push_str("</g>\n");
        }
        begin += group.len();
    }
}
