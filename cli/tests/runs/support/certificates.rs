//! Certificates of every kind that a client must distinguish, created for each test as PEM files.

use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tempfile::TempDir;

/// The names and addresses of the loopback interface.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A name that no server has; `--connect-to` connects to one anyway.
pub(crate) const NAMED: &str = "named.test";

/// An RSA key only for tests: the library can sign with RSA keys, but cannot generate them.
const RSA_KEY: &str = include_str!("rsa.key");

/// A certificate and its key, in files.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// The kind of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Valid for the loopback interface.
    Good,
    /// Valid only for [`NAMED`].
    Named,
    /// Expired.
    Expired,
    /// Not valid yet.
    NotYetValid,
    /// Signed by another authority.
    UnknownAuthority,
    /// Self-signed.
    SelfSigned,
    /// A valid client certificate.
    Client,
    /// A client certificate signed by another authority.
    ForeignClient,
}

/// An authority, another authority, and their certificates, in a separate folder.
pub(crate) struct Certificates {
    folder: TempDir,
    ours: Authority,
    other: Authority,
}

struct Authority {
    certificate: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Certificates {
    /// Makes two authorities; other certificates are made when a test needs them.
    pub(crate) fn make() -> Self {
        let folder = TempDir::new().expect("the machine has room for a folder");
        let ours = Authority::make(folder.path(), "authority");
        let other = Authority::make(folder.path(), "other-authority");
        Self { folder, ours, other }
    }

    /// The authority's certificate, for `--cacert`.
    pub(crate) fn authority(&self) -> &Path {
        &self.ours.certificate
    }

    /// The certificate of the authority that signs only the foreign certificates.
    pub(crate) fn other_authority(&self) -> &Path {
        &self.other.certificate
    }

    /// A certificate of this kind.
    pub(crate) fn leaf(&self, kind: Kind) -> Leaf {
        let names = match kind {
            Kind::Named => vec![NAMED.to_owned()],
            _ => LOOPBACK.map(str::to_owned).to_vec(),
        };
        let mut parameters = CertificateParams::new(names).expect("these are names");
        parameters.distinguished_name.push(DnType::CommonName, format!("{kind:?}"));
        match kind {
            Kind::Expired => parameters.not_after = date_time_ymd(2001, 1, 1),
            Kind::NotYetValid => parameters.not_before = date_time_ymd(4000, 1, 1),
            Kind::Client | Kind::ForeignClient => {
                parameters.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
            }
            _ => {}
        }
        let key = KeyPair::generate().expect("a key");
        let signed = match kind {
            Kind::SelfSigned => parameters.self_signed(&key),
            Kind::UnknownAuthority | Kind::ForeignClient => {
                parameters.signed_by(&key, &self.other.issuer)
            }
            _ => parameters.signed_by(&key, &self.ours.issuer),
        };
        let signed = signed.expect("an authority signs");
        Leaf {
            certificate: self.write(&format!("{kind:?}.pem"), &signed.pem()),
            key: self.write(&format!("{kind:?}.key"), &key.serialize_pem()),
        }
    }

    /// A certificate with an RSA key, with this many intermediate certificates between it and the
    /// authority, in one file.
    pub(crate) fn chain(&self, between: usize) -> Leaf {
        let mut text = String::new();
        let mut above: Option<Issuer<'static, KeyPair>> = None;
        for number in 0..between {
            let parameters = Authority::parameters(&format!("between-{number}"));
            let key = KeyPair::generate().expect("a key");
            let signed = parameters.signed_by(&key, above.as_ref().unwrap_or(&self.ours.issuer));
            // A server sends its own certificate first, and then each before the one that signed
            // it.
            text.insert_str(0, &signed.expect("an authority signs").pem());
            above = Some(Issuer::new(parameters, key));
        }
        let names = LOOPBACK.map(str::to_owned).to_vec();
        let parameters = CertificateParams::new(names).expect("these are names");
        let key = KeyPair::from_pem(RSA_KEY).expect("an RSA key");
        let signed = parameters.signed_by(&key, above.as_ref().unwrap_or(&self.ours.issuer));
        text.insert_str(0, &signed.expect("an authority signs").pem());
        Leaf { certificate: self.write("chain.pem", &text), key: self.write("chain.key", RSA_KEY) }
    }

    /// A self-signed certificate made by OpenSSL with these arguments of `req` for this subject.
    /// With `-version1` it is of X.509 version 1.
    pub(crate) fn by_openssl(&self, how: &str, subject: &str) -> Leaf {
        let path = |name: &str| self.folder.path().join(name);
        let (certificate, key, request) = (path("odd.pem"), path("odd.key"), path("odd.csr"));
        let is_old = how.contains("-version1");
        let how = how.replace("-version1", "");
        let mut make = Command::new("openssl");
        make.args(["req", "-nodes", "-subj", subject]).args(how.split_whitespace());
        make.arg("-keyout").arg(&key).arg("-out").arg(if is_old { &request } else { &certificate });
        openssl(if is_old { make.arg("-new") } else { make.args(["-x509", "-days", "9"]) });
        if is_old {
            let mut sign = Command::new("openssl");
            sign.args(["x509", "-req", "-days", "9", "-in"]).arg(&request);
            openssl(sign.arg("-signkey").arg(&key).arg("-out").arg(&certificate));
        }
        Leaf { certificate, key }
    }

    /// Writes a file with this text next to the certificates.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        write(self.folder.path(), name, text)
    }
}

impl Authority {
    fn make(folder: &Path, name: &str) -> Self {
        let parameters = Self::parameters(name);
        let key = KeyPair::generate().expect("a key");
        let signed = parameters.self_signed(&key).expect("an authority signs itself");
        let certificate = write(folder, &format!("{name}.pem"), &signed.pem());
        Self { certificate, issuer: Issuer::new(parameters, key) }
    }

    fn parameters(name: &str) -> CertificateParams {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        parameters
    }
}

fn openssl(command: &mut Command) {
    let made = command.output().expect("openssl is installed");
    assert!(made.status.success(), "{command:?}: {}", String::from_utf8_lossy(&made.stderr));
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("the folder is ours");
    path
}
