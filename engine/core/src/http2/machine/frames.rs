//! What each frame means, other than DATA (RFC 9113 section 6).

use super::super::block::Blocks;
use super::super::error::{ErrorCode, Violation};
use super::super::frame::{self, FrameHeader, flag, kind};
use super::super::head::AnswerFields;
use super::super::hpack::table::SIZE_DEFAULT;
use super::super::request::Encoding;
use super::super::streams::{Phase, UNKNOWN};
use super::{Http2Machine, OpenBlock, StreamAnswer, StreamEvent};
use crate::grpc::status::GrpcStatus;

/// The largest header block, as encoded.
const BLOCK_BYTES_MAX: usize = 64 << 10;
/// The most CONTINUATION frames of one.
const CONTINUATIONS_MAX: u32 = 1_024;
/// The most interim answers to one request.
const INTERIM_MAX: u8 = 64;

impl Http2Machine {
    /// A frame other than DATA is complete.
    pub(super) fn on_frame(
        &mut self,
        payload: &[u8],
        blocks: &mut Blocks,
        out: &mut Vec<u8>,
    ) -> Result<Option<StreamEvent>, Violation> {
        match self.frame.kind {
            kind::HEADERS => self.on_headers(payload, blocks, out),
            kind::CONTINUATION => self.on_continuation(payload, blocks, out),
            kind::RST_STREAM => self.on_reset(payload),
            kind::SETTINGS => self.on_settings(payload, out),
            kind::PING => self.on_ping(payload, out),
            kind::GOAWAY => self.on_goaway(payload),
            kind::WINDOW_UPDATE => self.on_window_update(payload, out),
            kind::PUSH_PROMISE => {
                Err(Violation::protocol("the target pushes, which is turned off"))
            }
            _ => self.on_priority(),
        }
    }

    fn on_headers(
        &mut self,
        payload: &[u8],
        blocks: &mut Blocks,
        out: &mut Vec<u8>,
    ) -> Result<Option<StreamEvent>, Violation> {
        let mut block = payload;
        if self.frame.has(flag::PADDED) {
            let (&padding, behind) =
                block.split_first().ok_or(Violation::size("padded HEADERS are too short"))?;
            let kept = behind.len().checked_sub(usize::from(padding));
            let kept =
                kept.ok_or(Violation::protocol("the padding of HEADERS is longer than they"))?;
            block = &behind[..kept];
        }
        if self.frame.has(flag::PRIORITY) {
            block =
                block.get(5..).ok_or(Violation::size("HEADERS with a priority are too short"))?;
        }
        let (stream, is_end) = (self.frame.stream, self.frame.has(flag::END_STREAM));
        if self.frame.has(flag::END_HEADERS) {
            return self.on_block((stream, is_end), block, blocks, out);
        }
        self.fragment.clear();
        self.fragment.extend_from_slice(block);
        self.open_block = Some(OpenBlock { stream, is_end, frames: 0 });
        Ok(None)
    }

    fn on_continuation(
        &mut self,
        payload: &[u8],
        blocks: &mut Blocks,
        out: &mut Vec<u8>,
    ) -> Result<Option<StreamEvent>, Violation> {
        let Some(open) = &mut self.open_block else {
            return Err(Violation::protocol("a CONTINUATION continues nothing"));
        };
        open.frames += 1;
        let OpenBlock { stream, is_end, frames } = *open;
        self.fragment.extend_from_slice(payload);
        if self.fragment.len() > BLOCK_BYTES_MAX || frames > CONTINUATIONS_MAX {
            return Err(Violation::flood("a header block has more than 64 KiB or 1,024 frames"));
        }
        if !self.frame.has(flag::END_HEADERS) {
            return Ok(None);
        }
        self.open_block = None;
        let fragment = std::mem::take(&mut self.fragment);
        let event = self.on_block((stream, is_end), &fragment, blocks, out);
        self.fragment = fragment;
        event
    }

    /// A header block is complete. It is read whatever becomes of its stream: the table changes.
    #[inline]
    fn on_block(
        &mut self,
        (id, is_end): (u32, bool),
        block: &[u8],
        blocks: &mut Blocks,
        out: &mut Vec<u8>,
    ) -> Result<Option<StreamEvent>, Violation> {
        let head = match &mut self.kept {
            None => self.blocks.read(block, blocks)?,
            Some(_) => self.read_kept(id, block, blocks)?,
        };
        let place = self.streams.place(id);
        let Some(stream) = self.streams.get(id) else {
            self.check_closed(id)?;
            self.note_quiet(1)?;
            return Ok(None);
        };
        let exchange = stream.exchange;
        if let Some(fault) = head.fault {
            return Ok(Some(self.spoil(id, fault, out)));
        }
        match (stream.phase, head) {
            (Phase::Waiting, AnswerFields { status: Some(status @ 200..), content_length, .. }) => {
                stream.phase = Phase::Body;
                stream.status = status;
                stream.expected = content_length.unwrap_or(UNKNOWN);
                self.quiet = 0;
                if let Some(calls) = &mut self.calls {
                    calls.begin_answer(place, status == 200 && head.is_grpc);
                }
                Ok(Some(if is_end {
                    self.finish(id, head.grpc_status, out)
                } else {
                    StreamEvent::Began { exchange }
                }))
            }
            (Phase::Waiting, AnswerFields { status: Some(status), .. }) => {
                stream.interim += 1;
                let fault = match status {
                    _ if is_end => "an interim answer ends its stream",
                    101 => "the target switches protocols, which HTTP/2 does not have",
                    _ if stream.interim > INTERIM_MAX => "interim answers come without end",
                    _ => return self.note_quiet(1).map(|()| None),
                };
                Ok(Some(self.spoil(id, fault, out)))
            }
            (Phase::Waiting, _) => Ok(Some(self.spoil(id, "the answer has no :status", out))),
            (Phase::Body, AnswerFields { status: Some(_), .. }) => {
                Ok(Some(self.spoil(id, "a trailer has a :status", out)))
            }
            (Phase::Body, _) if !is_end => {
                Ok(Some(self.spoil(id, "a trailer does not end its stream", out)))
            }
            (Phase::Body, _) => Ok(Some(self.finish(id, head.grpc_status, out))),
        }
    }

    /// The answer on an open stream is complete; `status`: that of a call, in its last block.
    pub(super) fn finish(&mut self, id: u32, status: GrpcStatus, out: &mut Vec<u8>) -> StreamEvent {
        let Some(stream) = self.streams.get(id) else { return StreamEvent::Room };
        let (exchange, http_status, received) = (stream.exchange, stream.status, stream.received);
        let (is_kept, unsent) = (stream.is_kept, stream.unsent);
        // The answer to a HEAD, and a 304, give the length of what they do not send.
        let is_without = stream.is_head || matches!(http_status, 204 | 304);
        let is_whole = match stream.expected {
            _ if is_without => received == 0,
            UNKNOWN => true,
            expected => received == expected,
        };
        if !is_whole {
            return self.spoil(id, "the body does not have its content-length", out);
        }
        if unsent > 0 {
            // The rest of the request is not needed (RFC 9113 section 8.1).
            frame::rst_stream(out, id, ErrorCode::CANCEL);
        }
        self.keep_answer(id, is_kept);
        self.close(id);
        let grpc_status = match &self.calls {
            None => None,
            Some(calls) => match calls.end(self.streams.place(id), http_status, status) {
                Ok(status) => status,
                Err(fault) => return StreamEvent::Malformed { exchange, fault },
            },
        };
        let answer = StreamAnswer { status: http_status, body_bytes: received, grpc_status };
        StreamEvent::Answered { exchange, answer }
    }

    /// The answer on an open stream is malformed.
    #[cold]
    pub(super) fn spoil(&mut self, id: u32, fault: &'static str, out: &mut Vec<u8>) -> StreamEvent {
        self.spoil_with(id, (ErrorCode::PROTOCOL_ERROR, fault), out)
    }

    #[cold]
    fn spoil_with(
        &mut self,
        id: u32,
        (code, fault): (ErrorCode, &'static str),
        out: &mut Vec<u8>,
    ) -> StreamEvent {
        let exchange = self.streams.get(id).map_or(0, |stream| stream.exchange);
        frame::rst_stream(out, id, code);
        self.close(id);
        StreamEvent::Malformed { exchange, fault }
    }

    fn on_reset(&mut self, payload: &[u8]) -> Result<Option<StreamEvent>, Violation> {
        let code = four_bytes(payload, "an RST_STREAM does not have 4 bytes")?;
        let id = self.frame.stream;
        let Some(stream) = self.streams.get(id) else {
            self.check_closed(id)?;
            return self.note_quiet(1).map(|()| None);
        };
        let (exchange, is_untouched) = (stream.exchange, stream.phase == Phase::Waiting);
        self.close(id);
        self.quiet = 0;
        Ok(Some(match ErrorCode(code) {
            // After the header of an answer the target has processed the request.
            ErrorCode::REFUSED_STREAM if is_untouched => StreamEvent::Refused { exchange },
            code => StreamEvent::Reset { exchange, code },
        }))
    }

    fn on_settings(
        &mut self,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<StreamEvent>, Violation> {
        if self.frame.stream != 0 {
            return Err(Violation::protocol("SETTINGS are for a stream"));
        }
        let is_ack = self.frame.has(flag::ACK);
        if (is_ack && !payload.is_empty()) || !payload.len().is_multiple_of(6) {
            return Err(Violation::size("SETTINGS have a length that no settings have"));
        }
        if !self.is_open && is_ack {
            return Err(Violation::protocol(
                "the target acknowledges SETTINGS before it sends its own",
            ));
        }
        self.note_quiet(4)?;
        if is_ack {
            return Ok(None);
        }
        let before = self.peer;
        self.peer.apply(payload)?;
        frame::settings_ack(out);
        let change = i64::from(self.peer.window) - i64::from(before.window);
        if change != 0 {
            // It moves the windows of all open streams (RFC 9113 section 6.9.2).
            for stream in self.streams.open_ones() {
                stream.window.change(change).map_err(|_| WINDOW_TOO_LARGE)?;
            }
        }
        let uses_table = matches!(self.encoding, Encoding::Priming | Encoding::Steady);
        if uses_table && (self.peer.table_size_min as usize) < SIZE_DEFAULT {
            self.encoding = Encoding::Emptying;
        }
        if !std::mem::replace(&mut self.is_open, true) {
            return Ok(Some(StreamEvent::Opened));
        }
        Ok((self.peer != before).then_some(StreamEvent::Room))
    }

    fn on_ping(
        &mut self,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<StreamEvent>, Violation> {
        if self.frame.stream != 0 {
            return Err(Violation::protocol("a PING is for a stream"));
        }
        if payload.len() != 8 {
            return Err(Violation::size("a PING does not have 8 bytes"));
        }
        if !self.frame.has(flag::ACK) {
            frame::ping_ack(out, payload);
        }
        self.note_quiet(4).map(|()| None)
    }

    fn on_goaway(&mut self, payload: &[u8]) -> Result<Option<StreamEvent>, Violation> {
        if self.frame.stream != 0 {
            return Err(Violation::protocol("a GOAWAY is for a stream"));
        }
        let Some((&last, rest)) = payload.split_first_chunk::<4>() else {
            return Err(Violation::size("a GOAWAY has less than 8 bytes"));
        };
        let Some((&code, _debug)) = rest.split_first_chunk::<4>() else {
            return Err(Violation::size("a GOAWAY has less than 8 bytes"));
        };
        let last = u32::from_be_bytes(last) & 0x7fff_ffff;
        // A second one may only lower it (RFC 9113 section 6.8).
        self.last_id = Some(self.last_id.map_or(last, |before| before.min(last)));
        self.note_quiet(1)?;
        let code = ErrorCode(u32::from_be_bytes(code));
        if code != ErrorCode::NO_ERROR {
            self.expulsion.get_or_insert(code);
        }
        Ok(Some(StreamEvent::GoingAway { code }))
    }

    fn on_window_update(
        &mut self,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<StreamEvent>, Violation> {
        let bytes = four_bytes(payload, "a WINDOW_UPDATE does not have 4 bytes")? & 0x7fff_ffff;
        self.note_quiet(1)?;
        let has_unsent = self.unsent > 0;
        let id = self.frame.stream;
        if id == 0 {
            if bytes == 0 {
                return Err(Violation::protocol("a WINDOW_UPDATE gives no room"));
            }
            self.window.change(bytes.into()).map_err(|_| WINDOW_TOO_LARGE)?;
            return Ok(has_unsent.then_some(StreamEvent::Room));
        }
        let Some(stream) = self.streams.get(id) else {
            return self.check_closed(id).map(|()| None);
        };
        if bytes == 0 {
            return Ok(Some(self.spoil(id, "a WINDOW_UPDATE gives no room", out)));
        }
        if stream.window.change(bytes.into()).is_err() {
            let seen = (WINDOW_TOO_LARGE.code, WINDOW_TOO_LARGE.fault);
            return Ok(Some(self.spoil_with(id, seen, out)));
        }
        Ok(has_unsent.then_some(StreamEvent::Room))
    }

    fn on_priority(&mut self) -> Result<Option<StreamEvent>, Violation> {
        let FrameHeader { length, stream, .. } = self.frame;
        if stream == 0 {
            return Err(Violation::protocol("a PRIORITY is for no stream"));
        }
        if length != 5 {
            return Err(Violation::size("a PRIORITY does not have 5 bytes"));
        }
        self.note_quiet(1).map(|()| None)
    }
}

const WINDOW_TOO_LARGE: Violation =
    Violation::flow("the target makes a window larger than 2^31 - 1");

fn four_bytes(payload: &[u8], fault: &'static str) -> Result<u32, Violation> {
    payload.try_into().map(u32::from_be_bytes).map_err(|_| Violation::size(fault))
}
