//! A small recording, for the tests of every format.

use std::io;

use uringbench_core::time::{Nanos, Timestamp};

use super::ExportSource;
use crate::sample::{Sample, SampleKind};
use crate::stack::{FrameKind, FrameName, Location, ModuleId, StackId, StackTable};

pub(super) const PERIOD: u64 = 10_000_000;
pub(super) const START: Timestamp = Timestamp(5_000_000_000);

pub(super) struct Recording {
    stacks: StackTable,
    names: Vec<FrameName>,
    processes: Vec<(u32, String)>,
    threads: Vec<(u32, u32, String)>,
    /// `main;handle`, `main;handle;read`, `main;handler (app.py)`, and one that has no names.
    pub(super) known: [StackId; 4],
}

pub(super) fn recording() -> Recording {
    let mut stacks = StackTable::default();
    let code = |address| Location::Code { module: ModuleId(0), address };
    let handler = Location::Named(stacks.name("handler (app.py)"));
    let (main, handle, read) = (code(0x1000), code(0x2000), Location::Kernel(0xffff_8000));
    let known = [
        stacks.intern([main, handle]),
        stacks.intern([main, handle, read]),
        stacks.intern([main, handler]),
        stacks.intern([Location::Anonymous { pid: 10, address: 0x77 }]),
    ];
    let named = |location: &Location| {
        let (function, module, kind) = match *location {
            Location::Kernel(_) => ("read", "", FrameKind::Kernel),
            Location::Named(_) => ("handler", "app.py", FrameKind::Interpreted),
            Location::Code { address: 0x1000, .. } => ("main", "server", FrameKind::Native),
            _ => ("handle", "server", FrameKind::Native),
        };
        FrameName { function: function.to_owned(), module: module.to_owned(), kind }
    };
    let mut names: Vec<_> = stacks.locations().iter().map(named).collect();
    names.pop();
    let processes = vec![(10, "server".to_owned())];
    let threads = vec![(10, 11, "worker".to_owned())];
    Recording { stacks, names, processes, threads, known }
}

impl Recording {
    pub(super) fn source(&self) -> ExportSource<'_> {
        ExportSource {
            stacks: &self.stacks,
            names: &self.names,
            processes: &self.processes,
            threads: &self.threads,
            start: START,
            unix_start: Nanos(1_700_000_000_000_000_000),
            length: Nanos::from_secs(3),
            period_ns: PERIOD,
        }
    }
}

/// A sample this many milliseconds after the start.
pub(super) fn sample(
    millis: u64,
    (pid, tid): (u32, u32),
    (kind, weight): (SampleKind, u64),
    stack: StackId,
) -> Sample {
    let time = START + Nanos::from_millis(millis);
    Sample { time, cpu: 0, pid, tid, kind, weight, stack }
}

/// The result of a log whose file cannot be read.
pub(super) fn unreadable() -> io::Result<Sample> {
    Err(io::Error::other("the disk is gone"))
}

/// A file on a full disk.
pub(super) struct Full;

impl io::Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
