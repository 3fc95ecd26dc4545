//! A worker's connections: which exist, which can take a request, and how they open and close.
//!
//! All driver operations on connections are issued here: connects, sends (`send`), receives
//! (`receive`), closes. The event loop decides what an answer or an end means for requests.

pub(crate) mod connect_failure;
mod connect_queue;
pub(crate) mod connection;
pub(crate) mod in_flight;
mod lineup;
pub(crate) mod receive;
pub(crate) mod send;
mod sending;
mod streams;
pub(crate) mod throttle;

use std::ops::{Index, IndexMut};

use uringbench_core::http2::error::Violation;
use uringbench_core::http2::machine::{StreamProgress, WholeAnswer};
use uringbench_core::statistics::random::Random;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_ring::Failure;

use self::connect_failure::ConnectFailure;
use self::connect_queue::ConnectQueue;
use self::connection::{Connection, Link, Receive};
use self::in_flight::{Exchange, ExchangeId, InFlight};
use self::lineup::Lineup;
use self::receive::ReceivePolicy;
use self::sending::Sending;
use self::streams::Streams;
use crate::drivers::{Driver, UnderWay};
use crate::event_loop::LoopOptions;
use crate::wire::ConnectionConfig;
use crate::wire::http2::Http2;

/// The first wait after a failed attempt; it doubles with each one, up to the maximum.
const RETRY_FIRST: Nanos = Nanos::from_millis(10);
const RETRY_MAX: Nanos = Nanos::from_millis(100);
/// The maximum wait is at least this long for each connection.
const RETRY_EACH: Nanos = Nanos::MILLISECOND;

/// Number of connections in each state.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    /// Established, and carrying requests.
    connected: u32,
    connecting: u32,
    /// Established, and carrying nothing.
    idle: u32,
    /// WebSockets that wait for the peer's close.
    parting: u32,
    /// Neither up yet, nor tried at every address.
    untried: u32,
}

/// The connections of one worker.
pub(crate) struct Connections {
    all: Vec<Connection>,
    in_flight: InFlight,
    options: LoopOptions,
    config: ConnectionConfig,
    sending: Sending,
    lineup: Lineup,
    queue: ConnectQueue,
    standing: Standing,
    connect_failure: Option<ConnectFailure>,
    /// No deadline passes before this time.
    wakes_at: Timestamp,
    /// Those with something to send at the end of this turn.
    unflushed: Vec<u32>,
    /// Buffer for the records with which TLS answers others.
    records: Vec<u8>,
    receives: ReceivePolicy,
    streams: Streams,
}

impl Index<u32> for Connections {
    type Output = Connection;

    #[inline]
    fn index(&self, number: u32) -> &Connection {
        &self.all[number as usize]
    }
}

impl IndexMut<u32> for Connections {
    #[inline]
    fn index_mut(&mut self, number: u32) -> &mut Connection {
        &mut self.all[number as usize]
    }
}

impl Connections {
    /// All of them, not connected yet.
    pub(crate) fn new(options: LoopOptions, config: ConnectionConfig) -> Self {
        let (count, all) = (options.connections, options.connections + options.idle);
        let tells_continue = config.held_at.is_some();
        Self {
            all: (0..all).map(|_| Connection::new(tells_continue, options.pipeline)).collect(),
            in_flight: InFlight::new(count, options.pipeline),
            sending: Sending::of(&options, &config),
            receives: ReceivePolicy::of(&config),
            config,
            lineup: Lineup::new(count, options.order),
            queue: ConnectQueue::new(options.connect_gap),
            standing: Standing { untried: all, ..Standing::default() },
            connect_failure: None,
            wakes_at: Timestamp::default(),
            unflushed: Vec::new(),
            records: Vec::new(),
            streams: Streams::new(options.pipeline),
            options,
        }
    }

    /// How many there are, idle ones included.
    pub(crate) fn count(&self) -> u32 {
        self.all.len() as u32
    }

    /// How many there are that carry requests.
    pub(crate) const fn active(&self) -> u32 {
        self.options.connections
    }

    /// See [`ConnectionConfig`].
    #[inline]
    pub(crate) const fn config(&self) -> &ConnectionConfig {
        &self.config
    }

    /// The requests in flight on them.
    #[inline]
    pub(crate) const fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    /// The same, mutable.
    #[inline]
    pub(crate) const fn in_flight_mut(&mut self) -> &mut InFlight {
        &mut self.in_flight
    }

    /// A connection, and the requests in flight.
    #[inline]
    pub(crate) fn with_exchanges(&mut self, number: u32) -> (&mut Connection, &mut InFlight) {
        (&mut self.all[number as usize], &mut self.in_flight)
    }

    /// The exchange whose answer is being received or comes next, if any: all protocols so far
    /// answer in order, so the oldest.
    #[inline]
    pub(crate) fn answering(&self, number: u32) -> ExchangeId {
        self.in_flight.oldest(number, &self.all[number as usize].share)
    }

    /// Whether it is an idle connection, which carries nothing.
    #[inline]
    pub(crate) const fn is_idle(&self, number: u32) -> bool {
        number >= self.options.connections
    }

    /// Whether every connection has been up, or has failed at every address.
    pub(crate) const fn is_settled(&self) -> bool {
        self.standing.untried == 0
    }

    /// Established now, and carrying requests.
    pub(crate) const fn connected(&self) -> u32 {
        self.standing.connected
    }

    /// Established now, and carrying nothing.
    pub(crate) const fn idle(&self) -> u32 {
        self.standing.idle
    }

    /// WebSockets that wait for the peer's close.
    pub(crate) const fn parting(&self) -> u32 {
        self.standing.parting
    }

    /// Why the latest failed connection failed: it could not be made, or TLS on it broke.
    pub(crate) const fn connect_failure(&self) -> Option<&ConnectFailure> {
        self.connect_failure.as_ref()
    }

    /// TLS broke on an established connection, which may be the target's way to refuse it.
    pub(crate) fn note_failure(&mut self, failure: ConnectFailure) {
        self.connect_failure = Some(failure);
    }

    /// No deadline passes before this time.
    #[inline]
    pub(crate) const fn wakes_at(&self) -> Timestamp {
        self.wakes_at
    }

    /// Something has a deadline at this time.
    pub(crate) fn wake_at(&mut self, at: Timestamp) {
        self.wakes_at = self.wakes_at.min(at);
    }

    /// Deadlines were checked; the next one is at this time.
    pub(crate) const fn set_wakes_at(&mut self, at: Timestamp) {
        self.wakes_at = at;
    }

    /// When the next connection may be made, if only the rate delays it.
    #[inline]
    pub(crate) fn connects_at(&self) -> Timestamp {
        self.queue.wake_at(self.standing.connecting)
    }

    /// A connection that can take requests now, and how many. Listed ones that no longer can are
    /// removed: one may have ended while idle.
    #[inline]
    pub(crate) fn usable(&mut self) -> Option<(u32, u16)> {
        loop {
            let number = self.lineup.next()?;
            let connection = &mut self.all[number as usize];
            let room = connection.room(&self.options);
            if room > 0 {
                return Some((number, room.min(self.sending.batch_max)));
            }
            connection.is_listed = false;
            self.lineup.take();
        }
    }

    /// A connection takes requests, which are sent next.
    #[inline]
    pub(crate) fn begin_exchange(&mut self, number: u32, exchange: Exchange) -> ExchangeId {
        let connection = &mut self.all[number as usize];
        connection.taken = connection.taken.saturating_add(u32::from(exchange.count()));
        self.in_flight.push(number, &mut connection.share, exchange)
    }

    /// The first exchange of a connection that was given back is sent again next.
    pub(crate) fn take_owed(&mut self, number: u32) -> Option<ExchangeId> {
        let connection = &mut self.all[number as usize];
        let id = self.in_flight.take_owed(number, &mut connection.share)?;
        let count = self.in_flight.get(id).count();
        connection.taken = connection.taken.saturating_add(u32::from(count));
        Some(id)
    }

    /// Give back everything in flight on a connection, to be sent again.
    pub(crate) fn give_back_all(&mut self, number: u32, now: Timestamp) {
        let connection = &mut self.all[number as usize];
        connection.renewed = now;
        let ids: Vec<_> = self.in_flight.of(number, &connection.share).map(|(id, _)| id).collect();
        for id in ids {
            self.in_flight.give_back(&mut connection.share, id);
        }
    }

    /// Requests were sent on the connection that [`Self::usable`] has returned: it stays listed if
    /// it can take more.
    #[inline]
    pub(crate) fn note_sent(&mut self, number: u32) {
        let connection = &mut self.all[number as usize];
        if connection.is_listed {
            self.lineup.take();
            connection.is_listed = connection.room(&self.options) > 0;
            if connection.is_listed {
                self.lineup.add_partial(number);
            }
        }
    }

    /// Whether a connection can take a request and is not listed yet.
    #[inline]
    pub(crate) fn is_newly_ready(&self, number: u32) -> bool {
        let connection = &self.all[number as usize];
        !self.is_idle(number) && !connection.is_listed && connection.room(&self.options) > 0
    }

    /// List a connection as able to take a request.
    #[inline]
    pub(crate) fn list(&mut self, number: u32) {
        self.all[number as usize].is_listed = true;
        self.lineup.add(number);
    }

    /// How many requests a connection can take now.
    pub(crate) fn room(&self, number: u32) -> u16 {
        self.all.get(number as usize).map_or(0, |connection| connection.room(&self.options))
    }

    /// Whether a connection has sent its last allowed request and received all answers.
    #[inline]
    pub(crate) fn is_done(&self, number: u32) -> bool {
        self.all[number as usize].is_done(&self.options)
    }
}

/// HTTP/2.
impl Connections {
    /// What its connections share.
    pub(crate) const fn streams(&self) -> &Streams {
        &self.streams
    }

    /// How long bodies have waited for windows until now, on all connections.
    pub(crate) fn blocked(&self, now: Timestamp) -> Nanos {
        let each = self.all.iter().filter_map(|connection| connection.wire.http2());
        each.fold(self.streams.blocked, |sum, http2| sum + http2.wait.until(now))
    }

    /// Bytes of HTTP/2 have been read.
    pub(crate) fn note_read_http2(&mut self, number: u32) {
        if let Some(http2) = self.all[number as usize].wire.http2_mut() {
            http2.end_needless_wait();
        }
    }

    /// See [`Streams::hear`].
    pub(crate) fn hear_http2(&mut self, number: u32, now: Timestamp) -> Result<(), Violation> {
        Streams::hear(&mut self.all[number as usize], now)
    }

    /// See [`Streams::feed`].
    #[inline]
    pub(crate) fn feed_http2(
        &mut self,
        number: u32,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<StreamProgress, Violation> {
        self.streams.feed(&mut self.all[number as usize], bytes, out)
    }

    /// See [`Streams::feed_whole`].
    #[inline]
    pub(crate) fn feed_whole_http2(&mut self, number: u32, bytes: &[u8]) -> Option<WholeAnswer> {
        self.streams.feed_whole(&mut self.all[number as usize], bytes)
    }

    /// See [`Streams::note_message`].
    pub(crate) fn note_message(
        &mut self,
        id: ExchangeId,
        number: u32,
        now: Timestamp,
    ) -> Option<Timestamp> {
        self.streams.note_message(id, number, now)
    }

    /// Windows or limits of the target have changed: more may be sent at the end of this turn.
    pub(crate) fn note_allowed(&mut self, number: u32) {
        self.streams.note_allowed(&mut self.all[number as usize]);
        self.flush_later(number);
    }

    /// A connection may have something to send at the end of this turn. What the frames of one
    /// receive ask for is sent once.
    fn flush_later(&mut self, number: u32) {
        if self.unflushed.last() != Some(&number) {
            self.unflushed.push(number);
        }
    }

    /// Whether a connection takes no further streams, and has ended all of them. Requests that were
    /// given back may remain.
    pub(crate) fn is_drained(&self, number: u32) -> bool {
        let connection = &self.all[number as usize];
        connection.is_up()
            && connection.in_flight() == connection.owed()
            && connection.wire.http2().is_some_and(Http2::is_leaving)
    }
}

/// Opening connections.
impl Connections {
    /// Queue a connection to be made.
    pub(crate) fn connect(&mut self, number: u32) {
        self.all[number as usize].link = Link::Down { retry_at: Timestamp::NEVER };
        self.queue.enqueue(number);
    }

    /// The connection to make now.
    #[inline]
    pub(crate) fn next_to_connect(&mut self, now: Timestamp) -> Option<u32> {
        self.queue.next(self.standing.connecting, now)
    }

    /// Start to connect.
    ///
    /// # Errors
    /// If it failed at once; the caller schedules the next attempt.
    pub(crate) fn start_connecting<D: Driver>(
        &mut self,
        driver: &mut D,
        number: u32,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let connection = &mut self.all[number as usize];
        driver.connect(number, connection.generation, connection.attempts.turn)?;
        connection.link = Link::Connecting { since: now };
        self.standing.connecting += 1;
        Ok(())
    }

    /// A connect, or the handshakes after it, have ended.
    pub(crate) const fn note_attempt_ended(&mut self) {
        self.standing.connecting -= 1;
    }

    /// An attempt has failed: try the next address. Returns whether all have been tried.
    pub(crate) fn note_failed_attempt(&mut self, number: u32, failure: ConnectFailure) -> bool {
        self.connect_failure = Some(failure);
        let connection = &mut self.all[number as usize];
        connection.attempts.failures = connection.attempts.failures.saturating_add(1);
        connection.attempts.turn = connection.attempts.turn.wrapping_add(1);
        let has_tried_all = connection.attempts.failures >= self.options.peers;
        if has_tried_all {
            self.note_tried(number);
        }
        has_tried_all
    }

    fn note_tried(&mut self, number: u32) {
        let connection = &mut self.all[number as usize];
        if !std::mem::replace(&mut connection.attempts.is_tried, true) {
            self.standing.untried -= 1;
        }
    }

    /// The connection is ready for its first request.
    pub(crate) fn open(&mut self, number: u32, now: Timestamp) {
        let connection = &mut self.all[number as usize];
        connection.link = Link::Up { since: now };
        connection.renewed = now;
        connection.attempts.failures = 0;
        self.note_attempt_ended();
        self.note_tried(number);
        self.streams.note_allowed(&mut self.all[number as usize]);
        if self.is_idle(number) {
            self.standing.idle += 1;
        } else {
            self.standing.connected += 1;
        }
    }

    /// How long a failed connection waits for its next attempt: the next address is tried at once;
    /// waiting begins when all have failed.
    fn next_retry(&self, number: u32) -> Nanos {
        let failures = self.all[number as usize].attempts.failures;
        let Some(rounds) = failures.checked_sub(self.options.peers) else { return Nanos::ZERO };
        self.pause(number, rounds.into())
    }

    /// Schedule the next attempt of a failed connection.
    pub(crate) fn retry(&mut self, number: u32, now: Timestamp) {
        self.retry_at(number, now + self.next_retry(number));
    }

    fn retry_at(&mut self, number: u32, retry_at: Timestamp) {
        self.all[number as usize].link = Link::Down { retry_at };
        self.wake_at(retry_at);
    }

    /// How long a connection waits after so many equal failures: the time doubles, up to a bound
    /// that grows with the number of connections, so that all together make at most a thousand
    /// attempts per second. Part of it is random, so that connections that failed together do not
    /// retry together; the same seed gives the same times.
    fn pause(&self, number: u32, rounds: u32) -> Nanos {
        let connection = &self.all[number as usize];
        let all = self.all.len() as u64;
        let most = Nanos(RETRY_EACH.0.saturating_mul(all)).max(RETRY_MAX).min(Nanos::SECOND);
        let whole = Nanos(RETRY_FIRST.0 << rounds.min(8)).min(most);
        let draw = u64::from(number) << 32 | u64::from(connection.generation);
        let off = Random::new(self.options.seed ^ draw).below(whole.0 as usize / 2);
        Nanos(whole.0 - off as u64)
    }
}

/// Closing connections.
impl Connections {
    /// This side has closed the WebSocket on a connection: remaining data is still read.
    pub(crate) fn begin_parting(&mut self, number: u32, now: Timestamp) {
        self.all[number as usize].link = Link::Parting { since: now };
        self.standing.parting += 1;
    }

    /// An established connection has ended; schedule a new one. `is_sending`: see [`UnderWay`].
    pub(crate) fn close_lost<D: Driver>(
        &mut self,
        driver: &mut D,
        number: u32,
        is_sending: bool,
        now: Timestamp,
    ) {
        self.streams.end(&mut self.all[number as usize], now);
        if self.is_idle(number) {
            self.standing.idle -= 1;
        } else {
            self.standing.connected -= 1;
        }
        if self.all[number as usize].is_parting() {
            self.standing.parting -= 1;
        }
        let not_before = self.connect_again_at(number, now);
        self.close(driver, number, is_sending, not_before);
    }

    /// When a connection that ends may be made again. One that ends soon and without an answer
    /// waits: otherwise a target that drops every connection would be retried without end.
    fn connect_again_at(&mut self, number: u32, now: Timestamp) -> Timestamp {
        let connection = &mut self.all[number as usize];
        let Link::Up { since } = connection.link else { return now };
        if connection.has_answered {
            connection.attempts.unanswered = 0;
            return now;
        }
        let rounds = connection.attempts.unanswered;
        connection.attempts.unanswered = rounds.saturating_add(1);
        since + self.pause(number, rounds.into())
    }

    /// Close a connection whose attempt has failed.
    pub(crate) fn close_failed<D: Driver>(&mut self, driver: &mut D, number: u32, now: Timestamp) {
        self.close(driver, number, false, now);
    }

    /// The connection has sent its last allowed request and received all answers: close it in
    /// order.
    pub(crate) fn close_gracefully<D: Driver>(&mut self, driver: &mut D, number: u32) {
        self.send_close(driver, number);
        self.standing.connected -= 1;
        self.close(driver, number, false, Timestamp::default());
    }

    fn close<D: Driver>(
        &mut self,
        driver: &mut D,
        number: u32,
        is_sending: bool,
        not_before: Timestamp,
    ) {
        let connection = &mut self.all[number as usize];
        let under_way = UnderWay {
            connecting: matches!(connection.link, Link::Connecting { .. }),
            receiving: connection.receive != Receive::None,
            sending: is_sending,
            sending_tracked: connection.is_sending,
        };
        driver.close(number, connection.generation, under_way);
        connection.link = Link::Closing { not_before };
        connection.reset(self.config.held_at.is_some());
        connection.depth = self.options.pipeline;
    }

    /// The number of a connection is free: reconnect now or later, unless nothing is left to send
    /// on it. Returns whether it was an established connection.
    pub(crate) fn on_closed(&mut self, number: u32, is_work_done: bool, now: Timestamp) -> bool {
        let connection = &mut self.all[number as usize];
        let Link::Closing { not_before } = connection.link else { return false };
        if connection.attempts.failures > 0 {
            self.retry(number, now);
            return false;
        }
        if connection.owed() == 0 && is_work_done {
            connection.link = Link::Down { retry_at: Timestamp::NEVER };
            return false;
        }
        if not_before > now {
            self.retry_at(number, not_before);
        } else {
            self.connect(number);
        }
        true
    }
}
