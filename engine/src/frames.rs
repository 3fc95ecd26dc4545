//! WebSocket in the loop: the opening before the first message, messages as answers, pings and
//! closes replied to.

use uringbench_core::plan::WebSocketPlan;
use uringbench_core::time::Timestamp;
use uringbench_core::websocket::frame::{Masks, close};
use uringbench_core::websocket::machine::{Machine, Progress};

use crate::connect_failure::ConnectFailure;
use crate::connection::Link;
use crate::driver::Driver;
use crate::event_loop::EventLoop;
use crate::events::{Fed, Source};

/// What every WebSocket of a loop is told.
#[derive(Debug)]
pub struct SocketTerms {
    /// What is spoken.
    pub plan: WebSocketPlan,
    /// Of the masks of replies.
    pub seed: u64,
}

impl SocketTerms {
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
            self.open(number, now);
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
        let expected = terms.plan.expected.as_deref();
        while !bytes.is_empty() {
            if connection.in_flight > 0 {
                self.exchanges.oldest(number, connection).begin_response(now);
            }
            let Some(machine) = connection.machine() else { return Fed::Unsolicited };
            let consumed = match machine.feed(bytes, &terms.plan.opening, expected) {
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
                    let is_checked = expected.is_some();
                    let answer = self.exchanges.received(number, connection, &message, is_checked);
                    self.recorder.completed(&answer, now);
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
}
