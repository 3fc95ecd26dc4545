//! Answers that come as a stream: when the first event comes, and how long until each next one.

use uringbench_core::http::response::Progress;
use uringbench_core::plan::{StreamKind, StreamPlan};
use uringbench_core::sse::EventReader;
use uringbench_core::time::Timestamp;

use crate::connection::Connection;
use crate::driver::Driver;
use crate::event_loop::EventLoop;
use crate::receive::{FeedResult, Source};
use crate::recorder::IntervalCounts;

impl<D: Driver> EventLoop<D> {
    /// Run received bytes through the parser and the reader of events; act on `100 Continue`.
    pub(crate) fn feed_stream(
        &mut self,
        number: u32,
        source: Source<'_, D::Buffer>,
        now: Timestamp,
    ) -> FeedResult {
        if self.terms.stream.is_some() {
            // A stream is late when it brings nothing, however long it lasts.
            self.connections[number as usize].renewed = now;
        }
        let (fed, is_consent) = self.read_stream(number, source, now);
        if is_consent {
            self.on_consent(number, now);
        }
        fed
    }

    /// What the bytes did to the connection, and whether the target asks for the body.
    fn read_stream(
        &mut self,
        number: u32,
        source: Source<'_, D::Buffer>,
        now: Timestamp,
    ) -> (FeedResult, bool) {
        let connection = &mut self.connections[number as usize];
        let mut bytes = match source {
            Source::Leased(buffer) => self.driver.bytes(buffer),
            Source::Decrypted(plain) => plain,
        };
        self.recorder.current.totals.received_bytes += bytes.len() as u64;
        let mut is_consent = false;
        let is_head = self.options.is_head;
        let header_cache = &mut self.header_cache;
        while !bytes.is_empty() {
            if connection.in_flight == 0 {
                let fed = connection.unasked(bytes, header_cache, &mut self.statuses);
                return (fed, is_consent);
            }
            let oldest = self.exchanges.oldest(number, connection);
            oldest.begin_response(now);
            let times = (oldest.sent, now);
            let mut timed = self.recorder.timed(oldest.slot());
            let stream = connection.session.as_mut().and_then(|session| session.stream.as_mut());
            let progress = match (self.terms.stream, stream) {
                (Some(plan), Some(stream)) => {
                    connection.parser.feed_into(bytes, header_cache, is_head, &mut |payload| {
                        stream.read(payload, plan, times, timed.as_deref_mut());
                    })
                }
                _ => connection.parser.feed(bytes, header_cache, is_head),
            };
            match progress {
                Ok(Progress::Complete { consumed, response }) => {
                    let oldest = self.exchanges.oldest(number, connection);
                    if connection.has_expired(oldest, &response) && self.options.is_repeatable {
                        return (FeedResult::Expired, is_consent);
                    }
                    let head;
                    (head, bytes) = bytes.split_at(consumed);
                    let at = || self.driver.peer_address(number, connection.turn);
                    self.statuses.answered(response.status, head, at);
                    let answer = self.exchanges.answered(number, connection, response.status);
                    connection.end_stream();
                    self.recorder.completed(&answer, now);
                    connection.note_bytes(response.body_bytes);
                    if !response.keep_alive || connection.owes_answered() {
                        return (FeedResult::Finished, is_consent);
                    }
                }
                Ok(Progress::Continue { consumed }) => {
                    bytes = &bytes[consumed..];
                    is_consent = true;
                }
                Ok(Progress::Dropped { consumed }) => {
                    self.exchanges.oldest(number, connection).not_begun();
                    bytes = &bytes[consumed..];
                }
                Ok(Progress::NeedMore) => {
                    self.statuses.under_way(&connection.parser, bytes);
                    break;
                }
                Err(_) => return (FeedResult::Malformed, is_consent),
            }
        }
        (self.end_if_enough(number, now), is_consent)
    }

    /// End an answer whose stream has had as many events as are wanted.
    fn end_if_enough(&mut self, number: u32, now: Timestamp) -> FeedResult {
        let connection = &mut self.connections[number as usize];
        let is_enough = connection.has_enough(self.terms.stream);
        let (true, Some(response)) = (is_enough, connection.parser.under_way()) else {
            return FeedResult::Open;
        };
        let answer = self.exchanges.answered(number, connection, response.status);
        self.recorder.completed(&answer, now);
        FeedResult::Finished
    }
}

impl Connection {
    /// An answer that is a stream has ended.
    pub(crate) fn end_stream(&mut self) {
        if let Some(stream) = self.session.as_mut().and_then(|session| session.stream.as_mut()) {
            stream.end();
        }
    }

    fn has_enough(&self, plan: Option<StreamPlan>) -> bool {
        let stream = self.session.as_ref().and_then(|session| session.stream.as_ref());
        stream.zip(plan).is_some_and(|(stream, plan)| stream.is_enough(plan))
    }
}

/// One connection's place in its stream.
#[derive(Default)]
pub(crate) struct Stream {
    reader: EventReader,
    /// When the last event of this answer came.
    last: Option<Timestamp>,
    /// Events of this answer.
    events: u64,
}

impl Stream {
    /// Payload of an answer to a request sent then has come; events are recorded if it is timed.
    pub(crate) fn read(
        &mut self,
        payload: &[u8],
        plan: StreamPlan,
        (sent, now): (Timestamp, Timestamp),
        mut timed: Option<&mut IntervalCounts>,
    ) {
        let Self { reader, last, events } = self;
        let mut note = || {
            *events += 1;
            let before = last.replace(now);
            let Some(handover) = timed.as_deref_mut() else { return };
            handover.totals.events += 1;
            match before {
                None => handover.first_event.record(now.since(sent).0),
                Some(before) => {
                    let gap = now.since(before);
                    handover.gap.record(gap.0);
                    handover.totals.stalls += u64::from(gap >= plan.stall);
                }
            }
        };
        match plan.kind {
            StreamKind::Events => reader.feed(payload, &mut |_| note()),
            StreamKind::Arrivals => note(),
        }
    }

    /// Whether this answer has brought as many events as are wanted.
    pub(crate) fn is_enough(&self, plan: StreamPlan) -> bool {
        plan.events_max.is_some_and(|most| self.events >= most)
    }

    /// The answer has ended.
    pub(crate) fn end(&mut self) {
        self.reader.end_of_stream();
        self.last = None;
        self.events = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uringbench_core::time::Nanos;

    #[test]
    fn first_events_gaps_and_stalls_are_told_apart() {
        let stall = Nanos::from_millis(100);
        let plan = StreamPlan { kind: StreamKind::Events, stall, events_max: Some(3) };
        let (mut stream, mut handover) = (Stream::default(), IntervalCounts::default());
        let sent = Timestamp(1_000_000_000);
        let at = |millis| (sent, sent + Nanos::from_millis(millis));
        stream.read(b"data: a\n", plan, at(5), Some(&mut handover));
        assert_eq!(handover.totals.events, 0);
        stream.read(b"\n: comment\n\n", plan, at(10), Some(&mut handover));
        stream.read(b"data: b\n\n", plan, at(30), Some(&mut handover));
        assert!(!stream.is_enough(plan));
        stream.read(b"data: c\n\n", plan, at(200), Some(&mut handover));
        assert!(stream.is_enough(plan));
        let totals = handover.totals;
        assert_eq!((totals.events, totals.stalls), (3, 1));
        assert_eq!((handover.first_event.total(), handover.gap.total()), (1, 2));
        stream.end();
        // What is not timed is followed all the same.
        stream.read(b"data: d\n\n", plan, at(300), None);
        stream.read(b"data: e\n\n", plan, at(400), Some(&mut handover));
        assert_eq!((handover.first_event.total(), handover.gap.total()), (1, 3));
    }

    #[test]
    fn without_events_every_arrival_is_one() {
        let plan =
            StreamPlan { kind: StreamKind::Arrivals, stall: Nanos::SECOND, events_max: None };
        let (mut stream, mut handover) = (Stream::default(), IntervalCounts::default());
        for millis in [1, 2, 3] {
            let times = (Timestamp(1), Timestamp(1) + Nanos::from_millis(millis));
            stream.read(b"x", plan, times, Some(&mut handover));
        }
        assert_eq!((handover.totals.events, handover.gap.total()), (3, 2));
        assert!(!stream.is_enough(plan));
    }
}
