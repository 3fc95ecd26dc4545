//! TLS: which certificates are accepted, and the client's own certificate.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The TLS configuration. Certificates and keys are DER (X.690), as read from files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsPlan {
    /// The server name or address to send (SNI), which the target's certificate must contain.
    pub server_name: String,
    /// Which certificates are accepted for the target.
    pub trust: Trust,
    /// The client's certificate, sent if requested (mutual TLS).
    pub identity: Option<Identity>,
    /// Versions offered.
    pub versions: TlsVersions,
    /// Application protocols offered (ALPN), preferred first.
    pub alpn: Vec<String>,
    /// Whether a reconnect resumes an earlier session.
    pub resumes: bool,
    /// Accept a body that only the end of the connection delimits without close_notify too.
    pub tolerates_truncation: bool,
}

/// Which certificates are accepted for the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Any: no protection against an attacker in between.
    Anything,
    /// Those signed by one of these, valid for the name and now.
    Roots(Roots),
}

/// Certificates of authorities. A stored plan contains only their file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roots {
    /// The file they are read from; `None` for the system's.
    pub file: Option<PathBuf>,
    /// The certificates.
    #[serde(skip)]
    pub certificates: Vec<Vec<u8>>,
}

/// A client certificate and its private key. A stored plan contains only their files.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The file of the certificate.
    pub certificate_file: PathBuf,
    /// The file of its private key.
    pub key_file: PathBuf,
    /// The certificate, followed by its chain.
    #[serde(skip)]
    pub chain: Vec<Vec<u8>>,
    /// Its private key, in PKCS #8, PKCS #1 or SEC 1 form.
    #[serde(skip)]
    pub key: Vec<u8>,
}

impl fmt::Debug for Identity {
    /// Without the key: this may be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} certificates)", self.chain.len())
    }
}

/// Versions of TLS offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsVersions {
    /// 1.3, or 1.2 if the target does not support 1.3.
    #[default]
    Both,
    /// 1.2 alone (RFC 5246).
    Only12,
    /// 1.3 alone (RFC 8446).
    Only13,
}
