//! The users of a scenario: which of them sends next, what, and how its answer is checked.
//!
//! `uringbench_core::flow::users` decides which user sends what, and when; a user takes any free
//! connection, or its own.

use std::ops::Range;
use std::sync::Arc;

use uringbench_core::flow::answer::Answer;
use uringbench_core::flow::exchange::Exchange as Kind;
use uringbench_core::flow::script::Script;
use uringbench_core::flow::step::{Judgement, Step};
use uringbench_core::flow::users::{FlowEnd, VirtualUsers};
use uringbench_core::http::response::Response;
use uringbench_core::outcome::Outcome;
use uringbench_core::pacer::{Pace, Pacer, Slot};
use uringbench_core::plan::{StreamKind, StreamPlan};
use uringbench_core::schedule::Share;
use uringbench_core::time::{Nanos, Timestamp};

use super::{Next, Reading, Start, StepConfig};
use crate::connections::Connections;
use crate::connections::connect_failure::ConnectFailure;
use crate::connections::in_flight::Exchange;
use crate::event_loop::LoopOptions;
use crate::record::recorder::{Answers, Recorder};
use crate::wire::messages::Hearing;
use crate::wire::stream::AnswerReader;
use crate::wire::websocket::Conversation;

/// The flows of a loop.
#[derive(Clone, Debug)]
pub struct FlowConfig {
    /// What users do.
    pub script: Arc<Script>,
    /// The users of this loop.
    pub share: Share,
    /// Seed of their random values.
    pub seed: u64,
    /// Milliseconds since 1970 at the zero of the driver's clock.
    pub epoch: u64,
}

/// Whether the bytes of an answer's payload are read.
pub(crate) fn read_payload(script: &Script) -> bool {
    let is_plain = |step: &Step| matches!(step.exchange, Kind::Http);
    script.steps().any(|(_, step)| step.needs_body() || !is_plain(step))
}

/// Whether more than the status of an answer is read.
pub(crate) fn read_answers(script: &Script) -> bool {
    let is_read = |step: &Step| {
        step.needs_head() || step.needs_body() || matches!(step.exchange, Kind::Events { .. })
    };
    script.steps().any(|(_, step)| is_read(step))
}

/// The users of one worker.
pub(crate) struct Users {
    users: VirtualUsers,
    /// `None` until the run begins.
    pub(super) pacer: Option<Pacer>,
    steps: Vec<StepConfig>,
    /// The number of flows.
    flows: usize,
    has_own_connections: bool,
    /// Whether flows begin on a schedule.
    is_open: bool,
    epoch: u64,
}

/// The properties of a step that connections use.
fn config_of(script: &Script, (number, step): (usize, &Step), is_http2: bool) -> StepConfig {
    let needs_bytes = step.needs_head() || step.needs_body();
    let (reading, socket) = match &step.exchange {
        Kind::Http if needs_bytes => (Reading::Whole, None),
        Kind::Http => (Reading::Status, None),
        Kind::Events { count, stall } => {
            let (kind, stall, events_max) = (StreamKind::Events, *stall, *count);
            (Reading::Stream(StreamPlan { kind, stall, events_max }), None)
        }
        Kind::Socket(socket) => (Reading::Status, Some(Arc::new((**socket).clone()))),
    };
    StepConfig {
        // Over HTTP/2 the stream of each request differs.
        constant: script.constant(number).filter(|_| !is_http2),
        is_head: step.is_head(),
        is_repeatable: step.template.is_idempotent(),
        reading,
        socket,
        hearing: step.knows_answers().then(Hearing::default),
    }
}

impl Users {
    pub(super) fn new(config: &FlowConfig, options: &LoopOptions, is_http2: bool) -> Self {
        let FlowConfig { script, share, seed, epoch } = config;
        let users = VirtualUsers::new(Arc::clone(script), *share, *seed);
        let has_own_connections = script.has_own_connections();
        let steps = script.steps().enumerate();
        Self {
            users: if has_own_connections { users.with_places(options.connections) } else { users },
            pacer: None,
            steps: steps
                .map(|(number, (_, step))| config_of(script, (number, step), is_http2))
                .collect(),
            flows: script.flows().len(),
            has_own_connections,
            is_open: options.is_open,
            epoch: *epoch,
        }
    }

    /// The number of steps and flows that are counted.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.steps.len(), self.flows)
    }

    /// Whether no user has a step left, and none will once no more flows begin.
    pub(super) fn is_over(&self) -> bool {
        self.users.is_over()
    }

    #[inline]
    pub(crate) fn step_number(&self, user: u32) -> usize {
        self.users.step_number(user)
    }

    #[inline]
    pub(super) fn step(&self, user: u32) -> &StepConfig {
        &self.steps[self.users.step_number(user)]
    }

    pub(super) fn hearing(&mut self, user: u32) -> Option<&mut Hearing> {
        self.steps[self.users.step_number(user)].hearing.as_mut()
    }

    pub(super) fn has_left(&self, number: u32) -> bool {
        self.has_own_connections && self.users.has_left(number)
    }

    pub(super) fn note_free(&mut self, number: u32) -> bool {
        if self.has_own_connections {
            self.users.look_again(number);
        }
        self.has_own_connections
    }

    const fn unix_ms(&self, now: Timestamp) -> u64 {
        self.epoch + now.0 / 1_000_000
    }

    pub(super) fn render(&mut self, user: u32, now: Timestamp, out: &mut Vec<u8>) {
        let unix_ms = self.unix_ms(now);
        self.users.render(user, unix_ms, out);
    }

    fn record_ends(&mut self, recorder: &mut Recorder) {
        while let Some(ended) = self.users.take_ended() {
            recorder.ended_flow(&ended);
        }
    }
}

/// The next to send.
impl Users {
    /// The user whose request has waited longest, on a free connection or on its own.
    pub(super) fn next(
        &mut self,
        connections: &mut Connections,
        window: &Range<Timestamp>,
        now: Timestamp,
    ) -> Next {
        if self.has_own_connections {
            return self.next_own(connections, window, now);
        }
        let usable = connections.usable();
        let next_slot = self.begin_flows(usable.is_some(), now);
        let Some((number, _)) = usable else {
            return Next::Wait { until: None, is_starved: self.pacer.is_some() };
        };
        match self.users.take() {
            Some(user) => self.start(number, user, window, now),
            None => Next::Wait { until: self.wakes_at(next_slot), is_starved: false },
        }
    }

    /// The same if each user has its own connection: a connection is free when its user can send.
    fn next_own(
        &mut self,
        connections: &Connections,
        window: &Range<Timestamp>,
        now: Timestamp,
    ) -> Next {
        let next_slot = self.begin_flows(true, now);
        if let Some(user) = self.users.take_if(|user| connections.room(user) > 0) {
            return self.start(user, user, window, now);
        }
        let is_starved = self.users.is_ready();
        Next::Wait { until: self.wakes_at(next_slot), is_starved }
    }

    fn start(&self, number: u32, user: u32, window: &Range<Timestamp>, now: Timestamp) -> Next {
        let slot = slot_of(&self.users, user, window, now);
        Next::Send(Start { number, user, slot, count: 1 })
    }

    /// When the next think time ends or slot is due, if known.
    fn wakes_at(&self, next_slot: Option<Timestamp>) -> Option<Timestamp> {
        let next = self.users.wakes_at().min(next_slot.unwrap_or(Timestamp::NEVER));
        (next != Timestamp::NEVER).then_some(next)
    }

    /// Users continue after their think time, and new flows begin. In an open loop flows begin only
    /// when no user is ready and a connection is free: a flow that has not begun needs no memory.
    /// Returns when the next slot is due, if known.
    fn begin_flows(&mut self, has_connection: bool, now: Timestamp) -> Option<Timestamp> {
        let pacer = self.pacer.as_mut()?;
        self.users.wake(now);
        loop {
            let may_begin = if self.is_open && self.has_own_connections {
                self.users.has_room()
            } else if self.is_open {
                has_connection && !self.users.is_ready()
            } else {
                self.users.has_idle() || pacer.is_done(now)
            };
            if !may_begin {
                return None;
            }
            let number = pacer.number();
            match pacer.poll(now, 1) {
                Pace::Release(slot, _) => self.users.begin(slot, number),
                Pace::WaitUntil(due) => return Some(due),
                Pace::Done => {
                    self.users.leave(now);
                    return None;
                }
            }
        }
    }
}

/// Requests that are never sent.
impl Users {
    /// Requests that have been due for too long end as not sent, and their flows with them.
    pub(super) fn give_up_stale(
        &mut self,
        timeout: Nanos,
        recorder: &mut Recorder,
        window: &Range<Timestamp>,
        now: Timestamp,
    ) -> Vec<u32> {
        let mut left = Vec::new();
        let Some(pacer) = &mut self.pacer else { return left };
        // In a closed loop users wait as long as necessary, as connections do.
        while self.is_open {
            let (step, slot) = if let Some(user) = self.users.take_stale(now, timeout) {
                let step = self.users.step_number(user);
                let slot = slot_of(&self.users, user, window, now);
                self.users.give_up(user, now);
                left.push(user);
                (step, slot)
            } else {
                let number = pacer.number();
                let Some(slot) = pacer.give_up(now, timeout) else { break };
                (self.users.reject(slot, number, FlowEnd::Failed, now), slot)
            };
            recorder.released(step, slot, 1);
            recorder.failed(step, slot, (Outcome::NotSent, 1), now);
        }
        self.record_ends(recorder);
        left.retain(|&user| self.has_left(user));
        left
    }

    /// The run ends before its flows have: due flows that have not begun are counted too. A due
    /// request that waits for a connection counts as well: it is not missing because its user was
    /// slow.
    pub(super) fn give_up_all(
        &mut self,
        recorder: &mut Recorder,
        window: &Range<Timestamp>,
        now: Timestamp,
    ) {
        let Some(pacer) = &mut self.pacer else { return };
        while self.is_open {
            let number = pacer.number();
            let Pace::Release(slot, _) = pacer.poll(now, 1) else { break };
            let step = self.users.reject(slot, number, FlowEnd::Unfinished, now);
            recorder.released(step, slot, 1);
            recorder.failed(step, slot, (Outcome::NotSent, 1), now);
        }
        while let Some(user) = self.users.take() {
            let slot = slot_of(&self.users, user, window, now);
            let step = self.users.step_number(user);
            recorder.released(step, slot, 1);
            recorder.failed(step, slot, (Outcome::NotSent, 1), now);
            self.users.cut_short(user, now);
        }
        self.users.abandon(now);
        self.record_ends(recorder);
    }

    /// A connection could not be made. If that prevents all sends, the next request fails: the one
    /// of its user, if connections belong to users.
    pub(super) fn fail_next(
        &mut self,
        (number, connected): (u32, u32),
        failure: &ConnectFailure,
        recorder: &mut Recorder,
        window: &Range<Timestamp>,
        now: Timestamp,
    ) {
        let has_own = self.has_own_connections;
        if self.pacer.is_none() || connected > 0 && !has_own {
            return;
        }
        self.begin_flows(true, now);
        let users = &mut self.users;
        let user = if has_own { users.take_of(number).then_some(number) } else { users.take() };
        if let Some(user) = user {
            let slot = slot_of(users, user, window, now);
            let step = users.step_number(user);
            recorder.caused(step, slot, (Outcome::ConnectFailed, 1), failure);
            recorder.released(step, slot, 1);
            recorder.failed(step, slot, (Outcome::ConnectFailed, 1), now);
            users.end_step(user, false, now);
        }
        self.record_ends(recorder);
    }
}

/// Requests that were sent.
impl Users {
    #[inline]
    pub(super) fn departed(
        &mut self,
        exchange: &Exchange,
        recorder: &mut Recorder,
        sent: Timestamp,
    ) {
        let user = exchange.user();
        self.users.note_sent(user, sent);
        recorder.sent(self.users.step_number(user), exchange.slot(), sent);
    }

    #[inline(never)]
    pub(super) fn answered(
        &mut self,
        (user, answers): (u32, Answers),
        response: &Response,
        (reader, bytes): (Option<&mut AnswerReader>, &[u8]),
        recorder: &mut Recorder,
        now: Timestamp,
    ) {
        let step = self.users.step_number(user);
        let unix_ms = self.unix_ms(now);
        let judgement = match (self.steps[step].reading, reader) {
            (Reading::Whole | Reading::Stream(_), Some(reader)) => {
                let answer = reader.answer(bytes, response);
                let judgement = self.users.judge(user, unix_ms, &answer);
                reader.clear();
                judgement
            }
            _ => {
                let Response { status, body_bytes, .. } = *response;
                let answer = Answer { status, head: b"", body: b"", body_bytes };
                self.users.judge(user, unix_ms, &answer)
            }
        };
        recorder.ended(step, &answers, judgement, now);
        self.end_step(user, judgement.is_ok(), recorder, now);
    }

    pub(super) fn end_step(
        &mut self,
        user: u32,
        has_passed: bool,
        recorder: &mut Recorder,
        now: Timestamp,
    ) {
        self.users.end_step(user, has_passed, now);
        self.record_ends(recorder);
    }

    /// A request has failed without an answer. Its connection ends too, but over HTTP/2 it may go
    /// on.
    pub(super) fn failed(
        &mut self,
        exchange: &Exchange,
        outcome: Outcome,
        recorder: &mut Recorder,
        now: Timestamp,
    ) {
        let user = exchange.user();
        recorder.failed(self.users.step_number(user), exchange.slot(), (outcome, 1), now);
        if outcome == Outcome::Censored {
            self.users.cut_short(user, now);
            self.record_ends(recorder);
        } else {
            self.end_step(user, false, recorder, now);
        }
    }

    /// The next message of a user's WebSocket.
    pub(crate) fn next_message(
        &mut self,
        user: u32,
        conversation: &mut Conversation,
        now: Timestamp,
    ) {
        let unix_ms = self.unix_ms(now);
        let socket = conversation.socket();
        self.users.say(user, unix_ms, &socket.message, conversation.sent_mut());
    }

    pub(super) fn judge_message(
        &mut self,
        user: u32,
        conversation: &Conversation,
        now: Timestamp,
    ) -> Judgement {
        let unix_ms = self.unix_ms(now);
        self.users.hear(user, unix_ms, (conversation.sent(), conversation.received()))
    }
}

/// The slot of a user's request that ends or is sent now. In an open loop, requests due in the
/// window are measured. In a closed loop, requests sent in the window are: more may be due than
/// could ever be answered.
fn slot_of(users: &VirtualUsers, user: u32, window: &Range<Timestamp>, now: Timestamp) -> Slot {
    let due = users.due(user);
    let decides = if users.is_closed() { now } else { due };
    Slot { due, measured: window.contains(&decides) }
}
