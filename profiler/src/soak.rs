//! Whether the target leaks: the verdicts on memory, descriptors and threads, and where the
//! memory that stays came from.

use std::io;
use std::path::Path;

use uringbench_core::plan::Plan;
use uringbench_core::rate::Rate;
use uringbench_core::rate_profile::Segment;
use uringbench_core::record::RunRecord;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_document::soak::{DoseFigures, Grown, LeakFunction, ResourceFigures, SoakFigures};

use crate::leak::rate_steps::{self, RateStep};
use crate::leak::{
    Axis, Heap, Kinds, LeakResult, LeakVerdict, Memory, MemoryPoint, Point, ProcessPoint,
    ResourceSeries, Rules, Shape, judge, judge_memory,
};
use crate::profile::{FlameUnit, Profile, Selection, write_flames, write_whole};
use crate::sample::SampleKind;
use crate::session::Recording;
use crate::timeline::reading::Reading;

/// Pages touched in the last part of the run may still be freed.
const TAIL_SHARE: u64 = 10;
/// The shortest block of a rate step: a slope needs several readings.
const BLOCK_MIN: Nanos = Nanos::from_secs(6);
const BLOCK_MAX: Nanos = Nanos::from_secs(120);
/// Rounds of three rate steps in a soak that is long enough.
const ROUNDS: u64 = 8;
/// Left out at the start of a block, while requests of the last one are in flight.
const GUARD_S: f64 = 1.0;
/// Functions that a leak is attributed to.
const CAUSES_MAX: usize = 10;

/// Segments without a rate, at the single and at the double one for `length`, after a warm-up at
/// the single rate.
pub fn segments(
    (single, double): (Rate, Rate),
    warmup: Nanos,
    length: Nanos,
    seed: u64,
) -> Vec<Segment> {
    let block = Nanos((length.0 / (3 * ROUNDS)).clamp(BLOCK_MIN.0, BLOCK_MAX.0));
    let rounds = (length.0 / (3 * block.0)).max(1) as usize;
    let first = (warmup > Nanos::ZERO).then_some(Segment::even(warmup, Some(single)));
    let doses = rate_steps::plan(seed, rounds).into_iter().map(|step| {
        let rate = match step {
            RateStep::None => None,
            RateStep::Single => Some(single),
            RateStep::Double => Some(double),
        };
        Segment::even(block, rate)
    });
    // Time that is left fills no block.
    let rest = Segment::even(Nanos::SECOND, Some(double));
    first.into_iter().chain(doses).chain([rest]).collect()
}

/// The result of a soak.
#[derive(Clone, Debug, PartialEq)]
pub struct Soaked {
    /// Key `soak` of the document.
    pub figures: SoakFigures,
    /// The files that were written, by their names.
    pub files: Vec<String>,
}

/// Compute the verdict of a soak that has ended. The target should still run: its pages are read.
pub fn conclude(
    recording: &mut Recording,
    plan: &Plan,
    record: &RunRecord,
    folder: &Path,
    title: &str,
) -> Soaked {
    let course = Course::of(record);
    let taken = recording.sampled.readings.clone();
    let readings: Vec<&Reading> = taken.iter().collect();
    let limit = readings.iter().rev().find_map(|reading| reading.cgroup?.limit);
    let runtimes = &recording.sampled.runtimes;
    let heap = runtimes.iter().map(|runtime| runtime.heap()).max().unwrap_or(Heap::Freed);
    let memory_rules = Rules { limit: limit.map(|limit| limit as f64), heap, ..Rules::BYTES };
    let points = course.memory(&readings);
    let growth = (!points.is_empty()).then(|| judge_memory(&points, &memory_rules));
    let memory = growth.as_ref().map(|growth| growth.result.clone());
    let fds = course.series(&readings, |reading| Some(reading.target.fds? as f64));
    let fds = verdict(&fds, &Rules::DESCRIPTORS);
    let threads = course.series(&readings, |reading| Some(reading.target.threads as f64));
    let threads = verdict(&threads, &Rules::THREADS);
    let total = course.series(&readings, |reading| Some(kept(reading) as f64));
    let dose = dose_found(plan, &total, &memory_rules);
    let warm = memory.as_ref().map_or(0.0, |verdict| verdict.warmup_cut_s);
    let mut soak = figures([memory.as_ref(), fds.as_ref(), threads.as_ref()]);
    soak.dose = dose;
    soak.runtimes = runtimes.iter().map(|runtime| runtime.name().to_owned()).collect();
    if let Some(growth) = &growth {
        add_growth(&mut soak, growth);
    }
    if let Some(ended_s) = course.target_ended(&readings) {
        add_end_of_target(&mut soak, ended_s, course.end.since(course.start).as_secs_f64());
    }
    let mut notes = Vec::new();
    notes.extend(outside_of_processes(&course, &readings, warm));
    let mut files = Vec::new();
    let span = course.end.since(course.start);
    let from = course.start + Nanos((warm * 1e9) as u64);
    let to = course.start + Nanos(span.0 - span.0 / TAIL_SHARE);
    match recording.keep_live_pages(from, to) {
        Ok(Some(live_pages)) => {
            soak.surviving_bytes = Some(live_pages.bytes);
            soak.grown_bytes = grown(&readings, from, to);
            notes.extend(
                live_pages.unread.iter().map(|(pid, why)| {
                    format!("the pages of process {pid} could not be read: {why}")
                }),
            );
            if let Some(profile) = &recording.profile {
                let requests = course.requests_at(to) - course.requests_at(from);
                soak.leak_functions = leak_functions(profile, requests).unwrap_or_default();
                match write_leaks(profile, folder, title) {
                    Ok(names) => files = names,
                    Err(why) => notes.push(format!("the leak flame graph is not stored: {why}")),
                }
            }
        }
        Ok(None) => notes.push("no function is named for the growth: nothing was sampled".into()),
        Err(why) => notes.push(format!("no function is named for the growth: {why}")),
    }
    soak.notes = notes;
    Soaked { figures: soak, files }
}

/// Completed requests over time.
struct Course {
    start: Timestamp,
    end: Timestamp,
    /// Ends of intervals and the requests completed by then.
    steps: Vec<(Timestamp, u64)>,
}

impl Course {
    fn of(record: &RunRecord) -> Self {
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

    fn requests_at(&self, time: Timestamp) -> u64 {
        let after = self.steps.partition_point(|(end, _)| *end <= time);
        let (from, before) = match after.checked_sub(1) {
            Some(index) => self.steps[index],
            None => (self.start, 0),
        };
        let Some(&(to, sum)) = self.steps.get(after) else { return before };
        let share = time.since(from).as_secs_f64() / to.since(from).as_secs_f64().max(1e-9);
        before + ((sum - before) as f64 * share.min(1.0)) as u64
    }

    /// The readings under load of a target that lives.
    fn under_load<'a>(
        &self,
        readings: &'a [&'a Reading],
    ) -> impl Iterator<Item = &'a Reading> + use<'a> {
        let load = self.start..=self.end;
        let is_of_load =
            move |reading: &&Reading| load.contains(&reading.time) && reading.target.processes > 0;
        readings.iter().copied().filter(is_of_load)
    }

    fn memory(&self, readings: &[&Reading]) -> Vec<MemoryPoint> {
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
    fn target_ended(&self, readings: &[&Reading]) -> Option<f64> {
        let gone = readings.iter().rev().take_while(|reading| reading.target.processes == 0);
        let ended = gone.last()?.time;
        (self.start..self.end).contains(&ended).then(|| ended.since(self.start).as_secs_f64())
    }

    fn series(
        &self,
        readings: &[&Reading],
        of: impl Fn(&Reading) -> Option<f64>,
    ) -> ResourceSeries {
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
    reading.target.rss_anon + reading.target.rss_shmem + reading.target.swap
}

/// Growth of memory that the target's control group is charged for outside of its processes.
fn outside_of_processes(course: &Course, readings: &[&Reading], warm_s: f64) -> Vec<String> {
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

fn grown(readings: &[&Reading], from: Timestamp, to: Timestamp) -> Option<i64> {
    let at = |time: Timestamp| {
        let before = readings.iter().rev().find(|reading| reading.time <= time);
        before.or_else(|| readings.first()).map(|reading| kept(reading) as i64)
    };
    Some(at(to)? - at(from)?)
}

fn dose_found(plan: &Plan, series: &ResourceSeries, rules: &Rules) -> Option<DoseFigures> {
    let segments = plan.load.segments();
    // A scenario's stages never rest.
    if segments.iter().all(|segment| segment.to.is_some()) {
        return None;
    }
    let warmup = plan.limits.warmup.as_secs_f64();
    let (mut at, mut spans) = (0.0, Vec::new());
    for segment in segments.split_last()?.1 {
        let end = at + segment.length.as_secs_f64();
        if at >= warmup {
            spans.push(at + GUARD_S..end);
        }
        at = end;
    }
    let found = rate_steps::analyse(&rate_steps::blocks(series, &spans), rules)?;
    Some(DoseFigures {
        follows: found.follows.word().to_owned(),
        bytes_per_request: found.per_request.into(),
        bytes_per_second: found.per_second.into(),
    })
}

/// Functions that allocated the pages that stay, without the allocators between.
fn leak_functions(profile: &Profile, requests: u64) -> io::Result<Vec<LeakFunction>> {
    let view = profile.cut(&Selection::of([SampleKind::FirstTouch]))?;
    let mut by_function = std::collections::BTreeMap::<String, u64>::new();
    for (&stack, &bytes) in &view.weights {
        let names = || profile.stacks.leaf_first(stack).map(|frame| profile.name(frame));
        let asked = names().find(|name| !is_allocator(&name.function, &name.module));
        let function = asked.or_else(|| names().next()).map_or("[no stack]", |n| &n.function);
        *by_function.entry(function.to_owned()).or_default() += bytes;
    }
    let mut functions: Vec<LeakFunction> = by_function
        .into_iter()
        .map(|(function, bytes)| LeakFunction {
            function,
            bytes,
            share: bytes as f64 / view.total.max(1) as f64,
            bytes_per_request: (requests > 0).then(|| bytes as f64 / requests as f64),
        })
        .collect();
    functions.sort_by_key(|function| std::cmp::Reverse(function.bytes));
    functions.truncate(CAUSES_MAX);
    Ok(functions)
}

/// Kernel and C library, and the allocators that programs bring along.
fn is_allocator(function: &str, module: &str) -> bool {
    const PREFIXES: [&str; 12] = [
        "malloc",
        "calloc",
        "realloc",
        "_int_",
        "sysmalloc",
        "operator new",
        "je_",
        "mi_",
        "tc_",
        "__rust_",
        "alloc::",
        "<alloc::",
    ];
    module == "[kernel]"
        || module.starts_with("libc.")
        || module.starts_with("libjemalloc")
        || module.starts_with("libmimalloc")
        || module.starts_with("libtcmalloc")
        || PREFIXES.iter().any(|prefix| function.starts_with(prefix))
}

fn write_leaks(profile: &Profile, folder: &Path, title: &str) -> io::Result<Vec<String>> {
    let selection = Selection::of([SampleKind::FirstTouch]);
    let title = format!("{title} · memory first touched and never given back");
    write_flames(profile, &selection, folder, "leak.svg", title, FlameUnit::Bytes)?;
    let lines = profile.cut(&selection)?.folded(profile);
    write_whole(folder, "leak.folded", |out| {
        lines.iter().try_for_each(|line| writeln!(out, "{line}"))
    })?;
    Ok(vec!["leak.svg".to_owned(), "leak.folded".to_owned()])
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
