//! Rates of made-up counters, and the load on axes of every kind: counts are kept, columns stay
//! aligned, a spike stays a spike.

use proptest::prelude::*;
use uringbench_core::record::IntervalQuantiles;
use uringbench_core::window::Phase;

use super::*;
use crate::timeline::reading::{HostCpu, HostNetwork};

const SECOND: u64 = 1_000_000_000;

fn at(millis: u64) -> Timestamp {
    Timestamp(100 * SECOND + millis * 1_000_000)
}

fn reading(millis: u64, of: impl FnOnce(&mut Reading)) -> Reading {
    let mut reading = Reading { time: at(millis), ..Reading::default() };
    reading.target.processes = 1;
    of(&mut reading);
    reading
}

fn interval(start: u64, length: u64, completed: u64, p99: u64) -> Interval {
    Interval {
        start: Nanos::from_millis(start),
        length: Nanos::from_millis(length),
        phase: Phase::Measure,
        released: completed,
        completed,
        errors: completed / 10,
        outcomes: [0; 9],
        in_flight: p99 % 100,
        connected: 1,
        response: (completed > 0).then_some(IntervalQuantiles { p50: p99 / 2, p99, max: p99 }),
        lateness_p99: None,
        sent_bytes: 0,
        received_bytes: 0,
    }
}

fn idle(rows: u64, every: u64, hz: u32) -> Timeline {
    let mut timeline = Timeline::new(hz);
    (0..rows).for_each(|row| timeline.push(&reading(row * every, |_| {})));
    timeline
}

#[test]
fn counters_become_rates_over_the_time_that_passed() {
    let mut timeline = Timeline::new(1);
    timeline.push(&reading(0, |reading| {
        reading.target.voluntary_switches = 10;
        reading.target.rss_anon = 4096;
    }));
    timeline.push(&reading(2_000, |reading| {
        reading.target.voluntary_switches = 30;
        reading.target.run_queue = Nanos::from_millis(500);
        reading.target.fds = Some(7);
        let network = HostNetwork { received_bytes: 9, ..HostNetwork::default() };
        reading.host.network = Some(network);
        reading.host.pressure_cpu = Some(Nanos::SECOND);
    }));
    timeline.push(&reading(3_000, |reading| {
        reading.target.voluntary_switches = 30;
        let network = HostNetwork { received_bytes: 1_009, ..HostNetwork::default() };
        reading.host.network = Some(network);
        reading.host.pressure_cpu = Some(Nanos::from_millis(1_250));
        reading.target.run_queue = Nanos::from_millis(500);
    }));
    let document = timeline.document(at(500), None);
    assert_eq!(document.t_s, [-0.5, 1.5, 2.5]);
    assert_eq!(document.target.voluntary_switches_per_s, [None, Some(10.0), Some(0.0)]);
    assert_eq!(document.target.run_queue_s_per_s, [None, Some(0.25), Some(0.0)]);
    assert_eq!(document.target.rss_anon_bytes, [Some(4096.0), Some(0.0), Some(0.0)]);
    assert_eq!(document.target.fds, [None, Some(7.0), None]);
    // A counter seen for the first time has grown by nobody knows what.
    assert_eq!(document.host.network_received_bytes_per_s, [None, None, Some(1_000.0)]);
    assert_eq!(document.host.pressure_cpu_some, [None, None, Some(0.25)]);
    assert_eq!(document.host.cpu_user, [None; 3]);
    assert_eq!((document.cgroup.is_none(), document.is_aligned()), (true, true));
}

#[test]
fn a_counter_that_falls_and_a_clock_that_stands_are_unknown() {
    let mut timeline = Timeline::new(1);
    let cpu = |idle| Some(HostCpu { idle: Nanos(idle), ..HostCpu::default() });
    timeline.push(&reading(0, |reading| reading.host.cpu = cpu(9)));
    timeline.push(&reading(1_000, |reading| reading.host.cpu = cpu(5)));
    timeline.push(&reading(1_000, |reading| reading.host.cpu = cpu(6)));
    timeline.push(&reading(500, |reading| reading.host.cpu = cpu(7)));
    let document = timeline.document(at(0), None);
    assert_eq!(document.host.cpu_idle, [None, None]);
}

#[test]
fn no_target_is_no_low_level_of_memory() {
    let mut timeline = Timeline::new(1);
    timeline.push(&reading(0, |reading| reading.target.rss_anon = 77));
    timeline.push(&reading(1_000, |reading| reading.target.processes = 0));
    let target = timeline.document(at(0), None).target;
    assert_eq!(target.rss_anon_bytes, [Some(77.0), None]);
    assert_eq!(target.minor_faults_per_s, [None, None]);
    assert_eq!(target.processes, [Some(1.0), Some(0.0)]);
}

#[test]
fn cpu_time_is_exact_where_threads_and_ticks_agree_and_the_ticks_where_not() {
    let of = |user: u64, system: u64, on_cpu: u64, unread: u64| {
        let mut timeline = Timeline::new(10);
        timeline.push(&reading(0, |_| {}));
        timeline.push(&reading(100, |reading| {
            reading.target.user = Nanos::from_millis(user);
            reading.target.system = Nanos::from_millis(system);
            reading.target.on_cpu = Nanos::from_millis(on_cpu);
            reading.target.threads_unread = unread;
        }));
        let target = timeline.document(at(0), None).target;
        (target.cpu_user[1], target.cpu_system[1])
    };
    let near = |(user, system): (Option<f64>, Option<f64>), expected: (f64, f64)| {
        let close = |a: Option<f64>, b: f64| a.is_some_and(|a| (a - b).abs() < 1e-9);
        assert!(close(user, expected.0) && close(system, expected.1), "{user:?} {system:?}");
    };
    near(of(30, 10, 48, 0), (0.36, 0.12));
    near(of(0, 0, 9, 0), (0.09, 0.0));
    // Children nobody saw; threads nobody read.
    near(of(80, 20, 10, 0), (0.8, 0.2));
    near(of(30, 10, 39, 1), (0.3, 0.1));
}

#[test]
fn intervals_of_a_second_fall_on_the_rows_they_fill() {
    let mut timeline = idle(4, 1_000, 1);
    let load = [interval(0, 1_000, 50, 400), interval(1_000, 1_000, 70, 900)];
    timeline.join_load(at(1_000), &load);
    let load = timeline.document(at(0), None).load;
    assert_eq!(load.completed_per_s, [None, None, Some(50.0), Some(70.0)]);
    assert_eq!(load.errors_per_s, [None, None, Some(5.0), Some(7.0)]);
    assert_eq!(load.response_p99_ns, [None, None, Some(400.0), Some(900.0)]);
    assert_eq!(load.response_p50_ns, [None, None, Some(200.0), Some(450.0)]);
    assert_eq!(load.in_flight, [None, None, Some(0.0), Some(0.0)]);
}

#[test]
fn finer_intervals_give_their_sum_their_worst_p99_and_the_last_in_flight() {
    let mut timeline = idle(2, 1_000, 1);
    let load: Vec<_> =
        (0..10).map(|n| interval(n * 100, 100, n, if n == 3 { 9_977 } else { 100 + n })).collect();
    timeline.join_load(at(0), &load);
    let load = timeline.document(at(0), None).load;
    assert_eq!(load.completed_per_s, [None, Some(45.0)]);
    assert_eq!(load.response_p99_ns, [None, Some(9_977.0)]);
    assert_eq!(load.in_flight, [None, Some(9.0)]);
    // Half of the answers came in intervals up to 107 ns.
    assert_eq!(load.response_p50_ns, [None, Some(53.0)]);
}

#[test]
fn coarser_intervals_are_divided_among_their_rows() {
    let mut timeline = idle(21, 100, 10);
    let load = [interval(0, 1_000, 50, 410), interval(1_000, 1_000, 0, 0)];
    timeline.join_load(at(0), &load);
    let load = timeline.document(at(0), None).load;
    assert_eq!(load.completed_per_s[0], None);
    assert!(load.completed_per_s[1..11].iter().all(|rate| rate.is_some_and(|r| r == 50.0)));
    assert!(load.completed_per_s[11..].iter().all(|&rate| rate == Some(0.0)));
    assert!(load.response_p99_ns[1..11].iter().all(|&nanos| nanos == Some(410.0)));
    assert!(load.response_p99_ns[11..].iter().all(Option::is_none));
}

#[test]
fn load_without_readings_gets_rows_of_its_own() {
    let load = [interval(0, 1_000, 50, 400), interval(1_000, 500, 20, 900)];
    let mut alone = Timeline::new(1);
    alone.join_load(at(0), &load);
    let document = alone.document(at(0), None);
    assert_eq!(document.t_s, [1.0, 2.0]);
    assert_eq!(document.load.completed_per_s, [Some(50.0), Some(20.0)]);

    let mut late = Timeline::new(1);
    late.push(&reading(3_250, |reading| reading.target.rss_anon = 5));
    late.join_load(at(0), &load);
    let document = late.document(at(0), None);
    assert_eq!(document.t_s, [0.25, 1.25, 2.25, 3.25]);
    assert_eq!(document.target.rss_anon_bytes, [None, None, None, Some(5.0)]);
    assert!(document.is_aligned());
    // Joining again, with more of the load, replaces.
    late.join_load(at(0), &load);
    assert_eq!(late.document(at(0), None), document);
}

prop_compose! {
    fn loads()(
        lengths in prop::collection::vec((0_u64..3_000, 0_u64..10_000, 0_u64..1_000_000), 1..40),
    ) -> Vec<Interval> {
        let mut start = 0;
        let next = |&(length, completed, p99): &(u64, u64, u64)| {
            let one = interval(start, length, completed, p99);
            start += length;
            one
        };
        lengths.iter().map(next).collect()
    }
}

proptest! {
    #[test]
    fn counts_are_kept_columns_are_aligned_and_the_worst_p99_is_seen(
        gaps in prop::collection::vec(1_u64..2_500, 0..40),
        load in loads(),
        start in 0_u64..20_000,
        hz in prop::sample::select(vec![1_u32, 10]),
    ) {
        let mut timeline = Timeline::new(hz);
        let mut now = 10_000;
        for gap in gaps {
            now += gap;
            timeline.push(&reading(now, |_| {}));
        }
        timeline.join_load(at(start), &load);
        prop_assert!(timeline.ends().is_sorted());
        let document = timeline.document(at(start), None);
        prop_assert!(document.is_aligned());
        let sum = |rates: &[Option<f64>]| -> f64 {
            let rows = rates.iter().enumerate();
            rows.map(|(row, rate)| rate.unwrap_or(0.0) * timeline.span(row).length() as f64 / 1e9)
                .sum()
        };
        let completed: u64 = load.iter().map(|one| one.completed).sum();
        let errors: u64 = load.iter().map(|one| one.errors).sum();
        prop_assert!((sum(&document.load.completed_per_s) - completed as f64).abs() < 1e-3);
        prop_assert!((sum(&document.load.errors_per_s) - errors as f64).abs() < 1e-3);
        let worst = load.iter().filter_map(|one| one.response).map(|one| one.p99).max();
        let seen = document.load.response_p99_ns.iter().flatten().copied().fold(0.0, f64::max);
        prop_assert_eq!(seen, worst.unwrap_or(0) as f64);
    }
}
