//! The meaning of a response's header for the bytes that follow it (RFC 9112 section 6.3).
//!
//! httparse reads the lines; this file decides where the body ends, whether the connection stays
//! open, whether the body is a stream of events, and which contradictions make a response
//! malformed.

use std::mem::MaybeUninit;

use httparse::{Error, Header, ParserConfig, Status};

use super::chunked::PAYLOAD_BYTES_MAX;
use super::deviation::{Deviation, Deviations};
use super::fault::Fault;
use super::lenient;
use super::protocol;
use super::response::{Malformed, Persistence, Response};

/// Longest header read, status line included.
pub(crate) const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Most header lines read.
pub(crate) const HEADERS_MAX: usize = 128;

/// Room for the header lines of one response; left uninitialised, because clearing 4 KiB costs
/// more than parsing a usual header.
pub(crate) type HeaderRoom<'a> = [MaybeUninit<Header<'a>>; HEADERS_MAX];

/// The meaning of one header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(super) persistence: Persistence,
    pub(super) is_event_stream: bool,
    /// Status line to empty line.
    pub(crate) bytes: u32,
    /// Without a meaning where the response is interim: another header follows.
    pub(super) framing: Framing,
}

/// How the end of the body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes.
    Length(u64),
    /// There is no body, whatever the header says: the answer is to HEAD, or a 204 or 304.
    None(Declared),
    Chunked,
    /// Everything until the connection closes.
    Close,
}

/// The body that the header of an answer without one declares: some servers send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Declared {
    Nothing,
    Length(u64),
    Chunked,
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
            persistence: self.persistence,
            is_event_stream: self.is_event_stream,
            head_bytes: self.bytes,
            body_bytes,
        }
    }
}

/// The result of [`parse`].
pub(crate) struct Parsed<'room, 'bytes> {
    pub(crate) head: Head,
    /// Its lines; `None` if they had to be corrected before they could be read.
    pub(crate) headers: Option<&'room [Header<'bytes>]>,
    /// Whether it deviates from RFC 9112.
    pub(super) deviates: bool,
}

/// Read one header from the front of `bytes`. `None`: it is not all there yet.
pub(crate) fn parse<'room, 'bytes>(
    bytes: &'bytes [u8],
    room: &'room mut HeaderRoom<'bytes>,
    is_head: bool,
    deviations: &mut Deviations,
) -> Result<Option<Parsed<'room, 'bytes>>, Box<Fault>> {
    // httparse passes over empty lines ahead of a status line, which are not the header's.
    if matches!(bytes.first(), Some(b'\r' | b'\n')) {
        return Err(Fault::at(Malformed::NotHttp, bytes));
    }
    let limited = &bytes[..bytes.len().min(HEAD_BYTES_MAX)];
    match parse_strictly(limited, room, is_head, deviations) {
        Ok(None) if limited.len() == HEAD_BYTES_MAX => Err(Malformed::HeadTooLarge.into()),
        Err(fault) if may_be_read(fault.kind()) => {
            let head = lenient::parse(limited, is_head, deviations)?;
            Ok(head.map(|head| Parsed { head, headers: None, deviates: true }))
        }
        parsed => parsed,
    }
}

/// Whether `lenient` may find a meaning all the same.
const fn may_be_read(fault: Malformed) -> bool {
    matches!(fault, Malformed::HeaderLine | Malformed::NotHttp | Malformed::StatusCode)
}

/// The same of a header as httparse reads it, no longer than what is read.
pub(super) fn parse_strictly<'room, 'bytes>(
    bytes: &'bytes [u8],
    room: &'room mut HeaderRoom<'bytes>,
    is_head: bool,
    deviations: &mut Deviations,
) -> Result<Option<Parsed<'room, 'bytes>>, Box<Fault>> {
    let mut parsed = httparse::Response::new(&mut []);
    let config = ParserConfig::default();
    let outcome = config.parse_response_with_uninit_headers(&mut parsed, bytes, room);
    let len = match outcome.map_err(|error| fault(error, bytes))? {
        Status::Complete(len) => len,
        Status::Partial => return Ok(None),
    };
    let status = parsed.code.filter(|code| *code >= 100);
    let status = status.ok_or_else(|| Fault::at(Malformed::StatusCode, first_line(bytes)))?;
    let headers: &[Header<'_>] = parsed.headers;
    let decisive = ParsedHeaders::by(headers)?;
    let is_http10 = parsed.version == Some(0);
    let framing = decisive.framing(status, is_head);
    let is_sure = !decisive.is_coded || (!is_http10 && decisive.length.is_none());
    let is_closed =
        framing == Framing::Close || decisive.close || (is_http10 && !decisive.keep_alive);
    let persistence = match (is_closed, is_sure) {
        (true, _) => Persistence::Closed,
        (false, false) => Persistence::Ambiguous,
        (false, true) => Persistence::Kept,
    };
    let is_event_stream = decisive.is_event_stream;
    let head = Head { status, persistence, is_event_stream, bytes: len as u32, framing };
    let deviates = !is_sure || decisive.is_odd();
    if deviates {
        decisive.note(headers, is_http10, deviations);
    }
    Ok(Some(Parsed { head, headers: Some(headers), deviates }))
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

#[cold]
fn fault(error: Error, bytes: &[u8]) -> Box<Fault> {
    match error {
        Error::Version | Error::Token => {
            let kind = protocol::recognise(bytes).map_or(Malformed::NotHttp, Malformed::Protocol);
            Fault::at(kind, first_line(bytes))
        }
        Error::Status => Fault::at(Malformed::StatusCode, first_line(bytes)),
        Error::TooManyHeaders => Malformed::TooManyHeaders.into(),
        // `lenient` finds out where.
        Error::HeaderName | Error::HeaderValue | Error::NewLine => Malformed::HeaderLine.into(),
    }
}

/// Up to the first line end, without it.
fn first_line(bytes: &[u8]) -> &[u8] {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The decisive headers together.
#[derive(Default)]
struct ParsedHeaders {
    length: Option<u64>,
    /// There is a Transfer-Encoding.
    is_coded: bool,
    /// … and the last coding of it is chunked.
    is_chunked: bool,
    /// … and it names chunked, last or not.
    names_chunked: bool,
    /// … and identity, which is no coding.
    names_identity: bool,
    /// … and chunked more than once.
    repeats_chunked: bool,
    /// The same length is given more than once.
    repeats_length: bool,
    /// A length is not digits alone.
    has_odd_length: bool,
    close: bool,
    keep_alive: bool,
    is_event_stream: bool,
}

impl ParsedHeaders {
    fn by(headers: &[Header<'_>]) -> Result<Self, Box<Fault>> {
        let mut parsed = Self::default();
        for (index, header) in headers.iter().enumerate() {
            if !is_decisive(header.name) {
                continue;
            }
            let read = match header.name.len() {
                10 => parsed.connection(header.value),
                12 => parsed.content_type(header.value),
                14 => parsed.content_length(header.value),
                _ => parsed.transfer_encoding(header.value),
            };
            read.map_err(|kind| Fault::in_line(kind, Some(index + 1), &line(header)))?;
        }
        Ok(parsed)
    }

    const fn is_odd(&self) -> bool {
        self.names_identity || self.repeats_chunked || self.repeats_length || self.has_odd_length
    }

    /// Note how the header deviates.
    #[cold]
    fn note(&self, headers: &[Header<'_>], is_http10: bool, deviations: &mut Deviations) {
        let last = |length: usize| {
            let is_it = |header: &&Header<'_>| header.name.len() == length;
            let mut decisive = headers.iter().rev().filter(|header| is_decisive(header.name));
            decisive.find(is_it).map(line).unwrap_or_default()
        };
        let (length, coding) = (14, 17);
        for (is_so, deviation, line) in [
            (self.is_coded && is_http10, Deviation::CodingInHttp10, coding),
            (self.is_coded && self.length.is_some(), Deviation::LengthBesideCoding, length),
            (self.names_identity, Deviation::IdentityCoding, coding),
            (self.repeats_chunked, Deviation::ChunkedRepeated, coding),
            (self.repeats_length, Deviation::LengthRepeated, length),
            (self.has_odd_length, Deviation::LengthForm, length),
        ] {
            if is_so {
                deviations.note(deviation, &last(line));
            }
        }
    }

    fn connection(&mut self, value: &[u8]) -> Result<(), Malformed> {
        for option in members(value) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
        Ok(())
    }

    /// Of several the last one counts (WHATWG Fetch, "extract a MIME type").
    fn content_type(&mut self, value: &[u8]) -> Result<(), Malformed> {
        let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
        self.is_event_stream = essence.trim_ascii().eq_ignore_ascii_case(b"text/event-stream");
        Ok(())
    }

    /// A list of identical numbers counts as one (RFC 9110 section 8.6).
    fn content_length(&mut self, value: &[u8]) -> Result<(), Malformed> {
        let lengths = value.split(|byte| *byte == b',').map(|member| decimal(member.trim_ascii()));
        if lengths.clone().any(|length| length.is_none()) {
            self.has_odd_length = true;
            return self.one_length(leading_number(value).ok_or(Malformed::ContentLength)?);
        }
        lengths.flatten().try_for_each(|length| self.one_length(length))
    }

    fn one_length(&mut self, length: u64) -> Result<(), Malformed> {
        self.repeats_length |= self.length.is_some();
        match *self.length.get_or_insert(length) == length {
            true => Ok(()),
            false => Err(Malformed::ContentLengthsDiffer),
        }
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Malformed> {
        self.is_coded |= members(value).next().is_none();
        for coding in members(value) {
            let mut parts = coding.splitn(2, |byte| *byte == b';');
            let name = parts.next().unwrap_or_default().trim_ascii();
            if name.eq_ignore_ascii_case(b"identity") {
                self.names_identity = true;
                continue;
            }
            self.is_coded = true;
            self.is_chunked = name.eq_ignore_ascii_case(b"chunked");
            // RFC 9112 section 7.1.
            if self.is_chunked && parts.next().is_some() {
                return Err(Malformed::ChunkedCoding);
            }
            self.repeats_chunked |= self.is_chunked && self.names_chunked;
            self.names_chunked |= self.is_chunked;
        }
        Ok(())
    }

    /// Chunked wins over a length (RFC 9112 section 6.3).
    const fn framing(&self, status: u16, is_head: bool) -> Framing {
        match (self.is_coded, self.length) {
            _ if is_head || matches!(status, 204 | 304) => Framing::None(self.declared()),
            (true, _) if self.is_chunked => Framing::Chunked,
            (true, _) => Framing::Close,
            (false, Some(length)) => Framing::Length(length),
            (false, None) => Framing::Close,
        }
    }

    const fn declared(&self) -> Declared {
        match (self.is_chunked, self.length) {
            (true, _) => Declared::Chunked,
            (false, Some(length)) => Declared::Length(length),
            (false, None) => Declared::Nothing,
        }
    }
}

/// A header as a line.
fn line(header: &Header<'_>) -> Vec<u8> {
    [header.name.as_bytes(), b": ", header.value].concat()
}

/// The non-empty members of a comma-separated list.
pub(crate) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

/// A number with a sign or something behind it, as curl reads it.
#[cold]
fn leading_number(value: &[u8]) -> Option<u64> {
    let value = value.trim_ascii();
    let value = value.strip_prefix(b"+").unwrap_or(value);
    decimal(value.split(|byte| !byte.is_ascii_digit()).next().unwrap_or_default())
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
