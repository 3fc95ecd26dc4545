//! The generator and its connections.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Key `client`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientFigures {
    /// CPU time of the workers per complete answer, spinning excluded.
    pub cpu_ns_per_request: Option<f64>,
    /// CPU time of the workers outside the kernel, measured window, spinning included.
    pub user_s: f64,
    /// The same inside the kernel.
    pub system_s: f64,
    /// Largest resident memory of the process.
    pub rss_peak_bytes: u64,
    /// `io_uring_enter` calls per complete answer.
    pub enters_per_request: Option<f64>,
    /// Connections that carried a request of the measured window, of all workers.
    #[serde(default)]
    pub connections_used: Option<u64>,
    /// Streams that an HTTP/2 target allowed on a connection at once; left out if those were not
    /// fewer than `plan.pipeline`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams_max: Option<u32>,
    /// Whether that limit changed in the run, or differed between connections: `streams_max` is the
    /// fewest then. Left out if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub streams_vary: bool,
    /// The share of the connections' time, 0 to 1, in which they had bodies to send and no window
    /// of an HTTP/2 target to send them into. Left out if they never waited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_wait_share: Option<f64>,
    /// Why connections that stood have ended, where neither the plan nor the run's end wanted it,
    /// by kind, whole run. By the target: `announced`, `goodbye` (a WebSocket's Close frame),
    /// `going_away` (an HTTP/2 GOAWAY), `expelled` (a GOAWAY that names an error),
    /// `idle` (between answers), `unanswered`, `broken_off` and `truncated` (TLS without
    /// close_notify). By uringbench: `malformed`, `unsolicited`, `late`, `barred` (HTTP/2
    /// without any stream allowed), `ambiguous` (an answer does not say clearly where it ends),
    /// `early` (an answer before its request was sent whole), `enough` (events of a stream) and
    /// `refused` (a WebSocket). By either: `tls`. Those never seen are left out.
    #[serde(default)]
    pub connection_endings: BTreeMap<String, u64>,
    /// TCP state of the connections (tcp(7), TCP_INFO); `null` if it cannot be read: kernels before
    /// 6.8, and engines other than the ring.
    #[serde(default)]
    pub tcp: Option<TcpFigures>,
    /// One per worker.
    #[serde(default)]
    pub workers: Vec<WorkerFigures>,
}

/// Key `client.tcp`: the state of eight connections of each worker is read in turn every second,
/// and that of all connections that are up after the last request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpFigures {
    /// Connections whose state was read.
    pub connections_asked: u64,
    /// Connections made in the run.
    pub connections_made: u64,
    /// TCP segments retransmitted on those that were read.
    pub retransmits: u64,
    /// Smoothed round-trip times over them.
    pub rtt_ns: Option<SpreadFigures>,
    /// The minimum of their round-trip times.
    pub rtt_min_ns: Option<u64>,
    /// Bytes per second at which their last data was acknowledged.
    pub delivery_rate_bytes: Option<SpreadFigures>,
}

/// A distribution over connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpreadFigures {
    /// The minimum.
    pub min: u64,
    /// The median.
    pub p50: u64,
    /// The 90 % quantile.
    pub p90: u64,
    /// The maximum.
    pub max: u64,
}

/// One of `client.workers`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerFigures {
    /// The CPU it was pinned to.
    pub cpu: usize,
    /// Planned connections.
    pub connections: u32,
    /// Connections up when the measured window began.
    pub established: u32,
    /// The fewest connections up during it.
    pub established_min: u32,
    /// Connections that carried a request of the measured window.
    #[serde(default)]
    pub connections_used: Option<u32>,
    /// Connections opened again after a close, whole run.
    pub reconnects: u64,
    /// Attempts to connect that failed, whole run.
    pub connects_failed: u64,
    /// Share of the measured window in which it worked.
    pub busy: f64,
    /// Share of the measured window in which it spun without anything to do.
    #[serde(default)]
    pub spun: f64,
    /// Share of the measured window in which it waited for its CPU.
    pub run_queue: f64,
    /// Times it lost its CPU in the measured window.
    pub preempted: u64,
    /// Slots that found every connection busy and waited.
    pub waited: u64,
    /// Receives that found no free buffer, whole run.
    pub buffers_exhausted: u64,
    /// How often the completion queue was full, so that completions were delayed in the kernel;
    /// whole run.
    pub completions_overflowed: u64,
    /// How often bytes arrived that no request asked for, whole run.
    pub unsolicited: u64,
    /// WebSocket messages that no request asked for, pushes of Redis, notices of PostgreSQL; whole
    /// run.
    #[serde(default)]
    pub unsolicited_messages: u64,
}

/// Key `tls`: handshakes of the whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandshakeFigures {
    /// Full handshakes.
    pub full: u64,
    /// Handshakes that resumed an earlier session.
    pub resumed: u64,
}

/// Key `idle`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdleFigures {
    /// Idle connections up when the measured window began.
    pub held: u64,
    /// Those that ended, whole run.
    pub lost: u64,
    /// Growth of this process's memory per connection, the loaded ones included.
    pub bytes_per_connection: u64,
}
