//! Load, target and host over time: key `timeline`, a digest of bounded size, computed from the
//! columns in `timeline.json` ([`columns`]; [`lines`] is the same while it is written).

pub mod columns;
pub mod lines;

use serde::{Deserialize, Serialize};

use columns::TimelineDocument;

/// Values in a course, at most.
const COURSE: usize = 40;

/// Key `timeline`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimelineFigures {
    /// From the first row of `timeline.json` to the end of its last.
    pub length_s: f64,
    /// The main series; series without a value are left out, and those of faults that did not
    /// occur.
    pub series: Vec<SeriesFigures>,
}

/// One of `series`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesFigures {
    /// `rps`, `rss anon` and so on.
    pub name: String,
    /// `per_s`, `count`, `ns`, `cpus`, `threads`, `share` or `bytes`.
    pub unit: Unit,
    /// The smallest value.
    pub min: f64,
    /// The median over the rows.
    pub median: f64,
    /// The largest.
    pub max: f64,
    /// The series in at most 40 steps: means, or maxima if exceptions matter; `null` if unknown.
    pub course: Vec<Option<f64>>,
}

/// The unit of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Events per second.
    PerS,
    /// Whole things.
    Count,
    /// Nanoseconds.
    Ns,
    /// CPUs.
    Cpus,
    /// Threads, on average.
    Threads,
    /// A share, 0..=1.
    Share,
    /// Bytes.
    Bytes,
}

/// The value of a step of a course.
#[derive(Clone, Copy, PartialEq)]
enum Step {
    Mean,
    /// The maximum, if exceptions matter: a mean of many rows would hide them.
    Most,
}

/// Series that are left out if all their values are zero.
const TROUBLES: [&str; 7] =
    ["errors", "major faults", "rss shared", "swap", "pressure mem", "pressure io", "retransmits"];

impl TimelineFigures {
    /// The digest; `None` if nothing is known.
    pub fn of(document: &TimelineDocument) -> Option<Self> {
        let series = main_series(document).into_iter();
        let series = series.filter_map(|(name, unit, values)| {
            let step = if name == "response p99" { Step::Most } else { Step::Mean };
            let figures = SeriesFigures::of(name, unit, &values, step)?;
            let is_quiet = figures.min == 0.0 && figures.max == 0.0;
            (!is_quiet || !TROUBLES.contains(&name)).then_some(figures)
        });
        let series: Vec<_> = series.collect();
        let (first, last) = (document.t_s.first(), document.t_s.last());
        let length_s =
            last.unwrap_or(&0.0) - first.unwrap_or(&0.0) + 1.0 / f64::from(document.hz.max(1));
        (!series.is_empty()).then(|| Self { length_s: length_s.max(0.0), series })
    }
}

impl SeriesFigures {
    fn of(name: &str, unit: Unit, values: &[Option<f64>], step: Step) -> Option<Self> {
        let is_finite = |value: &&f64| value.is_finite();
        let mut known: Vec<f64> = values.iter().flatten().filter(is_finite).copied().collect();
        known.sort_by(f64::total_cmp);
        Some(Self {
            name: name.to_owned(),
            unit,
            min: *known.first()?,
            median: *known.get(known.len() / 2)?,
            max: *known.last()?,
            course: course(values, step),
        })
    }
}

fn main_series(document: &TimelineDocument) -> Vec<(&'static str, Unit, Vec<Option<f64>>)> {
    use Unit::{Bytes, Count, Cpus, Ns, PerS, Share, Threads};
    let TimelineDocument { load, target, host, .. } = document;
    let sum = |a: &[Option<f64>], b: &[Option<f64>]| joined(a, b, |a, b| a + b);
    let mut all = vec![
        ("rps", PerS, inner(&load.completed_per_s)),
        ("errors", PerS, inner(&load.errors_per_s)),
        ("in flight", Count, load.in_flight.clone()),
        ("response p50", Ns, load.response_p50_ns.clone()),
        ("response p99", Ns, load.response_p99_ns.clone()),
        ("cpu user+sys", Cpus, sum(&target.cpu_user, &target.cpu_system)),
        ("run queue", Threads, target.run_queue_s_per_s.clone()),
        ("switches", PerS, target.voluntary_switches_per_s.clone()),
        ("preempted", PerS, target.involuntary_switches_per_s.clone()),
        ("major faults", PerS, target.major_faults_per_s.clone()),
        ("rss anon", Bytes, target.rss_anon_bytes.clone()),
        ("rss file", Bytes, target.rss_file_bytes.clone()),
        ("rss shared", Bytes, target.rss_shmem_bytes.clone()),
        ("swap", Bytes, target.swap_bytes.clone()),
        ("pss", Bytes, target.pss_bytes.clone()),
        ("fds", Count, target.fds.clone()),
        ("threads", Count, target.threads.clone()),
        ("processes", Count, target.processes.clone()),
    ];
    if let Some(cgroup) = &document.cgroup {
        all.push(("cgroup memory", Bytes, cgroup.memory_current_bytes.clone()));
    }
    all.extend([
        ("host cpu", Cpus, sum(&host.cpu_user, &host.cpu_system)),
        ("host steal", Share, steal(document)),
        ("pressure cpu", Share, host.pressure_cpu_some.clone()),
        ("pressure mem", Share, host.pressure_memory_some.clone()),
        ("pressure io", Share, host.pressure_io_some.clone()),
        ("retransmits", PerS, host.tcp_retransmits_per_s.clone()),
    ]);
    all
}

/// Without the first and the last row with load, which cover only part of a row.
fn inner(values: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut inner = values.to_vec();
    if values.iter().flatten().count() > 3 {
        let first = values.iter().position(Option::is_some);
        let last = values.iter().rposition(Option::is_some);
        for edge in [first, last].into_iter().flatten() {
            inner[edge] = None;
        }
    }
    inner
}

fn joined(a: &[Option<f64>], b: &[Option<f64>], of: impl Fn(f64, f64) -> f64) -> Vec<Option<f64>> {
    a.iter().zip(b).map(|(a, b)| Some(of((*a)?, (*b)?))).collect()
}

/// The share of all CPUs' time that the hypervisor took.
fn steal(document: &TimelineDocument) -> Vec<Option<f64>> {
    let host = &document.host;
    let parts =
        [&host.cpu_user, &host.cpu_system, &host.cpu_idle, &host.cpu_iowait, &host.cpu_steal];
    let all = |row: usize| parts.iter().map(|part| part.get(row).copied().flatten()).sum();
    let whole: Vec<Option<f64>> = (0..host.cpu_steal.len()).map(all).collect();
    joined(&host.cpu_steal, &whole, |steal, whole| if whole > 0.0 { steal / whole } else { 0.0 })
}

/// A series in at most [`COURSE`] steps.
fn course(values: &[Option<f64>], of: Step) -> Vec<Option<f64>> {
    let steps = values.len().min(COURSE);
    let step = |step: usize| {
        let part = step * values.len() / steps..(step + 1) * values.len() / steps;
        let is_finite = |value: &&f64| value.is_finite();
        let known: Vec<f64> = values[part].iter().flatten().filter(is_finite).copied().collect();
        match of {
            Step::Mean if known.is_empty() => None,
            Step::Mean => Some(known.iter().sum::<f64>() / known.len() as f64),
            Step::Most => known.into_iter().max_by(f64::total_cmp),
        }
    };
    (0..steps).map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::columns::{CgroupRow, Row};

    #[test]
    fn without_a_value_there_is_no_digest() {
        assert_eq!(TimelineFigures::of(&TimelineDocument::empty(1, None)), None);
        let mut alone = TimelineDocument::empty(2, None);
        let current = CgroupRow { memory_current_bytes: Some(1536.0), ..CgroupRow::default() };
        alone.push(&Row { cgroup: Some(current), ..Row::default() });
        let found = TimelineFigures::of(&alone).expect("there is a value");
        assert_eq!((found.length_s, found.series.len()), (0.5, 1));
        let json = serde_json::to_value(&found.series[0]).expect("JSON");
        let expected = serde_json::json!({
            "name": "cgroup memory", "unit": "bytes", "min": 1536.0, "median": 1536.0,
            "max": 1536.0, "course": [1536.0],
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn a_course_has_forty_steps_at_most() {
        assert_eq!(course(&[Some(1.0), None, Some(2.0)], Step::Mean), [Some(1.0), None, Some(2.0)]);
        assert_eq!(course(&[], Step::Mean), []);
        let mut spike = vec![Some(1.0); 4_000];
        spike[150] = Some(2.0);
        spike[199] = None;
        let found = course(&spike, Step::Most);
        assert_eq!((found.len(), found[0], found[1]), (40, Some(1.0), Some(2.0)));
        for rows in [39, 40, 41, 79, 7_200] {
            let rising: Vec<_> = (0..rows).map(|row| Some(f64::from(row))).collect();
            let found = course(&rising, Step::Mean);
            assert_eq!(found.len(), (rows as usize).min(40));
            assert!(found.is_sorted());
        }
    }
}
