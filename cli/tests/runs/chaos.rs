//! Faults for real: a target that stands still and recovers, and nothing that stays behind,
//! whoever is killed when.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_uringbench");
/// Longer than anything here takes on a busy machine.
const WITHIN: Duration = Duration::from_secs(60);

/// A target that is killed when this is dropped.
struct Served {
    child: Child,
    url: String,
}

impl Served {
    fn start() -> Self {
        let mut child = Command::new(BINARY)
            .arg("target")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the target starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("it says where it listens");
        let url = line.trim().rsplit(' ').next().expect("an address").to_owned();
        Self { child, url }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn state(&self) -> char {
        state(self.pid())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _status = self.child.wait();
    }
}

fn state(pid: u32) -> char {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()).unwrap_or('-')
}

fn soft_limit(pid: u32) -> String {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    line.and_then(|line| line.split_whitespace().nth(3)).unwrap_or_default().to_owned()
}

fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let asked = Instant::now();
    while !is_there() {
        assert!(asked.elapsed() < WITHIN, "{what} never came");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn chaos(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.arg("chaos").args(words).current_dir(folder).env("XDG_RUNTIME_DIR", folder);
    command
}

/// The words of a short run with a fault at 5 s.
fn load<'a>(fault: &'a str, url: &'a str, seconds: &'a str) -> Vec<&'a str> {
    let mut words = vec!["-q", "--json", "-R", "1k", "-c", "16", "-d", seconds, "--warmup", "0"];
    words.extend(["--good", "40ms", "--recovery", "4s", "-o", "out", "--fault", fault, url]);
    words
}

fn journals(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder.join("uringbench-chaos")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// The watchdog of a run: the process that has its journal as an argument.
fn watchdog(journal: &Path) -> Option<u32> {
    let name = journal.to_str().expect("it is UTF-8");
    let entries = fs::read_dir("/proc").expect("there is procfs").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.into_iter().find(|pid| {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).into_owned();
        words.contains("watchdog") && words.contains(name)
    })
}

fn kill(pid: u32) {
    let pid = Pid::from_raw(pid.cast_signed()).expect("a PID");
    kill_process(pid, Signal::KILL).expect("it is there");
}

#[test]
fn a_paused_target_is_felt_and_recovers() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = Served::start();
    let fault = format!("pause {} at 5s for 1s", target.pid());
    let output = chaos(folder.path(), &load(&fault, &target.url, "11s")).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stderr);
    let document: Value = serde_json::from_slice(&output.stdout).expect(&text);
    let fault = &document["chaos"]["faults"][0];
    let seconds = |key: &str| fault[key].as_f64().unwrap_or_else(|| panic!("{key} of {fault}"));
    let (inject, effective, clear) =
        (seconds("t_inject_s"), seconds("t_effective_s"), seconds("t_clear_s"));
    assert!(inject >= 5.0 && effective >= inject && clear >= inject + 1.0, "{fault}");
    // A second without answers is 1,000 bad requests; on a busy machine there may be more.
    assert!(seconds("impact_s") <= 0.2, "{fault}");
    assert!(seconds("bad") >= 800.0 && seconds("lost_requests") >= 700.0, "{fault}");
    assert!(seconds("backlog_max") >= 700.0, "{fault}");
    assert!(seconds("first_success_s") < 1.0, "{fault}");
    assert_eq!(fault["undone"], true, "{fault}");
    assert_eq!(document["chaos"]["version"], 1);
    let rows = document["chaos"]["rows"].as_array().expect("rows");
    let due: u64 = rows.iter().filter_map(|row| row["due"].as_u64()).sum();
    assert_eq!(due, document["counts"]["released"].as_u64().expect("a count"), "the law");
    assert_ne!(target.state(), 'T', "it is stopped");
    assert!(journals(folder.path()).is_empty());
}

/// The name of a fault, the words of its run, and whether it is there.
type Case<'a> = (&'a str, Vec<&'a str>, Box<dyn Fn() -> bool + 'a>);

#[test]
fn what_a_killed_run_did_is_undone_by_its_watchdog() {
    let target = Served::start();
    let limit = soft_limit(target.pid());
    let pid = target.pid();
    let flag = tempfile::tempdir().expect("a folder");
    let file = flag.path().join("fault");
    // Relative: the commands run in the folder of their file, whoever runs them.
    let shown = "fault";
    let scenario = format!(
        "target = \"{}\"\nload = {{ rate = 100, duration = \"60s\" }}\n\
         [[flow]]\nname = \"a\"\nstep = [{{ path = \"/\" }}]\n\
         [[fault]]\nat = \"5s\"\nfor = \"30s\"\ninject = {{ exec = {{ start = \"touch {shown}\", \
         verify = \"test -e {shown}\", stop = \"rm -f {shown}\" }} }}\n",
        target.url.trim_end_matches('/'),
    );
    fs::write(flag.path().join("exec.toml"), scenario).expect("written");
    let exec = flag.path().join("exec.toml").display().to_string();
    let (pause, fds) = (format!("pause {pid} at 5s for 30s"), format!("fds {pid} at 5s for 30s"));
    let by_fault = |fault| load(fault, &target.url, "60s");
    let cases: [Case<'_>; 3] = [
        ("pause", by_fault(&pause), Box::new(|| target.state() == 'T')),
        ("fds", by_fault(&fds), Box::new(|| soft_limit(pid) != limit)),
        ("exec", vec!["-q", "--warmup", "0", "-o", "out", &exec], Box::new(|| file.exists())),
    ];
    // All three at once: they are runs of their own, with journals of their own.
    let folders: Vec<_> = cases.iter().map(|_| tempfile::tempdir().expect("a folder")).collect();
    let mut runs: Vec<_> = cases
        .iter()
        .zip(&folders)
        .filter(|((name, ..), _)| *name != "pause")
        .map(|((_, words, _), folder)| chaos(folder.path(), words).spawn().expect("it runs"))
        .collect();
    for (name, _, is_there) in &cases[1..] {
        wait_for(name, is_there);
    }
    runs.push(chaos(folders[0].path(), &cases[0].1).spawn().expect("it runs"));
    wait_for("pause", &cases[0].2);
    for run in &mut runs {
        run.kill().expect("it runs");
        run.wait().expect("it ended");
    }
    for (name, _, is_there) in &cases {
        wait_for(&format!("the end of {name}"), || !is_there());
    }
    wait_for("the end of journals", || folders.iter().all(|it| journals(it.path()).is_empty()));
    assert_eq!(soft_limit(pid), limit);
}

#[test]
fn undo_cleans_when_the_watchdog_is_killed_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = Served::start();
    let fault = format!("pause {} at 5s for 30s", target.pid());
    let mut run = chaos(folder.path(), &load(&fault, &target.url, "60s")).spawn().expect("it runs");
    wait_for("the pause", || target.state() == 'T');
    let journal = journals(folder.path()).pop().expect("a journal");
    kill(watchdog(&journal).expect("a watchdog"));
    run.kill().expect("it runs");
    run.wait().expect("it ended");
    assert_eq!(target.state(), 'T');
    let output = chaos(folder.path(), &["undo"]).output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), format!("undone: {fault}"));
    assert!(output.status.success() && target.state() != 'T');
    let output = chaos(folder.path(), &["undo"]).output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "nothing to undo");
}

#[test]
fn ctrl_c_undoes_before_it_drains() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = Served::start();
    let fault = format!("pause {} at 5s for 30s", target.pid());
    let mut run = chaos(folder.path(), &load(&fault, &target.url, "60s"))
        .stdout(Stdio::null())
        .spawn()
        .expect("it runs");
    wait_for("the pause", || target.state() == 'T');
    let pid = Pid::from_child(&run);
    kill_process(pid, Signal::INT).expect("it runs");
    wait_for("the end of the pause", || target.state() != 'T');
    run.wait().expect("it ends");
    assert!(journals(folder.path()).is_empty());
}

#[test]
fn faults_that_would_hit_the_wrong_ones_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = Served::start();
    let pid = target.pid();
    let ours = std::process::id();
    let refused = |words: &[&str], part: &str, code: i32| {
        let output = chaos(folder.path(), words).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(part), "{words:?}: {text}");
        assert_eq!(output.status.code(), Some(code), "{words:?}: {text}");
    };
    let cases = [
        ("pause 1 at 5s for 1s".to_owned(), "init", 1),
        (format!("pause {ours} at 5s for 1s"), "has started uringbench", 1),
        ("disk_full / at 5s for 1s".to_owned(), "root file system", 1),
        ("pause no-such-name at 5s for 1s".to_owned(), "no process is called", 1),
        (format!("kill {pid} at 5s"), "nobody starts process", 2),
        (format!("pause {pid} at 2s for 1s"), "before the first fault", 2),
        (format!("pause {pid} at 50s for 1s"), "measure for", 2),
    ];
    for (fault, part, code) in cases {
        refused(&load(&fault, &target.url, "11s"), part, code);
    }
    let fault = format!("pause {pid} at 5s for 1s");
    refused(&["--fault", &fault, &target.url], "needs a rate", 2);
    refused(&["-R", "1k", &target.url], "there is no fault", 2);
    assert_ne!(target.state(), 'T', "it is stopped");
}
