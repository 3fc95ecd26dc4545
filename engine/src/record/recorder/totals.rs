//! The counters of an interval besides its slots.

use uringbench_core::ending::Endings;
use uringbench_core::time::Nanos;

/// Plain counters of an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// System calls of the loop.
    pub enters: u64,
    /// Time the loop spun without anything to do.
    pub spun: Nanos,
    /// Slots that found every connection busy.
    pub waited: u64,
    /// How long requests of a closed loop waited in their turn's queue of sends, summed.
    pub departing: Nanos,
    /// Bytes of requests.
    pub sent_bytes: u64,
    /// Bytes of responses.
    pub received_bytes: u64,
    /// Connections that carried their first measured request.
    pub connections_used: u32,
    /// Why established connections ended.
    pub endings: Endings,
    /// Reconnects.
    pub reconnects: u64,
    /// Connection attempts that failed.
    pub connects_failed: u64,
    /// How often bytes arrived that no request asked for.
    pub unsolicited: u64,
    /// WebSocket messages that no request asked for.
    pub unsolicited_messages: u64,
    /// Receives armed again because no buffer was free.
    pub buffers_exhausted: u64,
    /// Events of streams, of timed slots.
    pub events: u64,
    /// Gaps between them that were stalls.
    pub stalls: u64,
    /// Rows of PostgreSQL, of measured slots.
    pub rows: u64,
    /// Idle connections that ended.
    pub idle_lost: u64,
    /// Full TLS handshakes.
    pub handshakes_full: u64,
    /// TLS handshakes that resumed an earlier session.
    pub handshakes_resumed: u64,
}

impl Totals {
    /// Add another interval's.
    pub fn merge(&mut self, other: &Self) {
        self.enters += other.enters;
        self.spun += other.spun;
        self.waited += other.waited;
        self.departing.0 += other.departing.0;
        self.sent_bytes += other.sent_bytes;
        self.received_bytes += other.received_bytes;
        self.connections_used += other.connections_used;
        self.endings.merge(&other.endings);
        self.reconnects += other.reconnects;
        self.connects_failed += other.connects_failed;
        self.unsolicited += other.unsolicited;
        self.unsolicited_messages += other.unsolicited_messages;
        self.buffers_exhausted += other.buffers_exhausted;
        self.events += other.events;
        self.stalls += other.stalls;
        self.rows += other.rows;
        self.idle_lost += other.idle_lost;
        self.handshakes_full += other.handshakes_full;
        self.handshakes_resumed += other.handshakes_resumed;
    }
}
