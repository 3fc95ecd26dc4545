//! Each backend against real servers: the same loads give the same outcomes with every backend.
//! Every expectation is a count, so no test depends on the speed of the machine.
//!
//! monoio selects one of its two drivers once per process, so the last test runs the others again
//! in a separate process, over epoll.

mod scripts;
#[path = "../simulation/secure.rs"]
mod secure;
mod server;

use std::cell::Cell;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrV4, SocketType, bind, listen, socket};
use uringbench_core::histogram::LatencyCounts;
use uringbench_core::http::body::Body;
use uringbench_core::http::request::{RequestParts, RequestTemplate};
use uringbench_core::outcome::Outcome;
use uringbench_core::plan::{
    Arrivals, Carrier, Closing, Engine, Limit, Load, Plan, Protocol, Requests, Route, TlsVersions,
    WaitMode, Workload,
};
use uringbench_core::rate::Rate;
use uringbench_core::record::{Backend, Interval, RunRecord};
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_engine::{Control, Observer, RunError};

use server::{Manner, Server, body, files};

/// The variable that makes monoio use epoll.
const OVER_EPOLL: &str = "MONOIO_FORCE_LEGACY_DRIVER";

/// Runs one test at a time: the tests count descriptors, and there are few CPUs.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_over_epoll() -> bool {
    std::env::var_os(OVER_EPOLL).is_some()
}

/// The backends that are available in this process.
fn backends() -> Vec<(Engine, Backend)> {
    if is_over_epoll() {
        return vec![(Engine::Monoio, Backend::MonoioEpoll)];
    }
    vec![
        (Engine::Ring, Backend::Ring),
        (Engine::Monoio, Backend::MonoioUring),
        (Engine::TokioUring, Backend::TokioUring),
    ]
}

fn plan(engine: Engine, target: SocketAddr, requests: u64) -> Plan {
    Plan::plain(target, request("GET", &[]))
        .with(|plan| {
            plan.transport.carrier = carrier(engine, target);
            plan.transport.connections.count = 4;
            plan.limits.window = Limit::Requests(requests);
            plan.limits.timeout = Nanos::from_secs(20);
            plan.transport.wait = WaitMode::Hybrid;
        })
        .expect("a plan")
}

fn request(method: &str, body: &[u8]) -> RequestTemplate {
    let parts = RequestParts {
        body: Body::Bytes(body),
        ..RequestParts::new(method, "simulated.test", "/")
    };
    RequestTemplate::build(parts).expect("a plain request")
}

fn carrier(engine: Engine, target: SocketAddr) -> Carrier {
    let route = Route::Tcp { peers: vec![target], sources: Vec::new() };
    Carrier::new(engine, route, Closing::Fin, None).expect("nothing special")
}

/// Follows a run, and interrupts it on request.
#[derive(Default)]
struct Watch {
    control: Control,
    start: Timestamp,
    carried_by: Option<Backend>,
    interrupts: u32,
}

impl Observer for Watch {
    fn carried_by(&mut self, backend: Backend) {
        self.carried_by = Some(backend);
    }
    fn started(&mut self, start: Timestamp, _: u32) {
        self.start = start;
    }
    fn measure_begins(&mut self) {}
    fn interval(&mut self, _: &Interval, _: &LatencyCounts) {
        for _ in 0..std::mem::take(&mut self.interrupts) {
            self.control.interrupt();
        }
    }
    fn measure_ended(&mut self) {}
}

fn run(plan: &Plan, backend: Backend) -> (RunRecord, Watch) {
    run_watched(plan, backend, Watch::default())
}

fn run_watched(plan: &Plan, backend: Backend, mut watch: Watch) -> (RunRecord, Watch) {
    let control = watch.control.clone();
    let record = uringbench_engine::run(plan, &control, &mut watch).expect("the server listens");
    assert_eq!((record.backend, watch.carried_by), (backend, Some(backend)));
    assert_eq!(record.counts.in_flight(), Some(0), "{backend}: the law");
    (record, watch)
}

/// Checks that the run had exactly these outcomes.
fn expect(record: &RunRecord, outcomes: &[(Outcome, u64)]) {
    let found: Vec<_> = Outcome::ALL
        .into_iter()
        .map(|outcome| (outcome, record.counts.of(outcome)))
        .filter(|(_, count)| *count > 0)
        .collect();
    assert_eq!(found, outcomes, "{}", record.backend);
}

#[test]
fn every_request_is_sent_once_and_answered_once() {
    let _turn = turn();
    for (engine, backend) in backends() {
        for (connections, pipeline) in [(1, 1), (7, 1), (64, 1), (4, 8), (64, 16)] {
            let server = Server::start(Manner::Whole(2));
            let plan = plan(engine, server.address, 5_003)
                .with(|plan| {
                    plan.transport.connections.count = connections;
                    plan.workload.set_pipeline(pipeline);
                })
                .expect("a plan");
            let (record, _) = run(&plan, backend);
            expect(&record, &[(Outcome::Ok, 5_003)]);
            assert_eq!(server.requests(), 5_003, "{backend} -c {connections} -p {pipeline}");
            assert_eq!(server.connections(), u64::from(connections), "{backend}");
        }
    }
}

#[test]
fn large_answers_are_counted_to_the_byte() {
    let _turn = turn();
    const LENGTH: usize = 1 << 20;
    const CHUNK: usize = 10_000;
    let chunks = LENGTH.div_ceil(CHUNK);
    // Hexadecimal lengths: four digits, three for the last chunk, and the line ends of each.
    let framing = chunks * (4 + 4) - usize::from(LENGTH % CHUNK < 4_096) + "0\r\n\r\n".len();
    let cases = [
        (Manner::Whole(LENGTH), "HTTP/1.1 200 Word\r\nContent-Length: 1048576\r\n\r\n".len()),
        (
            Manner::Chunked(LENGTH, CHUNK),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".len() + framing,
        ),
    ];
    for (engine, backend) in backends() {
        for (manner, beside) in cases {
            for pipeline in [1, 3] {
                let server = Server::start(manner);
                let plan = plan(engine, server.address, 61)
                    .with(|plan| plan.workload.set_pipeline(pipeline))
                    .expect("a plan");
                let (record, _) = run(&plan, backend);
                expect(&record, &[(Outcome::Ok, 61)]);
                let received = record.workers[0].received_bytes;
                assert_eq!(received, 61 * (LENGTH + beside) as u64, "{backend} {manner:?}");
            }
        }
    }
}

#[test]
fn large_requests_arrive_whole_and_in_order() {
    let _turn = turn();
    for (engine, backend) in backends() {
        for (length, pipeline) in [(1_000, 8), (100_000, 4), (3_000_000, 2)] {
            let server = Server::start(Manner::Checking);
            let request = request("POST", &body(length));
            let plan = plan(engine, server.address, 41)
                .with(|plan| {
                    plan.workload = Workload::Requests(Requests::of(request));
                    plan.workload.set_pipeline(pipeline);
                })
                .expect("a plan");
            let (record, _) = run(&plan, backend);
            expect(&record, &[(Outcome::Ok, 41)]);
            assert_eq!(server.requests(), 41, "{backend}");
        }
    }
}

#[test]
fn faults_of_the_server_come_to_the_same_outcomes() {
    let _turn = turn();
    let cases = [
        // One connection, so that the number of requests answered completely is certain.
        (Manner::CutShort(0), 1, 20, vec![(Outcome::Reset, 20)]),
        (Manner::CutShort(3), 1, 20, vec![(Outcome::Ok, 15), (Outcome::Reset, 5)]),
        (Manner::Resetting(0), 1, 20, vec![(Outcome::Reset, 20)]),
        (Manner::Resetting(1), 1, 20, vec![(Outcome::Ok, 10), (Outcome::Reset, 10)]),
        (Manner::CutShort(0), 9, 200, vec![(Outcome::Reset, 200)]),
        (Manner::Resetting(0), 9, 200, vec![(Outcome::Reset, 200)]),
        (Manner::Silent, 5, 5, vec![(Outcome::Timeout, 5)]),
    ];
    for (engine, backend) in backends() {
        for (manner, connections, requests, outcomes) in &cases {
            let server = Server::start(*manner);
            let timeout = if *manner == Manner::Silent {
                Nanos::from_millis(50)
            } else {
                Nanos::from_secs(20)
            };
            let plan = plan(engine, server.address, *requests)
                .with(|plan| {
                    plan.transport.connections.count = *connections;
                    plan.limits.timeout = timeout;
                })
                .expect("a plan");
            let (record, _) = run(&plan, backend);
            expect(&record, outcomes);
            assert_eq!(server.requests(), *requests, "{backend} {manner:?}");
        }
    }
}

#[test]
fn what_a_broken_connection_still_owed_is_sent_again_if_it_may_be() {
    let _turn = turn();
    for (engine, backend) in backends() {
        // Eight at once: three are answered and the fourth is cut short; of the four behind it,
        // three are answered on the next connection and one is cut short.
        let server = Server::start(Manner::CutShort(3));
        let plan = plan(engine, server.address, 8)
            .with(|plan| {
                plan.transport.connections.count = 1;
                plan.workload.set_pipeline(8);
            })
            .expect("a plan");
        let (record, _) = run(&plan, backend);
        expect(&record, &[(Outcome::Ok, 6), (Outcome::Reset, 2)]);
        assert_eq!(record.counts.retried, 4, "{backend}");
        // A request that may not be sent twice is lost.
        let plan = plan
            .with(|plan| {
                plan.workload = Workload::Requests(Requests::of(request("POST", &[])));
                plan.workload.set_pipeline(8);
            })
            .expect("a plan");
        let (record, _) = run(&plan, backend);
        expect(&record, &[(Outcome::Ok, 3), (Outcome::Reset, 5)]);
        assert_eq!(record.counts.retried, 0, "{backend}");
    }
}

#[test]
fn nobody_there_is_no_run() {
    let _turn = turn();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let refusing = listener.local_addr().expect("a bound listener");
    drop(listener);
    let full = FullBacklog::start();
    let before = files_at_rest();
    for (engine, backend) in backends() {
        let mut watch = Watch::default();
        let failed = |plan: &Plan, watch: &mut Watch| match uringbench_engine::run(
            plan,
            &Control::new(),
            watch,
        ) {
            Err(RunError::Unreachable { failure, .. }) => failure.to_string(),
            other => panic!("{backend}: {other:?}"),
        };
        let why = failed(&plan(engine, refusing, 10), &mut watch);
        assert!(why.contains("nothing listens there"), "{backend}: {why}");
        // Abandoned attempts must not keep their descriptors open.
        let timeout = Nanos::from_millis(50);
        let patient = plan(engine, full.address, 10)
            .with(|plan| {
                plan.transport.connections.count = 100;
                plan.limits.timeout = timeout;
            })
            .expect("a plan");
        let why = failed(&patient, &mut watch);
        assert!(why.contains("no answer within the timeout"), "{backend}: {why}");
        let left = settled_files(before);
        assert!(left <= before, "{backend}: {left} descriptors stay open, {before} were before");
    }
}

#[test]
fn a_connection_made_anew_two_thousand_times_leaves_nothing_behind() {
    let _turn = turn();
    for (engine, backend) in backends() {
        // The first run in a process opens the descriptors that a runtime keeps.
        let server = Server::start(Manner::Whole(2));
        run(&plan(engine, server.address, 1), backend);
        drop(server);
        let before = files_at_rest();
        let server = Server::start(Manner::Closing);
        let plan = plan(engine, server.address, 2_000)
            .with(|plan| plan.transport.connections.count = 8)
            .expect("a plan");
        let (record, _) = run(&plan, backend);
        expect(&record, &[(Outcome::Ok, 2_000)]);
        assert!(server.connections() >= 2_000, "{backend}: one connection per request");
        // Both ends of each connection are in this process. The server's threads may close theirs
        // late.
        let most = server.seen.files_max.load(Ordering::Relaxed);
        assert!(most < before + 200, "{backend}: {most} descriptors, {before} before");
        drop(server);
        let left = settled_files(before);
        assert!(left <= before, "{backend}: {left} descriptors stay open, {before} were before");
    }
}

#[test]
fn requests_within_tls_and_its_goodbye_arrive() {
    let _turn = turn();
    for (engine, backend) in backends() {
        let server = Server::start(Manner::Secure);
        let plan = plan(engine, server.address, 400)
            .with(|plan| {
                plan.protocol = Protocol::Tls(secure::tls_plan(false, TlsVersions::Only13));
                plan.transport.connections.requests = Some(5);
                plan.workload.set_pipeline(2);
            })
            .expect("a plan");
        let (record, _) = run(&plan, backend);
        expect(&record, &[(Outcome::Ok, 400)]);
        assert_eq!(server.requests(), 400, "{backend}");
        // Connections still open at the end of the run send no close notify; the server may not
        // have read the last ones yet.
        let goodbyes = || server.seen.goodbyes.load(Ordering::Relaxed);
        let are_enough = settles(|| goodbyes() >= 72);
        assert!(are_enough, "{backend}: {} goodbyes on 80 connections", goodbyes());
    }
}

#[test]
fn an_open_loop_sends_all_it_planned_and_nothing_early() {
    let _turn = turn();
    for (engine, backend) in backends() {
        for wait in [WaitMode::Hybrid, WaitMode::Block] {
            let server = Server::start(Manner::Whole(2));
            let rate = Rate::per_second(2_000).expect("a rate");
            let plan = plan(engine, server.address, 1_000)
                .with(|plan| {
                    plan.transport.connections.count = 1;
                    plan.load = Load::open(rate, Arrivals::Constant);
                    plan.transport.wait = wait;
                    plan.workload.set_pipeline(64);
                })
                .expect("a plan");
            let (record, watch) = run(&plan, backend);
            expect(&record, &[(Outcome::Ok, 1_000)]);
            assert_eq!(record.times.lateness.len(), 1_000, "{backend}");
            let times = server.seen.times.lock().expect("no thread panicked");
            assert_eq!(times.len(), 1_000, "{backend}");
            for (slot, read) in (0..).zip(times.iter()) {
                let due = watch.start + Nanos(slot * 500_000);
                assert!(*read >= due, "{backend} {wait:?}: slot {slot} was sent early");
            }
        }
    }
}

#[test]
fn an_abort_ends_a_run_that_nobody_answers() {
    let _turn = turn();
    for (engine, backend) in backends() {
        let server = Server::start(Manner::Silent);
        let plan = plan(engine, server.address, 1)
            .with(|plan| {
                plan.limits.window = Limit::Duration(Nanos::from_secs(60));
                plan.limits.timeout = Nanos::from_secs(60);
            })
            .expect("a plan");
        // The first interval ends while all four wait. Without the abort they would time out.
        let watch = Watch { interrupts: 2, ..Watch::default() };
        let (record, _) = run_watched(&plan, backend, watch);
        expect(&record, &[(Outcome::Censored, 4)]);
        assert!(record.interrupted, "{backend}");
    }
}

/// Takes nothing until the server has received this many requests.
struct HeldUp<'a> {
    server: &'a Server,
    requests: u64,
}

impl Observer for HeldUp<'_> {
    fn started(&mut self, _: Timestamp, _: u32) {}
    fn measure_begins(&mut self) {
        assert!(settles(|| self.server.requests() >= self.requests), "the load waits for it");
    }
    fn interval(&mut self, _: &Interval, _: &LatencyCounts) {}
    fn measure_ended(&mut self) {}
}

#[test]
fn a_collector_that_is_held_up_stops_no_worker_and_loses_nothing() {
    let _turn = turn();
    for (engine, backend) in backends() {
        let server = Server::start(Manner::Whole(2));
        // A hundred slices of 10 ms; none is taken before the last request.
        let rate = Rate::per_second(1_000).expect("a rate");
        let plan = plan(engine, server.address, 1_000)
            .with(|plan| {
                plan.load = Load::open(rate, Arrivals::Constant);
                plan.observe.slice = Nanos::from_millis(10);
            })
            .expect("a plan");
        let mut observer = HeldUp { server: &server, requests: 1_000 };
        let record = uringbench_engine::run(&plan, &Control::new(), &mut observer);
        let record = record.expect("the server listens");
        expect(&record, &[(Outcome::Ok, 1_000)]);
        let handed: u64 = record.slices.iter().map(|slice| slice.completed).sum();
        assert_eq!(handed, 1_000, "{backend}: the slices hold every answer");
        assert!(record.slices.len() < 90, "{backend}: they are fewer and longer");
        for pair in record.slices.windows(2) {
            assert_eq!(pair[0].start + pair[0].length, pair[1].start, "{backend}: a gap");
        }
    }
}

#[test]
fn what_only_the_ring_can_do_is_refused_elsewhere() {
    let _turn = turn();
    let server = Server::start(Manner::Whole(2));
    for (engine, name) in [(Engine::Monoio, "monoio"), (Engine::TokioUring, "tokio-uring")] {
        let route = Route::Tcp { peers: vec![server.address], sources: Vec::new() };
        let refused = Carrier::new(engine, route, Closing::Rst, None);
        let why = refused.expect_err("it cannot").to_string();
        assert!(
            why.contains(&format!("`--engine {name}`")) && why.contains("--engine ring"),
            "{why}"
        );
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn monoio_over_epoll_passes_the_same_tests() {
    if is_over_epoll() {
        return;
    }
    let _turn = turn();
    let tests = std::env::current_exe().expect("this program");
    let output = std::process::Command::new(tests).env(OVER_EPOLL, "1").output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("16 passed"), "{said}");
}

/// Waits until the condition holds, without a limit of time.
fn settles(is_so: impl Fn() -> bool) -> bool {
    (0..1_000).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        is_so()
    })
}

/// The number of open descriptors, after the threads of an earlier test have closed theirs.
fn files_at_rest() -> u64 {
    let fewest = Cell::new((u64::MAX, 0));
    settles(|| {
        let now = files();
        let (fewest_so_far, times) = fewest.get();
        fewest.set(if now < fewest_so_far { (now, 1) } else { (fewest_so_far, times + 1) });
        fewest.get().1 >= 10
    });
    fewest.get().0
}

/// The number of open descriptors, once it is as low as before or it is clear that some stay open.
fn settled_files(before: u64) -> u64 {
    settles(|| files() <= before);
    files()
}

/// An address that neither accepts nor refuses: the accept queue of a listener with a backlog of 0
/// holds one connection, and while it is full the kernel drops other attempts.
struct FullBacklog {
    address: SocketAddr,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl FullBacklog {
    fn start() -> Self {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        let any_port = SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0);
        bind(&socket, &any_port).expect("a free port");
        listen(&socket, 0).expect("a bound socket listens");
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().expect("a bound listener");
        let mut queued = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            queued.push(stream);
            assert!(queued.len() < 16, "the kernel queues more than a backlog of 0 allows");
        }
        Self { address, _listener: listener, _queued: queued }
    }
}
