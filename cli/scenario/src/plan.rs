//! A scenario that was checked and compiled.

use uringbench_core::flow::Step;
use uringbench_core::flow::program::FlowOperation;
use uringbench_core::flow::table::Table;
use uringbench_core::plan::{Arrivals, ConnectionOrder, Objective};
use uringbench_core::rate::Rate;
use uringbench_core::time::Nanos;

use crate::diagnostic::did_you_mean;
use crate::format::{DataOrder, StageShape};

/// Everything a scenario says.
#[derive(Clone, Debug)]
pub struct CompiledScenario {
    /// The server, as written.
    pub target: String,
    /// What `Host` says: host and, unless it is the scheme's own, port.
    pub authority: String,
    /// Whether users keep cookies; then every step uses the jar.
    pub keeps_cookies: bool,
    /// Connections over all cores.
    pub connections: u32,
    /// Whether each user keeps one of its own.
    pub has_own_connections: bool,
    /// Which free connection takes the next request, where they are not users' own.
    pub connection_order: ConnectionOrder,
    /// How much load.
    pub load: CompiledLoad,
    /// Load before the measured window.
    pub warmup: Nanos,
    /// The measured window.
    pub duration: Nanos,
    /// What users do again and again; at least one.
    pub flows: Vec<CompiledFlow>,
    /// What each user does first.
    pub on_start: CompiledFlow,
    /// What each user does last.
    pub on_end: CompiledFlow,
    /// Rows of data, by number.
    pub tables: Vec<Table>,
    /// The file and the columns of each.
    pub sources: Vec<DataSource>,
    /// Who gets which row of each.
    pub orders: Vec<DataOrder>,
    /// The names of captures, by number.
    pub captures: Vec<String>,
    /// Objectives.
    pub objectives: Vec<Objective>,
}

impl CompiledScenario {
    /// Leave out the flows that are not among `names`, and the objectives about them. Without
    /// names all stay.
    ///
    /// # Errors
    /// A name that no flow has, or a replay whose rows name their flows; with the fix.
    pub fn keep_flows(&mut self, names: &[String]) -> Result<(), String> {
        if names.is_empty() {
            return Ok(());
        }
        if matches!(self.load, CompiledLoad::Replay { flows: Some(_), .. }) {
            return Err("the replay says itself which flows begin: take all of them".to_owned());
        }
        let known = || self.flows.iter().map(|flow| flow.name.as_str());
        if let Some(name) = names.iter().find(|name| known().all(|known| known != *name)) {
            return Err(format!("there is no flow `{name}`{}", did_you_mean(name, known())));
        }
        let kept: Vec<_> = known().map(|known| names.iter().any(|name| name == known)).collect();
        self.objectives.retain(|objective| objective.flow.is_none_or(|flow| kept[flow]));
        for objective in &mut self.objectives {
            objective.flow =
                objective.flow.map(|flow| kept[..flow].iter().filter(|is_kept| **is_kept).count());
        }
        let mut kept = kept.into_iter();
        self.flows.retain(|_| kept.next().unwrap_or(false));
        Ok(())
    }
}

/// How much load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompiledLoad {
    /// Each user begins a flow when its last one has ended.
    Closed {
        /// At least 1.
        users: u32,
    },
    /// Flows begin at a rate.
    Open {
        /// At the beginning.
        rate: Rate,
        /// Gaps between beginnings.
        arrivals: Arrivals,
        /// Changes of the rate, one after the other.
        stages: Vec<LoadStage>,
    },
    /// Flows begin at given times.
    Replay {
        /// When, from the start, one for each row of a table; none less than the one before.
        times: Vec<Nanos>,
        /// The table: the flow that begins at a time takes the row of the same number.
        table: usize,
        /// Which flow begins: an index for each time. By weight without them.
        flows: Option<Vec<usize>>,
    },
}

/// A stretch of an open loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadStage {
    /// How the rate comes about.
    pub shape: StageShape,
    /// The rate it gets to.
    pub rate: Rate,
    /// How long it lasts.
    pub duration: Nanos,
}

/// Where rows come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSource {
    /// The file, as the scenario names it.
    pub file: String,
    /// The names of its columns.
    pub columns: Vec<String>,
}

/// Steps and their order.
#[derive(Clone, Debug, Default)]
pub struct CompiledFlow {
    /// What reports call it.
    pub name: String,
    /// How often it is chosen, compared with the others.
    pub weight: u32,
    /// Its steps.
    pub steps: Vec<Step>,
    /// Their order.
    pub operations: Vec<FlowOperation>,
}
