//! The figures of a run as metrics: names, labels, counters, gauges and one histogram.
//!
//! `prometheus` writes them as text. Units are base units: seconds, bytes, shares. Labels are few,
//! since each combination of values is a series of its own.

use hdrhistogram::Histogram;
use uringbench_core::outcome::Outcome;
use uringbench_document::Document;
use uringbench_document::civil::Civil;

use crate::ExportError;
use crate::benchmark::name_of;

/// The names of the three metrics that dashboards for APIs share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetricNames {
    /// `uringbench_response_seconds` and so on.
    #[default]
    Own,
    /// `api_response_time_seconds`, `api_requests_per_second` and `api_error_rate_percent`.
    Api,
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts of values.
    Histogram,
}

/// A metric with its series.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricFamily {
    /// Its name.
    pub name: &'static str,
    /// What it means, in one line.
    pub help: &'static str,
    /// Its kind.
    pub kind: MetricKind,
    /// Its series.
    pub series: Vec<MetricSeries>,
}

/// One series of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricSeries {
    /// Names and values of its labels.
    pub labels: Vec<(String, String)>,
    /// Its value.
    pub value: MetricValue,
}

/// The value of a series.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricValue {
    /// A number.
    Number(f64),
    /// Times in nanoseconds.
    Times(Histogram<u64>),
}

/// Labels that all series of a run have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunLabels {
    /// The name of the run, as the history has it.
    pub benchmark: String,
    /// Host and port of the target.
    pub target: String,
}

impl RunLabels {
    /// Those of a stored run.
    pub fn of(run: &Document) -> Self {
        Self { benchmark: name_of(run), target: run.plan.authority().to_owned() }
    }

    fn with(&self, further: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = [("benchmark", self.benchmark.as_str()), ("target", self.target.as_str())];
        let all = own.iter().chain(further);
        all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }
}

/// Metrics being collected for one run.
pub(crate) struct Families<'a> {
    pub(crate) labels: &'a RunLabels,
    pub(crate) all: Vec<MetricFamily>,
}

impl Families<'_> {
    fn add(
        &mut self,
        kind: MetricKind,
        name: &'static str,
        help: &'static str,
        value: MetricValue,
    ) {
        let series = vec![MetricSeries { labels: self.labels.with(&[]), value }];
        self.all.push(MetricFamily { name, help, kind, series });
    }

    pub(crate) fn counter(&mut self, name: &'static str, help: &'static str, value: u64) {
        self.add(MetricKind::Counter, name, help, MetricValue::Number(value as f64));
    }

    /// A value that is unknown has no series.
    pub(crate) fn gauge(&mut self, name: &'static str, help: &'static str, value: Option<f64>) {
        if let Some(value) = value {
            self.add(MetricKind::Gauge, name, help, MetricValue::Number(value));
        }
    }

    pub(crate) fn times(&mut self, name: &'static str, help: &'static str, of: Histogram<u64>) {
        self.add(MetricKind::Histogram, name, help, MetricValue::Times(of));
    }

    /// A metric with a series for each value of a label.
    fn labelled<'b>(
        &mut self,
        (kind, name, help): (MetricKind, &'static str, &'static str),
        values: impl Iterator<Item = (Vec<(&'b str, &'b str)>, f64)>,
    ) {
        let series = values.map(|(labels, value)| MetricSeries {
            labels: self.labels.with(&labels),
            value: MetricValue::Number(value),
        });
        let series: Vec<_> = series.collect();
        if !series.is_empty() {
            self.all.push(MetricFamily { name, help, kind, series });
        }
    }
}

/// The three metrics that exist under two names each.
pub(crate) fn shared(
    families: &mut Families<'_>,
    names: MetricNames,
    (response, per_second, error_share): (Histogram<u64>, Option<f64>, Option<f64>),
) {
    match names {
        MetricNames::Own => {
            families.times("uringbench_response_seconds", RESPONSE, response);
            families.gauge("uringbench_completed_per_second", COMPLETED, per_second);
            let help = "Share of the requests that did not end with a passing answer.";
            families.gauge("uringbench_error_ratio", help, error_share);
        }
        MetricNames::Api => {
            families.times("api_response_time_seconds", RESPONSE, response);
            families.gauge("api_requests_per_second", COMPLETED, per_second);
            let help = "Per cent of the requests that did not end with a passing answer.";
            let percent = error_share.map(|share| share * 100.0);
            families.gauge("api_error_rate_percent", help, percent);
        }
    }
}

const RESPONSE: &str = "Response times, from the moment a request was due to its complete answer.";
const COMPLETED: &str = "Requests per second that ended with a passing answer.";

/// The metrics of a stored run, of its measured window.
///
/// # Errors
/// If its histogram is damaged.
pub fn of_run(run: &Document, names: MetricNames) -> Result<Vec<MetricFamily>, ExportError> {
    let labels = RunLabels::of(run);
    let mut families = Families { labels: &labels, all: Vec::new() };
    let outcomes = &run.counts.outcomes;
    let response = run.histograms.response()?;
    shared(&mut families, names, (response, Some(run.rate.completed), outcomes.error_share()));
    let help = "The rate that was planned.";
    families.gauge("uringbench_offered_per_second", help, run.rate.offered);
    families.counter(
        "uringbench_requests_total",
        "Requests that ended.",
        outcomes.ok + outcomes.errors(),
    );
    let help = "Requests that did not end with a passing answer.";
    families.counter("uringbench_errors_total", help, outcomes.errors());
    let by_outcome = Outcome::ALL.into_iter();
    families.labelled(
        (MetricKind::Counter, "uringbench_outcomes_total", "Requests by how they ended."),
        by_outcome.map(|it| (vec![("outcome", it.key())], outcomes.of(it) as f64)),
    );
    families.counter("uringbench_sent_bytes_total", "Bytes of requests.", run.bytes.sent);
    families.counter("uringbench_received_bytes_total", "Bytes of answers.", run.bytes.received);
    verdicts(&mut families, run);
    let usage = run.target_usage.as_ref();
    let cpu = usage.and_then(|usage| usage.cpu_us_per_request).map(|us| us / 1e6);
    let help = "CPU time of the target for each complete answer.";
    families.gauge("uringbench_target_cpu_seconds_per_request", help, cpu);
    let memory = usage.and_then(|usage| usage.memory_bytes).map(|bytes| bytes as f64);
    let help = "Private memory of the target at the end.";
    families.gauge("uringbench_target_memory_bytes", help, memory);
    let started = Civil::parse(&run.started).map(Civil::unix_seconds);
    families.gauge("uringbench_start_time_seconds", "When the run began, Unix time.", started);
    let help = "Length of the measured window.";
    families.gauge("uringbench_measured_seconds", help, Some(run.measured().as_secs_f64()));
    Ok(families.all)
}

/// Verdict, objectives and where the figures come from.
fn verdicts(families: &mut Families<'_>, run: &Document) {
    let validity = run.verdict.validity.as_str();
    let words = ["valid", "suspect", "invalid"].into_iter();
    families.labelled(
        (MetricKind::Gauge, "uringbench_verdict", "1 for the verdict of the run, 0 for others."),
        words.map(|it| (vec![("validity", it)], f64::from(u8::from(it == validity)))),
    );
    let known = run.slo.iter().filter_map(|held| Some((held, held.met?)));
    families.labelled(
        (MetricKind::Gauge, "uringbench_objective_met", "1 if the objective was met, 0 if not."),
        known.map(|(held, met)| {
            (vec![("objective", held.objective.as_str())], f64::from(u8::from(met)))
        }),
    );
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let (version, kernel) = (text(&run.host.uringbench), text(&run.host.kernel));
    let commit = run.git.as_ref().map(|git| git.commit.clone()).unwrap_or_default();
    let labels = vec![
        ("version", version.as_str()),
        ("kernel", kernel.as_str()),
        ("commit", commit.as_str()),
    ];
    families.labelled(
        (MetricKind::Gauge, "uringbench_run_info", "Where the figures come from; always 1."),
        std::iter::once((labels, 1.0)),
    );
}
