//! HTTP/1.1 (RFC 9112) as a client sees it: request bytes out, response framing in.

pub mod body;
pub(crate) mod carry;
pub mod chunked;
pub(crate) mod head;
pub mod multipart;
pub mod request;
pub mod response;
pub mod shape;
