//! Memory of the target that grows, or does not fit.

use uringbench_document::Document;
use uringbench_document::insight::{InsightFigures, InsightSeverity};
use uringbench_document::timeline::SeriesFigures;

use super::insight;

/// Growth below which nothing is said: caches and pools fill.
const GROWTH_MIN: f64 = 8.0 * 1024.0 * 1024.0;
/// Growth over the memory at first below which nothing is said.
const GROWTH_SHARE: f64 = 0.1;
/// Steps of a course that must rise in its second half.
const RISING: f64 = 0.8;
/// Major faults per second from which a target waits for its memory.
const FAULTS_MIN: f64 = 5.0;

/// Private memory grows to the end.
pub(super) fn growing(run: &Document) -> Option<InsightFigures> {
    // A soak decides it with more data.
    if run.soak.is_some() {
        return None;
    }
    let resident = series(run, "rss anon")?;
    let course: Vec<f64> = resident.course.iter().flatten().copied().collect();
    let (first, last) = (*course.first()?, *course.last()?);
    let grown = last - first;
    if course.len() < 6 || grown < GROWTH_MIN || grown < GROWTH_SHARE * first {
        return None;
    }
    let half = &course[course.len() / 2..];
    let rising = half.windows(2).filter(|pair| pair[1] > pair[0]).count() as f64;
    if rising < RISING * (half.len() - 1) as f64 {
        return None;
    }
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    Some(insight(
        ("memory_growth", InsightSeverity::Warning),
        format!(
            "the target's memory grew from {:.1} to {:.1} MiB and was still growing at the end",
            mib(first),
            mib(last)
        ),
        &[("first_bytes", first), ("last_bytes", last)],
        &[
            "find out whether it leaks, and which function, with `uringbench soak`",
            "run longer, to see whether it settles",
        ],
    ))
}

/// Memory was swapped out, or read back from disk.
pub(super) fn swapping(run: &Document) -> Option<InsightFigures> {
    let swapped = series(run, "swap").map_or(0.0, |swap| swap.max);
    let faults = series(run, "major faults").map_or(0.0, |faults| faults.median);
    if swapped <= 0.0 && faults < FAULTS_MIN {
        return None;
    }
    let description = if swapped > 0.0 {
        format!(
            "{:.1} MiB of the target's memory were swapped out: requests that need it wait for \
             the disk",
            swapped / f64::from(1 << 20)
        )
    } else {
        format!("the target waited for pages from disk {faults:.0} times a second")
    };
    Some(insight(
        ("swapping", InsightSeverity::Critical),
        description,
        &[("swap_bytes", swapped), ("major_faults_per_s", faults)],
        &["give the machine or the control group more memory", "let the target use less of it"],
    ))
}

fn series<'a>(run: &'a Document, name: &str) -> Option<&'a SeriesFigures> {
    run.timeline.as_ref()?.series.iter().find(|series| series.name == name)
}
