//! The memory of running processes, read from outside; they are never stopped.

use std::fs::File;
use std::os::unix::fs::FileExt;

use rustc_hash::FxHashMap;

/// Processes whose memory was asked for.
#[derive(Debug, Default)]
pub(super) struct ProcessMemory(FxHashMap<u32, Option<File>>);

impl ProcessMemory {
    /// Read bytes at an address; returns how many could be read: none of a process that has ended,
    /// runs another program by now, or may not be read.
    pub(super) fn read(&mut self, pid: u32, address: u64, bytes: &mut [u8]) -> usize {
        let open = || File::open(format!("/proc/{pid}/mem")).ok();
        let Some(file) = self.0.entry(pid).or_insert_with(open) else { return 0 };
        file.read_at(bytes, address).unwrap_or(0)
    }

    /// Close that of a process that ended or runs another program.
    pub(super) fn forget(&mut self, pid: u32) {
        self.0.remove(&pid);
    }
}
