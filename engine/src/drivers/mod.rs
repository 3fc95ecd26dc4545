//! The driver: operations on connections for the event loop, and their events.
//!
//! The operations are the loop's own, not submission entries, so that a simulated world can
//! implement them as well as a ring. Connections are numbered from 0; their generation
//! distinguishes successive ones with the same number.

pub(crate) mod backends;
mod busy_poll;
pub(crate) mod monoio_driver;
mod refusals;
pub(crate) mod ring_driver;
mod timer_slack;
pub(crate) mod tokio_uring_driver;

use std::net::SocketAddr;
use std::ops::Range;

use uringbench_core::time::{Nanos, Timestamp};
use uringbench_ring::{Failure, Room, TcpInfo};

/// How a connection receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveMode {
    /// Repeatedly until it ends, each time into a small buffer.
    Multi,
    /// Once, if probably nothing has arrived yet.
    AfterSend(Room),
    /// Once, if more may have arrived already.
    Now(Room),
    /// The same, into a small buffer and at most this many bytes, at least 1.
    AtMost(u32),
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// For an event, until about this time; waking late costs nothing.
    Around(Timestamp),
    /// For an event, and exactly until this time: a slot is due then.
    Due(Timestamp),
}

/// An event.
#[derive(Debug)]
pub struct DriverEvent<B> {
    /// The connection's number.
    pub connection: u32,
    /// The receiver compares it with the connection's generation: late events carry an old one.
    pub generation: u32,
    /// Its kind.
    pub kind: EventKind<B>,
}

/// The kinds of events.
#[derive(Debug)]
pub enum EventKind<B> {
    /// The connection is established.
    Connected,
    /// It could not be made.
    ConnectFailed(Failure),
    /// Bytes arrived; the buffer must be recycled. `more`: this receive goes on.
    Received {
        /// The lease on the bytes.
        buffer: B,
        /// Whether the receive is still armed.
        more: bool,
    },
    /// Bytes arrived and were discarded unread, at least 1.
    Skipped(u32),
    /// The bytes of [`Driver::send_range`] or [`Driver::send_bytes`] were passed to the kernel, or
    /// cannot be any more: then the receive beside it fails too.
    Sent,
    /// The peer will send nothing more; the receive has ended.
    EndOfStream,
    /// The receive has failed, was cancelled, or found no buffer.
    ReceiveEnded(Failure),
    /// The state of TCP can be read with [`Driver::inspected`].
    Inspected,
    /// The connection is closed and its number free.
    Closed,
}

/// Operations of a connection that may be in progress, besides those known from events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnderWay {
    /// The attempt to connect.
    pub connecting: bool,
    /// A receive or a discard.
    pub receiving: bool,
    /// Sends: their requests have no answer yet.
    pub sending: bool,
    /// A send whose end is reported.
    pub sending_tracked: bool,
}

/// The interface between the event loop and the network.
pub trait Driver {
    /// A lease on received bytes.
    type Buffer;

    /// The time.
    fn now(&mut self) -> Timestamp;

    /// Start to connect, to the address `turn` places after the connection's first one. Ends with
    /// `Connected` or `ConnectFailed`; an error is immediate.
    fn connect(&mut self, connection: u32, generation: u32, turn: u32) -> Result<(), Failure>;

    /// The local address of a connection in progress or established, if the plan sends a PROXY
    /// header.
    fn local_address(&self, connection: u32) -> Option<SocketAddr>;

    /// Its peer address, likewise.
    fn peer_address(&self, connection: u32, turn: u32) -> Option<SocketAddr>;

    /// Send a range of the request's bytes, small enough for the socket's buffer. The driver holds
    /// as many copies of them in a row as are sent together. No event reports the end; the answer
    /// shows it.
    fn send_part(&mut self, connection: u32, generation: u32, range: Range<usize>);

    /// Send a range of the request's bytes. Ends with `Sent`; at most one of this and
    /// [`Driver::send_bytes`] is in progress per connection.
    fn send_range(&mut self, connection: u32, generation: u32, range: Range<usize>);

    /// Send bytes built for this connection. Ends with `Sent`.
    fn send_bytes(&mut self, connection: u32, generation: u32, bytes: Vec<u8>);

    /// An empty vector for such bytes, with the capacity of an earlier one if there is any.
    fn take_buffer(&mut self) -> Vec<u8>;

    /// Arm a receive. At most one is armed per connection.
    fn receive(&mut self, connection: u32, generation: u32, mode: ReceiveMode);

    /// Arm a receive that discards up to `length` bytes unread. Ends with `Skipped`, `EndOfStream`
    /// or `ReceiveEnded`.
    fn skip(&mut self, connection: u32, generation: u32, length: u32);

    /// End a [`ReceiveMode::Multi`] receive; ends with `ReceiveEnded`.
    fn cancel_receive(&mut self, connection: u32, generation: u32);

    /// Read the TCP state of a connection that is up. Ends with `Inspected`, or with no event if
    /// the driver cannot read it.
    fn inspect(&mut self, connection: u32, generation: u32);

    /// The TCP state, until the next event is taken.
    fn inspected(&mut self, connection: u32, generation: u32) -> Option<TcpInfo>;

    /// Close, ending operations in progress. Ends with `Closed`, after which the number may connect
    /// again; events of the old generation may come before it and after.
    fn close(&mut self, connection: u32, generation: u32, under_way: UnderWay);

    /// Submit the operations so far, sends above all, without waiting. Those that cannot be
    /// submitted are submitted by the next wait.
    fn submit(&mut self);

    /// Submit operations and wait for an event.
    ///
    /// # Errors
    /// If the kernel has refused so often that the driver no longer works. Operations are kept;
    /// events from before can still be taken.
    fn wait(&mut self, until: Until) -> Result<(), Failure>;

    /// The next event, if any.
    fn next_event(&mut self) -> Option<DriverEvent<Self::Buffer>>;

    /// Received bytes, at least one.
    fn bytes<'a>(&'a self, buffer: &'a Self::Buffer) -> &'a [u8];

    /// The same, mutable.
    fn bytes_mut<'a>(&'a mut self, buffer: &'a mut Self::Buffer) -> &'a mut [u8];

    /// Give a lease back.
    fn recycle(&mut self, buffer: Self::Buffer);

    /// Whether [`ReceiveMode::Multi`] is supported.
    fn has_multishot(&self) -> bool;

    /// Whether [`Driver::skip`] is supported: TCP can discard received bytes, others cannot.
    fn can_skip(&self) -> bool;

    /// System calls made to submit and wait so far.
    fn enters(&self) -> u64;

    /// Time spent polling for events instead of sleeping.
    fn spun(&self) -> Nanos;

    /// Completions that went through the kernel's overflow list.
    fn overflowed(&self) -> u64;
}
