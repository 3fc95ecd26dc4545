//! The URL of the target: HTTP, WebSocket, Redis or PostgreSQL, with or without TLS, split into the
//! parts of a connection and a request.
//!
//! It accepts valid URLs, and returns the fix for others; `resolve` looks up addresses. The grammar
//! is that of RFC 3986, restricted to URLs that can be sent in an origin-form request.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The server and the path of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// The protocol.
    pub(crate) scheme: Scheme,
    /// A name to look up, or an address.
    pub(crate) host: Host,
    /// TCP port; the scheme's default if none was given.
    pub(crate) port: u16,
    /// Path and query as sent, beginning with `/`.
    pub(crate) path: String,
}

/// The protocol of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// HTTP in plain text.
    Http,
    /// HTTP over TLS.
    Https,
    /// WebSocket in plain text.
    Ws,
    /// WebSocket over TLS.
    Wss,
    /// Redis in plain text.
    Redis,
    /// Redis over TLS.
    Rediss,
    /// PostgreSQL in plain text.
    Postgres,
    /// PostgreSQL over TLS, whose certificate is checked or not.
    PostgresTls {
        /// Whether it is.
        verifies: bool,
    },
}

impl Scheme {
    const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Ws => "ws",
            Self::Wss => "wss",
            Self::Redis => "redis",
            Self::Rediss => "rediss",
            Self::Postgres | Self::PostgresTls { .. } => "postgres",
        }
    }

    /// The default port (RFC 9110 section 4.2; those of the databases).
    const fn port(self) -> u16 {
        match self {
            Self::Http | Self::Ws => 80,
            Self::Https | Self::Wss => 443,
            Self::Redis | Self::Rediss => 6379,
            Self::Postgres | Self::PostgresTls { .. } => 5432,
        }
    }

    /// Whether it uses TLS.
    pub(crate) const fn has_tls(self) -> bool {
        matches!(self, Self::Https | Self::Wss | Self::Rediss | Self::PostgresTls { .. })
    }

    /// Whether it uses Redis commands.
    pub(crate) const fn is_redis(self) -> bool {
        matches!(self, Self::Redis | Self::Rediss)
    }

    /// Whether it uses transactions of PostgreSQL.
    pub(crate) const fn is_postgres(self) -> bool {
        matches!(self, Self::Postgres | Self::PostgresTls { .. })
    }

    /// Whether it is a database's.
    pub(crate) const fn is_database(self) -> bool {
        self.is_redis() || self.is_postgres()
    }

    /// Whether the certificate of TLS is checked, unless an option says otherwise.
    pub(crate) const fn verifies(self) -> bool {
        !matches!(self, Self::PostgresTls { verifies: false })
    }

    /// Whether it uses WebSocket messages.
    pub(crate) const fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }
}

/// The host part of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// A name, in lower case.
    Name(String),
    /// An IP address.
    Address(IpAddr),
}

impl Url {
    /// Parses a URL; without a scheme, `host:port/path` is read as http.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let bad = |why: &str| format!("bad URL `{}`: {why}", without_user(text).escape_default());
        let (rest, given) = without_scheme(text).map_err(|why| bad(&why))?;
        if let Some(c) = rest.chars().find(|c| !c.is_ascii_graphic()) {
            return Err(bad(&match c {
                c if c.is_ascii() => format!("write {c:?} as %{:02X}", u32::from(c)),
                c => format!("`{c}` is not ASCII; percent-encode it, or use the xn-- host name"),
            }));
        }
        let rest = rest.split_once('#').map_or(rest, |(before, _fragment)| before);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let scheme = given.unwrap_or(Scheme::Http);
        if given.is_none() && !looks_like_host(rest) {
            return Err(format!(
                "`{text}` is neither a command nor a URL such as http://127.0.0.1:8080/ \
                 (see `uringbench --help`)"
            ));
        }
        if authority.contains('@') {
            return Err(bad("no user or password in a URL; use -H 'Authorization: …'"));
        }
        let (host, port) = split_port(authority, scheme.port()).map_err(|why| bad(&why))?;
        let host = parse_host(host).map_err(|why| bad(&why))?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { scheme, host, port, path })
    }

    /// The value of the `Host` field: with the port only if it is not the default (RFC 9110 section
    /// 7.2).
    pub(crate) fn authority(&self) -> String {
        if self.port == self.scheme.port() {
            self.host.to_string()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// A URL for a message: without what stands before an `@`, which may be a password.
fn without_user(text: &str) -> String {
    let Some((before, rest)) = text.rsplit_once('@') else { return text.to_owned() };
    match before.split_once("://") {
        Some((scheme, _)) => format!("{scheme}://…@{rest}"),
        None => format!("…@{rest}"),
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.name(), self.authority(), self.path)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

fn without_scheme(text: &str) -> Result<(&str, Option<Scheme>), String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Ok((text, None));
    };
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Ok((rest, Some(Scheme::Http))),
        "https" => Ok((rest, Some(Scheme::Https))),
        "ws" => Ok((rest, Some(Scheme::Ws))),
        "wss" => Ok((rest, Some(Scheme::Wss))),
        "redis" => Ok((rest, Some(Scheme::Redis))),
        "rediss" => Ok((rest, Some(Scheme::Rediss))),
        "postgres" | "postgresql" => Ok((rest, Some(Scheme::Postgres))),
        // `host/path?to=https://…` has no scheme of its own.
        _ if scheme.contains(['/', '?', '#']) => Ok((text, None)),
        "" => Err("the scheme is missing; use http:// or https://".to_owned()),
        other => Err(format!(
            "the scheme `{other}` is not supported; use http://, https://, ws://, wss://, \
             redis://, rediss:// or postgres://"
        )),
    }
}

/// Without a scheme, a bare word is more likely a mistyped command than a host.
fn looks_like_host(text: &str) -> bool {
    text.contains(['.', ':', '/']) || text.eq_ignore_ascii_case("localhost")
}

fn split_port(authority: &str, default: u16) -> Result<(&str, u16), String> {
    let (host, port) = match authority.rfind(':') {
        Some(at) if !authority[at..].contains(']') => {
            (&authority[..at], Some(&authority[at + 1..]))
        }
        _ => (authority, None),
    };
    if host.contains(':') && !host.starts_with('[') {
        return Err("an IPv6 address goes in brackets, as in http://[::1]:8080/".to_owned());
    }
    match port {
        // An empty port is the default one (RFC 3986 section 3.2.3).
        None | Some("") => Ok((host, default)),
        Some(digits) => match digits.parse() {
            Ok(port) if port != 0 && digits.bytes().all(|b| b.is_ascii_digit()) => Ok((host, port)),
            _ => Err(format!("`{digits}` is not a port; ports go from 1 to 65535")),
        },
    }
}

fn parse_host(host: &str) -> Result<Host, String> {
    if host.is_empty() {
        return Err("the host is missing".to_owned());
    }
    if let Some(inner) = host.strip_prefix('[') {
        let address = inner.strip_suffix(']').and_then(|inner| inner.parse::<Ipv6Addr>().ok());
        return address
            .map(|address| Host::Address(IpAddr::V6(address)))
            .ok_or_else(|| format!("`{host}` is not an IPv6 address in brackets"));
    }
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Ok(Host::Address(IpAddr::V4(address)));
    }
    if host.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err(format!("`{host}` is not an IPv4 address"));
    }
    let letters = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    if name.len() <= 253 && name.split('.').all(letters) {
        Ok(Host::Name(host.to_ascii_lowercase()))
    } else {
        Err(format!("`{host}` is not a host name"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_and_where() {
        let cases = [
            ("http://127.0.0.1:8080/", "127.0.0.1:8080", "/"),
            ("http://example.com", "example.com", "/"),
            ("HTTP://Example.COM:80/A?b=c#d", "example.com", "/A?b=c"),
            ("http://localhost?x=1", "localhost", "/?x=1"),
            ("http://[::1]:9000/a", "[::1]:9000", "/a"),
            ("http://[2001:db8::1]/", "[2001:db8::1]", "/"),
            ("localhost:8080/x", "localhost:8080", "/x"),
            ("localhost", "localhost", "/"),
            ("my-host.lan/a:b", "my-host.lan", "/a:b"),
            ("svc_1.ns.:81#f", "svc_1.ns.:81", "/"),
            ("localhost/go?to=https://example.com/", "localhost", "/go?to=https://example.com/"),
            ("http://h:/", "h", "/"),
            ("https://h/", "h", "/"),
            ("HTTPS://h:80", "h:80", "/"),
            ("https://h:443/x", "h", "/x"),
            ("ws://h:80/x", "h", "/x"),
            ("wss://h/x", "h", "/x"),
        ];
        for (text, authority, path) in cases {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.authority().as_str(), url.path.as_str()), (authority, path), "{text}");
            assert_eq!(Url::parse(&url.to_string()), Ok(url), "{text}");
        }
    }

    #[test]
    fn what_is_refused_says_how_to_mend_it_in_one_line() {
        let cases = [
            ("ftp://h/", "use http://"),
            ("://h/", "use http://"),
            ("http://", "host is missing"),
            ("http://:80/", "host is missing"),
            ("http://u:p@h/", "Authorization"),
            ("http://h:0/", "1 to 65535"),
            ("http://h:65536/", "1 to 65535"),
            ("http://h:+80/", "1 to 65535"),
            ("http://h:http/", "1 to 65535"),
            ("http://::1/", "in brackets"),
            ("http://[::1/", "in brackets"),
            ("http://[fe80::1%25eth0]/", "in brackets"),
            ("http://256.0.0.1/", "IPv4"),
            ("http://a..b/", "host name"),
            ("http://a*b/", "host name"),
            ("http://h/a b", "%20"),
            ("http://h/\r\nX: y", "%0D"),
            ("http://h/é", "percent-encode"),
            ("", "neither a command nor a URL"),
            ("doctr", "neither a command nor a URL"),
        ];
        for (text, part) in cases {
            let why = Url::parse(text).unwrap_err();
            assert!(why.contains(part), "{text}: {why}");
            assert!(!why.contains(['\n', '\r']), "{text}: {why}");
        }
    }
}
