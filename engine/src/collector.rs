//! Adds up what the workers hand over, interval by interval, into the record.

use std::collections::VecDeque;

use uringbench_core::histogram::LatencyCounts;
use uringbench_core::outcome::Counts;
use uringbench_core::record::{Interval, IntervalQuantiles, Phase, Times};
use uringbench_core::time::Timestamp;

use crate::recorder::{Handover, Totals};

/// One worker's sums.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorkerSums {
    /// Of the whole run.
    pub(crate) all: Totals,
    /// From the start of the measured window on, drain included.
    pub(crate) measured: Totals,
    /// In the measured window alone.
    pub(crate) enters: u64,
    /// Fewest connections established at the end of an interval of the measured window.
    pub(crate) connected_min: Option<u32>,
}

/// Everything handed over so far.
pub(crate) struct Collector {
    pub(crate) counts: Counts,
    pub(crate) warmup_counts: Counts,
    pub(crate) by_status: Box<[u64]>,
    pub(crate) times: Times,
    pub(crate) intervals: Vec<Interval>,
    pub(crate) workers: Vec<WorkerSums>,
    start: Timestamp,
    is_open: bool,
    /// Rows not every worker has added to yet, oldest first.
    pending: VecDeque<Pending>,
    /// Workers that hand over nothing more.
    finished: Vec<bool>,
}

/// A row in the making.
struct Pending {
    index: u32,
    row: Interval,
    response: LatencyCounts,
    lateness: LatencyCounts,
    /// Which workers have added to it.
    seen: Vec<bool>,
}

impl Collector {
    pub(crate) fn new(workers: usize, start: Timestamp, is_open: bool) -> Self {
        Self {
            counts: Counts::default(),
            warmup_counts: Counts::default(),
            by_status: vec![0; 1_000].into(),
            times: Times::default(),
            intervals: Vec::new(),
            workers: vec![WorkerSums::default(); workers],
            start,
            is_open,
            pending: VecDeque::new(),
            finished: vec![false; workers],
        }
    }

    /// Add one worker's interval and leave the box empty. The rows that are complete with it.
    pub(crate) fn add(&mut self, worker: usize, handover: &mut Handover) -> &[Interval] {
        handover.service.merge(&handover.whole);
        handover.first_byte.merge(&handover.whole);
        handover.whole.clear();
        if !self.is_open {
            // In a closed loop a request is due when it is sent.
            handover.response.merge(&handover.service);
        }
        self.add_to_worker(worker, handover);
        self.add_to_row(worker, handover);
        self.add_to_whole(handover);
        let complete = self.intervals.len();
        self.complete_rows();
        &self.intervals[complete..]
    }

    /// A worker has ended: rows no longer wait for it.
    pub(crate) fn finish(&mut self, worker: usize) {
        self.finished[worker] = true;
        self.complete_rows();
    }

    fn add_to_worker(&mut self, worker: usize, handover: &Handover) {
        let sums = &mut self.workers[worker];
        sums.all.merge(&handover.totals);
        if handover.phase != Phase::Warmup {
            sums.measured.merge(&handover.totals);
        }
        if handover.phase == Phase::Measure {
            sums.enters += handover.totals.enters;
            let least = sums.connected_min.unwrap_or(u32::MAX);
            sums.connected_min = Some(least.min(handover.connected));
        }
    }

    fn add_to_row(&mut self, worker: usize, handover: &Handover) {
        let workers = self.workers.len();
        let start = self.start;
        let position = self.pending.iter().position(|row| row.index == handover.index);
        let position = position.unwrap_or_else(|| {
            self.pending.push_back(Pending::new(handover, start, workers));
            self.pending.len() - 1
        });
        let pending = &mut self.pending[position];
        let ended = [&handover.measured, &handover.warmup];
        let row = &mut pending.row;
        row.length = row.length.max(handover.end.since(handover.start));
        row.released += ended.iter().map(|counts| counts.released).sum::<u64>();
        row.completed += ended.iter().map(|counts| counts.completed()).sum::<u64>();
        row.errors += ended.iter().map(|counts| counts.errors()).sum::<u64>();
        row.in_flight += handover.in_flight;
        row.connected += u64::from(handover.connected);
        row.sent_bytes += handover.totals.sent_bytes;
        row.received_bytes += handover.totals.received_bytes;
        pending.response.merge(&handover.response);
        pending.lateness.merge(&handover.lateness);
        pending.seen[worker] = true;
    }

    fn add_to_whole(&mut self, handover: &mut Handover) {
        self.counts.merge(&handover.measured);
        self.warmup_counts.merge(&handover.warmup);
        for (sum, &count) in self.by_status.iter_mut().zip(&handover.by_status) {
            *sum += u64::from(count);
        }
        // Values of the warm-up were for its rows alone.
        let mut unmeasured = (handover.phase == Phase::Warmup).then(Times::default);
        if unmeasured.is_none() {
            self.times.censored += handover.censored;
        }
        let times = unmeasured.as_mut().unwrap_or(&mut self.times);
        handover.response.drain_into(&mut times.response);
        handover.service.drain_into(&mut times.service);
        handover.lateness.drain_into(&mut times.lateness);
        handover.first_byte.drain_into(&mut times.first_byte);
        handover.connect.drain_into(&mut self.times.connect);
    }

    /// Move rows that every worker still running has added to into the record, in order.
    fn complete_rows(&mut self) {
        let is_complete = |row: &Pending, finished: &[bool]| {
            row.seen.iter().zip(finished).all(|(&seen, &finished)| seen || finished)
        };
        while self.pending.front().is_some_and(|row| is_complete(row, &self.finished))
            && let Some(pending) = self.pending.pop_front()
        {
            self.intervals.push(pending.into_row());
        }
    }
}

impl Pending {
    fn new(first: &Handover, start: Timestamp, workers: usize) -> Self {
        Self {
            index: first.index,
            row: Interval {
                start: first.start.since(start),
                length: first.end.since(first.start),
                phase: first.phase,
                released: 0,
                completed: 0,
                errors: 0,
                in_flight: 0,
                connected: 0,
                response: None,
                lateness_p99: None,
                sent_bytes: 0,
                received_bytes: 0,
            },
            response: LatencyCounts::default(),
            lateness: LatencyCounts::default(),
            seen: vec![false; workers],
        }
    }

    fn into_row(self) -> Interval {
        let at = |quantile| self.response.value_at(quantile);
        let response = match (at(0.5), at(0.99), at(1.0)) {
            (Some(p50), Some(p99), Some(max)) => Some(IntervalQuantiles { p50, p99, max }),
            _ => None,
        };
        Interval { response, lateness_p99: self.lateness.value_at(0.99), ..self.row }
    }
}
