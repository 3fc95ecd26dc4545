//! The world behind [`Driver`](crate::drivers::Driver) a second and a third time: over runtimes
//! made for servers.
//!
//! What they share is here: the driver that owns a runtime (`driver`), the task that serves one
//! connection (`connection_task`), and what the two give each other (`shared`). They differ in
//! their [`Runtime`]. The event loop above is the one of the ring, so what separates the figures
//! of two backends is the runtime and nothing else.

mod connection_task;
mod driver;
mod shared;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;
use uringbench_core::record::Backend;

pub(crate) use driver::RuntimeDriver;

/// What a runtime has to offer. Everything but `block_on`, `backend` and `parks` is called within
/// it.
pub(crate) trait Runtime: Sized + 'static {
    /// The half of a connection that receives.
    type Reader: 'static;
    /// The half that sends.
    type Writer: 'static;
    /// What ends that which the halves wait for.
    type Ending: 'static;
    /// A sleep that can be set again.
    type Timer: Future<Output = ()> + Unpin;

    /// Which backend this is.
    fn backend(&self) -> Backend;

    /// Run until `future` has ended.
    fn block_on<F: Future>(&mut self, future: F) -> F::Output;

    /// Run a task beside.
    fn spawn(task: impl Future<Output = ()> + 'static);

    /// Connect, without Nagle's delay. Dropping the future gives the attempt up.
    async fn connect(peer: SocketAddr) -> io::Result<Stream<Self>>;

    /// Receive once, up to `at_most` bytes, at least 1, into an empty buffer with room for them.
    async fn read(
        reader: &mut Self::Reader,
        buffer: Vec<u8>,
        at_most: usize,
    ) -> (io::Result<usize>, Vec<u8>);

    /// Send bytes that others hold too, whole.
    async fn write(writer: &mut Self::Writer, bytes: Bytes) -> io::Result<()>;

    /// Send bytes whole, and give their vector back.
    async fn write_own(writer: &mut Self::Writer, bytes: Vec<u8>) -> (io::Result<()>, Vec<u8>);

    /// End a read and a write that are under way, but not before `is_writing` bytes that need not
    /// wait have been handed over.
    async fn end(ending: Self::Ending, is_writing: bool);

    /// See what has happened, without sleeping. `has_orders`: tasks have been woken whose
    /// operations are to be handed over as well.
    async fn look(has_orders: bool);

    /// A timer. Both runtimes count in whole milliseconds and round up.
    fn timer(after: Duration) -> Self::Timer;

    /// Set a timer again.
    fn reset(timer: &mut Self::Timer, after: Duration);

    /// How often it has parked so far, each time with one `io_uring_enter`; 0 if it does not say.
    fn parks(&self) -> u64;
}

/// A connection that stands: the half that receives, the half that sends, and how to end both.
pub(crate) type Stream<R> =
    (<R as Runtime>::Reader, <R as Runtime>::Writer, <R as Runtime>::Ending);

/// A sleep of either runtime, which may not move.
pub(crate) type Pinned<S> = Pin<Box<S>>;

/// Why there is no runtime.
#[derive(Debug, Error)]
pub enum EngineError {
    /// It could not be set up.
    #[error("the runtime of {engine} cannot be set up: {cause}")]
    SetUp {
        /// The engine's name.
        engine: &'static str,
        /// The system's answer.
        cause: io::Error,
    },
}
