//! Who sends next, which request, and what its answer means for the sender.
//!
//! A URL is a flow of one step: its requests are slots without users ([`Slots`]). The requests of a
//! scenario belong to users, who go from step to step ([`Users`]).

pub(crate) mod slots;
pub(crate) mod users;

use std::ops::Range;
use std::sync::Arc;

use uringbench_core::flow::exchange::Socket;
use uringbench_core::flow::step::Judgement;
use uringbench_core::http::response::Response;
use uringbench_core::outcome::Outcome;
use uringbench_core::pacer::{Pacer, Slot};
use uringbench_core::plan::StreamPlan;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_core::websocket::machine::Message;

use self::slots::Slots;
use self::users::Users;
use crate::connections::Connections;
use crate::connections::connect_failure::ConnectFailure;
use crate::connections::in_flight::Exchange;
use crate::event_loop::LoopOptions;
use crate::record::recorder::{Answers, Recorder};
use crate::wire::ConnectionConfig;
use crate::wire::messages::Hearing;
use crate::wire::stream::AnswerReader;
use crate::wire::websocket::Conversation;

/// How the answer to a request is read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reading {
    /// Only its status.
    Status,
    /// Completely: its header or body is checked or captured.
    Whole,
    /// As a stream.
    Stream(StreamPlan),
}

/// The properties of a step that connections use.
#[derive(Debug)]
pub(crate) struct StepConfig {
    /// The bytes of its request among the shared ones, if they are always the same.
    pub(crate) constant: Option<Range<usize>>,
    pub(crate) is_head: bool,
    /// Whether its request may be sent twice (idempotent).
    pub(crate) is_repeatable: bool,
    pub(crate) reading: Reading,
    /// The WebSocket that its request opens.
    pub(crate) socket: Option<Arc<Socket>>,
    /// What earlier replies over a WebSocket show; `None` if replies are not matched by content.
    pub(crate) hearing: Option<Hearing>,
}

/// Requests to be sent now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// The connection.
    pub(crate) number: u32,
    /// The user who sends them; without users the row that they send, 0 if there is none.
    pub(crate) user: u32,
    pub(crate) slot: Slot,
    /// At least 1.
    pub(crate) count: u16,
}

/// Who sends next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Next {
    Send(Start),
    /// Nobody before this time, if only time is waited for. `is_starved`: something is due, or may
    /// be, and every connection is busy.
    Wait {
        until: Option<Timestamp>,
        is_starved: bool,
    },
}

/// When a turn began to send, and when one of its requests left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Departed {
    pub(crate) begun: Timestamp,
    pub(crate) sent: Timestamp,
}

/// The work of one worker.
pub(crate) enum Work {
    Slots(Slots),
    Users(Box<Users>),
}

impl Work {
    pub(crate) fn new(options: &LoopOptions, config: &ConnectionConfig) -> Self {
        match &config.flows {
            Some(flows) => {
                Self::Users(Box::new(Users::new(flows, options, config.http2.is_some())))
            }
            None => Self::Slots(Slots::new(options, config)),
        }
    }

    /// The run begins: slots come from this pacer.
    pub(crate) fn begin(&mut self, pacer: Pacer) {
        match self {
            Self::Slots(slots) => slots.pacer = Some(pacer),
            Self::Users(users) => users.pacer = Some(pacer),
        }
    }

    #[inline]
    const fn pacer(&self) -> Option<&Pacer> {
        match self {
            Self::Slots(slots) => slots.pacer.as_ref(),
            Self::Users(users) => users.pacer.as_ref(),
        }
    }

    /// Whether the run has begun.
    pub(crate) const fn has_begun(&self) -> bool {
        self.pacer().is_some()
    }

    /// Whether no more slots will be released, and no user has a step left.
    pub(crate) fn is_done(&self, now: Timestamp) -> bool {
        let is_quiet = match self {
            Self::Slots(_) => true,
            Self::Users(users) => users.is_over(),
        };
        is_quiet && self.pacer().is_some_and(|pacer| pacer.is_done(now))
    }

    /// Whether the run was limited by requests, and all of them were released.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.pacer().is_some_and(Pacer::is_exhausted)
    }

    /// No more slots are released from now on.
    pub(crate) fn finish(&mut self, now: Timestamp) {
        let pacer = match self {
            Self::Slots(slots) => &mut slots.pacer,
            Self::Users(users) => &mut users.pacer,
        };
        if let Some(pacer) = pacer {
            pacer.finish(now);
        }
    }

    /// How many steps and flows are counted separately.
    pub(crate) fn counts(&self) -> (usize, usize) {
        match self {
            Self::Slots(_) => (0, 0),
            Self::Users(users) => users.counts(),
        }
    }

    /// The index of a user's current step.
    #[inline]
    pub(crate) fn step_number(&self, user: u32) -> usize {
        match self {
            Self::Slots(_) => 0,
            Self::Users(users) => users.step_number(user),
        }
    }

    /// That step.
    #[inline]
    pub(crate) fn step(&self, user: u32) -> &StepConfig {
        match self {
            Self::Slots(slots) => &slots.step,
            Self::Users(users) => users.step(user),
        }
    }

    /// What earlier replies over the WebSocket of that step show.
    #[inline]
    pub(crate) fn hearing(&mut self, user: u32) -> Option<&mut Hearing> {
        match self {
            Self::Slots(slots) => slots.step.hearing.as_mut(),
            Self::Users(users) => users.hearing(user),
        }
    }

    /// Who sends next, on which connection. `window`: the measured one.
    #[inline]
    pub(crate) fn next(
        &mut self,
        connections: &mut Connections,
        window: &Range<Timestamp>,
        now: Timestamp,
    ) -> Next {
        match self {
            Self::Slots(slots) => slots.next(connections, now),
            Self::Users(users) => users.next(connections, window, now),
        }
    }

    /// Slots and requests that have been due for longer than `timeout` end as not sent. Returns
    /// users who left and whose own connections are to be closed.
    #[inline]
    pub(crate) fn give_up_stale(
        &mut self,
        timeout: Nanos,
        recorder: &mut Recorder,
        window: &Range<Timestamp>,
        now: Timestamp,
    ) -> Vec<u32> {
        match self {
            Self::Slots(slots) => {
                slots.give_up_stale(timeout, recorder, now);
                Vec::new()
            }
            Self::Users(users) => users.give_up_stale(timeout, recorder, window, now),
        }
    }

    /// The run ends: everything due and unsent ends as not sent.
    pub(crate) fn give_up_all(
        &mut self,
        recorder: &mut Recorder,
        window: &Range<Timestamp>,
        now: Timestamp,
    ) {
        match self {
            Self::Slots(slots) => slots.give_up_all(recorder, now),
            Self::Users(users) => users.give_up_all(recorder, window, now),
        }
    }

    /// No connection can be made: the next due request fails, unless another connection can take
    /// it.
    pub(crate) fn fail_next(
        &mut self,
        (number, connected): (u32, u32),
        failure: &ConnectFailure,
        recorder: &mut Recorder,
        window: &Range<Timestamp>,
        now: Timestamp,
    ) {
        match self {
            Self::Slots(slots) => slots.fail_next(connected, failure, recorder, now),
            Self::Users(users) => {
                users.fail_next((number, connected), failure, recorder, window, now);
            }
        }
    }

    /// A connection can take a request. Returns whether it belongs to a user and is not for others.
    #[inline]
    pub(crate) fn note_free(&mut self, number: u32) -> bool {
        match self {
            Self::Slots(_) => false,
            Self::Users(users) => users.note_free(number),
        }
    }

    /// Whether the connection belonged to a user who has left: the next user gets a new one.
    #[inline]
    pub(crate) fn has_left(&self, number: u32) -> bool {
        match self {
            Self::Slots(_) => false,
            Self::Users(users) => users.has_left(number),
        }
    }

    /// Add the bytes of requests that differ to `out`: of a user one, of slots `count`.
    pub(crate) fn render(&mut self, (user, count): (u32, u16), now: Timestamp, out: &mut Vec<u8>) {
        match self {
            Self::Slots(slots) => slots.render(count, now, out),
            Self::Users(users) => users.render(user, now, out),
        }
    }

    /// The requests of an exchange have left.
    #[inline]
    pub(crate) fn departed(
        &mut self,
        exchange: &Exchange,
        recorder: &mut Recorder,
        departed: Departed,
    ) {
        match self {
            Self::Slots(slots) => slots.departed(exchange, recorder, departed),
            Self::Users(users) => users.departed(exchange, recorder, departed.sent),
        }
    }

    /// The answer to a user's request is complete; these are its last or only bytes.
    #[inline]
    pub(crate) fn answered(
        &mut self,
        (user, answers): (u32, Answers),
        response: &Response,
        (reader, bytes): (Option<&mut AnswerReader>, &[u8]),
        (recorder, alike): (&mut Recorder, &mut Option<Answers>),
        now: Timestamp,
    ) {
        match self {
            Self::Slots(_) => {
                if let Some(reader) = reader {
                    reader.clear();
                }
                recorder.gather(alike, answers, now);
            }
            Self::Users(users) => {
                users.answered((user, answers), response, (reader, bytes), recorder, now);
            }
        }
    }

    /// Whether a message is the right reply to a user's.
    #[inline]
    pub(crate) fn judge_message(
        &mut self,
        user: u32,
        message: &Message,
        conversation: Option<&mut Conversation>,
        now: Timestamp,
    ) -> Judgement {
        match (self, conversation) {
            (Self::Users(users), Some(conversation)) => {
                users.judge_message(user, conversation, now)
            }
            (work, _) => slots::judge_message(message, work.hearing(user).is_some()),
        }
    }

    /// Requests that were sent, or were to be sent again, failed without an answer.
    pub(crate) fn failed(
        &mut self,
        exchange: &Exchange,
        count: u16,
        outcome: Outcome,
        recorder: &mut Recorder,
        now: Timestamp,
    ) {
        match self {
            Self::Slots(_) => recorder.failed(0, exchange.slot(), (outcome, count), now),
            Self::Users(users) => users.failed(exchange, outcome, recorder, now),
        }
    }

    /// A user's step of several answers has ended.
    pub(crate) fn end_step(
        &mut self,
        user: u32,
        has_passed: bool,
        recorder: &mut Recorder,
        now: Timestamp,
    ) {
        if let Self::Users(users) = self {
            users.end_step(user, has_passed, recorder, now);
        }
    }
}
