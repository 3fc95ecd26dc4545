//! HTTP/2 on a connection: the machine, and when it was last heard of. `event_loop::streams` acts
//! on its events.

use std::sync::Arc;

use uringbench_core::http2::encoder::RequestEncoder;
use uringbench_core::http2::machine::{CallAnswers, Http2Machine};
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
    /// How answers to calls of gRPC are read, if the requests are calls.
    pub calls: Option<CallAnswers>,
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
        Some(Self { requests, settings, calls: plan.workload.calls() })
    }

    /// The body of this row, if requests do not have their own.
    #[inline]
    fn body(&self, row: u32) -> &[u8] {
        match &self.requests {
            Http2Requests::Alike(request) => request.body(row),
            Http2Requests::Own(_) => &[],
        }
    }
}

/// One connection.
pub(crate) struct Http2 {
    pub(crate) machine: Http2Machine,
    /// When bytes last arrived.
    pub(crate) heard: Timestamp,
    /// Since when the target has allowed no stream, though it does not go away.
    pub(crate) barred_since: Option<Timestamp>,
    /// How long bodies have waited for the target's windows.
    pub(crate) wait: WindowWait,
}

impl Http2 {
    /// A connection with at most `depth` streams.
    pub(crate) fn new(depth: u16, config: &Http2Config, now: Timestamp) -> Self {
        let machine = Http2Machine::new(depth, config.settings);
        Self {
            machine: match config.calls {
                None => machine,
                Some(answers) => machine.for_calls(answers),
            },
            heard: now,
            barred_since: None,
            wait: WindowWait::default(),
        }
    }

    /// Whether no further stream is opened on it: it ends once the open ones have.
    pub(crate) fn is_leaving(&self) -> bool {
        self.machine.is_going_away() || self.machine.is_used_up()
    }

    /// Add parts of bodies to `out`, as far as windows allow. A turn in which some could be added
    /// is no wait for windows: this is called again when they are sent.
    #[inline]
    pub(crate) fn send_bodies(&mut self, config: &Http2Config, out: &mut Vec<u8>, now: Timestamp) {
        if self.machine.has_unsent() {
            let before = out.len();
            self.machine.send_bodies(|row| config.body(row), QUEUED_MAX, out);
            let is_blocked = out.len() == before && before < QUEUED_MAX;
            if is_blocked && self.machine.has_unsent() {
                return self.wait.begin(now);
            }
        }
        self.wait.end(now);
    }

    /// Bytes have been read: the streams whose bodies waited may have ended with them.
    #[inline]
    pub(crate) fn end_needless_wait(&mut self) {
        if !self.machine.has_unsent() {
            self.wait.end(self.heard);
        }
    }
}

/// How long bodies have waited for windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WindowWait {
    /// Since when they have been waiting, if they are.
    since: Option<Timestamp>,
    /// How long they have waited before.
    before: Nanos,
}

impl WindowWait {
    fn begin(&mut self, now: Timestamp) {
        self.since.get_or_insert(now);
    }

    /// The target's windows have changed, or no body waits for them any more.
    #[inline]
    pub(crate) fn end(&mut self, now: Timestamp) {
        if let Some(since) = self.since.take() {
            self.before += now.since(since);
        }
    }

    /// How long it is until now.
    pub(crate) fn until(&self, now: Timestamp) -> Nanos {
        self.before + self.since.map_or(Nanos::ZERO, |since| now.since(since))
    }

    /// The same, and no wait is left.
    pub(crate) fn take(&mut self, now: Timestamp) -> Nanos {
        std::mem::take(self).until(now)
    }
}

#[cfg(test)]
mod tests {
    use uringbench_core::http::body::Body;
    use uringbench_core::http::request::{RequestParts, RequestTemplate};
    use uringbench_core::http2::block::Blocks;
    use uringbench_core::plan::{HttpVersion, Requests, Workload};

    use super::*;

    const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    /// A reset of the first stream.
    const RESET: &[u8] = &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8];

    /// A WINDOW_UPDATE by 1 MiB.
    const fn more(stream: u8) -> [u8; 13] {
        [0, 0, 4, 8, 0, 0, 0, 0, stream, 0, 0x10, 0, 0]
    }

    /// A connection with two requests whose bodies are longer than their first windows; the second
    /// has a larger one.
    fn two_bodies() -> (Http2, Http2Config, Blocks) {
        let body = vec![b'b'; 400_000];
        let parts =
            RequestParts { body: Body::Bytes(&body), ..RequestParts::new("POST", "target", "/") };
        let request = RequestTemplate::build(parts).expect("a plain request");
        let plan = Plan::plain(([127, 0, 0, 1], 80).into(), request.clone()).with(|plan| {
            let requests = Requests { version: HttpVersion::Http2, ..Requests::of(request) };
            plan.workload = Workload::Requests(requests);
        });
        let config = Http2Config::of(&plan.expect("a plan")).expect("a plan of HTTP/2");
        let mut http2 = Http2::new(2, &config, Timestamp(0));
        let mut blocks = Blocks::default();
        let Http2Requests::Alike(request) = &config.requests else { panic!("one request") };
        hear(&mut http2, &mut blocks, SETTINGS);
        http2.machine.begin(0, request, &mut Vec::new());
        http2.machine.begin(1, request, &mut Vec::new());
        hear(&mut http2, &mut blocks, &more(0));
        hear(&mut http2, &mut blocks, &more(3));
        (http2, config, blocks)
    }

    fn hear(http2: &mut Http2, blocks: &mut Blocks, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let progress = http2.machine.feed(bytes, blocks, &mut Vec::new());
            bytes = &bytes[progress.expect("frames").consumed..];
        }
    }

    /// Sends at this time. Returns how long bodies have waited before.
    fn send(http2: &mut Http2, config: &Http2Config, at: u64) -> Nanos {
        let mut out = Vec::new();
        http2.send_bodies(config, &mut out, Timestamp(at));
        assert!(!out.is_empty() || http2.wait.since.is_some(), "a turn without a reason");
        http2.wait.before
    }

    #[test]
    fn a_body_waits_only_while_no_other_one_moves() {
        let (mut http2, config, mut blocks) = two_bodies();
        // The first body stops at the end of its window, and the second goes on.
        for at in [100, 200] {
            assert_eq!(send(&mut http2, &config, at), Nanos::ZERO);
            assert_eq!(http2.wait.since, None, "at {at}");
        }
        for at in [300, 400] {
            assert_eq!(send(&mut http2, &config, at), Nanos::ZERO);
            assert_eq!(http2.wait.since, Some(Timestamp(300)));
        }
        hear(&mut http2, &mut blocks, &more(1));
        assert_eq!(http2.wait.until(Timestamp(420)), Nanos(120));
        http2.wait.end(Timestamp(450));
        assert_eq!(send(&mut http2, &config, 900), Nanos(150));
    }

    #[test]
    fn no_body_waits_on_a_stream_that_has_ended() {
        let (mut http2, config, mut blocks) = two_bodies();
        for at in [100, 200, 300] {
            assert_eq!(send(&mut http2, &config, at), Nanos::ZERO);
        }
        http2.heard = Timestamp(350);
        http2.end_needless_wait();
        assert_eq!(http2.wait.before, Nanos::ZERO);
        hear(&mut http2, &mut blocks, RESET);
        http2.end_needless_wait();
        let ended = WindowWait { since: None, before: Nanos(50) };
        assert_eq!(http2.wait, ended);
    }
}
