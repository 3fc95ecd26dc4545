//! TLS around any protocol: bytes in and bytes out, in memory, by rustls.
//!
//! `config` builds the configuration that connections share, `sessions` keeps their sessions for
//! resumption, and `session` is the state of one connection.

mod config;
mod key;
mod session;
mod sessions;
mod trust;
mod words;

pub use config::{TlsSetupError, client_config};
pub use session::TlsFailure;
pub(crate) use session::{Established, Received, Tls};
