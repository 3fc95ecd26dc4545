//! CSV by Python's reader, Prometheus' text by promtool.

use serde_json::Value;
use uringbench_export::metrics::{MetricNames, of_run};
use uringbench_export::{intervals, prometheus};

use crate::outside::{PYTHON, is_there, python, read_by};
use crate::{OPEN, SOAK, all, empty, hostile, stored};

const READER: &str = "\
import sys, csv, json, io
text = sys.stdin.buffer.read().decode('utf-8')
print(json.dumps(list(csv.reader(io.StringIO(text, newline='')))))
";

#[test]
fn python_reads_every_cell_of_the_seconds() {
    if !is_there(PYTHON, &["-c", "import csv"]) {
        return;
    }
    let runs = all();
    let page = intervals::csv(&runs);
    let rows: Value = serde_json::from_str(&python(READER, &page)).expect("Python prints JSON");
    let rows = rows.as_array().expect("rows are listed");
    assert_eq!(rows.len(), 1 + runs.iter().map(|run| run.intervals.len()).sum::<usize>());
    let column = |name: &str| {
        let heads = rows[0].as_array().expect("a row is a list");
        heads.iter().position(|head| head == name).unwrap_or_else(|| panic!("no column {name}"))
    };
    let (completed, p99, run) = (column("completed"), column("response_p99_ns"), column("run"));
    let intervals = runs.iter().flat_map(|run| &run.intervals);
    for (row, interval) in rows[1..].iter().zip(intervals) {
        assert_eq!(row.as_array().map(Vec::len), rows[0].as_array().map(Vec::len), "{row}");
        assert_eq!(row[completed], interval.completed.to_string());
        let known = interval.response_p99_ns.map(|ns| ns.to_string()).unwrap_or_default();
        assert_eq!(row[p99], known);
        let text = row[run].as_str().expect("a cell is text");
        assert!(!text.starts_with(['=', '+', '-', '@', '\t', '\r']), "a formula: {text:?}");
    }
    assert!(page.contains("\r\n\"'=a\"\"b'c"), "{page}");
}

#[test]
fn a_table_of_nothing_has_its_heads() {
    let page = intervals::csv(&[empty()]);
    assert_eq!(page.lines().count(), 1);
    assert!(page.starts_with("run,started,validity,t_s,") && page.ends_with("\r\n"));
}

#[test]
fn promtool_accepts_the_metrics() {
    if !is_there("promtool", &["--version"]) {
        return;
    }
    for run in all() {
        for names in [MetricNames::Own, MetricNames::Api] {
            let page = prometheus::text(&of_run(&run, names).expect("it is whole"));
            let output = read_by("promtool", &["check", "metrics"], &page);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            // Newer ones advise other names than that of per cent, with code 3.
            let is_advice = names == MetricNames::Api && output.status.code() == Some(3);
            assert!(output.status.success() || is_advice, "{said}\n{page}");
        }
    }
    let broken = read_by("promtool", &["check", "metrics"], "x{a=\"b} 1\n");
    assert!(!broken.status.success());
}

#[test]
fn a_histogram_counts_every_request_once() {
    let run = stored(OPEN);
    let page = prometheus::text(&of_run(&run, MetricNames::Own).expect("it is whole"));
    let value = |start: &str| {
        let line = page.lines().find(|line| line.starts_with(start));
        let line = line.unwrap_or_else(|| panic!("{start}\n{page}"));
        line.rsplit_once(' ').and_then(|(_, it)| it.parse::<f64>().ok()).expect("a number")
    };
    let labels = "{benchmark=\"golden\",target=\"127.0.0.1:8080\"";
    let count = value(&format!("uringbench_response_seconds_count{labels}}}"));
    assert_eq!(count, run.latency_ns.response.count as f64);
    assert_eq!(value(&format!("uringbench_response_seconds_bucket{labels},le=\"+Inf\"}}")), count);
    let buckets = page.lines().filter(|line| line.contains("_bucket{"));
    let counts: Vec<f64> = buckets
        .map(|line| line.rsplit_once(' ').and_then(|(_, it)| it.parse().ok()).expect("a number"))
        .collect();
    assert!(counts.is_sorted() && counts.len() == 23, "{counts:?}");
    let mean = value(&format!("uringbench_response_seconds_sum{labels}}}")) / count;
    let stored = run.latency_ns.response.mean.expect("there are values") as f64 / 1e9;
    assert!((mean / stored - 1.0).abs() < 0.01, "{mean} and {stored}");
    assert!(page.contains(",outcome=\"reset\"} 0\n"), "{page}");
    assert!(page.contains(",validity=\"suspect\"} 1\n"), "{page}");
    assert!(page.contains(",objective=\"rate > 60,000/s\"} 0\n"), "{page}");
}

#[test]
fn names_for_dashboards_of_apis_replace_ours() {
    let of = |names| prometheus::text(&of_run(&stored(SOAK), names).expect("it is whole"));
    let (own, api) = (of(MetricNames::Own), of(MetricNames::Api));
    for (one, other) in [
        ("uringbench_response_seconds_count", "api_response_time_seconds_count"),
        ("uringbench_completed_per_second", "api_requests_per_second"),
        ("uringbench_error_ratio", "api_error_rate_percent"),
    ] {
        assert!(own.contains(one) && !own.contains(other), "{own}");
        assert!(api.contains(other) && !api.contains(one), "{api}");
    }
}

#[test]
fn label_values_stay_quoted() {
    let page = prometheus::text(&of_run(&hostile(), MetricNames::Own).expect("it is whole"));
    assert!(page.contains("benchmark=\"=a\\\"b'c</d>"), "{page}");
    assert!(page.lines().all(|line| line.starts_with(['#', 'u'])), "{page}");
}
