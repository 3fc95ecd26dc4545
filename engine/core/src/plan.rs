//! A plan: everything a run needs to know, validated, as plain data.
//!
//! The command line builds it from its arguments and the machine; the engine executes it. It
//! contains no argument-parser type and no open decision. Alternatives that exclude each other are
//! variants of one type; [`Plan::new`] checks the values.

pub mod load;
pub mod tls;
pub mod transport;
pub mod workload;

use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use load::{Arrivals, Course, Limit, Limits, Load, TIMEOUT_MAX, TIMEOUT_MIN};
pub use tls::{Identity, Roots, TlsPlan, TlsVersions, Trust};
pub use transport::{
    Carrier, CarrierError, Closing, ConnectionOrder, Connections, Engine, Peer, ProxyVersion,
    RingCarrier, Route, Transport, WaitMode,
};
pub use workload::{
    Answers, Commands, HttpVersion, Messages, PIPELINE_MAX, Requests, StreamKind, StreamPlan,
    Transactions, WebSocketPlan, Workload,
};

use crate::flow::exchange::Exchange;
use crate::http::request::RequestTemplate;
use crate::http2::encoder::RequestEncoder;
use crate::http2::request::{NotHttp2, RequestFrames};
use crate::record::INTERVAL;
use crate::slo::Slo;
use crate::time::Nanos;

/// One run, decided and validated. Its parts are read as its fields.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct Plan(Parts);

/// The parts of a plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Parts {
    /// The target, for reports.
    pub target: Target,
    /// How connections are made, and the engine that serves them.
    pub transport: Transport,
    /// The protocol around the bytes of a connection.
    pub protocol: Protocol,
    /// What is sent, and how its answers are read.
    pub workload: Workload,
    /// When it is sent.
    pub load: Load,
    /// How long the parts of the run last.
    pub limits: Limits,
    /// How the run is observed and evaluated.
    pub observe: Observe,
    /// Seed of every random choice.
    pub seed: u64,
}

/// The target, for reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The URL.
    pub url: String,
    /// The request's method, or the scenario's file.
    pub method: String,
}

/// The protocol around the bytes of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// None.
    Plain,
    /// TLS, on every connection.
    Tls(TlsPlan),
}

/// How the run is observed and evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observe {
    /// The length of its intervals: [`INTERVAL`], or a divisor of it ([`SLICE_MIN`] at least) if
    /// events within a second matter.
    pub slice: Nanos,
    /// The objectives for its figures.
    pub objectives: Vec<Objective>,
    /// Whether requests are also counted by the time at which they were due: where something fails
    /// during the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_due: Option<ByDue>,
}

/// How requests are counted by the time at which they were due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByDue {
    /// The slowest good answer; `None` if the figures before the first fault decide.
    pub good: Option<Nanos>,
}

/// An objective and its scope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// The condition.
    pub limit: Slo,
    /// The index of a flow; `None` for the whole run.
    pub flow: Option<usize>,
    /// The index of a step of the flow; `None` for the whole flow.
    pub step: Option<usize>,
}

/// The shortest interval.
pub const SLICE_MIN: Nanos = Nanos::from_millis(10);

/// Why parts are not a plan.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlanError {
    /// There is no address to connect to.
    #[error("the target has no address: give at least one")]
    NoPeer,
    /// There is no CPU for a worker.
    #[error("there is no CPU for a worker: name at least one")]
    NoCpu,
    /// A worker would have no connection.
    #[error("{cpus} CPUs cannot share {connections} connections: each needs at least one")]
    Connections {
        /// How many CPUs there are.
        cpus: usize,
        /// How many connections there are.
        connections: u32,
    },
    /// Only io_uring can wait so.
    #[error("--wait batch needs --engine ring: use --wait block")]
    Batch,
    /// A limit of zero.
    #[error("{0} is 0: give at least 1, or leave it out")]
    Zero(&'static str),
    /// A local address from which no address of the target can be reached.
    #[error("source address {0} cannot reach the target: use addresses of its kind")]
    Source(IpAddr),
    /// A PROXY header would have no address to name.
    #[error("a PROXY header names the address that a connection comes from: give at least one")]
    NoSource,
    /// More requests in flight than a connection can have.
    #[error("{0} requests in flight per connection: give 1 to {PIPELINE_MAX}")]
    Pipeline(u16),
    /// Out of its range.
    #[error("a timeout of {0}: give 1ms to 1h")]
    Timeout(Nanos),
    /// Intervals must divide a second.
    #[error("an interval of {0}: give a divisor of 1s, at least 10ms")]
    Slice(Nanos),
    /// A replay needs a script with times, and a script with times a replay.
    #[error("a replay needs a script with the times at which its flows begin, and no other does")]
    Replay,
    /// A closed loop of flows needs users, and no other load has them.
    #[error("a script has users in a closed loop, and in no other load")]
    Users,
    /// The request cannot be sent over HTTP/2.
    #[error("{0}")]
    NotHttp2(NotHttp2),
    /// Calls are not sent over HTTP/1.1.
    #[error("calls of gRPC need HTTP/2")]
    CallsOverHttp1,
    /// Not supported over HTTP/2 yet.
    #[error("{0} is not supported over HTTP/2 yet: leave it out, or use HTTP/1.1")]
    WithHttp2(&'static str),
    /// A step is not supported over HTTP/2 yet.
    #[error("step `{0}` {1}, which is not supported over HTTP/2 yet: leave one of them out")]
    StepWithHttp2(String, &'static str),
    /// Out of its range.
    #[error("a window of {0} bytes: give 1 to 2147483647")]
    Http2Window(u32),
    /// Not supported with this database yet.
    #[error("{0} does not work with {1}: leave it out")]
    WithDatabase(&'static str, &'static str),
    /// A failed transaction would fail those that are in flight behind it.
    #[error(
        "-p needs statements without BEGIN: a transaction that fails would fail those behind it; \
         leave BEGIN and END out (what is sent together is one transaction), or -p"
    )]
    Block,
    /// More users than connections of their own.
    #[error("{users} users cannot each have one of {connections} connections")]
    OwnConnections {
        /// How many users there are.
        users: u32,
        /// How many connections there are.
        connections: u32,
    },
    /// Requests by due time need due times and an end.
    #[error("requests are counted by due time only at a rate and for a time: give -R and -d")]
    ByDue,
    /// A changing rate needs its segments.
    #[error(
        "a rate that changes needs at least one segment, each segment a length, and the last a rate"
    )]
    Segments,
}

impl Plan {
    /// A plan of these parts.
    ///
    /// # Errors
    /// If a value is out of range, or two contradict each other.
    pub fn new(parts: Parts) -> Result<Self, PlanError> {
        parts.check()?;
        Ok(Self(parts))
    }

    /// The smallest plan: one request after the other for a second, over one connection from CPU 0,
    /// with all defaults.
    pub fn plain(peer: SocketAddr, request: RequestTemplate) -> Self {
        Self(Parts {
            target: Target { url: format!("http://{peer}/"), method: "GET".to_owned() },
            transport: Transport {
                carrier: Carrier::ring(vec![peer]),
                cpus: vec![0],
                wait: WaitMode::Block,
                connections: Connections::of(1),
            },
            protocol: Protocol::Plain,
            workload: Workload::Requests(Requests::of(request)),
            load: Load::Closed,
            limits: Limits {
                window: Limit::Duration(Nanos::SECOND),
                warmup: Nanos::ZERO,
                timeout: Nanos::SECOND,
            },
            observe: Observe { slice: INTERVAL, objectives: Vec::new(), by_due: None },
            seed: 1,
        })
    }

    /// The same plan with other parts.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn with(self, change: impl FnOnce(&mut Parts)) -> Result<Self, PlanError> {
        let mut parts = self.0;
        change(&mut parts);
        Self::new(parts)
    }
}

impl TryFrom<Parts> for Plan {
    type Error = PlanError;

    fn try_from(parts: Parts) -> Result<Self, PlanError> {
        Self::new(parts)
    }
}

impl Deref for Plan {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Parts {
    /// Whether target and client are on this machine, with no network between.
    pub fn is_on_loopback(&self) -> bool {
        self.transport.carrier.addresses().iter().all(|address| address.ip().is_loopback())
    }

    /// Every address of the target, at least one. Connections take them in turn.
    pub fn peers(&self) -> Vec<Peer> {
        self.transport.carrier.peers()
    }

    /// Connections over all workers.
    pub const fn connections(&self) -> u32 {
        self.transport.connections.count
    }

    /// TLS, if connections use it.
    pub const fn tls(&self) -> Option<&TlsPlan> {
        match &self.protocol {
            Protocol::Plain => None,
            Protocol::Tls(tls) => Some(tls),
        }
    }

    /// Local addresses to connect from; empty if the kernel chooses.
    pub fn sources(&self) -> &[IpAddr] {
        self.transport.carrier.as_ring().map_or(&[], |ring| ring.route.sources())
    }

    /// How this side closes connections.
    pub fn closing(&self) -> Closing {
        self.transport.carrier.as_ring().map_or(Closing::Fin, |ring| ring.closing)
    }

    /// The version of the PROXY header that connections begin with, if any.
    pub fn proxy(&self) -> Option<ProxyVersion> {
        match self.transport.carrier.as_ring()?.route {
            Route::Proxied { version, .. } => Some(version),
            Route::Tcp { .. } | Route::Unix(_) => None,
        }
    }

    /// Bytes per second each connection receives; `None` as fast as possible.
    pub fn read_rate(&self) -> Option<u32> {
        self.transport.carrier.as_ring()?.read_rate
    }

    /// Whether requests have due times: in an open loop, and in every flow, where a step is due
    /// when the one before has ended.
    pub fn has_due_times(&self) -> bool {
        self.load != Load::Closed || self.workload.script().is_some()
    }

    /// Requests per second that are due on average in a measured window of this length; `None`
    /// in a closed loop.
    pub fn offered(&self, measured: Nanos) -> Option<f64> {
        let (from, to) = (self.limits.warmup, self.limits.warmup + measured);
        if self.load != Load::Replay {
            return self.load.mean_rate(from, to);
        }
        let replay = self.workload.script()?.replay()?;
        let before = |end: Nanos| replay.times.partition_point(|&time| time < end);
        Some((before(to) - before(from)) as f64 / measured.as_secs_f64().max(1e-9))
    }

    fn check(&self) -> Result<(), PlanError> {
        self.check_transport()?;
        self.check_workload()?;
        let Limits { window, timeout, .. } = self.limits;
        if window.duration() == Some(Nanos::ZERO) {
            return Err(PlanError::Zero("the length of the measured window"));
        }
        if window.requests() == Some(0) {
            return Err(PlanError::Zero("the number of requests"));
        }
        if !(TIMEOUT_MIN..=TIMEOUT_MAX).contains(&timeout) {
            return Err(PlanError::Timeout(timeout));
        }
        let has_end = window.duration().is_some() && window.requests().is_none();
        if self.observe.by_due.is_some() && (self.load == Load::Closed || !has_end) {
            return Err(PlanError::ByDue);
        }
        let slice = self.observe.slice;
        if slice < SLICE_MIN || !INTERVAL.0.is_multiple_of(slice.0) {
            return Err(PlanError::Slice(slice));
        }
        Ok(())
    }

    fn check_transport(&self) -> Result<(), PlanError> {
        let Transport { carrier, cpus, connections, .. } = &self.transport;
        if self.peers().is_empty() {
            return Err(PlanError::NoPeer);
        }
        if self.proxy().is_some() && self.sources().is_empty() {
            return Err(PlanError::NoSource);
        }
        let reaches = |source: &IpAddr| {
            carrier.addresses().iter().any(|peer| peer.is_ipv4() == source.is_ipv4())
        };
        if let Some(source) = self.sources().iter().find(|source| !reaches(source)) {
            return Err(PlanError::Source(*source));
        }
        if cpus.is_empty() {
            return Err(PlanError::NoCpu);
        }
        if self.transport.wait == WaitMode::Batch && carrier.engine() != Engine::Ring {
            return Err(PlanError::Batch);
        }
        if (connections.count as usize) < cpus.len() {
            let (cpus, connections) = (cpus.len(), connections.count);
            return Err(PlanError::Connections { cpus, connections });
        }
        let at_least_one = [
            ("the number of requests per connection", connections.requests),
            ("the rate at which answers are read", self.read_rate()),
            ("the rate at which requests are written", connections.write_rate),
        ];
        match at_least_one.iter().find(|(_, value)| *value == Some(0)) {
            Some((name, _)) => Err(PlanError::Zero(name)),
            None => Ok(()),
        }
    }

    fn check_workload(&self) -> Result<(), PlanError> {
        let pipeline = self.workload.pipeline();
        if !(1..=PIPELINE_MAX).contains(&pipeline) {
            return Err(PlanError::Pipeline(pipeline));
        }
        if let Load::Open { course: Course::Segments(segments), .. } = &self.load
            && (segments.last().is_none_or(|last| last.to.is_none())
                || segments.iter().any(|segment| segment.length == Nanos::ZERO))
        {
            return Err(PlanError::Segments);
        }
        if self.workload.is_http2() {
            self.check_http2()?;
        } else if self.workload.calls().is_some() || self.workload.rows() > 0 {
            return Err(PlanError::CallsOverHttp1);
        }
        if let Some(name) = self.workload.database()
            && self.transport.connections.write_rate.is_some()
        {
            return Err(PlanError::WithDatabase("--write-rate", name));
        }
        let begins = self.workload.transactions().is_some_and(|it| it.transaction.begins());
        if begins && pipeline > 1 {
            return Err(PlanError::Block);
        }
        let Some(script) = self.workload.script() else {
            return if self.load == Load::Replay { Err(PlanError::Replay) } else { Ok(()) };
        };
        if (self.load == Load::Replay) != script.replay().is_some() {
            return Err(PlanError::Replay);
        }
        if (self.load == Load::Closed) != script.users().is_some() {
            return Err(PlanError::Users);
        }
        let (users, connections) = (script.users().unwrap_or(0), self.connections());
        if script.has_own_connections() && users > connections {
            return Err(PlanError::OwnConnections { users, connections });
        }
        Ok(())
    }

    fn check_http2(&self) -> Result<(), PlanError> {
        let refused = [
            (
                "--sse and --stream",
                self.workload.stream().is_some_and(|it| it.kind != StreamKind::Messages),
            ),
            ("--read-rate", self.read_rate().is_some()),
            ("--write-rate", self.transport.connections.write_rate.is_some()),
        ];
        if let Some((option, _)) = refused.iter().find(|(_, is_given)| *is_given) {
            return Err(PlanError::WithHttp2(option));
        }
        let window = self.transport.connections.http2.window;
        if !(1..1 << 31).contains(&window) {
            return Err(PlanError::Http2Window(window));
        }
        for (_, step) in self.workload.script().iter().flat_map(|script| script.steps()) {
            match step.exchange {
                Exchange::Http => {}
                Exchange::Events { .. } => {
                    return Err(PlanError::StepWithHttp2(step.name.clone(), "reads events"));
                }
                Exchange::Socket(_) => {
                    return Err(PlanError::StepWithHttp2(step.name.clone(), "opens a WebSocket"));
                }
            }
            let checked = RequestEncoder::check(step.template.bytes());
            checked.map_err(PlanError::NotHttp2)?;
        }
        self.http2_request().transpose().map(|_| ()).map_err(PlanError::NotHttp2)
    }

    /// The frames of the request, if it is sent over HTTP/2; the error names what of it HTTP/2 does
    /// not have.
    pub fn http2_request(&self) -> Option<Result<RequestFrames, NotHttp2>> {
        let Workload::Requests(requests) = &self.workload else { return None };
        let Requests { request, rows, version: HttpVersion::Http2, .. } = requests else {
            return None;
        };
        let scheme = if self.tls().is_some() { "https" } else { "http" };
        Some(match self.workload.calls() {
            None => RequestFrames::new(request, scheme),
            Some(_) => RequestFrames::of_call(request, scheme, rows),
        })
    }
}

#[cfg(test)]
mod tests;
