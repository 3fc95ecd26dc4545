//! The behaviour of users in a run: flows, steps before the first and after the last one, and the
//! rows of their values.
//!
//! All steps are numbered in one sequence: those at the start, the flows, those at the end.

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
    /// Its name in reports.
    pub name: String,
    /// Its probability relative to the other flows; 0 is never.
    pub weight: u32,
    /// Its steps.
    pub steps: Vec<Step>,
    /// Their order.
    pub operations: Vec<FlowOperation>,
}

/// How rows of a table are assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowOrder {
    /// Each new flow takes the next row; after the last row comes the first.
    Shared,
    /// Each new flow takes a random row.
    Random,
    /// Each user keeps the row with its number.
    User,
    /// The flow of a replayed time takes the row of the same number.
    Replayed,
}

/// Flows that begin at given times.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FlowReplay {
    /// From the start of the run, in ascending order.
    pub times: Arc<[Nanos]>,
    /// The flow that begins at each time; chosen by weight if `None`.
    pub flows: Option<Vec<u32>>,
}

/// Rows, and how they are assigned.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Data {
    /// The rows.
    pub table: Table,
    /// How they are assigned.
    pub order: RowOrder,
}

/// The behaviour of users.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Form", into = "Form")]
pub struct Script {
    /// The steps at the start, the flows, the steps at the end.
    parts: Vec<Flow>,
    /// The number of each part's first step, and the total number of steps.
    first_steps: Vec<usize>,
    tables: Vec<Table>,
    orders: Vec<RowOrder>,
    captures: usize,
    users: Option<u32>,
    has_own_connections: bool,
    streams: Option<u16>,
    has_usual_streams: bool,
    authority: String,
    replay: Option<FlowReplay>,
    constants: Arc<Vec<u8>>,
    /// The range of each step's request in them, if it is constant.
    ranges: Vec<Option<Range<usize>>>,
}

/// One of the step lists that a user runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The steps before a user's first flow.
    Start,
    /// One of the flows, from 0.
    Flow(u32),
    /// The steps after a user's last flow.
    End,
}

impl Script {
    /// `flows`: at least one has a weight, and all have a step; `on_start` and `on_end` may be
    /// empty. `users` of a closed loop, at least 1; `None` in an open one, where a user arrives for
    /// each flow. Answers provide `captures` values for later steps.
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
            streams: None,
            has_usual_streams: false,
            authority: String::new(),
            replay: None,
            constants: Arc::new(constants),
            ranges,
        }
    }

    /// The same, with requests to this host, with or without a port: its cookies are stored.
    pub fn to(self, authority: &str) -> Self {
        Self { authority: authority.to_owned(), ..self }
    }

    /// The same, with flows that begin at given times.
    pub fn replaying(self, replay: FlowReplay) -> Self {
        Self { replay: Some(replay), ..self }
    }

    /// The same, with a connection of its own for each user. There are at least as many connections
    /// as users; in an open loop, at most as many users as connections.
    pub fn with_own_connections(self) -> Self {
        Self { has_own_connections: true, ..self }
    }

    /// Whether each user has its own connection: the one with the user's place number.
    pub const fn has_own_connections(&self) -> bool {
        self.has_own_connections
    }

    /// The same over HTTP/2, with at most so many requests in flight on a connection: users share
    /// connections, and their requests are streams.
    pub fn over_http2(self, streams: u16) -> Self {
        Self { streams: Some(streams), ..self }
    }

    /// Streams on a connection of HTTP/2; `None` over HTTP/1.1.
    pub const fn streams(&self) -> Option<u16> {
        self.streams
    }

    /// The same, if nobody has asked for that number of streams.
    #[must_use]
    pub fn with_usual_streams(self) -> Self {
        Self { has_usual_streams: true, ..self }
    }

    /// Whether nobody has asked for the number of streams.
    pub const fn has_usual_streams(&self) -> bool {
        self.has_usual_streams
    }

    /// The host that requests go to.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// When flows begin, for a replay.
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

    /// The bytes of all constant requests, one after the other.
    pub const fn constants(&self) -> &Arc<Vec<u8>> {
        &self.constants
    }

    /// The range of the request of this step in [`Self::constants`]; `None` if it varies.
    pub fn constant(&self, step: usize) -> Option<Range<usize>> {
        self.ranges.get(step).cloned().flatten()
    }

    /// All tables.
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// How rows of each table are assigned.
    pub fn orders(&self) -> &[RowOrder] {
        &self.orders
    }

    /// How many values answers provide for later steps.
    pub const fn captures(&self) -> usize {
        self.captures
    }

    /// Users of a closed loop; `None` in an open one.
    pub const fn users(&self) -> Option<u32> {
        self.users
    }

    /// Whether users have think times.
    pub fn has_pauses(&self) -> bool {
        let is_pause = |operation: &FlowOperation| matches!(operation, FlowOperation::Think(_));
        self.parts.iter().any(|part| part.operations.iter().any(is_pause))
    }

    /// One of the flows, at random by weight.
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
