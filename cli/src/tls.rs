//! From files of certificates and keys to the plan's TLS, each mistake named with its file.

use std::path::{Path, PathBuf};

use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use uringbench_core::plan::{Identity, Roots, TlsPlan, TlsVersions, Trust};

use crate::args::{TlsArgs, TlsVersion};
use crate::exit::{Failure, usage};
use crate::url::{Host, Url};

/// The application protocol that is offered, alone: HTTP/1.1, or HTTP/2 if it is asked for.
const ALPN: [&str; 2] = ["http/1.1", "h2"];

/// The TLS configuration for this URL; `None` without TLS.
pub(crate) fn plan(args: &TlsArgs, url: &Url, is_http2: bool) -> Result<Option<TlsPlan>, Failure> {
    if !url.scheme.has_tls() {
        return if args.any() {
            Err(Failure::Usage(
                "-k, --cacert, --cert, --tls, --no-resumption and --tolerate-truncation are for \
                 TLS: use an https://, wss:// or rediss:// URL, or ?sslmode=require \
                 of PostgreSQL"
                    .to_owned(),
            ))
        } else {
            Ok(None)
        };
    }
    let is_unchecked = !url.scheme.verifies() && args.cacert.is_none();
    let trust = if args.insecure || is_unchecked {
        Trust::Anything
    } else {
        let file = args.cacert.as_deref().map(absolute).transpose()?;
        Trust::Roots(Roots { file, certificates: Vec::new() })
    };
    let identity = match (&args.cert, &args.key) {
        (Some(cert), Some(key)) => Some(Identity {
            certificate_file: absolute(cert)?,
            key_file: absolute(key)?,
            ..Identity::default()
        }),
        _ => None,
    };
    let mut plan = TlsPlan {
        server_name: server_name(&url.host),
        trust,
        identity,
        versions: match args.tls {
            None => TlsVersions::Both,
            Some(TlsVersion::Tls12) => TlsVersions::Only12,
            Some(TlsVersion::Tls13) => TlsVersions::Only13,
        },
        // Databases agree on nothing in TLS: before version 17 PostgreSQL knows no ALPN.
        alpn: match url.scheme.is_database() {
            true => Vec::new(),
            false => vec![ALPN[usize::from(is_http2)].to_owned()],
        },
        resumes: !args.no_resumption,
        tolerates_truncation: args.tolerate_truncation,
    };
    read_files(&mut plan)?;
    Ok(Some(plan))
}

/// The absolute path of a file: the plan may be repeated from another folder.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let shown = path.display();
    std::path::absolute(path).map_err(|why| usage(format!("{shown} cannot be read: {why}")))
}

/// Read the certificates and keys whose files a plan names.
pub(crate) fn read_files(plan: &mut TlsPlan) -> Result<(), Failure> {
    if let Trust::Roots(Roots { file, certificates: found }) = &mut plan.trust {
        *found = match file {
            Some(file) => certificates("--cacert", file)?,
            None => system_roots()?,
        };
    }
    if let Some(Identity { certificate_file, key_file, chain, key }) = &mut plan.identity {
        *chain = certificates("--cert", certificate_file)?;
        *key = private_key(key_file)?;
    }
    // Unusable files are reported here, by the option, and not by a worker.
    uringbench_engine::client_config(plan).map_err(|why| usage(why.to_string()))?;
    Ok(())
}

/// The host without the brackets of an IPv6 address, and without the dot of the root.
fn server_name(host: &Host) -> String {
    match host {
        Host::Name(name) => name.trim_end_matches('.').to_owned(),
        Host::Address(address) => address.to_string(),
    }
}

fn certificates(option: &str, path: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    let shown = path.display();
    let read: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).and_then(|found| found.collect());
    match read {
        Err(why) => Err(usage(format!("{option} {shown} cannot be read: {}", explained(&why)))),
        Ok(found) if found.is_empty() => {
            Err(usage(format!("{option} {shown} contains no certificate: give a PEM file")))
        }
        Ok(found) => Ok(found.into_iter().map(|found| found.to_vec()).collect()),
    }
}

fn private_key(path: &Path) -> Result<Vec<u8>, Failure> {
    let shown = path.display();
    let key = PrivateKeyDer::from_pem_file(path).map_err(|why| match why {
        pem::Error::Io(why) => usage(format!("--key {shown} cannot be read: {why}")),
        why => usage(format!("--key {shown} {}", without_key(path, &why))),
    })?;
    Ok(key.secret_der().to_vec())
}

/// Why a readable file has no usable key.
fn without_key(path: &Path, why: &pem::Error) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let begin = text.lines().find_map(|line| {
        line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("PRIVATE KEY-----").map(str::trim)
    });
    match begin {
        _ if text.contains("ENCRYPTED") => {
            "is encrypted with a passphrase: remove that with `openssl pkey -in FILE -out \
             NEW`"
                .to_owned()
        }
        Some("OPENSSH") => "is a key for SSH: convert it with `ssh-keygen -p -m PKCS8 -f FILE`, \
                            or make one for TLS"
            .to_owned(),
        Some("DSA") => {
            "is a key of DSA, which is not supported: use RSA, P-256 or Ed25519".to_owned()
        }
        Some(_) => format!("cannot be read: {}", explained(why)),
        None => "contains no private key: give a PEM file".to_owned(),
    }
}

/// A file's error without the library's words around it.
fn explained(why: &pem::Error) -> String {
    match why {
        pem::Error::Io(why) => why.to_string(),
        pem::Error::MissingSectionEnd { .. } => "a section in it has no end".to_owned(),
        pem::Error::IllegalSectionStart { .. } => {
            "a line that begins a section in it is broken".to_owned()
        }
        pem::Error::Base64Decode(_) => "it contains bytes that are not Base64".to_owned(),
        why => why.to_string(),
    }
}

/// The certificates that this system trusts. Some may be unreadable, as long as there are any.
fn system_roots() -> Result<Vec<Vec<u8>>, Failure> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let why = found.errors.first().map_or_else(String::new, |why| format!(" ({why})"));
        return Err(Failure::CannotRun(anyhow::anyhow!(
            "this system trusts no certificate authority{why}: install ca-certificates, name one \
             with --cacert FILE, or accept any certificate with -k"
        )));
    }
    Ok(found.certs.into_iter().map(|certificate| certificate.to_vec()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn refused(args: &TlsArgs) -> String {
        let url = Url::parse("https://example.com/").unwrap();
        plan(args, &url, false).unwrap_err().to_string()
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn files_that_are_none_are_named_with_what_is_wrong() {
        let missing = TlsArgs { cacert: Some("/no/such".into()), ..TlsArgs::default() };
        assert!(refused(&missing).starts_with("--cacert /no/such cannot be read"));
        let empty = file("nothing here");
        let path = Some(empty.path().to_owned());
        let none = refused(&TlsArgs { cacert: path.clone(), ..TlsArgs::default() });
        assert!(none.contains("contains no certificate"), "{none}");
        let broken = file("-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n");
        let args = TlsArgs { cacert: Some(broken.path().to_owned()), ..TlsArgs::default() };
        assert!(refused(&args).contains("cannot be read"));
        let whole = file("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        let cert = Some(whole.path().to_owned());
        let keyless = refused(&TlsArgs { insecure: true, cert, key: path, ..TlsArgs::default() });
        assert!(keyless.contains("contains no private key"), "{keyless}");
    }

    #[test]
    fn options_of_tls_need_tls() {
        let url = Url::parse("http://example.com/").unwrap();
        let args = TlsArgs { insecure: true, ..TlsArgs::default() };
        assert!(plan(&args, &url, false).unwrap_err().to_string().contains("https://"));
        assert_eq!(plan(&TlsArgs::default(), &url, false).unwrap(), None);
    }

    #[test]
    fn the_name_asked_for_is_the_url_s_host() {
        let named = |text: &str| {
            let args = TlsArgs { insecure: true, ..TlsArgs::default() };
            let plan = plan(&args, &Url::parse(text).unwrap(), false).unwrap().unwrap();
            (plan.server_name, plan.trust)
        };
        assert_eq!(named("https://Example.com./").0, "example.com");
        assert_eq!(named("https://[::1]:8443/"), ("::1".to_owned(), Trust::Anything));
    }
}
