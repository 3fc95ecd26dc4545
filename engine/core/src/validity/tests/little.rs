//! Little's law: when connections stood idle, and when something explains it.

use super::*;
use crate::edges::EdgeShares;

#[test]
fn rate_times_service_time_is_what_is_in_flight() {
    // 300,000 in 2 s: 1 / 150,000 s each in flight makes one; 64 of them are 426.7 µs.
    let service = |nanos, pipeline, slots| {
        Case::closed().with(|case| {
            case.plan(|plan| plan.workload.set_pipeline(pipeline));
            case.record.counts = fixture::all_ok(slots);
            case.record.times.service.reset();
            case.record.times.service.record_n(nanos, slots).unwrap();
        })
    };
    let suspect = Severity::Suspect;
    fires_past(&service(406_000, 1, 300_000), &service(404_000, 1, 300_000), "little", suspect);
    fires_past(&service(447_000, 1, 300_000), &service(449_000, 1, 300_000), "little", suspect);
    fires_past(&service(812_000, 2, 300_000), &service(808_000, 2, 300_000), "little", suspect);
    // A request in the queue of sends counts as almost in flight.
    let departing = |nanos: u64| {
        let case = service(304_000, 1, 300_000);
        case.with(|case| case.worker().departing = Nanos(300_000 * nanos))
    };
    fires_past(&departing(102_000), &departing(100_000), "little", suspect);
    // The same in a window of five service times, whose edges count by their share.
    fires_past(&service(381_000_000, 1, 320), &service(379_000_000, 1, 320), "little", suspect);
    // Of 64 answers of 3 s that were all sent at the start, the window of 2 s contains two thirds.
    let cut = |share| {
        service(3_000_000_000, 1, 64).with(|case| {
            let more = -64.0 * share;
            let busy = more * 3e9;
            case.record.edges = EdgeShares { sent: more, completed: more, ok: more, busy };
        })
    };
    fires_past(&cut(1.0 / 3.0), &cut(0.0), "little", suspect);
    // One answer in a stall of 1.5 s that crosses the end, on each connection; all others take 0.4
    // ms. The part of the stall outside the window does not count.
    let stalled = |beyond: f64| {
        service(426_000, 1, 255_000).with(|case| {
            case.record.times.service.record_n(1_500_000_000, 64).unwrap();
            case.record.edges.busy = -64.0 * beyond;
        })
    };
    assert!(!stalled(1.2e9).codes().iter().any(|(code, _)| *code == "little"));
    assert!(stalled(0.0).codes().iter().any(|(code, _)| *code == "little"));
    // If lengths vary, the exchanges at the edges may change it.
    let varied = |spread: u64| {
        service(360_000_000, 1, 320).with(|case| {
            case.record.times.service.reset();
            case.record.times.service.record_n(360_000_000 - spread, 160).unwrap();
            case.record.times.service.record_n(360_000_000 + spread, 160).unwrap();
        })
    };
    fires_past(&varied(350_000_000), &varied(10_000_000), "little", suspect);
    // After the last requests are sent, connections become idle.
    let limited = |window| {
        let case = service(340_000_000, 1, 320);
        case.with(|case| case.plan(|plan| plan.limits.window = window))
    };
    let time = Limit::Duration(Nanos::from_secs(2));
    fires_past(&limited(Limit::Requests(320)), &limited(time), "little", suspect);
    // A worker that ends before the others has no load then.
    let unloaded = |millis| {
        let case = service(340_000, 1, 300_000);
        case.with(|case| case.worker().unloaded = Nanos::from_millis(millis))
    };
    fires_past(&unloaded(640), &unloaded(500), "little", suspect);
    // Errors and reconnects explain idle connections.
    let reconnecting = service(200_000, 1, 300_000).with(|case| case.worker().reconnects = 3_001);
    assert_eq!(reconnecting.codes(), []);
    let failing = service(200_000, 1, 300_000).with(|case| case.lose(3_001, Outcome::Timeout));
    assert_eq!(failing.codes(), [("errors", Severity::Suspect)]);
}
