//! Writes the timeline of a soak during the run: a crash loses at most the last rows.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::path::Path;

use uringbench_core::record::Interval;
use uringbench_core::time::Timestamp;
use uringbench_document::timeline::lines::{append_head, append_line};
use uringbench_profiler::session::Sidecar;
use uringbench_profiler::timeline::series::Timeline;

/// A file to which rows are appended.
pub(crate) struct Stream {
    inner: RefCell<Inner>,
}

struct Inner {
    file: File,
    timeline: Timeline,
    readings: usize,
    written: usize,
    failure: Option<io::Error>,
}

impl Stream {
    /// Creates `timeline.jsonl` in `folder`.
    pub(crate) fn create(folder: &Path, hz: u32) -> io::Result<Self> {
        let mut file = File::create(folder.join("timeline.jsonl"))?;
        append_head(&mut file, hz, None)?;
        let timeline = Timeline::new(hz);
        let inner = Inner { file, timeline, readings: 0, written: 0, failure: None };
        Ok(Self { inner: RefCell::new(inner) })
    }

    /// An interval of the load is complete: writes the rows that it completes.
    pub(crate) fn append(&self, sidecar: &Sidecar, start: Timestamp, interval: &Interval) {
        let inner = &mut *self.inner.borrow_mut();
        let readings = sidecar.readings_after(inner.readings);
        inner.readings += readings.len();
        readings.iter().for_each(|reading| inner.timeline.push(reading));
        inner.timeline.join_load(start, std::slice::from_ref(interval));
        let complete = start + interval.start + interval.length;
        let rows = inner.timeline.ends().iter().take_while(|end| **end <= complete).count();
        while inner.written < rows && inner.failure.is_none() {
            let row = inner.timeline.row(inner.written, start);
            inner.failure = append_line(&mut inner.file, &row).err();
            inner.written += 1;
        }
    }

    /// Why rows are missing, if any are.
    pub(crate) fn failure(&self) -> Option<String> {
        let inner = self.inner.borrow();
        inner.failure.as_ref().map(|why| format!("timeline.jsonl is not complete: {why}"))
    }
}
