//! Flows: what a user does step by step, compiled so that running it parses and allocates nothing
//! that the step does not ask for.
//!
//! Requests are templates with slots (`template`), filled by values (`value`) from tables
//! (`table`) and earlier answers (`capture`); answers are judged by `check`; the order of steps is
//! a flat list of operations (`program`). Where all this is written down is the caller's matter.

pub mod answer;
pub mod capture;
pub mod check;
pub mod pointer;
pub mod program;
pub mod table;
pub mod template;
pub mod value;

use capture::Capture;
use check::Check;
use template::Template;

/// One request of a flow, and what its answer is for.
#[derive(Clone, Debug)]
pub struct Step {
    /// What reports call it.
    pub name: String,
    /// The request.
    pub template: Template,
    /// All must hold.
    pub checks: Vec<Check>,
    /// What is kept of the answer, each with the number of the user's capture it goes to.
    pub captures: Vec<(usize, Capture)>,
    /// Whether the flow ends here when the step fails.
    pub is_last_when_failed: bool,
}
