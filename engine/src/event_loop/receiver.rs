//! The receive path: the bytes of a connection become answers and messages.
//!
//! One loop reads all received bytes ([`Receiver::receive`]), for every protocol and every source
//! of requests. It sends nothing: once the bytes are read, its caller acts on the [`FeedResult`]
//! and the [`FollowUp`].

use std::fmt::Display;
use std::sync::Arc;

use uringbench_core::answer_code::AnswerCode;
use uringbench_core::ending::Ending;
use uringbench_core::flow::step::{Failed, Judgement};
use uringbench_core::http::header_cache::HeaderCache;
use uringbench_core::http::quote;
use uringbench_core::http::response::{Malformed, Persistence, Progress, Response, ResponseParser};
use uringbench_core::http2::error as h2;
use uringbench_core::outcome::Outcome;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_core::websocket::machine::{Broken, FrameProgress, Message};

use super::endings::has_expired;
use crate::connections::Connections;
use crate::connections::connect_failure::ConnectFailure;
use crate::connections::connection::Connection;
use crate::connections::in_flight::ExchangeId;
use crate::drivers::Driver;
use crate::record::recorder::{Answers, IntervalCounts, Recorder};
use crate::record::statuses::Statuses;
use crate::wire::Wire;
use crate::wire::messages::{Goodbye, Instead, payload_of, quoted};
use crate::wire::stream::AnswerReader;
use crate::wire::websocket::Began;
use crate::work::{Reading, StepConfig, Work};

/// The status of an answer that opens a WebSocket.
const OPENED: AnswerCode = AnswerCode::http(101);

/// The state of a connection after a batch of bytes.
pub(super) enum FeedResult {
    /// It stays open.
    Open,
    /// The last response is complete, and one side closes the connection for this reason.
    Finished(Ending),
    /// Its purpose is fulfilled.
    Done,
    /// The same, and bytes that still arrive are read.
    Parting,
    /// The last bytes of a WebSocket that this side has closed.
    Parted,
    /// The target closed the WebSocket, for this reason if it gave one.
    Closed(Goodbye),
    /// The bytes were not a response.
    Malformed,
    /// Bytes arrived that no request asked for.
    Unsolicited,
    /// The target closes the connection because it received no request.
    Expired,
    /// The WebSocket, or HTTP/2, did not open.
    NotOpened(ConnectFailure),
    /// The connection takes no further streams, and all of them have ended.
    Drained,
    /// The target broke HTTP/2.
    Violated(h2::Violation),
    /// A database ends the connection with an error, for this reason.
    Fatal(Arc<str>),
}

/// The result of reading the first answer, frame or part among some bytes.
pub(super) enum Read {
    /// So many of them have been read.
    Taken(usize),
    /// All of them have been read, and nothing ended among them.
    All,
    /// The rest is not read.
    Over(FeedResult),
}

/// What the caller has to do once a batch of bytes has been read.
#[derive(Default)]
pub(super) struct FollowUp {
    /// The target asks for the body (`100 Continue`).
    pub(super) is_consent: bool,
    /// Frames to send.
    pub(super) replies: Vec<u8>,
    /// Requests were given back, and may be sent again on the same connection.
    pub(super) is_owing: bool,
    /// The WebSocket of a run, or HTTP/2, is open.
    pub(super) is_opened: bool,
    /// The user whose message is the next on the WebSocket.
    pub(super) next_message: Option<u32>,
    /// When messages that are held have to be evaluated.
    pub(super) judged_at: Option<Timestamp>,
}

impl FollowUp {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        let Self { is_consent, replies, is_owing, is_opened, next_message, judged_at } = self;
        !is_consent
            && !is_owing
            && replies.is_empty()
            && !is_opened
            && next_message.is_none()
            && judged_at.is_none()
    }
}

/// Reads an answer of which more than the status is needed.
struct Kept<'a> {
    step: &'a StepConfig,
    reader: Option<&'a mut AnswerReader>,
    /// Where to record events, if they are timed.
    timed: Option<&'a mut IntervalCounts>,
    sent: Timestamp,
    now: Timestamp,
}

impl Kept<'_> {
    /// Run bytes through the parser, and keep those that are wanted.
    #[inline(never)]
    fn read(
        self,
        parser: &mut ResponseParser,
        header_cache: &mut HeaderCache,
        bytes: &[u8],
    ) -> Result<Progress, Malformed> {
        let Self { step, reader, timed, sent, now } = self;
        let is_head = step.is_head;
        match (step.reading, reader) {
            (Reading::Stream(plan), Some(reader)) => {
                let machines = (parser, header_cache);
                reader.feed_stream(machines, (bytes, is_head), plan, (sent, now), timed)
            }
            (_, Some(reader)) => reader.feed((parser, header_cache), (bytes, is_head)),
            (_, None) => parser.feed(bytes, header_cache, is_head),
        }
    }
}

/// Why a connection ends with an answer, if it does.
#[inline]
fn ending_behind(response: &Response, connection: &Connection) -> Option<Ending> {
    match response.persistence {
        Persistence::Closed => Some(Ending::Announced),
        Persistence::Ambiguous => Some(Ending::Ambiguous),
        Persistence::Kept => connection.owes_answered().then_some(Ending::Early),
    }
}

/// The receive path of one connection, for as long as one batch of bytes takes.
pub(super) struct Receiver<'a, D> {
    pub(super) driver: &'a D,
    pub(super) connections: &'a mut Connections,
    pub(super) work: &'a mut Work,
    pub(super) recorder: &'a mut Recorder,
    pub(super) statuses: &'a mut Statuses,
    pub(super) header_cache: &'a mut HeaderCache,
    pub(super) readers: &'a mut [AnswerReader],
    pub(super) number: u32,
    pub(super) timeout: Nanos,
    pub(super) now: Timestamp,
    /// Equal answers, as those of a pipeline mostly are, are recorded together.
    pub(super) alike: Option<Answers>,
    pub(super) follow_up: FollowUp,
}

impl<D: Driver> Receiver<'_, D> {
    /// Read received bytes, ending exchanges as their answers complete.
    #[inline]
    pub(super) fn receive(&mut self, mut bytes: &[u8]) -> FeedResult {
        self.recorder.totals().received_bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            match self.read_next(bytes) {
                Read::Taken(count) => bytes = &bytes[count..],
                Read::All => break,
                Read::Over(fed) => return fed,
            }
        }
        FeedResult::Open
    }

    /// Record the equal answers that have not been recorded yet.
    #[inline]
    pub(super) fn flush(&mut self) {
        if let Some(answers) = self.alike.take() {
            self.recorder.ended_alike(&answers, self.now);
        }
    }

    /// So many bytes of payload arrived and were dropped unread.
    pub(super) fn skip(&mut self, count: u64) -> FeedResult {
        self.recorder.totals().received_bytes += count;
        match self.connections[self.number].wire_mut() {
            Wire::Http(parser) => match parser.skip(count) {
                Some(response) => self.end_answer(&response),
                None => FeedResult::Open,
            },
            Wire::WebSocket(socket) => {
                if let Some(message) = socket.skip(count) {
                    self.on_message(&message, None);
                }
                FeedResult::Open
            }
            // It has no opaque bytes, so none are skipped.
            Wire::Http2(_) => FeedResult::Open,
            Wire::Redis(redis) => {
                redis.reader_mut().skip(count);
                FeedResult::Open
            }
            Wire::Postgres(postgres) => {
                postgres.reader_mut().skip(count);
                FeedResult::Open
            }
        }
    }

    /// Read the first answer or frame among these bytes, in the connection's protocol.
    #[inline(always)]
    fn read_next(&mut self, bytes: &[u8]) -> Read {
        let number = self.number;
        let (connection, in_flight) = self.connections.with_exchanges(number);
        if connection.in_flight() == 0 {
            return self.read_unasked(bytes);
        }
        let id = in_flight.oldest(number, connection.share());
        let exchange = in_flight.get_mut(id);
        let user = exchange.user();
        let step = self.work.step(user);
        let Wire::Http(parser) = connection.wire_mut() else { return self.read_frames(bytes) };
        exchange.begin_response(self.now);
        let progress = if let Reading::Status = step.reading {
            parser.feed(bytes, self.header_cache, step.is_head)
        } else {
            let timed = self.recorder.timed(exchange.slot());
            let reader = self.readers.get_mut(number as usize);
            let kept = Kept { step, reader, timed, sent: exchange.sent(), now: self.now };
            kept.read(parser, self.header_cache, bytes)
        };
        match progress {
            Ok(Progress::Complete { consumed, response }) => {
                if !response.is_kept()
                    && step.is_repeatable
                    && has_expired(connection, exchange, &response)
                {
                    return Read::Over(FeedResult::Expired);
                }
                let of_answer = &bytes[..consumed];
                let at = || self.driver.peer_address(number, connection.turn());
                self.statuses.answered(response.status, of_answer, at);
                let code = AnswerCode::http(response.status);
                let answers = in_flight.answered(number, connection.share_mut(), id, (code, 1));
                connection.note_answer(response.body_bytes);
                let ending = ending_behind(&response, connection);
                let is_plain = matches!(step.reading, Reading::Status) && !code.is_unusual();
                self.note_answered((user, answers), &response, of_answer);
                if let Some(ending) = ending {
                    return Read::Over(FeedResult::Finished(ending));
                }
                let more = if is_plain { self.read_alike(id, &response, bytes) } else { 0 };
                Read::Taken(consumed * (1 + usize::from(more)))
            }
            Ok(Progress::NeedMore) => self.read_part((id, user), bytes),
            Ok(Progress::Dropped { consumed }) => {
                exchange.not_begun();
                Read::Taken(consumed)
            }
            Ok(Progress::Continue { consumed }) => {
                self.follow_up.is_consent = true;
                Read::Taken(consumed)
            }
            Err(_) => Read::Over(FeedResult::Malformed),
        }
    }

    /// Answers to requests that were sent together are mostly equal: read those behind the first
    /// of `bytes` that equal it, and return how many they are. A user's requests are sent one by
    /// one.
    #[inline]
    fn read_alike(&mut self, id: ExchangeId, response: &Response, bytes: &[u8]) -> u16 {
        let (connection, in_flight) = self.connections.with_exchanges(self.number);
        let left = in_flight.get(id).count();
        let count = if left == 0 { 0 } else { self.header_cache.repeats(bytes, left) };
        if count > 0 {
            let share = connection.share_mut();
            let alike = (AnswerCode::http(response.status), count);
            in_flight.get_mut(id).begin_response(self.now);
            let answers = in_flight.answered(self.number, share, id, alike);
            connection.note_answers(response.body_bytes, count);
            debug_assert!(!connection.owes_answered(), "requests sent together are sent whole");
            self.recorder.gather(&mut self.alike, answers, self.now);
        }
        count
    }

    /// The answer under way does not end with these bytes, unless it is a stream that has brought
    /// as many events as are wanted.
    #[inline(never)]
    fn read_part(&mut self, (id, user): (ExchangeId, u32), bytes: &[u8]) -> Read {
        let Some(parser) = self.connections[self.number].wire().parser() else { return Read::All };
        let response = parser.under_way();
        self.statuses.under_way(response, bytes);
        let Reading::Stream(plan) = self.work.step(user).reading else { return Read::All };
        // A stream is late when it brings nothing, however long it lasts.
        self.connections[self.number].renew(self.now);
        if let Some(response) = response
            && self.readers.get(self.number as usize).is_some_and(|reader| reader.is_enough(plan))
        {
            self.complete((id, user), &response);
            return Read::Over(FeedResult::Finished(Ending::Enough));
        }
        Read::All
    }

    /// Bytes arrived while nothing is in flight: some belong to no answer and are harmless, and
    /// with a 408 a server closes a connection that carried no request.
    #[cold]
    #[inline(never)]
    fn read_unasked(&mut self, bytes: &[u8]) -> Read {
        let Wire::Http(parser) = self.connections[self.number].wire_mut() else {
            return self.read_frames(bytes);
        };
        if bytes.starts_with(b"HTTP/1.") && bytes.get(8..12) == Some(b" 408") {
            return Read::Over(FeedResult::Expired);
        }
        let harmless = parser.drop_unasked(bytes, self.header_cache);
        if harmless == bytes.len() {
            return Read::All;
        }
        self.statuses.unsolicited(&bytes[harmless..]);
        Read::Over(FeedResult::Unsolicited)
    }

    /// Requests are answered; `bytes` are the last or only ones of the answer.
    #[inline]
    pub(super) fn note_answered(
        &mut self,
        answered: (u32, Answers),
        response: &Response,
        bytes: &[u8],
    ) {
        let reader = self.readers.get_mut(self.number as usize);
        let record = (&mut *self.recorder, &mut self.alike);
        self.work.answered(answered, response, (reader, bytes), record, self.now);
    }

    /// An exchange is answered, and the answer does not end with received bytes.
    fn complete(&mut self, (id, user): (ExchangeId, u32), response: &Response) {
        let (connection, in_flight) = self.connections.with_exchanges(self.number);
        let share = connection.share_mut();
        let code = AnswerCode::http(response.status);
        let answers = in_flight.answered(self.number, share, id, (code, 1));
        connection.note_answer(response.body_bytes);
        self.note_answered((user, answers), response, b"");
    }

    /// An answer ends, but not with received bytes.
    pub(super) fn end_answer(&mut self, response: &Response) -> FeedResult {
        let number = self.number;
        let id = self.connections.answering(number);
        let user = self.connections.in_flight().get(id).user();
        self.complete((id, user), response);
        let connection = &self.connections[number];
        let at = || self.driver.peer_address(number, connection.turn());
        self.statuses.answered(response.status, b"", at);
        match ending_behind(response, connection) {
            None => FeedResult::Open,
            Some(ending) => FeedResult::Finished(ending),
        }
    }
}

/// WebSockets.
impl<D: Driver> Receiver<'_, D> {
    /// Read bytes of another protocol than HTTP/1.1.
    #[inline(never)]
    fn read_frames(&mut self, bytes: &[u8]) -> Read {
        match self.connections[self.number].wire() {
            Wire::Http2(_) => self.read_streams(bytes),
            Wire::Postgres(postgres) if postgres.is_being_opened() => self.read_opening(bytes),
            Wire::Redis(_) | Wire::Postgres(_) => self.read_replies(bytes),
            Wire::Http(_) | Wire::WebSocket(_) => self.read_frame(bytes),
        }
    }

    /// Read the first of these bytes as frames, or as the answer to the opening.
    #[inline(never)]
    fn read_frame(&mut self, bytes: &[u8]) -> Read {
        let (number, now) = (self.number, self.now);
        let (connection, in_flight) = self.connections.with_exchanges(number);
        let is_asked = connection.in_flight() > 0;
        let is_parting = connection.is_parting();
        let id = is_asked.then(|| in_flight.oldest(number, connection.share()));
        let Some(socket) = connection.wire_mut().websocket_mut() else { return Read::All };
        if let (true, Some(id)) = (socket.is_opening(), id) {
            // The opening is a user's request.
            in_flight.get_mut(id).begin_response(now);
        }
        match socket.feed(bytes) {
            Ok(FrameProgress::Message { consumed, message }) => {
                if is_parting {
                    // No request asked for it.
                    self.recorder.totals().unsolicited_messages += 1;
                    socket.forget_message();
                } else {
                    self.on_message(&message, payload_of(&bytes[..consumed]));
                }
                Read::Taken(consumed)
            }
            Ok(FrameProgress::NeedMore) => {
                self.statuses.under_way(socket.machine().refusal(), bytes);
                socket.note_begun(Began { at: now, is_early: !is_asked });
                Read::All
            }
            Ok(FrameProgress::Reply { consumed, frame }) => {
                if !is_parting {
                    self.follow_up.replies.extend_from_slice(frame.bytes());
                }
                Read::Taken(consumed)
            }
            Ok(FrameProgress::Opened { consumed }) => {
                if socket.greeting() == 0 {
                    self.on_opened();
                }
                Read::Taken(consumed)
            }
            Ok(FrameProgress::Refused { .. } | FrameProgress::Closed { .. }) if is_parting => {
                Read::Over(FeedResult::Parted)
            }
            Ok(FrameProgress::Refused { consumed, response }) => {
                Read::Over(self.on_refused(&response, &bytes[..consumed]))
            }
            Ok(FrameProgress::Closed { code, reply, .. }) => {
                let goodbye = Goodbye::of(socket.machine(), code);
                let reply = reply.iter().flat_map(|frame| frame.bytes());
                self.follow_up.replies.extend(reply);
                Read::Over(self.on_goodbye(goodbye))
            }
            Err(_) if is_parting => Read::Over(FeedResult::Parted),
            Err(broken) => Read::Over(self.on_broken(broken, bytes)),
        }
    }

    /// The WebSocket is open, and its greeting has arrived.
    fn on_opened(&mut self) {
        if self.connections[self.number].in_flight() == 0 {
            self.follow_up.is_opened = true;
            return;
        }
        // The opening was a user's request.
        let (id, user) = self.answering();
        self.end_message((id, user), Ok(()), OPENED);
        self.follow_up.next_message = Some(user);
    }

    /// The answer to the opening refuses the WebSocket.
    fn on_refused(&mut self, response: &Response, bytes: &[u8]) -> FeedResult {
        let refusal = self.statuses.refusal(response.status, bytes);
        if self.connections[self.number].in_flight() == 0 {
            return FeedResult::NotOpened(ConnectFailure::Upgrade(refusal.into()));
        }
        let (id, user) = self.answering();
        self.connections[self.number].note_answer(response.body_bytes);
        self.end_message((id, user), Err(Failed::Status), AnswerCode::http(response.status));
        self.work.end_step(user, false, self.recorder, self.now);
        FeedResult::Finished(if response.is_kept() { Ending::Refused } else { Ending::Announced })
    }

    /// The target has closed the WebSocket. One that is being opened, or was opened by the same
    /// bytes, has carried no message.
    fn on_goodbye(&mut self, goodbye: Goodbye) -> FeedResult {
        if self.connections[self.number].is_opening() {
            self.follow_up.is_opened = false;
            return FeedResult::NotOpened(ConnectFailure::Goodbye(goodbye.to_string().into()));
        }
        FeedResult::Closed(goodbye)
    }

    /// The target broke the protocol.
    #[cold]
    fn on_broken(&mut self, broken: Broken, bytes: &[u8]) -> FeedResult {
        let connection = &mut self.connections[self.number];
        if connection.is_opening() && !self.follow_up.is_opened {
            return FeedResult::NotOpened(ConnectFailure::Answer(broken.to_string().into()));
        }
        if let Some(socket) = connection.wire_mut().websocket_mut() {
            self.follow_up.replies.extend(socket.close(broken.close_code()));
        }
        if connection.in_flight() > 0 {
            let id = self.connections.answering(self.number);
            let exchange = self.connections.in_flight().get(id);
            let step = self.work.step_number(exchange.user());
            let seen = (&broken as &dyn Display, &quote::first_line(bytes) as &dyn Display);
            self.recorder.caused_with(step, exchange.slot(), (Outcome::Malformed, 1), seen);
        }
        FeedResult::Malformed
    }

    /// A message has arrived; `payload` is the part of it that is in memory.
    #[inline]
    fn on_message(&mut self, message: &Message, payload: Option<&[u8]>) {
        self.read_message(message, payload);
        if let Some(socket) = self.connections[self.number].wire_mut().websocket_mut() {
            socket.forget_message();
        }
    }

    #[inline]
    fn read_message(&mut self, message: &Message, payload: Option<&[u8]>) {
        let (number, now) = (self.number, self.now);
        let (connection, in_flight) = self.connections.with_exchanges(number);
        let is_asked = connection.in_flight() > 0;
        let id = in_flight.oldest(number, connection.share());
        let Some(socket) = connection.wire_mut().websocket_mut() else { return };
        let began = socket.message_began(Began { at: now, is_early: !is_asked });
        if socket.greeting() > 0 {
            if socket.greeted() {
                self.on_opened();
            }
            return;
        }
        // One that began before the request was sent cannot answer it.
        if !is_asked || began.is_early {
            self.recorder.totals().unsolicited_messages += 1;
            return;
        }
        let exchange = in_flight.get_mut(id);
        let (user, slot, sent) = (exchange.user(), exchange.slot(), exchange.sent());
        let judgement = self.work.judge_message(user, message, socket.conversation(), now);
        if let Some(hearing) = self.work.hearing(user) {
            let patience = hearing.patience(self.timeout);
            match judgement {
                Ok(()) => hearing.note_right(now.since(sent)),
                Err(failed) if patience > Nanos::ZERO => {
                    let received = socket.conversation().map(|its| its.received().to_vec());
                    let since = socket.hold(failed, received.as_deref().or(payload), now);
                    self.follow_up.judged_at = Some(since + patience);
                    return;
                }
                Err(_) => {}
            }
        }
        if let Some((_, held)) = socket.take_held() {
            self.recorder.totals().unsolicited_messages += u64::from(held.count);
        }
        if judgement.is_err() {
            let conversation = socket.conversation();
            let found = quoted(conversation.as_ref().map(|its| its.received()).or(payload));
            let step = self.work.step_number(user);
            self.recorder.caused(step, slot, (Outcome::CheckFailed, 1), &Instead(&found));
            conversation.into_iter().for_each(|its| its.note_failed());
        }
        let is_step_s = socket.conversation().is_some();
        exchange.begin_response(began.at);
        connection.note_answer(message.payload_bytes);
        self.end_message((id, user), judgement, AnswerCode::MESSAGE);
        self.follow_up.next_message = is_step_s.then_some(user);
    }

    fn answering(&self) -> (ExchangeId, u32) {
        let id = self.connections.answering(self.number);
        (id, self.connections.in_flight().get(id).user())
    }

    /// The opening or a message is answered.
    #[inline]
    fn end_message(
        &mut self,
        (id, user): (ExchangeId, u32),
        judgement: Judgement,
        code: AnswerCode,
    ) {
        let number = self.number;
        let (connection, in_flight) = self.connections.with_exchanges(number);
        let answers = in_flight.answered(number, connection.share_mut(), id, (code, 1));
        self.recorder.ended(self.work.step_number(user), &answers, judgement, self.now);
    }
}
