//! What an ordinary user can do: the test runs itself again as one when it is started by root.
//!
//! `kernel.perf_event_paranoid` decides what that is, so what is expected follows from it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use uringbench_perf::{Counters, PerfError, PerfEventKind, SampleScope, SamplingConfig, Session};

/// The user that owns nothing, on every Linux.
const NOBODY: u32 = 65_534;
const AS_NOBODY: &str = "URINGBENCH_PERF_AS_NOBODY";
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn an_ordinary_user_observes_his_own_tasks_and_no_others() {
    let is_root = rustix::process::geteuid().is_root();
    if is_root && std::env::var_os(AS_NOBODY).is_none() {
        return again_as_nobody("an_ordinary_user_observes_his_own_tasks_and_no_others");
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    if is_root || !status.contains("CapEff:\t0000000000000000") {
        return eprintln!("SKIPPED an ordinary user: this one kept his capabilities");
    }
    let level: Option<i32> = setting("perf_event_paranoid");
    let Some(paranoid) = level.filter(|&level| level <= 2) else {
        return eprintln!("SKIPPED an ordinary user: perf_event_paranoid {level:?}");
    };
    if let Err(why @ PerfError::Seccomp) = Counters::of_task(0, false) {
        return eprintln!("SKIPPED an ordinary user: {why}");
    }
    own_tasks_are_sampled(setting("perf_event_mlock_kb"));
    others_are_refused(paranoid);
    counters_say_what_they_miss(paranoid);
}

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).ok()?.trim().parse().ok()
}

/// Run one test of this program as the user that owns nothing.
fn again_as_nobody(test: &str) {
    let output = Command::new("/proc/self/exe")
        .args(["--exact", test, "--nocapture"])
        .env(AS_NOBODY, "1")
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .expect("root may become another user");
    let reported = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    eprintln!("{complaints}");
    assert!(output.status.success(), "as uid {NOBODY}:\n{reported}\n{complaints}");
    assert!(reported.contains("1 passed"), "the test did not run as uid {NOBODY}:\n{reported}");
}

struct Burner(Child);

impl Burner {
    fn start() -> Self {
        Self(Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap())
    }
}

impl Drop for Burner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn own_tasks_are_sampled(mlock_kb: Option<u32>) {
    let config = SamplingConfig { hz: 997, user_only: true, ..SamplingConfig::default() };
    let mut session = Session::open(SampleScope::Tasks, &config, &[0]).unwrap();
    let locked = rustix::process::getrlimit(rustix::process::Resource::Memlock).current;
    let cpus = std::thread::available_parallelism().unwrap().get() as u64;
    let allowed = u64::from(mlock_kb.unwrap()) * 1024 * cpus + locked.unwrap_or(u64::MAX / 2);
    let wanted = 16 << 20;
    assert!(session.ring_bytes() >= 4_096 && session.ring_bytes() <= wanted);
    if allowed < wanted {
        let ring = session.ring_bytes();
        assert!(ring < allowed && 4 * ring > allowed, "{ring} of {allowed} bytes allowed");
    }
    drop(session);

    let cpus: Vec<u32> = (0..cpus as u32).collect();
    session = Session::open(SampleScope::Tasks, &config, &cpus).unwrap();
    let burner = Burner::start();
    let pid = burner.0.id();
    session.add_task(pid).unwrap();
    session.enable().unwrap();
    let (started, mut samples, mut kernel_samples) = (Instant::now(), 0, 0);
    while samples < 20 {
        assert!(started.elapsed() < PATIENCE, "{samples} samples");
        session.wait(Duration::from_millis(20)).unwrap();
        let mut found = Vec::new();
        session.drain(&mut |_, record| found.push(record.to_vec()));
        for record in found.iter().filter(|record| record[0] == 9) {
            let word = |index: usize| {
                u64::from_ne_bytes(record[index * 8..index * 8 + 8].try_into().unwrap())
            };
            assert_eq!(session.kind_of(word(1)), Some(PerfEventKind::Cpu));
            assert_eq!(word(3) as u32, pid, "words: header, number, address, pid and tid");
            samples += 1;
            kernel_samples += u32::from(word(2) >= 1 << 63);
        }
    }
    assert_eq!(kernel_samples, 0);
}

fn others_are_refused(paranoid: i32) {
    let user_only = SamplingConfig { user_only: true, ..SamplingConfig::default() };
    let mut session = Session::open(SampleScope::Tasks, &user_only, &[0]).unwrap();
    assert_eq!(session.add_task(1), Err(PerfError::OtherUser { tid: 1 }));
    let refused = |scope, config| {
        let mut session = Session::open(scope, config, &[0])?;
        session.add_task(std::process::id())
    };
    if paranoid > 0 {
        let error = refused(SampleScope::System, &user_only).unwrap_err();
        assert!(matches!(error, PerfError::Forbidden { wanted: 0, .. }), "{error}");
    }
    if paranoid > 1 {
        let error = refused(SampleScope::Tasks, &SamplingConfig::default()).unwrap_err();
        assert!(matches!(error, PerfError::Forbidden { wanted: 1, .. }), "{error}");
    }
}

fn counters_say_what_they_miss(paranoid: i32) {
    let values = Counters::of_task(0, false).unwrap().read().unwrap();
    let is_user_only = paranoid > 1;
    assert_eq!(values.is_user_only, is_user_only);
    assert_eq!(values.context_switches.is_none(), is_user_only);
    assert_eq!(values.migrations.is_none(), is_user_only);
    assert!(Counters::of_task(1, false).is_err(), "another user's task");
}
