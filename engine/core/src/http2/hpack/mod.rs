//! HPACK (RFC 7541): header blocks and the table that both sides keep.

pub mod decode;
pub mod encode;
pub mod table;
