//! When a fault was felt and when it was over, from the bad requests of rows by due time.
//!
//! The band is the 99th percentile of the rows before the first fault. A row outside of it means
//! little: one in a hundred is outside without any fault. So an impact is three rows in a row,
//! worse than any three seen before, and a recovery is a row inside from which on at most *m* of 30
//! rows are outside. The naive rule (30 of 30 inside) is late by over 0.5 s in 18 to 25 % of
//! healthy targets in simulation; m = 3 in 0.1 to 0.9 %. Each run chooses its m by its baseline.

use std::ops::Range;

/// Rows after the one at which a target is called recovered, that one included.
pub const ROWS_SEEN: usize = 30;
/// Rows in a row that make an impact.
const IMPACT_ROWS: usize = 3;
/// Rows of the shortest baseline that may be worse than the band.
const STALL_ROWS: usize = 2;
/// The least number of rows outside that a recovery allows.
const OUTSIDE_MIN: usize = 3;
/// The largest share of starts in the baseline from which the rule may be late.
const LATE_MAX: f64 = 0.01;
/// Rows by which a recovery from nothing may come late: half a second of 100 ms.
const LATE_ROWS: usize = 5;
/// Rows that decide how requests fail.
const FAILING_ROWS: usize = 10;
/// The share of failures that must be answers.
const ANSWERED_MIN: f64 = 0.9;

/// What rows look like without a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Baseline {
    /// A row with more bad requests is outside of the band.
    pub band: u64,
    /// The most bad requests of the best of three rows in a row, and at least the band.
    pub most: u64,
    /// Rows outside that a recovery allows, of [`ROWS_SEEN`].
    pub outside_max: usize,
}

impl Baseline {
    /// Of the bad requests of rows without a fault; `None` if there are fewer than [`ROWS_SEEN`].
    pub fn of(bad: &[u64]) -> Option<Self> {
        if bad.len() < ROWS_SEEN {
            return None;
        }
        let mut sorted = bad.to_vec();
        sorted.sort_unstable();
        // A short stall of the target spoils two rows. It must not make an outage look usual.
        let rank = (sorted.len() * 99 / 100).min(sorted.len() - 1 - STALL_ROWS);
        let band = sorted[rank].max(1);
        let least = bad.windows(IMPACT_ROWS).filter_map(|rows| rows.iter().min());
        let most = least.copied().max()?.max(band);
        let mut baseline = Self { band, most, outside_max: OUTSIDE_MIN };
        while baseline.outside_max < ROWS_SEEN / 2 && baseline.lateness(bad) >= LATE_MAX {
            baseline.outside_max += 1;
        }
        Some(baseline)
    }

    /// The share of starts in rows without a fault from which a recovery is seen late.
    pub fn lateness(&self, bad: &[u64]) -> f64 {
        let starts = 0..(bad.len() + 1).saturating_sub(ROWS_SEEN + LATE_ROWS);
        let count = starts.len().max(1) as f64;
        let is_late =
            |start: &usize| self.recovery(bad, *start).is_none_or(|at| at > start + LATE_ROWS);
        starts.filter(is_late).count() as f64 / count
    }

    /// The first of three rows in a row that are worse than any three of the baseline.
    pub fn impact(&self, bad: &[u64], rows: Range<usize>) -> Option<usize> {
        let end = rows.end.min(bad.len());
        let starts = rows.start..(end + 1).saturating_sub(IMPACT_ROWS);
        let is_worse =
            |start: &usize| bad[*start..start + IMPACT_ROWS].iter().all(|count| *count > self.most);
        starts.into_iter().find(is_worse)
    }

    /// The first row from `from` on that is inside the band, and from which on at most
    /// `outside_max` of [`ROWS_SEEN`] rows are outside. `None` if the rows end before.
    pub fn recovery(&self, bad: &[u64], from: usize) -> Option<usize> {
        let is_outside = |count: &&u64| **count > self.band;
        let starts = from..(bad.len() + 1).saturating_sub(ROWS_SEEN);
        starts.into_iter().find(|start| {
            let seen = &bad[*start..start + ROWS_SEEN];
            seen[0] <= self.band && seen.iter().filter(is_outside).count() <= self.outside_max
        })
    }
}

/// The first row of `rows` from which on failures are answers: statuses, resets and refusals
/// instead of requests that wait. `failed` has the failures and the answers among them of each row.
pub fn fail_fast(failed: &[(u64, u64)], rows: Range<usize>) -> Option<usize> {
    let end = rows.end.min(failed.len());
    let seen = FAILING_ROWS.min(end.saturating_sub(rows.start)).max(1);
    let starts = rows.start..(end + 1).saturating_sub(seen);
    starts.into_iter().find(|start| {
        let (failures, answers) = failed[*start..start + seen]
            .iter()
            .fold((0, 0), |(all, fast), (failures, answers)| (all + failures, fast + answers));
        failed[*start].0 > 0 && answers as f64 >= failures as f64 * ANSWERED_MIN
    })
}
