//! A WebSocket on a connection: its machine, and which message answers which.
//!
//! A run of messages alone opens it before its first request ([`WebSocketConfig`]); a step of a
//! flow opens it with its request and then sends its messages ([`Conversation`]).

use std::sync::Arc;

use uringbench_core::flow::exchange::Socket;
use uringbench_core::flow::step::Failed;
use uringbench_core::plan::WebSocketPlan;
use uringbench_core::time::Timestamp;
use uringbench_core::websocket::frame::{Masks, close};
use uringbench_core::websocket::machine::{Broken, FrameProgress, Machine, Message, SocketStage};

use super::messages::Held;

/// The purpose of the connection has been fulfilled (RFC 6455 section 7.4.1).
const NORMAL: u16 = 1000;

/// How each WebSocket of a run of messages is opened.
#[derive(Debug)]
pub struct WebSocketConfig {
    /// Handshake, messages and checks.
    pub plan: Arc<WebSocketPlan>,
    /// Seed of the masks of replies.
    pub seed: u64,
}

impl WebSocketConfig {
    /// Whether replies are matched by content.
    pub(crate) fn knows_answers(&self) -> bool {
        self.plan.expected.is_some()
    }

    /// The WebSocket of connection `number`, before its handshake is answered.
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
    /// Messages not sent yet.
    left: u32,
    has_failed: bool,
    /// The last message sent.
    sent: Vec<u8>,
    /// The payload of the message being received.
    received: Vec<u8>,
}

impl Conversation {
    /// See [`Socket`].
    pub(crate) fn socket(&self) -> Arc<Socket> {
        Arc::clone(&self.socket)
    }

    /// Messages not sent yet.
    pub(crate) const fn left(&self) -> u32 {
        self.left
    }

    /// One of them is sent.
    pub(crate) const fn take_one(&mut self) {
        self.left -= 1;
    }

    /// Whether a reply has failed its check.
    pub(crate) const fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// A reply has failed its check.
    pub(crate) const fn note_failed(&mut self) {
        self.has_failed = true;
    }

    /// The last message sent.
    pub(crate) fn sent(&self) -> &[u8] {
        &self.sent
    }

    /// The buffer for the next message.
    pub(crate) const fn sent_mut(&mut self) -> &mut Vec<u8> {
        &mut self.sent
    }

    /// The payload of the message that has just arrived.
    pub(crate) fn received(&self) -> &[u8] {
        &self.received
    }
}

/// The origin of the messages.
enum Spoken {
    /// The requests of a run.
    Plan(Arc<WebSocketPlan>),
    /// A step of a flow.
    Step(Box<Conversation>),
}

/// When a message began to arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Began {
    pub(crate) at: Timestamp,
    /// No reply was awaited then, so it answers nothing.
    pub(crate) is_early: bool,
}

/// The WebSocket of one connection.
pub(crate) struct WebSocket {
    machine: Machine,
    masks: Masks,
    /// Messages of the greeting that have not arrived yet.
    greeting: u32,
    /// The start of a message that is incomplete.
    begun: Option<Began>,
    /// Messages that may be unsolicited, and why the first of them fails.
    held: Option<(Failed, Box<Held>)>,
    spoken: Spoken,
}

impl WebSocket {
    /// The one that a step opens on connection `number`, before its handshake is answered.
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

    /// Read the next bytes, up to the first end of a message among them. The payload of a step's
    /// message is kept until [`Self::forget_message`].
    ///
    /// # Errors
    /// If the peer broke the protocol.
    #[inline]
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<FrameProgress, Broken> {
        match &mut self.spoken {
            Spoken::Plan(plan) => self.machine.feed(bytes, &plan.opening, plan.expected.as_deref()),
            Spoken::Step(conversation) => {
                let Conversation { socket, received, .. } = &mut **conversation;
                let keep = &mut |piece: &[u8]| received.extend_from_slice(piece);
                self.machine.feed_into(bytes, &socket.opening, None, keep)
            }
        }
    }

    /// The position in the stream.
    #[inline]
    pub(crate) const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The same, mutable.
    #[inline]
    pub(crate) const fn machine_mut(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// Bytes of payload arrived and were discarded unread. Returns the message that ended with
    /// them, if any.
    pub(crate) fn skip(&mut self, count: u64) -> Option<Message> {
        self.machine.skip(count)
    }

    /// Whether the answer to the handshake is awaited.
    pub(crate) fn is_opening(&self) -> bool {
        self.machine.stage() == SocketStage::Opening
    }

    /// The messages of a step, if it belongs to one.
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

    /// Messages of the greeting that have not arrived yet.
    pub(crate) const fn greeting(&self) -> u32 {
        self.greeting
    }

    /// One of them has arrived. Returns whether it was the last.
    pub(crate) const fn greeted(&mut self) -> bool {
        self.greeting -= 1;
        self.greeting == 0
    }

    /// Bytes have arrived that end nothing: if they belong to a message, it has begun.
    #[inline]
    pub(crate) fn note_begun(&mut self, now: Began) {
        if self.machine.is_within_message() {
            self.begun.get_or_insert(now);
        }
    }

    /// When the message that has just ended began to arrive, if not now.
    #[inline]
    pub(crate) fn message_began(&mut self, now: Began) -> Began {
        self.begun.take().unwrap_or(now)
    }

    /// The message that has just ended has been handled.
    #[inline]
    pub(crate) fn forget_message(&mut self) {
        if let Spoken::Step(conversation) = &mut self.spoken {
            conversation.received.clear();
        }
    }

    /// Messages that may be unsolicited.
    pub(crate) fn held(&self) -> Option<&Held> {
        self.held.as_ref().map(|(_, held)| &**held)
    }

    /// Hold a message that failed: the right one may still arrive. Returns when the first was held.
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

    /// The messages held are counted, or no longer needed.
    #[inline]
    pub(crate) fn take_held(&mut self) -> Option<(Failed, Box<Held>)> {
        self.held.take()
    }

    /// The close frame, unless it was sent or there is nothing to close.
    pub(crate) fn goodbye(&mut self) -> Vec<u8> {
        if self.machine.stage() != SocketStage::Open {
            return Vec::new();
        }
        self.machine.close_sent();
        self.close(Some(NORMAL))
    }

    /// A close frame with this code.
    pub(crate) fn close(&mut self, code: Option<u16>) -> Vec<u8> {
        let frame = close(code, "", &mut self.masks);
        frame.map(|frame| frame.bytes().to_vec()).unwrap_or_default()
    }
}
