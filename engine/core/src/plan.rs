//! A plan: everything a run needs to know, validated, as plain data.
//!
//! The command line makes one from what was typed and from the machine; the engine executes it.
//! It holds no argument-parser type and nothing that is not yet decided.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use crate::flow::script::Script;
use crate::http::request::RequestTemplate;
use crate::rate::Rate;
use crate::record::INTERVAL;
use crate::tempo::{self, Stage};
use crate::time::Nanos;
use crate::varying::{self, Stretch};
use crate::websocket::handshake::Opening;

/// One run, decided.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the load goes: every address of the target's name, at least one. Connections take
    /// them in turn.
    pub peers: Vec<Peer>,
    /// The bytes of the one request of the flow.
    pub request: RequestTemplate,
    /// What the workers reach the kernel through.
    pub engine: Engine,
    /// The CPUs the workers are pinned to, one worker each, at least one.
    pub cpus: Vec<usize>,
    /// Connections over all workers, at least one per worker.
    pub connections: u32,
    /// Requests in flight per connection, 1..=[`Plan::PIPELINE_MAX`].
    pub pipeline: u16,
    /// Closed loop, or open loop at a rate.
    pub load: Load,
    /// When the measured window ends.
    pub limit: Limit,
    /// Load before the measured window, counted apart.
    pub warmup: Nanos,
    /// How long an exchange may take from `sent`, a connection to establish, and a due slot to
    /// wait for a connection; also the longest drain. 1 ms..=1 h.
    pub timeout: Nanos,
    /// How a worker waits for its next due slot.
    pub wait: WaitMode,
    /// Seed of every random choice (Poisson gaps).
    pub seed: u64,
    /// The step in which the run is followed: [`INTERVAL`], or a divisor
    /// of it (10 ms at least) when what happens within a second matters.
    pub slice: Nanos,
    /// Changes of tempo of an open loop, one after the other from the start of the run; after
    /// the last one, and where there is none, the rate holds.
    pub stages: Vec<Stage>,
    /// How the rate of an open loop changes, from the start of the run; without it it holds.
    pub stretches: Vec<Stretch>,
    /// TLS on every connection, if at all.
    pub tls: Option<TlsPlan>,
    /// Requests sent on a connection before it is closed and made anew, at least 1; `None` as
    /// long as it lasts.
    pub per_connection: Option<u32>,
    /// Addresses of this machine that connections come from, in turn; empty leaves the choice to
    /// the kernel.
    pub sources: Vec<IpAddr>,
    /// How connections are closed from this side.
    pub closing: Closing,
    /// Which of the connections that are free takes the next request.
    pub connection_order: ConnectionOrder,
    /// Attempts to connect per second over all workers; `None` as fast as may be.
    pub connect_rate: Option<Rate>,
    /// Further connections over all workers, which are held open and carry nothing.
    pub idle: u32,
    /// What connections say of themselves first, as if a proxy had taken them; the addresses they
    /// come from are then given in `sources`.
    pub proxy: Option<ProxyVersion>,
    /// Bytes per second each connection takes of its answers, at least 1; `None` as fast as may
    /// be.
    pub read_rate: Option<u32>,
    /// The same for its requests.
    pub write_rate: Option<u32>,
    /// WebSocket: the request is then a message, and so is its answer.
    pub websocket: Option<WebSocketPlan>,
    /// Answers are streams whose events are timed.
    pub stream: Option<StreamPlan>,
    /// What users do step by step. The request is then [`Script::constants`], and what is due on
    /// a schedule are flows.
    pub script: Option<Arc<Script>>,
}

/// What is spoken over a WebSocket.
#[derive(Clone, Debug)]
pub struct WebSocketPlan {
    /// What is asked for before the first message.
    pub opening: Opening,
    /// What every message that comes must carry, if that is checked.
    pub expected: Option<Vec<u8>>,
    /// Whether text that comes is checked to be UTF-8.
    pub checks_text: bool,
    /// Messages that the target sends of its own accord after the opening, and that the first
    /// message of this side waits for.
    pub greeting: u32,
}

/// How the events of a stream are found and judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamPlan {
    /// What an event is.
    pub kind: StreamKind,
    /// A gap of at least this length is a stall.
    pub stall: Nanos,
    /// After so many events of an answer the exchange ends, as a success, and the connection with
    /// it; `None` when the target ends its answers.
    pub events_max: Option<u64>,
}

/// What an event of a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKind {
    /// A server-sent event.
    Events,
    /// Any payload that arrives.
    Arrivals,
}

/// Versions of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// How a connection ends when this side ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Closing {
    /// FIN: in order. The port stays taken for a while (TIME-WAIT).
    #[default]
    Fin,
    /// RST: at once, as a client that was killed. The port is free again.
    Rst,
}

/// Which of the connections that are free takes the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ConnectionOrder {
    /// The one free for longest: all of them are used alike, and with them every process, address
    /// and queue behind them.
    #[default]
    RoundRobin,
    /// The one used last: few are used as long as few are needed, and their memory is warm.
    Lifo,
}

/// What TLS is to do. Certificates and keys are DER (X.690), as files give them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsPlan {
    /// The name or address asked for (SNI), which the target's certificate has to bear.
    pub server_name: String,
    /// Which certificates are taken for the target's.
    pub trust: Trust,
    /// What this side shows of itself, when asked (mutual TLS).
    pub identity: Option<Identity>,
    /// Versions offered.
    pub versions: TlsVersions,
    /// Application protocols offered (ALPN), best first.
    pub alpn: Vec<String>,
    /// Whether a connection made anew takes up an earlier session.
    pub resumes: bool,
    /// A body that only the end of the connection delimits is whole without a close_notify too.
    pub tolerates_truncation: bool,
}

/// Which certificates are taken for the target's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Whatever is shown: no protection against anyone in between.
    Anything,
    /// What one of these vouches for, for the right name and at this time.
    Roots(Vec<Vec<u8>>),
}

/// A certificate of this side, and the key to prove it.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, and those that vouch for it.
    pub chain: Vec<Vec<u8>>,
    /// Its private key, in PKCS #8, PKCS #1 or SEC 1 form.
    pub key: Vec<u8>,
}

impl fmt::Debug for Identity {
    /// Without the key: this may be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} certificates)", self.chain.len())
    }
}

/// Versions of TLS offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TlsVersions {
    /// 1.3, or 1.2 where the target has no 1.3.
    #[default]
    Both,
    /// 1.2 alone (RFC 5246).
    Only12,
    /// 1.3 alone (RFC 8446).
    Only13,
}

impl Plan {
    /// Whether no network lies between this machine's sockets and the target's.
    pub fn is_on_loopback(&self) -> bool {
        self.peers.iter().all(|peer| match peer {
            Peer::Tcp(address) => address.ip().is_loopback(),
            Peer::Unix(_) => true,
        })
    }

    /// The least there is: one request after the other for a second, over one connection from
    /// CPU 0, with nothing special about either.
    pub fn plain(peer: Peer, request: RequestTemplate) -> Self {
        Self {
            peers: vec![peer],
            request,
            engine: Engine::Ring,
            cpus: vec![0],
            connections: 1,
            pipeline: 1,
            load: Load::Closed,
            limit: Limit::Duration(Nanos::SECOND),
            warmup: Nanos::ZERO,
            timeout: Nanos::SECOND,
            wait: WaitMode::Block,
            seed: 1,
            slice: INTERVAL,
            stages: Vec::new(),
            stretches: Vec::new(),
            tls: None,
            per_connection: None,
            sources: Vec::new(),
            closing: Closing::Fin,
            connection_order: ConnectionOrder::RoundRobin,
            connect_rate: None,
            idle: 0,
            proxy: None,
            read_rate: None,
            write_rate: None,
            websocket: None,
            stream: None,
            script: None,
        }
    }

    /// Whether requests have due times of their own: in an open loop, and in every flow, whose
    /// steps are due when the one before has ended.
    pub fn has_due_times(&self) -> bool {
        self.load != Load::Closed || self.script.is_some()
    }

    /// The most requests in flight on one connection.
    pub const PIPELINE_MAX: u16 = 256;

    /// Requests per second that are due on average in a measured window of this length; `None`
    /// in a closed loop.
    pub fn offered(&self, measured: Nanos) -> Option<f64> {
        match self.load {
            Load::Closed => None,
            Load::Replay => {
                let replay = self.script.as_ref()?.replay()?;
                let from = replay.times.partition_point(|&time| time < self.warmup);
                let to = replay.times.partition_point(|&time| time < self.warmup + measured);
                Some((to - from) as f64 / measured.as_secs_f64().max(1e-9))
            }
            Load::Open { rate, .. } => {
                let to = self.warmup + measured;
                if !self.stretches.is_empty() {
                    return Some(varying::mean_rate(&self.stretches, self.warmup, to));
                }
                Some(rate.as_f64() * tempo::mean_share(&self.stages, self.warmup, to))
            }
        }
    }
}

/// What decides when the next request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Every connection sends its next request as soon as it may: throughput, not latency.
    Closed,
    /// Requests are due on a schedule, whatever the target does.
    Open {
        /// Requests per second over all workers.
        rate: Rate,
        /// The law of the gaps between due times.
        arrivals: Arrivals,
    },
    /// Flows are due at the times of the script's replay.
    Replay,
}

/// The law of the gaps between the due times of an open loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// Evenly spaced: the least variance, for comparisons.
    Constant,
    /// Exponential gaps, seeded: real queues, for capacity.
    Poisson,
}

/// When the measured window ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// After this long.
    Duration(Nanos),
    /// When exactly this many requests have been released (over all workers), at least 1.
    Requests(u64),
    /// Whichever comes first.
    Either(Nanos, u64),
}

impl Limit {
    /// The most requests the window releases, if it is limited by them.
    pub const fn requests(self) -> Option<u64> {
        match self {
            Self::Duration(_) => None,
            Self::Requests(n) | Self::Either(_, n) => Some(n),
        }
    }

    /// The longest the window lasts, if it is limited by time.
    pub const fn duration(self) -> Option<Nanos> {
        match self {
            Self::Requests(_) => None,
            Self::Duration(d) | Self::Either(d, _) => Some(d),
        }
    }
}

/// How a worker passes the time to its next due slot, or until an answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitMode {
    /// Sleep in the kernel: cheapest, late by the wake-up (some 10 µs).
    Block,
    /// Sleep until shortly before the due time, then spin. Where no slot is due, spin first, for
    /// a moment and while that pays, then sleep.
    Hybrid,
    /// Never sleep: a full CPU, the least lateness.
    Spin,
}
