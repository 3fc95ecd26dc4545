//! The machine the load came from: its CPUs and its queues.

use super::{Reason, Run, invalid, suspect};
use crate::summary::{Percent, plural};

/// Receives that found no buffer, per answer: each costs a pass through the kernel.
const BUFFERS_EXHAUSTED_MAX: f64 = 0.01;
/// Bytes of an answer, with its header, from which on it takes several buffers.
const LARGE_ANSWER: f64 = 5_000.0;
/// Share of the window a worker waits for its CPU, or the hypervisor takes it: noticeable, and
/// too much.
const STOLEN_SUSPECT: f64 = 0.01;
/// See [`STOLEN_SUSPECT`].
const STOLEN_INVALID: f64 = 0.10;

impl Run<'_> {
    pub(super) fn completions_overflowed(&self) -> Option<Reason> {
        let overflowed = self.total(|w| w.completions_overflowed);
        (overflowed > 0).then(|| {
            let message = format!(
                "the queue of completions was full {}, and the kernel had to set some \
                 aside, so their times are late: use fewer connections per core",
                plural(overflowed, "time"),
            );
            invalid("completions_overflowed", message)
        })
    }

    /// A driver that stopped working ended the run for all.
    pub(super) fn engine_failed(&self) -> Option<Reason> {
        let mut workers = self.record.workers.iter();
        let (cpu, why) = workers.find_map(|w| w.halted.as_ref().map(|why| (w.cpu, why)))?;
        let message = format!(
            "io_uring stopped working on CPU {cpu} after {}, so the run was ended: \
             `io_uring_enter` failed again and again ({why}); free memory, or use fewer \
             connections",
            self.summary.measured,
        );
        Some(invalid("engine_failed", message))
    }

    pub(super) fn buffers_exhausted(&self) -> Option<Reason> {
        let exhausted = self.total(|w| w.buffers_exhausted);
        let share = exhausted as f64 / self.record.counts.completed() as f64;
        (share > BUFFERS_EXHAUSTED_MAX).then(|| {
            let size = self.total(|w| w.received_bytes) as f64
                / self.record.counts.completed().max(1) as f64;
            // Those that are not read are dropped in the kernel, and need none.
            let cause = if size > LARGE_ANSWER && self.plan.workload.script().is_some() {
                "large answers are read, each through many buffers: check and capture less of \
                 their bodies, use fewer connections per core, or more --cores"
            } else {
                "answers came on more connections at once than there are buffers: use fewer \
                 connections per core, or more --cores"
            };
            let message = format!(
                "{} found no free buffer ({} of the answers), and the client pays for it in CPU: \
                 {cause}",
                plural(exhausted, "receive"),
                Percent(share),
            );
            suspect("buffers_exhausted", message)
        })
    }

    pub(super) fn preempted(&self) -> Option<Reason> {
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

    pub(super) fn steal(&self) -> Option<Reason> {
        let share = self.observed.steal_share?;
        let message = format!(
            "the hypervisor took {} of the CPU time: run again when its other guests are quiet, or \
             on a machine of your own",
            Percent(share),
        );
        stolen("steal", share, message)
    }

    pub(super) fn throttled(&self) -> Option<Reason> {
        let periods = self.observed.throttled_periods?;
        (periods > 0).then(|| {
            let message = format!(
                "the generator's cgroup was out of CPU quota in {}: raise its quota or use fewer \
                 --cores",
                plural(periods, "period"),
            );
            suspect("throttled", message)
        })
    }

    pub(super) fn cpu_overlap(&self) -> Option<Reason> {
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
}

fn stolen(code: &'static str, share: f64, message: String) -> Option<Reason> {
    match share {
        s if s > STOLEN_INVALID => Some(invalid(code, message)),
        s if s > STOLEN_SUSPECT => Some(suspect(code, message)),
        _ => None,
    }
}
