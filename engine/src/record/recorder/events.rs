//! Events of streams: the time to the first one of an answer, and the gaps between them.

use uringbench_core::time::{Nanos, Timestamp};

use super::IntervalCounts;

impl IntervalCounts {
    /// An event of a stream has arrived: the first one of a request that was sent then, or one
    /// after another.
    pub(crate) fn note_event(
        &mut self,
        (sent, before, now): (Timestamp, Option<Timestamp>, Timestamp),
        stall: Nanos,
    ) {
        self.totals.events += 1;
        match before {
            None => self.first_event.record(now.since(sent).0),
            Some(before) => {
                let gap = now.since(before);
                self.gap.record(gap.0);
                self.totals.stalls += u64::from(gap >= stall);
            }
        }
    }
}
