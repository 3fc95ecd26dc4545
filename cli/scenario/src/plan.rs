//! A scenario that was checked and compiled: what a script is made of, in the core's terms.

use uringbench_core::flow::script::{Flow, FlowReplay, RowOrder};
use uringbench_core::flow::table::Table;
use uringbench_core::plan::{ConnectionOrder, Load, Objective};
use uringbench_core::time::Nanos;

use crate::diagnostic::did_you_mean;

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
    /// When flows begin. A rate that changes does so from the measured window on.
    pub load: Load,
    /// Users of a closed loop, at least 1.
    pub users: u32,
    /// The times of a replay.
    pub replay: Option<FlowReplay>,
    /// Load before the measured window.
    pub warmup: Nanos,
    /// The measured window.
    pub duration: Nanos,
    /// What users do repeatedly; at least one.
    pub flows: Vec<Flow>,
    /// What each user does first.
    pub on_start: Flow,
    /// What each user does last.
    pub on_end: Flow,
    /// Rows of data, by number.
    pub tables: Vec<Table>,
    /// The file and the columns of each.
    pub sources: Vec<DataSource>,
    /// Who gets which row of each.
    pub orders: Vec<RowOrder>,
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
        if self.replay.as_ref().is_some_and(|replay| replay.flows.is_some()) {
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

/// Where rows come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSource {
    /// The file, as the scenario names it.
    pub file: String,
    /// The names of its columns.
    pub columns: Vec<String>,
}
