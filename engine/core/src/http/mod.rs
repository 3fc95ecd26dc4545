//! HTTP/1.1 (RFC 9112) as a client sees it: request bytes out, response framing in.

mod carry;
pub mod chunked;
mod head;
pub mod request;
pub mod response;
pub mod shape;
