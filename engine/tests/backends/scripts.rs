//! Scripts over each backend: constant requests, small and large, and requests built from values.

use std::sync::Arc;

use uringbench_core::flow::capture::{Capture, Source};
use uringbench_core::flow::check::Check;
use uringbench_core::flow::pattern::Pattern;
use uringbench_core::flow::program::FlowOperation;
use uringbench_core::flow::script::{Flow, Script};
use uringbench_core::flow::step::Step;
use uringbench_core::flow::template::{Marks, Template};
use uringbench_core::flow::value::{Escape, TemplateValue, Value};
use uringbench_core::http::body::Body;
use uringbench_core::http::request::RequestParts;
use uringbench_core::outcome::Outcome;
use uringbench_core::plan::{Plan, Protocol, TlsVersions, Workload};

use crate::secure;
use crate::server::{Manner, Server, body};
use crate::{backends, expect, plan, run, turn};

/// Flows in a run.
const FLOWS: u64 = 300;
const USERS: u32 = 9;

/// A request with a body of this many bytes and these values in its path. Its answer has two bytes,
/// the first of which is captured.
fn step(length: usize, values: &[Value]) -> Step {
    let mut marks = Marks::default();
    let slots = values.iter().map(|value| TemplateValue::new(value.clone(), Escape::Url));
    let path: String = slots.map(|slot| format!("/{}", marks.mark(slot))).collect();
    let path = format!("/{length}{path}");
    let body = body(length);
    let method = if length == 0 { "GET" } else { "POST" };
    let parts = RequestParts {
        body: Body::Bytes(&body),
        ..RequestParts::new(method, "simulated.test", &path)
    };
    let source = Source::Regex(Pattern::new("^(x)x$").expect("a plain pattern"));
    Step {
        checks: vec![Check::Length(2), Check::Equals("xx".into())],
        captures: vec![(0, Capture { source, bytes_max: 1 })],
        ..Step::new(path.clone(), Template::build(parts, &marks).expect("a plain request"))
    }
}

fn scripted(plan: Plan, steps: Vec<Step>) -> Plan {
    let operations = (0..steps.len()).map(FlowOperation::Send).collect();
    let flow = Flow { name: "flow".to_owned(), weight: 1, steps, operations };
    let parts = (Flow::default(), vec![flow], Flow::default());
    let script = Script::new(parts, Vec::new(), 1, Some(USERS));
    plan.with(|plan| plan.workload = Workload::Script(Arc::new(script))).expect("a plan")
}

#[test]
fn a_script_s_requests_arrive_whole_and_in_order() {
    let _turn = turn();
    let values = [Value::User, Value::Sequence, Value::Capture(0)];
    for (engine, backend) in backends() {
        let steps = vec![
            step(0, &[]),
            step(100, &[]),
            step(40_000, &[]),
            step(0, &values),
            step(1_000, &values),
            step(300_000, &values),
        ];
        let all = FLOWS * steps.len() as u64;
        let server = Server::start(Manner::Checking);
        let plan = scripted(plan(engine, server.address, FLOWS), steps);
        let (record, _) = run(&plan, backend);
        expect(&record, &[(Outcome::Ok, all)]);
        assert_eq!((server.requests(), server.connections()), (all, 4), "{backend}");
        let flow = &record.flows[0];
        assert_eq!((flow.passed, flow.failed, flow.unfinished), (FLOWS, 0, 0), "{backend}");
        assert!(record.steps.iter().all(|step| step.counts.of(Outcome::Ok) == FLOWS), "{backend}");
    }
}

#[test]
fn large_bodies_that_are_read_come_whole() {
    let _turn = turn();
    for (engine, backend) in backends() {
        // Around the size of a large buffer, and far above it.
        for length in [5_000, 65_536, 1 << 20] {
            let server = Server::start(Manner::Whole(length));
            let parts = RequestParts::new("GET", "simulated.test", "/");
            let template = Template::build(parts, &Marks::default()).expect("a plain request");
            let whole = "x".repeat(length);
            let checks = vec![Check::Length(length as u64), Check::Equals(whole.as_str().into())];
            let step = Step { checks, ..Step::new("large", template) };
            let plan = scripted(plan(engine, server.address, 100), vec![step]);
            let (record, _) = run(&plan, backend);
            expect(&record, &[(Outcome::Ok, 100)]);
            let exhausted = record.workers[0].buffers_exhausted;
            assert_eq!(exhausted, 0, "{backend}, {length} bytes: four connections");
        }
    }
}

#[test]
fn a_script_s_requests_arrive_within_tls() {
    let _turn = turn();
    for (engine, backend) in backends() {
        let steps = vec![step(0, &[]), step(0, &[Value::User, Value::Capture(0)])];
        let server = Server::start(Manner::Secure);
        let plan = plan(engine, server.address, FLOWS)
            .with(|plan| {
                plan.protocol = Protocol::Tls(secure::tls_plan(true, TlsVersions::Both));
                plan.transport.connections.requests = Some(7);
            })
            .expect("a plan");
        let (record, _) = run(&scripted(plan, steps), backend);
        expect(&record, &[(Outcome::Ok, 2 * FLOWS)]);
        assert_eq!(server.requests(), 2 * FLOWS, "{backend}");
    }
}
