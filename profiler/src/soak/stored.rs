//! What a verdict rests on as rows of `timeline.jsonl`, written as a soak proceeds; a soak that was
//! killed has its verdict from them.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use uringbench_core::plan::Plan;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_document::soak::SoakFigures;
use uringbench_document::timeline::columns::Row;
use uringbench_document::timeline::lines::{
    HeapRow, LinesError, ProcessRow, SoakHead, SoakRow, rows_of,
};
use uringbench_machine::cgroup::CgroupMemory;

use super::evidence::{RequestCourse, SoakEvidence};
use crate::leak::heap::{GarbageCollector, HeapCounters, HeapReading};
use crate::runtime::Runtime;
use crate::timeline::reading::{ProcessMemory, Reading, TargetReading};

/// The load's start on the axis of rows that are read back: far enough from 0 for those before it.
const ORIGIN: Timestamp = Timestamp(1 << 50);

/// Why there is no verdict on a stored soak.
#[derive(Debug, thiserror::Error)]
pub enum StoredSoakError {
    /// The file is missing or cannot be opened.
    #[error(
        "{path} cannot be read ({why}): name the folder of a soak's result",
        path = .path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        why: std::io::Error,
    },
    /// It is not a timeline.
    #[error("{path}: {why}", path = .path.display())]
    Lines {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: LinesError,
    },
    /// It is the timeline of something else, or of an earlier version.
    #[error(
        "{path} is not that of a soak, or an earlier version wrote it: its verdict, if it ended, \
         is in run.json",
        path = .0.display()
    )]
    NoSoak(PathBuf),
}

/// The plan of a soak in its timeline's head.
pub fn head_of(plan: &Plan) -> SoakHead {
    let segments = plan.load.segments();
    let warmup = plan.limits.warmup.as_secs_f64();
    let window = plan.limits.window.duration();
    let mut blocks = Vec::new();
    // A scenario's stages never rest; `--dose` does.
    if segments.iter().any(|segment| segment.to.is_none())
        && let Some((_, of_one_rate)) = segments.split_last()
    {
        let mut at = 0.0;
        for segment in of_one_rate {
            let end = at + segment.length.as_secs_f64();
            if at >= warmup {
                blocks.push((at, end));
            }
            at = end;
        }
    }
    SoakHead { load_s: window.map(|window| warmup + window.as_secs_f64()), blocks }
}

/// What the verdict needs of a reading besides the row of the timeline.
pub fn row_of(reading: &Reading, requests: u64, runtimes: &[Runtime]) -> SoakRow {
    let process = |process: &ProcessMemory| ProcessRow {
        pid: process.pid,
        start: process.start,
        bytes: process.bytes,
    };
    let heap = |heap: &HeapReading| HeapRow {
        pid: heap.pid,
        start: heap.start,
        collector: heap.counters.collector.name().to_owned(),
        young: heap.counters.young,
        full: heap.counters.full,
        is_collecting: heap.counters.is_collecting,
        cycles: heap.counters.cycles,
        old_used: heap.counters.old_used,
        old_max: heap.counters.old_max,
        young_capacity: heap.counters.young_capacity,
        classes: heap.counters.classes,
        resident: heap.resident,
    };
    SoakRow {
        requests,
        processes: reading.target.each.iter().map(process).collect(),
        heaps: reading.heaps.iter().map(heap).collect(),
        unread_heaps: reading.unread_heaps,
        runtimes: runtimes.iter().map(|runtime| runtime.name().to_owned()).collect(),
    }
}

/// The verdict on the soak whose timeline is in `folder`, whether it ended or not.
///
/// # Errors
/// There is no timeline of a soak.
pub fn read_stored(folder: &Path) -> Result<SoakFigures, StoredSoakError> {
    let path = folder.join("timeline.jsonl");
    let file = match File::open(&path) {
        Ok(file) => BufReader::new(file),
        Err(why) => return Err(StoredSoakError::Unreadable { path, why }),
    };
    let (head, rows) = match rows_of(file) {
        Ok(read) => read,
        Err(why) => return Err(StoredSoakError::Lines { path, why }),
    };
    let Some(soak) = head.soak else { return Err(StoredSoakError::NoSoak(path)) };
    let mut figures = evidence(&soak, &rows).figures();
    let seen_s = rows.last().map_or(0.0, |row| row.t_s);
    if let Some(planned_s) = soak.load_s.filter(|planned_s| seen_s + 2.0 < *planned_s) {
        figures.notes.push(format!(
            "the soak ended {seen_s:.0} s after its start, {planned_s:.0} s were planned: the \
             verdict is on that part"
        ));
    }
    Ok(figures)
}

fn evidence(head: &SoakHead, rows: &[Row]) -> SoakEvidence {
    let time = |t_s: f64| {
        // Within a century, and the origin from 0: a broken file may hold any number.
        let nanos =
            |seconds: f64| Nanos((seconds.min(if t_s < 0.0 { 1e6 } else { 3e9 }) * 1e9) as u64);
        if t_s < 0.0 { ORIGIN - nanos(-t_s) } else { ORIGIN + nanos(t_s) }
    };
    let soak_rows = || rows.iter().filter_map(|row| Some((row, row.soak.as_ref()?)));
    // Rows of a broken file may go back.
    let mut steps: Vec<(Timestamp, u64)> =
        soak_rows().map(|(row, soak)| (time(row.t_s), soak.requests)).collect();
    steps.sort_unstable();
    let mut most = 0;
    for (_, requests) in &mut steps {
        most = most.max(*requests);
        *requests = most;
    }
    let last = rows.last().map_or(0.0, |row| row.t_s);
    let end = time(head.load_s.map_or(last, |planned| planned.min(last)).max(0.0));
    let mut runtimes: Vec<Runtime> = soak_rows()
        .flat_map(|(_, soak)| &soak.runtimes)
        .filter_map(|name| Runtime::named(name))
        .collect();
    runtimes.sort_unstable();
    runtimes.dedup();
    let mut readings: Vec<Reading> =
        soak_rows().map(|(row, soak)| reading(time(row.t_s), row, soak)).collect();
    readings.sort_by_key(|reading| reading.time);
    let course = RequestCourse { start: ORIGIN, end, steps };
    SoakEvidence { course, readings, runtimes, blocks: head.blocks.clone() }
}

fn reading(time: Timestamp, row: &Row, soak: &SoakRow) -> Reading {
    let level = |level: Option<f64>| level.map_or(0, |level| level as u64);
    let target = &row.target;
    let each = soak.processes.iter().map(|process| ProcessMemory {
        pid: process.pid,
        start: process.start,
        bytes: process.bytes,
    });
    let heap = |heap: &HeapRow| HeapReading {
        pid: heap.pid,
        start: heap.start,
        counters: HeapCounters {
            collector: GarbageCollector::named(&heap.collector),
            young: heap.young,
            full: heap.full,
            is_collecting: heap.is_collecting,
            cycles: heap.cycles,
            old_used: heap.old_used,
            old_max: heap.old_max,
            young_capacity: heap.young_capacity,
            classes: heap.classes,
            reserved: 0,
        },
        resident: heap.resident,
    };
    Reading {
        time,
        target: TargetReading {
            rss_anon: level(target.rss_anon_bytes),
            rss_file: level(target.rss_file_bytes),
            rss_shmem: level(target.rss_shmem_bytes),
            swap: level(target.swap_bytes),
            fds: target.fds.map(|fds| fds as u64),
            threads: level(target.threads),
            processes: level(target.processes),
            each: each.collect(),
            ..TargetReading::default()
        },
        cgroup: row.cgroup.as_ref().map(|cgroup| CgroupMemory {
            limit: cgroup.memory_limit_bytes.map(|bytes| bytes as u64),
            ..CgroupMemory::default()
        }),
        heaps: soak.heaps.iter().map(heap).collect(),
        unread_heaps: soak.unread_heaps,
        ..Reading::default()
    }
}

#[cfg(test)]
mod tests;
