//! A simulated world behind the driver: virtual time, simulated connections, faults from a seed.
//!
//! It asserts the contract that every driver may expect of the loop: no operation on a connection
//! that does not exist, exactly one receive armed on each open connection, every lease returned.

mod climate;
mod replying;
mod serving;
mod streaming;
mod transacting;
mod visiting;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rustix::io::Errno;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_engine::{Driver, DriverEvent, EventKind, ReceiveMode, UnderWay, Until};
use uringbench_ring::{Failure, TcpInfo};

pub(crate) use self::climate::{Climate, Speech};
use crate::secure::Secure;
use crate::server::{Answer, consent, opened};
use crate::visits::Visits;

/// A lease; the world counts those that were not returned.
pub(crate) struct Lease {
    bytes: Vec<u8>,
}

/// The server's counts, shared with the test that owns the loop (and so the world).
#[derive(Debug, Default)]
pub(crate) struct Witness {
    pub(crate) requests: Cell<u64>,
    pub(crate) leases: Cell<i64>,
    /// Receives that were cancelled.
    pub(crate) cancels: Cell<u64>,
    /// The time at which the kernel began each send.
    pub(crate) departures: RefCell<Vec<Timestamp>>,
    /// The number of bytes of a script's requests.
    pub(crate) bytes: Cell<u64>,
    pub(crate) visits: RefCell<Visits>,
    /// Attempts to connect.
    pub(crate) connects: Cell<u64>,
    /// Messages that the server sent without a request.
    pub(crate) spoken: Cell<u64>,
}

pub(crate) struct World {
    now: Timestamp,
    random: Xoshiro256PlusPlus,
    climate: Climate,
    connections: BTreeMap<u32, Simulated>,
    /// Events to come, in order of time and then of creation.
    agenda: BTreeMap<(Timestamp, u64), Happening>,
    made: u64,
    events: VecDeque<DriverEvent<Lease>>,
    enters: u64,
    /// Sends that were not submitted yet.
    unsubmitted: u64,
    witness: Rc<Witness>,
}

/// A connection as the kernel and the server know it.
struct Simulated {
    generation: u32,
    is_up: bool,
    /// Bytes that have arrived and were not received yet.
    stream: VecDeque<u8>,
    end: Option<End>,
    armed: Option<Armed>,
    /// The receive is being cancelled.
    is_cancelled: bool,
    /// When the last answer is complete; answers keep their order.
    busy_until: Timestamp,
    is_silent: bool,
    /// A send whose end must be reported is in progress.
    is_told: bool,
    secure: Option<Secure>,
    /// Bytes received of an incomplete request.
    half: usize,
    /// The server has received a WebSocket's opening.
    is_opened: bool,
    /// Answers on it are identified only by their order.
    is_blind: bool,
    /// The server sends more answers than it received requests.
    is_ahead: bool,
    /// Number of answers sent.
    given: u64,
    /// When the latest answer begins to arrive.
    answers_at: Timestamp,
    /// Bytes received of a user's incomplete request.
    inbox: Vec<u8>,
    /// The server's side of HTTP/2.
    streams: streaming::Streams,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Close,
    Reset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Armed {
    Multi,
    Once,
    AtMost(u32),
    Skip(u32),
}

enum Happening {
    Connected {
        connection: u32,
        generation: u32,
        refused: bool,
    },
    Arrives {
        connection: u32,
        generation: u32,
        bytes: Vec<u8>,
    },
    WorkerHandle {
        connection: u32,
        generation: u32,
        end: End,
    },
    Cancelled {
        connection: u32,
        generation: u32,
    },
    Sent {
        connection: u32,
        generation: u32,
    },
    Closed {
        connection: u32,
        generation: u32,
        was_armed: bool,
    },
    /// If nothing has arrived since this many answers, the server disconnects.
    Leaves {
        connection: u32,
        generation: u32,
        given: u64,
    },
    /// The server sends a message without a request.
    Speaks {
        connection: u32,
        generation: u32,
    },
    /// The server answers some of the open streams.
    Answers {
        connection: u32,
        generation: u32,
    },
    /// A receive takes the bytes that have arrived.
    Looks {
        connection: u32,
        generation: u32,
    },
}

impl World {
    pub(crate) fn new(seed: u64, climate: Climate, start: Timestamp, witness: Rc<Witness>) -> Self {
        Self {
            now: start,
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            climate,
            connections: BTreeMap::new(),
            agenda: BTreeMap::new(),
            made: 0,
            events: VecDeque::new(),
            enters: 0,
            unsubmitted: 0,
            witness,
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random.next_u64() % bound.max(1)
    }

    fn at(&mut self, time: Timestamp, happening: Happening) {
        self.made += 1;
        self.agenda.insert((time, self.made), happening);
    }

    fn soon(&mut self, happening: Happening) {
        let time = self.now + Nanos(self.below(20_000));
        self.at(time, happening);
    }

    /// The connection that an operation names; it must be the current one.
    fn current(&mut self, connection: u32, generation: u32) -> &mut Simulated {
        let simulated = self.connections.get_mut(&connection).expect("a connection that exists");
        assert_eq!(simulated.generation, generation, "an operation on a connection that is gone");
        simulated
    }

    fn tell(&mut self, connection: u32, generation: u32, kind: EventKind<Lease>) {
        if let EventKind::Received { .. } = kind {
            self.witness.leases.set(self.witness.leases.get() + 1);
        }
        self.events.push_back(DriverEvent { connection, generation, kind });
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Connected { connection, generation, refused } => {
                self.connected(connection, generation, refused);
            }
            Happening::Arrives { connection, generation, bytes } => {
                if let Some(simulated) = self.living(connection, generation) {
                    simulated.stream.extend(bytes);
                    self.look(connection, generation);
                }
            }
            Happening::WorkerHandle { connection, generation, end } => {
                if let Some(simulated) = self.living(connection, generation) {
                    simulated.end = Some(end);
                    // Bytes that arrive from now on are not read.
                    simulated.is_silent = true;
                    self.look(connection, generation);
                }
            }
            Happening::Cancelled { connection, generation } => {
                if let Some(simulated) = self.living(connection, generation)
                    && std::mem::take(&mut simulated.is_cancelled)
                    && simulated.armed.take().is_some()
                {
                    let kind = EventKind::ReceiveEnded(Failure(Errno::CANCELED));
                    self.tell(connection, generation, kind);
                }
            }
            Happening::Sent { connection, generation } => {
                if let Some(simulated) = self.living(connection, generation) {
                    simulated.is_told = false;
                    self.tell(connection, generation, EventKind::Sent);
                }
            }
            Happening::Closed { connection, generation, was_armed } => {
                // An armed receive ends before the close or after it.
                let is_first = self.below(2) == 0;
                let ended = || EventKind::ReceiveEnded(Failure(Errno::CANCELED));
                if was_armed && is_first {
                    self.tell(connection, generation, ended());
                }
                self.tell(connection, generation, EventKind::Closed);
                if was_armed && !is_first {
                    self.tell(connection, generation, ended());
                }
            }
            Happening::Leaves { connection, generation, given } => {
                self.leave(connection, generation, given);
            }
            Happening::Speaks { connection, generation } => {
                if self.living(connection, generation).is_some() {
                    self.say(connection, generation);
                }
            }
            Happening::Answers { connection, generation } => {
                if self.living(connection, generation).is_some() {
                    self.answer_streams(connection, generation);
                }
            }
            Happening::Looks { connection, generation } => self.look(connection, generation),
        }
    }

    fn living(&mut self, connection: u32, generation: u32) -> Option<&mut Simulated> {
        self.connections.get_mut(&connection).filter(|s| s.generation == generation && s.is_up)
    }

    /// Gives the bytes that have arrived to an armed receive.
    fn look(&mut self, connection: u32, generation: u32) {
        let no_buffer = self.below(1_000) < self.climate.no_buffer_share;
        let wanted = 1 + self.below(2_048) as usize;
        let Some(simulated) = self.living(connection, generation) else { return };
        let Some(armed) = simulated.armed else { return };
        if simulated.stream.is_empty() {
            let Some(end) = simulated.end else { return };
            simulated.armed = None;
            let kind = match end {
                End::Close => EventKind::EndOfStream,
                End::Reset => EventKind::ReceiveEnded(Failure(Errno::CONNRESET)),
            };
            return self.tell(connection, generation, kind);
        }
        let there = simulated.stream.len();
        let kind = match armed {
            Armed::Skip(length) => {
                let taken = there.min(length as usize);
                simulated.stream.drain(..taken);
                simulated.armed = None;
                EventKind::Skipped(taken as u32)
            }
            Armed::Multi | Armed::Once | Armed::AtMost(_) if no_buffer => {
                simulated.armed = None;
                EventKind::ReceiveEnded(Failure(Errno::NOBUFS))
            }
            Armed::Multi | Armed::Once | Armed::AtMost(_) => {
                let most = match armed {
                    Armed::AtMost(length) => length as usize,
                    _ => wanted,
                };
                let bytes: Vec<u8> = simulated.stream.drain(..there.min(most)).collect();
                let more = armed == Armed::Multi;
                simulated.armed = more.then_some(Armed::Multi);
                EventKind::Received { buffer: Lease { bytes }, more }
            }
        };
        let goes_on = simulated.armed.is_some();
        self.tell(connection, generation, kind);
        if goes_on {
            self.soon(Happening::Looks { connection, generation });
        }
    }

    fn arm(&mut self, connection: u32, generation: u32, armed: Armed) {
        let simulated = self.current(connection, generation);
        assert!(simulated.is_up, "a receive on a connection that is not up");
        assert_eq!(simulated.armed, None, "a second receive was armed");
        simulated.armed = Some(armed);
        simulated.is_cancelled = false;
        self.soon(Happening::Looks { connection, generation });
    }
}

impl Driver for World {
    type Buffer = Lease;

    fn now(&mut self) -> Timestamp {
        self.now = self.now + Nanos(self.random.next_u64() % 200);
        self.now
    }

    fn connect(&mut self, connection: u32, generation: u32, _: u32) -> Result<(), Failure> {
        if let Some(before) = self.connections.get(&connection) {
            assert_ne!(before.generation, generation, "connected again without closing");
        }
        self.witness.connects.set(self.witness.connects.get() + 1);
        let fate = self.below(1_000);
        if fate < self.climate.refuse_share / 8 {
            return Err(Failure(Errno::MFILE));
        }
        self.connections.insert(
            connection,
            Simulated {
                generation,
                is_up: false,
                stream: VecDeque::new(),
                end: None,
                armed: None,
                is_cancelled: false,
                busy_until: self.now,
                is_silent: false,
                is_told: false,
                secure: self.climate.has_tls.then(Secure::new),
                half: 0,
                is_opened: false,
                is_blind: false,
                is_ahead: false,
                given: 0,
                answers_at: Timestamp::NEVER,
                inbox: Vec::new(),
                streams: streaming::Streams::default(),
            },
        );
        // Half of the refusals give no answer: the loop's timeout must end the attempt.
        let is_unanswered = fate < self.climate.refuse_share / 2;
        if !is_unanswered {
            let refused = fate < self.climate.refuse_share;
            self.soon(Happening::Connected { connection, generation, refused });
        }
        Ok(())
    }

    fn local_address(&self, _: u32) -> Option<SocketAddr> {
        None
    }

    fn peer_address(&self, _: u32, _: u32) -> Option<SocketAddr> {
        None
    }

    fn send_part(&mut self, connection: u32, generation: u32, range: Range<usize>) {
        assert!(!self.climate.has_tls, "a request in plain text");
        assert!(self.current(connection, generation).is_up, "a send before the connection is up");
        assert!(!range.is_empty(), "{range:?}");
        self.unsubmitted += 1;
        let each = self.climate.request_length;
        if self.climate.script.is_some() {
            assert!(range.end <= each, "{range:?}: users send one request at a time");
            return self.visit_constant(connection, generation, range);
        }
        let requests = range.len() / each;
        assert_eq!(range, 0..requests * each, "a part of a request");
        assert!(requests <= usize::from(self.climate.pipeline), "{requests} requests at once");
        for _ in 0..requests {
            self.serve(connection, generation);
        }
    }

    fn send_range(&mut self, connection: u32, generation: u32, range: Range<usize>) {
        assert!(self.current(connection, generation).is_up, "a send before the connection is up");
        self.begin_told(connection, generation);
        if self.climate.script.is_some() {
            return self.visit_constant(connection, generation, range);
        }
        if Some(range.end) == self.climate.held_at {
            // Counted here, because a refused body is never complete.
            self.witness.requests.set(self.witness.requests.get() + 1);
            let answer = consent(&mut self.random);
            self.give(connection, generation, answer);
        } else if range.end == self.climate.request_length {
            let counted = self.witness.requests.get();
            self.serve(connection, generation);
            if self.climate.held_at.is_some() {
                self.witness.requests.set(counted);
            }
        }
    }

    fn send_bytes(&mut self, connection: u32, generation: u32, bytes: Vec<u8>) {
        assert!(!bytes.is_empty(), "a send of nothing");
        assert!(self.current(connection, generation).is_up, "a send before the connection is up");
        self.begin_told(connection, generation);
        if self.climate.has_tls {
            return self.decrypt(connection, generation, &bytes);
        }
        if self.climate.is_http2 {
            return self.receive_frames(connection, generation, &bytes);
        }
        if self.climate.script.is_some() {
            return self.visit(connection, generation, &bytes);
        }
        if self.climate.is_redis {
            return self.take_commands(connection, generation, &bytes);
        }
        if self.climate.is_postgres {
            return self.take_messages(connection, generation, &bytes);
        }
        let simulated = self.current(connection, generation);
        let is_first = !std::mem::replace(&mut simulated.is_opened, true);
        if let (true, Some(websocket)) = (is_first, &self.climate.websocket) {
            let answer = opened(&mut self.random, self.climate.manners, websocket);
            self.greet(connection, generation, answer);
        } else if bytes.first() == Some(&0x88) {
            // The close notify is answered after everything before it.
            self.give(connection, generation, Answer::ThenClose(b"\x88\x00".to_vec()));
        }
    }

    fn take_buffer(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn receive(&mut self, connection: u32, generation: u32, mode: ReceiveMode) {
        let armed = match mode {
            ReceiveMode::Multi => {
                assert!(self.climate.has_multishot, "a multishot receive that is not there");
                Armed::Multi
            }
            ReceiveMode::AfterSend(_) | ReceiveMode::Now(_) => Armed::Once,
            ReceiveMode::AtMost(length) => Armed::AtMost(length),
        };
        self.arm(connection, generation, armed);
    }

    fn skip(&mut self, connection: u32, generation: u32, length: u32) {
        assert!(length > 0, "a skip of nothing");
        assert!(self.climate.can_skip, "a skip where there is none");
        self.arm(connection, generation, Armed::Skip(length));
    }

    fn cancel_receive(&mut self, connection: u32, generation: u32) {
        self.witness.cancels.set(self.witness.cancels.get() + 1);
        // It may have ended already, but its end must still be reported.
        let simulated = self.current(connection, generation);
        let armed = simulated.armed;
        assert!(matches!(armed, None | Some(Armed::Multi)), "a cancelled {armed:?}");
        simulated.is_cancelled = armed.is_some();
        self.soon(Happening::Cancelled { connection, generation });
    }

    fn inspect(&mut self, connection: u32, generation: u32) {
        assert!(self.current(connection, generation).is_up, "a closed connection is asked");
        // Half of the queries get no answer, as on kernels without such a query.
        if self.below(2) == 0 {
            self.tell(connection, generation, EventKind::Inspected);
        }
    }

    fn inspected(&mut self, _: u32, _: u32) -> Option<TcpInfo> {
        Some(TcpInfo::default())
    }

    fn close(&mut self, connection: u32, generation: u32, under_way: UnderWay) {
        let simulated = self.current(connection, generation);
        let was_armed = simulated.armed.take().is_some();
        assert!(under_way.receiving || !was_armed, "a receive is left armed");
        assert!(under_way.sending_tracked || !simulated.is_told, "a send is left under way");
        simulated.is_up = false;
        simulated.generation = u32::MAX;
        if was_armed && self.below(4) == 0 {
            // Bytes that were on their way to the loop at the time of the close.
            let buffer = Lease { bytes: b"late".to_vec() };
            self.tell(connection, generation, EventKind::Received { buffer, more: true });
        }
        self.soon(Happening::Closed { connection, generation, was_armed });
    }

    fn submit(&mut self) {
        self.send_all();
    }

    fn wait(&mut self, until: Until) -> Result<(), Failure> {
        self.enters += 1;
        self.send_all();
        self.check_receives();
        if self.climate.breaks_after.is_some_and(|enters| self.enters > enters) {
            return Err(Failure(Errno::NOMEM));
        }
        let (latest, late) = match until {
            Until::Due(due) => (due, 0),
            Until::Around(time) => (time, self.below(30_000)),
        };
        let next = self.agenda.first_key_value().map_or(Timestamp::NEVER, |((time, _), _)| *time);
        let woken = next.min(latest + Nanos(late)).max(self.now);
        assert!(woken != Timestamp::NEVER, "the loop waits for something that never comes");
        // Sometimes a burst: advance past several events and report them together.
        let burst = if self.below(5) == 0 { self.below(300_000) } else { 0 };
        self.now = (woken + Nanos(burst)).min(latest.max(woken));
        let mut due = Vec::new();
        while let Some(entry) = self.agenda.first_entry()
            && entry.key().0 <= self.now
        {
            due.push(entry.remove());
        }
        for happening in due {
            self.happen(happening);
        }
        self.reorder();
        Ok(())
    }

    fn next_event(&mut self) -> Option<DriverEvent<Lease>> {
        self.events.pop_front()
    }

    fn bytes<'a>(&'a self, buffer: &'a Lease) -> &'a [u8] {
        &buffer.bytes
    }

    fn bytes_mut<'a>(&'a mut self, buffer: &'a mut Lease) -> &'a mut [u8] {
        &mut buffer.bytes
    }

    fn recycle(&mut self, buffer: Lease) {
        drop(buffer);
        self.witness.leases.set(self.witness.leases.get() - 1);
    }

    fn has_multishot(&self) -> bool {
        self.climate.has_multishot
    }

    fn can_skip(&self) -> bool {
        self.climate.can_skip
    }

    fn enters(&self) -> u64 {
        self.enters
    }

    fn spun(&self) -> Nanos {
        Nanos::ZERO
    }

    fn overflowed(&self) -> u64 {
        0
    }
}

impl Drop for World {
    /// Completions that were never handed out hold no lease.
    fn drop(&mut self) {
        let is_lease =
            |event: &&DriverEvent<Lease>| matches!(event.kind, EventKind::Received { .. });
        let unseen = self.events.iter().filter(is_lease).count() as i64;
        self.witness.leases.set(self.witness.leases.get() - unseen);
    }
}
