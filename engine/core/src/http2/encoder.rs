//! Requests that differ, from HTTP/1.1 to header frames as they are sent.
//!
//! The two fields that all requests of a run mostly share enter the target's table with the first
//! request that has both; the others are literal, so that no entry ever moves.

use super::frame::{self, PAYLOAD_MAX, flag, kind};
use super::hpack::encode::{Form, SIZE_ZERO, field};
use super::request::{Encoding, NotHttp2, fields, framed};

/// The end of a header.
const HEAD_END: &[u8] = b"\r\n\r\n";
/// The ages of the shared fields in the table: the one inserted last is the newest.
const AUTHORITY_AGE: usize = 1;
const AGENT_AGE: usize = 0;

/// An encoder for the requests of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestEncoder {
    scheme: &'static str,
    authority: Vec<u8>,
    agent: Vec<u8>,
}

impl RequestEncoder {
    /// For requests to this host, over TLS or in the clear.
    pub fn new(authority: &str, is_tls: bool) -> Self {
        Self {
            scheme: if is_tls { "https" } else { "http" },
            authority: authority.as_bytes().to_vec(),
            agent: concat!("uringbench/", env!("CARGO_PKG_VERSION")).into(),
        }
    }

    /// Check that a request, as built for HTTP/1.1, has nothing that HTTP/2 does not have.
    ///
    /// # Errors
    /// The first such thing.
    pub fn check(request: &[u8]) -> Result<(), NotHttp2> {
        let (head, _) = Self::split(request);
        let head = String::from_utf8_lossy(head);
        fields(&head, "http").map(|_| ())
    }

    /// Header and body of a request.
    pub(super) fn split(request: &[u8]) -> (&[u8], &[u8]) {
        let end = memchr::memmem::find(request, HEAD_END);
        request.split_at(end.map_or(request.len(), |at| at + HEAD_END.len()))
    }

    /// Add the header frames of a request to `out`; `name` is a buffer. Returns how the next one is
    /// encoded.
    pub(super) fn write(
        &self,
        encoding: Encoding,
        stream: u32,
        (head, has_body): (&[u8], bool),
        (name, out): (&mut Vec<u8>, &mut Vec<u8>),
    ) -> Encoding {
        let start = out.len();
        let end = if has_body { 0 } else { flag::END_STREAM };
        frame::write(out, (kind::HEADERS, flag::END_HEADERS | end, stream), &[]);
        let block_at = out.len();
        let next = self.block(encoding, head, (name, out));
        let length = out.len() - block_at;
        if length <= PAYLOAD_MAX {
            out[start..start + 3].copy_from_slice(&(length as u32).to_be_bytes()[1..]);
            return next;
        }
        let block = out.split_off(block_at);
        out.truncate(start);
        framed(&block, has_body).write(stream, out);
        next
    }

    /// Add the header block to `out`.
    fn block(
        &self,
        encoding: Encoding,
        head: &[u8],
        (name, out): (&mut Vec<u8>, &mut Vec<u8>),
    ) -> Encoding {
        let mut lines = head.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end);
        let first = lines.next().unwrap_or_default();
        let mut words = first.splitn(3, |&byte| byte == b' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let lines = || lines.clone().filter_map(field_of);
        let has = |name: &[u8], value: &[u8]| {
            lines().any(|(given, its)| given.eq_ignore_ascii_case(name) && its == value)
        };
        let is_primed = encoding == Encoding::Priming
            && has(b"host", &self.authority)
            && has(b"user-agent", &self.agent);
        let shared = |age| match encoding {
            Encoding::Priming if is_primed => Form::Inserted,
            Encoding::Steady => Form::Indexed(age),
            _ => Form::Literal,
        };
        if encoding == Encoding::Emptying {
            out.push(SIZE_ZERO);
        }
        field((b":method", method), Form::Literal, out);
        field((b":scheme", self.scheme.as_bytes()), Form::Literal, out);
        // The pseudo fields stand in front of all others.
        let host = lines().find(|(name, _)| name.eq_ignore_ascii_case(b"host"));
        if let Some((_, host)) = host {
            let is_shared = host == self.authority;
            let form = if is_shared { shared(AUTHORITY_AGE) } else { Form::Literal };
            field((b":authority", host), form, out);
        }
        field((b":path", path), Form::Literal, out);
        for (given, value) in lines().filter(|(name, _)| !name.eq_ignore_ascii_case(b"host")) {
            name.clear();
            name.extend(given.iter().map(u8::to_ascii_lowercase));
            let is_shared = name == b"user-agent" && value == self.agent;
            let form = if is_shared { shared(AGENT_AGE) } else { Form::Literal };
            field((name, value), form, out);
        }
        match encoding {
            Encoding::Priming if is_primed => Encoding::Steady,
            Encoding::Priming | Encoding::Steady => encoding,
            Encoding::Emptying | Encoding::Literal => Encoding::Literal,
        }
    }
}

/// Name and value of a header's line.
fn field_of(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, value) = line.split_at(memchr::memchr(b':', line)?);
    Some((name, value[1..].trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::super::hpack::decode::Decoder;
    use super::*;

    /// The fields of a request's block, the flags of its frames, and how the next is encoded.
    fn written(
        decoder: &mut Decoder,
        encoding: Encoding,
        request: &[u8],
    ) -> (Vec<String>, Vec<(u8, u8)>, Encoding) {
        let encoder = RequestEncoder::new("h:1", false);
        let (head, body) = RequestEncoder::split(request);
        let mut out = Vec::new();
        let next =
            encoder.write(encoding, 7, (head, !body.is_empty()), (&mut Vec::new(), &mut out));
        let (mut block, mut frames, mut rest) = (Vec::new(), Vec::new(), out.as_slice());
        while let Some((header, behind)) = rest.split_first_chunk() {
            let header = frame::FrameHeader::read(header);
            let (payload, behind) = behind.split_at(header.length as usize);
            assert_eq!(header.stream, 7);
            block.extend_from_slice(payload);
            frames.push((header.kind, header.flags));
            rest = behind;
        }
        let mut fields = Vec::new();
        let read = decoder.decode(&block, |(name, value)| {
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            fields.push(format!("{}={}", text(name), text(value)));
        });
        assert!(read.is_ok(), "{read:?}");
        (fields, frames, next)
    }

    const AGENT: &str = concat!("uringbench/", env!("CARGO_PKG_VERSION"));

    #[test]
    fn requests_that_differ_read_back_in_every_encoding() {
        let mut decoder = Decoder::new(4_096);
        let get = |path: &str| {
            format!("GET {path} HTTP/1.1\r\nHost: h:1\r\nUser-Agent: {AGENT}\r\nX-A: b: c\r\n\r\n")
        };
        let mut encoding = Encoding::Priming;
        // One without the shared fields does not fill the table.
        let other = b"POST /p HTTP/1.1\r\nHost: h:2\r\nContent-Length: 2\r\n\r\nab";
        for (round, path) in ["/", "/a?b=c", "/d"].into_iter().enumerate() {
            let (fields, frames, next) = written(&mut decoder, encoding, other);
            let expected =
                [":method=POST", ":scheme=http", ":authority=h:2", ":path=/p", "content-length=2"];
            assert_eq!((fields, frames), (expected.map(str::to_owned).to_vec(), vec![(1, 4)]));
            encoding = next;
            let (fields, frames, next) = written(&mut decoder, encoding, get(path).as_bytes());
            let expected = [
                ":method=GET".to_owned(),
                ":scheme=http".to_owned(),
                ":authority=h:1".to_owned(),
                format!(":path={path}"),
                format!("user-agent={AGENT}"),
                "x-a=b: c".to_owned(),
            ];
            assert_eq!((fields, frames), (expected.to_vec(), vec![(1, 5)]), "{round}");
            assert_eq!(next, Encoding::Steady);
            encoding = next;
        }
        assert!(decoder.table().size() > 0);
        for encoding in [Encoding::Emptying, Encoding::Literal] {
            let (fields, _, next) = written(&mut decoder, encoding, get("/e").as_bytes());
            assert_eq!((fields.len(), next), (6, Encoding::Literal));
            assert_eq!(decoder.table().size(), 0);
        }
    }

    #[test]
    fn large_headers_are_continued() {
        let long = "\u{1f600}".repeat(9_000);
        let request = format!("GET / HTTP/1.1\r\nHost: h:1\r\nX-Long: {long}\r\n\r\n");
        let (fields, frames, _) =
            written(&mut Decoder::new(4_096), Encoding::Priming, request.as_bytes());
        assert_eq!(fields[4], format!("x-long={long}"));
        assert_eq!(frames, [(1, 1), (9, 0), (9, 4)]);
    }

    #[test]
    fn what_http_2_does_not_have_is_named() {
        let chunked = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(RequestEncoder::check(chunked), Err(NotHttp2::Chunked));
        let closing = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        assert_eq!(RequestEncoder::check(closing), Err(NotHttp2::Field("connection")));
        assert_eq!(RequestEncoder::check(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"), Ok(()));
    }
}
