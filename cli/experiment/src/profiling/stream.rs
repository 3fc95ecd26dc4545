//! Writes the timeline of a soak during the run, with all that its verdict rests on: a crash loses
//! at most the last rows, and `uringbench soak --read` gives the verdict on the rest.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::path::Path;

use uringbench_core::plan::Plan;
use uringbench_core::record::Interval;
use uringbench_core::time::Timestamp;
use uringbench_document::timeline::lines::{TimelineHead, append_head, append_line};
use uringbench_profiler::session::Sidecar;
use uringbench_profiler::soak::{head_of, row_of};
use uringbench_profiler::timeline::reading::Reading;
use uringbench_profiler::timeline::series::Timeline;

/// A file to which rows are appended.
pub(crate) struct Stream {
    inner: RefCell<Inner>,
}

struct Inner {
    file: File,
    timeline: Timeline,
    /// Readings taken from the sidecar, and those among them without a written row.
    taken: usize,
    waiting: Vec<Reading>,
    /// Rows of the timeline that are written.
    written: usize,
    /// Intervals that may overlap rows to come, and the requests completed before them.
    intervals: Vec<Interval>,
    completed_before: u64,
    failure: Option<io::Error>,
}

impl Stream {
    /// Creates `timeline.jsonl` in `folder`.
    pub(crate) fn create(folder: &Path, hz: u32, plan: &Plan) -> io::Result<Self> {
        let mut file = File::create(folder.join("timeline.jsonl"))?;
        append_head(&mut file, &TimelineHead::new(hz, None).of_soak(head_of(plan)))?;
        let inner = Inner {
            file,
            timeline: Timeline::new(hz),
            taken: 0,
            waiting: Vec::new(),
            written: 0,
            intervals: Vec::new(),
            completed_before: 0,
            failure: None,
        };
        Ok(Self { inner: RefCell::new(inner) })
    }

    /// An interval of the load is complete: writes the rows that it completes.
    pub(crate) fn append(&self, sidecar: &Sidecar, start: Timestamp, interval: &Interval) {
        let inner = &mut *self.inner.borrow_mut();
        let readings = sidecar.readings_after(inner.taken);
        inner.taken += readings.len();
        for reading in readings {
            let rows = inner.timeline.len();
            inner.timeline.push(&reading);
            // A reading that is no later than the last has no row.
            if inner.timeline.len() > rows {
                inner.waiting.push(reading);
            }
        }
        inner.intervals.push(interval.clone());
        inner.write(start, sidecar);
        inner.forget(start);
    }

    /// Why rows are missing, if any are.
    pub(crate) fn failure(&self) -> Option<String> {
        let inner = self.inner.borrow();
        inner.failure.as_ref().map(|why| format!("timeline.jsonl is not complete: {why}"))
    }
}

impl Inner {
    /// Writes the rows that end within the intervals so far.
    fn write(&mut self, start: Timestamp, sidecar: &Sidecar) {
        let Some(last) = self.intervals.last() else { return };
        let complete = start + last.start + last.length;
        let ready = self.waiting.iter().take_while(|reading| reading.time <= complete).count();
        if ready == 0 {
            return;
        }
        let runtimes = sidecar.runtimes();
        for reading in self.waiting.drain(..ready) {
            let mut row = self.timeline.row_under(self.written, start, &self.intervals);
            let requests = completed_by(reading.time, start, &self.intervals);
            row.soak = Some(row_of(&reading, self.completed_before + requests, &runtimes));
            self.written += 1;
            if self.failure.is_none() {
                self.failure = append_line(&mut self.file, &row).err();
            }
        }
    }

    /// Forgets the intervals that end before the rows to come begin.
    fn forget(&mut self, start: Timestamp) {
        let Some(&from) = self.timeline.ends().get(self.written.wrapping_sub(1)) else { return };
        let is_past = |interval: &&Interval| start + interval.start + interval.length <= from;
        let past = self.intervals.iter().take_while(is_past).count();
        self.completed_before +=
            self.intervals.drain(..past).map(|interval| interval.completed).sum::<u64>();
    }
}

/// Requests completed by `time` in these intervals, evenly within each.
fn completed_by(time: Timestamp, start: Timestamp, intervals: &[Interval]) -> u64 {
    let completed = |interval: &Interval| {
        let begun = start + interval.start;
        let share = time.since(begun).as_secs_f64() / interval.length.as_secs_f64().max(1e-9);
        (interval.completed as f64 * share.min(1.0)) as u64
    };
    intervals.iter().map(completed).sum()
}
