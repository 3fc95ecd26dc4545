//! What the target and its host did over time, on one axis with the load.
//!
//! `sampler` ticks; at every tick `tree` reads the target's processes (who they are is
//! `membership`'s to say) and with `shared` their shared memory, `cgroup` its control group's
//! memory and `host` the machine, into one `reading`. `series` makes rates of the counters and
//! joins the load; `document` is what is stored, `lines` the same as it grows, `text` what a person
//! reads.

pub mod cgroup;
pub mod document;
pub mod host;
pub mod lines;
pub mod membership;
pub mod reading;
pub mod sampler;
pub mod series;
mod shared;
pub mod text;
mod totals;
pub mod tree;
