//! What must hold of the HTTP and event machines whatever bytes they are fed; of the WebSocket
//! machine in `websocket`, of HTTP/2 in `http2`, of Redis and PostgreSQL in `replies`.
//!
//! Called by the fuzz targets with the fuzzer's input, and by a test of `uringbench-core` with
//! generated input. A check panics when it fails; the first eight bytes of its input choose how
//! the rest is fed.

mod http2;
mod postgres;
mod replies;
mod resp;
mod sse;
mod websocket;

pub use http2::{h2_machine, hpack_decode};
pub use postgres::postgres;
pub use resp::resp;
pub use websocket::websocket;

use uringbench_core::http::chunked::{ChunkedDecoder, ChunkedError};
use uringbench_core::http::header_cache::HeaderCache;
use uringbench_core::http::response::{Malformed, Progress, Response, ResponseParser, StreamEnd};

/// A stream of responses reads alike however it is split, whether payload is fed or skipped,
/// with headers learned, half learned or never, and whether `100 Continue` is reported or passed
/// over; what is read as payload is what the framing says. Returns how many responses it held.
pub fn response(input: &[u8]) -> usize {
    let Some((choices, stream)) = Choices::take(input) else { return 0 };
    let is_head = choices.0 & 1 == 1;
    let expected = receive_whole(stream, &mut HeaderCache::disabled(), is_head);
    let mut header_cache = HeaderCache::new();
    for round in 0..2 {
        agree(&expected, &receive_whole(stream, &mut header_cache, is_head));
        let mut choices = Choices(choices.0 ^ round);
        agree(&expected, &receive_split(stream, &mut header_cache, is_head, &mut choices));
    }
    expected.responses.len()
}

/// A chunked body reads as a plain reading of RFC 9112 section 7.1, as lenient as curl's, does,
/// however it is split.
/// Returns whether it was a complete one.
pub fn chunked(input: &[u8]) -> bool {
    let Some((mut choices, body)) = Choices::take(input) else { return false };
    let expected = read_chunked(body);
    for is_split in [false, true] {
        let found = decode(body, is_split.then_some(&mut choices));
        match (&expected, found) {
            (Reading::Whole { bytes, payload }, Ok(Some(whole))) => {
                assert_eq!((*bytes, payload), (whole.0, &whole.1));
            }
            (Reading::Wrong, Err(_)) | (Reading::CutShort, Ok(None)) => {}
            // A fault ahead of a missing line end is found before the line is whole.
            (Reading::CutShort, Err(_)) => {}
            (expected, found) => panic!("{expected:?} was read as {found:?}"),
        }
    }
    matches!(expected, Reading::Whole { .. })
}

/// A stream of server-sent events reads as a plain reading does, however it is split. Returns how
/// many events it held.
pub fn events(input: &[u8]) -> usize {
    let Some((mut choices, stream)) = Choices::take(input) else { return 0 };
    let expected = sse::plainly(stream);
    assert_eq!(sse::in_pieces(stream, |left| left), expected);
    assert_eq!(sse::in_pieces(stream, |left| choices.up_to(left.min(9))), expected);
    expected.events.len()
}

/// Everything one stream said.
#[derive(Debug)]
struct Received {
    responses: Vec<Response>,
    /// Of each response, and of the one cut short.
    payloads: Vec<Vec<u8>>,
    end: Result<StreamEnd, Malformed>,
}

/// Garbage that never ends may be found at any byte of it, so that one way of splitting calls
/// malformed what another still waits for; in all else they must agree.
fn agree(expected: &Received, found: &Received) {
    assert_eq!(expected.responses, found.responses);
    assert_eq!(expected.payloads, found.payloads);
    let is_unfinished = |end| matches!(end, Ok(StreamEnd::Truncated) | Err(_));
    let (expected, found) = (expected.end, found.end);
    assert!(
        expected == found || (is_unfinished(expected) && is_unfinished(found)),
        "{expected:?} became {found:?}"
    );
}

fn receive_whole(stream: &[u8], header_cache: &mut HeaderCache, is_head: bool) -> Received {
    let mut parser = ResponseParser::new();
    let (mut responses, mut payloads) = (Vec::new(), vec![Vec::new()]);
    let mut rest = stream;
    while !rest.is_empty() {
        assert!(parser.is_between() && parser.opaque() == 0);
        let fed = parser.feed_into(rest, header_cache, is_head, &mut collect(&mut payloads));
        match fed {
            Err(malformed) => return Received { responses, payloads, end: Err(malformed) },
            Ok(Progress::NeedMore) => break,
            Ok(Progress::Continue { .. }) => panic!("reported without being asked for"),
            Ok(Progress::Dropped { consumed }) => rest = &rest[consumed..],
            Ok(Progress::Complete { consumed, response }) => {
                let body = &rest[response.head_bytes as usize..consumed];
                assert_eq!(payloads.last(), Some(&payload(body, &response)));
                assert_eq!(parser.under_way(), None);
                responses.push(response);
                payloads.push(Vec::new());
                rest = &rest[consumed..];
            }
        }
    }
    let under_way = parser.under_way();
    let end = parser.end_of_stream();
    if let StreamEnd::Complete(response) = end {
        assert_eq!(payloads.last().map(Vec::len), Some(response.body_bytes as usize));
        assert_eq!(under_way, Some(response));
    }
    Received { responses, payloads, end: Ok(end) }
}

/// The payload of a whole body: without framing of its own it is as long as was said.
fn payload(body: &[u8], response: &Response) -> Vec<u8> {
    if body.len() as u64 == response.body_bytes {
        return body.to_vec();
    }
    match read_chunked(body) {
        Reading::Whole { bytes, payload } if bytes == body.len() => {
            assert_eq!(payload.len() as u64, response.body_bytes);
            payload
        }
        other => panic!("{other:?} was taken for a body in chunks"),
    }
}

/// Adds to the payload of the newest response.
fn collect(payloads: &mut [Vec<u8>]) -> impl FnMut(&[u8]) {
    let newest = payloads.last_mut().expect("begun with one");
    |piece| {
        assert!(!piece.is_empty());
        newest.extend_from_slice(piece);
    }
}

fn receive_split(
    stream: &[u8],
    header_cache: &mut HeaderCache,
    is_head: bool,
    choices: &mut Choices,
) -> Received {
    let tells_continue = choices.next() & 1 == 1;
    let mut parser =
        if tells_continue { ResponseParser::telling_continue() } else { ResponseParser::new() };
    let (mut responses, mut payloads) = (Vec::new(), vec![Vec::new()]);
    let mut rest = stream;
    while !rest.is_empty() {
        let most = rest.len().min(1 << choices.up_to(12));
        let len = choices.up_to(most);
        let opaque = parser.opaque().min(len as u64);
        if opaque > 0 && choices.next() & 1 == 1 {
            let (skipped, after) = rest.split_at(opaque as usize);
            collect(&mut payloads)(skipped);
            rest = after;
            if let Some(response) = parser.skip(opaque) {
                responses.push(response);
                payloads.push(Vec::new());
            }
            continue;
        }
        let fed =
            parser.feed_into(&rest[..len], header_cache, is_head, &mut collect(&mut payloads));
        match fed {
            Err(malformed) => return Received { responses, payloads, end: Err(malformed) },
            Ok(Progress::NeedMore) => rest = &rest[len..],
            Ok(Progress::Continue { consumed }) => {
                assert!(tells_continue && !parser.is_between() && (1..=len).contains(&consumed));
                rest = &rest[consumed..];
            }
            Ok(Progress::Dropped { consumed }) => {
                assert!(parser.is_between() && (1..=len).contains(&consumed));
                rest = &rest[consumed..];
            }
            Ok(Progress::Complete { consumed, response }) => {
                responses.push(response);
                payloads.push(Vec::new());
                rest = &rest[consumed..];
            }
        }
    }
    Received { responses, payloads, end: Ok(parser.end_of_stream()) }
}

/// Bytes of the body, and its payload; `None` when it is cut short.
fn decode(
    body: &[u8],
    mut choices: Option<&mut Choices>,
) -> Result<Option<(usize, Vec<u8>)>, ChunkedError> {
    let mut decoder = ChunkedDecoder::new();
    let mut payload = Vec::new();
    let mut at = 0;
    while at < body.len() {
        let left = body.len() - at;
        let len = choices.as_deref_mut().map_or(left, |choices| choices.up_to(left.min(9)));
        let opaque = decoder.opaque().min(len as u64);
        if opaque > 0 && choices.as_deref_mut().is_some_and(|choices| choices.next() & 1 == 1) {
            decoder.skip(opaque);
            let end = at + opaque as usize;
            payload.extend_from_slice(&body[at..end]);
            at = end;
            continue;
        }
        let mut collect = |piece: &[u8]| payload.extend_from_slice(piece);
        let ended = decoder.feed_into(&body[at..at + len], &mut collect)?;
        assert_eq!(decoder.payload(), payload.len() as u64);
        if let Some(consumed) = ended {
            return Ok(Some((at + consumed, payload)));
        }
        at += len;
    }
    Ok(None)
}

#[derive(Debug)]
enum Reading {
    Whole { bytes: usize, payload: Vec<u8> },
    CutShort,
    Wrong,
}

/// The plain reading: the whole body in hand, line by line.
fn read_chunked(body: &[u8]) -> Reading {
    let (mut at, mut payload) = (0, Vec::new());
    loop {
        let Some(line) = line(&body[at..]) else { return Reading::CutShort };
        at += line.len();
        let left = i64::MAX as u64 - payload.len() as u64;
        let Some(size) = chunk_size(line).filter(|size| *size <= left) else {
            return Reading::Wrong;
        };
        if size == 0 {
            return read_trailers(body, at, payload);
        }
        let size = usize::try_from(size).ok();
        let Some((chunk, rest)) = size.and_then(|size| body[at..].split_at_checked(size)) else {
            return Reading::CutShort;
        };
        payload.extend_from_slice(chunk);
        let returns = rest.iter().take_while(|byte| **byte == b'\r').count();
        match rest.get(returns) {
            Some(b'\n') => at = body.len() - rest.len() + returns + 1,
            None => return Reading::CutShort,
            Some(_) => return Reading::Wrong,
        }
    }
}

fn read_trailers(body: &[u8], mut at: usize, payload: Vec<u8>) -> Reading {
    let start = at;
    loop {
        let Some(line) = line(&body[at..]) else { return Reading::CutShort };
        at += line.len();
        if at - start > 64 * 1024 {
            return Reading::Wrong;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let Some(first) = text.first() else { return Reading::Whole { bytes: at, payload } };
        let is_trailer = matches!(first, b' ' | b'\t') || text.contains(&b':');
        if !is_trailer || text.iter().any(|byte| matches!(byte, 0 | b'\r')) {
            return Reading::Wrong;
        }
    }
}

/// Up to and including the first LF.
fn line(bytes: &[u8]) -> Option<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').next().filter(|line| line.ends_with(b"\n"))
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(line.split(|byte| !byte.is_ascii_hexdigit()).next()?).ok()?;
    let digits = text.trim_start_matches('0');
    let is_notation = digits.is_empty() && matches!(line[text.len()..], [b'x' | b'X', ..]);
    let is_line = line.len() <= 8 * 1024 && !is_notation;
    match (is_line && !text.is_empty(), digits) {
        (false, _) => None,
        (true, "") => Some(0),
        (true, digits) => u64::from_str_radix(digits, 16).ok(),
    }
}

/// A stream of choices (xorshift64, Marsaglia 2003) that the input's first bytes begin.
#[derive(Clone)]
struct Choices(u64);

impl Choices {
    fn take(input: &[u8]) -> Option<(Self, &[u8])> {
        let (seed, rest) = input.split_first_chunk::<8>()?;
        Some((Self(u64::from_le_bytes(*seed)), rest))
    }

    fn next(&mut self) -> u64 {
        let mut word = self.0.max(1);
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        self.0 = word;
        word >> 32
    }

    /// 1 to `most`.
    fn up_to(&mut self, most: usize) -> usize {
        1 + self.next() as usize % most
    }
}
