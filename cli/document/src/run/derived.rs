//! Facts that follow from a document's keys.

use std::net::SocketAddr;

use uringbench_core::outcome::Outcome;
use uringbench_core::summary::Quantile;
use uringbench_core::time::Nanos;
use uringbench_core::window::Phase;

use super::{Document, OutcomeFigures, PhaseFigures, PlanFigures, TimeFigures};

impl Document {
    /// Whether the run was one of a scenario, whose steps belong to flows.
    pub fn is_scenario(&self) -> bool {
        self.steps.iter().any(|step| step.flow.is_some())
    }

    /// Length of the measured window, the sum of its named parts; zero if the run ended before it.
    pub fn measured(&self) -> Nanos {
        let is_measured =
            |it: &&PhaseFigures| it.name != Phase::Warmup.key() && it.name != Phase::Drain.key();
        let seconds: f64 =
            self.phases.iter().filter(is_measured).map(|phase| phase.duration_s).sum();
        Nanos((seconds * 1e9).round() as u64)
    }

    /// Whether response times are service times, because no request is due before it can be sent.
    pub fn is_served_at_once(&self) -> bool {
        self.rate.offered.is_none() && !self.is_scenario()
    }
}

impl PlanFigures {
    /// Whether every address of the target is a loopback address.
    pub fn is_on_loopback(&self) -> bool {
        let is_local = |peer: &String| match peer.parse::<SocketAddr>() {
            Ok(address) => address.ip().is_loopback(),
            // The path of a Unix socket.
            Err(_) => true,
        };
        self.peers.iter().all(is_local)
    }
}

impl OutcomeFigures {
    /// Slots with this outcome.
    pub const fn of(&self, outcome: Outcome) -> u64 {
        match outcome {
            Outcome::Ok => self.ok,
            Outcome::Status => self.status,
            Outcome::Timeout => self.timeout,
            Outcome::Reset => self.reset,
            Outcome::ConnectFailed => self.connect_failed,
            Outcome::Malformed => self.malformed,
            Outcome::CheckFailed => self.check_failed,
            Outcome::NotSent => self.not_sent,
            Outcome::Censored => self.censored,
        }
    }

    /// Slots that ended other than `ok`.
    pub fn errors(&self) -> u64 {
        let others = Outcome::ALL.into_iter().filter(|outcome| *outcome != Outcome::Ok);
        others.map(|outcome| self.of(outcome)).sum()
    }

    /// Their share of all that ended; `None` without any.
    pub fn error_share(&self) -> Option<f64> {
        let (errors, ended) = (self.errors(), self.errors() + self.ok);
        (ended > 0).then(|| errors as f64 / ended as f64)
    }
}

impl TimeFigures {
    /// The value of a quantile; `None` if there are too few values for it.
    pub const fn at(&self, quantile: Quantile) -> Option<u64> {
        match quantile {
            Quantile::P50 => self.p50,
            Quantile::P90 => self.p90,
            Quantile::P95 => self.p95,
            Quantile::P99 => self.p99,
            Quantile::P999 => self.p999,
            Quantile::P9999 => self.p9999,
        }
    }
}
