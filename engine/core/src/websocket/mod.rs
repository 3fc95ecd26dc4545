//! WebSocket (RFC 6455) as a client sees it: frames out as bytes made once, messages in.

pub mod frame;
pub mod handshake;
pub mod machine;
mod text;
