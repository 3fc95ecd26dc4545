//! Runs of scripts that end while users wait, in worlds without other faults.

use std::rc::Rc;
use std::sync::Arc;

use uringbench_core::flow::program::FlowOperation;
use uringbench_core::flow::script::{Flow, Script};
use uringbench_core::flow::step::Step;
use uringbench_core::flow::template::{Marks, Template};
use uringbench_core::http::request::{RequestParts, RequestTemplate};
use uringbench_core::outcome::{Counts, Outcome};
use uringbench_core::pacer::Pacer;
use uringbench_core::plan::{Arrivals, Limit, Load, Plan, Workload};
use uringbench_core::rate::Rate;
use uringbench_core::schedule::Share;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_engine::{Boundaries, Command, EventLoop, LoopOptions, Turn};

use crate::checks::terms;
use crate::server::Manners;
use crate::world::{Climate, Speech, Witness, World};

const START: Timestamp = Timestamp(1_000_000_000);

/// One connection to a server that answers nothing for ten seconds.
pub(crate) fn climate(plan: &Plan) -> Climate {
    Climate {
        manners: Manners { fault_share: 0, large_share: 0 },
        refuse_share: 0,
        no_buffer_share: 0,
        leaves: None,
        service_min: Nanos::ZERO,
        service_max: Nanos(1),
        speech: Speech::default(),
        always: None,
        stall: (START, START + Nanos::from_secs(10)),
        has_multishot: true,
        is_slow: false,
        can_skip: true,
        is_head: false,
        is_http2: false,
        calls: None,
        is_redis: false,
        is_postgres: false,
        pipeline: 1,
        request_length: plan.workload.bytes().len(),
        held_at: None,
        websocket: None,
        has_tls: false,
        corrupt_share: 0,
        script: plan.workload.script().cloned(),
        send_cost: Nanos::ZERO,
        breaks_after: None,
    }
}

pub(crate) fn plan(load: Load, users: Option<u32>) -> Plan {
    let parts = RequestParts::new("GET", "simulated", "/0");
    let template = Template::build(parts, &Marks::default()).expect("a plain request");
    let steps = vec![Step::new("step", template)];
    let operations = vec![FlowOperation::Send(0)];
    let flow = Flow { name: "flow".to_owned(), weight: 1, steps, operations };
    let parts = (Flow::default(), vec![flow], Flow::default());
    let script = Script::new(parts, Vec::new(), 0, users);
    let request = RequestTemplate::of_bytes(Vec::new());
    Plan::plain(([127, 0, 0, 1], 80).into(), request)
        .with(|plan| {
            plan.load = load;
            plan.limits.window = Limit::Duration(Nanos::from_millis(20));
            plan.limits.timeout = Nanos::from_millis(50);
            plan.workload = Workload::Script(Arc::new(script));
        })
        .expect("a plan")
}

/// The counts of requests, and the number of unfinished flows, of a run aborted after this time.
fn aborted(plan: &Plan, after: Nanos) -> (Counts, u64) {
    let world = World::new(1, climate(plan), START, Rc::new(Witness::default()));
    let mut event_loop = EventLoop::new(world, LoopOptions::of(plan, Share::WHOLE), terms(plan));
    while !event_loop.is_settled() {
        event_loop.turn(Command::Run);
    }
    let start = START + Nanos::from_millis(1);
    let measure_to = start + plan.limits.window.duration().expect("it is limited by time");
    let boundaries = Boundaries { start, measure_from: start, measure_to };
    event_loop.begin(Pacer::new(plan, Share::WHOLE, start), boundaries);
    let (mut counts, mut unfinished, mut now) = (Counts::default(), 0, start);
    loop {
        let command = if now >= start + after { Command::Abort } else { Command::Run };
        let asked = event_loop.turn(command);
        if asked != Turn::Continue {
            let handover = event_loop.close_interval(Box::default());
            now = handover.end;
            counts.merge(&handover.measured);
            unfinished += handover.flows[0].unfinished;
        }
        if asked == Turn::Finished {
            return (counts, unfinished);
        }
    }
}

#[test]
fn users_who_wait_for_a_connection_at_the_end_are_counted() {
    let plan = plan(Load::Closed, Some(5))
        .with(|plan| plan.observe.slice = Nanos::from_millis(10))
        .expect("a plan");
    let (counts, unfinished) = aborted(&plan, Nanos::from_millis(10));
    // A closed loop releases only the requests that it sends; its flows have still begun.
    assert_eq!((counts.released, unfinished), (1, 5));
    assert_eq!((counts.of(Outcome::Censored), counts.of(Outcome::NotSent)), (1, 0));
}

#[test]
fn flows_that_were_due_and_not_begun_at_the_end_are_counted() {
    let rate = Rate::per_second(1_000).expect("a rate");
    let load = Load::open(rate, Arrivals::Constant);
    let plan =
        plan(load, None).with(|plan| plan.observe.slice = Nanos::from_millis(10)).expect("a plan");
    let (counts, unfinished) = aborted(&plan, Nanos::from_millis(10));
    // Those due within the 10 ms, and the one due at their end.
    assert_eq!((counts.released, unfinished), (11, 11));
    assert_eq!((counts.of(Outcome::Censored), counts.of(Outcome::NotSent)), (1, 10));
}
