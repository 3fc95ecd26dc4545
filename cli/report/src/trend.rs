//! A trend as text: a chart, and what it means: changes, slope, outliers.

use uringbench_core::summary::plural;
use uringbench_document::trend::{TrendDocument, TrendPoint};

use crate::history::figure;
use crate::paint::{Colour, Ink};

/// Columns of the chart at most; more runs share a column.
const COLUMNS: usize = 72;
/// Lines of the chart.
const ROWS: usize = 5;
/// Steps of a letter.
const STEPS: usize = 8;
const BARS: [char; STEPS] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Columns of the names on the left.
const NAMES: usize = 10;
/// Changes and outliers shown, the newest.
const SHOWN_MAX: usize = 8;
/// Digits of a commit's hash that are shown.
const HASH: usize = 8;

/// The whole text, final line end included.
pub fn page(document: &TrendDocument, colour: Colour) -> String {
    let mut page = String::new();
    let points = &document.points;
    let head = format!("{} · {} · {}", document.benchmark_name, document.figure, document.target);
    page.push_str(&format!("{}\n", colour.paint(Ink::Bold, head)));
    if let (Some(first), Some(last)) = (points.first(), points.last()) {
        let runs = plural(points.len() as u64, "run");
        page.push_str(&format!("{runs}, {} to {}\n\n", day(first), day(last)));
        chart(&mut page, document);
    }
    changes(&mut page, document, colour);
    line(&mut page, "slope", &slope(document));
    outliers(&mut page, document);
    document.notes.iter().for_each(|note| line(&mut page, "note", note));
    page
}

fn line(page: &mut String, name: &str, text: &str) {
    page.push_str(format!("{name:<NAMES$}{text}").trim_end());
    page.push('\n');
}

/// Columns from the smallest value (one step) to the largest, outliers aside, with a mark below
/// each change and each outlier.
fn chart(page: &mut String, document: &TrendDocument) {
    let values: Vec<f64> = document.points.iter().map(|point| point.value).collect();
    let width = values.len().min(COLUMNS);
    let column_of = |index: usize| index * width / values.len();
    let mut columns = vec![Vec::new(); width];
    for (index, value) in values.iter().enumerate() {
        columns[column_of(index)].push(*value);
    }
    let middles: Vec<f64> = columns.iter_mut().map(|column| middle(column)).collect();
    // An outlier that is alone in its column would leave the others one step.
    let is_far = |column: usize| document.outliers.iter().any(|it| column_of(it.at) == column);
    let usual = middles.iter().enumerate().filter(|(column, _)| !is_far(*column));
    let (least, most) = usual.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), (_, it)| {
        (it.min(least), it.max(most))
    });
    let labels = [most, least].map(|value| figure(&document.figure, value));
    let gutter = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0).max(NAMES - 1);
    let height = |value: f64| {
        let share = if most > least { (value - least) / (most - least) } else { 0.0 };
        let share = share.clamp(0.0, 1.0);
        1 + (share * (ROWS * STEPS - 1) as f64).round() as usize
    };
    for row in (0..ROWS).rev() {
        let label = match row {
            row if row == ROWS - 1 => &*labels[0],
            0 => &*labels[1],
            _ => "",
        };
        let bars = middles.iter().map(|value| {
            match height(*value).saturating_sub(row * STEPS).min(STEPS) {
                0 => ' ',
                steps => BARS[steps - 1],
            }
        });
        let bars: String = bars.collect();
        page.push_str(format!("{label:>gutter$} {bars}").trim_end());
        page.push('\n');
    }
    if !document.changes.is_empty() || !document.outliers.is_empty() {
        let mut marks = vec![' '; width];
        document.outliers.iter().for_each(|outlier| marks[column_of(outlier.at)] = '×');
        document.changes.iter().for_each(|change| marks[column_of(change.at)] = '▲');
        let marks: String = marks.into_iter().collect();
        page.push_str(format!("{:gutter$} {marks}", "").trim_end());
        page.push('\n');
    }
    page.push('\n');
}

/// The median of the values in a column, which has at least one.
fn middle(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn changes(page: &mut String, document: &TrendDocument, colour: Colour) {
    let skipped = document.changes.len().saturating_sub(SHOWN_MAX);
    if skipped > 0 {
        line(page, "changes", &format!("{skipped} earlier ones; --json lists all"));
    }
    for change in &document.changes[skipped..] {
        let [before, after] =
            [change.before, change.after].map(|value| figure(&document.figure, value));
        let share = change.change.map(|share| format!(", {:+.1} %", share * 100.0));
        let ink = if change.direction == "better" { Ink::Green } else { Ink::Red };
        let word = colour.paint(ink, &change.direction);
        let at = place(&document.points[change.at]);
        let share = share.unwrap_or_default();
        let p = chance(change.p);
        line(page, "change", &format!("{at}: {before} to {after}{share} {word}, {p}"));
    }
    if document.changes.is_empty() && !document.points.is_empty() {
        line(page, "change", "none");
    }
}

fn chance(p: f64) -> String {
    if p < 1e-12 { "p < 1e-12".to_owned() } else { format!("p = {p:.1e}") }
}

/// The slope of a trend since its last change, or why there is none.
pub fn slope(document: &TrendDocument) -> String {
    let Some(slope) = &document.slope else {
        return "unknown: it takes 5 runs over a day since the last change".to_owned();
    };
    let percent = |value: f64| match slope.level {
        0.0 => format!("{value:+.3}"),
        level => format!("{:+.2} %", value / level * 100.0),
    };
    let end = |end: Option<f64>| end.map_or_else(|| "unbounded".to_owned(), percent);
    let interval = format!("{} to {}", end(slope.per_day_low), end(slope.per_day_high));
    let direction = match slope.direction.as_str() {
        "none" => "no direction",
        direction => direction,
    };
    let since = match document.changes.last() {
        Some(change) if change.at == slope.from => "since the last change",
        _ => &format!("in the last {} days", slope.window_days),
    };
    let runs = plural(slope.runs as u64, "run");
    format!(
        "{direction}: {}/day ({interval}), r² {:.2}, {runs} {since}",
        percent(slope.per_day),
        slope.r_squared
    )
}

fn outliers(page: &mut String, document: &TrendDocument) {
    let skipped = document.outliers.len().saturating_sub(SHOWN_MAX);
    if skipped > 0 {
        line(page, "outliers", &format!("{skipped} earlier ones; --json lists all"));
    }
    for outlier in &document.outliers[skipped..] {
        let point = &document.points[outlier.at];
        let [seen, expected] =
            [point.value, outlier.expected].map(|value| figure(&document.figure, value));
        let z = format!("{:.0} standard deviations", outlier.z.abs());
        line(page, "outlier", &format!("{}: {seen}, not {expected} ({z})", place(point)));
    }
}

/// When and at which commit.
fn place(point: &TrendPoint) -> String {
    let time = point.timestamp.get(..16).unwrap_or(&point.timestamp).replace('T', " ");
    let commit: String = point.commit_sha.iter().flat_map(|hash| hash.chars().take(HASH)).collect();
    let branch = point.branch.iter().map(|branch| format!(" on {branch}")).collect::<String>();
    if commit.is_empty() { time } else { format!("{time} at {commit}{branch}") }
}

fn day(point: &TrendPoint) -> &str {
    point.timestamp.get(..10).unwrap_or(&point.timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uringbench_document::trend::{TREND_SCHEMA, TrendChange, TrendOutlier, TrendSlope};

    fn document(values: &[f64]) -> TrendDocument {
        let point = |(day, value): (usize, &f64)| TrendPoint {
            timestamp: format!("2026-03-{:02}T03:00:00.000Z", day + 1),
            commit_sha: Some(format!("{day:08}ffff")),
            branch: Some("main".to_owned()),
            folder: String::new(),
            value: *value,
        };
        TrendDocument {
            schema: TREND_SCHEMA.to_owned(),
            benchmark_name: "web".to_owned(),
            target: "h:80".to_owned(),
            figure: "response_p99_ns".to_owned(),
            more_is_better: false,
            points: values.iter().enumerate().map(point).collect(),
            changes: Vec::new(),
            slope: None,
            outliers: Vec::new(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn a_page_shows_the_course_and_says_what_it_means() {
        let mut values = [400_000.0; 12];
        values[6..].fill(480_000.0);
        values[3] = 900_000.0;
        let mut document = document(&values);
        document.changes.push(TrendChange {
            at: 6,
            before: 400_000.0,
            after: 480_000.0,
            change: Some(0.2),
            p: 0.000_02,
            direction: "worse".to_owned(),
        });
        document.outliers.push(TrendOutlier { at: 3, expected: 400_000.0, z: 250.0 });
        document.slope = Some(TrendSlope {
            window_days: 30.0,
            from: 6,
            runs: 6,
            level: 480_000.0,
            per_day: 480.0,
            per_day_low: Some(-960.0),
            per_day_high: None,
            share_per_day: Some(0.001),
            least_squares_per_day: 480.0,
            r_squared: 0.25,
            direction: "none".to_owned(),
        });
        document.notes.push("1 run was left out: invalid".to_owned());
        let expected = "\
web · response_p99_ns · h:80
12 runs, 2026-03-01 to 2026-03-12

   480 µs    █  ██████
             █  ██████
             █  ██████
             █  ██████
   400 µs ▁▁▁█▁▁██████
             ×  ▲

change    2026-03-07 03:00 at 00000006 on main: 400 µs to 480 µs, +20.0 % worse, p = 2.0e-5
slope     no direction: +0.10 %/day (-0.20 % to unbounded), r² 0.25, 6 runs since the last change
outlier   2026-03-04 03:00 at 00000003 on main: 900 µs, not 400 µs (250 standard deviations)
note      1 run was left out: invalid
";
        assert_eq!(page(&document, Colour::No), expected);
    }

    #[test]
    fn many_runs_share_columns_and_none_have_no_chart() {
        let values: Vec<f64> = (0..30).map(|n| f64::from(n) * 1_000.0).collect();
        let mut long = document(&values.repeat(10));
        long.points.iter_mut().for_each(|point| point.timestamp.truncate(10));
        let text = page(&long, Colour::No);
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        assert!(widest <= NAMES + COLUMNS, "{widest}: {text}");
        let none = page(&document(&[]), Colour::No);
        assert!(!none.contains('▁') && none.contains("slope     unknown"), "{none}");
        let flat = page(&document(&[5.0; 3]), Colour::No);
        assert!(flat.contains("▁▁▁") && flat.contains("change    none"), "{flat}");
    }
}
