//! The server's side of TLS in memory: one rustls server session per simulated connection.

use std::io::{Read, Write};
use std::sync::{Arc, LazyLock};

use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection};
use uringbench_core::plan::{Roots, TlsPlan, TlsVersions, Trust};

/// The name in the certificate.
const NAME: &str = "simulated.test";

/// A self-signed certificate, and the server configuration with it. Its signatures all have one
/// length, so that a seed repeats byte by byte.
static SERVER: LazyLock<(Arc<ServerConfig>, Vec<u8>)> = LazyLock::new(|| {
    let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
    let certificate = CertificateParams::new([NAME.to_owned()])
        .and_then(|parameters| parameters.self_signed(&key))
        .expect("a certificate");
    let secret = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the default versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], secret)
        .expect("a certificate and its key");
    (Arc::new(config), certificate.der().to_vec())
});

/// The TLS plan of a client of this server.
pub(crate) fn tls_plan(resumes: bool, versions: TlsVersions) -> TlsPlan {
    TlsPlan {
        server_name: NAME.to_owned(),
        trust: Trust::Roots(Roots { file: None, certificates: vec![SERVER.1.clone()] }),
        identity: None,
        versions,
        alpn: Vec::new(),
        resumes,
        tolerates_truncation: false,
    }
}

/// One connection's session.
pub(crate) struct Secure(ServerConnection);

impl Secure {
    pub(crate) fn new() -> Self {
        let mut connection = ServerConnection::new(Arc::clone(&SERVER.0)).expect("a session");
        connection.set_buffer_limit(None);
        Self(connection)
    }

    /// The content of the received records, and the bytes to send in answer. The client's alerts
    /// are errors here, and are ignored.
    pub(crate) fn receive(&mut self, mut bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let mut plain = Vec::new();
        while !bytes.is_empty() {
            if self.0.read_tls(&mut bytes).is_err() || self.0.process_new_packets().is_err() {
                break;
            }
            // It is an error of its own kind if there is nothing more to read.
            let _ = self.0.reader().read_to_end(&mut plain);
        }
        (plain, self.outgoing())
    }

    pub(crate) fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        self.0.writer().write_all(plain).expect("memory takes everything");
        self.outgoing()
    }

    /// The close notify.
    pub(crate) fn end(&mut self) -> Vec<u8> {
        self.0.send_close_notify();
        self.outgoing()
    }

    fn outgoing(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        while self.0.wants_write() {
            self.0.write_tls(&mut out).expect("memory takes everything");
        }
        out
    }
}
