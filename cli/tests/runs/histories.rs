//! The history of stored runs: entered as they end, listed, chosen, exported, deleted, imported,
//! and made again from the folders.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::run::{Finished, Run};
use crate::support::script::Behaviour;
use crate::support::server::Server;

/// A command, where `results` is the folder of results.
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn said(folder: &Path, args: &str) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_uringbench"))
        .args(args.split_whitespace())
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("the binary under test starts");
    Said {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[track_caller]
fn done(folder: &Path, args: &str) -> String {
    let said = said(folder, args);
    assert_eq!(said.code, Some(0), "{args}: {}{}", said.stdout, said.stderr);
    said.stdout
}

#[track_caller]
fn runs(folder: &Path, filter: &str) -> Vec<Value> {
    let text = done(folder, &format!("history list --json --limit 0 {filter}"));
    let list: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(list["schema"], "uringbench.history/1");
    list["runs"].as_array().cloned().expect("a list")
}

/// Short runs into the results of one folder.
struct Bench {
    folder: tempfile::TempDir,
    server: Server,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("room for a folder");
        Self { folder, server: Server::start(&Behaviour::Good) }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self, options: &str) -> Finished {
        let store = self.path().join("results");
        let url = self.server.url();
        let args = format!("-n 100 -c 2 --warmup 0s --store {} {options} {url}", store.display());
        Run::json(&args).finish().expect_code(0)
    }
}

#[test]
fn a_run_is_in_the_history_when_it_has_ended() {
    let bench = Bench::new();
    let finished = bench.run("--name web --tag before --tag x");
    let document: Value = serde_json::from_str(&finished.stdout).expect("JSON");
    assert_eq!(document["tags"], serde_json::json!(["before", "x"]));
    assert_eq!(document["plan"]["fingerprint"].as_str().map(str::len), Some(16));
    bench.run("--name web");
    bench.run("");
    let all = runs(bench.path(), "");
    let names: Vec<_> = all.iter().map(|run| run["benchmark_name"].as_str()).collect();
    assert_eq!(names, [Some("GET /"), Some("web"), Some("web")], "newest first");
    let tagged = runs(bench.path(), "--tag before");
    assert_eq!(tagged.len(), 1);
    let run = &tagged[0];
    assert_eq!(run["results"]["rate_completed"], document["rate"]["completed"]);
    assert_eq!(run["plan_fingerprint"], document["plan"]["fingerprint"]);
    assert_eq!(run["host_fingerprint"], document["host"]["fingerprint"]);
    assert_eq!(all[1]["plan_fingerprint"], run["plan_fingerprint"], "one load, one fingerprint");
    let table = done(bench.path(), "history list --name w*");
    assert_eq!(table.lines().count(), 3, "{table}");
    let page = done(bench.path(), "history show before");
    assert!(page.contains("tags      before x") && page.contains("response_p50_ns"), "{page}");
    let csv = done(bench.path(), "history export --format csv --name web");
    assert_eq!(csv.lines().count(), 3, "{csv}");
    let lines = done(bench.path(), "history export");
    let first: Value = serde_json::from_str(lines.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["benchmark_name"], "GET /");
    // Other commands take the same words.
    let report = done(bench.path(), "report before");
    let folder = run["folder"].as_str().expect("a text");
    assert!(report.contains(&format!("stored    results/{folder}\n")), "{report}");
    done(bench.path(), "run --again before -q -o again");
    assert!(bench.path().join("again/run.json").exists());
    assert_eq!(runs(bench.path(), "").len(), 4);
}

#[test]
fn the_revision_is_that_of_the_working_folder() {
    let server = Server::start(&Behaviour::Good);
    let script = "mkdir -p .git/refs/heads && echo 'ref: refs/heads/topic' > .git/HEAD \
                  && printf '%040d\\n' 7 > .git/refs/heads/topic && exec \"$@\"";
    let args = format!("-n 50 -c 1 --warmup 0s {}", server.url());
    // The target is this test's own process, which works in the repository of the project; its
    // socket is found only in the same network namespace.
    let finished = Run::json(&args).through("", script).finish().expect_code(0);
    let document: Value = serde_json::from_str(&finished.stdout).expect("JSON");
    let commit = document["git"]["commit"].as_str().unwrap_or_default();
    let run = &runs(finished.folder(), "")[0];
    assert_eq!(run["commit_sha"].as_str().unwrap_or_default(), commit);
    assert_eq!(run["branch"], document["git"]["branch"]);
    assert_eq!(commit.len(), 40, "{document}");
}

#[test]
fn a_folder_of_its_own_makes_no_folder_of_results() {
    let server = Server::start(&Behaviour::Good);
    let args = format!("-n 50 -c 1 --warmup 0s -o out {}", server.url());
    let finished = Run::json(&args).finish().expect_code(0);
    assert!(!finished.folder().join("results").exists());
    assert_eq!(runs(finished.folder(), ""), [] as [Value; 0]);
    fs::create_dir(finished.folder().join("results")).expect("room");
    let text = done(finished.folder(), "history import out");
    assert!(text.contains("1 result imported, 0 known already"), "{text}");
    assert_eq!(runs(finished.folder(), "").len(), 1);
    assert!(done(finished.folder(), "history import out").contains("0 results imported, 1 known"));
}

#[test]
fn a_run_that_cannot_be_entered_is_stored_all_the_same() {
    let bench = Bench::new();
    fs::create_dir(bench.path().join("results")).expect("room");
    fs::write(bench.path().join("results/history.sqlite"), "no database ".repeat(100))
        .expect("room");
    let finished = bench.run("--name kept");
    let note = "the run is stored, but not in the history";
    assert!(finished.stderr.contains(note), "{finished}");
    assert!(finished.stderr.contains("`uringbench history rebuild`"), "{finished}");
    let list = said(bench.path(), "history list");
    assert_eq!(list.code, Some(1));
    assert!(list.stderr.contains("is damaged"), "{}", list.stderr);
    let rebuilt = said(bench.path(), "history rebuild");
    assert!(rebuilt.stdout.starts_with("1 run in the history"), "{}", rebuilt.stdout);
    assert!(rebuilt.stderr.contains("history.sqlite.damaged"), "{}", rebuilt.stderr);
    assert_eq!(runs(bench.path(), "--name kept").len(), 1);
}

#[test]
fn two_runs_that_end_at_once_are_both_entered() {
    let bench = Bench::new();
    let store = bench.path().join("results");
    let start = |name: &str| {
        let url = bench.server.url();
        let store = store.display();
        Run::json(&format!("-n 100 -c 2 --warmup 0s --store {store} --name {name} {url}")).start()
    };
    let started: Vec<_> = ["a", "b", "c", "d"].map(start).into();
    for run in started {
        let finished = run.finish().expect_code(0);
        assert!(!finished.stderr.contains("not in the history"), "{finished}");
    }
    assert_eq!(runs(bench.path(), "").len(), 4);
}

#[test]
fn old_runs_are_deleted_only_on_request_and_by_name() {
    let bench = Bench::new();
    for options in ["--name web", "--name web --tag release", "--name web", "--name api"] {
        bench.run(options);
    }
    let folders = || -> Vec<PathBuf> {
        let all = runs(bench.path(), "");
        let folders = all.iter().map(|run| run["folder"].as_str().expect("a text"));
        folders.map(|folder| bench.path().join("results").join(folder)).collect()
    };
    let before = folders();
    let dry = done(bench.path(), "history prune --keep 1");
    assert!(dry.contains("would delete") && dry.ends_with("1 run; --yes deletes them\n"), "{dry}");
    assert_eq!(folders(), before);
    assert!(before.iter().all(|folder| folder.join("run.json").exists()));
    let deleted = done(bench.path(), "history prune --keep 1 --yes");
    assert!(deleted.contains("deleted ") && deleted.ends_with("1 run\n"), "{deleted}");
    let after = folders();
    assert_eq!(after.len(), 3, "a tagged run stays");
    let gone: Vec<_> = before.iter().filter(|folder| !after.contains(folder)).collect();
    assert!(gone.len() == 1 && !gone[0].exists(), "{gone:?}");
    assert!(after.iter().all(|folder| folder.join("run.json").exists()));
    assert_eq!(done(bench.path(), "history prune --older-than 1d"), "nothing to delete\n");
    let limits = said(bench.path(), "history prune");
    assert_eq!(limits.code, Some(2), "{}", limits.stderr);
}

#[test]
fn a_trend_names_the_commit_of_a_change() {
    let bench = Bench::new();
    let finished = bench.run("--name web -o once");
    let run: Value = serde_json::from_str(&finished.stdout).expect("JSON");
    // Its folder goes, and the rebuild forgets it.
    drop(finished);
    for day in 1..=20 {
        let mut run = run.clone();
        let rate = if day < 12 { 1_000.0 } else { 800.0 };
        run["started"] = format!("2026-03-{day:02}T03:00:00.000Z").into();
        run["rate"]["completed"] = (rate + f64::from(day % 3)).into();
        run["verdict"]["validity"] = "valid".into();
        run["git"] = serde_json::json!({"commit": format!("{day:040}"), "branch": "main"});
        let folder = bench.path().join(format!("results/h/web/{day}"));
        fs::create_dir_all(&folder).expect("room");
        fs::write(folder.join("run.json"), run.to_string()).expect("room");
    }
    done(bench.path(), "history rebuild");
    let page = done(bench.path(), "trend web --branch main --since 2026-03-01");
    let change = page.lines().find(|line| line.starts_with("change")).expect("a change");
    assert!(change.contains("2026-03-12 03:00 at 00000000 on main"), "{page}");
    assert!(change.contains("-20.0 % worse"), "{page}");
    let text = done(bench.path(), "trend web --branch main --metric rate --window 30d --json");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(document["schema"], "uringbench.trend/1");
    assert_eq!(document["changes"][0]["at"], 11);
    assert_eq!(document["slope"]["from"], 11);
    for (args, code, part) in [
        ("trend nothing", 1, "there is no run `nothing`"),
        ("trend web --branch topic", 1, "passes the filter"),
        ("trend web --metric speed", 2, "rate, p50"),
    ] {
        let said = said(bench.path(), args);
        assert_eq!(said.code, Some(code), "{args}: {}", said.stderr);
        assert!(said.stderr.contains(part), "{args}: {}", said.stderr);
    }
}

#[test]
fn what_is_not_there_is_named_with_the_fix() {
    let folder = tempfile::tempdir().expect("room for a folder");
    assert_eq!(done(folder.path(), "history list"), "no runs in results\n");
    for (args, code, part) in [
        ("history show web", 1, "there is no run `web`"),
        ("history rebuild", 1, "--store DIR"),
        ("history import nothing", 1, "nothing"),
        ("history list --since yesterday", 2, "2026-11-01"),
        ("history prune --older-than 3w", 2, "30d, 12h"),
        ("run --tag a,b http://127.0.0.1:1/", 2, "letters"),
    ] {
        let said = said(folder.path(), args);
        assert_eq!(said.code, Some(code), "{args}: {}", said.stderr);
        assert!(said.stderr.contains(part), "{args}: {}", said.stderr);
        assert_eq!(said.stderr.trim_end().lines().count(), 1, "{args}: {}", said.stderr);
    }
    let left: Vec<_> = fs::read_dir(folder.path()).expect("it is ours").collect();
    assert!(left.len() <= 1, "looking makes nothing: {left:?}");
}
