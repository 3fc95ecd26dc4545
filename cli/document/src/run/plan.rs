//! The plan, and the machine.

use serde::{Deserialize, Serialize};

/// Key `plan`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanFigures {
    /// The target as typed, without its secrets unless they are kept.
    pub url: String,
    /// `GET` and so on; `gRPC` of calls.
    pub method: String,
    /// The CPUs of the workers.
    pub cores: Vec<usize>,
    /// Connections over all workers.
    pub connections: u32,
    /// Requests in flight per connection: pipelined, streams of HTTP/2, or
    /// commands or transactions of a database.
    pub pipeline: u16,
    /// `HTTP/2`, `gRPC`; `RESP2` or `RESP3` of Redis; `PostgreSQL simple`, `extended` or
    /// `prepared`; left out for the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Bytes of the table in which an HTTP/2 target may keep header fields; left out if 4,096.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub h2_table: Option<u32>,
    /// Bytes that an HTTP/2 target may send ahead on each stream; left out if 1 GiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub h2_window: Option<u32>,
    /// `closed` or `open`.
    pub load: String,
    /// Requests per second; `null` in a closed loop, as are the next and `wait`.
    pub rate: Option<f64>,
    /// `constant` or `poisson`.
    pub arrivals: Option<String>,
    /// Seed of every random choice.
    pub seed: u64,
    /// Limit of the measured window, if it is a time.
    pub duration_s: Option<f64>,
    /// Limit of the measured window, if it is a number of requests.
    pub requests: Option<u64>,
    /// Load before the measured window.
    pub warmup_s: f64,
    /// Limit of an exchange.
    pub timeout_s: f64,
    /// `batch`, `block`, `hybrid` or `spin`.
    pub wait: Option<String>,
    /// The name of the run.
    pub name: Option<String>,
    /// Every address of the target.
    pub peers: Vec<String>,
    /// TLS on every connection; `null` without TLS.
    #[serde(default)]
    pub tls: Option<TlsPlanned>,
    /// Requests before a connection is closed and reopened; `null` without a limit.
    #[serde(default)]
    pub requests_per_connection: Option<u32>,
    /// How this side closes connections: `fin` or `rst`.
    #[serde(default)]
    pub close: Option<String>,
    /// Whether messages are sent over WebSockets, not requests.
    #[serde(default)]
    pub websocket: bool,
    /// The events of answers: `events`, `arrivals` or `messages`; `null` if they are not streams.
    #[serde(default)]
    pub stream: Option<String>,
    /// Which free connection takes the next request: `round-robin` or `lifo`.
    #[serde(default)]
    pub connection_order: Option<String>,
    /// Connects per second; `null` without a limit.
    #[serde(default)]
    pub connect_rate: Option<f64>,
    /// Further connections that carry nothing.
    #[serde(default)]
    pub idle_connections: u32,
    /// Users of a closed loop of flows; otherwise `null`.
    #[serde(default)]
    pub users: Option<u32>,
    /// Bytes per second that each connection reads; `null` without a limit, as the next.
    #[serde(default)]
    pub read_rate: Option<u32>,
    /// Bytes per second that each connection sends.
    #[serde(default)]
    pub write_rate: Option<u32>,
    /// `v1` or `v2`; `null` without a PROXY header.
    #[serde(default)]
    pub proxy_protocol: Option<String>,
    /// The local addresses of connections; empty if the kernel chooses.
    #[serde(default)]
    pub source_ips: Vec<String>,
    /// 16 digits that two runs share if their loads are the same: all of these keys and the names
    /// of the steps, without the target's address, the CPUs, the seed and the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

/// Key `plan.tls`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsPlanned {
    /// The server name that is sent and checked.
    pub server_name: String,
    /// Whether the target's certificate is checked.
    pub verify: bool,
    /// Versions offered, preferred first.
    pub versions: Vec<String>,
    /// Whether the client has a certificate.
    pub client_certificate: bool,
    /// Whether earlier sessions are resumed.
    pub resumption: bool,
    /// Whether a body that ends with the connection is accepted without a close_notify.
    #[serde(default)]
    pub tolerate_truncation: bool,
}

/// Key `host`: the machine that generated the load, as far as it could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Release of the kernel.
    pub kernel: Option<String>,
    /// Model of the CPU.
    pub cpu: Option<String>,
    /// Logical CPUs this process may use.
    pub cores: Option<usize>,
    /// Frequency governor.
    pub governor: Option<String>,
    /// The backend: `ring`, `monoio (io_uring)`, `monoio (epoll)` or `tokio-uring`.
    pub engine: Option<String>,
    /// Clock source of the kernel.
    pub clock: Option<String>,
    /// TCP congestion control.
    pub congestion_control: Option<String>,
    /// Name of the machine.
    pub hostname: Option<String>,
    /// Version of uringbench.
    pub uringbench: Option<String>,
    /// 16 digits that two runs share if kernel, CPU, number of CPUs, governor, clock, congestion
    /// control and engine are the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}
