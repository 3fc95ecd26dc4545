//! Answers of steps: their bytes through the parser, and their judgement.

use uringbench_core::flow::answer::Answer;
use uringbench_core::flow::exchange::Exchange;
use uringbench_core::http::header_cache::HeaderCache;
use uringbench_core::http::response::{Malformed, Progress, Response};
use uringbench_core::pacer::Slot;
use uringbench_core::plan::{StreamKind, StreamPlan};
use uringbench_core::time::Timestamp;

use super::{Flows, Receipt};
use crate::connection::{Connection, Exchanges};
use crate::driver::Driver;
use crate::event_loop::EventLoop;
use crate::receive::{FeedResult, Source};
use crate::recorder::Recorder;

/// Bytes that have come for the oldest request on a connection.
struct Arrived<'a> {
    number: u32,
    bytes: &'a [u8],
    /// Of the request.
    sent: Timestamp,
    slot: Slot,
    now: Timestamp,
}

impl Flows {
    /// Run bytes through the parser as their step wants them read. Whether its stream has had
    /// enough; `None` for a WebSocket, which has a reader of its own.
    #[inline]
    fn parse(
        &mut self,
        step: usize,
        arrived: &Arrived<'_>,
        connection: &mut Connection,
        header_cache: &mut HeaderCache,
        recorder: &mut Recorder,
    ) -> Option<(Result<Progress, Malformed>, bool)> {
        let Arrived { number, bytes, sent, slot, now } = *arrived;
        let (step, parser) = (&self.steps[step], &mut connection.parser);
        let progress = match &*step.exchange {
            Exchange::Http if !step.needs_bytes => parser.feed(bytes, header_cache, step.is_head),
            Exchange::Http => {
                let gathering = &mut self.receipts[number as usize].gathering;
                gathering.feed(parser, bytes, header_cache, step.is_head)
            }
            Exchange::Events { count, stall } => {
                // A stream is late when it brings nothing, however long it lasts.
                connection.renewed = now;
                let plan =
                    StreamPlan { kind: StreamKind::Events, stall: *stall, events_max: *count };
                let Receipt { gathering, stream, .. } = &mut self.receipts[number as usize];
                let mut timed = recorder.timed(slot);
                let progress = gathering.feed_into(parser, bytes, header_cache, &mut |payload| {
                    stream.read(payload, plan, (sent, now), timed.as_deref_mut());
                });
                return Some((progress, stream.is_enough(plan)));
            }
            Exchange::Socket(_) => return None,
        };
        Some((progress, false))
    }

    /// The oldest answer on a connection is complete, with the last of these bytes.
    fn answered(
        &mut self,
        (number, connection): (u32, &mut Connection),
        (exchanges, recorder): (&mut Exchanges, &mut Recorder),
        (response, bytes): (Response, &[u8]),
        now: Timestamp,
    ) {
        let user = exchanges.oldest(number, connection).user;
        let step = self.users.step_number(user);
        let unix_ms = self.unix_ms(now);
        let judgement = if self.steps[step].needs_bytes {
            let receipt = &mut self.receipts[number as usize];
            let answer = receipt.gathering.answer(bytes, &response);
            let judgement = self.users.judge(user, unix_ms, &answer);
            receipt.clear();
            judgement
        } else {
            let Response { status, body_bytes, .. } = response;
            let answer = Answer { status, head: b"", body: b"", body_bytes };
            self.users.judge(user, unix_ms, &answer)
        };
        let answer = exchanges.answered(number, connection, response.status);
        recorder.judged(step, &answer, judgement, now);
        self.users.end_step(user, judgement.is_ok(), now);
        self.record_ends(recorder);
    }

    /// The request of a user's step was sent.
    pub(crate) fn sent(&mut self, user: u32, slot: Slot, recorder: &mut Recorder, sent: Timestamp) {
        self.users.note_sent(user, sent);
        recorder.sent_step(self.users.step_number(user), slot, sent);
    }
}

impl<D: Driver> EventLoop<D> {
    /// Run received bytes through the parser, judging answers as they complete.
    pub(crate) fn feed_steps(
        &mut self,
        number: u32,
        source: Source<'_, D::Buffer>,
        now: Timestamp,
    ) -> FeedResult {
        let connection = &mut self.connections[number as usize];
        let Some(flows) = self.flows.as_deref_mut() else { return FeedResult::Open };
        let mut bytes = match source {
            Source::Leased(buffer) => self.driver.bytes(buffer),
            Source::Decrypted(plain) => plain,
        };
        self.recorder.current.totals.received_bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            if connection.in_flight == 0 {
                return connection.unasked(bytes, &mut self.header_cache, &mut self.statuses);
            }
            let oldest = self.exchanges.oldest(number, connection);
            let (user, sent, slot) = (oldest.user, oldest.sent, oldest.slot());
            // What comes over a WebSocket need not be an answer.
            if !flows.is_talk(number) {
                oldest.begin_response(now);
            }
            let arrived = Arrived { number, bytes, sent, slot, now };
            let step = flows.users.step_number(user);
            let (header_cache, recorder) = (&mut self.header_cache, &mut self.recorder);
            let Some((progress, is_enough)) =
                flows.parse(step, &arrived, connection, header_cache, recorder)
            else {
                let mut heard = std::mem::take(&mut flows.heard);
                heard.extend_from_slice(bytes);
                return self.feed_talk(number, user, heard, now);
            };
            let is_repeatable = flows.steps[step].is_repeatable;
            let shared = (&mut self.exchanges, &mut self.recorder);
            match progress {
                Ok(Progress::Complete { response, .. })
                    if is_repeatable
                        && connection
                            .has_expired(shared.0.oldest(number, connection), &response) =>
                {
                    return FeedResult::Expired;
                }
                Ok(Progress::Complete { consumed, response }) => {
                    let at = || self.driver.peer_address(number, connection.turn);
                    self.statuses.answered(response.status, bytes, at);
                    flows.answered((number, connection), shared, (response, bytes), now);
                    bytes = &bytes[consumed..];
                    connection.note_bytes(response.body_bytes);
                    if !response.keep_alive || connection.owes_answered() {
                        return FeedResult::Finished;
                    }
                }
                Ok(Progress::NeedMore | Progress::Continue { .. }) => {
                    self.statuses.under_way(&connection.parser, bytes);
                    if let (true, Some(response)) = (is_enough, connection.parser.under_way()) {
                        flows.answered((number, connection), shared, (response, b""), now);
                        return FeedResult::Finished;
                    }
                    break;
                }
                Ok(Progress::Dropped { consumed }) => {
                    shared.0.oldest(number, connection).not_begun();
                    bytes = &bytes[consumed..];
                }
                Err(_) => return FeedResult::Malformed,
            }
        }
        FeedResult::Open
    }

    /// An answer that ended otherwise than in a fed buffer. Whether it was a step's.
    pub(crate) fn end_answer(&mut self, number: u32, response: Response, now: Timestamp) -> bool {
        let Some(flows) = self.flows.as_deref_mut() else { return false };
        let connection = &mut self.connections[number as usize];
        let shared = (&mut self.exchanges, &mut self.recorder);
        flows.answered((number, connection), shared, (response, b""), now);
        true
    }
}
