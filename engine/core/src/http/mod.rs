//! HTTP/1.1 (RFC 9112) as a client sees it: request bytes out, response framing in.

mod behind;
pub mod body;
pub(crate) mod carry;
pub mod chunked;
pub mod deviation;
pub mod fault;
pub(crate) mod head;
mod lenient;
pub mod multipart;
pub mod protocol;
pub mod quote;
pub mod request;
pub mod response;
pub mod shape;
pub mod unfinished;
