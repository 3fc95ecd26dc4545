//! A line of a log: a request, its time and its status, in any surrounding text.

use crate::request::is_method;
use crate::time::{self, Stamp};

/// The largest number of words in a time: `Fri Jan 2 03:04:05 2026`.
const TIME_WORDS: usize = 5;
/// The methods to look for in lines without quotes around the request.
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/// The request of a log line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) stamp: Stamp,
    pub(super) method: String,
    /// Path and query, as they can be sent.
    pub(super) url: String,
    pub(super) status: Option<u16>,
    /// Whether the line contains headers of the request, such as its user agent.
    pub(super) has_headers: bool,
}

/// Why a line is not a request.
pub(super) type Why = &'static str;

pub(super) const NO_TIME: Why = "there is no time with a date in it";
pub(super) const NO_REQUEST: Why = "there is no request in it";
const NOT_SENT: Why = "its request cannot be sent";

/// The fields of a line with names.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) stamp: Option<Stamp>,
    /// `GET / HTTP/1.1`.
    pub(super) request: Option<String>,
    pub(super) method: Option<String>,
    pub(super) url: Option<String>,
    pub(super) query: Option<String>,
    pub(super) status: Option<u16>,
}

impl Fields {
    pub(super) fn line(self) -> Result<Line, Why> {
        let by_request = self.request.as_deref().map(request_of).transpose();
        let (method, url) = match (by_request, self.method, self.url) {
            (Ok(Some(request)), _, _) => request,
            (_, Some(method), Some(url)) => {
                let query = self.query.filter(|query| !query.is_empty() && query != "-");
                let query = query.filter(|_| !url.contains('?'));
                let url = match query {
                    Some(query) => format!("{url}?{}", query.trim_start_matches('?')),
                    None => url,
                };
                let url = path_of(&url).filter(|_| is_method(&method)).ok_or(NOT_SENT)?;
                (method, url)
            }
            (Err(why), _, _) => return Err(why),
            _ => return Err(NO_REQUEST),
        };
        let stamp = self.stamp.ok_or(NO_TIME)?;
        Ok(Line { stamp, method, url, status: self.status, has_headers: false })
    }
}

/// Parses a line with its request in quotes, or at least a method before its path. `known` is the
/// time for lines without one.
pub(super) fn read(text: &str, known: Option<Stamp>) -> Result<Line, Why> {
    let (method, url, before, after) = match quoted(text) {
        Ok(found) => found,
        Err(NO_REQUEST) => loose(text).ok_or(NO_REQUEST)?,
        Err(why) => return Err(why),
    };
    let (stamp, is_found_before) = match stamp_in(before) {
        Some(stamp) => (Some(stamp), true),
        None => (stamp_in(after), false),
    };
    let stamp = stamp.or(known).ok_or(NO_TIME)?;
    let first = after.split_ascii_whitespace().next().and_then(status_of);
    let others = || {
        // Load balancers write it before the request, after the time.
        let around = if is_found_before { before } else { after };
        around.split_ascii_whitespace().find_map(status_of)
    };
    let has_headers = after.contains('"');
    Ok(Line { stamp, method, url, status: first.or_else(others), has_headers })
}

type Found<'a> = (String, String, &'a str, &'a str);

/// The first quoted text that is a request, and the text around it.
fn quoted(text: &str) -> Result<Found<'_>, Why> {
    let mut why = NO_REQUEST;
    let mut at = 0;
    while let Some(begin) = text[at..].find('"').map(|found| at + found) {
        let Some(length) = closing_quote(&text[begin + 1..]) else {
            return Err(if why == NO_REQUEST { "its request does not end" } else { why });
        };
        let end = begin + 1 + length;
        let request = &text[begin + 1..end];
        match request_of(request) {
            Ok((method, url)) => return Ok((method, url, &text[..begin], &text[end + 1..])),
            Err(bad) if bad != NO_REQUEST => why = bad,
            Err(_) => {}
        }
        at = end + 1;
    }
    Err(why)
}

/// A method and a path as separate words: `Started GET "/a" for …`, `[200]: GET /a`.
fn loose(text: &str) -> Option<Found<'_>> {
    let mut at = 0;
    for word in text.split_ascii_whitespace() {
        let begin = at + text[at..].find(word)?;
        at = begin + word.len();
        let rest = text[at..].trim_start();
        let path = rest.split_ascii_whitespace().next().unwrap_or_default();
        let bare = path.trim_matches('"');
        if METHODS.contains(&word.trim_matches('"')) && bare.starts_with('/') {
            let end = text.len() - rest.len() + path.len();
            let url = path_of(bare)?;
            return Some((word.trim_matches('"').to_owned(), url, &text[..begin], &text[end..]));
        }
    }
    None
}

/// The method and the address of a request line.
pub(super) fn request_of(request: &str) -> Result<(String, String), Why> {
    let mut words = request.split_ascii_whitespace();
    let (Some(method), Some(url)) = (words.next(), words.next()) else { return Err(NO_REQUEST) };
    let last = words.clone().last();
    let is_versioned = last.is_some_and(|version| version.starts_with("HTTP/"));
    // HTTP/0.9 has no version; other quoted texts may also have two words.
    let is_old = last.is_none() && method.chars().all(|c| c.is_ascii_uppercase());
    if !is_versioned && !is_old {
        return Err(NO_REQUEST);
    }
    let path = path_of(url).filter(|_| is_method(method) && words.count() <= 1);
    Ok((method.to_owned(), path.ok_or(NOT_SENT)?))
}

/// The closing quote: quotes in a request are escaped.
pub(super) fn closing_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' if !is_escaped => return Some(at),
            c => is_escaped = c == '\\' && !is_escaped,
        }
    }
    None
}

/// The path to send: logs of proxies have the host before it, and servers escape some characters,
/// Apache as C does and nginx as `\xHH`.
pub(super) fn path_of(url: &str) -> Option<String> {
    let path = match url.split_once("://") {
        Some(("http" | "https", rest)) => rest.find(['/', '?']).map_or("/", |at| &rest[at..]),
        _ => url,
    };
    let path = path.split('#').next().unwrap_or(path);
    let mut clean = String::new();
    let mut rest = path;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        let escaped = if c == '\\' { escape(rest) } else { None };
        if let Some((byte, length)) = escaped {
            clean += &format!("%{byte:02X}");
            rest = &rest[length..];
        } else if c.is_ascii_graphic() && c != '"' {
            clean.push(c);
        } else {
            clean += &crate::url::encoded(c.encode_utf8(&mut [0; 4]));
        }
    }
    let clean = if clean.starts_with('?') { format!("/{clean}") } else { clean };
    clean.starts_with('/').then_some(clean)
}

/// The byte of an escape after a backslash, and the length of the escape.
fn escape(text: &str) -> Option<(u8, usize)> {
    let code = text.strip_prefix('x').and_then(|rest| rest.get(..2));
    let code = code.filter(|code| code.bytes().all(|c| c.is_ascii_hexdigit()));
    if let Some(code) = code {
        return Some((u8::from_str_radix(code, 16).ok()?, 3));
    }
    let byte = match text.bytes().next()? {
        byte @ (b'"' | b'\\') => byte,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'v' => 0x0b,
        b'f' => 0x0c,
        _ => return None,
    };
    Some((byte, 1))
}

/// A time in brackets, or in as many words as it takes.
fn stamp_in(text: &str) -> Option<Stamp> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('[') {
        let stamp = after.split_once(']').and_then(|(inside, _)| time::stamp(inside));
        if stamp.is_some() {
            return stamp;
        }
        rest = after;
    }
    let is_edge = |c: char| matches!(c, '[' | ']' | '(' | ')' | '|' | '"' | ',' | ';');
    let mut begins = text.char_indices().filter(|(at, c)| {
        !c.is_ascii_whitespace()
            && text[..*at].chars().next_back().is_none_or(|before| before.is_ascii_whitespace())
    });
    begins.find_map(|(begin, _)| {
        let mut ends = Vec::new();
        let mut at = begin;
        for word in text[begin..].split_ascii_whitespace().take(TIME_WORDS) {
            at += text[at..].find(word)? + word.len();
            ends.push(at);
        }
        // With the longest time zone that parses.
        ends.iter().rev().find_map(|end| time::stamp(text[begin..*end].trim_matches(is_edge)))
    })
}

/// A word that is a status, `200` or `[200]:`.
pub(super) fn status_of(word: &str) -> Option<u16> {
    let word = word.trim_matches(|c: char| matches!(c, '[' | ']' | ':' | '|' | '"' | ','));
    let status = word.parse().ok().filter(|_| word.len() == 3);
    status.filter(|status| (100..600).contains(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_escape_is_undone() {
        for (written, sent) in [
            (r#"/a\"b"#, "/a%22b"),
            (r"/a\\b", "/a%5Cb"),
            (r"/a\x22\xc3\xA4", "/a%22%C3%A4"),
            (r"/a\t\n", "/a%09%0A"),
            (r"/a\q\x2", r"/a\q\x2"),
            ("/ä#f", "/%C3%A4"),
            ("http://h:80/x?y", "/x?y"),
            ("http://h?y", "/?y"),
            ("https://h", "/"),
        ] {
            assert_eq!(path_of(written).as_deref(), Some(sent), "{written}");
        }
        for written in ["*", "h:443", "-", "", "ftp://h/x"] {
            assert_eq!(path_of(written), None, "{written}");
        }
    }
}
