//! The summary compared with figures computed by hand.

use super::*;
use crate::histogram;
use crate::time::Timestamp;
use crate::window::{NamedWindow, NamedWindows, Phase};

#[test]
fn rates_are_over_the_measured_window() {
    let plan = fixture::open();
    let mut record = fixture::record(&plan);
    record.counts = fixture::all_ok(99_000);
    record.counts.released += 1_000;
    record.counts.end(Outcome::NotSent, 600);
    record.counts.end(Outcome::ConnectFailed, 300);
    record.counts.end(Outcome::Status, 100);
    let summary = Summary::of(&plan, &record);
    assert_eq!(summary.measured, Nanos::from_secs(2));
    assert_eq!(
        summary.rate,
        Rates { offered: Some(50_000.0), achieved: 49_550.0, completed: 49_500.0 }
    );
    assert_eq!(summary.error_share, Some(0.01));
}

#[test]
fn cost_is_per_complete_answer_and_share_of_the_window() {
    let plan = fixture::closed();
    let summary = Summary::of(&plan, &fixture::record(&plan));
    assert_eq!(summary.rate.offered, None);
    // 2 workers × (200 ms + 1,200 ms) over 300,000 answers.
    assert!((summary.client.cpu_ns_per_request.unwrap() - 9_333.3).abs() < 0.1);
    assert_eq!(summary.client.enters_per_request, Some(0.125));
    let mut uncounted = fixture::record(&plan);
    uncounted.workers.iter_mut().for_each(|worker| worker.enters = 0);
    assert_eq!(Summary::of(&plan, &uncounted).client.enters_per_request, None);
    assert_eq!(
        (summary.client.user, summary.client.system),
        (Nanos::from_millis(400), Nanos::from_millis(2_400))
    );
    assert_eq!(summary.bytes, Bytes { sent: 12_000_000, received: 255_000_000 });
    assert_eq!(summary.workers[1], WorkerShare { cpu: 1, busy: 0.7, spun: 0.0, run_queue: 0.002 });
    assert_eq!(summary.busiest(), 0.7);
    // Time spun used CPU, but served no request.
    let mut spinning = fixture::record(&plan);
    for worker in &mut spinning.workers {
        // For a thread that never waits for its CPU.
        (worker.spun, worker.run_queue) = (Nanos::from_millis(700), Nanos::ZERO);
    }
    let summary = Summary::of(&plan, &spinning);
    assert!((summary.client.cpu_ns_per_request.unwrap() - 4_666.7).abs() < 0.1);
    assert_eq!((summary.busiest(), summary.workers[0].spun), (0.35, 0.35));
    assert_eq!(summary.client.system, Nanos::from_millis(2_400));
}

#[test]
fn a_run_that_never_measured_divides_by_nothing() {
    let plan = fixture::open();
    let mut record = fixture::record(&plan);
    let start = Timestamp(1);
    let warmup = NamedWindow::of(Phase::Warmup, start, start + Nanos::SECOND);
    record.windows = NamedWindows::from_iter([warmup]);
    record.counts = words::outcome::Counts::default();
    record.times = words::record::Times::default();
    record.workers[0].measured = Nanos::ZERO;
    let summary = Summary::of(&plan, &record);
    assert_eq!((summary.measured, summary.rate.completed), (Nanos::ZERO, 0.0));
    assert_eq!((summary.error_share, summary.client.cpu_ns_per_request), (None, None));
    assert_eq!(summary.workers[0].busy, 0.0);
    let empty = summary.times.response;
    assert_eq!((empty.count, empty.mean, empty.min, empty.max), (0, None, None, None));
}

#[test]
fn a_quantile_needs_ten_values_beyond_it() {
    let needed = [20, 100, 200, 1_000, 10_000, 100_000];
    for (quantile, needed) in Quantile::ALL.into_iter().zip(needed) {
        assert_eq!(quantile.samples_needed(), needed, "{}", quantile.name());
        let mut histogram = histogram::empty();
        histogram.record_n(5, needed - 1).unwrap();
        assert_eq!(TimeSummary::of(&histogram).at(quantile), None);
        histogram.record(5).unwrap();
        assert_eq!(TimeSummary::of(&histogram).at(quantile), Some(5));
    }
}

#[test]
fn quantiles_are_the_ranks_they_name() {
    let mut histogram = histogram::empty();
    // Below 2,048 every value has a slot of its own, so ranks are exact.
    for value in 1..=1_000 {
        histogram.record_n(value, 1_000).unwrap();
    }
    let summary = TimeSummary::of(&histogram);
    let values = Quantile::ALL.map(|quantile| summary.at(quantile));
    assert_eq!(values, [500, 900, 950, 990, 999, 1_000].map(Some));
    assert_eq!((summary.min, summary.max, summary.mean), (Some(1), Some(1_000), Some(501)));
    assert_eq!(summary.count, 1_000_000);
}

#[test]
fn people_read_groups_and_never_a_rounded_up_whole() {
    let groups = [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")];
    for (value, text) in groups {
        assert_eq!(Grouped(value).to_string(), text);
    }
    assert_eq!(format!("{:>7}", Grouped(1_000)), "  1,000");
    let shares = [
        (0.0, "0 %"),
        (0.000_01, "<0.01 %"),
        (0.000_4, "0.04 %"),
        (0.123, "12.3 %"),
        (0.999_7, "99.9 %"),
        (1.0, "100 %"),
    ];
    for (share, text) in shares {
        assert_eq!(Percent(share).to_string(), text);
    }
}

#[test]
fn a_thread_that_waits_for_its_cpu_does_not_spin_meanwhile() {
    let [user, run_queue, spun_s] = [750, 250, 900].map(Nanos::from_millis);
    let of = |run_queue| {
        let worker = WorkerRecord { user, run_queue, spun: spun_s, ..WorkerRecord::default() };
        (spun(&worker), worked(&worker))
    };
    assert_eq!(of(run_queue), (Nanos::from_millis(675), Nanos::from_millis(75)));
    assert_eq!(of(Nanos::ZERO), (spun_s, Nanos::ZERO));
    let idle = WorkerRecord::default();
    assert_eq!((spun(&idle), worked(&idle)), (Nanos::ZERO, Nanos::ZERO));
}
