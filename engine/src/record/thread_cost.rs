//! The cost of a worker's thread, read from procfs by another thread, so that reading does not
//! disturb it.

use std::fs::File;
use std::os::unix::fs::FileExt;

use uringbench_core::time::Nanos;

/// CPU time and scheduling of one thread since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ThreadCost {
    /// Time on a CPU.
    on_cpu: Nanos,
    /// The share of it in user space, in 2^32nds.
    user_share: u64,
    /// Time runnable, waiting for a CPU.
    pub(crate) run_queue: Nanos,
    /// Involuntary context switches.
    pub(crate) preempted: u64,
    user_ticks: u64,
    system_ticks: u64,
}

impl ThreadCost {
    /// Of a thread of this process; zero if procfs cannot be read.
    pub(crate) fn read(thread: i32) -> Self {
        let file = |name: &str| {
            std::fs::read_to_string(format!("/proc/self/task/{thread}/{name}")).unwrap_or_default()
        };
        Self::parse(&file("schedstat"), &file("stat"), &file("status"))
    }

    /// From the texts of `schedstat` (ns on CPU, ns waiting, slices), `stat` (fields 14 and 15:
    /// user and system ticks) and `status` (proc(5)).
    fn parse(schedstat: &str, stat: &str, status: &str) -> Self {
        let number = |text: Option<&str>| text.and_then(|t| t.trim().parse().ok()).unwrap_or(0);
        let mut scheduling = schedstat.split_whitespace();
        let (on_cpu, run_queue) = (number(scheduling.next()), number(scheduling.next()));
        // The name in parentheses may contain any character, so fields count from its end.
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let mut ticks = fields.split_whitespace().skip(11);
        let (user_ticks, system_ticks) = (number(ticks.next()), number(ticks.next()));
        let preempted = status
            .lines()
            .find_map(|line| line.strip_prefix("nonvoluntary_ctxt_switches:"))
            .map_or(0, |count| number(Some(count)));
        Self {
            on_cpu: Nanos(on_cpu),
            user_share: 0,
            run_queue: Nanos(run_queue),
            preempted,
            user_ticks,
            system_ticks,
        }
    }

    /// The difference since `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let user_ticks = self.user_ticks.saturating_sub(earlier.user_ticks);
        let system_ticks = self.system_ticks.saturating_sub(earlier.system_ticks);
        Self {
            on_cpu: Nanos(self.on_cpu.0.saturating_sub(earlier.on_cpu.0)),
            // Ticks of 10 ms are too coarse for times, but not for shares.
            user_share: (user_ticks << 32).checked_div(user_ticks + system_ticks).unwrap_or(0),
            run_queue: Nanos(self.run_queue.0.saturating_sub(earlier.run_queue.0)),
            preempted: self.preempted.saturating_sub(earlier.preempted),
            user_ticks,
            system_ticks,
        }
    }

    /// CPU time in user space and in the kernel.
    pub(crate) fn user_and_system(&self) -> (Nanos, Nanos) {
        let user = (u128::from(self.on_cpu.0) * u128::from(self.user_share)) >> 32;
        let user = user as u64;
        (Nanos(user), Nanos(self.on_cpu.0 - user))
    }
}

/// How long a thread has waited for a CPU, read by the thread itself.
pub(crate) struct RunQueue(Option<File>);

impl RunQueue {
    /// Of the calling thread.
    pub(crate) fn of_this_thread() -> Self {
        Self(File::open("/proc/thread-self/schedstat").ok())
    }

    /// Since it began; zero if procfs cannot be read.
    pub(crate) fn waited(&self) -> Nanos {
        let mut text = [0; 64];
        let read = self.0.as_ref().map_or(0, |file| file.read_at(&mut text, 0).unwrap_or(0));
        let text = std::str::from_utf8(&text[..read]).unwrap_or_default();
        ThreadCost::parse(text, "", "").run_queue
    }
}

/// Largest resident memory of this process so far, in bytes; 0 if procfs cannot be read.
pub(crate) fn resident_peak() -> u64 {
    from_status("VmHWM:")
}

/// Resident memory of this process now, likewise.
pub(crate) fn resident() -> u64 {
    from_status("VmRSS:")
}

fn from_status(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .and_then(|text| text.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .map_or(0, |kilobytes| kilobytes * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tx\nvoluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t7\n";

    #[test]
    fn the_kernels_texts_are_understood() {
        let stat = "12 (a) b) R 1 1 1 0 -1 4194304 100 0 0 0 30 70 0 0 20 0 1 0";
        let before = ThreadCost::default();
        let after = ThreadCost::parse("1000000000 2000 9\n", stat, STATUS);
        let cost = after.since(&before);
        assert_eq!(cost.user_and_system(), (Nanos(299_999_999), Nanos(700_000_001)));
        assert_eq!((cost.run_queue, cost.preempted), (Nanos(2_000), 7));
    }

    #[test]
    fn what_is_not_there_counts_as_nothing() {
        let nothing = ThreadCost::parse("", "", "");
        assert_eq!(nothing, ThreadCost::default());
        assert_eq!(nothing.since(&nothing).user_and_system(), (Nanos::ZERO, Nanos::ZERO));
    }

    #[test]
    fn this_very_thread_has_cost_something() {
        let thread = rustix::thread::gettid().as_raw_nonzero().get();
        let mut sum = 0u64;
        while ThreadCost::read(thread).on_cpu == Nanos::ZERO {
            sum = sum.wrapping_add(1);
        }
        let own = RunQueue::of_this_thread();
        let (before, waited) = (ThreadCost::read(thread).run_queue, own.waited());
        assert!(before <= waited && waited <= ThreadCost::read(thread).run_queue);
        assert!(resident() > 1 << 20 && resident_peak() >= resident());
    }
}
