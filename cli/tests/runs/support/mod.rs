//! Servers, runs and documents for the tests of the real binary.

pub(crate) mod acceptor;
pub(crate) mod certificates;
pub(crate) mod document;
pub(crate) mod full_backlog;
pub(crate) mod grpc_server;
pub(crate) mod http2_server;
pub(crate) mod nginx;
pub(crate) mod program;
pub(crate) mod queue_server;
pub(crate) mod recording;
pub(crate) mod redis_server;
pub(crate) mod requests;
pub(crate) mod run;
pub(crate) mod script;
pub(crate) mod server;
pub(crate) mod socket_library;
pub(crate) mod socket_server;
pub(crate) mod target;
pub(crate) mod terminal;
pub(crate) mod tls_front;
pub(crate) mod turn;
