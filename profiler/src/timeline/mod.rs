//! The target and its host over time, on one axis with the load.
//!
//! `sampler` ticks; at every tick `tree` reads the target's processes (found by `membership`), with
//! `shared` their shared memory, the memory of its control group, and with `host` the machine, into
//! one `reading`. `series` converts counters to rates and joins the load;
//! `uringbench_document::timeline` defines the stored columns.

mod heaps;
pub mod host;
pub mod membership;
pub mod reading;
pub mod sampler;
pub mod series;
mod shared;
mod totals;
pub mod tree;
