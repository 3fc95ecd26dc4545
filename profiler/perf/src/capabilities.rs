//! What this machine and this user's rights allow, found by trying.
//!
//! Facts alone: what they mean for a profile, and in which words, is the caller's.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::event_attr::{CpuClock, SamplingConfig};
use crate::failure::PerfError;
use crate::session::{SampleScope, Session, has_cycles};

/// What can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// `kernel.perf_event_paranoid`; `None` on a kernel without perf events.
    pub paranoid: Option<i32>,
    /// ProcessCapabilities this process has in effect.
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
    /// Where the cgroup2 hierarchy is mounted.
    pub cgroup2: Option<PathBuf>,
    /// Where tracefs is mounted, if its events can be read.
    pub tracefs: Option<PathBuf>,
    /// `kernel.perf_event_max_sample_rate`, a second.
    pub max_sample_rate: Option<u32>,
    /// `kernel.perf_event_mlock_kb`: KiB of ring per CPU that need no right.
    pub mlock_kb: Option<u32>,
    /// `kernel.yama.ptrace_scope`, 0 to 3; `None` without Yama.
    pub ptrace_scope: Option<u8>,
}

/// ProcessCapabilities that matter to a profiler.
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
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let cgroup2 = mount_of(&mounts, "cgroup2");
    let cpus = online_cpus();
    Capabilities {
        paranoid: setting("perf_event_paranoid"),
        process: capabilities_of(&status),
        has_cycles: has_cycles(&cpus),
        system_wide: attempt(SampleScope::System, false),
        cgroup: match cgroup2.as_deref().map(directory) {
            Some(Ok(root)) => attempt(SampleScope::Cgroup(root), false),
            Some(Err(error)) => Err(error),
            None => Err(PerfError::NotCgroup2),
        },
        per_task: attempt(SampleScope::Tasks, false),
        per_task_user_only: attempt(SampleScope::Tasks, true),
        cgroup2,
        tracefs: readable_tracefs(&mounts),
        max_sample_rate: max_sample_rate(),
        mlock_kb: setting("perf_event_mlock_kb"),
        ptrace_scope: setting("yama/ptrace_scope"),
    }
}

/// Samples a second the kernel takes at most, at present.
pub(crate) fn max_sample_rate() -> Option<u32> {
    setting("perf_event_max_sample_rate")
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
    let mut session = Session::open(scope, &config, &online_cpus()[..1])?;
    if is_of_tasks { session.add_task(std::process::id()) } else { Ok(()) }
}

fn directory(path: &Path) -> Result<OwnedFd, PerfError> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
        .map_err(|errno| PerfError::Other { step: "opening the cgroup2 directory", errno })
}

/// The CPUs that are online; 0 alone when nothing says which.
fn online_cpus() -> Vec<u32> {
    let text = fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    let cpus = cpu_list(&text);
    if cpus.is_empty() { vec![0] } else { cpus }
}

/// A list such as `0-3,8`.
fn cpu_list(text: &str) -> Vec<u32> {
    let mut cpus = Vec::new();
    for range in text.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        if let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) {
            cpus.extend(first..=last);
        }
    }
    cpus
}

/// Where a file system of this type is mounted, by `/proc/self/mountinfo` (proc(5)): the fifth
/// field, and the first after the one that is `-`.
fn mount_of(mounts: &str, kind: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (mount, system) = line.split_once(" - ")?;
        (system.split(' ').next()? == kind).then_some(())?;
        Some(PathBuf::from(unescaped(mount.split(' ').nth(4)?)))
    })
}

/// A path in which blanks, tabs, line ends and backslashes stand as octal numbers.
fn unescaped(path: &str) -> String {
    path.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

fn readable_tracefs(mounts: &str) -> Option<PathBuf> {
    let places = mount_of(mounts, "tracefs")
        .into_iter()
        .chain([PathBuf::from("/sys/kernel/tracing"), PathBuf::from("/sys/kernel/debug/tracing")]);
    places.into_iter().find(|place| {
        fs::read_dir(place.join("events")).is_ok_and(|mut entries| entries.next().is_some())
    })
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
    fn mounts_are_found_by_type_and_unescaped() {
        let mounts = "25 20 0:22 / /sys rw shared:7 - sysfs sysfs rw\n\
            26 25 0:23 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
            27 25 0:24 / /sys/fs/my\\040cgroup rw master:1 shared:2 - cgroup2 none rw\n";
        assert_eq!(mount_of(mounts, "cgroup2"), Some(PathBuf::from("/sys/fs/my cgroup")));
        assert_eq!(mount_of(mounts, "cgroup"), Some(PathBuf::from("/sys/fs/cgroup/memory")));
        assert_eq!(mount_of(mounts, "tracefs"), None);
        assert_eq!(mount_of("nonsense\n - \n", "cgroup2"), None);
    }

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
    fn lists_of_cpus_are_read() {
        assert_eq!(cpu_list("0-2,5,8-9\n"), [0, 1, 2, 5, 8, 9]);
        assert_eq!(cpu_list("0\n"), [0]);
        assert_eq!(cpu_list(""), [0u32; 0]);
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
        if let (Some(root), true) = (&found.cgroup2, is_privileged) {
            assert!(root.join("cgroup.procs").exists(), "{}", root.display());
            assert_eq!(found.cgroup, Ok(()));
        }
        assert!(found.max_sample_rate.is_some_and(|rate| rate > 0));
        assert!(found.mlock_kb.is_some());
    }
}
