//! The reference target's side of HTTP/2: bytes in, frames out, without its socket.
//!
//! Requests that are complete when the windows allow their answers are answered at once, from bytes
//! made before; the others wait in a short list. Queues and memory are bounded, so a client that
//! asks much and reads nothing is refused, and then sent away.

mod answers;

use std::sync::Arc;

use uringbench_core::http2::error::ErrorCode;
use uringbench_core::http2::frame::{self, FrameHeader, HEADER_BYTES, PAYLOAD_MAX, flag, kind};
use uringbench_core::http2::hpack::decode::Decoder;

pub(crate) use self::answers::Answers;
use self::answers::{Answer, Asked};

/// The first bytes of a client.
const PREFACE: &[u8] = frame::PREFACE;
/// Streams that a client may have open.
const STREAMS_MAX: u32 = 256;
/// The window that this side gives: of each stream, and of the connection.
const WINDOW: u32 = (1 << 30) - 1;
const WINDOW_DEFAULT: i64 = 65_535;
const WINDOW_MAX: i64 = (1 << 31) - 1;
/// Answers are queued up to about so many bytes; the others wait for the send.
const QUEUED_MAX: usize = 256 << 10;
/// Frames that answer the client's own, beyond that: it reads nothing.
const UNREAD_MAX: usize = 1 << 20;
/// The largest header block, as encoded.
const BLOCK_MAX: usize = 64 << 10;

/// The identifiers of SETTINGS.
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;

/// The client broke the protocol, or asks too much: the connection ends with this code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) ErrorCode);

const PROTOCOL: Broken = Broken(ErrorCode::PROTOCOL_ERROR);
const SIZE: Broken = Broken(ErrorCode::FRAME_SIZE_ERROR);
const FLOW: Broken = Broken(ErrorCode::FLOW_CONTROL_ERROR);
const CALM: Broken = Broken(ErrorCode::ENHANCE_YOUR_CALM);

/// A request or an answer that is not complete.
struct Stream {
    id: u32,
    answer: Arc<Answer>,
    /// Bytes that may be sent on it.
    window: i64,
    /// Bytes of the request's body that were not given back.
    debt: u32,
    /// Whether the request is complete.
    is_asked: bool,
    has_head: bool,
    /// Bytes of the answer's body that were sent.
    sent: usize,
}

/// A header block that is not complete.
struct Fragment {
    stream: u32,
    is_end: bool,
    block: Vec<u8>,
}

/// One connection.
pub(crate) struct Http2 {
    decoder: Decoder,
    /// The beginning of a frame, or of the preface.
    carry: Vec<u8>,
    has_preface: bool,
    fragment: Option<Fragment>,
    /// The latest header block, if the same bytes mean the same again, and its answer.
    latest: Option<(Vec<u8>, Arc<Answer>)>,
    last_id: u32,
    window: i64,
    /// The window of a new stream.
    window_first: i64,
    debt: u32,
    open: Vec<Stream>,
    out: Vec<u8>,
}

impl Http2 {
    /// A connection whose first bytes are those of a client of HTTP/2.
    pub(crate) fn new() -> Self {
        Self {
            decoder: Decoder::new(4_096),
            carry: Vec::new(),
            has_preface: false,
            fragment: None,
            latest: None,
            last_id: 0,
            window: WINDOW_DEFAULT,
            window_first: WINDOW_DEFAULT,
            debt: 0,
            open: Vec::new(),
            out: Vec::new(),
        }
    }

    /// Whether these first bytes of a connection are those of HTTP/2: no method begins so.
    pub(crate) fn begins(bytes: &[u8]) -> bool {
        bytes.starts_with(&PREFACE[..4])
    }

    /// Read bytes; frames are queued.
    pub(crate) fn feed(&mut self, bytes: &[u8], answers: &mut Answers) -> Result<(), Broken> {
        if self.carry.is_empty() {
            let read = self.read(bytes, answers)?;
            self.carry.extend_from_slice(&bytes[read..]);
        } else {
            let mut carry = std::mem::take(&mut self.carry);
            carry.extend_from_slice(bytes);
            let read = self.read(&carry, answers)?;
            carry.drain(..read);
            self.carry = carry;
        }
        if self.out.len() > UNREAD_MAX { Err(CALM) } else { Ok(()) }
    }

    /// The bytes to send now. They may be taken; then more is queued by the next call.
    pub(crate) fn queued(&mut self) -> &mut Vec<u8> {
        if !self.open.is_empty() {
            self.send_open();
        }
        &mut self.out
    }

    /// The last frame on the connection.
    pub(crate) fn goodbye(&self, Broken(code): Broken) -> Vec<u8> {
        let mut out = Vec::new();
        let payload = [self.last_id.to_be_bytes(), code.0.to_be_bytes()].concat();
        frame::write(&mut out, (kind::GOAWAY, 0, 0), &payload);
        out
    }

    /// Read the complete frames, and return their length.
    fn read(&mut self, bytes: &[u8], answers: &mut Answers) -> Result<usize, Broken> {
        let mut rest = bytes;
        if !self.has_preface {
            let most = rest.len().min(PREFACE.len());
            if rest[..most] != PREFACE[..most] {
                return Err(PROTOCOL);
            }
            if most < PREFACE.len() {
                return Ok(0);
            }
            rest = &rest[most..];
            self.has_preface = true;
            self.begin();
        }
        while let Some((header, behind)) = rest.split_first_chunk::<HEADER_BYTES>() {
            let header = FrameHeader::read(header);
            if header.length as usize > PAYLOAD_MAX {
                return Err(SIZE);
            }
            let Some((payload, behind)) = behind.split_at_checked(header.length as usize) else {
                break;
            };
            rest = behind;
            self.on_frame(header, payload, answers)?;
        }
        Ok(bytes.len() - rest.len())
    }

    /// This side's SETTINGS, and the window of the connection.
    fn begin(&mut self) {
        let mut payload = Vec::new();
        for (id, value) in [(MAX_CONCURRENT_STREAMS, STREAMS_MAX), (INITIAL_WINDOW_SIZE, WINDOW)] {
            payload.extend_from_slice(&id.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        }
        frame::write(&mut self.out, (kind::SETTINGS, 0, 0), &payload);
        self.give_back(0, WINDOW - WINDOW_DEFAULT as u32);
    }

    fn give_back(&mut self, stream: u32, bytes: u32) {
        frame::write(&mut self.out, (kind::WINDOW_UPDATE, 0, stream), &bytes.to_be_bytes());
    }

    fn reset(&mut self, stream: u32, code: ErrorCode) {
        frame::write(&mut self.out, (kind::RST_STREAM, 0, stream), &code.0.to_be_bytes());
    }

    fn on_frame(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        answers: &mut Answers,
    ) -> Result<(), Broken> {
        if let Some(fragment) = &self.fragment
            && (header.kind != kind::CONTINUATION || header.stream != fragment.stream)
        {
            return Err(PROTOCOL);
        }
        match header.kind {
            kind::DATA => self.on_data(header, payload),
            kind::HEADERS => self.on_headers(header, payload, answers),
            kind::CONTINUATION => self.on_continuation(header, payload, answers),
            kind::RST_STREAM => {
                self.open.retain(|stream| stream.id != header.stream);
                Ok(())
            }
            kind::SETTINGS => self.on_settings(header, payload),
            kind::PING if payload.len() != 8 => Err(SIZE),
            kind::PING if !header.has(flag::ACK) => {
                frame::write(&mut self.out, (kind::PING, flag::ACK, 0), payload);
                Ok(())
            }
            kind::WINDOW_UPDATE => self.on_window_update(header.stream, payload),
            kind::PUSH_PROMISE => Err(PROTOCOL),
            _ => Ok(()),
        }
    }

    fn on_headers(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        answers: &mut Answers,
    ) -> Result<(), Broken> {
        let mut block = payload;
        if header.has(flag::PADDED) {
            let (&padding, behind) = block.split_first().ok_or(SIZE)?;
            let kept = behind.len().checked_sub(usize::from(padding)).ok_or(PROTOCOL)?;
            block = &behind[..kept];
        }
        if header.has(flag::PRIORITY) {
            block = block.get(5..).ok_or(SIZE)?;
        }
        let (stream, is_end) = (header.stream, header.has(flag::END_STREAM));
        if header.has(flag::END_HEADERS) {
            return self.on_block((stream, is_end), block, answers);
        }
        self.fragment = Some(Fragment { stream, is_end, block: block.to_vec() });
        Ok(())
    }

    fn on_continuation(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        answers: &mut Answers,
    ) -> Result<(), Broken> {
        let Some(mut fragment) = self.fragment.take() else { return Err(PROTOCOL) };
        fragment.block.extend_from_slice(payload);
        // Each of them must bring something, so their number is bounded too.
        if fragment.block.len() > BLOCK_MAX || payload.is_empty() {
            return Err(CALM);
        }
        if header.has(flag::END_HEADERS) {
            return self.on_block((fragment.stream, fragment.is_end), &fragment.block, answers);
        }
        self.fragment = Some(fragment);
        Ok(())
    }

    /// A header block is complete: a request, or the trailer of one.
    fn on_block(
        &mut self,
        (id, is_end): (u32, bool),
        block: &[u8],
        answers: &mut Answers,
    ) -> Result<(), Broken> {
        let answer = match &self.latest {
            Some((same, answer)) if same == block => Arc::clone(answer),
            _ => self.decode(block, answers)?,
        };
        if let Some(stream) = self.open.iter_mut().find(|stream| stream.id == id) {
            // A trailer, which ends the request.
            stream.is_asked |= is_end;
            return if is_end { Ok(()) } else { Err(PROTOCOL) };
        }
        if id.is_multiple_of(2) || id <= self.last_id {
            return Err(PROTOCOL);
        }
        self.last_id = id;
        let length = answer.body().len() as i64;
        let fits = length <= self.window && length <= self.window_first;
        if is_end && fits && self.out.len() < QUEUED_MAX && answer.write_whole(id, &mut self.out) {
            self.window -= length;
            return Ok(());
        }
        if self.open.len() >= STREAMS_MAX as usize {
            self.reset(id, ErrorCode::REFUSED_STREAM);
            return Ok(());
        }
        self.open.push(Stream {
            id,
            answer,
            window: self.window_first,
            debt: 0,
            is_asked: is_end,
            has_head: false,
            sent: 0,
        });
        Ok(())
    }

    fn decode(&mut self, block: &[u8], answers: &mut Answers) -> Result<Arc<Answer>, Broken> {
        let mut asked = Asked::default();
        let effects = self.decoder.decode(block, |field| asked.add(field));
        let effects = effects.map_err(|violation| Broken(violation.code))?;
        let answer = answers.of(asked);
        let is_same_again = !effects.inserts && !effects.resizes;
        self.latest = is_same_again.then(|| (block.to_vec(), Arc::clone(&answer)));
        Ok(answer)
    }

    /// Part of a request's body: it is dropped.
    fn on_data(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Broken> {
        let FrameHeader { stream: id, length, .. } = header;
        if header.has(flag::PADDED) && payload.first().is_none_or(|&most| length <= most.into()) {
            return Err(PROTOCOL);
        }
        if id == 0 || id > self.last_id {
            return Err(PROTOCOL);
        }
        self.debt += length;
        if self.debt >= WINDOW / 2 {
            let debt = std::mem::take(&mut self.debt);
            self.give_back(0, debt);
        }
        let Some(stream) = self.open.iter_mut().find(|stream| stream.id == id) else {
            return Ok(());
        };
        stream.debt += length;
        stream.is_asked |= header.has(flag::END_STREAM);
        if stream.debt >= WINDOW / 2 {
            let debt = std::mem::take(&mut stream.debt);
            self.give_back(id, debt);
        }
        Ok(())
    }

    fn on_settings(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Broken> {
        if header.has(flag::ACK) {
            return Ok(());
        }
        if !payload.len().is_multiple_of(6) || header.stream != 0 {
            return Err(SIZE);
        }
        for entry in payload.chunks_exact(6) {
            let (id, value) = (&entry[..2], &entry[2..]);
            let value = value.iter().fold(0, |sum, byte| sum << 8 | i64::from(*byte));
            if id != INITIAL_WINDOW_SIZE.to_be_bytes() {
                // This side uses no table, sends frames of the least size, and never pushes.
                continue;
            }
            if value > WINDOW_MAX {
                return Err(FLOW);
            }
            let change = value - self.window_first;
            self.window_first = value;
            self.open.iter_mut().for_each(|stream| stream.window += change);
            if self.open.iter().any(|stream| stream.window > WINDOW_MAX) {
                return Err(FLOW);
            }
        }
        frame::write(&mut self.out, (kind::SETTINGS, flag::ACK, 0), &[]);
        Ok(())
    }

    fn on_window_update(&mut self, id: u32, payload: &[u8]) -> Result<(), Broken> {
        let bytes = payload.try_into().map(u32::from_be_bytes).map_err(|_| SIZE)?;
        let bytes = i64::from(bytes & 0x7fff_ffff);
        let window = match id {
            0 => &mut self.window,
            _ => match self.open.iter_mut().find(|stream| stream.id == id) {
                Some(stream) => &mut stream.window,
                // Its answer has been sent.
                None => return Ok(()),
            },
        };
        *window += bytes;
        if bytes == 0 || *window > WINDOW_MAX { Err(FLOW) } else { Ok(()) }
    }

    /// Queue what the windows allow of the answers that are asked for; streams take turns.
    fn send_open(&mut self) {
        let mut has_moved = true;
        while std::mem::take(&mut has_moved) {
            for stream in &mut self.open {
                if !stream.is_asked || self.out.len() >= QUEUED_MAX {
                    continue;
                }
                let body = stream.answer.body();
                if !stream.has_head {
                    stream.answer.write_head(stream.id, &mut self.out);
                    stream.has_head = true;
                    has_moved = true;
                }
                let left = body.len() - stream.sent;
                let room = stream.window.min(self.window).max(0) as usize;
                let length = left.min(room).min(PAYLOAD_MAX);
                if length == 0 {
                    continue;
                }
                let flags = if length == left { flag::END_STREAM } else { 0 };
                let part = &body[stream.sent..stream.sent + length];
                frame::write(&mut self.out, (kind::DATA, flags, stream.id), part);
                stream.sent += length;
                stream.window -= length as i64;
                self.window -= length as i64;
                has_moved = true;
            }
        }
        self.open.retain(|it| !it.has_head || it.sent < it.answer.body().len());
    }
}

#[cfg(test)]
mod tests;
