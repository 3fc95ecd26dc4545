//! Observations of the machine and of a target on it while the load ran.
//!
//! One reading at each end of the measured window and the difference between them, from which the
//! verdict is derived. A reading costs a few file reads, none per request.

use std::time::Instant;

use uringbench_core::time::Nanos;
use uringbench_core::validity::{Observations, TargetCpu};

use crate::cpu_set::CpuSet;
use crate::target::{CpuReading, TargetLocation};
use crate::{cgroup, line_of};

/// Threads that use less than 1/100 of the window do not count as the target's working threads.
const BUSY_SHARE: u64 = 100;

/// The observed target, and the CPUs of our workers.
#[derive(Clone, Debug)]
pub struct HostObserver {
    target: TargetLocation,
    target_cpus: Option<CpuSet>,
    workers: CpuSet,
}

/// The machine's counters at one moment.
#[derive(Clone, Debug)]
pub struct HostCounters {
    at: Instant,
    stolen: Option<CpuTicks>,
    retransmits: Option<u64>,
    throttled_periods: Option<u64>,
    target: Option<CpuReading>,
    target_throttled_periods: Option<u64>,
}

/// Scheduler ticks of some CPUs since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct CpuTicks {
    all: u64,
    stolen: u64,
}

/// Share of these CPUs' time since boot that the hypervisor gave to others.
pub fn stolen_since_boot(cpus: &CpuSet) -> Option<f64> {
    let now = line_of("/proc/stat").and_then(|text| ticks(&text, cpus))?;
    now.stolen_share_since(CpuTicks::default())
}

impl HostObserver {
    /// Observes this target while workers run on these CPUs.
    pub fn new(target: TargetLocation, workers: &[usize]) -> Self {
        let target_cpus = target.cpus();
        Self { target, target_cpus, workers: workers.iter().copied().collect() }
    }

    /// Reads all counters.
    pub fn read(&self) -> HostCounters {
        HostCounters {
            at: Instant::now(),
            stolen: line_of("/proc/stat").and_then(|text| ticks(&text, &self.workers)),
            retransmits: procfs::net::snmp().ok().map(|snmp| snmp.tcp_retrans_segs),
            throttled_periods: cgroup::throttled_periods("self"),
            target: self.target.read_cpu(),
            target_throttled_periods: self.target.throttled_periods(),
        }
    }

    /// Resident private memory of the target in bytes; `None` if it is unknown.
    pub fn target_memory(&self) -> Option<u64> {
        self.target.private_memory()
    }

    /// The observations between two readings.
    pub fn between(&self, before: &HostCounters, after: &HostCounters) -> Observations {
        let passed = after.at.saturating_duration_since(before.at);
        let passed = Nanos(u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX));
        let target = both(before.target.as_ref(), after.target.as_ref());
        Observations {
            steal_share: both(before.stolen, after.stolen)
                .and_then(|(then, now)| now.stolen_share_since(then)),
            retransmits: both(before.retransmits, after.retransmits).map(grown),
            throttled_periods: both(before.throttled_periods, after.throttled_periods).map(grown),
            target: target.and_then(|(then, now)| self.target_cpu(then, now, passed)),
            target_processes: target
                .map_or_else(Vec::new, |(then, now)| now.processes_since(then, passed)),
            target_throttled_periods: both(
                before.target_throttled_periods,
                after.target_throttled_periods,
            )
            .map(grown),
            cpus_shared: self
                .target_cpus
                .as_ref()
                .map(|cpus| self.workers.iter().filter(|&cpu| cpus.contains(cpu)).collect()),
        }
    }

    fn target_cpu(&self, then: &CpuReading, now: &CpuReading, passed: Nanos) -> Option<TargetCpu> {
        if passed == Nanos::ZERO {
            return None;
        }
        let used = now.used_since(then).as_secs_f64() / passed.as_secs_f64();
        // A target with one working thread cannot use two CPUs, even if its affinity permits it.
        let threads = now.busy_threads_since(then, Nanos(passed.0 / BUSY_SHARE)).max(1);
        let cpus = self.target_cpus.as_ref().map_or(threads, CpuSet::len);
        let allowed = threads.min(cpus) as f64;
        let allowed = self.target.quota().map_or(allowed, |quota| quota.min(allowed));
        Some(TargetCpu { used, allowed })
    }
}

impl CpuTicks {
    fn stolen_share_since(self, then: Self) -> Option<f64> {
        let all = self.all.checked_sub(then.all).filter(|&all| all > 0)?;
        Some(self.stolen.saturating_sub(then.stolen) as f64 / all as f64)
    }
}

fn both<T>(before: Option<T>, after: Option<T>) -> Option<(T, T)> {
    before.zip(after)
}

fn grown((then, now): (u64, u64)) -> u64 {
    now.saturating_sub(then)
}

/// The ticks of `cpus` from the `cpuN` lines of `/proc/stat`. Columns: user, nice, system, idle,
/// iowait, irq, softirq, steal; guest time is already in user (proc_stat(5)).
fn ticks(stat: &str, cpus: &CpuSet) -> Option<CpuTicks> {
    const STEAL: usize = 7;
    let mut sum = CpuTicks::default();
    for line in stat.lines() {
        let mut fields = line.split_ascii_whitespace();
        let cpu = fields.next().and_then(|name| name.strip_prefix("cpu")?.parse().ok());
        if !cpu.is_some_and(|cpu| cpus.contains(cpu)) {
            continue;
        }
        for (column, field) in fields.take(STEAL + 1).enumerate() {
            let ticks: u64 = field.parse().ok()?;
            sum.all += ticks;
            if column == STEAL {
                sum.stolen += ticks;
            }
        }
    }
    (sum.all > 0).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const STAT: &str = "\
cpu  30 0 30 240 0 0 0 60 0 0
cpu0 10 0 10 80 0 0 0 0 0 0
cpu1 10 0 10 60 0 0 0 20 5 0
cpu12 10 0 10 40 0 0 0 40 0 0
intr 5
";

    #[test]
    fn stolen_time_is_that_of_the_workers_cpus() {
        let of = |list: &str| ticks(STAT, &list.parse().unwrap());
        assert_eq!(of("0"), Some(CpuTicks { all: 100, stolen: 0 }));
        assert_eq!(of("1,12"), Some(CpuTicks { all: 200, stolen: 60 }));
        assert_eq!(of("7"), None);
        let share = of("1,12").unwrap().stolen_share_since(CpuTicks { all: 100, stolen: 50 });
        assert_eq!(share, Some(0.1));
    }

    #[test]
    fn only_what_was_read_at_both_ends_is_observed() {
        let observer = HostObserver::new(TargetLocation::Remote, &[0]);
        let at = Instant::now();
        let before = HostCounters {
            at,
            stolen: Some(CpuTicks { all: 0, stolen: 0 }),
            retransmits: Some(5),
            throttled_periods: None,
            target: None,
            target_throttled_periods: Some(7),
        };
        let after = HostCounters {
            at: at + Duration::from_secs(1),
            stolen: Some(CpuTicks { all: 100, stolen: 2 }),
            retransmits: Some(9),
            throttled_periods: Some(3),
            target: None,
            target_throttled_periods: Some(9),
        };
        let expected = Observations {
            steal_share: Some(0.02),
            retransmits: Some(4),
            target_throttled_periods: Some(2),
            ..Observations::default()
        };
        assert_eq!(observer.between(&before, &after), expected);
    }

    #[test]
    fn the_kernel_s_own_files_are_read() {
        let observer = HostObserver::new(
            TargetLocation::Remote,
            &crate::cpus::allowed().iter().collect::<Vec<_>>(),
        );
        let reading = observer.read();
        assert!(reading.stolen.is_some_and(|ticks| ticks.all > 0));
        assert!(reading.retransmits.is_some());
    }
}
