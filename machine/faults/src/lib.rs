//! Faults injected into this machine, each with its undo.
//!
//! What the kernel ends with this process (threads, unlinked files, proxies) needs no undo. For the
//! rest, `journal` has the undo on disk before the fault is there; `watchdog` is a process beside
//! this one that undoes when this one is gone or hangs; and `undo_left` does it later.
//! Every undo is verified. Which faults there are, and when, is up to the plan
//! (`uringbench_core::chaos`); `runner` follows it.

mod active;
mod commands;
mod journal;
mod process;
pub mod proxy;
mod runner;
mod undo;
pub mod watchdog;

pub use active::{BeginError, FoundProcesses, Targets, check};
pub use journal::{Journal, JournalError, LeftUndo, journal_folder, undo_left};
pub use process::ProcessId;
pub use runner::{FaultRunner, InjectionReport, ReadyFaults};
pub use undo::{Undo, UndoError};

use rustix::time::{ClockId, clock_gettime};
use uringbench_core::time::Timestamp;

/// The present, on the clock of the load.
pub(crate) fn now() -> Timestamp {
    let time = clock_gettime(ClockId::Monotonic);
    Timestamp(time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs())
}
