//! Compiles scenario and suite files: from TOML to a plan with every request compiled, or to every
//! mistake with its place, its cause and its fix.
//!
//! [`Context`] provides files, the environment and the target's address; other crates run the plan.

mod answer;
mod command;
mod compile;
mod data;
mod diagnostic;
mod exchange;
mod faults;
mod form;
mod format;
mod generate;
mod load;
mod pgbench;
pub mod plan;
mod replay;
mod request;
mod schema;
pub mod show;
mod statement;
pub mod suite;
pub mod template;
mod text;

pub use command::command;
pub use diagnostic::Diagnostic;
pub use faults::{chaos_plan, fault};
pub use pgbench::{PgbenchScript, pgbench_script};
pub use statement::{Statements, statements};

use diagnostic::Diagnostics;
use format::Scenario;
use plan::CompiledScenario;
use uringbench_core::flow::table::Table;

/// The things outside its file that a scenario refers to.
pub struct Context<'a> {
    /// A target that replaces the file's.
    pub target: Option<&'a str>,
    /// Returns the bytes of a file by its name in the scenario, or why it cannot be read.
    pub read: &'a dyn Fn(&str) -> Result<Vec<u8>, String>,
    /// Returns the value of an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// Returns the `Host` of a target, or the error in it and the fix.
    pub authority: &'a dyn Fn(&str) -> Result<String, String>,
}

/// Parses, checks and compiles a scenario.
///
/// # Errors
/// Every mistake that was found, by line. Mistakes of form (not TOML, unknown or missing fields,
/// wrong types) hide the others.
pub fn compile(text: &str, context: &Context<'_>) -> Result<CompiledScenario, Vec<Diagnostic>> {
    let scenario: Scenario = form::read(text)?;
    let mut diagnostics = Diagnostics::new(text);
    let plan = compile::plan(&scenario, context, &mut diagnostics);
    diagnostics.into_result(plan)
}

/// The columns and rows of a data file, CSV or JSON by its name.
///
/// # Errors
/// It has no rows.
pub fn rows(file: &str, bytes: &[u8]) -> Result<(Vec<String>, Table), String> {
    data::table(file, bytes)
}

/// The JSON Schema of scenario files, for editors.
pub fn schema() -> String {
    schema::text::<Scenario>()
}
