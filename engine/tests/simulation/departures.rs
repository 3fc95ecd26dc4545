//! The send times that a run reports, compared with the times at which the simulated kernel sent.

use std::rc::Rc;

use uringbench_core::histogram::LatencyCounts;
use uringbench_core::http::request::{RequestParts, RequestTemplate};
use uringbench_core::pacer::Pacer;
use uringbench_core::plan::{Arrivals, Limit, Load, Plan};
use uringbench_core::rate::Rate;
use uringbench_core::schedule::Share;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_engine::{Boundaries, Command, EventLoop, LoopOptions, Turn};

use crate::checks::terms;
use crate::interrupted::climate;
use crate::world::{Climate, Witness, World};

const START: Timestamp = Timestamp(1_000_000_000);
const REQUESTS: u64 = 1_000;

/// The latenesses that a run reports when each send costs this long, and the true ones.
fn latenesses(send_cost: Nanos) -> (LatencyCounts, LatencyCounts) {
    let rate = Rate::per_second(1_000_000).expect("a rate");
    let request = RequestTemplate::build(RequestParts::new("GET", "simulated", "/"));
    let plan = Plan::plain(([127, 0, 0, 1], 80).into(), request.expect("a plain request"))
        .with(|plan| {
            plan.transport.connections.count = REQUESTS as u32;
            plan.load = Load::open(rate, Arrivals::Constant);
            plan.limits.window = Limit::Requests(REQUESTS);
            plan.limits.timeout = Nanos::from_secs(20);
        })
        .expect("a plan");
    let climate = Climate { send_cost, ..climate(&plan) };
    let witness = Rc::new(Witness::default());
    let world = World::new(1, climate, START, Rc::clone(&witness));
    let mut event_loop = EventLoop::new(world, LoopOptions::of(&plan, Share::WHOLE), terms(&plan));
    while !event_loop.is_settled() {
        event_loop.turn(Command::Run);
    }
    let start = START + Nanos::from_secs(1);
    let boundaries = Boundaries { start, measure_from: start, measure_to: Timestamp::NEVER };
    event_loop.begin(Pacer::new(&plan, Share::WHOLE, start), boundaries);
    let mut reported = LatencyCounts::default();
    loop {
        let turn = event_loop.turn(Command::Run);
        if turn != Turn::Continue {
            reported.merge(&event_loop.close_interval(Box::default()).lateness);
        }
        if turn == Turn::Finished {
            break;
        }
    }
    let mut real = LatencyCounts::default();
    for (slot, departure) in (0..).zip(witness.departures.borrow().iter()) {
        real.record(departure.since(start + Nanos(1_000 * slot)).0);
    }
    (reported, real)
}

#[test]
fn lateness_is_that_of_each_send_however_many_leave_in_a_turn() {
    // At most four times the time between two requests: hundreds become due in one turn.
    for cost in [Nanos::ZERO, Nanos(500), Nanos(4_000)] {
        let (reported, real) = latenesses(cost);
        assert_eq!((reported.total(), real.total()), (REQUESTS, REQUESTS));
        if cost == Nanos(4_000) {
            assert!(real.value_at(1.0) > Some(2_900_000), "the backlog grows: {real:?}");
        }
        for quantile in [0.0, 0.1, 0.5, 0.9, 0.99, 1.0] {
            let of = |times: &LatencyCounts| times.value_at(quantile).expect("a thousand");
            let (reported, real) = (of(&reported), of(&real));
            // A few are sent with the wait. The rest of the error is the rounding of the
            // histograms.
            let error = reported.abs_diff(real);
            assert!(
                error <= 12_000 + real / 500,
                "{cost} a send, quantile {quantile}: {reported} ns for {real} ns"
            );
        }
    }
}
