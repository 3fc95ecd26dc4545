//! What the kernel writes into a ring, decoded.
//!
//! The words are those of `perf_event_open(2)`. `decode` reads one record from raw bytes, `order`
//! brings the records of several rings into one order of time, `tree` follows which processes
//! belong to the target, `off_cpu` measures waits. Pure: bytes come as arguments.

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

/// One record with what every record carries (`sample_id_all`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Record<'a> {
    /// The event that wrote it (`PERF_SAMPLE_IDENTIFIER`).
    pub event: u64,
    /// When.
    pub time: Timestamp,
    /// On which CPU.
    pub cpu: u32,
    /// Whose it is: the process, or `u32::MAX` for a thread that is gone.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
    /// What it says.
    pub content: Content<'a>,
}

/// What a record says.
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
    /// The thread was given a CPU.
    SwitchedIn,
    /// The thread left its CPU.
    SwitchedOut {
        /// Whether it could have gone on (it waits for a CPU, not for an event).
        is_preempted: bool,
    },
    /// The ring was full: so many records are missing.
    Lost(u64),
    /// So many samples are missing (`PERF_RECORD_LOST_SAMPLES`).
    LostSamples(u64),
    /// The kernel takes fewer samples than asked for, from here on.
    Throttled,
    /// The kernel takes the samples asked for again.
    Unthrottled,
    /// A record of a type this decoder does not read.
    Other(u32),
}

/// A sample as the kernel took it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleRecord<'a> {
    /// The instruction.
    pub ip: u64,
    /// The address the event is about (page faults), else 0.
    pub address: u64,
    /// What the sample stands for: nanoseconds of the CPU clock, cycles, or events.
    pub period: u64,
    /// Whether the CPU was in the kernel.
    pub is_kernel: bool,
    /// Kernel frames, innermost first; context markers are left out.
    pub kernel: Words<'a>,
    /// The thread's user half; `None` for a kernel thread or when nothing could be copied.
    pub user: Option<UserState<'a>>,
}

/// Registers and stack of a thread at the moment of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UserState<'a> {
    /// The registers of `uringbench_perf::REGISTERS`, in the kernel's order of bits.
    pub registers: Words<'a>,
    /// The stack from the stack pointer upwards; only what the kernel really copied.
    pub stack: &'a [u8],
}

/// 64-bit words in the machine's order, not aligned.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Words<'a>(pub &'a [u8]);

impl Words<'_> {
    /// How many there are.
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
    /// Where in the file it begins, in bytes.
    pub file_offset: u64,
    /// Whether code in it can run (`PROT_EXEC`).
    pub is_executable: bool,
    /// The path, as the process's own root sees it; `[vdso]`, `//anon` and the like for none.
    pub path: &'a [u8],
}
