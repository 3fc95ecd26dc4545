//! Who may look: requests for this server by address, from no other page, with its token.
//!
//! A page of another origin can reach loopback through a name that resolves to it (DNS rebinding):
//! its `Host` is that name, and `Origin` agrees with it. So the host is checked first, whatever is
//! asked for.

use std::net::{IpAddr, SocketAddr};

use crate::request::Request;

/// Why a request is refused: the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Malformed,
    Forbidden,
    NotFound,
    Method,
    TooLarge,
    Misdirected,
}

/// The rules.
#[derive(Debug)]
pub(crate) struct Access {
    bound: SocketAddr,
    token: String,
}

impl Access {
    pub(crate) const fn new(bound: SocketAddr, token: String) -> Self {
        Self { bound, token }
    }

    /// What a request asks for: its path below the token, with the query.
    pub(crate) fn check<'a>(&self, request: &'a Request) -> Result<&'a str, Refused> {
        let host = request.host.as_deref().ok_or(Refused::Misdirected)?;
        if !self.is_ours(host) {
            return Err(Refused::Misdirected);
        }
        let is_same = |origin: &String| *origin == format!("http://{host}");
        if !request.origin.as_ref().is_none_or(is_same) {
            return Err(Refused::Forbidden);
        }
        let is_near = |site: &String| matches!(site.as_str(), "same-origin" | "none");
        if !request.site.as_ref().is_none_or(is_near) {
            return Err(Refused::Forbidden);
        }
        if !matches!(request.method.as_str(), "GET" | "HEAD") {
            return Err(Refused::Method);
        }
        let (token, name) = request
            .path
            .strip_prefix('/')
            .and_then(|it| it.split_once('/'))
            .ok_or(Refused::NotFound)?;
        if !is_same_secret(token, &self.token) {
            return Err(Refused::NotFound);
        }
        Ok(name)
    }

    /// Whether a host is an address, not a name that somebody else gave us, with our port.
    fn is_ours(&self, host: &str) -> bool {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => (name, port.parse().ok()),
            _ => (host, Some(80)),
        };
        if port != Some(self.bound.port()) {
            return false;
        }
        if name.eq_ignore_ascii_case("localhost") {
            return self.bound.ip().is_loopback() || self.bound.ip().is_unspecified();
        }
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        match (bare.parse::<IpAddr>(), self.bound.ip()) {
            (Ok(_), bound) if bound.is_unspecified() => true,
            (Ok(ip), bound) => ip == bound,
            (Err(_), _) => false,
        }
    }
}

/// Compares in a time that does not depend on where they differ.
fn is_same_secret(given: &str, secret: &str) -> bool {
    let pairs = given.bytes().zip(secret.bytes());
    given.len() == secret.len() && pairs.fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str, host: &str) -> Request {
        Request {
            method: "GET".to_owned(),
            path: path.to_owned(),
            host: Some(host.to_owned()),
            origin: None,
            site: None,
        }
    }

    fn access(bound: &str) -> Access {
        Access::new(bound.parse().expect("an address"), "00ff".to_owned())
    }

    #[test]
    fn a_name_that_somebody_else_gave_us_is_refused_before_anything_else() {
        let ours = access("127.0.0.1:8080");
        for host in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080"] {
            assert_eq!(ours.check(&request("/00ff/", host)), Ok(""), "{host}");
        }
        for host in [
            "evil.example:8080",
            "localhost.evil.example:8080",
            "127.0.0.1",
            "127.0.0.1:80",
            "127.0.0.2:8080",
            "[::1]:8080",
            "",
            ":8080",
            "127.0.0.1:8080:8080",
        ] {
            for path in ["/00ff/", "/", "/wrong/"] {
                let request = request(path, host);
                let refused = ours.check(&request);
                assert_eq!(refused, Err(Refused::Misdirected), "{host} {path}");
            }
        }
        let mut none = request("/00ff/", "");
        none.host = None;
        assert_eq!(ours.check(&none), Err(Refused::Misdirected));
        let everywhere = access("0.0.0.0:80");
        for (host, is_ours) in
            [("10.0.0.1", true), ("10.0.0.1:80", true), ("localhost", true), ("a.example", false)]
        {
            assert_eq!(everywhere.check(&request("/00ff/", host)).is_ok(), is_ours, "{host}");
        }
    }

    #[test]
    fn other_pages_methods_and_tokens_are_refused() {
        let ours = access("127.0.0.1:8080");
        let ask = |change: &dyn Fn(&mut Request)| {
            let mut request = request("/00ff/events", "127.0.0.1:8080");
            change(&mut request);
            ours.check(&request).map(str::to_owned)
        };
        assert_eq!(ask(&|_| {}), Ok("events".to_owned()));
        let origin = |text: &'static str| move |it: &mut Request| it.origin = Some(text.to_owned());
        assert_eq!(ask(&origin("http://127.0.0.1:8080")), Ok("events".to_owned()));
        assert_eq!(ask(&origin("http://evil.example")), Err(Refused::Forbidden));
        assert_eq!(ask(&origin("null")), Err(Refused::Forbidden));
        let site = |text: &'static str| move |it: &mut Request| it.site = Some(text.to_owned());
        assert_eq!(ask(&site("none")), Ok("events".to_owned()));
        assert_eq!(ask(&site("cross-site")), Err(Refused::Forbidden));
        assert_eq!(ask(&|it| it.method = "POST".to_owned()), Err(Refused::Method));
        for path in ["/", "/00ff", "/00fe/", "/00ff0/", "//", "/../00ff/", "/%30%30ff/"] {
            assert_eq!(ask(&|it| it.path = path.to_owned()), Err(Refused::NotFound), "{path}");
        }
    }
}
