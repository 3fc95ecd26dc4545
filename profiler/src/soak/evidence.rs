//! What the verdict of a soak rests on, and the verdict.
//!
//! The verdict on the heap of a runtime that reports its collections rests on what they leave, that
//! on the memory beside it on its growth; without such a report that on all memory does.

use std::collections::BTreeMap;

use uringbench_core::record::RunRecord;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_document::soak::{DoseFigures, Grown, HeapFigures, ResourceFigures, SoakFigures};

use crate::leak::heap::{HeapPoint, HeapResult, judge_heap};
use crate::leak::rate_steps;
use crate::leak::{
    Axis, Heap, Kinds, LeakResult, LeakVerdict, Memory, MemoryPoint, Point, ProcessPoint,
    ResourceSeries, Rules, Shape, judge, judge_memory,
};
use crate::runtime::Runtime;
use crate::timeline::reading::Reading;

/// Left out at the start of a block, while requests of the last one are in flight.
const GUARD_S: f64 = 1.0;

/// What a verdict rests on.
pub(super) struct SoakEvidence {
    /// The load.
    pub(super) course: RequestCourse,
    /// The readings, in order of time.
    pub(super) readings: Vec<Reading>,
    /// Garbage-collected runtimes of the target.
    pub(super) runtimes: Vec<Runtime>,
    /// Begin and end of the blocks of one rate, in seconds from the load's start.
    pub(super) blocks: Vec<(f64, f64)>,
}

impl SoakEvidence {
    /// The verdict and its figures.
    pub(super) fn figures(&self) -> SoakFigures {
        let Self { course, readings, runtimes, blocks } = self;
        let limit = readings.iter().rev().find_map(|reading| reading.cgroup?.limit);
        let heap = runtimes.iter().map(|runtime| runtime.heap()).max().unwrap_or(Heap::Freed);
        let rules = Rules { limit: limit.map(|limit| limit as f64), heap, ..Rules::BYTES };
        let points = course.memory(readings);
        let mut growth = (!points.is_empty()).then(|| judge_memory(&points, &rules));
        let heaps = self.heaps(&rules);
        let beside = self.beside_heaps(&rules);
        if let Some(growth) = growth.as_mut().filter(|_| !heaps.is_empty()) {
            growth.result = joined(growth, &heaps, beside.as_ref());
        }
        let memory = growth.as_ref().map(|growth| growth.result.clone());
        let fds = course.series(readings, |reading| Some(reading.target.fds? as f64));
        let fds = verdict(&fds, &Rules::DESCRIPTORS);
        let threads = course.series(readings, |reading| Some(reading.target.threads as f64));
        let threads = verdict(&threads, &Rules::THREADS);
        let total = course.series(readings, |reading| Some(kept(reading) as f64));
        let mut soak = figures([memory.as_ref(), fds.as_ref(), threads.as_ref()]);
        soak.dose = dose_found(blocks, &total, &rules);
        soak.runtimes = runtimes.iter().map(|runtime| runtime.name().to_owned()).collect();
        soak.heaps = heaps.iter().map(|(pid, heap)| heap_figures(*pid, heap)).collect();
        soak.beside_heaps = beside.as_ref().map(resource);
        if let Some(growth) = &growth {
            add_growth(&mut soak, growth);
        }
        if let Some(ended_s) = course.target_ended(readings) {
            let planned_s = course.end.since(course.start).as_secs_f64();
            add_end_of_target(&mut soak, ended_s, planned_s);
        }
        let warm = memory.as_ref().map_or(0.0, |verdict| verdict.warmup_cut_s);
        soak.notes = outside_of_processes(course, readings, warm);
        soak
    }

    /// The verdicts on the heaps of processes that lived to the last reading.
    fn heaps(&self, rules: &Rules) -> Vec<(u32, HeapResult)> {
        let mut series: BTreeMap<(u32, u64), Vec<HeapPoint>> = BTreeMap::new();
        let mut last = Vec::new();
        for reading in self.course.under_load(&self.readings) {
            last.clear();
            for heap in &reading.heaps {
                let point = HeapPoint {
                    t_s: reading.time.since(self.course.start).as_secs_f64(),
                    requests: self.course.requests_at(reading.time),
                    counters: heap.counters,
                };
                series.entry((heap.pid, heap.start)).or_default().push(point);
                last.push((heap.pid, heap.start));
            }
        }
        series.retain(|id, _| last.contains(id));
        let result =
            |(id, points): ((u32, u64), Vec<HeapPoint>)| Some((id.0, judge_heap(&points, rules)?));
        series.into_iter().filter_map(result).collect()
    }

    /// The verdict on the memory beside heaps: all memory less their resident part, where that was
    /// read.
    fn beside_heaps(&self, rules: &Rules) -> Option<LeakResult> {
        let beside = |reading: &Reading| {
            // The heap of a JVM that is not read would pass for memory beside the others.
            if reading.heaps.is_empty() || reading.unread_heaps > 0 {
                return None;
            }
            let of_each = reading.heaps.iter().map(|heap| heap.resident);
            let resident = of_each.reduce(|sum, own| Some(sum?.saturating_add(own?)))??;
            Some(kept(reading).saturating_sub(resident) as f64)
        };
        let series = self.course.series(&self.readings, beside);
        let others = self.runtimes.iter().filter(|runtime| **runtime != Runtime::Jvm);
        let heap = others.map(|runtime| runtime.heap()).max().unwrap_or(Heap::Beside);
        verdict(&series, &Rules { heap: heap.max(Heap::Beside), ..*rules })
    }
}

/// The verdict on memory whose heaps have verdicts of their own.
fn joined(growth: &Memory, heaps: &[(u32, HeapResult)], beside: Option<&LeakResult>) -> LeakResult {
    let all = &growth.result;
    let is_leak = |verdict: LeakVerdict| verdict == LeakVerdict::Leak;
    if let Some((_, heap)) = heaps.iter().find(|(_, heap)| is_leak(heap.verdict)) {
        return of_heap(all, heap);
    }
    if let Some(leak) = beside.filter(|beside| is_leak(beside.verdict)) {
        return LeakResult { reason: format!("beside the heap {}", leak.reason), ..leak.clone() };
    }
    let is_open = |verdict: LeakVerdict| matches!(verdict, LeakVerdict::Inconclusive { .. });
    if let Some((_, heap)) = heaps.iter().find(|(_, heap)| is_open(heap.verdict)) {
        return of_heap(all, heap);
    }
    let open = |reason: String| LeakResult {
        verdict: LeakVerdict::Inconclusive { needs_minutes: f64::INFINITY },
        reason,
        ..all.clone()
    };
    let Some(rest) = beside else {
        return open(
            "the heap does not leak, but the memory beside it could not be read apart: that needs \
             root or CAP_SYS_PTRACE, the heaps of all JVMs of the target, and heaps up to 8 GiB \
             that ZGC does not manage"
                .to_owned(),
        );
    };
    let in_heaps = heaps.iter().map(|(_, heap)| below_on(heap, rest)).sum::<Option<f64>>();
    match (rest.verdict, in_heaps) {
        // Each end frees what its process kept: the sum is flat, and the lives are not separate
        // from the heaps.
        (LeakVerdict::NoLeak { .. }, _) if growth.replaced > 0 => open(format!(
            "neither the heaps that were read nor the memory beside them grow, but processes that \
             ended under load ({}) may have leaked: keep all alive for the run",
            growth.replaced
        )),
        (LeakVerdict::NoLeak { below }, Some(in_heaps)) => {
            let below = below + in_heaps;
            let reason =
                format!("neither the heap nor the memory beside it grows: {}", rest.reason);
            LeakResult { verdict: LeakVerdict::NoLeak { below }, reason, ..rest.clone() }
        }
        _ => LeakResult { reason: format!("beside the heap {}", rest.reason), ..rest.clone() },
    }
}

/// What a heap rules out in bytes on the axis of `rest`; `None` if it rules nothing out.
fn below_on(heap: &HeapResult, rest: &LeakResult) -> Option<f64> {
    let LeakVerdict::NoLeak { below } = heap.verdict else { return None };
    Some(below * factor(heap.axis, rest.axis, heap.rate.or(rest.rate))?)
}

/// What a slope on one axis is multiplied with on another, at a rate per second.
fn factor(from: Axis, to: Axis, rate: Option<f64>) -> Option<f64> {
    match (from, to) {
        (Axis::Requests, Axis::Requests) | (Axis::Hours, Axis::Hours) => Some(1.0),
        (Axis::Requests, Axis::Hours) => Some(rate? * 3_600.0),
        (Axis::Hours, Axis::Requests) => Some(1.0 / (rate? * 3_600.0)),
    }
}

/// The verdict on a heap as that on all memory: on the heap's axis where it has figures.
fn of_heap(all: &LeakResult, heap: &HeapResult) -> LeakResult {
    let rate = heap.rate.or(all.rate);
    let shape = if heap.verdict == LeakVerdict::Leak { Shape::Linear } else { all.shape };
    let result =
        LeakResult { verdict: heap.verdict, shape, reason: heap.reason.clone(), ..all.clone() };
    let converted = factor(all.axis, heap.axis, rate).zip(factor(heap.axis, Axis::Hours, rate));
    let (Some(growth), Some((of_all, per_hour))) = (heap.growth, converted) else { return result };
    LeakResult {
        axis: heap.axis,
        rate: heap.rate,
        per_request: Some(growth).filter(|_| heap.axis == Axis::Requests),
        per_hour: growth.map(|value| value * per_hour),
        smallest_detectable: all.smallest_detectable * of_all,
        floor: all.floor * of_all,
        ..result
    }
}

/// Completed requests over time.
pub(super) struct RequestCourse {
    /// Begin and end of the load.
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    /// Ends of intervals and the requests completed by then.
    pub(super) steps: Vec<(Timestamp, u64)>,
}

impl RequestCourse {
    pub(super) fn of(record: &RunRecord) -> Self {
        let start = record.start();
        let measured = record.windows.measured();
        let mut sum = 0;
        let steps = record.finest().iter().map(|step| {
            sum += step.completed;
            (start + step.start + step.length, sum)
        });
        let steps = steps.collect();
        Self { start, end: measured.map_or(start, |window| window.end), steps }
    }

    pub(super) fn requests_at(&self, time: Timestamp) -> u64 {
        let after = self.steps.partition_point(|(end, _)| *end <= time);
        let (from, before) = match after.checked_sub(1) {
            Some(index) => self.steps[index],
            None => (self.start, 0),
        };
        let Some(&(to, sum)) = self.steps.get(after) else { return before };
        let share = time.since(from).as_secs_f64() / to.since(from).as_secs_f64().max(1e-9);
        before.saturating_add(((sum - before) as f64 * share.min(1.0)) as u64)
    }

    /// The readings under load of a target that lives.
    fn under_load<'a>(
        &self,
        readings: &'a [Reading],
    ) -> impl Iterator<Item = &'a Reading> + use<'a> {
        let load = self.start..=self.end;
        let is_of_load =
            move |reading: &&Reading| load.contains(&reading.time) && reading.target.processes > 0;
        readings.iter().filter(is_of_load)
    }

    fn memory(&self, readings: &[Reading]) -> Vec<MemoryPoint> {
        let point = |reading: &Reading| {
            let target = &reading.target;
            let each = target.each.iter().map(|process| ProcessPoint {
                id: (process.pid, process.start),
                bytes: process.bytes as f64,
            });
            MemoryPoint {
                t_s: reading.time.since(self.start).as_secs_f64(),
                requests: self.requests_at(reading.time),
                kinds: Kinds {
                    private: target.rss_anon as f64,
                    shared: target.rss_shmem as f64,
                    swapped: target.swap as f64,
                },
                each: each.collect(),
            }
        };
        self.under_load(readings).map(point).collect()
    }

    /// When the target was first seen to be gone for good, if that was under load.
    fn target_ended(&self, readings: &[Reading]) -> Option<f64> {
        let gone = readings.iter().rev().take_while(|reading| reading.target.processes == 0);
        let ended = gone.last()?.time;
        (self.start..self.end).contains(&ended).then(|| ended.since(self.start).as_secs_f64())
    }

    fn series(&self, readings: &[Reading], of: impl Fn(&Reading) -> Option<f64>) -> ResourceSeries {
        let points = self.under_load(readings).filter_map(|reading| {
            Some(Point {
                t_s: reading.time.since(self.start).as_secs_f64(),
                requests: self.requests_at(reading.time),
                value: of(reading)?,
            })
        });
        ResourceSeries { points: points.collect() }
    }
}

/// All memory that the verdict includes.
const fn kept(reading: &Reading) -> u64 {
    let target = &reading.target;
    target.rss_anon.saturating_add(target.rss_shmem).saturating_add(target.swap)
}

/// Growth of memory that the target's control group is charged for outside of its processes.
fn outside_of_processes(course: &RequestCourse, readings: &[Reading], warm_s: f64) -> Vec<String> {
    /// Less is not worth a line.
    const LEAST: u64 = 4 << 20;
    let from = course.start + Nanos((warm_s * 1e9) as u64);
    let mut warm = course.under_load(readings).filter(|reading| reading.time >= from);
    let Some(first) = warm.next() else { return Vec::new() };
    let last = warm.last().unwrap_or(first);
    let grown = |of: fn(&Reading) -> Option<u64>| Some(of(last)?.saturating_sub(of(first)?));
    let note = |bytes: Option<u64>, what: &str| {
        let mib = bytes.filter(|&bytes| bytes >= LEAST)? as f64 / f64::from(1 << 20);
        Some(format!(
            "{what} of the target's control group grew by {mib:.1} MiB after the warm-up; the \
             verdict does not include it"
        ))
    };
    let unmapped =
        |reading: &Reading| Some(reading.cgroup?.shared?.saturating_sub(reading.target.rss_shmem));
    [
        note(
            grown(|reading| reading.cgroup?.kernel),
            "kernel memory (socket buffers, page tables)",
        ),
        note(grown(unmapped), "unmapped shared memory and files on a tmpfs"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn verdict(series: &ResourceSeries, rules: &Rules) -> Option<LeakResult> {
    (!series.points.is_empty()).then(|| judge(series, rules))
}

pub(super) fn grown(readings: &[Reading], from: Timestamp, to: Timestamp) -> Option<i64> {
    let at = |time: Timestamp| {
        let before = readings.iter().rev().find(|reading| reading.time <= time);
        before.or_else(|| readings.first()).map(|reading| {
            // A broken file may hold any number.
            i64::try_from(kept(reading)).unwrap_or(i64::MAX)
        })
    };
    Some(at(to)? - at(from)?)
}

fn dose_found(
    blocks: &[(f64, f64)],
    series: &ResourceSeries,
    rules: &Rules,
) -> Option<DoseFigures> {
    let spans: Vec<_> = blocks.iter().map(|&(begin, end)| begin + GUARD_S..end).collect();
    let found = rate_steps::analyse(&rate_steps::blocks(series, &spans), rules)?;
    Some(DoseFigures {
        follows: found.follows.word().to_owned(),
        bytes_per_request: found.per_request.into(),
        bytes_per_second: found.per_second.into(),
    })
}

const fn verdict_key(verdict: LeakVerdict) -> &'static str {
    match verdict {
        LeakVerdict::Leak => "leak",
        LeakVerdict::NoLeak { .. } => "no_leak",
        LeakVerdict::Inconclusive { .. } => "inconclusive",
    }
}

fn resource(result: &LeakResult) -> ResourceFigures {
    let axis = match result.axis {
        Axis::Requests => "requests",
        Axis::Hours => "hours",
    };
    let shape = match result.shape {
        Shape::Flat => "flat",
        Shape::Linear => "linear",
        Shape::Saturating { .. } => "saturating",
        Shape::Step { .. } => "step",
    };
    ResourceFigures {
        verdict: verdict_key(result.verdict).to_owned(),
        axis: axis.to_owned(),
        below: match result.verdict {
            LeakVerdict::NoLeak { below } => bounded(below),
            LeakVerdict::Leak | LeakVerdict::Inconclusive { .. } => None,
        },
        per_request: result.per_request.map(Into::into),
        per_hour: result.per_hour.into(),
        smallest_detectable: bounded(result.smallest_detectable),
        floor: bounded(result.floor),
        warmup_cut_s: result.warmup_cut_s,
        shape: shape.to_owned(),
        windows: result.windows,
        hours_to_limit: result.hours_to_limit,
        reason: result.reason.clone(),
    }
}

fn heap_figures(pid: u32, heap: &HeapResult) -> HeapFigures {
    let needs = matches!(heap.verdict, LeakVerdict::Inconclusive { .. });
    HeapFigures {
        pid,
        collector: heap.collector.name().to_owned(),
        verdict: verdict_key(heap.verdict).to_owned(),
        collections: heap.collections,
        needs_collections: Some(heap.needs_collections).filter(|count| needs && *count > 0),
        bytes_per_request: heap.growth.filter(|_| heap.axis == Axis::Requests).map(Into::into),
        live_first_bytes: heap.live.map(|(first, _)| first),
        live_last_bytes: heap.live.map(|(_, last)| last),
        reason: heap.reason.clone(),
    }
}

/// JSON has no infinite numbers.
fn bounded(figure: f64) -> Option<f64> {
    Some(figure).filter(|figure| figure.is_finite())
}

/// The verdict over memory, descriptors and threads.
fn figures(results: [Option<&LeakResult>; 3]) -> SoakFigures {
    let [memory, fds, threads] = results;
    let is_open = |result: &LeakResult| matches!(result.verdict, LeakVerdict::Inconclusive { .. });
    let is_leak = |result: &LeakResult| result.verdict == LeakVerdict::Leak;
    let mut all = results.into_iter().flatten();
    let (verdict, decisive) = if let Some(leak) = all.clone().find(|result| is_leak(result)) {
        ("leak", Some(leak))
    } else if let Some(open) = all.clone().find(|result| is_open(result)) {
        ("inconclusive", Some(open))
    } else if memory.is_none() {
        ("inconclusive", None)
    } else {
        ("no_leak", all.next())
    };
    let per_request = memory.and_then(|memory| memory.per_request);
    SoakFigures {
        verdict: verdict.to_owned(),
        bytes_per_request: per_request.map(|slope| slope.value),
        ci_low: per_request.and_then(|slope| bounded(slope.low)),
        ci_high: per_request.and_then(|slope| bounded(slope.high)),
        smallest_detectable: memory
            .filter(|memory| memory.axis == Axis::Requests)
            .and_then(|memory| bounded(memory.smallest_detectable)),
        needs_minutes: decisive.and_then(|result| match result.verdict {
            LeakVerdict::Inconclusive { needs_minutes } => bounded(needs_minutes),
            LeakVerdict::Leak | LeakVerdict::NoLeak { .. } => None,
        }),
        needs_requests: decisive.and_then(|result| match result.verdict {
            LeakVerdict::Inconclusive { needs_minutes } => {
                bounded(needs_minutes * 60.0 * result.rate?)
            }
            LeakVerdict::Leak | LeakVerdict::NoLeak { .. } => None,
        }),
        reason: decisive.map_or_else(
            || "the target's memory could not be read under load".to_owned(),
            |result| result.reason.clone(),
        ),
        memory: memory.map(resource),
        fds: fds.map(resource),
        threads: threads.map(resource),
        ..SoakFigures::default()
    }
}

fn add_growth(soak: &mut SoakFigures, growth: &Memory) {
    let Kinds { private, shared, swapped } = growth.grown;
    soak.grown = Some(Grown { private, shared, swapped });
    if growth.result.verdict == LeakVerdict::Leak {
        soak.growing = growth.grown.growing().into_iter().map(str::to_owned).collect();
    }
    soak.replaced_processes = growth.replaced;
}

/// The readings up to the end of a target can show a leak, but cannot rule one out.
fn add_end_of_target(soak: &mut SoakFigures, ended_s: f64, planned_s: f64) {
    soak.target_ended_s = Some(ended_s);
    if soak.verdict != "leak" {
        soak.verdict = "inconclusive".to_owned();
        soak.needs_minutes = None;
        soak.reason = format!(
            "the target ended {ended_s:.1} s after the start of a load of {planned_s:.0} s: check \
             its log, and dmesg for the OOM killer, and run again"
        );
    }
}

#[cfg(test)]
mod tests;
