//! The engine: pinned workers, one event loop each, and their results.
//!
//! [`run`] executes a plan and returns its record. It knows no files, no arguments and no formats.
//! The event loop ([`EventLoop`]) is generic over its [`Driver`], so that the same code runs over
//! io_uring, over two runtimes, and over the simulated world of the tests.

mod clock;
mod connections;
mod control;
mod drivers;
mod event_loop;
mod record;
mod run;
mod wire;
mod work;
mod worker;

pub use connections::connect_failure::ConnectFailure;
pub use connections::throttle::RateLimit;
pub use control::{Command, Control};
pub use drivers::backends::EngineError;
pub use drivers::{Driver, DriverEvent, EventKind, ReceiveMode, UnderWay, Until};
pub use event_loop::{Boundaries, EventLoop, LoopOptions, Turn};
pub use record::recorder::{FlowSums, IntervalCounts, Recorder, StepSums, StepTimes, Totals};
pub use run::{Observer, RunError, run};
pub use uringbench_ring::{Ability, Features, Unavailable, probe as probe_ring};
pub use wire::ConnectionConfig;
pub use wire::postgres::PostgresConfig;
pub use wire::redis::RedisConfig;
pub use wire::tls::{TlsFailure, TlsSetupError, client_config};
pub use work::users::FlowConfig;
