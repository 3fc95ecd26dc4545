//! The frames of a request, made once. A connection's first request inserts its fields into the
//! target's table, the further ones only refer to it; of each copy only the stream ids differ.

use std::fmt;
use std::sync::Arc;

use super::frame::{self, HEADER_BYTES, PAYLOAD_MAX, flag, kind};
use super::head::OF_CONNECTIONS;
use super::hpack::encode::{Form, SIZE_ZERO, entry_size, field, is_static};
use super::hpack::table::SIZE_DEFAULT;
use crate::http::request::RequestTemplate;

/// Why a request cannot be sent over HTTP/2, and the fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotHttp2 {
    /// Its body is framed for HTTP/1.1.
    Chunked,
    /// Its body waits for an interim answer.
    Expecting,
    /// It has a field that HTTP/2 forbids.
    Field(&'static str),
    /// It is not a request.
    NoRequest,
}

impl fmt::Display for NotHttp2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chunked => f.write_str(
                "--http2 has no chunked coding, its frames delimit the body: leave --chunked out",
            ),
            Self::Expecting => {
                f.write_str("--http2 does not hold a body back yet: leave --expect-continue out")
            }
            Self::Field(name) => write!(
                f,
                "header `{name}` belongs to HTTP/1.1 and is forbidden in HTTP/2: leave it out"
            ),
            Self::NoRequest => f.write_str("--http2 sends HTTP requests only"),
        }
    }
}

/// HEADERS and CONTINUATION frames, and where their stream ids are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frames {
    bytes: Vec<u8>,
    ids: Vec<usize>,
}

impl Frames {
    /// Add them to `out`, for this stream.
    #[inline]
    pub(super) fn write(&self, stream: u32, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        for id in &self.ids {
            out[start + id..start + id + 4].copy_from_slice(&stream.to_be_bytes());
        }
    }
}

/// How the fields of a request are written on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// The target's table gets them with this request.
    Priming,
    /// The target's table has them.
    Steady,
    /// Without the table, which this request makes empty first.
    Emptying,
    /// Without the table.
    Literal,
}

/// One request as frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestFrames {
    /// In the order of [`Encoding`].
    frames: [Frames; 4],
    /// The whole request as built for HTTP/1.1; its body begins at `body_at`.
    request: Arc<Vec<u8>>,
    body_at: usize,
    /// Bodies that take turns; none if all requests have the same.
    rows: Arc<Vec<Vec<u8>>>,
    is_head: bool,
}

impl RequestFrames {
    /// The frames of a request that was built for HTTP/1.1. `scheme`: `http` or `https`.
    ///
    /// # Errors
    /// If it relies on something that HTTP/2 does not have.
    pub fn new(request: &RequestTemplate, scheme: &str) -> Result<Self, NotHttp2> {
        Self::made(request, scheme, |_| true)
    }

    /// The frames of a call of gRPC, whose body is one of these, or its own if there are none. No
    /// length of it is announced: the header is the same for all.
    ///
    /// # Errors
    /// If it relies on something that HTTP/2 does not have.
    pub fn of_call(
        request: &RequestTemplate,
        scheme: &str,
        rows: &Arc<Vec<Vec<u8>>>,
    ) -> Result<Self, NotHttp2> {
        let frames = Self::made(request, scheme, |name| name != "content-length")?;
        Ok(Self { rows: Arc::clone(rows), ..frames })
    }

    fn made(
        request: &RequestTemplate,
        scheme: &str,
        is_sent: impl Fn(&str) -> bool,
    ) -> Result<Self, NotHttp2> {
        if request.expects_continue() {
            return Err(NotHttp2::Expecting);
        }
        let head = &request.bytes()[..request.head_length()];
        let head = std::str::from_utf8(head).map_err(|_| NotHttp2::NoRequest)?;
        let mut fields = fields(head, scheme)?;
        fields.retain(|(name, _)| is_sent(name));
        let has_body = request.bytes().len() > request.head_length();
        let made = |encoding| framed(&block(&fields, encoding), has_body);
        let all = [Encoding::Priming, Encoding::Steady, Encoding::Emptying, Encoding::Literal];
        Ok(Self {
            frames: all.map(made),
            request: Arc::clone(request.shared()),
            body_at: request.head_length(),
            rows: Arc::default(),
            is_head: request.is_head(),
        })
    }

    /// Its body, or the one of this row if it has several.
    #[inline]
    pub fn body(&self, row: u32) -> &[u8] {
        match self.rows.get(row as usize) {
            Some(row) => row,
            None => &self.request[self.body_at..],
        }
    }

    /// Whether it is a HEAD, so that the answer has no body.
    pub const fn is_head(&self) -> bool {
        self.is_head
    }

    /// The length of the header's frames, once the target's table has the fields.
    pub fn steady_len(&self) -> usize {
        self.frames[Encoding::Steady as usize].bytes.len()
    }

    /// Add the header for a stream to `out`.
    #[inline]
    pub(super) fn write(&self, encoding: Encoding, stream: u32, out: &mut Vec<u8>) {
        self.frames[encoding as usize].write(stream, out);
    }
}

/// The fields of a header in their order, names in lower case.
pub(super) fn fields(head: &str, scheme: &str) -> Result<Vec<(String, String)>, NotHttp2> {
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(path), Some("HTTP/1.1")) = (first.next(), first.next(), first.next())
    else {
        return Err(NotHttp2::NoRequest);
    };
    let mut authority = String::new();
    let mut others = Vec::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        let name = name.to_ascii_lowercase();
        if name == "transfer-encoding" {
            return Err(NotHttp2::Chunked);
        }
        if let Some(forbidden) = OF_CONNECTIONS.into_iter().find(|forbidden| *forbidden == name) {
            return Err(NotHttp2::Field(forbidden));
        }
        match name.as_str() {
            "te" if value != "trailers" => return Err(NotHttp2::Field("te")),
            "host" => value.clone_into(&mut authority),
            _ => others.push((name, value.to_owned())),
        }
    }
    let pseudo =
        [(":method", method), (":scheme", scheme), (":authority", &authority), (":path", path)];
    let pseudo = pseudo.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Ok(pseudo.into_iter().chain(others).collect())
}

/// The header block of these fields.
fn block(fields: &[(String, String)], encoding: Encoding) -> Vec<u8> {
    let mut left = SIZE_DEFAULT;
    // As many as a table of the default size holds are inserted.
    let is_inserted: Vec<bool> = fields
        .iter()
        .map(|(name, value)| {
            let size = entry_size(name.as_bytes(), value.as_bytes());
            let fits = !is_static(name.as_bytes(), value.as_bytes()) && size <= left;
            left -= if fits { size } else { 0 };
            fits
        })
        .collect();
    let mut age = is_inserted.iter().filter(|is_inserted| **is_inserted).count();
    let mut block = Vec::new();
    if encoding == Encoding::Emptying {
        block.push(SIZE_ZERO);
    }
    for ((name, value), is_inserted) in fields.iter().zip(is_inserted) {
        age -= usize::from(is_inserted);
        let form = match encoding {
            Encoding::Priming if is_inserted => Form::Inserted,
            Encoding::Steady if is_inserted => Form::Indexed(age),
            _ => Form::Literal,
        };
        field((name.as_bytes(), value.as_bytes()), form, &mut block);
    }
    block
}

/// A block in frames, for stream 0.
pub(super) fn framed(block: &[u8], has_body: bool) -> Frames {
    let mut frames = Frames { bytes: Vec::new(), ids: Vec::new() };
    let count = block.len().div_ceil(PAYLOAD_MAX).max(1);
    for (index, piece) in block.chunks(PAYLOAD_MAX).enumerate() {
        frames.ids.push(frames.bytes.len() + HEADER_BYTES - 4);
        let mut flags = if index + 1 == count { flag::END_HEADERS } else { 0 };
        if index == 0 && !has_body {
            flags |= flag::END_STREAM;
        }
        let kind = if index == 0 { kind::HEADERS } else { kind::CONTINUATION };
        frame::write(&mut frames.bytes, (kind, flags, 0), piece);
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::super::hpack::decode::Decoder;
    use super::*;
    use crate::http::body::Body;
    use crate::http::request::RequestParts;

    fn request(parts: RequestParts<'_>) -> RequestTemplate {
        RequestTemplate::build(parts).expect("it is valid")
    }

    /// The block within frames, and the flags of those.
    fn unframed(frames: &[u8]) -> (Vec<u8>, Vec<(u8, u8, u32)>) {
        let (mut block, mut heads, mut rest) = (Vec::new(), Vec::new(), frames);
        while let Some((head, behind)) = rest.split_first_chunk() {
            let head = frame::FrameHeader::read(head);
            let (payload, behind) = behind.split_at(head.length as usize);
            block.extend_from_slice(payload);
            heads.push((head.kind, head.flags, head.stream));
            rest = behind;
        }
        (block, heads)
    }

    fn read(decoder: &mut Decoder, block: &[u8]) -> Vec<String> {
        let mut fields = Vec::new();
        let read = decoder.decode(block, |(name, value)| {
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            fields.push(format!("{}={}", text(name), text(value)));
        });
        assert!(read.is_ok(), "{read:?}");
        fields
    }

    fn written(frames: &RequestFrames, encoding: Encoding) -> Vec<u8> {
        let mut out = vec![0xaa];
        frames.write(encoding, 0x0102_0305, &mut out);
        out.remove(0);
        out
    }

    #[test]
    fn a_get_takes_fourteen_bytes_once_the_table_is_primed() {
        let parts = RequestParts::new("GET", "127.0.0.1:8080", "/");
        let frames = RequestFrames::new(&request(parts), "http").expect("it can be");
        let expected =
            [":method=GET", ":scheme=http", ":authority=127.0.0.1:8080", ":path=/", USER_AGENT];
        let mut decoder = Decoder::new(4_096);
        for (encoding, most) in [(Encoding::Priming, 60), (Encoding::Steady, 14)] {
            let bytes = written(&frames, encoding);
            assert!(bytes.len() <= most, "{}", bytes.len());
            let (block, heads) = unframed(&bytes);
            assert_eq!(heads, [(1, 5, 0x0102_0305)]);
            assert_eq!(read(&mut decoder, &block), expected);
        }
        assert_eq!(frames.steady_len(), 14);
        // The table is emptied, and not used any more.
        for encoding in [Encoding::Emptying, Encoding::Literal] {
            let (block, _) = unframed(&written(&frames, encoding));
            assert_eq!(read(&mut decoder, &block), expected);
            assert_eq!(decoder.table().size(), 0);
        }
    }

    const USER_AGENT: &str = concat!("user-agent=uringbench/", env!("CARGO_PKG_VERSION"));

    #[test]
    fn large_headers_are_continued_and_exceed_the_table() {
        let headers: Vec<_> =
            (0..40).map(|n| (format!("X-{n}"), format!("{n}\u{1f600}").repeat(150))).collect();
        let parts = RequestParts {
            headers: &headers,
            body: Body::Bytes(b"hello"),
            ..RequestParts::new("POST", "h", "/p?q")
        };
        let frames = RequestFrames::new(&request(parts), "https").expect("it can be");
        let mut decoder = Decoder::new(4_096);
        for encoding in [Encoding::Priming, Encoding::Steady, Encoding::Steady] {
            let (block, heads) = unframed(&written(&frames, encoding));
            assert_eq!(heads.first(), Some(&(1, 0, 0x0102_0305)), "a body follows");
            let continued = heads[1..].iter().map(|head| (head.0, head.1));
            assert!(continued.clone().eq([(9, 0), (9, 4)]) || continued.eq([(9, 4)]));
            let fields = read(&mut decoder, &block);
            assert_eq!(fields.len(), 4 + 1 + 40 + 1);
            assert_eq!(
                &fields[..4],
                [":method=POST", ":scheme=https", ":authority=h", ":path=/p?q"]
            );
            assert_eq!(fields[45], "content-length=5");
        }
        assert_eq!(frames.body(0), b"hello");
    }

    #[test]
    fn what_http_2_does_not_have_is_refused() {
        let header = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        let frames = |headers: &[(String, String)]| {
            let parts = RequestParts { headers, ..RequestParts::new("GET", "h", "/") };
            RequestFrames::new(&request(parts), "http")
        };
        assert_eq!(frames(&header("Connection", "close")), Err(NotHttp2::Field("connection")));
        assert_eq!(frames(&header("TE", "gzip")), Err(NotHttp2::Field("te")));
        assert!(frames(&header("te", "trailers")).is_ok());
        let body = Body::Bytes(b"x");
        let post = RequestParts { body, ..RequestParts::new("POST", "h", "/") };
        let chunked = RequestParts { chunk_bytes: std::num::NonZeroUsize::new(5), ..post };
        let new = |parts| RequestFrames::new(&request(parts), "http");
        assert_eq!(new(chunked), Err(NotHttp2::Chunked));
        let expecting = RequestParts { expect_continue: true, ..post };
        assert_eq!(new(expecting), Err(NotHttp2::Expecting));
    }
}
