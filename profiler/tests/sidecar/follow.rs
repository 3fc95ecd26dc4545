//! The processes that the sidecar follows: a worker that is replaced, a program that executes
//! another, a target that has ended before, during or after.

use std::time::Duration;

use uringbench_profiler::selector::{self, Selector, SelectorError};

use crate::support::program::Program;
use crate::support::taken::SHARES;
use crate::support::{HZ, Recorder, Way, ordinary, skip, turn, wait_until};
use crate::targets;

const FLAGS: &[&str] = &["-fomit-frame-pointer"];

/// Whether root can sample here; if not, prints the reason and skips the test.
fn is_possible(test: &str) -> bool {
    Way::System.obstacle().inspect(|why| skip(test, why)).is_none()
}

#[test]
fn a_worker_that_is_killed_and_replaced_is_followed() {
    let _turn = turn();
    let test = "a killed worker";
    let Ok(burner) = targets::build("burner", FLAGS) else { return };
    if is_possible(test) {
        replaced(&burner, Way::System);
    }
}

#[test]
fn a_worker_is_followed_for_an_ordinary_user() {
    let _turn = turn();
    let name = "follow::a_worker_is_followed_for_an_ordinary_user";
    ordinary::with_burner(name, FLAGS, |burner| replaced(burner, Way::Ordinary));
}

/// A shell keeps one worker: when the worker ends the shell starts the next.
fn replaced(burner: &std::path::Path, way: Way) {
    let script = r#"while :; do "$0" shares; done"#;
    let mut shell = Program::start("sh", &["-c", script, burner.to_str().unwrap()]);
    shell.wait_ready();
    let recorder = Recorder::attach(Selector::Pid(shell.pid()), way, HZ);
    let mut workers = Vec::new();
    for _ in 0..3 {
        let worker = shell.child();
        Program::burn_of(worker, Duration::from_millis(200));
        workers.push(worker);
        // A killed worker prints nothing; the next one prints a line when it is ready.
        kill(worker);
        shell.wait_ready();
    }
    let taken = recorder.detach();
    let ended = &taken.recording.ended_processes;
    assert!(workers.iter().all(|worker| ended.iter().any(|(pid, _)| pid == worker)), "{ended:?}");
    let sampled = taken.pids();
    assert!(workers.iter().all(|worker| sampled.contains(worker)), "{workers:?} {sampled:?}");
    assert_eq!(workers.iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
    for worker in workers {
        let samples = taken.samples();
        let of_worker = samples.iter().filter(|sample| sample.pid == worker);
        let burning = of_worker
            .filter(|sample| {
                let names = taken.names(sample.stack);
                names.iter().any(|name| name.function == "burn_slices")
            })
            .count();
        // 200 ms give 200 samples; if other programs share the CPU, some are in the kernel.
        assert!(burning > 60, "{burning} samples of {worker}");
    }
    taken.expect_no_thread_twice();
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn a_program_that_becomes_another_is_named_anew() {
    let _turn = turn();
    let test = "exec";
    let Ok(burner) = targets::build("burner", FLAGS) else { return };
    if is_possible(test) {
        becomes_another(&burner, Way::System);
    }
}

#[test]
fn exec_is_followed_for_an_ordinary_user() {
    let _turn = turn();
    let name = "follow::exec_is_followed_for_an_ordinary_user";
    ordinary::with_burner(name, FLAGS, |burner| becomes_another(burner, Way::Ordinary));
}

fn becomes_another(burner: &std::path::Path, way: Way) {
    let script = r#"read -r line; exec "$0" shares"#;
    let mut shell = Program::start("sh", &["-c", script, burner.to_str().unwrap()]);
    let pid = shell.pid();
    // It waits for its line, so the sidecar attaches to the shell.
    wait_until("starting a shell", || {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "sh")
    });
    let recorder = Recorder::attach(Selector::Pid(pid), way, HZ);
    shell.tell();
    shell.wait_ready();
    shell.burn(Duration::from_millis(500));
    let taken = recorder.detach();
    let processes = &taken.figures.processes;
    assert!(processes.len() == 1 && processes[0].name == "burner", "{processes:?}");
    let counts = taken.innermost();
    let burning: u64 = SHARES.iter().filter_map(|(name, _)| counts.get(*name)).sum();
    assert!(burning > 150, "{burning}: {counts:?}");
    assert!(taken.figures.unwound.unwrap() > 0.95, "{:?}", taken.figures);
}

#[test]
fn a_target_that_is_gone_before_is_an_error_in_a_sentence() {
    let gone = Program::start("true", &[]);
    let pid = gone.pid();
    gone.wait();
    let refused = selector::resolve(&Selector::Pid(pid));
    assert_eq!(refused, Err(SelectorError::NoSuchProcess(pid)));
    assert!(refused.unwrap_err().to_string().starts_with(&format!("no process {pid}: give")));
}

#[test]
fn a_target_that_goes_while_it_is_attached_to_leaves_an_empty_recording() {
    let _turn = turn();
    let shell = Program::start("sh", &["-c", "read -r line"]);
    let selector = Selector::Pid(shell.pid());
    let found = selector::resolve(&selector).unwrap();
    drop(shell);
    let taken = Recorder::attach_to(selector, found, HZ).detach();
    assert_eq!(taken.recording.tally.cpu_samples, 0);
    assert!(taken.figures.functions.is_empty() && !taken.figures.mode.is_empty());
}

#[test]
fn a_target_that_ends_while_it_is_recorded_is_named_all_the_same() {
    let _turn = turn();
    let test = "a target that ends";
    let Ok(burner) = targets::build("burner", FLAGS) else { return };
    if is_possible(test) {
        ends_meanwhile(&burner, Way::System);
    }
}

#[test]
fn a_target_of_an_ordinary_user_that_ends_is_named_all_the_same() {
    let _turn = turn();
    let name = "follow::a_target_of_an_ordinary_user_that_ends_is_named_all_the_same";
    ordinary::with_burner(name, FLAGS, |burner| ends_meanwhile(burner, Way::Ordinary));
}

fn ends_meanwhile(burner: &std::path::Path, way: Way) {
    let burner = Program::burner(burner, &["shares"]);
    let recorder = Recorder::attach(Selector::Pid(burner.pid()), way, HZ);
    burner.burn(Duration::from_millis(500));
    let used = burner.end();
    let taken = recorder.detach();
    assert!(used > Duration::from_millis(500));
    let counts = taken.innermost();
    let burning: u64 = SHARES.iter().filter_map(|(name, _)| counts.get(*name)).sum();
    assert!(burning > 150, "{burning}: {counts:?}");
    assert!(taken.figures.functions.iter().any(|f| f.function == "burn_until_over"));
}

#[test]
fn a_target_that_sleeps_is_said_to_have_had_nothing_to_do() {
    let _turn = turn();
    if !is_possible("a sleeping target") {
        return;
    }
    let sleeper = Program::start("sleep", &["1000"]);
    let stat = format!("/proc/{}/stat", sleeper.pid());
    wait_until("to fall asleep", || std::fs::read_to_string(&stat).unwrap().contains("(sleep) S"));
    let recorder = Recorder::attach(Selector::Pid(sleeper.pid()), Way::System, HZ);
    wait_until("readings", || recorder.readings() > 2);
    let figures = recorder.detach().figures;
    assert_eq!(figures.samples, 0);
    let why = figures.notes.iter().any(|note| note.ends_with("it had nothing to do"));
    assert!(why, "{:?}", figures.notes);
}
