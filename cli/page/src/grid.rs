//! The rows of a run: its intervals, joined where there are more than a page can show, each with
//! the response times that ended in it.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use uringbench_core::outcome::Outcome;
use uringbench_document::{IntervalFigures, LogLine};

/// Rows of a page, at most.
pub(crate) const ROWS_MAX: usize = 1_200;
/// Cells of response times from a time to its double.
pub(crate) const CELLS_PER_OCTAVE: u32 = 8;
/// Rows shorter than this have no rates.
const SHORT_S: f64 = 0.05;
/// Start times of one interval differ by rounding alone.
const SAME_START_S: f64 = 0.002;

/// The rows.
#[derive(Debug, Default)]
pub(crate) struct Grid {
    pub(crate) rows: Vec<Row>,
    /// Intervals in a row, at most.
    pub(crate) joined: usize,
    /// Whether the response times of rows are known.
    pub(crate) has_times: bool,
    /// Whether the kinds of failures are known: early versions did not store them.
    pub(crate) has_kinds: bool,
}

/// One row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    /// Intervals in it.
    pub(crate) intervals: usize,
    /// Its start, seconds from the start of the run.
    pub(crate) from: f64,
    pub(crate) length: f64,
    pub(crate) phase: String,
    pub(crate) released: u64,
    pub(crate) completed: u64,
    pub(crate) errors: u64,
    /// By outcome, in the order of [`Outcome::ALL`].
    pub(crate) outcomes: [u64; Outcome::ALL.len()],
    pub(crate) in_flight: u64,
    pub(crate) connected: u64,
    pub(crate) p50: Option<u64>,
    pub(crate) p99: Option<u64>,
    pub(crate) max: Option<u64>,
    pub(crate) lateness_p99: Option<u64>,
    /// How many response times are in each cell.
    pub(crate) cells: BTreeMap<u32, u64>,
}

impl Grid {
    /// The rows of these intervals. `lines` are the response times of each, as far as stored.
    pub(crate) fn of(intervals: &[IntervalFigures], lines: &[LogLine]) -> Self {
        let joined = intervals.len().div_ceil(ROWS_MAX).max(1);
        let mut rows = Vec::new();
        for of_phase in intervals.chunk_by(|a, b| a.phase == b.phase) {
            rows.extend(of_phase.chunks(joined).map(|part| Row::of(part, lines)));
        }
        let has_times = rows.iter().any(|row| !row.cells.is_empty());
        let has_kinds = intervals.iter().all(|it| it.errors == 0 || !it.outcomes.is_empty());
        Self { rows, joined, has_times, has_kinds }
    }

    /// The rows of a run in progress.
    pub(crate) const fn live(rows: Vec<Row>) -> Self {
        Self { rows, joined: 1, has_times: true, has_kinds: true }
    }

    /// The end of the last row, in seconds.
    pub(crate) fn end(&self) -> f64 {
        self.rows.last().map_or(0.0, |row| row.from + row.length)
    }
}

impl Row {
    /// The row of an interval that has just ended.
    pub(crate) fn live(interval: &IntervalFigures, times: &Histogram<u64>) -> Self {
        let mut row = Self::of(std::slice::from_ref(interval), &[]);
        row.count(times);
        row
    }

    fn count(&mut self, times: &Histogram<u64>) {
        for value in times.iter_recorded() {
            *self.cells.entry(cell(value.value_iterated_to())).or_default() +=
                value.count_since_last_iteration();
        }
    }

    /// The row of neighbouring intervals; there is at least one.
    fn of(part: &[IntervalFigures], lines: &[LogLine]) -> Self {
        let (Some(first), Some(last)) = (part.first(), part.last()) else {
            return Self::default();
        };
        let sum = |figure: fn(&IntervalFigures) -> u64| part.iter().map(figure).sum::<u64>();
        let most =
            |figure: fn(&IntervalFigures) -> Option<u64>| part.iter().filter_map(figure).max();
        let mut row = Self {
            intervals: part.len(),
            from: first.t_s,
            length: last.t_s + last.length_s - first.t_s,
            phase: first.phase.clone(),
            released: sum(|it| it.released),
            completed: sum(|it| it.completed),
            errors: sum(|it| it.errors),
            outcomes: outcomes(part),
            in_flight: last.in_flight,
            connected: last.connected,
            p50: most(|it| it.response_p50_ns),
            p99: most(|it| it.response_p99_ns),
            max: most(|it| it.response_max_ns),
            lateness_p99: most(|it| it.lateness_p99_ns),
            cells: BTreeMap::new(),
        };
        let mut all: Option<Histogram<u64>> = None;
        for line in part.iter().filter_map(|interval| times_of(interval, lines)) {
            match &mut all {
                None => all = Some(line.histogram.clone()),
                // Histograms of one log have the same bounds.
                Some(all) => drop(all.add(&line.histogram)),
            }
        }
        if let Some(times) = all.filter(|times| !times.is_empty()) {
            if part.len() > 1 {
                row.p50 = Some(times.value_at_quantile(0.5));
                row.p99 = Some(times.value_at_quantile(0.99));
            }
            row.count(&times);
        }
        row
    }

    /// The middle of the row, in seconds.
    pub(crate) fn middle(&self) -> f64 {
        self.from + self.length / 2.0
    }

    /// A count per second; `None` in a row so short that it would say nothing, as a drain is.
    pub(crate) fn per_second(&self, count: u64) -> Option<f64> {
        (self.length >= SHORT_S).then(|| count as f64 / self.length)
    }
}

/// By outcome. Intervals of early versions have only their errors, and [`Grid::has_kinds`] says so.
fn outcomes(part: &[IntervalFigures]) -> [u64; Outcome::ALL.len()] {
    let mut sums = [0; Outcome::ALL.len()];
    for interval in part {
        sums.iter_mut().zip(interval.ended()).for_each(|(sum, more)| *sum += more);
    }
    sums
}

fn times_of<'a>(interval: &IntervalFigures, lines: &'a [LogLine]) -> Option<&'a LogLine> {
    let start = |line: &LogLine| line.start.as_secs_f64();
    let from = lines.partition_point(|line| start(line) < interval.t_s - SAME_START_S);
    lines.get(from).filter(|line| (start(line) - interval.t_s).abs() <= SAME_START_S)
}

/// The cell of a time.
pub(crate) fn cell(nanos: u64) -> u32 {
    ((nanos.max(1) as f64).log2() * f64::from(CELLS_PER_OCTAVE)).floor() as u32
}

/// The time at which a cell begins.
pub(crate) fn cell_start(cell: u32) -> f64 {
    (f64::from(cell) / f64::from(CELLS_PER_OCTAVE)).exp2()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    pub(crate) fn interval(t_s: f64, phase: &str, completed: u64) -> IntervalFigures {
        IntervalFigures {
            t_s,
            length_s: 1.0,
            phase: phase.to_owned(),
            released: completed,
            completed,
            errors: 1,
            outcomes: [("ok".to_owned(), completed - 1), ("timeout".to_owned(), 1)].into(),
            in_flight: 3,
            connected: 4,
            response_p50_ns: Some(1_000),
            response_p99_ns: Some(2_000),
            response_max_ns: Some(3_000),
            lateness_p99_ns: None,
            sent_bytes: 0,
            received_bytes: 0,
        }
    }

    fn line(t_s: f64, values: &[u64]) -> LogLine {
        let mut histogram = Histogram::new(3).expect("three digits");
        values.iter().for_each(|value| histogram.record(*value).expect("it fits"));
        let (start, length) = (Duration::from_secs_f64(t_s), Duration::from_secs(1));
        LogLine { tag: None, start, length, histogram }
    }

    #[test]
    fn an_interval_is_a_row_with_its_times() {
        let intervals = [interval(0.0, "warmup", 5), interval(0.5, "measure", 7)];
        let grid = Grid::of(&intervals, &[line(0.5004, &[1_000, 1_001, 9_000])]);
        assert_eq!((grid.rows.len(), grid.joined, grid.has_times), (2, 1, true));
        let row = &grid.rows[1];
        assert_eq!((row.completed, row.p99, row.max), (7, Some(2_000), Some(3_000)));
        assert_eq!(row.cells, [(cell(1_000), 2), (cell(9_000), 1)].into());
        assert_eq!((row.outcomes[0], row.outcomes[Outcome::Timeout as usize]), (6, 1));
        assert!(grid.rows[0].cells.is_empty());
    }

    #[test]
    fn a_long_run_has_no_more_rows_and_loses_no_request() {
        let count = 24 * 3_600;
        let intervals: Vec<_> = (0..count)
            .map(|t| interval(f64::from(t), if t < 10 { "warmup" } else { "measure" }, 10))
            .collect();
        let lines = [line(10.0, &[100; 50]), line(11.0, &[100_000; 50])];
        let grid = Grid::of(&intervals, &lines);
        assert!(grid.rows.len() <= ROWS_MAX + 1, "{}", grid.rows.len());
        assert_eq!((grid.joined, grid.end()), (72, f64::from(count)));
        assert_eq!(grid.rows.iter().map(|row| row.completed).sum::<u64>(), 10 * count as u64);
        let joined = &grid.rows[1];
        assert_eq!(joined.cells.values().sum::<u64>(), 100);
        assert_eq!((joined.p50, joined.p99.map(|it| it > 99_000)), (Some(100), Some(true)));
    }

    #[test]
    fn a_cell_holds_its_times() {
        for nanos in [1, 2, 999, 1_000, 123_456_789, 3_600_000_000_000] {
            let cell = cell(nanos);
            assert!(cell_start(cell) <= nanos as f64 * 1.000_001);
            assert!((nanos as f64) < cell_start(cell + 1) * 1.000_001);
        }
    }

    #[test]
    fn nothing_is_no_row() {
        let grid = Grid::of(&[], &[]);
        assert_eq!((grid.rows.len(), grid.end(), grid.joined), (0, 0.0, 1));
    }
}
