//! A recording in the formats of other tools: pprof's, and the Firefox Profiler's.
//!
//! Pure: samples come as an iterator, and the file is any writer. The caller chooses files and
//! folder; flame graphs and folded stacks are in `profile`.

mod firefox;
mod pprof;

use rustc_hash::FxHashMap;
use uringbench_core::time::{Nanos, Timestamp};

pub use self::firefox::{Series, SeriesUnit, write_firefox};
pub use self::pprof::write_pprof;
use crate::stack::{FrameId, FrameKind, FrameName, StackTable};

/// The tables behind samples, and the time of the recording.
#[derive(Clone, Copy, Debug)]
pub struct ExportSource<'a> {
    /// The stacks of the samples.
    pub stacks: &'a StackTable,
    /// The name of each frame, by [`FrameId`]; a frame past the end has no name.
    pub names: &'a [FrameName],
    /// Processes and their names; without a name, the PID is used.
    pub processes: &'a [(u32, String)],
    /// Process, thread, and the thread's name.
    pub threads: &'a [(u32, u32, String)],
    /// When the recording began.
    pub start: Timestamp,
    /// The same time as nanoseconds since 1970 (UTC).
    pub unix_start: Nanos,
    /// The length of the recording.
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

/// The names of processes and threads, by their ids.
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

    /// A first thread without a name has the name of its process.
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
