//! The reasons of a verdict in words: what was seen, and what a decision would need.

use uringbench_core::statistics::Estimate;
use uringbench_core::summary::{Grouped, plural};

use super::rises::Rises;
use super::{Axis, Heap, LeakResult, LeakVerdict, ResourceUnit, Shape};

/// Why growth above the floor is not yet evidence of a leak; bytes since the warm-up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Doubt {
    /// The growth is within the normal range of a heap.
    Little { grown: f64, least: f64 },
    /// Any growth is within that range.
    HeapToItsLimit { grown: f64 },
    /// It came in few pieces.
    Lumps { grown: f64, rises: Rises },
}

impl Doubt {
    /// The reason of a result that has this doubt.
    pub(super) fn reason(self, result: &LeakResult, heap: Heap) -> String {
        let mib = |bytes: f64| format!("{:.1} MiB", bytes / 1_048_576.0);
        let needs = needs(result);
        match self {
            Self::Little { grown, least } => {
                let of = match heap {
                    Heap::Freed => "an allocator",
                    Heap::Beside => "the memory of a runtime beside its heap",
                    Heap::Collected | Heap::CollectedAtItsLimit => "a garbage-collected heap",
                };
                format!(
                    "it grows steadily, but only by {} since the warm-up, and {of} may grow by {} \
                     without a leak: {needs}",
                    mib(grown),
                    mib(least)
                )
            }
            Self::HeapToItsLimit { grown } => format!(
                "it grew by {} since the warm-up, and this runtime's heap grows to its limit \
                 without a leak: set a limit (-Xmx, DOTNET_GCHeapHardLimit) that the heap reaches \
                 early in the run",
                mib(grown)
            ),
            Self::Lumps { grown, rises } => format!(
                "it grew by {} since the warm-up, but unlike a leak in {} steps, {} of them in the \
                 last third, the largest {:.0} % of the growth: {needs}",
                mib(grown),
                rises.count,
                rises.late,
                rises.largest / rises.total.max(1.0) * 100.0
            ),
        }
    }
}

/// What a decision needs, as advice.
fn needs(result: &LeakResult) -> String {
    match result.verdict {
        LeakVerdict::Inconclusive { needs_minutes } if needs_minutes.is_finite() => {
            longer(needs_minutes, result.rate)
        }
        _ => String::new(),
    }
}

/// The advice to repeat the run, longer by so many minutes; or, where growth follows requests, by
/// as many requests at ten times the rate.
pub(super) fn longer(minutes: f64, rate: Option<f64>) -> String {
    /// The rate is raised by this factor in the advice.
    const FASTER: f64 = 10.0;
    let text = format!("run {} longer", plural(minutes as u64, "minute"));
    let sooner = (minutes / FASTER).ceil();
    match rate.map(|rate| three_digits(rate).round()) {
        Some(rate) if rate >= 1.0 && sooner < minutes => format!(
            "{text} at {} requests/s, or {} at {}",
            Grouped(rate as u64),
            Grouped(sooner as u64),
            Grouped((rate * FASTER) as u64)
        ),
        _ => text,
    }
}

/// The reason of a result without doubts.
pub(super) fn reason(result: &LeakResult, unit: ResourceUnit, slope: Estimate) -> String {
    let unit = match unit {
        ResourceUnit::Bytes => "bytes",
        ResourceUnit::Descriptors => "descriptors",
        ResourceUnit::Threads => "threads",
    };
    let per = match result.axis {
        Axis::Requests => "per request",
        Axis::Hours => "per hour",
    };
    let Estimate { value, low, high } = slope.map(three_digits);
    let growth = format!("{value} {unit} {per} (95 %: {low} to {high})");
    let floor = three_digits(result.floor);
    match (result.verdict, result.shape) {
        (LeakVerdict::Leak, _) => {
            format!("it grows steadily by {growth}, above the floor of {floor}")
        }
        (LeakVerdict::NoLeak { below }, _) => {
            let below = three_digits(below);
            format!("after the warm-up it grows by {growth}: no leak above {below} {unit} {per}")
        }
        (LeakVerdict::Inconclusive { needs_minutes }, Shape::Saturating { .. }) => format!(
            "growth slows down but has not ended (lately {growth}): {} to see where it ends",
            longer(needs_minutes, result.rate)
        ),
        (LeakVerdict::Inconclusive { needs_minutes }, Shape::Step { height }) => format!(
            "it jumped once by {} {unit} and else grows by {growth}: {} to see another jump",
            three_digits(height),
            longer(needs_minutes, result.rate)
        ),
        (LeakVerdict::Inconclusive { needs_minutes }, _) => format!(
            "it grows by {growth}, which neither shows nor rules out a leak above the floor of \
             {floor}: {}",
            longer(needs_minutes, result.rate)
        ),
    }
}

/// Rounded to three digits.
pub(super) fn three_digits(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let digits = value.abs().log10().floor() as i32 - 2;
    // Powers of ten are exact from 1 on.
    let scale = 10_f64.powi(digits.abs());
    if digits > 0 { (value / scale).round() * scale } else { (value * scale).round() / scale }
}
