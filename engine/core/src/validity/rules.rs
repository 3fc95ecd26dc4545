//! The rules of the verdict, one function each, with their bounds and where those come from.
//!
//! Bounds without a source of their own are those of the generator-saturation flags that
//! Treadmill (ISCA 2016), Lancet (ATC 2019) and Nighthawk's adaptive load agree on within a
//! factor of two.

mod answers;
mod connections;
mod load;
mod machine;
mod statuses;
mod target;

use super::{Observations, Reason, Severity};
use crate::plan::{Arrivals, Limit, Load, Plan};
use crate::record::{RunRecord, WorkerRecord};
use crate::summary::{Grouped, Percent, Quantile, Summary, plural_were};

/// Flows of a closed loop: from this share of the response time on, waiting for a connection is
/// reported.
const CLOSED_WAIT_MIN: f64 = 0.1;
/// Share of slots that may end other than `ok`: beyond it, p99 is a time of errors.
const ERRORS_MAX: f64 = 0.01;

/// One run, its plan and the observations of its machine.
pub(super) struct Run<'a> {
    pub(super) plan: &'a Plan,
    pub(super) record: &'a RunRecord,
    pub(super) summary: &'a Summary,
    pub(super) observed: &'a Observations,
}

impl Run<'_> {
    /// Every rule that fires, in the order of the rules.
    pub(super) fn reasons(&self) -> Vec<Reason> {
        let of_engine = [self.law(), self.engine_failed(), self.completions_overflowed()];
        if let Some(nothing) = self.nothing_completed() {
            // Every other rule would only repeat this one.
            return of_engine.into_iter().chain([Some(nothing)]).flatten().collect();
        }
        // What the target does while something fails is the result, and no reason against it.
        let has_faults = self.plan.observe.by_due.is_some();
        let gone = self.target_gone().filter(|_| !has_faults);
        let by_load = match &self.plan.load {
            // Without a target, missing and late sends have that one cause.
            _ if gone.is_some() => [gone, None, None],
            Load::Open { .. } | Load::Replay if has_faults => [None, self.late_sends(), None],
            load @ (Load::Open { .. } | Load::Replay) => {
                let arrivals = match load {
                    Load::Open { arrivals, .. } => *arrivals,
                    Load::Closed | Load::Replay => Arrivals::Constant,
                };
                let offered = self.summary.rate.offered.unwrap_or_default();
                [self.shortfall(offered, arrivals), self.late_sends(), self.not_sent()]
            }
            Load::Closed => {
                // Think times leave connections and the target idle.
                let is_steady = self.plan.workload.script().is_none();
                let pauses = self.plan.workload.script().is_some_and(|script| script.has_pauses());
                [
                    self.client_limited(),
                    is_steady.then(|| self.little()).flatten(),
                    (!pauses).then(|| self.target_idle()).flatten(),
                ]
            }
        };
        let of_all = [
            self.preempted(),
            self.steal(),
            self.throttled(),
            self.cpu_overlap(),
            self.redirects(),
            self.refusals().filter(|_| !has_faults),
            self.errors().filter(|_| !has_faults),
            (!has_faults && self.target_gone().is_none()).then(|| self.connections()).flatten(),
            self.streams_limited(),
            self.flow_controlled(),
            self.unsolicited(),
            self.unsolicited_messages(),
            self.retransmits(),
            self.buffers_exhausted(),
        ];
        of_engine.into_iter().chain(by_load).chain(of_all).flatten().collect()
    }

    /// Facts that matter to a reader but do not change the verdict.
    pub(super) fn notes(&self) -> Vec<String> {
        let times = &self.summary.times;
        let needed = Quantile::P99.samples_needed();
        let mut notes = Vec::new();
        if self.record.interrupted {
            let planned = match self.plan.limits.window {
                Limit::Duration(span) | Limit::Either(span, _) => format!(" of {span}"),
                Limit::Requests(n) => format!(" before all {} requests were sent", Grouped(n)),
            };
            let measured = self.summary.measured;
            notes.push(format!("interrupted: measured for {measured}{planned}"));
        }
        if times.response.count < needed {
            let count = Grouped(times.response.count);
            let needed = Grouped(needed);
            notes.push(format!("too few samples for p99: {count} of {needed}; run longer"));
        }
        notes.extend(self.status_notes());
        notes.extend(self.no_events());
        notes.extend(self.addresses_differ());
        notes.extend(self.stalled_load());
        notes.extend(self.few_in_flight());
        notes.extend(self.few_used());
        notes.extend(self.closed_and_retried());
        // With a connection for each user, no user waits for another's.
        let users = self.plan.workload.script().and_then(|script| script.users());
        let users = users.filter(|users| *users > self.plan.connections());
        let of_response = times
            .lateness
            .mean
            .zip(times.response.mean)
            .map(|(late, all)| late as f64 / all as f64);
        if let (Some(users), Some(share @ CLOSED_WAIT_MIN..)) = (users, of_response) {
            notes.push(format!(
                "{} of the response time is waiting for a free connection: {} users share {}; \
                 raise -c to avoid it",
                Percent(share),
                Grouped(users.into()),
                Grouped(self.plan.connections().into()),
            ));
        }
        notes.extend(self.tolerated());
        notes.extend(self.unsolicited_note());
        if times.censored > 0 {
            notes.push(format!(
                "{} counted at the age they reached, less than their true response time",
                plural_were(times.censored, "unfinished request"),
            ));
        }
        notes
    }

    fn law(&self) -> Option<Reason> {
        let broken = [&self.record.counts, &self.record.warmup_counts]
            .into_iter()
            .find(|counts| counts.in_flight() != Some(0))?;
        let message = format!(
            "{} slots were released but {} outcomes counted: this is a bug in uringbench, please \
             report it",
            Grouped(broken.released),
            Grouped(broken.ended()),
        );
        Some(invalid("law", message))
    }

    /// Requests that may have been in flight on a connection: as planned, or as an HTTP/2 target
    /// allowed, if its limit was the same all the time.
    fn depth(&self) -> u64 {
        let planned = self.plan.workload.pipeline().into();
        let limit = self.record.streams_limited().filter(|_| !self.record.do_streams_vary());
        limit.map_or(planned, |most| planned.min(most.into()))
    }

    fn total(&self, of: fn(&WorkerRecord) -> u64) -> u64 {
        self.record.workers.iter().map(of).sum()
    }

    fn share_of_released(&self, slots: u64) -> f64 {
        slots as f64 / self.record.counts.released.max(1) as f64
    }
}

const fn suspect(code: &'static str, message: String) -> Reason {
    Reason { code, message, severity: Severity::Suspect }
}

const fn invalid(code: &'static str, message: String) -> Reason {
    Reason { code, message, severity: Severity::Invalid }
}
