//! Redis: commands as bytes, replies read from bytes, and the opening of a connection (RESP2 and
//! RESP3, <https://redis.io/docs/latest/develop/reference/protocol-spec/>).
//!
//! Nothing here knows a socket or a clock. Which command is sent when is decided elsewhere.

pub mod command;
pub mod opening;
pub mod reader;
