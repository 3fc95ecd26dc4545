//! Events of the kernel's perf subsystem and their rings.
//!
//! This crate opens, reads and closes them; the profiler decodes the records. All `unsafe` code is
//! in `kernel`. `event_attr` builds the kernel's event attributes, `session` holds the events of
//! one profile with one `cpu_ring` per CPU, `counters` counts without a ring, `failure` explains
//! why an event cannot be opened.

mod counters;
mod cpu_ring;
mod event_attr;
mod failure;
#[expect(unsafe_code, reason = "the one file that speaks to the kernel; invariants in its header")]
mod kernel;
mod session;

pub use counters::{CounterValues, Counters};
pub use event_attr::{CpuClock, PerfEventKind, REGISTERS, SamplingConfig};
pub use failure::PerfError;
pub use session::{SampleScope, Session, has_cycles, max_sample_rate};
