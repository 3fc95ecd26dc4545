//! Frames as bytes (RFC 6455 section 5): built once to be sent, their headers parsed as they
//! arrive.
//!
//! This file finds the faults of a single header. `machine` decides what one frame after another
//! means.

use std::fmt;
use std::num::NonZeroUsize;

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoroshiro64StarStar;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Largest payload of a control frame (RFC 6455 section 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;

/// Longest reason in a Close frame: its code takes two bytes.
const REASON_BYTES_MAX: usize = CONTROL_BYTES_MAX - 2;

/// Largest payload of one frame (RFC 6455 section 5.2) and, here, of one message.
pub(super) const PAYLOAD_BYTES_MAX: u64 = i64::MAX as u64;

/// Longest header that a server sends: two bytes and a length of eight.
const HEADER_BYTES_MAX: usize = 10;

/// Longest control frame that a client sends: two bytes, a key of four, the payload.
const CONTROL_FRAME_BYTES_MAX: usize = 6 + CONTROL_BYTES_MAX;

const FINAL: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;

/// The type of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

/// Why a control frame cannot be built, and the fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ControlError {
    /// Of a ping or a pong.
    #[error("a ping of {0} bytes is too long: control frames carry at most 125")]
    PayloadTooLong(usize),
    /// Of a Close frame.
    #[error("a close reason of {0} bytes is too long: shorten it to 123 bytes of UTF-8")]
    ReasonTooLong(usize),
    /// It needs a close code.
    #[error("a close reason needs a close code: give one, such as 1000")]
    ReasonWithoutCode,
    /// A code that is not allowed in a frame.
    #[error("close code {0} may not be sent: use 1000, or 3000 to 4999 for codes of your own")]
    CloseCode(u16),
}

/// Why bytes are not a header that a server may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// RSV1 to RSV3.
    #[error("a frame has a reserved bit set, but no extension was negotiated")]
    ReservedBits,
    /// 3 to 7 or 11 to 15.
    #[error("a frame has opcode {0}, which RFC 6455 reserves")]
    Opcode(u8),
    /// Or the bytes are not a frame at all.
    #[error("a frame is masked, but a server must not mask its frames")]
    Masked,
    /// FIN is 0.
    #[error("a ping, pong or close frame is marked as fragmented")]
    ControlFragmented,
    /// Over 125 bytes.
    #[error("a ping, pong or close frame declares more than 125 bytes")]
    ControlTooLong,
    /// A longer form than the length needs.
    #[error("a frame's length is not in its shortest form")]
    LengthNotMinimal,
    /// The highest bit is set.
    #[error("a frame declares 2^63 bytes or more")]
    LengthTooLarge,
}

/// The purpose of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Message(Kind),
    Close,
    Ping,
    Pong,
}

/// The header of one frame from a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) opcode: Opcode,
    /// The last one of its message.
    pub(super) is_final: bool,
    /// Of the payload: up to 2^63 - 1, and 125 in a control frame.
    pub(super) length: u64,
}

/// A header being received.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeaderReader {
    bytes: [u8; HEADER_BYTES_MAX],
    len: u8,
}

/// Keys that mask a client's frames: the same ones for the same seed.
///
/// RFC 6455 section 5.3 requires unpredictable keys, and new ones for every frame, so that no
/// script can write bytes of its choice past a proxy that takes them for HTTP. A load generator
/// chooses all its bytes and loads its user's own servers: every frame gets a key when it is built,
/// and is then sent repeatedly with it.
#[derive(Clone, Debug)]
pub struct Masks(Xoroshiro64StarStar);

/// A control frame as bytes, masked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ControlFrame {
    bytes: [u8; CONTROL_FRAME_BYTES_MAX],
    len: u8,
}

/// A message as bytes, in frames that carry up to `fragment` bytes each, or in one.
pub fn message(
    payload: &[u8],
    kind: Kind,
    fragment: Option<NonZeroUsize>,
    masks: &mut Masks,
) -> Vec<u8> {
    let most = fragment.map_or(payload.len(), NonZeroUsize::get).max(1);
    // An empty message is still a frame.
    let frames = payload.len().div_ceil(most).max(1);
    let mut bytes = Vec::with_capacity(payload.len() + frames * (HEADER_BYTES_MAX + 4));
    for frame in 0..frames {
        let start = frame * most;
        let end = payload.len().min(start + most);
        let opcode = if frame == 0 { Opcode::Message(kind) } else { Opcode::Continuation };
        let is_last = if frame + 1 == frames { FINAL } else { 0 };
        push_frame(&mut bytes, is_last | opcode.code(), &payload[start..end], masks);
    }
    bytes
}

/// A ping; the peer answers with a pong of the same payload.
///
/// # Errors
/// If the payload is longer than 125 bytes.
pub fn ping(payload: &[u8], masks: &mut Masks) -> Result<ControlFrame, ControlError> {
    checked_control(Opcode::Ping, payload, masks)
}

/// A pong: the answer to a ping, or unsolicited.
///
/// # Errors
/// If the payload is longer than 125 bytes.
pub fn pong(payload: &[u8], masks: &mut Masks) -> Result<ControlFrame, ControlError> {
    checked_control(Opcode::Pong, payload, masks)
}

/// The frame that begins or answers the closing handshake.
///
/// # Errors
/// If the code may not be sent, or the reason is too long or has no code.
pub fn close(
    code: Option<u16>,
    reason: &str,
    masks: &mut Masks,
) -> Result<ControlFrame, ControlError> {
    let Some(code) = code else {
        let is_bare = reason.is_empty();
        let frame = || ControlFrame::new(Opcode::Close, b"", masks);
        return is_bare.then(frame).ok_or(ControlError::ReasonWithoutCode);
    };
    if !is_close_code(code) {
        return Err(ControlError::CloseCode(code));
    }
    if reason.len() > REASON_BYTES_MAX {
        return Err(ControlError::ReasonTooLong(reason.len()));
    }
    let payload = [code.to_be_bytes().as_slice(), reason.as_bytes()].concat();
    Ok(ControlFrame::new(Opcode::Close, &payload, masks))
}

/// Whether a Close frame may carry `code`: those of RFC 6455 section 7.4, the three that were
/// registered since (servers send 1012 when they restart), and those left to applications.
pub(super) const fn is_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

fn checked_control(
    opcode: Opcode,
    payload: &[u8],
    masks: &mut Masks,
) -> Result<ControlFrame, ControlError> {
    if payload.len() > CONTROL_BYTES_MAX {
        return Err(ControlError::PayloadTooLong(payload.len()));
    }
    Ok(ControlFrame::new(opcode, payload, masks))
}

fn push_frame(bytes: &mut Vec<u8>, first: u8, payload: &[u8], masks: &mut Masks) {
    bytes.push(first);
    match payload.len() {
        short @ ..126 => bytes.push(MASKED | short as u8),
        long @ ..0x1_0000 => {
            bytes.push(MASKED | 126);
            bytes.extend_from_slice(&(long as u16).to_be_bytes());
        }
        huge => {
            bytes.push(MASKED | 127);
            bytes.extend_from_slice(&(huge as u64).to_be_bytes());
        }
    }
    let key = masks.key();
    bytes.extend_from_slice(&key);
    bytes.extend(masked(payload, &key));
}

fn masked(payload: &[u8], key: &[u8; 4]) -> impl Iterator<Item = u8> {
    payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key)
}

impl Opcode {
    const fn code(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Message(Kind::Text) => 0x1,
            Self::Message(Kind::Binary) => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
        }
    }

    const fn of(code: u8) -> Result<Self, FrameError> {
        Ok(match code {
            0x0 => Self::Continuation,
            0x1 => Self::Message(Kind::Text),
            0x2 => Self::Message(Kind::Binary),
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            _ => return Err(FrameError::Opcode(code)),
        })
    }

    pub(super) const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

impl Header {
    /// Read a header from the front of `bytes`, and its length. `None`: it is incomplete, without a
    /// fault so far.
    fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, FrameError> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        if first & RESERVED != 0 {
            return Err(FrameError::ReservedBits);
        }
        let opcode = Opcode::of(first & OPCODE)?;
        let is_final = first & FINAL != 0;
        if opcode.is_control() && !is_final {
            return Err(FrameError::ControlFragmented);
        }
        let Some(&second) = bytes.get(1) else { return Ok(None) };
        if second & MASKED != 0 {
            return Err(FrameError::Masked);
        }
        if opcode.is_control() && usize::from(second) > CONTROL_BYTES_MAX {
            return Err(FrameError::ControlTooLong);
        }
        let Some((length, end)) = length(second, &bytes[2..]) else { return Ok(None) };
        match end {
            4 if length < 126 => Err(FrameError::LengthNotMinimal),
            10 if length < 0x1_0000 => Err(FrameError::LengthNotMinimal),
            _ if length > PAYLOAD_BYTES_MAX => Err(FrameError::LengthTooLarge),
            _ => Ok(Some((Self { opcode, is_final, length }, end))),
        }
    }
}

/// The length that begins in a header's second byte, and the end of the header.
fn length(second: u8, after: &[u8]) -> Option<(u64, usize)> {
    match second {
        126 => after.first_chunk().map(|long| (u64::from(u16::from_be_bytes(*long)), 4)),
        127 => after.first_chunk().map(|huge| (u64::from_be_bytes(*huge), 10)),
        short => Some((u64::from(short), 2)),
    }
}

impl HeaderReader {
    /// Before the first byte of a header.
    pub(super) const fn new() -> Self {
        Self { bytes: [0; HEADER_BYTES_MAX], len: 0 }
    }

    /// Read the next bytes. Returns the header that ended, and after how many bytes; or `None`: all
    /// of them belong to it, and more must come.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Option<(Header, usize)>, FrameError> {
        if self.len == 0
            && let Some(whole) = Header::parse(bytes)?
        {
            return Ok(Some(whole));
        }
        let had = usize::from(self.len);
        let len = HEADER_BYTES_MAX.min(had + bytes.len());
        self.bytes[had..len].copy_from_slice(&bytes[..len - had]);
        // No header is longer than the buffer: it is complete, faulty, or has taken all of `bytes`.
        let found = Header::parse(&self.bytes[..len])?;
        self.len = if found.is_some() { 0 } else { len as u8 };
        Ok(found.map(|(header, end)| (header, end - had)))
    }

    /// Whether no byte of a header is held.
    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Masks {
    /// The keys of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Xoroshiro64StarStar::seed_from_u64(seed))
    }

    fn key(&mut self) -> [u8; 4] {
        self.0.next_u32().to_be_bytes()
    }
}

impl ControlFrame {
    /// `payload` has at most 125 bytes.
    pub(super) fn new(opcode: Opcode, payload: &[u8], masks: &mut Masks) -> Self {
        debug_assert!(payload.len() <= CONTROL_BYTES_MAX, "a control frame is short");
        let mut bytes = [0; CONTROL_FRAME_BYTES_MAX];
        let key = masks.key();
        bytes[..2].copy_from_slice(&[FINAL | opcode.code(), MASKED | payload.len() as u8]);
        bytes[2..6].copy_from_slice(&key);
        for (place, byte) in bytes[6..].iter_mut().zip(masked(payload, &key)) {
            *place = byte;
        }
        Self { bytes, len: 6 + payload.len() as u8 }
    }

    /// The bytes to send.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for ControlFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ControlFrame").field(&self.bytes()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame from this side in parts: first byte, second byte, key, payload unmasked.
    fn parts(frame: &[u8]) -> (u8, u8, [u8; 4], Vec<u8>) {
        let at = match frame[1] & 0x7f {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        let key = *frame[at..].first_chunk().unwrap();
        let payload = frame[at + 4..].iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]);
        (frame[0], frame[1], key, payload.collect())
    }

    fn read(bytes: &[u8]) -> Result<Option<(Header, usize)>, FrameError> {
        let whole = HeaderReader::new().feed(bytes);
        for cut in 0..=bytes.len() {
            let mut reader = HeaderReader::new();
            let (first, second) = bytes.split_at(cut);
            let split = match reader.feed(first) {
                Ok(None) => reader.feed(second).map(|found| found.map(|(h, end)| (h, end + cut))),
                found => found,
            };
            assert_eq!(split, whole, "{bytes:x?} cut at {cut}");
        }
        whole
    }

    #[test]
    fn masking_is_that_of_the_rfc() {
        // RFC 6455 section 5.7: a single-frame masked text message, "Hello".
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let hello: Vec<u8> = masked(b"Hello", &key).collect();
        assert_eq!(hello, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }

    #[test]
    fn messages_are_these_frames() {
        let mut masks = Masks::new(7);
        let key = Masks::new(7).key();
        let hello = message(b"Hello", Kind::Text, None, &mut masks);
        assert_eq!(hello[..6], [[0x81, 0x85].as_slice(), &key].concat());
        assert_eq!(parts(&hello), (0x81, 0x85, key, b"Hello".to_vec()));
        let next = message(b"Hello", Kind::Binary, None, &mut masks);
        assert_ne!(parts(&next).2, key, "a key for each frame");
        let again = message(b"Hello", Kind::Text, None, &mut Masks::new(7));
        assert_eq!(again, hello, "the same seed, the same bytes");
        let empty = message(b"", Kind::Binary, NonZeroUsize::new(5), &mut masks);
        assert_eq!((empty.len(), empty[0], empty[1]), (6, 0x82, 0x80));
    }

    #[test]
    fn lengths_take_their_shortest_form() {
        for (length, header) in [
            (125, [0x80 | 125].as_slice()),
            (126, &[0x80 | 126, 0, 126]),
            (256, &[0x80 | 126, 1, 0]),
            (65_535, &[0x80 | 126, 0xff, 0xff]),
            (65_536, &[0x80 | 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let payload = vec![b'*'; length];
            let frame = message(&payload, Kind::Binary, None, &mut Masks::new(0));
            assert_eq!(&frame[1..=header.len()], header);
            assert_eq!(parts(&frame).3, payload);
        }
    }

    #[test]
    fn fragments_are_marked_as_such() {
        let fragments = |payload: &[u8], most| {
            let mut masks = Masks::new(1);
            let bytes = message(payload, Kind::Text, NonZeroUsize::new(most), &mut masks);
            let mut rest = bytes.as_slice();
            let mut found = Vec::new();
            while !rest.is_empty() {
                let length = 6 + usize::from(rest[1] & 0x7f);
                let (first, _, _, payload) = parts(&rest[..length]);
                found.push((first, String::from_utf8(payload).unwrap()));
                rest = &rest[length..];
            }
            found
        };
        let own = |first: u8, payload: &str| (first, payload.to_owned());
        assert_eq!(fragments(b"Hello", 3), [own(0x01, "Hel"), own(0x80, "lo")]);
        assert_eq!(fragments(b"Hello", 2), [own(0x01, "He"), own(0x00, "ll"), own(0x80, "o")]);
        assert_eq!(fragments(b"Hello", 5), [own(0x81, "Hello")]);
        assert_eq!(fragments(b"Hello!", 3), [own(0x01, "Hel"), own(0x80, "lo!")]);
    }

    #[test]
    fn control_frames_are_these_or_none() {
        let mut masks = Masks::new(3);
        let frame = ping(b"Hello", &mut masks).unwrap();
        assert_eq!(parts(frame.bytes()), (0x89, 0x85, Masks::new(3).key(), b"Hello".to_vec()));
        let frame = pong(&[0xff; 125], &mut masks).unwrap();
        assert_eq!((frame.bytes()[0], frame.bytes().len()), (0x8a, 131));
        let long = ping(&[0; 126], &mut masks);
        assert_eq!(long, Err(ControlError::PayloadTooLong(126)));
        let mut closing = |code, reason: &str| {
            close(code, reason, &mut masks).map(|frame| {
                let (first, second, _, payload) = parts(frame.bytes());
                (first, second, payload)
            })
        };
        assert_eq!(closing(None, ""), Ok((0x88, 0x80, vec![])));
        assert_eq!(closing(Some(1000), "ok"), Ok((0x88, 0x84, b"\x03\xe8ok".to_vec())));
        assert_eq!(closing(Some(3000), &"x".repeat(123)).map(|frame| frame.1), Ok(0x80 | 125));
        assert_eq!(closing(None, "x"), Err(ControlError::ReasonWithoutCode));
        assert_eq!(closing(Some(1005), ""), Err(ControlError::CloseCode(1005)));
        let long = closing(Some(1000), &"x".repeat(124));
        assert_eq!(long, Err(ControlError::ReasonTooLong(124)));
    }

    #[test]
    fn headers_of_the_rfc_are_read() {
        let header = |opcode, is_final, length| Header { opcode, is_final, length };
        let (text, binary) = (Opcode::Message(Kind::Text), Opcode::Message(Kind::Binary));
        for (bytes, expected) in [
            // RFC 6455 section 5.7, the examples that a server may send.
            ([0x81, 0x05].as_slice(), header(text, true, 5)),
            (&[0x01, 0x03], header(text, false, 3)),
            (&[0x80, 0x02], header(Opcode::Continuation, true, 2)),
            (&[0x89, 0x05], header(Opcode::Ping, true, 5)),
            (&[0x82, 0x7e, 0x01, 0x00], header(binary, true, 256)),
            (&[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0], header(binary, true, 65_536)),
            (&[0x8a, 0x7d], header(Opcode::Pong, true, 125)),
            (&[0x88, 0x00], header(Opcode::Close, true, 0)),
            (&[0x02, 0x7e, 0x00, 0x7e], header(binary, false, 126)),
            (&[0x82, 0x7e, 0xff, 0xff], header(binary, true, 65_535)),
            (
                &[&[0x82, 0x7f, 0x7f], [0xff; 7].as_slice()].concat(),
                header(binary, true, u64::MAX / 2),
            ),
        ] {
            let followed = [bytes, b"Hello"].concat();
            assert_eq!(read(&followed), Ok(Some((expected, bytes.len()))), "{bytes:x?}");
            for end in 0..bytes.len() {
                assert_eq!(read(&bytes[..end]), Ok(None), "{bytes:x?} cut at {end}");
            }
        }
    }

    #[test]
    fn faults_of_a_header_are_found_at_their_first_byte() {
        use FrameError::{
            ControlFragmented, ControlTooLong, LengthNotMinimal, LengthTooLarge, Masked,
            ReservedBits,
        };
        let opcode = FrameError::Opcode;
        for (bytes, error) in [
            ([0xc1].as_slice(), ReservedBits),
            (&[0xa1], ReservedBits),
            (&[0x91], ReservedBits),
            (&[0x83], opcode(3)),
            (&[0x07], opcode(7)),
            (&[0x8b], opcode(11)),
            (&[0x8f], opcode(15)),
            (&[0x09], ControlFragmented),
            (&[0x08], ControlFragmented),
            (&[0x81, 0x85], Masked),
            (&[0x89, 0x7e], ControlTooLong),
            (&[0x88, 0x7f], ControlTooLong),
            (&[0x81, 0x7e, 0x00, 0x7d], LengthNotMinimal),
            (&[0x81, 0x7f, 0, 0, 0, 0, 0, 0, 0xff, 0xff], LengthNotMinimal),
            (&[0x81, 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 0], LengthTooLarge),
        ] {
            assert_eq!(read(bytes), Err(error), "{bytes:x?}");
            let before = &bytes[..bytes.len() - 1];
            assert_eq!(read(before), Ok(None), "{before:x?}");
        }
    }
}
