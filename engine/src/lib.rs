//! The engine: pinned workers, one event loop each, and what they hand over.
//!
//! [`run`] executes a plan and returns its record. It knows no files, no arguments and no
//! formats. The event loop ([`EventLoop`]) is generic over its [`Driver`], so that the same code
//! runs over io_uring, over two runtimes, and over the simulated world of the tests.

mod admission;
mod backends;
mod clock;
mod collector;
mod connect_failure;
mod connection;
mod control;
mod departures;
mod driver;
mod event_loop;
mod events;
mod flows;
mod frames;
mod inspection;
mod lifecycle;
mod lineup;
mod margin;
mod monoio_driver;
mod parting;
mod patience;
mod proxy;
mod recorder;
mod refusals;
mod retry;
mod ring_driver;
mod run;
mod session;
mod slow;
mod statuses;
mod stream;
mod talks;
mod thread_cost;
mod tls;
mod tokio_uring_driver;
mod unasked;
mod worker;

pub use backends::{EngineError, check};
pub use connect_failure::ConnectFailure;
pub use control::{Command, Control};
pub use driver::{Driver, Event, EventKind, ReceiveMode, UnderWay, Until};
pub use event_loop::{Boundaries, EventLoop, LoopOptions, Turn};
pub use flows::FlowTerms;
pub use recorder::{FlowSums, Handover, Recorder, StepSums, StepTimes, Totals};
pub use run::{Observer, RunError, run};
pub use session::Terms;
pub use slow::Trickle;
pub use tls::{TlsFailure, TlsSetupError, client_config};
