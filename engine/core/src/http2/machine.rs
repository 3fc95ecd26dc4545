//! One HTTP/2 connection of a client, without its socket: bytes in, events and bytes to send out.
//!
//! [`Http2Machine::feed`] reads up to the first thing that ends or changes, as the HTTP/1.1 parser
//! does. Payload is counted; `kept` keeps that of answers which are read. What an event means for a
//! request is decided by the caller.

mod calls;
mod frames;
mod kept;
mod reading;
mod sending;
mod whole;

pub use self::calls::CallAnswers;
use self::calls::Calls;
use self::kept::Kept;
pub use self::whole::WholeAnswer;
use super::block::BlockReader;
use super::error::{ErrorCode, Violation};
use super::frame::{self, FrameHeader, HEADER_BYTES};
use super::request::Encoding;
use super::settings::{self, Http2Settings, PeerSettings};
use super::streams::Streams;
use super::window::{ReceiveDebt, SendWindow};

/// The largest id of a stream.
const ID_MAX: u32 = (1 << 31) - 1;
/// Frames without progress on any stream, before the target is taken to flood this side. Those
/// that want an answer count four times.
const QUIET_MAX: u32 = 16_384;

/// A complete answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamAnswer {
    /// Its status: 200 to 999.
    pub status: u16,
    /// Bytes of its body, without padding.
    pub body_bytes: u64,
    /// The status of the call that it answers, if it is one and its HTTP status is 200.
    pub grpc_status: Option<u8>,
}

/// An event. Exchanges are named as in [`Http2Machine::begin`]; one that has ended is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// The target's SETTINGS have arrived: requests may be sent.
    Opened,
    /// An answer has begun, and does not end yet.
    Began {
        /// Its exchange.
        exchange: u32,
    },
    /// A message of a stream of messages is complete, and the answer goes on.
    Message {
        /// Its exchange.
        exchange: u32,
        /// Its number within the answer, from 1.
        number: u32,
    },
    /// An answer is complete.
    Answered {
        /// Its exchange.
        exchange: u32,
        /// The answer.
        answer: StreamAnswer,
    },
    /// The target has not processed a request (REFUSED_STREAM).
    Refused {
        /// Its exchange.
        exchange: u32,
    },
    /// The target has ended a stream before its answer was complete.
    Reset {
        /// Its exchange.
        exchange: u32,
        /// The reason.
        code: ErrorCode,
    },
    /// An answer is malformed; this side has ended its stream.
    Malformed {
        /// Its exchange.
        exchange: u32,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// The target takes no further streams (GOAWAY): see [`Http2Machine::next_unprocessed`].
    GoingAway {
        /// The reason.
        code: ErrorCode,
    },
    /// A window or a limit has changed.
    Room,
}

/// What some bytes brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamProgress {
    /// How many of them have been read.
    pub consumed: usize,
    /// The event that they ended with; `None` if all were read without one.
    pub event: Option<StreamEvent>,
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// The header of a frame.
    Header,
    /// The length of the padding of DATA.
    Padding,
    /// So many bytes of DATA, or of a frame that is ignored.
    Skipped(u32),
    /// The payload of another frame.
    Payload,
}

/// A header block that is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OpenBlock {
    stream: u32,
    is_end: bool,
    /// CONTINUATION frames so far.
    frames: u32,
}

/// One connection.
#[derive(Debug)]
pub struct Http2Machine {
    streams: Streams,
    /// The id of the next stream, unless it is skipped.
    next_id: u32,
    live: u16,
    depth: u16,
    is_open: bool,
    settings: Http2Settings,
    encoding: Encoding,
    reading: Reading,
    frame: FrameHeader,
    /// Bytes of padding at the end of the current DATA.
    padding: u32,
    /// The header of a frame that arrived in pieces.
    header: [u8; HEADER_BYTES],
    have: usize,
    /// The payload of one.
    payload: Vec<u8>,
    /// The beginning of a header block.
    fragment: Vec<u8>,
    open_block: Option<OpenBlock>,
    blocks: BlockReader,
    peer: PeerSettings,
    window: SendWindow,
    debt: ReceiveDebt,
    /// The last stream that the target may have processed, once it goes away.
    last_id: Option<u32>,
    /// The first error with which it does.
    expulsion: Option<ErrorCode>,
    quiet: u32,
    /// Streams whose requests have not been sent completely.
    unsent: u16,
    /// The place of the stream that sends the next part of its body.
    next_place: u32,
    /// Requests and answers that are kept, if each is its own.
    kept: Option<Box<Kept>>,
    /// The requests are calls of gRPC.
    calls: Option<Box<Calls>>,
}

impl Http2Machine {
    /// A connection on which at most `depth` requests are in flight, with these settings, which
    /// [`Self::preface`] has announced.
    pub fn new(depth: u16, settings: Http2Settings) -> Self {
        Self {
            streams: Streams::new(depth),
            next_id: 1,
            live: 0,
            depth,
            is_open: false,
            settings,
            encoding: Encoding::Priming,
            reading: Reading::Header,
            frame: FrameHeader::default(),
            header: [0; HEADER_BYTES],
            have: 0,
            padding: 0,
            payload: Vec::new(),
            fragment: Vec::new(),
            open_block: None,
            blocks: BlockReader::new(settings.table as usize),
            peer: PeerSettings::default(),
            window: SendWindow::new(settings::WINDOW_DEFAULT),
            debt: ReceiveDebt::NONE,
            last_id: None,
            expulsion: None,
            quiet: 0,
            unsent: 0,
            next_place: 0,
            kept: None,
            calls: None,
        }
    }

    /// The first bytes to send.
    pub fn preface(settings: Http2Settings) -> Vec<u8> {
        settings::preface(settings)
    }

    /// Whether the target's SETTINGS have arrived.
    pub const fn is_open(&self) -> bool {
        self.is_open
    }

    /// Requests in flight.
    pub const fn live(&self) -> u16 {
        self.live
    }

    /// The most streams that the target allows at once; `u32::MAX` if it gives no limit.
    pub const fn streams_max(&self) -> u32 {
        self.peer.streams_max
    }

    /// How many requests may be in flight now: 0 once either side takes no further streams.
    #[inline]
    pub fn allowed(&self) -> u16 {
        if self.last_id.is_some() || self.is_used_up() {
            return 0;
        }
        self.peer.streams_max.min(u32::from(self.depth)) as u16
    }

    /// Whether the target takes no further streams.
    pub const fn is_going_away(&self) -> bool {
        self.last_id.is_some()
    }

    /// The error with which it ends the connection, if it named one (GOAWAY).
    pub const fn expulsion(&self) -> Option<ErrorCode> {
        self.expulsion
    }

    /// Whether a TLS record has come instead of SETTINGS: an alert is shorter than a frame's
    /// header.
    pub fn hears_tls(&self) -> bool {
        !self.is_open && self.have >= 2 && self.header.starts_with(&[0x15, 3])
    }

    /// Whether the ids of streams are nearly used up, so that another connection is needed.
    #[inline]
    pub fn is_used_up(&self) -> bool {
        self.next_id > ID_MAX - 4 * self.streams.places()
    }

    /// A request that the target has not processed, since it goes away; its stream is forgotten.
    pub fn next_unprocessed(&mut self) -> Option<u32> {
        let last_id = self.last_id?;
        let stream = self.streams.open_ones().find(|stream| stream.id > last_id)?;
        let (id, exchange) = (stream.id, stream.exchange);
        self.close(id);
        Some(exchange)
    }

    /// The stream of a request that is not awaited any more is ended. Returns whether it was open.
    pub fn cancel(&mut self, exchange: u32, out: &mut Vec<u8>) -> bool {
        let id = self.streams.open_ones().find(|it| it.exchange == exchange).map(|it| it.id);
        if let Some(id) = id {
            frame::rst_stream(out, id, ErrorCode::CANCEL);
            self.close(id);
        }
        id.is_some()
    }

    /// The bytes with which this side ends the connection.
    pub fn goodbye(code: ErrorCode) -> Vec<u8> {
        let mut out = Vec::new();
        frame::goaway(&mut out, code);
        out
    }

    /// A stream ends.
    fn close(&mut self, id: u32) {
        if let Some(stream) = self.streams.get(id) {
            self.unsent -= u16::from(stream.unsent > 0);
            self.streams.close(id);
            self.live -= 1;
        }
    }

    /// A frame brought nothing forward.
    fn note_quiet(&mut self, weight: u32) -> Result<(), Violation> {
        self.quiet += weight;
        if self.quiet > QUIET_MAX {
            return Err(Violation::flood(
                "the target sends frames without end that no request needs",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
