//! No tasks, buffers or descriptors are leaked, however often a connection is made.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use uringbench_core::http::request::{RequestParts, RequestTemplate};
use uringbench_core::plan::{Carrier, Limit, Plan};
use uringbench_core::time::Nanos;
use uringbench_ring::Room;

use super::{Runtime, RuntimeDriver};
use crate::drivers::monoio_driver::Monoio;
use crate::drivers::tokio_uring_driver::TokioUring;
use crate::drivers::{Driver, EventKind, ReceiveMode, UnderWay, Until};

/// A server whose connections stay open and send one word.
fn target() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound listener");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let _gone = stream.write_all(b"word").and_then(|()| {
                    let mut rest = Vec::new();
                    stream.read_to_end(&mut rest)
                });
            });
        }
    });
    address
}

fn plan(target: SocketAddr) -> Plan {
    let parts = RequestParts::new("GET", "localhost", "/");
    Plan::plain(target, RequestTemplate::build(parts).expect("a plain request"))
        .with(|plan| {
            plan.transport.carrier = Carrier::Monoio(vec![target]);
            plan.limits.window = Limit::Requests(1);
        })
        .expect("a plan")
}

/// The next event.
fn next<R: Runtime>(driver: &mut RuntimeDriver<R>) -> EventKind<Vec<u8>> {
    let latest = driver.now() + Nanos::from_secs(20);
    loop {
        if let Some(event) = driver.next_event() {
            return event.kind;
        }
        assert!(driver.now() < latest, "nothing happens any more");
        driver.wait(Until::Around(latest)).expect("a runtime works, or panics");
    }
}

const RECEIVING: UnderWay =
    UnderWay { connecting: false, receiving: true, sending: false, sending_tracked: false };

/// Connect, receive the word, and close while a receive is waiting.
fn live_once<R: Runtime>(driver: &mut RuntimeDriver<R>, generation: u32) {
    driver.connect(0, generation, 0).expect("failures come as events");
    assert!(matches!(next(driver), EventKind::Connected));
    driver.receive(0, generation, ReceiveMode::Now(Room::Small));
    let EventKind::Received { buffer, more: false } = next(driver) else { panic!("no word") };
    assert_eq!(driver.bytes(&buffer), b"word");
    driver.recycle(buffer);
    driver.receive(0, generation, ReceiveMode::Now(Room::Small));
    // Let it begin to wait.
    let soon = driver.now();
    driver.wait(Until::Around(soon)).expect("a runtime works, or panics");
    driver.close(0, generation, RECEIVING);
    assert!(matches!(next(driver), EventKind::Closed));
    assert!(driver.next_event().is_none(), "the close is reported last, and once");
}

fn leaves_nothing_behind<R: Runtime>(runtime: R) {
    let mut driver =
        RuntimeDriver::new(runtime, &plan(target()), 1, 0).expect("nothing special is planned");
    for generation in 0..1_000 {
        live_once(&mut driver, generation);
        assert_eq!(driver.tasks(), 0, "generation {generation}");
        assert_eq!(driver.buffers_kept(), 1, "generation {generation}: its buffer came back");
    }
}

#[test]
fn monoio_leaves_nothing_behind() {
    leaves_nothing_behind(Monoio::new(1).expect("a runtime"));
}

#[test]
fn tokio_uring_leaves_nothing_behind() {
    leaves_nothing_behind(TokioUring::new(1).expect("a runtime"));
}
