//! The head of a request, within a length and a time.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::access::Refused;

/// Longest head in bytes.
const HEAD_MAX: usize = 8_192;
const HEADERS_MAX: usize = 64;
/// Longest time until a head is complete.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) host: Option<String>,
    pub(crate) origin: Option<String>,
    /// `Sec-Fetch-Site`.
    pub(crate) site: Option<String>,
}

/// Reads one; `None` if the client left or was too slow, and deserves no answer.
pub(crate) fn read(stream: &mut TcpStream) -> Option<Result<Request, Refused>> {
    let until = Instant::now() + PATIENCE;
    let mut head = Vec::new();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        stream.set_read_timeout(Some(left)).ok()?;
        let mut part = [0; 1_024];
        let read = stream.read(&mut part).ok().filter(|read| *read > 0)?;
        head.extend_from_slice(&part[..read]);
        match parse(&head) {
            Some(parsed) => return Some(parsed),
            None if head.len() > HEAD_MAX => return Some(Err(Refused::TooLarge)),
            None => {}
        }
    }
}

/// The request of a head; `None` while it is not complete.
fn parse(head: &[u8]) -> Option<Result<Request, Refused>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Partial) => return None,
        Ok(httparse::Status::Complete(length)) if length <= HEAD_MAX => {}
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Some(Err(Refused::TooLarge)),
        Err(_) => return Some(Err(Refused::Malformed)),
    }
    let value = |name: &str| {
        let mut found = request.headers.iter().filter(|it| it.name.eq_ignore_ascii_case(name));
        let value = found.next().map(|it| String::from_utf8_lossy(it.value).into_owned());
        // Two hosts are none that can be trusted.
        if found.next().is_some() { Some(String::new()) } else { value }
    };
    Some(Ok(Request {
        method: request.method.unwrap_or_default().to_owned(),
        path: request.path.unwrap_or_default().to_owned(),
        host: value("host"),
        origin: value("origin"),
        site: value("sec-fetch-site"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_complete() {
        let head = b"GET /t/ HTTP/1.1\r\nHost: a:1\r\norigin: http://a:1\r\n\r\n";
        for cut in 0..head.len() {
            assert_eq!(parse(&head[..cut]), None, "{cut}");
        }
        let expected = Request {
            method: "GET".to_owned(),
            path: "/t/".to_owned(),
            host: Some("a:1".to_owned()),
            origin: Some("http://a:1".to_owned()),
            site: None,
        };
        assert_eq!(parse(head), Some(Ok(expected)));
    }

    #[test]
    fn what_is_no_head_or_too_large_is_refused() {
        assert_eq!(parse(b"\x16\x03\x01\x02\x00"), Some(Err(Refused::Malformed)));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(65));
        assert_eq!(parse(many.as_bytes()), Some(Err(Refused::TooLarge)));
        let long = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(HEAD_MAX));
        assert_eq!(parse(long.as_bytes()), Some(Err(Refused::TooLarge)));
        let two = b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
        assert_eq!(parse(two).map(|it| it.map(|it| it.host)), Some(Ok(Some(String::new()))));
    }
}
