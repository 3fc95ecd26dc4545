//! Rows written while a soak runs, and the verdict on them.

use std::io::Write;

use uringbench_document::timeline::lines::{TimelineHead, append_head, append_line};

use super::*;
use crate::timeline::series::Timeline;

/// A target that keeps 64 bytes of each of 10,000 requests a second, read once a second.
fn readings(seconds: u32) -> Vec<Reading> {
    let reading = |second: u32| {
        let bytes = 20_000_000 + 640_000 * u64::from(second);
        let each = vec![ProcessMemory { pid: 7, start: 9, bytes }];
        let target = TargetReading {
            rss_anon: bytes / 4_096 * 4_096,
            fds: Some(5),
            threads: 2,
            processes: 1,
            each,
            ..TargetReading::default()
        };
        Reading {
            time: Timestamp(50) + Nanos::from_secs(second.into()),
            target,
            ..Reading::default()
        }
    };
    (0..seconds).map(reading).collect()
}

fn written(folder: &Path, seconds: u32, soak: Option<SoakHead>) {
    let mut file = File::create(folder.join("timeline.jsonl")).expect("a folder");
    let head = TimelineHead::new(1, None);
    let head = soak.map_or_else(|| head.clone(), |soak| head.clone().of_soak(soak));
    append_head(&mut file, &head).expect("space");
    let mut timeline = Timeline::new(1);
    for (index, reading) in readings(seconds).iter().enumerate() {
        timeline.push(reading);
        let mut row = timeline.row_under(index, Timestamp(50), &[]);
        row.soak = Some(row_of(reading, 10_000 * index as u64, &[Runtime::Go]));
        append_line(&mut file, &row).expect("space");
    }
}

#[test]
fn a_soak_that_was_killed_has_its_verdict_from_its_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    let planned = SoakHead { load_s: Some(3_600.0), blocks: Vec::new() };
    written(folder.path(), 300, Some(planned));
    let mut file = File::options()
        .append(true)
        .open(folder.path().join("timeline.jsonl"))
        .expect("it was written");
    file.write_all(b"{\"t_s\":300.0,\"loa").expect("space");
    let figures = read_stored(folder.path()).expect("a soak");
    // Go's collector may let a heap grow by 64 MiB: 192 MB are more.
    assert_eq!(figures.verdict, "leak", "{}", figures.reason);
    let bytes = figures.bytes_per_request.expect("there were requests");
    assert!((bytes - 64.0).abs() < 0.5, "{bytes}");
    assert_eq!(figures.runtimes, ["Go"]);
    let note = "the soak ended 299 s after its start, 3600 s were planned";
    assert!(figures.notes.iter().any(|one| one.starts_with(note)), "{:?}", figures.notes);
}

#[test]
fn readings_come_back_from_their_rows() {
    let counters = HeapCounters {
        collector: GarbageCollector::G1,
        young: 3,
        full: 1,
        is_collecting: true,
        cycles: 4,
        old_used: 5,
        old_max: 6,
        young_capacity: 7,
        classes: 8,
        reserved: 0,
    };
    let heap = HeapReading { pid: 7, start: 9, counters, resident: Some(10) };
    let mut before = readings(1).remove(0);
    before.heaps = vec![heap];
    before.unread_heaps = 1;
    let mut timeline = Timeline::new(1);
    timeline.push(&before);
    let row = timeline.row_under(0, Timestamp(50), &[]);
    let text = serde_json::to_string(&row_of(&before, 11, &[Runtime::Jvm])).expect("JSON");
    let soak: SoakRow = serde_json::from_str(&text).expect("its own JSON");
    let after = reading(before.time, &row, &soak);
    assert_eq!((soak.requests, soak.runtimes), (11, vec!["JVM".to_owned()]));
    assert_eq!(after, before);
}

#[test]
fn what_is_no_soak_is_named_with_the_fix() {
    let folder = tempfile::tempdir().expect("a folder");
    let why = || read_stored(folder.path()).expect_err("no soak").to_string();
    assert!(why().contains("name the folder of a soak's result"), "{}", why());
    written(folder.path(), 3, None);
    assert!(why().contains("an earlier version wrote it"), "{}", why());
    std::fs::write(folder.path().join("timeline.jsonl"), "{}\n").expect("space");
    assert!(why().contains("is not a timeline"), "{}", why());
}

#[test]
fn sizes_of_a_broken_file_do_no_harm() {
    let huge = Some(1e300);
    let mut row = Row::default();
    row.target.rss_anon_bytes = huge;
    row.target.rss_shmem_bytes = huge;
    row.target.swap_bytes = huge;
    row.target.processes = Some(1.0);
    let heap = |pid| HeapRow {
        pid,
        old_used: u64::MAX,
        old_max: u64::MAX,
        resident: Some(u64::MAX),
        ..HeapRow::default()
    };
    let rows: Vec<Row> = (0_u32..40)
        .map(|second| {
            let requests = if second < 20 { u64::from(second) } else { u64::MAX };
            let heaps = vec![heap(7), heap(8)];
            let soak = Some(SoakRow { requests, heaps, ..SoakRow::default() });
            Row { t_s: second.into(), soak, ..row.clone() }
        })
        .collect();
    let head = SoakHead { load_s: None, blocks: vec![(0.0, 10.0), (10.0, 20.0)] };
    let evidence = evidence(&head, &rows);
    assert_ne!(evidence.figures().verdict, "leak");
    let [first, last] = [&evidence.readings[0], &evidence.readings[39]].map(|one| one.time);
    assert_eq!(super::super::evidence::grown(&evidence.readings, first, last), Some(0));
}

#[test]
fn times_of_a_broken_file_do_no_harm() {
    for t_s in [f64::NAN, f64::INFINITY, -1e300, 1e300] {
        let row = Row { t_s, soak: Some(SoakRow::default()), ..Row::default() };
        let head = SoakHead { load_s: Some(t_s), blocks: vec![(t_s, -t_s)] };
        let figures = evidence(&head, &[row.clone(), Row::default(), row]).figures();
        assert_eq!(figures.verdict, "inconclusive");
    }
}
