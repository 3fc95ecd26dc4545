//! One line a second while a run is under way.

use uringbench_core::record::{Interval, Phase};
use uringbench_core::summary::Grouped;
use uringbench_core::time::Nanos;

/// What happened in `interval`, and how long the run has to go (`None` when it is limited by
/// requests): `  12s   152,340/s  p50  410 µs  p99 1.20 ms  errors 0  left 18s`. Columns keep
/// their places from line to line. No line end.
pub fn line(interval: &Interval, left: Option<Nanos>) -> String {
    let elapsed = whole_seconds(interval.start + interval.length);
    let seconds = interval.length.as_secs_f64();
    let rate = if seconds > 0.0 { interval.completed as f64 / seconds } else { 0.0 };
    let rate = format!("{}/s", Grouped(rate.round() as u64));
    let time = |nanos: Option<u64>| nanos.map_or_else(|| "-".to_owned(), |n| Nanos(n).to_string());
    let p50 = time(interval.response.map(|quantiles| quantiles.p50));
    let p99 = time(interval.response.map(|quantiles| quantiles.p99));
    let errors = Grouped(interval.errors);
    let mut line =
        format!("{elapsed:>4}s  {rate:>11}  p50 {p50:>7}  p99 {p99:>7}  errors {errors}");
    let then = match (interval.phase, left) {
        (Phase::Warmup, _) => "  warming up".to_owned(),
        (Phase::Drain, _) => "  draining".to_owned(),
        (Phase::Measure, Some(left)) => format!("  left {}s", whole_seconds(left)),
        (Phase::Measure, None) => String::new(),
    };
    line.push_str(&then);
    line
}

fn whole_seconds(span: Nanos) -> u64 {
    span.as_secs_f64().round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use uringbench_core::record::IntervalQuantiles;

    fn interval(phase: Phase) -> Interval {
        Interval {
            start: Nanos::from_secs(11),
            length: Nanos::SECOND,
            phase,
            released: 152_340,
            completed: 152_340,
            errors: 0,
            in_flight: 64,
            connected: 64,
            response: Some(IntervalQuantiles { p50: 410_300, p99: 1_203_000, max: 2_000_000 }),
            lateness_p99: None,
            sent_bytes: 0,
            received_bytes: 0,
        }
    }

    #[test]
    fn a_line_shows_the_second_and_what_is_left() {
        let left = Some(Nanos::from_secs(18));
        let measure = interval(Phase::Measure);
        let nothing = Interval { completed: 0, errors: 1_204, response: None, ..measure.clone() };
        let half =
            Interval { length: Nanos::from_millis(500), completed: 500_000, ..measure.clone() };
        let lines = [
            line(&interval(Phase::Warmup), left),
            line(&measure, left),
            line(&measure, None),
            line(&half, Some(Nanos::ZERO)),
            line(&nothing, left),
            line(&interval(Phase::Drain), left),
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
