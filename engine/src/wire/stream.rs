//! Answers whose bytes are read: kept until they are checked, or read as a stream, for the time of
//! the first event and the gaps between events.

use uringbench_core::flow::answer::Answer;
use uringbench_core::flow::response_buffer::ResponseBuffer;
use uringbench_core::http::header_cache::HeaderCache;
use uringbench_core::http::response::{Malformed, Progress, Response, ResponseParser};
use uringbench_core::plan::{StreamKind, StreamPlan};
use uringbench_core::sse::EventReader;
use uringbench_core::time::Timestamp;

use crate::record::recorder::IntervalCounts;

/// The bytes of the current answer on one connection.
#[derive(Default)]
pub(crate) struct AnswerReader {
    buffer: ResponseBuffer,
    stream: Stream,
}

impl AnswerReader {
    /// Pass bytes of an answer that is kept through the parser.
    ///
    /// # Errors
    /// Those of the parser.
    pub(crate) fn feed(
        &mut self,
        (parser, header_cache): (&mut ResponseParser, &mut HeaderCache),
        (bytes, is_head): (&[u8], bool),
    ) -> Result<Progress, Malformed> {
        self.buffer.feed(parser, bytes, header_cache, is_head)
    }

    /// See [`ResponseBuffer::buffers`].
    pub(crate) const fn buffers(&mut self) -> (&mut Vec<u8>, &mut Vec<u8>) {
        self.buffer.buffers()
    }

    /// The complete answer. `bytes` are those that were fed last.
    pub(crate) fn answer<'a>(&'a self, bytes: &'a [u8], response: &Response) -> Answer<'a> {
        self.buffer.answer(bytes, response)
    }

    /// Pass bytes of a stream through the parser and the reader of events, which are recorded if
    /// they are timed.
    ///
    /// # Errors
    /// Those of the parser.
    pub(crate) fn feed_stream(
        &mut self,
        (parser, header_cache): (&mut ResponseParser, &mut HeaderCache),
        (bytes, is_head): (&[u8], bool),
        plan: StreamPlan,
        times: (Timestamp, Timestamp),
        mut timed: Option<&mut IntervalCounts>,
    ) -> Result<Progress, Malformed> {
        let Self { buffer, stream } = self;
        buffer.feed_into(parser, bytes, header_cache, is_head, &mut |payload| {
            stream.read(payload, plan, times, timed.as_deref_mut());
        })
    }

    /// Whether this answer has delivered as many events as configured.
    pub(crate) fn is_enough(&self, plan: StreamPlan) -> bool {
        self.stream.is_enough(plan)
    }

    /// The answer or its connection has ended.
    pub(crate) fn clear(&mut self) {
        self.buffer.clear();
        self.stream.end();
    }
}

/// The state of the stream on one connection.
#[derive(Default)]
struct Stream {
    reader: EventReader,
    /// When the last event of this answer arrived.
    last: Option<Timestamp>,
    /// Events of this answer.
    events: u64,
}

impl Stream {
    /// Payload of an answer to a request sent at this time has arrived; events are recorded if it
    /// is timed.
    fn read(
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
            if let Some(handover) = timed.as_deref_mut() {
                handover.note_event((sent, before, now), plan.stall);
            }
        };
        match plan.kind {
            StreamKind::Events => reader.feed(payload, &mut |_| note()),
            StreamKind::Arrivals => note(),
            // The machine of HTTP/2 counts them.
            StreamKind::Messages => {}
        }
    }

    fn is_enough(&self, plan: StreamPlan) -> bool {
        plan.events_max.is_some_and(|most| self.events >= most)
    }

    /// The answer has ended.
    fn end(&mut self) {
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
        // Events that are not timed are still parsed.
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
