//! What users do in a run: flows, what comes before the first and after the last, and the rows
//! their values come from.
//!
//! Steps of all flows are numbered in one row, in their order: what comes first, the flows, what
//! comes last.

mod form;

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::form::Form;
use super::program::FlowOperation;
use super::step::Step;
use super::table::Table;
use crate::statistics::random::Random;
use crate::time::Nanos;

/// Steps and their order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Flow {
    /// What reports call it.
    pub name: String,
    /// How often it is chosen, compared with the others; 0 is never.
    pub weight: u32,
    /// Its steps.
    pub steps: Vec<Step>,
    /// Their order.
    pub operations: Vec<FlowOperation>,
}

/// Who gets which row of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowOrder {
    /// Each flow that begins takes the next row; after the last comes the first.
    Shared,
    /// Each flow that begins takes a random row.
    Random,
    /// Each user keeps the row of its number.
    User,
    /// The flow that begins at a time of the replay takes the row of the same number.
    Replayed,
}

/// Flows that begin at given times.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FlowReplay {
    /// When, from the start of the run; none less than the one before.
    pub times: Arc<[Nanos]>,
    /// Which flow begins at each: by weight without them.
    pub flows: Option<Vec<u32>>,
}

/// Rows, and who gets which.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Data {
    /// The rows.
    pub table: Table,
    /// Who gets which.
    pub order: RowOrder,
}

/// What users do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Form", into = "Form")]
pub struct Script {
    /// What comes first, the flows, what comes last.
    parts: Vec<Flow>,
    /// The number of each part's first step, and how many there are.
    first_steps: Vec<usize>,
    tables: Vec<Table>,
    orders: Vec<RowOrder>,
    captures: usize,
    users: Option<u32>,
    has_own_connections: bool,
    authority: String,
    replay: Option<FlowReplay>,
    constants: Arc<Vec<u8>>,
    /// Where the request of each step lies in them, if it is always the same.
    ranges: Vec<Option<Range<usize>>>,
}

/// One of the lists of steps that a user goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What a user does before its first flow.
    Start,
    /// One of the flows, from 0.
    Flow(u32),
    /// What a user does after its last flow.
    End,
}

impl Script {
    /// `flows`, of which at least one has a weight and all have a step; `on_start` and `on_end`
    /// may have none. `users` of a closed loop, at least 1; `None` in an open one, where a user
    /// arrives for each flow. Answers leave `captures` values for later steps.
    pub fn new(
        (on_start, flows, on_end): (Flow, Vec<Flow>, Flow),
        data: Vec<Data>,
        captures: usize,
        users: Option<u32>,
    ) -> Self {
        let parts: Vec<_> = std::iter::once(on_start).chain(flows).chain([on_end]).collect();
        let mut count = 0;
        let mut first_steps = vec![0];
        first_steps.extend(parts.iter().map(|part| {
            count += part.steps.len();
            count
        }));
        let (tables, orders) = data.into_iter().map(|data| (data.table, data.order)).unzip();
        let mut constants = Vec::new();
        let ranges = parts
            .iter()
            .flat_map(|part| &part.steps)
            .map(|step| {
                let begin = constants.len();
                step.template.is_constant().then(|| {
                    constants.extend_from_slice(step.template.bytes());
                    begin..constants.len()
                })
            })
            .collect();
        Self {
            parts,
            first_steps,
            tables,
            orders,
            captures,
            users,
            has_own_connections: false,
            authority: String::new(),
            replay: None,
            constants: Arc::new(constants),
            ranges,
        }
    }

    /// The same, with requests that go to this host, with or without a port: cookies are kept if
    /// they are its.
    pub fn to(self, authority: &str) -> Self {
        Self { authority: authority.to_owned(), ..self }
    }

    /// The same, with flows that begin at given times.
    pub fn replaying(self, replay: FlowReplay) -> Self {
        Self { replay: Some(replay), ..self }
    }

    /// The same, with a connection for each user that no other takes. There are as many
    /// connections at least as users; in an open loop no more users than connections.
    pub fn with_own_connections(self) -> Self {
        Self { has_own_connections: true, ..self }
    }

    /// Whether each user has a connection of its own: the one of its place among the users.
    pub const fn has_own_connections(&self) -> bool {
        self.has_own_connections
    }

    /// The host that requests go to.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// When flows begin, if that is given.
    pub const fn replay(&self) -> Option<&FlowReplay> {
        self.replay.as_ref()
    }

    /// The flows.
    pub fn flows(&self) -> &[Flow] {
        &self.parts[1..self.parts.len() - 1]
    }

    /// A list of steps.
    pub fn part(&self, part: Part) -> &Flow {
        &self.parts[self.index(part)]
    }

    /// The number of a part's step.
    pub fn step_number(&self, part: Part, step: u32) -> usize {
        self.first_steps[self.index(part)] + step as usize
    }

    /// All steps by their numbers, each with the part it belongs to.
    pub fn steps(&self) -> impl Iterator<Item = (Part, &Step)> {
        let last = self.parts.len() - 1;
        self.parts.iter().enumerate().flat_map(move |(index, flow)| {
            let part = match index {
                0 => Part::Start,
                index if index == last => Part::End,
                index => Part::Flow(index as u32 - 1),
            };
            flow.steps.iter().map(move |step| (part, step))
        })
    }

    /// The bytes of all requests that are always the same, one behind the other.
    pub const fn constants(&self) -> &Arc<Vec<u8>> {
        &self.constants
    }

    /// Where the request of the step with this number lies in [`Self::constants`]; `None` where it
    /// has to be put together.
    pub fn constant(&self, step: usize) -> Option<Range<usize>> {
        self.ranges.get(step).cloned().flatten()
    }

    /// All tables.
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// Who gets which row of each.
    pub fn orders(&self) -> &[RowOrder] {
        &self.orders
    }

    /// How many values answers leave for later steps.
    pub const fn captures(&self) -> usize {
        self.captures
    }

    /// Users of a closed loop; `None` in an open one.
    pub const fn users(&self) -> Option<u32> {
        self.users
    }

    /// Whether users pause.
    pub fn has_pauses(&self) -> bool {
        let is_pause = |operation: &FlowOperation| matches!(operation, FlowOperation::Think(_));
        self.parts.iter().any(|part| part.operations.iter().any(is_pause))
    }

    /// One of the flows, each as often as its weight says.
    pub fn draw(&self, random: &mut Random) -> u32 {
        let flows = self.flows();
        let sum = flows.iter().map(|flow| flow.weight as usize).sum();
        let mut drawn = random.below(sum);
        let chosen = flows.iter().position(|flow| match drawn.checked_sub(flow.weight as usize) {
            Some(rest) => {
                drawn = rest;
                false
            }
            None => true,
        });
        chosen.unwrap_or(0) as u32
    }

    fn index(&self, part: Part) -> usize {
        match part {
            Part::Start => 0,
            Part::Flow(flow) => 1 + flow as usize,
            Part::End => self.parts.len() - 1,
        }
    }
}
