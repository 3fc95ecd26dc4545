//! HTTP/2 on a worker's connections: the header blocks that they share, the limits of the target,
//! and requests as streams. `send` sends what this adds to a connection's queue.

use uringbench_core::http2::block::Blocks;
use uringbench_core::http2::encoder::RequestEncoder;
use uringbench_core::http2::error::Violation;
use uringbench_core::http2::machine::{Http2Machine, StreamProgress, WholeAnswer};
use uringbench_core::http2::request::RequestFrames;
use uringbench_core::http2::streams::AnswerForm;
use uringbench_core::time::{Nanos, Timestamp};

use super::connect_failure::ConnectFailure;
use super::connection::Connection;
use super::in_flight::ExchangeId;
use crate::wire::Wire;
use crate::wire::http2::{Http2, Http2Config};

/// The name of HTTP/2 in TLS (RFC 9113 section 3.2).
const ALPN: &[u8] = b"h2";

/// Bytes that wait for a target which reads nothing and sends frames that want an answer.
const UNREAD_MAX: usize = 1 << 20;

/// What the connections of HTTP/2 share.
pub(crate) struct Streams {
    /// Header blocks that are known.
    blocks: Blocks,
    /// Streams in flight on a connection, as planned.
    depth: u16,
    /// The fewest streams that the target has allowed on a connection.
    allowed_min: u32,
    /// The most of them, up to the planned depth.
    allowed_max: u32,
    /// How long bodies waited for windows, on connections that have ended.
    pub(super) blocked: Nanos,
    /// A buffer for requests of users, before they are encoded.
    pub(super) rendered: Vec<u8>,
    /// When the latest message of a stream of messages arrived, by exchange.
    messages: Vec<Timestamp>,
}

impl Streams {
    pub(super) fn new(depth: u16) -> Self {
        Self {
            blocks: Blocks::default(),
            depth,
            allowed_min: u32::MAX,
            allowed_max: 0,
            blocked: Nanos::ZERO,
            rendered: Vec::new(),
            messages: Vec::new(),
        }
    }

    /// A connection will speak HTTP/2.
    ///
    /// # Errors
    /// If TLS has agreed on another protocol.
    pub(super) fn begin(
        &self,
        connection: &mut Connection,
        config: &Http2Config,
        now: Timestamp,
    ) -> Result<(), ConnectFailure> {
        let tls = connection.session.as_ref().and_then(|session| session.tls());
        if tls.is_some_and(|tls| tls.protocol() != Some(ALPN)) {
            return Err(ConnectFailure::NoHttp2);
        }
        connection.wire = Wire::Http2(Box::new(Http2::new(self.depth, config, now)));
        Ok(())
    }

    /// A request begins: its header is queued. Returns the length of the request, and whether it is
    /// the first in the queue.
    #[inline]
    pub(super) fn open(
        connection: &mut Connection,
        (request, row): (&RequestFrames, u32),
        id: ExchangeId,
    ) -> (usize, bool) {
        Self::queue_header(connection, |machine, queue| {
            machine.begin_row(id.0, (request, row), queue);
            request.body(row).len()
        })
    }

    /// The same for a request of a user, as built for HTTP/1.1.
    pub(super) fn open_own(
        connection: &mut Connection,
        (request, form): (&[u8], AnswerForm),
        encoder: &RequestEncoder,
        id: ExchangeId,
    ) -> (usize, bool) {
        Self::queue_header(connection, |machine, queue| {
            machine.begin_own(id.0, request, form, encoder, queue)
        })
    }

    /// `begin` adds a header to the queue, and returns the length of the body.
    #[inline]
    fn queue_header(
        connection: &mut Connection,
        begin: impl FnOnce(&mut Http2Machine, &mut Vec<u8>) -> usize,
    ) -> (usize, bool) {
        let (Some(http2), Some(session)) = (connection.wire.http2_mut(), &mut connection.session)
        else {
            return (0, false);
        };
        let before = session.replies.len();
        let body = begin(&mut http2.machine, &mut session.replies);
        if http2.machine.is_used_up() {
            connection.depth = 0;
        }
        (session.replies.len() - before + body, before == 0)
    }

    /// A connection ends: what waits on it for windows has waited until now.
    pub(super) fn end(&mut self, connection: &mut Connection, now: Timestamp) {
        if let Some(http2) = connection.wire.http2_mut() {
            self.blocked += http2.wait.take(now);
        }
    }

    /// Bytes have arrived on a connection.
    ///
    /// # Errors
    /// If the target does not read the answers to its frames.
    pub(super) fn hear(connection: &mut Connection, now: Timestamp) -> Result<(), Violation> {
        let Some(http2) = connection.wire.http2_mut() else { return Ok(()) };
        http2.heard = now;
        let queued = connection.session.as_ref().map_or(0, |its| its.replies.len());
        if queued > UNREAD_MAX {
            let why = "the target wants answers to its frames, but does not read them";
            return Err(Violation::flood(why));
        }
        Ok(())
    }

    /// Read bytes of a connection; `out` gets frames to send in answer.
    ///
    /// # Errors
    /// If the target breaks the protocol.
    #[inline]
    pub(super) fn feed(
        &mut self,
        connection: &mut Connection,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<StreamProgress, Violation> {
        match connection.wire.http2_mut() {
            None => Ok(StreamProgress { consumed: bytes.len(), event: None }),
            Some(http2) => http2.machine.feed(bytes, &mut self.blocks, out),
        }
    }

    /// Read the answer that these bytes begin with, if it is whole and common; otherwise nothing
    /// has changed.
    #[inline]
    pub(super) fn feed_whole(
        &mut self,
        connection: &mut Connection,
        bytes: &[u8],
    ) -> Option<WholeAnswer> {
        connection.wire.http2_mut()?.machine.feed_whole(bytes, &mut self.blocks)
    }

    /// The target's limit of streams has changed, or it takes none any more.
    pub(super) fn note_allowed(&mut self, connection: &mut Connection) {
        let Some(http2) = connection.wire.http2_mut() else { return };
        http2.wait.end(http2.heard);
        connection.depth = http2.machine.allowed();
        let most = http2.machine.streams_max();
        if connection.depth > 0 || http2.is_leaving() {
            http2.barred_since = None;
        } else {
            http2.barred_since.get_or_insert(http2.heard);
        }
        // None at all is a pause, which says nothing about the others.
        if most > 0 {
            self.allowed_min = self.allowed_min.min(most);
            self.allowed_max = self.allowed_max.max(most.min(self.depth.into()));
        }
    }

    /// The fewest streams that the target has allowed on a connection, if that is fewer than
    /// planned.
    pub(crate) fn limited_to(&self) -> Option<u32> {
        Some(self.allowed_min).filter(|most| *most < u32::from(self.depth))
    }

    /// Whether that limit changed, or differed between connections.
    pub(crate) fn do_limits_vary(&self) -> bool {
        self.limited_to().is_some_and(|fewest| fewest < self.allowed_max)
    }

    /// A message of an exchange has arrived. Returns when the one before arrived; the first one of
    /// the exchange has none.
    pub(crate) fn note_message(
        &mut self,
        ExchangeId(exchange): ExchangeId,
        number: u32,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let place = exchange as usize;
        if place >= self.messages.len() {
            self.messages.resize(place + 1, Timestamp::default());
        }
        let before = std::mem::replace(&mut self.messages[place], now);
        (number > 1).then_some(before)
    }

    /// When a message of an exchange arrived last, or one of an earlier exchange in its place.
    pub(crate) fn last_message(&self, ExchangeId(exchange): ExchangeId) -> Timestamp {
        self.messages.get(exchange as usize).copied().unwrap_or_default()
    }

    /// See [`Blocks::grpc_message`].
    pub(crate) fn grpc_message(&self, status: u8) -> &[u8] {
        self.blocks.grpc_message(status)
    }

    /// Header blocks recognised without decoding, and decoded.
    pub(crate) const fn block_counts(&self) -> (u64, u64) {
        (self.blocks.hits(), self.blocks.misses())
    }
}
