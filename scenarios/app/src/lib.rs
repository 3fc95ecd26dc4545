//! The reference application: what users load, in one process whose answers are known.
//!
//! The endpoints of a framework shoot-out, features of frameworks one by one, and the API of a task
//! tracker, on axum and SQLite or PostgreSQL, with switches that make trouble on purpose. It is a
//! real server to test and demonstrate with; the fastest one, to calibrate with, is the crate
//! `uringbench-reference`. docs/reference/app-routes.md shows
//! every request.

mod features;
mod files;
mod given;
mod refusal;
mod server;
mod shootout;
mod site;
mod stats;
mod storage;
mod taskflow;
mod trouble;

pub use server::{App, AppError, AppOptions};
pub use storage::Database;
pub use trouble::{Stall, Trouble};
