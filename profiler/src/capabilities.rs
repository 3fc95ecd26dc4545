//! What this machine and this user's rights allow, found by trying.
//!
//! Facts alone: what they mean for a profile, and in which words, is the caller's.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use uringbench_machine::mounts::{CgroupLayout, Mounts};
use uringbench_perf::{
    CpuClock, SampleScope, SamplingConfig, Session, has_cycles, max_sample_rate,
};

pub use uringbench_perf::PerfError;

use crate::session::sampled_cpus;

/// What can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// `kernel.perf_event_paranoid`; `None` on a kernel without perf events.
    pub paranoid: Option<i32>,
    /// Capabilities this process has in effect.
    pub process: ProcessCapabilities,
    /// Whether the processor's cycles can be counted; else the kernel's timer is used.
    pub has_cycles: bool,
    /// Whether all tasks can be sampled, kernel included.
    pub system_wide: Result<(), PerfError>,
    /// Whether a cgroup's tasks can be sampled, kernel included.
    pub cgroup: Result<(), PerfError>,
    /// Whether tasks of this user can be sampled, kernel included.
    pub per_task: Result<(), PerfError>,
    /// Whether tasks of this user can be sampled, without the kernel.
    pub per_task_user_only: Result<(), PerfError>,
    /// How control groups are mounted.
    pub cgroups: CgroupLayout,
    /// Where tracefs is mounted, if its events can be read.
    pub tracefs: Option<PathBuf>,
    /// `kernel.perf_event_max_sample_rate`, a second.
    pub max_sample_rate: Option<u32>,
    /// `kernel.perf_event_mlock_kb`: KiB of ring per CPU that need no right.
    pub mlock_kb: Option<u32>,
    /// `kernel.yama.ptrace_scope`, 0 to 3; `None` without Yama.
    pub ptrace_scope: Option<u8>,
}

/// Capabilities (capabilities(7)) that matter to a profiler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessCapabilities {
    /// CAP_PERFMON: sample everything.
    pub perfmon: bool,
    /// CAP_SYS_ADMIN: as CAP_PERFMON before Linux 5.8.
    pub sys_admin: bool,
    /// CAP_SYS_PTRACE: read other users' processes.
    pub sys_ptrace: bool,
}

/// Try what this machine allows, on this process and for a moment.
pub fn probe() -> Capabilities {
    let mounts = Mounts::read();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let cgroup2 = mounts.cgroup2();
    Capabilities {
        paranoid: setting("perf_event_paranoid"),
        process: capabilities_of(&status),
        has_cycles: has_cycles(&sampled_cpus()),
        system_wide: attempt(SampleScope::System, false),
        cgroup: match cgroup2.as_deref().map(directory) {
            Some(Ok(root)) => attempt(SampleScope::Cgroup(root), false),
            Some(Err(error)) => Err(error),
            None => Err(PerfError::NotCgroup2),
        },
        per_task: attempt(SampleScope::Tasks, false),
        per_task_user_only: attempt(SampleScope::Tasks, true),
        cgroups: mounts.cgroups(),
        tracefs: mounts.readable_tracefs(),
        max_sample_rate: max_sample_rate(),
        mlock_kb: setting("perf_event_mlock_kb"),
        ptrace_scope: setting("yama/ptrace_scope"),
    }
}

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    fs::read_to_string(format!("/proc/sys/kernel/{name}")).ok()?.trim().parse().ok()
}

/// Open a session on one CPU, and close it.
fn attempt(scope: SampleScope, user_only: bool) -> Result<(), PerfError> {
    let config = SamplingConfig {
        clock: CpuClock::CpuClock,
        hz: 1,
        stack_bytes: 8,
        user_only,
        switches: false,
        ..SamplingConfig::default()
    };
    let is_of_tasks = matches!(scope, SampleScope::Tasks);
    let mut session = Session::open(scope, &config, &sampled_cpus()[..1])?;
    if is_of_tasks { session.add_task(std::process::id()) } else { Ok(()) }
}

fn directory(path: &Path) -> Result<OwnedFd, PerfError> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
        .map_err(|errno| PerfError::Other { step: "opening the cgroup2 directory", errno })
}

/// By the line `CapEff` of `/proc/self/status` (numbers: capability.h).
fn capabilities_of(status: &str) -> ProcessCapabilities {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    let has = |number: u32| mask & (1 << number) != 0;
    ProcessCapabilities { perfmon: has(38), sys_admin: has(21), sys_ptrace: has(19) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_read_from_their_bits() {
        let of = |mask: &str| capabilities_of(&format!("Name:\tx\nCapEff:\t{mask}\n"));
        assert_eq!(of("0000000000000000"), ProcessCapabilities::default());
        let perfmon = ProcessCapabilities { perfmon: true, ..ProcessCapabilities::default() };
        assert_eq!(of("0000004000000000"), perfmon);
        let both = ProcessCapabilities { perfmon: false, sys_admin: true, sys_ptrace: true };
        assert_eq!(of("0000000000280000"), both);
        assert_eq!(capabilities_of(""), ProcessCapabilities::default());
    }

    #[test]
    fn what_was_tried_agrees_with_what_the_machine_states() {
        let found = probe();
        let Some(paranoid) = found.paranoid else {
            assert_eq!(found.system_wide, Err(PerfError::NoPerf));
            return eprintln!("SKIPPED capabilities: this kernel has no perf events");
        };
        let is_privileged = found.process.perfmon || found.process.sys_admin;
        if found.system_wide == Err(PerfError::Seccomp) {
            return eprintln!("SKIPPED capabilities: {}", PerfError::Seccomp);
        }
        assert_eq!(found.system_wide.is_ok(), is_privileged || paranoid <= 0, "{found:?}");
        assert_eq!(found.per_task.is_ok(), is_privileged || paranoid <= 1, "{found:?}");
        assert_eq!(found.per_task_user_only.is_ok(), is_privileged || paranoid <= 2, "{found:?}");
        if let (Some(root), true) = (Mounts::read().cgroup2(), is_privileged) {
            assert!(root.join("cgroup.procs").exists(), "{}", root.display());
            assert_eq!(found.cgroup, Ok(()));
        }
        assert!(found.max_sample_rate.is_some_and(|rate| rate > 0));
        assert!(found.mlock_kb.is_some());
    }
}
