//! Compiles a scenario file to a plan: resolves names, compiles steps, and flattens their order.

use std::collections::HashSet;

use uringbench_core::flow::program::{Arm, FlowOperation, Think};
use uringbench_core::flow::script::{Flow, RowOrder};
use uringbench_core::flow::table::Table;
use uringbench_core::flow::{self};
use uringbench_core::http::secrets::without_secrets;

use crate::diagnostic::{Diagnostics, FieldPath};
use crate::format::{self, DataOrder, Scenario, Step};
use crate::load::{self, Loaded};
use crate::plan::{CompiledScenario, DataSource};
use crate::replay::{self, Tables};
use crate::request::Server;
use crate::text::{Names, Text, name_error};
use crate::{Context, answer, data, generate, request};

/// The largest number of repetitions of a step; a larger one is a typing error.
pub(crate) const REPEAT_MAX: u32 = 1_000_000;

const NO_FLOW: &str = "the scenario has no flow: add [[flow]] with a name and [[flow.step]]";

/// Generated rows unless the file says how many.
const GENERATED_ROWS: u32 = 1_000;

/// The plan of a scenario; it is meaningless if a problem was added.
pub(crate) fn plan(
    given: &Scenario,
    context: &Context<'_>,
    diagnostics: &mut Diagnostics<'_>,
) -> Option<CompiledScenario> {
    let mut loaded = load::load(&given.load, diagnostics);
    let Data { described, tables, mut orders, sources } = tables(given, context, diagnostics);
    let mut names = Names { env: context.env, tables: &described, captures: Vec::new() };
    let target = FieldPath::top("target");
    let own = || own_target(&given.target, &names);
    let written = context.target.map_or_else(own, |url| Ok(url.to_owned()));
    let written = diagnostics.take(&target, written);
    let authority =
        written.as_ref().and_then(|url| diagnostics.take(&target, (context.authority)(url)));
    let mut compiler = Compiler {
        context,
        // Report other mistakes even if this one prevents the plan.
        server: Server {
            authority: authority.unwrap_or_else(|| "target".to_owned()),
            keeps_cookies: given.keeps_cookies,
        },
        steps: HashSet::new(),
        captures: Vec::new(),
        diagnostics,
    };
    let on_start =
        compiler.flow("on_start", 1, &given.on_start, &FieldPath::top("on_start"), &mut names);
    let mut flows: Vec<Flow> = Vec::new();
    for (at, flow) in given.flow.iter().enumerate() {
        let place = FieldPath::top("flow").index(at);
        compiler.check_flow(flow, &place, &flows);
        let weight = flow.weight.unwrap_or(1);
        let mut names = names.clone();
        flows.push(compiler.flow(&flow.name, weight, &flow.step, &place.key("step"), &mut names));
    }
    if flows.is_empty() {
        compiler.diagnostics.add(&FieldPath::top("flow"), NO_FLOW);
    }
    let on_end = compiler.flow("on_end", 1, &given.on_end, &FieldPath::top("on_end"), &mut names);
    let Compiler { server, captures, .. } = compiler;
    let data = Tables { given: &given.data, described: &described, tables: &tables };
    if let Some(table) = replay::load(&given.load, &data, &flows, &mut loaded, diagnostics) {
        orders[table] = RowOrder::Replayed;
    }
    let Loaded { connections, load, users, replay, warmup, duration } = loaded;
    let (objectives, chaos) = load::objectives(given, &flows, diagnostics);
    Some(CompiledScenario {
        target: written?,
        authority: server.authority,
        keeps_cookies: server.keeps_cookies,
        is_http2: is_http2(given, diagnostics),
        connections,
        has_own_connections: given.load.has_own_connections,
        connection_order: load::connection_order(&given.load),
        load,
        users,
        replay,
        warmup,
        duration,
        flows,
        on_start,
        on_end,
        tables,
        sources,
        orders,
        captures,
        objectives,
        chaos,
    })
}

/// Whether the file says that it is sent over HTTP/2.
fn is_http2(given: &Scenario, diagnostics: &mut Diagnostics<'_>) -> bool {
    if given.http.is_some_and(|version| !(1..=2).contains(&version)) {
        diagnostics.add(&FieldPath::top("http"), "the version of HTTP is 1 or 2");
    }
    given.http == Some(2)
}

fn own_target(text: &str, names: &Names<'_>) -> Result<String, String> {
    Text::read(text, names)?
        .constant()
        .ok_or_else(|| "all requests have one target: it may contain only {{env NAME}}".to_owned())
}

/// The data files of a scenario.
#[derive(Default)]
struct Data {
    /// The names of the tables, with their columns.
    described: Vec<(String, Vec<String>)>,
    tables: Vec<Table>,
    orders: Vec<RowOrder>,
    sources: Vec<DataSource>,
}

fn tables(given: &Scenario, context: &Context<'_>, diagnostics: &mut Diagnostics<'_>) -> Data {
    let mut all = Data::default();
    for (name, source) in &given.data {
        let place = FieldPath::top("data").key(name);
        if let Some(why) = name_error(name) {
            diagnostics.add(&place, why);
        }
        if let Some((file, columns, table)) = rows(source, &place, context, diagnostics) {
            all.sources.push(DataSource { file, columns: columns.clone() });
            all.described.push((name.clone(), columns));
            all.tables.push(table);
            all.orders.push(match source.order {
                DataOrder::Shared => RowOrder::Shared,
                DataOrder::Random => RowOrder::Random,
                DataOrder::User => RowOrder::User,
            });
        }
    }
    all
}

/// The rows of a source, with their file and the names of their columns.
fn rows(
    source: &format::Data,
    place: &FieldPath,
    context: &Context<'_>,
    diagnostics: &mut Diagnostics<'_>,
) -> Option<(Option<String>, Vec<String>, Table)> {
    match (&source.file, source.generate) {
        (Some(file), None) => {
            for (key, is_there) in
                [("rows", source.rows.is_some()), ("seed", source.seed.is_some())]
            {
                if is_there {
                    let why = format!("`{key}` belongs to `generate`: a file has its rows");
                    diagnostics.add(&place.key(key), why);
                }
            }
            let read = (context.read)(file).and_then(|bytes| data::table(file, &bytes));
            let (columns, table) = diagnostics.take(&place.key("file"), read)?;
            Some((Some(file.clone()), columns, table))
        }
        (None, Some(kind)) => {
            let count = source.rows.unwrap_or(GENERATED_ROWS);
            if !(1..=generate::ROWS_MAX).contains(&count) {
                let why = format!("1 to {} rows can be generated", generate::ROWS_MAX);
                diagnostics.add(&place.key("rows"), why);
                return None;
            }
            let (columns, table) = generate::table(kind, count, source.seed.unwrap_or(1));
            Some((None, columns, table))
        }
        (Some(_), Some(_)) => {
            diagnostics.add(&place.key("generate"), "rows come from a `file` or from `generate`");
            None
        }
        (None, None) => {
            let why = "there are no rows: add `file`, or `generate` with `rows`";
            diagnostics.add(place, why);
            None
        }
    }
}

struct Compiler<'a, 'b> {
    context: &'a Context<'a>,
    server: Server,
    /// The names of the flow's steps so far, as a set because a flow may be long.
    steps: HashSet<String>,
    /// The names of all captures, by number.
    captures: Vec<String>,
    diagnostics: &'a mut Diagnostics<'b>,
}

impl Compiler<'_, '_> {
    fn check_flow(&mut self, flow: &format::Flow, place: &FieldPath, before: &[Flow]) {
        if flow.name.trim().is_empty() {
            self.diagnostics.add(&place.key("name"), "the name is empty: name the flow");
        }
        if ["on_start", "on_end"].contains(&flow.name.as_str()) {
            let why = format!("`{}` is the name of other steps: choose another", flow.name);
            self.diagnostics.add(&place.key("name"), why);
        }
        if before.iter().any(|known| known.name == flow.name) {
            let why = format!("there is a flow `{}` already: choose another name", flow.name);
            self.diagnostics.add(&place.key("name"), why);
        }
        if flow.weight == Some(0) {
            let why = "with weight 0 it is never chosen: write at least 1, or leave the flow out";
            self.diagnostics.add(&place.key("weight"), why);
        }
        if flow.step.is_empty() {
            self.diagnostics.add(place, "the flow has no step: add [[flow.step]] with a path");
        }
    }

    /// Compiles steps in order; `names` contains the names known before the flow, and afterwards
    /// those known after it.
    fn flow(
        &mut self,
        name: &str,
        weight: u32,
        given: &[Step],
        place: &FieldPath,
        names: &mut Names<'_>,
    ) -> Flow {
        let mut flow = Flow { name: name.to_owned(), weight, ..Flow::default() };
        self.steps.clear();
        let mut at = 0;
        while at < given.len() {
            let choice = given[at].choice.as_ref();
            let same = |step: &&Step| choice.is_some() && step.choice.as_ref() == choice;
            let count = given[at..].iter().take_while(same).count().max(1);
            if choice.is_some() {
                self.choice(&given[at..at + count], at, place, names, &mut flow);
            } else {
                if given[at].weight.is_some() {
                    let why = "a weight is for steps of a choice: add `choice`, or leave it out";
                    self.diagnostics.add(&place.index(at).key("weight"), why);
                }
                self.step(&given[at], &place.index(at), names, &mut flow);
            }
            at += count;
        }
        flow
    }

    /// Compiles adjacent steps of which one is chosen. The steps after them may use the captures
    /// that all of them make.
    fn choice(
        &mut self,
        given: &[Step],
        first: usize,
        place: &FieldPath,
        names: &mut Names<'_>,
        flow: &mut Flow,
    ) {
        let chooses = flow.operations.len();
        flow.operations.push(FlowOperation::Choose(Vec::new()));
        let (mut arms, mut jumps) = (Vec::new(), Vec::new());
        let mut behind: Option<Vec<(String, usize)>> = None;
        for (at, step) in given.iter().enumerate() {
            let place = place.index(first + at);
            let weight = step.weight.unwrap_or(1);
            if weight == 0 {
                let why = "with weight 0 it is never chosen: write at least 1, or leave it out";
                self.diagnostics.add(&place.key("weight"), why);
            }
            arms.push(Arm { weight, at: flow.operations.len() });
            let mut names = names.clone();
            self.step(step, &place, &mut names, flow);
            jumps.push(flow.operations.len());
            flow.operations.push(FlowOperation::Jump(0));
            behind = Some(match behind {
                None => names.captures,
                Some(before) => {
                    before.into_iter().filter(|name| names.captures.contains(name)).collect()
                }
            });
        }
        let end = flow.operations.len();
        for jump in jumps {
            flow.operations[jump] = FlowOperation::Jump(end);
        }
        flow.operations[chooses] = FlowOperation::Choose(arms);
        names.captures = behind.unwrap_or_default();
    }

    fn step(&mut self, given: &Step, place: &FieldPath, names: &mut Names<'_>, flow: &mut Flow) {
        let target = given.path.as_ref().or(given.url.as_ref()).map_or("", String::as_str);
        let written = format!("{} {target}", request::method(given));
        let name = match &given.name {
            Some(name) => name.clone(),
            None => self.shown_name(&written),
        };
        if !self.steps.insert(given.name.clone().unwrap_or(written)) {
            let why = format!("the flow has a step `{name}` already: give it another `name`");
            self.diagnostics.add(&place.key("name"), why);
        }
        let request =
            request::compiled(given, place, names, self.context, &self.server, self.diagnostics);
        let checks = answer::checks(given, &place.key("check"), names, self.diagnostics);
        let all = &mut self.captures;
        let captures = answer::captures(given, &place.key("capture"), names, all, self.diagnostics);
        let times = given.repeat.unwrap_or(1);
        if !(1..=REPEAT_MAX).contains(&times) {
            let why = format!("a step is taken 1 to {REPEAT_MAX} times: write such a number");
            self.diagnostics.add(&place.key("repeat"), why);
        }
        let from = flow.operations.len();
        // Without a request there is a problem, and no plan.
        if let Some((template, exchange)) = request {
            flow.operations.push(FlowOperation::Send(flow.steps.len()));
            let is_last_when_failed = given.is_last_when_failed;
            let step =
                flow::Step { name, template, exchange, checks, captures, is_last_when_failed };
            if step.is_head() && step.needs_body() {
                let why = "an answer to HEAD has no body to check: write another method";
                self.diagnostics.add(&place.key("method"), why);
            }
            flow.steps.push(step);
        }
        if let Some(think) = self.think(given, &place.key("think")) {
            flow.operations.push(FlowOperation::Think(think));
        }
        if times > 1 {
            flow.operations.push(FlowOperation::Repeat { from, times });
        }
    }

    /// The name of a step without one: its request without secrets. Requests that differ in those
    /// alone are numbered.
    fn shown_name(&mut self, written: &str) -> String {
        let shown = without_secrets(written);
        if shown == written || self.steps.contains(written) {
            return shown;
        }
        let numbered = (2u32..).map(|number| format!("{shown} ({number})"));
        let mut names = std::iter::once(shown.clone()).chain(numbered);
        names.find(|name| self.steps.insert(name.clone())).unwrap_or(shown)
    }

    fn think(&mut self, given: &Step, place: &FieldPath) -> Option<Think> {
        Some(match given.think? {
            format::Think::Constant(span) => Think::Constant(span.0),
            format::Think::Exponential(mean) => Think::Exponential(mean.0),
            format::Think::Uniform(from, to) if from.0 <= to.0 => Think::Uniform(from.0, to.0),
            format::Think::Uniform(..) => {
                let why = "the pause ends before it begins: write the shorter time first";
                self.diagnostics.add(&place.key("uniform"), why);
                return None;
            }
        })
    }
}
