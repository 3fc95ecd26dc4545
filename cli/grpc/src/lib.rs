//! Services of gRPC: their descriptions, and messages of them from JSON.
//!
//! Everything is encoded before a run begins, so its load does not depend on it. How calls are
//! sent is decided by the engine.

mod message;
mod schema;

pub use message::MessageError;
pub use schema::{Method, Schema, SchemaError};
