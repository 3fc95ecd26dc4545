//! [`Driver`](crate::drivers::Driver) over two async runtimes made for servers.
//!
//! This folder holds what they share: the driver that owns a runtime (`driver`), the task that
//! serves one connection (`connection_task`), and the data between them (`shared`). They differ in
//! their [`Runtime`]. The event loop is the same as over the ring, so the figures of two backends
//! differ by the runtime alone.

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

/// The interface of a runtime. Everything but `block_on`, `backend` and `parks` is called within
/// it.
pub(crate) trait Runtime: Sized + 'static {
    /// The receiving half of a connection.
    type Reader: 'static;
    /// The sending half.
    type Writer: 'static;
    /// Ends the operations of both halves.
    type Ending: 'static;
    /// A sleep that can be set again.
    type Timer: Future<Output = ()> + Unpin;

    /// Which backend this is.
    fn backend(&self) -> Backend;

    /// Run until `future` has ended.
    fn block_on<F: Future>(&mut self, future: F) -> F::Output;

    /// Run a task concurrently.
    fn spawn(task: impl Future<Output = ()> + 'static);

    /// Connect, without Nagle's delay. Dropping the future aborts the attempt.
    async fn connect(peer: SocketAddr) -> io::Result<Stream<Self>>;

    /// Receive once, up to `at_most` bytes, at least 1, into an empty buffer with room for them.
    async fn read(
        reader: &mut Self::Reader,
        buffer: Vec<u8>,
        at_most: usize,
    ) -> (io::Result<usize>, Vec<u8>);

    /// Send all bytes of a shared buffer.
    async fn write(writer: &mut Self::Writer, bytes: Bytes) -> io::Result<()>;

    /// Send all bytes of a vector, and return the vector.
    async fn write_own(writer: &mut Self::Writer, bytes: Vec<u8>) -> (io::Result<()>, Vec<u8>);

    /// End a read and a write in progress, but not before bytes that need not wait have been passed
    /// to the kernel, if `is_writing`.
    async fn end(ending: Self::Ending, is_writing: bool);

    /// Poll for events, without sleeping. `has_orders`: tasks were woken whose operations are to be
    /// submitted as well.
    async fn look(has_orders: bool);

    /// A timer. Both runtimes count in whole milliseconds and round up.
    fn timer(after: Duration) -> Self::Timer;

    /// Set a timer again.
    fn reset(timer: &mut Self::Timer, after: Duration);

    /// How often it has parked so far, with one `io_uring_enter` each; 0 if unknown.
    fn parks(&self) -> u64;
}

/// An established connection: the receiving half, the sending half, and how to end both.
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
        /// The system's error.
        cause: io::Error,
    },
}
