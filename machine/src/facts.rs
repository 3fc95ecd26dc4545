//! Facts that bear on a load generator's numbers, read from the kernel; `doctor` checks them.

use crate::cpu_set::CpuSet;
use crate::environment::{self, SystemEnvironment};
use crate::limits::{self, ResourceLimit};
use crate::{cgroup, line_of, observe};

/// Facts about this machine that matter to a load generator. `None` for values that could not be
/// read.
#[derive(Clone, Debug)]
pub struct MachineFacts {
    /// The facts that are stored with a result.
    pub environment: SystemEnvironment,
    /// Limit of open files.
    pub files: ResourceLimit,
    /// Limit of locked memory, in bytes.
    pub locked_memory: ResourceLimit,
    /// First and last port of outgoing connections.
    pub ports: Option<(u16, u16)>,
    /// `net.core.somaxconn`.
    pub listen_backlog: Option<u64>,
    /// `tcp_max_syn_backlog`.
    pub syn_backlog: Option<u64>,
    /// `tcp_tw_reuse`: 0 never, 1 always, 2 on loopback.
    pub time_wait_reuse: Option<u64>,
    /// Clock sources that the kernel could use.
    pub clock_sources: Vec<String>,
    /// TCP congestion controls that the kernel has loaded.
    pub congestion_controls: Vec<String>,
    /// The CPU time that our control group may use, in CPUs; `None` without a limit.
    pub cpu_quota: Option<f64>,
    /// Periods in which our control group was throttled because of its quota.
    pub throttled_periods: Option<u64>,
    /// CPUs isolated from the scheduler.
    pub isolated: CpuSet,
    /// CPUs without a scheduler tick while one task runs (`nohz_full`).
    pub tickless: CpuSet,
    /// Share of our CPUs' time since boot that a hypervisor gave to others.
    pub stolen_share: Option<f64>,
    /// Whether a seccomp filter applies to this process.
    pub seccomp_filter: Option<bool>,
}

/// Reads all facts.
pub fn read() -> MachineFacts {
    let environment = environment::read();
    let number = |path: &str| line_of(path)?.parse().ok();
    let words = |path: &str| -> Vec<String> {
        let text = line_of(path).unwrap_or_default();
        text.split_ascii_whitespace().map(str::to_owned).collect()
    };
    let cpu_list = |path: &str| line_of(path).and_then(|list| list.parse().ok());
    let status = procfs::process::Process::myself().and_then(|process| process.status()).ok();
    MachineFacts {
        files: limits::files(),
        locked_memory: limits::locked_memory(),
        ports: line_of("/proc/sys/net/ipv4/ip_local_port_range").and_then(|text| ports(&text)),
        listen_backlog: number("/proc/sys/net/core/somaxconn"),
        syn_backlog: number("/proc/sys/net/ipv4/tcp_max_syn_backlog"),
        time_wait_reuse: number("/proc/sys/net/ipv4/tcp_tw_reuse"),
        clock_sources: words("/sys/devices/system/clocksource/clocksource0/available_clocksource"),
        congestion_controls: words("/proc/sys/net/ipv4/tcp_available_congestion_control"),
        cpu_quota: cgroup::cpu_quota("self"),
        throttled_periods: cgroup::throttled_periods("self"),
        isolated: cpu_list("/sys/devices/system/cpu/isolated").unwrap_or_default(),
        tickless: cpu_list("/sys/devices/system/cpu/nohz_full").unwrap_or_default(),
        stolen_share: observe::stolen_since_boot(&environment.cpus),
        // Mode 2 is SECCOMP_MODE_FILTER (proc_pid_status(5)).
        seccomp_filter: status.and_then(|status| status.seccomp).map(|mode| mode == 2),
        environment,
    }
}

fn ports(text: &str) -> Option<(u16, u16)> {
    let mut ports = text.split_ascii_whitespace().map(|port| port.parse().ok());
    Some((ports.next()??, ports.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_range_is_two_numbers() {
        assert_eq!(ports("32768\t60999"), Some((32_768, 60_999)));
        assert_eq!(ports("32768"), None);
    }

    #[test]
    fn this_machine_s_facts_can_be_read() {
        let facts = read();
        assert!(facts.ports.is_some() && facts.listen_backlog.is_some());
        assert!(facts.files.soft.is_none_or(|files| files > 0));
    }
}
