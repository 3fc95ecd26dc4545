//! Workers, drivers and observers that break: the run ends, reports the cause, and loses nothing.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::ops::Range;

use rustix::io::Errno;
use uringbench_core::histogram::LatencyCounts;
use uringbench_core::http::request::{RequestParts, RequestTemplate};
use uringbench_core::outcome::Outcome;
use uringbench_core::plan::{Carrier, Limit};
use uringbench_core::summary::Summary;
use uringbench_core::validity::{Observations, judge};
use uringbench_ring::{Config, TcpInfo};

use super::*;
use crate::drivers::ring_driver::RingDriver;
use crate::drivers::{Driver, DriverEvent, EventKind, ReceiveMode, UnderWay, Until};

/// How a worker breaks.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// At this number of waits.
    Panics(u64),
    /// At a wait, after this many requests.
    Halts(u64),
    Lasts,
}

/// A world in which each request is answered at once, until its fate.
struct Fated {
    fate: Fate,
    waits: u64,
    sent: u64,
    events: VecDeque<DriverEvent<Vec<u8>>>,
}

impl Fated {
    fn new(fate: Fate) -> Self {
        Self { fate, waits: 0, sent: 0, events: VecDeque::new() }
    }

    fn tell(&mut self, connection: u32, generation: u32, kind: EventKind<Vec<u8>>) {
        self.events.push_back(DriverEvent { connection, generation, kind });
    }
}

impl Driver for Fated {
    type Buffer = Vec<u8>;

    fn now(&mut self) -> Timestamp {
        clock::now()
    }
    fn connect(&mut self, connection: u32, generation: u32, _: u32) -> Result<(), Failure> {
        self.tell(connection, generation, EventKind::Connected);
        Ok(())
    }
    fn local_address(&self, _: u32) -> Option<SocketAddr> {
        None
    }
    fn peer_address(&self, _: u32, _: u32) -> Option<SocketAddr> {
        None
    }
    fn send_part(&mut self, connection: u32, generation: u32, _: Range<usize>) {
        self.sent += 1;
        let buffer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec();
        self.tell(connection, generation, EventKind::Received { buffer, more: true });
    }
    fn send_range(&mut self, _: u32, _: u32, _: Range<usize>) {}
    fn send_bytes(&mut self, _: u32, _: u32, _: Vec<u8>) {}
    fn take_buffer(&mut self) -> Vec<u8> {
        Vec::new()
    }
    fn receive(&mut self, _: u32, _: u32, _: ReceiveMode) {}
    fn skip(&mut self, _: u32, _: u32, _: u32) {}
    fn cancel_receive(&mut self, _: u32, _: u32) {}
    fn inspect(&mut self, _: u32, _: u32) {}
    fn inspected(&mut self, _: u32, _: u32) -> Option<TcpInfo> {
        None
    }
    fn close(&mut self, connection: u32, generation: u32, _: UnderWay) {
        self.tell(connection, generation, EventKind::Closed);
    }
    fn submit(&mut self) {}
    fn wait(&mut self, _: Until) -> Result<(), Failure> {
        self.waits += 1;
        std::thread::yield_now();
        match self.fate {
            Fate::Panics(waits) if self.waits > waits => panic!("broken on purpose"),
            Fate::Halts(requests) if self.sent >= requests => Err(Failure(Errno::NOMEM)),
            Fate::Panics(_) | Fate::Halts(_) | Fate::Lasts => Ok(()),
        }
    }
    fn next_event(&mut self) -> Option<DriverEvent<Vec<u8>>> {
        self.events.pop_front()
    }
    fn bytes<'a>(&'a self, buffer: &'a Vec<u8>) -> &'a [u8] {
        buffer
    }
    fn bytes_mut<'a>(&'a mut self, buffer: &'a mut Vec<u8>) -> &'a mut [u8] {
        buffer
    }
    fn recycle(&mut self, _: Vec<u8>) {}
    fn has_multishot(&self) -> bool {
        true
    }
    fn can_skip(&self) -> bool {
        true
    }
    fn enters(&self) -> u64 {
        self.waits
    }
    fn spun(&self) -> Nanos {
        Nanos::ZERO
    }
    fn overflowed(&self) -> u64 {
        0
    }
}

/// Ignores all, or breaks at the first interval.
struct Watch {
    panics: bool,
}

impl Observer for Watch {
    fn started(&mut self, _: Timestamp, _: u32) {}
    fn measure_begins(&mut self) {}
    fn interval(&mut self, _: &Interval, _: &LatencyCounts) {
        assert!(!self.panics, "an observer broken on purpose");
    }
    fn measure_ended(&mut self) {}
}

/// Far longer than a test may take: a run that does not end by itself fails it.
fn plan(workers: usize) -> Plan {
    let parts = RequestParts::new("GET", "localhost", "/");
    Plan::plain(
        ([127, 0, 0, 1], 80).into(),
        RequestTemplate::build(parts).expect("a plain request"),
    )
    .with(|plan| {
        plan.transport.cpus = vec![0; workers];
        plan.transport.connections.count = workers as u32;
        plan.limits.window = Limit::Duration(Nanos::from_secs(3_600));
        plan.observe.slice = Nanos::from_millis(10);
    })
    .expect("a plan")
}

fn run_fated(fates: &[Fate], panics: bool) -> Result<RunRecord, RunError> {
    let plan = plan(fates.len());
    let control = Control::new();
    run_with(&plan, &control, &mut Watch { panics }, &|index, links| {
        worker::work_over(&plan, index, &control, links, |_| {
            Ok((Fated::new(fates[index]), Backend::Ring))
        });
    })
}

#[test]
fn a_worker_that_panics_ends_the_run_whenever_it_does() {
    // While it is set up, at its first wait before it is ready, and long after.
    let error = run_with(&plan(2), &Control::new(), &mut Watch { panics: false }, &|index, _| {
        assert!(index == 0, "no worker at all");
    });
    let text = error.expect_err("the second worker is lost").to_string();
    assert!(text.contains("worker 1") && text.contains("no worker at all"), "{text}");
    for waits in [0, 1, 500] {
        let error = run_fated(&[Fate::Lasts, Fate::Panics(waits), Fate::Lasts], false);
        match error.expect_err("the figures would be incomplete") {
            RunError::WorkerLost { worker: 1, cause } => assert_eq!(cause, "broken on purpose"),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn an_observer_that_panics_takes_the_workers_with_it() {
    let broken = std::panic::catch_unwind(|| run_fated(&[Fate::Lasts, Fate::Lasts], true));
    assert!(broken.is_err(), "the panic goes on to the caller, and is not waited for");
}

#[test]
fn a_driver_that_halts_before_the_first_request_is_no_run() {
    let error = run_fated(&[Fate::Lasts, Fate::Halts(0)], false).expect_err("nothing was sent");
    assert!(matches!(error, RunError::Halted(Failure(Errno::NOMEM))), "{error}");
}

#[test]
fn a_driver_that_halts_ends_the_run_and_nothing_that_was_measured_is_lost() {
    let record = run_fated(&[Fate::Lasts, Fate::Halts(500)], false).expect("it was measured");
    assert_eq!(record.counts.in_flight(), Some(0), "the law");
    let answered = record.counts.of(Outcome::Ok);
    assert!(answered > 0, "what had been answered stays");
    assert!(record.counts.errors() <= 2, "what was in flight on two connections: {record:?}");
    assert!(record.interrupted);
    assert_eq!(record.workers[0].halted, None);
    let why = record.workers[1].halted.as_deref().expect("the second says why");
    assert!(why.contains("memory"), "{why}");
}

/// Answers every received request: one is in flight on each connection.
fn target() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound listener");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut request = [0; 4_096];
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                while let Ok(1..) = stream.read(&mut request)
                    && stream.write_all(answer).is_ok()
                {}
            });
        }
    });
    address
}

#[test]
fn a_run_whose_completions_overflow_is_invalid_and_complete() {
    let plan = plan(1)
        .with(|plan| {
            plan.transport.connections.count = 64;
            plan.limits.window = Limit::Requests(2_000);
            plan.transport.carrier = Carrier::ring(vec![target()]);
        })
        .expect("a plan");
    let control = Control::new();
    let record = run_with(&plan, &control, &mut Watch { panics: false }, &|index, links| {
        worker::work_over(&plan, index, &control, links, |slots| {
            let small = Config { completions: 8, ..Config::small_responses(slots) };
            let driver = RingDriver::of_size(small, &plan, index).map_err(RunError::Ring)?;
            Ok((driver, Backend::Ring))
        });
    });
    let record = record.expect("the target answers");
    assert_eq!(record.counts.of(Outcome::Ok), 2_000, "none is lost");
    assert!(record.workers[0].completions_overflowed > 0, "64 connections, 8 places");
    let summary = Summary::of(&plan, &record);
    let verdict = judge(&plan, &record, &summary, &Observations::default());
    assert_eq!(verdict.reasons[0].code, "completions_overflowed", "{verdict:?}");
}

#[test]
fn a_run_that_requests_limit_lasts_from_its_first_one_on() {
    let at = |millis| Timestamp(millis * 1_000_000);
    let start = at(10);
    let worker = |first_sent: Option<u64>, measure_to| {
        (Boundaries { start, measure_from: start, measure_to: at(measure_to) }, first_sent.map(at))
    };
    // One thread was woken 5 ms late, the other 7, and has sent nothing.
    let workers = [worker(Some(15), 20), worker(None, 18), worker(Some(17), 30)];
    let span = |window: &Boundaries| (window.start, window.measure_from, window.measure_to);
    assert_eq!(span(&window_of(&workers, start, true)), (start, at(15), at(30)));
    assert_eq!(span(&window_of(&workers, start, false)), (start, start, at(30)));
    // Nothing was sent at all.
    let silent = [worker(None, 12)];
    assert_eq!(span(&window_of(&silent, start, true)), (start, start, at(12)));
}
