//! One connection, served by one task: it connects, executes orders, reports events, and ends when
//! the connection is closed, so that nothing of it remains.
//!
//! The driver writes orders into the [`ConnectionTask`] and wakes the task; only the task uses the
//! socket.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use rustix::io::Errno;
use uringbench_ring::{Failure, Room};

use super::shared::Shared;
use super::{Runtime, Stream};
use crate::drivers::{DriverEvent, EventKind};

/// A receive that was ordered.
#[derive(Clone, Copy, Debug)]
pub(super) enum ReceiveKind {
    /// Of bytes to be read.
    Wanted(Room),
    /// Of at most this many bytes to be discarded.
    Unwanted(u32),
}

/// A send other than whole requests.
#[derive(Debug)]
pub(super) enum SendItem {
    /// A part of the request; its end is not reported.
    Silent(Range<usize>),
    /// A part of the request.
    Range(Range<usize>),
    /// Bytes built for this connection.
    Own(Vec<u8>),
}

/// One connection's orders.
pub(super) struct ConnectionTask {
    connection: u32,
    generation: u32,
    peer: SocketAddr,
    shared: Rc<Shared>,
    /// Wakes the task, once it runs.
    waker: Cell<Option<Waker>>,
    receive: Cell<Option<ReceiveKind>>,
    /// Requests to send.
    requests: Cell<usize>,
    pieces: RefCell<VecDeque<SendItem>>,
    is_reading: Cell<bool>,
    is_writing: Cell<bool>,
    is_closed: Cell<bool>,
    /// There are orders, and the task has not been woken for them.
    pub(super) is_called: Cell<bool>,
}

impl ConnectionTask {
    pub(super) fn new(
        shared: &Rc<Shared>,
        connection: u32,
        generation: u32,
        peer: SocketAddr,
    ) -> Self {
        Self {
            connection,
            generation,
            peer,
            shared: Rc::clone(shared),
            waker: Cell::new(None),
            receive: Cell::new(None),
            requests: Cell::new(0),
            pieces: RefCell::default(),
            is_reading: Cell::new(false),
            is_writing: Cell::new(false),
            is_closed: Cell::new(false),
            is_called: Cell::new(false),
        }
    }

    pub(super) fn order_receive(&self, take: ReceiveKind) {
        self.receive.set(Some(take));
    }

    pub(super) fn order_requests(&self, requests: usize) {
        self.requests.set(self.requests.get() + requests);
    }

    pub(super) fn order_piece(&self, piece: SendItem) {
        self.pieces.borrow_mut().push_back(piece);
    }

    pub(super) fn order_close(&self) {
        self.is_closed.set(true);
    }

    /// Make the task read its orders. One that has not begun reads them when it does.
    pub(super) fn wake(&self) {
        self.is_called.set(false);
        if let Some(task) = self.waker.take() {
            task.wake_by_ref();
            self.waker.set(Some(task));
        }
    }

    fn tell(&self, kind: EventKind<Vec<u8>>) {
        let (connection, generation) = (self.connection, self.generation);
        self.shared.tell(DriverEvent { connection, generation, kind });
    }

    /// Wait for the next receive order; `None` once the connection is closed.
    async fn next_receive(&self) -> Option<ReceiveKind> {
        poll_fn(|_| {
            if self.is_closed.get() {
                return Poll::Ready(None);
            }
            self.receive.take().map_or(Poll::Pending, |take| Poll::Ready(Some(take)))
        })
        .await
    }

    /// Wait for the next send order; `None` once the connection is closed and earlier orders are
    /// executed.
    async fn next_send(&self) -> Option<Send> {
        poll_fn(|_| {
            if let Some(piece) = self.pieces.borrow_mut().pop_front() {
                return Poll::Ready(Some(Send::SendItem(piece)));
            }
            match self.requests.take() {
                0 if self.is_closed.get() => Poll::Ready(None),
                0 => Poll::Pending,
                requests => Poll::Ready(Some(Send::Requests(requests))),
            }
        })
        .await
    }

    async fn until_closed(&self) {
        poll_fn(|_| if self.is_closed.get() { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    /// The result of `future`; `None` if the connection is closed first.
    async fn unless_closed<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        poll_fn(|context| {
            if self.is_closed.get() {
                return Poll::Ready(None);
            }
            future.as_mut().poll(context).map(Some)
        })
        .await
    }
}

/// A send that was ordered.
enum Send {
    /// This many requests.
    Requests(usize),
    SendItem(SendItem),
}

/// The life of a connection, as a task. Every future in it waits for orders or for the runtime, and
/// either wakes the whole task.
pub(super) async fn serve<R: Runtime>(task: Rc<ConnectionTask>) {
    poll_fn(|context| {
        task.waker.set(Some(context.waker().clone()));
        Poll::Ready(())
    })
    .await;
    match task.unless_closed(R::connect(task.peer)).await {
        Some(Ok(stream)) => {
            task.tell(EventKind::Connected);
            carry::<R>(&task, stream).await;
        }
        Some(Err(error)) => {
            task.tell(EventKind::ConnectFailed(failure(&error)));
            task.until_closed().await;
        }
        None => {}
    }
    task.shared.tasks.set(task.shared.tasks.get() - 1);
    task.tell(EventKind::Closed);
}

/// Send and receive concurrently until the connection is closed and both have ended.
async fn carry<R: Runtime>(task: &ConnectionTask, (mut reader, mut writer, ending): Stream<R>) {
    let mut sending = pin!(send_as_ordered::<R>(task, &mut writer));
    let mut receiving = pin!(receive_as_ordered::<R>(task, &mut reader));
    let mut ending = pin!(async {
        task.until_closed().await;
        if task.is_reading.get() || task.is_writing.get() {
            R::end(ending, task.is_writing.get()).await;
        }
    });
    let (mut is_sending, mut is_receiving, mut is_ending) = (true, true, true);
    poll_fn(|context| {
        // In this order: sends ordered together with the close go out before it.
        is_sending = is_sending && sending.as_mut().poll(context).is_pending();
        is_receiving = is_receiving && receiving.as_mut().poll(context).is_pending();
        is_ending = is_ending && ending.as_mut().poll(context).is_pending();
        if is_sending || is_receiving || is_ending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
}

async fn receive_as_ordered<R: Runtime>(task: &ConnectionTask, reader: &mut R::Reader) {
    while let Some(take) = task.next_receive().await {
        let (pool, at_most) = match take {
            ReceiveKind::Wanted(Room::Small) => (&task.shared.buffers, task.shared.buffers.room),
            ReceiveKind::Wanted(Room::Large) => {
                (&task.shared.scratches, task.shared.scratches.room)
            }
            ReceiveKind::Unwanted(length) => {
                (&task.shared.scratches, task.shared.scratches.room.min(length as usize))
            }
        };
        task.is_reading.set(true);
        let (result, buffer) = R::read(reader, pool.take(), at_most).await;
        task.is_reading.set(false);
        let kind = match (result, take) {
            // The result is no longer needed.
            (_, _) if task.is_closed.get() => return pool.give(buffer),
            (Ok(1..), ReceiveKind::Wanted(_)) => {
                task.tell(EventKind::Received { buffer, more: false });
                continue;
            }
            // At most the ordered length, so it fits.
            (Ok(length @ 1..), ReceiveKind::Unwanted(_)) => EventKind::Skipped(length as u32),
            (Ok(_), _) => EventKind::EndOfStream,
            (Err(error), _) => EventKind::ReceiveEnded(failure(&error)),
        };
        pool.give(buffer);
        task.tell(kind);
    }
}

/// Sends do not interleave: the next begins when the last has ended. One that fails is followed by
/// the failure of the receive beside it, which ends the exchange; those after it are dropped.
async fn send_as_ordered<R: Runtime>(task: &ConnectionTask, writer: &mut R::Writer) {
    let mut is_broken = false;
    while let Some(send) = task.next_send().await {
        let is_told = matches!(send, Send::SendItem(SendItem::Range(_) | SendItem::Own(_)));
        if !is_broken {
            task.is_writing.set(true);
            is_broken = write::<R>(task, writer, send).await.is_err();
            task.is_writing.set(false);
        }
        if is_told {
            task.tell(EventKind::Sent);
        }
    }
}

async fn write<R: Runtime>(
    task: &ConnectionTask,
    writer: &mut R::Writer,
    send: Send,
) -> io::Result<()> {
    let shared = &task.shared;
    match send {
        Send::Requests(requests) => {
            let fitting = requests.min(shared.template.len() / shared.request_length);
            // More than the pipeline's depth, if answers arrived for requests that were not sent
            // yet.
            task.order_requests(requests - fitting);
            R::write(writer, shared.template.slice(..fitting * shared.request_length)).await
        }
        Send::SendItem(SendItem::Silent(range) | SendItem::Range(range)) => {
            R::write(writer, shared.template.slice(range)).await
        }
        Send::SendItem(SendItem::Own(bytes)) => {
            let (sent, bytes) = R::write_own(writer, bytes).await;
            shared.spares.give(bytes);
            sent
        }
    }
}

fn failure(error: &io::Error) -> Failure {
    Failure(Errno::from_io_error(error).unwrap_or(Errno::IO))
}
