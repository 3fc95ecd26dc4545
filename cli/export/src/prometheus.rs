//! Metrics in Prometheus' text format 0.0.4, for a scrape, the textfile collector of the node
//! exporter or a push gateway.

use std::fmt::Write as _;

use hdrhistogram::Histogram;

use crate::metrics::{MetricFamily, MetricKind, MetricSeries, MetricValue};

/// The value of the header `Content-Type`.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of the buckets, in nanoseconds: 1, 2, 5 of each decade from 10 µs to 100 s.
const BOUNDS: [u64; 22] = {
    let mut bounds = [0; 22];
    let (mut at, mut decade) = (0, 10_000);
    while at < 21 {
        bounds[at] = decade;
        bounds[at + 1] = 2 * decade;
        bounds[at + 2] = 5 * decade;
        at += 3;
        decade *= 10;
    }
    bounds[21] = decade;
    bounds
};

/// The text of the metrics of a run.
pub fn text(families: &[MetricFamily]) -> String {
    let mut page = String::new();
    for family in families {
        head(&mut page, family);
        family.series.iter().for_each(|series| line(&mut page, family.name, series));
    }
    page
}

fn head(page: &mut String, family: &MetricFamily) {
    let kind = match family.kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram => "histogram",
    };
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(page, "# HELP {} {}", family.name, family.help);
    let _ = writeln!(page, "# TYPE {} {kind}", family.name);
}

fn line(page: &mut String, name: &str, series: &MetricSeries) {
    let labels: Vec<_> = series
        .labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect();
    let labels = labels.join(",");
    match &series.value {
        MetricValue::Number(value) => {
            let _ = writeln!(page, "{name}{{{labels}}} {value}");
        }
        MetricValue::Times(times) => histogram(page, name, &labels, times),
    }
}

fn histogram(page: &mut String, name: &str, labels: &str, times: &Histogram<u64>) {
    for bound in BOUNDS {
        let (le, count) = (bound as f64 / 1e9, times.count_between(0, bound));
        let _ = writeln!(page, "{name}_bucket{{{labels},le=\"{le}\"}} {count}");
    }
    let count = times.len();
    let sum = times.mean() * count as f64 / 1e9;
    let _ = writeln!(page, "{name}_bucket{{{labels},le=\"+Inf\"}} {count}");
    let _ = writeln!(page, "{name}_sum{{{labels}}} {sum}");
    let _ = writeln!(page, "{name}_count{{{labels}}} {count}");
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
