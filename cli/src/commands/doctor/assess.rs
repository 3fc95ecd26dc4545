//! `doctor`'s assessment of the facts: a grade, the value, and the fix as a command.
//!
//! `bad` prevents a load or invalidates its figures; `note` may matter; the rest is `ok`.

use uringbench_engine::{Ability, Features, Unavailable, probe_ring};
use uringbench_machine::cpu_set::CpuSet;
use uringbench_machine::facts::{self, MachineFacts};
use uringbench_machine::limits::ResourceLimit;
use uringbench_profiler::capabilities::{self, Capabilities};

use super::sampling;

/// The facts to assess.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) machine: MachineFacts,
    pub(crate) ring: Result<Features, Unavailable>,
    pub(crate) capabilities: Capabilities,
}

impl Facts {
    /// Reads the facts, or tests them.
    pub(crate) fn read() -> Self {
        Self { machine: facts::read(), ring: probe_ring(), capabilities: capabilities::probe() }
    }
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) grade: Grade,
    pub(crate) subject: &'static str,
    pub(crate) value: String,
    pub(crate) fix: Option<String>,
}

/// The effect of a fact on a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grade {
    Ok,
    Note,
    Bad,
}

/// Assesses every fact that could be read.
pub(crate) fn assess(facts: &Facts) -> Vec<Row> {
    let machine = &facts.machine;
    let mut rows = vec![kernel(machine), ring(facts)];
    rows.extend(ring_features(facts));
    rows.extend([cpus(machine), quota(machine), governor(machine)]);
    rows.extend(clock(machine));
    rows.extend(steal(machine));
    rows.extend([isolation(machine), files(machine.files), locked_memory(machine.locked_memory)]);
    rows.extend(ports(machine));
    rows.extend(time_wait(machine));
    rows.extend(backlogs(machine));
    rows.extend(congestion(machine));
    rows.extend(sandbox(machine));
    rows.extend(sampling::rows(&facts.capabilities));
    rows
}

pub(super) fn ok(subject: &'static str, value: impl Into<String>) -> Row {
    Row { grade: Grade::Ok, subject, value: value.into(), fix: None }
}

pub(super) fn note(subject: &'static str, value: impl Into<String>, fix: impl Into<String>) -> Row {
    Row { grade: Grade::Note, subject, value: value.into(), fix: Some(fix.into()) }
}

fn kernel(facts: &MachineFacts) -> Row {
    let kernel = facts.environment.kernel.as_deref().unwrap_or("unknown");
    ok("kernel", format!("Linux {kernel}"))
}

fn ring(facts: &Facts) -> Row {
    match &facts.ring {
        Ok(_) => ok("io_uring", "available"),
        // The error contains its fix; this is the workaround.
        Err(why) => Row {
            grade: Grade::Bad,
            subject: "io_uring",
            value: why.to_string(),
            fix: Some("or load over epoll: --engine monoio".to_owned()),
        },
    }
}

fn ring_features(facts: &Facts) -> Vec<Row> {
    let abilities = facts.ring.iter().flat_map(|features| features.abilities());
    abilities
        .map(|Ability { name, is_there, since, without }| match is_there {
            true => ok(name, format!("yes (Linux {since})")),
            false => note(name, format!("no: {without}"), format!("boot Linux {since} or newer")),
        })
        .collect()
}

fn cpus(facts: &MachineFacts) -> Row {
    let environment = &facts.environment;
    let (threads, cores) = (environment.cpus.len(), environment.cores);
    let sharing = if threads > cores { ", hardware threads share cores" } else { "" };
    let model = environment.cpu.as_deref().unwrap_or("unknown model");
    let list = &environment.cpus;
    ok("CPUs", format!("{threads} ({list}) on {cores} physical, {model}{sharing}"))
}

fn quota(facts: &MachineFacts) -> Row {
    const SUBJECT: &str = "CPU quota";
    const FIX: &str = "raise the cgroup's quota (`docker update --cpus`, systemd's CPUQuota=)";
    let throttled = facts.throttled_periods.filter(|&periods| periods > 0);
    let ran_out = throttled
        .map_or_else(String::new, |periods| format!(", ran out in {periods} periods so far"));
    match facts.cpu_quota {
        None => ok(SUBJECT, "none"),
        Some(quota) if quota >= facts.environment.cpus.len() as f64 && throttled.is_none() => {
            ok(SUBJECT, format!("{quota:.2} CPUs, as many as there are"))
        }
        Some(quota) => {
            let fewer = quota as usize;
            let or = if fewer > 0 { format!(", or use --cores {fewer}") } else { String::new() };
            note(SUBJECT, format!("{quota:.2} CPUs{ran_out}"), format!("{FIX}{or}"))
        }
    }
}

fn governor(facts: &MachineFacts) -> Row {
    const SUBJECT: &str = "CPU governor";
    let governors = &facts.environment.governors;
    let list = || {
        let each = governors.iter().map(|(name, cpus)| format!("{name} ({cpus})"));
        each.collect::<Vec<_>>().join(", ")
    };
    if governors.is_empty() {
        ok(SUBJECT, "none: firmware or hypervisor sets the frequency")
    } else if governors.keys().all(|name| name == "performance") {
        ok(SUBJECT, list())
    } else {
        note(
            SUBJECT,
            format!("{}: the frequency follows the load, and so do the times", list()),
            "cpupower frequency-set -g performance",
        )
    }
}

fn clock(facts: &MachineFacts) -> Option<Row> {
    const SUBJECT: &str = "clock source";
    const PATH: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let current = facts.environment.clock_source.as_deref()?;
    let cost = match current {
        "tsc" | "arch_sys_counter" | "riscv_clocksource" => return Some(ok(SUBJECT, current)),
        // Read without a system call, with some arithmetic.
        "kvm-clock" | "hyperv_clocksource_tsc_page" => "a little slower to read than tsc",
        _ => "every reading is a system call or slower",
    };
    let fix = if facts.clock_sources.iter().any(|source| source == "tsc") {
        format!("echo tsc > {PATH}")
    } else {
        "boot with `tsc=reliable`, if the machine's tsc can be trusted".to_owned()
    };
    Some(note(SUBJECT, format!("{current}: {cost}"), fix))
}

fn steal(facts: &MachineFacts) -> Option<Row> {
    const SUBJECT: &str = "steal";
    const NOTICEABLE: f64 = 0.01;
    let share = facts.stolen_share?;
    let value = format!("{:.1} % of our CPUs' time since boot", share * 100.0);
    Some(match share < NOTICEABLE {
        true => ok(SUBJECT, value),
        false => note(
            SUBJECT,
            format!("{value} went to other guests"),
            "measure on dedicated CPUs, or when the neighbours are quiet; compare interleaved",
        ),
    })
}

fn isolation(facts: &MachineFacts) -> Row {
    const SUBJECT: &str = "isolated CPUs";
    let named = |set: &CpuSet| match set.is_empty() {
        true => "none".to_owned(),
        false => set.to_string(),
    };
    ok(SUBJECT, format!("{}; nohz_full: {}", named(&facts.isolated), named(&facts.tickless)))
}

fn files(limit: ResourceLimit) -> Row {
    const SUBJECT: &str = "open files";
    const ENOUGH: u64 = 16_384;
    let value = format!("{} soft, {} hard", shown(limit.soft), shown(limit.hard));
    match limit.hard {
        Some(hard) if hard < ENOUGH => note(
            SUBJECT,
            format!("{value}: at most that many connections"),
            "as root: `ulimit -n 1048576`; for good: `* hard nofile 1048576` in \
             /etc/security/limits.conf (systemd: LimitNOFILE=, Docker: --ulimit nofile=1048576)",
        ),
        _ => ok(SUBJECT, format!("{value} (raised to the hard limit for a run)")),
    }
}

fn locked_memory(limit: ResourceLimit) -> Row {
    const SUBJECT: &str = "locked memory";
    const ENOUGH: u64 = 1 << 20;
    let kib = |bytes: Option<u64>| match bytes {
        Some(bytes) => format!("{} KiB", bytes / 1_024),
        None => "unlimited".to_owned(),
    };
    let value = format!("{} soft, {} hard", kib(limit.soft), kib(limit.hard));
    match limit.soft {
        // Kernels before 5.12 charge rings to this limit.
        Some(soft) if soft < ENOUGH => note(SUBJECT, value, "as root: `ulimit -l 65536`"),
        _ => ok(SUBJECT, value),
    }
}

fn ports(facts: &MachineFacts) -> Option<Row> {
    const SUBJECT: &str = "ephemeral ports";
    /// Linux's own default range has 28,232.
    const ENOUGH: u32 = 28_000;
    let (first, last) = facts.ports?;
    let count = (u32::from(last) + 1).saturating_sub(u32::from(first));
    let value = format!("{count} ({first}-{last}), for each address of a target");
    Some(match count >= ENOUGH {
        true => ok(SUBJECT, value),
        false => note(SUBJECT, value, "sysctl -w net.ipv4.ip_local_port_range='10000 65535'"),
    })
}

fn time_wait(facts: &MachineFacts) -> Option<Row> {
    const SUBJECT: &str = "TIME_WAIT reuse";
    Some(match facts.time_wait_reuse? {
        0 => note(
            SUBJECT,
            "off: a target that closes connections uses up the ports within seconds",
            "sysctl -w net.ipv4.tcp_tw_reuse=1",
        ),
        2 => ok(SUBJECT, "on loopback"),
        _ => ok(SUBJECT, "on"),
    })
}

/// These limit how fast connections to a target on this machine can be opened.
fn backlogs(facts: &MachineFacts) -> Vec<Row> {
    let row = |subject, value: Option<u64>, enough: u64, name: &str| {
        let value = value?;
        Some(match value >= enough {
            true => ok(subject, value.to_string()),
            false => note(
                subject,
                format!("{value}: a target on this machine drops connections beyond it"),
                format!("sysctl -w {name}={enough}"),
            ),
        })
    };
    let listen = row("listen backlog", facts.listen_backlog, 4_096, "net.core.somaxconn");
    let syn = row("SYN backlog", facts.syn_backlog, 1_024, "net.ipv4.tcp_max_syn_backlog");
    listen.into_iter().chain(syn).collect()
}

fn congestion(facts: &MachineFacts) -> Option<Row> {
    const SUBJECT: &str = "congestion control";
    let current = facts.environment.congestion_control.as_deref()?;
    if matches!(current, "cubic" | "reno") {
        return Some(ok(SUBJECT, current));
    }
    let plain =
        if facts.congestion_controls.iter().any(|name| name == "cubic") { "cubic" } else { "reno" };
    Some(note(
        SUBJECT,
        format!("{current}: may pace and costs CPU per request; compare only runs that share it"),
        format!("sysctl -w net.ipv4.tcp_congestion_control={plain}"),
    ))
}

fn sandbox(facts: &MachineFacts) -> Option<Row> {
    let filter = facts.seccomp_filter.filter(|&filter| filter).map(|_| "seccomp filter");
    let kind = facts.environment.virtualisation.as_deref();
    let found: Vec<&str> = kind.into_iter().chain(filter).collect();
    Some(ok("runs in", if found.is_empty() { "bare metal".to_owned() } else { found.join(", ") }))
}

fn shown(limit: Option<u64>) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use uringbench_machine::environment::SystemEnvironment;

    fn good() -> Facts {
        let limit = |value| ResourceLimit { soft: Some(value), hard: Some(value) };
        let machine = MachineFacts {
            environment: SystemEnvironment {
                kernel: Some("6.12.0".to_owned()),
                cpus: "0-3".parse().unwrap(),
                cores: 4,
                governors: [("performance".to_owned(), "0-3".parse().unwrap())].into(),
                clock_source: Some("tsc".to_owned()),
                congestion_control: Some("cubic".to_owned()),
                ..SystemEnvironment::default()
            },
            files: limit(1_048_576),
            locked_memory: limit(8 << 20),
            ports: Some((32_768, 60_999)),
            listen_backlog: Some(4_096),
            syn_backlog: Some(2_048),
            time_wait_reuse: Some(2),
            clock_sources: vec!["tsc".to_owned(), "hpet".to_owned()],
            congestion_controls: vec!["reno".to_owned(), "cubic".to_owned()],
            cpu_quota: None,
            throttled_periods: Some(0),
            isolated: "2-3".parse().unwrap(),
            tickless: "".parse().unwrap(),
            stolen_share: Some(0.001),
            seccomp_filter: Some(false),
        };
        Facts {
            machine,
            ring: Ok(Features {
                deferred_work: true,
                submit_all: true,
                no_index_array: true,
                multishot_receive: true,
                registered_ring: true,
                ring_sockets: true,
                tcp_info: true,
                minimum_wait: true,
            }),
            capabilities: sampling::tests::good(),
        }
    }

    #[test]
    fn a_good_machine_has_nothing_to_mend() {
        for row in assess(&good()) {
            assert_eq!((row.grade, row.fix.as_deref()), (Grade::Ok, None), "{}", row.subject);
        }
    }

    #[test]
    fn a_limit_of_locked_memory_is_shown_and_a_small_one_noted() {
        let row = |soft| locked_memory(ResourceLimit { soft, hard: Some(8 << 20) });
        for (soft, grade, value) in [
            (Some(0), Grade::Note, "0 KiB soft, 8192 KiB hard"),
            (Some(64 << 10), Grade::Note, "64 KiB soft, 8192 KiB hard"),
            (Some(1 << 20), Grade::Ok, "1024 KiB soft, 8192 KiB hard"),
            (None, Grade::Ok, "unlimited soft, 8192 KiB hard"),
        ] {
            let row = row(soft);
            assert_eq!((row.grade, row.value.as_str()), (grade, value));
        }
    }

    #[test]
    fn each_shortcoming_has_its_grade_and_its_command() {
        type Spoil = fn(&mut Facts);
        let cases: [(&str, Spoil, &str); 13] = [
            ("open files", |f| f.machine.files.hard = Some(4_096), "ulimit -n"),
            ("locked memory", |f| f.machine.locked_memory.soft = Some(65_536), "ulimit -l"),
            (
                "ephemeral ports",
                |f| f.machine.ports = Some((50_000, 60_000)),
                "ip_local_port_range",
            ),
            ("listen backlog", |f| f.machine.listen_backlog = Some(128), "somaxconn=4096"),
            ("SYN backlog", |f| f.machine.syn_backlog = Some(128), "tcp_max_syn_backlog=1024"),
            ("TIME_WAIT reuse", |f| f.machine.time_wait_reuse = Some(0), "tcp_tw_reuse=1"),
            (
                "clock source",
                |f| f.machine.environment.clock_source = Some("hpet".into()),
                "echo tsc >",
            ),
            (
                "congestion control",
                |f| f.machine.environment.congestion_control = Some("bbr".into()),
                "tcp_congestion_control=cubic",
            ),
            (
                "CPU governor",
                |f| {
                    let cpus = "1".parse().unwrap();
                    f.machine.environment.governors.insert("powersave".into(), cpus);
                },
                "cpupower",
            ),
            ("CPU quota", |f| f.machine.cpu_quota = Some(1.5), "--cores 1"),
            ("steal", |f| f.machine.stolen_share = Some(0.05), "dedicated"),
            (
                "multishot receive",
                |f| {
                    if let Ok(features) = &mut f.ring {
                        features.multishot_receive = false;
                    }
                },
                "Linux 6.0",
            ),
            (
                "clock source",
                |f| {
                    f.machine.environment.clock_source = Some("xen".into());
                    f.machine.clock_sources.clear();
                },
                "tsc=reliable",
            ),
        ];
        for (subject, spoil, fix) in cases {
            let mut facts = good();
            spoil(&mut facts);
            let rows = assess(&facts);
            let flagged: Vec<_> = rows.iter().filter(|row| row.grade != Grade::Ok).collect();
            assert_eq!(flagged.len(), 1, "{subject}: {flagged:?}");
            assert_eq!((flagged[0].subject, flagged[0].grade), (subject, Grade::Note));
            let text = flagged[0].fix.as_deref().unwrap_or_default();
            assert!(text.contains(fix), "{subject}: {text}");
        }
    }

    #[test]
    fn without_io_uring_nothing_runs() {
        let facts = Facts { ring: Err(Unavailable::Forbidden), ..good() };
        let rows = assess(&facts);
        let bad: Vec<_> = rows.iter().filter(|row| row.grade == Grade::Bad).collect();
        assert_eq!(bad.len(), 1);
        assert!(bad[0].value.contains("seccomp=unconfined"), "{}", bad[0].value);
    }
}
