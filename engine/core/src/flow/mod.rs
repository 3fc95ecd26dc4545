//! Flows: what a user does step by step, compiled so that running it parses and allocates nothing
//! that the step does not ask for.
//!
//! Requests are templates with slots (`template`), filled by values (`value`) from tables
//! (`table`) and earlier answers (`capture`); answers are judged (`step`) by `check`, against texts
//! that may vary as well (`expected`), and their cookies kept (`jar`). Not every answer is one
//! response (`exchange`). The order of steps is a
//! flat list of operations (`program`). Where all this is written down is the caller's matter.

pub mod answer;
pub mod capture;
pub mod check;
pub mod cookie_jar;
pub mod exchange;
pub mod expected;
pub mod pattern;
pub mod pointer;
pub mod program;
pub mod response_buffer;
pub mod script;
pub mod step;
pub mod table;
pub mod target;
pub mod template;
pub mod text;
pub mod users;
pub mod value;

pub use step::Step;
