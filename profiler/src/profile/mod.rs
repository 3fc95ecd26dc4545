//! A profile: samples of a target with their stacks and names, and views of them.
//!
//! `log` stores the samples, `window` and `view` select and sum them, `fold` writes a view as
//! lines, `flame` draws those, `difference` compares two profiles, `wait` separates waiting for
//! work from being blocked, `files` writes all of it into a folder, `stored` is a profile as a
//! single file. Other parts of the crate take, unwind and name the samples.

mod difference;
mod files;
mod flame;
mod fold;
mod health;
mod log;
mod stored;
mod view;
mod wait;
mod window;

#[cfg(test)]
mod fixture;

use uringbench_core::time::{Nanos, Timestamp};

pub use self::difference::{CostPerRequest, FunctionChange, Side, difference};
pub use self::files::{write_all, write_flames, write_whole};
pub use self::flame::{
    Direction, FlameOptions, FlameUnit, FoldedSide, write_difference_svg, write_svg,
};
pub use self::health::Health;
pub use self::log::{SampleLog, Samples};
pub use self::stored::{
    About, FILE as STORED_FILE, LoadStep, Stored, StoredError, StoredLoad, read_stored,
    write_stored,
};
pub use self::view::{FunctionShare, Selection, View};
pub use self::wait::{OffCpuWait, classify};
pub use self::window::Windows;
use crate::stack::{FrameId, FrameKind, FrameName, StackTable};

/// A recording of a target, ready to read.
#[derive(Debug)]
pub struct Profile {
    /// The stacks of the samples.
    pub stacks: StackTable,
    /// The name of each frame in `stacks`, by [`FrameId`]; a frame past the end has no name.
    pub names: Vec<FrameName>,
    /// The samples.
    pub samples: SampleLog,
    /// How they were taken.
    pub facts: Facts,
}

/// Facts about how a recording was taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// When sampling began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// The event that triggers samples.
    pub clock: Clock,
    /// Configured samples per second of CPU time.
    pub hz: u32,
    /// Records read from the kernel's rings, of every kind and process.
    pub records: u64,
    /// Records for which the rings had no room.
    pub lost: u64,
    /// How often the kernel took fewer samples than configured.
    pub throttled: u64,
    /// CPU time of the samples over the CPU time that the scheduler accounted to the target; `None`
    /// if the latter is unknown.
    pub coverage: Option<f64>,
    /// Share of the samples with user code whose stack reaches the thread's start, 0..=1; `None`
    /// without such samples.
    pub unwound: Option<f64>,
    /// Further notes, a sentence each.
    pub notes: Vec<String>,
}

/// The event that triggers a sample of a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The processor's cycle counter.
    Cycles,
    /// A kernel timer, if there is no such counter.
    CpuClock,
}

impl Clock {
    /// Perf's word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cycles => "cycles",
            Self::CpuClock => "cpu-clock",
        }
    }
}

impl Facts {
    /// The length of the recording.
    pub fn length(&self) -> Nanos {
        self.end.since(self.start)
    }

    /// Share of the kernel's records that are missing, 0..=1.
    pub fn lost_share(&self) -> f64 {
        self.lost as f64 / (self.lost + self.records).max(1) as f64
    }
}

impl Profile {
    /// The name of a frame.
    pub fn name(&self, frame: FrameId) -> &FrameName {
        static UNNAMED: FrameName =
            FrameName { function: String::new(), module: String::new(), kind: FrameKind::Marker };
        self.names.get(frame.0 as usize).unwrap_or(&UNNAMED)
    }
}
