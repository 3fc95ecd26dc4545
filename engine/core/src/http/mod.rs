//! HTTP/1.1 (RFC 9112) for a client: request bytes out, response framing in.

mod behind;
pub mod body;
pub mod chunked;
pub mod deviation;
pub mod fault;
pub(crate) mod head;
pub mod header_cache;
pub(crate) mod lenient;
pub mod multipart;
pub(crate) mod partial_head;
pub mod percent;
pub mod protocol;
pub mod quote;
pub mod request;
pub mod response;
pub mod secrets;
pub mod unfinished;
