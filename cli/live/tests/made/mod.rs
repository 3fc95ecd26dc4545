//! A run that is shown, and its seconds.

use std::net::SocketAddr;

use uringbench_core::histogram::LatencyCounts;
use uringbench_core::outcome::Outcome;
use uringbench_core::record::{Interval, IntervalQuantiles};
use uringbench_core::time::Nanos;
use uringbench_core::window::Phase;
use uringbench_document::LiveObjectives;
use uringbench_live::LiveServer;
use uringbench_report::live::{LiveRun, LiveSample};

/// A server of a run with a hostile name, on a free port.
pub(crate) fn start() -> LiveServer {
    let run = LiveRun {
        title: "<script>alert(1)</script> GET http://10.0.0.2/".to_owned(),
        load: "closed loop, 1 connection".to_owned(),
        warmup: Nanos::ZERO,
        window: None,
        objectives: LiveObjectives::new(vec!["p99<20ms".parse().expect("an objective")], true),
        cpus: 1,
        connections: 1,
    };
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let sample = || LiveSample { client: Some(0.25), ..LiveSample::default() };
    LiveServer::start(any, run, || {}, sample).expect("it starts")
}

/// A second with a hundred answers of a millisecond; every tenth has failures too.
pub(crate) fn second(at: u64) -> (Interval, LatencyCounts) {
    let mut response = LatencyCounts::default();
    response.record_many(1_000_000, 100);
    let errors = if at % 10 == 9 { 5 } else { 0 };
    let mut outcomes = [0; Outcome::ALL.len()];
    outcomes[Outcome::Ok as usize] = 100 - errors;
    outcomes[Outcome::Timeout as usize] = errors;
    let interval = Interval {
        start: Nanos::from_secs(at),
        length: Nanos::SECOND,
        phase: Phase::Measure,
        released: 100,
        completed: 100 - errors,
        errors,
        outcomes,
        in_flight: 1,
        connected: 1,
        response: Some(IntervalQuantiles { p50: 1_000_000, p99: 1_000_000, max: 1_000_000 }),
        lateness_p99: None,
        sent_bytes: 1,
        received_bytes: 1,
    };
    (interval, response)
}
