//! Records that the kernel writes into a ring, decoded.
//!
//! The terms are those of `perf_event_open(2)`. `decode` reads one record from raw bytes, `order`
//! sorts the records of several rings by time, `tree` tracks which processes belong to the target,
//! `off_cpu` measures waits. Pure: bytes come as arguments.

mod decode;
#[cfg(test)]
mod fixture;
mod off_cpu;
mod order;
mod tree;

use uringbench_core::time::Timestamp;

pub use self::decode::{DecodeError, decode, peek_time};
pub use self::off_cpu::{OffCpu, OffCpuGaps, OffCpuInterval, WaitTotals};
pub use self::order::RecordOrder;
pub use self::tree::{ProcessTree, TreeCounts};

/// One record with the fields that every record has (`sample_id_all`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Record<'a> {
    /// The event that wrote it (`PERF_SAMPLE_IDENTIFIER`).
    pub event: u64,
    /// Its time.
    pub time: Timestamp,
    /// Its CPU.
    pub cpu: u32,
    /// Its process, or `u32::MAX` for a thread that has ended.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
    /// Its content.
    pub content: Content<'a>,
}

/// The content of a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Content<'a> {
    /// A sample.
    Sample(SampleRecord<'a>),
    /// Code was mapped into the process.
    Mapping(Mapping<'a>),
    /// The process or thread was renamed.
    Name {
        /// The new name; at most 15 bytes.
        name: &'a [u8],
        /// Whether by `execve`: all earlier mappings are gone.
        is_exec: bool,
    },
    /// The process or thread `pid`/`tid` was created.
    Fork {
        /// The process.
        pid: u32,
        /// The thread; the same as `pid` for a new process.
        tid: u32,
        /// The creator's process; the same as `pid` for a new thread.
        parent: u32,
        /// The creating thread.
        parent_tid: u32,
    },
    /// The thread `tid` of `pid` ended.
    Exit {
        /// The process.
        pid: u32,
        /// The thread.
        tid: u32,
    },
    /// The thread got a CPU.
    SwitchedIn,
    /// The thread left its CPU.
    SwitchedOut {
        /// Whether it could have continued (it waits for a CPU, not for an event).
        is_preempted: bool,
    },
    /// The ring was full: this many records are missing.
    Lost(u64),
    /// This many samples are missing (`PERF_RECORD_LOST_SAMPLES`).
    LostSamples(u64),
    /// The kernel takes fewer samples than configured, from here on.
    Throttled,
    /// The kernel takes the configured number of samples again.
    Unthrottled,
    /// A record of a type this decoder does not read.
    Other(u32),
}

/// A sample as the kernel took it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleRecord<'a> {
    /// The instruction.
    pub ip: u64,
    /// The address of the event (page faults), otherwise 0.
    pub address: u64,
    /// The weight of the sample: nanoseconds of the CPU clock, cycles, or events.
    pub period: u64,
    /// Whether the CPU was in the kernel.
    pub is_kernel: bool,
    /// Kernel frames, innermost first, without context markers.
    pub kernel: Words<'a>,
    /// The thread's user half; `None` for a kernel thread or if nothing could be copied.
    pub user: Option<UserState<'a>>,
}

/// Registers and stack of a thread at the time of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UserState<'a> {
    /// The registers of `uringbench_perf::REGISTERS`, in the kernel's order of bits.
    pub registers: Words<'a>,
    /// The stack from the stack pointer upwards; only the part that the kernel copied.
    pub stack: &'a [u8],
    /// Whether that part is as long as was asked for, so that the stack may go on after it.
    pub is_full: bool,
    /// The instruction and the return addresses that the kernel found along frame pointers,
    /// innermost first.
    pub callers: Words<'a>,
}

/// 64-bit words in the machine's byte order, not aligned.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Words<'a>(pub &'a [u8]);

impl Words<'_> {
    /// The number of words.
    pub const fn len(&self) -> usize {
        self.0.len() / 8
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The word at `index`.
    pub fn at(&self, index: usize) -> Option<u64> {
        let bytes = self.0.get(index * 8..index * 8 + 8)?;
        Some(u64::from_ne_bytes(bytes.try_into().ok()?))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.as_chunks().0.iter().map(|bytes| u64::from_ne_bytes(*bytes))
    }
}

/// An executable mapping (`PERF_RECORD_MMAP2`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mapping<'a> {
    /// The process.
    pub pid: u32,
    /// Its first address.
    pub start: u64,
    /// Its length in bytes.
    pub length: u64,
    /// Its position in the file, in bytes.
    pub file_offset: u64,
    /// Whether code in it can run (`PROT_EXEC`).
    pub is_executable: bool,
    /// The path, relative to the process's own root; `[vdso]`, `//anon` and the like without a
    /// file.
    pub path: &'a [u8],
}
