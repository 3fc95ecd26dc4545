//! Beside figures, a suite decides on claims, on answers that are only checked, and on leaks, and
//! shows the course over connections; it also writes files beside its own folder.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::nginx::free_port;
use crate::support::turn::Turn;

const UNDER_TEST: &str = env!("CARGO_BIN_EXE_uringbench");

/// Two settings of one server: `slower` takes 2 ms of CPU time for each request.
const SUITE: &str = r#"
name = "claims"
dated_files = true
[run]
warmup = 0
duration = "400ms"
runs = 2
soak = "3s"
[[target]]
name = "plain"
command = 'exec "$URINGBENCH" target --app --workers 1 --listen 127.0.0.1:$PORT'
port = PORT1
health = "/health"
microbench = { command = "sh benchmarks.sh", criterion = "criterion" }
[[target]]
name = "slower"
command = 'exec "$URINGBENCH" target --app --workers 1 --burn 2ms --listen 127.0.0.1:$PORT'
port = PORT2
health = "/health"
microbench = { command = "echo no compiler; exit 7", criterion = "nothing" }
[[scenario]]
file = "ping.toml"
flows = ["ping"]
connections = [1, 2, 4]
[[scenario]]
file = "ping.toml"
name = "kept"
flows = ["ping"]
connections = [2]
options = ["-R", "100"]
soak = true
[[scenario]]
file = "ping.toml"
name = "refused"
flows = ["ping", "secret"]
check_only = true
[[claim]]
text = "at least 5 times as fast"
target = "plain"
against = ["slower"]
case = "ping/ping@2"
figure = "rate"
at_least = 5
[[claim]]
text = "a million a second"
target = "plain"
case = "ping"
figure = "rate"
at_least = "1M"
[[claim]]
text = "a million a second on two CPUs"
target = "slower"
case = "ping"
figure = "rate"
at_least = "1M"
cpus = 2
[[claim]]
text = "pings are right"
case = "refused/ping"
figure = "checks"
[[claim]]
text = "secrets are kept"
target = "plain"
case = "refused/secret"
figure = "checks"
[[claim]]
text = "no leak"
target = "plain"
case = "kept"
figure = "no_leak"
"#;

const SCENARIO: &str = r#"target = "http://127.0.0.1:1"
[load]
connections = 2
[[flow]]
name = "ping"
[[flow.step]]
path = "/ping"
check = { equals = "pong", excludes = "pang" }
[[flow]]
name = "secret"
[[flow.step]]
path = "/ping"
check = { excludes = "pong" }
[[flow.step]]
name = "again"
path = "/ping"
check = { excludes = "on" }
"#;

/// What Criterion writes.
const BENCHMARKS: &str = "mkdir -p criterion/parse/new && cp estimates.json sample.json \
                          benchmark.json criterion/parse/new/\n";

fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("room for a folder");
    let ports = [(); 2].map(|()| free_port("127.0.0.1:0").port());
    let suite =
        SUITE.replace("PORT1", &ports[0].to_string()).replace("PORT2", &ports[1].to_string());
    for (name, text) in
        [("suite.toml", &*suite), ("ping.toml", SCENARIO), ("benchmarks.sh", BENCHMARKS)]
    {
        fs::write(folder.path().join(name), text).expect("the folder is ours");
    }
    let criterion = Path::new(env!("CARGO_MANIFEST_DIR")).join("store/tests/criterion");
    for name in ["estimates.json", "sample.json", "benchmark.json"] {
        fs::copy(criterion.join(name), folder.path().join(name)).expect("the folder is ours");
    }
    folder
}

fn run(folder: &TempDir, words: &[&str]) -> Output {
    Command::new(UNDER_TEST)
        .args(words)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("it starts")
}

fn document(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap_or_else(|why| {
        panic!("{why}: {}", String::from_utf8_lossy(text));
    })
}

#[test]
fn claims_checks_leaks_and_courses_are_in_the_report_and_in_the_files() {
    let _turn = Turn::together();
    let folder = folder();
    let output = run(&folder, &["suite", "--json", "-q", "-o", "out", "suite.toml"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("slower  benchmarks failed: "), "{said}");
    assert!(said.contains("no compiler"), "{said}");
    let suite = document(&output.stdout);
    expect_claims(&suite);
    expect_cells(&suite);
    let report = fs::read_to_string(folder.path().join("out/final_report.md")).expect("a report");
    for part in ["## Claims", "does not hold", "## Leaks"] {
        assert!(report.contains(part), "{part}\n{report}");
    }
    // On a busy machine too few runs may count for a course.
    let has_scaling = suite["scaling"].as_array().is_some_and(|courses| !courses.is_empty());
    assert_eq!(report.contains("## Scaling over connections"), has_scaling, "{report}");
    expect_files(&folder);
}

fn expect_claims(suite: &Value) {
    let claims = suite["claims"].as_array().expect("a list");
    let of = |text: &str, target: &str| {
        let is_it = |it: &&Value| it["text"] == text && it["target"] == target;
        claims.iter().find(is_it).unwrap_or_else(|| panic!("no {text} in {suite}"))
    };
    let one = of("at least 5 times as fast", "plain");
    // A busy machine may leave no run that counts.
    assert_ne!(one["verdict"], "does_not_hold", "{one}");
    let million = of("a million a second", "plain");
    assert_eq!(million["verdict"], "cannot_be_decided", "{million}");
    let on_two = of("a million a second on two CPUs", "slower");
    assert_ne!(on_two["verdict"], "holds", "{on_two}");
    for target in ["plain", "slower"] {
        assert_eq!(of("pings are right", target)["verdict"], "holds");
    }
    let secrets = of("secrets are kept", "plain");
    assert_eq!(secrets["verdict"], "does_not_hold", "{secrets}");
    let reason = secrets["reason"].as_str().expect("a reason");
    assert!(reason.contains("GET /ping: body holds `pong`; and 1 further step"), "{reason}");
    let leak = of("no leak", "plain");
    assert!(leak["reason"].as_str().expect("a reason").contains(" requests: "), "{leak}");
}

fn expect_cells(suite: &Value) {
    let cells = suite["cells"].as_array().expect("a list");
    let of = |case: &str| {
        let is_it = |it: &&Value| it["case"] == case && it["target"] == "plain";
        cells.iter().find(is_it).unwrap_or_else(|| panic!("no {case} in {suite}"))
    };
    let checked = of("refused/secret");
    assert_eq!((&checked["state"], &checked["is_wrong"]), (&"checked".into(), &true.into()));
    assert!(checked["figures"].is_null(), "{checked}");
    assert_eq!(of("refused/ping")["is_wrong"], false);
    let soak = &of("kept/ping")["soak"];
    let word = soak["verdict"].as_str().expect("a verdict");
    assert!(["leak", "no_leak", "inconclusive"].contains(&word), "{soak}");
    assert!(soak["requests"].as_u64() > Some(50), "{soak}");
    let scaling = suite["scaling"].as_array().expect("a list");
    // Without a run that counts a point is missing, and with two there is no course.
    for course in scaling {
        let points = course["points"].as_array().expect("a list").iter();
        let connections: Vec<_> = points.filter_map(|it| it["connections"].as_u64()).collect();
        assert_eq!((course["case"].as_str(), &*connections), (Some("ping/ping"), &[1, 2, 4][..]));
    }
}

/// The files with the date in their names, and the benchmarks in the history.
fn expect_files(folder: &TempDir) {
    let below = folder.path().join("results/plain");
    let find = |kind: &str| {
        let files = fs::read_dir(&below).expect("a folder").flatten().map(|it| it.path());
        let mut files = files.filter(|it| {
            let name = it.file_name().and_then(|it| it.to_str()).unwrap_or_default();
            let date = name.strip_prefix(kind).and_then(|it| it.strip_suffix(".json"));
            date.is_some_and(|date| date.len() == "_2026-01-01".len())
        });
        let file = files.next().unwrap_or_else(|| panic!("no {kind} in {}", below.display()));
        document(&fs::read(file).expect("it is there"))
    };
    let load = find("load_test");
    assert_eq!(load["implementation"], "plain");
    let cases = load["cases"].as_array().expect("a list");
    let rate = |case: &Value| case["requests_per_second"].as_f64().unwrap_or_default();
    assert_eq!(cases.len(), 6);
    assert!(cases[0]["name"] == "ping/ping@1" && rate(&cases[0]) > 0.0, "{load}");
    let memory = find("memory");
    let is_kept = |it: &&Value| it["name"] == "kept/ping";
    let kept = memory["cases"].as_array().expect("a list").iter().find(is_kept);
    assert!(kept.expect("the case")["soak"]["verdict"].is_string(), "{memory}");
    assert!(memory["peak_bytes"].as_u64() > Some(1 << 20), "{memory}");
    let microbench = find("microbench");
    assert!(microbench["benchmarks"][0]["mean_ns"]["value"].as_f64() > Some(0.0), "{microbench}");
    let other = folder.path().join("results/slower");
    let names: Vec<_> = fs::read_dir(other).expect("a folder").flatten().collect();
    assert_eq!(names.len(), 2, "no benchmarks: {names:?}");
    let list = run(folder, &["history", "list", "--json", "--tag", "suite/claims", "--limit", "0"]);
    let list = document(&list.stdout);
    let tools: Vec<_> = list["runs"].as_array().expect("a list").iter().collect();
    assert!(tools.iter().any(|run| run["target"] == "criterion"), "{list}");
}
