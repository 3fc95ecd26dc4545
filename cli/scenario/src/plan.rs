//! A checked and compiled scenario, in the core's types.

use uringbench_core::chaos::ChaosPlan;
use uringbench_core::flow::script::{Flow, FlowReplay, RowOrder};
use uringbench_core::flow::table::Table;
use uringbench_core::plan::{ConnectionOrder, Load, Objective};
use uringbench_core::time::Nanos;

use crate::diagnostic::did_you_mean;

/// A compiled scenario.
#[derive(Clone, Debug)]
pub struct CompiledScenario {
    /// The server, as written.
    pub target: String,
    /// The value of `Host`: host and, unless it is the scheme's default, port.
    pub authority: String,
    /// Whether users keep cookies; then every step uses the jar.
    pub keeps_cookies: bool,
    /// Whether it is sent over HTTP/2.
    pub is_http2: bool,
    /// Number of connections over all cores.
    pub connections: u32,
    /// Whether each user keeps a connection of its own.
    pub has_own_connections: bool,
    /// Which free connection takes the next request, unless users have their own.
    pub connection_order: ConnectionOrder,
    /// When flows begin. The rate changes only within the measured window.
    pub load: Load,
    /// Users of a closed loop, at least 1.
    pub users: u32,
    /// The times of a replay.
    pub replay: Option<FlowReplay>,
    /// Duration of the load before the measured window.
    pub warmup: Nanos,
    /// Duration of the measured window.
    pub duration: Nanos,
    /// The flows that users run repeatedly; at least one.
    pub flows: Vec<Flow>,
    /// The steps that each user runs first.
    pub on_start: Flow,
    /// The steps that each user runs last.
    pub on_end: Flow,
    /// Rows of data, by number.
    pub tables: Vec<Table>,
    /// The file and the columns of each table.
    pub sources: Vec<DataSource>,
    /// The order of rows for each table.
    pub orders: Vec<RowOrder>,
    /// The names of captures, by number.
    pub captures: Vec<String>,
    /// Objectives.
    pub objectives: Vec<Objective>,
    /// What fails during the run; without faults in most scenarios.
    pub chaos: ChaosPlan,
}

impl CompiledScenario {
    /// Removes the flows that are not among `names`, and the objectives for them. Without names all
    /// stay.
    ///
    /// # Errors
    /// No flow has one of the names, or the rows of a replay name their flows; with the fix.
    pub fn keep_flows(&mut self, names: &[String]) -> Result<(), String> {
        if names.is_empty() {
            return Ok(());
        }
        if self.replay.as_ref().is_some_and(|replay| replay.flows.is_some()) {
            return Err("the rows of the replay name their flows: select all of them".to_owned());
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

/// The source of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSource {
    /// The file, as named in the scenario; `None` if the rows are generated.
    pub file: Option<String>,
    /// The names of its columns.
    pub columns: Vec<String>,
}
