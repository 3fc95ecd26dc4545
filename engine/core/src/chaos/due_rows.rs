//! Requests counted by the time at which they were due: users arrive by due time, however long
//! their answers take.
//!
//! A row is open as long as a request of it is. All rows exist from the start, so that counting
//! allocates nothing; their number follows from the length of the run, not from its rate.

use crate::outcome::Outcome;
use crate::time::{Nanos, Timestamp};

/// The length of a row.
pub const ROW: Nanos = Nanos::from_millis(100);

/// Buckets of response times: four per power of two, from 1 µs to over a minute.
const BUCKETS: usize = 108;
/// Times are counted in units of 1,024 ns.
const UNIT_BITS: u32 = 10;

/// The requests that were due in one row, and those that ended in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueRow {
    /// Requests due in it by outcome, in the order of [`Outcome::ALL`].
    pub outcomes: [u32; Outcome::ALL.len()],
    /// Those that ended `ok`, but later than the planned bound of a good answer.
    pub late: u32,
    /// Requests that ended in it, whenever they were due.
    pub ended: u32,
    /// When the first `ok` answer in it arrived, in nanoseconds from the start; `u64::MAX` without
    /// one.
    pub first_ok: u64,
    /// Response times of those that ended `ok`.
    ok: [u32; BUCKETS],
    /// The ages of the others.
    failed: [u32; BUCKETS],
}

impl Default for DueRow {
    fn default() -> Self {
        Self {
            outcomes: [0; Outcome::ALL.len()],
            late: 0,
            ended: 0,
            first_ok: u64::MAX,
            ok: [0; BUCKETS],
            failed: [0; BUCKETS],
        }
    }
}

impl DueRow {
    /// Requests that were due in it.
    pub fn due(&self) -> u64 {
        self.outcomes.iter().map(|count| u64::from(*count)).sum()
    }

    /// Requests due in it that ended in this way.
    pub fn of(&self, outcome: Outcome) -> u64 {
        u64::from(self.outcomes[outcome as usize])
    }

    /// Requests due in it that got a good answer: `ok`, within the bound.
    pub fn good(&self) -> u64 {
        self.of(Outcome::Ok) - u64::from(self.late)
    }

    /// Requests due in it that got no good answer.
    pub fn bad(&self) -> u64 {
        self.due() - self.good()
    }

    /// Add the counts of another row.
    pub fn merge(&mut self, other: &Self) {
        let pairs = self.outcomes.iter_mut().zip(other.outcomes);
        pairs.for_each(|(sum, more)| *sum += more);
        self.late += other.late;
        self.ended += other.ended;
        self.first_ok = self.first_ok.min(other.first_ok);
        self.ok.iter_mut().zip(other.ok).for_each(|(sum, more)| *sum += more);
        self.failed.iter_mut().zip(other.failed).for_each(|(sum, more)| *sum += more);
    }

    /// The response time at a quantile of 0..=1, ages of failures included, in nanoseconds; within
    /// 19 %. `None` without requests.
    pub fn response_at(&self, quantile: f64) -> Option<u64> {
        quantile_of(quantile, |bucket| self.ok[bucket] + self.failed[bucket])
    }

    /// Count those slower than `bound` as late. `bound` is rounded up to the end of its bucket,
    /// which is returned.
    fn set_bound(&mut self, bound: Nanos) -> Nanos {
        let last = bucket(bound.0);
        self.late = self.ok[last + 1..].iter().sum();
        Nanos(start_of(last + 1))
    }
}

/// The value at a quantile, interpolated within its bucket.
fn quantile_of(quantile: f64, count_of: impl Fn(usize) -> u32) -> Option<u64> {
    let total: u64 = (0..BUCKETS).map(|bucket| u64::from(count_of(bucket))).sum();
    if total == 0 {
        return None;
    }
    let rank = (quantile * total as f64).max(0.5);
    let mut before = 0.0;
    for bucket in 0..BUCKETS {
        let count = f64::from(count_of(bucket));
        if before + count >= rank {
            let (from, to) = (start_of(bucket) as f64, start_of(bucket + 1) as f64);
            return Some((from + (to - from) * (rank - before) / count) as u64);
        }
        before += count;
    }
    Some(start_of(BUCKETS))
}

/// The bucket of a time in nanoseconds.
fn bucket(nanos: u64) -> usize {
    let units = nanos >> UNIT_BITS;
    if units < 4 {
        return units as usize;
    }
    let octave = 63 - units.leading_zeros();
    let within = (units >> (octave - 2)) & 3;
    (4 * (octave as usize - 1) + within as usize).min(BUCKETS - 1)
}

/// The least time of a bucket in nanoseconds.
const fn start_of(bucket: usize) -> u64 {
    let units = if bucket < 4 {
        bucket as u64
    } else {
        let octave = bucket / 4 + 1;
        (4 + (bucket % 4) as u64) << (octave - 2)
    };
    units << UNIT_BITS
}

/// The rows of one worker, or of the whole run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueRows {
    start: Timestamp,
    width: Nanos,
    /// Slower `ok` answers are late; [`Nanos`] of `u64::MAX` if none is.
    bound: Nanos,
    rows: Vec<DueRow>,
}

impl DueRows {
    /// Empty rows from `start` on, for a run of this length. `ok` answers slower than `bound` are
    /// not good; without one [`Self::set_bound`] decides later.
    pub fn new(start: Timestamp, length: Nanos, bound: Option<Nanos>) -> Self {
        let count = (length.0.div_ceil(ROW.0) as usize).max(1);
        let bound = bound.unwrap_or(Nanos(u64::MAX));
        Self { start, width: ROW, bound, rows: vec![DueRow::default(); count] }
    }

    /// The rows begin at a time that was not known when they were made.
    pub const fn begin_at(&mut self, start: Timestamp) {
        self.start = start;
    }

    /// `count` requests that were due at `due` ended at `done`. Requests beyond the last row count
    /// in it.
    #[inline]
    pub fn ended(&mut self, due: Timestamp, done: Timestamp, outcome: Outcome, count: u16) {
        // Rows grow wider only when all requests have ended; a constant divides by multiplication.
        debug_assert_eq!(self.width, ROW);
        let last = self.rows.len() - 1;
        let row_of = |time: Timestamp| {
            usize::try_from(time.since(self.start).0 / ROW.0).unwrap_or(last).min(last)
        };
        let (of_due, of_end) = (row_of(due), row_of(done));
        let count = u32::from(count);
        let response = done.since(due);
        let row = &mut self.rows[of_due];
        row.outcomes[outcome as usize] += count;
        if outcome == Outcome::Ok {
            row.ok[bucket(response.0)] += count;
            row.late += if response > self.bound { count } else { 0 };
        } else {
            row.failed[bucket(response.0)] += count;
        }
        let row = &mut self.rows[of_end];
        row.ended += count;
        if outcome == Outcome::Ok {
            row.first_ok = row.first_ok.min(done.since(self.start).0);
        }
    }

    /// Add the counts of another worker, whose rows are as many and as long.
    pub fn merge(&mut self, other: &Self) {
        self.rows.iter_mut().zip(&other.rows).for_each(|(sum, more)| sum.merge(more));
    }

    /// The rows in order, the first at the start.
    pub fn rows(&self) -> &[DueRow] {
        &self.rows
    }

    /// When the first row begins.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// The length of a row.
    pub fn width(&self) -> Nanos {
        self.width
    }

    /// The bound of a good answer; `None` if every `ok` answer is good.
    pub fn bound(&self) -> Option<Nanos> {
        (self.bound.0 < u64::MAX).then_some(self.bound)
    }

    /// From now on a good answer takes at most `bound`, rounded up to the resolution of rows (25 %
    /// at most).
    pub fn set_bound(&mut self, bound: Nanos) {
        for row in &mut self.rows {
            self.bound = row.set_bound(bound);
        }
    }

    /// The sum of the rows of a range, as far as there are any.
    pub fn sum(&self, range: std::ops::Range<usize>) -> DueRow {
        let mut sum = DueRow::default();
        let end = range.end.min(self.rows.len());
        self.rows[range.start.min(end)..end].iter().for_each(|row| sum.merge(row));
        sum
    }

    /// Join each `factor` rows to one; the last may have fewer.
    pub fn widen(&mut self, factor: usize) {
        let merged = self.rows.chunks(factor.max(1)).map(|rows| {
            let mut sum = DueRow::default();
            rows.iter().for_each(|row| sum.merge(row));
            sum
        });
        self.rows = merged.collect();
        self.width = Nanos(self.width.0 * factor.max(1) as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_one_another_within_a_quarter() {
        for bucket_index in 0..BUCKETS {
            assert_eq!(bucket(start_of(bucket_index)), bucket_index);
            assert_eq!(bucket(start_of(bucket_index + 1) - 1), bucket_index);
            let (from, to) = (start_of(bucket_index), start_of(bucket_index + 1));
            assert!(bucket_index < 4 || to - from <= from / 4);
        }
        assert!(start_of(BUCKETS) > 60_000_000_000);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn a_request_counts_where_it_was_due_and_where_it_ended() {
        let start = Timestamp(1_000);
        let mut rows = DueRows::new(start, Nanos::SECOND, Some(Nanos::from_millis(50)));
        let at = |millis| start + Nanos::from_millis(millis);
        rows.ended(at(99), at(101), Outcome::Ok, 2);
        rows.ended(at(150), at(350), Outcome::Ok, 1);
        rows.ended(at(150), at(5_000), Outcome::Timeout, 3);
        let good: Vec<_> = rows.rows().iter().map(DueRow::good).collect();
        let bad: Vec<_> = rows.rows().iter().map(DueRow::bad).collect();
        let ended: Vec<_> = rows.rows().iter().map(|row| row.ended).collect();
        assert_eq!(good, [2, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bad, [0, 4, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(ended, [0, 2, 0, 1, 0, 0, 0, 0, 0, 3]);
        assert_eq!(rows.rows()[1].first_ok, Nanos::from_millis(101).0);
        let other = rows.clone();
        rows.merge(&other);
        rows.widen(3);
        assert_eq!((rows.rows().len(), rows.rows()[0].due()), (4, 12));
    }

    #[test]
    fn a_bound_found_later_counts_as_one_that_was_planned() {
        let mut rows = DueRows::new(Timestamp(0), Nanos::SECOND, None);
        for millis in 1..=100 {
            rows.ended(Timestamp(0), Timestamp(millis * 1_000_000), Outcome::Ok, 1);
        }
        assert_eq!((rows.rows()[0].good(), rows.bound()), (100, None));
        rows.set_bound(Nanos::from_millis(50));
        let bound = rows.bound().expect("it was set").0 / 1_000_000;
        assert!((50..=63).contains(&bound), "{bound}");
        assert_eq!(rows.rows()[0].good(), bound);
        let p50 = rows.rows()[0].response_at(0.5).expect("there are times") / 1_000_000;
        assert!((45..=55).contains(&p50), "{p50}");
    }
}
