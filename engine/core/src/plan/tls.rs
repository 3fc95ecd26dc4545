//! TLS: which certificates are accepted, and what this side shows of itself.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What TLS is to do. Certificates and keys are DER (X.690), as files give them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsPlan {
    /// The name or address asked for (SNI), which the target's certificate has to bear.
    pub server_name: String,
    /// Which certificates are taken for the target's.
    pub trust: Trust,
    /// What this side shows of itself, when asked (mutual TLS).
    pub identity: Option<Identity>,
    /// Versions offered.
    pub versions: TlsVersions,
    /// Application protocols offered (ALPN), best first.
    pub alpn: Vec<String>,
    /// Whether a connection made anew takes up an earlier session.
    pub resumes: bool,
    /// A body that only the end of the connection delimits is whole without a close_notify too.
    pub tolerates_truncation: bool,
}

/// Which certificates are taken for the target's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Whatever is shown: no protection against anyone in between.
    Anything,
    /// What one of these vouches for, for the right name and at this time.
    Roots(Roots),
}

/// Certificates that vouch for others. A stored plan names their file alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roots {
    /// The file they are read from; `None` for those that the system trusts.
    pub file: Option<PathBuf>,
    /// The certificates.
    #[serde(skip)]
    pub certificates: Vec<Vec<u8>>,
}

/// A certificate of this side, and the key to prove it. A stored plan names their files alone.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The file of the certificate.
    pub certificate_file: PathBuf,
    /// The file of its private key.
    pub key_file: PathBuf,
    /// The certificate, and those that vouch for it.
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
    /// 1.3, or 1.2 where the target has no 1.3.
    #[default]
    Both,
    /// 1.2 alone (RFC 5246).
    Only12,
    /// 1.3 alone (RFC 8446).
    Only13,
}
