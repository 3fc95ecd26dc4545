//! gRPC over HTTP/2: messages, statuses, deadlines (gRPC's `PROTOCOL-HTTP2.md`).
//!
//! `http2::machine` reads answers with it; what a message contains is not looked at here.

pub mod messages;
pub mod status;
pub mod timeout;
