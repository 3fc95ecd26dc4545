//! PostgreSQL: statements as bytes, answers read from bytes, and the opening of a connection
//! (protocol 3.0, <https://www.postgresql.org/docs/current/protocol.html>).
//!
//! Nothing here knows a socket or a clock. Which transaction is sent when is decided elsewhere.

pub mod error;
pub mod login;
pub mod message;
pub mod opening;
pub mod reader;
pub mod scram;
pub mod statement;
