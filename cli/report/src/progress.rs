//! One line per second during a run.

use uringbench_core::summary::Grouped;
use uringbench_core::time::Nanos;
use uringbench_document::IntervalFigures;

/// The figures of `interval`, and the time left (`None` if requests limit the run): `  12s
/// 152,340/s  p50  410 µs  p99 1.20 ms  errors 0  left 18s`. Columns keep their positions. No line
/// end.
pub fn line(interval: &IntervalFigures, left: Option<Nanos>) -> String {
    let seconds = interval.length_s;
    let elapsed = (interval.t_s + seconds).round() as u64;
    let rate = if seconds > 0.0 { interval.completed as f64 / seconds } else { 0.0 };
    let rate = format!("{}/s", Grouped(rate.round() as u64));
    let time = |nanos: Option<u64>| nanos.map_or_else(|| "-".to_owned(), |n| Nanos(n).to_string());
    let p50 = time(interval.response_p50_ns);
    let p99 = time(interval.response_p99_ns);
    let errors = Grouped(interval.errors);
    let mut line =
        format!("{elapsed:>4}s  {rate:>11}  p50 {p50:>7}  p99 {p99:>7}  errors {errors}");
    let then = match (interval.phase.as_str(), left) {
        ("warmup", _) => "  warming up".to_owned(),
        ("drain", _) => "  draining".to_owned(),
        (_, Some(left)) => format!("  left {}s", left.as_secs_f64().round() as u64),
        (_, None) => String::new(),
    };
    line.push_str(&then);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(phase: &str) -> IntervalFigures {
        IntervalFigures {
            t_s: 11.0,
            length_s: 1.0,
            phase: phase.to_owned(),
            released: 152_340,
            completed: 152_340,
            errors: 0,
            outcomes: Default::default(),
            in_flight: 64,
            connected: 64,
            response_p50_ns: Some(410_300),
            response_p99_ns: Some(1_203_000),
            response_max_ns: Some(2_000_000),
            lateness_p99_ns: None,
            sent_bytes: 0,
            received_bytes: 0,
        }
    }

    #[test]
    fn a_line_shows_the_second_and_what_is_left() {
        let left = Some(Nanos::from_secs(18));
        let measure = interval("measure");
        let nothing = IntervalFigures {
            completed: 0,
            errors: 1_204,
            response_p50_ns: None,
            response_p99_ns: None,
            ..measure.clone()
        };
        let half = IntervalFigures { length_s: 0.5, completed: 500_000, ..measure.clone() };
        let lines = [
            line(&interval("warmup"), left),
            line(&measure, left),
            line(&measure, None),
            line(&half, Some(Nanos::ZERO)),
            line(&nothing, left),
            line(&interval("drain"), left),
        ];
        assert_eq!(
            lines,
            [
                "  12s    152,340/s  p50  410 µs  p99 1.20 ms  errors 0  warming up",
                "  12s    152,340/s  p50  410 µs  p99 1.20 ms  errors 0  left 18s",
                "  12s    152,340/s  p50  410 µs  p99 1.20 ms  errors 0",
                "  12s  1,000,000/s  p50  410 µs  p99 1.20 ms  errors 0  left 0s",
                "  12s          0/s  p50       -  p99       -  errors 1,204  left 18s",
                "  12s    152,340/s  p50  410 µs  p99 1.20 ms  errors 0  draining",
            ]
        );
    }
}
