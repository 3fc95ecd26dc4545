//! WebSocket (RFC 6455) for a client: frames out as bytes built once, messages in.

pub mod frame;
pub mod handshake;
pub mod machine;
mod text;
