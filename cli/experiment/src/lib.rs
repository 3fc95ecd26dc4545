//! Runs one plan with everything that observes it, and keeps the result: the load, the profiler,
//! the machine, the log of every second, the document, the folder.
//!
//! [`Experiment`] is the input, [`Finished`] the outcome, `watch` follows the load, `profiling`
//! samples the target beside it. Nothing is printed and no arguments are read here: an
//! [`ExperimentObserver`] shows progress, and the caller makes of a [`Gate`] what it needs. One
//! process runs as many as it wants, one after the other.

mod experiment;
mod finished;
mod observer;
mod secrets;
mod soak;
mod watch;

pub mod profiling;

pub use experiment::{Experiment, ExperimentError, ResultPlace};
pub use finished::{Finished, Gate};
pub use observer::{ExperimentObserver, RunNote};
pub use profiling::ProfilePlan;
pub use secrets::Secrets;
pub use soak::{SoakError, SoakLoad};
