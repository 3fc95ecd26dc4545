//! The results of a run as types: the JSON document, the timeline, and the histogram logs.
//!
//! Everything that shows, stores, compares or counts results reads only these. Keys are a contract:
//! they are added, never renamed or removed, and every document ever written can be read
//! ([`Document::read`]). Nothing here opens a file, reads a clock or queries the machine; figures
//! and verdicts come from `uringbench-core` and the profiler.

pub mod baseline;
pub mod capacity;
pub mod chaos;
pub mod civil;
pub mod comparison;
pub mod cost;
mod histogram_log;
pub mod history;
pub mod insight;
mod interval_log;
mod live_objectives;
mod microbenchmark;
pub mod noise;
mod plan_file;
mod read;
mod run;
pub mod soak;
pub mod suite;
pub mod target;
pub mod timeline;
pub mod trend;

pub use histogram_log::{HistogramLog, TAGS};
pub use interval_log::{IntervalLog, LogError, LogLine, WARMUP, read_log};
pub use live_objectives::LiveObjectives;
pub use microbenchmark::{BENCHMARK_SCHEMA, MicroBenchmark, TimeEstimate};
pub use plan_file::{KnownSecrets, PlanFile, PlanFileError, Secret, SecretName, SecretTable};
pub use read::ReadError;
pub use run::*;

/// A figure or a histogram that cannot be encoded.
#[derive(Debug, thiserror::Error)]
#[error("the results cannot be encoded: {0}; this is a bug in uringbench, please report it")]
pub struct EncodeError(String);

impl EncodeError {
    fn of(cause: impl std::fmt::Display) -> Self {
        Self(cause.to_string())
    }
}

#[cfg(test)]
use uringbench_core as words;
#[cfg(test)]
#[path = "../../../engine/core/src/summary/fixture.rs"]
mod fixture;
#[cfg(test)]
#[path = "../../../engine/core/src/summary/fixture_script.rs"]
mod fixture_script;
