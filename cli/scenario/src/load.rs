//! Checks `[load]` and `[[slo]]`, and converts them for the plan. `replay` reads the times of a
//! replay.

use uringbench_core::chaos::ChaosPlan;
use uringbench_core::flow::script::{Flow, FlowReplay};
use uringbench_core::plan::{self, Course, Load};
use uringbench_core::rate::Rate;
use uringbench_core::rate_profile::Segment;
use uringbench_core::slo::Slo;
use uringbench_core::time::Nanos;

use crate::diagnostic::{Diagnostics, FieldPath, did_you_mean};
use crate::faults;
use crate::format::{self, Arrivals, ConnectionOrder, StageShape};

/// The default of `uringbench URL`.
const CONNECTIONS: u32 = 64;
const WARMUP: Nanos = Nanos::SECOND;
const DURATION: Nanos = Nanos(10 * Nanos::SECOND.0);

/// The converted `[load]`.
pub(crate) struct Loaded {
    pub(crate) connections: u32,
    pub(crate) load: Load,
    /// Users of a closed loop.
    pub(crate) users: u32,
    /// Loaded later, from the data.
    pub(crate) replay: Option<FlowReplay>,
    pub(crate) warmup: Nanos,
    pub(crate) duration: Nanos,
}

pub(crate) fn load(given: &format::Load, diagnostics: &mut Diagnostics<'_>) -> Loaded {
    let top = FieldPath::top("load");
    for (name, count) in [("connections", given.connections), ("users", given.users)] {
        if count == Some(0) {
            diagnostics.add(&top.key(name), format!("0 {name} do nothing: write at least 1"));
        }
    }
    let users = given.users.filter(|_| given.has_own_connections);
    let connections = given.connections.or(users).unwrap_or(CONNECTIONS);
    if let Some(users) = users.filter(|users| *users > connections) {
        let why = format!(
            "{users} users cannot each have one of {connections} connections: raise \
             `connections`, or leave out `own_connections`"
        );
        diagnostics.add(&top.key("own_connections"), why);
    }
    if given.replay.is_some() {
        beside_replay(given, diagnostics);
    }
    let load = match given.rate {
        Some(rate) => {
            if given.users.is_some() {
                let why = "only a closed loop has a number of users: leave out `users` or `rate`";
                diagnostics.add(&top.key("users"), why);
            }
            let arrivals = match given.arrivals {
                Some(Arrivals::Poisson) => plan::Arrivals::Poisson,
                Some(Arrivals::Constant) | None => plan::Arrivals::Constant,
            };
            Load::Open { rate: rate.0, arrivals, course: course(rate.0, &given.stage, diagnostics) }
        }
        None if given.replay.is_some() => Load::Closed,
        None => {
            if given.arrivals.is_some() {
                diagnostics.add(&top.key("arrivals"), "arrivals need a rate: add `rate`");
            }
            if !given.stage.is_empty() {
                diagnostics.add(&top.key("stage"), "stages change a rate: add `rate` to [load]");
            }
            Load::Closed
        }
    };
    let staged: u64 = given.stage.iter().map(|stage| stage.duration.0.0).sum();
    let by_stages = if staged > 0 { Nanos(staged) } else { DURATION };
    let duration = given.duration.map_or(by_stages, |span| span.0);
    if duration.0 == 0 {
        diagnostics.add(&top.key("duration"), "0s measures nothing: write a time such as \"30s\"");
    }
    let users = given.users.unwrap_or(connections);
    let warmup = given.warmup.map_or(WARMUP, |span| span.0);
    Loaded { connections, load, users, replay: None, warmup, duration }
}

/// Which free connection takes the next request.
pub(crate) const fn connection_order(given: &format::Load) -> plan::ConnectionOrder {
    match given.connection_order {
        Some(ConnectionOrder::Lifo) => plan::ConnectionOrder::Lifo,
        Some(ConnectionOrder::RoundRobin) | None => plan::ConnectionOrder::RoundRobin,
    }
}

/// Rejects fields that contradict a replay.
fn beside_replay(given: &format::Load, diagnostics: &mut Diagnostics<'_>) {
    let named = [
        ("rate", given.rate.is_some()),
        ("users", given.users.is_some()),
        ("arrivals", given.arrivals.is_some()),
        ("stage", !given.stage.is_empty()),
    ];
    for (name, _) in named.iter().filter(|(_, is_named)| *is_named) {
        let why = format!("a replay has its own times: leave out `{name}` or `replay`");
        diagnostics.add(&FieldPath::top("load").key(name), why);
    }
}

/// The stages, and the rate after them: a spike at the end returns to the rate before.
fn course(first: Rate, stages: &[format::Stage], diagnostics: &mut Diagnostics<'_>) -> Course {
    let place = FieldPath::top("load").key("stage");
    let (mut segments, mut before) = (Vec::new(), first);
    for (at, stage) in stages.iter().enumerate() {
        let (length, to) = (stage.duration.0, stage.rate.0);
        if length == Nanos::ZERO {
            let why = "a stage of 0s has no effect: write a time such as \"30s\"";
            diagnostics.add(&place.index(at).key("duration"), why);
        }
        let from = if stage.shape == StageShape::Ramp { before } else { to };
        segments.push(Segment { length, from: Some(from), to: Some(to) });
        if stage.shape != StageShape::Spike {
            before = to;
        }
    }
    if segments.is_empty() {
        return Course::Even;
    }
    segments.push(Segment::even(Nanos::SECOND, Some(before)));
    Course::Segments(segments)
}

/// Converts `[[slo]]`, and what fails during the run, to which some objectives apply.
pub(crate) fn objectives(
    given: &format::Scenario,
    flows: &[Flow],
    diagnostics: &mut Diagnostics<'_>,
) -> (Vec<plan::Objective>, ChaosPlan) {
    let mut chaos = faults::chaos(given, diagnostics);
    let is_whole = diagnostics.is_empty();
    let mut objectives = Vec::new();
    for (at, slo) in given.slo.iter().enumerate() {
        let place = FieldPath::top("slo").index(at);
        if slo.fault.is_some() {
            let objective = faults::objective(slo, &place, &chaos.faults, diagnostics);
            chaos.objectives.extend(objective);
            continue;
        }
        let limit = slo.limit.parse::<Slo>().map_err(|why| why.to_string());
        let limit = diagnostics.take(&place.key("limit"), limit);
        let flow = slo.flow.as_ref().map(|name| {
            let names = || flows.iter().map(|flow| flow.name.as_str());
            let found = names().position(|known| known == name);
            let why = || format!("there is no flow `{name}`{}", did_you_mean(name, names()));
            diagnostics.take(&place.key("flow"), found.ok_or_else(why))
        });
        let step = slo.step.as_ref().map(|name| {
            let Some(flow) = flow else {
                let why = "a step belongs to a flow: add `flow` with its name";
                diagnostics.add(&place.key("step"), why);
                return None;
            };
            let steps = &flows[flow?].steps;
            // A step with a mistake is missing, and its own mistake is reported.
            if !is_whole {
                return None;
            }
            let names = || steps.iter().map(|step| step.name.as_str());
            let found = names().position(|known| known == name);
            let why = || format!("the flow has no step `{name}`{}", did_you_mean(name, names()));
            diagnostics.take(&place.key("step"), found.ok_or_else(why))
        });
        if let Some(limit) = limit {
            objectives.push(plan::Objective { limit, flow: flow.flatten(), step: step.flatten() });
        }
    }
    (objectives, chaos)
}
