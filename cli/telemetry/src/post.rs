//! One request to a receiver, and what its answer means for the metrics in it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring::default_provider;
use ureq::Agent;
use ureq::http::HeaderMap;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use crate::push_url::PushUrl;

/// Longest time for one request.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Characters of an error's text that are shown.
const SHOWN_MAX: usize = 200;

/// What became of metrics that were posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PostResult {
    /// The receiver has them.
    Accepted,
    /// They may be sent again, after this time if the receiver named one.
    Later(Option<Duration>, String),
    /// They will never be accepted.
    Refused(String),
}

/// Posts to receivers.
pub(crate) struct Client {
    agent: Agent,
    token: Option<String>,
}

impl Client {
    pub(crate) fn new(token: Option<String>) -> Self {
        let agent = Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            // A redirect would send the token elsewhere.
            .max_redirects(0)
            .proxy(None)
            .user_agent(concat!("uringbench/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls())
            .build();
        Self { agent: agent.into(), token }
    }

    /// Post a body. `headers` are those of its format.
    pub(crate) fn post(&self, url: &PushUrl, headers: &[(&str, &str)], body: &[u8]) -> PostResult {
        let mut request = self.agent.post(url.as_str());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        if let Some(value) = bearer.as_deref().or_else(|| url.authorization()) {
            request = request.header("Authorization", value);
        }
        match request.send(body) {
            Ok(mut answer) => {
                let text = answer.body_mut().with_config().limit(4_096).read_to_string();
                let (code, text) = (answer.status().as_u16(), text.unwrap_or_default());
                meaning(code, answer.headers(), &text)
            }
            Err(why) => PostResult::Later(None, shown(&why)),
        }
    }
}

/// The certificates of this machine.
fn tls() -> TlsConfig {
    let found = rustls_native_certs::load_native_certs().certs;
    let roots: Vec<_> =
        found.iter().map(|root| Certificate::from_der(root.as_ref()).to_owned()).collect();
    TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(default_provider()))
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .build()
}

/// Only overload and failures of the receiver pass by themselves.
fn meaning(code: u16, headers: &HeaderMap, text: &str) -> PostResult {
    let first = text.lines().next().unwrap_or_default();
    let why = shown(&format!("status {code} {first}").trim_end());
    match code {
        200..=299 => PostResult::Accepted,
        429 | 500..=599 => {
            let after = headers.get("Retry-After").and_then(|value| value.to_str().ok());
            let after = after.and_then(|value| value.trim().parse().ok());
            PostResult::Later(after.map(Duration::from_secs), why)
        }
        _ => PostResult::Refused(why),
    }
}

fn shown(why: &impl fmt::Display) -> String {
    let why = why.to_string();
    let plain = why.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    plain.take(SHOWN_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_overload_and_failures_are_tried_again() {
        let mut headers = HeaderMap::new();
        headers.insert("Retry-After", "7".parse().expect("a header's value"));
        for (code, result) in [
            (200, PostResult::Accepted),
            (204, PostResult::Accepted),
            (302, PostResult::Refused("status 302 why".to_owned())),
            (400, PostResult::Refused("status 400 why".to_owned())),
            (429, PostResult::Later(Some(Duration::from_secs(7)), "status 429 why".to_owned())),
            (503, PostResult::Later(Some(Duration::from_secs(7)), "status 503 why".to_owned())),
        ] {
            assert_eq!(meaning(code, &headers, "why\nmore"), result);
        }
        let later = meaning(500, &HeaderMap::new(), "");
        assert_eq!(later, PostResult::Later(None, "status 500".to_owned()));
    }
}
