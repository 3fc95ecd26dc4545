//! TLS configuration of one worker's connections, made from a plan: trust, identity, earlier
//! sessions.

use std::sync::Arc;

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, Error, RootCertStore};
use thiserror::Error;
use uringbench_core::plan::{Identity, TlsPlan, TlsVersions, Trust};

use super::sessions::Sessions;
use super::trust::{Anyone, Vouched};
use super::{key, words};

/// Why TLS cannot be set up as planned.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TlsSetupError {
    /// Neither a host name nor an address.
    #[error("`{0}` cannot be the name in a certificate: use a host name or an address")]
    Name(String),
    /// None of the certificates to trust can be one.
    #[error("none of the certificates to trust can be used: {0}")]
    Roots(String),
    /// The form of the key is unknown.
    #[error("the private key is neither PKCS #8 nor PKCS #1 nor SEC 1: convert it (openssl pkey)")]
    Key,
    /// The kind of the key is not supported for signatures.
    #[error(
        "the private key is {0}, which is not supported: use RSA from 2,048 to 4,096 \
         bits, P-256, P-384 or Ed25519"
    )]
    KeyKind(String),
    /// The kind of the key is supported, but the key is incomplete.
    #[error("the private key ({0}) cannot be used, it is damaged or malformed: create it again")]
    KeyDamaged(String),
    /// The certificate and its key do not go together.
    #[error("the client certificate cannot be used with its key: {0}")]
    Identity(String),
    /// The library refuses.
    #[error("TLS cannot be set up: {0}")]
    Other(String),
}

/// The configuration that one worker's connections share, and the server name. Each worker has its
/// own, so that no other worker locks its sessions.
///
/// # Errors
/// If the plan's certificates, key or name cannot be used.
pub fn client_config(
    plan: &TlsPlan,
) -> Result<(Arc<ClientConfig>, ServerName<'static>), TlsSetupError> {
    let name = ServerName::try_from(plan.server_name.clone())
        .map_err(|_| TlsSetupError::Name(plan.server_name.clone()))?;
    let provider = Arc::new(ring::default_provider());
    let versions = match plan.versions {
        TlsVersions::Both => &[&TLS13, &TLS12][..],
        TlsVersions::Only12 => &[&TLS12],
        TlsVersions::Only13 => &[&TLS13],
    };
    let other = |why: Error| TlsSetupError::Other(words::of(&why));
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(other)?;
    let builder = match &plan.trust {
        Trust::Anything => builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone)),
        Trust::Roots(roots) => {
            let vouched = Arc::new(vouched(&roots.certificates, provider)?);
            builder.dangerous().with_custom_certificate_verifier(vouched)
        }
    };
    let mut config = match &plan.identity {
        None => builder.with_no_client_auth(),
        Some(Identity { chain, key, .. }) => {
            let chain = chain.iter().cloned().map(CertificateDer::from).collect();
            let key = PrivateKeyDer::try_from(key.clone()).map_err(|_| TlsSetupError::Key)?;
            let (kind, is_used) = key::kind(&key);
            builder.with_client_auth_cert(chain, key).map_err(|why| match why {
                // The library reports a key that it cannot read only like this.
                Error::General(_) if is_used => TlsSetupError::KeyDamaged(kind),
                Error::General(_) => TlsSetupError::KeyKind(kind),
                why => TlsSetupError::Identity(words::of(&why)),
            })?
        }
    };
    config.alpn_protocols = plan.alpn.iter().map(|name| name.clone().into_bytes()).collect();
    config.resumption = if plan.resumes {
        Resumption::store(Arc::new(Sessions::default()))
    } else {
        Resumption::disabled()
    };
    Ok((Arc::new(config), name))
}

fn vouched(roots: &[Vec<u8>], provider: Arc<CryptoProvider>) -> Result<Vouched, TlsSetupError> {
    let store = Arc::new(root_store(roots)?);
    let authorities = WebPkiServerVerifier::builder_with_provider(store, provider)
        .build()
        .map_err(|why| TlsSetupError::Roots(why.to_string()))?;
    let roots = roots.iter().cloned().map(CertificateDer::from).collect();
    Ok(Vouched { roots, authorities })
}

/// Some roots of a system no longer parse; one that does is enough.
fn root_store(roots: &[Vec<u8>]) -> Result<RootCertStore, TlsSetupError> {
    let mut store = RootCertStore::empty();
    let mut refused = None;
    for root in roots {
        if let Err(why) = store.add(CertificateDer::from(root.clone())) {
            refused = Some(words::of(&why));
        }
    }
    if store.is_empty() {
        return Err(TlsSetupError::Roots(refused.unwrap_or_else(|| "there are none".to_owned())));
    }
    Ok(store)
}
