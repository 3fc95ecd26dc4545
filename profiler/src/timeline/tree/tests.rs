//! Real processes that allocate, open files, burn, fork and end at our word, and the kernel's
//! texts.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::*;
use crate::selector::{Found, Selector, resolve};

/// A shell that does a line at a time.
struct Shell {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Shell {
    fn start() -> Self {
        let mut command = Command::new("sh");
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell");
        let to = process.stdin.take().expect("piped");
        let from = BufReader::new(process.stdout.take().expect("piped"));
        let mut shell = Self { process, to, from };
        shell.run(":");
        shell
    }

    /// Runs a line to its end; what it printed.
    fn run(&mut self, line: &str) -> String {
        writeln!(self.to, "{line}\necho done").expect("the shell reads");
        let mut printed = String::new();
        while !printed.ends_with("done\n") {
            assert!(self.from.read_line(&mut printed).expect("the shell writes") > 0, "it ended");
        }
        printed
    }

    fn tree(&self) -> ProcessReader {
        let selector = Selector::Pid(self.process.id());
        let found = resolve(&selector).expect("the shell runs");
        ProcessReader::new(Membership::new(selector, found))
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const BURN: &str = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";

fn burned(reading: &TargetReading) -> f64 {
    (reading.user + reading.system).as_secs_f64()
}

#[test]
fn memory_and_descriptors_are_those_the_target_holds() {
    let mut shell = Shell::start();
    let mut tree = shell.tree();
    let before = tree.read(Timestamp(0), true);
    assert_eq!((before.processes, before.threads, before.threads_unread), (1, 1, 0));
    assert!(before.rss_anon > 0 && before.rss_file > 0, "{before:?}");

    shell.run("exec 3</dev/null 4</dev/null 5</dev/null");
    let held = 48 << 20;
    shell.run(&format!("a=$(head -c {held} /dev/zero | tr '\\0' x)"));
    let after = tree.read(Timestamp(1), true);
    assert_eq!(after.fds, before.fds.map(|fds| fds + 3));
    assert!(after.rss_anon >= before.rss_anon + held, "{after:?}");
    assert!(after.minor_faults > before.minor_faults + held / 4096 / 2, "{after:?}");
    assert!(after.voluntary_switches > before.voluntary_switches);
}

#[test]
fn cpu_time_is_exact_by_the_threads_and_agrees_with_the_ticks() {
    let mut shell = Shell::start();
    let mut tree = shell.tree();
    let before = tree.read(Timestamp(0), true);
    assert_eq!((burned(&before), before.on_cpu), (0.0, Nanos::ZERO));
    shell.run(BURN);
    let after = tree.read(Timestamp(1), true);
    assert!(burned(&after) > 0.0);
    // Both ticks are rounded down in both readings.
    let difference = (after.on_cpu.as_secs_f64() - burned(&after)).abs();
    assert!(difference < 0.021, "{after:?}");
}

/// Seconds the shell's ended children used, as it says itself.
fn children(times: &str) -> f64 {
    let of = |part: &str| -> f64 {
        let (minutes, seconds) = part.trim_end_matches('s').split_once('m').expect("0m0.01s");
        minutes.parse::<f64>().expect("minutes") * 60.0 + seconds.parse::<f64>().expect("seconds")
    };
    times.lines().nth(1).expect("two lines").split_whitespace().map(of).sum()
}

#[test]
fn children_nobody_saw_count_by_what_the_shell_says_they_used() {
    let mut shell = Shell::start();
    let mut tree = shell.tree();
    let before = tree.read(Timestamp(0), true);
    let used_before = children(&shell.run("times"));
    for _ in 0..3 {
        shell.run(&format!("sh -c '{BURN}'"));
    }
    let after = tree.read(Timestamp(1), true);
    let used = children(&shell.run("times")) - used_before;
    let counted = burned(&after) - burned(&before);
    assert!(used > 0.0 && after.processes == 1);
    // The shell's own share, and rounding of its time and its children's.
    assert!((counted - used).abs() < 0.07, "{counted} s, the shell says {used}");
    // The threads' sum does not know them; that is why it is not the truth.
    assert!(after.on_cpu.as_secs_f64() < used);
}

#[test]
fn children_come_and_go_and_totals_never_fall() {
    let mut shell = Shell::start();
    let mut tree = shell.tree();
    let mut before = tree.read(Timestamp(0), true);
    for round in 0..20 {
        shell.run(if round % 2 == 0 {
            "sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; read x </dev/null; sleep 9' &"
        } else {
            "kill -9 $!; wait $! 2>/dev/null"
        });
        let now = tree.read(Timestamp(round), true);
        for of in [
            |reading: &TargetReading| reading.user.0,
            |reading: &TargetReading| reading.system.0,
            |reading: &TargetReading| reading.on_cpu.0,
            |reading: &TargetReading| reading.run_queue.0,
            |reading: &TargetReading| reading.voluntary_switches,
            |reading: &TargetReading| reading.involuntary_switches,
            |reading: &TargetReading| reading.minor_faults,
        ] {
            assert!(of(&now) >= of(&before), "{before:?} then {now:?}");
        }
        if round % 2 == 1 {
            // The killed shell's `sleep`, if it had come that far, lives on; it is a member.
            assert!((1..=11).contains(&now.processes), "{now:?}");
        } else {
            assert!(now.processes >= 2, "{now:?}");
        }
        before = now;
    }
    // What is left of them must not outlive the test.
    for pid in uringbench_machine::processes::descendants(
        &tree.membership.list().iter().map(|member| member.pid).collect::<Vec<_>>(),
    ) {
        let pid = rustix::process::Pid::from_raw(pid as i32).expect("not zero");
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

#[test]
fn a_target_that_is_gone_is_no_process_and_keeps_its_totals() {
    let mut shell = Shell::start();
    let mut tree = shell.tree();
    tree.read(Timestamp(0), true);
    shell.run(BURN);
    let alive = tree.read(Timestamp(1), true);
    shell.process.kill().expect("it runs");
    shell.process.wait().expect("it ends");
    let gone = tree.read(Timestamp(2), true);
    assert_eq!((gone.processes, gone.rss_anon, gone.threads), (0, 0, 0));
    assert_eq!((gone.user, gone.on_cpu), (alive.user, alive.on_cpu));
}

#[test]
fn the_pss_is_read_once_a_minute_and_never_while_measuring() {
    let shell = Shell::start();
    let mut tree = shell.tree();
    let mut at = |seconds, is_measuring| {
        let now = Timestamp(0) + Nanos::from_secs(seconds);
        tree.read(now, is_measuring).pss
    };
    assert_eq!(at(1, true), None);
    assert!(at(2, false).is_some_and(|bytes| bytes > 0));
    assert_eq!(at(3, false), None);
    assert_eq!(at(61, false), None);
    assert_eq!(at(62, true), None);
    assert!(at(63, false).is_some());
}

/// This process, which a user cannot select, but whose threads a test can make.
fn ourselves() -> ProcessReader {
    let pid = std::process::id();
    let found = Found { roots: vec![pid], members: vec![pid], cgroup: None };
    ProcessReader::new(Membership::new(Selector::Pid(pid), found))
}

#[test]
fn threads_are_read_one_by_one_up_to_a_limit() {
    let mut tree = ourselves();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let extra = THREADS_MAX + 20;
    std::thread::scope(|scope| {
        for _ in 0..extra {
            let thread = std::thread::Builder::new().stack_size(64 << 10);
            let wait = || released.lock().map(|released| released.recv().is_ok()).is_ok();
            thread.spawn_scoped(scope, wait).expect("a thread");
        }
        let reading = tree.read(Timestamp(0), true);
        assert!(reading.threads >= extra as u64, "{reading:?}");
        assert!(reading.threads_unread >= 20, "{reading:?}");
        drop(release);
    });
}

#[test]
fn switches_and_cpu_of_every_thread_count() {
    let mut tree = ourselves();
    let before = tree.read(Timestamp(0), true);
    let (to, from) = std::sync::mpsc::sync_channel::<u32>(0);
    std::thread::scope(|scope| {
        scope.spawn(move || (0..2_000).for_each(|n| to.send(n).expect("somebody listens")));
        let sum: u32 = from.iter().take(1_999).sum();
        assert_eq!(sum, 1_998 * 1_999 / 2);
        // The thread waits for its last word to be taken: it is there to be read.
        let after = tree.read(Timestamp(1), true);
        let grown = after.voluntary_switches - before.voluntary_switches;
        // A side waits at least at every other word, however the two are scheduled.
        assert!(grown >= 500, "{grown} switches");
        assert!(after.on_cpu > before.on_cpu);
        assert_eq!(from.recv(), Ok(1_999));
    });
}

/// Two processes map the same memory, twice each, and touch all of it.
#[test]
fn shared_memory_counts_once_and_private_memory_by_process() {
    const PROGRAM: &str = "
import mmap, os, signal
size = 8 << 20
shared = os.memfd_create('shared')
os.ftruncate(shared, size)
anonymous = mmap.mmap(-1, size)
end, held = os.pipe()
child = os.fork()
if not child: os.close(held)
maps = [mmap.mmap(shared, size) for _ in range(2)] + [anonymous]
for one in maps: one[:] = b'x' * size
os.write(1, b'done\\n')
signal.pause() if child else os.read(end, 1)
";
    let mut shell = Shell::start();
    writeln!(shell.to, "exec python3 -c \"{PROGRAM}\"").expect("the shell reads");
    let mut line = String::new();
    for _ in 0..2 {
        assert!(shell.from.read_line(&mut line).expect("both write") > 0, "it ended");
    }
    assert_eq!(line, "done\ndone\n");
    let mut tree = shell.tree();
    let reading = tree.read(Timestamp(0), true);
    assert_eq!((reading.processes, reading.each.len()), (2, 2));
    let private: u64 = reading.each.iter().map(|process| process.bytes).sum();
    assert_eq!(private, reading.rss_anon + reading.swap);
    // Without the right to read mappings, the anonymous one is like any other.
    let once = 16_u64 << 20;
    if reading.is_shmem_per_process {
        assert!(reading.rss_shmem >= once, "{reading:?}");
    } else {
        assert!((once..once + (1 << 20)).contains(&reading.rss_shmem), "{reading:?}");
    }
    // A moment later nothing is read apart again.
    let again = tree.read(Timestamp(1), true);
    assert_eq!((again.rss_shmem, again.each.len()), (reading.rss_shmem, 0));
}

#[test]
fn status_is_read_by_name_in_kib() {
    let text =
        b"Name:\tRssAnon: 9\nState:\tS (sleeping)\nVmRSS:\t    1724 kB\nRssAnon:\t     112 kB\n\
        RssFile:\t    1612 kB\nRssShmem:\t       4 kB\nVmSwap:\t       8 kB\nThreads:\t1\n\
        voluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t545\n";
    let expected = Status {
        rss_anon: 112 << 10,
        rss_file: 1612 << 10,
        rss_shmem: 4 << 10,
        swap: 8 << 10,
        voluntary_switches: 150,
        involuntary_switches: 545,
    };
    assert_eq!(Status::of(text), expected);
    // A kernel thread has no memory; what is torn is nothing.
    assert_eq!(Status::of(b"Name:\tkthreadd\nThreads:\t1\nRssAnon"), Status::default());
    assert_eq!(Status::of(b"RssAnon:\nVmSwap:\tx kB\n"), Status::default());
}

#[test]
fn the_counters_of_a_process_with_a_strange_name_are_read() {
    let line = b"4242 (a) b (c) S 17 4242 4242 0 -1 4194560 100 200 3 4 50 60 70 80 20 0 1 0 \
        987654 3000000 400 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 \
        0 0 0\n";
    let stat = Stat::from_read(&line[..]).expect("a line of the kernel");
    let read = counters(&stat, 10_000_000);
    assert_eq!((read.pid, read.parent, read.start), (4242, 17, 987_654));
    let own = Usage { user: 500_000_000, system: 600_000_000, minor: 100, major: 3 };
    let reaped = Usage { user: 700_000_000, system: 800_000_000, minor: 200, major: 4 };
    assert_eq!((read.own, read.reaped), (own, reaped));
}

#[test]
fn the_pss_is_that_of_the_rollup() {
    let text = b"55d7-7ffe ---p 00000000 00:00 0                          [rollup]\n\
        Rss:                1724 kB\nPss:                 340 kB\nPss_Dirty:           112 kB\n";
    assert_eq!(pss(text), Some(340 << 10));
    assert_eq!(pss(b""), None);
}
