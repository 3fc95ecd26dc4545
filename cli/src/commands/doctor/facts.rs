//! The facts that `doctor` checks, read from the kernel; `assess` checks them.

use uringbench_ring::{Features, Unavailable};

use super::sampling::Sampling;
use crate::host::cpu_set::CpuSet;
use crate::host::environment::{self, Environment};
use crate::host::limits::{self, Limit};
use crate::host::{cgroup, line_of, observe};

/// This machine as a load generator meets it. `None` is what could not be read.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) environment: Environment,
    pub(crate) ring: Result<Features, Unavailable>,
    pub(crate) files: Limit,
    pub(crate) locked_memory: Limit,
    /// First and last port of outgoing connections.
    pub(crate) ports: Option<(u16, u16)>,
    pub(crate) listen_backlog: Option<u64>,
    pub(crate) syn_backlog: Option<u64>,
    /// `tcp_tw_reuse`: 0 never, 1 always, 2 on loopback.
    pub(crate) time_wait_reuse: Option<u64>,
    pub(crate) clock_sources: Vec<String>,
    pub(crate) congestion_controls: Vec<String>,
    pub(crate) cpu_quota: Option<f64>,
    pub(crate) throttled_periods: Option<u64>,
    pub(crate) isolated: CpuSet,
    pub(crate) tickless: CpuSet,
    /// Share of our CPUs' time since boot that a hypervisor gave to others.
    pub(crate) stolen_share: Option<f64>,
    /// Whether a seccomp filter stands between this process and the kernel.
    pub(crate) seccomp_filter: Option<bool>,
    /// What profiling is allowed.
    pub(crate) sampling: Sampling,
}

/// Read all of it.
pub(crate) fn read() -> Facts {
    let environment = environment::read();
    let number = |path: &str| line_of(path)?.parse().ok();
    let words = |path: &str| -> Vec<String> {
        let text = line_of(path).unwrap_or_default();
        text.split_ascii_whitespace().map(str::to_owned).collect()
    };
    let cpu_list = |path: &str| line_of(path).and_then(|list| list.parse().ok());
    let status = procfs::process::Process::myself().and_then(|process| process.status()).ok();
    Facts {
        ring: uringbench_ring::probe(),
        files: limits::files(),
        locked_memory: limits::locked_memory(),
        ports: line_of("/proc/sys/net/ipv4/ip_local_port_range").and_then(|text| ports(&text)),
        listen_backlog: number("/proc/sys/net/core/somaxconn"),
        syn_backlog: number("/proc/sys/net/ipv4/tcp_max_syn_backlog"),
        time_wait_reuse: number("/proc/sys/net/ipv4/tcp_tw_reuse"),
        clock_sources: words("/sys/devices/system/clocksource/clocksource0/available_clocksource"),
        congestion_controls: words("/proc/sys/net/ipv4/tcp_available_congestion_control"),
        cpu_quota: cgroup::cpu_quota("self"),
        throttled_periods: cgroup::throttled_periods(),
        isolated: cpu_list("/sys/devices/system/cpu/isolated").unwrap_or_default(),
        tickless: cpu_list("/sys/devices/system/cpu/nohz_full").unwrap_or_default(),
        stolen_share: observe::stolen_since_boot(&environment.cpus),
        // Mode 2 is SECCOMP_MODE_FILTER (proc_pid_status(5)).
        seccomp_filter: status.and_then(|status| status.seccomp).map(|mode| mode == 2),
        sampling: Sampling::read(),
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
