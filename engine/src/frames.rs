//! WebSocket in the loop: the opening before the first message, messages as answers, pings and
//! closes replied to.

use uringbench_core::outcome::Outcome;
use uringbench_core::time::Timestamp;
use uringbench_core::websocket::frame::{Masks, close};
use uringbench_core::websocket::machine::{Machine, Message, Progress};
use uringbench_core::websocket::opening::Opening;

use crate::connection::Link;
use crate::driver::Driver;
use crate::event_loop::{ConnectFailure, EventLoop};
use crate::events::{Fed, Source};

/// What every WebSocket of a loop is told.
#[derive(Debug)]
pub struct SocketTerms {
    /// The opening, the same for all.
    pub opening: Opening,
    /// What every message that comes must carry, if that is checked.
    pub expected: Option<Vec<u8>>,
    /// Whether text is checked to be UTF-8.
    pub checks_text: bool,
    /// Of the masks of replies.
    pub seed: u64,
}

impl SocketTerms {
    /// The machine of connection `number`.
    pub(crate) fn machine(&self, number: u32) -> Machine {
        Machine::new(Masks::new(self.seed ^ u64::from(number)), self.checks_text)
    }

    /// The frame that closes in order (RFC 6455 section 7.4.1: 1000).
    pub(crate) fn goodbye(&self) -> Vec<u8> {
        let frame = close(Some(NORMAL), "", &mut Masks::new(self.seed));
        frame.iter().flat_map(|frame| frame.bytes()).copied().collect()
    }
}

/// The purpose of the connection has been fulfilled.
const NORMAL: u16 = 1000;

/// What a batch of frames asks for once it has been read.
#[derive(Default)]
struct Asked {
    /// The opening has been accepted.
    is_opened: bool,
    /// To be sent.
    replies: Vec<u8>,
}

impl<D: Driver> EventLoop<D> {
    /// Run received bytes through the machine, ending exchanges as messages complete.
    pub(crate) fn feed_frames(
        &mut self,
        number: u32,
        source: Source<'_, D::Buffer>,
        now: Timestamp,
    ) -> Fed {
        let mut asked = Asked::default();
        let fed = self.read_frames(number, source, &mut asked, now);
        if !asked.replies.is_empty() {
            self.reply(number, &asked.replies, now);
        }
        if asked.is_opened {
            self.open(number);
        }
        fed
    }

    fn read_frames(
        &mut self,
        number: u32,
        source: Source<'_, D::Buffer>,
        asked: &mut Asked,
        now: Timestamp,
    ) -> Fed {
        let connection = &mut self.connections[number as usize];
        let mut bytes = match source {
            Source::Leased(buffer) => self.driver.bytes(buffer),
            Source::Decrypted(plain) => plain,
        };
        self.recorder.current.totals.received_bytes += bytes.len() as u64;
        let Some(terms) = &self.terms.websocket else { return Fed::Unsolicited };
        let expected = terms.expected.as_deref();
        while !bytes.is_empty() {
            if connection.in_flight > 0 {
                self.exchanges.oldest(number, connection).begin_response(now);
            }
            let Some(machine) = connection.machine() else { return Fed::Unsolicited };
            let consumed = match machine.feed(bytes, &terms.opening, expected) {
                Ok(Progress::NeedMore) => break,
                Ok(Progress::Opened { consumed }) => {
                    asked.is_opened = true;
                    consumed
                }
                Ok(Progress::Refused { response, .. }) => {
                    return Fed::NotOpened(ConnectFailure::Upgrade(response.status));
                }
                Ok(Progress::Reply { consumed, frame }) => {
                    asked.replies.extend_from_slice(frame.bytes());
                    consumed
                }
                Ok(Progress::Closed { reply, .. }) => {
                    asked.replies.extend(reply.iter().flat_map(|frame| frame.bytes()));
                    return Fed::Finished;
                }
                Ok(Progress::Message { .. }) if connection.in_flight == 0 => {
                    return Fed::Unsolicited;
                }
                Ok(Progress::Message { consumed, message }) => {
                    let oldest = self.exchanges.oldest(number, connection);
                    let answers = oldest.received(&message, expected.is_some());
                    self.exchanges.end(number, connection, 1);
                    self.in_flight -= 1;
                    self.recorder.completed(&answers, now);
                    connection.note_bytes(message.payload_bytes);
                    consumed
                }
                Err(broken) if matches!(connection.link, Link::Opening { .. }) => {
                    return Fed::NotOpened(ConnectFailure::Answer(broken.to_string().into()));
                }
                Err(broken) => {
                    let mut masks = Masks::new(terms.seed);
                    let frame = close(broken.close_code(), "", &mut masks);
                    asked.replies.extend(frame.iter().flat_map(|frame| frame.bytes()));
                    return Fed::Malformed;
                }
            };
            bytes = &bytes[consumed..];
        }
        Fed::Open
    }

    /// A message's payload ended while it was dropped unread.
    pub(crate) fn on_message_skipped(&mut self, number: u32, message: &Message, now: Timestamp) {
        let connection = &mut self.connections[number as usize];
        // What is checked is never dropped.
        let answers = self.exchanges.oldest(number, connection).received(message, false);
        self.exchanges.end(number, connection, 1);
        self.in_flight -= 1;
        self.recorder.completed(&answers, now);
        connection.note_bytes(message.payload_bytes);
    }

    /// Why there is no WebSocket: the connection ends before it could carry anything.
    pub(crate) fn on_not_opened(&mut self, number: u32, failure: ConnectFailure, now: Timestamp) {
        if let Link::Opening { .. } = self.connections[number as usize].link {
            self.on_connect_failed(number, failure, now);
        } else {
            self.lose(number, Outcome::Reset, now);
        }
    }
}
