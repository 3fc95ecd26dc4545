//! How connections are made, what they go over, and what serves them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::rate::Rate;

/// What carries the load, on which CPUs, over how many connections.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Transport {
    /// What the workers reach the kernel through, and which way connections take.
    pub carrier: Carrier,
    /// The CPUs the workers are pinned to, one worker each, at least one.
    pub cpus: Vec<usize>,
    /// How a worker waits for its next due slot.
    pub wait: WaitMode,
    /// The connections.
    pub connections: Connections,
}

/// How many connections there are, and how each is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    /// Over all workers, at least one per worker.
    pub count: u32,
    /// Further connections over all workers, which are held open and carry nothing.
    pub idle: u32,
    /// Requests sent on a connection before it is closed and made anew, at least 1; `None` as
    /// long as it lasts.
    pub requests: Option<u32>,
    /// Which of the connections that are free takes the next request.
    pub order: ConnectionOrder,
    /// Attempts to connect per second over all workers; `None` as fast as possible.
    pub rate: Option<Rate>,
    /// Bytes per second each connection sends of its requests, at least 1; `None` as fast as
    /// possible.
    pub write_rate: Option<u32>,
}

impl Connections {
    /// So many, kept as long as they last, with no limit on their speed.
    pub const fn of(count: u32) -> Self {
        Self {
            count,
            idle: 0,
            requests: None,
            order: ConnectionOrder::RoundRobin,
            rate: None,
            write_rate: None,
        }
    }
}

/// What a worker reaches the kernel through, with what only that can do. The machines above it are
/// the same. Neither runtime lets its sockets be prepared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Carrier {
    /// Our own loop over io_uring.
    Ring(Ring),
    /// The monoio runtime: over io_uring, or over epoll where that is not available. Connections
    /// go to these addresses in turn.
    Monoio(Vec<SocketAddr>),
    /// The tokio-uring runtime, to these addresses in turn.
    TokioUring(Vec<SocketAddr>),
}

/// Sockets of our own loop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ring {
    /// Which way connections take.
    pub route: Route,
    /// How connections are closed from this side.
    pub closing: Closing,
    /// Bytes per second each connection receives of its answers, at least 1; `None` as fast as
    /// possible.
    pub read_rate: Option<u32>,
}

/// Which way connections take to the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// TCP.
    Tcp {
        /// Every address of the target, at least one. Connections take them in turn.
        peers: Vec<SocketAddr>,
        /// Addresses of this machine that connections come from, in turn; empty leaves the choice
        /// to the kernel.
        sources: Vec<IpAddr>,
    },
    /// TCP that begins with a PROXY header, as if a proxy had accepted the connection.
    Proxied {
        /// Every address of the target, at least one. Connections take them in turn.
        peers: Vec<SocketAddr>,
        /// Addresses of this machine that connections come from, in turn, at least one: the header
        /// names them.
        sources: Vec<IpAddr>,
        /// The header's form.
        version: ProxyVersion,
    },
    /// A Unix socket, by its path.
    Unix(PathBuf),
}

/// A runtime cannot do what was planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("`--engine {engine}` cannot {ability}; leave that out, or use `--engine ring`")]
pub struct CarrierError {
    engine: &'static str,
    ability: &'static str,
}

impl Carrier {
    /// What carries connections that take this route, are closed and received like this.
    ///
    /// # Errors
    /// When the engine is a runtime and cannot do one of them.
    pub fn new(
        engine: Engine,
        route: Route,
        closing: Closing,
        read_rate: Option<u32>,
    ) -> Result<Self, CarrierError> {
        if engine == Engine::Ring {
            return Ok(Self::Ring(Ring { route, closing, read_rate }));
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

    /// Our own loop over TCP, with nothing special about it.
    pub const fn ring(peers: Vec<SocketAddr>) -> Self {
        let route = Route::Tcp { peers, sources: Vec::new() };
        Self::Ring(Ring { route, closing: Closing::Fin, read_rate: None })
    }

    /// Which engine it is.
    pub const fn engine(&self) -> Engine {
        match self {
            Self::Ring(_) => Engine::Ring,
            Self::Monoio(_) => Engine::Monoio,
            Self::TokioUring(_) => Engine::TokioUring,
        }
    }

    /// The TCP addresses of the target; none when it has a Unix socket.
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

    pub(super) const fn as_ring(&self) -> Option<&Ring> {
        match self {
            Self::Ring(ring) => Some(ring),
            Self::Monoio(_) | Self::TokioUring(_) => None,
        }
    }
}

/// TCP addresses among peers of any kind.
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

    /// Addresses of this machine that connections come from; empty when the kernel chooses.
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

/// What a worker reaches the kernel through. The machines above it are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Engine {
    /// Our own loop over io_uring.
    #[default]
    Ring,
    /// The monoio runtime: over io_uring, or over epoll where that is not to be had.
    Monoio,
    /// The tokio-uring runtime.
    TokioUring,
}

impl Engine {
    /// As it is chosen on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ring => "ring",
            Self::Monoio => "monoio",
            Self::TokioUring => "tokio-uring",
        }
    }
}

/// How a connection ends when this side ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closing {
    /// FIN: in order. The port stays taken for a while (TIME-WAIT).
    #[default]
    Fin,
    /// RST: at once, as a client that was killed. The port is free again.
    Rst,
}

/// Which of the connections that are free takes the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionOrder {
    /// The one free for longest: all of them are used alike, and with them every process, address
    /// and queue behind them.
    #[default]
    RoundRobin,
    /// The one used last: few are used as long as few are needed, and their memory is warm.
    Lifo,
}

/// How a worker passes the time to its next due slot, or until an answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitMode {
    /// Sleep in the kernel: cheapest, late by the wake-up (some 10 µs).
    Block,
    /// Sleep until shortly before the due time, then spin. Where no slot is due, spin first, for
    /// a moment and while that pays, then sleep.
    Hybrid,
    /// Never sleep: a full CPU, the least lateness.
    Spin,
}
