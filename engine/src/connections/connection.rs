//! One connection's state.

use uringbench_core::time::{Nanos, Timestamp};

use super::in_flight::{Exchange, Share};
use super::send::Session;
use crate::event_loop::LoopOptions;
use crate::wire::Wire;

/// A connection number's life: down, connecting, up, closing, down …
///
/// What a turn touches lies in the first of its two cache lines: with thousands of connections
/// each line is a miss.
#[repr(C, align(64))]
pub(crate) struct Connection {
    /// Counts the connections that have had this number.
    pub(super) generation: u32,
    /// Its part of the table of exchanges.
    pub(super) share: Share,
    pub(super) receive: Receive,
    /// Answers in a row that were small, as far as it matters.
    small_in_row: u8,
    /// Listed as able to take a request.
    pub(super) is_listed: bool,
    /// A send whose end is reported is under way.
    pub(super) is_sending: bool,
    pub(super) link: Link,
    /// Not before then has an answer begun to be late: it was made, something was given back, or a
    /// stream has brought something.
    pub(super) renewed: Timestamp,
    /// Requests it has taken since it was made.
    pub(super) taken: u32,
    /// It has carried a measured request, in whatever life.
    is_used: bool,
    /// Whether a request was answered on it.
    pub(super) has_answered: bool,
    /// The protocol, and how far it has come.
    pub(super) wire: Wire,
    /// TLS and what is being sent piece by piece, where there is any of it.
    pub(super) session: Option<Box<Session>>,
    pub(super) attempts: Attempts,
}

const _: () = assert!(size_of::<Connection>() == 128);

/// How the connections of a number have fared.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attempts {
    /// How many addresses it has gone on by, one per failure: one that works is kept.
    pub(super) turn: u32,
    /// Failed attempts since it was last up.
    pub(super) failures: u16,
    /// How many connections in a row have ended without an answer.
    pub(super) unanswered: u8,
    /// Whether one has been up, or every address has been tried.
    pub(super) is_tried: bool,
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Not there; to be tried again from then on.
    Down { retry_at: Timestamp },
    /// Being made.
    Connecting { since: Timestamp },
    /// Made; what comes before the first request is under way.
    Opening { since: Timestamp },
    /// Established, since then.
    Up { since: Timestamp },
    /// A WebSocket that this side has ended, since then: what still comes is looked at.
    Parting { since: Timestamp },
    /// Being closed; the number is not free yet. It is not made again before then.
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
    /// One, whether its bytes are wanted or dropped.
    Once,
}

/// From so many small answers in a row on they are received continuously. A large one then costs a
/// cancellation, which answers of changing sizes must not cost each time.
const STEADY: u8 = 8;
/// Before there was any: the first small one is as good as a row of them.
const UNKNOWN: u8 = STEADY - 1;
/// An answer with more payload than this is large: received continuously it would come through many
/// small buffers.
const LARGE_FROM: u64 = 4 << 10;
/// From then on a connection that has answered nothing has stood idle: its end may have been under
/// way when a request was sent on it.
const IDLE_MIN: Nanos = Nanos::from_millis(10);

impl Connection {
    /// One that is down, and will speak HTTP. `tells_continue`: see [`Wire::http`].
    pub(crate) fn new(tells_continue: bool) -> Self {
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
            attempts: Attempts::default(),
            wire: Wire::http(tells_continue),
        }
    }

    /// Forget the life that has ended. What was given back stays.
    pub(super) fn reset(&mut self, tells_continue: bool) {
        // Generations count modulo 2^24, as many as a completion carries.
        self.generation = (self.generation + 1) & 0xff_ffff;
        self.receive = Receive::None;
        self.small_in_row = UNKNOWN;
        self.is_sending = false;
        self.taken = 0;
        self.has_answered = false;
        self.session = None;
        self.wire = Wire::http(tells_continue);
    }

    /// Counts the connections that have had its number.
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

    /// Whether what comes before the first request is under way.
    #[inline]
    pub(crate) const fn is_opening(&self) -> bool {
        matches!(self.link, Link::Opening { .. })
    }

    /// Whether this side has ended its WebSocket, and looks at what still comes.
    #[inline]
    pub(crate) const fn is_parting(&self) -> bool {
        matches!(self.link, Link::Parting { .. })
    }

    /// Its part of the table of exchanges.
    #[inline]
    pub(crate) const fn share(&self) -> &Share {
        &self.share
    }

    /// The same, to change it.
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

    /// How many addresses it has gone on by.
    #[inline]
    pub(crate) const fn turn(&self) -> u32 {
        self.attempts.turn
    }

    /// Not before then has an answer begun to be late.
    pub(crate) const fn renewed(&self) -> Timestamp {
        self.renewed
    }

    /// A stream has brought something: it is late when it brings nothing, however long it lasts.
    pub(crate) const fn renew(&mut self, now: Timestamp) {
        self.renewed = now;
    }

    /// The protocol, and how far it has come.
    #[inline]
    pub(crate) const fn wire(&self) -> &Wire {
        &self.wire
    }

    /// The same, for what has come.
    #[inline]
    pub(crate) const fn wire_mut(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// It carries a request, of the measured window or not. Whether it is the first measured one.
    #[inline]
    pub(crate) const fn note_used(&mut self, is_measured: bool) -> bool {
        let is_first = is_measured && !self.is_used;
        self.is_used |= is_measured;
        is_first
    }

    /// Learn from an answer with so much payload how to receive the next ones.
    #[inline]
    pub(crate) const fn note_answer(&mut self, payload: u64) {
        self.has_answered = true;
        let small_in_row = self.small_in_row.saturating_add(1);
        self.small_in_row = if payload > LARGE_FROM { 0 } else { small_in_row };
    }

    /// Messages come whenever they come, pings too, between answers.
    pub(super) const fn receive_continuously(&mut self) {
        self.small_in_row = STEADY;
    }

    /// Whether answers have been small for so long that they are received continuously.
    #[inline]
    pub(super) const fn is_steady(&self) -> bool {
        self.small_in_row >= STEADY
    }

    /// Whether the next answer may well be large: one of the latest was.
    #[inline]
    pub(super) const fn may_be_large(&self) -> bool {
        self.small_in_row < UNKNOWN
    }

    /// How many more requests may be sent on it now.
    #[inline]
    pub(crate) fn room(&self, options: &LoopOptions) -> u16 {
        let can_send = self.is_up()
            && self.receive != Receive::Cancelling
            && !self.is_sending
            // A request sent in pieces is one of those in flight, and must be whole before the
            // next one begins.
            && (self.in_flight() == 0 || !self.owes_request());
        if !can_send {
            return 0;
        }
        let free = options.pipeline.saturating_sub(self.in_flight());
        match options.per_connection {
            None => free,
            // At most the pipeline's depth, which fits.
            Some(most) => u32::from(free).min(most.saturating_sub(self.taken)) as u16,
        }
    }

    /// Whether it has had all the requests it may have, and their answers.
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
            // A request in pieces must be whole before the next one begins.
            && !(has_sent && self.owes_request())
    }

    /// Whether a request is left of which the target has not been sent everything: the latest.
    pub(crate) fn owes_request(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.has_unsent())
    }

    /// The same when answers have ended exchanges: what is left of a request that has its answer
    /// would be taken for the next one.
    #[inline]
    pub(crate) fn owes_answered(&self) -> bool {
        self.in_flight() == self.owed() && self.owes_request()
    }

    /// Whether it had a life before this request in flight on it: it has answered another, or has
    /// stood idle. A target that ends it then may not have seen that request.
    pub(crate) fn has_stood(&self, exchange: &Exchange) -> bool {
        let Link::Up { since } = self.link else { return false };
        let has_answered = self.taken > u32::from(self.in_flight() - self.owed());
        has_answered || exchange.sent().since(since) >= IDLE_MIN
    }

    /// Whether the end of the stream may be the end of an answer: within TLS only what the peer
    /// says is an end; anything else may be an attack (RFC 8446 section 6.1), unless it is
    /// tolerated.
    pub(crate) fn may_end_here(&self) -> bool {
        self.session.as_ref().is_none_or(|session| session.may_end_here())
    }

    /// Whether it is an end that leaves open whether the answer is whole.
    pub(crate) fn is_truncated(&self) -> bool {
        self.wire.opaque() == u64::MAX && !self.may_end_here()
    }
}
