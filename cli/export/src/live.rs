//! The metrics of a run in progress: totals from its start, and gauges of its last interval.

use hdrhistogram::Histogram;
use uringbench_core::histogram::{LatencyCounts, empty};
use uringbench_core::record::Interval;
use uringbench_core::time::Nanos;
use uringbench_core::window::Phase;

use crate::metrics::{Families, MetricFamily, MetricNames, RunLabels, shared};

/// Shorter intervals, at the ends of phases, have no rate: a request more or less would double it.
pub const RATE_MIN: Nanos = Nanos::from_millis(100);

/// The rate of passing requests and the share of the others; `None` where an interval is too short
/// or nothing ended in it. Response times cannot be counted instead: a request of the warm-up that
/// ends in the measured window has none.
pub fn rates(ended: u64, passed: u64, length: Nanos) -> (Option<f64>, Option<f64>) {
    let rate = (length >= RATE_MIN).then(|| passed as f64 / length.as_secs_f64());
    let share = (ended > 0).then(|| ended.saturating_sub(passed) as f64 / ended as f64);
    (rate, share)
}

/// The totals up to an interval.
#[derive(Clone, Debug)]
pub struct LiveTotals {
    labels: RunLabels,
    names: MetricNames,
    response: Histogram<u64>,
    ended: u64,
    errors: u64,
    sent_bytes: u64,
    received_bytes: u64,
}

impl LiveTotals {
    /// Before the first interval.
    pub fn new(labels: RunLabels, names: MetricNames) -> Self {
        Self {
            labels,
            names,
            response: empty(),
            ended: 0,
            errors: 0,
            sent_bytes: 0,
            received_bytes: 0,
        }
    }

    /// Add an interval, and return the metrics at its end. `response` has the times of the requests
    /// that ended in it.
    pub fn add(&mut self, interval: &Interval, response: &LatencyCounts) -> Vec<MetricFamily> {
        response.add_to(&mut self.response);
        self.errors += interval.errors;
        self.sent_bytes += interval.sent_bytes;
        self.received_bytes += interval.received_bytes;
        let ended = interval.outcomes.iter().sum();
        self.ended += ended;
        let (per_second, share) =
            rates(ended, ended.saturating_sub(interval.errors), interval.length);
        let mut families = Families { labels: &self.labels, all: Vec::new() };
        shared(&mut families, self.names, (self.response.clone(), per_second, share));
        let help = "Requests that ended.";
        families.counter("uringbench_requests_total", help, self.ended);
        let help = "Requests that did not end with a passing answer.";
        families.counter("uringbench_errors_total", help, self.errors);
        families.counter("uringbench_sent_bytes_total", "Bytes of requests.", self.sent_bytes);
        let help = "Bytes of answers.";
        families.counter("uringbench_received_bytes_total", help, self.received_bytes);
        let mut gauge = |name, help, value: u64| families.gauge(name, help, Some(value as f64));
        gauge("uringbench_in_flight", "Requests in flight.", interval.in_flight);
        gauge("uringbench_connections", "Connections established.", interval.connected);
        let is_measuring = u64::from(interval.phase == Phase::Measure);
        gauge("uringbench_measuring", "1 in the measured window, 0 outside.", is_measuring);
        families.all
    }
}
