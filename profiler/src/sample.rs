//! A sample as it is stored: its weight, and the thread, time and stack it belongs to.

use uringbench_core::time::Timestamp;

use crate::stack::StackId;

/// The kind of a sample, which gives the unit of its weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SampleKind {
    /// Code running on a CPU; weight: nanoseconds of CPU time.
    Cpu,
    /// A wait of the thread (a lock, a disk, a socket); weight: nanoseconds.
    Blocked,
    /// A wait for a CPU after being preempted; weight: nanoseconds.
    Preempted,
    /// A page touched for the first time; weight: bytes.
    FirstTouch,
}

/// One sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When it was taken; for a wait, its end.
    pub time: Timestamp,
    /// The CPU it was taken on.
    pub cpu: u32,
    /// The process.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
    /// Its kind.
    pub kind: SampleKind,
    /// Its weight, in the unit of `kind`.
    pub weight: u64,
    /// Its stack.
    pub stack: StackId,
}
