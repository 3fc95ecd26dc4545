//! The target itself: whether it was there all the time, was busy, and is one program.

use super::{Reason, Run, suspect};
use crate::plan::Load;
use crate::record::Interval;
use crate::summary::{Grouped, Quantile};
use crate::time::Nanos;
use crate::window::Phase;

/// Closed loop: a target that uses a smaller share of its CPUs did not limit the rate.
const TARGET_IDLE: f64 = 0.50;
/// Requests in flight per CPU that leave a target idle by nature: while one is on its way or being
/// read, the target has nothing to do.
const FEW_PER_CPU: f64 = 2.0;
/// Share of all failures at one of several addresses that makes it differ from the rest.
const AT_ONE_ADDRESS: f64 = 0.95;
/// Failures, as a share of the slots, below which they may fall at one address by chance.
const FAILURES_MIN: f64 = 0.01;
/// Fewer failures at one of several addresses may be chance, even if all its connections had one.
const HELD_MIN: u64 = 3;
/// A closed loop stalled when the slowest answer took so many times the median, and so long.
const STALL_OF_MEDIAN: u64 = 100;
/// See [`STALL_OF_MEDIAN`]: shorter ones are a machine's own pauses.
const STALL_MIN: Nanos = Nanos::from_millis(50);
/// The most values added per stall when the times are corrected for it.
const CORRECTIONS_MAX: u64 = 10_000;

impl Run<'_> {
    /// From some moment of the measured window on no connection stood and nothing was answered.
    pub(super) fn target_gone(&self) -> Option<Reason> {
        let measured = |row: &&Interval| row.phase == Phase::Measure;
        let rows: Vec<_> = self.record.finest().iter().filter(measured).collect();
        let is_gone = |row: &Interval| row.connected == 0 && row.in_flight == 0;
        let last = rows.iter().rposition(|row| row.completed > 0)?;
        let first = if is_gone(rows[last]) { last } else { last + 1 };
        let gone = rows.get(first..).filter(|gone| !gone.is_empty())?;
        let failure = self.connect_failure()?;
        if !gone.iter().all(|row| is_gone(row)) {
            return None;
        }
        let (from, to) = (rows[first].start, rows[rows.len() - 1]);
        let message = format!(
            "the target was gone from second {:.1} of the run on, to its end at {:.1} ({failure}): \
             the figures cover the time before; check the target's log",
            from.as_secs_f64(),
            (to.start + to.length).as_secs_f64(),
        );
        Some(suspect("target_gone", message))
    }

    pub(super) fn target_idle(&self) -> Option<Reason> {
        let cpu = self.observed.target?;
        let fires = self.is_target_idle() && !self.has_few_in_flight();
        fires.then(|| {
            let message = format!(
                "the target used {:.2} of its {:.2} CPUs: this is not its ceiling; raise -c or -p, \
                 or look for what it waits for (locks, disk, upstreams)",
                cpu.used, cpu.allowed,
            );
            suspect("target_idle", message)
        })
    }

    /// Few connections of a closed loop leave the target idle by nature, which is no fault of the
    /// figures. In an open loop the rate does, and users who pause.
    pub(super) fn few_in_flight(&self) -> Option<String> {
        let pauses = self.plan.workload.script().is_some_and(|script| script.has_pauses());
        let asks = self.plan.load == Load::Closed && !pauses && self.is_target_idle();
        let cpu = self.observed.target.filter(|_| asks)?;
        self.has_few_in_flight().then(|| {
            format!(
                "the target used {:.2} of its {:.2} CPUs, since at most {} in flight; raise -c or \
                 -p to find its ceiling",
                cpu.used,
                cpu.allowed,
                if self.in_flight_max() == 1 {
                    "1 request is".to_owned()
                } else {
                    format!("{} requests are", Grouped(self.in_flight_max()))
                },
            )
        })
    }

    fn is_target_idle(&self) -> bool {
        let idle = |cpu: &super::super::TargetCpu| cpu.used < cpu.allowed * TARGET_IDLE;
        self.observed.target.as_ref().is_some_and(idle) && self.client_limited().is_none()
    }

    fn has_few_in_flight(&self) -> bool {
        let allowed = self.observed.target.map_or(1.0, |cpu| cpu.allowed);
        self.in_flight_max() as f64 <= FEW_PER_CPU * allowed.max(1.0)
    }

    fn in_flight_max(&self) -> u64 {
        u64::from(self.plan.connections()) * self.depth()
    }

    /// A closed loop sends nothing while the target stalls, so that few answers show a stall that
    /// all users would have met (Tene: coordinated omission).
    pub(super) fn stalled_load(&self) -> Option<String> {
        let service = &self.record.times.service;
        let times = &self.summary.times.service;
        let (p50, p99) = (times.at(Quantile::P50)?, times.at(Quantile::P99)?);
        let longest = times.max?;
        let stall = STALL_MIN.0.max(p50.saturating_mul(STALL_OF_MEDIAN));
        if !self.summary.is_served_at_once() || longest < stall || p50 == 0 {
            return None;
        }
        // As if each connection had kept sending at its usual pace.
        let usual = p50.max(longest / CORRECTIONS_MAX);
        let corrected = service.clone_correct(usual).value_at_quantile(Quantile::P99.share());
        (corrected > p99.saturating_mul(2)).then(|| {
            format!(
                "the target stalled (longest answer {}), and a closed loop stalls with it: with \
                 requests at the usual pace, p99 would be {} instead of {}; measure it at a rate, \
                 with -R",
                Nanos(longest),
                Nanos(corrected),
                Nanos(p99),
            )
        })
    }

    /// One address of a name behaves differently: another program, or none that answers.
    pub(super) fn addresses_differ(&self) -> Option<String> {
        let peers = self.plan.peers();
        let [first, rest @ ..] = &peers[..] else { return None };
        let failed = |peer| {
            let workers = self.record.workers.iter().flat_map(|worker| &worker.failed_at);
            workers.filter(|(at, _)| at == peer).map(|(_, failed)| failed).sum::<u64>()
        };
        let worst = rest
            .iter()
            .fold(first, |worst, peer| if failed(peer) > failed(worst) { peer } else { worst });
        let others: Vec<_> = peers.iter().filter(|peer| *peer != worst).collect();
        let at_worst = failed(worst);
        let all = at_worst + others.iter().map(|peer| failed(peer)).sum::<u64>();
        // An address that never answers holds its connections, which then send little.
        let share = u64::from(self.plan.connections()) / peers.len() as u64;
        let holds_all = at_worst >= share.max(HELD_MIN);
        let fires = !others.is_empty()
            && at_worst as f64 >= AT_ONE_ADDRESS * all as f64
            && (holds_all || self.share_of_released(all) >= FAILURES_MIN);
        fires.then(|| {
            let others: Vec<_> = others.iter().map(ToString::to_string).collect();
            format!(
                "the addresses of this name answer differently: {} of {} that failed did so at \
                 {worst}, {} at {}; are they the same program? --connect-to names one address",
                Grouped(at_worst),
                Grouped(all),
                if all == at_worst {
                    "none".to_owned()
                } else {
                    Grouped(all - at_worst).to_string()
                },
                others.join(", "),
            )
        })
    }
}
