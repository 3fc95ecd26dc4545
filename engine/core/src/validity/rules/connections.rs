//! The connections: were they all there, and what did the network do to them?

use super::{Reason, Run, suspect};
use crate::outcome::Outcome;
use crate::plan::{Load, Peer};
use crate::summary::{Grouped, plural, plural_were};

/// Retransmits per answer: one costs at least the 200 ms of Linux' `TCP_RTO_MIN`, so from one
/// in a thousand on they are the p99.9.
const RETRANSMITS_MAX: f64 = 0.001;

impl Run<'_> {
    /// Why TLS broke off, unless [`Self::connections`] says so: a connection that is made again at
    /// once is not missed.
    pub(super) fn tls_broke_off(&self) -> Option<&str> {
        let ended = [Outcome::Reset, Outcome::Malformed].map(|kind| self.record.counts.of(kind));
        let is_told = self.plan.tls.is_none() || self.connections().is_some();
        if is_told || ended == [0, 0] { None } else { self.connect_failure() }
    }

    /// Why connections failed. The latest cause stands for the others, with its remedy.
    pub(super) fn connect_failure(&self) -> Option<&str> {
        self.record.workers.iter().filter_map(|w| w.connect_failure.as_deref()).next_back()
    }

    pub(super) fn connections(&self) -> Option<Reason> {
        let fewest = self.total(|w| w.established_min.into());
        let requested = u64::from(self.plan.connections);
        // Connections that are to be made anew are not all there at any time.
        let comes_and_goes = self.plan.load != Load::Closed
            && self.plan.script.as_ref().is_some_and(|script| script.has_own_connections());
        let is_planned = (self.plan.per_connection.is_some() || comes_and_goes)
            && self.record.workers.iter().all(|worker| worker.connects_failed == 0);
        (fewest < requested && !is_planned).then(|| {
            let cause = self.connect_failure().unwrap_or_else(|| self.loss_of_connections());
            let message = format!(
                "at times only {} of {} established ({}, {} failed): {cause}",
                Grouped(fewest),
                plural_were(requested, "connection"),
                plural(self.total(|w| w.reconnects), "reconnect"),
                Grouped(self.total(|w| w.connects_failed)),
            );
            suspect("connections", message)
        })
    }

    /// Who ended connections that could all be made.
    fn loss_of_connections(&self) -> &'static str {
        let given_up =
            [Outcome::Timeout, Outcome::Malformed].map(|kind| self.record.counts.of(kind));
        if given_up != [0, 0] || self.total(|w| w.unsolicited) > 0 {
            "uringbench gives up connections whose answers are late or cannot be told apart"
        } else if self.total(|w| w.reconnects) > 0 {
            "the target closes them"
        } else {
            "they had not been made by then"
        }
    }

    /// The counter is of the whole machine: on loopback, where nothing is lost on the way, it
    /// counts what other programs send elsewhere.
    pub(super) fn retransmits(&self) -> Option<Reason> {
        let is_local = self.plan.peers.iter().all(|peer| match peer {
            Peer::Tcp(address) => address.ip().is_loopback(),
            Peer::Unix(_) => true,
        });
        let retransmits = self.observed.retransmits.filter(|_| !is_local)?;
        (retransmits as f64 > RETRANSMITS_MAX * self.record.counts.completed() as f64).then(|| {
            let message = format!(
                "{} sent again by all programs of this machine together: where they were this \
                 run's, its network loses packets, and each loss costs 200 ms or more",
                plural_were(retransmits, "TCP segment"),
            );
            suspect("retransmits", message)
        })
    }
}
