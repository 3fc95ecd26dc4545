//! The world as the event loop sees it: connections it can operate, and what happens to them.
//!
//! In the loop's own operations, not in submission entries, so that a simulated world fits
//! behind it as well as a ring. Connections are numbered from 0; their generation tells
//! successive ones with the same number apart.

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
    /// Again and again until it ends, each time into a small buffer.
    Multi,
    /// Once, when nothing is likely to be there yet.
    AfterSend(Room),
    /// Once, when more may be there already.
    Now(Room),
    /// The same, into a small buffer and no more than so many bytes, at least 1.
    AtMost(u32),
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// For an event, but not beyond this time; late wake-ups cost nothing.
    Around(Timestamp),
    /// For an event, and no later than exactly this time: a slot is due then.
    Due(Timestamp),
}

/// Something that happened.
#[derive(Debug)]
pub struct Event<B> {
    /// The connection's number.
    pub connection: u32,
    /// Whether it happened to the connection of this generation is for the receiver to check:
    /// late events carry an old one.
    pub generation: u32,
    /// What.
    pub kind: EventKind<B>,
}

/// What can happen to a connection.
#[derive(Debug)]
pub enum EventKind<B> {
    /// The connection stands.
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
    /// So many bytes arrived and were dropped unread, at least 1.
    Skipped(u32),
    /// What [`Driver::send_range`] or [`Driver::send_bytes`] was given has been handed to the
    /// kernel, or cannot be any more: then the receive beside it fails too.
    Sent,
    /// The peer will send nothing more; the receive has ended.
    EndOfStream,
    /// The receive has ended with a failure, or because it was cancelled, or for want of a
    /// buffer.
    ReceiveEnded(Failure),
    /// What TCP knows of the connection can be had with [`Driver::inspected`].
    Inspected,
    /// The connection is closed and its number free.
    Closed,
}

/// What may be under way on a connection, besides what is told by an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnderWay {
    /// The attempt to connect.
    pub connecting: bool,
    /// A receive or a skip.
    pub receiving: bool,
    /// Sends: their requests have no answer yet.
    pub sending: bool,
    /// A send whose end is told.
    pub sending_tracked: bool,
}

/// What the event loop needs of the world.
pub trait Driver {
    /// A lease on received bytes.
    type Buffer;

    /// The time.
    fn now(&mut self) -> Timestamp;

    /// Start connecting, to the address that is `turn` further than the connection's first of
    /// those the target has. Ends with `Connected` or `ConnectFailed`; an error is immediate.
    fn connect(&mut self, connection: u32, generation: u32, turn: u32) -> Result<(), Failure>;

    /// The address a connection under way or established comes from, where the plan has a PROXY
    /// header say so.
    fn local_address(&self, connection: u32) -> Option<SocketAddr>;

    /// The address it goes to, likewise.
    fn peer_address(&self, connection: u32, turn: u32) -> Option<SocketAddr>;

    /// Send a range of the bytes of the request, small enough to fit into the socket's buffer. The
    /// driver keeps as many copies of them, one behind the other, as are sent together. Nothing
    /// reports that it has been sent but the answer.
    fn send_part(&mut self, connection: u32, generation: u32, range: Range<usize>);

    /// Send a range of the request's bytes. Ends with `Sent`; at most one of this and
    /// [`Driver::send_bytes`] is under way per connection.
    fn send_range(&mut self, connection: u32, generation: u32, range: Range<usize>);

    /// Send bytes made for this connection. Ends with `Sent`.
    fn send_bytes(&mut self, connection: u32, generation: u32, bytes: Vec<u8>);

    /// An empty vector to make such bytes in, with the room of an earlier one if there is any.
    fn take_buffer(&mut self) -> Vec<u8>;

    /// Arm a receive. At most one is armed per connection.
    fn receive(&mut self, connection: u32, generation: u32, mode: ReceiveMode);

    /// Arm a receive that drops up to `length` bytes unread. Ends with `Skipped`,
    /// `EndOfStream` or `ReceiveEnded`.
    fn skip(&mut self, connection: u32, generation: u32, length: u32);

    /// End a [`ReceiveMode::Multi`] receive; it answers with `ReceiveEnded`.
    fn cancel_receive(&mut self, connection: u32, generation: u32);

    /// Ask what TCP knows of a connection that is up. Ends with `Inspected`, or with nothing where
    /// the world cannot tell.
    fn inspect(&mut self, connection: u32, generation: u32);

    /// The answer, until the next event is taken.
    fn inspected(&mut self, connection: u32, generation: u32) -> Option<TcpInfo>;

    /// Close, ending what is under way. Answers with `Closed`, after which the number may connect
    /// again; events of the old generation may come before it and after.
    fn close(&mut self, connection: u32, generation: u32, under_way: UnderWay);

    /// Hand over what was asked for so far, as sends above all, without waiting for anything. What
    /// cannot be handed over is when waiting.
    fn submit(&mut self);

    /// Hand over what was asked for and wait for something to happen.
    ///
    /// # Errors
    /// When the world has refused so often that it will not work any more. What was asked for is
    /// kept; what happened before can still be taken.
    fn wait(&mut self, until: Until) -> Result<(), Failure>;

    /// The next thing that happened, if any.
    fn next_event(&mut self) -> Option<Event<Self::Buffer>>;

    /// Received bytes, at least one.
    fn bytes<'a>(&'a self, buffer: &'a Self::Buffer) -> &'a [u8];

    /// The same, to be changed in place.
    fn bytes_mut<'a>(&'a mut self, buffer: &'a mut Self::Buffer) -> &'a mut [u8];

    /// Give a lease back.
    fn recycle(&mut self, buffer: Self::Buffer);

    /// Whether [`ReceiveMode::Multi`] is there.
    fn has_multishot(&self) -> bool;

    /// Whether [`Driver::skip`] is there: TCP can drop what it receives, others cannot.
    fn can_skip(&self) -> bool;

    /// System calls made to submit and wait so far.
    fn enters(&self) -> u64;

    /// Time passed so far with looking whether something has happened, instead of sleeping.
    fn spun(&self) -> Nanos;

    /// Completions lost from the queue to the kernel's slow path so far.
    fn overflowed(&self) -> u64;
}
