//! Samples a real CPython while it runs: shares of functions, C code without the interpreter's
//! lock, workers that start and end, and targets that have ended, are no Python or belong to
//! another user.

mod targets;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use uringbench_machine::processes::descendants;
use uringbench_profiler::python::{
    PythonCounts, PythonFailure, PythonRecording, PythonSampler, PythonSettings, is_python,
};
use uringbench_profiler::sample::SampleKind;
use uringbench_profiler::selector::{Selector, resolve};
use uringbench_profiler::session::{Sidecar, SidecarOptions};
use uringbench_profiler::stack::FrameKind;

/// Far more than any step takes, so that the test also passes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);
const SHARES: [(&str, f64); 3] =
    [("sixty_percent", 0.6), ("thirty_percent", 0.3), ("ten_percent", 0.1)];

/// A child process that is killed at the end.
struct Target {
    child: Child,
    /// The first line that it printed.
    line: String,
}

impl Target {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("the program reports that it is ready");
        Self { child, line: line.trim_end().to_owned() }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid as i32).expect("a PID is not 0");
    let _gone = kill_process(pid, signal);
}

/// Starts a Python program of `targets`; `None` if there is no Python.
fn python(program: &str, arguments: &[&str]) -> Option<Target> {
    if Command::new("python3").arg("-V").output().is_err() {
        return skip("there is no python3");
    }
    Some(Target::start(Command::new("python3").arg(source(program)).args(arguments)))
}

fn source(program: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/targets").join(program)
}

fn skip<T>(reason: &str) -> Option<T> {
    eprintln!("SKIPPED a test of reading Python: {reason}");
    assert!(std::env::var_os("CI").is_none(), "skipped in CI: {reason}");
    None
}

fn sampler(members: impl FnMut() -> Vec<u32> + Send + 'static) -> PythonSampler {
    PythonSampler::start(PythonSettings { hertz: 200 }, members).expect("a thread can be started")
}

fn wait_for(sampler: &PythonSampler, what: &str, is_reached: impl Fn(&PythonCounts) -> bool) {
    let start = Instant::now();
    while !is_reached(&sampler.counts()) {
        assert!(start.elapsed() < PATIENCE, "no {what}: {:?}", sampler.counts());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether `share` can be the share `expected` of `count` independent samples: within four standard
/// errors, and 3 % for readings that race with the program.
fn assert_share(name: &str, share: f64, expected: f64, count: usize) {
    let error = (expected * (1.0 - expected) / count as f64).sqrt();
    assert!(
        (share - expected).abs() < 4.0 * error + 0.03,
        "{name}: {share:.3} of {count} samples, not {expected}"
    );
}

fn assert_shares(recording: &PythonRecording) {
    let PythonRecording { samples, stacks, counts } = recording;
    for (name, expected) in SHARES {
        let wanted = format!("{name} (burner.py)");
        let found = samples.iter().filter(|sample| {
            stacks.stack(sample.stack).root_first().any(|frame| frame.name == wanted)
        });
        let share = found.count() as f64 / samples.len() as f64;
        assert_share(name, share, expected, samples.len());
    }
    assert!(counts.failed * 2 < counts.readings, "{counts:?}");
    assert!(samples.is_sorted_by_key(|sample| sample.time));
}

#[test]
fn functions_have_their_shares() {
    for mode in ["shares", "native"] {
        let Some(target) = python("burner.py", &[mode]) else { return };
        let pid = target.pid();
        let sampler = sampler(move || vec![pid]);
        wait_for(&sampler, "samples", |counts| counts.samples >= 400);
        let recording = sampler.stop();
        assert_eq!(recording.counts.processes, [pid]);
        assert_eq!(recording.counts.failures, []);
        assert!(recording.samples.iter().all(|sample| (sample.pid, sample.tid) == (pid, pid)));
        assert_shares(&recording);
    }
}

#[test]
fn threads_are_told_apart() {
    let Some(target) = python("burner.py", &["threads", "6"]) else { return };
    let pid = target.pid();
    let sampler = sampler(move || vec![pid]);
    wait_for(&sampler, "samples", |counts| counts.samples >= 400);
    let recording = sampler.stop();
    assert_shares(&recording);
    let mut tids: Vec<_> = recording.samples.iter().map(|sample| sample.tid).collect();
    tids.sort_unstable();
    tids.dedup();
    assert_eq!(tids.len(), 6);
    assert!(tids.iter().all(|tid| Path::new(&format!("/proc/{pid}/task/{tid}")).exists()));
}

/// Sends requests until `is_enough` returns true.
fn request(address: &str, is_enough: impl Fn() -> bool) {
    let start = Instant::now();
    let mut connection = TcpStream::connect(address).expect("the server listens");
    let mut answer = [0; 4096];
    while !is_enough() {
        assert!(start.elapsed() < PATIENCE, "the requests had no effect");
        // A killed worker closes its connection.
        let sent = connection.write_all(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n");
        if sent.is_err() || !connection.read(&mut answer).is_ok_and(|length| length > 0) {
            connection = TcpStream::connect(address).expect("the master listens");
        }
    }
}

#[test]
fn workers_are_read_and_their_successors_too() {
    let Some(target) = python("plain_server.py", &["0", "2"]) else { return };
    let master = target.pid();
    let port = target.line.strip_prefix("listening ").expect("it prints its port");
    let sampler = sampler(move || descendants(&[master]));
    wait_for(&sampler, "workers", |counts| counts.processes.len() == 3);
    let workers: Vec<_> = descendants(&[master]).into_iter().filter(|&pid| pid != master).collect();
    for &worker in &workers {
        signal(worker, Signal::KILL);
    }
    wait_for(&sampler, "new workers", |counts| counts.processes.len() == 5);
    request(&format!("127.0.0.1:{port}"), || sampler.counts().samples >= 20);
    let recording = sampler.stop();
    assert_eq!(recording.counts.failures, []);
    assert_eq!(recording.counts.without_thread, 0);
    let handled = recording.samples.iter().filter(|sample| {
        let stack = recording.stacks.stack(sample.stack);
        stack.root_first().any(|frame| frame.name == "compute_answer (plain_server.py)")
    });
    let handled: Vec<_> = handled.collect();
    assert!(!handled.is_empty());
    // After a fork the interpreter may still hold the thread ID of its parent.
    assert!(handled.iter().all(|sample| sample.tid == sample.pid && sample.pid != master));
    assert!(handled.iter().all(|sample| !workers.contains(&sample.pid)));
}

#[test]
fn a_target_may_go_at_any_time() {
    let Some(mut target) = python("burner.py", &[]) else { return };
    let pid = target.pid();
    assert_eq!(is_python(pid), Some(true));
    let sampler = sampler(move || vec![pid]);
    wait_for(&sampler, "samples", |counts| counts.samples > 10);
    target.child.kill().expect("it is ours");
    target.child.wait().expect("it ends");
    let failed = sampler.counts().failed;
    assert_eq!(is_python(pid), None);
    wait_for(&sampler, "end of the readings", |counts| counts.failed > failed + 50);
    // The next check finds the process gone, though still listed: it is not read again.
    std::thread::sleep(Duration::from_millis(600));
    let readings = sampler.counts().readings;
    std::thread::sleep(Duration::from_millis(300));
    let recording = sampler.stop();
    assert_eq!(recording.counts.readings, readings);
    assert_eq!(recording.counts.failures, []);
    assert!(!recording.samples.is_empty());
}

#[test]
fn a_program_that_is_no_python_is_left_alone() {
    let Ok(burner) = targets::build("burner", &[]) else { return };
    let target = Target::start(Command::new(burner).arg("shares"));
    let pid = target.pid();
    assert_eq!(is_python(pid), Some(false));
    let sampler = sampler(move || vec![pid, u32::MAX >> 1]);
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(sampler.stop().counts, PythonCounts::default());
}

#[test]
fn who_may_not_read_is_told_what_is_missing() {
    if !rustix::process::geteuid().is_root() {
        skip::<()>("only root can start a target and then be somebody else");
        return;
    }
    let Some(target) = python("burner.py", &[]) else { return };
    let pid = target.pid();
    let counts = std::thread::spawn(move || {
        let nobody = rustix::process::Uid::from_raw(65_534);
        // Only of this thread, and therefore also of the sampler's thread, which it starts.
        rustix::thread::set_thread_res_uid(nobody, nobody, nobody).expect("root may");
        let sampler = sampler(move || vec![pid]);
        wait_for(&sampler, "failure", |counts| !counts.failures.is_empty());
        sampler.stop().counts
    });
    let counts = counts.join().expect("the thread ends well");
    assert_eq!(counts.failures, [PythonFailure::NotPermitted(pid)]);
    let text = counts.failures[0].to_string();
    assert!(text.contains("--cap-add SYS_PTRACE") && text.contains("ptrace_scope"), "{text}");
    assert_eq!((counts.samples, counts.processes.len()), (0, 0));
}

fn attach(target: &Target) -> Sidecar {
    let selector = Selector::Pid(target.pid());
    let found = resolve(&selector).expect("it runs");
    let options = SidecarOptions {
        hz: Some(499),
        timeline_hz: 1,
        follows_memory: false,
        cpus: vec![],
        folder: PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
    };
    Sidecar::attach(selector, found, options)
}

#[test]
fn python_functions_stand_in_the_native_stack_with_their_shares() {
    let Some(target) = python("burner.py", &["native"]) else { return };
    let sidecar = attach(&target);
    std::thread::sleep(Duration::from_secs(4));
    let mut recording = sidecar.detach();
    let Some(profile) = recording.profile.take() else {
        skip::<()>(&format!("no samples: {:?}", recording.attachment));
        return;
    };
    let (counts, fits) = recording.python.expect("its Python was read");
    assert!(fits.merged + fits.near > 9 * fits.forced, "{fits:?}");
    let mut weights = [0u64; SHARES.len()];
    let (mut all, mut count, mut native_leaves) = (0, 0, 0);
    for sample in profile.samples.samples() {
        let sample = sample.expect("the log can be read");
        if sample.kind != SampleKind::Cpu {
            continue;
        }
        let names: Vec<_> =
            profile.stacks.root_first(sample.stack).iter().map(|&f| profile.name(f)).collect();
        // It takes a while to find the interpreter; until then samples are native.
        if !names.iter().any(|frame| frame.kind == FrameKind::Interpreted) {
            continue;
        }
        count += 1;
        all += sample.weight;
        for ((wanted, _), weight) in SHARES.iter().zip(&mut weights) {
            let is_it = |frame: &&&_| is_function(frame, wanted);
            *weight += names.iter().find(is_it).map_or(0, |_| sample.weight);
        }
        let checksum = names.iter().position(|frame| is_function(frame, "checksum"));
        let below = checksum.map(|at| &names[at + 1..]).unwrap_or_default();
        native_leaves += usize::from(below.iter().any(|frame| frame.kind == FrameKind::Native));
    }
    assert!(count > 100, "{count} samples, {fits:?}");
    assert!(native_leaves * 10 > count * 8, "{native_leaves} of {count}");
    // Native samples between two readings share one reading, and the gaps are uneven, so only half
    // of them count as independent.
    let count = count.min(counts.samples as usize / 2);
    for ((name, expected), weight) in SHARES.into_iter().zip(weights) {
        assert_share(name, weight as f64 / all as f64, expected, count);
    }
}

/// `-X perf` came with Python 3.12, which not every machine has.
#[test]
fn stacks_through_the_trampolines_of_perf_are_whole() {
    let has_them = |python: &&str| {
        let built = "import sysconfig; \
                     assert sysconfig.get_config_var('PY_HAVE_PERF_TRAMPOLINE')";
        let mut probe = Command::new(python);
        probe.args(["-c", built]).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    };
    let Some(python) = ["python3", "python3.12"].into_iter().find(has_them) else {
        return eprintln!("NOT CHECKED: stacks of python3.12 -X perf: there is none");
    };
    let mut command = Command::new(python);
    let target = Target::start(command.args(["-X", "perf"]).arg(source("burner.py")));
    let sidecar = attach(&target);
    std::thread::sleep(Duration::from_secs(2));
    let profile = sidecar.detach().profile;
    let map = format!("/tmp/perf-{}.map", target.pid());
    std::fs::remove_file(map).expect("Python writes the names of its functions");
    let Some(profile) = profile else {
        return eprintln!("NOT CHECKED: stacks of {python} -X perf: no samples");
    };
    let unwound = profile.facts.unwound.expect("there are samples");
    assert!(unwound > 0.98, "{unwound}");
}

fn is_function(frame: &uringbench_profiler::stack::FrameName, wanted: &str) -> bool {
    frame.kind == FrameKind::Interpreted && frame.function == wanted && frame.module == "burner.py"
}
