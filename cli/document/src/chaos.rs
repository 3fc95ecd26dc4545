//! What faults did to the answers: key `chaos`.

use serde::{Deserialize, Serialize};
use uringbench_core::chaos::{ChaosAnalysis, FaultKind, InjectionFigures};
use uringbench_core::outcome::Outcome;
use uringbench_core::time::Nanos;

use crate::run::SloHeld;
use crate::target::Interval95;

/// The value of `chaos.version`.
pub const CHAOS_VERSION: u32 = 1;

/// Key `chaos`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChaosFigures {
    /// The version of these keys; 1.
    pub version: u32,
    /// The slowest good answer.
    pub good_ns: Option<u64>,
    /// The length of a row of requests by due time; times of impact and recovery are whole rows.
    pub row_s: f64,
    /// What rows look like before the first fault; `null` if there are too few.
    pub baseline: Option<ChaosBaseline>,
    /// Each injection, in order of time.
    pub faults: Vec<FaultFigures>,
    /// The objectives for faults, and whether they were met.
    pub objectives: Vec<SloHeld>,
    /// The rows of the whole run, the first at the start of the load.
    pub rows: Vec<DueRowFigures>,
}

/// Key `chaos.baseline`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChaosBaseline {
    /// From the start of the load.
    pub from_s: f64,
    /// The injection of the first fault, or the last row before it.
    pub to_s: f64,
    /// Requests.
    pub requests: u64,
    /// Those without a good answer.
    pub bad: u64,
    /// 99 % of its rows have at most this many of them: the band.
    pub band: u64,
    /// The most that three rows in a row all reach, and at least the band: an impact is worse.
    pub band_max: u64,
    /// Rows outside of the band, of 30, that a recovery allows.
    pub outside_max: usize,
    /// The share of its rows at which the rule of recovery would be late by over half a second.
    pub rule_late_share: f64,
    /// Whether the target changed before the first fault.
    pub unsteady: bool,
    /// Median response time, within 19 %.
    pub response_p50_ns: Option<u64>,
    /// 99 % quantile.
    pub response_p99_ns: Option<u64>,
}

/// One of `chaos.faults`: an injection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultFigures {
    /// Its name.
    pub name: String,
    /// `pause`, `kill`, …
    pub kind: String,
    /// What was done.
    pub done: String,
    /// When it was ordered, from the start of the load.
    pub t_inject_s: f64,
    /// When it was seen to work; `null` if never.
    pub t_effective_s: Option<f64>,
    /// When it was seen to be gone; `null` if never.
    pub t_clear_s: Option<f64>,
    /// From its effect to the first row that it changed; `null` if it changed none.
    pub impact_s: Option<f64>,
    /// From its effect until failures were answers; `null` if never, or nothing failed.
    pub fail_fast_s: Option<f64>,
    /// From its end to the first good answer.
    pub first_success_s: Option<f64>,
    /// From its end until the target was as before; `null` if the run did not see that.
    pub recover_s: Option<f64>,
    /// Then it took more than this.
    pub censored_at_s: Option<f64>,
    /// Requests due while it was there.
    pub requests: u64,
    /// Those without a good answer.
    pub bad: u64,
    /// Those that ended `ok`, but too late.
    pub late: u64,
    /// Those that got no answer in time.
    pub timed_out: u64,
    /// Those that failed otherwise.
    pub failed: u64,
    /// Median response time of the requests due while it was there, ages of failures included.
    pub response_p50_ns: Option<u64>,
    /// 99 % quantile.
    pub response_p99_ns: Option<u64>,
    /// Good answers that it cost, until the recovery.
    pub lost_requests: f64,
    /// The same in seconds of the whole load.
    pub lost_s: f64,
    /// The share of a month's error budget that it used.
    pub budget_share: f64,
    /// Most requests that were due and had not ended.
    pub backlog_max: u64,
    /// The p99 afterwards as a multiple of that before, with its 95 % interval; `null` without
    /// enough rows.
    pub after_p99: Option<Interval95>,
    /// Whether nothing of it is known to be left: `left` is `null`.
    pub undone: bool,
    /// Why it did not work.
    pub failure: Option<String>,
    /// Why it may be still there, and how to end it.
    pub left: Option<String>,
}

/// One of `chaos.rows`: requests by the time at which they were due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DueRowFigures {
    /// Requests due in it.
    pub due: u64,
    /// Those with a good answer.
    pub good: u64,
    /// Their p99, ages of failures included.
    pub p99_ns: Option<u64>,
}

impl ChaosFigures {
    /// The figures of a run. Injections that did not work have no figures and follow from
    /// `injected` alone; those that did are `analysis`'s in the same order.
    pub fn of(
        analysis: Option<&ChaosAnalysis>,
        good: Option<Nanos>,
        mut faults: Vec<FaultFigures>,
        objectives: Vec<SloHeld>,
    ) -> Self {
        let mut measured = analysis.iter().flat_map(|analysis| &analysis.injections);
        for fault in faults.iter_mut().filter(|fault| fault.t_effective_s.is_some()) {
            if let Some(figures) = measured.next() {
                fault.measured(figures);
            }
        }
        let rows = analysis.map(|analysis| analysis.rows.rows()).unwrap_or_default();
        Self {
            version: CHAOS_VERSION,
            good_ns: analysis.map(|analysis| analysis.good).or(good).map(|good| good.0),
            row_s: analysis.map_or(uringbench_core::chaos::ROW, |it| it.row).as_secs_f64(),
            baseline: analysis.map(ChaosBaseline::of),
            faults,
            objectives,
            rows: rows
                .iter()
                .map(|row| DueRowFigures {
                    due: row.due(),
                    good: row.good(),
                    p99_ns: row.response_at(0.99),
                })
                .collect(),
        }
    }
}

impl ChaosBaseline {
    fn of(analysis: &ChaosAnalysis) -> Self {
        let at = |row: usize| row as f64 * analysis.row.as_secs_f64();
        let (sum, band) = (&analysis.baseline, analysis.band);
        Self {
            from_s: at(analysis.before.start),
            to_s: at(analysis.before.end),
            requests: sum.due(),
            bad: sum.bad(),
            band: band.band,
            band_max: band.most,
            outside_max: band.outside_max,
            rule_late_share: analysis.lateness,
            unsteady: analysis.is_unsteady,
            response_p50_ns: sum.response_at(0.5),
            response_p99_ns: sum.response_at(0.99),
        }
    }
}

impl FaultFigures {
    /// A fault of this name and kind that was ordered at this time, from the start of the load.
    pub fn new(name: &str, kind: &FaultKind, injected: Nanos) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind.key().to_owned(),
            t_inject_s: injected.as_secs_f64(),
            ..Self::default()
        }
    }

    fn measured(&mut self, figures: &InjectionFigures) {
        let seconds = |time: Option<Nanos>| time.map(Nanos::as_secs_f64);
        let due = &figures.degraded;
        let waited = due.of(Outcome::Timeout) + due.of(Outcome::NotSent);
        self.impact_s = seconds(figures.impact);
        self.fail_fast_s = seconds(figures.fail_fast);
        self.first_success_s = seconds(figures.first_success);
        self.recover_s = seconds(figures.recover);
        self.censored_at_s = seconds(figures.censored_at);
        self.requests = due.due();
        self.bad = due.bad();
        self.late = u64::from(due.late);
        self.timed_out = waited;
        self.failed = figures.failures.saturating_sub(waited);
        self.response_p50_ns = figures.degraded_p50;
        self.response_p99_ns = figures.degraded_p99;
        self.lost_requests = figures.lost.round();
        self.lost_s = figures.lost_seconds;
        self.budget_share = figures.budget_share;
        self.backlog_max = figures.backlog;
        let end = |end: f64| end.is_finite().then_some(end);
        self.after_p99 = figures.after_p99.map(|(value, low, high)| Interval95 {
            value,
            ci_low: end(low),
            ci_high: end(high),
        });
    }
}
