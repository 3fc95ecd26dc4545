//! The reference target: a small, fast HTTP server for demonstrations, tests and calibration.
//!
//! One thread, one ring, prebuilt responses. `/` answers 13 bytes, `/bytes/N` answers N bytes,
//! `/status/CODE` answers that status, `/health` reports that it is up; anything else is 404.
//! Request bodies with a Content-Length are read and dropped. A connection that begins with the
//! preface of HTTP/2 speaks that.

mod answer;
mod http2;
mod request;
mod server;

pub use server::{ServeError, ServeOptions, Server};
