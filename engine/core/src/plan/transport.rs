//! How connections are made, over which sockets, and the engine that serves them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::http2::settings::Http2Settings;
use crate::rate::Rate;

/// The engine, its CPUs, and its connections.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Transport {
    /// The engine, and the route of its connections.
    pub carrier: Carrier,
    /// The CPUs the workers are pinned to, one worker each, at least one.
    pub cpus: Vec<usize>,
    /// How a worker waits for its next due slot.
    pub wait: WaitMode,
    /// The connections.
    pub connections: Connections,
}

/// The number of connections, and their use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    /// Over all workers, at least one per worker.
    pub count: u32,
    /// Further connections over all workers, which are held open and carry nothing.
    pub idle: u32,
    /// Requests sent on a connection before it is closed and reopened, at least 1; `None` for no
    /// limit.
    pub requests: Option<u32>,
    /// Which free connection sends the next request.
    pub order: ConnectionOrder,
    /// Connects per second over all workers; `None` for no limit.
    pub rate: Option<Rate>,
    /// Bytes per second that each connection sends, at least 1; `None` for no limit.
    pub write_rate: Option<u32>,
    /// What this side allows a target of HTTP/2.
    #[serde(default, skip_serializing_if = "is_default")]
    pub http2: Http2Settings,
}

/// Whether a target of HTTP/2 is allowed what it is by default, which is not stored.
fn is_default(settings: &Http2Settings) -> bool {
    *settings == Http2Settings::default()
}

impl Connections {
    /// This many, kept open, without a limit of speed.
    pub fn of(count: u32) -> Self {
        Self {
            count,
            idle: 0,
            requests: None,
            order: ConnectionOrder::RoundRobin,
            rate: None,
            write_rate: None,
            http2: Http2Settings::default(),
        }
    }
}

/// The engine, with the options that only it has. The machines above it are the same. Runtimes do
/// not allow to prepare their sockets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Carrier {
    /// The built-in loop over io_uring.
    Ring(RingCarrier),
    /// The monoio runtime: over io_uring, or over epoll where that is unavailable. Connections use
    /// these addresses in turn.
    Monoio(Vec<SocketAddr>),
    /// The tokio-uring runtime, to these addresses in turn.
    TokioUring(Vec<SocketAddr>),
}

/// Sockets of the built-in loop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingCarrier {
    /// The route of connections.
    pub route: Route,
    /// How this side closes connections.
    pub closing: Closing,
    /// Bytes per second that each connection receives, at least 1; `None` for no limit.
    pub read_rate: Option<u32>,
}

/// The route of connections to the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// TCP.
    Tcp {
        /// Every address of the target, at least one. Connections use them in turn.
        peers: Vec<SocketAddr>,
        /// Local addresses to connect from, in turn; if empty, the kernel chooses.
        sources: Vec<IpAddr>,
    },
    /// TCP that begins with a PROXY header, as if a proxy had accepted the connection.
    Proxied {
        /// Every address of the target, at least one. Connections use them in turn.
        peers: Vec<SocketAddr>,
        /// Local addresses to connect from, in turn, at least one: the header names them.
        sources: Vec<IpAddr>,
        /// The header's version.
        version: ProxyVersion,
    },
    /// A Unix socket, by its path.
    Unix(PathBuf),
}

/// A runtime does not support what was planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("`--engine {engine}` cannot {ability}; leave that out, or use `--engine ring`")]
pub struct CarrierError {
    engine: &'static str,
    ability: &'static str,
}

impl Carrier {
    /// The engine for connections with this route, closing and read rate.
    ///
    /// # Errors
    /// If the engine is a runtime and does not support one of them.
    pub fn new(
        engine: Engine,
        route: Route,
        closing: Closing,
        read_rate: Option<u32>,
    ) -> Result<Self, CarrierError> {
        if engine == Engine::Ring {
            return Ok(Self::Ring(RingCarrier { route, closing, read_rate }));
        }
        let has_sources = !route.sources().is_empty();
        let refused = |ability| Err(CarrierError { engine: engine.name(), ability });
        match route {
            _ if has_sources => refused("choose the addresses that connections come from"),
            _ if closing == Closing::Rst => refused("close connections by RST"),
            Route::Unix(_) => refused("connect to a Unix socket"),
            _ if read_rate.is_some() => refused("read slowly"),
            Route::Tcp { peers, .. } | Route::Proxied { peers, .. } => Ok(match engine {
                Engine::TokioUring => Self::TokioUring(peers),
                Engine::Ring | Engine::Monoio => Self::Monoio(peers),
            }),
        }
    }

    /// The built-in loop over TCP, with all defaults.
    pub const fn ring(peers: Vec<SocketAddr>) -> Self {
        let route = Route::Tcp { peers, sources: Vec::new() };
        Self::Ring(RingCarrier { route, closing: Closing::Fin, read_rate: None })
    }

    /// Which engine it is.
    pub const fn engine(&self) -> Engine {
        match self {
            Self::Ring(_) => Engine::Ring,
            Self::Monoio(_) => Engine::Monoio,
            Self::TokioUring(_) => Engine::TokioUring,
        }
    }

    /// The TCP addresses of the target; none if it has a Unix socket.
    pub fn addresses(&self) -> &[SocketAddr] {
        match self {
            Self::Ring(ring) => ring.route.addresses(),
            Self::Monoio(peers) | Self::TokioUring(peers) => peers,
        }
    }

    /// Every address of the target.
    pub fn peers(&self) -> Vec<Peer> {
        match self {
            Self::Ring(ring) => ring.route.peers(),
            Self::Monoio(peers) | Self::TokioUring(peers) => tcp(peers),
        }
    }

    pub(super) const fn as_ring(&self) -> Option<&RingCarrier> {
        match self {
            Self::Ring(ring) => Some(ring),
            Self::Monoio(_) | Self::TokioUring(_) => None,
        }
    }
}

/// TCP addresses as peers.
fn tcp(addresses: &[SocketAddr]) -> Vec<Peer> {
    addresses.iter().copied().map(Peer::Tcp).collect()
}

impl Route {
    /// Every address of the target.
    pub fn peers(&self) -> Vec<Peer> {
        match self {
            Self::Tcp { peers, .. } | Self::Proxied { peers, .. } => tcp(peers),
            Self::Unix(path) => vec![Peer::Unix(path.clone())],
        }
    }

    fn addresses(&self) -> &[SocketAddr] {
        match self {
            Self::Tcp { peers, .. } | Self::Proxied { peers, .. } => peers,
            Self::Unix(_) => &[],
        }
    }

    /// Local addresses to connect from; empty if the kernel chooses.
    pub fn sources(&self) -> &[IpAddr] {
        match self {
            Self::Tcp { sources, .. } | Self::Proxied { sources, .. } => sources,
            Self::Unix(_) => &[],
        }
    }
}

/// Versions of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProxyVersion {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// One address of the target.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// TCP, over IPv4 or IPv6.
    Tcp(SocketAddr),
    /// A Unix socket, by its path.
    Unix(PathBuf),
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The engine of the workers. The machines above it are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Engine {
    /// The built-in loop over io_uring.
    #[default]
    Ring,
    /// The monoio runtime: over io_uring, or over epoll where that is unavailable.
    Monoio,
    /// The tokio-uring runtime.
    TokioUring,
}

impl Engine {
    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ring => "ring",
            Self::Monoio => "monoio",
            Self::TokioUring => "tokio-uring",
        }
    }
}

/// How this side closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closing {
    /// FIN: in order. The port stays in use for a while (TIME-WAIT).
    #[default]
    Fin,
    /// RST: at once, as a killed client does. The port is free again.
    Rst,
}

/// Which free connection sends the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionOrder {
    /// The one that has been free for longest: all are used equally, and with them the processes,
    /// addresses and queues behind them.
    #[default]
    RoundRobin,
    /// The one used last: only as many as needed are used, and their memory is in the cache.
    Lifo,
}

/// How a worker waits for its next due slot, or for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitMode {
    /// Like [`Self::Block`], but an answer waits up to 50 µs for others, until half of the
    /// connections have something: fewer system calls, times up to that much longer. io_uring only.
    Batch,
    /// Sleep in the kernel: cheapest, late by a wake-up (some 10 µs).
    Block,
    /// Sleep until shortly before the due time, then poll. If no slot is due, poll first for a
    /// moment, while that pays off, then sleep.
    Hybrid,
    /// Never sleep: uses all of a CPU, least lateness.
    Spin,
}
