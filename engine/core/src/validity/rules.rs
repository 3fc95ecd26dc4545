//! The rules of the verdict, one function each, with their bounds and where those come from.
//!
//! Bounds without a source of their own are those of the generator-saturation flags that
//! Treadmill (ISCA 2016), Lancet (ATC 2019) and Nighthawk's adaptive load agree on within a
//! factor of two.

use super::{Observations, Reason, Severity};
use crate::outcome::Outcome;
use crate::plan::{Arrivals, Limit, Load, Plan, WaitMode};
use crate::record::{RunRecord, WorkerRecord};
use crate::summary::{Grouped, Percent, Quantile, Summary};
use crate::time::Nanos;

/// Open loop: least share of the planned slots that must be sent. Nighthawk advises the same
/// bound for its send-rate metric.
const ACHIEVED_MIN: f64 = 0.99;
/// Standard deviations by which a Poisson schedule may fall short by chance (1 run in 700).
const POISSON_SIGMAS: f64 = 3.0;
/// A worker busier than this cannot keep a schedule: above it, queueing for its own CPU grows
/// without bound. Artillery warns from 80 %.
const OPEN_BUSY_MAX: f64 = 0.90;
/// Flows of a closed loop: from this share of the response time on, waiting for a connection is
/// told.
const CLOSED_WAIT_TOLD: f64 = 0.1;
/// Closed loop: from here on the generator's CPU, not the target, sets the rate.
const CLOSED_BUSY_MAX: f64 = 0.95;
/// Lateness p99 that never matters: what a timer wake-up of the kernel costs.
const LATENESS_MAX: Nanos = Nanos(50_000);
/// Lateness p99 as a share of the response p99 that does not change what is read from it.
const LATENESS_OF_RESPONSE_MAX: f64 = 0.10;
/// Below this share of slots that found every connection busy, lateness is the generator's own.
const WAITED_FEW: f64 = 0.01;
/// Little's law (N = X·R, exact for any stable system): the disagreement that measurement
/// explains.
const LITTLE_MAX: f64 = 0.05;
/// Mean service times that the window must hold, so that its edges explain at most 1 %.
const LITTLE_WINDOW_MIN: f64 = 100.0;
/// Receives that found no buffer, per answer: each costs a pass through the kernel.
const BUFFERS_EXHAUSTED_MAX: f64 = 0.01;
/// Share of the window a worker waits for its CPU, or the hypervisor takes it: noticeable, and
/// too much.
const STOLEN_SUSPECT: f64 = 0.01;
/// See [`STOLEN_SUSPECT`].
const STOLEN_INVALID: f64 = 0.10;
/// Share of slots that may end other than `ok`: beyond it, p99 is a time of errors.
const ERRORS_MAX: f64 = 0.01;
/// Retransmits per answer: one costs at least the 200 ms of Linux' `TCP_RTO_MIN`, so from one
/// in a thousand on they are the p99.9.
const RETRANSMITS_MAX: f64 = 0.001;
/// Closed loop: a target that uses less of its CPUs was not what set the rate.
const TARGET_IDLE: f64 = 0.50;

/// One run, with all that is known of it.
pub(super) struct Run<'a> {
    pub(super) plan: &'a Plan,
    pub(super) record: &'a RunRecord,
    pub(super) summary: &'a Summary,
    pub(super) observed: &'a Observations,
}

impl Run<'_> {
    /// Every rule that fires, in the order of the rules.
    pub(super) fn reasons(&self) -> Vec<Reason> {
        let (law, overflow) = (self.law(), self.completions_overflowed());
        if let Some(nothing) = self.nothing_completed() {
            // Every other rule would only repeat it.
            return [law, overflow, Some(nothing)].into_iter().flatten().collect();
        }
        let by_load = match self.plan.load {
            Load::Open { .. } | Load::Replay => {
                let arrivals = match self.plan.load {
                    Load::Open { arrivals, .. } => arrivals,
                    Load::Closed | Load::Replay => Arrivals::Constant,
                };
                let offered = self.summary.rate.offered.unwrap_or_default();
                [self.shortfall(offered, arrivals), self.late_sends(), self.not_sent()]
            }
            Load::Closed => {
                // Users who pause leave connections idle, and the target with them.
                let is_steady = self.plan.script.is_none();
                let pauses = self.plan.script.as_ref().is_some_and(|script| script.has_pauses());
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
            self.errors(),
            self.connections(),
            self.unsolicited(),
            self.retransmits(),
            self.buffers_exhausted(),
        ];
        [law, overflow].into_iter().chain(by_load).chain(of_all).flatten().collect()
    }

    /// What a reader should know beside the verdict.
    pub(super) fn notes(&self) -> Vec<String> {
        let times = &self.summary.times;
        let needed = Quantile::P99.samples_needed();
        let mut notes = Vec::new();
        if self.record.interrupted {
            let planned = match self.plan.limit {
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
        // As many connections as users are enough: who waits then waits for its own turn.
        let users = self.plan.script.as_ref().and_then(|script| script.users());
        let users = users.filter(|users| *users > self.plan.connections);
        let of_response = times
            .lateness
            .mean
            .zip(times.response.mean)
            .map(|(late, all)| late as f64 / all as f64);
        if let (Some(users), Some(share @ CLOSED_WAIT_TOLD..)) = (users, of_response) {
            notes.push(format!(
                "{} of the response time is waiting for a free connection, {} users sharing {}: \
                 raise -c to leave it out",
                Percent(share),
                Grouped(users.into()),
                Grouped(self.plan.connections.into()),
            ));
        }
        if times.censored > 0 {
            notes.push(format!(
                "unfinished requests counted at the age they reached, less than their true \
                 response time: {}",
                Grouped(times.censored),
            ));
        }
        notes
    }

    fn law(&self) -> Option<Reason> {
        let broken = [&self.record.counts, &self.record.warmup_counts]
            .into_iter()
            .find(|counts| counts.in_flight() != Some(0))?;
        let message = format!(
            "{} slots were released but {} outcomes counted: a fault in uringbench, please \
             report it",
            Grouped(broken.released),
            Grouped(broken.ended()),
        );
        Some(invalid("law", message))
    }

    fn completions_overflowed(&self) -> Option<Reason> {
        let overflowed = self.total(|w| w.completions_overflowed);
        (overflowed > 0).then(|| {
            let message = format!(
                "the kernel had to queue {} completions aside, so their times are late: use fewer \
                 connections per core",
                Grouped(overflowed),
            );
            invalid("completions_overflowed", message)
        })
    }

    fn nothing_completed(&self) -> Option<Reason> {
        (self.record.counts.completed() == 0).then(|| {
            const CHECK: &str = "check that the target listens at this address and speaks HTTP/1.1";
            let message = match self.error_kinds() {
                kinds if !kinds.is_empty() => {
                    let cause = self.connect_failure().unwrap_or(CHECK);
                    format!("no request was answered ({kinds}): {cause}{}", self.tls_perhaps())
                }
                _ if self.record.interrupted => {
                    "the run was interrupted before its measured window; --warmup 0s measures from \
                     the start"
                        .to_owned()
                }
                _ => format!("no request was sent: {CHECK}"),
            };
            invalid("nothing_completed", message)
        })
    }

    /// What came was not HTTP: a target that wants TLS is the most common one to say so.
    fn tls_perhaps(&self) -> &'static str {
        let is_plain = self.plan.tls.is_none();
        if is_plain && self.record.counts.of(Outcome::Malformed) > 0 {
            "; within TLS its URL begins with https://"
        } else {
            ""
        }
    }

    /// Fewer slots were sent than planned: whose fault was it?
    fn shortfall(&self, offered: f64, arrivals: Arrivals) -> Option<Reason> {
        let planned = offered * self.summary.measured.as_secs_f64();
        let sent = self.summary.rate.achieved * self.summary.measured.as_secs_f64();
        let chance = match arrivals {
            // The slot at the edge of the window.
            Arrivals::Constant => 1.0,
            Arrivals::Poisson => POISSON_SIGMAS * planned.sqrt(),
        };
        let missing = planned - sent;
        if sent >= planned * ACHIEVED_MIN || missing <= chance {
            return None;
        }
        let refused = self.record.counts.of(Outcome::ConnectFailed) as f64;
        let waited = self.total(|w| w.waited).max(self.record.counts.of(Outcome::NotSent)) as f64;
        let share = Percent(sent / planned);
        // A slot missing for want of a connection was counted as waiting for one.
        let unexplained = missing - waited - refused;
        if unexplained > planned * (1.0 - ACHIEVED_MIN) || self.generator_saturated() {
            let message = format!(
                "only {share} of the planned rate was sent, and not for want of free connections: \
                 the generator was the limit (its busiest worker used {} of its CPU); give it \
                 more --cores or lower -R",
                Percent(self.summary.busiest()),
            );
            return Some(invalid("generator_limited", message));
        }
        // Refused connections are errors, and reported as such.
        (waited > refused).then(|| {
            let message = format!(
                "only {share} of the planned rate was sent: every connection was busy when {} of \
                 the slots were due; response times include that wait and are honest; the target \
                 is at its limit, or give it more connections (-c)",
                Percent(self.waited_share()),
            );
            suspect("connections_busy", message)
        })
    }

    /// Whether the workers' CPU was the limit.
    fn generator_saturated(&self) -> bool {
        self.summary.busiest() >= OPEN_BUSY_MAX
    }

    fn late_sends(&self) -> Option<Reason> {
        let lateness = self.summary.times.lateness.at(Quantile::P99)?;
        let response = self.summary.times.response.at(Quantile::P99)?;
        let bound = (response as f64 * LATENESS_OF_RESPONSE_MAX).max(LATENESS_MAX.0 as f64);
        let late = lateness as f64 > bound && self.waited_share() < WAITED_FEW;
        late.then(|| {
            let remedy = match self.plan.wait {
                WaitMode::Block => "use --wait hybrid or spin, more --cores, or lower -R",
                _ => "keep the workers' CPUs free, give them more --cores, or lower -R",
            };
            let message = format!(
                "requests left late by p99 {} (response p99 {}) though connections were free: \
                 the generator is in the numbers; {remedy}",
                Nanos(lateness),
                Nanos(response),
            );
            invalid("late_sends", message)
        })
    }

    fn not_sent(&self) -> Option<Reason> {
        let not_sent = self.record.counts.of(Outcome::NotSent);
        (not_sent > 0).then(|| {
            let message = format!(
                "{} slots ({}) were given up because no connection came free in time: the target \
                 cannot take this rate over {} connections; lower -R or raise -c",
                Grouped(not_sent),
                Percent(self.share_of_released(not_sent)),
                Grouped(self.plan.connections.into()),
            );
            suspect("not_sent", message)
        })
    }

    fn client_limited(&self) -> Option<Reason> {
        let busiest = self.summary.busiest();
        (busiest >= CLOSED_BUSY_MAX).then(|| {
            let message = format!(
                "the generator's CPU was {} busy: this is its ceiling, the target may do more; \
                 give it more --cores",
                Percent(busiest),
            );
            suspect("client_limited", message)
        })
    }

    /// Connections × depth = rate × mean service time, when no connection stands idle.
    fn little(&self) -> Option<Reason> {
        let completed = self.record.counts.completed();
        let undisturbed = self.record.counts.errors() as f64 <= ERRORS_MAX * completed as f64
            && self.total(|w| w.reconnects) as f64 <= ERRORS_MAX * completed as f64;
        let mean = self.summary.times.service.mean? as f64 / 1e9;
        let window = self.summary.measured.as_secs_f64();
        if !undisturbed || window < mean * LITTLE_WINDOW_MIN {
            return None;
        }
        let places = self.total(|w| w.established.into()) * u64::from(self.plan.pipeline);
        let in_service = completed as f64 / window * mean;
        let off = (in_service / places as f64 - 1.0).abs();
        (off > LITTLE_MAX).then(|| {
            let message = format!(
                "rate × mean service time gives {in_service:.1} requests in flight where {} were \
                 to be ({} off): connections stood idle or the generator paused; check its CPUs \
                 and raise --warmup",
                Grouped(places),
                Percent(off),
            );
            suspect("little", message)
        })
    }

    fn target_idle(&self) -> Option<Reason> {
        let cpu = self.observed.target?;
        let idle = cpu.used < cpu.allowed * TARGET_IDLE && self.client_limited().is_none();
        idle.then(|| {
            let message = format!(
                "the target used {:.2} of its {:.2} CPUs: this is not its ceiling; raise -c or -p, \
                 or look for what it waits for (locks, disk, upstreams)",
                cpu.used, cpu.allowed,
            );
            suspect("target_idle", message)
        })
    }

    fn preempted(&self) -> Option<Reason> {
        let worst =
            self.summary.workers.iter().max_by(|a, b| a.run_queue.total_cmp(&b.run_queue))?;
        let message = format!(
            "the worker on CPU {} waited for its CPU {} of the time: something else runs there; \
             stop it or choose other CPUs with --cores",
            worst.cpu,
            Percent(worst.run_queue),
        );
        stolen("preempted", worst.run_queue, message)
    }

    fn steal(&self) -> Option<Reason> {
        let share = self.observed.steal_share?;
        let message = format!(
            "the hypervisor took {} of the CPU time: run again when its other guests are quiet, or \
             on a machine of your own",
            Percent(share),
        );
        stolen("steal", share, message)
    }

    fn throttled(&self) -> Option<Reason> {
        let periods = self.observed.throttled_periods?;
        (periods > 0).then(|| {
            let message = format!(
                "the generator's cgroup was out of CPU quota in {} periods: raise its quota or use \
                 fewer --cores",
                Grouped(periods),
            );
            suspect("throttled", message)
        })
    }

    fn cpu_overlap(&self) -> Option<Reason> {
        let shared = self.observed.cpus_shared.as_deref()?;
        (!shared.is_empty()).then(|| {
            let list: Vec<_> = shared.iter().map(usize::to_string).collect();
            let message = format!(
                "the target may run on the workers' CPUs ({}): each slows the other; keep them \
                 apart with --cores and taskset",
                list.join(", "),
            );
            suspect("cpu_overlap", message)
        })
    }

    fn errors(&self) -> Option<Reason> {
        let share = self.summary.error_share?;
        (share > ERRORS_MAX).then(|| {
            let what = self.refused_alike().unwrap_or("the times are of a target in trouble");
            let mut message = format!(
                "{} of the requests failed ({}): {what}",
                Percent(share),
                self.error_kinds()
            );
            if let Some(cause) = self.tls_broke_off() {
                message += &format!("; the latest connection that failed: {cause}");
            }
            suspect("errors", message)
        })
    }

    /// Every answer is 400: it is the request itself, or what it came over, that is refused. nginx
    /// says so to plain text where it listens for TLS, and to a client without the certificate
    /// that it wants.
    fn refused_alike(&self) -> Option<&'static str> {
        let completed = self.record.counts.completed();
        if completed == 0 || self.record.by_status.get(400) != Some(&completed) {
            return None;
        }
        Some(match &self.plan.tls {
            None => "all answers are 400: is it https:// that is wanted, or is a header wrong?",
            Some(tls) if tls.identity.is_none() => {
                "all answers are 400: does the target want a client certificate (--cert, --key), \
                 or is a header wrong?"
            }
            Some(_) => {
                "all answers are 400: does the target trust the certificate of --cert, or is a \
                 header wrong?"
            }
        })
    }

    /// Why TLS broke off, unless [`Self::connections`] says so: a connection that is made again at
    /// once is not missed.
    fn tls_broke_off(&self) -> Option<&str> {
        let ended = [Outcome::Reset, Outcome::Malformed].map(|kind| self.record.counts.of(kind));
        let is_told = self.plan.tls.is_none() || self.connections().is_some();
        if is_told || ended == [0, 0] { None } else { self.connect_failure() }
    }

    /// Why connections failed. The latest cause stands for the others, with its remedy.
    fn connect_failure(&self) -> Option<&str> {
        self.record.workers.iter().filter_map(|w| w.connect_failure.as_deref()).next_back()
    }

    fn connections(&self) -> Option<Reason> {
        let fewest = self.total(|w| w.established_min.into());
        let requested = u64::from(self.plan.connections);
        // Connections that are to be made anew are not all there at any time.
        let is_planned = self.plan.per_connection.is_some()
            && self.record.workers.iter().all(|worker| worker.connects_failed == 0);
        (fewest < requested && !is_planned).then(|| {
            let cause = self.connect_failure().unwrap_or("the target closes them");
            let message = format!(
                "at times only {} of {} connections were established ({} reconnects, {} failed): \
                 {cause}",
                Grouped(fewest),
                Grouped(requested),
                Grouped(self.total(|w| w.reconnects)),
                Grouped(self.total(|w| w.connects_failed)),
            );
            suspect("connections", message)
        })
    }

    fn unsolicited(&self) -> Option<Reason> {
        let unsolicited = self.total(|w| w.unsolicited);
        (unsolicited > 0).then(|| {
            let message = format!(
                "{} times the target sent bytes nobody had asked for: its answers may be longer \
                 than they declare",
                Grouped(unsolicited),
            );
            suspect("unsolicited", message)
        })
    }

    fn retransmits(&self) -> Option<Reason> {
        let retransmits = self.observed.retransmits?;
        (retransmits as f64 > RETRANSMITS_MAX * self.record.counts.completed() as f64).then(|| {
            let message = format!(
                "{} TCP segments were sent again: the network loses packets, and each loss costs \
                 200 ms or more",
                Grouped(retransmits),
            );
            suspect("retransmits", message)
        })
    }

    fn buffers_exhausted(&self) -> Option<Reason> {
        let exhausted = self.total(|w| w.buffers_exhausted);
        let share = exhausted as f64 / self.record.counts.completed() as f64;
        (share > BUFFERS_EXHAUSTED_MAX).then(|| {
            let message = format!(
                "{} receives found no free buffer ({} of the answers): the client pays for it in \
                 CPU; use fewer connections per core",
                Grouped(exhausted),
                Percent(share),
            );
            suspect("buffers_exhausted", message)
        })
    }

    fn total(&self, of: fn(&WorkerRecord) -> u64) -> u64 {
        self.record.workers.iter().map(of).sum()
    }

    fn waited_share(&self) -> f64 {
        self.share_of_released(self.total(|w| w.waited))
    }

    fn share_of_released(&self, slots: u64) -> f64 {
        slots as f64 / self.record.counts.released.max(1) as f64
    }

    /// `12 timeout, 3 reset`: what did not end `ok`, the most frequent first.
    fn error_kinds(&self) -> String {
        let mut kinds: Vec<_> = Outcome::ALL
            .into_iter()
            .filter(|&outcome| outcome != Outcome::Ok)
            .map(|outcome| (self.record.counts.of(outcome), outcome.key()))
            .filter(|(count, _)| *count > 0)
            .collect();
        kinds.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        let kinds: Vec<_> =
            kinds.iter().map(|(count, key)| format!("{} {key}", Grouped(*count))).collect();
        kinds.join(", ")
    }
}

fn stolen(code: &'static str, share: f64, message: String) -> Option<Reason> {
    match share {
        s if s > STOLEN_INVALID => Some(invalid(code, message)),
        s if s > STOLEN_SUSPECT => Some(suspect(code, message)),
        _ => None,
    }
}

const fn suspect(code: &'static str, message: String) -> Reason {
    Reason { code, message, severity: Severity::Suspect }
}

const fn invalid(code: &'static str, message: String) -> Reason {
    Reason { code, message, severity: Severity::Invalid }
}
