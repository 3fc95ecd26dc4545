//! WebSocket in the loop: the opening before the first message, messages as answers, pings and
//! closes replied to.

use uringbench_core::http::quote;
use uringbench_core::outcome::Outcome;
use uringbench_core::plan::WebSocketPlan;
use uringbench_core::record::MESSAGE;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_core::websocket::frame::{Masks, close};
use uringbench_core::websocket::machine::{Broken, Machine, Message, Progress, Stage};

use crate::connect_failure::ConnectFailure;
use crate::connection::{Connection, Exchanges, Link};
use crate::driver::Driver;
use crate::event_loop::EventLoop;
use crate::receive::{FeedResult, Source};
use crate::recorder::{Answers, Recorder};
use crate::retry::End;
use crate::unasked::{Goodbye, Hearing, Held, Instead, payload_of, quoted};

/// What every WebSocket of a loop is told.
#[derive(Debug)]
pub struct WebSocketConfig {
    /// What is spoken.
    pub plan: WebSocketPlan,
    /// Of the masks of replies.
    pub seed: u64,
    /// What earlier answers tell.
    hearing: Hearing,
}

impl WebSocketConfig {
    /// Before the first connection.
    pub(crate) fn new(plan: WebSocketPlan, seed: u64) -> Self {
        Self { plan, seed, hearing: Hearing::default() }
    }

    /// Whether answers are known by what they hold.
    pub(crate) const fn knows_answers(&self) -> bool {
        self.plan.expected.is_some()
    }

    /// The machine of connection `number`.
    pub(crate) fn machine(&self, number: u32) -> Machine {
        Machine::new(Masks::new(self.seed ^ u64::from(number)), self.plan.checks_text)
    }

    /// The frame that closes in order (RFC 6455 section 7.4.1: 1000).
    pub(crate) fn goodbye(&self) -> Vec<u8> {
        let frame = close(Some(NORMAL), "", &mut Masks::new(self.seed));
        frame.iter().flat_map(|frame| frame.bytes()).copied().collect()
    }
}

/// The purpose of the connection has been fulfilled.
pub(crate) const NORMAL: u16 = 1000;

/// What a batch of frames asks for once it has been read.
#[derive(Default)]
struct Asked {
    /// The opening has been accepted.
    is_opened: bool,
    /// To be sent.
    replies: Vec<u8>,
    /// When what is held has to be judged.
    judged_at: Option<Timestamp>,
}

/// The answer awaited breaks the protocol: why, and where.
#[cold]
pub(crate) fn note_broken(
    (number, connection): (u32, &Connection),
    (exchanges, recorder): (&mut Exchanges, &mut Recorder),
    (broken, bytes): (&Broken, &[u8]),
) {
    if connection.in_flight > 0 {
        let slot = exchanges.oldest(number, connection).slot();
        recorder.caused_with(slot, Outcome::Malformed, broken, &quote::first_line(bytes));
    }
}

impl Asked {
    /// The target has closed the WebSocket. One that is being opened, or was opened by the same
    /// bytes, could carry nothing.
    fn closed(&mut self, goodbye: Goodbye, is_opening: bool) -> FeedResult {
        if is_opening {
            self.is_opened = false;
            return FeedResult::NotOpened(ConnectFailure::Answer(goodbye.to_string().into()));
        }
        FeedResult::Closed(goodbye)
    }
}

impl<D: Driver> EventLoop<D> {
    /// Run received bytes through the machine, ending exchanges as messages complete.
    pub(crate) fn feed_frames(
        &mut self,
        number: u32,
        source: Source<'_, D::Buffer>,
        now: Timestamp,
    ) -> FeedResult {
        let mut asked = Asked::default();
        let fed = self.read_frames(number, source, &mut asked, now);
        if !asked.replies.is_empty() {
            self.reply(number, &asked.replies, now);
        }
        if asked.is_opened {
            self.open(number, now);
        }
        if let Some(at) = asked.judged_at {
            self.sweep_at = self.sweep_at.min(at);
        }
        fed
    }

    fn read_frames(
        &mut self,
        number: u32,
        source: Source<'_, D::Buffer>,
        asked: &mut Asked,
        now: Timestamp,
    ) -> FeedResult {
        let connection = &mut self.connections[number as usize];
        let mut bytes = match source {
            Source::Leased(buffer) => self.driver.bytes(buffer),
            Source::Decrypted(plain) => plain,
        };
        self.recorder.current.totals.received_bytes += bytes.len() as u64;
        let Some(terms) = &mut self.terms.websocket else { return FeedResult::Unsolicited };
        let WebSocketConfig { plan, seed, hearing } = terms;
        let (exchanges, recorder) = (&mut self.exchanges, &mut self.recorder);
        let timeout = self.options.timeout;
        let expected = plan.expected.as_deref();
        while !bytes.is_empty() {
            let Some(machine) = connection.machine() else { return FeedResult::Unsolicited };
            let consumed = match machine.feed(bytes, &plan.opening, expected) {
                Ok(Progress::NeedMore) => {
                    connection.note_begun(now);
                    break;
                }
                Ok(Progress::Opened { consumed }) => {
                    asked.is_opened = plan.greeting == 0;
                    consumed
                }
                Ok(Progress::Refused { response, .. }) => {
                    return FeedResult::NotOpened(ConnectFailure::Upgrade(response.status));
                }
                Ok(Progress::Reply { consumed, frame }) => {
                    asked.replies.extend_from_slice(frame.bytes());
                    consumed
                }
                Ok(Progress::Closed { code, reply, .. }) => {
                    asked.replies.extend(reply.iter().flat_map(|frame| frame.bytes()));
                    let goodbye = Goodbye::of(machine, code);
                    return asked.closed(goodbye, connection.is_opening());
                }
                Ok(Progress::Message { consumed, message }) => {
                    let payload = payload_of(&bytes[..consumed]);
                    let mut hearer = Hearer { exchanges, recorder, hearing, timeout };
                    let wanted = (expected.is_some(), payload);
                    match hearer.hear((number, connection), &message, wanted, now) {
                        Heard::Greeted => asked.is_opened = true,
                        Heard::Held(until) => asked.judged_at = Some(until),
                        Heard::Greeting | Heard::Answer | Heard::Unasked => {}
                    }
                    consumed
                }
                Err(broken) if connection.is_opening() && !asked.is_opened => {
                    return FeedResult::NotOpened(ConnectFailure::Answer(
                        broken.to_string().into(),
                    ));
                }
                Err(broken) => {
                    note_broken((number, connection), (exchanges, recorder), (&broken, bytes));
                    let mut masks = Masks::new(*seed);
                    let frame = close(broken.close_code(), "", &mut masks);
                    asked.replies.extend(frame.iter().flat_map(|frame| frame.bytes()));
                    return FeedResult::Malformed;
                }
            };
            bytes = &bytes[consumed..];
        }
        FeedResult::Open
    }

    /// A message came of which some was dropped unread.
    pub(crate) fn on_dropped(&mut self, number: u32, message: &Message, now: Timestamp) {
        let Some(terms) = &mut self.terms.websocket else { return };
        let connection = &mut self.connections[number as usize];
        let (exchanges, recorder) = (&mut self.exchanges, &mut self.recorder);
        let hearing = &mut terms.hearing;
        let mut hearer = Hearer { exchanges, recorder, hearing, timeout: self.options.timeout };
        // What is checked is never dropped.
        if hearer.hear((number, connection), message, (false, None), now) == Heard::Greeted {
            self.open(number, now);
        }
    }

    /// Why the handshake of a connection has not ended in time.
    pub(crate) fn unopened(&self, number: u32) -> ConnectFailure {
        let wanted = self.terms.websocket.as_ref().map_or(0, |terms| terms.plan.greeting);
        match self.connections[number as usize].greeting_left() {
            Some(left) => ConnectFailure::Greeting(wanted - left, wanted),
            None => ConnectFailure::Unanswered,
        }
    }

    /// When what is held on a connection has to be judged; never, if nothing is.
    pub(crate) fn judged_at(&self, number: u32) -> Timestamp {
        let timeout = self.options.timeout;
        let session = self.connections[number as usize].session.as_ref();
        let held = session.and_then(|session| session.held.as_ref());
        let (held, hearing) = match (held, &self.terms.websocket, &self.flows) {
            (Some(held), Some(terms), _) => (held.as_ref(), terms.hearing),
            (_, None, Some(flows)) => match flows.held(number) {
                Some(held) => held,
                None => return Timestamp::NEVER,
            },
            _ => return Timestamp::NEVER,
        };
        held.since + hearing.patience(timeout)
    }

    /// The right answer has not come in time: the messages that came instead stand for it.
    pub(crate) fn give_up_answer(&mut self, number: u32, now: Timestamp) {
        if self.flows.is_some() {
            return self.give_up_message(number, now);
        }
        let connection = &mut self.connections[number as usize];
        let held = connection.session.as_mut().and_then(|session| session.held.take());
        let (Some(held), Some(terms)) = (held, &mut self.terms.websocket) else { return };
        let mut unasked = u64::from(held.count);
        while unasked > 0 && connection.in_flight > 0 {
            let oldest = self.exchanges.oldest(number, connection);
            let done = held.since.max(oldest.sent);
            oldest.begin_response(done);
            let answer = self.exchanges.answered(number, connection, MESSAGE);
            let cause = &Instead(&held.quote);
            self.recorder.caused(answer.slot, Outcome::CheckFailed, cause, 1);
            self.recorder.completed(&Answers { matches: false, ..answer }, done);
            unasked -= 1;
        }
        self.recorder.current.totals.unsolicited_messages += unasked;
        if terms.hearing.may_come_late() {
            self.fail_connection(number, End::Late, now);
        } else {
            terms.hearing.note_missing();
            self.after_bytes(number, FeedResult::Open, now);
        }
    }
}

/// What a message was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// One of the greeting that is waited for.
    Greeting,
    /// The last one of it.
    Greeted,
    /// The answer to the oldest message in flight.
    Answer,
    /// Nobody had asked for it.
    Unasked,
    /// Not the answer awaited, which may still come until then.
    Held(Timestamp),
}

/// What the judgement of a message touches.
struct Hearer<'a> {
    exchanges: &'a mut Exchanges,
    recorder: &'a mut Recorder,
    hearing: &'a mut Hearing,
    timeout: Nanos,
}

impl Hearer<'_> {
    /// A message has come, whose payload is given as far as it is at hand.
    #[inline]
    fn hear(
        &mut self,
        (number, connection): (u32, &mut Connection),
        message: &Message,
        (is_checked, payload): (bool, Option<&[u8]>),
        now: Timestamp,
    ) -> Heard {
        let began = connection.message_began(now);
        if connection.in_flight == 0 {
            return self.note_unasked(connection);
        }
        let oldest = self.exchanges.oldest(number, connection);
        if began < oldest.sent {
            // It was on its way before what it would answer was sent.
            return self.note_unasked(connection);
        }
        let matches = message.matches || !is_checked;
        let patience = self.hearing.patience(self.timeout);
        if !matches && patience > Nanos::ZERO {
            let Some(session) = &mut connection.session else { return Heard::Unasked };
            Held::add(&mut session.held, payload, now);
            let since = session.held.as_ref().map_or(now, |held| held.since);
            return Heard::Held(since + patience);
        }
        oldest.begin_response(began);
        if !matches {
            let found = quoted(payload);
            self.recorder.caused(oldest.slot(), Outcome::CheckFailed, &Instead(&found), 1);
        } else if is_checked {
            self.hearing.note_right(now.since(oldest.sent));
        }
        if is_checked
            && let Some(held) = connection.session.as_mut().and_then(|its| its.held.take())
        {
            self.recorder.current.totals.unsolicited_messages += u64::from(held.count);
        }
        connection.note_bytes(message.payload_bytes);
        let answer = self.exchanges.answered(number, connection, MESSAGE);
        self.recorder.completed(&Answers { matches, ..answer }, now);
        Heard::Answer
    }

    /// A message came while none was awaited.
    #[cold]
    fn note_unasked(&mut self, connection: &mut Connection) -> Heard {
        let is_opening = connection.is_opening();
        if let Some(session) = connection.session.as_mut()
            && is_opening
            && session.greeting > 0
        {
            session.greeting -= 1;
            return if session.greeting == 0 { Heard::Greeted } else { Heard::Greeting };
        }
        self.recorder.current.totals.unsolicited_messages += 1;
        Heard::Unasked
    }
}

impl Connection {
    /// Whether what comes before the first request is under way.
    const fn is_opening(&self) -> bool {
        matches!(self.link, Link::Opening { .. })
    }

    /// Bytes have come that end nothing: if they are of a message, it has begun.
    #[inline]
    fn note_begun(&mut self, now: Timestamp) {
        if let Some(session) = &mut self.session
            && session.websocket.as_ref().is_some_and(Machine::is_within_message)
        {
            session.begun.get_or_insert(now);
        }
    }

    /// When the message that has just ended began to come.
    #[inline]
    fn message_began(&mut self, now: Timestamp) -> Timestamp {
        self.session.as_mut().and_then(|session| session.begun.take()).unwrap_or(now)
    }

    /// How much of the greeting has not come, if the WebSocket is open and waits for it.
    pub(crate) fn greeting_left(&self) -> Option<u32> {
        let session = self.session.as_ref()?;
        let is_open = session.websocket.as_ref()?.stage() == Stage::Open;
        is_open.then_some(session.greeting)
    }
}
