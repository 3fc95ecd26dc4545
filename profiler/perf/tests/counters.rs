//! Counters against what `/proc` and the thread's own clock say of the same span.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use uringbench_perf::{CounterValues, Counters, PerfError};

/// What the kernel's accounting says of this thread.
#[derive(Clone, Copy)]
struct Accounts {
    cpu_ns: u64,
    switches: u64,
    faults: u64,
}

impl Accounts {
    fn read() -> Self {
        let cpu = clock_gettime(ClockId::ThreadCPUTime);
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let switches = status
            .lines()
            .filter(|line| line.contains("voluntary_ctxt_switches:"))
            .map(|line| line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap())
            .sum();
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let field = |number: usize| -> u64 {
            fields.split_whitespace().nth(number - 3).unwrap().parse().unwrap()
        };
        Self {
            cpu_ns: cpu.tv_sec as u64 * 1_000_000_000 + cpu.tv_nsec as u64,
            switches,
            faults: field(10) + field(12),
        }
    }

    fn since(self, before: Self) -> Self {
        Self {
            cpu_ns: self.cpu_ns - before.cpu_ns,
            switches: self.switches - before.switches,
            faults: self.faults - before.faults,
        }
    }
}

/// Counters, or nothing and a loud reason. With CI set, root must get them.
fn opened(counters: Result<Counters, PerfError>) -> Option<Counters> {
    match counters {
        Ok(counters) => Some(counters),
        Err(error @ (PerfError::Forbidden { .. } | PerfError::Seccomp | PerfError::NoPerf)) => {
            let is_root = rustix::process::geteuid().is_root();
            let is_sandbox = !matches!(error, PerfError::Forbidden { .. });
            assert!(!is_root || is_sandbox || std::env::var_os("CI").is_none(), "{error}");
            eprintln!("SKIPPED counters: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn burn(span: Duration) {
    let started = Instant::now();
    while started.elapsed() < span {
        std::hint::spin_loop();
    }
}

/// How long [`work`] sleeps at least.
const ASLEEP: Duration = Duration::from_millis(20);

fn work() {
    for _ in 0..20 {
        burn(Duration::from_millis(3));
        std::thread::sleep(ASLEEP / 20);
    }
    let mut pages = vec![0u8; 40 << 20];
    for page in pages.chunks_mut(4_096).take(500) {
        std::hint::black_box(page)[0] = 1;
    }
}

#[test]
fn counts_agree_with_the_kernels_accounts() {
    let Some(counters) = opened(Counters::of_task(0, false)) else { return };
    let (outer, started) = (Accounts::read(), Instant::now());
    let before = counters.read().unwrap();
    let inner = Accounts::read();
    work();
    let inner = Accounts::read().since(inner);
    let after = counters.read().unwrap();
    let outer = Accounts::read().since(outer);
    let awake = started.elapsed().saturating_sub(ASLEEP).as_nanos() as u64;

    let cpu = after.task_clock_ns - before.task_clock_ns;
    // Two clocks, which may run apart a little. The thread's stands still while interrupts and the
    // host have its CPU; the event's runs on.
    let bounds = inner.cpu_ns * 98 / 100..=outer.cpu_ns.max(awake) * 102 / 100;
    assert!(bounds.contains(&cpu), "{cpu} ns, by the thread's clock {bounds:?}");
    if after.is_user_only {
        assert_eq!((after.context_switches, after.migrations), (None, None));
        return eprintln!("SKIPPED switches and faults: only user code may be counted");
    }
    let (Some(first), Some(last)) = (before.context_switches, after.context_switches) else {
        panic!("{after:?}")
    };
    assert!((inner.switches..=outer.switches).contains(&(last - first)));
    assert!(inner.switches >= 20);
    let faults = after.page_faults - before.page_faults;
    assert!((inner.faults..=outer.faults).contains(&faults), "{faults}");
    assert!(after.migrations >= before.migrations);
    let has_cycles = uringbench_perf::has_cycles(&[0]);
    assert_eq!(after.cycles.is_some(), has_cycles);
    assert_eq!(after.instructions.is_some(), has_cycles);
    if !has_cycles {
        eprintln!("SKIPPED cycles: this processor counts none");
    }
}

#[test]
fn what_a_thread_creates_is_counted_when_asked_for() {
    let (Some(with), Some(without)) =
        (opened(Counters::of_task(0, true)), opened(Counters::of_task(0, false)))
    else {
        return;
    };
    let (say, heard) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        burn(Duration::from_millis(60));
        let cpu = clock_gettime(ClockId::ThreadCPUTime);
        say.send(cpu.tv_sec as u64 * 1_000_000_000 + cpu.tv_nsec as u64).unwrap();
    });
    let cpu = heard.recv().unwrap();
    thread.join().unwrap();
    let time = |values: CounterValues| values.task_clock_ns;
    let (with, without) = (time(with.read().unwrap()), time(without.read().unwrap()));
    assert!(with >= cpu * 98 / 100, "{with} of {cpu} ns");
    assert!(with >= without + cpu * 9 / 10, "{with} with, {without} without");
}

#[test]
fn a_task_that_is_gone_is_a_clean_error() {
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    let error = Counters::of_task(gone.id(), false).unwrap_err();
    let is_told = match error {
        PerfError::TaskGone { tid } => tid == gone.id(),
        PerfError::Seccomp | PerfError::NoPerf => true,
        _ => false,
    };
    assert!(is_told, "{error}");
    let error = Counters::of_task(u32::MAX, false).unwrap_err();
    assert_eq!(error, PerfError::TaskGone { tid: u32::MAX });
}
