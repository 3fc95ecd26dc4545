//! The engine: pinned workers, one event loop each, and what they hand over.
//!
//! [`run`] executes a plan and returns its record. It knows no files, no arguments and no
//! formats. The event loop ([`EventLoop`]) is generic over its [`Driver`], so that the same code
//! runs over io_uring, over two runtimes, and over the simulated world of the tests.

mod backends;
mod busy_poll;
mod clock;
mod collector;
mod connect_failure;
mod connect_queue;
mod connection;
mod connections;
mod control;
mod departures;
mod driver;
mod event_loop;
mod flows;
mod inspection;
mod lineup;
mod monoio_driver;
mod parting;
mod proxy;
mod receive;
mod recorder;
mod refusals;
mod retry;
mod ring_driver;
mod run;
mod session;
mod statuses;
mod stream;
mod thread_cost;
mod throttle;
mod timer_slack;
mod tls;
mod tokio_uring_driver;
mod unasked;
mod websocket;
mod websocket_flow;
mod worker;

pub use backends::EngineError;
pub use connect_failure::ConnectFailure;
pub use control::{Command, Control};
pub use driver::{Driver, Event, EventKind, ReceiveMode, UnderWay, Until};
pub use event_loop::{Boundaries, EventLoop, LoopOptions, Turn};
pub use flows::FlowConfig;
pub use recorder::{FlowSums, IntervalCounts, Recorder, StepSums, StepTimes, Totals};
pub use run::{Observer, RunError, run};
pub use session::ConnectionConfig;
pub use throttle::RateLimit;
pub use tls::{TlsFailure, TlsSetupError, client_config};
