//! The driver over io_uring: one ring, and the ways to wait on it.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use uringbench_core::plan::{Closing, Peer, Plan, WaitMode};
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_ring::{
    BufferId, Completion, Config, Failure, OpenError, Operation, PeerAddress, PeerId, Ring,
    SetupError, SocketOptions, TcpInfo, TemplateId, Token, Wait,
};

use crate::clock;
use crate::drivers::busy_poll::SpinPolicy;
use crate::drivers::refusals::Refusals;
use crate::drivers::timer_slack::TimerSlack;
use crate::drivers::{Driver, DriverEvent, EventKind, ReceiveMode, UnderWay, Until};
use crate::event_loop::copies_kept;
use crate::record::thread_cost::RunQueue;
use crate::work::users;

/// A ring with the plan's request and peers.
pub(crate) struct RingDriver {
    ring: Ring,
    /// The request, repeated up to the pipeline's depth if it is small.
    template: TemplateId,
    peers: Vec<Destination>,
    /// The peer of the first connection; workers begin with different ones.
    first_peer: usize,
    wait: WaitMode,
    /// How many completions [`WaitMode::Batch`] waits for, at least 1.
    batch: u32,
    timer_slack: TimerSlack,
    spin_policy: SpinPolicy,
    run_queue: RunQueue,
    spun: Nanos,
    refusals: Refusals,
    has_multishot: bool,
    can_skip: bool,
    sockets: SocketOptions,
    /// The local address of each connection, if a PROXY header needs it.
    locals: Vec<Option<SocketAddr>>,
    /// Emptied vectors for bytes built per connection.
    spares: Vec<Vec<u8>>,
}

/// Bytes that the kernel buffers for a slow reader: the target has to notice the slowness. With
/// less than a segment of the loopback interface in the window, senders wait for timers.
const SLOW_RECEIVE_BUFFER: u32 = 32 << 10;
/// Spare vectors kept, and the largest capacity kept.
const SPARES_MAX: usize = 256;
const SPARE_ROOM_MAX: usize = 256 << 10;
/// [`WaitMode::Batch`] gathers answers for at most this many microseconds.
const PATIENCE: u32 = 50;
/// Completions that end such a wait at once.
const BATCH_MAX: u32 = 256;

/// Where connections go, and their local addresses.
struct Destination {
    address: PeerAddress,
    id: PeerId,
    /// By connection number, in turn; if empty, the kernel chooses.
    sources: Vec<IpAddr>,
}

impl Destination {
    fn of(peer: &Peer, plan: &Plan, ring: &mut Ring) -> Self {
        let (address, sources) = match peer {
            Peer::Tcp(address) => {
                let is_of_kind = |source: &&IpAddr| source.is_ipv4() == address.is_ipv4();
                let sources = plan.sources().iter().filter(is_of_kind).copied().collect();
                (PeerAddress::Tcp(*address), sources)
            }
            Peer::Unix(path) => (PeerAddress::Unix(path.clone()), Vec::new()),
        };
        let id = ring.add_peer(&address);
        Self { address, id, sources }
    }
}

impl RingDriver {
    /// For worker `index`, on its own thread.
    pub(crate) fn new(plan: &Plan, connections: u32, index: usize) -> Result<Self, SetupError> {
        let config = match (can_skip(plan), reads_bodies(plan)) {
            (true, false) => Config::small_responses(connections),
            (true, true) => Config::small_responses(connections).with_large_buffers(),
            (false, _) => Config::records(connections),
        };
        Self::of_size(config, plan, index)
    }

    /// The same, over a ring of this size.
    pub(crate) fn of_size(config: Config, plan: &Plan, index: usize) -> Result<Self, SetupError> {
        let mut ring = Ring::new(config)?;
        if plan.transport.wait == WaitMode::Batch && !ring.features().minimum_wait {
            return Err(SetupError::NoMinimumWait);
        }
        let request = plan.workload.bytes();
        let template = match copies_kept(plan) {
            1 => ring.add_template(request),
            copies => ring.add_template(&request.repeat(copies)),
        };
        let peers = plan.peers();
        let peers = peers.iter().map(|peer| Destination::of(peer, plan, &mut ring)).collect();
        Ok(Self {
            can_skip: can_skip(plan),
            has_multishot: ring.features().multishot_receive,
            ring,
            template,
            peers,
            first_peer: index,
            wait: plan.transport.wait,
            // The other half keeps the target at work meanwhile.
            batch: (config.slots / 2).clamp(1, BATCH_MAX),
            timer_slack: TimerSlack::default(),
            spin_policy: SpinPolicy::default(),
            run_queue: RunQueue::of_this_thread(),
            spun: Nanos::ZERO,
            refusals: Refusals::default(),
            sockets: SocketOptions {
                source: None,
                resets: plan.closing() == Closing::Rst,
                chooses_port: plan.proxy().is_some(),
                receive_buffer: plan.read_rate().map(|_| SLOW_RECEIVE_BUFFER),
            },
            locals: vec![None; if plan.proxy().is_some() { config.slots as usize } else { 0 }],
            spares: Vec::new(),
        })
    }

    /// The peer of a connection.
    fn place(&self, connection: u32, turn: u32) -> usize {
        (connection as usize + turn as usize + self.first_peer) % self.peers.len()
    }

    fn enter(&mut self, wait: Wait) {
        match self.ring.enter(wait) {
            Ok(()) => self.refusals.end(),
            Err(failure) => self.refused(failure),
        }
    }

    /// Mostly refused because memory or queue space is missing: queued entries stay queued,
    /// operations in progress complete, and the next turn tries again, up to a limit.
    #[cold]
    fn refused(&mut self, failure: Failure) {
        let pause = self.refusals.note(failure);
        std::thread::sleep(Duration::from_nanos(pause.0));
    }

    /// A send has ended: keep its vector for the next one.
    fn recycle_buffer(&mut self, token: Token) {
        if let Some(mut bytes) = self.ring.sent(token)
            && self.spares.len() < SPARES_MAX
            && bytes.capacity() <= SPARE_ROOM_MAX
        {
            bytes.clear();
            self.spares.push(bytes);
        }
    }

    /// Poll until an event arrives or `due` has come, without leaving this CPU. Returns whether an
    /// event arrived.
    fn spin(&mut self, due: Timestamp) -> bool {
        self.enter(Wait::No);
        if self.ring.has_completions() {
            return true;
        }
        let begun = clock::now();
        let mut now = begun;
        while now < due && !self.ring.is_work_pending() {
            std::hint::spin_loop();
            now = clock::now();
        }
        self.spun += now.since(begun);
        if now < due {
            self.enter(Wait::No);
        }
        now < due
    }

    /// Poll for a while, as long as that is likely to help, then sleep.
    fn spin_then_sleep(&mut self, now: Timestamp, latest: Timestamp) {
        let span = self.spin_policy.span(now, || self.run_queue.waited());
        if span > Nanos::ZERO {
            if self.spin(latest.min(now + span)) {
                return self.spin_policy.came();
            }
            self.spin_policy.was_vain();
        }
        self.sleep(latest);
    }

    fn sleep(&mut self, latest: Timestamp) {
        let span = latest.since(clock::now());
        self.enter(if span == Nanos::ZERO { Wait::No } else { Wait::AtMost(span.0) });
    }

    /// Sleep until half of the connections have something, or any after [`PATIENCE`].
    fn gather(&mut self, latest: Timestamp) {
        let span = latest.since(clock::now());
        // The kernel looks at the longest wait only after the patience.
        if self.batch == 1 || span <= Nanos(u64::from(PATIENCE) * 1_000) {
            return self.sleep(latest);
        }
        self.enter(Wait::Several { count: self.batch, patience: PATIENCE, at_most: span.0 });
    }

    /// Sleep until shortly before `due`, then spin.
    fn sleep_then_spin(&mut self, now: Timestamp, due: Timestamp) {
        let wake_at = due - self.timer_slack.span();
        if wake_at <= now {
            self.spin(due);
            return;
        }
        self.enter(Wait::AtMost(wake_at.since(now).0));
        let woken = clock::now();
        if woken >= wake_at && !self.ring.is_work_pending() {
            self.timer_slack.observe(woken.since(wake_at));
            self.spin(due);
        }
    }
}

/// Whether bodies are read, so that large ones are received and not discarded.
fn reads_bodies(plan: &Plan) -> bool {
    plan.workload.is_http2()
        || plan.workload.script().is_some_and(|script| users::read_payload(script))
}

/// Whether the kernel can discard received bytes: only for TCP, and nothing encrypted.
fn can_skip(plan: &Plan) -> bool {
    plan.tls().is_none() && !plan.transport.carrier.addresses().is_empty()
}

impl Driver for RingDriver {
    type Buffer = BufferId;

    #[inline]
    fn now(&mut self) -> Timestamp {
        clock::now()
    }

    fn connect(&mut self, connection: u32, generation: u32, turn: u32) -> Result<(), Failure> {
        let Destination { address, id, sources } = &self.peers[self.place(connection, turn)];
        let source = sources.get(connection as usize % sources.len().max(1)).copied();
        let options = SocketOptions { source, ..self.sockets };
        let opened = self.ring.open(connection, generation, address, options);
        let local = opened.map_err(|error| match error {
            OpenError::TooManyFiles => Failure(rustix::io::Errno::MFILE),
            OpenError::Other(errno) => Failure(errno),
        })?;
        if let (Some(local), Some(place)) = (local, self.locals.get_mut(connection as usize)) {
            *place = Some(local);
        }
        self.ring.connect(connection, generation, *id);
        Ok(())
    }

    fn local_address(&self, connection: u32) -> Option<SocketAddr> {
        self.locals.get(connection as usize).copied().flatten()
    }

    fn peer_address(&self, connection: u32, turn: u32) -> Option<SocketAddr> {
        match &self.peers[self.place(connection, turn)].address {
            PeerAddress::Tcp(address) => Some(*address),
            PeerAddress::Unix(_) => None,
        }
    }

    #[inline]
    fn send_part(&mut self, connection: u32, generation: u32, range: Range<usize>) {
        self.ring.send(connection, generation, self.template, range);
    }

    fn send_range(&mut self, connection: u32, generation: u32, range: Range<usize>) {
        self.ring.send_range(connection, generation, self.template, range);
    }

    fn send_bytes(&mut self, connection: u32, generation: u32, bytes: Vec<u8>) {
        self.ring.send_bytes(connection, generation, bytes);
    }

    fn take_buffer(&mut self) -> Vec<u8> {
        self.spares.pop().unwrap_or_default()
    }

    #[inline]
    fn receive(&mut self, connection: u32, generation: u32, mode: ReceiveMode) {
        match mode {
            ReceiveMode::Multi => self.ring.receive_multi(connection, generation),
            ReceiveMode::AfterSend(room) => {
                self.ring.receive_once(connection, generation, room, true);
            }
            ReceiveMode::Now(room) => self.ring.receive_once(connection, generation, room, false),
            ReceiveMode::AtMost(length) => {
                self.ring.receive_at_most(connection, generation, length);
            }
        }
    }

    #[inline]
    fn skip(&mut self, connection: u32, generation: u32, length: u32) {
        self.ring.skip(connection, generation, length);
    }

    fn cancel_receive(&mut self, connection: u32, generation: u32) {
        self.ring.cancel(connection, generation, Operation::Receive);
    }

    fn inspect(&mut self, connection: u32, generation: u32) {
        self.ring.inspect(connection, generation);
    }

    fn inspected(&mut self, connection: u32, generation: u32) -> Option<TcpInfo> {
        self.ring.inspected(Token::new(Operation::Inspect, generation, connection))
    }

    fn close(&mut self, connection: u32, generation: u32, under_way: UnderWay) {
        let kinds = [
            (under_way.connecting, Operation::Connect),
            (under_way.receiving, Operation::Receive),
            (under_way.receiving, Operation::Skip),
            (under_way.sending, Operation::Send),
            (under_way.sending_tracked, Operation::SendNotify),
        ];
        for (_, kind) in kinds.into_iter().filter(|(is_under_way, _)| *is_under_way) {
            self.ring.cancel(connection, generation, kind);
        }
        self.ring.close(connection, generation);
    }

    fn submit(&mut self) {
        self.ring.submit();
    }

    #[inline]
    fn wait(&mut self, until: Until) -> Result<(), Failure> {
        match (until, self.wait) {
            (Until::Due(due), WaitMode::Spin) => {
                self.spin(due);
            }
            (Until::Due(due), WaitMode::Hybrid) => self.sleep_then_spin(clock::now(), due),
            (Until::Around(latest), WaitMode::Spin) if latest != Timestamp::NEVER => {
                self.spin(latest);
            }
            (Until::Around(latest), WaitMode::Hybrid) => {
                self.spin_then_sleep(clock::now(), latest);
            }
            (Until::Around(latest), WaitMode::Batch) => self.gather(latest),
            (Until::Due(time) | Until::Around(time), _) => self.sleep(time),
        }
        self.refusals.verdict()
    }

    #[inline]
    fn next_event(&mut self) -> Option<DriverEvent<BufferId>> {
        loop {
            let Completion { token, result, more, buffer } = self.ring.next_completion()?;
            let kind = match (result, buffer) {
                (Ok(1..), Some(buffer)) => Some(EventKind::Received { buffer, more }),
                (result, buffer) => {
                    // Neither an end nor a failure has bytes, whatever buffer came with it.
                    if let Some(buffer) = buffer {
                        self.ring.recycle(buffer);
                    }
                    if token.operation() == Some(Operation::SendNotify) {
                        self.recycle_buffer(token);
                    }
                    token.operation().and_then(|operation| without_bytes(operation, result))
                }
            };
            if let Some(kind) = kind {
                let (connection, generation) = (token.slot(), token.generation());
                return Some(DriverEvent { connection, generation, kind });
            }
        }
    }

    #[inline]
    fn bytes<'a>(&'a self, buffer: &'a BufferId) -> &'a [u8] {
        self.ring.bytes(buffer)
    }

    #[inline]
    fn bytes_mut<'a>(&'a mut self, buffer: &'a mut BufferId) -> &'a mut [u8] {
        self.ring.bytes_mut(buffer)
    }

    #[inline]
    fn recycle(&mut self, buffer: BufferId) {
        self.ring.recycle(buffer);
    }

    fn has_multishot(&self) -> bool {
        self.has_multishot
    }

    fn can_skip(&self) -> bool {
        self.can_skip
    }

    fn enters(&self) -> u64 {
        self.ring.enters()
    }

    fn spun(&self) -> Nanos {
        self.spun
    }

    fn overflowed(&self) -> u64 {
        self.ring.overflows() + u64::from(self.ring.dropped())
    }
}

/// The meaning of a completion without bytes; `None` for those that nothing depends on.
fn without_bytes(
    operation: Operation,
    result: Result<u32, Failure>,
) -> Option<EventKind<BufferId>> {
    Some(match (operation, result) {
        (Operation::Receive | Operation::Skip, Err(failure)) => EventKind::ReceiveEnded(failure),
        (Operation::Skip, Ok(length @ 1..)) => EventKind::Skipped(length),
        (Operation::Receive | Operation::Skip, Ok(_)) => EventKind::EndOfStream,
        (Operation::Connect, Ok(_)) => EventKind::Connected,
        // The first of a chain that fails has the cause; those behind it fail because the socket is
        // missing.
        (Operation::Connect | Operation::Open, Err(failure)) => EventKind::ConnectFailed(failure),
        (Operation::Open, Ok(_)) => return None,
        (Operation::Close, _) => EventKind::Closed,
        (Operation::SendNotify, _) => EventKind::Sent,
        (Operation::Inspect, Ok(_)) => EventKind::Inspected,
        // Nothing waits long for this result.
        (Operation::Inspect, Err(_)) => return None,
        // A send that fails is followed by the failure of the receive beside it, which ends the
        // exchange after the bytes received before have been read. A cancellation that finds
        // nothing has no effect.
        (Operation::Send | Operation::Cancel | Operation::Accept, _) => return None,
    })
}
