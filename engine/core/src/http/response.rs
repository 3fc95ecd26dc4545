//! One connection's response parser: bytes in, responses out, split anywhere.
//!
//! It keeps the place in the stream and counts bytes; payload is skipped, or lent to the caller,
//! never kept. `head` decides what a header means, `chunked` reads the chunked coding,
//! `header_cache` recognises headers without parsing, `partial_head` keeps a header that is split
//! over receives. The caller knows which request a response answers.

use thiserror::Error;

use super::behind::Behind;
use super::chunked::{ChunkedDecoder, ChunkedError, lend};
use super::deviation::{Deviation, Deviations};
use super::fault::Fault;
use super::head::{Framing, Head};
use super::header_cache::HeaderCache;
use super::partial_head::{self, PartialHead};
use super::protocol::OtherProtocol;
use super::unfinished::Unfinished;

/// Most interim responses ahead of one final response.
const INTERIMS_MAX: u8 = 64;

/// One complete response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// Status code, 200 to 999.
    pub status: u16,
    /// The state of its connection.
    pub persistence: Persistence,
    /// Whether its Content-Type is `text/event-stream`, so that an
    /// [`EventReader`](crate::sse::EventReader) reads its payload.
    pub is_event_stream: bool,
    /// Bytes of its header, and of the interim responses ahead of it.
    pub head_bytes: u32,
    /// Bytes of payload: the body without its chunk framing.
    pub body_bytes: u64,
}

/// What becomes of a connection once a response on it has been received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// It may carry another exchange.
    Kept,
    /// The server closes it: `Connection: close`, HTTP/1.0, or a body that its end delimits.
    Closed,
    /// Header lines contradict each other, or the version, about where the response ends: nothing
    /// behind it can be trusted (RFC 9112 sections 6.1 and 6.3).
    Ambiguous,
}

impl Response {
    /// Whether its connection may carry another exchange.
    pub const fn is_kept(&self) -> bool {
        matches!(self.persistence, Persistence::Kept)
    }
}

// One lies in every connection's parser.
const _: () = assert!(size_of::<Response>() == 16);

/// The result of feeding bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All of them were taken; the response needs more.
    NeedMore,
    /// A `100 Continue` ended among them: the server asks for the body of the request. Only of a
    /// parser that is [`ResponseParser::telling_continue`].
    Continue {
        /// How many bytes belonged to it and to what came ahead of it; the rest is still to be
        /// fed.
        consumed: usize,
    },
    /// The first of them belong to no response and are passed over: empty lines, or a body where
    /// there can be none. No response has begun.
    Dropped {
        /// How many; the rest is still to be fed.
        consumed: usize,
    },
    /// A response ended among them.
    Complete {
        /// How many bytes belonged to it; the rest is the next response's.
        consumed: usize,
        /// The response.
        response: Response,
    },
}

/// The meaning of the end of the stream for the response being received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// Nothing had begun.
    Clean,
    /// It was how this response says that it is complete.
    Complete(Response),
    /// A response was cut short, or what came was malformed.
    Truncated,
}

/// Why bytes are not a response, in words for the user. The connection is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// No status line of a version known.
    #[error("no `HTTP/1.1` or `HTTP/1.0` stands where a response should begin")]
    NotHttp,
    /// Another protocol.
    #[error("{0}")]
    Protocol(OtherProtocol),
    /// Not 100 to 999.
    #[error("the status code is not three digits from 100 to 999, or its line is broken")]
    StatusCode,
    /// Not a header line in any reading.
    #[error("not `name: value`")]
    HeaderLine,
    /// A line that is neither a header nor the end of the header.
    #[error("no colon")]
    HeaderColon,
    /// Browsers and curl refuse it too.
    #[error("a NUL byte")]
    HeaderNul,
    /// More than 64 KiB.
    #[error("the header is longer than 64 KiB")]
    HeadTooLarge,
    /// More than 128.
    #[error("the header has more than 128 lines")]
    TooManyHeaders,
    /// Not a number, or one that no body can have.
    #[error("Content-Length is not a decimal number below 2^63")]
    ContentLength,
    /// Several values.
    #[error("Content-Length is given more than once, with different values")]
    ContentLengthsDiffer,
    /// With parameters.
    #[error("Transfer-Encoding names `chunked` with parameters")]
    ChunkedCoding,
    /// Status 101.
    #[error("the status is 101 Switching Protocols, but no upgrade was asked for")]
    Upgrade,
    /// More than 64.
    #[error("more than 64 interim (1xx) responses came ahead of one response")]
    TooManyInterims,
    /// The body.
    #[error(transparent)]
    Chunked(#[from] ChunkedError),
}

/// The place in one connection's stream of responses.
#[derive(Debug, Default)]
pub struct ResponseParser {
    state: State,
    /// The first part of a header split over receives; not empty only while it is awaited.
    carry: Option<Box<PartialHead>>,
    tells_continue: bool,
}

// One per connection, and thousands of them share the cache with the ring.
const _: () = assert!(size_of::<ResponseParser>() <= 64);

#[derive(Debug, Default)]
enum State {
    #[default]
    Between,
    /// In a header, or after interim responses.
    Head(Interims),
    Length {
        response: Response,
        remaining: u64,
    },
    Chunked {
        response: Response,
        decoder: ChunkedDecoder,
    },
    Close {
        response: Response,
    },
    /// Between, and the last response had no body though it may have declared one.
    Behind(Behind),
    Broken(Box<Fault>),
}

/// The interim responses ahead of the one awaited.
#[derive(Clone, Copy, Debug, Default)]
struct Interims {
    count: u8,
    bytes: u32,
}

impl ResponseParser {
    /// Before the first byte of a connection.
    pub const fn new() -> Self {
        Self { state: State::Between, carry: None, tells_continue: false }
    }

    /// The same, where requests wait for a `100 Continue` before their body is sent: each one
    /// that comes is reported as [`Progress::Continue`]. Other interim responses are passed over.
    pub const fn telling_continue() -> Self {
        Self { state: State::Between, carry: None, tells_continue: true }
    }

    /// Take the next bytes, up to the end of the response they belong to. `is_head`: that
    /// response answers a HEAD request.
    ///
    /// # Errors
    /// When the bytes are not a response; then in each call until [`Self::end_of_stream`].
    #[inline]
    pub fn feed(
        &mut self,
        bytes: &[u8],
        header_cache: &mut HeaderCache,
        is_head: bool,
    ) -> Result<Progress, Malformed> {
        self.feed_into(bytes, header_cache, is_head, &mut |_: &[u8]| {})
    }

    /// Like [`Self::feed`], lending every piece of payload to `payload`: in order, each byte
    /// once, without chunk framing, and no piece empty. What [`Self::skip`] reports is not
    /// among it.
    ///
    /// # Errors
    /// As [`Self::feed`]; what was lent before the fault was found stays lent.
    #[inline]
    pub fn feed_into(
        &mut self,
        bytes: &[u8],
        header_cache: &mut HeaderCache,
        is_head: bool,
        payload: &mut impl FnMut(&[u8]),
    ) -> Result<Progress, Malformed> {
        if matches!(self.state, State::Between)
            && let Some(head) = header_cache.recognise(bytes, is_head)
        {
            let consumed = head.bytes as usize;
            if let Framing::Length(length) = head.framing
                && length <= (bytes.len() - consumed) as u64
            {
                let end = consumed + length as usize;
                lend(bytes, consumed..end, payload);
                header_cache.whole = end;
                return Ok(Progress::Complete { consumed: end, response: head.response(length) });
            }
            header_cache.whole = 0;
            let deviations = &mut header_cache.deviations;
            let begun =
                self.begin_body(head, Interims::default(), bytes, consumed, payload, deviations);
            return begun.map_err(|fault| self.break_off(fault));
        }
        header_cache.whole = 0;
        self.resume(bytes, header_cache, is_head, payload)
    }

    /// The response whose body is under way. Of `body_bytes`, what its header or the bytes so
    /// far tell.
    pub const fn under_way(&self) -> Option<Response> {
        match &self.state {
            State::Length { response, .. } | State::Close { response } => Some(*response),
            State::Chunked { response, decoder } => {
                Some(Response { body_bytes: decoder.payload(), ..*response })
            }
            State::Between | State::Behind(_) | State::Head(_) | State::Broken(_) => None,
        }
    }

    /// What is missing of the response under way; `None` when none has begun.
    pub fn unfinished(&self) -> Option<Unfinished> {
        match &self.state {
            State::Head(interims) => {
                let has_begun = self.carry.as_ref().is_some_and(|carry| !carry.is_empty());
                let is_interim = interims.count > 0 && !has_begun;
                Some(if is_interim { Unfinished::Interims } else { Unfinished::Header })
            }
            State::Length { response, remaining } => {
                let of = response.body_bytes;
                Some(Unfinished::Length { got: of - remaining, of })
            }
            State::Chunked { decoder, .. } => {
                let got = decoder.payload();
                Some(match decoder.is_in_trailers() {
                    true => Unfinished::Trailers { got },
                    false => Unfinished::Chunked { got },
                })
            }
            State::Close { .. } => Some(Unfinished::UntilClose),
            State::Between | State::Behind(_) | State::Broken(_) => None,
        }
    }

    /// How many of the next bytes are payload and nothing else, so that they may be dropped
    /// unread and reported by [`Self::skip`]: `u64::MAX` until the connection closes, 0 elsewhere.
    pub const fn opaque(&self) -> u64 {
        match &self.state {
            State::Length { remaining, .. } => *remaining,
            State::Chunked { decoder, .. } => decoder.opaque(),
            State::Close { .. } => u64::MAX,
            State::Between | State::Behind(_) | State::Head(_) | State::Broken(_) => 0,
        }
    }

    /// `count` bytes of payload arrived and were dropped, at most [`Self::opaque`]. The response,
    /// when it ended with them.
    pub fn skip(&mut self, count: u64) -> Option<Response> {
        debug_assert!(count <= self.opaque(), "only payload can be skipped");
        match &mut self.state {
            State::Length { response, remaining } => {
                *remaining -= count;
                let response = *response;
                (*remaining == 0).then(|| self.finish(response))
            }
            State::Chunked { decoder, .. } => {
                decoder.skip(count);
                None
            }
            State::Close { response } => {
                response.body_bytes += count;
                None
            }
            State::Between | State::Behind(_) | State::Head(_) | State::Broken(_) => None,
        }
    }

    /// The peer closed its side: what that means, and back to the start for a new connection.
    pub fn end_of_stream(&mut self) -> StreamEnd {
        if let Some(carry) = self.carry.take() {
            self.keep(carry);
        }
        match std::mem::take(&mut self.state) {
            State::Between => StreamEnd::Clean,
            State::Behind(behind) if !behind.is_open() => StreamEnd::Clean,
            State::Close { response } => StreamEnd::Complete(response),
            State::Behind(_)
            | State::Head(_)
            | State::Length { .. }
            | State::Chunked { .. }
            | State::Broken(_) => StreamEnd::Truncated,
        }
    }

    /// Why the received bytes are not a response, if they are not.
    pub fn fault(&self) -> Option<&Fault> {
        match &self.state {
            State::Broken(fault) => Some(fault),
            _ => None,
        }
    }

    /// Pass over bytes that came without a request in flight, where they belong to no response:
    /// empty lines, or a body where there can be none. How many of the first ones; 0 when they
    /// are something else.
    #[cold]
    #[inline(never)]
    pub fn drop_unasked(&mut self, bytes: &[u8], header_cache: &mut HeaderCache) -> usize {
        match &mut self.state {
            State::Between => {
                let is_line_end = |byte: &&u8| matches!(byte, b'\r' | b'\n');
                let empty = bytes.iter().take_while(is_line_end).count();
                if bytes[..empty].contains(&b'\n') {
                    header_cache.deviations.note(Deviation::EmptyLine, &bytes[..empty]);
                }
                empty
            }
            State::Behind(behind) => {
                let (dropped, is_over) = behind.take(bytes, &mut header_cache.deviations);
                if is_over {
                    self.state = State::Between;
                }
                dropped
            }
            _ => 0,
        }
    }

    /// Whether no byte of a response has been seen since the last one ended.
    pub const fn is_between(&self) -> bool {
        match &self.state {
            State::Between => true,
            State::Behind(behind) => !behind.is_open(),
            _ => false,
        }
    }

    /// The part of `feed_into` for bytes that the header cache does not recognise.
    #[inline(never)]
    fn resume(
        &mut self,
        bytes: &[u8],
        header_cache: &mut HeaderCache,
        is_head: bool,
        payload: &mut impl FnMut(&[u8]),
    ) -> Result<Progress, Malformed> {
        if bytes.is_empty() && !matches!(self.state, State::Broken(_)) {
            return Ok(Progress::NeedMore);
        }
        let outcome = match &mut self.state {
            State::Between | State::Behind(_) => {
                if let consumed @ 1.. = self.drop_unasked(bytes, header_cache) {
                    // The last of them may be the first of a response.
                    let is_open = matches!(&self.state, State::Behind(behind) if behind.is_open());
                    return Ok(match is_open {
                        true => Progress::NeedMore,
                        false => Progress::Dropped { consumed },
                    });
                }
                self.take_up_withheld();
                self.feed_head(Interims::default(), bytes, header_cache, is_head, payload)
            }
            &mut State::Head(interims) => {
                self.feed_head(interims, bytes, header_cache, is_head, payload)
            }
            State::Broken(fault) => return Err(fault.kind()),
            State::Length { .. } | State::Chunked { .. } | State::Close { .. } => {
                self.feed_body(bytes, 0, payload, &mut header_cache.deviations)
            }
        };
        outcome.map_err(|fault| self.break_off(fault))
    }

    /// A response begins with bytes that might not have been its own.
    fn take_up_withheld(&mut self) {
        if let State::Behind(behind) = &mut self.state
            && let withheld @ [_, ..] = behind.withheld()
        {
            let mut carry = self.carry.take().unwrap_or_default();
            carry.begin(withheld);
            self.carry = Some(carry);
        }
    }

    #[cold]
    fn break_off(&mut self, fault: Box<Fault>) -> Malformed {
        let kind = fault.kind();
        self.state = State::Broken(fault);
        kind
    }

    fn feed_head(
        &mut self,
        mut interims: Interims,
        bytes: &[u8],
        header_cache: &mut HeaderCache,
        is_head: bool,
        payload: &mut impl FnMut(&[u8]),
    ) -> Result<Progress, Box<Fault>> {
        let mut at = 0;
        loop {
            let found = match self.carry.take_if(|carry| !carry.is_empty()) {
                Some(carry) => self.read_carried(carry, &bytes[at..], header_cache, is_head)?,
                None => self.read_head(&bytes[at..], header_cache, is_head)?,
            };
            let Some((head, consumed)) = found else {
                self.state = State::Head(interims);
                return Ok(Progress::NeedMore);
            };
            at += consumed;
            if !head.is_interim() {
                let deviations = &mut header_cache.deviations;
                return self.begin_body(head, interims, bytes, at, payload, deviations);
            }
            interims = interims.and(head)?;
            if self.tells_continue && head.status == 100 {
                self.state = State::Head(interims);
                return Ok(Progress::Continue { consumed: at });
            }
        }
    }

    /// A header that begins with `bytes`, and how many of them it has. Carries it if it is not
    /// all there.
    fn read_head(
        &mut self,
        bytes: &[u8],
        header_cache: &mut HeaderCache,
        is_head: bool,
    ) -> Result<Option<(Head, usize)>, Box<Fault>> {
        if let Some(head) = header_cache.recognise(bytes, is_head) {
            return Ok(Some((head, head.bytes as usize)));
        }
        let is_recent = header_cache.missing(bytes, is_head).is_some();
        if !is_recent && let Some(head) = partial_head::parse(bytes, header_cache, is_head)? {
            return Ok(Some((head, head.bytes as usize)));
        }
        if !bytes.is_empty() {
            let mut carry = self.carry.take().unwrap_or_default();
            carry.begin(bytes);
            self.carry = Some(carry);
        }
        Ok(None)
    }

    /// A header that begins with the carry, and how many of `bytes` it has.
    fn read_carried(
        &mut self,
        mut carry: Box<PartialHead>,
        bytes: &[u8],
        header_cache: &mut HeaderCache,
        is_head: bool,
    ) -> Result<Option<(Head, usize)>, Box<Fault>> {
        let found = carry.complete(bytes, header_cache, is_head)?;
        if found.is_some() {
            self.keep(carry);
        } else {
            self.carry = Some(carry);
        }
        Ok(found)
    }

    /// Keep an emptied carry for the next split header, unless it has grown large.
    fn keep(&mut self, mut carry: Box<PartialHead>) {
        carry.clear();
        self.carry = carry.is_small().then_some(carry);
    }

    /// The header ended at `at` in `bytes`; the body begins there.
    fn begin_body(
        &mut self,
        head: Head,
        interims: Interims,
        bytes: &[u8],
        at: usize,
        payload: &mut impl FnMut(&[u8]),
        deviations: &mut Deviations,
    ) -> Result<Progress, Box<Fault>> {
        let mut response = head.response(0);
        response.head_bytes += interims.bytes;
        self.state = match head.framing {
            Framing::None(declared) => {
                self.state = State::Behind(Behind::new(declared));
                return Ok(Progress::Complete { consumed: at, response });
            }
            Framing::Length(remaining) => {
                response.body_bytes = remaining;
                State::Length { response, remaining }
            }
            Framing::Chunked => State::Chunked { response, decoder: ChunkedDecoder::new() },
            Framing::Close => State::Close { response },
        };
        self.feed_body(bytes, at, payload, deviations)
    }

    /// `bytes` from `at` on belong to the body.
    fn feed_body(
        &mut self,
        bytes: &[u8],
        at: usize,
        payload: &mut impl FnMut(&[u8]),
        deviations: &mut Deviations,
    ) -> Result<Progress, Box<Fault>> {
        let here = (bytes.len() - at) as u64;
        let (consumed, response) = match &mut self.state {
            State::Length { response, remaining } => {
                let taken = here.min(*remaining);
                *remaining -= taken;
                let taken = taken as usize; // at most `here`
                lend(bytes, at..at + taken, payload);
                if *remaining > 0 {
                    return Ok(Progress::NeedMore);
                }
                (taken, *response)
            }
            State::Chunked { response, decoder } => {
                let mut place = at;
                match decoder.feed_from(&mut place, bytes, payload, deviations) {
                    Ok(Some(end)) => {
                        let body_bytes = decoder.payload();
                        (end - at, Response { body_bytes, ..*response })
                    }
                    Ok(None) => return Ok(Progress::NeedMore),
                    Err(error) => return Err(Fault::in_chunks(error, &bytes[at..], place - at)),
                }
            }
            State::Close { response } => {
                response.body_bytes += here;
                lend(bytes, at..bytes.len(), payload);
                return Ok(Progress::NeedMore);
            }
            State::Between | State::Behind(_) | State::Head(_) | State::Broken(_) => {
                return Ok(Progress::NeedMore);
            }
        };
        Ok(Progress::Complete { consumed: at + consumed, response: self.finish(response) })
    }

    fn finish(&mut self, response: Response) -> Response {
        self.state = State::Between;
        response
    }
}

impl Interims {
    fn and(self, head: Head) -> Result<Self, Malformed> {
        match (head.status, self.count) {
            (101, _) => Err(Malformed::Upgrade),
            (_, INTERIMS_MAX) => Err(Malformed::TooManyInterims),
            (_, count) => Ok(Self { count: count + 1, bytes: self.bytes + head.bytes }),
        }
    }
}
