//! Bytes to frames: headers and payloads that arrive in pieces, and DATA, which is counted, and
//! kept if the answer is read.

use super::super::block::Blocks;
use super::super::error::Violation;
use super::super::frame::{self, FrameHeader, HEADER_BYTES, PAYLOAD_MAX, flag, kind};
use super::super::streams::Phase;
use super::{Http2Machine, Reading, StreamEvent, StreamProgress};
use crate::grpc::status::GrpcStatus;

impl Http2Machine {
    /// Read bytes up to the first event. Frames that the target has to be sent are added to `out`.
    ///
    /// # Errors
    /// If the target breaks the protocol: the connection is of no further use.
    #[inline]
    pub fn feed(
        &mut self,
        bytes: &[u8],
        blocks: &mut Blocks,
        out: &mut Vec<u8>,
    ) -> Result<StreamProgress, Violation> {
        let mut rest = bytes;
        loop {
            let event = match self.reading {
                Reading::Header => {
                    if !self.read_header(&mut rest)? {
                        return Ok(StreamProgress { consumed: bytes.len(), event: None });
                    }
                    self.begin_frame(out)?
                }
                Reading::Padding => match rest.split_first() {
                    None => return Ok(StreamProgress { consumed: bytes.len(), event: None }),
                    Some((&padding, behind)) => {
                        rest = behind;
                        self.begin_data(Some(padding), out)?
                    }
                },
                Reading::Skipped(left) => {
                    let mut taken = rest.len().min(left as usize);
                    let mut event = None;
                    if self.calls.is_some() {
                        (taken, event) = self.read_messages(&rest[..taken], left, out);
                    } else if self.kept.is_some() {
                        self.keep_data(&rest[..taken], left);
                    }
                    rest = &rest[taken..];
                    self.reading = Reading::Skipped(left - taken as u32);
                    if taken == left as usize {
                        self.end_skipped(out).or(event)
                    } else if event.is_some() {
                        event
                    } else {
                        return Ok(StreamProgress { consumed: bytes.len(), event: None });
                    }
                }
                Reading::Payload => match self.read_payload(&mut rest, blocks, out)? {
                    Some(event) => event,
                    None => return Ok(StreamProgress { consumed: bytes.len(), event: None }),
                },
            };
            if event.is_some() {
                return Ok(StreamProgress { consumed: bytes.len() - rest.len(), event });
            }
        }
    }

    /// Read the header of a frame. Returns whether it is complete.
    #[inline]
    fn read_header(&mut self, rest: &mut &[u8]) -> Result<bool, Violation> {
        if let (0, Some((header, behind))) = (self.have, rest.split_first_chunk()) {
            self.frame = FrameHeader::read(header);
            *rest = behind;
            return Ok(true);
        }
        let taken = rest.len().min(HEADER_BYTES - self.have);
        self.header[self.have..self.have + taken].copy_from_slice(&rest[..taken]);
        self.have += taken;
        *rest = &rest[taken..];
        if self.have < HEADER_BYTES {
            return Ok(false);
        }
        self.have = 0;
        self.frame = FrameHeader::read(&self.header);
        Ok(true)
    }

    /// The header of a frame is there.
    #[inline]
    fn begin_frame(&mut self, out: &mut Vec<u8>) -> Result<Option<StreamEvent>, Violation> {
        let FrameHeader { length, kind, stream, .. } = self.frame;
        if !self.is_open && kind != kind::SETTINGS {
            return Err(self.no_http2());
        }
        if length as usize > PAYLOAD_MAX {
            return Err(Violation::size("a frame is longer than 16,384 bytes"));
        }
        if let Some(open) = self.open_block
            && (kind != kind::CONTINUATION || stream != open.stream)
        {
            return Err(Violation::protocol("a header block is interrupted by another frame"));
        }
        match kind {
            kind::DATA if self.frame.has(flag::PADDED) => {
                if length == 0 {
                    return Err(Violation::size("padded DATA have no length of their padding"));
                }
                self.reading = Reading::Padding;
                Ok(None)
            }
            kind::DATA => self.begin_data(None, out),
            kind::HEADERS..=kind::CONTINUATION => {
                self.reading = Reading::Payload;
                Ok(None)
            }
            _ => {
                self.note_quiet(1)?;
                self.reading = Reading::Skipped(length);
                Ok(None)
            }
        }
    }

    /// The first bytes are not those of an HTTP/2 server.
    #[cold]
    fn no_http2(&self) -> Violation {
        // `HTT` as the length, `P` as the type, `/` as the flags.
        let FrameHeader { length, kind, flags, .. } = self.frame;
        if (length, kind, flags) == (0x48_5454, b'P', b'/') {
            return Violation::protocol(
                "the target answers in HTTP/1.1: leave --http2 out, or turn HTTP/2 on there",
            );
        }
        Violation::protocol(
            "the target does not begin with SETTINGS: it does not speak HTTP/2 on this port",
        )
    }

    /// DATA begin; `padding`: the value of their first byte, if they are padded.
    fn begin_data(
        &mut self,
        padding: Option<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Option<StreamEvent>, Violation> {
        let FrameHeader { length, stream: id, .. } = self.frame;
        let left = length - u32::from(padding.is_some());
        let padding = u32::from(padding.unwrap_or(0));
        if padding > left {
            return Err(Violation::protocol("the padding of DATA is longer than they are"));
        }
        self.reading = Reading::Skipped(left);
        // Padding counts to the windows too (RFC 9113 section 6.1).
        if let Some(bytes) = self.debt.add(length, self.settings.connection_window()) {
            frame::window_update(out, 0, bytes);
        }
        let bytes = left - padding;
        self.padding = padding;
        let Some(stream) = self.streams.get(id) else {
            self.check_closed(id)?;
            self.note_quiet(1)?;
            return Ok(None);
        };
        if stream.phase == Phase::Waiting {
            return Ok(Some(self.spoil(id, "DATA come before the answer's header", out)));
        }
        stream.received += u64::from(bytes);
        if let Some(bytes) = stream.debt.add(length, self.settings.window) {
            frame::window_update(out, id, bytes);
        }
        if bytes > 0 {
            self.quiet = 0;
        } else {
            self.note_quiet(1)?;
        }
        Ok(None)
    }

    /// The last byte of DATA, or of an ignored frame, has been read.
    #[inline]
    fn end_skipped(&mut self, out: &mut Vec<u8>) -> Option<StreamEvent> {
        self.reading = Reading::Header;
        let FrameHeader { kind, stream, .. } = self.frame;
        let is_end = kind == kind::DATA && self.frame.has(flag::END_STREAM);
        if is_end && self.streams.get(stream).is_some() {
            return Some(self.finish(stream, GrpcStatus::Missing, out));
        }
        None
    }

    /// Read the payload of a frame that is needed as a whole. Returns `None` if more is needed.
    #[inline]
    fn read_payload(
        &mut self,
        rest: &mut &[u8],
        blocks: &mut Blocks,
        out: &mut Vec<u8>,
    ) -> Result<Option<Option<StreamEvent>>, Violation> {
        let missing = self.frame.length as usize - self.payload.len();
        let taken = rest.len().min(missing);
        let (piece, behind) = rest.split_at(taken);
        *rest = behind;
        if self.payload.is_empty() && taken == missing {
            self.reading = Reading::Header;
            return self.on_frame(piece, blocks, out).map(Some);
        }
        self.payload.extend_from_slice(piece);
        if taken < missing {
            return Ok(None);
        }
        self.reading = Reading::Header;
        let payload = std::mem::take(&mut self.payload);
        let event = self.on_frame(&payload, blocks, out)?;
        self.payload = payload;
        self.payload.clear();
        Ok(Some(event))
    }

    /// A stream that is not open must have been: its frames are then ignored.
    pub(super) fn check_closed(&self, id: u32) -> Result<(), Violation> {
        if id == 0 {
            return Err(Violation::protocol("a frame of streams has no stream"));
        }
        // Even ids are the server's: it may open none, since push is off.
        if id.is_multiple_of(2) || id >= self.next_id {
            return Err(Violation::protocol("a frame is for a stream that was never opened"));
        }
        Ok(())
    }
}
