//! Performance while something fails: the faults of a plan, when each is injected, and the figures
//! of what they did to the answers.
//!
//! `due_rows` counts requests by the time at which they were due; `impact` finds in these rows when
//! a fault was felt and when it was over; `objective` compares that with what was asked for. The
//! faults themselves are done by `uringbench-faults`.

pub mod due_rows;
pub mod figures;
pub mod impact;
pub mod objective;
pub mod plan;
pub mod schedule;

pub use due_rows::{DueRow, DueRows, ROW};
pub use figures::{ChaosAnalysis, ChaosInput, InjectionFigures, InjectionTimes};
pub use objective::{ChaosObjective, ChaosObjectiveError};
pub use plan::{
    ChaosPlan, FaultKind, PlannedFault, PlannedProcess, PlannedProxy, ProxyDirection, Toxic,
};
pub use schedule::{ChaosPlanError, Injection, RECOVERY_MIN};

#[cfg(test)]
mod simulated;
#[cfg(test)]
mod tests;
