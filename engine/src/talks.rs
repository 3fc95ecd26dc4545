//! Steps that talk over a WebSocket: the opening, then message after message, each sent when the
//! answer to the one before has come. The opening and each message are a request of the step.

use std::mem;

use uringbench_core::flow::exchange::{Exchange, Socket};
use uringbench_core::flow::step::{Failed, Judgement};
use uringbench_core::pacer::Slot;
use uringbench_core::record::MESSAGE;
use uringbench_core::time::Timestamp;
use uringbench_core::websocket::frame::{self, Masks};
use uringbench_core::websocket::machine::{Machine, Progress};

use crate::connection;
use crate::driver::Driver;
use crate::event_loop::EventLoop;
use crate::events::Fed;
use crate::frames::NORMAL;

/// A WebSocket of a step.
pub(crate) struct Talk {
    machine: Machine,
    masks: Masks,
    /// Messages still to be sent.
    left: u32,
    has_failed: bool,
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
            has_failed: false,
            sent: Vec::new(),
            received: Vec::new(),
        }
    }
}

impl<D: Driver> EventLoop<D> {
    /// Run what came on a user's WebSocket through its machine.
    pub(crate) fn feed_talk(
        &mut self,
        number: u32,
        user: u32,
        mut heard: Vec<u8>,
        now: Timestamp,
    ) -> Fed {
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
        mut bytes: &[u8],
        now: Timestamp,
    ) -> Fed {
        let Some(flows) = self.flows.as_deref_mut() else { return Fed::Open };
        let exchange = flows.exchange(user);
        let Exchange::Socket(socket) = &*exchange else { return Fed::Open };
        let mut talk = flows.receipts[number as usize]
            .talk
            .take()
            .unwrap_or_else(|| Box::new(Talk::new(socket, number)));
        let mut fed = Fed::Open;
        while !bytes.is_empty() {
            let Talk { machine, received, .. } = &mut *talk;
            let keep = &mut |piece: &[u8]| received.extend_from_slice(piece);
            let consumed = match machine.feed_into(bytes, &socket.opening, None, keep) {
                Ok(Progress::NeedMore) => break,
                Ok(Progress::Opened { consumed }) => {
                    self.heard(number, Ok(()), 101, now);
                    self.say(number, user, (socket, &mut talk), now);
                    consumed
                }
                Ok(Progress::Refused { response, .. }) => {
                    self.heard(number, Err(Failed::Status), response.status, now);
                    self.end_talk(user, false, now);
                    return Fed::Finished;
                }
                Ok(Progress::Reply { consumed, frame }) => {
                    self.send_behind(number, frame.bytes());
                    consumed
                }
                Ok(Progress::Closed { reply, .. }) => {
                    let reply = reply.map(|frame| frame.bytes().to_vec());
                    self.send_behind(number, &reply.unwrap_or_default());
                    fed = Fed::Finished;
                    break;
                }
                Ok(Progress::Message { consumed, .. }) => {
                    let judgement = self.judge_message(user, &talk, now);
                    talk.received.clear();
                    talk.has_failed |= judgement.is_err();
                    self.heard(number, judgement, MESSAGE, now);
                    if talk.left == 0 {
                        let goodbye = frame::close(Some(NORMAL), "", &mut talk.masks);
                        let goodbye = goodbye.map(|frame| frame.bytes().to_vec());
                        self.send_behind(number, &goodbye.unwrap_or_default());
                        self.end_talk(user, !talk.has_failed, now);
                        return Fed::Done;
                    }
                    self.say(number, user, (socket, &mut talk), now);
                    consumed
                }
                Err(broken) => {
                    let frame = frame::close(broken.close_code(), "", &mut talk.masks);
                    let bytes = frame.map(|frame| frame.bytes().to_vec());
                    self.send_behind(number, &bytes.unwrap_or_default());
                    return Fed::Malformed;
                }
            };
            bytes = &bytes[consumed..];
        }
        if let Some(flows) = self.flows.as_deref_mut() {
            flows.receipts[number as usize].talk = Some(talk);
        }
        fed
    }

    fn judge_message(&mut self, user: u32, talk: &Talk, now: Timestamp) -> Judgement {
        let Some(flows) = self.flows.as_deref_mut() else { return Ok(()) };
        let unix_ms = flows.unix_ms(now);
        flows.crowd.hear(user, unix_ms, (&talk.sent, &talk.received))
    }

    /// The opening or a message has its answer.
    fn heard(&mut self, number: u32, judgement: Judgement, status: u16, now: Timestamp) {
        let Some(flows) = self.flows.as_deref_mut() else { return };
        let connection = &mut self.connections[number as usize];
        let oldest = self.exchanges.oldest(number, connection);
        // Of several messages that come together, each is an answer's first byte and its last.
        oldest.begin_response(now);
        let user = oldest.user;
        let step = flows.crowd.step_number(user);
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
        let unix_ms = flows.unix_ms(now);
        flows.crowd.say(user, unix_ms, &socket.message, &mut talk.sent);
        let step = flows.crowd.step_number(user);
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
        flows.crowd.end_step(user, has_passed, now);
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
        let mut out = self.driver.spare();
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
