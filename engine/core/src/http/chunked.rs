//! The chunked transfer coding (RFC 9112 section 7.1), received in pieces of any size.
//!
//! This file decides where the body ends and which of its bytes are payload; payload is skipped or
//! lent to a reader, never copied. `head` decides which responses are chunked.

use std::ops::Range;

use thiserror::Error;

use super::deviation::{Deviation, Deviations};

/// Longest chunk-size line, extensions included.
const LINE_BYTES_MAX: u16 = 8 * 1024;

/// Longest trailer section.
const TRAILER_BYTES_MAX: u32 = 64 * 1024;

/// Largest payload of one response: far above any real one, and the sum of two cannot overflow.
pub(super) const PAYLOAD_BYTES_MAX: u64 = i64::MAX as u64;

/// Why a body is not in the chunked coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChunkedError {
    /// A byte that is not part of a chunk size.
    #[error("a chunk of the body does not begin with its size in hexadecimal digits")]
    Size,
    /// 2^63 bytes or more.
    #[error("the chunk sizes of the body add up to 2^63 bytes or more")]
    TooLarge,
    /// More than 8 KiB.
    #[error("a chunk-size line of the body is longer than 8 KiB")]
    LineTooLong,
    /// A chunk longer or shorter than its size.
    #[error("a chunk of the body is not followed by CRLF: its size is wrong")]
    PayloadEnd,
    /// Without a colon, or with a NUL byte.
    #[error("a trailer line after the body is not `name: value`")]
    Trailer,
    /// More than 64 KiB.
    #[error("the trailers after the body are longer than 64 KiB")]
    TrailersTooLong,
}

/// A chunked body being received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkedDecoder {
    /// Bytes left of the current chunk; while its size line is read, the size so far.
    remaining: u64,
    payload: u64,
    trailer_bytes: u32,
    line_bytes: u16,
    /// Which of [`DEVIATIONS`] have been noted, one bit each.
    noted: u8,
    state: State,
}

/// Deviations that curl accepts.
const DEVIATIONS: [Deviation; 3] =
    [Deviation::ChunkLineEnd, Deviation::ChunkSizeLine, Deviation::TrailerLine];

/// The part of the coding that the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    SizeStart,
    Size,
    /// White space after the size, with which some servers pad.
    SizePadding,
    Extension,
    SizeLf,
    Payload,
    PayloadCr,
    PayloadLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    Done,
}

impl Default for ChunkedDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl ChunkedDecoder {
    /// Before the first byte of a body.
    pub const fn new() -> Self {
        Self {
            remaining: 0,
            payload: 0,
            trailer_bytes: 0,
            line_bytes: 0,
            noted: 0,
            state: State::SizeStart,
        }
    }

    /// Read the next bytes. `Some(n)`: the body ended with the first `n` of them. `None`: all of
    /// them belong to it and more must come. After an error its results have no meaning.
    ///
    /// # Errors
    /// If the bytes are not in the chunked coding.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Option<usize>, ChunkedError> {
        self.feed_into(bytes, &mut |_: &[u8]| {})
    }

    /// Like [`Self::feed`], lending each piece of payload to `payload`, in order; none is empty.
    ///
    /// # Errors
    /// If the bytes are not in the chunked coding; pieces lent before the error remain valid.
    pub fn feed_into(
        &mut self,
        bytes: &[u8],
        payload: &mut impl FnMut(&[u8]),
    ) -> Result<Option<usize>, ChunkedError> {
        self.feed_from(&mut 0, bytes, payload, &mut Deviations::new())
    }

    /// Like [`Self::feed_into`], from position `at` on, which is advanced to the end of the body or
    /// to the invalid byte. Each kind of deviation is noted once.
    pub(super) fn feed_from(
        &mut self,
        at: &mut usize,
        bytes: &[u8],
        payload: &mut impl FnMut(&[u8]),
        deviations: &mut Deviations,
    ) -> Result<Option<usize>, ChunkedError> {
        while self.state != State::Done {
            let Some(&byte) = bytes.get(*at) else { return Ok(None) };
            if self.state == State::Payload {
                let here = self.remaining.min((bytes.len() - *at) as u64);
                let end = *at + here as usize; // at most `bytes.len()`
                lend(bytes, *at..end, payload);
                self.skip(here);
                *at = end;
            } else {
                self.state = match self.step(byte) {
                    Ok(state) => state,
                    Err(error) => self.step_leniently(error, bytes, *at, deviations)?,
                };
                *at += 1;
            }
        }
        Ok(Some(*at))
    }

    /// How many of the next bytes are payload alone.
    pub const fn opaque(&self) -> u64 {
        if matches!(self.state, State::Payload) { self.remaining } else { 0 }
    }

    /// `count` bytes of payload arrived, at most [`Self::opaque`]. They never end the body: the
    /// last chunk is still to come.
    pub fn skip(&mut self, count: u64) {
        debug_assert!(count <= self.opaque(), "only payload can be skipped");
        self.remaining -= count;
        self.payload += count;
        if self.remaining == 0 && self.state == State::Payload {
            self.state = State::PayloadCr;
        }
    }

    /// Bytes of payload so far.
    pub const fn payload(&self) -> u64 {
        self.payload
    }

    /// Whether the last chunk has arrived, so that only the end of the trailers is missing.
    pub(super) const fn is_in_trailers(&self) -> bool {
        matches!(
            self.state,
            State::TrailerStart
                | State::TrailerName
                | State::TrailerValue
                | State::TrailerLf
                | State::EndLf
        )
    }

    fn step(&mut self, byte: u8) -> Result<State, ChunkedError> {
        match self.state {
            State::SizeStart
            | State::Size
            | State::SizePadding
            | State::Extension
            | State::SizeLf => self.step_size_line(byte),
            State::PayloadCr if byte == b'\r' => Ok(State::PayloadLf),
            State::PayloadLf if byte == b'\n' => {
                self.line_bytes = 0;
                Ok(State::SizeStart)
            }
            State::PayloadCr | State::PayloadLf => Err(ChunkedError::PayloadEnd),
            State::TrailerStart
            | State::TrailerName
            | State::TrailerValue
            | State::TrailerLf
            | State::EndLf => self.step_trailer(byte),
            // `feed` skips payload itself and stops when done.
            State::Payload | State::Done => Ok(self.state),
        }
    }

    fn step_size_line(&mut self, byte: u8) -> Result<State, ChunkedError> {
        self.line_bytes = self.line_bytes.saturating_add(1);
        if self.line_bytes > LINE_BYTES_MAX {
            return Err(ChunkedError::LineTooLong);
        }
        match (self.state, byte) {
            (State::SizeStart | State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                self.push_digit(byte)
            }
            (State::SizeStart, _) => Err(ChunkedError::Size),
            (State::SizeLf, b'\n') => Ok(self.behind_size_line()),
            (State::SizeLf, _) => Err(ChunkedError::Size),
            (_, b'\r') => Ok(State::SizeLf),
            (State::Size | State::SizePadding, b' ' | b'\t') => Ok(State::SizePadding),
            (State::Size | State::SizePadding, b';') => Ok(State::Extension),
            (State::Extension, byte) if is_field_value(byte) => Ok(State::Extension),
            _ => Err(ChunkedError::Size),
        }
    }

    const fn behind_size_line(&self) -> State {
        match self.remaining {
            0 => State::TrailerStart,
            _ => State::Payload,
        }
    }

    fn push_digit(&mut self, byte: u8) -> Result<State, ChunkedError> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            _ => (byte | 0x20) - b'a' + 10,
        };
        // `remaining` is 0 before the first digit: the chunk before it has ended.
        let size = self.remaining.checked_mul(16).ok_or(ChunkedError::TooLarge)? | u64::from(digit);
        if size > PAYLOAD_BYTES_MAX - self.payload {
            return Err(ChunkedError::TooLarge);
        }
        self.remaining = size;
        Ok(State::Size)
    }

    fn step_trailer(&mut self, byte: u8) -> Result<State, ChunkedError> {
        self.trailer_bytes = self.trailer_bytes.saturating_add(1);
        if self.trailer_bytes > TRAILER_BYTES_MAX {
            return Err(ChunkedError::TrailersTooLong);
        }
        match (self.state, byte) {
            (State::TrailerStart, b'\r') => Ok(State::EndLf),
            (State::TrailerName, b':') => Ok(State::TrailerValue),
            (State::TrailerStart | State::TrailerName, byte) if is_token(byte) => {
                Ok(State::TrailerName)
            }
            (State::TrailerValue, b'\r') => Ok(State::TrailerLf),
            (State::TrailerValue, byte) if is_field_value(byte) => Ok(State::TrailerValue),
            (State::TrailerLf, b'\n') => Ok(State::TrailerStart),
            (State::EndLf, b'\n') => Ok(State::Done),
            _ => Err(ChunkedError::Trailer),
        }
    }
}

impl ChunkedDecoder {
    /// The byte `at` is invalid: accept it if curl does.
    #[cold]
    #[inline(never)]
    fn step_leniently(
        &mut self,
        error: ChunkedError,
        bytes: &[u8],
        at: usize,
        deviations: &mut Deviations,
    ) -> Result<State, ChunkedError> {
        use ChunkedError::{LineTooLong, TooLarge, TrailersTooLong};
        use Deviation::{ChunkLineEnd, ChunkSizeLine, TrailerLine};
        if matches!(error, LineTooLong | TooLarge | TrailersTooLong) {
            return Err(error);
        }
        let (state, deviation) = match (self.state, bytes[at]) {
            // `0x5` is not the notation of a chunk size.
            (State::Size, b'x' | b'X') if self.remaining == 0 => return Err(error),
            (State::Size | State::SizePadding | State::Extension, b'\n') => {
                (self.behind_size_line(), ChunkLineEnd)
            }
            (State::SizeLf, b'\r') => (State::SizeLf, ChunkLineEnd),
            (State::Size | State::SizePadding | State::Extension | State::SizeLf, _) => {
                (State::Extension, ChunkSizeLine)
            }
            (State::PayloadCr, b'\n') => {
                self.line_bytes = 0;
                (State::SizeStart, ChunkLineEnd)
            }
            (State::PayloadLf, b'\r') => (State::PayloadLf, ChunkLineEnd),
            (State::TrailerStart, b'\n') => (State::Done, ChunkLineEnd),
            (State::TrailerValue, b'\n') => (State::TrailerStart, ChunkLineEnd),
            (_, 0 | b'\r' | b'\n') => return Err(error),
            // A line with an invalid name, or one that continues the value of the line before.
            (State::TrailerStart, b' ' | b'\t' | b':') | (State::TrailerValue, _) => {
                (State::TrailerValue, TrailerLine)
            }
            (State::TrailerStart | State::TrailerName, _) => (State::TrailerName, TrailerLine),
            _ => return Err(error),
        };
        self.note(deviation, bytes, at, deviations);
        Ok(state)
    }

    fn note(&mut self, deviation: Deviation, bytes: &[u8], at: usize, sum: &mut Deviations) {
        let place = DEVIATIONS.iter().position(|one| *one == deviation).unwrap_or_default();
        if self.noted & (1 << place) == 0 {
            self.noted |= 1 << place;
            let start = bytes[..at].iter().rposition(|byte| *byte == b'\n');
            let line = &bytes[start.map_or(0, |end| end + 1)..];
            let end = line.iter().position(|byte| *byte == b'\n');
            sum.note(deviation, &line[..end.map_or(line.len(), |end| end + 1)]);
        }
    }
}

/// Lend a range of `bytes` to the reader of the payload, unless it is empty. Without a reader this
/// compiles to nothing: unlike an index, `get` cannot panic.
#[inline]
pub(super) fn lend(bytes: &[u8], stretch: Range<usize>, payload: &mut impl FnMut(&[u8])) {
    debug_assert!(stretch.end <= bytes.len(), "the payload lies in the bytes fed");
    if let Some(piece) = bytes.get(stretch).filter(|piece| !piece.is_empty()) {
        payload(piece);
    }
}

/// A byte of a token (RFC 9110 section 5.6.2): a method or a header name.
pub(crate) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// A byte that is allowed in a header value (RFC 9110 section 5.5).
pub(super) const fn is_field_value(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(bytes: &[u8]) -> Result<Option<(usize, u64)>, ChunkedError> {
        let mut decoder = ChunkedDecoder::new();
        Ok(decoder.feed(bytes)?.map(|consumed| (consumed, decoder.payload())))
    }

    #[test]
    fn bodies_end_where_they_should() {
        for (body, payload) in [
            ("0\r\n\r\n", 0),
            ("5\r\nhello\r\n0\r\n\r\n", 5),
            ("00005\r\nhello\r\n000\r\n\r\n", 5),
            ("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", 20),
            ("3;name=value;other=\"a, b; c\"\r\nabc\r\n0;last\r\n\r\n", 3),
            ("3 ;x\r\nabc\r\n0 \t\r\n\r\n", 3),
            ("2\r\n\r\n\r\n0\r\n\r\n", 2),
            ("1\r\nx\r\n0\r\nDigest: abc\r\nEmpty:\r\n\r\n", 1),
            ("2\nok\n0\n\n", 2),
            ("2\r\r\nok\r\r\n0;x\n\r\n", 2),
            ("2 2\r\nok\r\n0 x\r\n\r\n", 2),
            ("2;a\0b\r\nok\r\n0\rx\r\n\r\n", 2),
            ("0\r\na : b\n c\r\n: x\r\n<b>:\x01\r\n\r\n", 0),
        ] {
            let followed = [body.as_bytes(), b"HTTP/1.1 200 OK"].concat();
            assert_eq!(whole(&followed), Ok(Some((body.len(), payload))), "{body:?}");
            for end in 0..body.len() {
                assert_eq!(whole(&followed[..end]), Ok(None), "{body:?} cut at {end}");
            }
        }
    }

    #[test]
    fn what_is_not_chunked_is_refused_for_its_reason() {
        use ChunkedError::{Size, TooLarge, Trailer};
        for (body, error) in [
            ("\r\n", Size),
            ("g\r\n", Size),
            ("-1\r\n", Size),
            (" 5\r\n", Size),
            ("0x5\r\n", Size),
            (";x\r\n", Size),
            ("8000000000000000\r\n", TooLarge),
            ("10000000000000000\r\n", TooLarge),
            ("1\r\nx\r\n7fffffffffffffff\r\n", TooLarge),
            ("5\r\nhello!\r\n", ChunkedError::PayloadEnd),
            ("5\r\nhello\r0\r\n", ChunkedError::PayloadEnd),
            ("0\r\nname\r\n", Trailer),
            ("0\r\nname\n", Trailer),
            ("0\r\na: b\rc\r\n", Trailer),
            ("0\r\na: b\0\r\n", Trailer),
            ("0\r\na: b\r\n\rx", Trailer),
        ] {
            assert_eq!(whole(body.as_bytes()), Err(error), "{body:?}");
        }
    }

    #[test]
    fn lines_and_trailers_have_their_bounds() {
        let line = |len: usize| format!("0;{}\r\n\r\n", "x".repeat(len - 4));
        assert_eq!(whole(line(8192).as_bytes()), Ok(Some((8194, 0))));
        assert_eq!(whole(line(8193).as_bytes()), Err(ChunkedError::LineTooLong));
        // The limit applies to each line, not to their sum.
        let many = "1\r\nx\r\n".repeat(3000) + "0\r\n\r\n";
        assert_eq!(whole(many.as_bytes()), Ok(Some((many.len(), 3000))));
        let trailer = |len: usize| format!("0\r\na:{}\r\n\r\n", "x".repeat(len - 6));
        assert_eq!(whole(trailer(65536).as_bytes()), Ok(Some((65539, 0))));
        assert_eq!(whole(trailer(65537).as_bytes()), Err(ChunkedError::TrailersTooLong));
    }

    #[test]
    fn payload_can_be_skipped_instead_of_fed() {
        let mut decoder = ChunkedDecoder::new();
        assert_eq!(
            (decoder.feed(b"7fffffffffffffff\r\n"), decoder.opaque()),
            (Ok(None), u64::MAX / 2)
        );
        decoder.skip(u64::MAX / 2 - 1);
        assert_eq!((decoder.feed(b"x"), decoder.opaque()), (Ok(None), 0));
        assert_eq!(decoder.feed(b"\r\n0\r\n\r\n"), Ok(Some(7)));
        assert_eq!((decoder.payload(), decoder.feed(b"x")), (u64::MAX / 2, Ok(Some(0))));
    }
}
