//! What can be typed about connections: how they are made and end, and what TLS is to do.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use uringbench_core::plan;
use uringbench_core::rate::Rate;

use crate::units;

/// How connections are made and end.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Connections")]
pub(crate) struct ConnectionArgs {
    /// Connect to this address instead of the URL's, which is still asked for
    ///
    /// The URL's host remains in the request and, with TLS, in the name asked for (SNI) and
    /// checked.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) connect_to: Option<String>,

    /// Connect to this Unix socket instead of the URL's host, which is still asked for
    #[arg(long, value_name = "PATH", conflicts_with_all = ["connect_to", "source_ip"])]
    pub(crate) unix: Option<PathBuf>,

    /// Close a connection after so many requests and make it anew [default: keep it]
    #[arg(
        long, value_name = "N", value_parser = units::small_count, allow_negative_numbers = true
    )]
    pub(crate) requests_per_connection: Option<u32>,

    /// How this side closes connections [default: fin]
    #[arg(long, value_name = "HOW", value_enum)]
    pub(crate) close: Option<Close>,

    /// Which free connection takes the next request [default: round-robin]
    ///
    /// round-robin takes the one that has been free for longest, so that all of them are used
    /// alike. lifo takes the one used last: few are used when few are needed.
    #[arg(long, value_name = "ORDER", value_enum)]
    pub(crate) connection_order: Option<Order>,

    /// Connections made per second, before the load and in it [default: as fast as may be]
    #[arg(long, value_name = "RATE", value_parser = units::rate, allow_negative_numbers = true)]
    pub(crate) connect_rate: Option<Rate>,

    /// Connections to hold open besides, which carry nothing [default: 0]
    #[arg(
        long, value_name = "N", value_parser = units::small_count, allow_negative_numbers = true
    )]
    pub(crate) idle_connections: Option<u32>,

    /// Bytes per second that each connection takes of its answers, like a slow client
    #[arg(
        long, value_name = "N", value_parser = units::small_count, allow_negative_numbers = true
    )]
    pub(crate) read_rate: Option<u32>,

    /// Bytes per second that each connection sends of its requests, like a slow client
    #[arg(
        long, value_name = "N", value_parser = units::small_count, allow_negative_numbers = true
    )]
    pub(crate) write_rate: Option<u32>,

    /// Begin connections with a PROXY header, as behind a load balancer
    #[arg(long, value_name = "VERSION", value_enum, conflicts_with = "unix")]
    pub(crate) proxy_protocol: Option<Proxy>,

    /// Addresses of this machine to connect from, in turn (127.0.0.2-127.0.0.9,10.0.0.1)
    ///
    /// Each has ports of its own: with N addresses there can be N times as many connections.
    #[arg(long, value_name = "LIST", value_parser = units::addresses)]
    pub(crate) source_ip: Option<Sources>,
}

/// Addresses, in a type of their own so that one option takes several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sources(pub(crate) Vec<IpAddr>);

/// A version of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Proxy {
    /// A line of text
    V1,
    /// Binary
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

/// Which free connection takes the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    /// The one that has been free for longest
    RoundRobin,
    /// The one used last
    Lifo,
}

impl ConnectionArgs {
    /// Which connection takes the next request, where it was typed.
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

/// How connections end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Close {
    /// In order; the local port stays taken for a minute
    Fin,
    /// At once, like a client that was killed
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

/// What TLS is to do.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TlsArgs {
    /// Take any certificate for the target's
    #[arg(short = 'k', long)]
    pub(crate) insecure: bool,

    /// Trust the certificates in this file instead of the system's (PEM)
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub(crate) cacert: Option<PathBuf>,

    /// Show this certificate, and those after it, when asked (PEM)
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,

    /// The private key of --cert (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,

    /// Offer this version alone [default: 1.3, else 1.2]
    #[arg(long, value_name = "VERSION", value_enum)]
    pub(crate) tls: Option<TlsVersion>,

    /// Never take up an earlier session: every handshake is a full one
    #[arg(long)]
    pub(crate) no_resumption: bool,

    /// Count a body that the end of the connection delimits though TLS ended without close_notify
    #[arg(long)]
    pub(crate) tolerate_truncation: bool,
}

impl TlsArgs {
    /// Whether anything was typed that only means something with TLS.
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
