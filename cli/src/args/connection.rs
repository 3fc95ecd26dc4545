//! Arguments about connections: how they are made and closed, and TLS.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use uringbench_core::plan;
use uringbench_core::rate::Rate;

use crate::units;

/// How connections are made and closed.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Connections")]
pub(crate) struct ConnectionArgs {
    /// Connect to this address instead of the URL's host and port
    ///
    /// The Host header, and with TLS the name that is sent (SNI) and checked, stay the URL's.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) connect_to: Option<String>,

    /// Connect to this Unix socket instead of the URL's host and port
    ///
    /// The Host header, and with TLS the name that is sent (SNI) and checked, stay the URL's.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["connect_to", "source_ip"])]
    pub(crate) unix: Option<PathBuf>,

    /// Close and reopen each connection after N requests [default: keep it open]
    #[arg(
        long, value_name = "N", value_parser = units::small_count, allow_negative_numbers = true
    )]
    pub(crate) requests_per_connection: Option<u32>,

    /// How to close connections [default: fin]
    #[arg(long, value_name = "HOW", value_enum)]
    pub(crate) close: Option<Close>,

    /// Which free connection sends the next request [default: round-robin]
    #[arg(long, value_name = "ORDER", value_enum)]
    pub(crate) connection_order: Option<Order>,

    /// Limit of connections opened per second, before and during the load [default: no limit]
    #[arg(long, value_name = "RATE", value_parser = units::rate, allow_negative_numbers = true)]
    pub(crate) connect_rate: Option<Rate>,

    /// Number of further connections to hold open without sending on them [default: 0]
    #[arg(
        long, value_name = "N", value_parser = units::small_count, allow_negative_numbers = true
    )]
    pub(crate) idle_connections: Option<u32>,

    /// Bytes per second that each connection reads, to act as a slow client [default: no limit]
    #[arg(
        long, value_name = "N", value_parser = units::small_count, allow_negative_numbers = true
    )]
    pub(crate) read_rate: Option<u32>,

    /// Bytes per second that each connection sends, to act as a slow client [default: no limit]
    #[arg(
        long, value_name = "N", value_parser = units::small_count, allow_negative_numbers = true
    )]
    pub(crate) write_rate: Option<u32>,

    /// Begin each connection with a PROXY header, as a load balancer does
    #[arg(long, value_name = "VERSION", value_enum, conflicts_with = "unix")]
    pub(crate) proxy_protocol: Option<Proxy>,

    /// Local addresses to connect from, in turn (127.0.0.2-127.0.0.9,10.0.0.1)
    ///
    /// Each address has its own ports, so N addresses allow N times as many connections.
    #[arg(long, value_name = "LIST", value_parser = units::addresses)]
    pub(crate) source_ip: Option<Sources>,
}

/// Addresses, in a type of their own so that one option takes several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sources(pub(crate) Vec<IpAddr>);

/// A version of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Proxy {
    /// Version 1, a line of text
    V1,
    /// Version 2, binary
    V2,
}

impl From<Proxy> for plan::ProxyVersion {
    fn from(proxy: Proxy) -> Self {
        match proxy {
            Proxy::V1 => Self::V1,
            Proxy::V2 => Self::V2,
        }
    }
}

/// Which free connection sends the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    /// The one that has been free for longest: all are used equally
    RoundRobin,
    /// The one used last: only as many are used as the load needs
    Lifo,
}

impl ConnectionArgs {
    /// Which connection sends the next request, if the option was given.
    pub(crate) fn order(&self) -> Option<plan::ConnectionOrder> {
        self.connection_order.map(Into::into)
    }
}

impl From<Order> for plan::ConnectionOrder {
    fn from(order: Order) -> Self {
        match order {
            Order::RoundRobin => Self::RoundRobin,
            Order::Lifo => Self::Lifo,
        }
    }
}

/// How connections are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Close {
    /// With FIN; the local port stays in use for a minute (TIME_WAIT)
    Fin,
    /// With RST, as a killed client does; the local port is free at once
    Rst,
}

impl From<Close> for plan::Closing {
    fn from(close: Close) -> Self {
        match close {
            Close::Fin => Self::Fin,
            Close::Rst => Self::Rst,
        }
    }
}

/// Options of TLS.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TlsArgs {
    /// Accept any certificate of the target without checks
    #[arg(short = 'k', long)]
    pub(crate) insecure: bool,

    /// Trust the certificates in this PEM file instead of the system's
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub(crate) cacert: Option<PathBuf>,

    /// Client certificate to send if the target requests one, followed by its chain (PEM file)
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,

    /// Private key of --cert (PEM file)
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,

    /// Offer only this version of TLS [default: offer both]
    #[arg(long, value_name = "VERSION", value_enum)]
    pub(crate) tls: Option<TlsVersion>,

    /// Make a full handshake on every connection, without resuming a session
    #[arg(long)]
    pub(crate) no_resumption: bool,

    /// Accept answers without a length whose connection ended without TLS's close_notify
    ///
    /// Without it they are `reset`: the end of such an answer may be missing.
    #[arg(long)]
    pub(crate) tolerate_truncation: bool,
}

impl TlsArgs {
    /// Whether any option was given that needs TLS.
    pub(crate) const fn any(&self) -> bool {
        self.insecure
            || self.cacert.is_some()
            || self.cert.is_some()
            || self.tls.is_some()
            || self.no_resumption
            || self.tolerate_truncation
    }
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TlsVersion {
    /// TLS 1.2
    #[value(name = "1.2")]
    Tls12,
    /// TLS 1.3
    #[value(name = "1.3")]
    Tls13,
}

/// The I/O engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// io_uring directly, the fastest
    Ring,
    /// The monoio runtime; uses epoll where io_uring is forbidden, as in most containers
    Monoio,
    /// The tokio-uring runtime, for comparison
    TokioUring,
}

impl From<Engine> for plan::Engine {
    fn from(engine: Engine) -> Self {
        match engine {
            Engine::Ring => Self::Ring,
            Engine::Monoio => Self::Monoio,
            Engine::TokioUring => Self::TokioUring,
        }
    }
}
