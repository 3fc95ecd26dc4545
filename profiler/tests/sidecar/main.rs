//! The sidecar against real programs whose use of the CPU is known, for every way to attach: as
//! root, to a control group, in a namespace, as an ordinary user.
//!
//! Each test checks one fact that a reader of a profile relies on: the shares, the stacks, the
//! names, the processes, the sums. The length of a recording is counted in the target's CPU time,
//! so a slow machine makes a test longer but does not change its result.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod follow;
mod places;
mod runtimes;
mod shares;
mod storm;
mod support;
#[path = "../targets/mod.rs"]
mod targets;
