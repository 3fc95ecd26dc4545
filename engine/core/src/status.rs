//! Headers that explain why an answer is not a plain success: the target of a redirect, the
//! requested credentials, the time to retry (RFC 9110 sections 10.2.2, 10.2.3 and 11.6.1).
//!
//! One answer per status is read, off the hot path. Possible secrets are left out: the query and
//! the credentials of a location, everything in a challenge except for its scheme.

use crate::flow::answer::Answer;
use crate::http::partial_head::head_end;
use crate::http::quote::{public_url, shortened};

/// The headers of one answer that explain its status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusSample {
    /// The status, 300 to 999.
    pub status: u16,
    /// `Location`, without query and credentials.
    pub location: Option<String>,
    /// The scheme of `WWW-Authenticate` or `Proxy-Authenticate`, such as `Basic`.
    pub scheme: Option<String>,
    /// `Retry-After`: seconds, or a date.
    pub retry_after: Option<String>,
}

impl StatusSample {
    /// Read the answer with this status whose header is at the start of `bytes`, after interim
    /// answers. `None` if `bytes` do not begin with a complete header of it.
    pub fn of(status: u16, mut bytes: &[u8]) -> Option<Self> {
        loop {
            let (head, rest) = bytes.split_at(head_end(&[], bytes)?);
            let given = code(head)?;
            if given == status.to_string().as_bytes() {
                return Some(Self::of_head(status, head));
            }
            if !given.starts_with(b"1") {
                return None;
            }
            bytes = rest;
        }
    }

    fn of_head(status: u16, head: &[u8]) -> Self {
        let answer = Answer { status, head, body: b"", body_bytes: 0 };
        let first = |name: &str| answer.headers(name).next();
        let challenge = first("www-authenticate").or_else(|| first("proxy-authenticate"));
        let scheme = challenge.and_then(|value| value.split(u8::is_ascii_whitespace).next());
        Self {
            status,
            location: first("location").map(public_url),
            scheme: scheme.map(shortened),
            retry_after: first("retry-after").map(shortened),
        }
    }
}

/// The digits of a status line, in any accepted form.
fn code(head: &[u8]) -> Option<&[u8]> {
    head.get(..5).filter(|name| name.eq_ignore_ascii_case(b"HTTP/"))?;
    let behind = &head[head.iter().position(|byte| *byte == b' ')?..];
    behind[behind.iter().position(|byte| *byte != b' ')?..].get(..3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_explains_a_status_is_read_and_secrets_are_not() {
        let head = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\nlocation:  \
                     https://x/login?token=secret\r\nRetry-After: 5\r\n\r\nbody";
        let sample = StatusSample::of(302, head).unwrap();
        assert_eq!(sample.location.as_deref(), Some("https://x/login?…"));
        assert_eq!((sample.scheme, sample.retry_after.as_deref()), (None, Some("5")));
        let digest = b"HTTP/1.1 401 U\r\nWWW-Authenticate: Digest realm=\"a\", nonce=\"b\"\r\n\r\n";
        assert_eq!(StatusSample::of(401, digest).unwrap().scheme.as_deref(), Some("Digest"));
    }

    #[test]
    fn lines_are_read_as_leniently_as_answers_are() {
        for head in [
            "HTTP/1.1 302 Found\nLocation: /x\n\n",
            "http/1.1  302Found\r\nLocation: /x\r\n\r\n",
            "HTTP/2 302\r\nLocation: /x\r\n\r\n",
        ] {
            let sample = StatusSample::of(302, head.as_bytes()).expect(head);
            assert_eq!(sample.location.as_deref(), Some("/x"), "{head:?}");
        }
    }

    #[test]
    fn only_a_whole_header_of_that_status_is_read() {
        for bytes in [
            &b""[..],
            b"HTTP/1.1 301 M\r\nLocation: /x\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"payload HTTP/1.1 301 M\r\n\r\n",
            b"HTTP/1\r\n\r\n",
        ] {
            assert_eq!(StatusSample::of(301, bytes), None, "{}", bytes.escape_ascii());
        }
    }
}
