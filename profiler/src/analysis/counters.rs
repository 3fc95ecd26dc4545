//! What the kernel counted, per request: key `counters`.

use serde::Serialize;
use uringbench_perf::CounterValues;

use super::LoadRecord;
use crate::session::Counted;

/// Key `counters`: a side is `null` when nothing of it could be counted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CountersPerRequest {
    /// Requests completed while it was counted.
    pub requests: f64,
    /// Counts of the target.
    pub target: Option<PerRequest>,
    /// Counts of the load generator, without the profiler.
    pub generator: Option<PerRequest>,
}

/// Counts per completed request.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PerRequest {
    /// CPU time, microseconds.
    pub cpu_us: f64,
    /// Context switches; `null` when only user code could be counted.
    pub context_switches: Option<f64>,
    /// Changes of CPU; likewise.
    pub migrations: Option<f64>,
    /// Page faults.
    pub page_faults: f64,
    /// CPU cycles; `null` without a PMU.
    pub cycles: Option<f64>,
    /// Instructions; likewise.
    pub instructions: Option<f64>,
    /// Whether the kernel's half of faults, cycles and instructions is missing.
    pub is_user_only: bool,
}

/// What was counted over the requests completed meanwhile, those of a step that was counted in
/// part in proportion. `None` when there were none.
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
    let side = |values: CounterValues| PerRequest::of(values, requests);
    (requests > 0.0).then(|| CountersPerRequest {
        requests,
        target: counted.target.map(side),
        generator: counted.generator.map(side),
    })
}

impl PerRequest {
    fn of(values: CounterValues, requests: f64) -> Self {
        let each = |count: u64| count as f64 / requests;
        Self {
            cpu_us: each(values.task_clock_ns) / 1e3,
            context_switches: values.context_switches.map(each),
            migrations: values.migrations.map(each),
            page_faults: each(values.page_faults),
            cycles: values.cycles.map(each),
            instructions: values.instructions.map(each),
            is_user_only: values.is_user_only,
        }
    }

    fn text(&self) -> String {
        let mut text = format!("{:.2} µs", self.cpu_us);
        let optional = [
            (self.context_switches, "switches"),
            (self.migrations, "migrations"),
            (Some(self.page_faults), "faults"),
            (self.cycles, "cycles"),
            (self.instructions, "instructions"),
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
}

impl CountersPerRequest {
    /// A line for each side.
    pub(super) fn texts(&self) -> Vec<String> {
        let sides = [(self.target, "target"), (self.generator, "generator")];
        let counted = sides.into_iter().filter_map(|(side, name)| Some((side?, name)));
        counted.map(|(side, name)| format!("{name:<9} per request: {}", side.text())).collect()
    }
}

#[cfg(test)]
mod tests {
    use uringbench_core::record::{Interval, Phase};
    use uringbench_core::time::{Nanos, Timestamp};

    use super::*;

    fn step(second: u64, completed: u64) -> Interval {
        Interval {
            start: Nanos::from_secs(second),
            length: Nanos::SECOND,
            phase: Phase::Measure,
            released: completed,
            completed,
            errors: 0,
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
        let load = LoadRecord { start, intervals: &steps, phases: &[], spike: None };
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
        let line = "target    per request: 2.00 µs · 0.500 switches · 0.010 faults · 300 cycles";
        assert_eq!(found.texts(), [line]);
        let idle = Counted { from: start + Nanos::from_secs(9), ..Counted::default() };
        assert_eq!(per_request(&idle, &load), None);
    }
}
