//! The load: was it sent as planned, and what limited the rate?

use super::{ERRORS_MAX, Reason, Run, invalid, suspect};
use crate::outcome::Outcome;
use crate::plan::{Arrivals, Limit, WaitMode};
use crate::record::WorkerRecord;
use crate::summary::{Percent, Quantile, plural, plural_were};
use crate::time::Nanos;

/// Open loop: least share of the planned slots that must be sent. Nighthawk advises the same
/// bound for its send-rate metric.
const ACHIEVED_MIN: f64 = 0.99;
/// Standard deviations by which a Poisson schedule may fall short by chance (1 run in 700).
const POISSON_SIGMAS: f64 = 3.0;
/// A worker busier than this cannot keep a schedule: above it, queueing for its own CPU grows
/// without bound. Artillery warns from 80 %.
const OPEN_BUSY_MAX: f64 = 0.90;
/// Closed loop: from here on the generator's CPU, not the target, sets the rate.
const CLOSED_BUSY_MAX: f64 = 0.95;
/// Lateness p99 that never matters: the cost of a timer wake-up of the kernel.
const LATENESS_MAX: Nanos = Nanos(50_000);
/// Lateness p99 as a share of the response p99 that does not change the conclusions.
const LATENESS_OF_RESPONSE_MAX: f64 = 0.10;
/// Below this share of slots that found every connection busy, lateness is the generator's own.
const WAITED_FEW: f64 = 0.01;
/// Little's law (N = X·R, exact for any stable system): the difference that measurement errors
/// explain.
const LITTLE_MAX: f64 = 0.05;
/// Standard deviations by which the edges of the window may change it by chance.
const LITTLE_SIGMAS: f64 = 4.0;

impl Run<'_> {
    /// Fewer slots were sent than planned: the generator, the connections or the target limited it.
    pub(super) fn shortfall(&self, offered: f64, arrivals: Arrivals) -> Option<Reason> {
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
        // A slot that found no free connection is counted in `waited`.
        let unexplained = missing - waited - refused;
        if unexplained > planned * (1.0 - ACHIEVED_MIN) || self.generator_saturated() {
            let message = format!(
                "only {share} of the planned rate was sent though connections were free: the \
                 generator was the limit (busiest worker: {} of its CPU); use more --cores or \
                 lower -R",
                Percent(self.summary.busiest()),
            );
            return Some(invalid("generator_limited", message));
        }
        // Refused connections are errors, and reported as such.
        (waited > refused).then(|| {
            let message = format!(
                "only {share} of the planned rate was sent: no connection was free when {} of the \
                 slots were due (response times include the wait); raise -c or lower -R",
                Percent((waited / planned).min(1.0)),
            );
            suspect("connections_busy", message)
        })
    }

    /// Whether the workers' CPU was the limit.
    pub(super) fn generator_saturated(&self) -> bool {
        self.summary.busiest() >= OPEN_BUSY_MAX
    }

    pub(super) fn late_sends(&self) -> Option<Reason> {
        let lateness = self.summary.times.lateness.at(Quantile::P99)?;
        let response = self.summary.times.response.at(Quantile::P99)?;
        let bound = (response as f64 * LATENESS_OF_RESPONSE_MAX).max(LATENESS_MAX.0 as f64);
        let late = lateness as f64 > bound && self.waited_share() < WAITED_FEW;
        late.then(|| {
            let fix = match self.plan.transport.wait {
                WaitMode::Batch | WaitMode::Block => {
                    "use --wait hybrid or spin, more --cores, or lower -R"
                }
                _ => "keep other programs off its CPUs, use more --cores, or lower -R",
            };
            let message = format!(
                "requests were sent late by p99 {} (response p99 {}) though connections were \
                 free: the generator was slow; {fix}",
                Nanos(lateness),
                Nanos(response),
            );
            invalid("late_sends", message)
        })
    }

    pub(super) fn not_sent(&self) -> Option<Reason> {
        let not_sent = self.record.counts.of(Outcome::NotSent);
        (not_sent > 0).then(|| {
            let message = format!(
                "{} ({} of all) not sent because no connection came free in time: the target is \
                 too slow for this rate over {}; lower -R or raise -c",
                plural_were(not_sent, "slot"),
                Percent(self.share_of_released(not_sent)),
                plural(self.plan.connections().into(), "connection"),
            );
            suspect("not_sent", message)
        })
    }

    pub(super) fn client_limited(&self) -> Option<Reason> {
        let busiest = self.summary.busiest();
        (busiest >= CLOSED_BUSY_MAX).then(|| {
            let message = format!(
                "the generator's CPU was {} busy and set the rate; the target may be faster: use \
                 more --cores",
                Percent(busiest),
            );
            suspect("client_limited", message)
        })
    }

    /// Connections × depth = rate × mean service time, if no connection is idle except while its
    /// next request waits in the queue of sends.
    ///
    /// Both sides count the window alone: of an exchange that crosses its edges, only the part
    /// inside. The bound also allows for chance: failed answers have no service time, and service
    /// times vary.
    pub(super) fn little(&self) -> Option<Reason> {
        let completed = self.record.completed();
        let undisturbed = self.record.counts.errors() as f64 <= ERRORS_MAX * completed
            && self.total(|w| w.reconnects) as f64 <= ERRORS_MAX * completed;
        let service = &self.record.times.service;
        let deviation = service.stdev() / 1e9;
        let window = self.summary.measured.as_secs_f64();
        let pipeline = self.depth();
        let places = self.total(|w| w.established.into()) * pipeline;
        // With a limit that varies no number is expected.
        let is_known = places > 0 && !self.record.do_streams_vary();
        if !undisturbed || !is_known || service.is_empty() || window <= 0.0 {
            return None;
        }
        let departing = Nanos(self.total(|w| w.departing.0)).as_secs_f64();
        // The places of a worker that ends before the others are not to be busy any more.
        let unloaded: f64 = self.record.workers.iter().map(|w| unloaded(w, pipeline)).sum();
        let served = (service.mean() * service.len() as f64 + self.record.edges.busy) / 1e9;
        let in_service = (served + departing + unloaded) / window;
        let off = (in_service / places as f64 - 1.0).abs();
        let chance = LITTLE_SIGMAS * deviation / (window * (places as f64).sqrt());
        // After the last requests are sent, connections become idle one after the other.
        let tail = match self.plan.limits.window {
            Limit::Duration(_) => 0.0,
            Limit::Requests(_) | Limit::Either(..) => service.max() as f64 / 1e9 / window,
        };
        (off > LITTLE_MAX + chance + tail).then(|| {
            let message = format!(
                "rate × mean service time gives {in_service:.1} requests in flight where {} \
                 expected ({} off): connections were idle or the generator paused; check its CPUs, \
                 raise --warmup",
                plural_were(places, "request"),
                Percent(off),
            );
            suspect("little", message)
        })
    }

    pub(super) fn waited_share(&self) -> f64 {
        self.share_of_released(self.total(|w| w.waited))
    }
}

/// The places of a worker, each for as long as it had no load in the measured window, in seconds.
fn unloaded(worker: &WorkerRecord, pipeline: u64) -> f64 {
    (u64::from(worker.established) * pipeline) as f64 * worker.unloaded.as_secs_f64()
}
