//! Suite files: from TOML to the targets, and the cells that each of them is measured with.

mod claim;
mod compile;
pub(crate) use compile::bytes;
mod format;
mod plan;
mod schedule;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::form;
use format::SuiteFile;

pub use claim::{ClaimFigure, ClaimPlan};
pub use format::{DatabaseKind, Restart};
pub use plan::{
    Case, DatabasePlan, InstallPlan, MicrobenchPlan, NothingChosen, ResourceLimits, Settings,
    SuitePlan, TargetPlan,
};
pub use schedule::{SuiteTurn, TargetSession, TurnKind, schedule};

/// The things outside its file that a suite refers to.
pub struct SuiteContext<'a> {
    /// Returns the names of the flows in a scenario file, or the mistakes in it.
    pub flows: &'a dyn Fn(&str) -> Result<Vec<String>, String>,
    /// Whether a file exists in the suite's folder.
    pub exists: &'a dyn Fn(&str) -> bool,
    /// Whether the fields of `[short]` replace those of `[run]`.
    pub is_short: bool,
}

/// Parses, checks and expands a suite.
///
/// # Errors
/// Every mistake that was found, by line. Mistakes of form (not TOML, unknown or missing fields,
/// wrong types) hide the others.
pub fn compile(text: &str, context: &SuiteContext<'_>) -> Result<SuitePlan, Vec<Diagnostic>> {
    let file: SuiteFile = form::read(text)?;
    let mut diagnostics = Diagnostics::new(text);
    let plan = compile::plan(&file, context, &mut diagnostics);
    diagnostics.into_result(Some(plan))
}

/// The JSON Schema of suite files, for editors.
pub fn schema() -> String {
    crate::schema::text::<SuiteFile>()
}

#[cfg(test)]
mod tests;
