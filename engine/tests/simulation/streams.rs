//! HTTP/2 in simulated worlds: the law holds whatever becomes of streams and connections.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use uringbench_core::ending::Ending;
use uringbench_core::http::body::Body;
use uringbench_core::http::request::{RequestParts, RequestTemplate};
use uringbench_core::outcome::Outcome;
use uringbench_core::plan::{
    Answers, Arrivals, HttpVersion, Limit, Load, Plan, Requests, StreamKind, StreamPlan, Workload,
};
use uringbench_core::rate::Rate;
use uringbench_core::time::Nanos;

use crate::checks::{Sums, climate, run, vary_load};
use crate::scripts::scripted;
use crate::server::Manners;
use crate::world::{Climate, Speech};
use crate::{greetings, interrupted, number_from};

const SEEDS: u64 = 800;

fn plan(seed: u64, below: &mut impl FnMut(u64) -> u64) -> Plan {
    let body = vec![b'b'; [0, 0, 0, 300, 90_000][below(5) as usize]];
    let parts = RequestParts {
        body: Body::Bytes(&body),
        ..RequestParts::new(["GET", "POST"][below(2) as usize], "simulated", "/")
    };
    let request = RequestTemplate::build(parts).expect("a plain request");
    let plan = Plan::plain(([127, 0, 0, 1], 80).into(), request.clone());
    let plan = plan.with(|plan| {
        let requests = Requests { version: HttpVersion::Http2, ..Requests::of(request) };
        plan.workload = Workload::Requests(requests);
        plan.workload.set_pipeline(1 + below(12) as u16);
        plan.seed = seed;
        vary_load(plan, below);
    });
    plan.expect("a plan")
}

/// Calls of gRPC instead, whose bodies take turns.
fn calling(plan: Plan, below: &mut impl FnMut(u64) -> u64) -> Plan {
    let (kind, stall) = (StreamKind::Messages, Nanos::from_millis(1));
    let stream = StreamPlan { kind, stall, events_max: None };
    let answers = [Answers::Call, Answers::CallStream(stream)][below(2) as usize];
    let rows: Vec<_> = (0..below(4)).map(|_| vec![b'r'; below(90_000) as usize]).collect();
    let plan = plan.with(|plan| {
        if let Workload::Requests(requests) = &mut plan.workload {
            (requests.answers, requests.rows) = (answers, Arc::new(rows));
        }
    });
    plan.expect("a plan")
}

fn simulate(seed: u64) -> Sums {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed ^ 0x42);
    let mut below = |bound: u64| random.next_u64() % bound;
    let plan = plan(seed, &mut below);
    // Every third with users, whose requests differ, and every third with calls.
    let plan = match seed % 3 {
        0 => scripted(plan, &mut below),
        1 => calling(plan, &mut below),
        _ => plan,
    };
    // What HTTP/1.1 says to idle connections is not what an HTTP/2 server says.
    let speech = Speech::default();
    let climate = climate(&plan, &mut below);
    let manners = Manners { fault_share: climate.manners.fault_share / 2, ..climate.manners };
    let climate = Climate { leaves: None, speech, manners, ..climate };
    run(seed, &plan, climate, &mut below)
}

#[test]
fn the_law_holds_for_streams() {
    let mut seen = Sums::default();
    for seed in 0..SEEDS {
        match catch_unwind(AssertUnwindSafe(|| simulate(seed))) {
            Ok(sums) => seen.merge(&sums),
            Err(_) => panic!(
                "seed {seed} failed as shown above; replay it alone:\n  SIM_SEED={seed} cargo test \
                 -p uringbench-engine --test simulation streams::replay"
            ),
        }
    }
    for outcome in [Outcome::Ok, Outcome::Status, Outcome::Timeout, Outcome::Reset] {
        assert!(seen.counts.of(outcome) > 0, "{outcome:?} was never simulated");
    }
    for outcome in [Outcome::Malformed, Outcome::NotSent, Outcome::Censored, Outcome::CheckFailed] {
        assert!(seen.counts.of(outcome) > 0, "{outcome:?} was never simulated");
    }
    assert!(seen.counts.retried > 0, "no request was sent again");
    assert!(seen.totals.events > 0, "no message of a stream was simulated");
    let ended = |ending| seen.totals.endings.of(ending) > 0;
    for ending in [Ending::GoingAway, Ending::BrokenOff, Ending::Malformed, Ending::Late] {
        assert!(ended(ending), "no connection ended so: {ending:?}");
    }
    assert!(seen.totals.idle_lost > 0, "no idle connection was lost");
}

#[test]
fn replay() {
    if let Some(seed) = number_from("SIM_SEED") {
        simulate(seed);
    }
}

/// A user without a connection yet is rare here: most connections wait for one.
#[test]
fn a_connection_of_a_user_to_come_stays() {
    let rate = Rate::per_second(50).expect("a rate within its range");
    let plan = interrupted::plan(Load::open(rate, Arrivals::Constant), None).with(|plan| {
        let script = plan.workload.script().expect("a script").as_ref().clone();
        let script = script.over_http2(1).with_own_connections();
        plan.workload = Workload::Script(Arc::new(script));
        plan.limits.window = Limit::Duration(Nanos::from_secs(1));
        plan.limits.timeout = Nanos::SECOND;
        plan.transport.connections.count = 4;
    });
    let plan = plan.expect("a plan");
    for seed in 0..10 {
        let calm = interrupted::climate(&plan);
        let climate = Climate { is_http2: true, stall: (calm.stall.0, calm.stall.0), ..calm };
        let ran = greetings::run(seed, &plan, climate);
        let answered = ran.counts.completed();
        assert_eq!(answered, 50, "seed {seed}");
        // Each user's connection ends with the user.
        assert!(ran.connects <= 4 + answered, "seed {seed}: {}", ran.connects);
    }
}
