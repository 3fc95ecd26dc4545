//! What a response's header says about the bytes that follow it (RFC 9112 section 6.3).
//!
//! httparse reads the lines; this file draws the conclusions: where the body ends, whether the
//! connection lives on, whether the body is a stream of events, and which contradictions make a
//! response malformed.

use std::mem::MaybeUninit;

use httparse::{Error, Header, ParserConfig, Status};

use super::chunked::PAYLOAD_BYTES_MAX;
use super::response::{Malformed, Response};

/// Longest header read, status line included.
pub(crate) const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Most header lines read.
pub(crate) const HEADERS_MAX: usize = 128;

/// Room for the header lines of one response; left uninitialised, because clearing 4 KiB costs
/// more than parsing a usual header.
pub(crate) type HeaderRoom<'a> = [MaybeUninit<Header<'a>>; HEADERS_MAX];

/// What one header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Of the connection, once this response has been received.
    pub(super) keep_alive: bool,
    pub(super) is_event_stream: bool,
    /// Status line to empty line.
    pub(crate) bytes: u32,
    /// Without a meaning where the response is interim: another header follows.
    pub(super) framing: Framing,
}

/// How the end of the body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes; 0 where there is no body at all.
    Length(u64),
    Chunked,
    /// All that comes until the connection closes.
    Close,
}

impl Head {
    /// An interim response, that another one follows (RFC 9110 section 15.2).
    pub(super) const fn is_interim(&self) -> bool {
        self.status < 200
    }

    /// The response this header begins, as if its body had `body_bytes`.
    #[inline]
    pub(super) const fn response(&self, body_bytes: u64) -> Response {
        Response {
            status: self.status,
            keep_alive: self.keep_alive,
            is_event_stream: self.is_event_stream,
            head_bytes: self.bytes,
            body_bytes,
        }
    }
}

/// Read one header from the front of `bytes`. `None`: it is not all there yet.
pub(crate) fn parse<'room, 'bytes>(
    bytes: &'bytes [u8],
    room: &'room mut HeaderRoom<'bytes>,
    is_head: bool,
) -> Result<Option<(Head, &'room [Header<'bytes>])>, Malformed> {
    // httparse passes over empty lines ahead of a status line; nothing in RFC 9112 allows them
    // ahead of a response, and after a body they are the sign of a wrong Content-Length.
    if matches!(bytes.first(), Some(b'\r' | b'\n')) {
        return Err(Malformed::NotHttp);
    }
    let limited = &bytes[..bytes.len().min(HEAD_BYTES_MAX)];
    let mut parsed = httparse::Response::new(&mut []);
    let config = ParserConfig::default();
    let outcome = config.parse_response_with_uninit_headers(&mut parsed, limited, room);
    let len = match outcome.map_err(reason)? {
        Status::Complete(len) => len,
        Status::Partial if limited.len() == HEAD_BYTES_MAX => return Err(Malformed::HeadTooLarge),
        Status::Partial => return Ok(None),
    };
    let status = parsed.code.filter(|code| *code >= 100).ok_or(Malformed::StatusCode)?;
    let said = Said::by(parsed.headers)?;
    let is_http10 = parsed.version == Some(0);
    let framing = said.framing(status, is_http10, is_head)?;
    let keep_alive = framing != Framing::Close && !said.close && (!is_http10 || said.keep_alive);
    let is_event_stream = said.is_event_stream;
    let bytes = len as u32; // at most 64 KiB
    let head = Head { status, keep_alive, is_event_stream, bytes, framing };
    Ok(Some((head, parsed.headers)))
}

/// Whether a header decides about framing, the connection or what the body is, so that its value
/// is always read.
pub(super) fn is_decisive(name: &str) -> bool {
    match name.len() {
        10 => name.eq_ignore_ascii_case("connection"),
        12 => name.eq_ignore_ascii_case("content-type"),
        14 => name.eq_ignore_ascii_case("content-length"),
        17 => name.eq_ignore_ascii_case("transfer-encoding"),
        _ => false,
    }
}

const fn reason(error: Error) -> Malformed {
    match error {
        Error::Version | Error::Token => Malformed::NotHttp,
        Error::Status => Malformed::StatusCode,
        Error::TooManyHeaders => Malformed::TooManyHeaders,
        Error::HeaderName | Error::HeaderValue | Error::NewLine => Malformed::HeaderLine,
    }
}

/// What the decisive headers say together.
#[derive(Default)]
struct Said {
    length: Option<u64>,
    /// There is a Transfer-Encoding.
    is_coded: bool,
    /// … and the last coding of it is chunked.
    is_chunked: bool,
    /// … and it names chunked, last or not.
    names_chunked: bool,
    close: bool,
    keep_alive: bool,
    is_event_stream: bool,
}

impl Said {
    fn by(headers: &[Header<'_>]) -> Result<Self, Malformed> {
        let mut said = Self::default();
        for header in headers.iter().filter(|header| is_decisive(header.name)) {
            match header.name.len() {
                10 => said.connection(header.value),
                12 => said.content_type(header.value),
                14 => said.content_length(header.value)?,
                _ => said.transfer_encoding(header.value)?,
            }
        }
        Ok(said)
    }

    fn connection(&mut self, value: &[u8]) {
        for option in members(value) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// Of several the last one counts (WHATWG Fetch, "extract a MIME type").
    fn content_type(&mut self, value: &[u8]) {
        let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
        self.is_event_stream = essence.trim_ascii().eq_ignore_ascii_case(b"text/event-stream");
    }

    /// A list of identical numbers counts as one (RFC 9110 section 8.6).
    fn content_length(&mut self, value: &[u8]) -> Result<(), Malformed> {
        for member in value.split(|byte| *byte == b',') {
            let length = decimal(member.trim_ascii()).ok_or(Malformed::ContentLength)?;
            if *self.length.get_or_insert(length) != length {
                return Err(Malformed::ContentLengthsDiffer);
            }
        }
        Ok(())
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Malformed> {
        self.is_coded = true;
        for coding in members(value) {
            let mut parts = coding.splitn(2, |byte| *byte == b';');
            let name = parts.next().unwrap_or_default().trim_ascii();
            self.is_chunked = name.eq_ignore_ascii_case(b"chunked");
            // RFC 9112 sections 6.1 and 7.1: at most once, and without parameters.
            if self.is_chunked && (self.names_chunked || parts.next().is_some()) {
                return Err(Malformed::ChunkedCoding);
            }
            self.names_chunked |= self.is_chunked;
        }
        Ok(())
    }

    fn framing(&self, status: u16, is_http10: bool, is_head: bool) -> Result<Framing, Malformed> {
        match (self.is_coded, self.length) {
            (true, _) if is_http10 => return Err(Malformed::CodingInHttp10),
            (true, Some(_)) => return Err(Malformed::LengthAndCoding),
            _ => {}
        }
        Ok(match (self.is_coded, self.length) {
            _ if is_head || matches!(status, 204 | 304) => Framing::Length(0),
            (true, _) if self.is_chunked => Framing::Chunked,
            (true, _) => Framing::Close,
            (false, Some(length)) => Framing::Length(length),
            (false, None) => Framing::Close,
        })
    }
}

/// The non-empty members of a comma-separated list.
pub(crate) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

/// Digits alone, and a body that could be counted.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let number = digits.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })?;
    (number <= PAYLOAD_BYTES_MAX).then_some(number)
}
