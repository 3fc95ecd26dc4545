//! The written file, parsed as the viewer does.

use flate2::read::GzDecoder;
use serde_json::Value;

use super::*;
use crate::export::fixture::{Full, PERIOD, START, recording, sample, unreadable};
use uringbench_core::time::Nanos;

fn written(samples: &[Sample], series: &[Series<'_>], samples_max: u64) -> Value {
    let recording = recording();
    let mut file = Vec::new();
    let all = || samples.iter().copied().map(Ok);
    write_thinned(&recording.source(), all, series, samples_max, &mut file).unwrap();
    serde_json::from_reader(GzDecoder::new(&file[..])).unwrap()
}

fn thread<'a>(profile: &'a Value, name: &str) -> &'a Value {
    let threads = profile["threads"].as_array().unwrap();
    let found = threads.iter().find(|thread| thread["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {:?}", names(profile)))
}

fn names(profile: &Value) -> Vec<&str> {
    let threads = profile["threads"].as_array().unwrap();
    threads.iter().map(|thread| thread["name"].as_str().unwrap()).collect()
}

/// A column of a table, as numbers.
fn column(table: &Value, name: &str) -> Vec<f64> {
    table[name].as_array().unwrap().iter().map(|cell| cell.as_f64().unwrap()).collect()
}

/// Each sample of a thread: milliseconds, stack from the outermost frame on, weight.
fn samples_of(thread: &Value) -> Vec<(f64, String, i64)> {
    let samples = &thread["samples"];
    let mut now = 0.0;
    let times = column(samples, "timeDeltas").into_iter().map(|delta| {
        now += delta;
        now
    });
    let stacks = samples["stack"].as_array().unwrap();
    let weights = samples["weight"].as_array().unwrap();
    let rest = stacks.iter().zip(weights);
    times.zip(rest).map(|(t, (s, w))| (t, stack(thread, s), w.as_i64().unwrap())).collect()
}

fn stack(thread: &Value, at: &Value) -> String {
    let Some(at) = at.as_u64().map(|at| at as usize) else { return String::new() };
    let table = &thread["stackTable"];
    let frame = table["frame"][at].as_u64().unwrap() as usize;
    let function = thread["frameTable"]["func"][frame].as_u64().unwrap() as usize;
    let name = thread["funcTable"]["name"][function].as_u64().unwrap() as usize;
    let name = thread["stringArray"][name].as_str().unwrap();
    let callers = stack(thread, &table["prefix"][at]);
    if callers.is_empty() { name.to_owned() } else { format!("{callers};{name}") }
}

#[test]
fn a_thread_has_tracks_of_what_was_sampled_of_it() {
    let [handle, read_call, handler, unnamed] = recording().known;
    let cpu = (SampleKind::Cpu, PERIOD);
    let reported = written(
        &[
            sample(1, (10, 11), cpu, handle),
            sample(2, (10, 11), (SampleKind::Blocked, 3_000_000), read_call),
            sample(3, (10, 11), (SampleKind::Preempted, 1_000_000), handle),
            sample(4, (10, 11), (SampleKind::FirstTouch, 4_096), handler),
            sample(5, (12, 12), cpu, unnamed),
            sample(6, (10, 11), (SampleKind::Cpu, 2 * PERIOD), StackId::EMPTY),
        ],
        &[],
        SAMPLES_MAX,
    );
    let mut threads = names(&reported);
    threads.sort_unstable();
    let expected = ["process 12", "server", "worker", "worker (first touches)", "worker (off CPU)"];
    assert_eq!(threads, expected);
    let worker = thread(&reported, "worker");
    let with_file = |text: &str| text.replace("main", "main (server)");
    let handle = with_file("main;handle (server)");
    assert_eq!(samples_of(worker), [(1.0, handle.clone(), 1), (6.0, String::new(), 2)]);
    assert_eq!(column(&worker["samples"], "threadCPUDelta"), [10_000.0, 20_000.0]);
    let off = thread(&reported, "worker (off CPU)");
    let blocked = (2.0, format!("[blocked];{handle};read"), 3);
    assert_eq!(samples_of(off), [blocked, (3.0, format!("[preempted];{handle}"), 1)]);
    let touched = thread(&reported, "worker (first touches)");
    assert_eq!(samples_of(touched), [(4.0, with_file("main;handler (app.py)"), 4_096)]);
    assert_eq!(samples_of(thread(&reported, "process 12")), [(5.0, "[unknown]".to_owned(), 1)]);
    let units = [worker, off, touched].map(|thread| thread["samples"]["weightType"].clone());
    assert_eq!(units, ["samples", "tracing-ms", "bytes"]);
    assert!(samples_of(thread(&reported, "server")).is_empty());
    assert_eq!(thread(&reported, "server")["isMainThread"], true);
}

#[test]
fn the_head_says_when_and_how_often() {
    let reported = written(&[], &[], SAMPLES_MAX);
    let meta = &reported["meta"];
    assert_eq!(meta["startTime"].as_f64(), Some(1_700_000_000_000.0));
    assert_eq!(meta["interval"].as_f64(), Some(10.0));
    assert_eq!(meta["product"], "uringbench");
}

#[test]
fn frames_have_the_colour_of_who_runs_them() {
    let [_, read_call, ..] = recording().known;
    let reported = written(&[sample(1, (10, 11), (SampleKind::Cpu, PERIOD), read_call)], &[], 9);
    let worker = thread(&reported, "worker");
    let categories = column(&worker["frameTable"], "category");
    let names = reported["meta"]["categories"].as_array().unwrap();
    let names: Vec<_> = categories.iter().map(|&at| names[at as usize]["name"].clone()).collect();
    assert_eq!(names, ["Native", "Native", "Kernel"]);
}

#[test]
fn series_stand_on_the_same_axis() {
    let at = |millis| START + Nanos::from_millis(millis);
    let bytes = [(at(0), 1e6), (at(1_000), 4e6), (at(2_000), 3e6)];
    let waits = [(at(0), 2e6), (at(500), f64::NAN), (at(1_000), 3e6)];
    let rates = [(at(1_000), 12.5)];
    let reported = written(
        &[],
        &[
            Series { name: "RssAnon", unit: SeriesUnit::Bytes, points: &bytes },
            Series { name: "response p99", unit: SeriesUnit::Nanoseconds, points: &waits },
            Series { name: "rps", unit: SeriesUnit::Count, points: &rates },
        ],
        9,
    );
    let counter = &reported["counters"][0];
    assert_eq!((&counter["name"], &counter["category"]), (&"RssAnon".into(), &"Memory".into()));
    let samples = if counter["samples"].is_object() { &counter["samples"] } else { panic!() };
    assert_eq!(column(samples, "count"), [1e6, 3e6, -1e6]);
    assert_eq!(reported["counters"].as_array().unwrap().len(), 1);
    let owner = thread(&reported, "load and target");
    let markers = &owner["markers"];
    assert_eq!(column(markers, "startTime"), [0.0, 1_000.0, 1_000.0]);
    assert_eq!(column(markers, "endTime"), [500.0, 1_000.0, 1_000.0]);
    let values: Vec<_> = markers["data"].as_array().unwrap().iter().collect();
    assert_eq!(values[0]["value"].as_f64(), Some(2.0), "in milliseconds");
    assert_eq!(values[1]["value"].as_f64(), Some(3.0));
    assert_eq!(values[2]["value"].as_f64(), Some(12.5));
    let schemas = reported["meta"]["markerSchema"].as_array().unwrap();
    let schema = schemas.iter().find(|schema| schema["name"] == values[2]["type"]).unwrap();
    assert_eq!(schema["graphs"][0]["key"], "value");
}

#[test]
fn too_many_samples_are_thinned_and_their_sums_stay() {
    let [handle, read_call, ..] = recording().known;
    // Every other one is of the second stack, as if from a second CPU; one wait of a hundred lasts
    // as long as all others.
    let mut samples = Vec::new();
    for at in 0..10_000 {
        let stack = if at % 2 == 1 { read_call } else { handle };
        samples.push(sample(at, (10, 11), (SampleKind::Cpu, PERIOD), stack));
        let length = if at % 100 == 3 { 99_000_000 } else { 1_000_000 };
        let stack = if at % 100 == 3 { read_call } else { handle };
        samples.push(sample(at, (10, 11), (SampleKind::Blocked, length), stack));
    }
    let reported = written(&samples, &[], 1_000);
    let (mut kept, mut share) = (0, Vec::new());
    for (name, sum) in [("worker", 10_000), ("worker (off CPU)", 19_800)] {
        let samples = samples_of(thread(&reported, name));
        kept += samples.len();
        let weigh = |end: &str| -> i64 {
            samples.iter().filter(|(_, s, _)| s.ends_with(end)).map(|(.., weight)| weight).sum()
        };
        let all = weigh("");
        assert!((all - sum).abs() <= 40, "{name}: {all} of {sum}");
        share.push(weigh("read") as f64 / all as f64);
    }
    assert!((100..=1_002).contains(&kept), "{kept} samples");
    for share in share {
        assert!((share - 0.5).abs() < 0.1, "{share} is of the second stack");
    }
    let all = written(&samples, &[], 20_000);
    assert_eq!(samples_of(thread(&all, "worker")).len(), 10_000, "no more than may be");
}

#[test]
fn waits_shorter_than_a_unit_are_told_together() {
    let [handle, ..] = recording().known;
    let samples: Vec<_> =
        (0..1_000).map(|at| sample(at, (10, 11), (SampleKind::Blocked, 10_000), handle)).collect();
    let reported = written(&samples, &[], 10_000);
    let kept = samples_of(thread(&reported, "worker (off CPU)"));
    assert_eq!(kept.iter().map(|(.., weight)| weight).sum::<i64>(), 10);
    assert!(kept.len() >= 9, "a point of each millisecond");
}

#[test]
fn what_fails_is_reported() {
    let recording = recording();
    let failed = write_firefox(&recording.source(), || [unreadable()], &[], &mut Vec::new());
    assert_eq!(failed.unwrap_err().to_string(), "the disk is gone");
    let failed = write_firefox(&recording.source(), || [], &[], &mut Full);
    assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::StorageFull);
}
