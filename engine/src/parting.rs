//! WebSockets whose answers are known by their order alone, and how they end: this side says
//! goodbye and looks at what still comes before the target's goodbye.
//!
//! A message that nobody had asked for, taken for an answer, leaves the true answer behind, and so
//! on with every message after it. Each connection is one message ahead then, which nothing tells
//! as long as it is busy. Its last answer is left over: it shows that the target speaks unasked.

use uringbench_core::record::Phase;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_core::websocket::machine::Progress;

use crate::connection::Link;
use crate::driver::Driver;
use crate::event_loop::EventLoop;
use crate::receive::{FeedResult, Source};

/// A target's goodbye is waited for so long at most.
pub(crate) const PARTING_MAX: Nanos = Nanos::SECOND;

impl<D: Driver> EventLoop<D> {
    /// The connection has had its share of requests, and all their answers: end it.
    pub(crate) fn leave(&mut self, number: u32, now: Timestamp) {
        let goodbye = self.terms.websocket.as_ref().filter(|terms| !terms.knows_answers());
        let Some(goodbye) = goodbye.map(|terms| terms.goodbye()) else {
            return self.close_gracefully(number);
        };
        if let Some(machine) = self.connections[number as usize].machine() {
            machine.close_sent();
        }
        self.part(number, now);
        self.reply(number, &goodbye, now);
    }

    /// This side has said goodbye: wait for the target's.
    pub(crate) fn part(&mut self, number: u32, now: Timestamp) {
        self.connections[number as usize].link = Link::Parting { since: now };
        self.parting += 1;
        self.sweep_at = self.sweep_at.min(now + PARTING_MAX);
        self.go_on_receiving(number, now);
    }

    /// A connection ends, however far it has come.
    pub(crate) fn note_parted(&mut self, number: u32) {
        if let Link::Parting { .. } = self.connections[number as usize].link {
            self.parting -= 1;
        }
    }

    /// Read what comes before the target's goodbye: nobody has asked for it.
    pub(crate) fn feed_parting(
        &mut self,
        number: u32,
        source: Source<'_, D::Buffer>,
    ) -> FeedResult {
        let connection = &mut self.connections[number as usize];
        let mut bytes = match source {
            Source::Leased(buffer) => self.driver.bytes(buffer),
            Source::Decrypted(plain) => plain,
        };
        let totals = &mut self.recorder.current.totals;
        totals.received_bytes += bytes.len() as u64;
        let plain = connection.session.as_mut().and_then(|session| session.websocket.as_mut());
        let (machine, opening) = match (plain, &self.terms.websocket, &mut self.flows) {
            (Some(machine), Some(terms), _) => (machine, &terms.plan.opening),
            (_, _, Some(flows)) => match flows.parting(number) {
                Some(talk) => talk,
                None => return FeedResult::Finished,
            },
            _ => return FeedResult::Finished,
        };
        while !bytes.is_empty() {
            bytes = match machine.feed(bytes, opening, None) {
                Ok(Progress::NeedMore) => break,
                Ok(Progress::Message { consumed, .. }) => {
                    totals.unsolicited_messages += 1;
                    &bytes[consumed..]
                }
                Ok(Progress::Reply { consumed, .. } | Progress::Opened { consumed }) => {
                    &bytes[consumed..]
                }
                Ok(Progress::Closed { .. } | Progress::Refused { .. }) | Err(_) => {
                    return FeedResult::Finished;
                }
            };
        }
        FeedResult::Open
    }

    /// The run is over but for goodbyes: whether those are said. What comes with them is not of
    /// the measured window.
    pub(crate) fn is_all_said(&mut self, now: Timestamp) -> bool {
        let is_blind = self.terms.websocket.as_ref().is_some_and(|terms| !terms.knows_answers());
        if is_blind && !self.has_parted {
            if self.recorder.current.phase != Phase::Drain {
                self.interval_to = self.interval_to.min(now);
                return false;
            }
            self.has_parted = true;
            for number in 0..self.options.connections {
                if self.connections[number as usize].is_up() {
                    self.leave(number, now);
                }
            }
        }
        self.parting == 0 || now >= self.boundaries.measure_to + self.options.timeout
    }
}
