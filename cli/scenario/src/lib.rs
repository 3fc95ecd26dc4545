//! Scenario files: TOML in, a plan with every request compiled out, or every mistake with its
//! place, its cause and what to write instead.
//!
//! Files, environment and the target's address are asked for through [`Context`]; running a
//! plan is for others.

mod answer;
mod compile;
mod data;
mod diagnostic;
mod exchange;
mod form;
mod format;
mod load;
pub mod plan;
mod replay;
mod request;
mod schema;
pub mod show;
pub mod template;
mod text;

pub use diagnostic::Diagnostic;

use diagnostic::Diagnostics;
use format::Scenario;
use plan::CompiledScenario;
use uringbench_core::flow::table::Table;

/// What a scenario refers to outside its file.
pub struct Context<'a> {
    /// A target in the place of the file's.
    pub target: Option<&'a str>,
    /// The bytes of a file, named as in the scenario, or why it cannot be read.
    pub read: &'a dyn Fn(&str) -> Result<Vec<u8>, String>,
    /// The value of an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// What `Host` says for a target, or what is wrong with it and what to write instead.
    pub authority: &'a dyn Fn(&str) -> Result<String, String>,
}

/// Read, check and compile a scenario.
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

/// The columns and rows of a file of data, CSV or JSON by its name.
///
/// # Errors
/// When it has none.
pub fn rows(file: &str, bytes: &[u8]) -> Result<(Vec<String>, Table), String> {
    data::table(file, bytes)
}

/// The JSON Schema of scenario files, for editors.
pub fn schema() -> String {
    schema::text()
}
