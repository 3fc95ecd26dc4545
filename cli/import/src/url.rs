//! Addresses of the inputs, split into the scenario's target and a step's path and query.

use std::net::Ipv4Addr;

use uringbench_core::flow::value::Escape;
use uringbench_core::http::percent;

use crate::ImportError;
use crate::model::Target;
use crate::template::{self, Piece};

/// An address. All its parts are in the scenario's syntax.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Scheme and authority: `http://host:port`.
    pub(crate) origin: String,
    /// Its host and port as written.
    pub(crate) host: String,
    /// Begins with `/`.
    pub(crate) path: String,
    /// As written; empty after a `?` with nothing after it.
    pub(crate) query: Option<String>,
    /// `name:password` before the host, decoded.
    pub(crate) user: Option<String>,
}

impl Address {
    /// Parses an address; without a scheme it is http.
    pub(crate) fn parse(text: &str) -> Result<Self, ImportError> {
        let text = text.trim();
        let bad = |why: &str| {
            let shown = crate::shown(text);
            ImportError::new(format!("`{shown}` is not an address that uringbench can load: {why}"))
        };
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if !scheme.contains(['/', '?', '#', '{']) => {
                (scheme.to_ascii_lowercase(), rest)
            }
            // A value may contain its own scheme.
            _ if text.starts_with("{{") && !text.starts_with("{{{{") => (String::new(), text),
            _ => ("http".to_owned(), text),
        };
        let is_of_value = scheme.is_empty() && !text.starts_with("://");
        if !matches!(scheme.as_str(), "http" | "https") && !is_of_value {
            return Err(bad("write http:// or https://"));
        }
        let end = template::find(rest, |c| matches!(c, '/' | '?' | '#')).unwrap_or(rest.len());
        let (authority, after) = rest.split_at(end);
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(decoded_user(user)), host),
            None => (None, authority),
        };
        let written = host;
        let host = checked_host(host).ok_or_else(|| {
            bad(if host.is_ascii() {
                "write a host, such as http://127.0.0.1:8080/"
            } else {
                "write the host's name in ASCII, xn--…"
            })
        })?;
        // Removes the default port, which means the same server (RFC 9110 section 4.2.3) and the
        // same Host.
        let default_port = if scheme == "https" { ":443" } else { ":80" };
        let host = match host.strip_suffix(default_port) {
            Some(bare) if !scheme.is_empty() => bare.to_owned(),
            _ => host,
        };
        let written = written.get(..host.len()).unwrap_or(written).to_owned();
        let origin = if scheme.is_empty() { host } else { format!("{scheme}://{host}") };
        let after = template::split_once(after, '#').map_or(after, |(before, _)| before);
        let (path, query) = match template::split_once(after, '?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (after, None),
        };
        Ok(Self { origin, host: written, path: clean_path(path), query, user })
    }

    /// The target of the request.
    pub(crate) fn target(&self) -> Target {
        target(&self.path, self.query.as_deref())
    }
}

/// The target with this path and this query, which is sent as written: servers may compare it, or a
/// signature of it, byte by byte.
pub(crate) fn target(path: &str, query: Option<&str>) -> Target {
    let path = clean_path(path);
    match query.map(|query| (query, pairs(query))) {
        None => Target::Path { path, query: Vec::new() },
        Some((_, Some(query))) => Target::Path { path, query },
        Some((query, None)) => verbatim(&path, query),
    }
}

/// The address as curl reads it: one `/` after the scheme is enough, and an IPv4 address in any
/// numeric form (inet_aton(3)) becomes the usual four numbers.
pub(crate) fn as_curl_reads(address: &str) -> String {
    let lower = address.to_ascii_lowercase();
    let scheme = ["http:/", "https:/"].into_iter().find(|scheme| {
        lower.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
    });
    let address = match scheme {
        Some(scheme) => format!("{scheme}/{}", &address[scheme.len()..]),
        None => address.to_owned(),
    };
    let begin = address.find("://").map_or(0, |at| at + 3);
    let rest = &address[begin..];
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host_at = rest[..end].rfind('@').map_or(0, |at| at + 1);
    let host = rest[host_at..end].split(':').next().unwrap_or_default();
    match ipv4(host) {
        Some(ip) if ip.to_string() != host => {
            let (before, after) = (&address[..begin + host_at], &rest[host_at + host.len()..]);
            format!("{before}{ip}{after}")
        }
        _ => address,
    }
}

/// One to four numbers, decimal, octal after a `0` or hexadecimal after `0x`; the last one fills
/// the remaining bytes.
fn ipv4(host: &str) -> Option<Ipv4Addr> {
    let number = |text: &str| {
        let lower = text.to_ascii_lowercase();
        let (digits, radix) = match lower.strip_prefix("0x") {
            Some(digits) => (digits.to_owned(), 16),
            None if lower.len() > 1 && lower.starts_with('0') => (lower, 8),
            None => (lower, 10),
        };
        let is_plain = digits.chars().all(|c| c.is_ascii_hexdigit());
        u32::from_str_radix(&digits, radix).ok().filter(|_| is_plain)
    };
    let numbers: Vec<u32> = host.split('.').map(number).collect::<Option<_>>()?;
    let (last, first) = numbers.split_last()?;
    let room = 32_u32.checked_sub(8 * u32::try_from(first.len()).ok()?)?;
    if room == 0 || first.iter().any(|part| *part > 255) || u64::from(*last) >> room != 0 {
        return None;
    }
    let begin = first.iter().fold(0_u64, |begin, part| begin << 8 | u64::from(*part));
    u32::try_from(begin << room | u64::from(*last)).ok().map(Ipv4Addr::from)
}

/// Path and query as written, values included.
pub(crate) fn verbatim(path: &str, query: &str) -> Target {
    Target::Verbatim(format!("{}?{}", clean_path(path), clean(query, &['#'])))
}

/// The path with a leading `/`, percent-encoded where necessary.
fn clean_path(path: &str) -> String {
    let path = clean(path, &['#', '?']);
    if path.starts_with('/') { path } else { format!("/{path}") }
}

/// Percent-encodes the characters that cannot be sent.
pub(crate) fn clean(text: &str, besides: &[char]) -> String {
    template::map(text, &|literal| {
        let mut clean = String::new();
        for c in literal.chars() {
            if c.is_ascii_graphic() && !besides.contains(&c) {
                clean.push(c);
            } else {
                // In lower case, as in curl.
                clean += &c.to_string().bytes().map(|b| format!("%{b:02x}")).collect::<String>();
            }
        }
        clean
    })
}

/// Percent-encodes all but letters, digits and `-._~`, as forms and queries need it.
pub(crate) fn encoded(text: &str) -> String {
    encoded_bytes(text.as_bytes())
}

/// The same for bytes that may not be text.
pub(crate) fn encoded_bytes(bytes: &[u8]) -> String {
    let mut encoded = String::new();
    Escape::Url.pieces(bytes, &mut |piece| encoded += &String::from_utf8_lossy(piece));
    encoded
}

/// The decoded names and values of a query or a form; `None` if the scenario would encode them to
/// other bytes: another encoding of the same value, a repeated name, a missing value, or bytes that
/// are not text.
pub(crate) fn pairs(query: &str) -> Option<Vec<(String, String)>> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for part in template::split(query, '&') {
        let (name, value) = template::split_once(part, '=')?;
        let plain_name = template::constant(&decoded(name)?)?;
        let plain_value = decoded(value)?;
        let is_exact = encoded(&plain_name) == name
            && template::map(&plain_value, &encoded) == value
            && pairs.iter().all(|(known, _)| *known != plain_name);
        if !is_exact {
            return None;
        }
        pairs.push((plain_name, plain_value));
    }
    Some(pairs)
}

fn decoded(text: &str) -> Option<String> {
    decoded_with(text, b' ')
}

/// Name and password, in which a `+` is literal. Bytes that are not text stay encoded.
fn decoded_user(user: &str) -> String {
    decoded_with(user, b'+').unwrap_or_else(|| user.to_owned())
}

/// Percent-decoded, with `plus` in the place of `+`.
fn decoded_with(text: &str, plus: u8) -> Option<String> {
    let mut pieces = template::pieces(text);
    for piece in &mut pieces {
        if let Piece::Literal(literal) = piece {
            *literal = decoded_literal(literal, plus)?;
        }
    }
    Some(template::join(pieces))
}

/// A text without its percent-encoding, in which `+` is literal; `None` if the bytes are not text.
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    decoded_literal(text, b'+')
}

fn decoded_literal(text: &str, plus: u8) -> Option<String> {
    String::from_utf8(percent::decoded(text, plus)).ok()
}

/// A host with an optional port, in lower case.
fn checked_host(host: &str) -> Option<String> {
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    let pieces = template::pieces(host);
    let is_good = |piece: &Piece| match piece {
        Piece::Literal(literal) => literal.chars().all(is_host),
        Piece::Value(value) => value.trim_start_matches("{{").trim_start().starts_with("env "),
    };
    let is_empty = host.is_empty() || host.starts_with(':');
    let port = host.rsplit_once(':').map_or("", |(_, port)| port);
    let has_bad_port = !port.contains(']')
        && !port.is_empty()
        && !port.contains("}}")
        && port.parse::<u16>().is_err();
    (!is_empty && !has_bad_port && pieces.iter().all(is_good))
        .then(|| template::map(host, &str::to_ascii_lowercase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_in_numbers_and_single_slashes_are_read_as_curl_does() {
        let same = ["http://127.0.0.1:80/a", "host/1.2", "http://1.2.3.4.5/", "http://h/127.1"];
        let same = same.iter().chain(&["http://256.1/", "http://1.2.3.256/", "http://08/", "x:/y"]);
        for address in same {
            assert_eq!(as_curl_reads(address), *address);
        }
        for (address, read) in [
            ("http://127.1:8/x", "http://127.0.0.1:8/x"),
            ("2130706433?a", "127.0.0.1?a"),
            ("https://u:p@0x7f.1/", "https://u:p@127.0.0.1/"),
            ("http://0177.0.0.01", "http://127.0.0.1"),
            ("http:/h/x", "http://h/x"),
            ("HTTPS:/h", "https://h"),
        ] {
            assert_eq!(as_curl_reads(address), read);
        }
    }

    #[test]
    fn the_default_port_is_no_other_server() {
        let origin = |text| Address::parse(text).expect("a plain address").origin;
        assert_eq!(origin("http://h:80/a"), "http://h");
        assert_eq!(origin("https://h:443/a"), "https://h");
        assert_eq!(origin("http://h:443/a"), "http://h:443");
        assert_eq!(origin("http://[::1]:80/"), "http://[::1]");
    }

    fn read(text: &str) -> String {
        match Address::parse(text) {
            Err(why) => why.to_string(),
            Ok(address) => {
                let user = address.user.as_deref().unwrap_or_default();
                format!("{} {:?} {user}", address.origin, address.target())
            }
        }
    }

    #[test]
    fn addresses_are_cut_into_target_path_and_query() {
        let path =
            |path: &str, query: &str| format!("Path {{ path: \"{path}\", query: [{query}] }} ");
        let cases = [
            ("http://A.example", format!("http://a.example {}", path("/", ""))),
            ("a:8080/x y#f", format!("http://a:8080 {}", path("/x%20y", ""))),
            ("https://a/?q=1%202%263&%C3%A9=", {
                format!("https://a {}", path("/", "(\"q\", \"1 2&3\"), (\"é\", \"\")"))
            }),
            ("a/x?", "http://a Verbatim(\"/x?\") ".into()),
            ("a/?q=1+2", "http://a Verbatim(\"/?q=1+2\") ".into()),
            ("a/?q=%2f", "http://a Verbatim(\"/?q=%2f\") ".into()),
            ("a/?q=%7E", "http://a Verbatim(\"/?q=%7E\") ".into()),
            ("a/?q=a/b:c@d,e", "http://a Verbatim(\"/?q=a/b:c@d,e\") ".into()),
            ("a/?q[]=1", "http://a Verbatim(\"/?q[]=1\") ".into()),
            ("a/?q=1&", "http://a Verbatim(\"/?q=1&\") ".into()),
            ("http://a/p?x&y=1", "http://a Verbatim(\"/p?x&y=1\") ".into()),
            ("http://a/p?x=1&x=2 3", "http://a Verbatim(\"/p?x=1&x=2%203\") ".into()),
            ("http://a/p?x=%ff", "http://a Verbatim(\"/p?x=%ff\") ".into()),
            ("http://u:p@a/", format!("http://a {}u:p", path("/", ""))),
            ("http://u%40x:p%2Fw+@a/", format!("http://a {}u@x:p/w+", path("/", ""))),
            (
                "{{env H}}/x?q={{a/b?c}}",
                format!("{{{{env H}}}} {}", path("/x", "(\"q\", \"{{a/b?c}}\")")),
            ),
            ("http://a/?q=%7B%7Bx", format!("http://a {}", path("/", "(\"q\", \"{{{{x\")"))),
            ("http://a/?q=%7b", "http://a Verbatim(\"/?q=%7b\") ".into()),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), expected, "{text}");
        }
        for text in
            ["", "ftp://a/", "http://", "http:///x", "http://a b/", "http://é/", "http://a:x/"]
        {
            assert!(
                read(text).contains("is not an address that uringbench can load: write"),
                "{text}"
            );
        }
    }
}
