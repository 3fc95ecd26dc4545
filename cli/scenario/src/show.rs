//! A plan as text: what it holds in a line, and the bytes of its requests.

use std::fmt::Write;

use uringbench_core::flow::jar::Jar;
use uringbench_core::flow::program::Operation;
use uringbench_core::flow::value::Scope;
use uringbench_core::statistics::random::Random;

use crate::format::Order;
use crate::plan::{Flow, Load, Plan};

/// Bytes of a body that are shown.
const BODY_SHOWN: usize = 1024;
/// What `{{timestamp}}` shows, so that the same seed shows the same bytes: the first of 2026.
const UNIX_MS: u64 = 1_767_225_600_000;

/// What a plan holds: `2 flows, 5 steps, 1 data file, 3 objectives; open loop, 500/s`.
pub fn summary(plan: &Plan) -> String {
    let flows = [&plan.on_start, &plan.on_end].into_iter().chain(&plan.flows);
    let steps = flows.map(|flow| flow.steps.len()).sum();
    let mut parts = vec![counted(plan.flows.len(), "flow"), counted(steps, "step")];
    let others = [
        (plan.captures.len(), "capture"),
        (plan.tables.len(), "data file"),
        (plan.objectives.len(), "objective"),
    ];
    parts.extend(others.iter().filter(|(n, _)| *n > 0).map(|(n, what)| counted(*n, what)));
    let load = match &plan.load {
        Load::Closed { users } => format!("closed loop, {}", counted(*users as usize, "user")),
        Load::Open { rate, stages, .. } if stages.is_empty() => format!("open loop, {rate}"),
        Load::Open { rate, stages, .. } => {
            format!("open loop, {rate}, {}", counted(stages.len(), "stage"))
        }
        Load::Replay { times, .. } => {
            let last = times.last().copied().unwrap_or_default();
            format!("replay of {} in {last}", counted(times.len(), "row"))
        }
    };
    let cookies = if plan.keeps_cookies { "; users keep cookies" } else { "" };
    format!("{}; {load}{cookies}", parts.join(", "))
}

/// Every request as user 0 sends it first. Captures stand as their names, since no answer has
/// come.
pub fn requests(plan: &Plan, seed: u64) -> String {
    let mut random = Random::new(seed);
    let captures: Vec<Vec<u8>> =
        plan.captures.iter().map(|name| name.clone().into_bytes()).collect();
    let row = |(table, order): (&uringbench_core::flow::table::Table, &Order),
               random: &mut Random| {
        if *order == Order::Random { random.below(table.rows()) } else { 0 }
    };
    let pairs = plan.tables.iter().zip(&plan.orders);
    let rows: Vec<usize> = pairs.map(|pair| row(pair, &mut random)).collect();
    let mut scope = Scope {
        user: 0,
        sequence: 0,
        unix_ms: UNIX_MS,
        captures: &captures,
        tables: &plan.tables,
        rows: &rows,
        cookies: Jar::empty(),
    };
    let mut text = String::new();
    let once = |flow| (flow, String::new());
    let weighted = plan.flows.iter().map(|flow| (flow, format!(" (weight {})", flow.weight)));
    let all = [once(&plan.on_start)].into_iter().chain(weighted).chain([once(&plan.on_end)]);
    for (flow, weight) in all.filter(|(flow, _)| !flow.steps.is_empty()) {
        let _ = writeln!(text, "=== {}{weight}", flow.name.escape_debug());
        for (at, step) in flow.steps.iter().enumerate() {
            let _ = writeln!(text, "--- {}{}", step.name.escape_debug(), order(flow, at));
            let mut bytes = Vec::new();
            step.template.render(&scope, &mut random, &mut bytes);
            scope.sequence += 1;
            text.push_str(&visible(&bytes));
        }
    }
    text
}

/// What the operations say about a step: how often, or whether at all.
fn order(flow: &Flow, step: usize) -> String {
    let sends = |operation: &Operation| *operation == Operation::Send(step);
    let Some(at) = flow.operations.iter().position(sends) else { return String::new() };
    let mut text = String::new();
    for operation in &flow.operations {
        match operation {
            Operation::Repeat { from, times } if *from == at => {
                let _ = write!(text, ", {times} times");
            }
            Operation::Choose(arms) => {
                let sum: u64 = arms.iter().map(|arm| u64::from(arm.weight)).sum();
                for arm in arms.iter().filter(|arm| arm.at == at) {
                    let _ = write!(text, ", chosen {} of {sum} times", arm.weight);
                }
            }
            _ => {}
        }
    }
    text
}

/// Line by line as sent: CR and what cannot be printed are escaped, long bodies cut.
fn visible(bytes: &[u8]) -> String {
    let head = bytes.windows(4).position(|end| end == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
    let body = bytes.len() - head;
    let shown = head + body.min(BODY_SHOWN);
    let mut text = String::new();
    for chunk in bytes[..shown].utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' => text.push_str("\\n\n"),
                '\\' => text.push_str("\\\\"),
                c if c.is_control() => text.extend(c.escape_default()),
                c => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    if body > BODY_SHOWN {
        let _ = writeln!(text, "… {} more bytes, {body} in all", body - BODY_SHOWN);
    }
    text
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
