//! One connection's state, and the exchanges in flight on it.

use uringbench_core::http::response::ResponseParser;
use uringbench_core::pacer::Slot;
use uringbench_core::time::Timestamp;

/// A connection number's life: down, connecting, up, closing, down …
pub(crate) struct Connection {
    /// Counts the connections that have had this number.
    pub(crate) generation: u32,
    pub(crate) link: Link,
    pub(crate) receive: Receive,
    /// Receive response by response, because bodies are large, instead of continuously.
    pub(crate) is_large: bool,
    /// Listed as able to take a request.
    pub(crate) is_listed: bool,
    /// The first of its exchanges, as an index within its share of the ring.
    pub(crate) first: u16,
    /// Entries in its share of the ring.
    pub(crate) entries: u16,
    /// Exchanges in flight: what the entries count, summed.
    pub(crate) in_flight: u16,
    /// Whether it has been up, or every address has been tried for it.
    pub(crate) is_tried: bool,
    /// How many addresses it has gone on by, one per failure: one that works is kept.
    pub(crate) turn: u32,
    /// Failed attempts since it was last up.
    pub(crate) failures: u16,
    pub(crate) parser: ResponseParser,
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Not there; to be tried again from then on.
    Down { retry_at: Timestamp },
    /// Being made.
    Connecting { since: Timestamp },
    /// Established.
    Up,
    /// Being closed; the number is not free yet.
    Closing,
}

/// Which receive is armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    pub(crate) fn new() -> Self {
        Self {
            generation: 0,
            link: Link::Down { retry_at: Timestamp::default() },
            receive: Receive::None,
            is_large: true,
            is_listed: false,
            first: 0,
            entries: 0,
            in_flight: 0,
            is_tried: false,
            turn: 0,
            failures: 0,
            parser: ResponseParser::default(),
        }
    }
}

/// Requests sent together, and their responses under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange {
    pub(crate) slot: Slot,
    pub(crate) sent: Timestamp,
    /// When the first byte of the oldest response arrived, if it has begun.
    pub(crate) first_byte: Option<Timestamp>,
    /// How many of them are not answered yet; more than one only in a closed loop.
    pub(crate) count: u16,
}

/// The exchanges of every connection: a ring of `depth` for each, in one allocation.
pub(crate) struct Exchanges {
    all: Box<[Exchange]>,
    depth: u16,
}

impl Exchanges {
    pub(crate) fn new(connections: u32, depth: u16) -> Self {
        let none = Exchange {
            slot: Slot { due: Timestamp::default(), measured: false },
            sent: Timestamp::default(),
            first_byte: None,
            count: 0,
        };
        Self { all: vec![none; connections as usize * usize::from(depth)].into(), depth }
    }

    /// The oldest exchange of a connection that has one in flight.
    #[inline]
    pub(crate) fn oldest(&mut self, number: u32, connection: &Connection) -> &mut Exchange {
        &mut self.all[number as usize * usize::from(self.depth) + usize::from(connection.first)]
    }

    /// Add an entry. The caller has seen that there is room.
    #[inline]
    pub(crate) fn push(&mut self, number: u32, connection: &mut Connection, exchange: Exchange) {
        let mut index = connection.first + connection.entries;
        index -= if index >= self.depth { self.depth } else { 0 };
        self.all[number as usize * usize::from(self.depth) + usize::from(index)] = exchange;
        connection.entries += 1;
        connection.in_flight += exchange.count;
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
    }
}
