//! `uringbench compare`, `baseline` and `gate` on stored runs: verdicts, exit codes, forms,
//! refusals.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

const FIRST: &str = include_str!("../../document/tests/run-v1-first.json");

/// Stores runs below a folder, whose rates and times differ from those of the fixture by a factor
/// and a little noise.
fn store(root: &Path, group: &str, factor: f64, change: impl Fn(&mut Value)) {
    for (at, noise) in [1.0, 1.01, 0.99, 1.004, 0.997, 1.002].into_iter().enumerate() {
        let mut run: Value = serde_json::from_str(FIRST).expect("the fixture is JSON");
        run["verdict"] = json!({"validity": "valid", "reasons": [], "notes": []});
        run["rate"]["completed"] = json!(50_000.0 / factor / noise);
        run["latency_ns"]["response"]["p50"] = json!((1e6 * factor * noise) as u64);
        run["latency_ns"]["response"]["p99"] = json!((3e6 * factor * noise) as u64);
        run["started"] = json!(format!("2026-03-01T00:00:0{at}Z"));
        change(&mut run);
        let folder = root.join(group).join(at.to_string());
        fs::create_dir_all(&folder).expect("the folder is ours");
        fs::write(folder.join("run.json"), run.to_string()).expect("the folder is ours");
    }
}

fn uringbench(folder: &Path, words: &str) -> (Output, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_uringbench"))
        .args(words.split(' '))
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("the binary under test starts");
    let said = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it).into_owned());
    (output, said.concat())
}

#[track_caller]
fn expect(folder: &Path, words: &str, code: i32, parts: &[&str]) {
    let (output, said) = uringbench(folder, words);
    assert_eq!(output.status.code(), Some(code), "{words}\n{said}");
    for part in parts {
        assert!(said.contains(part), "{words}: {part:?}\n{said}");
    }
}

fn stored() -> TempDir {
    let folder = tempfile::tempdir().expect("the machine has room for a folder");
    let root = folder.path();
    store(root, "old", 1.0, |_| {});
    store(root, "same", 1.003, |_| {});
    store(root, "slower", 1.07, |_| {});
    store(root, "slow", 1.3, |_| {});
    store(root, "other", 1.0, |run| run["plan"]["connections"] = json!(65));
    store(root, "invalid", 1.0, |run| {
        run["verdict"] = json!({"validity": "invalid", "reasons": [{
            "code": "generator_limited", "message": "too slow", "severity": "invalid"
        }]});
    });
    folder
}

#[test]
fn the_exit_code_is_the_verdict() {
    let stored = stored();
    let root = stored.path();
    expect(
        root,
        "compare old same",
        0,
        &["PASS      same does as well as old", "before    old (6 "],
    );
    expect(root, "compare old slower", 0, &["WARN      slower is worse than old"]);
    expect(
        root,
        "compare old slow",
        10,
        &["FAIL      slow is worse than old", "severe, over 15 %"],
    );
    expect(root, "compare old/0,old/1,old/2 slow", 12, &["3 and 6 runs decide nothing"]);
    expect(root, "compare old invalid", 13, &["no run of invalid measures the target: generator"]);
    expect(root, "compare old same slow", 10, &["PASS", "FAIL"]);
    expect(root, "compare old slow --warn 40% --fail 50% --severe 60%", 0, &["PASS"]);
    expect(root, "compare old/* sam*/[0]", 1, &["there is no run `sam*/[0]`"]);
    expect(root, "compare old s?me/*", 0, &["PASS"]);
}

#[test]
fn runs_of_other_plans_are_refused_and_every_difference_is_named() {
    let stored = stored();
    let part = "old and other were not measured alike: plan.connections 64 -> 65; repeat one";
    expect(stored.path(), "compare old other", 1, &[part]);
    let part = "not measured alike: plan.connections 64 -> 65";
    expect(stored.path(), "compare old other --force", 0, &["PASS", part]);
}

#[test]
fn mistakes_of_usage_are_named() {
    let stored = stored();
    let root = stored.path();
    expect(root, "compare old", 2, &["2 values required"]);
    expect(root, "compare old slow --warn 20%", 2, &["--warn must not be above --fail"]);
    expect(root, "compare old slow --metric latency", 2, &["no figure `latency`: use rate, "]);
    expect(root, "compare old nothing", 1, &["there is no run `nothing`"]);
    expect(root, "gate same --baseline main", 1, &["there is no baseline", "baseline set NAME"]);
}

#[test]
fn json_and_markdown_have_the_same_verdict() {
    let stored = stored();
    let (_, text) = uringbench(stored.path(), "compare old slow --json");
    let document: Value = serde_json::from_str(&text).expect("one JSON document");
    assert_eq!(document["schema"], "uringbench.comparison/1");
    assert_eq!(document["verdict"], "fail");
    let rate = &document["comparisons"][0]["figures"][0];
    assert_eq!((&rate["metric"], &rate["state"]), (&json!("rate"), &json!("fail")));
    assert_eq!(rate["values_after"].as_array().map(Vec::len), Some(6));
    expect(stored.path(), "compare old slow --markdown", 10, &["**FAIL**: slow is", "| rate |"]);
    let only = "compare old slow --json --metric response_p95";
    let (output, _) = uringbench(stored.path(), only);
    assert_eq!(output.status.code(), Some(0), "p95 is equal in all");
}

#[test]
fn a_baseline_is_set_shown_listed_and_gates() {
    let stored = stored();
    let root = stored.path();
    expect(root, "baseline list", 0, &[]);
    let parts = ["main: 6 runs", "from 47,", "stored    benchmarks/baselines/main.json"];
    expect(root, "baseline set main old", 0, &parts);
    expect(root, "baseline list", 0, &["main\n"]);
    expect(root, "baseline show main", 0, &["response_p99"]);
    expect(root, "baseline show benchmarks/baselines/main.json --json", 0, &["\"deviation\""]);
    expect(root, "gate --baseline main same", 0, &["PASS      same does as well as main"]);
    expect(root, "gate --baseline main slow", 10, &["FAIL      slow is worse than main"]);
    expect(root, "gate --baseline main slow/0 slow/1", 12, &["INCONCLUSIVE"]);
    expect(root, "gate --baseline main invalid", 13, &["INVALID"]);
    expect(root, "gate --baseline main other", 1, &["not measured alike"]);
    expect(root, "baseline set few old/0", 1, &["at least 4 runs"]);
    let file = root.join("benchmarks/baselines/main.json");
    let bytes = fs::metadata(file).expect("it is there").len();
    assert!(bytes < 12_000, "{bytes} bytes are no small file");
}
