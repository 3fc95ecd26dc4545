//! Adds up the workers' intervals into the record.

use std::collections::VecDeque;

use uringbench_core::answer_code::CodeCounts;
use uringbench_core::cause::Causes;
use uringbench_core::edges::EdgeShares;
use uringbench_core::histogram::LatencyCounts;
use uringbench_core::http::deviation::Deviations;
use uringbench_core::outcome::{Counts, Outcome};
use uringbench_core::plan::Plan;
use uringbench_core::record::{
    FlowRecord, INTERVAL, Interval, IntervalQuantiles, StepRecord, Times,
};
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_core::window::Phase;

use crate::record::recorder::{IntervalCounts, Totals, add};

/// One worker's sums.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorkerSums {
    /// Of the whole run.
    pub(crate) all: Totals,
    /// From the start of the measured window on, drain included.
    pub(crate) measured: Totals,
    /// In the measured window only.
    pub(crate) enters: u64,
    pub(crate) spun: Nanos,
    /// Fewest connections established at the end of an interval of the measured window.
    pub(crate) connected_min: Option<u32>,
}

/// The sum of all intervals so far.
pub(crate) struct Sums {
    pub(crate) counts: Counts,
    pub(crate) causes: Causes,
    pub(crate) tolerated: Deviations,
    pub(crate) edges: EdgeShares,
    pub(crate) warmup_counts: Counts,
    pub(crate) codes: CodeCounts,
    pub(crate) times: Times,
    pub(crate) intervals: Vec<Interval>,
    /// Empty unless the run has intervals shorter than a second.
    pub(crate) slices: Vec<Interval>,
    pub(crate) workers: Vec<WorkerSums>,
    pub(crate) steps: Vec<StepRecord>,
    pub(crate) flows: Vec<FlowRecord>,
}

/// Adds up the workers' intervals.
pub(crate) struct Collector {
    sums: Sums,
    start: Timestamp,
    has_due_times: bool,
    is_sliced: bool,
    /// Rows to which some worker has not added yet, oldest first.
    pending: VecDeque<Row>,
    /// The response times of the latest intervals, until they are taken: keeping them all would
    /// need memory that grows with the run.
    complete: Vec<LatencyCounts>,
    /// The interval to which complete slices are being added.
    gathering: Option<Row>,
    /// The next interval of each worker; past the last one if none is left.
    next: Vec<u32>,
}

/// A row being filled: one interval, or several if a worker returned them as one.
struct Row {
    /// The numbers of its first and last interval.
    index: u32,
    last: u32,
    figures: Interval,
    response: LatencyCounts,
    lateness: LatencyCounts,
    /// Exchanges in flight and connections established at its end, for each worker that took part.
    levels: Vec<Option<(u64, u32)>>,
}

impl Collector {
    pub(crate) fn new(plan: &Plan, start: Timestamp) -> Self {
        let workers = plan.transport.cpus.len();
        let script = plan.workload.script();
        let steps = script.map_or(0, |script| script.steps().count());
        let flows = script.map_or(0, |script| script.flows().len());
        let sums = Sums {
            counts: Counts::default(),
            causes: Causes::default(),
            tolerated: Deviations::new(),
            edges: EdgeShares::default(),
            warmup_counts: Counts::default(),
            codes: CodeCounts::default(),
            times: Times::default(),
            intervals: Vec::new(),
            slices: Vec::new(),
            workers: vec![WorkerSums::default(); workers],
            steps: vec![StepRecord::default(); steps],
            flows: vec![FlowRecord::default(); flows],
        };
        Self {
            sums,
            start,
            has_due_times: plan.has_due_times(),
            is_sliced: plan.observe.slice < INTERVAL,
            pending: VecDeque::new(),
            complete: Vec::new(),
            gathering: None,
            next: vec![0; workers],
        }
    }

    /// The sum, when all intervals are in.
    pub(crate) fn into_sums(self) -> Sums {
        self.sums
    }

    /// Add one worker's interval and empty its box.
    pub(crate) fn add(&mut self, worker: usize, handover: &mut IntervalCounts) {
        handover.service.merge(&handover.whole);
        handover.first_byte.merge(&handover.whole);
        handover.whole.clear();
        if !self.has_due_times {
            // In a closed loop a request is due when it is sent.
            handover.response.merge(&handover.service);
        }
        self.add_to_worker(worker, handover);
        self.add_to_row(worker, handover);
        self.add_to_whole(handover);
        self.add_to_steps(handover);
        self.complete_rows();
    }

    /// A worker has ended: rows no longer wait for it.
    pub(crate) fn finish(&mut self, worker: usize) {
        self.next[worker] = u32::MAX;
        self.complete_rows();
    }

    /// The intervals completed since the last call, with their response times.
    pub(crate) fn take_complete(&mut self) -> impl Iterator<Item = (&Interval, LatencyCounts)> {
        let taken = self.sums.intervals.len() - self.complete.len();
        self.sums.intervals[taken..].iter().zip(self.complete.drain(..))
    }

    fn add_to_worker(&mut self, worker: usize, handover: &IntervalCounts) {
        let sums = &mut self.sums.workers[worker];
        sums.all.merge(&handover.totals);
        if handover.phase != Phase::Warmup {
            sums.measured.merge(&handover.totals);
        }
        if handover.phase == Phase::Measure {
            sums.enters += handover.totals.enters;
            sums.spun += handover.totals.spun;
            let least = sums.connected_min.unwrap_or(u32::MAX);
            sums.connected_min = Some(least.min(handover.connected));
        }
    }

    fn add_to_row(&mut self, worker: usize, handover: &IntervalCounts) {
        self.next[worker] = handover.last + 1;
        let pending = self.row_of(handover);
        let ended = [&handover.measured, &handover.warmup];
        let row = &mut pending.figures;
        row.released += ended.iter().map(|counts| counts.released).sum::<u64>();
        row.completed += ended.iter().map(|counts| counts.completed()).sum::<u64>();
        row.errors += ended.iter().map(|counts| counts.errors()).sum::<u64>();
        for (sum, outcome) in row.outcomes.iter_mut().zip(Outcome::ALL) {
            *sum += ended.iter().map(|counts| counts.of(outcome)).sum::<u64>();
        }
        row.sent_bytes += handover.totals.sent_bytes;
        row.received_bytes += handover.totals.received_bytes;
        pending.response.merge(&handover.response);
        pending.lateness.merge(&handover.lateness);
        pending.levels[worker] = Some((handover.in_flight, handover.connected));
    }

    /// The row of a returned interval. If a worker returned several as one, their rows are merged.
    fn row_of(&mut self, handover: &IntervalCounts) -> &mut Row {
        let from = self.pending.partition_point(|row| row.last < handover.index);
        let to = self.pending.partition_point(|row| row.index <= handover.last);
        if from == to {
            self.pending.insert(from, Row::new(handover, self.start, self.sums.workers.len()));
        }
        let parts: Vec<_> = self.pending.drain(from + 1..to.max(from + 1)).collect();
        let row = &mut self.pending[from];
        for part in &parts {
            row.append(part);
        }
        let end = handover.end.since(self.start).0;
        row.last = row.last.max(handover.last);
        row.index = row.index.min(handover.index);
        let figures = &mut row.figures;
        let end = end.max(figures.start.0 + figures.length.0);
        figures.start = figures.start.min(handover.start.since(self.start));
        figures.length = Nanos(end - figures.start.0);
        row
    }

    fn add_to_whole(&mut self, handover: &mut IntervalCounts) {
        self.sums.counts.merge(&handover.measured);
        self.sums.edges.merge(handover.edges);
        self.sums.warmup_counts.merge(&handover.warmup);
        self.sums.causes.merge(&handover.causes);
        if handover.phase != Phase::Warmup {
            self.sums.tolerated.merge(&handover.tolerated);
        }
        self.sums.codes.merge(&handover.codes);
        // Values of the warm-up were for its rows only.
        let mut unmeasured = (handover.phase == Phase::Warmup).then(Times::default);
        if unmeasured.is_none() {
            self.sums.times.censored += handover.censored;
        }
        let times = unmeasured.as_mut().unwrap_or(&mut self.sums.times);
        handover.response.drain_into(&mut times.response);
        handover.service.drain_into(&mut times.service);
        handover.lateness.drain_into(&mut times.lateness);
        handover.first_byte.drain_into(&mut times.first_byte);
        handover.first_event.drain_into(&mut times.first_event);
        handover.gap.drain_into(&mut times.gap);
        handover.connect.drain_into(&mut self.sums.times.connect);
        handover.handshake.drain_into(&mut self.sums.times.handshake);
    }

    fn add_to_steps(&mut self, handover: &mut IntervalCounts) {
        for (sum, step) in self.sums.steps.iter_mut().zip(&mut handover.steps) {
            sum.counts.merge(&std::mem::take(&mut step.counts));
            sum.edge += std::mem::take(&mut step.edge);
            if let Some(times) = &mut step.times {
                times.drain_into([&mut sum.response, &mut sum.service, &mut sum.lateness]);
            }
            for (failed, count) in step.failures.drain(..) {
                add(&mut sum.failures, failed, count);
            }
            sum.causes.merge(&step.causes);
            step.causes.clear();
            for (code, count) in step.codes.drain(..) {
                add(&mut sum.codes, code, count);
            }
        }
        for (sum, flow) in self.sums.flows.iter_mut().zip(&mut handover.flows) {
            sum.passed += std::mem::take(&mut flow.passed);
            sum.failed += std::mem::take(&mut flow.failed);
            sum.unfinished += std::mem::take(&mut flow.unfinished);
            sum.edge += std::mem::take(&mut flow.edge);
            if let Some(times) = &mut flow.times {
                times.drain_into([&mut sum.response, &mut sum.service, &mut sum.lateness]);
            }
        }
    }

    /// Move rows to which every running worker has added into the record, in order.
    fn complete_rows(&mut self) {
        let through = self.next.iter().min().copied().unwrap_or(u32::MAX);
        while self.pending.front().is_some_and(|row| row.last < through)
            && let Some(row) = self.pending.pop_front()
        {
            if self.is_sliced {
                self.sums.slices.push(row.close());
                self.gather(row);
            } else {
                self.push(row);
            }
        }
        if through == u32::MAX
            && let Some(last) = self.gathering.take()
        {
            self.push(last);
        }
    }

    /// Add a complete slice to its interval, which ends at the end of its phase or after its
    /// length.
    fn gather(&mut self, slice: Row) {
        let phase = slice.figures.phase;
        if let Some(before) = self.gathering.take_if(|row| row.figures.phase != phase) {
            self.push(before);
        }
        match &mut self.gathering {
            Some(interval) => interval.append(&slice),
            none => *none = Some(slice),
        }
        if let Some(full) = self.gathering.take_if(|row| row.figures.length >= INTERVAL) {
            self.push(full);
        }
    }

    fn push(&mut self, row: Row) {
        self.sums.intervals.push(row.close());
        self.complete.push(row.response);
    }
}

impl Row {
    fn new(first: &IntervalCounts, start: Timestamp, workers: usize) -> Self {
        Self {
            index: first.index,
            last: first.last,
            figures: Interval {
                start: first.start.since(start),
                length: first.end.since(first.start),
                phase: first.phase,
                released: 0,
                completed: 0,
                errors: 0,
                outcomes: [0; Outcome::ALL.len()],
                in_flight: 0,
                connected: 0,
                response: None,
                lateness_p99: None,
                sent_bytes: 0,
                received_bytes: 0,
            },
            response: LatencyCounts::default(),
            lateness: LatencyCounts::default(),
            levels: vec![None; workers],
        }
    }

    /// Add the row right after it.
    fn append(&mut self, next: &Self) {
        let (sum, more) = (&mut self.figures, &next.figures);
        self.last = next.last;
        sum.length += more.length;
        sum.released += more.released;
        sum.completed += more.completed;
        sum.errors += more.errors;
        sum.outcomes.iter_mut().zip(more.outcomes).for_each(|(sum, more)| *sum += more);
        sum.sent_bytes += more.sent_bytes;
        sum.received_bytes += more.received_bytes;
        // A worker without a part in the next one keeps its last level.
        for (level, next) in self.levels.iter_mut().zip(&next.levels) {
            *level = next.or(*level);
        }
        self.response.merge(&next.response);
        self.lateness.merge(&next.lateness);
    }

    fn close(&self) -> Interval {
        let at = |quantile| self.response.value_at(quantile);
        let response = match (at(0.5), at(0.99), at(1.0)) {
            (Some(p50), Some(p99), Some(max)) => Some(IntervalQuantiles { p50, p99, max }),
            _ => None,
        };
        Interval {
            response,
            lateness_p99: self.lateness.value_at(0.99),
            in_flight: self.levels.iter().flatten().map(|(in_flight, _)| in_flight).sum(),
            connected: self.levels.iter().flatten().map(|level| u64::from(level.1)).sum(),
            ..self.figures.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uringbench_core::http::request::{RequestParts, RequestTemplate};
    use uringbench_core::plan::Limit;
    use uringbench_core::time::Nanos;

    const START: Timestamp = Timestamp(5_000_000_000);

    fn plan(slice: Nanos) -> Plan {
        let parts = RequestParts::new("GET", "x", "/");
        Plan::plain(
            ([127, 0, 0, 1], 80).into(),
            RequestTemplate::build(parts).expect("a plain request"),
        )
        .with(|plan| {
            plan.limits.window = Limit::Duration(Nanos::from_millis(1_700));
            plan.limits.warmup = Nanos::from_millis(300);
            plan.observe.slice = slice;
        })
        .expect("a plan")
    }

    fn slice(index: u32, phase: Phase, response: u64) -> IntervalCounts {
        let start = START + Nanos::from_millis(100 * u64::from(index));
        let mut handover =
            IntervalCounts { index, last: index, phase, start, ..IntervalCounts::default() };
        handover.end = start + Nanos::from_millis(100);
        handover.in_flight = u64::from(index);
        let counts = match phase {
            Phase::Warmup => &mut handover.warmup,
            _ => &mut handover.measured,
        };
        counts.released = 1;
        handover.response.record(response);
        handover
    }

    #[test]
    fn slices_add_up_to_intervals_that_end_with_their_phase() {
        let mut collector = Collector::new(&plan(Nanos::from_millis(100)), START);
        for index in 0..20 {
            let phase = if index < 3 { Phase::Warmup } else { Phase::Measure };
            collector.add(0, &mut slice(index, phase, 1_000 * u64::from(index + 1)));
        }
        collector.finish(0);
        assert_eq!(collector.sums.slices.len(), 20);
        let rows: Vec<_> = collector
            .sums
            .intervals
            .iter()
            .map(|row| (row.start.0 / 1_000_000, row.length.0 / 1_000_000, row.released))
            .collect();
        assert_eq!(rows, [(0, 300, 3), (300, 1_000, 10), (1_300, 700, 7)]);
        let last = &collector.sums.intervals[2];
        assert_eq!((last.in_flight, last.phase), (19, Phase::Measure));
        // The quantiles are those of all values together, not of the slices' quantiles.
        let of = |row: &Interval| row.response.map(|quantiles| (quantiles.p50, quantiles.max));
        assert_eq!(of(&collector.sums.slices[13]), Some((14_007, 14_007)));
        assert_eq!(of(last), Some((17_007, 20_015)));
    }

    #[test]
    fn times_of_complete_intervals_are_handed_on_once_and_add_up_to_the_whole() {
        let mut collector = Collector::new(&plan(Nanos::from_millis(100)), START);
        let mut whole = uringbench_core::histogram::empty();
        let mut totals = Vec::new();
        for index in 0..20 {
            let phase = if index < 3 { Phase::Warmup } else { Phase::Measure };
            collector.add(0, &mut slice(index, phase, 1_000 * u64::from(index + 1)));
            if index == 19 {
                collector.finish(0);
            }
            for (interval, response) in collector.take_complete() {
                totals.push(response.total());
                if interval.phase != Phase::Warmup {
                    response.add_to(&mut whole);
                }
            }
            assert!(collector.complete.is_empty(), "nothing is kept");
        }
        assert_eq!(totals, [3, 10, 7]);
        assert!(whole == collector.sums.times.response);
    }

    #[test]
    fn intervals_handed_over_as_one_take_the_rows_of_all_of_them() {
        let plan = plan(INTERVAL)
            .with(|plan| {
                plan.transport.cpus = vec![0, 1];
                plan.transport.connections.count = 2;
            })
            .expect("a plan");
        // The second worker returned its intervals 1 to 3 as one, before or after the other's.
        for is_first in [false, true] {
            let mut collector = Collector::new(&plan, START);
            let long = || {
                let mut long = slice(1, Phase::Measure, 1_000);
                (long.last, long.in_flight, long.connected) = (3, 7, 1);
                long.end = START + Nanos::from_millis(400);
                long
            };
            if is_first {
                collector.add(1, &mut slice(0, Phase::Measure, 1_000));
                collector.add(1, &mut long());
                collector.add(1, &mut slice(4, Phase::Measure, 1_000));
            }
            for index in 0..5 {
                collector.add(0, &mut slice(index, Phase::Measure, 1_000));
            }
            if !is_first {
                assert!(
                    collector.sums.intervals.is_empty(),
                    "the other has handed over nothing yet"
                );
                collector.add(1, &mut slice(0, Phase::Measure, 1_000));
                collector.add(1, &mut long());
                collector.add(1, &mut slice(4, Phase::Measure, 1_000));
            }
            let rows = collector.sums.intervals.iter();
            let rows: Vec<_> = rows
                .map(|row| (row.start.0 / 1_000_000, row.length.0 / 1_000_000, row.released))
                .collect();
            assert_eq!(rows, [(0, 100, 2), (100, 300, 4), (400, 100, 2)]);
            // The level of each worker at its end, not at the ends of the parts.
            let merged = &collector.sums.intervals[1];
            assert_eq!((merged.in_flight, merged.connected), (3 + 7, 1));
        }
    }

    #[test]
    fn without_slices_there_are_intervals_alone() {
        let mut collector = Collector::new(&plan(INTERVAL), START);
        collector.add(0, &mut slice(0, Phase::Measure, 1_000));
        assert_eq!((collector.sums.slices.len(), collector.sums.intervals.len()), (0, 1));
    }
}
