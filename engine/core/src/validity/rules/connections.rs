//! The connections: were all of them up, and did the network lose packets?

use super::{Reason, Run, suspect};
use crate::outcome::Outcome;
use crate::plan::{ConnectionOrder, Load};
use crate::summary::{Grouped, Percent, plural, plural_were};

/// Retransmits per answer: one costs at least the 200 ms of Linux' `TCP_RTO_MIN`, so from one
/// in a thousand on they are the p99.9.
const RETRANSMITS_MAX: f64 = 0.001;
/// With this many retransmits on some of the connections, those of the others are estimated.
const RETRANSMITS_SEEN_MIN: u64 = 3;

/// The share of the connections' time spent in waiting for windows that is no reason yet.
const WINDOW_WAITS_MAX: f64 = 0.01;

/// Connections that end, per answer: from there on the times are also those of reopening them.
const OFTEN: f64 = 0.01;

/// A note reports if fewer than one connection in this many was used.
const FEW_USED_OF: u64 = 2;

impl Run<'_> {
    /// Why TLS connections failed, unless [`Self::connections`] reports it: that rule is silent
    /// when a connection is reopened at once.
    pub(super) fn tls_broke_off(&self) -> Option<&str> {
        let ended = [Outcome::Reset, Outcome::Malformed].map(|kind| self.record.counts.of(kind));
        let is_silent = self.plan.tls().is_none() || self.connections().is_some();
        if is_silent || ended == [0, 0] { None } else { self.connect_failure() }
    }

    /// Why connections failed. The latest cause stands for the others, with its fix.
    pub(super) fn connect_failure(&self) -> Option<&str> {
        self.record.workers.iter().filter_map(|w| w.connect_failure.as_deref()).next_back()
    }

    pub(super) fn connections(&self) -> Option<Reason> {
        let fewest = self.total(|w| w.established_min.into());
        let requested = u64::from(self.plan.connections());
        // With connections that are reopened as planned, some are always down.
        let comes_and_goes = self.plan.load != Load::Closed
            && self.plan.workload.script().is_some_and(|script| script.has_own_connections());
        let is_planned = (self.plan.transport.connections.requests.is_some() || comes_and_goes)
            && self.record.workers.iter().all(|worker| worker.connects_failed == 0);
        (fewest < requested && !is_planned && !self.ends_as_usual()).then(|| {
            let endings = self.endings();
            let cause = self.connect_failure().or(endings.as_deref());
            let cause = cause.unwrap_or("the others were not open yet; lengthen --warmup");
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

    /// Bodies waited for windows of an HTTP/2 target.
    pub(super) fn flow_controlled(&self) -> Option<Reason> {
        let share = self.record.window_wait_share(
            self.plan.connections(),
            self.plan.limits.warmup + self.summary.measured,
        )?;
        (share > WINDOW_WAITS_MAX).then(|| {
            let message = format!(
                "for {} of their time connections had bodies to send, and the target's windows \
                 were used up (HTTP/2 flow control); raise them there, or use more connections",
                Percent(share),
            );
            suspect("flow_controlled", message)
        })
    }

    /// The target allows fewer streams of HTTP/2 than `-p` asks for. For users without `-p` fewer
    /// are enough as long as no request waits for one.
    pub(super) fn streams_limited(&self) -> Option<Reason> {
        let fewest = self.record.streams_limited()?;
        let script = self.plan.workload.script();
        let is_usual = script.is_some_and(|script| script.has_usual_streams());
        if is_usual && self.total(|w| w.waited) == 0 {
            return None;
        }
        let whose = if is_usual { "planned" } else { "of -p" };
        if self.record.do_streams_vary() {
            let message = format!(
                "the target at times allows only {} on a connection \
                 (SETTINGS_MAX_CONCURRENT_STREAMS varies), not the {} {whose}; raise its limit, or \
                 use more connections (-c)",
                plural(fewest.into(), "stream"),
                self.plan.workload.pipeline(),
            );
            return Some(suspect("streams_limited", message));
        }
        let message = format!(
            "the target allows {} on a connection at once (SETTINGS_MAX_CONCURRENT_STREAMS), not \
             the {} {whose}: {} × {} were in flight; raise its limit, or use more connections (-c)",
            plural(fewest.into(), "stream"),
            self.plan.workload.pipeline(),
            Grouped(self.plan.connections().into()),
            fewest,
        );
        Some(suspect("streams_limited", message))
    }

    /// Whether connections have ended only in ways that cost no request, and were reopened.
    fn ends_as_usual(&self) -> bool {
        let endings = self.record.endings();
        let has_failed = self.record.workers.iter().any(|worker| worker.connects_failed > 0);
        !has_failed
            && endings.list().next().is_some()
            && endings.list().all(|(ending, _)| ending.is_usual())
    }

    /// Who ended connections, and when: `the target closed 12 between answers`.
    fn endings(&self) -> Option<String> {
        let endings = self.record.endings();
        let endings = |is_the_target_s: bool| {
            let those = endings.list().filter(|(e, _)| e.is_the_target_s() == is_the_target_s);
            let those: Vec<_> =
                those.map(|(e, count)| format!("{} {}", Grouped(count), e.when())).collect();
            those.join(", ")
        };
        let (theirs, ours) = (endings(true), endings(false));
        let parts = [("the target closed", theirs), ("uringbench closed", ours)];
        let parts = parts.iter().filter(|(_, endings)| !endings.is_empty());
        let parts: Vec<_> = parts.map(|(who, endings)| format!("{who} {endings}")).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// Connections that the target closed, and requests that were sent again for it.
    pub(super) fn closed_and_retried(&self) -> Option<String> {
        let retried = self.record.counts.retried;
        let fewest = self.total(|w| w.established_min.into());
        let is_short = self.ends_as_usual() && fewest < u64::from(self.plan.connections());
        let ended: u64 = self.record.endings().list().map(|(_, count)| count).sum();
        let is_often = ended as f64 >= OFTEN * self.record.counts.completed() as f64;
        if retried > 0 && ended == 0 {
            // Streams of HTTP/2 end without their connections.
            return Some(format!(
                "{} sent again: the target had refused their streams (REFUSED_STREAM)",
                plural_were(retried, "request"),
            ));
        }
        let endings = self.endings().filter(|_| retried > 0 || is_short || is_often)?;
        Some(match retried {
            0 => format!("connections were reopened: {endings}"),
            _ if self.plan.workload.is_http2() => {
                format!(
                    "{} sent again, refused or from connections that ended: {endings}",
                    plural_were(retried, "request")
                )
            }
            1 => format!("1 request was sent again on a new connection: {endings}"),
            _ => {
                format!(
                    "{} requests were sent again on new connections: {endings}",
                    Grouped(retried)
                )
            }
        })
    }

    /// Most connections were idle, so the server's processes, addresses or queues behind them were
    /// not loaded equally.
    pub(super) fn few_used(&self) -> Option<String> {
        let used = self.total(|w| w.connections_used.into());
        let all = u64::from(self.plan.connections());
        let released = self.record.counts.released;
        // Without a measured request, `nothing_completed` is the message.
        (used > 0 && used * FEW_USED_OF < all).then(|| {
            let why = match self.plan.transport.connections.order {
                ConnectionOrder::Lifo => {
                    "--connection-order lifo prefers the one used last, round-robin uses all \
                     equally"
                        .to_owned()
                }
                ConnectionOrder::RoundRobin if released < all => {
                    "there were fewer requests than connections; run longer, or lower -c".to_owned()
                }
                ConnectionOrder::RoundRobin => {
                    "the others were not established or not needed; see established_min in the \
                     JSON, or lower -c"
                        .to_owned()
                }
            };
            let (used, all) = (Grouped(used), Grouped(all));
            format!("{used} of {all} connections carried the measured requests: {why}")
        })
    }

    /// Retransmits of the run's own connections, if the kernel reported them (`TCP_INFO`).
    pub(super) fn retransmits(&self) -> Option<Reason> {
        let Some(tcp) = self.summary.tcp else { return self.retransmits_of_the_machine() };
        let all = tcp.retransmits as f64 * (tcp.made as f64 / tcp.connections as f64);
        let is_known = tcp.connections == tcp.made || tcp.retransmits >= RETRANSMITS_SEEN_MIN;
        (is_known && self.are_too_many(all)).then(|| {
            let cause = if self.plan.is_on_loopback() {
                "a loopback queue was full; raise the target's backlog and buffers, or remove its \
                 `tc qdisc`"
            } else {
                "the network loses packets; check the path, or load from a nearer machine"
            };
            let message = format!(
                "{} retransmitted on {} of the {} of this run, each at least 200 ms late: {cause}",
                plural_were(tcp.retransmits, "TCP segment"),
                Grouped(tcp.connections),
                plural(tcp.made, "connection"),
            );
            suspect("retransmits", message)
        })
    }

    /// The counter is that of the whole machine. On loopback nothing is lost on the way, so it
    /// counts segments of other programs only.
    fn retransmits_of_the_machine(&self) -> Option<Reason> {
        let retransmits = self.observed.retransmits.filter(|_| !self.plan.is_on_loopback())?;
        self.are_too_many(retransmits as f64).then(|| {
            let message = format!(
                "{} retransmitted by all programs of this machine, each at least 200 ms late: if \
                 they were this run's, the network loses packets; check the path",
                plural_were(retransmits, "TCP segment"),
            );
            suspect("retransmits", message)
        })
    }

    fn are_too_many(&self, retransmits: f64) -> bool {
        retransmits > RETRANSMITS_MAX * self.record.counts.completed() as f64
    }
}
