//! What machine the figures come from, which CPUs it offers, and how many files it lets us open.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity};
use time::UtcDateTime;

/// One line that names what the figures depend on.
pub(crate) fn describe() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| parse_cpu_model(&text))
        .unwrap_or_else(|| "unknown CPU".to_owned());
    let governor = one_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
        .unwrap_or_else(|| "not visible".to_owned());
    let load = one_line("/proc/loadavg").unwrap_or_default();
    format!(
        "kernel {} · {cpu} · {} CPUs · governor {governor} · congestion control {} · \
         load average before {} · {}",
        one_line("/proc/sys/kernel/osrelease").unwrap_or_else(|| "unknown".to_owned()),
        cpus_allowed().len(),
        one_line("/proc/sys/net/ipv4/tcp_congestion_control")
            .unwrap_or_else(|| "unknown".to_owned()),
        load.split(' ').next().unwrap_or("unknown"),
        UtcDateTime::now().date(),
    )
}

/// The CPUs this process may run on, at least one, in ascending order.
pub(crate) fn cpus_allowed() -> Vec<usize> {
    let set = sched_getaffinity(None).unwrap_or_else(|_| {
        let mut first = CpuSet::new();
        first.set(0);
        first
    });
    (0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect()
}

/// Raises the limit on open files as far as it goes (children inherit it) and returns it.
pub(crate) fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    // Raising to the hard limit needs no privilege; should it fail, what there is still counts.
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).ok();
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

fn one_line(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn parse_cpu_model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_cpu() {
        let text = "processor\t: 0\nvendor_id\t: X\nmodel name\t: AMD EPYC 9634\n";
        assert_eq!(parse_cpu_model(text).as_deref(), Some("AMD EPYC 9634"));
        assert_eq!(parse_cpu_model("processor : 0"), None);
    }

    #[test]
    fn this_machine_has_a_cpu_and_lets_files_be_opened() {
        assert!(!cpus_allowed().is_empty());
        assert!(raise_open_files() > 16);
    }
}
