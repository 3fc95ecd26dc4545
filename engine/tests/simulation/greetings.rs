//! Servers that send first, push, or drop each connection they accept, in worlds without other
//! faults: the messages that may be taken for answers, and how often the client connects again.

use std::rc::Rc;

use uringbench_core::http::request::{RequestParts, RequestTemplate};
use uringbench_core::outcome::{Counts, Outcome};
use uringbench_core::pacer::Pacer;
use uringbench_core::plan::{Limit, Messages, Plan, WebSocketPlan, Workload};
use uringbench_core::schedule::Share;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_core::websocket::handshake::{Opening, OpeningParts};
use uringbench_engine::{Boundaries, Command, EventLoop, LoopOptions, Totals, Turn};

use crate::checks::terms;
use crate::interrupted::climate;
use crate::server::{Answer, Websocket, message};
use crate::world::{Climate, Speech, Witness, World};

const START: Timestamp = Timestamp(1_000_000_000);
/// The shortest time to an answer.
const SERVICE_MIN: Nanos = Nanos(300_000);

/// The results of a run.
pub(crate) struct Ran {
    pub(crate) counts: Counts,
    totals: Totals,
    /// The shortest time to an answer that it reported.
    fastest: u64,
    pub(crate) connects: u64,
    spoken: u64,
    took: Nanos,
}

pub(crate) fn run(seed: u64, plan: &Plan, climate: Climate) -> Ran {
    let witness = Rc::new(Witness::default());
    let world = World::new(seed, climate, START, Rc::clone(&witness));
    let mut event_loop = EventLoop::new(world, LoopOptions::of(plan, Share::WHOLE), terms(plan));
    while !event_loop.is_settled() {
        event_loop.turn(Command::Run);
    }
    let start = START + Nanos::from_millis(50);
    let span = plan.limits.window.duration();
    let measure_to = span.map_or(Timestamp::NEVER, |span| start + span);
    let boundaries = Boundaries { start, measure_from: start, measure_to };
    event_loop.begin(Pacer::new(plan, Share::WHOLE, start), boundaries);
    let (mut counts, mut totals, mut fastest) = (Counts::default(), Totals::default(), u64::MAX);
    loop {
        let asked = event_loop.turn(Command::Run);
        if asked != Turn::Continue {
            let handover = event_loop.close_interval(Box::default());
            counts.merge(&handover.measured);
            totals.merge(&handover.totals);
            let answers = [handover.whole.min(), handover.service.min()];
            fastest = answers.into_iter().flatten().fold(fastest, u64::min);
            if asked == Turn::Finished {
                let (connects, spoken) = (witness.connects.get(), witness.spoken.get());
                let took = handover.end.since(start);
                return Ran { counts, totals, fastest, connects, spoken, took };
            }
        }
    }
}

/// A WebSocket that sends 200 messages, each of which is echoed.
fn talking(is_checked: bool, greeting: u32, pipeline: u16) -> Plan {
    let parts = OpeningParts {
        authority: "simulated",
        target: "/",
        headers: &[],
        protocols: &[],
        key: [7; 16],
    };
    let websocket = WebSocketPlan {
        opening: Opening::build(parts).expect("a plain opening"),
        expected: is_checked.then(|| b"echo".to_vec()),
        checks_text: true,
        greeting,
    };
    let messages = Messages::of(message(b"echo"), websocket);
    Plan::plain(([127, 0, 0, 1], 80).into(), message(b"echo"))
        .with(|plan| {
            plan.workload = Workload::Messages(messages);
            plan.transport.connections.count = 2;
            plan.limits.window = Limit::Requests(200);
            plan.limits.timeout = Nanos::SECOND;
            plan.workload.set_pipeline(pipeline);
        })
        .expect("a plan")
}

/// A server that echoes, and also sends messages without a request.
fn speaking(plan: &Plan, speech: Speech) -> Climate {
    let accept = plan.workload.websocket().map(|websocket| websocket.opening.accept().to_owned());
    let accept = accept.expect("a WebSocket");
    Climate {
        websocket: Some(Websocket { accept, payload: b"echo".to_vec() }),
        service_min: SERVICE_MIN,
        stall: (START, START),
        pipeline: plan.workload.pipeline(),
        speech,
        ..climate(plan)
    }
}

/// No message sent before a request counts as its answer: if answers can be identified, none does;
/// if they cannot, the run reports that some may.
#[test]
fn what_was_sent_before_a_request_is_no_answer_to_it() {
    let within = Nanos::from_millis(100);
    for seed in 0..60 {
        for (greeting, pushes) in [(0, 0), (1, 0), (3, 0), (0, 5), (2, 5)] {
            let speech = Speech { greeting, pushes, within };
            for is_checked in [false, true] {
                for pipeline in [1, 4] {
                    let waits = seed % 2 == 0;
                    let awaited = if waits { greeting as u32 } else { 0 };
                    let plan = talking(is_checked, awaited, pipeline);
                    let ran = run(seed, &plan, speaking(&plan, speech));
                    let what =
                        format!("seed {seed}, {speech:?}, {is_checked}, {pipeline}, {waits}");
                    assert_eq!(ran.counts.of(Outcome::Ok), 200, "{what}");
                    assert_eq!((ran.connects, ran.totals.reconnects), (2, 0), "{what}");
                    let unasked = ran.totals.unsolicited_messages;
                    let more = ran.spoken - 2 * u64::from(awaited);
                    // The run does not receive messages pushed after its end.
                    assert!(unasked <= more && (unasked > 0) == (more > 0), "{what}: {unasked}");
                    let is_known = is_checked || more == 0;
                    // Times are recorded within 0.1 %.
                    let is_right = ran.fastest >= SERVICE_MIN.0 / 1_000 * 998;
                    assert!(is_right || !is_known, "{what}: answered after {} ns", ran.fastest);
                }
            }
        }
    }
}

fn asking(limit: Limit) -> Plan {
    let parts = RequestParts::new("GET", "simulated", "/");
    let request = RequestTemplate::build(parts).expect("a plain request");
    Plan::plain(([127, 0, 0, 1], 80).into(), request)
        .with(|plan| {
            plan.transport.connections.count = 4;
            plan.limits.window = limit;
            plan.limits.timeout = Nanos::SECOND;
        })
        .expect("a plan")
}

/// A server that gives this answer to every request.
fn answering(plan: &Plan, answer: &[u8]) -> Climate {
    let always = Some(Answer::ThenClose(answer.to_vec()));
    Climate { always, stall: (START, START), ..climate(plan) }
}

#[test]
fn a_target_that_answers_nothing_is_asked_less_and_less() {
    let plan = asking(Limit::Duration(Nanos::from_secs(4)));
    for seed in 0..20 {
        let ran = run(seed, &plan, answering(&plan, b""));
        assert_eq!(ran.counts.completed(), 0);
        // Between 50 and 100 ms from one attempt to the next, after a few with shorter pauses.
        let most = 4 * (6 + 4_000 / 50);
        assert!((4 * 40..=most).contains(&ran.connects), "seed {seed}: {}", ran.connects);
    }
}

const ONCE: &[u8] = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";

#[test]
fn a_target_that_answers_once_a_connection_is_asked_at_once() {
    let plan = asking(Limit::Requests(1_000));
    for seed in 0..20 {
        let ran = run(seed, &plan, answering(&plan, ONCE));
        assert_eq!(ran.counts.of(Outcome::Ok), 1_000);
        assert!(ran.connects >= 1_000, "seed {seed}: {}", ran.connects);
        // 250 rounds of four requests, each of a few of the world's steps of up to 20 µs.
        assert!(ran.took < Nanos::from_millis(250), "seed {seed}: {}", ran.took);
    }
}
