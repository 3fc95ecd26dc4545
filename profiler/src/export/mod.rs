//! A recording in the formats of other tools: pprof's, and the Firefox Profiler's.
//!
//! Pure: samples come as an iterator, and the file is whatever can be written to. Which files
//! there are and where is left to the caller; flame graphs and folded stacks are `profile`'s.

mod firefox;
mod pprof;

use rustc_hash::FxHashMap;
use uringbench_core::time::{Nanos, Timestamp};

pub use self::firefox::{Series, SeriesUnit, write_firefox};
pub use self::pprof::write_pprof;
use crate::stack::{FrameId, FrameKind, FrameName, StackTable};

/// What samples refer to, and when they were taken.
#[derive(Clone, Copy, Debug)]
pub struct ExportSource<'a> {
    /// The stacks of the samples.
    pub stacks: &'a StackTable,
    /// What each frame is called, by [`FrameId`]; a frame past the end has no name.
    pub names: &'a [FrameName],
    /// Processes and what they are called; one that is missing goes by its number.
    pub processes: &'a [(u32, String)],
    /// Process, thread, and what the thread is called.
    pub threads: &'a [(u32, u32, String)],
    /// When the recording began.
    pub start: Timestamp,
    /// The same moment as the time since 1970 (UTC).
    pub unix_start: Nanos,
    /// How long the recording is.
    pub length: Nanos,
    /// CPU time between two samples, in nanoseconds; at least 1.
    pub period_ns: u64,
}

impl<'a> ExportSource<'a> {
    fn name(&self, frame: FrameId) -> &'a FrameName {
        static UNNAMED: FrameName =
            FrameName { function: String::new(), module: String::new(), kind: FrameKind::Marker };
        self.names.get(frame.0 as usize).unwrap_or(&UNNAMED)
    }
}

/// What processes and threads are called, by their numbers.
struct Called<'a> {
    processes: FxHashMap<u32, &'a str>,
    threads: FxHashMap<u32, &'a str>,
}

impl<'a> Called<'a> {
    fn new(source: &ExportSource<'a>) -> Self {
        let processes = source.processes.iter().map(|(pid, name)| (*pid, name.as_str()));
        let threads = source.threads.iter().map(|(_, tid, name)| (*tid, name.as_str()));
        Self { processes: processes.collect(), threads: threads.collect() }
    }

    fn process(&self, pid: u32) -> String {
        self.processes.get(&pid).map_or_else(|| format!("process {pid}"), ToString::to_string)
    }

    /// A first thread that was given no name of its own is called what its process is.
    fn thread(&self, pid: u32, tid: u32) -> String {
        match self.threads.get(&tid) {
            Some(name) => (*name).to_owned(),
            None if tid == pid => self.process(pid),
            None => format!("thread {tid}"),
        }
    }
}

#[cfg(test)]
mod fixture;
