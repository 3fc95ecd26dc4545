//! A sample as it is kept: what one reading of the target weighs, and where it belongs.

use uringbench_core::time::Timestamp;

use crate::stack::StackId;

/// What was sampled, and so what its weight counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SampleKind {
    /// A moment on a CPU; weight: nanoseconds of CPU time it stands for.
    Cpu,
    /// A wait the thread asked for (a lock, a disk, a socket); weight: nanoseconds.
    Blocked,
    /// A wait for a CPU after being preempted; weight: nanoseconds.
    Preempted,
    /// A page touched for the first time; weight: bytes.
    FirstTouch,
}

/// One sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When it was taken; for a wait, when it ended.
    pub time: Timestamp,
    /// The CPU it was taken on.
    pub cpu: u32,
    /// The process.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
    /// What it counts.
    pub kind: SampleKind,
    /// How much, in the unit of `kind`.
    pub weight: u64,
    /// Its stack.
    pub stack: StackId,
}
