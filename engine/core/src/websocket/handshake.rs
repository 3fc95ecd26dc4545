//! The opening handshake (RFC 6455 section 4): the request for a WebSocket, and whether an answer
//! accepts it.
//!
//! The request is built once, with its key, for all connections. The answer is HTTP: `http` parses
//! it, this file decides what a 101 must contain.

use std::mem::MaybeUninit;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use httparse::Header;
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};
use thiserror::Error;

use crate::http::chunked::is_token;
use crate::http::deviation::Deviations;
use crate::http::head::{self, HEAD_BYTES_MAX, HEADERS_MAX, Parsed, members};
use crate::http::header_cache::HeaderCache;
use crate::http::lenient;
use crate::http::partial_head::head_end;
use crate::http::request::{RequestError, RequestParts, RequestTemplate};
use crate::http::response::{Malformed, Progress, Response, ResponseParser, StreamEnd};

/// What a server appends to the key before it hashes it (RFC 6455 section 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The status of an answer that accepts.
const SWITCHING: u16 = 101;

/// The parts of a handshake.
#[derive(Clone, Copy, Debug)]
pub struct OpeningParts<'a> {
    /// Host and, unless it is the scheme's default, port: the value of `Host`.
    pub authority: &'a str,
    /// Path and query, from the `/` on.
    pub target: &'a str,
    /// Further headers, such as `Origin`.
    pub headers: &'a [(String, String)],
    /// Subprotocols to offer, the preferred one first; may be empty.
    pub protocols: &'a [String],
    /// Random bytes that the answer must prove to have read. All connections send the same ones.
    pub key: [u8; 16],
}

/// Why parts are not a handshake, and the fix.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OpeningError {
    /// Not a request.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A header that the handshake writes itself, or that would promise something false.
    #[error("header `{0}` is written by the WebSocket handshake itself: leave it out")]
    HeaderTaken(String),
    /// Extensions change the meaning of frames.
    #[error(
        "header `Sec-WebSocket-Extensions` requests extensions, which are not supported: \
         leave it out"
    )]
    Extensions,
    /// Given as a header.
    #[error("header `Sec-WebSocket-Protocol` cannot be given: name the subprotocols instead")]
    ProtocolHeader,
    /// Not a token.
    #[error("subprotocol {0:?} is not a word of letters, digits and `-` or `.`")]
    Protocol(String),
    /// RFC 6455 section 4.1 wants each once.
    #[error("subprotocol `{0}` is named more than once: keep one of them")]
    ProtocolTwice(String),
}

/// Why a server's answer neither accepts nor refuses. The connection is useless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AnswerError {
    /// Not HTTP.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Missing, or another value.
    #[error("`Upgrade: websocket` is missing in the 101: check that the target speaks WebSocket")]
    Upgrade,
    /// Missing, or without the token.
    #[error("`Connection: Upgrade` is missing in the 101: check whether a proxy removes it")]
    Connection,
    /// No proof at all.
    #[error("Sec-WebSocket-Accept is missing in the 101: check that the target speaks WebSocket")]
    AcceptMissing,
    /// Of another key, or computed wrongly.
    #[error(
        "Sec-WebSocket-Accept is not the one for the key sent: check whether a cache answers \
         instead of the server"
    )]
    Accept,
    /// None was requested.
    #[error("Sec-WebSocket-Extensions names one that was not requested: turn it off in the server")]
    Extensions,
    /// Not one of those offered, or several.
    #[error(
        "Sec-WebSocket-Protocol is not one of those requested: name the subprotocol that the \
         server uses"
    )]
    Protocol,
}

/// The bytes of the request, and the required content of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    #[serde(with = "crate::stored")]
    bytes: Vec<u8>,
    accept: String,
    protocols: Vec<String>,
}

/// The result of a complete answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Opened,
    Refused(Response),
}

/// An answer being received; empty unless it is split over receives.
#[derive(Debug)]
pub(super) struct Answer(Option<Box<Begun>>);

#[derive(Debug, Default)]
struct Begun {
    /// The first part of a header, up to 64 KiB.
    head: Vec<u8>,
    /// How much of it httparse has parsed without an error or an end.
    parsed: usize,
    /// Parses interim responses, and a refusal.
    parser: ResponseParser,
    /// The header is complete, and is not a 101.
    is_refused: bool,
}

impl Opening {
    /// Build the request as [`RequestTemplate::build`] does, with the handshake's own headers
    /// before the given ones.
    ///
    /// # Errors
    /// If a part would be read differently than meant, or contradicts the handshake.
    pub fn build(parts: OpeningParts<'_>) -> Result<Self, OpeningError> {
        parts.headers.iter().try_for_each(|(name, _)| check_header(name))?;
        check_protocols(parts.protocols)?;
        let key = BASE64.encode(parts.key);
        let protocols = parts.protocols.join(", ");
        let own = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", key.as_str()),
            ("Sec-WebSocket-Protocol", protocols.as_str()),
        ];
        let own = own.iter().filter(|(_, value)| !value.is_empty());
        let mut headers: Vec<(String, String)> =
            own.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        headers.extend_from_slice(parts.headers);
        let request = RequestTemplate::build(RequestParts {
            headers: &headers,
            ..RequestParts::new("GET", parts.authority, parts.target)
        })?;
        let hash = Sha1::new().chain_update(&key).chain_update(GUID).finalize();
        Ok(Self {
            bytes: request.bytes().to_vec(),
            accept: BASE64.encode(hash),
            protocols: parts.protocols.to_vec(),
        })
    }

    /// The bytes to send.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The `Sec-WebSocket-Accept` that proves the key was read.
    pub fn accept(&self) -> &str {
        &self.accept
    }

    /// Whether the headers of a 101 match the request (RFC 6455 section 4.1).
    fn check(&self, headers: &[Header<'_>]) -> Result<(), AnswerError> {
        let values = |name: &'static str| {
            let named = move |header: &&Header<'_>| header.name.eq_ignore_ascii_case(name);
            headers.iter().filter(named).map(|header| header.value.trim_ascii())
        };
        let says = |name, token: &[u8]| {
            values(name).flat_map(members).any(|member| member.eq_ignore_ascii_case(token))
        };
        if !says("Upgrade", b"websocket") {
            return Err(AnswerError::Upgrade);
        }
        if !says("Connection", b"upgrade") {
            return Err(AnswerError::Connection);
        }
        let mut accepts = values("Sec-WebSocket-Accept");
        match (accepts.next(), accepts.next()) {
            (None, _) => return Err(AnswerError::AcceptMissing),
            (Some(accept), None) if accept == self.accept.as_bytes() => {}
            _ => return Err(AnswerError::Accept),
        }
        if values("Sec-WebSocket-Extensions").flat_map(members).next().is_some() {
            return Err(AnswerError::Extensions);
        }
        let mut chosen = values("Sec-WebSocket-Protocol");
        let is_asked = |value: &[u8]| self.protocols.iter().any(|name| name.as_bytes() == value);
        match (chosen.next(), chosen.next()) {
            // A server that supports none of them leaves it out.
            (None, _) => Ok(()),
            (Some(name), None) if is_asked(name) => Ok(()),
            _ => Err(AnswerError::Protocol),
        }
    }

    /// Read a header from the front of `bytes`: its status and length. `None`: it is incomplete.
    fn read(&self, bytes: &[u8]) -> Result<Option<(u16, usize)>, AnswerError> {
        let mut room = [const { MaybeUninit::uninit() }; HEADERS_MAX];
        let parsed = head::parse(bytes, &mut room, false, &mut Deviations::new());
        let parsed = parsed.map_err(|fault| fault.kind())?;
        let Some(Parsed { head, headers, .. }) = parsed else { return Ok(None) };
        let length = head.bytes as usize;
        match headers {
            _ if head.status != SWITCHING => {}
            Some(headers) => self.check(headers)?,
            // Parsed from a corrected copy.
            None => {
                let copy = lenient::put_right(&bytes[..length]).map_err(|fault| fault.kind())?;
                self.read(&copy)?;
            }
        }
        Ok(Some((head.status, length)))
    }
}

fn check_header(name: &str) -> Result<(), OpeningError> {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    if is("Sec-WebSocket-Extensions") {
        return Err(OpeningError::Extensions);
    }
    if is("Sec-WebSocket-Protocol") {
        return Err(OpeningError::ProtocolHeader);
    }
    let of_opening = "Sec-WebSocket-";
    let is_of_opening =
        name.get(..of_opening.len()).is_some_and(|start| start.eq_ignore_ascii_case(of_opening));
    if is("Upgrade") || is("Connection") || is_of_opening {
        return Err(OpeningError::HeaderTaken(name.to_owned()));
    }
    Ok(())
}

fn check_protocols(protocols: &[String]) -> Result<(), OpeningError> {
    for (at, name) in protocols.iter().enumerate() {
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(OpeningError::Protocol(name.clone()));
        }
        if protocols[..at].contains(name) {
            return Err(OpeningError::ProtocolTwice(name.clone()));
        }
    }
    Ok(())
}

impl Answer {
    /// Before its first byte.
    pub(super) const fn new() -> Self {
        Self(None)
    }

    /// Read the next bytes. `Some((n, verdict))`: the answer ended with the first `n` of them.
    /// `None`: all of them belong to it, and more must come.
    ///
    /// # Errors
    /// If the bytes are not an answer, or one that neither accepts nor refuses. Later results have
    /// no meaning then.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        opening: &Opening,
    ) -> Result<Option<(usize, Verdict)>, AnswerError> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let begun = match &mut self.0 {
                None => match opening.read(rest)? {
                    // The usual answer, complete: nothing is kept of it.
                    Some((SWITCHING, end)) => return Ok(Some((at + end, Verdict::Opened))),
                    _ => self.0.insert(Box::default()),
                },
                Some(begun) => begun,
            };
            let Some((taken, verdict)) = begun.feed(rest, opening)? else { return Ok(None) };
            at += taken;
            if let Some(verdict) = verdict {
                return Ok(Some((at, verdict)));
            }
        }
        Ok(None)
    }

    /// The answer that refuses and whose body is under way.
    pub(super) fn refusal(&self) -> Option<Response> {
        self.0.as_ref().filter(|begun| begun.is_refused)?.parser.under_way()
    }

    /// The peer closed its side: the meaning is that of any HTTP response.
    pub(super) fn end_of_stream(self) -> StreamEnd {
        match self.0 {
            None => StreamEnd::Clean,
            Some(mut begun) if begun.is_refused => begun.parser.end_of_stream(),
            Some(_) => StreamEnd::Truncated,
        }
    }
}

impl Begun {
    /// Read one header, or a body: the length read, and the result. `None`: more must come.
    fn feed(
        &mut self,
        bytes: &[u8],
        opening: &Opening,
    ) -> Result<Option<(usize, Option<Verdict>)>, AnswerError> {
        if self.is_refused {
            let progress = self.parser.feed(bytes, &mut HeaderCache::disabled(), false)?;
            return Ok(match progress {
                // Only a body is left, which this parser does not report either.
                Progress::NeedMore | Progress::Continue { .. } | Progress::Dropped { .. } => None,
                Progress::Complete { consumed, response } => {
                    Some((consumed, Some(Verdict::Refused(response))))
                }
            });
        }
        let Some((status, taken)) = self.complete(bytes, opening)? else { return Ok(None) };
        if status == SWITCHING {
            return Ok(Some((taken, Some(Verdict::Opened))));
        }
        self.is_refused = status >= 200;
        let progress = self.parser.feed(&self.head, &mut HeaderCache::disabled(), false)?;
        self.head.clear();
        Ok(match progress {
            Progress::NeedMore | Progress::Continue { .. } | Progress::Dropped { .. } => {
                Some((taken, None))
            }
            Progress::Complete { response, .. } => Some((taken, Some(Verdict::Refused(response)))),
        })
    }

    /// Take the missing part of the header from `bytes`: its status and the length taken, or `None`
    /// if all of `bytes` belongs to it.
    fn complete(
        &mut self,
        bytes: &[u8],
        opening: &Opening,
    ) -> Result<Option<(u16, usize)>, AnswerError> {
        let end = head_end(&self.head, bytes);
        let taken = end.unwrap_or(bytes.len());
        let room = HEAD_BYTES_MAX - self.head.len();
        self.head.extend_from_slice(&bytes[..taken.min(room)]);
        // Parsing only at the end, or when it has doubled, keeps the cost linear however finely the
        // header is split, and still finds endless garbage.
        if end.is_none() && self.head.len() < (2 * self.parsed).min(HEAD_BYTES_MAX) {
            return Ok(None);
        }
        self.parsed = self.head.len();
        let found = opening.read(&self.head)?;
        match (found, end) {
            (Some((status, _)), Some(end)) => {
                self.parsed = 0;
                Ok(Some((status, end)))
            }
            (None, None) => Ok(None),
            // The empty line and httparse disagree about the end.
            (Some(_), None) | (None, Some(_)) => Err(Malformed::HeaderLine.into()),
        }
    }
}

#[cfg(test)]
mod tests;
