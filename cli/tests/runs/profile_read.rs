//! `uringbench profile --read`: cuts and comparisons of stored profiles, made from samples with
//! known figures and from a profile that was just recorded.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use uringbench_core::time::Timestamp;
use uringbench_core::window::{NamedWindow, Phase};
use uringbench_profiler::profile::{
    About, Clock, Facts, LoadStep, Profile, SampleLog, StoredLoad, Windows, write_stored,
};
use uringbench_profiler::sample::{Sample, SampleKind};
use uringbench_profiler::stack::{FrameKind, FrameName, Location, StackTable};

use crate::support::run::{Finished, Run};

const SECOND: u64 = 1_000_000_000;
/// The start of the load on the clock of the machine.
const BEGAN: u64 = 1_000 * SECOND;

/// Stores 10 s at 500 requests a second, the first 2 s as warm-up, in which each function below
/// `main` costs this many µs per request. `early` runs only in the warm-up.
fn store(folder: &Path, title: &str, costs: &[(&str, u64)]) {
    let mut stacks = StackTable::default();
    let mut names = Vec::new();
    let mut samples = SampleLog::create(&folder.join("spill")).unwrap();
    let root = Location::Named(stacks.name("main"));
    for (name, us) in costs {
        let leaf = Location::Named(stacks.name(name));
        let stack = stacks.intern([root, leaf]);
        for piece in 0..10 * 50 {
            // A small variation: the same work does not take the same time in each second.
            let jitter = (piece * 7919) % 17 * SECOND / 1_000;
            let time = Timestamp(BEGAN + piece * SECOND / 50 + jitter);
            let is_early = time.0 < BEGAN + 2 * SECOND;
            if *name == "early" && !is_early {
                continue;
            }
            let weight = us * 1_000 * 500 / 50;
            let kind = SampleKind::Cpu;
            samples.push(&Sample { time, cpu: 0, pid: 5, tid: 5, kind, weight, stack }).unwrap();
        }
    }
    samples.flush().unwrap();
    for location in stacks.locations() {
        let Location::Named(id) = location else { unreachable!("only those are made here") };
        let function = stacks.name_text(*id).to_owned();
        names.push(FrameName { function, module: "app".to_owned(), kind: FrameKind::Native });
    }
    let facts = Facts {
        start: Timestamp(BEGAN - SECOND),
        end: Timestamp(BEGAN + 11 * SECOND),
        clock: Clock::CpuClock,
        hz: 997,
        records: 1_000,
        lost: 0,
        throttled: 0,
        coverage: None,
        unwound: Some(1.0),
        notes: Vec::new(),
    };
    let profile = Profile { stacks, names, samples, facts };
    let about = About {
        title: title.to_owned(),
        mode: "tasks".to_owned(),
        is_user_only: false,
        load: Some(load()),
    };
    write_stored(&profile, &about, folder).unwrap();
    fs::remove_file(folder.join("spill")).unwrap();
}

fn load() -> StoredLoad {
    let at = |second: u64| Timestamp(BEGAN + second * SECOND);
    let step = |tenth: u64| LoadStep {
        start_ns: tenth * SECOND / 10,
        length_ns: SECOND / 10,
        completed: 50,
        response_p99_ns: Some(1_000_000),
        in_flight: 4,
    };
    StoredLoad {
        start: at(0),
        windows: [
            NamedWindow::of(Phase::Warmup, at(0), at(2)),
            NamedWindow::of(Phase::Measure, at(2), at(10)),
        ]
        .into_iter()
        .collect(),
        steps: (0..100).map(step).collect(),
        spikes: Windows::covering([at(4)..at(5)]),
    }
}

/// Two runs: `parse` costs more in the second, `old` is missing and `added` is new.
fn two() -> (TempDir, TempDir) {
    let folders = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let old = [("parse", 300), ("old", 60), ("same", 90), ("early", 40)];
    let new = [("parse", 420), ("added", 50), ("same", 90), ("early", 40)];
    store(folders.0.path(), "first", &old);
    store(folders.1.path(), "second", &new);
    folders
}

fn read(folder: &Path, args: &str) -> Run {
    Run::text(&format!("profile --read {} {args}", folder.display()))
}

fn document(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|e| panic!("{e}\n{finished}"))
}

fn names(document: &Value) -> Vec<&str> {
    let functions = document["target"]["functions"].as_array().unwrap();
    functions.iter().map(|function| function["function"].as_str().unwrap()).collect()
}

#[test]
fn a_phase_and_a_stretch_are_cut_from_what_is_stored() {
    let (first, _) = two();
    let cases = [
        ("--phase warmup", 2.0, 1_000, true),
        ("--phase measure", 8.0, 4_000, false),
        ("--phase spikes", 1.0, 500, false),
        ("--between 1s-4s", 3.0, 1_500, true),
        ("--between 3s-4s", 1.0, 500, false),
        ("", 10.0, 5_000, true),
    ];
    for (args, seconds, requests, has_early) in cases {
        let finished = read(first.path(), &format!("--json {args}")).finish().expect_code(0);
        let document = document(&finished);
        assert_eq!(document["schema"], "uringbench.profile/1");
        assert_eq!(document["duration_s"], seconds, "{args}");
        assert_eq!(document["view"]["requests"], requests, "{args}");
        assert_eq!(names(&document).contains(&"early"), has_early, "{args}");
        let parse = &document["target"]["functions"][0];
        assert_eq!(parse["function"], "parse", "{args}");
        let cost = parse["us_per_request"]["value"].as_f64().unwrap();
        assert!((290.0..310.0).contains(&cost), "{args}: {cost}");
        assert!(finished.files("flamegraph.svg").is_empty(), "--json alone stores nothing");
    }
}

#[test]
fn views_are_stored_where_asked_and_nothing_else_is_touched() {
    let (first, _) = two();
    let before = fs::read(first.path().join("profile.samples")).unwrap();
    let finished = read(first.path(), "--phase measure -o views").finish().expect_code(0);
    let folded = fs::read_to_string(finished.file("profile.folded")).unwrap();
    let stacks: Vec<_> = folded.lines().filter_map(|line| line.rsplit_once(' ')).collect();
    let stacks: Vec<_> = stacks.into_iter().map(|(stack, _)| stack).collect();
    assert_eq!(stacks, ["main;old", "main;parse", "main;same"], "{finished}");
    assert!(fs::read_to_string(finished.file("flamegraph.svg")).unwrap().contains("first"));
    assert!(finished.stdout.contains("measure (8.00 s) · 4000 requests"), "{finished}");
    assert!(finished.stdout.contains("parse (app)"), "{finished}");
    let kept: Vec<_> = fs::read_dir(first.path()).unwrap().collect();
    assert_eq!(kept.len(), 1, "the folder that is read stays as it is");
    assert_eq!(fs::read(first.path().join("profile.samples")).unwrap(), before);
}

#[test]
fn two_profiles_are_compared_per_request_in_both_directions() {
    let (first, second) = two();
    let against = first.path().display();
    let run = read(second.path(), &format!("--phase measure --json -o views --against {against}"));
    let finished = run.finish().expect_code(0);
    let document = document(&finished);
    let difference = &document["difference"];
    assert_eq!(difference["against"], "first");
    let functions = difference["functions"].as_array().unwrap();
    let became: Vec<_> = functions
        .iter()
        .map(|f| (f["function"].as_str().unwrap(), f["became"].as_str().unwrap()))
        .collect();
    let expected = [("parse", "grown"), ("old", "gone"), ("added", "new"), ("same", "unchanged")];
    assert_eq!(became, expected, "{finished}");
    let change = &functions[0]["change_us"];
    let figure = |key: &str| change[key].as_f64().unwrap();
    assert!((figure("value") - 120.0).abs() < 5.0, "{change}");
    assert!(figure("ci_low") > 90.0 && figure("ci_high") < 150.0, "{change}");
    let drawn = |name: &str| fs::read_to_string(finished.file(name)).unwrap();
    let (grown, vanished) = (drawn("difference.svg"), drawn("vanished.svg"));
    assert!(grown.contains("<title>added ") && !grown.contains("<title>old "), "grown");
    assert!(vanished.contains("<title>old ") && !vanished.contains("<title>added "), "vanished");
    let text = read(second.path(), &format!("-o views --against {against}")).finish();
    let text = text.expect_code(0);
    assert!(text.stdout.contains("gone      old (app)   -60."), "{text}");
    assert!(text.stdout.contains("of 5 functions changed beyond chance"), "{text}");
}

#[test]
fn what_cannot_be_read_is_one_line_with_a_remedy() {
    let (first, _) = two();
    let samples = first.path().join("profile.samples");
    let whole = fs::read(&samples).unwrap();
    let cut = TempDir::new().unwrap();
    fs::write(cut.path().join("profile.samples"), &whole[..whole.len() / 2]).unwrap();
    let strange = TempDir::new().unwrap();
    fs::write(strange.path().join("profile.samples"), b"{}").unwrap();
    let empty = TempDir::new().unwrap();
    let at = first.path().display();
    let cases: [(&Path, &str, i32, &str); 10] = [
        (first.path(), "", 2, "-o DIR"),
        (first.path(), &format!("-o {at}"), 2, "would be lost"),
        (first.path(), "--json --phase lunch", 2, "warmup, measure, drain"),
        (first.path(), "--json --between 7s-3s", 2, "ends before it begins"),
        (first.path(), "--json -d 3s", 2, "cannot be used with"),
        (first.path(), "--json --phase drain", 1, "it has no drain"),
        (first.path(), "--json --between 1m-2m", 1, "10.0 s long"),
        (cut.path(), "--json", 1, "is cut off"),
        (strange.path(), "--json", 1, "is not a stored profile"),
        (empty.path(), "--json", 1, "name the folder of a profiled run"),
    ];
    for (folder, args, code, part) in cases {
        let finished = read(folder, args).finish().expect_code(code);
        assert!(finished.stdout.is_empty(), "{finished}");
        assert_eq!(finished.stderr.trim_end().lines().count(), 1, "{finished}");
        assert!(finished.stderr.contains(part), "{part}: {finished}");
    }
    assert_eq!(fs::read(&samples).unwrap(), whole, "nothing was lost");
}

/// A busy command is profiled; the stored profile gives the same report as the one printed first.
#[test]
fn what_was_just_taken_is_read_back() {
    let taken = Run::text("profile --json -d 400ms -o taken -- sh -c")
        .arg("while :; do :; done")
        .finish()
        .expect_code(0);
    let at_once = document(&taken);
    if at_once["target"]["mode"] == "procfs_only" {
        let why = at_once["target"]["instead_of"].to_string();
        return crate::support::turn::skip("what_was_just_taken_is_read_back", &why);
    }
    let folder = taken.file("profile.samples").parent().unwrap().to_owned();
    let read = read(&folder, "--json").finish().expect_code(0);
    let later = document(&read);
    assert_eq!(later["target"]["functions"], at_once["target"]["functions"], "{read}");
    assert_eq!(later["target"]["samples"], at_once["target"]["samples"], "{read}");
    assert_eq!(later["view"]["requests"], Value::Null, "there was no load");
    // Without requests there is no cost per request.
    let against = folder.display().to_string();
    let compared = self::read(&folder, "--json --against").arg(against).finish().expect_code(1);
    assert!(compared.stderr.contains("uringbench --profile TARGET URL"), "{compared}");
}
