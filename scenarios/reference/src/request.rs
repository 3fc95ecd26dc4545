//! Requests for the reference target: their ends, and their paths.

/// The parts of a request that matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// Bytes of the header, the empty line included.
    pub(crate) head_length: usize,
    /// Bytes of the body that follows.
    pub(crate) body_length: usize,
    /// Whether the answer has no body.
    pub(crate) is_head: bool,
    /// Whether the connection ends after the answer.
    pub(crate) close: bool,
    /// The path, without its query.
    pub(crate) path: String,
}

/// The content of the bytes received so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    /// No complete header yet.
    Incomplete,
    /// A request.
    Request(Request),
    /// Not HTTP/1.x, or a body without a Content-Length.
    Malformed,
}

/// Parse the first request in `bytes`.
pub(crate) fn scan(bytes: &[u8]) -> Scan {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut headers);
    let head_length = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Scan::Incomplete,
        Err(_) => return Scan::Malformed,
    };
    let target = parsed.path.unwrap_or("/");
    let mut request = Request {
        head_length,
        body_length: 0,
        is_head: parsed.method == Some("HEAD"),
        close: parsed.version == Some(0),
        path: target.split('?').next().unwrap_or("/").to_owned(),
    };
    for header in parsed.headers.iter() {
        let value = std::str::from_utf8(header.value).unwrap_or("").trim();
        if header.name.eq_ignore_ascii_case("content-length") {
            match value.parse() {
                Ok(length) => request.body_length = length,
                Err(_) => return Scan::Malformed,
            }
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return Scan::Malformed;
        } else if header.name.eq_ignore_ascii_case("connection") {
            let has = |token: &str| value.split(',').any(|t| t.trim().eq_ignore_ascii_case(token));
            request.close = has("close") || request.close && !has("keep-alive");
        }
    }
    Scan::Request(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart() {
        let plain = b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\nGET";
        let Scan::Request(request) = scan(plain) else { panic!("a whole request") };
        assert_eq!((request.path.as_str(), request.head_length), ("/a", plain.len() - 3));
        assert!(!request.close && !request.is_head);
        assert_eq!(scan(b"GET / HTTP/1.1\r\nHost"), Scan::Incomplete);
        assert_eq!(scan(b"\0\0\0\0"), Scan::Malformed);
        let chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(scan(chunked), Scan::Malformed);
    }

    #[test]
    fn connections_end_when_asked_or_when_old() {
        let closes = |bytes: &[u8]| match scan(bytes) {
            Scan::Request(request) => request.close,
            other => panic!("{other:?}"),
        };
        assert!(closes(b"GET / HTTP/1.1\r\nConnection: foo, Close\r\n\r\n"));
        assert!(closes(b"GET / HTTP/1.0\r\n\r\n"));
        assert!(!closes(b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
    }
}
