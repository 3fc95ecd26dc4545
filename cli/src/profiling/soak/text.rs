//! What a person reads of a soak.

use uringbench_profiler::analysis::Interval95;
use uringbench_profiler::leak::{Axis, LeakResult, LeakVerdict};

use super::Soak;

/// A function is named for a leak from this share of it on.
const NAMED_MIN: f64 = 0.1;

impl Soak {
    pub(super) fn headline(&self, memory: Option<&LeakResult>) -> String {
        match (self.verdict, memory.map(|result| (result.verdict, result.axis))) {
            ("leak", Some((LeakVerdict::Leak, Axis::Requests))) => {
                let bytes = self.bytes_per_request.unwrap_or_default();
                // Where other memory leaks than was first touched, no function is known.
                let is_its = |cost: f64| cost >= NAMED_MIN * bytes;
                let most = self.leak_functions.first();
                let most = most.filter(|most| most.bytes_per_request.is_some_and(is_its));
                let place = most.map_or_else(String::new, |most| format!(", {}", most.function));
                let kind = self.kind();
                format!("LEAK ({bytes:.1} bytes per request{kind}{place})")
            }
            ("leak", Some((LeakVerdict::Leak, Axis::Hours))) => {
                format!("LEAK (memory, by the clock{})", self.kind())
            }
            ("leak", _) => {
                let is_fds = self.fds.as_ref().is_some_and(|fds| fds.verdict == "leak");
                format!("LEAK ({})", if is_fds { "file descriptors" } else { "threads" })
            }
            ("no_leak", Some((LeakVerdict::NoLeak { below }, Axis::Requests))) => {
                format!("NO LEAK > {below:.3} bytes per request")
            }
            ("no_leak", Some((LeakVerdict::NoLeak { below }, Axis::Hours))) => {
                format!("NO LEAK > {:.2} MB per hour", below / 1e6)
            }
            _ => match self.needs_minutes {
                None if self.target_ended_s.is_some() => {
                    let ended_s = self.target_ended_s.unwrap_or_default();
                    format!("INCONCLUSIVE (the target ended after {ended_s:.1} s)")
                }
                Some(minutes) => format!("INCONCLUSIVE (needs {:.0} more minutes)", minutes.ceil()),
                None => "INCONCLUSIVE".to_owned(),
            },
        }
    }

    /// The kinds of memory that grow, when they are not the usual one.
    fn kind(&self) -> String {
        match self.growing.as_slice() {
            [] | ["private"] => String::new(),
            kinds => format!(", {} memory", kinds.join(" and ")),
        }
    }

    pub(super) fn lines(&self, notes: &[String]) -> Vec<(String, String)> {
        let mut lines = Vec::new();
        if self.target_ended_s.is_some() {
            lines.push((String::new(), format!("- {}", self.reason)));
        }
        let resources = [
            ("memory", "bytes", &self.memory),
            ("fds", "fds", &self.fds),
            ("threads", "threads", &self.threads),
        ];
        for (name, unit, resource) in resources {
            let Some(resource) = resource else { continue };
            let slope = match resource.per_request {
                Some(slope) => ranged(slope, &format!("{unit}/request")),
                None => ranged(resource.per_hour, &format!("{unit}/hour")),
            };
            let word = resource.verdict.replace('_', " ").to_uppercase();
            lines.push((name.to_owned(), format!("{word}   {slope}   {}", resource.shape)));
            lines.push((String::new(), format!("- {}", resource.reason)));
        }
        if let Some(dose) = &self.dose {
            let parts = format!(
                "growth follows: {}   {}   {}",
                dose.follows,
                ranged(dose.bytes_per_request, "bytes/request"),
                ranged(dose.bytes_per_second, "bytes/second"),
            );
            lines.push(("dose".to_owned(), parts));
        }
        if let (Some(bytes), Some(grown)) = (self.surviving_bytes, self.grown_bytes) {
            let mib = |bytes: f64| bytes / f64::from(1 << 20);
            lines.push((
                "stays".to_owned(),
                format!(
                    "{:.1} MiB first touched after the warm-up are still there; memory grew by \
                     {:.1} MiB meanwhile",
                    mib(bytes as f64),
                    mib(grown as f64)
                ),
            ));
        }
        for function in self.leak_functions.iter().take(5) {
            let cost = function
                .bytes_per_request
                .map_or_else(String::new, |cost| format!("   {cost:.1} bytes/request"));
            let text = format!("{:>5.1} %  {}{cost}", function.share * 100.0, function.function);
            lines.push((String::new(), text));
        }
        lines.extend(notes.iter().map(|note| ("note".to_owned(), note.clone())));
        lines.push((String::new(), String::new()));
        lines
    }
}

fn ranged(figure: Interval95, unit: &str) -> String {
    let end = |end: Option<f64>| end.map_or_else(|| "?".to_owned(), shown);
    let (low, high) = (end(figure.ci_low), end(figure.ci_high));
    format!("{} [{low}..{high}] {unit}", shown(figure.value))
}

/// Bytes have two decimals; a share of a descriptor has a power of ten.
fn shown(figure: f64) -> String {
    match figure.abs() {
        0.0 => "0".to_owned(),
        small if small < 0.005 => format!("{figure:.1e}"),
        _ => format!("{figure:.2}"),
    }
}
