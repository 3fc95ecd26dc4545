//! A plan: everything a run needs to know, validated, as plain data.
//!
//! The command line makes one from what was typed and from the machine; the engine executes it.
//! It holds no argument-parser type and nothing that is not yet decided. What excludes each other
//! are variants of one type; [`Plan::new`] checks the values.

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
    Carrier, CarrierError, Closing, ConnectionOrder, Connections, Engine, Peer, ProxyVersion, Ring,
    Route, Transport, WaitMode,
};
pub use workload::{
    Answers, Messages, PIPELINE_MAX, Requests, StreamKind, StreamPlan, WebSocketPlan, Workload,
};

use crate::http::request::RequestTemplate;
use crate::record::INTERVAL;
use crate::slo::Slo;
use crate::time::Nanos;

/// One run, decided and checked. Its parts are read as its fields.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct Plan(Parts);

/// The parts of a plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Parts {
    /// What is loaded, as reports name it.
    pub target: Target,
    /// How connections are made, and what serves them.
    pub transport: Transport,
    /// What the bytes of a connection are wrapped in.
    pub protocol: Protocol,
    /// What is sent, and what its answers are.
    pub workload: Workload,
    /// When it is sent.
    pub load: Load,
    /// How long the parts of the run last.
    pub limits: Limits,
    /// How the run is followed and judged.
    pub observe: Observe,
    /// Seed of every random choice.
    pub seed: u64,
}

/// What is loaded, as reports name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The URL.
    pub url: String,
    /// The request's method, or the scenario's file.
    pub method: String,
}

/// What the bytes of a connection are wrapped in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Nothing.
    Plain,
    /// TLS, on every connection.
    Tls(TlsPlan),
}

/// How the run is followed and judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observe {
    /// The step in which it is followed: [`INTERVAL`], or a divisor of it ([`SLICE_MIN`] at
    /// least) when what happens within a second matters.
    pub slice: Nanos,
    /// What its figures are held against.
    pub objectives: Vec<Objective>,
}

/// An objective and what it is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// What must hold.
    pub limit: Slo,
    /// The flow it is about: an index. The whole run without one.
    pub flow: Option<usize>,
    /// The step of the flow it is about: an index.
    pub step: Option<usize>,
}

/// The shortest step in which a run is followed.
pub const SLICE_MIN: Nanos = Nanos::from_millis(10);

/// Why parts make no plan.
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
    /// A limit that lets nothing through.
    #[error("{0} is 0: give at least 1, or leave it out")]
    Zero(&'static str),
    /// An address of this machine from which no address of the target can be reached.
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
    /// Seconds do not end where steps end.
    #[error("a step of {0}: give a divisor of 1s, at least 10ms")]
    Slice(Nanos),
    /// The schedule of a replay without its times, or the other way round.
    #[error("a replay needs a script with the times at which its flows begin, and no other does")]
    Replay,
    /// A closed loop of flows has users, and no other load has.
    #[error("the users of a script are given for a closed loop, and for no other load")]
    Users,
    /// Users that could have no connection of their own.
    #[error("{users} users cannot each have one of {connections} connections")]
    OwnConnections {
        /// How many users there are.
        users: u32,
        /// How many connections there are.
        connections: u32,
    },
    /// A rate that changes, but not how.
    #[error("a rate that changes needs at least one stretch, and each stretch a length")]
    Stretches,
}

impl Plan {
    /// A plan of these parts.
    ///
    /// # Errors
    /// When a value of theirs is out of its range, or two contradict each other.
    pub fn new(parts: Parts) -> Result<Self, PlanError> {
        parts.check()?;
        Ok(Self(parts))
    }

    /// The least there is: one request after the other for a second, over one connection from
    /// CPU 0, with nothing special about either.
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
            observe: Observe { slice: INTERVAL, objectives: Vec::new() },
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
    /// Whether no network lies between this machine's sockets and the target's.
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

    /// TLS on every connection, if at all.
    pub const fn tls(&self) -> Option<&TlsPlan> {
        match &self.protocol {
            Protocol::Plain => None,
            Protocol::Tls(tls) => Some(tls),
        }
    }

    /// Addresses of this machine that connections come from; empty when the kernel chooses.
    pub fn sources(&self) -> &[IpAddr] {
        self.transport.carrier.as_ring().map_or(&[], |ring| ring.route.sources())
    }

    /// How connections are closed from this side.
    pub fn closing(&self) -> Closing {
        self.transport.carrier.as_ring().map_or(Closing::Fin, |ring| ring.closing)
    }

    /// The form of the PROXY header that connections begin with, if they do.
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

    /// Whether requests have due times of their own: in an open loop, and in every flow, whose
    /// steps are due when the one before has ended.
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
        if let Load::Open { course: Course::Stretches(stretches), .. } = &self.load
            && (stretches.is_empty() || stretches.iter().any(|part| part.length == Nanos::ZERO))
        {
            return Err(PlanError::Stretches);
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
}

#[cfg(test)]
mod tests;
