//! HTTP/1.1 (RFC 9112) as a client sees it: request bytes out, response framing in.

pub mod body;
mod carry;
pub mod chunked;
mod head;
pub mod multipart;
pub mod request;
pub mod response;
pub mod shape;
