//! [`Driver`] over a runtime: it owns the runtime, which runs while the loop waits.
//!
//! Orders are queued as the loop gives them and passed to the tasks when it waits. A due time is
//! met by polling, because the runtimes' timers count in milliseconds.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use uringbench_core::plan::{Plan, WaitMode};
use uringbench_core::record::Backend;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_ring::{Failure, Room, TcpInfo};

use super::connection_task::{self, ConnectionTask, ReceiveKind, SendItem};
use super::shared::Shared;
use super::{EngineError, Runtime};
use crate::clock;
use crate::drivers::{Driver, DriverEvent, ReceiveMode, UnderWay, Until};

/// How long before a due time a hybrid wait stops using the timer and polls: the timer rounds up to
/// a millisecond, is late by as much, and then this thread has to be woken.
const TIMER_MARGIN: Nanos = Nanos(2_500_000);
/// No timer is set further ahead: a wait that ends early is repeated.
const TIMER_MAX: Nanos = Nanos::SECOND;
/// At the end tasks have this long to finish. They only wait until the kernel has released their
/// buffers.
const LEAVE_MAX: Duration = Duration::from_secs(1);

/// A runtime with the plan's request and peers.
pub(crate) struct RuntimeDriver<R: Runtime> {
    orders: PendingOrders,
    shared: Rc<Shared>,
    /// By connection number: the latest task of each.
    tasks: Vec<Option<Rc<ConnectionTask>>>,
    deadline: Deadline<R>,
    peers: Vec<SocketAddr>,
    /// The peer of the first connection; workers begin with different ones.
    first_peer: usize,
    wait: WaitMode,
    spun: Nanos,
    /// Dropped after everything that was created within it.
    runtime: R,
}

/// Orders to pass on at the next wait.
#[derive(Default)]
struct PendingOrders {
    /// Tasks to begin.
    fresh: Vec<Rc<ConnectionTask>>,
    /// Tasks to wake.
    called: Vec<Rc<ConnectionTask>>,
}

/// One timer for all waits. It is set again only to fire earlier or after it has fired: setting it
/// for each wait would cost more than an occasional wait that ends too early.
struct Deadline<R: Runtime> {
    timer: Option<R::Timer>,
    rings_at: Timestamp,
}

impl<R: Runtime> RuntimeDriver<R> {
    /// For worker `index`, on its own thread.
    pub(crate) fn new(
        runtime: R,
        plan: &Plan,
        connections: u32,
        index: usize,
    ) -> Result<Self, EngineError> {
        Ok(Self {
            orders: PendingOrders::default(),
            shared: Rc::new(Shared::new(plan, connections)),
            tasks: vec![None; connections as usize],
            deadline: Deadline { timer: None, rings_at: Timestamp::default() },
            peers: plan.transport.carrier.addresses().to_vec(),
            first_peer: index,
            wait: plan.transport.wait,
            spun: Nanos::ZERO,
            runtime,
        })
    }

    /// Which backend this is.
    pub(crate) fn backend(&self) -> Backend {
        self.runtime.backend()
    }

    #[cfg(test)]
    pub(super) fn tasks(&self) -> usize {
        self.shared.tasks.get()
    }

    #[cfg(test)]
    pub(super) fn buffers_kept(&self) -> usize {
        self.shared.buffers.kept()
    }

    /// Give a connection an order.
    fn order(&mut self, connection: u32, give: impl FnOnce(&ConnectionTask)) {
        let Some(task) = &self.tasks[connection as usize] else { return };
        give(task);
        if !task.is_called.replace(true) {
            self.orders.called.push(Rc::clone(task));
        }
    }

    /// Pass the orders on and poll for events, without sleeping.
    fn look(&mut self) {
        let Self { runtime, orders, shared, .. } = self;
        runtime.block_on(async {
            let has_orders = orders.hand_over::<R>(shared);
            R::look(has_orders).await;
        });
    }

    /// Pass the orders on and sleep until an event, or until `latest` or a little earlier.
    fn sleep(&mut self, latest: Timestamp) {
        let now = clock::now();
        if latest <= now || !self.shared.is_quiet() {
            return self.look();
        }
        let Self { runtime, orders, shared, deadline, .. } = self;
        let mut is_begun = false;
        runtime.block_on(poll_fn(|context| {
            if !std::mem::replace(&mut is_begun, true) {
                orders.hand_over::<R>(shared);
                deadline.set(now, latest);
            }
            if !shared.is_quiet() || deadline.poll(context).is_ready() {
                return Poll::Ready(());
            }
            shared.waiting.set(Some(context.waker().clone()));
            Poll::Pending
        }));
        self.shared.waiting.take();
    }

    /// Poll until an event arrives or `due` has come, without leaving this CPU.
    fn spin(&mut self, due: Timestamp) {
        self.look();
        let begun = clock::now();
        let mut now = begun;
        while self.shared.is_quiet() && now < due {
            self.look();
            now = clock::now();
        }
        self.spun += now.since(begun);
    }

    /// Sleep as long as the timer is precise enough, then poll.
    fn sleep_then_spin(&mut self, due: Timestamp) {
        let wake_at = due - TIMER_MARGIN;
        while clock::now() < wake_at {
            self.sleep(wake_at);
            if !self.shared.is_quiet() {
                return;
            }
        }
        self.spin(due);
    }
}

impl PendingOrders {
    /// Begin tasks and wake tasks, within the runtime. Returns whether there were any.
    fn hand_over<R: Runtime>(&mut self, shared: &Shared) -> bool {
        let has_orders = !self.fresh.is_empty() || !self.called.is_empty();
        for task in self.fresh.drain(..) {
            shared.tasks.set(shared.tasks.get() + 1);
            R::spawn(connection_task::serve::<R>(task));
        }
        for task in self.called.drain(..) {
            task.wake();
        }
        has_orders
    }
}

impl<R: Runtime> Deadline<R> {
    /// Fire at `latest`, or earlier. Within the runtime.
    fn set(&mut self, now: Timestamp, latest: Timestamp) {
        let is_set = self.rings_at > now && self.rings_at <= latest;
        if is_set {
            return;
        }
        self.rings_at = latest.min(now + TIMER_MAX);
        let after = Duration::from_nanos(self.rings_at.since(now).0);
        match &mut self.timer {
            Some(timer) => R::reset(timer, after),
            None => self.timer = Some(R::timer(after)),
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.timer.as_mut().map_or(Poll::Pending, |timer| Pin::new(timer).poll(context))
    }
}

impl<R: Runtime> Driver for RuntimeDriver<R> {
    type Buffer = Vec<u8>;

    #[inline]
    fn now(&mut self) -> Timestamp {
        clock::now()
    }

    /// Every failure is reported as an event: the task owns the socket.
    fn connect(&mut self, connection: u32, generation: u32, turn: u32) -> Result<(), Failure> {
        let place = connection as usize + turn as usize + self.first_peer;
        let peer = self.peers[place % self.peers.len()];
        let task = Rc::new(ConnectionTask::new(&self.shared, connection, generation, peer));
        self.orders.fresh.push(Rc::clone(&task));
        self.tasks[connection as usize] = Some(task);
        Ok(())
    }

    fn local_address(&self, _: u32) -> Option<SocketAddr> {
        None
    }

    fn peer_address(&self, _: u32, _: u32) -> Option<SocketAddr> {
        None
    }

    fn send_part(&mut self, connection: u32, _: u32, range: Range<usize>) {
        // Whole requests are counted: those ordered while others are being written are then sent
        // together.
        let each = self.shared.request_length;
        if range.start == 0 && each > 0 && range.len().is_multiple_of(each) {
            let requests = range.len() / each;
            self.order(connection, |task| task.order_requests(requests));
        } else {
            self.order(connection, |task| task.order_piece(SendItem::Silent(range)));
        }
    }

    fn send_range(&mut self, connection: u32, _: u32, range: Range<usize>) {
        self.order(connection, |task| task.order_piece(SendItem::Range(range)));
    }

    fn send_bytes(&mut self, connection: u32, _: u32, bytes: Vec<u8>) {
        self.order(connection, |task| task.order_piece(SendItem::Own(bytes)));
    }

    fn take_buffer(&mut self) -> Vec<u8> {
        self.shared.spares.take()
    }

    #[inline]
    fn receive(&mut self, connection: u32, _: u32, mode: ReceiveMode) {
        let room = match mode {
            ReceiveMode::AfterSend(room) | ReceiveMode::Now(room) => room,
            ReceiveMode::Multi | ReceiveMode::AtMost(_) => Room::Small,
        };
        self.order(connection, |task| task.order_receive(ReceiveKind::Wanted(room)));
    }

    #[inline]
    fn skip(&mut self, connection: u32, _: u32, length: u32) {
        self.order(connection, |task| task.order_receive(ReceiveKind::Unwanted(length)));
    }

    /// Nothing to do: no receive repeats by itself.
    fn cancel_receive(&mut self, _: u32, _: u32) {}

    /// The task owns the socket and cannot read its state.
    fn inspect(&mut self, _: u32, _: u32) {}

    fn inspected(&mut self, _: u32, _: u32) -> Option<TcpInfo> {
        None
    }

    fn close(&mut self, connection: u32, _: u32, _: UnderWay) {
        self.order(connection, ConnectionTask::order_close);
        // From now on only the task refers to it.
        self.tasks[connection as usize] = None;
    }

    fn submit(&mut self) {
        self.look();
    }

    /// Neither runtime reports that its ring refuses to work: monoio ignores it, tokio-uring
    /// panics, which ends the run too.
    #[inline]
    fn wait(&mut self, until: Until) -> Result<(), Failure> {
        match (until, self.wait) {
            (Until::Due(due), WaitMode::Spin) => self.spin(due),
            (Until::Due(due), WaitMode::Hybrid) => self.sleep_then_spin(due),
            (Until::Around(latest), WaitMode::Spin) if latest != Timestamp::NEVER => {
                self.spin(latest);
            }
            (Until::Due(time) | Until::Around(time), _) => self.sleep(time),
        }
        Ok(())
    }

    #[inline]
    fn next_event(&mut self) -> Option<DriverEvent<Vec<u8>>> {
        self.shared.events.borrow_mut().pop_front()
    }

    #[inline]
    fn bytes<'a>(&'a self, buffer: &'a Vec<u8>) -> &'a [u8] {
        buffer
    }

    #[inline]
    fn bytes_mut<'a>(&'a mut self, buffer: &'a mut Vec<u8>) -> &'a mut [u8] {
        buffer
    }

    #[inline]
    fn recycle(&mut self, buffer: Vec<u8>) {
        let Shared { buffers, scratches, .. } = &*self.shared;
        let is_small = buffer.capacity() == buffers.room;
        if is_small { buffers.give(buffer) } else { scratches.give(buffer) }
    }

    /// Neither runtime supports it.
    fn has_multishot(&self) -> bool {
        false
    }

    fn can_skip(&self) -> bool {
        true
    }

    /// The runtime's parks: one `io_uring_enter` each, plus the runtime's own calls.
    fn enters(&self) -> u64 {
        self.runtime.parks()
    }

    fn spun(&self) -> Nanos {
        self.spun
    }

    /// Neither runtime reports it. Their queues have room for every connection's operations.
    fn overflowed(&self) -> u64 {
        0
    }
}

impl<R: Runtime> Drop for RuntimeDriver<R> {
    /// End every task: each holds a connection, and the runtime may keep tasks after its own end.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for connection in 0..self.tasks.len() as u32 {
            self.order(connection, ConnectionTask::order_close);
        }
        let Self { runtime, orders, shared, .. } = self;
        runtime.block_on(async {
            let mut limit = R::timer(LEAVE_MAX);
            poll_fn(|context| {
                orders.hand_over::<R>(shared);
                shared.events.borrow_mut().clear();
                if shared.tasks.get() == 0 || Pin::new(&mut limit).poll(context).is_ready() {
                    return Poll::Ready(());
                }
                shared.waiting.set(Some(context.waker().clone()));
                Poll::Pending
            })
            .await;
        });
    }
}
