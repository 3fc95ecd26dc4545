//! One simulated run from seed to verdict: what is loaded, and what must hold of it.

use std::rc::Rc;
use std::sync::Arc;

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use uringbench_core::http::body::Body;
use uringbench_core::http::request::{RequestParts, RequestTemplate};
use uringbench_core::http2::settings::Http2Settings;
use uringbench_core::outcome::{Counts, Outcome};
use uringbench_core::pacer::{Pace, Pacer};
use uringbench_core::plan::{
    Answers, Arrivals, Carrier, Closing, ConnectionOrder, Connections, Course, Limit, Limits, Load,
    Messages, Observe, Parts, Plan, Protocol, Requests, RingCarrier, Route, StreamKind, StreamPlan,
    Target, TlsVersions, Transport, WaitMode, WebSocketPlan, Workload,
};
use uringbench_core::rate::Rate;
use uringbench_core::rate_profile::Segment;
use uringbench_core::record::INTERVAL;
use uringbench_core::schedule::Share;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_core::websocket::handshake::{Opening, OpeningParts};
use uringbench_core::window::Phase;
use uringbench_engine::{
    Boundaries, Command, ConnectionConfig, EventLoop, FlowConfig, IntervalCounts, LoopOptions,
    PostgresConfig, RedisConfig, Totals, Turn, client_config,
};

use crate::scripts::scripted;
use crate::secure::tls_plan;
use crate::server::{self, Leaving, Manners, Websocket};
use crate::visits::has_talks;
use crate::world::{Climate, Speech, Witness, World};

const START: Timestamp = Timestamp(1_000_000_000);
/// A run that has not ended by then hangs.
const TURNS_MAX: u64 = 2_000_000;

/// What a run, or many, came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sums {
    pub(crate) counts: Counts,
    pub(crate) totals: Totals,
    /// Flows that passed, failed, and did not end.
    pub(crate) flows: [u64; 3],
    /// Messages that users sent.
    pub(crate) messages: u64,
    /// Runs whose driver stopped working.
    pub(crate) halted: u64,
}

impl Sums {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.counts.merge(&other.counts);
        self.totals.merge(&other.totals);
        self.messages += other.messages;
        self.halted += other.halted;
        for (sum, flows) in self.flows.iter_mut().zip(other.flows) {
            *sum += flows;
        }
    }
}

/// Everything a run handed over.
#[derive(Default)]
struct Collected {
    measured: Counts,
    warmup: Counts,
    totals: Totals,
    coded: u64,
    response: u64,
    service: u64,
    lateness: u64,
    first_byte: u64,
    censored: u64,
    intervals: Vec<(Phase, Timestamp, Timestamp)>,
    in_flight: u64,
    /// Of all steps together.
    steps: Counts,
    /// Their response and service times, their lateness.
    step_times: [u64; 3],
    /// Flows that passed, failed, and did not end; and their times.
    flows: [u64; 3],
    flow_times: u64,
}

impl Collected {
    fn add(&mut self, handover: &IntervalCounts) {
        self.measured.merge(&handover.measured);
        self.warmup.merge(&handover.warmup);
        self.totals.merge(&handover.totals);
        self.coded += handover.codes.iter().map(|(_, answers)| answers).sum::<u64>();
        self.intervals.push((handover.phase, handover.start, handover.end));
        self.in_flight = handover.in_flight;
        // Slower than any answer: what has no first byte must not be timed.
        let slowest = handover.first_byte.value_at(1.0);
        assert!(slowest.is_none_or(|slowest| slowest < Nanos::SECOND.0), "{slowest:?}");
        for step in &handover.steps {
            self.steps.merge(&step.counts);
            let failures: u64 = step.failures.iter().map(|(_, count)| count).sum();
            let failed = step.counts.of(Outcome::Status) + step.counts.of(Outcome::CheckFailed);
            assert_eq!(failures, failed, "each failure has a reason");
            let Some(times) = &step.times else { continue };
            let times = [&times.response, &times.service, &times.lateness];
            for (sum, times) in self.step_times.iter_mut().zip(times) {
                *sum += times.total();
            }
        }
        for flow in &handover.flows {
            let ends = [flow.passed, flow.failed, flow.unfinished];
            self.flows.iter_mut().zip(ends).for_each(|(sum, ends)| *sum += ends);
            self.flow_times += flow.times.as_ref().map_or(0, |times| times.response.total());
        }
        if handover.phase != Phase::Warmup {
            self.response += handover.response.total();
            let whole = handover.whole.total();
            self.service += handover.service.total() + whole;
            self.lateness += handover.lateness.total();
            self.first_byte += handover.first_byte.total() + whole;
            self.censored += handover.censored;
        }
    }
}

/// One run. Panics where anything that must hold does not.
pub(crate) fn simulate(seed: u64) -> Sums {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed ^ 0x5eed);
    let mut below = |bound: u64| random.next_u64() % bound;
    let plan = plan(seed, &mut below);
    let climate = climate(&plan, &mut below);
    run(seed, &plan, climate, &mut below)
}

/// The run of a plan in a world. Panics where anything that must hold does not.
pub(crate) fn run(
    seed: u64,
    plan: &Plan,
    climate: Climate,
    below: &mut impl FnMut(u64) -> u64,
) -> Sums {
    let is_forgiving = is_forgiving(plan, &climate);
    if std::env::var_os("SIM_SEED").is_some() {
        println!("{plan:#?}\n{climate:#?}");
    }
    let interruption = (below(5) == 0).then(|| START + Nanos(below(120_000_000)));
    let abort_after = Nanos(below(40_000_000));

    let witness = Rc::new(Witness::default());
    let world = World::new(seed, climate, START, Rc::clone(&witness));
    let mut event_loop = EventLoop::new(world, LoopOptions::of(plan, Share::WHOLE), terms(plan));
    if !settle(&mut event_loop) {
        // There is nothing to measure over a driver that does not work.
        return Sums { halted: 1, ..Sums::default() };
    }
    let start = START + Nanos::from_millis(20);
    let measure_from = start + plan.limits.warmup;
    let span = plan.limits.window.duration();
    let measure_to = span.map_or(Timestamp::NEVER, |span| measure_from + span);
    let boundaries = Boundaries { start, measure_from, measure_to };
    event_loop.begin(Pacer::new(plan, Share::WHOLE, start), boundaries);

    let mut collected = Collected::default();
    let mut last_command = Command::Run;
    for turn in 0.. {
        assert!(turn < TURNS_MAX, "the run does not end");
        let now = collected.intervals.last().map_or(start, |interval| interval.2);
        let command = match interruption {
            Some(at) if now > at + abort_after => Command::Abort,
            Some(at) if now > at => Command::Finish,
            _ => Command::Run,
        };
        // Intervals are long against the interruption: let turns count as time as well.
        if interruption.is_some() && turn > 3_000 {
            last_command = if turn > 3_400 { Command::Abort } else { Command::Finish };
        }
        last_command = last_command.max(command);
        let asked = event_loop.turn(last_command);
        if asked != Turn::Continue {
            collected.add(&event_loop.close_interval(Box::default()));
        }
        if asked == Turn::Finished {
            break;
        }
    }
    let halted = event_loop.halted().is_some();
    let was_cut = last_command != Command::Run || halted;
    let boundaries = event_loop.boundaries();
    drop(event_loop);
    check(plan, &collected, &witness, &boundaries, was_cut);
    let timeouts = collected.measured.of(Outcome::Timeout) + collected.warmup.of(Outcome::Timeout);
    if is_forgiving && timeouts == 0 {
        // A connection that is closed while idle costs no request that may be sent twice.
        let resets = collected.measured.of(Outcome::Reset) + collected.warmup.of(Outcome::Reset);
        assert_eq!(resets, 0, "requests lost to connections that were idle");
    }
    let mut counts = collected.measured.clone();
    counts.merge(&collected.warmup);
    let messages = witness.visits.borrow().messages;
    let (totals, flows, halted) = (collected.totals, collected.flows, u64::from(halted));
    Sums { counts, totals, flows, messages, halted }
}

/// Make the connections. Whether the driver still works then.
fn settle(event_loop: &mut EventLoop<World>) -> bool {
    for _ in 0..TURNS_MAX {
        if event_loop.is_settled() || event_loop.halted().is_some() {
            return event_loop.halted().is_none();
        }
        event_loop.turn(Command::Run);
    }
    panic!("the connections never settle");
}

fn check(
    plan: &Plan,
    collected: &Collected,
    witness: &Witness,
    boundaries: &Boundaries,
    was_cut: bool,
) {
    let Collected { measured, warmup, .. } = collected;
    // The law.
    assert_eq!(measured.in_flight(), Some(0), "{measured:?}");
    assert_eq!(warmup.in_flight(), Some(0), "{warmup:?}");
    assert_eq!(collected.in_flight, 0);
    // Every slot that was due was released, no more and no fewer.
    let begun: u64 = collected.flows.iter().sum();
    let released = if plan.workload.script().is_some() { begun } else { measured.released };
    if let (Some(expected), false) = (slots_expected(plan, boundaries), was_cut) {
        assert_eq!(released, expected, "released against planned");
    }
    if plan.workload.script().is_some() {
        check_script(plan, collected, witness);
    } else if plan.limits.warmup == Nanos::ZERO {
        assert_eq!(warmup.released, 0, "slots of a warm-up that there is not");
    }
    // A window limited by time alone is as long as planned.
    if let (Limit::Duration(span), false) = (plan.limits.window, was_cut) {
        assert_eq!(boundaries.measure_to.since(boundaries.measure_from), span);
    }
    // Every released slot is timed once, complete or not.
    let completed = measured.completed();
    assert_eq!(collected.coded, completed);
    assert_eq!((collected.service, collected.first_byte), (completed, completed));
    assert_eq!(collected.censored, measured.ended() - completed);
    let is_open = plan.has_due_times();
    assert_eq!(collected.response, if is_open { measured.ended() } else { collected.censored });
    let unsent = measured.of(Outcome::NotSent) + measured.of(Outcome::ConnectFailed);
    assert_eq!(collected.lateness, if is_open { measured.released - unsent } else { 0 });
    // The server saw what was sent, and the loop says so.
    let unsent = unsent + warmup.of(Outcome::NotSent) + warmup.of(Outcome::ConnectFailed);
    let sent = measured.released + warmup.released - unsent + measured.retried + warmup.retried;
    let is_pieced = plan.tls().is_some() && plan.workload.bytes().len() > 60_000;
    if plan.transport.connections.write_rate.is_some()
        || is_pieced
        || plan.workload.is_http2()
        || plan.workload.script().map(Arc::as_ref).is_some_and(has_talks)
    {
        // Sent in pieces, or behind what is under way: a connection may end between.
        assert!(witness.requests.get() <= sent, "requests the server saw");
    } else {
        assert_eq!(witness.requests.get(), sent, "requests the server saw");
    }
    let request_bytes = plan.workload.bytes().len() as u64;
    // The frames of HTTP/2 depend on the connection.
    let is_constant = plan.workload.script().is_none() && !plan.workload.is_http2();
    if is_constant {
        assert_eq!(collected.totals.sent_bytes, sent * request_bytes);
    } else if witness.requests.get() == sent && !plan.workload.is_http2() {
        assert_eq!(collected.totals.sent_bytes, witness.bytes.get());
    }
    assert_eq!(witness.leases.get(), 0, "leases not given back");
    let (used, there) = (collected.totals.connections_used, plan.connections());
    assert!(used <= there, "{used} connections of {there} were used");
    assert!(u64::from(used) <= measured.released, "{used} connections were used by fewer requests");
    check_intervals(plan, collected, boundaries);
}

/// Intervals follow one another without a gap, in the order of the phases.
fn check_intervals(plan: &Plan, collected: &Collected, boundaries: &Boundaries) {
    for pair in collected.intervals.windows(2) {
        assert_eq!(pair[0].2, pair[1].1, "a gap between intervals");
        assert!(pair[0].0 as u8 <= pair[1].0 as u8, "phases out of order");
    }
    let end = collected.intervals.last().map_or(START, |interval| interval.2);
    if boundaries.measure_to != Timestamp::NEVER {
        let latest = boundaries.measure_to + plan.limits.timeout + Nanos::from_millis(200);
        assert!(end <= latest, "the drain took too long");
    }
}

/// What must hold of users and flows besides.
fn check_script(plan: &Plan, collected: &Collected, witness: &Witness) {
    let Collected { measured, steps, .. } = collected;
    assert_eq!(steps, measured, "what steps add up to");
    let unsent = measured.of(Outcome::NotSent) + measured.of(Outcome::ConnectFailed);
    let times = [measured.ended(), measured.completed(), measured.released - unsent];
    // One that is the only one takes what the whole takes.
    let is_only = plan.workload.script().is_some_and(|script| script.steps().count() == 1);
    let times = if is_only { [0; 3] } else { times };
    assert_eq!(collected.step_times, times, "each request of a step is timed once");
    let ended: u64 = collected.flows.iter().sum();
    assert_eq!(collected.flow_times, ended, "each flow is timed once");
    if plan.limits.warmup == Nanos::ZERO {
        let seen = witness.visits.borrow().flows();
        assert!(seen <= ended, "{seen} flows came to the server, {ended} have ended");
    }
}

/// How many measured slots the plan has, where that is known beforehand.
fn slots_expected(plan: &Plan, boundaries: &Boundaries) -> Option<u64> {
    match (&plan.load, plan.limits.window) {
        (_, Limit::Requests(requests)) => Some(requests),
        (Load::Open { .. } | Load::Replay, Limit::Duration(span)) => {
            let start = boundaries.start;
            let mut pacer = Pacer::new(plan, Share::WHOLE, start);
            let window = start + plan.limits.warmup..start + plan.limits.warmup + span;
            let mut slots = 0;
            while let Pace::Release(slot, _) = pacer.poll(Timestamp(u64::MAX - 1), 1) {
                assert!(slot.due < window.end);
                slots += u64::from(window.contains(&slot.due));
            }
            Some(slots)
        }
        _ => None,
    }
}

fn plan(seed: u64, below: &mut impl FnMut(u64) -> u64) -> Plan {
    let rate = Rate::per_second(200 + below(20_000)).expect("a rate within its range");
    let mut load = match below(3) {
        0 => Load::Closed,
        1 => Load::open(rate, Arrivals::Constant),
        _ => Load::open(rate, Arrivals::Poisson),
    };
    let span = Nanos(1_000_000 + below(60_000_000));
    let window = match below(3) {
        0 => Limit::Requests(1 + below(300)),
        _ => Limit::Duration(span),
    };
    let method = if below(8) == 0 { "HEAD" } else { "GET" };
    let body = vec![b'b'; [0, 0, 0, 0, 20_000, 150_000][below(6) as usize]];
    // Handshakes cost real time, so there are fewer of them.
    let has_tls = below(12) == 0;
    let is_held = !has_tls && below(4) == 0;
    let websocket = (!has_tls && below(6) == 0).then(|| websocket(below));
    let parts = RequestParts {
        body: Body::Bytes(&body),
        expect_continue: is_held && !body.is_empty(),
        ..RequestParts::new(method, "simulated", "/")
    };
    let versions = [TlsVersions::Both, TlsVersions::Only12][below(2) as usize];
    let peers = vec![([127, 0, 0, 1], 80).into(); 1 + below(2) as usize];
    let count = 1 + below(12) as u32;
    let pipeline = if below(2) == 0 { 1 } else { 1 + below(8) as u16 };
    let limits = Limits {
        window,
        warmup: if below(2) == 0 { Nanos::ZERO } else { Nanos(below(20_000_000)) },
        timeout: Nanos(2_000_000 + below(30_000_000)),
    };
    let slice = [INTERVAL, Nanos::from_millis(10)][below(2) as usize];
    if let Load::Open { rate, course, .. } = &mut load {
        *course = steps(*rate, below);
    }
    let tls = has_tls.then(|| tls_plan(below(4) > 0, versions));
    let mut connections = Connections {
        requests: (below(5) == 0).then(|| 1 + below(6) as u32),
        order: [ConnectionOrder::RoundRobin, ConnectionOrder::Lifo][below(2) as usize],
        rate: (below(8) == 0).then_some(rate),
        idle: if below(6) == 0 { 1 + below(10) as u32 } else { 0 },
        http2: Http2Settings { table: 0, window: 1 << 20 },
        ..Connections::of(count)
    };
    let route = Route::Tcp { peers, sources: Vec::new() };
    // Slow enough to be late, so that most answers of such a run time out.
    let read_rate = (below(16) == 0).then(|| 1 + below(200_000) as u32);
    let stream = (websocket.is_none() && below(8) == 0).then(|| stream(below));
    connections.write_rate = (below(16) == 0).then(|| 1 + below(200_000) as u32);
    let mut workload = workload(websocket, stream, parts, &body);
    workload.set_pipeline(pipeline);
    let plan = Plan::new(Parts {
        target: Target::default(),
        transport: Transport {
            carrier: Carrier::Ring(RingCarrier { route, closing: Closing::Fin, read_rate }),
            cpus: vec![0],
            wait: WaitMode::Block,
            connections,
        },
        protocol: tls.map_or(Protocol::Plain, Protocol::Tls),
        workload,
        load,
        limits,
        observe: Observe { slice, objectives: Vec::new(), by_due: None },
        seed,
    })
    .expect("a plan");
    if below(3) == 0 { scripted(plan, below) } else { plan }
}

fn workload(
    websocket: Option<WebSocketPlan>,
    stream: Option<StreamPlan>,
    parts: RequestParts<'_>,
    body: &[u8],
) -> Workload {
    match websocket {
        Some(websocket) => {
            let message = server::message(websocket.expected.as_deref().unwrap_or(body));
            Workload::Messages(Messages::of(message, websocket))
        }
        None => {
            let request = RequestTemplate::build(parts).expect("a plain request");
            let answers = stream.map_or(Answers::Whole, Answers::Stream);
            Workload::Requests(Requests { answers, ..Requests::of(request) })
        }
    }
}

/// Half of the WebSockets speak of their own accord; none of those that opened is asked for less.
fn speech(plan: &Plan, below: &mut impl FnMut(u64) -> u64) -> Speech {
    let Some(websocket) = plan.workload.websocket() else {
        let pushes = [0, 0, 3][below(3) as usize];
        return Speech { greeting: below(2), pushes, within: Nanos(20_000_000) };
    };
    let more = if below(2) == 0 { 0 } else { below(3) };
    let greeting = u64::from(websocket.greeting) + more;
    Speech { greeting, pushes: more * below(5), within: Nanos(20_000_000) }
}

fn websocket(below: &mut impl FnMut(u64) -> u64) -> WebSocketPlan {
    let parts = OpeningParts {
        authority: "simulated",
        target: "/",
        headers: &[],
        protocols: &[],
        key: [7; 16],
    };
    WebSocketPlan {
        opening: Opening::build(parts).expect("a plain opening"),
        expected: (below(2) == 0).then(|| vec![b'm'; below(9_000) as usize]),
        checks_text: below(2) == 0,
        greeting: [0, 0, 1, 2][below(4) as usize],
    }
}

fn stream(below: &mut impl FnMut(u64) -> u64) -> StreamPlan {
    StreamPlan {
        kind: [StreamKind::Events, StreamKind::Arrivals][below(2) as usize],
        stall: Nanos(below(1_000_000)),
        events_max: (below(2) == 0).then(|| 1 + below(3)),
    }
}

/// Up to three steps: a rest, half the rate or all of it; the rate afterwards.
fn steps(rate: Rate, below: &mut impl FnMut(u64) -> u64) -> Course {
    let rates = [None, Rate::from_milli(rate.milli() / 2), Some(rate)];
    let mut segments: Vec<_> = (0..below(4))
        .map(|_| Segment::even(Nanos(1 + below(20_000_000)), rates[below(3) as usize]))
        .collect();
    if segments.is_empty() {
        return Course::Even;
    }
    segments.push(Segment::even(Nanos::SECOND, Some(rate)));
    Course::Segments(segments)
}

/// Load, limits and connections of a plan whose protocol has no further choices of them.
pub(crate) fn vary_load(plan: &mut Parts, below: &mut impl FnMut(u64) -> u64) {
    let rate = Rate::per_second(200 + below(20_000)).expect("a rate within its range");
    plan.load = match below(3) {
        0 => Load::Closed,
        1 => Load::open(rate, Arrivals::Constant),
        _ => Load::open(rate, Arrivals::Poisson),
    };
    plan.limits.window = match below(3) {
        0 => Limit::Requests(1 + below(300)),
        _ => Limit::Duration(Nanos(1_000_000 + below(60_000_000))),
    };
    plan.limits.warmup = Nanos([0, 5_000_000][below(2) as usize]);
    plan.limits.timeout = Nanos(2_000_000 + below(30_000_000));
    let connections = &mut plan.transport.connections;
    connections.count = 1 + below(6) as u32;
    connections.requests = (below(5) == 0).then(|| 1 + below(12) as u32);
    connections.idle = [0, 0, 2][below(3) as usize];
}

pub(crate) fn climate(plan: &Plan, below: &mut impl FnMut(u64) -> u64) -> Climate {
    let is_calm = below(4) == 0;
    let share = |below: &mut dyn FnMut(u64) -> u64, most: u64| {
        if is_calm { 0 } else { below(most) }
    };
    let stall_from = START + Nanos(below(60_000_000));
    let stall_span = share(below, 40_000_000);
    Climate {
        manners: Manners { fault_share: share(below, 200), large_share: below(300) },
        refuse_share: share(below, 400),
        no_buffer_share: share(below, 300),
        leaves: (below(3) == 0).then(|| leaves(plan, below)),
        service_min: Nanos::ZERO,
        service_max: Nanos(1_000 + below(3_000_000)),
        speech: speech(plan, below),
        always: None,
        stall: (stall_from, stall_from + Nanos(stall_span)),
        has_multishot: below(4) > 0,
        is_slow: plan.read_rate().is_some(),
        can_skip: plan.tls().is_none() && below(4) > 0,
        is_head: plan.workload.is_head(),
        is_http2: plan.workload.is_http2(),
        calls: plan.workload.calls(),
        is_redis: plan.workload.commands().is_some(),
        is_postgres: plan.workload.transactions().is_some(),
        pipeline: plan.workload.pipeline(),
        request_length: plan.workload.bytes().len(),
        held_at: plan.workload.held_at(),
        websocket: plan.workload.websocket().map(|websocket| Websocket {
            accept: websocket.opening.accept().to_owned(),
            payload: websocket.expected.clone().unwrap_or_default(),
        }),
        has_tls: plan.tls().is_some(),
        corrupt_share: share(below, 40),
        script: plan.workload.script().cloned(),
        send_cost: Nanos(below(5_000)),
        breaks_after: (below(30) == 0).then(|| below(600)),
    }
}

/// Whether nothing but keep-alive timeouts ends connections, long enough that those which end had
/// stood idle, and requests may be sent twice.
fn is_forgiving(plan: &Plan, climate: &Climate) -> bool {
    let leaves = |(after, leaving): (Nanos, Leaving)| {
        after >= Nanos::from_millis(11) && leaving != Leaving::Pushing
    };
    climate.manners.fault_share + climate.refuse_share + climate.corrupt_share == 0
        && climate.leaves.is_some_and(leaves)
        && plan.workload.script().is_none()
        && plan.workload.websocket().is_none()
        && plan.workload.database().is_none()
        && !plan.workload.is_http2()
        && plan.read_rate().is_none()
        && plan.transport.connections.write_rate.is_none()
}

/// After how long a server leaves, and how.
fn leaves(plan: &Plan, below: &mut impl FnMut(u64) -> u64) -> (Nanos, Leaving) {
    let ways = [Leaving::Closing, Leaving::Breaking, Leaving::Saying, Leaving::Pushing];
    // Bytes that a WebSocket receives unasked are messages.
    let known = if plan.workload.websocket().is_some() { 2 } else { ways.len() as u64 };
    (Nanos(100_000 + below(20_000_000)), ways[below(known) as usize])
}

pub(crate) fn terms(plan: &Plan) -> ConnectionConfig {
    let tls = plan.tls().map(|tls| client_config(tls).expect("a plan that can be kept"));
    let flows = plan.workload.script().map(|script| FlowConfig {
        script: Arc::clone(script),
        share: Share::WHOLE,
        seed: plan.seed,
        epoch: 0,
    });
    let redis = plan.workload.commands().map(|commands| RedisConfig {
        commands: Arc::clone(commands),
        share: Share::WHOLE,
        epoch: 0,
    });
    let postgres = plan.workload.transactions().map(|transactions| PostgresConfig {
        transactions: Arc::clone(transactions),
        share: Share::WHOLE,
        epoch: 0,
        seed: plan.seed,
        keys: Arc::default(),
    });
    ConnectionConfig { tls, flows, redis, postgres, ..ConnectionConfig::of(plan) }
}
