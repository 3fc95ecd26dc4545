//! The profiling that this machine and this user's permissions allow. A missing permission is a
//! note: a load runs without it, and a profile reports what it lacks.

use uringbench_machine::mounts::CgroupLayout;
use uringbench_profiler::capabilities::{Capabilities, PerfError};

use super::assess::{Row, note, ok};

fn mounted(cgroups: &CgroupLayout) -> String {
    match cgroups {
        CgroupLayout::None => "no cgroups are mounted".to_owned(),
        CgroupLayout::V1 => "cgroup v1 alone".to_owned(),
        CgroupLayout::Hybrid(path) => format!("hybrid, v2 at {}", path.display()),
        CgroupLayout::V2(path) => format!("v2 at {}", path.display()),
    }
}

/// The rows about profiling.
pub(super) fn rows(capabilities: &Capabilities) -> Vec<Row> {
    let mut rows = vec![paranoid(capabilities)];
    if capabilities.paranoid.is_some() {
        rows.extend([
            cycles(capabilities),
            system_wide(capabilities),
            cgroup(capabilities),
            tasks(capabilities),
            process_capabilities(capabilities),
        ]);
        rows.extend(rate(capabilities));
    }
    rows.extend([tracefs(capabilities), ptrace(capabilities)]);
    rows
}

fn paranoid(capabilities: &Capabilities) -> Row {
    const SUBJECT: &str = "perf_event_paranoid";
    match capabilities.paranoid {
        Some(level) => ok(SUBJECT, level.to_string()),
        None => note(
            SUBJECT,
            "this kernel has no perf events: a profile is a timeline alone",
            "boot a kernel built with CONFIG_PERF_EVENTS",
        ),
    }
}

fn cycles(capabilities: &Capabilities) -> Row {
    const SUBJECT: &str = "PMU cycles";
    if capabilities.has_cycles {
        return ok(SUBJECT, "counted");
    }
    note(
        SUBJECT,
        "none: a timer (cpu-clock) takes the samples, and instructions are not counted",
        "a bare machine, or a guest with a virtual PMU (libvirt: `<pmu state='on'/>`)",
    )
}

fn system_wide(capabilities: &Capabilities) -> Row {
    sampled("system-wide sampling", &capabilities.system_wide, "yes".to_owned())
}

fn cgroup(capabilities: &Capabilities) -> Row {
    const SUBJECT: &str = "cgroup sampling";
    let mounted = mounted(&capabilities.cgroups);
    match &capabilities.cgroup {
        // Its own fix is to name another folder, but there is none.
        Err(PerfError::NotCgroup2) => note(
            SUBJECT,
            format!("no: {mounted}"),
            "mount -t cgroup2 none /sys/fs/cgroup/unified, or boot with \
             `systemd.unified_cgroup_hierarchy=1`",
        ),
        tried => sampled(SUBJECT, tried, format!("yes, {mounted}")),
    }
}

fn tasks(capabilities: &Capabilities) -> Row {
    const SUBJECT: &str = "task sampling";
    match (&capabilities.per_task, &capabilities.per_task_user_only) {
        (Err(why), Ok(())) => {
            let (_, fix) = halves(why);
            note(SUBJECT, "user code alone: the kernel's frames are missing", fix)
        }
        (tried, _) => sampled(SUBJECT, tried, "yes".to_owned()),
    }
}

fn sampled(subject: &'static str, tried: &Result<(), PerfError>, value: String) -> Row {
    match tried {
        Ok(()) => ok(subject, value),
        Err(why) => {
            let (cause, fix) = halves(why);
            note(subject, format!("no: {cause}"), fix)
        }
    }
}

/// Cause and fix: an error message contains both in one line.
fn halves(why: &PerfError) -> (String, String) {
    let text = why.to_string();
    let (cause, fix) = text.split_once("; ").unwrap_or((&text, "see `dmesg`"));
    (cause.to_owned(), fix.to_owned())
}

fn process_capabilities(capabilities: &Capabilities) -> Row {
    let has = &capabilities.process;
    let known = [
        (has.perfmon, "CAP_PERFMON"),
        (has.sys_admin, "CAP_SYS_ADMIN"),
        (has.sys_ptrace, "CAP_SYS_PTRACE"),
    ];
    let held: Vec<&str> = known.iter().filter(|(has, _)| *has).map(|(_, name)| *name).collect();
    ok("capabilities", if held.is_empty() { "none".to_owned() } else { held.join(", ") })
}

fn rate(capabilities: &Capabilities) -> Option<Row> {
    const SUBJECT: &str = "max sample rate";
    /// The largest useful number of samples per second for a profile of a minute.
    const ENOUGH: u32 = 1_000;
    let rate = capabilities.max_sample_rate?;
    let value = format!("{rate} per second and CPU");
    Some(match rate >= ENOUGH {
        true => ok(SUBJECT, value),
        false => note(
            SUBJECT,
            format!("{value}: the kernel lowered it when interrupts took too long"),
            "sysctl -w kernel.perf_event_max_sample_rate=100000",
        ),
    })
}

fn tracefs(capabilities: &Capabilities) -> Row {
    const SUBJECT: &str = "tracefs";
    match &capabilities.tracefs {
        Some(path) => ok(SUBJECT, path.display().to_string()),
        None => note(
            SUBJECT,
            "not readable: the kernel's tracepoints cannot be looked up",
            "as root: mount -t tracefs none /sys/kernel/tracing",
        ),
    }
}

/// Python frames are read from the target's memory, which needs the permission to trace it
/// (ptrace(2), "Ptrace access mode checking"; Yama: Documentation/admin-guide/LSM/Yama.rst).
fn ptrace(capabilities: &Capabilities) -> Row {
    const SUBJECT: &str = "ptrace";
    const SYSCTL: &str = "sysctl -w kernel.yama.ptrace_scope=0";
    const CAPABILITY: &str = "grant CAP_SYS_PTRACE (container: `--cap-add SYS_PTRACE`)";
    let has_capability = capabilities.process.sys_ptrace;
    match capabilities.ptrace_scope {
        Some(3..) => note(
            SUBJECT,
            "kernel.yama.ptrace_scope is 3, for everybody: Python's frames cannot be read",
            "it can be lowered at the next boot alone: set it to 1 there",
        ),
        _ if has_capability => ok(SUBJECT, "every process: Python's frames can be read"),
        None | Some(0) => ok(SUBJECT, "this user's processes: Python's frames can be read"),
        Some(1) => note(
            SUBJECT,
            "kernel.yama.ptrace_scope is 1: Python's frames of commands we start alone",
            format!("{SYSCTL}, or {CAPABILITY}"),
        ),
        Some(scope) => note(
            SUBJECT,
            format!("kernel.yama.ptrace_scope is {scope}: Python's frames cannot be read"),
            format!("{CAPABILITY}, or {SYSCTL}"),
        ),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::commands::doctor::assess::Grade;
    use std::path::PathBuf;
    use uringbench_profiler::capabilities::ProcessCapabilities;

    pub(in super::super) fn good() -> Capabilities {
        Capabilities {
            paranoid: Some(2),
            process: ProcessCapabilities { perfmon: true, sys_admin: false, sys_ptrace: true },
            has_cycles: true,
            system_wide: Ok(()),
            cgroup: Ok(()),
            per_task: Ok(()),
            per_task_user_only: Ok(()),
            cgroups: CgroupLayout::V2("/sys/fs/cgroup".into()),
            tracefs: Some("/sys/kernel/tracing".into()),
            max_sample_rate: Some(100_000),
            mlock_kb: Some(516),
            ptrace_scope: Some(1),
        }
    }

    const FORBIDDEN: PerfError =
        PerfError::Forbidden { what: "all processes", paranoid: 2, wanted: 0 };

    #[test]
    fn a_machine_that_allows_all_has_nothing_to_mend() {
        let rows = rows(&good());
        assert_eq!(rows.len(), 9);
        for row in rows {
            assert_eq!((row.grade, row.fix), (Grade::Ok, None), "{}", row.subject);
        }
    }

    type Spoil = fn(&mut Capabilities);

    /// A missing permission, what is shown of it, and the fix.
    const SHORTCOMINGS: [(&str, Spoil, &str, &str); 11] = [
        ("PMU cycles", |s| s.has_cycles = false, "cpu-clock", "PMU"),
        (
            "system-wide sampling",
            |s| s.system_wide = Err(FORBIDDEN),
            "paranoid is 2",
            "CAP_PERFMON",
        ),
        (
            "system-wide sampling",
            |s| s.system_wide = Err(PerfError::Seccomp),
            "seccomp",
            "--cap-add PERFMON",
        ),
        (
            "cgroup sampling",
            |s| {
                s.cgroup = Err(PerfError::NotCgroup2);
                s.cgroups = CgroupLayout::V1;
            },
            "no: cgroup v1 alone",
            "unified_cgroup_hierarchy",
        ),
        (
            "task sampling",
            |s| s.per_task = Err(FORBIDDEN),
            "user code alone",
            "perf_event_paranoid=0",
        ),
        (
            "task sampling",
            |s| {
                s.per_task = Err(FORBIDDEN);
                s.per_task_user_only = Err(FORBIDDEN);
            },
            "no: kernel.perf_event_paranoid",
            "CAP_PERFMON",
        ),
        (
            "max sample rate",
            |s| s.max_sample_rate = Some(250),
            "250 per second",
            "max_sample_rate=100000",
        ),
        ("tracefs", |s| s.tracefs = None, "not readable", "mount -t tracefs"),
        ("ptrace", |s| s.process.sys_ptrace = false, "commands we start", "ptrace_scope=0"),
        (
            "ptrace",
            |s| {
                s.process.sys_ptrace = false;
                s.ptrace_scope = Some(2);
            },
            "cannot be read",
            "CAP_SYS_PTRACE",
        ),
        ("ptrace", |s| s.ptrace_scope = Some(3), "for everybody", "next boot"),
    ];

    #[test]
    fn each_shortcoming_is_a_note_with_its_remedy() {
        for (subject, spoil, value, fix) in SHORTCOMINGS {
            let mut capabilities = good();
            spoil(&mut capabilities);
            let rows = rows(&capabilities);
            let flagged: Vec<_> = rows.iter().filter(|row| row.grade != Grade::Ok).collect();
            assert_eq!(flagged.len(), 1, "{subject}: {flagged:?}");
            assert_eq!((flagged[0].subject, flagged[0].grade), (subject, Grade::Note));
            assert!(flagged[0].value.contains(value), "{flagged:?}");
            let text = flagged[0].fix.as_deref().unwrap_or_default();
            assert!(text.contains(fix), "{flagged:?}");
        }
    }

    #[test]
    fn without_perf_events_one_line_says_so() {
        let mut capabilities = good();
        capabilities.paranoid = None;
        capabilities.system_wide = Err(PerfError::NoPerf);
        capabilities.has_cycles = false;
        let rows = rows(&capabilities);
        let flagged: Vec<_> = rows.iter().filter(|row| row.grade != Grade::Ok).collect();
        assert_eq!(flagged.len(), 1, "{flagged:?}");
        assert!(flagged[0].value.contains("timeline alone"), "{flagged:?}");
    }

    #[test]
    fn the_hierarchy_is_named_with_its_place() {
        let path = || PathBuf::from("/sys/fs/cgroup");
        let cases = [
            (CgroupLayout::V2(path()), "v2 at /sys/fs/cgroup"),
            (CgroupLayout::Hybrid(path()), "hybrid, v2 at /sys/fs/cgroup"),
            (CgroupLayout::V1, "cgroup v1 alone"),
            (CgroupLayout::None, "no cgroups are mounted"),
        ];
        for (cgroups, text) in cases {
            assert_eq!(mounted(&cgroups), text);
        }
    }
}
