//! `uringbench suite` against servers that behave and servers that do not: what can be measured is,
//! the rest is named, and nothing is left, however it ends.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::nginx::free_port;
use crate::support::turn::Turn;

const UNDER_TEST: &str = env!("CARGO_BIN_EXE_uringbench");
const PATIENCE: Duration = Duration::from_secs(60);

/// A server with a manner: `sys.argv[1]`.
const SERVER: &str = r#"
import http.server, os, signal, subprocess, sys, threading, time
manner, port = sys.argv[1], int(os.environ["PORT"])
if manner == "crashes":
    sys.exit("no configuration")
if manner == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if manner == "leaves":
    subprocess.Popen(["sleep", "1000"], start_new_session=True)
answered, pinged = 0, False
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        global answered, pinged
        answered += 1
        pinged |= self.path == "/ping"
        if manner == "dies" and answered > 10:
            print("out of luck", flush=True)
            os._exit(3)
        status = 503 if manner == "sick" and self.path == "/health" else 200
        is_wrong = manner == "lies" or manner == "spoilt" and pinged and self.path == "/other"
        body = b"pang" if is_wrong else b"pong"
        if self.path == "/stats":
            body = b'{"answered": %d}' % answered
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"#;

const SCENARIO: &str = r#"target = "http://127.0.0.1:1"
[load]
connections = 2
[[flow]]
name = "ping"
[[flow.step]]
path = "/ping"
check = { equals = "pong" }
[[flow]]
name = "other"
[[flow.step]]
path = "/other"
check = { equals = "pong" }
"#;

/// A folder with a suite of servers with these manners.
struct Fake {
    folder: TempDir,
    ports: Vec<u16>,
}

impl Fake {
    fn new(manners: &[&str], run: &str, rest: &str) -> Self {
        let folder = tempfile::tempdir().expect("room for a folder");
        let ports: Vec<u16> = manners.iter().map(|_| free_port("127.0.0.1:0").port()).collect();
        let mut suite = format!(
            "name = \"fake\"\n[run]\nwarmup = 0\nduration = \"200ms\"\nconnections = [2]\n\
             {run}\n{rest}\n"
        );
        for (manner, port) in manners.iter().zip(&ports) {
            suite.push_str(&format!(
                "[[target]]\nname = \"{manner}\"\nport = {port}\nhealth = \"/health\"\n\
                 stats = \"/stats\"\nready_within = \"5s\"\n\
                 command = \"exec python3 server.py {manner}\"\n"
            ));
        }
        suite.push_str("[[scenario]]\nfile = \"ping.toml\"\nflows = \"each\"\n");
        for (name, text) in
            [("suite.toml", &*suite), ("server.py", SERVER), ("ping.toml", SCENARIO)]
        {
            fs::write(folder.path().join(name), text).expect("the folder is ours");
        }
        Self { folder, ports }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(UNDER_TEST);
        // What is written to the temporary folder is seen here.
        command
            .arg("suite")
            .args(words)
            .arg("suite.toml")
            .current_dir(self.folder.path())
            .env("TMPDIR", self.scratch())
            .env("URINGBENCH_TEST_SUITE", self.folder.path())
            .stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("it starts")
    }

    fn scratch(&self) -> std::path::PathBuf {
        let folder = self.folder.path().join("tmp");
        fs::create_dir_all(&folder).expect("the folder is ours");
        folder
    }

    /// The processes that were started by a suite of this folder, and still run.
    fn left(&self) -> Vec<String> {
        let mark = format!("URINGBENCH_TEST_SUITE={}\0", self.folder.path().display());
        let processes = fs::read_dir("/proc").expect("proc is mounted").flatten();
        let has_mark = |path: &Path| {
            let all = fs::read(path.join("environ")).unwrap_or_default();
            String::from_utf8_lossy(&all).contains(&mark)
        };
        let line = |path: &Path| {
            let words = fs::read(path.join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&words).replace('\0', " ")
        };
        processes.map(|it| it.path()).filter(|it| has_mark(it)).map(|it| line(&it)).collect()
    }

    #[track_caller]
    fn expect_nothing_left(&self) {
        let began = Instant::now();
        while !self.left().is_empty() {
            assert!(began.elapsed() < PATIENCE, "left: {:?}", self.left());
            thread::sleep(Duration::from_millis(20));
        }
        for port in &self.ports {
            assert!(TcpStream::connect(("127.0.0.1", *port)).is_err(), "{port} is open");
        }
    }

    #[track_caller]
    fn expect_no_scratch(&self) {
        let left: Vec<_> = fs::read_dir(self.scratch()).expect("ours").flatten().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it).into_owned()).concat()
}

fn document(text: &[u8]) -> Value {
    serde_json::from_slice(text).expect("one JSON document")
}

/// The state and the reason of a cell.
fn cell<'a>(suite: &'a Value, target: &str, case: &str) -> (&'a str, &'a str) {
    let cells = suite["cells"].as_array().expect("a list");
    let cell = cells.iter().find(|it| it["target"] == target && it["case"] == case);
    let cell = cell.unwrap_or_else(|| panic!("no {target} {case} in {suite}"));
    (cell["state"].as_str().expect("a word"), cell["reason"].as_str().unwrap_or_default())
}

#[test]
fn servers_that_fail_are_named_and_the_others_are_measured() {
    let _turn = Turn::together();
    let manners = ["good", "crashes", "sick", "lies", "dies", "stubborn", "leaves", "spoilt"];
    let fake = Fake::new(&manners, "runs = 1\nrestart = \"round\"", "");
    let output = fake.run(&["--json", "-q", "-o", "out", "--store", "kept"]);
    assert_eq!(output.status.code(), Some(12), "{}", said(&output));
    let suite = document(&output.stdout);
    // The last one answers a second scenario wrongly unless it is started again for it.
    for target in ["good", "stubborn", "leaves", "spoilt"] {
        assert_eq!(cell(&suite, target, "ping/ping").0, "measured", "{}", said(&output));
        assert_eq!(cell(&suite, target, "ping/other").0, "measured");
    }
    let expected = [
        ("crashes", "ended before it answered", "no configuration"),
        ("sick", "is not ready at 127.0.0.1:", "within 5s"),
        ("lies", "wrong answer: ping/GET /ping: body is not `pong`", ""),
        ("dies", "the target ended during the run", "out of luck"),
    ];
    for (target, why, words) in expected {
        let (state, reason) = cell(&suite, target, "ping/ping");
        assert_eq!(state, "failed", "{target}");
        assert!(reason.contains(why) && reason.contains(words), "{target}: {reason}");
    }
    fake.expect_nothing_left();
    fake.expect_no_scratch();
    // Neither checks nor the run of a target that ended are in the history.
    let list = Command::new(UNDER_TEST)
        .args(["history", "list", "--json", "--store", "kept"])
        .current_dir(fake.folder.path())
        .output()
        .expect("it starts");
    let list = document(&list.stdout);
    let runs = list["runs"].as_array().expect("a list").iter();
    let mut names: Vec<_> = runs.filter_map(|run| run["benchmark_name"].as_str()).collect();
    names.sort_unstable();
    let kept = ["good", "leaves", "spoilt", "stubborn"];
    let each = kept.map(|name| [format!("{name}/ping/other"), format!("{name}/ping/ping")]);
    assert_eq!(names, each.concat());
    let out = fake.folder.path().join("out");
    let report = fs::read_to_string(out.join("final_report.md")).expect("a report");
    assert!(report.contains("| good |") && report.contains("no configuration"), "{report}");
    assert!(fs::read_to_string(out.join("charts/ping.svg")).expect("a chart").contains("<svg"));
    assert!(out.join("raw/good/ping_ping/run-01/run.json").exists());
    assert!(!out.join("raw/lies/ping_ping/run-01").exists());
    // A failed check is kept, to look at.
    assert!(out.join("raw/lies/ping_ping/check/run.json").exists());
}

#[test]
fn the_files_for_other_programs_have_their_columns_and_keys() {
    let _turn = Turn::together();
    let fake = Fake::new(&["good"], "runs = 2", "");
    let output = fake.run(&["--json", "-q", "-o", "out", "--only", "ping/ping", "-d", "1500ms"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let out = fake.folder.path().join("out");
    let metrics = document(&fs::read(out.join("metrics.json")).expect("it is stored"));
    let one = &metrics[0];
    let keys = |value: &Value| {
        let mut keys: Vec<_> = value.as_object().expect("an object").keys().cloned().collect();
        keys.sort();
        keys.join(" ")
    };
    assert_eq!(keys(one), "category framework metrics scenario");
    assert_eq!(
        keys(&one["metrics"]),
        "avg_latency_ms connection_failures cpu_percent error_rate memory_mb p50_latency_ms \
         p95_latency_ms p99_latency_ms rps"
    );
    assert!(one["metrics"]["rps"].as_f64() > Some(0.0) && one["framework"] == "good", "{one}");
    let script = "import csv, sys\nrows = list(csv.DictReader(open('results.csv', newline='')))\n\
                  assert [row['run'] for row in rows] == ['1', '2'], rows\n\
                  assert all(float(row['rate_per_s']) > 0 for row in rows), rows\n\
                  resources = list(csv.DictReader(open('resources/good.csv', newline='')))\n\
                  assert resources and float(resources[0]['cpu_cores']) > 0, resources\n";
    let python = Command::new("python3").args(["-c", script]).current_dir(&out).output();
    let python = python.expect("Python starts");
    assert!(python.status.success(), "{}", said(&python));
    let stats = fs::read_to_string(out.join("resources/good.stats.jsonl")).expect("figures");
    let first = document(stats.lines().next().expect("a line").as_bytes());
    assert!(first["stats"]["answered"].as_u64() > Some(0), "{first}");
}

#[test]
fn a_suite_that_is_killed_leaves_nothing_and_goes_on_where_it_stopped() {
    let _turn = Turn::together();
    let fake = Fake::new(&["good", "leaves"], "runs = 3\nrestart = \"round\"", "");
    let mut child = fake
        .command(&["-q", "-o", "out"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let raw = fake.folder.path().join("out/raw");
    let done = || {
        let mut runs = Vec::new();
        for target in ["good", "leaves"] {
            for case in ["ping_ping", "ping_other"] {
                for run in 1..=3 {
                    let file = raw.join(format!("{target}/{case}/run-{run:02}/run.json"));
                    runs.extend(
                        fs::metadata(&file).and_then(|it| it.modified()).map(|it| (file, it)),
                    );
                }
            }
        }
        runs
    };
    let began = Instant::now();
    while done().len() < 3 {
        assert!(began.elapsed() < PATIENCE, "no third run");
        thread::sleep(Duration::from_millis(10));
    }
    child.kill().expect("it runs");
    child.wait().expect("it is ours");
    let before = done();
    let output = fake.run(&["--json", "-q", "--resume=out"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(done().len(), 12);
    assert!(before.iter().all(|run| done().contains(run)), "a run was made again");
    assert_eq!(document(&output.stdout)["is_complete"], true);
    fake.expect_nothing_left();
    fake.expect_no_scratch();
    let other = fake.run(&["--resume=out", "--runs", "4"]);
    assert_eq!(other.status.code(), Some(2), "{}", said(&other));
    assert!(said(&other).contains("has another plan"), "{}", said(&other));
}

#[test]
fn a_suite_that_is_interrupted_reports_what_it_has() {
    let _turn = Turn::together();
    let fake = Fake::new(&["good"], "runs = 500\nrestart = \"round\"", "");
    let child = fake
        .command(&["--json", "-q", "-o", "out"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let first = fake.folder.path().join("out/raw/good/ping_other/run-01/run.json");
    let began = Instant::now();
    while !first.exists() {
        assert!(began.elapsed() < PATIENCE, "no run");
        thread::sleep(Duration::from_millis(10));
    }
    kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
    let output = child.wait_with_output().expect("it is ours");
    assert_eq!(output.status.code(), Some(12), "{}", said(&output));
    assert!(said(&output).contains("go on with --resume=out"), "{}", said(&output));
    let suite = document(&output.stdout);
    assert_eq!(cell(&suite, "good", "ping/ping").0, "unfinished");
    assert_eq!(suite["is_complete"], false);
    fake.expect_nothing_left();
    fake.expect_no_scratch();
}

#[test]
fn without_a_database_only_the_cells_that_need_it_are_missing() {
    let _turn = Turn::together();
    let rest = "[database]\nkind = \"postgres\"\n[[scenario]]\nfile = \"ping.toml\"\n\
                name = \"stored\"\nneeds = [\"database\"]\n";
    let fake = Fake::new(&["good"], "runs = 1", rest);
    let port = free_port("127.0.0.1:0").port();
    let url = format!("postgres://nobody@127.0.0.1:{port}");
    let output = fake.run(&["--json", "-q", "-o", "out", "--database", &url]);
    assert_eq!(output.status.code(), Some(12), "{}", said(&output));
    let suite = document(&output.stdout);
    let (state, reason) = cell(&suite, "good", "stored");
    assert!(state == "failed" && reason.contains("database"), "{state}: {reason}");
    assert_eq!(cell(&suite, "good", "ping/ping").0, "measured");
}

#[test]
fn limits_are_set_where_the_kernel_has_control_groups() {
    let _turn = Turn::together();
    let fake = Fake::new(&["good"], "runs = 1", "[limits]\ncpus = 0.5\nmemory = \"256M\"");
    let output = fake.run(&["--json", "-q", "-o", "out", "--only", "ping/ping", "-d", "1500ms"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let suite = document(&output.stdout);
    if let Some(why) = suite["notes"][0].as_str() {
        // Then it is said, on both.
        assert!(said(&output).contains("cannot limit") || said(&output).contains("no control"));
        eprintln!("SKIP: {why}");
        return;
    }
    let run = fs::read(fake.folder.path().join("out/raw/good/ping_ping/run-01/run.json"));
    let run = document(&run.expect("it is stored"));
    assert_eq!(run["target_usage"]["cpus_allowed"].as_f64(), Some(0.5), "{}", run["target_usage"]);
    let resources = fs::read_to_string(fake.folder.path().join("out/resources/good.csv"));
    let resources = resources.expect("figures");
    let memory =
        resources.lines().nth(1).and_then(|line| line.split(',').nth(5)?.parse::<u64>().ok());
    assert!(memory.is_some_and(|bytes| (1 << 20..=256 << 20).contains(&bytes)), "{resources}");
}

#[test]
fn check_lists_the_cells_and_every_mistake() {
    let fake = Fake::new(&["good"], "runs = 2", "");
    let output = fake.run(&["check"]);
    let page = said(&output);
    assert_eq!(output.status.code(), Some(0), "{page}");
    assert!(page.contains("1 target x 2 cases = 2 cells, 2 runs each of 200 ms"), "{page}");
    assert!(page.contains("ping/other  ping.toml  -c 2"), "{page}");
    let suite = fake.folder.path().join("suite.toml");
    let text = fs::read_to_string(&suite).expect("ours").replace("port", "prt");
    fs::write(&suite, text).expect("ours");
    let output = fake.run(&["check"]);
    let page = said(&output);
    assert_eq!(output.status.code(), Some(2), "{page}");
    assert!(page.contains("suite.toml:") && page.contains("did you mean `port`?"), "{page}");
}
