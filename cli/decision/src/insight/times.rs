//! Slow answers: a long tail, steps of 40 ms, pauses for garbage collection, a rate that falls.

use uringbench_core::statistics::mean;
use uringbench_core::time::Nanos;
use uringbench_document::insight::{InsightFigures, InsightSeverity};
use uringbench_document::{Document, TimeFigures};

use super::insight;
use crate::metric::whole_intervals;

/// p99 over p50 from which the tail is long.
const TAIL: f64 = 10.0;
/// Response p99 below which nobody notices a tail.
const TAIL_MIN: u64 = 1_000_000;
/// Linux delays an acknowledgement for 40 ms (`TCP_DELACK_MIN`). With a timer of 250 Hz it is armed
/// and found due up to a tick of 4 ms late each, and the second part takes some time of its own.
const DELAYED_ACK: std::ops::RangeInclusive<u64> = 38_000_000..=50_000_000;
/// Probability by chance below which a function counts as more frequent in spikes.
const CHANCE: f64 = 0.05;
/// Share by which the rate must have fallen.
const FALL: f64 = 0.1;
/// Fewest seconds in which a rate can fall.
const SECONDS_MIN: usize = 10;

/// The slowest answers are much slower than the usual ones.
pub(super) fn long_tail(run: &Document) -> Option<InsightFigures> {
    let times = &run.latency_ns.response;
    let (p50, p99) = (times.p50?, times.p99?);
    if p99 < TAIL_MIN || (p99 as f64) < TAIL * p50 as f64 {
        return None;
    }
    let ratio = p99 as f64 / p50.max(1) as f64;
    let is_sampled = run.target.as_ref().is_some_and(|target| target.samples > 0);
    let rest = if is_sampled {
        "compare the functions in spikes.svg with flamegraph.svg in the result's folder"
    } else {
        "name the functions that run more in slow moments with --profile and the target's PID"
    };
    Some(insight(
        ("long_tail", InsightSeverity::Warning),
        format!(
            "one request in a hundred takes {} or longer, {ratio:.0} times the median of {}",
            Nanos(p99),
            Nanos(p50)
        ),
        &[("p50_ns", p50 as f64), ("p99_ns", p99 as f64), ("ratio", ratio)],
        &[rest, "find the rate from which on it appears: repeat with lower -R"],
    ))
}

/// The second part of an answer waits for a delayed acknowledgement of the first.
pub(super) fn delayed_ack(run: &Document) -> Option<InsightFigures> {
    // Streams take the time that they take.
    if run.stream.is_some() {
        return None;
    }
    let quantiles = |times: &TimeFigures| {
        [
            (50.0, times.p50),
            (90.0, times.p90),
            (95.0, times.p95),
            (99.0, times.p99),
            (99.9, times.p999),
        ]
    };
    let service = quantiles(&run.latency_ns.service);
    let first_byte = quantiles(&run.latency_ns.first_byte);
    let (percent, whole, first) =
        service.into_iter().zip(first_byte).find_map(|((percent, whole), (_, first))| {
            let (whole, first) = (whole?, first?);
            // The first part of the answer was there long before the rest.
            (DELAYED_ACK.contains(&whole) && first < whole / 4).then_some((percent, whole, first))
        })?;
    Some(insight(
        ("delayed_ack", InsightSeverity::Critical),
        format!(
            "answers begin after {} and end after {} (p{percent}): the target sends them in two \
             parts, and Nagle's algorithm holds the second until a delayed acknowledgement of the \
             first, 40 ms later",
            Nanos(first),
            Nanos(whole)
        ),
        &[("first_byte_ns", first as f64), ("service_ns", whole as f64), ("quantile", percent)],
        &[
            "let the target set TCP_NODELAY",
            "let it write header and body with one system call (writev, or a buffered writer)",
        ],
    ))
}

/// The functions in spikes collect garbage.
pub(super) fn garbage_collection(run: &Document) -> Option<InsightFigures> {
    /// Parts of names: CPython, Go, V8, HotSpot, .NET, Ruby, BEAM, OCaml and Boehm's collector.
    const NAMES: [&str; 20] = [
        "gc_collect",
        "deduce_unreachable",
        "runtime.gcDrain",
        "runtime.gcBgMarkWorker",
        "runtime.scanobject",
        "runtime.gcAssistAlloc",
        "v8::internal::Heap::",
        "v8::internal::Scavenger",
        "v8::internal::MarkCompact",
        "v8::internal::Mark",
        "G1ParScanThreadState",
        "G1ConcurrentMark",
        "G1CollectedHeap",
        "ParallelGCFailedAllocation",
        "ZMark",
        "ZRelocate",
        "gc_heap::",
        "gc_marks",
        "garbage_collect",
        "GC_mark",
    ];
    let spikes = run.target.as_ref()?.spikes.as_ref()?;
    let is_collector = |name: &str| NAMES.iter().any(|part| name.contains(part));
    let found = spikes
        .functions
        .iter()
        .find(|function| function.q < CHANCE && is_collector(&function.function))?;
    Some(insight(
        ("gc_pauses", InsightSeverity::Warning),
        format!(
            "garbage collection stands behind slow answers: {} is in {:.0} % of the samples of \
             slow moments and in {:.0} % of the others",
            found.function,
            found.spike_share * 100.0,
            found.other_share * 100.0
        ),
        &[("spike_share", found.spike_share), ("other_share", found.other_share), ("q", found.q)],
        &[
            "let requests allocate less: see who calls it in spikes.svg",
            "give the collector more memory or another pause goal",
        ],
    ))
}

/// A closed loop completes less and less.
pub(super) fn falling_rate(run: &Document) -> Option<InsightFigures> {
    if run.rate.offered.is_some() {
        return None;
    }
    let whole = whole_intervals(run);
    let rates: Vec<f64> = whole.iter().map(|it| it.completed as f64 / it.length_s).collect();
    if rates.len() < SECONDS_MIN {
        return None;
    }
    let part = rates.len() / 3;
    let (early, late) = (&rates[..part], &rates[rates.len() - part..]);
    let (first, last) = (mean(early)?, mean(late)?);
    // Every late second is below every early one: a rate that wanders comes back.
    let least = early.iter().copied().fold(f64::INFINITY, f64::min);
    let is_falling = late.iter().all(|&rate| rate < least);
    (is_falling && last < (1.0 - FALL) * first).then(|| {
        insight(
            ("falling_rate", InsightSeverity::Warning),
            format!(
                "the rate fell from {first:.0}/s in the first third to {last:.0}/s in the last, \
                 {:.0} % less, while the load stayed the same",
                (1.0 - last / first) * 100.0
            ),
            &[("first_per_s", first), ("last_per_s", last)],
            &[
                "run longer, to see whether it settles",
                "look for what grows in the target with `uringbench soak`",
            ],
        )
    })
}
