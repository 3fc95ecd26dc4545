//! A WebSocket on one connection: bytes in, messages and replies out, split anywhere.
//!
//! It tracks the position in the stream and counts bytes; payload is checked as it passes, never
//! kept. `frame` decides what a header means, `handshake` what an answer to the handshake means.
//! The caller decides when to send, and matches messages with replies.

use std::str;

use thiserror::Error;

use super::frame::{
    CONTROL_BYTES_MAX, ControlFrame, FrameError, Header, HeaderReader, Kind, Masks, Opcode,
    PAYLOAD_BYTES_MAX, is_close_code,
};
use super::handshake::{Answer, AnswerError, Opening, Verdict};
use super::text::Utf8;
use crate::http::response::{self, Response};

/// One complete message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Text or binary.
    pub kind: Kind,
    /// The sum of all its fragments, without their headers.
    pub payload_bytes: u64,
    /// Whether the payload is the expected one. `true` if none was expected; `false` if some of it
    /// was skipped, because that part was not compared.
    pub matches: bool,
}

/// The result of the bytes fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameProgress {
    /// All of them were read; nothing ended with them.
    NeedMore,
    /// The answer to the handshake has arrived: messages may be sent.
    Opened {
        /// How many bytes belonged to it; the rest is frames.
        consumed: usize,
    },
    /// The answer to the handshake has arrived and is not a 101: there is no WebSocket.
    Refused {
        /// How many bytes belonged to it.
        consumed: usize,
        /// The answer. If it keeps the connection alive, the handshake may be sent again.
        response: Response,
    },
    /// A message ended among them.
    Message {
        /// How many bytes it took up to its end.
        consumed: usize,
        /// The message.
        message: Message,
    },
    /// A ping ended among them.
    Reply {
        /// How many bytes it took up to its end.
        consumed: usize,
        /// The pong, to be sent.
        frame: ControlFrame,
    },
    /// The peer's Close frame ended among them. All bytes after it are ignored.
    Closed {
        /// How many bytes it took up to its end.
        consumed: usize,
        /// Its code, if it has one.
        code: Option<u16>,
        /// To be sent, unless it answers a Close frame of ours.
        reply: Option<ControlFrame>,
    },
}

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketStage {
    /// The answer to the handshake is awaited.
    Opening,
    /// Messages go both ways.
    Open,
    /// A Close frame was sent; messages still come until it is answered.
    Closing,
    /// The peer sent a Close frame.
    Closed,
    /// The peer broke the protocol.
    Broken,
}

/// The meaning of the end of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketEnd {
    /// The handshake had no answer yet.
    Unopened,
    /// The peer had sent its Close frame.
    Closed,
    /// It ended the answer that refuses.
    Refused(Response),
    /// Between messages, without a Close frame (code 1006 in RFC 6455 section 7.1.5).
    Unclosed,
    /// An answer, a frame or a message was incomplete, or the peer broke the protocol.
    Truncated,
}

/// How the peer broke the protocol, in words for the user. The connection is useless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Broken {
    /// The answer to the handshake.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// The header of a frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A continuation frame outside of a message.
    #[error("a continuation frame arrived outside of a message")]
    NothingToContinue,
    /// A new message inside of a message.
    #[error("a new message began before the last fragment of the one before")]
    Interleaved,
    /// 2^63 bytes or more.
    #[error("the fragments of a message add up to 2^63 bytes or more")]
    TooLarge,
    /// A text message.
    #[error("a text message is not UTF-8: have the server send it as binary")]
    Text,
    /// One byte.
    #[error("a close frame has one byte of payload, where a code takes two")]
    CloseLength,
    /// One that is not allowed in a frame.
    #[error("a close frame has code {0}, which may not be sent")]
    CloseCode(u16),
    /// Its reason.
    #[error("the reason in a close frame is not UTF-8")]
    CloseReason,
}

/// The position in one connection's stream.
#[derive(Debug)]
pub struct Machine {
    state: State,
    /// Payload left of the current data frame.
    remaining: u64,
    /// Payload of the current message, all fragments so far.
    payload_bytes: u64,
    masks: Masks,
    header: HeaderReader,
    /// Complete between messages: a message that ends otherwise breaks the protocol.
    text: Utf8,
    /// Kind of the current message, that of its first frame.
    kind: Kind,
    /// One has begun and not ended.
    is_within: bool,
    /// The current frame is its last one.
    is_final: bool,
    /// Its payload equals the expected one so far.
    matches: bool,
    checks_text: bool,
    is_closing: bool,
}

// One per connection, and thousands of them share the cache with the ring.
const _: () = assert!(size_of::<Machine>() <= 64);

#[derive(Debug)]
enum State {
    Opening(Answer),
    /// At a frame's header, or inside it.
    Header,
    /// Inside the payload of a data frame.
    Payload,
    /// Inside the payload of a control frame: they are short, and rarely split.
    Control(Box<Control>),
    /// The peer's Close frame has arrived, with this reason if it gave one.
    Closed(Option<Box<Reason>>),
    Broken(Broken),
}

/// The peer's reason for closing (RFC 6455 section 5.5.1): at most 123 bytes.
#[derive(Debug)]
struct Reason(String);

/// The first part of a control frame's payload.
#[derive(Debug)]
struct Control {
    opcode: Opcode,
    bytes: [u8; CONTROL_BYTES_MAX],
    have: usize,
    length: usize,
}

impl Broken {
    /// The code to close with (RFC 6455 section 7.4.1); `None` if no WebSocket was opened.
    pub const fn close_code(self) -> Option<u16> {
        match self {
            Self::Answer(_) => None,
            Self::Frame(_)
            | Self::NothingToContinue
            | Self::Interleaved
            | Self::CloseLength
            | Self::CloseCode(_) => Some(1002),
            Self::Text | Self::CloseReason => Some(1007),
            Self::TooLarge => Some(1009),
        }
    }
}

impl Machine {
    /// Before the first byte of a connection on which the handshake is sent. `masks` are for the
    /// replies; with `checks_text`, text that is not UTF-8 breaks the protocol, and every byte of
    /// text is read to check it.
    pub const fn new(masks: Masks, checks_text: bool) -> Self {
        Self {
            state: State::Opening(Answer::new()),
            remaining: 0,
            payload_bytes: 0,
            masks,
            header: HeaderReader::new(),
            text: Utf8::new(),
            kind: Kind::Binary,
            is_within: false,
            is_final: false,
            matches: true,
            checks_text,
            is_closing: false,
        }
    }

    /// Read the next bytes, up to the first end among them. `opening` is the handshake that was
    /// sent; `expected` is the expected payload of the next message, if it is checked.
    ///
    /// # Errors
    /// If the peer broke the protocol; in each call until [`Self::end_of_stream`].
    #[inline]
    pub fn feed(
        &mut self,
        bytes: &[u8],
        opening: &Opening,
        expected: Option<&[u8]>,
    ) -> Result<FrameProgress, Broken> {
        self.feed_into(bytes, opening, expected, &mut |_| {})
    }

    /// Like [`Self::feed`], lending each piece of a message's payload to `payload`: in order, each
    /// byte once, unmasked. Bytes reported by [`Self::skip`] are not included.
    ///
    /// # Errors
    /// As [`Self::feed`]; pieces lent before the error remain valid.
    #[inline]
    pub fn feed_into(
        &mut self,
        bytes: &[u8],
        opening: &Opening,
        expected: Option<&[u8]>,
        payload: &mut impl FnMut(&[u8]),
    ) -> Result<FrameProgress, Broken> {
        match self.short(bytes, expected) {
            Some((consumed, message)) => {
                // After the two bytes of a short frame's header.
                payload(&bytes[2..consumed]);
                Ok(FrameProgress::Message { consumed, message })
            }
            None => self.resume(bytes, opening, expected, payload),
        }
    }

    /// How many of the next bytes are payload alone, so that they may be discarded unread and
    /// reported by [`Self::skip`]; 0 otherwise, and in text that is checked.
    pub const fn opaque(&self) -> u64 {
        if matches!(self.state, State::Payload) && !self.reads_text() { self.remaining } else { 0 }
    }

    /// `count` bytes of payload arrived and were discarded, at most [`Self::opaque`]. Returns the
    /// message if it ended with them.
    pub fn skip(&mut self, count: u64) -> Option<Message> {
        debug_assert!(count <= self.opaque(), "only payload can be skipped");
        if count == 0 || !matches!(self.state, State::Payload) {
            return None;
        }
        self.matches = false;
        self.pass(count);
        if self.remaining > 0 {
            return None;
        }
        self.state = State::Header;
        self.is_final.then(|| self.finish())
    }

    /// A Close frame of ours was sent: from now on pings are ignored, and the peer's Close frame
    /// needs no reply.
    pub const fn close_sent(&mut self) {
        self.is_closing = true;
    }

    /// The peer closed its side: returns the meaning, and resets for a new connection.
    pub fn end_of_stream(&mut self) -> SocketEnd {
        let is_between = self.is_between();
        let start = Self::new(self.masks.clone(), self.checks_text);
        match std::mem::replace(self, start).state {
            State::Opening(answer) => match answer.end_of_stream() {
                response::StreamEnd::Clean => SocketEnd::Unopened,
                response::StreamEnd::Complete(response) => SocketEnd::Refused(response),
                response::StreamEnd::Truncated => SocketEnd::Truncated,
            },
            State::Closed(_) => SocketEnd::Closed,
            State::Header if is_between => SocketEnd::Unclosed,
            State::Header | State::Payload | State::Control(_) | State::Broken(_) => {
                SocketEnd::Truncated
            }
        }
    }

    /// The state of the connection.
    pub const fn stage(&self) -> SocketStage {
        match self.state {
            State::Opening(_) => SocketStage::Opening,
            State::Closed(_) => SocketStage::Closed,
            State::Broken(_) => SocketStage::Broken,
            State::Header | State::Payload | State::Control(_) if self.is_closing => {
                SocketStage::Closing
            }
            State::Header | State::Payload | State::Control(_) => SocketStage::Open,
        }
    }

    /// Whether the first frame of a message has begun and its last one has not ended.
    #[inline]
    pub const fn is_within_message(&self) -> bool {
        self.is_within
    }

    /// The reason in the peer's Close frame; `None` if it gave no reason, or has sent no Close
    /// frame.
    pub fn close_reason(&self) -> Option<&str> {
        match &self.state {
            State::Closed(reason) => reason.as_ref().map(|reason| reason.0.as_str()),
            _ => None,
        }
    }

    /// The answer that refuses the opening and whose body is under way.
    pub fn refusal(&self) -> Option<Response> {
        match &self.state {
            State::Opening(answer) => answer.refusal(),
            _ => None,
        }
    }

    /// Whether frames may arrive, and no byte has been seen since the last message or control frame
    /// ended.
    #[inline]
    pub const fn is_between(&self) -> bool {
        matches!(self.state, State::Header) && !self.is_within && self.header.is_empty()
    }

    /// A short, complete message in one frame, as most are. `None`: `resume` has to decide.
    #[inline]
    fn short(&self, bytes: &[u8], expected: Option<&[u8]>) -> Option<(usize, Message)> {
        let [first, length @ ..126, rest @ ..] = bytes else { return None };
        let kind = match first {
            0x81 => Kind::Text,
            0x82 => Kind::Binary,
            _ => return None,
        };
        let payload = rest.get(..usize::from(*length)).filter(|_| self.is_between())?;
        if self.checks_text && kind == Kind::Text && str::from_utf8(payload).is_err() {
            return None;
        }
        let matches = expected.is_none_or(|expected| expected == payload);
        let payload_bytes = payload.len() as u64;
        Some((2 + payload.len(), Message { kind, payload_bytes, matches }))
    }

    /// `feed` for everything but short messages.
    #[inline(never)]
    fn resume(
        &mut self,
        bytes: &[u8],
        opening: &Opening,
        expected: Option<&[u8]>,
        payload: &mut dyn FnMut(&[u8]),
    ) -> Result<FrameProgress, Broken> {
        let outcome = match self.state {
            State::Opening(_) => self.feed_answer(bytes, opening),
            State::Header | State::Payload | State::Control(_) => {
                self.feed_frames(bytes, expected, payload)
            }
            // RFC 6455 section 1.4: bytes after a Close frame are discarded.
            State::Closed(_) => Ok(FrameProgress::NeedMore),
            State::Broken(broken) => Err(broken),
        };
        if let Err(broken) = outcome {
            self.state = State::Broken(broken);
        }
        outcome
    }

    fn feed_answer(&mut self, bytes: &[u8], opening: &Opening) -> Result<FrameProgress, Broken> {
        let State::Opening(answer) = &mut self.state else { return Ok(FrameProgress::NeedMore) };
        Ok(match answer.feed(bytes, opening)? {
            None => FrameProgress::NeedMore,
            Some((consumed, Verdict::Opened)) => {
                self.state = State::Header;
                FrameProgress::Opened { consumed }
            }
            Some((consumed, Verdict::Refused(response))) => {
                self.state = State::Opening(Answer::new());
                FrameProgress::Refused { consumed, response }
            }
        })
    }

    fn feed_frames(
        &mut self,
        bytes: &[u8],
        expected: Option<&[u8]>,
        payload: &mut dyn FnMut(&[u8]),
    ) -> Result<FrameProgress, Broken> {
        let mut at = 0;
        loop {
            let rest = &bytes[at..];
            match &mut self.state {
                State::Header => {
                    let Some((header, end)) = self.header.feed(rest)? else { break };
                    at += end;
                    if !header.opcode.is_control() {
                        self.begin_frame(header)?;
                        continue;
                    }
                    let length = header.length as usize; // at most 125
                    let Some(control) = rest[end..].get(..length) else {
                        self.state = State::Control(Control::begun(header, &rest[end..]));
                        break;
                    };
                    at += length;
                    if let Some(progress) = self.end_control(header.opcode, control, at)? {
                        return Ok(progress);
                    }
                }
                State::Payload => {
                    let here = self.remaining.min(rest.len() as u64) as usize;
                    self.read(&rest[..here], expected)?;
                    if here > 0 {
                        payload(&rest[..here]);
                    }
                    at += here;
                    if self.remaining > 0 {
                        break;
                    }
                    self.state = State::Header;
                    if self.is_final {
                        let message = self.end_message(expected)?;
                        return Ok(FrameProgress::Message { consumed: at, message });
                    }
                }
                State::Control(control) => {
                    at += control.take(rest);
                    let Control { opcode, bytes, have, length } = **control;
                    if have < length {
                        break;
                    }
                    self.state = State::Header;
                    if let Some(progress) = self.end_control(opcode, &bytes[..length], at)? {
                        return Ok(progress);
                    }
                }
                State::Opening(_) | State::Closed(_) | State::Broken(_) => break,
            }
        }
        Ok(FrameProgress::NeedMore)
    }

    /// The header of a data frame is complete.
    fn begin_frame(&mut self, header: Header) -> Result<(), Broken> {
        match (header.opcode, self.is_within) {
            (Opcode::Message(kind), false) => {
                self.kind = kind;
                self.is_within = true;
                self.payload_bytes = 0;
                self.matches = true;
            }
            (Opcode::Message(_), true) => return Err(Broken::Interleaved),
            (_, false) => return Err(Broken::NothingToContinue),
            (_, true) => {}
        }
        if header.length > PAYLOAD_BYTES_MAX - self.payload_bytes {
            return Err(Broken::TooLarge);
        }
        self.remaining = header.length;
        self.is_final = header.is_final;
        self.state = State::Payload;
        Ok(())
    }

    /// `payload` of a data frame arrived.
    fn read(&mut self, payload: &[u8], expected: Option<&[u8]>) -> Result<(), Broken> {
        if let Some(expected) = expected.filter(|_| self.matches) {
            let rest = usize::try_from(self.payload_bytes).ok().and_then(|at| expected.get(at..));
            self.matches = rest.is_some_and(|rest| rest.starts_with(payload));
        }
        if self.reads_text() && !self.text.feed(payload) {
            return Err(Broken::Text);
        }
        self.pass(payload.len() as u64);
        Ok(())
    }

    const fn pass(&mut self, count: u64) {
        self.remaining -= count;
        self.payload_bytes += count;
    }

    /// The last frame of a message is complete.
    fn end_message(&mut self, expected: Option<&[u8]>) -> Result<Message, Broken> {
        if self.reads_text() && !self.text.is_whole() {
            return Err(Broken::Text);
        }
        // It may still be shorter than the expected one.
        self.matches &= expected.is_none_or(|expected| expected.len() as u64 == self.payload_bytes);
        Ok(self.finish())
    }

    const fn finish(&mut self) -> Message {
        self.is_within = false;
        Message { kind: self.kind, payload_bytes: self.payload_bytes, matches: self.matches }
    }

    /// A control frame is complete, and ended `consumed` bytes into the input. Returns its effect,
    /// if any.
    fn end_control(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        consumed: usize,
    ) -> Result<Option<FrameProgress>, Broken> {
        match opcode {
            Opcode::Ping if !self.is_closing => {
                let frame = ControlFrame::new(Opcode::Pong, payload, &mut self.masks);
                Ok(Some(FrameProgress::Reply { consumed, frame }))
            }
            Opcode::Close => {
                let code = close_code(payload)?;
                self.state = State::Closed(Reason::of(payload));
                // The reply repeats the code alone (RFC 6455 section 5.5.1).
                let echo = &payload[..payload.len().min(2)];
                let reply = || ControlFrame::new(Opcode::Close, echo, &mut self.masks);
                let reply = (!self.is_closing).then(reply);
                Ok(Some(FrameProgress::Closed { consumed, code, reply }))
            }
            // A pong needs no reply, nor does a ping after a Close frame was sent.
            _ => Ok(None),
        }
    }

    const fn reads_text(&self) -> bool {
        self.checks_text && matches!(self.kind, Kind::Text)
    }
}

impl Reason {
    /// The bytes after the code in the payload of a valid Close frame.
    fn of(payload: &[u8]) -> Option<Box<Self>> {
        let reason = payload.get(2..).filter(|reason| !reason.is_empty())?;
        Some(Box::new(Self(String::from_utf8_lossy(reason).into_owned())))
    }
}

impl Control {
    /// The payload of `header` begins with `bytes`, which are not all of it.
    fn begun(header: Header, bytes: &[u8]) -> Box<Self> {
        let length = header.length as usize; // at most 125
        let opcode = header.opcode;
        let mut control = Box::new(Self { opcode, bytes: [0; CONTROL_BYTES_MAX], have: 0, length });
        control.take(bytes);
        control
    }

    /// Take the missing part from `bytes`, and return its length.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.length - self.have);
        self.bytes[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
        self.have += taken;
        taken
    }
}

/// The code in the payload of a Close frame (RFC 6455 section 5.5.1).
fn close_code(payload: &[u8]) -> Result<Option<u16>, Broken> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(None) } else { Err(Broken::CloseLength) };
    };
    let code = u16::from_be_bytes(*code);
    if !is_close_code(code) {
        return Err(Broken::CloseCode(code));
    }
    if str::from_utf8(reason).is_err() {
        return Err(Broken::CloseReason);
    }
    Ok(Some(code))
}
