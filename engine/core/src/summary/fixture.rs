//! One healthy run as the engine returns it, for the tests of every crate that reads records.
//!
//! Included by path where it is needed; the module that includes it calls `uringbench-core`
//! `words`. A test that needs an unhealthy run changes this record.

use super::words::answer_code::{AnswerCode, CodeCounts};
use super::words::cause::Causes;
use super::words::edges::EdgeShares;
use super::words::http::deviation::Deviations;
use super::words::http::request::{RequestParts, RequestTemplate};
use super::words::outcome::{Counts, Outcome};
use super::words::plan::{Arrivals, Limit, Limits, Load, Plan, WaitMode};
use super::words::rate::Rate;
use super::words::record::{Backend, Interval, IntervalQuantiles, RunRecord, Times, WorkerRecord};
use super::words::time::{Nanos, Timestamp};
use super::words::window::{NamedWindows, Phase};

/// The measured window of [`record`].
const MEASURED: Nanos = Nanos::from_secs(2);
const STARTED: Timestamp = Timestamp(1_000_000_000_000);

pub(crate) fn closed() -> Plan {
    plan(Load::Closed)
}

/// Open loop at 50,000/s.
pub(crate) fn open() -> Plan {
    let rate = Rate::per_second(50_000).expect("within the range");
    plan(Load::open(rate, Arrivals::Constant))
}

fn plan(load: Load) -> Plan {
    let plain = Plan::plain("127.0.0.1:8080".parse().expect("an address"), request());
    let plan = plain.with(|plan| {
        plan.transport.cpus = vec![0, 1];
        plan.transport.connections.count = 64;
        plan.transport.wait = WaitMode::Hybrid;
        plan.load = load;
        plan.limits = Limits {
            window: Limit::Duration(MEASURED),
            warmup: Nanos::SECOND,
            timeout: Nanos::from_secs(5),
        };
        plan.seed = 7;
    });
    plan.expect("a plan")
}

fn request() -> RequestTemplate {
    let parts = RequestParts::new("GET", "127.0.0.1:8080", "/");
    RequestTemplate::build(parts).expect("a request")
}

/// Two seconds after one of warm-up: 50,000/s of about 20 µs when the plan is open, 150,000/s of
/// about 427 µs (64 connections, by Little's law) when it is closed.
pub(crate) fn record(plan: &Plan) -> RunRecord {
    let (per_second, usual) = match &plan.load {
        Load::Closed | Load::Replay => (150_000, 400_000),
        Load::Open { rate, .. } => (rate.milli() / 1_000, 20_000),
    };
    let slots = 2 * per_second;
    RunRecord {
        backend: Backend::Ring,
        windows: windows(),
        counts: all_ok(slots),
        causes: Causes::default(),
        tolerated: Deviations::new(),
        edges: EdgeShares::default(),
        warmup_counts: all_ok(per_second),
        codes: codes(&[(200, slots)]),
        times: times(&plan.load, slots, usual),
        intervals: (0..4).map(|second| interval(&plan.load, second, per_second, usual)).collect(),
        due_rows: None,
        slices: Vec::new(),
        workers: vec![worker(0, slots / 2), worker(1, slots / 2)],
        rss_of_connections: 0,
        steps: Vec::new(),
        flows: Vec::new(),
        rss_peak: 13 << 20,
        interrupted: false,
    }
}

/// `slots` released, all of them answered with success.
pub(crate) fn all_ok(slots: u64) -> Counts {
    let mut counts = Counts::default();
    counts.released = slots;
    counts.end(Outcome::Ok, slots);
    counts
}

fn windows() -> NamedWindows {
    let measure = STARTED + Nanos::SECOND;
    let drain = measure + MEASURED;
    NamedWindows::of_run(STARTED, measure..drain, drain + Nanos::MILLISECOND)
}

/// This many answers with each HTTP status.
pub(crate) fn codes(answers: &[(u16, u64)]) -> CodeCounts {
    let codes = answers.iter().map(|&(status, answers)| (AnswerCode::http(status), answers));
    codes.collect()
}

fn times(load: &Load, slots: u64, usual: u64) -> Times {
    let mut times = Times::default();
    let parts = [(9_000, 1_000), (900, 1_500), (90, 3_000), (10, 6_000)];
    for (in_ten_thousand, thousandths) in parts {
        let (count, service) = (slots * in_ten_thousand / 10_000, usual * thousandths / 1_000);
        let late = if *load == Load::Closed { 0 } else { service / 100 };
        times.service.record_n(service, count).expect("within an hour");
        times.response.record_n(service + late, count).expect("within an hour");
        times.first_byte.record_n(service - usual / 100, count).expect("within an hour");
        if late > 0 {
            times.lateness.record_n(late, count).expect("within an hour");
        }
    }
    times.connect.record_n(90_000, 64).expect("within an hour");
    times
}

fn interval(load: &Load, second: u64, per_second: u64, usual: u64) -> Interval {
    let (phase, length, slots) = match second {
        0 => (Phase::Warmup, Nanos::SECOND, per_second),
        1 | 2 => (Phase::Measure, Nanos::SECOND, per_second),
        _ => (Phase::Drain, Nanos::MILLISECOND, 0),
    };
    Interval {
        start: Nanos::from_secs(second),
        length,
        phase,
        released: slots,
        completed: slots,
        errors: 0,
        outcomes: [slots, 0, 0, 0, 0, 0, 0, 0, 0],
        in_flight: 0,
        connected: 64,
        response: (slots > 0).then_some(IntervalQuantiles {
            p50: usual,
            p99: 3 * usual,
            max: 6 * usual,
        }),
        lateness_p99: (slots > 0 && *load != Load::Closed).then_some(usual / 50),
        sent_bytes: 40 * slots,
        received_bytes: 850 * slots,
    }
}

fn worker(cpu: usize, slots: u64) -> WorkerRecord {
    WorkerRecord {
        cpu,
        connections: 32,
        established: 32,
        established_min: 32,
        connections_used: 32,
        user: Nanos::from_millis(200),
        system: Nanos::from_millis(1_200),
        run_queue: Nanos::from_millis(4),
        preempted: 3,
        measured: MEASURED,
        enters: slots / 8,
        sent_bytes: 40 * slots,
        received_bytes: 850 * slots,
        shape_hits: slots,
        shape_misses: 1,
        ..WorkerRecord::default()
    }
}
