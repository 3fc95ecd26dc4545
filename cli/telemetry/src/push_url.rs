//! The address of a receiver.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ureq::http::Uri;

/// An address to which metrics are posted.
#[derive(Clone, PartialEq, Eq)]
pub struct PushUrl {
    /// Without user and password.
    url: String,
    /// The value of `Authorization`, if the address has a user.
    authorization: Option<String>,
    has_path: bool,
}

/// Why an address cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushUrlError {
    /// It is none.
    #[error("it is no address: write http://HOST:PORT/PATH, or https://")]
    Malformed,
    /// It has no scheme that can be sent to.
    #[error("only http:// and https:// can be sent to")]
    Scheme,
}

impl FromStr for PushUrl {
    type Err = PushUrlError;

    fn from_str(text: &str) -> Result<Self, PushUrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(PushUrlError::Malformed)?;
        if !matches!(scheme, "http" | "https") {
            return Err(PushUrlError::Scheme);
        }
        let end = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let url = format!("{scheme}://{host}{path}");
        let uri: Uri = url.parse().map_err(|_| PushUrlError::Malformed)?;
        if uri.host().is_none_or(str::is_empty) || host.ends_with(':') {
            return Err(PushUrlError::Malformed);
        }
        let authorization = user.map(|user| format!("Basic {}", STANDARD.encode(user)));
        Ok(Self { url, authorization, has_path: path.len() > 1 })
    }
}

impl PushUrl {
    /// The address with this path, unless it has one.
    pub(crate) fn with_path(&self, path: &str) -> Self {
        match self.has_path {
            true => self.clone(),
            false => Self {
                url: format!("{}{path}", self.url.trim_end_matches('/')),
                has_path: true,
                ..self.clone()
            },
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.url
    }

    pub(crate) fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }
}

/// Without user, password and query, any of which may be a secret.
impl fmt::Display for PushUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.split('?').next().unwrap_or_default())
    }
}

impl fmt::Debug for PushUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> PushUrl {
        text.parse().unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    #[test]
    fn a_user_becomes_a_header_and_is_not_shown() {
        let push = url("https://me:s3cret@host:9/api/v1/write?key=s3cret");
        assert_eq!(push.to_string(), "https://host:9/api/v1/write");
        assert!(!format!("{push:?}").contains("s3cret"));
        assert_eq!(push.as_str(), "https://host:9/api/v1/write?key=s3cret");
        assert_eq!(push.authorization(), Some("Basic bWU6czNjcmV0"));
        assert_eq!(url("http://h/").authorization(), None);
    }

    #[test]
    fn a_path_is_added_where_there_is_none() {
        for (given, whole) in [
            ("http://h:4318", "http://h:4318/v1/metrics"),
            ("http://[::1]:4318/", "http://[::1]:4318/v1/metrics"),
            ("http://h/own", "http://h/own"),
        ] {
            assert_eq!(url(given).with_path("/v1/metrics").as_str(), whole);
        }
    }

    #[test]
    fn mistakes_are_named() {
        for text in ["h:1", "http://", "http:///x", "http://a b/", "http://h:"] {
            assert_eq!(text.parse::<PushUrl>(), Err(PushUrlError::Malformed), "{text}");
        }
        assert_eq!("ftp://h/".parse::<PushUrl>(), Err(PushUrlError::Scheme));
    }
}
