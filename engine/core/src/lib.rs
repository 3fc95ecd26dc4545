//! The pure half of uringbench: all decisions of a run, computed from values alone.
//!
//! Nothing here reads a clock, opens a socket, uses a file or starts a thread: time is an argument,
//! bytes are slices, and every machine can be stepped by a test. The drivers (`uringbench-ring`,
//! `uringbench-engine`) connect it to the world.

pub mod answer_code;
pub mod cause;
pub mod chaos;
pub mod edges;
pub mod ending;
pub mod flow;
pub mod grpc;
pub mod histogram;
pub mod http;
pub mod http2;
pub mod outcome;
pub mod pacer;
pub mod plan;
pub mod postgres;
pub mod rate;
pub mod rate_profile;
pub mod record;
pub mod reply;
pub mod resp;
pub mod schedule;
pub mod slo;
pub mod sse;
pub mod statistics;
pub mod status;
mod stored;
pub mod summary;
pub mod time;
pub mod units;
pub mod validity;
pub mod websocket;
pub mod window;
