//! The course of a run as updates. All rows are made once for each interval, however many ask.

use uringbench_core::histogram::LatencyCounts;
use uringbench_core::record::Interval;
use uringbench_page::LiveCourse;
use uringbench_report::live::LiveSample;

use crate::viewers::Update;

/// A run up to now.
pub(crate) struct Course {
    live: LiveCourse,
    /// All rows, if somebody asked since the last interval.
    state: Option<Update>,
}

impl Course {
    pub(crate) const fn new(live: LiveCourse) -> Self {
        Self { live, state: None }
    }

    /// An interval is complete. Returns its row.
    pub(crate) fn add(
        &mut self,
        interval: &Interval,
        response: &LatencyCounts,
        sample: LiveSample,
    ) -> Update {
        self.state = None;
        Update::new("row", &self.live.add(interval, response, sample))
    }

    /// So many intervals are not shown.
    pub(crate) fn lost(&mut self, intervals: u64) {
        self.live.lost(intervals);
    }

    /// All rows.
    pub(crate) fn state(&mut self) -> Update {
        let Self { live, state } = self;
        state.get_or_insert_with(|| Update::new("state", &live.state())).clone()
    }
}
