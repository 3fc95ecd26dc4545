//! monoio as a backend: over io_uring, or over epoll where io_uring is unavailable.
//!
//! The runtime chooses; the result names the choice. Its park cannot be observed, so system calls
//! are not counted.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use monoio::buf::{IoBuf, Slice, SliceMut};
use monoio::io::{
    CancelHandle, CancelableAsyncReadRent, CancelableAsyncWriteRent, Canceller, OwnedReadHalf,
    OwnedWriteHalf, Splitable,
};
use monoio::net::TcpStream;
use monoio::time::{Instant, Sleep, TimeDriver};
use monoio::{FusionDriver, FusionRuntime, IoUringDriver, LegacyDriver, RuntimeBuilder};
use uringbench_core::plan::Plan;
use uringbench_core::record::Backend;

use crate::drivers::backends::{EngineError, Pinned, Runtime, RuntimeDriver, Stream};

/// Bounds of the queues' entries. With one entry for each connection, the completion queue has two:
/// for its receive and its send.
const ENTRIES: (u32, u32) = (256, 32_768);

/// A driver over monoio.
pub(crate) type MonoioDriver = RuntimeDriver<Monoio>;

/// The runtime over io_uring or epoll.
pub(crate) struct Monoio(FusionRuntime<TimeDriver<IoUringDriver>, TimeDriver<LegacyDriver>>);

/// Ends the operations of the other half as well.
pub(crate) struct Cancellable<H> {
    half: H,
    handle: CancelHandle,
}

impl MonoioDriver {
    /// For worker `index`, on its own thread.
    pub(crate) fn over_monoio(
        plan: &Plan,
        connections: u32,
        index: usize,
    ) -> Result<Self, EngineError> {
        Self::new(Monoio::new(connections)?, plan, connections, index)
    }
}

impl Monoio {
    pub(crate) fn new(connections: u32) -> Result<Self, EngineError> {
        RuntimeBuilder::<FusionDriver>::new()
            .enable_timer()
            .with_entries(connections.clamp(ENTRIES.0, ENTRIES.1).next_power_of_two())
            .build()
            .map(Self)
            .map_err(|cause| EngineError::SetUp { engine: "monoio", cause })
    }
}

impl Runtime for Monoio {
    type Reader = Cancellable<OwnedReadHalf<TcpStream>>;
    type Writer = Cancellable<OwnedWriteHalf<TcpStream>>;
    type Ending = Canceller;
    type Timer = Pinned<Sleep>;

    fn backend(&self) -> Backend {
        match &self.0 {
            FusionRuntime::Uring(_) => Backend::MonoioUring,
            FusionRuntime::Legacy(_) => Backend::MonoioEpoll,
        }
    }

    fn block_on<F: Future>(&mut self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    fn spawn(task: impl Future<Output = ()> + 'static) {
        drop(monoio::spawn(task));
    }

    async fn connect(peer: SocketAddr) -> io::Result<Stream<Self>> {
        let stream = TcpStream::connect_addr(peer).await?;
        stream.set_nodelay(true)?;
        let (reader, writer) = stream.into_split();
        let canceller = Canceller::new();
        Ok((
            Cancellable { half: reader, handle: canceller.handle() },
            Cancellable { half: writer, handle: canceller.handle() },
            canceller,
        ))
    }

    async fn read(
        reader: &mut Self::Reader,
        buffer: Vec<u8>,
        at_most: usize,
    ) -> (io::Result<usize>, Vec<u8>) {
        let slice = SliceMut::new(buffer, 0, at_most);
        let (result, slice) = reader.half.cancelable_read(slice, reader.handle.clone()).await;
        (result, slice.into_inner())
    }

    async fn write(writer: &mut Self::Writer, bytes: Bytes) -> io::Result<()> {
        write_whole(writer, bytes).await.0
    }

    async fn write_own(writer: &mut Self::Writer, bytes: Vec<u8>) -> (io::Result<()>, Vec<u8>) {
        write_whole(writer, bytes).await
    }

    /// A write in progress was queued before its cancellation, which therefore only finds it if it
    /// has to wait.
    async fn end(canceller: Canceller, _: bool) {
        canceller.cancel();
    }

    /// The runtime polls the kernel between two rounds of tasks, and an empty task makes it run
    /// another round. Operations of tasks woken in the first round are submitted after it.
    async fn look(has_orders: bool) {
        if has_orders {
            monoio::spawn(async {}).await;
        }
        monoio::spawn(async {}).await;
    }

    fn timer(after: Duration) -> Self::Timer {
        Box::pin(monoio::time::sleep(after))
    }

    fn reset(timer: &mut Self::Timer, after: Duration) {
        timer.as_mut().reset(Instant::now() + after);
    }

    fn parks(&self) -> u64 {
        0
    }
}

async fn write_whole<B: IoBuf>(
    writer: &mut Cancellable<OwnedWriteHalf<TcpStream>>,
    mut bytes: B,
) -> (io::Result<()>, B) {
    let (mut sent, length) = (0, bytes.bytes_init());
    while sent < length {
        let rest = Slice::new(bytes, sent, length);
        let (result, rest) = writer.half.cancelable_write(rest, writer.handle.clone()).await;
        bytes = rest.into_inner();
        match result {
            Ok(0) => return (Err(io::ErrorKind::WriteZero.into()), bytes),
            Ok(more) => sent += more,
            Err(error) => return (Err(error), bytes),
        }
    }
    (Ok(()), bytes)
}
