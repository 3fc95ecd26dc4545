//! What happens to connections: bytes, ends and failures, each turned into outcomes.

use uringbench_core::http::response::{Progress, Response, StreamEnd};
use uringbench_core::http::unfinished::Unfinished;
use uringbench_core::outcome::Outcome;
use uringbench_core::time::Timestamp;
use uringbench_core::websocket::machine::{Machine, StreamEnd as SocketEnd};
use uringbench_ring::{Failure, Room};

use crate::connect_failure::ConnectFailure;
use crate::connection::{Connection, Link, Receive};
use crate::driver::{Driver, Event, EventKind, ReceiveMode};
use crate::event_loop::EventLoop;
use crate::recorder::Answers;
use crate::retry::End;
use crate::unasked::Goodbye;

/// Payload of at least this size is dropped by the kernel, uncopied, instead of received.
const SKIP_FROM: u64 = 4_096;
/// One skip asks for at most this much.
const SKIP_MAX: u64 = 1 << 30;

/// The cause where TLS leaves open whether an answer is whole (RFC 8446 section 6.1).
const TRUNCATED: &str = "TLS ended without close_notify, so the body that the connection's end \
                         delimits may be cut short: --tolerate-truncation counts it";

/// Where bytes for the parser are.
pub(crate) enum Source<'a, B> {
    /// Where they were received.
    Leased(&'a B),
    /// Where they were decrypted.
    Decrypted(&'a [u8]),
}

/// What a batch of bytes did to its connection.
pub(crate) enum FeedResult {
    /// It goes on.
    Open,
    /// The last response said that it closes.
    Finished,
    /// It has done what it was for.
    Done,
    /// The same, and what still comes is looked at.
    Parting,
    /// The target closed the WebSocket, for this reason if it gave one.
    Closed(Goodbye),
    /// What came was not a response.
    Malformed,
    /// More came than was asked for.
    Unsolicited,
    /// The target has given the connection up because nothing came on it.
    Expired,
    /// It was being opened, and there will be no WebSocket.
    NotOpened(ConnectFailure),
}

impl<D: Driver> EventLoop<D> {
    /// Handle one event.
    pub(crate) fn on_event(&mut self, event: Event<D::Buffer>, now: Timestamp) {
        let number = event.connection;
        let Some(connection) = self.connections.get_mut(number as usize) else { return };
        if let EventKind::Closed = event.kind {
            return self.on_closed(number, now);
        }
        if connection.generation != event.generation {
            // Of a connection that has ended: nothing is left to tell but to give the lease back.
            if let EventKind::Received { buffer, .. } = event.kind {
                self.driver.recycle(buffer);
            }
            return;
        }
        match event.kind {
            EventKind::Connected => self.on_connected(number, now),
            EventKind::ConnectFailed(failure) => {
                self.on_connect_failed(number, ConnectFailure::Refused(failure), now);
            }
            EventKind::Received { mut buffer, more } => {
                if !more {
                    connection.receive = Receive::None;
                }
                if self.options.reading.is_some() {
                    self.note_read(number, self.driver.bytes(&buffer).len(), now);
                }
                if self.terms.tls.is_some() {
                    self.on_records(number, &mut buffer, now);
                    self.driver.recycle(buffer);
                } else {
                    let fed = self.feed(number, Source::Leased(&buffer), now);
                    self.driver.recycle(buffer);
                    self.after_bytes(number, fed, now);
                }
            }
            EventKind::Sent => self.on_sent(number, now),
            EventKind::Skipped(length) => {
                connection.receive = Receive::None;
                self.recorder.current.totals.received_bytes += u64::from(length);
                let fed = self.skipped(number, u64::from(length), now);
                self.after_bytes(number, fed, now);
            }
            EventKind::EndOfStream => {
                connection.receive = Receive::None;
                self.on_end_of_stream(number, now);
            }
            EventKind::ReceiveEnded(failure) => self.on_receive_ended(number, failure, now),
            EventKind::Inspected => self.learn_tcp(number, event.generation),
            EventKind::Closed => {}
        }
    }

    /// So many bytes of payload came and were dropped unread.
    fn skipped(&mut self, number: u32, length: u64, now: Timestamp) -> FeedResult {
        let connection = &mut self.connections[number as usize];
        if let Some(machine) = connection.machine() {
            let Some(message) = machine.skip(length) else { return FeedResult::Open };
            self.on_dropped(number, &message, now);
            return FeedResult::Open;
        }
        match connection.parser.skip(length) {
            Some(response) => self.on_response(number, response, now),
            None => FeedResult::Open,
        }
    }

    /// Run received bytes through the parser, ending exchanges as their responses complete.
    /// Answers that are alike, as a pipeline's mostly are, are recorded together.
    #[inline]
    pub(crate) fn feed(
        &mut self,
        number: u32,
        source: Source<'_, D::Buffer>,
        now: Timestamp,
    ) -> FeedResult {
        if self.is_read_otherwise {
            return self.feed_otherwise(number, source, now);
        }
        let connection = &mut self.connections[number as usize];
        let mut bytes = match source {
            Source::Leased(buffer) => self.driver.bytes(buffer),
            Source::Decrypted(plain) => plain,
        };
        self.recorder.current.totals.received_bytes += bytes.len() as u64;
        let mut alike: Option<Answers> = None;
        let mut fed = FeedResult::Open;
        while !bytes.is_empty() {
            if connection.in_flight == 0 {
                fed = connection.unasked(bytes, &mut self.header_cache, &mut self.statuses);
                break;
            }
            self.exchanges.oldest(number, connection).begin_response(now);
            match connection.parser.feed(bytes, &mut self.header_cache, self.options.is_head) {
                Ok(Progress::Complete { consumed, response }) => {
                    let oldest = self.exchanges.oldest(number, connection);
                    if connection.has_expired(oldest, &response) && self.options.is_repeatable {
                        fed = FeedResult::Expired;
                        break;
                    }
                    let head;
                    (head, bytes) = bytes.split_at(consumed);
                    let answer = self.exchanges.answered(number, connection, response.status);
                    connection.note_bytes(response.body_bytes);
                    let at = || self.driver.peer_address(number, connection.turn);
                    self.statuses.answered(response.status, head, at);
                    self.recorder.gather(&mut alike, answer, now);
                    if !response.keep_alive {
                        fed = FeedResult::Finished;
                        break;
                    }
                }
                Ok(Progress::Dropped { consumed }) => {
                    self.exchanges.oldest(number, connection).not_begun();
                    bytes = &bytes[consumed..];
                }
                // Consent is told only where requests wait for it, which is read otherwise.
                Ok(Progress::NeedMore | Progress::Continue { .. }) => {
                    self.statuses.under_way(&connection.parser, bytes);
                    break;
                }
                Err(_) => {
                    fed = FeedResult::Malformed;
                    break;
                }
            }
        }
        if let Some(answers) = alike {
            self.recorder.completed(&answers, now);
        }
        fed
    }

    /// Bytes of what is not a plain answer.
    #[inline(never)]
    fn feed_otherwise(
        &mut self,
        number: u32,
        source: Source<'_, D::Buffer>,
        now: Timestamp,
    ) -> FeedResult {
        if let Link::Parting { .. } = self.connections[number as usize].link {
            self.feed_parting(number, source)
        } else if self.flows.is_some() {
            self.feed_steps(number, source, now)
        } else if self.terms.websocket.is_some() {
            self.feed_frames(number, source, now)
        } else {
            self.feed_stream(number, source, now)
        }
    }

    /// A response that ended otherwise than in a fed buffer.
    pub(crate) fn on_response(
        &mut self,
        number: u32,
        response: Response,
        now: Timestamp,
    ) -> FeedResult {
        if !self.end_answer(number, response, now) {
            let connection = &mut self.connections[number as usize];
            let answer = self.exchanges.answered(number, connection, response.status);
            self.recorder.completed(&answer, now);
        }
        let connection = &mut self.connections[number as usize];
        let at = || self.driver.peer_address(number, connection.turn);
        self.statuses.answered(response.status, b"", at);
        connection.note_bytes(response.body_bytes);
        connection.end_stream();
        if response.keep_alive && !connection.owes_answered() {
            FeedResult::Open
        } else {
            FeedResult::Finished
        }
    }

    pub(crate) fn after_bytes(&mut self, number: u32, fed: FeedResult, now: Timestamp) {
        match fed {
            FeedResult::Open if self.connections[number as usize].is_done(&self.options) => {
                self.leave(number, now);
            }
            FeedResult::Open if self.is_left(number) => self.close_gracefully(number),
            FeedResult::Open => {
                self.go_on_receiving(number, now);
                self.mark_ready(number);
            }
            FeedResult::Done => self.close_gracefully(number),
            FeedResult::Parting => self.part(number, now),
            FeedResult::Finished => self.fail_connection(number, End::Announced, now),
            FeedResult::Closed(goodbye) => {
                self.fail_connection(number, End::WebSocket(&goodbye), now)
            }
            FeedResult::Expired => self.fail_connection(number, End::Expired, now),
            FeedResult::Malformed => self.on_malformed(number, now),
            FeedResult::NotOpened(failure) => self.on_connect_failed(number, failure, now),
            FeedResult::Unsolicited => {
                self.recorder.current.totals.unsolicited += 1;
                self.fail_connection(number, End::Unsolicited, now);
            }
        }
    }

    /// The exchange whose answer it was is malformed; those behind it are lost.
    #[cold]
    fn on_malformed(&mut self, number: u32, now: Timestamp) {
        let connection = &self.connections[number as usize];
        if connection.in_flight > 0 {
            if let Some(fault) = connection.parser.fault() {
                let slot = self.exchanges.oldest(number, connection).slot();
                self.recorder.caused_with(slot, Outcome::Malformed, fault, &fault.quote());
            }
            self.fail_oldest(number, 1, Outcome::Malformed, now);
        }
        self.fail_connection(number, End::Malformed, now);
    }

    /// Whether it was a user's own who has left.
    fn is_left(&self, number: u32) -> bool {
        self.flows.as_ref().is_some_and(|flows| flows.has_left(number))
            && self.connections[number as usize].is_up()
    }

    /// Arm the receive that fits what is still to come, unless one is armed: a connection that is
    /// up always has one. A slow reader has it whenever its time to read has come.
    #[inline]
    pub(crate) fn go_on_receiving(&mut self, number: u32, now: Timestamp) {
        if self.terms.tls.is_some() {
            return self.receive_records(number, now);
        }
        if let Some(trickle) = self.options.reading {
            return self.read_slowly(number, trickle, now);
        }
        if self.is_idle(number) {
            return self.arm_idle_receive(number);
        }
        let connection = &mut self.connections[number as usize];
        let generation = connection.generation;
        // One by one pays where the kernel can drop what is large, or has large buffers for it.
        // Streams and messages that are read come bit by bit.
        let is_bodies = !self.reads_payload || self.flows.is_some();
        let is_multi = connection.is_steady() || !(self.driver.can_skip() && is_bodies);
        match connection.receive {
            Receive::Multi if !is_multi && connection.in_flight == 0 => {
                connection.receive = Receive::Cancelling;
                self.driver.cancel_receive(number, generation);
            }
            Receive::None if is_multi && self.driver.has_multishot() => {
                connection.receive = Receive::Multi;
                self.driver.receive(number, generation, ReceiveMode::Multi);
            }
            // One that waits for nothing waits for its end: without that, the next request would go
            // to a target that has closed long ago.
            Receive::None => {
                connection.receive = Receive::Once;
                let parser_opaque = connection.parser.opaque();
                let opaque = connection.machine().map_or(parser_opaque, |machine| machine.opaque());
                let is_large = opaque >= SKIP_FROM;
                if is_large && !self.reads_payload && self.driver.can_skip() {
                    let length = opaque.min(SKIP_MAX) as u32;
                    self.driver.skip(number, generation, length);
                } else {
                    let is_large = is_large || connection.may_be_large();
                    let is_read = is_large && is_bodies && self.reads_payload;
                    let room = if is_read { Room::Large } else { Room::Small };
                    let is_awaited = connection.in_flight > 0;
                    let mode = if is_awaited { ReceiveMode::Now } else { ReceiveMode::AfterSend };
                    self.driver.receive(number, generation, mode(room));
                }
            }
            Receive::Multi | Receive::Cancelling | Receive::Once => {}
        }
    }

    pub(crate) fn on_end_of_stream(&mut self, number: u32, now: Timestamp) {
        let connection = &mut self.connections[number as usize];
        if let Link::Opening { .. } = connection.link {
            // The end may be that of an answer which says why.
            let failure = match connection.machine().map(Machine::end_of_stream) {
                Some(SocketEnd::Refused(response)) => ConnectFailure::Upgrade(response.status),
                _ => ConnectFailure::Closed,
            };
            return self.on_connect_failed(number, failure, now);
        }
        if connection.in_flight > 0 && connection.is_truncated() {
            self.fail_oldest_because(number, Outcome::Reset, &TRUNCATED, now);
        }
        let connection = &mut self.connections[number as usize];
        if connection.in_flight > 0
            && connection.may_end_here()
            // What is cut short stays as it is, for the cause to say how far it came.
            && connection.parser.unfinished() == Some(Unfinished::UntilClose)
            && let StreamEnd::Complete(response) = connection.parser.end_of_stream()
        {
            self.on_response(number, response, now);
            return self.fail_connection(number, End::Announced, now);
        }
        if self.connections[number as usize].machine().is_some() {
            let cause = &"the target ended the connection without closing the WebSocket";
            return self.fail_connection(number, End::WebSocket(cause), now);
        }
        self.fail_connection(number, End::Closed, now);
    }

    fn on_receive_ended(&mut self, number: u32, failure: Failure, now: Timestamp) {
        let connection = &mut self.connections[number as usize];
        let was = std::mem::replace(&mut connection.receive, Receive::None);
        let is_out_of_buffers = failure.is_out_of_buffers();
        let is_cancelled = failure.is_cancelled() && was == Receive::Cancelling;
        if is_out_of_buffers || is_cancelled {
            // Not an error: by the time it is armed again, buffers have been recycled.
            self.recorder.current.totals.buffers_exhausted += u64::from(is_out_of_buffers);
            self.go_on_receiving(number, now);
            if was == Receive::Cancelling {
                self.mark_ready(number);
            }
        } else {
            match connection.link {
                Link::Up { .. } | Link::Parting { .. } => {
                    self.fail_connection(number, End::Closed, now)
                }
                Link::Opening { .. } => {
                    self.on_connect_failed(number, ConnectFailure::Refused(failure), now);
                }
                Link::Down { .. } | Link::Connecting { .. } | Link::Closing { .. } => {}
            }
        }
    }
}

impl Connection {
    /// The machine of a WebSocket, where it is one.
    pub(crate) fn machine(&mut self) -> Option<&mut Machine> {
        self.session.as_mut().and_then(|session| session.websocket.as_mut())
    }
}
