//! The verdict of a soak as text.

use uringbench_core::summary::{Grouped, plural};
use uringbench_document::soak::{HeapFigures, ResourceFigures, SoakFigures};
use uringbench_document::target::Interval95;

/// Smallest share of a leak for which a function is named.
const NAMED_MIN: f64 = 0.1;
/// Most functions shown for a leak.
const FUNCTIONS_SHOWN: usize = 5;

/// `NO LEAK > 0.412 bytes per request`: the verdict in one line.
pub fn headline(soak: &SoakFigures) -> String {
    let memory = soak.memory.as_ref();
    let is_by_requests = memory.is_some_and(|memory| memory.axis == "requests");
    match soak.verdict.as_str() {
        "leak" if memory.is_none_or(|memory| memory.verdict != "leak") => {
            let is_fds = soak.fds.as_ref().is_some_and(|fds| fds.verdict == "leak");
            format!("LEAK ({})", if is_fds { "file descriptors" } else { "threads" })
        }
        "leak" if is_by_requests => {
            let bytes = soak.bytes_per_request.unwrap_or_default();
            // A function is named only if its pages explain the growth.
            let is_its = |cost: f64| cost >= NAMED_MIN * bytes;
            let most = soak.leak_functions.first();
            let most = most.filter(|most| most.bytes_per_request.is_some_and(is_its));
            let place = most.map_or_else(String::new, |most| format!(", {}", most.function));
            format!("LEAK ({bytes:.1} bytes per request{}{place})", kind(soak))
        }
        "leak" => {
            let per_hour = memory.map_or(0.0, |memory| memory.per_hour.value) / 1e6;
            format!("LEAK ({per_hour:.2} MB per hour{})", kind(soak))
        }
        "no_leak" => match memory.and_then(|memory| memory.below) {
            Some(below) if is_by_requests => format!("NO LEAK > {below:.3} bytes per request"),
            Some(below) => format!("NO LEAK > {:.2} MB per hour", below / 1e6),
            // An early document without the bound.
            None => "NO LEAK".to_owned(),
        },
        _ => match (soak.needs_minutes, soak.target_ended_s) {
            (Some(minutes), _) => format!("INCONCLUSIVE ({})", needs(soak, minutes)),
            (None, Some(ended_s)) => {
                format!("INCONCLUSIVE (the target ended after {ended_s:.1} s)")
            }
            (None, None) => match missing_collections(soak) {
                Some(missing) => format!(
                    "INCONCLUSIVE (needs {})",
                    plural(missing as u64, "more full collection")
                ),
                None => "INCONCLUSIVE".to_owned(),
            },
        },
    }
}

/// The collections that the verdict on a heap awaits.
fn missing_collections(soak: &SoakFigures) -> Option<usize> {
    soak.heaps.iter().filter_map(|heap| heap.needs_collections).max()
}

/// What is missing: minutes at the rate of the run, or fewer at ten times that; and the collections
/// of a heap that are awaited.
fn needs(soak: &SoakFigures, minutes: f64) -> String {
    let minutes = minutes.ceil();
    let collections = missing_collections(soak).map_or_else(String::new, |missing| {
        format!(", or {}", plural(missing as u64, "full collection"))
    });
    let rate = soak.needs_requests.map(|requests| (requests / minutes / 60.0).round());
    let sooner = (minutes / 10.0).ceil();
    let time = match rate {
        Some(rate) if rate >= 1.0 && sooner < minutes => format!(
            "needs {} at {}/s, or {} at {}/s",
            plural(minutes as u64, "more minute"),
            Grouped(rate as u64),
            Grouped(sooner as u64),
            Grouped(rate as u64 * 10)
        ),
        _ => format!("needs {}", plural(minutes as u64, "more minute")),
    };
    format!("{time}{collections}")
}

/// The kinds of memory that grow, if they are not private alone.
fn kind(soak: &SoakFigures) -> String {
    match soak.growing.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] | ["private"] => String::new(),
        kinds => format!(", {} memory", kinds.join(" and ")),
    }
}

/// The figures behind the verdict: names and texts, line by line.
pub fn lines(soak: &SoakFigures) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    if soak.target_ended_s.is_some() {
        lines.push((String::new(), format!("- {}", soak.reason)));
    }
    let resources = [
        ("memory", "bytes", &soak.memory),
        ("fds", "fds", &soak.fds),
        ("threads", "threads", &soak.threads),
    ];
    for (name, unit, resource) in resources {
        if let Some(resource) = resource {
            lines.push((name.to_owned(), self::resource(resource, unit)));
            lines.push((String::new(), format!("- {}", resource.reason)));
        }
    }
    for heap in &soak.heaps {
        lines.push(("heap".to_owned(), self::heap(heap)));
        lines.push((String::new(), format!("- {}", heap.reason)));
    }
    if let Some(beside) = &soak.beside_heaps {
        lines.push(("beside".to_owned(), resource(beside, "bytes")));
        lines.push((String::new(), format!("- {}", beside.reason)));
    }
    if let Some(dose) = &soak.dose {
        let parts = format!(
            "growth follows: {}   {}   {}",
            dose.follows,
            ranged(dose.bytes_per_request, "bytes/request"),
            ranged(dose.bytes_per_second, "bytes/second"),
        );
        lines.push(("dose".to_owned(), parts));
    }
    if let (Some(bytes), Some(grown)) = (soak.surviving_bytes, soak.grown_bytes) {
        let mib = |bytes: f64| bytes / f64::from(1 << 20);
        lines.push((
            "stays".to_owned(),
            format!(
                "{:.1} MiB first touched after the warm-up are still there; memory grew by {:.1} \
                 MiB meanwhile",
                mib(bytes as f64),
                mib(grown as f64)
            ),
        ));
    }
    for function in soak.leak_functions.iter().take(FUNCTIONS_SHOWN) {
        let cost = function.bytes_per_request;
        let cost = cost.map_or_else(String::new, |cost| format!("   {cost:.1} bytes/request"));
        let text = format!("{:>5.1} %  {}{cost}", function.share * 100.0, function.function);
        lines.push((String::new(), text));
    }
    lines.extend(soak.notes.iter().map(|note| ("note".to_owned(), note.clone())));
    lines
}

fn heap(heap: &HeapFigures) -> String {
    let word = heap.verdict.replace('_', " ").to_uppercase();
    let slope = heap.bytes_per_request.map(|slope| ranged(slope, "bytes/request"));
    let slope = slope.map_or_else(String::new, |slope| format!("   {slope}"));
    let collections = plural(heap.collections as u64, "full collection");
    format!("{word}{slope}   {} of process {}, {collections}", heap.collector, heap.pid)
}

fn resource(resource: &ResourceFigures, unit: &str) -> String {
    let slope = match resource.per_request {
        Some(slope) => ranged(slope, &format!("{unit}/request")),
        None => ranged(resource.per_hour, &format!("{unit}/hour")),
    };
    let word = resource.verdict.replace('_', " ").to_uppercase();
    format!("{word}   {slope}   {}", resource.shape)
}

fn ranged(figure: Interval95, unit: &str) -> String {
    let end = |end: Option<f64>| end.map_or_else(|| "?".to_owned(), shown);
    let (low, high) = (end(figure.ci_low), end(figure.ci_high));
    format!("{} [{low}..{high}] {unit}", shown(figure.value))
}

/// Two decimals for bytes, a power of ten for a share of a descriptor.
fn shown(figure: f64) -> String {
    match figure.abs() {
        0.0 => "0".to_owned(),
        small if small < 0.005 => format!("{figure:.1e}"),
        _ => format!("{figure:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_verdict_names_minutes_requests_and_collections() {
        let open = |minutes, requests, collections| {
            let heap = HeapFigures { needs_collections: collections, ..HeapFigures::default() };
            headline(&SoakFigures {
                verdict: "inconclusive".to_owned(),
                needs_minutes: minutes,
                needs_requests: requests,
                heaps: vec![heap],
                ..SoakFigures::default()
            })
        };
        assert_eq!(
            open(Some(36.0), Some(648_000.0), None),
            "INCONCLUSIVE (needs 36 more minutes at 300/s, or 4 at 3,000/s)"
        );
        assert_eq!(
            open(Some(11.0), Some(56_100.0), Some(7)),
            "INCONCLUSIVE (needs 11 more minutes at 85/s, or 2 at 850/s, or 7 full collections)"
        );
        // A collector that promotes nothing gives no time.
        assert_eq!(open(None, None, Some(7)), "INCONCLUSIVE (needs 7 more full collections)");
        assert_eq!(open(None, None, None), "INCONCLUSIVE");
        assert_eq!(
            open(Some(1.0), None, Some(1)),
            "INCONCLUSIVE (needs 1 more minute, or 1 full collection)"
        );
        assert_eq!(open(None, None, None), "INCONCLUSIVE");
    }
}
