//! Flows on connections: which user sends next, its request's bytes, and its answer's judgement.
//!
//! `uringbench_core::flow::users` decides which user sends what, and when; a user takes
//! whichever connection is free.

mod answers;

use std::ops::Range;
use std::sync::Arc;

use uringbench_core::flow::exchange::Exchange;
use uringbench_core::flow::response_buffer::ResponseBuffer;
use uringbench_core::flow::script::Script;
use uringbench_core::flow::step::Step;
use uringbench_core::flow::users::{FlowEnd, VirtualUsers};
use uringbench_core::outcome::Outcome;
use uringbench_core::pacer::{Pace, Slot};
use uringbench_core::schedule::Share;
use uringbench_core::time::Timestamp;
use uringbench_core::websocket::handshake::Opening;
use uringbench_core::websocket::machine::Machine;

use crate::connection;
use crate::driver::Driver;
use crate::event_loop::{EventLoop, LEFT_ALONE_MAX};
use crate::recorder::Recorder;
use crate::session::SEALED_AT_ONCE;
use crate::stream::Stream;
use crate::unasked::{Hearing, Held};
use crate::websocket_flow::Talk;

/// What a loop is told of flows.
#[derive(Clone, Debug)]
pub struct FlowConfig {
    /// What users do.
    pub script: Arc<Script>,
    /// Which of the users are this loop's.
    pub share: Share,
    /// Decides what they draw.
    pub seed: u64,
    /// Milliseconds since 1970 at the zero of the driver's clock.
    pub epoch: u64,
}

/// Whether the bytes of an answer's payload are wanted.
pub(crate) fn read_payload(script: &Script) -> bool {
    let is_plain = |step: &Step| matches!(step.exchange, Exchange::Http);
    script.steps().any(|(_, step)| step.needs_body() || !is_plain(step))
}

/// The flows of a loop.
pub(crate) struct Flows {
    pub(crate) users: VirtualUsers,
    steps: Vec<StepTerms>,
    /// How many flows there are to tell apart.
    flows: usize,
    has_own_connections: bool,
    pub(crate) epoch: u64,
    /// What has come, by connection; empty where no step looks at more than a status.
    pub(crate) receipts: Vec<Receipt>,
    /// Room for what comes over a WebSocket.
    pub(crate) heard: Vec<u8>,
}

/// What has come on a connection, of an answer that is looked at.
#[derive(Default)]
pub(crate) struct Receipt {
    gathering: ResponseBuffer,
    stream: Stream,
    pub(crate) talk: Option<Box<Talk>>,
    /// To be sent once what is under way has been.
    pub(crate) outbox: Vec<u8>,
}

impl Receipt {
    fn clear(&mut self) {
        self.gathering.clear();
        self.stream.end();
        self.talk = None;
        self.outbox.clear();
    }
}

/// What of a step matters to its connection.
struct StepTerms {
    /// The bytes of its request, if they are always the same.
    constant: Option<Range<usize>>,
    is_head: bool,
    /// Whether it may be sent twice and mean the same.
    is_repeatable: bool,
    exchange: Arc<Exchange>,
    /// Whether more of its answer is looked at than the status.
    needs_bytes: bool,
    /// Whether messages are told from answers by what they hold.
    knows_answers: bool,
    /// What earlier answers over its WebSocket tell.
    hearing: Hearing,
}

impl Flows {
    pub(crate) fn new(terms: &FlowConfig, connections: u32) -> Self {
        let FlowConfig { script, share, seed, epoch } = terms;
        let needs_bytes = |step: &Step| {
            step.needs_head() || step.needs_body() || !matches!(step.exchange, Exchange::Http)
        };
        let of_step = |(number, (_, step)): (usize, (_, &Step))| StepTerms {
            constant: script.constant(number),
            is_head: step.is_head(),
            is_repeatable: step.template.is_idempotent(),
            exchange: Arc::new(step.exchange.clone()),
            needs_bytes: needs_bytes(step),
            knows_answers: step.knows_answers(),
            hearing: Hearing::default(),
        };
        let steps: Vec<_> = script.steps().enumerate().map(of_step).collect();
        let users = VirtualUsers::new(Arc::clone(script), *share, *seed);
        let wanted = steps.iter().any(|step| step.needs_bytes);
        let receipts = if wanted { connections as usize } else { 0 };
        Self {
            users: if script.has_own_connections() {
                users.with_places(connections)
            } else {
                users
            },
            steps,
            flows: script.flows().len(),
            has_own_connections: script.has_own_connections(),
            epoch: *epoch,
            heard: Vec::new(),
            receipts: std::iter::repeat_with(Receipt::default).take(receipts).collect(),
        }
    }

    /// How many steps and flows are followed.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.steps.len(), self.flows)
    }

    /// Whether no user has a step before it, nor will have one once no more flows begin.
    pub(crate) fn is_over(&self) -> bool {
        self.users.is_over()
    }

    /// The run is over: what users have not finished stays so. A request that was due and waits
    /// for a connection counts: it is not missing because it was slow.
    fn abandon(&mut self, recorder: &mut Recorder, window: &Range<Timestamp>, now: Timestamp) {
        while let Some(user) = self.users.take() {
            let slot = slot_of(&self.users, user, window, now);
            let step = self.users.step_number(user);
            recorder.failed_step((step, false), slot, Outcome::NotSent, now);
            self.users.cut_short(user, now);
        }
        self.users.abandon(now);
        self.record_ends(recorder);
    }

    /// Whether a connection was a user's own who has left: the next user gets a new one.
    pub(crate) fn has_left(&self, number: u32) -> bool {
        self.has_own_connections && self.users.has_left(number)
    }

    /// A user's own connection can take a request. Whether users have any.
    pub(crate) fn note_free(&mut self, number: u32) -> bool {
        if self.has_own_connections {
            self.users.look_again(number);
        }
        self.has_own_connections
    }

    /// A connection has ended: what came on it, and what waited to go, is nobody's any more.
    pub(crate) fn forget(&mut self, number: u32) {
        if let Some(receipt) = self.receipts.get_mut(number as usize) {
            receipt.clear();
        }
    }

    /// What earlier answers over the WebSocket of a user's step tell; `None` where answers are not
    /// known by what they hold.
    pub(crate) fn hearing(&mut self, user: u32) -> Option<&mut Hearing> {
        let step = self.users.step_number(user);
        let terms = self.steps.get_mut(step).filter(|terms| terms.knows_answers);
        terms.map(|terms| &mut terms.hearing)
    }

    /// What reads what comes after this side's goodbye on a WebSocket.
    pub(crate) fn parting(&mut self, number: u32) -> Option<(&mut Machine, &Opening)> {
        self.receipts.get_mut(number as usize)?.talk.as_mut()?.parting()
    }

    /// Messages that may answer nothing, and what earlier ones tell.
    pub(crate) fn held(&self, number: u32) -> Option<(&Held, Hearing)> {
        let talk = self.receipts.get(number as usize)?.talk.as_ref()?;
        let (step, held) = talk.held()?;
        Some((held, self.steps.get(step)?.hearing))
    }

    /// Whether the request of the user's step may be sent twice and mean the same.
    pub(crate) fn is_repeatable(&self, user: u32) -> bool {
        self.steps[self.users.step_number(user)].is_repeatable
    }

    /// Whether the answer of the user's step is read as a stream.
    pub(crate) fn is_stream(&self, user: u32) -> bool {
        matches!(*self.steps[self.users.step_number(user)].exchange, Exchange::Events { .. })
    }

    /// Whether a WebSocket is open on a connection.
    pub(crate) fn is_talk(&self, number: u32) -> bool {
        self.receipts.get(number as usize).is_some_and(|receipt| receipt.talk.is_some())
    }

    /// What comes of the step that a user has come to.
    pub(crate) fn exchange(&self, user: u32) -> Arc<Exchange> {
        Arc::clone(&self.steps[self.users.step_number(user)].exchange)
    }

    pub(crate) const fn unix_ms(&self, now: Timestamp) -> u64 {
        self.epoch + now.0 / 1_000_000
    }

    /// A user's request, sent before, has ended without an answer, and its connection ends too.
    pub(crate) fn failed(
        &mut self,
        exchange: &connection::Exchange,
        outcome: Outcome,
        recorder: &mut Recorder,
        now: Timestamp,
    ) {
        let user = exchange.user;
        let step = self.users.step_number(user);
        recorder.failed_step((step, true), exchange.slot(), outcome, now);
        if outcome == Outcome::Censored {
            self.users.cut_short(user, now);
        } else {
            self.users.end_step(user, false, now);
        }
        self.record_ends(recorder);
    }

    pub(crate) fn record_ends(&mut self, recorder: &mut Recorder) {
        while let Some(ended) = self.users.take_ended() {
            recorder.ended_flow(&ended);
        }
    }
}

impl<D: Driver> EventLoop<D> {
    /// Begin flows that are due, and send every request that is ready and has a connection. When
    /// the next one will be, unless that is for connections to decide.
    pub(crate) fn release_steps(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.give_up_steps(now);
        if self.flows.as_ref()?.has_own_connections {
            return self.release_own(now);
        }
        loop {
            let connection = self.usable_connection();
            let next_slot = self.begin_flows(connection.is_some(), now);
            let Some(number) = connection else {
                self.note_starved();
                return None;
            };
            let users = &mut self.flows.as_mut()?.users;
            let Some(user) = users.take() else {
                let next = users.wakes_at().min(next_slot.unwrap_or(Timestamp::NEVER));
                return (next != Timestamp::NEVER).then_some(next);
            };
            self.send_step(number, user, now);
        }
    }

    /// The same where each user has a connection of its own: a connection is free when its user's
    /// request can be sent.
    fn release_own(&mut self, now: Timestamp) -> Option<Timestamp> {
        loop {
            let next_slot = self.begin_flows(true, now);
            let (connections, options) = (&self.connections, &self.options);
            let users = &mut self.flows.as_mut()?.users;
            let free =
                |user: u32| connections.get(user as usize).is_some_and(|its| its.room(options) > 0);
            if let Some(user) = users.take_if(free) {
                self.send_step(user, user, now);
                continue;
            }
            if users.is_ready() {
                self.note_starved();
            }
            let next = self.flows.as_ref()?.users.wakes_at();
            let next = next.min(next_slot.unwrap_or(Timestamp::NEVER));
            return (next != Timestamp::NEVER).then_some(next);
        }
    }

    /// Requests that have been due for too long are given up, and their flows with them.
    fn give_up_steps(&mut self, now: Timestamp) {
        let timeout = self.options.timeout;
        let (Some(flows), Some(pacer)) = (self.flows.as_deref_mut(), &mut self.pacer) else {
            return;
        };
        let window = self.boundaries.measured();
        let mut left = Vec::new();
        // A closed loop's users wait for as long as it takes, as its connections would.
        while self.options.is_open {
            let (step, slot) = if let Some(user) = flows.users.take_stale(now, timeout) {
                let unsent =
                    (flows.users.step_number(user), slot_of(&flows.users, user, &window, now));
                flows.users.give_up(user, now);
                left.push(user);
                unsent
            } else {
                let number = pacer.number();
                let Some(slot) = pacer.give_up(now, timeout) else { break };
                (flows.users.reject(slot, number, FlowEnd::Failed, now), slot)
            };
            self.recorder.failed_step((step, false), slot, Outcome::NotSent, now);
        }
        flows.record_ends(&mut self.recorder);
        left.retain(|&user| flows.has_left(user));
        for number in left {
            let connection = &self.connections[number as usize];
            if connection.is_up() && connection.taken > 0 {
                self.close_gracefully(number);
            }
        }
    }

    /// The run ends before its flows have: those due that nobody has begun are counted too.
    pub(crate) fn give_up_flows(&mut self, now: Timestamp) {
        let window = self.boundaries.measured();
        let (Some(flows), Some(pacer)) = (self.flows.as_deref_mut(), &mut self.pacer) else {
            return;
        };
        while self.options.is_open {
            let number = pacer.number();
            let Pace::Release(slot, _) = pacer.poll(now, 1) else { break };
            let step = flows.users.reject(slot, number, FlowEnd::Unfinished, now);
            self.recorder.failed_step((step, false), slot, Outcome::NotSent, now);
        }
        flows.abandon(&mut self.recorder, &window, now);
    }

    /// Users whose pauses are over go on; those who may begin a flow do. In an open loop only
    /// when nobody else is ready and there is a connection: what is not begun needs no memory.
    /// When the next slot is due, if that is known.
    fn begin_flows(&mut self, has_connection: bool, now: Timestamp) -> Option<Timestamp> {
        let flows = self.flows.as_mut()?;
        let pacer = self.pacer.as_mut()?;
        flows.users.wake(now);
        loop {
            let may_begin = if self.options.is_open && flows.has_own_connections {
                flows.users.has_room()
            } else if self.options.is_open {
                has_connection && !flows.users.is_ready()
            } else {
                flows.users.has_idle() || pacer.is_done(now)
            };
            if !may_begin {
                return None;
            }
            let number = pacer.number();
            match pacer.poll(now, 1) {
                Pace::Release(slot, _) => flows.users.begin(slot, number),
                Pace::WaitUntil(due) => return Some(due),
                Pace::Done => {
                    flows.users.leave(now);
                    return None;
                }
            }
        }
    }

    /// Send the request that a user has come to, on a connection that can take it.
    fn send_step(&mut self, number: u32, user: u32, now: Timestamp) {
        let Some(flows) = self.flows.as_deref_mut() else { return };
        let slot = slot_of(&flows.users, user, &self.boundaries.measured(), now);
        let number_of_step = flows.users.step_number(user);
        self.recorder.released_step(number_of_step, slot);
        self.recorder.current.totals.waited += u64::from(slot.due <= self.starved_until);
        let connection = &mut self.connections[number as usize];
        let exchange = connection::Exchange::of_user(slot, user, now);
        self.departures.add(self.exchanges.push(number, connection, exchange));
        connection.taken = connection.taken.saturating_add(1);
        self.recorder.used(connection, slot);
        if !flows.has_own_connections {
            self.lineup.take();
            connection.is_listed = false;
        }

        self.write_step(number, user, now);
        self.depart_in_groups();
        self.mark_ready(number);
    }

    /// Send the request that was given back on a connection, as it was put together before.
    pub(crate) fn send_step_again(&mut self, number: u32, now: Timestamp) {
        let oldest = self.exchanges.oldest(number, &self.connections[number as usize]);
        let (user, slot) = (oldest.user, oldest.slot());
        if let Some(flows) = self.flows.as_deref_mut() {
            self.recorder.sent_step_again(flows.users.step_number(user), slot);
        }
        self.write_step(number, user, now);
    }

    /// Send the bytes of the request that a user has come to.
    fn write_step(&mut self, number: u32, user: u32, now: Timestamp) {
        let Some(flows) = self.flows.as_deref_mut() else { return };
        let step = flows.users.step_number(user);
        let length = match flows.steps[step].constant.clone() {
            Some(range) => {
                let length = range.len();
                self.send_constant(number, range, now);
                length
            }
            None => {
                let unix_ms = flows.unix_ms(now);
                let mut out = self.driver.take_buffer();
                flows.users.render(user, unix_ms, &mut out);
                let length = out.len();
                self.send_made(number, out);
                length
            }
        };
        self.recorder.current.totals.sent_bytes += length as u64;
    }

    /// Send a request that is always the same.
    fn send_constant(&mut self, number: u32, range: Range<usize>, now: Timestamp) {
        let connection = &mut self.connections[number as usize];
        let is_whole = self.options.writing.is_none();
        match &mut connection.session {
            None if range.len() * usize::from(self.options.pipeline) <= LEFT_ALONE_MAX => {
                self.driver.send_part(number, connection.generation, range);
            }
            None => {
                connection.is_sending = true;
                self.driver.send_range(number, connection.generation, range);
            }
            Some(_) if is_whole && range.len() <= SEALED_AT_ONCE => {
                let request = Arc::clone(&self.terms.request);
                self.seal_and_post(number, &request[range]);
            }
            Some(session) => {
                session.unsent = range;
                self.go_on_sending(number, now);
            }
        }
    }

    /// Send bytes that were made for this user.
    pub(crate) fn send_made(&mut self, number: u32, out: Vec<u8>) {
        if self.terms.tls.is_some() {
            self.seal_and_post(number, &out);
        } else {
            self.post(number, out);
        }
    }

    /// A connection could not be made. If nothing can be sent for want of one, the next request
    /// has failed: its user's, where it would have been a user's own.
    pub(crate) fn fail_next_step(&mut self, number: u32, now: Timestamp) {
        let has_own = self.flows.as_ref().is_some_and(|flows| flows.has_own_connections);
        if self.connected > 0 && !has_own {
            return;
        }
        self.begin_flows(true, now);
        let Some(flows) = self.flows.as_deref_mut() else { return };
        let users = &mut flows.users;
        let user = if has_own { users.take_of(number).then_some(number) } else { users.take() };
        if let Some(user) = user {
            let slot = slot_of(&flows.users, user, &self.boundaries.measured(), now);
            let step = flows.users.step_number(user);
            if let Some(failure) = &self.connect_failure {
                self.recorder.caused(slot, Outcome::ConnectFailed, failure, 1);
            }
            self.recorder.failed_step((step, false), slot, Outcome::ConnectFailed, now);
            flows.users.end_step(user, false, now);
        }
        flows.record_ends(&mut self.recorder);
    }
}

/// The slot of a user's request that ends or is sent now. In an open loop what is due in the window
/// is measured. A closed loop has as many requests as are sent in it: there more may be due than
/// could ever be answered.
fn slot_of(users: &VirtualUsers, user: u32, window: &Range<Timestamp>, now: Timestamp) -> Slot {
    let due = users.due(user);
    let decides = if users.is_closed() { now } else { due };
    Slot { due, measured: window.contains(&decides) }
}
