//! What a run reports while it lasts, for whoever shows it.

use std::fmt;

use uringbench_core::record::Interval;
use uringbench_core::time::Nanos;

/// Follows a run as it goes. `()` follows nothing.
pub trait ExperimentObserver {
    /// Something came out otherwise than asked for.
    fn note(&mut self, _note: &RunNote) {}
    /// An interval is complete; the measured window lasts for `left`, if its end is known.
    fn interval(&mut self, _interval: &Interval, _left: Option<Nanos>) {}
    /// The load has ended, also without a record; what it has left is evaluated next.
    fn load_ended(&mut self) {}
}

impl ExperimentObserver for () {}

/// Something that came out otherwise than asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunNote {
    /// The runtime monoio found no io_uring that it could use.
    OverEpoll,
    /// The local ports will not suffice: cause and fix.
    PortsWanting(String),
    /// Not all connections were established when the load began.
    ConnectionsMissing {
        /// Those that were.
        connected: u32,
        /// Those that the plan has.
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
            Self::ConnectionsMissing { connected, planned } => {
                write!(f, "{connected} of {planned} connections established")
            }
        }
    }
}
