//! The sidecar against real programs whose use of the CPU is known, in every way to attach to
//! them: as root, of a control group, in a namespace, as an ordinary user.
//!
//! Each test decides one thing a reader of a profile relies on: the shares, the stacks, the names,
//! the processes, the sums. How much is recorded is counted in the target's CPU time, so a slow
//! machine makes a test longer and not another one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod follow;
mod places;
mod shares;
mod storm;
mod support;
#[path = "../targets/mod.rs"]
mod targets;
