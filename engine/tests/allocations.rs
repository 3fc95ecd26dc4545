//! Nothing is allocated per request: a run of a hundred thousand requests more allocates no more
//! than what its extra intervals hand over.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use uringbench_core::http::request::{RequestParts, RequestTemplate};
use uringbench_core::outcome::Outcome;
use uringbench_core::plan::{Limit, Peer, Plan};
use uringbench_core::record::Interval;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_engine::{Control, Observer};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Keeps nothing.
struct Unobserved;

impl Observer for Unobserved {
    fn started(&mut self, _: Timestamp, _: u32) {}
    fn measure_begins(&mut self) {}
    fn interval(&mut self, _: &Interval) {}
    fn measure_ended(&mut self) {}
}

/// Answer whatever comes with one response per request, without allocating per request.
fn serve(mut stream: TcpStream) {
    const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let mut buffer = [0; 4_096];
    let mut ends = 0;
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        for &byte in &buffer[..length] {
            // A request without a body ends with the second line feed in a row.
            ends = match byte {
                b'\n' => ends + 1,
                b'\r' => ends,
                _ => 0,
            };
            if ends == 2 && stream.write_all(RESPONSE).is_err() {
                return;
            }
        }
    }
}

fn plan(target: SocketAddr, requests: u64) -> Plan {
    let parts = RequestParts::new("GET", "localhost", "/");
    Plan {
        connections: 4,
        pipeline: 2,
        limit: Limit::Requests(requests),
        timeout: Nanos::from_secs(20),
        ..Plan::plain(Peer::Tcp(target), RequestTemplate::build(parts).expect("a plain request"))
    }
}

/// Blocks allocated by a run of so many requests, per interval it reported, and in all.
fn allocated_by(target: SocketAddr, requests: u64) -> (u64, u64) {
    let before = dhat::HeapStats::get().total_blocks;
    let plan = plan(target, requests);
    let record = uringbench_engine::run(&plan, &Control::new(), &mut Unobserved)
        .expect("the server answers");
    assert_eq!(record.counts.of(Outcome::Ok), requests);
    let blocks = dhat::HeapStats::get().total_blocks - before;
    (blocks, record.intervals.len() as u64)
}

#[test]
fn requests_allocate_nothing() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let target = listener.local_addr().expect("a bound listener");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(|| serve(stream));
        }
    });
    // The first run also pays for what is made once per process.
    allocated_by(target, 1_000);
    let (few, few_intervals) = allocated_by(target, 1_000);
    let (many, many_intervals) = allocated_by(target, 101_000);
    // A row of the record holds two histograms and grows a list; a lagging collector costs a box
    // of five more.
    let allowed = 20 * (many_intervals - few_intervals.min(many_intervals) + 1);
    assert!(many <= few + allowed, "{few} blocks for 1,000 requests, {many} for 101,000");
}
