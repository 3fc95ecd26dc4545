//! One connection's state, and the exchanges in flight on it.

use uringbench_core::http::response::ResponseParser;
use uringbench_core::pacer::Slot;
use uringbench_core::time::Timestamp;

use crate::event_loop::LoopOptions;
use crate::recorder::Answers;
use crate::session::Session;

/// A connection number's life: down, connecting, up, closing, down …
///
/// What a turn touches lies in the first of its two cache lines: with thousands of connections
/// each line is a miss.
#[repr(C, align(64))]
pub(crate) struct Connection {
    /// Counts the connections that have had this number.
    pub(crate) generation: u32,
    /// Exchanges in flight: what the entries count, summed.
    pub(crate) in_flight: u16,
    /// The youngest of them, which were given back and have not been sent again.
    pub(crate) owed: u16,
    /// The first of its exchanges, as an index within its share of the ring.
    pub(crate) first: u16,
    /// Entries in its share of the ring.
    pub(crate) entries: u16,
    pub(crate) receive: Receive,
    /// Answers in a row that were small, as far as it matters.
    pub(crate) small_in_row: u8,
    /// Listed as able to take a request.
    pub(crate) is_listed: bool,
    /// A send whose end is told is under way.
    pub(crate) is_sending: bool,
    pub(crate) link: Link,
    /// Not before then has an answer begun to be late: it was made, something was given back, or a
    /// stream has brought something.
    pub(crate) renewed: Timestamp,
    /// Requests it has taken since it was made.
    pub(crate) taken: u32,
    /// Failed attempts since it was last up.
    pub(crate) failures: u16,
    /// It has carried a measured request, in whatever life.
    pub(crate) is_used: bool,
    /// Whether a request was answered on it.
    pub(crate) has_answered: bool,
    /// Whether it has been up, or every address has been tried for it.
    pub(crate) is_tried: bool,
    pub(crate) parser: ResponseParser,
    /// TLS and what is being sent piece by piece, where there is any of it.
    pub(crate) session: Option<Box<Session>>,
    /// How many addresses it has gone on by, one per failure: one that works is kept.
    pub(crate) turn: u32,
    /// How many in a row have ended without an answer.
    pub(crate) unanswered: u8,
}

const _: () = assert!(size_of::<Connection>() == 128);

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

impl Connection {
    /// One that is down. `tells_continue`: see [`ResponseParser::telling_continue`].
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
            first: 0,
            entries: 0,
            in_flight: 0,
            owed: 0,
            renewed: Timestamp::default(),
            is_tried: false,
            turn: 0,
            failures: 0,
            has_answered: false,
            unanswered: 0,
            parser: parser(tells_continue),
        }
    }
}

/// From so many small answers in a row on they are received continuously. A large one then costs a
/// cancellation, which answers of changing sizes must not cost each time.
pub(crate) const STEADY: u8 = 8;
/// Before there was any: the first small one is as good as a row of them.
pub(crate) const UNKNOWN: u8 = STEADY - 1;
/// An answer with more payload than this is large: received continuously it would come through many
/// small buffers.
const LARGE_FROM: u64 = 4 << 10;

impl Connection {
    /// Learn from an answer with so much payload how to receive the next ones.
    #[inline]
    pub(crate) const fn note_bytes(&mut self, payload: u64) {
        let small_in_row = self.small_in_row.saturating_add(1);
        self.small_in_row = if payload > LARGE_FROM { 0 } else { small_in_row };
    }

    /// Whether answers have been small for so long that they are received continuously.
    #[inline]
    pub(crate) const fn is_steady(&self) -> bool {
        self.small_in_row >= STEADY
    }

    /// Whether the next answer may well be large: one of the latest was.
    #[inline]
    pub(crate) const fn may_be_large(&self) -> bool {
        self.small_in_row < UNKNOWN
    }
}

impl Connection {
    /// Whether it is established.
    #[inline]
    pub(crate) const fn is_up(&self) -> bool {
        matches!(self.link, Link::Up { .. })
    }

    /// How many more requests may be sent on it now.
    #[inline]
    pub(crate) fn room(&self, options: &LoopOptions) -> u16 {
        let can_send = self.is_up()
            && self.receive != Receive::Cancelling
            && !self.is_sending
            // A request sent in pieces is one of those in flight, and must be whole before the
            // next one begins.
            && (self.in_flight == 0 || !self.owes_request());
        if !can_send {
            return 0;
        }
        let free = options.pipeline.saturating_sub(self.in_flight);
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
            && self.in_flight == 0
            && self.is_up()
    }
}

/// A parser at the start of a connection.
pub(crate) const fn parser(tells_continue: bool) -> ResponseParser {
    if tells_continue { ResponseParser::telling_continue() } else { ResponseParser::new() }
}

/// Requests sent together, and their responses under way. Half a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
pub(crate) struct Exchange {
    due: Timestamp,
    pub(crate) sent: Timestamp,
    /// When the first byte of the oldest response arrived; never, if it has not begun.
    first_byte: Timestamp,
    /// How many of them are not answered yet; more than one only in a closed loop.
    pub(crate) count: u16,
    is_measured: bool,
    /// How often the oldest of them has been given back.
    pub(crate) retries: u8,
    /// The user whose request it is, where there are users.
    pub(crate) user: u32,
}

const _: () = assert!(size_of::<Exchange>() == 32);

impl Exchange {
    /// `count` requests for `slot`, sent now.
    #[inline]
    pub(crate) const fn new(slot: Slot, count: u16, sent: Timestamp) -> Self {
        Self {
            due: slot.due,
            sent,
            first_byte: Timestamp::NEVER,
            count,
            is_measured: slot.measured,
            retries: 0,
            user: 0,
        }
    }

    /// One request of a user, sent now.
    #[inline]
    pub(crate) const fn of_user(slot: Slot, user: u32, sent: Timestamp) -> Self {
        Self { user, ..Self::new(slot, 1, sent) }
    }

    /// They have left then. Those that are not due at a time of their own are due when they leave.
    #[inline]
    pub(crate) const fn leave(&mut self, sent: Timestamp, has_due_time: bool) {
        self.sent = sent;
        if !has_due_time {
            self.due = sent;
        }
    }

    /// The slot they were sent for.
    #[inline]
    pub(crate) const fn slot(&self) -> Slot {
        Slot { due: self.due, measured: self.is_measured }
    }

    /// Whether bytes of the oldest response have arrived.
    #[inline]
    pub(crate) fn is_begun(&self) -> bool {
        self.first_byte != Timestamp::NEVER
    }

    /// Bytes of the oldest response arrive.
    #[inline]
    pub(crate) fn begin_response(&mut self, now: Timestamp) {
        self.first_byte = self.first_byte.min(now);
    }

    /// They were of no response.
    pub(crate) const fn not_begun(&mut self) {
        self.first_byte = Timestamp::NEVER;
    }

    /// The oldest request has its answer; the next one's is still to begin.
    #[inline]
    fn answered(&mut self, status: u16) -> Answers {
        let first_byte = std::mem::replace(&mut self.first_byte, Timestamp::NEVER);
        let matches = true;
        Answers { slot: self.slot(), sent: self.sent, first_byte, status, matches, count: 1 }
    }
}

/// The exchanges of every connection: a ring of `depth` for each, in one allocation.
pub(crate) struct Exchanges {
    all: Box<[Exchange]>,
    depth: u16,
    /// Of all connections together.
    in_flight: u64,
}

impl Exchanges {
    pub(crate) fn new(connections: u32, depth: u16) -> Self {
        let no_slot = Slot { due: Timestamp::default(), measured: false };
        let none = Exchange::new(no_slot, 0, Timestamp::default());
        let all = vec![none; connections as usize * usize::from(depth)].into();
        Self { all, depth, in_flight: 0 }
    }

    /// Exchanges in flight on all connections.
    pub(crate) const fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// The oldest exchange of a connection that has one in flight.
    #[inline]
    pub(crate) fn oldest(&mut self, number: u32, connection: &Connection) -> &mut Exchange {
        &mut self.all[number as usize * usize::from(self.depth) + usize::from(connection.first)]
    }

    /// The exchanges in flight on a connection, the oldest first.
    pub(crate) fn of(
        &self,
        number: u32,
        connection: &Connection,
    ) -> impl Iterator<Item = &Exchange> {
        let start = number as usize * usize::from(self.depth);
        let share = &self.all[start..start + usize::from(self.depth)];
        let oldest_first = share.iter().cycle().skip(usize::from(connection.first));
        oldest_first.take(usize::from(connection.entries))
    }

    /// The slots of the exchanges in flight on a connection, the oldest first.
    pub(crate) fn slots(&self, number: u32, connection: &Connection) -> impl Iterator<Item = Slot> {
        let of_entry = |entry: &Exchange| {
            (0..entry.count).map({
                let slot = entry.slot();
                move |_| slot
            })
        };
        self.of(number, connection).flat_map(of_entry)
    }

    /// Everything in flight on a connection is given back: no answer to it has begun.
    pub(crate) fn give_back(&mut self, number: u32, connection: &Connection) {
        let start = number as usize * usize::from(self.depth);
        for place in 0..connection.entries {
            let mut index = connection.first + place;
            index -= if index >= self.depth { self.depth } else { 0 };
            let exchange = &mut self.all[start + usize::from(index)];
            exchange.first_byte = Timestamp::NEVER;
            exchange.retries = exchange.retries.saturating_add(1);
        }
    }

    /// The exchange at a place that [`Exchanges::push`] has named, as long as it is in flight.
    #[inline]
    pub(crate) fn at(&mut self, place: u32) -> &mut Exchange {
        &mut self.all[place as usize]
    }

    /// Add an entry. The caller has seen that there is room. Where it is.
    #[inline]
    pub(crate) fn push(
        &mut self,
        number: u32,
        connection: &mut Connection,
        exchange: Exchange,
    ) -> u32 {
        let mut index = connection.first + connection.entries;
        index -= if index >= self.depth { self.depth } else { 0 };
        let place = number as usize * usize::from(self.depth) + usize::from(index);
        self.all[place] = exchange;
        connection.entries += 1;
        connection.in_flight += exchange.count;
        self.in_flight += u64::from(exchange.count);
        place as u32
    }

    /// The oldest `count` exchanges of the oldest entry have ended.
    #[inline]
    pub(crate) fn end(&mut self, number: u32, connection: &mut Connection, count: u16) {
        let oldest = self.oldest(number, connection);
        oldest.count -= count;
        if oldest.count == 0 {
            connection.first += 1;
            connection.first -= if connection.first == self.depth { self.depth } else { 0 };
            connection.entries -= 1;
        }
        connection.in_flight -= count;
        self.in_flight -= u64::from(count);
    }

    /// The oldest exchange of a connection has its answer, with this status, and ends.
    #[inline]
    pub(crate) fn answered(
        &mut self,
        number: u32,
        connection: &mut Connection,
        status: u16,
    ) -> Answers {
        connection.has_answered = true;
        let answers = self.oldest(number, connection).answered(status);
        self.end(number, connection, 1);
        answers
    }
}
