//! Events of the kernel's perf subsystem and the rings they are written to.
//!
//! This crate opens, reads and closes; what the bytes of a record mean is the profiler's. The
//! `unsafe` of it stands in `kernel`. `recipe` says what is asked of the kernel, `session` keeps
//! the events of one profile with one ring per CPU, `counters` counts without a ring,
//! `abilities` tries what this machine allows, `failure` says why something cannot be had.

mod abilities;
mod counters;
mod failure;
#[expect(unsafe_code, reason = "the one file that speaks to the kernel; invariants in its header")]
mod kernel;
mod lane;
mod recipe;
mod session;

pub use abilities::{Abilities, Capabilities, probe};
pub use counters::{CounterValues, Counters};
pub use failure::OpenError;
pub use recipe::{CpuClock, EventKind, REGISTERS, Recipe};
pub use session::{Scope, Session};
