//! tokio-uring as a backend: io_uring beneath tokio's epoll loop.
//!
//! Bytes go through the ring. Connections are made through tokio's own sockets: an abandoned
//! attempt must not linger, and tokio-uring cannot cancel one.

use std::future::Future;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::{Handle, RuntimeMetrics};
use tokio::time::{Instant, Sleep};
use tokio_uring::buf::BoundedBuf;
use tokio_uring::net::TcpStream;
use uringbench_core::plan::Plan;
use uringbench_core::record::Backend;

use crate::drivers::backends::{EngineError, Pinned, Runtime, RuntimeDriver, Stream};

/// Bounds of the submission queue's entries; the completion queue has twice as many, for every
/// connection's receive and send.
const ENTRIES: (u32, u32) = (256, 32_768);

/// A driver over tokio-uring.
pub(crate) type TokioUringDriver = RuntimeDriver<TokioUring>;

/// The runtime.
pub(crate) struct TokioUring {
    runtime: tokio_uring::Runtime,
    metrics: RuntimeMetrics,
}

impl TokioUringDriver {
    /// For worker `index`, on its own thread.
    pub(crate) fn over_tokio_uring(
        plan: &Plan,
        connections: u32,
        index: usize,
    ) -> Result<Self, EngineError> {
        Self::new(TokioUring::new(connections)?, plan, connections, index)
    }
}

impl TokioUring {
    pub(crate) fn new(connections: u32) -> Result<Self, EngineError> {
        let mut builder = tokio_uring::builder();
        builder.entries(connections.clamp(ENTRIES.0, ENTRIES.1).next_power_of_two());
        let runtime = tokio_uring::Runtime::new(&builder)
            .map_err(|cause| EngineError::SetUp { engine: "tokio-uring", cause })?;
        let metrics = runtime.block_on(async { Handle::current().metrics() });
        Ok(Self { runtime, metrics })
    }
}

impl Runtime for TokioUring {
    type Reader = Rc<TcpStream>;
    type Writer = Rc<TcpStream>;
    type Ending = Rc<TcpStream>;
    type Timer = Pinned<Sleep>;

    fn backend(&self) -> Backend {
        Backend::TokioUring
    }

    fn block_on<F: Future>(&mut self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    fn spawn(task: impl Future<Output = ()> + 'static) {
        drop(tokio_uring::spawn(task));
    }

    async fn connect(peer: SocketAddr) -> io::Result<Stream<Self>> {
        let stream = tokio::net::TcpStream::connect(peer).await?;
        stream.set_nodelay(true)?;
        let stream = stream.into_std()?;
        // The ring itself waits.
        stream.set_nonblocking(false)?;
        let stream = Rc::new(TcpStream::from_std(stream));
        Ok((Rc::clone(&stream), Rc::clone(&stream), stream))
    }

    async fn read(
        reader: &mut Self::Reader,
        buffer: Vec<u8>,
        at_most: usize,
    ) -> (io::Result<usize>, Vec<u8>) {
        let (result, slice) = reader.read(buffer.slice(..at_most)).await;
        (result, slice.into_inner())
    }

    async fn write(writer: &mut Self::Writer, bytes: Bytes) -> io::Result<()> {
        writer.write_all(bytes).await.0
    }

    async fn write_own(writer: &mut Self::Writer, bytes: Vec<u8>) -> (io::Result<()>, Vec<u8>) {
        writer.write_all(bytes).await
    }

    /// Nothing can be cancelled, but operations on a socket that is shut down end. A socket that is
    /// shut down already has no operations.
    async fn end(stream: Rc<TcpStream>, is_writing: bool) {
        if is_writing {
            let _ended = stream.shutdown(Shutdown::Read);
            // Queued after the write: when it has ended, the kernel has the write.
            let _behind = tokio_uring::no_op().await;
        }
        let _ended = stream.shutdown(Shutdown::Both);
    }

    /// The runtime submits its queue only when it parks, and then sleeps: an operation that ends at
    /// once wakes it.
    async fn look(_: bool) {
        let _woken = tokio_uring::no_op().await;
    }

    fn timer(after: Duration) -> Self::Timer {
        Box::pin(tokio::time::sleep(after))
    }

    fn reset(timer: &mut Self::Timer, after: Duration) {
        timer.as_mut().reset(Instant::now() + after);
    }

    fn parks(&self) -> u64 {
        self.metrics.worker_park_count(0)
    }
}
