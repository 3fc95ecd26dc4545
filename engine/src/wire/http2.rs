//! HTTP/2 on a connection: the machine, and when it was last heard of. `event_loop::streams` acts
//! on its events.

use std::sync::Arc;

use uringbench_core::http2::encoder::RequestEncoder;
use uringbench_core::http2::machine::Http2Machine;
use uringbench_core::http2::request::RequestFrames;
use uringbench_core::http2::settings::Http2Settings;
use uringbench_core::plan::Plan;
use uringbench_core::time::{Nanos, Timestamp};

/// Bytes that are queued at once: parts of bodies, and requests. The rest follows as they are sent.
pub(crate) const QUEUED_MAX: usize = 256 << 10;

/// What is sent over HTTP/2.
#[derive(Clone, Debug)]
pub enum Http2Requests {
    /// The same request repeatedly: its frames.
    Alike(Arc<RequestFrames>),
    /// Requests of users, each encoded when it is sent.
    Own(Arc<RequestEncoder>),
}

/// What the connections of HTTP/2 have in common.
#[derive(Clone, Debug)]
pub struct Http2Config {
    /// What is sent.
    pub requests: Http2Requests,
    /// What this side allows the target.
    pub settings: Http2Settings,
}

impl Http2Config {
    /// That of a plan; `None` over HTTP/1.1.
    pub(crate) fn of(plan: &Plan) -> Option<Self> {
        let settings = plan.transport.connections.http2;
        let requests = match plan.workload.script() {
            Some(script) if plan.workload.is_http2() => {
                let encoder = RequestEncoder::new(script.authority(), plan.tls().is_some());
                Http2Requests::Own(Arc::new(encoder))
            }
            // A plan is not made of a request that has no frames.
            _ => Http2Requests::Alike(Arc::new(plan.http2_request()?.ok()?)),
        };
        Some(Self { requests, settings })
    }

    /// The body of all requests, if they have the same.
    #[inline]
    fn body(&self) -> &[u8] {
        match &self.requests {
            Http2Requests::Alike(request) => request.body(),
            Http2Requests::Own(_) => &[],
        }
    }

    fn is_head(&self) -> bool {
        matches!(&self.requests, Http2Requests::Alike(request) if request.is_head())
    }
}

/// One connection.
pub(crate) struct Http2 {
    pub(crate) machine: Http2Machine,
    /// When bytes last arrived.
    pub(crate) heard: Timestamp,
    /// Since when the target has allowed no stream, though it does not go away.
    pub(crate) barred_since: Option<Timestamp>,
    /// Since when bodies have been waiting for the target's windows, if some are.
    pub(crate) blocked_since: Option<Timestamp>,
}

impl Http2 {
    /// A connection with at most `depth` streams.
    pub(crate) fn new(depth: u16, config: &Http2Config, now: Timestamp) -> Self {
        Self {
            machine: Http2Machine::with(depth, config.is_head(), config.settings),
            heard: now,
            barred_since: None,
            blocked_since: None,
        }
    }

    /// Whether no further stream is opened on it: it ends once the open ones have.
    pub(crate) fn is_leaving(&self) -> bool {
        self.machine.is_going_away() || self.machine.is_used_up()
    }

    /// Add parts of bodies to `out`, as far as windows allow. Returns for how long they have waited
    /// for windows, once they have not to any more.
    #[inline]
    pub(crate) fn send_bodies(
        &mut self,
        config: &Http2Config,
        out: &mut Vec<u8>,
        now: Timestamp,
    ) -> Nanos {
        if self.machine.has_unsent() {
            self.machine.send_bodies(config.body(), QUEUED_MAX, out);
            if self.machine.has_unsent() && out.len() < QUEUED_MAX {
                self.blocked_since.get_or_insert(now);
                return Nanos::ZERO;
            }
        }
        self.blocked_since.take().map_or(Nanos::ZERO, |since| now.since(since))
    }
}
