//! Flows: the steps of a user, compiled so that running them parses and allocates only what the
//! step needs.
//!
//! Requests are templates with slots (`template`), filled with values (`value`) from tables
//! (`table`) and earlier answers (`capture`); answers are checked (`step`) by `check`, against
//! texts that may vary as well (`expected`), and their cookies stored (`cookie_jar`). Some
//! exchanges are more than one response (`exchange`). The order of steps is a flat list of
//! operations (`program`). The caller reads them from files.

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
pub mod skew;
pub mod step;
pub mod table;
pub mod target;
pub mod template;
pub mod text;
pub mod users;
pub mod value;

pub use step::Step;
