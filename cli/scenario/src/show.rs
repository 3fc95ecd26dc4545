//! A plan as text: a summary in one line, and the bytes of its requests.

use std::fmt::Write;

use uringbench_core::flow::capture::Capture;
use uringbench_core::flow::cookie_jar::CookieJar;
use uringbench_core::flow::exchange::Exchange;
use uringbench_core::flow::program::{FlowOperation, Think};
use uringbench_core::flow::script::{Flow, FlowReplay, RowOrder};
use uringbench_core::flow::table::Table;
use uringbench_core::flow::value::Scope;
use uringbench_core::plan::{Course, Load};
use uringbench_core::statistics::random::Random;

use crate::plan::CompiledScenario;

/// The number of body bytes that are shown.
const BODY_SHOWN: usize = 1024;
/// The value of `{{timestamp}}`, so that the same seed shows the same bytes: the start of 2026.
const UNIX_MS: u64 = 1_767_225_600_000;

/// A summary of the plan: `2 flows, 5 steps, 1 data file, 3 objectives; open loop, 500/s`.
pub fn summary(plan: &CompiledScenario) -> String {
    let flows = [&plan.on_start, &plan.on_end].into_iter().chain(&plan.flows);
    let steps = flows.map(|flow| flow.steps.len()).sum();
    let mut parts = vec![counted(plan.flows.len(), "flow"), counted(steps, "step")];
    let others = [
        (plan.captures.len(), "capture"),
        (plan.tables.len(), "data file"),
        (plan.objectives.len(), "objective"),
    ];
    parts.extend(others.iter().filter(|(n, _)| *n > 0).map(|(n, what)| counted(*n, what)));
    let cookies = if plan.keeps_cookies { "; users keep cookies" } else { "" };
    format!("{}; {}{cookies}", parts.join(", "), load(plan))
}

fn load(plan: &CompiledScenario) -> String {
    match (&plan.load, &plan.replay) {
        (Load::Open { rate, course: Course::Even, .. }, _) => format!("open loop, {rate}"),
        (Load::Open { rate, course: Course::Segments(segments), .. }, _) => {
            // The last segment is the rate after the stages.
            format!("open loop, {rate}, {}", counted(segments.len() - 1, "stage"))
        }
        (_, Some(FlowReplay { times, .. })) => {
            let last = times.last().copied().unwrap_or_default();
            format!("replay of {} in {last}", counted(times.len(), "row"))
        }
        _ => format!("closed loop, {}", counted(plan.users as usize, "user")),
    }
}

/// All requests as user 0 sends them first, with their checks and captures, and the load. Captures
/// are shown as their names, since there is no answer yet; for the same reason only the step's own
/// cookies are shown.
pub fn requests(plan: &CompiledScenario, seed: u64) -> String {
    let mut random = Random::new(seed);
    let captures: Vec<Vec<u8>> =
        plan.captures.iter().map(|name| name.clone().into_bytes()).collect();
    let row = |(table, order): (&Table, &RowOrder), random: &mut Random| {
        if *order == RowOrder::Random { random.below(table.rows()) } else { 0 }
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
        cookies: CookieJar::empty(),
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
            if let Exchange::Socket(socket) = &step.exchange {
                let mut bytes = Vec::new();
                let take = &mut |piece: &[u8]| bytes.extend_from_slice(piece);
                socket.message.pieces(&scope, &mut random, take);
                let echo = if socket.is_echo { ", echoed" } else { "" };
                let messages = counted(socket.messages as usize, "message");
                if socket.greeting > 0 {
                    let awaited = counted(socket.greeting as usize, "message");
                    let _ = writeln!(text, "--- {awaited} of the target first");
                }
                let _ = writeln!(text, "--- {messages}{echo}");
                text.push_str(&printable(&bytes[..bytes.len().min(BODY_SHOWN)]));
                text.push_str(&cut(bytes.len()));
            }
            text.push_str(&outcome(plan, flow, at));
        }
    }
    let CompiledScenario { connections, warmup, duration, .. } = plan;
    let own = if plan.has_own_connections { ", each a user's own" } else { "" };
    let connections = counted(*connections as usize, "connection") + own;
    let _ = writeln!(text, "=== load\n{}", load(plan));
    let _ = writeln!(text, "{connections}, warm-up {warmup}, measured {duration}");
    text
}

/// The checks, captures and other settings of a step, one per line.
fn outcome(plan: &CompiledScenario, flow: &Flow, at: usize) -> String {
    let step = &flow.steps[at];
    let mut lines = Vec::new();
    if let Exchange::Events { count, stall } = &step.exchange {
        let count = count.map_or_else(String::new, |count| format!("{count} "));
        lines.push(format!("reads {count}events, with a stall from {stall} on"));
    }
    lines.extend(step.checks.iter().map(|check| format!("fails if {check}")));
    for (number, Capture { source, bytes_max }) in &step.captures {
        let name = plan.captures.get(*number).map_or("", String::as_str);
        lines.push(format!("keeps {name}: {source}, up to {bytes_max} bytes"));
    }
    if step.is_last_when_failed {
        lines.push("ends the flow if it fails".to_owned());
    }
    let sends = |operation: &FlowOperation| *operation == FlowOperation::Send(at);
    let after = flow.operations.iter().skip_while(|operation| !sends(operation)).nth(1);
    if let Some(FlowOperation::Think(think)) = after {
        lines.push(match think {
            Think::Constant(span) => format!("then waits {span}"),
            Think::Uniform(from, to) => format!("then waits {from} to {to}"),
            Think::Exponential(mean) => format!("then waits {mean} in the mean"),
        });
    }
    lines.iter().map(|line| format!("<-- {line}\n")).collect()
}

/// How often the operations run a step, and under which condition.
fn order(flow: &Flow, step: usize) -> String {
    let sends = |operation: &FlowOperation| *operation == FlowOperation::Send(step);
    let Some(at) = flow.operations.iter().position(sends) else { return String::new() };
    let mut text = String::new();
    for operation in &flow.operations {
        match operation {
            FlowOperation::Repeat { from, times } if *from == at => {
                let _ = write!(text, ", {times} times");
            }
            FlowOperation::Choose(arms) => {
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

/// The bytes line by line as sent, with long bodies shortened.
fn visible(bytes: &[u8]) -> String {
    let head = bytes.windows(4).position(|end| end == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
    let body = bytes.len() - head;
    printable(&bytes[..head + body.min(BODY_SHOWN)]) + &cut(body)
}

/// Complete lines: CR and unprintable characters are escaped.
fn printable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
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
    text
}

/// The note on the rest of a shortened body.
fn cut(body: usize) -> String {
    match body.checked_sub(BODY_SHOWN) {
        None | Some(0) => String::new(),
        Some(more) => format!("… {more} more bytes, {body} in all\n"),
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
