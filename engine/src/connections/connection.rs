//! The state of one connection.

use uringbench_core::time::{Nanos, Timestamp};

use super::in_flight::{Exchange, Share};
use super::send::Session;
use crate::event_loop::LoopOptions;
use crate::wire::Wire;
use crate::wire::http2::QUEUED_MAX;

/// One connection number through its lives: down, connecting, up, closing, down …
///
/// The fields used in each turn lie in the first of its two cache lines: with thousands of
/// connections each line is a miss.
#[repr(C, align(64))]
pub(crate) struct Connection {
    /// Counts the connections that have had this number.
    pub(super) generation: u32,
    /// Its part of the table of exchanges.
    pub(super) share: Share,
    pub(super) receive: Receive,
    /// Consecutive small answers, counted up to `STEADY`.
    small_in_row: u8,
    /// In the list of connections that can take a request.
    pub(super) is_listed: bool,
    /// A send whose end is reported is in progress.
    pub(super) is_sending: bool,
    pub(super) link: Link,
    /// The earliest start of the current timeout: when it was made, something was given back, or a
    /// stream delivered data.
    pub(super) renewed: Timestamp,
    /// Requests it has taken since it was made.
    pub(super) taken: u32,
    /// It has carried a measured request, in any of its lives.
    is_used: bool,
    /// Whether a request was answered on it.
    pub(super) has_answered: bool,
    /// How many requests may be in flight on it.
    pub(super) depth: u16,
    /// The protocol and its state.
    pub(super) wire: Wire,
    /// TLS and sends in pieces, if the run needs them.
    pub(super) session: Option<Box<Session>>,
    pub(super) attempts: Attempts,
}

const _: () = assert!(size_of::<Connection>() == 128);

/// The history of a connection number.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attempts {
    /// Index of the address to try: one step per failure, so that an address that works is kept.
    pub(super) turn: u32,
    /// Failed attempts since it was last up.
    pub(super) failures: u16,
    /// Consecutive connections that ended without an answer.
    pub(super) unanswered: u8,
    /// Whether one has been up, or every address has failed.
    pub(super) is_tried: bool,
}

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Not connected; to be tried again at this time.
    Down { retry_at: Timestamp },
    /// Connecting.
    Connecting { since: Timestamp },
    /// Connected; the handshakes before the first request are in progress.
    Opening { since: Timestamp },
    /// Established, since then.
    Up { since: Timestamp },
    /// A WebSocket that this side has closed; remaining data is still read.
    Parting { since: Timestamp },
    /// Closing; it reconnects when the close has completed, and not before this time.
    Closing { not_before: Timestamp },
}

/// Which receive is armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Receive {
    /// None.
    None,
    /// Continuous.
    Multi,
    /// Continuous, being cancelled.
    Cancelling,
    /// One at a time, to be read or to be dropped.
    Once,
}

/// After this many consecutive small answers they are received continuously. A large one then costs
/// a cancellation, which alternating sizes must not cost each time.
const STEADY: u8 = 8;
/// The value before the first answer: one small answer completes the row.
const UNKNOWN: u8 = STEADY - 1;
/// An answer with more payload than this is large: a continuous receive would deliver it in many
/// small buffers.
const LARGE_FROM: u64 = 4 << 10;
/// After this time without an answer a connection counts as idle: the target may have been closing
/// it when a request was sent on it.
const IDLE_MIN: Nanos = Nanos::from_millis(10);

impl Connection {
    /// A connection that is down and will speak HTTP, with at most `depth` requests in flight.
    /// `tells_continue`: see [`Wire::http`].
    pub(crate) fn new(tells_continue: bool, depth: u16) -> Self {
        Self {
            generation: 0,
            link: Link::Down { retry_at: Timestamp::default() },
            receive: Receive::None,
            small_in_row: UNKNOWN,
            is_listed: false,
            is_used: false,
            is_sending: false,
            taken: 0,
            session: None,
            share: Share::default(),
            renewed: Timestamp::default(),
            has_answered: false,
            depth,
            attempts: Attempts::default(),
            wire: Wire::http(tells_continue),
        }
    }

    /// Reset the state for a new life. Exchanges that were given back stay.
    pub(super) fn reset(&mut self, tells_continue: bool) {
        // Generations count modulo 2^24: a completion carries 24 bits.
        self.generation = (self.generation + 1) & 0xff_ffff;
        self.receive = Receive::None;
        self.small_in_row = UNKNOWN;
        self.is_sending = false;
        self.taken = 0;
        self.has_answered = false;
        self.session = None;
        self.wire = Wire::http(tells_continue);
    }

    /// Counts the connections that have had this number.
    #[inline]
    pub(crate) const fn generation(&self) -> u32 {
        self.generation
    }

    pub(crate) const fn link(&self) -> Link {
        self.link
    }

    /// Whether it is established.
    #[inline]
    pub(crate) fn is_up(&self) -> bool {
        matches!(self.link, Link::Up { .. })
    }

    /// Whether the handshakes before the first request are in progress.
    #[inline]
    pub(crate) const fn is_opening(&self) -> bool {
        matches!(self.link, Link::Opening { .. })
    }

    /// Whether this side has closed its WebSocket and still reads remaining data.
    #[inline]
    pub(crate) const fn is_parting(&self) -> bool {
        matches!(self.link, Link::Parting { .. })
    }

    /// Its part of the table of exchanges.
    #[inline]
    pub(crate) const fn share(&self) -> &Share {
        &self.share
    }

    /// The same, mutable.
    #[inline]
    pub(crate) const fn share_mut(&mut self) -> &mut Share {
        &mut self.share
    }

    /// Requests in flight on it.
    #[inline]
    pub(crate) const fn in_flight(&self) -> u16 {
        self.share.in_flight()
    }

    /// Those of them that were given back and have not been sent again.
    #[inline]
    pub(crate) const fn owed(&self) -> u16 {
        self.share.owed()
    }

    /// Requests it has taken since it was made.
    pub(crate) const fn taken(&self) -> u32 {
        self.taken
    }

    /// How many addresses it has moved on by.
    #[inline]
    pub(crate) const fn turn(&self) -> u32 {
        self.attempts.turn
    }

    /// The earliest start of the current timeout.
    pub(crate) const fn renewed(&self) -> Timestamp {
        self.renewed
    }

    /// A stream delivered data, so its timeout starts again, however long the stream lasts.
    pub(crate) const fn renew(&mut self, now: Timestamp) {
        self.renewed = now;
    }

    /// The protocol and its state.
    #[inline]
    pub(crate) const fn wire(&self) -> &Wire {
        &self.wire
    }

    /// The same, mutable.
    #[inline]
    pub(crate) const fn wire_mut(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// It carries a request. Returns whether this is its first measured one.
    #[inline]
    pub(crate) const fn note_used(&mut self, is_measured: bool) -> bool {
        let is_first = is_measured && !self.is_used;
        self.is_used |= is_measured;
        is_first
    }

    /// Choose how to receive the next answers from the payload size of this one.
    #[inline]
    pub(crate) const fn note_answer(&mut self, payload: u64) {
        self.note_answers(payload, 1);
    }

    /// The same after `count` equal answers.
    #[inline]
    pub(crate) const fn note_answers(&mut self, payload: u64, count: u16) {
        self.has_answered = true;
        let more = if count < u8::MAX as u16 { count as u8 } else { u8::MAX };
        let small_in_row = self.small_in_row.saturating_add(more);
        self.small_in_row = if payload > LARGE_FROM { 0 } else { small_in_row };
    }

    /// WebSocket messages and pings arrive at any time.
    pub(super) const fn receive_continuously(&mut self) {
        self.small_in_row = STEADY;
    }

    /// Whether answers have been small for long enough to receive them continuously.
    #[inline]
    pub(super) const fn is_steady(&self) -> bool {
        self.small_in_row >= STEADY
    }

    /// Whether the next answer may be large: one of the latest was.
    #[inline]
    pub(super) const fn may_be_large(&self) -> bool {
        self.small_in_row < UNKNOWN
    }

    /// How many more requests may be sent on it now.
    #[inline]
    pub(crate) fn room(&self, options: &LoopOptions) -> u16 {
        let can_send = self.is_up()
            && self.receive != Receive::Cancelling
            && match self.wire.http2() {
                None => !self.is_sending,
                // Requests of HTTP/2 queue behind the send.
                Some(_) => !self.is_queue_full(),
            }
            // A request sent in pieces counts as in flight, and must be sent completely before the
            // next one.
            && (self.in_flight() == 0 || !self.owes_request());
        if !can_send {
            return 0;
        }
        let free = self.depth.saturating_sub(self.in_flight());
        match options.per_connection {
            None => free,
            // At most the pipeline's depth, so it fits.
            Some(most) => u32::from(free).min(most.saturating_sub(self.taken)) as u16,
        }
    }

    /// Whether it has sent its last allowed request and received all answers.
    #[inline]
    pub(crate) fn is_done(&self, options: &LoopOptions) -> bool {
        options.per_connection.is_some_and(|most| self.taken >= most)
            && self.in_flight() == 0
            && self.is_up()
    }

    /// Whether something was given back that can be sent now.
    pub(crate) fn can_send_again(&self) -> bool {
        let has_sent = self.owed() < self.in_flight();
        self.owed() > 0
            && self.is_up()
            && !self.is_sending
            && !self.is_queue_full()
            // An HTTP/2 target may allow fewer streams than are owed.
            && self.in_flight() - self.owed() < self.depth
            // A request in pieces must be sent completely before the next one.
            && !(has_sent && self.owes_request())
    }

    /// Whether a target of HTTP/2 reads so slowly that no further request is queued for it.
    fn is_queue_full(&self) -> bool {
        self.wire.http2().is_some()
            && self.session.as_ref().is_some_and(|session| session.replies.len() > QUEUED_MAX)
    }

    /// Whether part of the latest request has not been sent yet.
    pub(crate) fn owes_request(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.has_unsent())
    }

    /// The same after answers have ended exchanges: the rest of a request that was already answered
    /// would be taken for the next request.
    #[inline]
    pub(crate) fn owes_answered(&self) -> bool {
        self.in_flight() == self.owed() && self.owes_request()
    }

    /// Whether it was used before this request: it has answered another one, or was idle for a
    /// while. A target that closes it then may not have seen the request.
    pub(crate) fn has_stood(&self, exchange: &Exchange) -> bool {
        let Link::Up { since } = self.link else { return false };
        self.has_answered() || exchange.sent().since(since) >= IDLE_MIN
    }

    /// Whether it has answered a request.
    pub(crate) fn has_answered(&self) -> bool {
        if self.wire.http2().is_some() {
            // A stream that has ended may have ended without an answer.
            return self.has_answered;
        }
        self.taken > u32::from(self.in_flight() - self.owed())
    }

    /// Whether the end of the stream may end an answer. Within TLS only the peer's close_notify
    /// does; anything else may be an attack (RFC 8446 section 6.1), unless it is tolerated.
    pub(crate) fn may_end_here(&self) -> bool {
        self.session.as_ref().is_none_or(|session| session.may_end_here())
    }

    /// Whether this end leaves open if the answer is complete.
    pub(crate) fn is_truncated(&self) -> bool {
        self.wire.opaque() == u64::MAX && !self.may_end_here()
    }
}
