//! The progress of a run, for the caller to show.

use std::fmt;

use uringbench_core::histogram::LatencyCounts;
use uringbench_core::record::Interval;
use uringbench_core::time::Nanos;

/// Follows a run. `()` ignores it.
pub trait ExperimentObserver {
    /// A deviation from the plan.
    fn note(&mut self, _note: &RunNote) {}
    /// The response times of an interval; [`Self::interval`] follows.
    fn times(&mut self, _interval: &Interval, _response: &LatencyCounts) {}
    /// An interval is complete; the measured window lasts for `left`, if its end is known.
    fn interval(&mut self, _interval: &Interval, _left: Option<Nanos>) {}
    /// The load has ended, with or without a record; its results are evaluated next.
    fn load_ended(&mut self) {}
}

impl ExperimentObserver for () {}

/// A deviation from the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunNote {
    /// The runtime monoio found no io_uring that it could use.
    OverEpoll,
    /// There are not enough local ports: cause and fix.
    PortsWanting(String),
    /// No thread could be started that injects faults.
    NoFaults(String),
    /// Not all connections were established when the load began.
    ConnectionsMissing {
        /// The number of established connections.
        connected: u32,
        /// The number of planned connections.
        planned: u32,
    },
}

impl fmt::Display for RunNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OverEpoll => {
                f.write_str("there is no io_uring here that monoio could use: it runs over epoll")
            }
            Self::PortsWanting(why) => f.write_str(why),
            Self::NoFaults(why) => write!(f, "no fault is injected: {why}"),
            Self::ConnectionsMissing { connected, planned } => {
                write!(f, "{connected} of {planned} connections established")
            }
        }
    }
}
