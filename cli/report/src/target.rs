//! The profile of the target as text: a name and a text for each line.

use uringbench_core::time::Nanos;
use uringbench_document::target::{
    CountersPerRequest, Function, Interval95, Overhead, PerRequest, Spikes, TargetFigures, Waits,
};

/// Functions shown.
const SHOWN: usize = 8;

/// Lines for display: a name of at most 9 letters (empty for a continuation) and the text.
pub fn lines(figures: &TargetFigures) -> Vec<(String, String)> {
    if figures.is_absent() {
        let why = figures.instead_of.join("; ");
        return vec![("profile".to_owned(), format!("none: {why}"))];
    }
    let mut lines = Vec::new();
    let mut line = |name: &str, text: String| lines.push((name.to_owned(), text));
    // Nothing was sampled, as planned: there is nothing to say about samples.
    if figures.mode != "unsampled" {
        line("profile", how(figures));
    }
    for reason in &figures.reasons {
        line("", format!("- {}", reason.message));
    }
    if figures.mode == "procfs_only" {
        for why in &figures.instead_of {
            line("", format!("- {why}"));
        }
    }
    if figures.samples > 0 {
        line("cpu", cpu(figures));
    }
    if !figures.functions.is_empty() {
        line("functions", "   self   total".to_owned());
    }
    let used = figures.functions.iter().filter(|function| function.self_share > 0.0);
    for function in used.take(SHOWN) {
        line("", self::function(function));
    }
    if let Some(counters) = &figures.counters {
        let mut name = "counters";
        for text in self::counters(counters) {
            line(name, text);
            name = "";
        }
    }
    if let Some(waits) = &figures.waits {
        line("waits", self::waits(waits));
    }
    if let Some(spikes) = &figures.spikes {
        for (index, text) in self::spikes(spikes).into_iter().enumerate() {
            line(if index == 0 { "spikes" } else { "" }, text);
        }
    }
    if let Some(overhead) = &figures.overhead {
        line("overhead", self::overhead(overhead));
    }
    if let Some(python) = &figures.python {
        line(
            "python",
            format!(
                "{} readings, {} failed   samples joined: {} same moment, {} near, {} by force; \
                 {} without",
                python.readings,
                python.failed,
                python.merged,
                python.near,
                python.forced,
                python.unmatched
            ),
        );
    }
    for note in &figures.notes {
        line("note", note.clone());
    }
    lines
}

fn how(figures: &TargetFigures) -> String {
    let way = match figures.mode.as_str() {
        "cgroup" => "the target's cgroup",
        "system_wide" => "system-wide, the target's kept",
        "tasks" => "the target's threads",
        _ => return "no samples could be taken; only the timeline is available".to_owned(),
    };
    let mut parts = Vec::new();
    if let Some(validity) = figures.validity.as_deref().filter(|&validity| validity != "valid") {
        parts.push(validity.to_uppercase());
    }
    parts.push(format!("{} samples", figures.samples));
    if let (Some(hz), Some(clock)) = (figures.hz, &figures.clock) {
        parts.push(format!("{hz} Hz {clock}"));
    }
    parts.push(way.to_owned());
    if figures.is_user_only {
        parts.push("user code only".to_owned());
    }
    if let Some(unwound) = figures.unwound {
        parts.push(format!("{:.1} % of stacks whole", unwound * 100.0));
    }
    if figures.lost > 0 {
        parts.push(format!("{} lost", figures.lost));
    }
    parts.join(" · ")
}

fn cpu(figures: &TargetFigures) -> String {
    let cpu = &figures.cpu;
    let mut text = format!("{:.2} s of the target", cpu.seconds);
    if let Some(us) = cpu.us_per_request {
        text.push_str(&format!("   {us:.2} µs/request"));
    }
    if let Some(share) = cpu.kernel_share {
        text.push_str(&format!("   {:.1} % in the kernel", share * 100.0));
    }
    if let Some(coverage) = figures.coverage {
        text.push_str(&format!("   {:.0} % of schedstat's", coverage * 100.0));
    }
    text
}

fn function(function: &Function) -> String {
    let module = match function.module.as_str() {
        "" => String::new(),
        module => format!(" ({module})"),
    };
    let cost = function
        .us_per_request
        .map_or_else(String::new, |cost| format!("   {}", ranged(cost, 1.0, " µs/request")));
    let (own, in_all) = (function.self_share * 100.0, function.total_share * 100.0);
    format!("{own:>5.1} % {in_all:>5.1} %  {}{module}{cost}", function.function)
}

/// `0.41 [0.38..0.44] µs/request`.
fn ranged(figure: Interval95, scale: f64, unit: &str) -> String {
    let end =
        |end: Option<f64>| end.map_or_else(|| "?".to_owned(), |end| format!("{:.2}", end * scale));
    let (low, high) = (end(figure.ci_low), end(figure.ci_high));
    format!("{:.2} [{low}..{high}]{unit}", figure.value * scale)
}

fn waits(waits: &Waits) -> String {
    let mut text = format!("blocked {:.2} s", waits.blocked_s);
    if let Some(share) = waits.for_work_share {
        text.push_str(&format!(" ({:.0} % waiting for work)", share * 100.0));
    }
    text.push_str(&format!("   for a CPU {:.2} s", waits.preempted_s));
    if let Some(seconds) = waits.blocked_in_flight_s.filter(|&seconds| seconds > 0.0) {
        text.push_str(&format!("   {seconds:.2} s not for work, requests in flight"));
        if let Some(most) = waits.functions.first() {
            text.push_str(&format!(", most in {}", most.function));
        }
    }
    text
}

fn spikes(spikes: &Spikes) -> Vec<String> {
    let threshold = Nanos(spikes.threshold_ns);
    let text = match spikes.extent.as_str() {
        "none" => format!("none: no stretch had a response p99 over {threshold}"),
        "all" => format!("every stretch had a response p99 over {threshold}: raise --spike"),
        "some" => {
            let length: f64 = spikes.windows.iter().map(|w| w.to_s - w.from_s).sum();
            let mut text = format!(
                "{} with a response p99 over {threshold}, {length:.1} s in all, {} samples",
                spikes.windows.len(),
                spikes.samples
            );
            if spikes.too_few_samples {
                text.push_str(": too few to compare; run longer or raise --profile-hz");
            } else if spikes.functions.is_empty() {
                text.push_str(": no function stands out on the CPU; see off-cpu.svg");
            }
            text
        }
        _ => return Vec::new(),
    };
    let mut lines = vec![text];
    for function in spikes.functions.iter().take(4) {
        lines.push(format!(
            "{:>5.1} % there, {:.1} % elsewhere ({} times, q {:.1e})  {}",
            function.spike_share * 100.0,
            function.other_share * 100.0,
            ranged(function.ratio, 1.0, ""),
            function.q,
            function.function
        ));
    }
    lines
}

fn overhead(overhead: &Overhead) -> String {
    let part = |name: &str, figure: Option<Interval95>| match figure {
        Some(figure) => format!("{name} {} %", ranged(figure, 100.0, "")),
        None => format!("{name} unknown"),
    };
    format!(
        "{} · {} · {} ({} pairs of blocks)",
        part("throughput", overhead.throughput_change),
        part("p99", overhead.response_p99_change),
        part("CPU/request", overhead.cpu_per_request_change),
        overhead.pairs
    )
}

/// A line for each side.
fn counters(counters: &CountersPerRequest) -> Vec<String> {
    let sides = [(counters.target, "target"), (counters.generator, "generator")];
    let counted = sides.into_iter().filter_map(|(side, name)| Some((side?, name)));
    counted.map(|(side, name)| format!("{name:<9} per request: {}", counts(&side))).collect()
}

fn counts(counts: &PerRequest) -> String {
    let mut text = format!("{:.2} µs", counts.cpu_us);
    let optional = [
        (counts.context_switches, "switches"),
        (counts.migrations, "migrations"),
        (Some(counts.page_faults), "faults"),
        (counts.cycles, "cycles"),
        (counts.instructions, "instructions"),
    ];
    for (count, unit) in optional {
        match count {
            Some(count) if count >= 100.0 => text.push_str(&format!(" · {count:.0} {unit}")),
            Some(count) => text.push_str(&format!(" · {count:.3} {unit}")),
            None => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_that_are_not_known_are_left_out() {
        let target = PerRequest {
            cpu_us: 2.0,
            context_switches: Some(0.5),
            migrations: None,
            page_faults: 0.01,
            cycles: Some(300.0),
            instructions: None,
            is_user_only: false,
        };
        let found = counters(&CountersPerRequest {
            requests: 4_000.0,
            target: Some(target),
            generator: None,
        });
        let line = "target    per request: 2.00 µs · 0.500 switches · 0.010 faults · 300 cycles";
        assert_eq!(found, [line]);
    }

    #[test]
    fn of_a_target_that_could_not_be_recorded_the_cause_is_there() {
        let lines = lines(&TargetFigures::absent("no process is called x"));
        assert_eq!(lines, [("profile".to_owned(), "none: no process is called x".to_owned())]);
    }
}
