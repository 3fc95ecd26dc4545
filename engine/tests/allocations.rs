//! No request allocates: a run with 100,000 more requests allocates only the records of its
//! additional intervals.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use uringbench_core::flow::capture::{Capture, Source};
use uringbench_core::flow::check::Check;
use uringbench_core::flow::program::FlowOperation;
use uringbench_core::flow::script::{Data, Flow, RowOrder, Script};
use uringbench_core::flow::step::Step;
use uringbench_core::flow::table::Table;
use uringbench_core::flow::template::{Marks, Template};
use uringbench_core::flow::value::{Escape, TemplateValue, Value};
use uringbench_core::histogram::LatencyCounts;
use uringbench_core::http::request::{RequestParts, RequestTemplate};
use uringbench_core::http2::frame::{FrameHeader, HEADER_BYTES, PREFACE, kind};
use uringbench_core::outcome::Outcome;
use uringbench_core::plan::{HttpVersion, Limit, Plan, Workload};
use uringbench_core::record::Interval;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_engine::{Control, Observer};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// An observer that keeps nothing.
struct Unobserved;

impl Observer for Unobserved {
    fn started(&mut self, _: Timestamp, _: u32) {}
    fn measure_begins(&mut self) {}
    fn interval(&mut self, _: &Interval, _: &LatencyCounts) {}
    fn measure_ended(&mut self) {}
}

/// Answers each request with one response, without allocation per request.
fn serve(mut stream: TcpStream) {
    const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nX-Id: 7\r\nContent-Length: 2\r\n\r\nok";
    let mut buffer = [0; 4_096];
    let mut ends = 0;
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        for &byte in &buffer[..length] {
            // A request without a body ends at two consecutive line feeds.
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

/// Answers each request of an HTTP/2 connection, without allocation per request.
fn serve_http2(mut stream: TcpStream) -> std::io::Result<()> {
    let mut payload = [0; 16_384];
    let mut count = 0_u32;
    stream.read_exact(&mut payload[..PREFACE.len()])?;
    stream.write_all(b"\0\0\0\x04\0\0\0\0\0")?;
    loop {
        let mut header = [0; HEADER_BYTES];
        stream.read_exact(&mut header)?;
        let FrameHeader { length, kind, .. } = FrameHeader::read(&header);
        stream.read_exact(&mut payload[..length as usize])?;
        if kind == kind::HEADERS {
            // `:status: 200`, an entry for the table, a literal that varies, and a body of two
            // bytes.
            let mut answer =
                *b"\0\0\x0e\x01\x04iiii\x88\x40\x01a\x01b\0\x01c\x04nnnn\0\0\x02\0\x01iiiiok";
            answer[5..9].copy_from_slice(&header[5..]);
            for (digit, byte) in answer[19..23].iter_mut().enumerate() {
                *byte = b'a' + (count >> (4 * digit)) as u8 % 16;
            }
            answer[28..32].copy_from_slice(&header[5..]);
            count += 1;
            stream.write_all(&answer)?;
        }
    }
}

fn plan_http2(target: SocketAddr, requests: u64) -> Plan {
    plan(target, requests)
        .with(|plan| {
            if let Workload::Requests(requests) = &mut plan.workload {
                requests.version = HttpVersion::Http2;
                requests.pipeline = 3;
            }
        })
        .expect("a plan")
}

fn plan(target: SocketAddr, requests: u64) -> Plan {
    let parts = RequestParts::new("GET", "localhost", "/");
    Plan::plain(target, RequestTemplate::build(parts).expect("a plain request"))
        .with(|plan| {
            plan.transport.connections.count = 4;
            plan.limits.window = Limit::Requests(requests);
            plan.limits.timeout = Nanos::from_secs(20);
            plan.workload.set_pipeline(2);
        })
        .expect("a plan")
}

/// The given number of flows, each with a constant request, one with a row, and one with a value
/// from the answer before; the answers are checked.
fn scripted(target: SocketAddr, flows: u64) -> Plan {
    let step = |values: &[Value]| {
        let mut marks = Marks::default();
        let slots = values.iter().map(|value| TemplateValue::new(value.clone(), Escape::Url));
        let path: String = slots.map(|slot| format!("/{}", marks.mark(slot))).collect();
        let path = format!("/a{path}");
        let parts = RequestParts::new("GET", "localhost", &path);
        Step {
            checks: vec![Check::Status(vec![200]), Check::Equals("ok".into())],
            ..Step::new(path.clone(), Template::build(parts, &marks).expect("a plain request"))
        }
    };
    let source = Source::Header("X-Id".to_owned());
    let keeping = Step {
        captures: vec![(0, Capture { source, bytes_max: 16 })],
        ..step(&[Value::Cell { table: 0, column: 0 }, Value::Uuid])
    };
    let steps = vec![step(&[]), keeping, step(&[Value::Capture(0), Value::Sequence])];
    let operations = (0..steps.len()).map(FlowOperation::Send).collect();
    let flow = Flow { name: "flow".to_owned(), weight: 1, steps, operations };
    let mut table = Table::new(1);
    (0..100).for_each(|row| table.push([row.to_string()]));
    let data = vec![Data { table, order: RowOrder::Shared }];
    // More users than connections, so that users wait for a connection.
    let script = Script::new((Flow::default(), vec![flow], Flow::default()), data, 1, Some(9));
    plan(target, flows)
        .with(|plan| plan.workload = Workload::Script(Arc::new(script)))
        .expect("a plan")
}

/// The number of allocations during a run of a plan, and of intervals that it reported.
fn allocated_by(plan: Plan, requests: u64) -> (u64, u64) {
    let before = dhat::HeapStats::get().total_blocks;
    let record = uringbench_engine::run(&plan, &Control::new(), &mut Unobserved)
        .expect("the server answers");
    assert_eq!(record.counts.of(Outcome::Ok), requests);
    let blocks = dhat::HeapStats::get().total_blocks - before;
    (blocks, record.intervals.len() as u64)
}

/// A server with a thread for each connection.
fn serving(serve: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let target = listener.local_addr().expect("a bound listener");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            stream.set_nodelay(true).expect("TCP has it");
            std::thread::spawn(move || serve(stream));
        }
    });
    target
}

#[test]
fn requests_allocate_nothing() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let target = serving(serve);
    let target_http2 = serving(|stream| {
        // It ends with the connection.
        let _ = serve_http2(stream);
    });
    // The first run also makes the allocations that occur once per process.
    allocated_by(plan(target, 1_000), 1_000);
    let makes: [(fn(_, _) -> Plan, _, _); 3] =
        [(plan, target, 1), (scripted, target, 3), (plan_http2, target_http2, 1)];
    for (make, target, requests) in makes {
        let (few, few_intervals) = allocated_by(make(target, 1_000), 1_000 * requests);
        let (many, many_intervals) = allocated_by(make(target, 101_000), 101_000 * requests);
        // A row of the record has two histograms and may extend a list; a collector that lags
        // allocates a box of five more, and three for each step.
        let allowed = (20 + 3 * 4) * (many_intervals - few_intervals.min(many_intervals) + 1);
        assert!(many <= few + allowed, "{few} blocks for 1,000, {many} for 101,000");
    }
}
