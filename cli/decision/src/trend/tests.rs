//! Trends of histories whose course is known.

use std::time::{Duration, UNIX_EPOCH};

use uringbench_core::statistics::random::Random;
use uringbench_document::history::FIGURES;

use super::*;

/// Apache Otava's demonstration: 365 measurements of TigerBeetle.
const TIGERBEETLE: &str = include_str!("../../../../engine/core/tests/data/tigerbeetle.txt");

fn run(day: f64, value: f64) -> HistoryEntry {
    let began = UNIX_EPOCH + Duration::from_secs_f64((20_000.0 + day) * SECONDS_PER_DAY);
    HistoryEntry {
        timestamp: Civil::of(began).rfc3339(),
        benchmark_name: "web".to_owned(),
        target: "h:80".to_owned(),
        validity: "valid".to_owned(),
        host_fingerprint: Some("host".to_owned()),
        plan_fingerprint: Some("plan".to_owned()),
        results: [("rate_completed".to_owned(), value)].into(),
        ..HistoryEntry::default()
    }
}

fn daily(values: impl IntoIterator<Item = f64>) -> Vec<HistoryEntry> {
    values.into_iter().enumerate().map(|(day, value)| run(day as f64, value)).collect()
}

fn of(runs: Vec<HistoryEntry>) -> TrendDocument {
    trend(runs, TrendOptions { figure: FIGURES[0], window_days: 30.0 })
}

fn changes(document: &TrendDocument) -> Vec<usize> {
    document.changes.iter().map(|change| change.at).collect()
}

/// The outlier at 10 would hide the first change, of -12 %: it is set aside first.
#[test]
fn an_outlier_hides_no_change() {
    let values = TIGERBEETLE.split_whitespace().map(|number| number.parse().expect("a number"));
    let document = of(daily(values));
    assert_eq!(document.outliers.first().map(|outlier| outlier.at), Some(10));
    assert_eq!(document.points[10].value, 15_672.0, "it is shown as it was");
    let found = changes(&document);
    assert!(found.contains(&15) && found.contains(&71), "{found:?}");
    let first = document.changes.iter().find(|change| change.at == 15).expect("it is there");
    assert_eq!(first.direction, "worse");
    let change = first.change.expect("it was not 0");
    assert!((-0.13..-0.10).contains(&change) && first.p < 1e-6, "{first:?}");
}

#[test]
fn a_step_is_dated_and_the_slope_begins_after_it() {
    let mut random = Random::new(9);
    let level = |day: usize| if day < 40 { 100.0 } else { 85.0 };
    let values = (0..60).map(|day| level(day) * (1.0 + 0.02 * random.normal()));
    let document = of(daily(values.collect::<Vec<_>>()));
    assert_eq!(changes(&document), [40]);
    assert!((document.changes[0].change.expect("not 0") + 0.15).abs() < 0.02);
    let slope = document.slope.expect("20 days are enough");
    assert_eq!((slope.from, slope.runs, slope.direction.as_str()), (40, 20, "none"));
    assert!(slope.share_per_day.expect("not 0").abs() < 0.003, "{slope:?}");
}

#[test]
fn a_slow_decline_is_a_slope_of_the_last_thirty_days() {
    let mut random = Random::new(10);
    // 0.2 % a day, below what a change of level must be in two neighbouring weeks.
    let values = (0..90).map(|day| {
        let drift = if day < 60 { 0.0 } else { 0.002 * f64::from(day - 60) };
        100.0 * (1.0 - drift + 0.002 * random.normal())
    });
    let mut runs = daily(values.collect::<Vec<_>>());
    runs.reverse();
    let document = trend(runs, TrendOptions { figure: FIGURES[0], window_days: 14.0 });
    let slope = document.slope.expect("14 days are enough");
    assert_eq!((slope.runs <= 15, slope.direction.as_str()), (true, "falling"));
    assert!((slope.per_day + 0.2).abs() < 0.05, "{slope:?}");
    let (low, high) = (slope.per_day_low.expect("bounded"), slope.per_day_high.expect("bounded"));
    assert!(low <= slope.per_day && slope.per_day <= high && slope.r_squared > 0.5, "{slope:?}");
}

#[test]
fn runs_that_cannot_be_compared_are_left_out_and_counted() {
    let mut runs = daily([1.0; 12]);
    runs[0].host_fingerprint = Some("other".to_owned());
    runs[1].plan_fingerprint = None;
    runs[2].validity = "invalid".to_owned();
    runs[3].target = "h:81".to_owned();
    runs[4].results.clear();
    let document = of(runs);
    assert_eq!(document.points.len(), 7);
    assert_eq!(document.notes.len(), 5, "{:?}", document.notes);
    assert!(document.notes.iter().all(|note| note.starts_with("1 run was left out: ")));
}

#[test]
fn too_few_runs_have_neither_changes_nor_a_slope() {
    for runs in [Vec::new(), daily([1.0]), daily([1.0, 2.0, 3.0, 4.0])] {
        let document = of(runs);
        assert_eq!((document.changes.len(), document.slope), (0, None));
    }
    let within_an_hour = (0..20).map(|n| run(f64::from(n) / 500.0, 1.0)).collect();
    assert_eq!(of(within_an_hour).slope, None);
}
