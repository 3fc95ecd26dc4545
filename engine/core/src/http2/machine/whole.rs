//! The commonest answer, read at once: HEADERS with a known block, and DATA behind them that end
//! it, if it has a body.
//!
//! Whatever differs is left to [`Http2Machine::feed`], which means the same by it, one frame after
//! the other. Values that pass through memory in small pieces and are read in larger ones cost a
//! processor more than all else here, so this path keeps its few values in registers.

use super::super::block::Blocks;
use super::super::frame::{FrameHeader, HEADER_BYTES, PAYLOAD_MAX, flag, kind};
use super::super::streams::{Phase, UNKNOWN};
use super::{Http2Machine, Reading, StreamAnswer};

/// An answer that was whole among some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WholeAnswer {
    /// How many of them it has.
    pub consumed: usize,
    /// Its exchange, which has ended.
    pub exchange: u32,
    /// The answer.
    pub answer: StreamAnswer,
}

impl Http2Machine {
    /// Read the answer that these bytes begin with, if it is whole, well-formed and of the
    /// commonest form, nothing has to be sent for it, its bytes are not kept, and it answers no
    /// call of gRPC. Otherwise nothing has changed.
    #[inline]
    pub fn feed_whole(&mut self, bytes: &[u8], blocks: &mut Blocks) -> Option<WholeAnswer> {
        let is_between = self.reading == Reading::Header && self.have == 0;
        let is_common = self.kept.is_none() && self.calls.is_none();
        if !is_between || !is_common || !self.is_open || self.open_block.is_some() {
            return None;
        }
        let (header, rest) = frame(bytes)?;
        let is_alone = header.flags == flag::END_HEADERS | flag::END_STREAM;
        if header.kind != kind::HEADERS || !(is_alone || header.flags == flag::END_HEADERS) {
            return None;
        }
        let (block, behind) = rest.split_at_checked(header.length as usize)?;
        let (body_bytes, behind) = if is_alone { (0, behind) } else { last_data(header, behind)? };
        let stream = self.streams.get(header.stream)?;
        if stream.phase != Phase::Waiting || stream.unsent > 0 {
            return None;
        }
        let (exchange, is_head) = (stream.exchange, stream.is_head);
        let mut debt = self.debt;
        if debt.add(body_bytes, self.settings.connection_window()).is_some() {
            return None;
        }
        let status = self.blocks.recall(block, blocks, |head| {
            let status = head.status.filter(|status| *status >= 200 && head.fault.is_none())?;
            let is_without = is_head || matches!(status, 204 | 304);
            let is_whole = match head.content_length {
                _ if is_without => body_bytes == 0,
                None => true,
                Some(length) => length == u64::from(body_bytes) && length != UNKNOWN,
            };
            is_whole.then_some(status)
        })?;
        self.debt = debt;
        self.quiet = 0;
        self.streams.close(header.stream);
        self.live -= 1;
        let answer = StreamAnswer { status, body_bytes: body_bytes.into(), grpc_status: None };
        Some(WholeAnswer { consumed: bytes.len() - behind.len(), exchange, answer })
    }
}

/// The header of the frame that these bytes begin with, if it may be as long, and what follows it.
#[inline]
fn frame(bytes: &[u8]) -> Option<(FrameHeader, &[u8])> {
    let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let header = FrameHeader::read(header);
    (header.length as usize <= PAYLOAD_MAX).then_some((header, rest))
}

/// The length of the DATA that these bytes begin with, if they end the stream of `head`, and what
/// follows them.
#[inline]
fn last_data(head: FrameHeader, bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (header, rest) = frame(bytes)?;
    let is_it = header.kind == kind::DATA && header.flags == flag::END_STREAM;
    let behind = rest.get(header.length as usize..)?;
    (is_it && header.stream == head.stream).then_some((header.length, behind))
}
