//! `uringbench ab` and `noise`: servers started in turn, measured, compared and ended.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::nginx::free_port;
use crate::support::turn::Turn;

const UNDER_TEST: &str = env!("CARGO_BIN_EXE_uringbench");
/// Far below the limit of either side, and long enough for CPU time to be measured.
const LOAD: &str = "-R 1000 -d 500ms --warmup 100ms -c 8";

/// The application with additional CPU time per request.
fn app(address: SocketAddr, burn: &str) -> String {
    format!("{UNDER_TEST} target --app --listen {address} --burn {burn}")
}

fn uringbench(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(UNDER_TEST);
    command.args(words).current_dir(folder).stdin(Stdio::null());
    command
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    serde_json::from_str(&text).expect("one JSON document")
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it).into_owned()).concat()
}

fn is_listening(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_ok()
}

/// Whether the slower side failed. Where other programs take the CPUs, runs are INVALID and decide
/// nothing; then that must be said.
fn has_failed(output: &Output) -> bool {
    let is_undecided = matches!(output.status.code(), Some(12 | 13));
    assert!(!is_undecided || said(output).contains("no evidence"), "{}", said(output));
    assert!(is_undecided || output.status.code() == Some(10), "{}", said(output));
    !is_undecided
}

#[test]
fn a_slower_side_fails_by_its_cpu_time_and_the_function_is_named() {
    let _turn = Turn::alone();
    let folder = tempfile::tempdir().expect("the machine has room for a folder");
    let address = free_port("127.0.0.1:0");
    let (a, b) = (app(address, "1us"), app(address, "400us"));
    let url = format!("http://{address}/json");
    let load: Vec<&str> = LOAD.split(' ').collect();
    let words = [
        &["ab", "--a", &a, "--b", &b, &url, "--runs", "10", "-o", "out"][..],
        &["--metric", "target_cpu_per_request"],
        &load,
    ];
    let output = uringbench(folder.path(), &words.concat()).output().expect("it starts");
    let page = said(&output);
    assert!(page.contains("note      A is `") && page.contains("stored    out"), "{page}");
    assert!(!is_listening(address), "a server is left");
    for run in ["a/01", "b/01", "a/10"] {
        let run = folder.path().join("out").join(run).join("run.json");
        // The tenth pair is measured only if the others do not decide.
        if let Some(run) = run.exists().then(|| read(&run)) {
            assert!(run["target_usage"]["cpu_us_per_request"].as_f64() > Some(0.0), "{run}");
        }
    }
    if !has_failed(&output) {
        return;
    }
    assert!(page.contains("FAIL      B is worse than A: target CPU/request is "), "{page}");
    let document = read(&folder.path().join("out/comparison.json"));
    let comparison = &document["comparisons"][0];
    assert_eq!(
        (&comparison["evidence"], &comparison["verdict"]),
        (&"pairs".into(), &"fail".into())
    );
    // Short runs that another program disturbs have too few samples to name one.
    let is_whole = |side: &str| {
        let run = read(&folder.path().join("out/profiled").join(side).join("run.json"));
        run["target"]["samples"].as_u64() > Some(0) && run["validity"] == "valid"
    };
    if is_whole("a") && is_whole("b") {
        let changed = comparison["functions"]["changed"].to_string();
        assert!(changed.contains("burn"), "{changed}");
    }
}

#[test]
fn a_revision_is_built_measured_and_removed() {
    let _turn = Turn::alone();
    let folder = tempfile::tempdir().expect("the machine has room for a folder");
    let root = folder.path();
    let git = |words: &str| {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"];
        let mut git = Command::new("git");
        git.args(identity).args(words.split(' ')).current_dir(root);
        let output = git.output().expect("git starts");
        assert!(output.status.success(), "{words}: {}", said(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    git("init -q");
    fs::write(root.join("burn"), "1us").expect("the folder is ours");
    git("add burn");
    git("commit -qm first");
    fs::write(root.join("burn"), "400us").expect("the folder is ours");
    let address = free_port("127.0.0.1:0");
    let command = app(address, "$(cat built)");
    let url = format!("http://{address}/json");
    let load: Vec<&str> = LOAD.split(' ').collect();
    let words = [
        &["ab", "--base", "HEAD", "--build", "cp burn built", "--b", &command, &url][..],
        &["--runs", "10", "-o", "out", "-q", "--metric", "target_cpu_per_request"],
        &load,
    ];
    let output = uringbench(root, &words.concat()).output().expect("it starts");
    has_failed(&output);
    assert!(said(&output).contains("` at HEAD"), "{}", said(&output));
    assert_eq!(git("worktree list").lines().count(), 1);
    assert_eq!(fs::read_to_string(root.join("built")).expect("it was built"), "400us");
}

/// Starts a comparison and waits until its first server answers.
fn under_way(folder: &Path) -> (Child, SocketAddr) {
    let address = free_port("127.0.0.1:0");
    // A process that is not the server and would stay.
    let server = format!("sleep 1000 & {}", app(address, "1us"));
    let url = format!("http://{address}/json");
    let words = ["ab", "--a", &server, "--b", &server, &url, "-d", "30s", "-q", "-o", "out"];
    let mut running = uringbench(folder, &words);
    let running = running.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let begun = Instant::now();
    while !is_listening(address) && begun.elapsed() < Duration::from_secs(30) {
        std::thread::yield_now();
    }
    (running, address)
}

#[test]
fn a_signal_leaves_no_server_behind() {
    let _turn = Turn::together();
    for signal in [Signal::INT, Signal::KILL] {
        let folder = tempfile::tempdir().expect("the machine has room for a folder");
        let (mut running, address) = under_way(folder.path());
        kill_process(Pid::from_child(&running), signal).expect("it runs");
        let status = running.wait().expect("it is our child");
        // The first pair was not complete, so there is no result.
        assert_eq!(status.code(), (signal == Signal::INT).then_some(1));
        while is_listening(address) || is_any_process(&address.to_string()) {
            std::thread::yield_now();
        }
    }
}

/// Whether the command line of a process contains this.
fn is_any_process(text: &str) -> bool {
    let entries = fs::read_dir("/proc").expect("there is procfs").flatten();
    let mut lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.any(|line| String::from_utf8_lossy(&line).contains(text))
}

#[test]
fn running_servers_are_compared_by_their_urls() {
    let _turn = Turn::together();
    let folder = tempfile::tempdir().expect("the machine has room for a folder");
    let servers = [(); 2].map(|()| crate::support::target::Target::start());
    let [a, b] = servers.each_ref().map(|server| server.url().to_owned());
    let load: Vec<&str> = LOAD.split(' ').collect();
    let words = [
        &["ab", "--a-url", &a, "--b-url", &b, "--runs", "4", "--json", "-q", "-o", "out"][..],
        &load,
    ];
    let output = uringbench(folder.path(), &words.concat()).output().expect("it starts");
    let document: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    let comparison = &document["comparisons"][0];
    assert_eq!(comparison["after"]["runs"].as_array().map(Vec::len), Some(4), "{document}");
    // Four pairs cannot bound a change, and on a busy machine none may count.
    assert!(matches!(output.status.code(), Some(12 | 13)), "{}", said(&output));
}

#[test]
fn the_noise_floor_is_stored_and_used() {
    let _turn = Turn::alone();
    let folder = tempfile::tempdir().expect("the machine has room for a folder");
    let address = free_port("127.0.0.1:0");
    let (server, url) = (app(address, "1us"), format!("http://{address}/json"));
    let load: Vec<&str> = LOAD.split(' ').collect();
    let words = [&["noise", "--start", &server, &url, "--runs", "10", "-o", "runs"][..], &load];
    let output = uringbench(folder.path(), &words.concat()).output().expect("it starts");
    if !output.status.success() {
        // Where other programs take the CPUs, there is no spread of valid runs.
        assert!(said(&output).contains("too few for a spread"), "{}", said(&output));
        return;
    }
    assert!(said(&output).contains("target_cpu_per_request"), "{}", said(&output));
    let words = ["compare", "runs/a", "runs/b", "--json"];
    let output = uringbench(folder.path(), &words).output().expect("it starts");
    let document: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    let figure = &document["comparisons"][0]["figures"][0];
    assert!(figure["noise"].is_number(), "{figure}");
}

#[test]
fn sides_that_cannot_be_meant_are_refused() {
    let folder = tempfile::tempdir().expect("the machine has room for a folder");
    for words in [&["ab", "http://h/"][..], &["ab", "--a", "x", "http://h/"]] {
        let output = uringbench(folder.path(), words).output().expect("it starts");
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains("--a CMD --b CMD"), "{}", said(&output));
    }
    let address = free_port("127.0.0.1:0");
    let url = format!("http://{address}/");
    let server = "echo no port; exit 1";
    let words = ["ab", "--a", server, "--b", server, &url, "-q"];
    let output = uringbench(folder.path(), &words).output().expect("it starts");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("ends with: no port"), "{}", said(&output));
}
