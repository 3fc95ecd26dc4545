//! The reference application: a server to load whose answers are known.
//!
//! The endpoints of a framework shoot-out, features of frameworks one by one, and the API of a task
//! tracker, on axum and SQLite or PostgreSQL, with switches that inject faults. It is a real server
//! for tests and demonstrations; the fastest one, for calibration, is the crate
//! `uringbench-reference`. docs/reference/app-routes.md shows every request.

mod error_response;
mod extract;
mod fault_injection;
mod features;
mod files;
mod grpc;
mod router;
mod server;
mod shootout;
mod stats;
mod storage;
mod taskflow;

pub use fault_injection::{Faults, Stall};
pub use server::{App, AppError, AppOptions};
pub use storage::Database;
