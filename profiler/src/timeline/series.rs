//! Builds the timeline: readings become rows of rates and levels, and the load's intervals are put
//! on the same axis. Pure.
//!
//! A row covers the time from the reading before it to its own; the first row, for which there are
//! no rates, covers one step.

use uringbench_core::record::Interval;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_document::timeline::columns::{
    CgroupColumns, CgroupRow, HostColumns, HostRow, LoadColumns, LoadRow, Row, TargetColumns,
    TargetRow, TimelineDocument,
};
use uringbench_machine::cgroup::CgroupMemory;

use super::reading::{HostReading, Reading, TargetReading};

/// Columns on one time axis.
#[derive(Clone, Debug)]
pub struct Timeline {
    hz: u32,
    /// The end of each row, ascending.
    ends: Vec<Timestamp>,
    load: LoadColumns,
    target: TargetColumns,
    cgroup: CgroupColumns,
    host: HostColumns,
    last: Option<Reading>,
}

/// A period of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    start: u64,
    end: u64,
}

impl Span {
    const fn length(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    fn overlap(self, other: Self) -> u64 {
        self.end.min(other.end).saturating_sub(self.start.max(other.start))
    }
}

impl Timeline {
    /// An empty series of `hz` rows per second.
    pub fn new(hz: u32) -> Self {
        Self {
            hz: hz.max(1),
            ends: Vec::new(),
            load: LoadColumns::default(),
            target: TargetColumns::default(),
            cgroup: CgroupColumns::default(),
            host: HostColumns::default(),
            last: None,
        }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The end of each row.
    pub fn ends(&self) -> &[Timestamp] {
        &self.ends
    }

    /// Appends a row. A reading that is not later than the last row is left out.
    pub fn push(&mut self, reading: &Reading) {
        if self.ends.last().is_some_and(|&end| reading.time <= end) {
            return;
        }
        let before = self.last.as_ref();
        let elapsed = before.map(|last| reading.time.since(last.time).as_secs_f64());
        let rate = Rate { elapsed };
        self.ends.push(reading.time);
        self.load.push(&LoadRow::default());
        self.target.push(&target(&reading.target, before.map(|last| &last.target), rate));
        self.cgroup.push(&reading.cgroup.as_ref().map(cgroup).unwrap_or_default());
        self.host.push(&host(&reading.host, before.map(|last| &last.host), rate));
        self.last = Some(reading.clone());
    }

    /// Puts the load on the axis, and replaces the load that was there. `start` is the start of the
    /// run; the intervals are in order. Rows are added where there was load but no reading.
    ///
    /// Counts are divided among rows by the time they share, so that their sum stays the same.
    /// Quantiles are assigned to the rows that share at least half of the shorter one's time with
    /// an interval.
    pub fn join_load(&mut self, start: Timestamp, intervals: &[Interval]) {
        let spans: Vec<_> = intervals.iter().map(|interval| span_of(start, interval)).collect();
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return };
        self.reach(*first, *last);
        let mut rows: Vec<_> = (0..self.len()).map(|row| Joined::new(self.span(row))).collect();
        for (interval, &span) in intervals.iter().zip(&spans) {
            let from = rows.partition_point(|row| row.span.end <= span.start);
            let from = from.min(rows.len().saturating_sub(1));
            for row in &mut rows[from..] {
                // An interval without length also takes the first row.
                if row.span.start >= span.end && span.length() > 0 {
                    break;
                }
                row.take(interval, span);
                if span.length() == 0 {
                    break;
                }
            }
        }
        self.load = LoadColumns::default();
        for row in rows {
            self.load.push(&row.row());
        }
    }

    /// The timeline to store, in seconds from `origin` (the run's start), which was at
    /// `start_unix_s` of the wall clock.
    pub fn document(&self, origin: Timestamp, start_unix_s: Option<f64>) -> TimelineDocument {
        let mut document = TimelineDocument::empty(self.hz, start_unix_s);
        for index in 0..self.len() {
            document.push(&self.row(index, origin));
        }
        document
    }

    /// One row of that document; `index` must be below [`Self::len`].
    pub fn row(&self, index: usize, origin: Timestamp) -> Row {
        let end = self.ends[index];
        let seconds = end.since(origin).as_secs_f64() - origin.since(end).as_secs_f64();
        let cgroup = self.cgroup.row(index);
        Row {
            // Rounded to microseconds, which is finer than the readings.
            t_s: (seconds * 1e6).round() / 1e6,
            load: self.load.row(index),
            target: self.target.row(index),
            cgroup: (cgroup != CgroupRow::default()).then_some(cgroup),
            host: self.host.row(index),
            soak: None,
        }
    }

    /// The same row under the load of these intervals, which began at `start`; those that the row
    /// does not touch are ignored. The axis stays that of the readings.
    pub fn row_under(&self, index: usize, start: Timestamp, intervals: &[Interval]) -> Row {
        let span = self.span(index);
        let mut joined = Joined::new(span);
        for interval in intervals {
            let of_load = span_of(start, interval);
            if of_load.overlap(span) > 0 {
                joined.take(interval, of_load);
            }
        }
        Row { load: joined.row(), ..self.row(index, start) }
    }

    fn step(&self) -> Nanos {
        Nanos(1_000_000_000 / u64::from(self.hz))
    }

    fn span(&self, row: usize) -> Span {
        let end = self.ends[row];
        let start = match row.checked_sub(1) {
            Some(before) => self.ends[before],
            None => end - self.step(),
        };
        Span { start: start.0, end: end.0 }
    }

    /// Adds rows until the axis covers the whole load.
    fn reach(&mut self, first: Span, last: Span) {
        let step = self.step().0;
        if self.is_empty() {
            self.append_unknown(Timestamp(first.start) + self.step());
        }
        let head = self.span(0).start;
        let missing = head.saturating_sub(first.start).div_ceil(step) as usize;
        let front = (1..=missing as u64).rev();
        let front: Vec<_> = front.map(|back| Timestamp(head) - Nanos((back - 1) * step)).collect();
        self.ends.splice(0..0, front);
        self.load.prepend_unknown(missing);
        self.target.prepend_unknown(missing);
        self.cgroup.prepend_unknown(missing);
        self.host.prepend_unknown(missing);
        while let Some(&end) = self.ends.last().filter(|end| end.0 < last.end) {
            self.append_unknown(end + self.step());
        }
    }

    fn append_unknown(&mut self, end: Timestamp) {
        self.ends.push(end);
        self.load.push(&LoadRow::default());
        self.target.push(&TargetRow::default());
        self.cgroup.push(&CgroupRow::default());
        self.host.push(&HostRow::default());
    }
}

fn span_of(start: Timestamp, interval: &Interval) -> Span {
    let start = start + interval.start;
    Span { start: start.0, end: (start + interval.length).0 }
}

/// The load of a row.
struct Joined {
    span: Span,
    is_loaded: bool,
    completed: f64,
    errors: f64,
    in_flight: Option<u64>,
    /// The median of each interval, and its weight.
    medians: Vec<(u64, f64)>,
    p99: Option<u64>,
}

impl Joined {
    fn new(span: Span) -> Self {
        Self {
            span,
            is_loaded: false,
            completed: 0.0,
            errors: 0.0,
            in_flight: None,
            medians: Vec::new(),
            p99: None,
        }
    }

    fn take(&mut self, interval: &Interval, span: Span) {
        let shared = self.span.overlap(span);
        let share = if span.length() == 0 { 1.0 } else { shared as f64 / span.length() as f64 };
        self.is_loaded = true;
        self.completed += interval.completed as f64 * share;
        self.errors += interval.errors as f64 * share;
        if shared.saturating_mul(2) < self.span.length().min(span.length()) {
            return;
        }
        self.in_flight = Some(interval.in_flight);
        if let Some(response) = interval.response {
            self.medians.push((response.p50, interval.completed as f64 * share));
            self.p99 = self.p99.max(Some(response.p99));
        }
    }

    fn row(mut self) -> LoadRow {
        if !self.is_loaded {
            return LoadRow::default();
        }
        let seconds = self.span.length() as f64 / 1e9;
        self.medians.sort_by_key(|&(median, _)| median);
        let half = self.medians.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
        let mut below = 0.0;
        let p50 = self.medians.iter().find(|(_, weight)| {
            below += weight;
            below >= half
        });
        LoadRow {
            completed_per_s: Some(self.completed / seconds),
            errors_per_s: Some(self.errors / seconds),
            in_flight: self.in_flight.map(|count| count as f64),
            response_p50_ns: p50.map(|&(nanos, _)| nanos as f64),
            response_p99_ns: self.p99.map(|nanos| nanos as f64),
        }
    }
}

/// The growth of counters over the time between two readings.
#[derive(Clone, Copy)]
struct Rate {
    elapsed: Option<f64>,
}

impl Rate {
    /// Per second; `None` without an earlier reading, or if the counter was reset.
    fn of(self, before: Option<u64>, now: Option<u64>) -> Option<f64> {
        let grown = now?.checked_sub(before?)?;
        self.elapsed.filter(|&seconds| seconds > 0.0).map(|seconds| grown as f64 / seconds)
    }

    /// Seconds per second.
    fn of_time(self, before: Option<Nanos>, now: Option<Nanos>) -> Option<f64> {
        Some(self.of(before.map(|time| time.0), now.map(|time| time.0))? / 1e9)
    }
}

fn target(now: &TargetReading, before: Option<&TargetReading>, rate: Rate) -> TargetRow {
    if now.processes == 0 {
        // It has ended: missing memory is not a low level of memory.
        return TargetRow { processes: Some(0.0), ..TargetRow::default() };
    }
    let counter = |of: fn(&TargetReading) -> u64| rate.of(before.map(of), Some(of(now)));
    let time = |of: fn(&TargetReading) -> Nanos| rate.of_time(before.map(of), Some(of(now)));
    let cpu = before.map(|before| cpu_grown(now, before));
    let cpu = |of: fn((f64, f64)) -> f64| Some(cpu.map(of)? / rate.elapsed.filter(|&s| s > 0.0)?);
    let level = |level: u64| Some(level as f64);
    TargetRow {
        cpu_user: cpu(|(user, _)| user),
        cpu_system: cpu(|(_, system)| system),
        run_queue_s_per_s: time(|target| target.run_queue),
        voluntary_switches_per_s: counter(|target| target.voluntary_switches),
        involuntary_switches_per_s: counter(|target| target.involuntary_switches),
        minor_faults_per_s: counter(|target| target.minor_faults),
        major_faults_per_s: counter(|target| target.major_faults),
        rss_anon_bytes: level(now.rss_anon),
        rss_file_bytes: level(now.rss_file),
        rss_shmem_bytes: level(now.rss_shmem),
        swap_bytes: level(now.swap),
        pss_bytes: now.pss.and_then(level),
        fds: now.fds.and_then(level),
        threads: level(now.threads),
        processes: level(now.processes),
    }
}

/// Seconds of user and kernel time. The kernel reports both in ticks of 10 ms, too coarse for ten
/// rows a second, but their sum per thread exactly. If the two sums agree within their rounding,
/// the exact one is divided in the ratio of the ticks.
fn cpu_grown(now: &TargetReading, before: &TargetReading) -> (f64, f64) {
    /// Two values per process, each rounded by up to one tick.
    const SLACK: f64 = 0.02;
    let seconds = |now: Nanos, before: Nanos| Nanos(now.0.saturating_sub(before.0)).as_secs_f64();
    let user = seconds(now.user, before.user);
    let system = seconds(now.system, before.system);
    let exact = seconds(now.on_cpu, before.on_cpu);
    let slack = SLACK * now.processes.max(before.processes) as f64;
    if (exact - user - system).abs() > slack || now.threads_unread > 0 {
        return (user, system);
    }
    // Without a tick in this row, use the ratio since the beginning.
    let share = |user: f64, system: f64| (user + system > 0.0).then(|| user / (user + system));
    let whole = || share(now.user.as_secs_f64(), now.system.as_secs_f64());
    let user_share = share(user, system).or_else(whole).unwrap_or(1.0);
    (exact * user_share, exact * (1.0 - user_share))
}

fn cgroup(now: &CgroupMemory) -> CgroupRow {
    let level = |level: Option<u64>| level.map(|level| level as f64);
    CgroupRow {
        memory_current_bytes: level(now.current),
        memory_anon_bytes: level(now.anon),
        memory_limit_bytes: level(now.limit),
    }
}

fn host(now: &HostReading, before: Option<&HostReading>, rate: Rate) -> HostRow {
    let counter = |of: fn(&HostReading) -> Option<u64>| rate.of(before.and_then(of), of(now));
    let time = |of: fn(&HostReading) -> Option<Nanos>| rate.of_time(before.and_then(of), of(now));
    HostRow {
        cpu_user: time(|host| Some(host.cpu?.user)),
        cpu_system: time(|host| Some(host.cpu?.system)),
        cpu_steal: time(|host| Some(host.cpu?.steal)),
        cpu_idle: time(|host| Some(host.cpu?.idle)),
        cpu_iowait: time(|host| Some(host.cpu?.iowait)),
        context_switches_per_s: counter(|host| Some(host.cpu?.context_switches)),
        pressure_cpu_some: time(|host| host.pressure_cpu),
        pressure_memory_some: time(|host| host.pressure_memory),
        pressure_io_some: time(|host| host.pressure_io),
        disk_read_bytes_per_s: counter(|host| Some(host.disk?.read_bytes)),
        disk_write_bytes_per_s: counter(|host| Some(host.disk?.written_bytes)),
        disk_read_s_per_s: time(|host| Some(host.disk?.read_time)),
        disk_write_s_per_s: time(|host| Some(host.disk?.write_time)),
        network_received_bytes_per_s: counter(|host| Some(host.network?.received_bytes)),
        network_sent_bytes_per_s: counter(|host| Some(host.network?.sent_bytes)),
        network_received_packets_per_s: counter(|host| Some(host.network?.received_packets)),
        network_sent_packets_per_s: counter(|host| Some(host.network?.sent_packets)),
        tcp_retransmits_per_s: counter(|host| host.tcp_retransmits),
        memory_available_bytes: now.memory_available.map(|bytes| bytes as f64),
    }
}

#[cfg(test)]
mod tests;
