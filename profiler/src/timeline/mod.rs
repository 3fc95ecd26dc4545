//! What the target and its host did over time, on one axis with the load.
//!
//! `sampler` ticks; at every tick `tree` reads the target's processes (who they are is
//! `membership`'s to say), with `shared` their shared memory, the memory of its control group, and
//! with `host` the machine, into one `reading`. `series` makes rates of the counters and
//! joins the load; what is stored of them are the columns of `uringbench_document::timeline`.

pub mod host;
pub mod membership;
pub mod reading;
pub mod sampler;
pub mod series;
mod shared;
mod totals;
pub mod tree;
