//! Random scripts: flows, what comes before and after them, and everything a step can be.
//!
//! Every request says in its path which step it is; those that are put together say also whose,
//! of which flow and what was captured before, so that the server can judge them.

use std::sync::{Arc, LazyLock};

use uringbench_core::flow::capture::{Capture, Source};
use uringbench_core::flow::check::Check;
use uringbench_core::flow::exchange::{Exchange, Socket};
use uringbench_core::flow::pattern::Pattern;
use uringbench_core::flow::program::{Arm, FlowOperation, Think};
use uringbench_core::flow::script::{Data, Flow, FlowReplay, RowOrder, Script};
use uringbench_core::flow::step::Step;
use uringbench_core::flow::table::Table;
use uringbench_core::flow::template::{Marks, Template};
use uringbench_core::flow::text::Text;
use uringbench_core::flow::value::{Escape, TemplateValue, Value};
use uringbench_core::http::body::Body;
use uringbench_core::http::request::{RequestParts, RequestTemplate};
use uringbench_core::plan::{Course, Limit, Load, Plan, Workload};
use uringbench_core::rate_profile::Segment;
use uringbench_core::time::Nanos;
use uringbench_core::websocket::frame::Kind;
use uringbench_core::websocket::handshake::{Opening, OpeningParts};

/// Rows of the table that numbers flows: in most runs there are fewer flows.
pub(crate) const FLOWS_MAX: usize = 20_000;
/// Rows of the table that users have one of.
pub(crate) const ROWS: u64 = 7;
/// A step is taken so often at most before the next.
pub(crate) const TIMES_MAX: u32 = 3;

static FLOW_NUMBERS: LazyLock<Table> = LazyLock::new(|| numbers(FLOWS_MAX));

fn numbers(rows: usize) -> Table {
    let mut table = Table::new(1);
    (0..rows).for_each(|row| table.push([row.to_string()]));
    table
}

/// The same plan with a script, as the command line would make it.
pub(crate) fn scripted(plan: Plan, below: &mut dyn FnMut(u64) -> u64) -> Plan {
    let is_replay = below(6) == 0;
    let mut load = if is_replay { Load::Replay } else { plan.load.clone() };
    let has_own = below(4) == 0;
    let most = if has_own { plan.connections() } else { 3 * plan.connections() };
    let users = (load == Load::Closed).then(|| 1 + below(u64::from(most)) as u32);
    // Over HTTP/2 steps are plain requests.
    let streams = plan.workload.is_http2().then(|| plan.workload.pipeline());
    let maker = Maker { below: &mut *below, steps: 0, is_http2: streams.is_some() };
    let script = maker.script(users, is_replay);
    let script = match streams {
        Some(streams) => script.over_http2(streams),
        None => script,
    };
    let script = if has_own { script.with_own_connections() } else { script };
    let window = match plan.limits.window {
        Limit::Requests(_) if is_replay => Limit::Duration(Nanos(1_000_000 + below(60_000_000))),
        limit => limit,
    };
    let segments = if below(2) == 0 { segments(below) } else { Vec::new() };
    if let Load::Open { course, .. } = &mut load
        && !segments.is_empty()
    {
        *course = Course::Segments(segments);
    }
    let scripted = plan.with(|plan| {
        plan.workload = Workload::Script(Arc::new(script));
        plan.load = load;
        plan.limits.window = window;
        plan.transport.connections.write_rate = None;
    });
    scripted.expect("a plan")
}

fn segments(below: &mut dyn FnMut(u64) -> u64) -> Vec<Segment> {
    use uringbench_core::rate::Rate;
    let mut rate = || Rate::per_second(100 + below(20_000));
    let rates: Vec<_> = (0..4).map(|_| rate()).collect();
    let length = |below: &mut dyn FnMut(u64) -> u64| Nanos(1 + below(20_000_000));
    rates
        .windows(2)
        .map(|pair| Segment { length: length(below), from: pair[0], to: pair[1] })
        .collect()
}

struct Maker<'a> {
    below: &'a mut dyn FnMut(u64) -> u64,
    /// Made so far.
    steps: usize,
    is_http2: bool,
}

impl Maker<'_> {
    fn is_one_in(&mut self, count: u64) -> bool {
        (self.below)(count) == 0
    }

    fn script(mut self, users: Option<u32>, is_replay: bool) -> Script {
        // Some look at nothing but the status.
        let is_curious = !self.is_one_in(4);
        let before = (self.below)(3).saturating_sub(1);
        let on_start = self.part("on_start", before, is_curious);
        let count = 1 + (self.below)(3);
        let flows: Vec<_> = (0..count)
            .map(|number| {
                let steps = 1 + (self.below)(4);
                self.part(&format!("flow {number}"), steps, is_curious)
            })
            .collect();
        let after = (self.below)(3).saturating_sub(1);
        let on_end = self.part("on_end", after, is_curious);
        let order = if is_replay { RowOrder::Replayed } else { RowOrder::Shared };
        let data = vec![
            Data { table: FLOW_NUMBERS.clone(), order },
            Data { table: numbers(ROWS as usize), order: RowOrder::User },
            Data { table: numbers(3), order: RowOrder::Random },
        ];
        let script = Script::new((on_start, flows, on_end), data, 1, users).to("simulated");
        if !is_replay {
            return script;
        }
        let mut times: Vec<_> =
            (0..1 + (self.below)(300)).map(|_| Nanos((self.below)(80_000_000))).collect();
        times.sort_unstable();
        let choices = times.iter().map(|_| (self.below)(count) as u32).collect();
        let flows = (!self.is_one_in(3)).then_some(choices);
        script.replaying(FlowReplay { times: times.into(), flows })
    }

    fn part(&mut self, name: &str, count: u64, is_curious: bool) -> Flow {
        let weight = 1 + (self.below)(3) as u32;
        let mut flow = Flow { name: name.to_owned(), weight, ..Flow::default() };
        let mut left = count;
        while left > 0 {
            let arms = if left >= 2 && self.is_one_in(5) { 2 } else { 1 };
            left -= arms;
            if arms == 1 {
                self.step(&mut flow, is_curious);
                continue;
            }
            let choice = flow.operations.len();
            flow.operations.push(FlowOperation::Choose(Vec::new()));
            self.step(&mut flow, is_curious);
            let jump = flow.operations.len();
            flow.operations.push(FlowOperation::Jump(0));
            self.step(&mut flow, is_curious);
            flow.operations[jump] = FlowOperation::Jump(flow.operations.len());
            let arm = |at| Arm { weight: 2, at };
            flow.operations[choice] = FlowOperation::Choose(vec![arm(choice + 1), arm(jump + 1)]);
        }
        flow
    }

    /// A step, its pause, and how often it is taken.
    fn step(&mut self, flow: &mut Flow, is_curious: bool) {
        let number = self.steps;
        self.steps += 1;
        let mut step = self.request(number, is_curious);
        step.is_last_when_failed = self.is_one_in(2);
        if is_curious {
            self.look(&mut step);
        }
        let from = flow.operations.len();
        flow.operations.push(FlowOperation::Send(flow.steps.len()));
        flow.steps.push(step);
        let span = Nanos((self.below)(3_000_000));
        match (self.below)(6) {
            0 => flow.operations.push(FlowOperation::Think(Think::Constant(span))),
            1 => flow.operations.push(FlowOperation::Think(Think::Uniform(Nanos::ZERO, span))),
            2 => flow.operations.push(FlowOperation::Think(Think::Exponential(span))),
            _ => {}
        }
        if self.is_one_in(4) {
            let times = 2 + (self.below)(u64::from(TIMES_MAX) - 1) as u32;
            flow.operations.push(FlowOperation::Repeat { from, times });
        }
    }

    fn request(&mut self, number: usize, is_curious: bool) -> Step {
        let mut marks = Marks::default();
        let mut target = format!("/{number}");
        let is_constant = self.is_one_in(3);
        if !is_constant {
            let cell = |table| Value::Cell { table, column: 0 };
            for value in
                [Value::User, cell(0), Value::Sequence, cell(1), cell(2), Value::Capture(0)]
            {
                target.push('/');
                target.push_str(&marks.mark(TemplateValue::new(value, Escape::Url)));
            }
        }
        let name = format!("step {number}");
        if is_curious && !self.is_http2 && self.is_one_in(8) {
            return self.socket(name, &target, &marks);
        }
        let body = vec![b'b'; [0, 0, 0, 10, 20_000, 150_000][(self.below)(6) as usize]];
        let method = if self.is_one_in(8) { "HEAD" } else { "POST" };
        let body = if method == "HEAD" { Body::Bytes(&[]) } else { Body::Bytes(&body) };
        let parts = RequestParts { body, ..RequestParts::new(method, "simulated", &target) };
        let template = Template::build(parts, &marks).expect("a plain request");
        let mut step = Step::new(name, template);
        if is_curious && !self.is_http2 && method != "HEAD" && self.is_one_in(6) {
            let count = self.is_one_in(2).then(|| 1 + (self.below)(3));
            step.exchange = Exchange::Events { count, stall: Nanos((self.below)(1_000_000)) };
        }
        step
    }

    fn socket(&mut self, name: String, target: &str, marks: &Marks) -> Step {
        let parts = OpeningParts {
            authority: "simulated",
            target,
            headers: &[],
            protocols: &[],
            key: [7; 16],
        };
        let opening = Opening::build(parts).expect("a plain opening");
        let request = RequestTemplate::of_bytes(opening.bytes().to_vec());
        let word = "m".repeat((self.below)(9_000) as usize);
        let message = Text::from(word.as_str()).slot(TemplateValue::new(Value::Uuid, Escape::None));
        let socket = Socket {
            opening,
            kind: if self.is_one_in(2) { Kind::Text } else { Kind::Binary },
            message,
            messages: 1 + (self.below)(4) as u32,
            is_echo: !self.is_one_in(3),
            greeting: (self.below)(2) as u32 * (self.below)(2) as u32,
        };
        Step {
            exchange: Exchange::Socket(Box::new(socket)),
            ..Step::new(name, Template::of_request(&request, marks))
        }
    }

    /// Checks and captures, some of which fail now and then.
    fn look(&mut self, step: &mut Step) {
        if !matches!(step.exchange, Exchange::Http) {
            return;
        }
        match (self.below)(6) {
            0 => step.checks.push(Check::Status(vec![200, 204, 404])),
            1 => step.checks.push(Check::Length((self.below)(300))),
            2 if !step.is_head() => step.checks.push(Check::Contains("xx".into())),
            3 => step
                .checks
                .push(Check::Header { name: "server".to_owned(), value: "simulated".into() }),
            _ => {}
        }
        let source = match (self.below)(4) {
            0 => Source::Header("X-User".to_owned()),
            1 if !step.is_head() => {
                Source::Regex(Pattern::new("(x{1,3})").expect("a plain pattern"))
            }
            _ => return,
        };
        step.captures.push((0, Capture { source, bytes_max: 1 << 10 }));
    }
}
