//! HTTP/2 on a connection: the machine, and when it was last heard of. `event_loop::streams` acts
//! on its events.

use uringbench_core::http2::machine::Http2Machine;
use uringbench_core::http2::request::RequestFrames;
use uringbench_core::time::Timestamp;

/// Bytes that are queued at once: parts of bodies, and requests. The rest follows as they are sent.
pub(crate) const QUEUED_MAX: usize = 256 << 10;

/// One connection.
pub(crate) struct Http2 {
    pub(crate) machine: Http2Machine,
    /// When bytes last arrived.
    pub(crate) heard: Timestamp,
    /// Since when the target has allowed no stream, though it does not go away.
    pub(crate) barred_since: Option<Timestamp>,
}

impl Http2 {
    /// A connection with at most `depth` streams.
    pub(crate) fn new(depth: u16, request: &RequestFrames, now: Timestamp) -> Self {
        Self {
            machine: Http2Machine::new(depth, request.is_head()),
            heard: now,
            barred_since: None,
        }
    }

    /// Whether no further stream is opened on it: it ends once the open ones have.
    pub(crate) fn is_leaving(&self) -> bool {
        self.machine.is_going_away() || self.machine.is_used_up()
    }

    /// Add parts of bodies to `out`, as far as windows allow.
    #[inline]
    pub(crate) fn send_bodies(&mut self, request: &RequestFrames, out: &mut Vec<u8>) {
        if self.machine.has_unsent() {
            self.machine.send_bodies(request, QUEUED_MAX, out);
        }
    }
}
