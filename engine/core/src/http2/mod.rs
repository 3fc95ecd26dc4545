//! HTTP/2 as its client speaks it (RFC 9113, RFC 7541): bytes in, ends of exchanges out.
//!
//! [`machine`] is one connection. [`request`] makes the frames of a request once, [`encoder`] those
//! of requests that differ; [`block`] recognises header blocks by comparing instead of decoding.
//! Nothing here knows a socket or a time: the engine decides what an event means for a request.

pub mod block;
pub mod encoder;
pub mod error;
pub mod frame;
pub mod head;
pub mod hpack;
mod huffman;
pub mod machine;
pub mod request;
pub mod settings;
pub mod streams;
mod window;
