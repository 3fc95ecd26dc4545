//! HTTP/2 on a connection: the machine, and when it was last heard of. `event_loop::streams` acts
//! on its events.

use uringbench_core::http2::machine::Http2Machine;
use uringbench_core::http2::request::RequestFrames;
use uringbench_core::time::Timestamp;

/// Parts of bodies that are queued at once, in bytes; the rest follows as they are sent.
const QUEUED_MAX: usize = 256 << 10;

/// One connection.
pub(crate) struct Http2 {
    pub(crate) machine: Http2Machine,
    /// When bytes last arrived.
    pub(crate) heard: Timestamp,
}

impl Http2 {
    /// A connection with at most `depth` streams.
    pub(crate) fn new(depth: u16, request: &RequestFrames, now: Timestamp) -> Self {
        Self { machine: Http2Machine::new(depth, request.is_head()), heard: now }
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
