//! The main figures of a run, by the names that they have in the history.

use std::collections::BTreeMap;

use super::Brief;
use crate::run::TimeFigures;

/// A figure of the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FigureKind {
    /// Its name in `results`; the unit is in it.
    pub name: &'static str,
    /// Its short name on the command line and in tables; empty if it has none.
    pub short: &'static str,
    /// Whether more of it is better.
    pub more_is_better: bool,
}

const fn kind(name: &'static str, short: &'static str, more_is_better: bool) -> FigureKind {
    FigureKind { name, short, more_is_better }
}

/// All figures, those that are shown first at the top.
pub const FIGURES: [FigureKind; 25] = [
    kind("rate_completed", "rate", true),
    kind("response_p50_ns", "p50", false),
    kind("response_p95_ns", "p95", false),
    kind("response_p99_ns", "p99", false),
    kind("response_p999_ns", "p99.9", false),
    kind("target_cpu_us_per_request", "cpu", false),
    kind("target_memory_bytes", "memory", false),
    kind("error_share", "errors", false),
    kind("response_mean_ns", "mean", false),
    kind("response_max_ns", "max", false),
    kind("rate_offered", "", true),
    kind("rate_achieved", "", true),
    kind("requests", "", true),
    kind("response_p90_ns", "", false),
    kind("service_p50_ns", "", false),
    kind("service_p90_ns", "", false),
    kind("service_p95_ns", "", false),
    kind("service_p99_ns", "", false),
    kind("service_p999_ns", "", false),
    kind("client_cpu_us_per_request", "", false),
    kind("time_mean_ns", "time", false),
    kind("time_mean_low_ns", "", false),
    kind("time_mean_high_ns", "", false),
    kind("time_median_ns", "", false),
    kind("time_std_dev_ns", "", false),
];

/// The series of the timeline with the target's own memory.
const MEMORY: &str = "rss anon";

/// The figures of a run; those without samples are left out.
pub(super) fn of(brief: &Brief) -> BTreeMap<String, f64> {
    let released = brief.counts.released;
    let failed = released.saturating_sub(brief.counts.outcomes.ok);
    let usage = brief.target_usage.as_ref();
    let profiled = || {
        let target = brief.target.as_ref()?;
        let counted = target.counters.as_ref().and_then(|counters| counters.target.as_ref());
        counted.map(|counted| counted.cpu_us).or(target.cpu.us_per_request)
    };
    // Older documents have both from a profile alone.
    let cpu = usage.and_then(|usage| usage.cpu_us_per_request).or_else(profiled);
    let in_timeline = || {
        let mut series = brief.timeline.iter().flat_map(|timeline| &timeline.series);
        series.find(|series| series.name == MEMORY).map(|series| series.max)
    };
    let memory = usage.and_then(|usage| usage.memory_bytes).map(|bytes| bytes as f64);
    let memory = memory.or_else(in_timeline);
    let client = brief.client.cpu_ns_per_request.map(|ns| ns / 1_000.0);
    let mut figures = vec![
        ("rate_completed".to_owned(), Some(brief.rate.completed)),
        ("rate_offered".to_owned(), brief.rate.offered),
        ("rate_achieved".to_owned(), Some(brief.rate.achieved)),
        ("requests".to_owned(), Some(released as f64)),
        ("error_share".to_owned(), (released > 0).then(|| failed as f64 / released as f64)),
        ("target_cpu_us_per_request".to_owned(), cpu),
        ("target_memory_bytes".to_owned(), memory),
        ("client_cpu_us_per_request".to_owned(), client),
    ];
    let times = &brief.latency_ns;
    figures.extend(quantiles("response", &times.response));
    figures.extend([
        ("response_mean_ns".to_owned(), times.response.mean.map(|ns| ns as f64)),
        ("response_max_ns".to_owned(), times.response.max.map(|ns| ns as f64)),
    ]);
    figures.extend(quantiles("service", &times.service));
    figures.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn quantiles(of: &str, times: &TimeFigures) -> impl Iterator<Item = (String, Option<f64>)> {
    let all = [
        ("p50", times.p50),
        ("p90", times.p90),
        ("p95", times.p95),
        ("p99", times.p99),
        ("p999", times.p999),
    ];
    let of = of.to_owned();
    all.into_iter().map(move |(name, ns)| (format!("{of}_{name}_ns"), ns.map(|ns| ns as f64)))
}
