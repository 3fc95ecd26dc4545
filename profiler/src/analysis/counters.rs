//! The kernel's counters, per request: key `counters`.

use uringbench_document::target::{CountersPerRequest, PerRequest};
use uringbench_perf::CounterValues;

use super::LoadRecord;
use crate::session::Counted;

/// The counters divided by the requests completed during counting; of a partly counted interval, in
/// proportion. `None` without requests.
pub(super) fn per_request(counted: &Counted, load: &LoadRecord<'_>) -> Option<CountersPerRequest> {
    let requests: f64 = load
        .intervals
        .iter()
        .map(|step| {
            let from = load.start + step.start;
            let inside = (from + step.length).min(counted.to).since(from.max(counted.from));
            step.completed as f64 * inside.0 as f64 / step.length.0.max(1) as f64
        })
        .sum();
    let side = |values: CounterValues| self::side(values, requests);
    (requests > 0.0).then(|| CountersPerRequest {
        requests,
        target: counted.target.map(side),
        generator: counted.generator.map(side),
    })
}

fn side(values: CounterValues, requests: f64) -> PerRequest {
    let each = |count: u64| count as f64 / requests;
    PerRequest {
        cpu_us: each(values.task_clock_ns) / 1e3,
        context_switches: values.context_switches.map(each),
        migrations: values.migrations.map(each),
        page_faults: each(values.page_faults),
        cycles: values.cycles.map(each),
        instructions: values.instructions.map(each),
        is_user_only: values.is_user_only,
    }
}

#[cfg(test)]
mod tests {
    use uringbench_core::record::Interval;
    use uringbench_core::time::{Nanos, Timestamp};
    use uringbench_core::window::{NamedWindows, Phase};

    use super::*;

    fn step(second: u64, completed: u64) -> Interval {
        Interval {
            start: Nanos::from_secs(second),
            length: Nanos::SECOND,
            phase: Phase::Measure,
            released: completed,
            completed,
            errors: 0,
            outcomes: [0; 9],
            in_flight: 0,
            connected: 1,
            response: None,
            lateness_p99: None,
            sent_bytes: 0,
            received_bytes: 0,
        }
    }

    #[test]
    fn counts_are_of_the_requests_completed_meanwhile() {
        let steps = [step(0, 1_000), step(1, 2_000), step(2, 4_000), step(3, 9_000)];
        let start = Timestamp(7_000_000_000);
        let load =
            LoadRecord { start, intervals: &steps, windows: &NamedWindows::default(), spike: None };
        let values = CounterValues {
            task_clock_ns: 8_000_000,
            context_switches: Some(2_000),
            page_faults: 40,
            cycles: Some(1_200_000),
            ..CounterValues::default()
        };
        // All of the second step and half of the third.
        let counted = Counted {
            from: start + Nanos::SECOND,
            to: start + Nanos::from_millis(2_500),
            target: Some(values),
            generator: None,
        };
        let found = per_request(&counted, &load).unwrap();
        assert_eq!((found.requests, found.generator), (4_000.0, None));
        let target = found.target.unwrap();
        assert_eq!((target.cpu_us, target.page_faults), (2.0, 0.01));
        assert_eq!((target.context_switches, target.migrations), (Some(0.5), None));
        assert_eq!((target.cycles, target.instructions), (Some(300.0), None));
        let idle = Counted { from: start + Nanos::from_secs(9), ..Counted::default() };
        assert_eq!(per_request(&idle, &load), None);
    }
}
