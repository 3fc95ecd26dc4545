//! How connections receive answers of different sizes.

use std::rc::Rc;

use uringbench_core::http::request::{RequestParts, RequestTemplate};
use uringbench_core::outcome::Counts;
use uringbench_core::pacer::Pacer;
use uringbench_core::plan::{Limit, Plan};
use uringbench_core::schedule::Share;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_engine::{Boundaries, Command, EventLoop, LoopOptions, Turn};

use crate::checks::terms;
use crate::interrupted::climate;
use crate::server::Manners;
use crate::world::{Climate, Witness, World};

const START: Timestamp = Timestamp(1_000_000_000);
const REQUESTS: u64 = 2_000;

/// The number of cancelled receives in a run on one connection, with this many thousandths of large
/// answers.
fn cancels(large_share: u64) -> u64 {
    let request = RequestTemplate::build(RequestParts::new("GET", "simulated", "/"));
    let plan = Plan::plain(([127, 0, 0, 1], 80).into(), request.expect("a plain request"))
        .with(|plan| {
            plan.limits.window = Limit::Requests(REQUESTS);
            plan.limits.timeout = Nanos::from_secs(20);
        })
        .expect("a plan");
    let manners = Manners { large_share, ..climate(&plan).manners };
    let climate = Climate { manners, stall: (START, START), ..climate(&plan) };
    let witness = Rc::new(Witness::default());
    let world = World::new(1, climate, START, Rc::clone(&witness));
    let mut event_loop = EventLoop::new(world, LoopOptions::of(&plan, Share::WHOLE), terms(&plan));
    while !event_loop.is_settled() {
        event_loop.turn(Command::Run);
    }
    let start = START + Nanos::from_millis(1);
    let boundaries = Boundaries { start, measure_from: start, measure_to: Timestamp::NEVER };
    event_loop.begin(Pacer::new(&plan, Share::WHOLE, start), boundaries);
    let mut counts = Counts::default();
    loop {
        let turn = event_loop.turn(Command::Run);
        if turn != Turn::Continue {
            counts.merge(&event_loop.close_interval(Box::default()).measured);
        }
        if turn == Turn::Finished {
            assert_eq!(counts.completed(), REQUESTS);
            return witness.cancels.get();
        }
    }
}

#[test]
fn answers_of_changing_sizes_cost_no_cancellation_each() {
    assert_eq!(cancels(0), 0);
    // The first answer of a connection may have had no body.
    assert!(cancels(1_000) <= 1);
    // Half of the answers are large: eight small ones in a row followed by a large one are rare.
    let cancelled = cancels(500);
    assert!(cancelled <= REQUESTS / 100, "{cancelled} receives were cancelled");
    // One in fifty is large: multishot receives are worth their cost, and each large answer ends
    // one.
    assert!((1..=REQUESTS / 50 * 2).contains(&cancels(20)));
}
