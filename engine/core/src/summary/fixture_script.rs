//! A run of a scenario as the engine returns it, with a step that always fails, one that fails
//! sometimes, and one that was never reached; for the tests of crates that show it.
//!
//! Included by path beside `fixture`; the module that includes them calls `uringbench-core`
//! `words`.

use std::sync::Arc;

use super::fixture::codes;
use super::words::cause::Causes;
use super::words::ending::CLOSED_IDLE;
use super::words::flow::check::Check;
use super::words::flow::program::FlowOperation;
use super::words::flow::script::{Flow, Script};
use super::words::flow::step::{Failed, Step};
use super::words::flow::template::{Marks, Template};
use super::words::histogram::LatencyCounts;
use super::words::http::request::RequestParts;
use super::words::outcome::{Counts, Outcome};
use super::words::plan::{Plan, Workload};
use super::words::record::{FlowRecord, RunRecord, StepRecord};

/// `plan` with two flows of two steps each, begun 2,000 times in all.
pub(crate) fn scripted(plan: Plan, users: Option<u32>) -> Plan {
    let flows = vec![
        flow("browse", &["search", "look"]),
        flow("order, with a name as long as some people write", &["basket", "pay"]),
    ];
    let script = Script::new((flow("login", &["login"]), flows, Flow::default()), vec![], 0, users);
    let with_script = plan.with(|plan| plan.workload = Workload::Script(Arc::new(script)));
    with_script.expect("users where the loop is closed")
}

/// `record` with 1,500 and 500 flows, 3,500 requests and 20 logins before them.
pub(crate) fn scripted_record(record: RunRecord) -> RunRecord {
    let mut counts = Counts::default();
    counts.released = 3_520;
    counts.end(Outcome::Ok, 3_012);
    counts.end(Outcome::CheckFailed, 500);
    counts.end(Outcome::Status, 5);
    counts.end(Outcome::Reset, 3);
    let codes = codes(&[(200, 3_512), (404, 5)]);
    let mut steps = vec![
        step(&[(Outcome::Ok, 20)], 9_000_000, &[]),
        step(&[(Outcome::Ok, 1_500)], 2_000_000, &[]),
        step(
            &[(Outcome::Ok, 1_492), (Outcome::Status, 5), (Outcome::Reset, 3)],
            4_000_000,
            &[(Failed::Status, 5)],
        ),
        step(&[(Outcome::CheckFailed, 500)], 8_000_000, &[(Failed::Status, 500)]),
        step(&[], 0, &[]),
    ];
    steps[2].causes.add(Outcome::Reset, "the target closed a new connection without an answer", 1);
    steps[2].causes.add(Outcome::Reset, CLOSED_IDLE, 2);
    let flows = vec![
        FlowRecord {
            edge: 0.0,
            passed: 1_490,
            failed: 8,
            unfinished: 2,
            response: times(1_500, 6_000_000),
            service: times(1_500, 5_900_000),
            lateness: times(1_500, 100_000),
        },
        FlowRecord {
            edge: 0.0,
            passed: 0,
            failed: 500,
            unfinished: 0,
            response: times(500, 8_000_000),
            service: times(500, 7_900_000),
            lateness: times(500, 100_000),
        },
    ];
    RunRecord { counts, codes, steps, flows, ..record }
}

fn flow(name: &str, steps: &[&str]) -> Flow {
    let operations = (0..steps.len()).map(FlowOperation::Send).collect();
    let steps = steps.iter().map(|name| request(name)).collect();
    Flow { name: name.to_owned(), weight: 1, steps, operations }
}

fn request(name: &str) -> Step {
    let path = format!("/{name}");
    let template = Template::build(RequestParts::new("GET", "shop", &path), &Marks::default());
    let checks = if name == "basket" { vec![Check::Status(vec![201])] } else { Vec::new() };
    Step { checks, ..Step::new(name, template.expect("a plain request")) }
}

fn step(ends: &[(Outcome, u64)], usual: u64, failures: &[(Failed, u64)]) -> StepRecord {
    let mut counts = Counts::default();
    for &(outcome, count) in ends {
        counts.released += count;
        counts.end(outcome, count);
    }
    StepRecord {
        edge: 0.0,
        response: times(counts.released, usual + 1_000),
        service: times(counts.completed(), usual),
        lateness: times(counts.released, 1_000),
        counts,
        codes: Vec::new(),
        failures: failures.to_vec(),
        causes: Causes::default(),
    }
}

/// One in a hundred is four times as slow.
fn times(count: u64, usual: u64) -> LatencyCounts {
    let mut times = LatencyCounts::default();
    (0..count).for_each(|n| times.record(if n % 100 == 99 { 4 * usual } else { usual }));
    times
}
