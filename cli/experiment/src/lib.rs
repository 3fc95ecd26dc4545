//! Runs one plan with all its observers, and stores the result: the load, the profiler, the
//! machine, the log of every second, the document, the folder.
//!
//! [`Experiment`] is the input, [`Finished`] the outcome; `watch` follows the load, and `profiling`
//! samples the target during it. This crate prints nothing and reads no arguments: an
//! [`ExperimentObserver`] shows the progress, and the caller interprets the [`Gate`]. One process
//! can run any number of experiments, one after another.

pub mod capacity;
pub mod chaos;
mod experiment;
mod finished;
mod observer;
mod secrets;
mod soak;
mod watch;

pub mod profiling;
pub mod server;
pub mod side_by_side;
pub mod suite;

pub use experiment::{Experiment, ExperimentError, ResultPlace};
pub use finished::{Finished, Gate};
pub use observer::{ExperimentObserver, RunNote};
pub use profiling::ProfilePlan;
pub use secrets::Secrets;
pub use soak::{SoakError, SoakLoad};
