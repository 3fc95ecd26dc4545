//! The figures that are compared: their keys and units, which direction is better, and their
//! values in a run.
//!
//! A figure can have several sources, such as the CPU time that the scheduler accounted and that of
//! samples. They differ by more than chance, so all runs of a comparison are read from one source.

use uringbench_document::{Document, IntervalFigures};

/// A figure of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// Requests per second that ended `ok`.
    Rate,
    /// Median of the response times.
    ResponseP50,
    /// 95 % quantile of the response times.
    ResponseP95,
    /// 99 % quantile of the response times.
    ResponseP99,
    /// 99.9 % quantile of the response times.
    ResponseP999,
    /// CPU time of the target per request.
    TargetCpu,
    /// Memory of the target.
    TargetMemory,
    /// CPU time of the load generator per request.
    ClientCpu,
}

/// The direction in which a figure improves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
}

/// The unit of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricUnit {
    /// Requests per second.
    PerSecond,
    /// Nanoseconds.
    Nanoseconds,
    /// Bytes.
    Bytes,
}

/// Where a figure comes from.
pub(crate) struct Source {
    /// Its name in baselines.
    pub(crate) key: &'static str,
    read: fn(&Document) -> Option<f64>,
}

impl Source {
    const fn new(key: &'static str, read: fn(&Document) -> Option<f64>) -> Self {
        Self { key, read }
    }

    /// The value in a run; `None` unless it is above zero, since ratios are compared.
    pub(crate) fn value(&self, run: &Document) -> Option<f64> {
        positive((self.read)(run))
    }
}

/// The most blocks that one run is divided into.
const BLOCKS_MAX: usize = 10;

impl MetricUnit {
    /// Its name in documents.
    pub const fn key(self) -> &'static str {
        match self {
            Self::PerSecond => "per_s",
            Self::Nanoseconds => "ns",
            Self::Bytes => "bytes",
        }
    }
}

impl Better {
    /// Its name in documents.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Higher => "higher",
            Self::Lower => "lower",
        }
    }
}

impl Metric {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 8] = [
        Self::Rate,
        Self::ResponseP50,
        Self::ResponseP95,
        Self::ResponseP99,
        Self::ResponseP999,
        Self::TargetCpu,
        Self::TargetMemory,
        Self::ClientCpu,
    ];

    /// Its name in documents and on the command line.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::ResponseP50 => "response_p50",
            Self::ResponseP95 => "response_p95",
            Self::ResponseP99 => "response_p99",
            Self::ResponseP999 => "response_p999",
            Self::TargetCpu => "target_cpu_per_request",
            Self::TargetMemory => "target_memory",
            Self::ClientCpu => "client_cpu_per_request",
        }
    }

    /// The figure with this name.
    pub fn named(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.key() == key)
    }

    /// Its name in sentences and tables.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::ResponseP50 => "response p50",
            Self::ResponseP95 => "response p95",
            Self::ResponseP99 => "response p99",
            Self::ResponseP999 => "response p99.9",
            Self::TargetCpu => "target CPU/request",
            Self::TargetMemory => "target memory",
            Self::ClientCpu => "client CPU/request",
        }
    }

    /// Whether a verdict depends on it unless others are named: those that tell most. The rest
    /// follows from these, moves more by chance, or is about the load generator.
    pub const fn is_gated(self) -> bool {
        !matches!(self, Self::ResponseP95 | Self::ResponseP999 | Self::ClientCpu)
    }

    /// The unit of its values.
    pub const fn unit(self) -> MetricUnit {
        match self {
            Self::Rate => MetricUnit::PerSecond,
            Self::TargetMemory => MetricUnit::Bytes,
            _ => MetricUnit::Nanoseconds,
        }
    }

    /// The direction in which it improves.
    pub const fn better(self) -> Better {
        match self {
            Self::Rate => Better::Higher,
            _ => Better::Lower,
        }
    }

    /// Its values in up to ten blocks of one run, equally long parts of the measured window. Empty
    /// if the seconds of a run do not have it.
    pub fn blocks(self, run: &Document) -> Vec<f64> {
        let of_interval: fn(&IntervalFigures) -> Option<f64> = match self {
            Self::Rate => |it| Some(it.completed as f64 / it.length_s),
            Self::ResponseP50 => |it| nanos(it.response_p50_ns),
            Self::ResponseP99 => |it| nanos(it.response_p99_ns),
            _ => return Vec::new(),
        };
        let intervals = whole_intervals(run);
        let blocks = intervals.len().min(BLOCKS_MAX);
        let block = |block: usize| {
            let part = block * intervals.len() / blocks..(block + 1) * intervals.len() / blocks;
            let values: Option<Vec<f64>> =
                intervals[part].iter().map(|it| of_interval(it)).collect();
            positive(uringbench_core::statistics::mean(&values?))
        };
        (0..blocks).map(block).collect::<Option<_>>().unwrap_or_default()
    }

    /// Where it can come from, the best source first.
    pub(crate) const fn sources(self) -> &'static [Source] {
        match self {
            Self::Rate => RATE,
            Self::ResponseP50 => P50,
            Self::ResponseP95 => P95,
            Self::ResponseP99 => P99,
            Self::ResponseP999 => P999,
            Self::TargetCpu => TARGET_CPU,
            Self::TargetMemory => TARGET_MEMORY,
            Self::ClientCpu => CLIENT_CPU,
        }
    }
}

const RATE: &[Source] = &[Source::new("run", |run| Some(run.rate.completed))];
const P50: &[Source] = &[Source::new("run", |run| nanos(run.latency_ns.response.p50))];
const P95: &[Source] = &[Source::new("run", |run| nanos(run.latency_ns.response.p95))];
const P99: &[Source] = &[Source::new("run", |run| nanos(run.latency_ns.response.p99))];
const P999: &[Source] = &[Source::new("run", |run| nanos(run.latency_ns.response.p999))];
const TARGET_CPU: &[Source] = &[
    Source::new("scheduler", accounted_cpu),
    Source::new("counters", counted_cpu),
    Source::new("samples", sampled_cpu),
];
const TARGET_MEMORY: &[Source] =
    &[Source::new("end", memory_at_end), Source::new("peak", peak_memory)];
const CLIENT_CPU: &[Source] = &[Source::new("run", |run| run.client.cpu_ns_per_request)];

fn nanos(time: Option<u64>) -> Option<f64> {
    time.map(|ns| ns as f64)
}

/// CPU time that the scheduler accounted to the target per request, in nanoseconds.
fn accounted_cpu(run: &Document) -> Option<f64> {
    Some(run.target_usage.as_ref()?.cpu_us_per_request? * 1e3)
}

/// Private memory of the target at the end of the measured window.
fn memory_at_end(run: &Document) -> Option<f64> {
    Some(run.target_usage.as_ref()?.memory_bytes? as f64)
}

/// CPU time of the target that the kernel counted per request, in nanoseconds.
fn counted_cpu(run: &Document) -> Option<f64> {
    let counters = run.target.as_ref()?.counters.as_ref()?;
    Some(counters.target?.cpu_us * 1e3)
}

/// CPU time of the target per request by its samples, in nanoseconds.
fn sampled_cpu(run: &Document) -> Option<f64> {
    Some(run.target.as_ref()?.cpu.us_per_request? * 1e3)
}

/// The most private memory that the target had.
fn peak_memory(run: &Document) -> Option<f64> {
    let series = &run.timeline.as_ref()?.series;
    series.iter().find(|series| series.name == "rss anon").map(|series| series.max)
}

fn positive(value: Option<f64>) -> Option<f64> {
    value.filter(|value| value.is_finite() && *value > 0.0)
}

/// The intervals of the measured window, without parts of one at its ends.
pub(crate) fn whole_intervals(run: &Document) -> Vec<&IntervalFigures> {
    let is_measured = |it: &&IntervalFigures| it.phase != "warmup" && it.phase != "drain";
    let measured = run.intervals.iter().filter(is_measured);
    let longest = measured.clone().map(|it| it.length_s).fold(0.0, f64::max);
    measured.filter(|it| it.length_s > 0.9 * longest).collect()
}

#[cfg(test)]
mod tests {
    use uringbench_document::target::{Cpu, TargetFigures, TargetUsage};

    use super::*;
    use crate::fixture::run;

    fn value(metric: Metric, run: &Document) -> Option<f64> {
        metric.sources().iter().find_map(|source| source.value(run))
    }

    #[test]
    fn every_figure_has_a_key_of_its_own_and_is_found_by_it() {
        for metric in Metric::ALL {
            assert_eq!(Metric::named(metric.key()), Some(metric));
        }
        assert_eq!(Metric::named("latency"), None);
    }

    #[test]
    fn figures_are_those_of_the_document() {
        let run = run();
        assert_eq!(value(Metric::Rate, &run), Some(run.rate.completed));
        let p99 = run.latency_ns.response.p99.map(|ns| ns as f64);
        assert_eq!(value(Metric::ResponseP99, &run), p99);
        assert_eq!(value(Metric::ClientCpu, &run), run.client.cpu_ns_per_request);
        assert_eq!(value(Metric::TargetCpu, &run), None);
    }

    #[test]
    fn a_figure_comes_from_the_best_source_there_is() {
        let mut run = run();
        run.target = Some(TargetFigures {
            cpu: Cpu { us_per_request: Some(2.5), ..Cpu::default() },
            ..TargetFigures::default()
        });
        assert_eq!(value(Metric::TargetCpu, &run), Some(2_500.0));
        let cpu_us_per_request = Some(2.25);
        run.target_usage = Some(TargetUsage { cpu_us_per_request, ..TargetUsage::default() });
        assert_eq!(value(Metric::TargetCpu, &run), Some(2_250.0));
    }

    #[test]
    fn blocks_are_the_seconds_of_the_measured_window() {
        let mut run = run();
        let second = run.intervals[0].clone();
        let at = |t: usize, phase: &str, length_s: f64| IntervalFigures {
            t_s: t as f64,
            length_s,
            phase: phase.to_owned(),
            completed: 100 * t as u64,
            ..second.clone()
        };
        run.intervals = vec![at(1, "warmup", 1.0)];
        run.intervals.extend((2..=21).map(|t| at(t, "measure", 1.0)));
        run.intervals.extend([at(22, "measure", 0.3), at(23, "drain", 1.0)]);
        let blocks = Metric::Rate.blocks(&run);
        assert_eq!(blocks, (0..10).map(|b| 250.0 + 200.0 * f64::from(b)).collect::<Vec<_>>());
        assert_eq!(Metric::ClientCpu.blocks(&run), [0.0; 0]);
    }
}
