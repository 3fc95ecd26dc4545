//! HTTP/1.1 (RFC 9112) as a client sees it: request bytes out, response framing in.

pub mod chunked;
pub(crate) mod head;
pub mod request;
pub mod response;
pub mod shape;
