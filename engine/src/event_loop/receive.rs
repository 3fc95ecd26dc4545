//! Handles events of connections: bytes, ends and failures.

use std::fmt::Display;
use std::sync::Arc;

use uringbench_core::answer_code::AnswerCode;
use uringbench_core::ending::Ending;
use uringbench_core::http::response::{Response, StreamEnd};
use uringbench_core::http::unfinished::Unfinished;
use uringbench_core::outcome::Outcome;
use uringbench_core::pacer::Slot;
use uringbench_core::time::Timestamp;
use uringbench_core::websocket::frame;
use uringbench_core::websocket::machine::SocketEnd;
use uringbench_ring::Failure;

use super::EventLoop;
use super::end::End;
use super::receiver::{FeedResult, FollowUp, Receiver};
use crate::connections::connect_failure::ConnectFailure;
use crate::connections::connection::Link;
use crate::connections::in_flight::Exchange;
use crate::connections::receive::ReceiveEnd;
use crate::connections::send::Begun;
use crate::drivers::{Driver, DriverEvent, EventKind};
use crate::wire::Wire;
use crate::wire::messages::Instead;
use crate::wire::tls::{Received, TlsFailure};
use crate::work::Work;

/// The place of received bytes.
enum Source<'a, B> {
    /// In the receive buffer.
    Leased(&'a B),
    /// In the buffer of decrypted bytes.
    Decrypted(&'a [u8]),
}

impl<D: Driver> EventLoop<D> {
    /// Handle one event.
    #[inline]
    pub(super) fn on_event(&mut self, event: DriverEvent<D::Buffer>, now: Timestamp) {
        let DriverEvent { connection: number, generation, kind } = event;
        if number >= self.connections.count() {
            return;
        }
        if let EventKind::Closed = kind {
            let is_work_done = self.work.is_done(now);
            let is_remade = self.connections.on_closed(number, is_work_done, now);
            self.recorder.totals().reconnects += u64::from(is_remade);
            return;
        }
        if self.connections[number].generation() != generation {
            // The connection has ended: only the lease must be returned.
            if let EventKind::Received { buffer, .. } = kind {
                self.driver.recycle(buffer);
            }
            return;
        }
        match kind {
            EventKind::Received { buffer, more } => self.on_received(number, buffer, more, now),
            EventKind::Skipped(count) => {
                self.connections.note_received(number);
                let fed = self.feed(number, None, count.into(), now);
                self.after_bytes(number, fed, now);
            }
            EventKind::Sent => {
                self.connections.on_sent(&mut self.driver, number, now);
                self.send_again(number, now);
                self.mark_ready(number);
            }
            EventKind::EndOfStream => {
                self.connections.note_received(number);
                self.on_end_of_stream(number, now);
            }
            EventKind::ReceiveEnded(failure) => self.on_receive_ended(number, failure, now),
            EventKind::Connected => self.on_connected(number, now),
            EventKind::ConnectFailed(failure) => {
                self.on_connect_failed(number, ConnectFailure::Refused(failure), now);
            }
            EventKind::Inspected => {
                self.inspection.answered(&mut self.driver, number, generation);
            }
            EventKind::Closed => {}
        }
    }

    #[inline]
    fn on_received(&mut self, number: u32, mut buffer: D::Buffer, more: bool, now: Timestamp) {
        if !more {
            self.connections.note_received(number);
        }
        if self.options.reading.is_some() {
            self.connections.note_read(number, self.driver.bytes(&buffer).len(), now);
        }
        if self.connections.config().tls.is_some() {
            self.on_records(number, &mut buffer, now);
            self.driver.recycle(buffer);
        } else {
            let fed = self.feed(number, Some(Source::Leased(&buffer)), 0, now);
            self.driver.recycle(buffer);
            self.after_bytes(number, fed, now);
        }
    }

    /// The receive path of a connection.
    #[inline]
    pub(super) fn receiver(&mut self, number: u32, now: Timestamp) -> Receiver<'_, D> {
        Receiver {
            driver: &self.driver,
            connections: &mut self.connections,
            work: &mut self.work,
            recorder: &mut self.recorder,
            statuses: &mut self.statuses,
            header_cache: &mut self.header_cache,
            readers: &mut self.readers,
            number,
            timeout: self.options.timeout,
            now,
            alike: None,
            follow_up: FollowUp::default(),
        }
    }

    /// Reads bytes, or skips `skipped` bytes that were dropped unread.
    #[inline]
    fn feed(
        &mut self,
        number: u32,
        source: Option<Source<'_, D::Buffer>>,
        skipped: u64,
        now: Timestamp,
    ) -> FeedResult {
        let mut receiver = self.receiver(number, now);
        let fed = match source {
            Some(Source::Leased(buffer)) => receiver.receive(receiver.driver.bytes(buffer)),
            Some(Source::Decrypted(plain)) => receiver.receive(plain),
            None => receiver.skip(skipped),
        };
        receiver.flush();
        // Looked at in place: a move would wait for the stores that have just filled it.
        if receiver.follow_up.is_empty() {
            return fed;
        }
        let follow_up = receiver.follow_up;
        self.follow_up(number, follow_up, fed, now)
    }

    /// Handles the result of the bytes.
    #[cold]
    #[inline(never)]
    fn follow_up(
        &mut self,
        number: u32,
        follow_up: FollowUp,
        fed: FeedResult,
        now: Timestamp,
    ) -> FeedResult {
        let driver = &mut self.driver;
        if follow_up.is_consent {
            self.connections.on_consent(driver, number, now);
        }
        let is_http2 = self.connections[number].wire().http2().is_some();
        if !follow_up.replies.is_empty() {
            match fed {
                FeedResult::Open if is_http2 => self.connections.queue(number, &follow_up.replies),
                _ => self.connections.reply(driver, number, &follow_up.replies, now),
            }
        }
        if follow_up.is_opened {
            self.open(number, now);
        }
        if follow_up.is_owing {
            self.send_again(number, now);
        }
        if let Some(at) = follow_up.judged_at {
            self.connections.wake_at(at);
        }
        match follow_up.next_message {
            Some(user) => self.go_on_speaking(number, user, fed, now),
            None => fed,
        }
    }

    /// A user's message has been answered: sends the next one or, after the last, a Close frame.
    /// Messages that arrived with the answer were sent before the next message, and do not answer
    /// it.
    fn go_on_speaking(
        &mut self,
        number: u32,
        user: u32,
        fed: FeedResult,
        now: Timestamp,
    ) -> FeedResult {
        let Some(socket) = self.connections[number].wire_mut().websocket_mut() else { return fed };
        let is_last = socket.conversation().is_none_or(|its| its.left() == 0);
        if is_last {
            let ended = self.end_conversation(number, user, now);
            // After the target's own end no Close frame is needed.
            return if let FeedResult::Open = fed { ended } else { FeedResult::Done };
        }
        self.send_message(number, user, now);
        fed
    }

    /// Sends the next message of a user's WebSocket.
    fn send_message(&mut self, number: u32, user: u32, now: Timestamp) {
        let Work::Users(users) = &mut self.work else { return };
        let (connection, in_flight) = self.connections.with_exchanges(number);
        let Some(socket) = connection.wire_mut().websocket_mut() else { return };
        let (masks, Some(conversation)) = socket.speaking() else { return };
        conversation.take_one();
        users.next_message(user, conversation, now);
        let step = users.step_number(user);
        let kind = conversation.socket().kind;
        let bytes = frame::message(conversation.sent(), kind, None, masks);
        let measured = self.intervals.boundaries.measured().contains(&now);
        let slot = Slot { due: now, measured };
        self.recorder.released(step, slot, 1);
        self.recorder.sent(step, slot, now);
        self.recorder.totals().sent_bytes += bytes.len() as u64;
        in_flight.push(number, connection.share_mut(), Exchange::new(slot, 1, user, now));
        let mut out = self.driver.take_buffer();
        out.extend_from_slice(&bytes);
        self.connections.send_made(&mut self.driver, number, out);
    }

    /// The last answer has arrived, or no more are needed: sends a Close frame, and the user
    /// continues.
    fn end_conversation(&mut self, number: u32, user: u32, now: Timestamp) -> FeedResult {
        let Some(socket) = self.connections[number].wire_mut().websocket_mut() else {
            return FeedResult::Done;
        };
        let goodbye = socket.goodbye();
        let has_passed = socket.conversation().is_none_or(|its| !its.has_failed());
        let is_blind = self.work.hearing(user).is_none();
        self.connections.reply(&mut self.driver, number, &goodbye, now);
        self.work.end_step(user, has_passed, &mut self.recorder, now);
        if is_blind { FeedResult::Parting } else { FeedResult::Done }
    }

    /// The right answer has not arrived in time: the messages that arrived instead count as the
    /// answer.
    pub(super) fn give_up_answer(&mut self, number: u32, now: Timestamp) {
        let (connection, in_flight) = self.connections.with_exchanges(number);
        let Some(socket) = connection.wire_mut().websocket_mut() else { return };
        let Some((failed, held)) = socket.take_held() else { return };
        let is_step_s = socket.conversation().map(|its| its.note_failed()).is_some();
        let mut unasked = u64::from(held.count);
        let mut user = 0;
        while unasked > 0 && connection.in_flight() > 0 {
            let id = in_flight.oldest(number, connection.share());
            let exchange = in_flight.get_mut(id);
            let done = held.since.max(exchange.sent());
            exchange.begin_response(done);
            user = exchange.user();
            let step = self.work.step_number(user);
            let failed_check = (Outcome::CheckFailed, 1);
            self.recorder.caused(step, exchange.slot(), failed_check, &Instead(&held.quote));
            let answers =
                in_flight.answered(number, connection.share_mut(), id, (AnswerCode::MESSAGE, 1));
            self.recorder.ended(step, &answers, Err(failed), done);
            unasked -= 1;
        }
        self.recorder.totals().unsolicited_messages += unasked;
        let may_come_late = self.work.hearing(user).is_some_and(|hearing| {
            hearing.note_missing();
            hearing.may_come_late()
        });
        let fed = match (is_step_s, may_come_late) {
            (true, true) => self.end_conversation(number, user, now),
            (true, false) => self.go_on_speaking(number, user, FeedResult::Open, now),
            (false, true) => return self.fail_connection(number, End::Late, now),
            (false, false) => FeedResult::Open,
        };
        self.after_bytes(number, fed, now);
    }

    fn after_bytes(&mut self, number: u32, fed: FeedResult, now: Timestamp) {
        match fed {
            FeedResult::Open if self.connections.is_done(number) => self.leave(number, now),
            FeedResult::Open if self.is_left(number) => self.close_gracefully(number),
            FeedResult::Open => {
                self.connections.receive(&mut self.driver, number, now);
                self.mark_ready(number);
            }
            FeedResult::Done => self.close_gracefully(number),
            FeedResult::Parting => self.part(number, now),
            FeedResult::Parted => self.close_parted(number, now),
            FeedResult::Finished(ending) => {
                self.fail_connection(number, End::Finished(ending), now);
            }
            FeedResult::Closed(goodbye) => {
                self.fail_connection(number, End::Goodbye(&goodbye), now);
            }
            FeedResult::Fatal(why) => {
                self.connections.note_failure(ConnectFailure::Database(Arc::clone(&why)));
                self.fail_connection(number, End::Fatal(&why), now);
            }
            FeedResult::Expired => self.fail_connection(number, End::Expired, now),
            FeedResult::Drained => self.end_drained(number, now),
            FeedResult::Violated(broken) => {
                self.fail_connection(number, End::Violated(&broken), now);
            }
            FeedResult::Malformed => self.on_malformed(number, now),
            FeedResult::NotOpened(failure) => self.on_connect_failed(number, failure, now),
            FeedResult::Unsolicited => {
                self.recorder.totals().unsolicited += 1;
                self.fail_connection(number, End::Unsolicited, now);
            }
        }
    }

    /// The exchange with this answer is malformed; those after it are lost.
    #[cold]
    fn on_malformed(&mut self, number: u32, now: Timestamp) {
        let connection = &self.connections[number];
        if connection.in_flight() > 0 {
            let id = self.connections.answering(number);
            if let Some(fault) = connection.wire().parser().and_then(|parser| parser.fault()) {
                let exchange = self.connections.in_flight().get(id);
                let step = self.work.step_number(exchange.user());
                let seen = (fault as &dyn Display, &fault.quote() as &dyn Display);
                self.recorder.caused_with(step, exchange.slot(), (Outcome::Malformed, 1), seen);
            }
            self.fail(number, id, (Outcome::Malformed, 1), now);
        }
        self.fail_connection(number, End::Malformed, now);
    }

    fn on_receive_ended(&mut self, number: u32, failure: Failure, now: Timestamp) {
        let end = self.connections.note_receive_failed(number, failure);
        if end != ReceiveEnd::Lost {
            let is_for_want = end == ReceiveEnd::OutOfBuffers;
            self.recorder.totals().buffers_exhausted += u64::from(is_for_want);
            self.connections.receive(&mut self.driver, number, now);
            return self.mark_ready(number);
        }
        match self.connections[number].link() {
            Link::Up { .. } => self.fail_connection(number, End::Reset, now),
            Link::Parting { .. } => self.close_parted(number, now),
            Link::Opening { .. } => {
                let preface = ConnectFailure::of_preface(&self.connections[number]);
                let failure = preface.unwrap_or(ConnectFailure::Refused(failure));
                self.on_connect_failed(number, failure, now);
            }
            Link::Down { .. } | Link::Connecting { .. } | Link::Closing { .. } => {}
        }
    }

    fn on_end_of_stream(&mut self, number: u32, now: Timestamp) {
        let connection = &mut self.connections[number];
        if connection.is_parting() {
            return self.close_parted(number, now);
        }
        if connection.is_opening() {
            // It may be the end of an answer that explains it.
            let preface = ConnectFailure::of_preface(connection);
            let socket = connection.wire_mut().websocket_mut();
            let failure = match socket.map(|socket| socket.machine_mut().end_of_stream()) {
                Some(SocketEnd::Refused(response)) => {
                    ConnectFailure::Upgrade(self.statuses.refusal(response.status, b"").into())
                }
                _ => preface.unwrap_or(ConnectFailure::Closed),
            };
            return self.on_connect_failed(number, failure, now);
        }
        if connection.in_flight() > 0 && connection.is_truncated() {
            return self.fail_connection(number, End::Truncated, now);
        }
        if connection.in_flight() > 0
            && connection.may_end_here()
            // An incomplete answer keeps its state, so that the cause can state how much arrived.
            && connection.wire().unfinished() == Some(Unfinished::UntilClose)
            && let Wire::Http(parser) = connection.wire_mut()
            && let StreamEnd::Complete(response) = parser.end_of_stream()
        {
            self.end_answer(number, &response, now);
            return self.fail_connection(number, End::Finished(Ending::Announced), now);
        }
        if self.connections[number].wire().is_open_websocket() {
            return self.fail_connection(number, End::Unclosed, now);
        }
        self.fail_connection(number, End::Closed, now);
    }

    /// An answer ends with its connection.
    fn end_answer(&mut self, number: u32, response: &Response, now: Timestamp) {
        let mut receiver = self.receiver(number, now);
        receiver.end_answer(response);
        receiver.flush();
    }
}

/// TLS.
impl<D: Driver> EventLoop<D> {
    /// Records have come: their plaintext is read.
    fn on_records(&mut self, number: u32, buffer: &mut D::Buffer, now: Timestamp) {
        let mut plain = std::mem::take(&mut self.plain);
        match self.connections.decrypt(&mut self.driver, number, buffer, &mut plain) {
            Ok(received) => self.on_plaintext(number, &plain, received, now),
            Err(failure) => {
                // Complete answers before it count, however they were received.
                let connection = &self.connections[number];
                let (generation, is_up) = (connection.generation(), connection.is_up());
                if is_up {
                    self.on_plaintext(number, &plain, Received::default(), now);
                }
                if self.connections[number].generation() == generation {
                    self.on_tls_failure(number, failure, now);
                }
            }
        }
        plain.clear();
        self.plain = plain;
    }

    fn on_plaintext(&mut self, number: u32, plain: &[u8], received: Received, now: Timestamp) {
        if let Some(established) = received.established
            && let Link::Opening { since } = self.connections[number].link()
        {
            self.recorder.shook_hands(now.since(since), established);
            match self.connections.begin_protocol(&mut self.driver, number, now) {
                Begun::Up => self.open(number, now),
                Begun::Opening => {}
                Begun::Failed(failure) => return self.on_connect_failed(number, failure, now),
            }
        }
        let generation = self.connections[number].generation();
        if !plain.is_empty() {
            let fed = self.feed(number, Some(Source::Decrypted(plain)), 0, now);
            self.after_bytes(number, fed, now);
        }
        let is_same = self.connections[number].generation() == generation;
        if is_same && received.is_closed {
            self.on_end_of_stream(number, now);
        } else if plain.is_empty() {
            // Otherwise reading the plaintext has already done that.
            self.connections.receive(&mut self.driver, number, now);
        }
    }

    /// The session has failed. Before its handshake was complete, that is why there is no
    /// connection. Later it may be too: with TLS 1.3 the peer refuses this side's certificate, or
    /// its absence, after the handshake is complete on this side.
    fn on_tls_failure(&mut self, number: u32, failure: TlsFailure, now: Timestamp) {
        let is_the_peer_s_wish = failure.is_alert();
        let failure = ConnectFailure::Tls(failure);
        let connection = &self.connections[number];
        if connection.is_opening() {
            return self.on_connect_failed(number, failure, now);
        }
        self.connections.note_failure(failure.clone());
        if !is_the_peer_s_wish && self.connections[number].in_flight() > 0 {
            let id = self.connections.answering(number);
            self.fail_because(number, id, Outcome::Malformed, &failure, now);
        }
        self.fail_connection(number, End::Tls(&failure), now);
    }
}

/// Connections over HTTP/2.
impl<D: Driver> EventLoop<D> {
    /// All streams of a connection that takes no further ones have ended.
    pub(super) fn end_drained(&mut self, number: u32, now: Timestamp) {
        // The timeout of requests that were given back starts again.
        self.connections[number].renew(now);
        let http2 = self.connections[number].wire().http2();
        let Some(http2) = http2.filter(|http2| http2.machine.is_going_away()) else {
            return self.close_gracefully(number);
        };
        let has_error = http2.machine.expulsion().is_some();
        let ending = if has_error { Ending::Expelled } else { Ending::GoingAway };
        let is_idle = self.connections.is_idle(number);
        let totals = self.recorder.totals();
        if is_idle {
            totals.idle_lost += 1;
        } else {
            totals.endings.add(ending);
        }
        self.close_lost(number, false, now);
    }

    /// Ends the late streams of a connection, or the connection with them.
    pub(super) fn end_late_streams(&mut self, number: u32, now: Timestamp) {
        let mut receiver = self.receiver(number, now);
        let goes_on = receiver.end_late_streams();
        let frames = receiver.follow_up.replies;
        if !goes_on {
            return self.fail_connection(number, End::Late, now);
        }
        self.connections.queue(number, &frames);
        match (self.connections.is_drained(number), self.connections.is_done(number)) {
            (true, _) => self.end_drained(number, now),
            (false, true) => self.leave(number, now),
            (false, false) if self.is_left(number) => self.close_gracefully(number),
            (false, false) => self.mark_ready(number),
        }
    }

    /// Whether the user whose own connection this is has left: the next one makes its own. A fresh
    /// connection at a place without a user waits for one: over HTTP/2 bytes arrive on it first.
    fn is_left(&self, number: u32) -> bool {
        let connection = &self.connections[number];
        connection.is_up() && connection.taken() > 0 && self.work.has_left(number)
    }

    /// When a connection fails on which the target allows no stream any more; never, if it allows
    /// some. Requests in flight have deadlines of their own.
    pub(super) fn barred_until(&self, number: u32) -> Timestamp {
        let connection = &self.connections[number];
        let since = connection.wire().http2().and_then(|http2| http2.barred_since);
        let waits = connection.in_flight() == 0 && !self.connections.is_idle(number);
        since.filter(|_| waits).map_or(Timestamp::NEVER, |since| since + self.options.timeout)
    }
}
