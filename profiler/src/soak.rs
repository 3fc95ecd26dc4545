//! Whether the target leaks: the verdicts on memory, descriptors and threads, and where the
//! memory that stays came from.
//!
//! `evidence` holds what a verdict rests on and computes it, `stored` reads and writes it as rows.

mod evidence;
mod stored;

use std::io;
use std::path::Path;

use uringbench_core::plan::Plan;
use uringbench_core::rate::Rate;
use uringbench_core::rate_profile::Segment;
use uringbench_core::record::RunRecord;
use uringbench_core::time::Nanos;
use uringbench_document::soak::{LeakFunction, SoakFigures};

pub use self::stored::{StoredSoakError, head_of, read_stored, row_of};

use self::evidence::{RequestCourse, SoakEvidence, grown};
use crate::leak::rate_steps::{self, RateStep};
use crate::profile::{FlameUnit, Profile, Selection, write_flames, write_whole};
use crate::sample::SampleKind;
use crate::session::Recording;
use crate::stack::FrameKind;

/// Pages touched in the last part of the run may still be freed.
const TAIL_SHARE: u64 = 10;
/// The shortest block of a rate step: a slope needs several readings.
const BLOCK_MIN: Nanos = Nanos::from_secs(6);
const BLOCK_MAX: Nanos = Nanos::from_secs(120);
/// Rounds of three rate steps in a soak that is long enough.
const ROUNDS: u64 = 8;
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
    let evidence = SoakEvidence {
        course: RequestCourse::of(record),
        readings: recording.sampled.readings.clone(),
        runtimes: recording.sampled.runtimes.clone(),
        blocks: head_of(plan).blocks,
    };
    let mut soak = evidence.figures();
    let warm = soak.memory.as_ref().map_or(0.0, |memory| memory.warmup_cut_s);
    let mut files = Vec::new();
    let course = &evidence.course;
    let span = course.end.since(course.start);
    let from = course.start + Nanos((warm * 1e9) as u64);
    let to = course.start + Nanos(span.0 - span.0 / TAIL_SHARE);
    let notes = &mut soak.notes;
    match recording.keep_live_pages(from, to) {
        Ok(Some(live_pages)) => {
            soak.surviving_bytes = Some(live_pages.bytes);
            soak.grown_bytes = grown(&evidence.readings, from, to);
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
    Soaked { figures: soak, files }
}

/// Functions that allocated the pages that stay, without the allocators and runtimes between.
fn leak_functions(profile: &Profile, requests: u64) -> io::Result<Vec<LeakFunction>> {
    let view = profile.cut(&Selection::of([SampleKind::FirstTouch]))?;
    let mut by_function = std::collections::BTreeMap::<String, u64>::new();
    for (&stack, &bytes) in &view.weights {
        let names = || profile.stacks.leaf_first(stack).map(|frame| profile.name(frame));
        // Below a runtime's own function is the runtime.
        let script = names().find(|name| name.kind == FrameKind::Interpreted);
        let asked = || names().find(|name| !is_allocator(&name.function, &name.module));
        let function = match script.or_else(asked).or_else(|| names().next()) {
            Some(name) if name.kind == FrameKind::Interpreted && !name.module.is_empty() => {
                format!("{} ({})", name.function, name.module)
            }
            Some(name) => name.function.to_string(),
            None => "[no stack]".to_owned(),
        };
        *by_function.entry(function).or_default() += bytes;
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

#[cfg(test)]
mod simulation;
