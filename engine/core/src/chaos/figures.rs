//! The figures of a run with faults: per injection, how soon it was felt, what it cost, and how
//! long after its end the target was as before.
//!
//! All times are counted from the start of the load. A recovery that the run did not see is
//! censored: its time is more than the rows that were seen, and never a number.

use std::ops::Range;

use super::due_rows::{DueRow, DueRows, ROW};
use super::impact::{Baseline, ROWS_SEEN, fail_fast};
use crate::outcome::Outcome;
use crate::statistics::bootstrap::Resampling;
use crate::statistics::median;
use crate::time::Nanos;

/// Requests that a row of the baseline has on average, so that its counts mean something.
const REQUESTS_PER_ROW: u64 = 100;
/// The part of a run after a fault that is compared with the time before it.
const AFTER: Nanos = Nanos::from_secs(10);
/// A month, for its error budget.
const BUDGET: f64 = 30.0 * 86_400.0;
/// Halves of the baseline whose medians differ by more are not steady: with the p99 of the baseline
/// as the bound of good answers, one in a hundred is bad.
const UNSTEADY: f64 = 0.05;

/// When one injection began and ended, from the start of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InjectionTimes {
    /// The fault's number.
    pub fault: usize,
    /// The order was given.
    pub injected: Nanos,
    /// It was seen to work; `None` if never.
    pub effective: Option<Nanos>,
    /// It was seen to be over; `None` if never.
    pub cleared: Option<Nanos>,
}

/// What one injection did.
#[derive(Clone, Debug, PartialEq)]
pub struct InjectionFigures {
    /// The fault's number.
    pub fault: usize,
    /// From the time it was seen to work to the time it was seen to be over.
    pub length: Nanos,
    /// From the time it was seen to work to the first row that it changed; `None` if it changed
    /// none.
    pub impact: Option<Nanos>,
    /// From the same time until failures were answers; `None` if never.
    pub fail_fast: Option<Nanos>,
    /// Requests that were due while it was there and did not end `ok`.
    pub failures: u64,
    /// From its end to the first good answer after it; `None` if there was none.
    pub first_success: Option<Nanos>,
    /// From its end until the target was as before; `None` if the run did not see it.
    pub recover: Option<Nanos>,
    /// Then it took more than this.
    pub censored_at: Option<Nanos>,
    /// The requests that were due while it was there.
    pub degraded: DueRow,
    /// Their median response time in nanoseconds, ages of failures included.
    pub degraded_p50: Option<u64>,
    /// Their 99 % quantile.
    pub degraded_p99: Option<u64>,
    /// Good answers that there would have been without it, until the recovery.
    pub lost: f64,
    /// The same in seconds of the whole load.
    pub lost_seconds: f64,
    /// The share of a month's error budget that its bad requests used.
    pub budget_share: f64,
    /// Most requests that were due and had not ended.
    pub backlog: u64,
    /// The p99 of the last part before the next injection, as a multiple of the baseline's, with
    /// its 95 % interval; `None` without enough rows.
    pub after_p99: Option<(f64, f64, f64)>,
}

impl InjectionFigures {
    /// The share of the requests due while it was there that got no good answer.
    pub fn bad_share(&self) -> Option<f64> {
        let due = self.degraded.due();
        (due > 0).then(|| self.degraded.bad() as f64 / due as f64)
    }
}

/// The figures of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct ChaosAnalysis {
    /// The bound of a good answer.
    pub good: Nanos,
    /// The length of a row.
    pub row: Nanos,
    /// The rows of the whole run.
    pub rows: DueRows,
    /// The rows before the first fault.
    pub before: Range<usize>,
    /// Their sum.
    pub baseline: DueRow,
    /// What they look like.
    pub band: Baseline,
    /// The share of starts in them from which the rule of recovery is late.
    pub lateness: f64,
    /// Whether the target changed before the first fault: what is compared with it then says less.
    pub is_unsteady: bool,
    /// Whether requests follow from the answers to others.
    pub has_steps: bool,
    /// Each injection that was seen to work, in order.
    pub injections: Vec<InjectionFigures>,
}

/// The parts of a run that decide about its figures.
#[derive(Clone, Copy, Debug)]
pub struct ChaosInput<'a> {
    /// Every injection in order of time.
    pub injections: &'a [InjectionTimes],
    /// The measured window, from the start of the load.
    pub window: (Nanos, Nanos),
    /// The bound of a good answer, if it is planned.
    pub good: Option<Nanos>,
    /// The share of good answers that the error budget is counted for.
    pub availability: f64,
    /// Whether a request is due only after the answer to another: a failure takes the later ones
    /// away, and they are lost too.
    pub has_steps: bool,
}

impl ChaosInput<'_> {
    /// The shortest time from the end of a fault to the next one, or to the end of the window, in
    /// which a recovery can be seen at all.
    fn shortest_after(&self) -> Nanos {
        let nexts = self.injections.iter().skip(1).map(|next| next.injected);
        let ends = nexts.chain([self.window.1]);
        let cleared = self.injections.iter().map(|times| times.cleared);
        let after = cleared.zip(ends).filter_map(|(from, to)| Some(to.0.saturating_sub(from?.0)));
        let least = ROW.0 * ROWS_SEEN as u64;
        Nanos(after.filter(|after| *after >= least).min().unwrap_or(least))
    }
}

impl ChaosAnalysis {
    /// The figures of these rows; `None` if there are too few before the first fault.
    pub fn of(mut rows: DueRows, input: &ChaosInput<'_>) -> Option<Self> {
        let first = input.injections.first()?.injected;
        let (from, to) = input.window;
        let width = rows.width();
        let all = whole_rows(from, first.min(to), width);
        let due = rows.sum(all.clone()).due().max(1);
        let factor = (REQUESTS_PER_ROW * all.len() as u64).div_ceil(due) as usize;
        // Also under a slow load the baseline has enough rows.
        // Recovering and being seen to have recovered share the time after a fault.
        let after = (input.shortest_after().0 / width.0) as usize / (2 * ROWS_SEEN);
        rows.widen(factor.min(all.len() / ROWS_SEEN).min(after).max(1));
        let row = rows.width();
        let before = whole_rows(from, first.min(to), row);
        let planned = rows.bound();
        let good = match (input.good, planned) {
            (Some(good), _) | (None, Some(good)) => good,
            (None, None) => {
                let p99 = rows.sum(before.clone()).response_at(0.99)?;
                rows.set_bound(Nanos(p99));
                rows.bound()?
            }
        };
        let baseline = rows.sum(before.clone());
        let bad: Vec<u64> = rows.rows().iter().map(DueRow::bad).collect();
        let band = Baseline::of(bad.get(before.clone())?)?;
        let lateness = band.lateness(&bad[before.clone()]);
        let is_unsteady = is_unsteady(&rows.rows()[before.clone()]);
        let end = (to.0 / row.0) as usize;
        let mut analysis = Self {
            good,
            row,
            rows,
            before,
            baseline,
            band,
            lateness,
            is_unsteady,
            has_steps: input.has_steps,
            injections: Vec::new(),
        };
        for (number, times) in input.injections.iter().enumerate() {
            let next = input.injections.get(number + 1);
            let until = next.map_or(end, |next| (next.injected.0 / row.0) as usize).min(end);
            if let Some(figures) = analysis.injection(&bad, times, until, input.availability) {
                analysis.injections.push(figures);
            }
        }
        Some(analysis)
    }

    /// The figures of one injection, with the rows up to `until`.
    fn injection(
        &self,
        bad: &[u64],
        times: &InjectionTimes,
        until: usize,
        availability: f64,
    ) -> Option<InjectionFigures> {
        let effective = times.effective?;
        let row_of = |time: Nanos| (time.0 / self.row.0) as usize;
        let start_of = |row: usize| Nanos(row as u64 * self.row.0);
        let since = |row: usize, time: Nanos| Nanos(start_of(row).0.saturating_sub(time.0));
        let until = until.min(bad.len());
        let bad = &bad[..until];
        let from = row_of(effective).min(until);
        let cleared = times.cleared.unwrap_or_else(|| start_of(until));
        let to = row_of(cleared).min(until);
        let impact = self.band.impact(bad, from..until);
        let during = from..(to + usize::from(to == from)).min(until).max(from);
        let degraded = self.rows.sum(during.clone());
        let failed: Vec<_> = self.rows.rows().iter().map(failures).collect();
        let fast = fail_fast(&failed, during);
        let recovered = times.cleared.and_then(|_| self.band.recovery(bad, to));
        let seen_until = recovered.unwrap_or(until).max(to);
        let (lost, lost_seconds) = self.lost(from..seen_until);
        let spent = self.rows.sum(from..seen_until).bad();
        Some(InjectionFigures {
            fault: times.fault,
            length: Nanos(cleared.0.saturating_sub(effective.0)),
            impact: impact.map(|row| since(row, effective)),
            fail_fast: fast.map(|row| since(row, effective)),
            failures: degraded.due() - degraded.of(Outcome::Ok),
            first_success: self.first_success(to..until, cleared),
            recover: recovered.map(|row| since(row, cleared)),
            censored_at: recovered
                .is_none()
                .then(|| since((until + 1).saturating_sub(ROWS_SEEN), cleared)),
            degraded_p50: degraded.response_at(0.5),
            degraded_p99: degraded.response_at(0.99),
            degraded,
            lost,
            lost_seconds,
            budget_share: self.budget_share(spent, availability),
            backlog: self.backlog(from..until),
            after_p99: self.after(seen_until..until),
        })
    }

    /// Requests per second before the first fault.
    fn rate(&self) -> f64 {
        let seconds = self.before.len() as f64 * self.row.as_secs_f64();
        self.baseline.due() as f64 / seconds.max(1e-9)
    }

    /// Good answers missing in these rows, in requests and in seconds of the whole load.
    fn lost(&self, rows: Range<usize>) -> (f64, f64) {
        let usual = self.baseline.good() as f64 / self.baseline.due().max(1) as f64;
        let count = rows.len();
        let sum = self.rows.sum(rows);
        let expected = if self.has_steps {
            self.baseline.good() as f64 / self.before.len().max(1) as f64 * count as f64
        } else {
            sum.due() as f64 * usual
        };
        let lost = (expected - sum.good() as f64).max(0.0);
        (lost, lost / (self.rate() * usual).max(1e-9))
    }

    fn budget_share(&self, bad: u64, availability: f64) -> f64 {
        bad as f64 / (self.rate() * BUDGET * (1.0 - availability)).max(1e-9)
    }

    fn first_success(&self, rows: Range<usize>, cleared: Nanos) -> Option<Nanos> {
        let rows = &self.rows.rows()[rows];
        let firsts = rows.iter().map(|row| row.first_ok).filter(|first| *first < u64::MAX);
        let first = firsts.into_iter().find(|first| *first >= cleared.0)?;
        Some(Nanos(first - cleared.0))
    }

    /// Most requests at the end of one of these rows that were due and had not ended.
    fn backlog(&self, rows: Range<usize>) -> u64 {
        let (mut due, mut ended, mut most) = (0_u64, 0_u64, 0_u64);
        for (number, row) in self.rows.rows().iter().enumerate().take(rows.end) {
            due += row.due();
            ended += u64::from(row.ended);
            if number >= rows.start {
                most = most.max(due.saturating_sub(ended));
            }
        }
        most
    }

    /// The p99 of the end of these rows, relative to the baseline's.
    fn after(&self, rows: Range<usize>) -> Option<(f64, f64, f64)> {
        let wanted = (AFTER.0 / self.row.0).max(1) as usize;
        let from = rows.start.max(rows.end.saturating_sub(wanted));
        let count = rows.end.saturating_sub(from);
        if count < ROWS_SEEN {
            return None;
        }
        let before = self.baseline.response_at(0.99)? as f64;
        let ratio_of = |sum: &DueRow| sum.response_at(0.99).map(|p99| p99 as f64 / before.max(1.0));
        let ratio = ratio_of(&self.rows.sum(from..rows.end))?;
        let resampling =
            Resampling { block: (count / 10).max(1), draws: 200, seed: 1, confidence: 0.95 };
        let mut ratios = Vec::new();
        resampling.rows(count, |drawn| {
            let mut sum = DueRow::default();
            drawn.iter().for_each(|index| sum.merge(&self.rows.rows()[from + index]));
            ratios.extend(ratio_of(&sum));
        });
        let interval = resampling.interval(ratio, count, &ratios);
        Some((ratio, interval.low, interval.high))
    }
}

/// Failures of a row, and those among them that the target or its kernel answered.
fn failures(row: &DueRow) -> (u64, u64) {
    let answers = [
        Outcome::Status,
        Outcome::Reset,
        Outcome::ConnectFailed,
        Outcome::Malformed,
        Outcome::CheckFailed,
    ];
    (row.due() - row.of(Outcome::Ok), answers.into_iter().map(|it| row.of(it)).sum())
}

/// The rows that lie within a time.
fn whole_rows(from: Nanos, to: Nanos, width: Nanos) -> Range<usize> {
    let start = from.0.div_ceil(width.0) as usize;
    start..((to.0 / width.0) as usize).max(start)
}

/// Whether the second half of these rows has another response time than the first: the medians of
/// their p50 differ by over a quarter and a millisecond, or the shares of bad requests by over 5 %.
fn is_unsteady(rows: &[DueRow]) -> bool {
    let (first, second) = rows.split_at(rows.len() / 2);
    let middle = |half: &[DueRow]| {
        let values = half.iter().filter_map(|row| row.response_at(0.5));
        median(&mut values.map(|p50| p50 as f64).collect::<Vec<_>>()).unwrap_or_default()
    };
    let share = |half: &[DueRow]| {
        let (bad, due) =
            half.iter().fold((0, 0), |(bad, due), row| (bad + row.bad(), due + row.due()));
        bad as f64 / due.max(1) as f64
    };
    let (one, other) = (middle(first), middle(second));
    let by = (one - other).abs();
    let is_slower = by > 0.25 * one.max(other) && by > Nanos::MILLISECOND.0 as f64;
    is_slower || (share(first) - share(second)).abs() > UNSTEADY
}
