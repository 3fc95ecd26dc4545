//! The timeline as a person reads it: the main series, a line each with the smallest, middle and
//! largest value and its course.

use uringbench_core::summary::{Grouped, Percent};
use uringbench_core::time::Nanos;

use super::document::Document;

/// Columns of the names on the left.
const NAMES: usize = 14;
/// Columns of one value.
const CELL: usize = 12;
/// Columns of the course.
const COURSE: usize = 40;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The lines, the heads of the columns first; none when nothing is known. A series without a
/// value has no line.
pub fn lines(document: &Document) -> Vec<String> {
    let mut lines: Vec<_> = series(document).iter().filter_map(Series::line).collect();
    if !lines.is_empty() {
        let heads: String =
            ["min", "median", "max"].iter().map(|head| format!("{head:>CELL$}")).collect();
        let seconds = document.t_s.last().copied().unwrap_or(0.0)
            - document.t_s.first().copied().unwrap_or(0.0)
            + 1.0 / f64::from(document.hz.max(1));
        let length = Nanos((seconds.max(0.0) * 1e9).round() as u64);
        lines.insert(0, format!("{:<NAMES$}{heads}  {length}", "timeline"));
    }
    lines
}

struct Series {
    name: &'static str,
    values: Vec<Option<f64>>,
    show: fn(f64) -> String,
    column: Column,
}

/// What of the rows in one column of a course is shown.
#[derive(Clone, Copy)]
enum Column {
    Mean,
    /// For what matters by its exceptions: a mean of many rows would hide them.
    Most,
}

fn series(document: &Document) -> Vec<Series> {
    let Document { load, target, host, .. } = document;
    let of = |name, values, show| Series { name, values, show, column: Column::Mean };
    let new = |name, values: &[Option<f64>], show| of(name, values.to_vec(), show);
    let worst = |name, values, show| Series { column: Column::Most, ..new(name, values, show) };
    let mut all = vec![
        of("rps", inner(&load.completed_per_s), per_second as fn(f64) -> String),
        of("errors", inner(&load.errors_per_s), per_second),
        new("in flight", &load.in_flight, count),
        new("response p50", &load.response_p50_ns, nanos),
        worst("response p99", &load.response_p99_ns, nanos),
        of("cpu user+sys", joined(&target.cpu_user, &target.cpu_system, |a, b| a + b), cores),
        new("run queue", &target.run_queue_s_per_s, threads),
        new("switches", &target.voluntary_switches_per_s, per_second),
        new("preempted", &target.involuntary_switches_per_s, per_second),
        new("major faults", &target.major_faults_per_s, per_second),
        new("rss anon", &target.rss_anon_bytes, bytes),
        new("rss file", &target.rss_file_bytes, bytes),
        new("rss shared", &target.rss_shmem_bytes, bytes),
        new("swap", &target.swap_bytes, bytes),
        new("pss", &target.pss_bytes, bytes),
        new("fds", &target.fds, count),
        new("threads", &target.threads, count),
        new("processes", &target.processes, count),
    ];
    if let Some(cgroup) = &document.cgroup {
        all.push(new("cgroup memory", &cgroup.memory_current_bytes, bytes));
    }
    all.extend([
        of("host cpu", joined(&host.cpu_user, &host.cpu_system, |a, b| a + b), cores),
        of("host steal", steal(document), percent),
        new("pressure cpu", &host.pressure_cpu_some, percent),
        new("pressure mem", &host.pressure_memory_some, percent),
        new("pressure io", &host.pressure_io_some, percent),
        new("retransmits", &host.tcp_retransmits_per_s, per_second),
    ]);
    // Of these a line of zeros says nothing.
    let troubles = [
        "errors",
        "major faults",
        "rss shared",
        "swap",
        "pressure mem",
        "pressure io",
        "retransmits",
    ];
    all.retain(|series| {
        let is_quiet = series.values.iter().flatten().all(|&value| value == 0.0);
        !(is_quiet && troubles.contains(&series.name))
    });
    all
}

/// Without the first and the last row that have some load: those hold a part of a row's worth.
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
fn steal(document: &Document) -> Vec<Option<f64>> {
    let host = &document.host;
    let parts =
        [&host.cpu_user, &host.cpu_system, &host.cpu_idle, &host.cpu_iowait, &host.cpu_steal];
    let all = |row: usize| parts.iter().map(|part| part.get(row).copied().flatten()).sum();
    let whole: Vec<Option<f64>> = (0..host.cpu_steal.len()).map(all).collect();
    joined(&host.cpu_steal, &whole, |steal, whole| if whole > 0.0 { steal / whole } else { 0.0 })
}

impl Series {
    fn line(&self) -> Option<String> {
        let mut known: Vec<f64> = self.values.iter().flatten().copied().collect();
        known.sort_by(f64::total_cmp);
        let values = [known.first()?, known.get(known.len() / 2)?, known.last()?];
        let cells: String =
            values.into_iter().map(|&value| format!("{:>CELL$}", (self.show)(value))).collect();
        let line = format!("{:<NAMES$}{cells}  {}", self.name, course(&self.values, self.column));
        Some(line.trim_end().to_owned())
    }
}

/// The course of a series from its smallest value (lowest bar) to its largest, in at most
/// [`COURSE`] columns; a blank where nothing is known. What does not change is a line at the
/// bottom.
fn course(values: &[Option<f64>], of: Column) -> String {
    let columns = values.len().min(COURSE);
    let heights: Vec<Option<f64>> = (0..columns)
        .map(|column| {
            let part = column * values.len() / columns..(column + 1) * values.len() / columns;
            let known: Vec<f64> = values[part].iter().flatten().copied().collect();
            match of {
                Column::Mean if known.is_empty() => None,
                Column::Mean => Some(known.iter().sum::<f64>() / known.len() as f64),
                Column::Most => known.into_iter().max_by(f64::total_cmp),
            }
        })
        .collect();
    let least = heights.iter().flatten().copied().fold(f64::INFINITY, f64::min);
    let most = heights.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
    let bar = |height: f64| {
        let share = if most > least { (height - least) / (most - least) } else { 0.0 };
        BARS[((share * 8.0) as usize).min(7)]
    };
    heights.into_iter().map(|height| height.map_or(' ', bar)).collect()
}

fn count(value: f64) -> String {
    Grouped(value.round() as u64).to_string()
}

/// As in the summary: a decimal below 100.
fn per_second(value: f64) -> String {
    match value {
        0.0 => "0/s".to_owned(),
        v if v < 100.0 => format!("{v:.1}/s"),
        v => format!("{}/s", Grouped(v.round() as u64)),
    }
}

fn nanos(value: f64) -> String {
    Nanos(value.round() as u64).to_string()
}

fn cores(value: f64) -> String {
    format!("{value:.2} CPU")
}

/// Threads that waited, on average.
fn threads(value: f64) -> String {
    format!("{value:.3}")
}

fn percent(value: f64) -> String {
    Percent(value).to_string()
}

fn bytes(value: f64) -> String {
    let (value, unit) = match value {
        b if b < 1024.0 => return format!("{b:.0} B"),
        b if b < 1024.0 * 1024.0 => (b / 1024.0, "KiB"),
        b if b < 1024.0 * 1024.0 * 1024.0 => (b / 1024.0 / 1024.0, "MiB"),
        b => (b / 1024.0 / 1024.0 / 1024.0, "GiB"),
    };
    format!("{value:.1} {unit}")
}

#[cfg(test)]
mod tests;
