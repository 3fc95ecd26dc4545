//! Which receive is armed on a connection: exactly one while it is up.

use uringbench_core::time::Timestamp;
use uringbench_ring::{Failure, Room};

use super::Connections;
use super::connection::{Connection, Receive};
use super::throttle::RateLimit;
use crate::drivers::{Driver, ReceiveMode};
use crate::wire::ConnectionConfig;

/// Payload of at least this size is discarded by the kernel without a copy, instead of received.
const SKIP_FROM: u64 = 4_096;
/// One discard asks for at most this much.
const SKIP_MAX: u64 = 1 << 30;

/// Why a receive ended without bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReceiveEnd {
    /// No buffer was free; some are recycled before it is armed again.
    OutOfBuffers,
    /// Cancelled, so that another can take its place: requests may be sent again.
    Cancelled,
    /// The connection has ended.
    Lost,
}

/// What decides how a run's connections receive, known when it begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReceivePolicy {
    /// Whether payload is read, not only counted.
    reads: bool,
    /// Whether bodies arrive: streams and messages that are read arrive in small pieces.
    is_bodies: bool,
    /// Whether some answer is nearly always in flight.
    is_http2: bool,
}

impl ReceivePolicy {
    pub(super) fn of(config: &ConnectionConfig) -> Self {
        let (reads, is_http2) = (config.reads_payload(), config.http2.is_some());
        Self { reads, is_bodies: !reads || is_http2 || config.flows.is_some(), is_http2 }
    }
}

impl Connections {
    /// Arm the receive that fits the bytes still to come, unless one is armed: a connection that is
    /// up always has one. A slow reader arms it when its next read is due.
    #[inline]
    pub(crate) fn receive<D: Driver>(&mut self, driver: &mut D, number: u32, now: Timestamp) {
        if let Some(limit) = self.options.reading {
            return self.receive_slowly(driver, number, limit, now);
        }
        if self.config.tls.is_some() || self.is_idle(number) {
            return self.receive_always(driver, number);
        }
        let connection = &mut self.all[number as usize];
        let generation = connection.generation;
        // Single receives pay off if the kernel can discard large bodies, or has large buffers for
        // them.
        let ReceivePolicy { reads, is_bodies, is_http2 } = self.receives;
        let is_multi = connection.is_steady() || !(driver.can_skip() && is_bodies);
        match connection.receive {
            Receive::Multi if !is_multi && (is_http2 || connection.in_flight() == 0) => {
                connection.receive = Receive::Cancelling;
                driver.cancel_receive(number, generation);
            }
            Receive::None if is_multi && driver.has_multishot() => {
                connection.receive = Receive::Multi;
                driver.receive(number, generation, ReceiveMode::Multi);
            }
            // A connection without requests needs a receive to notice its end: otherwise the next
            // request would go to a target that closed it long ago.
            Receive::None => {
                connection.receive = Receive::Once;
                let opaque = connection.wire.opaque();
                let is_large = opaque >= SKIP_FROM;
                if is_large && !reads && driver.can_skip() {
                    driver.skip(number, generation, opaque.min(SKIP_MAX) as u32);
                } else {
                    let is_large = is_large || connection.may_be_large();
                    let is_read = is_large && is_bodies && reads;
                    let room = if is_read { Room::Large } else { Room::Small };
                    let is_awaited = connection.in_flight() > 0;
                    let mode = if is_awaited { ReceiveMode::Now } else { ReceiveMode::AfterSend };
                    driver.receive(number, generation, mode(room));
                }
            }
            Receive::Multi | Receive::Cancelling | Receive::Once => {}
        }
    }

    /// Receive continuously where the engine can: TLS records are small, and idle connections only
    /// wait for their end.
    fn receive_always<D: Driver>(&mut self, driver: &mut D, number: u32) {
        let connection = &mut self.all[number as usize];
        if connection.receive != Receive::None {
            return;
        }
        let (armed, mode) = if driver.has_multishot() {
            (Receive::Multi, ReceiveMode::Multi)
        } else if self.config.tls.is_some() {
            (Receive::Once, ReceiveMode::Now(Room::Small))
        } else {
            (Receive::Once, ReceiveMode::AfterSend(Room::Small))
        };
        connection.receive = armed;
        driver.receive(number, connection.generation, mode);
    }

    /// Arm a receive of a few bytes, or delay it until its time.
    pub(super) fn receive_slowly<D: Driver>(
        &mut self,
        driver: &mut D,
        number: u32,
        limit: RateLimit,
        now: Timestamp,
    ) {
        let connection = &mut self.all[number as usize];
        let Some(session) = &mut connection.session else { return };
        if connection.receive != Receive::None {
            return;
        }
        if session.read_at > now {
            self.wakes_at = self.wakes_at.min(session.read_at);
            return;
        }
        connection.receive = Receive::Once;
        driver.receive(number, connection.generation, ReceiveMode::AtMost(limit.bytes));
    }

    /// So many bytes have arrived on a slow connection: the next read is due when their time is
    /// over. A buffer may hold fewer bytes than one read wants.
    pub(crate) fn note_read(&mut self, number: u32, length: usize, now: Timestamp) {
        let Some(limit) = self.options.reading else { return };
        if let Some(session) = &mut self.all[number as usize].session {
            let since = session.read_at.max(now - limit.every);
            session.read_at = since + limit.time_of(length);
        }
    }

    /// The armed receive has ended with bytes, or with the end of the stream.
    #[inline]
    pub(crate) fn note_received(&mut self, number: u32) {
        self.all[number as usize].receive = Receive::None;
    }

    /// The armed receive has failed.
    pub(crate) fn note_receive_failed(&mut self, number: u32, failure: Failure) -> ReceiveEnd {
        let connection = &mut self.all[number as usize];
        let was = std::mem::replace(&mut connection.receive, Receive::None);
        if failure.is_out_of_buffers() {
            ReceiveEnd::OutOfBuffers
        } else if failure.is_cancelled() && was == Receive::Cancelling {
            ReceiveEnd::Cancelled
        } else {
            ReceiveEnd::Lost
        }
    }
}

impl Connection {
    /// When a connection that waits for its next read or send is due.
    pub(crate) fn wakes_at(&self) -> Timestamp {
        let Some(session) = &self.session else { return Timestamp::NEVER };
        let waits_to_read = self.receive == Receive::None && session.read_at > Timestamp::default();
        let waits_to_send = !self.is_sending && session.has_unsent();
        let read_at = if waits_to_read { session.read_at } else { Timestamp::NEVER };
        let write_at = if waits_to_send { session.write_at } else { Timestamp::NEVER };
        read_at.min(write_at)
    }
}
