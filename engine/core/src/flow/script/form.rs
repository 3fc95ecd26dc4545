//! The stored form of a script, and its validation when it is read.

use serde::{Deserialize, Serialize};

use super::{Data, Flow, FlowReplay, Script};
use crate::flow::program::{FlowOperation, Think};

/// Its parts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Form {
    on_start: Flow,
    flows: Vec<Flow>,
    on_end: Flow,
    data: Vec<Data>,
    captures: usize,
    users: Option<u32>,
    has_own_connections: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    streams: Option<u16>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    has_usual_streams: bool,
    authority: String,
    replay: Option<FlowReplay>,
}

impl From<Script> for Form {
    fn from(script: Script) -> Self {
        let data = script.tables.into_iter().zip(script.orders);
        let mut parts = script.parts.into_iter();
        let on_start = parts.next().unwrap_or_default();
        let on_end = parts.next_back().unwrap_or_default();
        Self {
            on_start,
            flows: parts.collect(),
            on_end,
            data: data.map(|(table, order)| Data { table, order }).collect(),
            captures: script.captures,
            users: script.users,
            has_own_connections: script.has_own_connections,
            streams: script.streams,
            has_usual_streams: script.has_usual_streams,
            authority: script.authority,
            replay: script.replay,
        }
    }
}

impl TryFrom<Form> for Script {
    type Error = String;

    fn try_from(form: Form) -> Result<Self, String> {
        form.check()?;
        let Form { on_start, flows, on_end, data, captures, users, .. } = form;
        let script = Self::new((on_start, flows, on_end), data, captures, users);
        let script = script.to(&form.authority);
        let script = if form.has_own_connections { script.with_own_connections() } else { script };
        let script = match form.streams {
            Some(streams) => script.over_http2(streams),
            None => script,
        };
        let script = if form.has_usual_streams { script.with_usual_streams() } else { script };
        Ok(match form.replay {
            Some(replay) => script.replaying(replay),
            None => script,
        })
    }
}

impl Form {
    fn check(&self) -> Result<(), String> {
        if self.flows.iter().all(|flow| flow.weight == 0) {
            return Err("no flow has a weight".to_owned());
        }
        if self.users == Some(0) {
            return Err("there is no user".to_owned());
        }
        if let Some(flow) = self.flows.iter().find(|flow| flow.steps.is_empty()) {
            return Err(format!("flow `{}` has no step", flow.name));
        }
        for flow in [&self.on_start, &self.on_end].into_iter().chain(&self.flows) {
            if !flow.operations.iter().all(|operation| flow.has(operation)) {
                return Err(format!("flow `{}` refers to a step that does not exist", flow.name));
            }
            let mut captured = flow.steps.iter().flat_map(|step| &step.captures);
            if captured.any(|(number, _)| *number >= self.captures) {
                return Err(format!("flow `{}` captures more values than it declares", flow.name));
            }
        }
        let Some(replay) = &self.replay else { return Ok(()) };
        if replay.times.windows(2).any(|pair| pair[0] > pair[1]) {
            return Err("the times of the replay are out of order".to_owned());
        }
        let chosen = replay.flows.as_deref().unwrap_or_default();
        if chosen.iter().any(|flow| *flow as usize >= self.flows.len())
            || replay.flows.is_some() && chosen.len() != replay.times.len()
        {
            return Err("the replay names flows that do not exist".to_owned());
        }
        Ok(())
    }
}

impl Flow {
    /// Whether an operation refers to a position within the flow.
    fn has(&self, operation: &FlowOperation) -> bool {
        let end = self.operations.len();
        match operation {
            FlowOperation::Send(step) => *step < self.steps.len(),
            FlowOperation::Think(Think::Uniform(from, to)) => from <= to,
            FlowOperation::Think(_) => true,
            FlowOperation::Repeat { from, times } => *from < end && *times > 0,
            FlowOperation::Jump(at) => *at <= end,
            FlowOperation::Choose(arms) => {
                arms.iter().any(|arm| arm.weight > 0) && arms.iter().all(|arm| arm.at <= end)
            }
        }
    }
}
