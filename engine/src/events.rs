//! What happens to connections: bytes, ends and failures, each turned into outcomes.

use uringbench_core::http::response::{Progress, Response, StreamEnd};
use uringbench_core::outcome::Outcome;
use uringbench_core::time::Timestamp;
use uringbench_ring::Failure;

use crate::connection::{Connection, Link, Receive};
use crate::driver::{Driver, Event, EventKind, ReceiveMode};
use crate::event_loop::{ConnectFailure, EventLoop};
use crate::recorder::Answers;

/// Payload of at least this size is dropped by the kernel, uncopied, instead of received.
const SKIP_FROM: u64 = 4_096;
/// One skip asks for at most this much.
const SKIP_MAX: u64 = 1 << 30;
/// Responses larger than this are received one by one; a continuous receive would copy them
/// through many small buffers.
const LARGE_FROM: u64 = 4 << 10;

/// What a batch of bytes did to its connection.
enum Fed {
    /// It goes on.
    Open,
    /// The last response said that it closes.
    Finished,
    /// What came was not a response.
    Malformed,
    /// More came than was asked for.
    Unsolicited,
}

impl<D: Driver> EventLoop<D> {
    /// Handle one event.
    pub(crate) fn on_event(&mut self, event: Event<D::Buffer>, now: Timestamp) {
        let number = event.connection;
        let Some(connection) = self.connections.get_mut(number as usize) else { return };
        if let EventKind::Closed = event.kind {
            return self.on_closed(number, now);
        }
        if connection.generation != event.generation {
            // Of a connection that has ended: nothing is left to tell but to give the lease back.
            if let EventKind::Received { buffer, .. } = event.kind {
                self.driver.recycle(buffer);
            }
            return;
        }
        match event.kind {
            EventKind::Connected => self.on_connected(number, now),
            EventKind::ConnectFailed(failure) => {
                self.on_connect_failed(number, ConnectFailure::Refused(failure), now);
            }
            EventKind::Received { buffer, more } => {
                if !more {
                    connection.receive = Receive::None;
                }
                let fed = self.feed(number, &buffer, now);
                self.driver.recycle(buffer);
                self.after_bytes(number, fed, now);
            }
            EventKind::Skipped(length) => {
                connection.receive = Receive::None;
                self.recorder.current.totals.received_bytes += u64::from(length);
                let ended = connection.parser.skip(u64::from(length));
                let fed = match ended {
                    Some(response) => self.on_response(number, response, now),
                    None => Fed::Open,
                };
                self.after_bytes(number, fed, now);
            }
            EventKind::EndOfStream => {
                connection.receive = Receive::None;
                self.on_end_of_stream(number, now);
            }
            EventKind::ReceiveEnded(failure) => self.on_receive_ended(number, failure, now),
            EventKind::Closed => {}
        }
    }

    /// Run received bytes through the parser, ending exchanges as their responses complete.
    /// Answers that are alike, as a pipeline's mostly are, are recorded together.
    #[inline]
    fn feed(&mut self, number: u32, buffer: &D::Buffer, now: Timestamp) -> Fed {
        let connection = &mut self.connections[number as usize];
        let mut bytes = self.driver.bytes(buffer);
        self.recorder.current.totals.received_bytes += bytes.len() as u64;
        let mut alike: Option<Answers> = None;
        let mut fed = Fed::Open;
        while !bytes.is_empty() {
            if connection.in_flight == 0 {
                fed = Fed::Unsolicited;
                break;
            }
            let oldest = self.exchanges.oldest(number, connection);
            oldest.begin_response(now);
            match connection.parser.feed(bytes, &mut self.shapes, self.options.is_head) {
                Ok(Progress::Complete { consumed, response }) => {
                    bytes = &bytes[consumed..];
                    let answer = oldest.answered(response.status);
                    self.exchanges.end(number, connection, 1);
                    self.in_flight -= 1;
                    connection.note_size(&response);
                    match &mut alike {
                        Some(answers) if answers.are_like(&answer) => answers.count += 1,
                        _ => {
                            if let Some(answers) = alike.replace(answer) {
                                self.recorder.completed(&answers, now);
                            }
                        }
                    }
                    if !response.keep_alive {
                        fed = Fed::Finished;
                        break;
                    }
                }
                // Only told where requests wait for it.
                Ok(Progress::Continue { consumed }) => bytes = &bytes[consumed..],
                Ok(Progress::NeedMore) => break,
                Err(_) => {
                    fed = Fed::Malformed;
                    break;
                }
            }
        }
        if let Some(answers) = alike {
            self.recorder.completed(&answers, now);
        }
        fed
    }

    /// A response that ended otherwise than in a fed buffer.
    fn on_response(&mut self, number: u32, response: Response, now: Timestamp) -> Fed {
        let connection = &mut self.connections[number as usize];
        let oldest = self.exchanges.oldest(number, connection);
        let answer = oldest.answered(response.status);
        self.exchanges.end(number, connection, 1);
        self.in_flight -= 1;
        self.recorder.completed(&answer, now);
        connection.note_size(&response);
        if response.keep_alive { Fed::Open } else { Fed::Finished }
    }

    fn after_bytes(&mut self, number: u32, fed: Fed, now: Timestamp) {
        match fed {
            Fed::Open => {
                self.go_on_receiving(number);
                self.list(number);
            }
            Fed::Finished => self.lose(number, Outcome::Reset, now),
            Fed::Malformed => {
                // The exchange whose answer it was is malformed; those behind it are lost.
                self.fail_oldest(number, 1, Outcome::Malformed, now);
                self.lose(number, Outcome::Reset, now);
            }
            Fed::Unsolicited => {
                self.recorder.current.totals.unsolicited += 1;
                self.lose(number, Outcome::Reset, now);
            }
        }
    }

    /// Arm the receive that fits what is still to come.
    #[inline]
    fn go_on_receiving(&mut self, number: u32) {
        let connection = &mut self.connections[number as usize];
        let generation = connection.generation;
        match connection.receive {
            Receive::Multi if connection.is_large && connection.in_flight == 0 => {
                connection.receive = Receive::Cancelling;
                self.driver.cancel_receive(number, generation);
            }
            Receive::None if !connection.is_large && self.driver.has_multishot() => {
                connection.receive = Receive::Multi;
                self.driver.receive(number, generation, ReceiveMode::Multi);
            }
            Receive::None if connection.in_flight > 0 => {
                connection.receive = Receive::Once;
                let opaque = connection.parser.opaque();
                if opaque >= SKIP_FROM {
                    let length = opaque.min(SKIP_MAX) as u32;
                    self.driver.skip(number, generation, length);
                } else {
                    self.driver.receive(number, generation, ReceiveMode::Now);
                }
            }
            _ => {}
        }
    }

    fn on_end_of_stream(&mut self, number: u32, now: Timestamp) {
        let connection = &mut self.connections[number as usize];
        if connection.in_flight > 0
            && let StreamEnd::Complete(response) = connection.parser.end_of_stream()
        {
            self.on_response(number, response, now);
        }
        self.lose(number, Outcome::Reset, now);
    }

    fn on_receive_ended(&mut self, number: u32, failure: Failure, now: Timestamp) {
        let connection = &mut self.connections[number as usize];
        let was = std::mem::replace(&mut connection.receive, Receive::None);
        if failure.is_out_of_buffers() {
            // Not an error: by the time it is armed again, buffers have been recycled.
            self.recorder.current.totals.buffers_exhausted += 1;
            self.go_on_receiving(number);
            if was == Receive::Cancelling {
                self.list(number);
            }
        } else if failure.is_cancelled() && was == Receive::Cancelling {
            self.list(number);
        } else if connection.link == Link::Up {
            self.lose(number, Outcome::Reset, now);
        }
    }
}

impl Connection {
    /// Learn from a response how to receive the next ones.
    #[inline]
    fn note_size(&mut self, response: &Response) {
        self.is_large = response.body_bytes > LARGE_FROM;
    }
}
