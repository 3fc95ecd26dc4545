//! The JSON document of a run, schema `uringbench.run/1`: its keys, their order and their units.
//!
//! Keys are a contract: they are added, never renamed or removed. Units are in the names (`_s`
//! seconds, `_ns` nanoseconds, `_bytes`); rates are per second, shares 0..=1. A figure without
//! samples is `null`, never 0. `uringbench-core` computes the figures; here they are only assigned
//! to keys.

mod build;
mod client;
mod derived;
mod identity;
mod plan;
mod steps;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use serde::{Deserialize, Serialize};
use uringbench_core::outcome::Outcome;

use crate::EncodeError;
use crate::chaos::ChaosFigures;
use crate::cost::CostFigures;
use crate::insight::InsightFigures;
use crate::soak::SoakFigures;
use crate::target::{self, TargetFigures, TargetUsage};
use crate::timeline::TimelineFigures;

pub use build::DocumentParts;
pub use client::{
    ClientFigures, HandshakeFigures, IdleFigures, SpreadFigures, TcpFigures, WorkerFigures,
};
pub use identity::{GitRevision, fingerprint};
pub use plan::{Environment, PlanFigures, TlsPlanned};
pub use steps::{FailureCounted, FlowFigures, StepFigures, StreamFigures};

/// The value of `schema`.
pub const SCHEMA: &str = "uringbench.run/1";

/// A whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// `uringbench.run/1`.
    pub schema: String,
    /// When the first phase began, RFC 3339, UTC.
    pub started: String,
    /// The revision of the source; left out if the run was not started in a git repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitRevision>,
    /// Names given with `--tag`; left out without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The verdict: whether the figures can be trusted.
    pub verdict: VerdictGiven,
    /// The objectives and whether they were met; empty without `--slo`.
    pub slo: Vec<SloHeld>,
    /// The plan.
    pub plan: PlanFigures,
    /// The machine that generated the load.
    pub host: Environment,
    /// Warm-up, measure and drain; measure may have named parts.
    pub phases: Vec<PhaseFigures>,
    /// Requests per second of the measured window.
    pub rate: RateFigures,
    /// Slots of the measured window and their outcomes.
    pub counts: CountFigures,
    /// The times of the measured window.
    pub latency_ns: TimesFigures,
    /// Bytes of the measured window, headers included.
    pub bytes: ByteFigures,
    /// TLS handshakes; `null` without TLS.
    #[serde(default)]
    pub tls: Option<HandshakeFigures>,
    /// Events of the answers; `null` if they are not streams.
    #[serde(default)]
    pub stream: Option<StreamFigures>,
    /// Connections that carry nothing; `null` without any.
    #[serde(default)]
    pub idle: Option<IdleFigures>,
    /// The cost of the load.
    pub client: ClientFigures,
    /// The steps of the flow, or of all flows of a scenario.
    pub steps: Vec<StepFigures>,
    /// The flows of a scenario; empty without one.
    #[serde(default)]
    pub flows: Vec<FlowFigures>,
    /// The whole run, second by second.
    pub intervals: Vec<IntervalFigures>,
    /// The use of this machine by the target in the measured window; missing if it is on another
    /// one, or its processes were not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_usage: Option<TargetUsage>,
    /// The profile of the target; `null` unless it was profiled.
    #[serde(default, serialize_with = "TargetFigures::serialize")]
    pub target: Option<TargetFigures>,
    /// What stands out in the run, the most serious first; computed from the rest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub insights: Vec<InsightFigures>,
    /// What a request costs the target; left out unless it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<CostFigures>,
    /// The verdict of a soak; left out of other runs.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "target::by_the_alphabet"
    )]
    pub soak: Option<SoakFigures>,
    /// What faults did; left out of runs without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chaos: Option<ChaosFigures>,
    /// The course of load, target and host; missing unless the target was profiled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeline: Option<TimelineFigures>,
    /// The histograms themselves.
    pub histograms: EncodedHistograms,
}

/// Key `verdict`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictGiven {
    /// `valid`, `suspect` or `invalid`.
    pub validity: String,
    /// The reasons against it.
    pub reasons: Vec<ReasonGiven>,
    /// Further facts that do not change the verdict.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// One of `verdict.reasons`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonGiven {
    /// The rule.
    pub code: String,
    /// The figure and the fix.
    pub message: String,
    /// `suspect` or `invalid`.
    pub severity: String,
}

/// One of `slo`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SloHeld {
    /// The objective.
    pub objective: String,
    /// The measured value.
    pub measured: String,
    /// `null` if there are too few samples to decide.
    pub met: Option<bool>,
}

/// One of `phases`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseFigures {
    /// `warmup`, `measure` or `drain`; another name is a part of the measured window.
    pub name: String,
    /// From the start of the run.
    pub start_s: f64,
    /// Its length.
    pub duration_s: f64,
}

/// Key `rate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RateFigures {
    /// The planned rate; `null` in a closed loop.
    pub offered: Option<f64>,
    /// The rate that was sent.
    pub achieved: f64,
    /// Requests that ended `ok`.
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
    /// Times that a request was sent again, since the target closed its connection first.
    #[serde(default)]
    pub retried: u64,
    /// Why slots ended without a passing answer, as far as known, the most frequent first.
    #[serde(default)]
    pub causes: Vec<CauseFigures>,
    /// Deviations from RFC 9112 in answers that were accepted.
    #[serde(default)]
    pub tolerated: Vec<ToleratedFigures>,
    /// Complete answers per status code; those never seen are left out.
    pub by_status: BTreeMap<u16, u64>,
    /// Messages of WebSockets among the complete answers: they have no status.
    #[serde(default)]
    pub messages: u64,
    /// Errors of PostgreSQL per SQLSTATE, and of Redis per word; `other` are those whose word Redis
    /// itself does not use, and those of a server with too many. Answers of gRPC per status, `OK`
    /// among them.
    #[serde(default)]
    pub by_code: BTreeMap<String, u64>,
    /// Redis replies that brought a value: a string, an array, a map.
    #[serde(default)]
    pub hits: u64,
    /// Redis replies that were null, or an empty list, set or hash: nothing is stored there. They
    /// count as `ok`.
    #[serde(default)]
    pub misses: u64,
    /// Redis replies that were a status, such as `OK`, or a number; answers of PostgreSQL without
    /// an error.
    #[serde(default)]
    pub acknowledged: u64,
    /// Rows in answers of PostgreSQL.
    #[serde(default)]
    pub rows: u64,
    /// Slots released in the warm-up, in no other figure.
    #[serde(default)]
    pub warmup_released: u64,
}

/// Key `counts.outcomes`: every kind, also those with 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeFigures {
    /// 2xx and 3xx answers that passed every check.
    pub ok: u64,
    /// 4xx and 5xx answers; of gRPC those with a status that is not `OK`.
    pub status: u64,
    /// No complete answer in time.
    pub timeout: u64,
    /// The connection ended before the answer did.
    pub reset: u64,
    /// No connection could be made.
    pub connect_failed: u64,
    /// An answer that could not be parsed.
    pub malformed: u64,
    /// An answer that failed a check.
    pub check_failed: u64,
    /// No connection came free in time.
    pub not_sent: u64,
    /// In flight when the run ended early.
    pub censored: u64,
}

/// One of `counts.causes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CauseFigures {
    /// The outcome of the slots, with its name in `counts.outcomes`.
    pub outcome: String,
    /// The cause, in one line.
    pub cause: String,
    /// How many slots.
    pub count: u64,
}

/// One of `counts.tolerated`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToleratedFigures {
    /// The kind of deviation: `space_before_colon`.
    pub kind: String,
    /// How many answers.
    pub count: u64,
    /// The first example.
    pub example: String,
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
    /// TLS handshakes, from the connect on, whole run; `null` without TLS.
    #[serde(default)]
    pub handshake: Option<TimeFigures>,
    /// First byte − sent.
    pub first_byte: TimeFigures,
}

/// The figures of one histogram.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeFigures {
    /// The median; like every quantile `null` if fewer than 10 values lie beyond it.
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
    /// The mean; `null` without values, as the next two.
    pub mean: Option<u64>,
    /// The minimum.
    pub min: Option<u64>,
    /// The maximum.
    pub max: Option<u64>,
    /// The number of values.
    pub count: u64,
    /// Values that are ages of unfinished requests; only for the response time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub censored: Option<u64>,
}

/// Key `bytes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByteFigures {
    /// Bytes of requests.
    pub sent: u64,
    /// Bytes of responses.
    pub received: u64,
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
    /// Slots that ended in it by outcome, with the names of `counts.outcomes`; those that did not
    /// occur are left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outcomes: BTreeMap<String, u64>,
    /// Exchanges in flight at its end.
    pub in_flight: u64,
    /// Connections established at its end.
    pub connected: u64,
    /// Median of the slots that ended in it; `null` without any, as the next two.
    pub response_p50_ns: Option<u64>,
    /// Their 99 % quantile.
    pub response_p99_ns: Option<u64>,
    /// The slowest of them.
    pub response_max_ns: Option<u64>,
    /// 99 % quantile of the slots sent in it; `null` in a closed loop.
    pub lateness_p99_ns: Option<u64>,
    /// Bytes of requests.
    pub sent_bytes: u64,
    /// Bytes of responses.
    pub received_bytes: u64,
}

impl IntervalFigures {
    /// Requests that ended, in the order of [`Outcome::ALL`]. Intervals of early versions have
    /// only their errors: those stand in the place of `status`.
    pub fn ended(&self) -> [u64; Outcome::ALL.len()] {
        if self.outcomes.is_empty() {
            let mut ended = [0; Outcome::ALL.len()];
            ended[Outcome::Ok as usize] = self.completed.saturating_sub(self.errors);
            ended[Outcome::Status as usize] = self.errors;
            return ended;
        }
        Outcome::ALL.map(|it| self.outcomes.get(it.key()).copied().unwrap_or_default())
    }
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

impl EncodedHistograms {
    /// The response times as counts.
    ///
    /// # Errors
    /// [`EncodeError`] if they are damaged.
    pub fn response(&self) -> Result<Histogram<u64>, EncodeError> {
        decoded(&self.response)
    }

    /// The service times as counts.
    ///
    /// # Errors
    /// [`EncodeError`] if they are damaged.
    pub fn service(&self) -> Result<Histogram<u64>, EncodeError> {
        decoded(&self.service)
    }

    /// The lateness as counts.
    ///
    /// # Errors
    /// [`EncodeError`] if they are damaged.
    pub fn lateness(&self) -> Result<Histogram<u64>, EncodeError> {
        decoded(&self.lateness)
    }
}

fn decoded(text: &str) -> Result<Histogram<u64>, EncodeError> {
    let bytes = STANDARD.decode(text).map_err(EncodeError::of)?;
    Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(EncodeError::of)
}
