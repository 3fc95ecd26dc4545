//! A WebSocket on a connection: its machine, and which message answers which.
//!
//! A run of messages alone opens it before its first request ([`WebSocketConfig`]); a step of a
//! flow opens it with its request and then sends message after message ([`Conversation`]).

use std::sync::Arc;

use uringbench_core::flow::exchange::Socket;
use uringbench_core::flow::step::Failed;
use uringbench_core::plan::WebSocketPlan;
use uringbench_core::time::Timestamp;
use uringbench_core::websocket::frame::{Masks, close};
use uringbench_core::websocket::machine::{Broken, Machine, Message, Progress, Stage};

use super::messages::Held;

/// The purpose of the connection has been fulfilled (RFC 6455 section 7.4.1).
const NORMAL: u16 = 1000;

/// How every WebSocket of a loop that sends messages alone is opened.
#[derive(Debug)]
pub struct WebSocketConfig {
    /// What is spoken.
    pub plan: Arc<WebSocketPlan>,
    /// Of the masks of replies.
    pub seed: u64,
}

impl WebSocketConfig {
    /// Whether answers are known by what they hold.
    pub(crate) fn knows_answers(&self) -> bool {
        self.plan.expected.is_some()
    }

    /// The WebSocket of connection `number`, before its opening is answered.
    pub(crate) fn websocket(&self, number: u32) -> WebSocket {
        let masks = Masks::new(self.seed ^ u64::from(number));
        WebSocket {
            machine: Machine::new(masks.clone(), self.plan.checks_text),
            masks,
            greeting: self.plan.greeting,
            begun: None,
            held: None,
            spoken: Spoken::Plan(Arc::clone(&self.plan)),
        }
    }
}

/// The messages of one step of a flow.
pub(crate) struct Conversation {
    socket: Arc<Socket>,
    /// Messages still to be sent.
    left: u32,
    has_failed: bool,
    /// The latest message of this side.
    sent: Vec<u8>,
    /// The payload of the message under way.
    received: Vec<u8>,
}

impl Conversation {
    /// See [`Socket`].
    pub(crate) fn socket(&self) -> Arc<Socket> {
        Arc::clone(&self.socket)
    }

    /// Messages still to be sent.
    pub(crate) const fn left(&self) -> u32 {
        self.left
    }

    /// One of them is sent.
    pub(crate) const fn take_one(&mut self) {
        self.left -= 1;
    }

    /// Whether an answer has not passed.
    pub(crate) const fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// An answer has not passed.
    pub(crate) const fn note_failed(&mut self) {
        self.has_failed = true;
    }

    /// The latest message of this side.
    pub(crate) fn sent(&self) -> &[u8] {
        &self.sent
    }

    /// Room for the next one.
    pub(crate) const fn sent_mut(&mut self) -> &mut Vec<u8> {
        &mut self.sent
    }

    /// The payload of the message that has just come.
    pub(crate) fn received(&self) -> &[u8] {
        &self.received
    }
}

/// Whose messages they are.
enum Spoken {
    /// The requests of a run.
    Plan(Arc<WebSocketPlan>),
    /// A step's.
    Step(Box<Conversation>),
}

/// When a message began to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Began {
    pub(crate) at: Timestamp,
    /// No answer was awaited then, so that it answers nothing.
    pub(crate) is_early: bool,
}

/// One connection's.
pub(crate) struct WebSocket {
    machine: Machine,
    masks: Masks,
    /// Messages that the target is still to send before the first of this side.
    greeting: u32,
    /// Of the message whose rest has not come yet.
    begun: Option<Began>,
    /// Messages that may answer nothing, and what failed of the first of them.
    held: Option<(Failed, Box<Held>)>,
    spoken: Spoken,
}

impl WebSocket {
    /// The one that a step opens on connection `number`, before its opening is answered.
    pub(crate) fn of_step(socket: Arc<Socket>, number: u32) -> Self {
        let masks = Masks::new(u64::from(number));
        let (left, greeting) = (socket.messages, socket.greeting);
        let (sent, received) = (Vec::new(), Vec::new());
        let conversation = Conversation { socket, left, has_failed: false, sent, received };
        Self {
            machine: Machine::new(masks.clone(), true),
            masks,
            greeting,
            begun: None,
            held: None,
            spoken: Spoken::Step(Box::new(conversation)),
        }
    }

    /// Take the next bytes, up to the first thing that ends among them. Payload of a step's is kept
    /// until [`Self::forget_message`].
    ///
    /// # Errors
    /// When the peer broke the protocol.
    #[inline]
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Progress, Broken> {
        match &mut self.spoken {
            Spoken::Plan(plan) => self.machine.feed(bytes, &plan.opening, plan.expected.as_deref()),
            Spoken::Step(conversation) => {
                let Conversation { socket, received, .. } = &mut **conversation;
                let keep = &mut |piece: &[u8]| received.extend_from_slice(piece);
                self.machine.feed_into(bytes, &socket.opening, None, keep)
            }
        }
    }

    /// The place in the stream.
    #[inline]
    pub(crate) const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The same, to change it.
    #[inline]
    pub(crate) const fn machine_mut(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// So many bytes of payload came and were dropped unread. The message, if it ended with them.
    pub(crate) fn skip(&mut self, count: u64) -> Option<Message> {
        self.machine.skip(count)
    }

    /// Whether the answer to the opening is awaited.
    pub(crate) fn is_opening(&self) -> bool {
        self.machine.stage() == Stage::Opening
    }

    /// The messages of a step, where they are one's.
    pub(crate) fn conversation(&mut self) -> Option<&mut Conversation> {
        match &mut self.spoken {
            Spoken::Plan(_) => None,
            Spoken::Step(conversation) => Some(conversation),
        }
    }

    /// The masks of this side's frames, and the messages of a step.
    pub(crate) fn speaking(&mut self) -> (&mut Masks, Option<&mut Conversation>) {
        match &mut self.spoken {
            Spoken::Plan(_) => (&mut self.masks, None),
            Spoken::Step(conversation) => (&mut self.masks, Some(conversation)),
        }
    }

    /// Messages that the target is still to send before the first of this side.
    pub(crate) const fn greeting(&self) -> u32 {
        self.greeting
    }

    /// One of them has come. Whether it was the last.
    pub(crate) const fn greeted(&mut self) -> bool {
        self.greeting -= 1;
        self.greeting == 0
    }

    /// Bytes have come that end nothing: if they are of a message, it has begun.
    #[inline]
    pub(crate) fn note_begun(&mut self, now: Began) {
        if self.machine.is_within_message() {
            self.begun.get_or_insert(now);
        }
    }

    /// When the message that has just ended began to come, if not now.
    #[inline]
    pub(crate) fn message_began(&mut self, now: Began) -> Began {
        self.begun.take().unwrap_or(now)
    }

    /// The message that has just ended is done with.
    #[inline]
    pub(crate) fn forget_message(&mut self) {
        if let Spoken::Step(conversation) = &mut self.spoken {
            conversation.received.clear();
        }
    }

    /// Messages that may answer nothing.
    pub(crate) fn held(&self) -> Option<&Held> {
        self.held.as_ref().map(|(_, held)| &**held)
    }

    /// Hold a message that failed so: the right one may still come. Since when one is held.
    #[cold]
    pub(crate) fn hold(
        &mut self,
        failed: Failed,
        payload: Option<&[u8]>,
        now: Timestamp,
    ) -> Timestamp {
        let (_, held) =
            self.held.get_or_insert_with(|| (failed, Box::new(Held::new(payload, now))));
        held.count = held.count.saturating_add(1);
        held.since
    }

    /// What is held is judged, or of no more interest.
    #[inline]
    pub(crate) fn take_held(&mut self) -> Option<(Failed, Box<Held>)> {
        self.held.take()
    }

    /// The frame that closes in order, unless it was sent or there is nothing to close.
    pub(crate) fn goodbye(&mut self) -> Vec<u8> {
        if self.machine.stage() != Stage::Open {
            return Vec::new();
        }
        self.machine.close_sent();
        self.close(Some(NORMAL))
    }

    /// A frame that closes, for this reason.
    pub(crate) fn close(&mut self, code: Option<u16>) -> Vec<u8> {
        let frame = close(code, "", &mut self.masks);
        frame.map(|frame| frame.bytes().to_vec()).unwrap_or_default()
    }
}
