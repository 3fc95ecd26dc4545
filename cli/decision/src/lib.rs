//! Decisions from documents: which figures are compared, whether they changed, and what follows.
//!
//! Everything here is computed from documents and settings: no clock, no file, no socket, no
//! command line. `uringbench-core` has the arithmetic, `uringbench-store` reads and writes,
//! `uringbench-report` shows.

mod baseline;
pub mod capacity;
mod compare;
mod conditions;
mod enough;
#[cfg(test)]
mod fixture;
mod group;
mod insight;
mod metric;
mod noise;
mod sentence;
mod settings;
pub mod suite;
mod trend;
pub mod usl;

pub use baseline::{BaselineRefusal, establish, group_of};
pub use compare::{NotComparable, compare};
pub use enough::is_narrow;
pub use group::RunGroup;
pub use insight::insights;
pub use metric::{Better, Metric, MetricUnit};
pub use noise::{known_noise, noise_of};
pub use settings::{ComparisonSettings, Pairing};
pub use trend::{TrendOptions, trend};
