//! The JSON document of a run, schema `uringbench.run/1`: its keys, their order and their units.
//!
//! Keys are a contract: they may be added to, never renamed or removed. Units are in the names
//! (`_s` seconds, `_ns` nanoseconds, `_bytes`); rates are per second, shares 0..=1. A figure that
//! there are no samples for is `null`, never 0. What the figures are is decided in
//! `uringbench-core`; here they are only put in their places.

mod build;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use build::DocumentParts;

/// The value of `schema`.
pub const SCHEMA: &str = "uringbench.run/1";

/// A whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// [`SCHEMA`].
    pub schema: String,
    /// When the first phase began, RFC 3339, UTC.
    pub started: String,
    /// Whether the figures can be trusted.
    pub verdict: VerdictGiven,
    /// The objectives and whether they were met; empty without `--slo`.
    pub slo: Vec<SloHeld>,
    /// What was asked for.
    pub plan: PlanFigures,
    /// The machine the load came from.
    pub host: Environment,
    /// Warm-up, measure and drain.
    pub phases: Vec<PhaseFigures>,
    /// Requests per second of the measured window.
    pub rate: RateFigures,
    /// Slots of the measured window and what became of them.
    pub counts: CountFigures,
    /// What was timed in the measured window.
    pub latency_ns: TimesFigures,
    /// Bytes of the measured window, headers included.
    pub bytes: ByteFigures,
    /// TLS handshakes; `null` without TLS.
    #[serde(default)]
    pub tls: Option<HandshakeFigures>,
    /// Events of the answers; `null` when they are no streams.
    #[serde(default)]
    pub stream: Option<StreamFigures>,
    /// Connections that carry nothing; `null` when there are none.
    #[serde(default)]
    pub idle: Option<IdleFigures>,
    /// What the load cost.
    pub client: ClientFigures,
    /// The steps of the flow, or of all flows of a scenario.
    pub steps: Vec<StepFigures>,
    /// The flows of a scenario; empty without one.
    #[serde(default)]
    pub flows: Vec<FlowFigures>,
    /// The whole run, second by second.
    pub intervals: Vec<IntervalFigures>,
    /// What was sampled of the target; `null` unless it was profiled.
    pub target: Option<serde_json::Value>,
    /// The verdict of a soak; left out of other runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soak: Option<serde_json::Value>,
    /// The histograms themselves.
    pub histograms: EncodedHistograms,
}

/// Key `verdict`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictGiven {
    /// `valid`, `suspect` or `invalid`.
    pub validity: String,
    /// What speaks against it.
    pub reasons: Vec<ReasonGiven>,
    /// What else a reader should know.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// One of `verdict.reasons`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonGiven {
    /// The rule.
    pub code: String,
    /// The figure and the remedy.
    pub message: String,
    /// `suspect` or `invalid`.
    pub severity: String,
}

/// One of `slo`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SloHeld {
    /// The objective.
    pub objective: String,
    /// What was measured.
    pub measured: String,
    /// `null` when there are too few samples to tell.
    pub met: Option<bool>,
}

/// Key `plan`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanFigures {
    /// As typed.
    pub url: String,
    /// `GET` and so on.
    pub method: String,
    /// The CPUs of the workers.
    pub cores: Vec<usize>,
    /// Over all workers.
    pub connections: u32,
    /// Requests in flight per connection.
    pub pipeline: u16,
    /// `closed` or `open`.
    pub load: String,
    /// Requests per second; `null` in a closed loop, as are the next and `wait`.
    pub rate: Option<f64>,
    /// `constant` or `poisson`.
    pub arrivals: Option<String>,
    /// Of every random choice.
    pub seed: u64,
    /// Limit of the measured window, if it is one of time.
    pub duration_s: Option<f64>,
    /// Limit of the measured window, if it is one of requests.
    pub requests: Option<u64>,
    /// Load before the measured window.
    pub warmup_s: f64,
    /// Of an exchange.
    pub timeout_s: f64,
    /// `block`, `hybrid` or `spin`.
    pub wait: Option<String>,
    /// What the user calls the run.
    pub name: Option<String>,
    /// Every address of the target.
    pub peers: Vec<String>,
    /// TLS on every connection; `null` when there is none.
    #[serde(default)]
    pub tls: Option<TlsPlanned>,
    /// Requests before a connection is closed and made anew; `null` when it is kept.
    #[serde(default)]
    pub requests_per_connection: Option<u32>,
    /// How this side closes connections: `fin` or `rst`.
    #[serde(default)]
    pub close: Option<String>,
    /// Whether messages of a WebSocket are sent, not requests.
    #[serde(default)]
    pub websocket: bool,
    /// What an event of the answers is: `events` or `arrivals`; `null` when they are no streams.
    #[serde(default)]
    pub stream: Option<String>,
    /// Attempts to connect per second; `null` as fast as may be.
    #[serde(default)]
    pub connect_rate: Option<f64>,
    /// Connections held besides, which carry nothing.
    #[serde(default)]
    pub idle_connections: u32,
    /// Users of a closed loop of flows; `null` elsewhere.
    #[serde(default)]
    pub users: Option<u32>,
    /// Bytes per second each connection takes; `null` as fast as may be, as the next.
    #[serde(default)]
    pub read_rate: Option<u32>,
    /// Bytes per second each connection sends.
    #[serde(default)]
    pub write_rate: Option<u32>,
    /// `v1` or `v2`; `null` without a PROXY header.
    #[serde(default)]
    pub proxy_protocol: Option<String>,
    /// The addresses connections come from; empty when the kernel chooses.
    #[serde(default)]
    pub source_ips: Vec<String>,
}

/// Key `plan.tls`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsPlanned {
    /// The name asked for and checked.
    pub server_name: String,
    /// Whether the target's certificate is checked.
    pub verify: bool,
    /// Versions offered, best first.
    pub versions: Vec<String>,
    /// Whether this side has a certificate to show.
    pub client_certificate: bool,
    /// Whether earlier sessions are taken up.
    pub resumption: bool,
}

/// Key `stream`: events of the answers in the measured window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamFigures {
    /// How many there were.
    pub events: u64,
    /// Gaps as long as a stall or longer.
    pub stalls: u64,
    /// First event − sent.
    pub first_event_ns: TimeFigures,
    /// From one event to the next.
    pub gap_ns: TimeFigures,
}

/// Key `idle`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdleFigures {
    /// Connections that stood when the load began.
    pub held: u64,
    /// That ended, whole run.
    pub lost: u64,
    /// By how much this process's memory grew per connection, the loaded ones included.
    pub bytes_per_connection: u64,
}

/// Key `tls`: handshakes of the whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandshakeFigures {
    /// In full.
    pub full: u64,
    /// That took up an earlier session.
    pub resumed: u64,
}

/// Key `host`: the machine the load came from, as far as it could be read.
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
    /// What carried the load: `ring`, `monoio (io_uring)`, `monoio (epoll)` or `tokio-uring`.
    pub engine: Option<String>,
    /// Clock source of the kernel.
    pub clock: Option<String>,
    /// TCP congestion control.
    pub congestion_control: Option<String>,
    /// Name of the machine.
    pub hostname: Option<String>,
    /// Version of uringbench.
    pub uringbench: Option<String>,
}

/// One of `phases`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseFigures {
    /// `warmup`, `measure` or `drain`.
    pub name: String,
    /// From the start of the run.
    pub start_s: f64,
    /// Its length.
    pub duration_s: f64,
}

/// Key `rate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RateFigures {
    /// Planned; `null` in a closed loop.
    pub offered: Option<f64>,
    /// Sent.
    pub achieved: f64,
    /// Ended `ok`.
    pub completed: f64,
}

/// Key `counts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountFigures {
    /// Slots released.
    pub released: u64,
    /// Complete answers: `ok + status + check_failed`.
    pub completed: u64,
    /// How every slot ended.
    pub outcomes: OutcomeFigures,
    /// Complete answers per status code; those never seen are left out.
    pub by_status: BTreeMap<u16, u64>,
    /// Messages of WebSockets among the complete answers: they have no status.
    #[serde(default)]
    pub messages: u64,
    /// Slots released in the warm-up, in no other figure.
    #[serde(default)]
    pub warmup_released: u64,
}

/// Key `counts.outcomes`: every kind, those that never happened too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeFigures {
    /// 2xx and 3xx answers that passed every check.
    pub ok: u64,
    /// 4xx and 5xx answers.
    pub status: u64,
    /// No complete answer in time.
    pub timeout: u64,
    /// The connection ended before the answer did.
    pub reset: u64,
    /// No connection could be made.
    pub connect_failed: u64,
    /// No HTTP.
    pub malformed: u64,
    /// An answer that failed a check.
    pub check_failed: u64,
    /// No connection came free in time.
    pub not_sent: u64,
    /// In flight when the run was cut short.
    pub censored: u64,
}

/// Key `latency_ns`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimesFigures {
    /// done − due.
    pub response: TimeFigures,
    /// done − sent.
    pub service: TimeFigures,
    /// sent − due.
    pub lateness: TimeFigures,
    /// Connection establishment, whole run.
    pub connect: TimeFigures,
    /// TLS handshakes, from the connection's establishment on, whole run; `null` without TLS.
    #[serde(default)]
    pub handshake: Option<TimeFigures>,
    /// First byte − sent.
    pub first_byte: TimeFigures,
}

/// One histogram in figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeFigures {
    /// The median; like every quantile `null` when fewer than 10 values lie beyond it.
    pub p50: Option<u64>,
    /// 90 %.
    pub p90: Option<u64>,
    /// 95 %.
    pub p95: Option<u64>,
    /// 99 %.
    pub p99: Option<u64>,
    /// 99.9 %.
    pub p999: Option<u64>,
    /// 99.99 %.
    pub p9999: Option<u64>,
    /// `null` without values, as the next two.
    pub mean: Option<u64>,
    /// The fastest.
    pub min: Option<u64>,
    /// The slowest.
    pub max: Option<u64>,
    /// Values.
    pub count: u64,
    /// Values that are ages of unfinished requests; of the response time alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub censored: Option<u64>,
}

/// Key `bytes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByteFigures {
    /// Of requests.
    pub sent: u64,
    /// Of responses.
    pub received: u64,
}

/// Key `client`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientFigures {
    /// CPU time of the workers per complete answer, without what they spun.
    pub cpu_ns_per_request: Option<f64>,
    /// Outside the kernel.
    pub user_s: f64,
    /// Inside it.
    pub system_s: f64,
    /// Largest resident memory of the process.
    pub rss_peak_bytes: u64,
    /// `io_uring_enter` calls per complete answer.
    pub enters_per_request: Option<f64>,
    /// One per worker.
    #[serde(default)]
    pub workers: Vec<WorkerFigures>,
}

/// One of `client.workers`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerFigures {
    /// Where it was pinned.
    pub cpu: usize,
    /// It was to hold.
    pub connections: u32,
    /// When the measured window began.
    pub established: u32,
    /// The fewest during it.
    pub established_min: u32,
    /// After a close, whole run.
    pub reconnects: u64,
    /// Attempts, whole run.
    pub connects_failed: u64,
    /// Share of the measured window it was at work.
    pub busy: f64,
    /// Share of it that it spun for want of anything to do.
    #[serde(default)]
    pub spun: f64,
    /// Share of the measured window it waited for its CPU.
    pub run_queue: f64,
    /// Times it lost its CPU in the measured window.
    pub preempted: u64,
    /// Slots that found every connection busy.
    pub waited: u64,
    /// Receives that found no free buffer, whole run.
    pub buffers_exhausted: u64,
    /// Completions the kernel queued aside, whole run.
    pub completions_overflowed: u64,
    /// Times bytes came that nobody had asked for, whole run.
    pub unsolicited: u64,
}

/// One of `steps`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFigures {
    /// `request` when the flow is a single URL.
    pub name: String,
    /// Slots released.
    pub released: u64,
    /// Complete answers.
    pub completed: u64,
    /// done − due.
    pub response: TimeFigures,
    /// done − sent.
    pub service: TimeFigures,
    /// First byte − sent; of a step of a scenario not known.
    pub first_byte: Option<TimeFigures>,
    /// What it belongs to: a flow's name, `on_start` or `on_end`; `null` for a single URL, as is
    /// what follows.
    #[serde(default)]
    pub flow: Option<String>,
    /// Answers that passed.
    #[serde(default)]
    pub ok: Option<u64>,
    /// Requests that ended otherwise, by outcome.
    #[serde(default)]
    pub errors: Option<BTreeMap<String, u64>>,
    /// Why answers did not pass, and how many, the most first.
    #[serde(default)]
    pub failures: Vec<FailureCounted>,
    /// sent − due.
    #[serde(default)]
    pub lateness: Option<TimeFigures>,
}

/// One of a step's `failures`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureCounted {
    /// What was not as it was to be.
    pub what: String,
    /// How often.
    pub count: u64,
}

/// One of `flows`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowFigures {
    /// Its name.
    pub name: String,
    /// Flows in which every step passed.
    pub passed: u64,
    /// Flows in which a step did not.
    pub failed: u64,
    /// Flows that the end of the run cut short.
    pub unfinished: u64,
    /// Those that passed, per second.
    pub rate: f64,
    /// How long they took from the moment they were due, without their pauses.
    pub response: TimeFigures,
    /// How much of that was waiting for answers.
    pub service: TimeFigures,
    /// How much of that was waiting to send, since a request was due.
    pub lateness: TimeFigures,
}

/// One of `intervals`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntervalFigures {
    /// Its start, from the start of the run.
    pub t_s: f64,
    /// Its length.
    pub length_s: f64,
    /// The phase it began in.
    pub phase: String,
    /// Slots released in it.
    pub released: u64,
    /// Complete answers that arrived in it.
    pub completed: u64,
    /// Slots that ended in it other than `ok`.
    pub errors: u64,
    /// Exchanges in flight at its end.
    pub in_flight: u64,
    /// Connections established at its end.
    pub connected: u64,
    /// Of the slots that ended in it; `null` when none did, as the next two.
    pub response_p50_ns: Option<u64>,
    /// 99 %.
    pub response_p99_ns: Option<u64>,
    /// The slowest.
    pub response_max_ns: Option<u64>,
    /// Of the slots sent in it; `null` in a closed loop.
    pub lateness_p99_ns: Option<u64>,
    /// Of requests.
    pub sent_bytes: u64,
    /// Of responses.
    pub received_bytes: u64,
}

/// Key `histograms`: HdrHistogram V2-DEFLATE of the measured window's nanoseconds, base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncodedHistograms {
    /// done − due.
    pub response: String,
    /// done − sent.
    pub service: String,
    /// sent − due.
    pub lateness: String,
}
