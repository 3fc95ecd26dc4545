//! Steps that talk over a WebSocket: the opening, then message after message, each sent when the
//! answer to the one before has come. The opening and each message are a request of the step.

use std::mem;
use std::sync::Arc;

use uringbench_core::flow::exchange::{Exchange, Socket};
use uringbench_core::flow::step::{Failed, Judgement};
use uringbench_core::outcome::Outcome;
use uringbench_core::pacer::Slot;
use uringbench_core::record::MESSAGE;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_core::websocket::frame::{self, Masks};
use uringbench_core::websocket::handshake::Opening;
use uringbench_core::websocket::machine::{Machine, Progress};

use crate::connection;
use crate::driver::Driver;
use crate::event_loop::EventLoop;
use crate::receive::FeedResult;
use crate::unasked::{Goodbye, Held, Instead, quoted};
use crate::websocket::{NORMAL, note_broken};

/// The status of an answer that opens.
const OPENED: u16 = 101;

/// A WebSocket of a step.
pub(crate) struct Talk {
    machine: Machine,
    masks: Masks,
    /// Messages still to be sent.
    left: u32,
    /// Messages that the target is still to send before the first of this side.
    greeting: u32,
    /// The message under way had begun to come when the latest one was sent.
    is_early: bool,
    has_failed: bool,
    /// Messages that may answer nothing, with the step's number, and what failed of the first.
    held: Option<(usize, Failed, Box<Held>)>,
    /// What it was, once this side has said goodbye.
    parting: Option<Arc<Exchange>>,
    sent: Vec<u8>,
    received: Vec<u8>,
}

impl Talk {
    fn new(socket: &Socket, number: u32) -> Self {
        let masks = Masks::new(u64::from(number));
        Self {
            machine: Machine::new(masks.clone(), true),
            masks,
            left: socket.messages,
            greeting: socket.greeting,
            is_early: false,
            has_failed: false,
            held: None,
            parting: None,
            sent: Vec::new(),
            received: Vec::new(),
        }
    }

    /// What reads what comes after this side's goodbye.
    pub(crate) fn parting(&mut self) -> Option<(&mut Machine, &Opening)> {
        let Exchange::Socket(socket) = self.parting.as_deref()? else { return None };
        Some((&mut self.machine, &socket.opening))
    }

    /// Messages that may answer nothing, and the step they are of.
    pub(crate) fn held(&self) -> Option<(usize, &Held)> {
        self.held.as_ref().map(|(step, _, held)| (*step, held.as_ref()))
    }

    fn goodbye(&mut self) -> Vec<u8> {
        self.machine.close_sent();
        let frame = frame::close(Some(NORMAL), "", &mut self.masks);
        frame.map(|frame| frame.bytes().to_vec()).unwrap_or_default()
    }
}

/// What came of the bytes of a WebSocket.
enum Came {
    /// Nothing more for now.
    NeedMore,
    /// Nothing that will be followed by something.
    Last(FeedResult),
}

impl<D: Driver> EventLoop<D> {
    /// Run what came on a user's WebSocket through its machine.
    pub(crate) fn feed_talk(
        &mut self,
        number: u32,
        user: u32,
        mut heard: Vec<u8>,
        now: Timestamp,
    ) -> FeedResult {
        let fed = self.feed_frames_of_talk(number, user, &heard, now);
        heard.clear();
        if let Some(flows) = self.flows.as_deref_mut() {
            flows.heard = heard;
        }
        fed
    }

    fn feed_frames_of_talk(
        &mut self,
        number: u32,
        user: u32,
        bytes: &[u8],
        now: Timestamp,
    ) -> FeedResult {
        let Some(flows) = self.flows.as_deref_mut() else { return FeedResult::Open };
        let exchange = flows.exchange(user);
        let Exchange::Socket(socket) = &*exchange else { return FeedResult::Open };
        let mut talk = flows.receipts[number as usize]
            .talk
            .take()
            .unwrap_or_else(|| Box::new(Talk::new(socket, number)));
        let (came, is_next) = self.read_talk((number, user), bytes, (socket, &mut talk), now);
        // What came with an answer was on its way before the next message is sent, and answers
        // nothing.
        if is_next {
            if talk.left == 0 {
                let fed = self.finish_talk(number, user, &mut talk, now);
                // What follows the target's own end needs no goodbye.
                if let (FeedResult::Parting, Came::NeedMore, Some(flows)) =
                    (&fed, &came, self.flows.as_deref_mut())
                {
                    talk.parting = Some(Arc::clone(&exchange));
                    flows.receipts[number as usize].talk = Some(talk);
                    return fed;
                }
                return FeedResult::Done;
            }
            self.say(number, user, (socket, &mut talk), now);
        }
        match came {
            Came::Last(fed) => fed,
            Came::NeedMore => {
                if let Some(flows) = self.flows.as_deref_mut() {
                    flows.receipts[number as usize].talk = Some(talk);
                }
                FeedResult::Open
            }
        }
    }

    /// Read all that came. What it came to, and whether it is this side's turn.
    fn read_talk(
        &mut self,
        (number, user): (u32, u32),
        mut bytes: &[u8],
        (socket, talk): (&Socket, &mut Talk),
        now: Timestamp,
    ) -> (Came, bool) {
        let mut is_next = false;
        while !bytes.is_empty() {
            let Talk { machine, received, .. } = &mut *talk;
            let keep = &mut |piece: &[u8]| received.extend_from_slice(piece);
            let consumed = match machine.feed_into(bytes, &socket.opening, None, keep) {
                Ok(Progress::NeedMore) => break,
                Ok(Progress::Opened { consumed }) => {
                    if talk.greeting == 0 {
                        self.heard(number, Ok(()), OPENED, now);
                        is_next = true;
                    }
                    consumed
                }
                Ok(Progress::Refused { response, .. }) => {
                    self.heard(number, Err(Failed::Status), response.status, now);
                    self.end_talk(user, false, now);
                    return (Came::Last(FeedResult::Finished), false);
                }
                Ok(Progress::Reply { consumed, frame }) => {
                    self.send_behind(number, frame.bytes());
                    consumed
                }
                Ok(Progress::Closed { code, reply, .. }) => {
                    let goodbye = Goodbye::of(machine, code);
                    let reply = reply.map(|frame| frame.bytes().to_vec());
                    self.send_behind(number, &reply.unwrap_or_default());
                    return (Came::Last(FeedResult::Closed(goodbye)), is_next);
                }
                Ok(Progress::Message { consumed, .. }) => {
                    is_next |= self.on_message((number, user), (talk, is_next), now);
                    talk.received.clear();
                    consumed
                }
                Err(broken) => {
                    let connection = (number, &self.connections[number as usize]);
                    let record = (&mut self.exchanges, &mut self.recorder);
                    note_broken(connection, record, (&broken, bytes));
                    let frame = frame::close(broken.close_code(), "", &mut talk.masks);
                    let bytes = frame.map(|frame| frame.bytes().to_vec());
                    self.send_behind(number, &bytes.unwrap_or_default());
                    return (Came::Last(FeedResult::Malformed), is_next);
                }
            };
            bytes = &bytes[consumed..];
        }
        (Came::NeedMore, is_next)
    }

    /// A whole message is in. Whether it is this side's turn with it: it has ended the greeting,
    /// or answers the latest message.
    fn on_message(
        &mut self,
        (number, user): (u32, u32),
        (talk, is_next): (&mut Talk, bool),
        now: Timestamp,
    ) -> bool {
        if talk.greeting > 0 {
            talk.greeting -= 1;
            if talk.greeting == 0 {
                self.heard(number, Ok(()), OPENED, now);
            }
            return talk.greeting == 0;
        }
        let is_early = mem::take(&mut talk.is_early);
        let totals = &mut self.recorder.current.totals;
        if is_next || is_early {
            totals.unsolicited_messages += 1;
            return false;
        }
        let judgement = self.judge_message(user, talk, now);
        let Some(flows) = self.flows.as_deref_mut() else { return false };
        let step = flows.users.step_number(user);
        let timeout = self.options.timeout;
        if let Some(hearing) = flows.hearing(user) {
            let patience = hearing.patience(timeout);
            match judgement {
                Ok(()) => {
                    let connection = &self.connections[number as usize];
                    let sent = self.exchanges.oldest(number, connection).sent;
                    hearing.note_right(now.since(sent));
                }
                Err(failed) if patience > Nanos::ZERO => {
                    let (first, before) = match talk.held.take() {
                        Some((_, first, held)) => (first, Some(held)),
                        None => (failed, None),
                    };
                    let mut held = before;
                    Held::add(&mut held, Some(&talk.received), now);
                    let since = held.as_ref().map_or(now, |held| held.since);
                    talk.held = held.map(|held| (step, first, held));
                    self.sweep_at = self.sweep_at.min(since + patience);
                    return false;
                }
                Err(_) => {}
            }
        }
        if judgement.is_err() {
            let connection = &self.connections[number as usize];
            let slot = self.exchanges.oldest(number, connection).slot();
            let found = quoted(Some(&talk.received));
            self.recorder.caused(slot, Outcome::CheckFailed, &Instead(&found), 1);
        }
        let unasked = talk.held.take().map_or(0, |(_, _, held)| u64::from(held.count));
        self.recorder.current.totals.unsolicited_messages += unasked;
        talk.has_failed |= judgement.is_err();
        self.heard(number, judgement, MESSAGE, now);
        true
    }

    /// The right answer has not come in time: the message that came first instead stands for it.
    pub(crate) fn give_up_message(&mut self, number: u32, now: Timestamp) {
        let Some(flows) = self.flows.as_deref_mut() else { return };
        let Some(mut talk) = flows.receipts[number as usize].talk.take() else { return };
        let Some((_, failed, held)) = talk.held.take() else { return };
        let connection = &self.connections[number as usize];
        let oldest = self.exchanges.oldest(number, connection);
        let (user, slot) = (oldest.user, oldest.slot());
        self.recorder.caused(slot, Outcome::CheckFailed, &Instead(&held.quote), 1);
        let exchange = flows.exchange(user);
        let may_come_late = flows.hearing(user).is_some_and(|hearing| {
            hearing.note_missing();
            hearing.may_come_late()
        });
        self.recorder.current.totals.unsolicited_messages += u64::from(held.count) - 1;
        talk.has_failed = true;
        self.heard(number, Err(failed), MESSAGE, held.since);
        let Exchange::Socket(socket) = &*exchange else { return };
        let fed = if may_come_late || talk.left == 0 {
            self.finish_talk(number, user, &mut talk, now)
        } else {
            self.say(number, user, (socket, &mut talk), now);
            if let Some(flows) = self.flows.as_deref_mut() {
                flows.receipts[number as usize].talk = Some(talk);
            }
            FeedResult::Open
        };
        self.after_bytes(number, fed, now);
    }

    /// The last answer is in, or there is no use in more: say goodbye, and the user goes on.
    fn finish_talk(
        &mut self,
        number: u32,
        user: u32,
        talk: &mut Talk,
        now: Timestamp,
    ) -> FeedResult {
        let goodbye = talk.goodbye();
        let flows = self.flows.as_deref_mut();
        let is_blind = flows.is_some_and(|flows| flows.hearing(user).is_none());
        self.send_behind(number, &goodbye);
        self.end_talk(user, !talk.has_failed, now);
        if is_blind { FeedResult::Parting } else { FeedResult::Done }
    }

    fn judge_message(&mut self, user: u32, talk: &Talk, now: Timestamp) -> Judgement {
        let Some(flows) = self.flows.as_deref_mut() else { return Ok(()) };
        let unix_ms = flows.unix_ms(now);
        flows.users.hear(user, unix_ms, (&talk.sent, &talk.received))
    }

    /// The opening or a message has its answer.
    fn heard(&mut self, number: u32, judgement: Judgement, status: u16, now: Timestamp) {
        let Some(flows) = self.flows.as_deref_mut() else { return };
        let connection = &mut self.connections[number as usize];
        let oldest = self.exchanges.oldest(number, connection);
        // Of several messages that come together, each is an answer's first byte and its last.
        oldest.begin_response(now);
        let user = oldest.user;
        let step = flows.users.step_number(user);
        let answer = self.exchanges.answered(number, connection, status);
        self.recorder.judged(step, &answer, judgement, now);
    }

    /// Send the next message.
    fn say(
        &mut self,
        number: u32,
        user: u32,
        (socket, talk): (&Socket, &mut Talk),
        now: Timestamp,
    ) {
        let Some(flows) = self.flows.as_deref_mut() else { return };
        talk.left -= 1;
        talk.is_early = talk.machine.is_within_message();
        let unix_ms = flows.unix_ms(now);
        flows.users.say(user, unix_ms, &socket.message, &mut talk.sent);
        let step = flows.users.step_number(user);
        let bytes = frame::message(&talk.sent, socket.kind, None, &mut talk.masks);
        let slot = Slot { due: now, measured: self.boundaries.measured().contains(&now) };
        self.recorder.released_step(step, slot);
        self.recorder.sent_step(step, slot, now);
        self.recorder.current.totals.sent_bytes += bytes.len() as u64;
        let connection = &mut self.connections[number as usize];
        let exchange = connection::Exchange::of_user(slot, user, now);
        self.exchanges.push(number, connection, exchange);
        self.send_behind(number, &bytes);
    }

    fn end_talk(&mut self, user: u32, has_passed: bool, now: Timestamp) {
        let Some(flows) = self.flows.as_deref_mut() else { return };
        flows.users.end_step(user, has_passed, now);
        flows.record_ends(&mut self.recorder);
    }

    /// Send behind what is under way on a connection.
    fn send_behind(&mut self, number: u32, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let Some(flows) = self.flows.as_deref_mut() else { return };
        if self.terms.tls.is_none() && self.connections[number as usize].is_sending {
            flows.receipts[number as usize].outbox.extend_from_slice(bytes);
            return;
        }
        let mut out = self.driver.take_buffer();
        out.extend_from_slice(bytes);
        self.send_made(number, out);
    }

    /// A send has ended: what waited behind it goes.
    pub(crate) fn send_waiting(&mut self, number: u32) {
        let Some(flows) = self.flows.as_deref_mut() else { return };
        let Some(receipt) = flows.receipts.get_mut(number as usize) else { return };
        let out = mem::take(&mut receipt.outbox);
        if !out.is_empty() {
            self.send_made(number, out);
        }
    }
}
