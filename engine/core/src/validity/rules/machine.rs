//! The client machine: its CPUs and its queues.

use super::{Reason, Run, invalid, suspect};
use crate::summary::{Percent, plural};

/// Receives that found no buffer, per answer: each costs another system call.
const BUFFERS_EXHAUSTED_MAX: f64 = 0.01;
/// Answers with at least this many bytes, header included, need several buffers.
const LARGE_ANSWER: f64 = 5_000.0;
/// Share of the window in which a worker waits for its CPU, or the hypervisor takes it: SUSPECT,
/// and INVALID.
const STOLEN_SUSPECT: f64 = 0.01;
/// See [`STOLEN_SUSPECT`].
const STOLEN_INVALID: f64 = 0.10;

impl Run<'_> {
    pub(super) fn completions_overflowed(&self) -> Option<Reason> {
        let overflowed = self.total(|w| w.completions_overflowed);
        (overflowed > 0).then(|| {
            let message = format!(
                "io_uring's completion queue was full {}, so completions were delayed and times \
                 are too long: use fewer connections per core",
                plural(overflowed, "time"),
            );
            invalid("completions_overflowed", message)
        })
    }

    /// A driver that fails repeatedly ends the run for all workers.
    pub(super) fn engine_failed(&self) -> Option<Reason> {
        let mut workers = self.record.workers.iter();
        let (cpu, why) = workers.find_map(|w| w.halted.as_ref().map(|why| (w.cpu, why)))?;
        let message = format!(
            "the run ended after {1}, since `io_uring_enter` failed repeatedly on CPU {0}: {why}; \
             free memory, or use fewer connections",
            cpu, self.summary.measured,
        );
        Some(invalid("engine_failed", message))
    }

    pub(super) fn buffers_exhausted(&self) -> Option<Reason> {
        let exhausted = self.total(|w| w.buffers_exhausted);
        let share = exhausted as f64 / self.record.counts.completed() as f64;
        (share > BUFFERS_EXHAUSTED_MAX).then(|| {
            let size = self.total(|w| w.received_bytes) as f64
                / self.record.counts.completed().max(1) as f64;
            // Bodies that are not read are discarded in the kernel, and need no buffer.
            let cause = if size > LARGE_ANSWER && self.plan.workload.script().is_some() {
                "large answers take many buffers each: check and capture less of them, or use \
                 fewer connections per core"
            } else {
                "more answers arrived at once than there are buffers: use fewer connections per \
                 core, or more --cores"
            };
            let message = format!(
                "{} found no free buffer ({} of the answers), which costs the client CPU; {cause}",
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
            "the worker on CPU {} waited for its CPU {} of the time: another program runs there; \
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
             on a dedicated machine",
            Percent(share),
        );
        stolen("steal", share, message)
    }

    pub(super) fn throttled(&self) -> Option<Reason> {
        let periods = self.observed.throttled_periods?;
        (periods > 0).then(|| {
            let message = format!(
                "the generator's cgroup used up its CPU quota in {}: raise the quota or use fewer \
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
                "the target may run on the workers' CPUs ({}), and each slows the other: separate \
                 them with --cores and taskset",
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
