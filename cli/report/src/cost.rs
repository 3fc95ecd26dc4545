//! What a request costs the target, as text: a name and a text for each line.

use uringbench_document::cost::CostFigures;
use uringbench_document::target::Interval95;

/// Lines for display; a name is empty for a continuation.
pub(crate) fn lines(cost: &CostFigures) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    let mut line = |name: &str, text: String| lines.push((name.to_owned(), text));
    line("cost", format!("per request for the target, 95 % intervals over {:.0} s", cost.seconds));
    let mut cpu = format!("CPU {}", ranged(cost.cpu_us, "µs"));
    if let Some(share) = cost.kernel_share {
        cpu.push_str(&format!("   {:.0} % in the kernel", share * 100.0));
    }
    cpu.push_str(&format!("   {:.2} CPUs busy", cost.cpus));
    line("", cpu);
    let counted = [
        cost.context_switches.map(|count| format!("switches {}", ranged(count, ""))),
        cost.page_faults.map(|count| format!("faults {}", ranged(count, ""))),
        cost.instructions.map(|count| format!("instructions {count:.0}")),
    ];
    let counted: Vec<String> = counted.into_iter().flatten().collect();
    if !counted.is_empty() {
        line("", counted.join("   "));
    }
    if let (Some(mean), Some(peak)) = (cost.resident_bytes, cost.resident_peak_bytes) {
        let mib = |bytes: f64| bytes / f64::from(1 << 20);
        let growth = cost
            .resident_growth_bytes
            .map_or_else(String::new, |it| format!("   growth {}", ranged(it, "bytes")));
        let (mean, peak) = (mib(mean), mib(peak));
        line("", format!("memory {mean:.1} MiB, at most {peak:.1}{growth}"));
    }
    if let (Some(cpu), Some(rate)) = (cost.cpu_variation, cost.rate_variation) {
        line(
            "",
            format!(
                "from second to second: CPU/request ±{:.1} %, rate ±{:.1} %",
                cpu * 100.0,
                rate * 100.0
            ),
        );
    }
    lines
}

/// `50.1 µs [49.6..50.6]`, with three significant digits.
fn ranged(figure: Interval95, unit: &str) -> String {
    let scale = figure.value.abs();
    let digits = match scale {
        scale if scale >= 100.0 => 0,
        scale if scale >= 10.0 => 1,
        scale if scale >= 1.0 => 2,
        _ => 3,
    };
    let shown = |value: f64| {
        // A zero has no sign.
        let text = format!("{value:.digits$}");
        if text.trim_start_matches(['-', '0', '.']).is_empty() {
            text.replace('-', "")
        } else {
            text
        }
    };
    let end = |end: Option<f64>| end.map_or_else(|| "?".to_owned(), shown);
    let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
    format!("{}{unit} [{}..{}]", shown(figure.value), end(figure.ci_low), end(figure.ci_high))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(value: f64, low: f64, high: f64) -> Interval95 {
        Interval95 { value, ci_low: Some(low), ci_high: Some(high) }
    }

    #[test]
    fn known_figures_are_shown_with_their_intervals() {
        let cost = CostFigures {
            rows: 30,
            seconds: 30.001,
            requests: 30_000.0,
            cpu_us: interval(50.12, 49.6, 50.6),
            kernel_share: Some(0.613),
            context_switches: Some(interval(1.02, 1.0, 1.04)),
            page_faults: Some(interval(0.000_04, -0.000_01, 0.000_1)),
            faulted_bytes: Some(interval(0.2, 0.0, 0.4)),
            instructions: None,
            resident_growth_bytes: Some(Interval95 {
                value: 0.0,
                ci_low: None,
                ci_high: Some(0.1),
            }),
            resident_bytes: Some(10_485_760.0),
            resident_peak_bytes: Some(11_534_336.0),
            cpus: 0.05,
            cpu_variation: Some(0.012),
            rate_variation: Some(0.0004),
        };
        let lines: Vec<String> =
            lines(&cost).into_iter().map(|(name, text)| format!("{name}|{text}")).collect();
        let expected = [
            "cost|per request for the target, 95 % intervals over 30 s",
            "|CPU 50.1 µs [49.6..50.6]   61 % in the kernel   0.05 CPUs busy",
            "|switches 1.02 [1.00..1.04]   faults 0.000 [0.000..0.000]",
            "|memory 10.0 MiB, at most 11.0   growth 0.000 bytes [?..0.100]",
            "|from second to second: CPU/request ±1.2 %, rate ±0.0 %",
        ];
        assert_eq!(lines, expected);
    }
}
