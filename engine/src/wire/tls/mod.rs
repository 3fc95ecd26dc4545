//! TLS around any protocol: bytes in and bytes out, in memory, by rustls.
//!
//! `config` makes of a plan what connections share, `sessions` is what they leave each other, and
//! `session` is one connection's.

mod config;
mod key;
mod session;
mod sessions;
mod trust;
mod words;

pub use config::{TlsSetupError, client_config};
pub use session::TlsFailure;
pub(crate) use session::{Established, Received, Tls};
