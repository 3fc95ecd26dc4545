//! Calls of gRPC: which messages each sends, how many came back, and whether the answer is one.
//!
//! Calls lie at the places of their streams. Messages are counted as their bytes pass.

use super::super::frame::kind;
use super::{Http2Machine, StreamEvent};
use crate::grpc::messages::{BadMessage, MessageProgress, MessageReader};
use crate::grpc::status::GrpcStatus;

/// How many messages answer a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallAnswers {
    /// One, if the call succeeds.
    One,
    /// Any number, each of which is an event.
    Stream,
}

/// One call.
#[derive(Clone, Copy, Debug, Default)]
struct Call {
    /// Which of the requests' bodies it sends.
    row: u32,
    /// Whether the body of its answer consists of messages.
    is_read: bool,
    reader: MessageReader,
}

/// The calls of a connection, by the places of their streams.
#[derive(Debug)]
pub(super) struct Calls {
    all: Vec<Call>,
    answers: CallAnswers,
}

impl Calls {
    /// A call begins at a place.
    #[inline]
    pub(super) fn begin(&mut self, place: usize, row: u32) {
        self.all[place] = Call { row, ..Call::default() };
    }

    /// Which body the call there sends.
    pub(super) fn row(&self, place: usize) -> u32 {
        self.all[place].row
    }

    /// The header of its answer has come.
    #[inline]
    pub(super) fn begin_answer(&mut self, place: usize, is_read: bool) {
        self.all[place].is_read = is_read;
    }

    /// The status of the call whose answer is complete; `None` if HTTP has it.
    ///
    /// # Errors
    /// If the answer is malformed.
    #[inline]
    pub(super) fn end(
        &self,
        place: usize,
        http_status: u16,
        status: GrpcStatus,
    ) -> Result<Option<u8>, &'static str> {
        let Call { is_read, reader, .. } = &self.all[place];
        match (status, self.answers) {
            _ if http_status != 200 => Ok(None),
            (GrpcStatus::Code(status @ 1..), _) => Ok(Some(status)),
            _ if !is_read => {
                Err("the answer is not of gRPC: its content-type is not application/grpc")
            }
            (GrpcStatus::Missing, _) => Err("the answer ends without a grpc-status"),
            (GrpcStatus::Unreadable, _) => Err("the grpc-status of the answer is no number"),
            _ if !reader.is_between() => Err("the answer ends in the middle of a message"),
            (_, CallAnswers::One) if reader.messages() == 0 => {
                Err("the answer has no message, although its status is OK")
            }
            (_, CallAnswers::One) if reader.messages() > 1 => {
                Err("the answer has several messages, and the method returns one")
            }
            (GrpcStatus::Code(status), _) => Ok(Some(status)),
        }
    }
}

impl Http2Machine {
    /// All requests on this connection are calls of gRPC.
    #[must_use]
    pub fn for_calls(mut self, answers: CallAnswers) -> Self {
        let all = vec![Call::default(); self.streams.places() as usize];
        self.calls = Some(Box::new(Calls { all, answers }));
        self
    }

    /// These are the next bytes of a frame, of which `left` are still to come with them. Returns
    /// how many have been read: all of them, or those up to an event.
    pub(super) fn read_messages(
        &mut self,
        bytes: &[u8],
        left: u32,
        out: &mut Vec<u8>,
    ) -> (usize, Option<StreamEvent>) {
        let all = (bytes.len(), None);
        let id = self.frame.stream;
        let place = self.streams.place(id);
        let (Some(calls), kind::DATA) = (&mut self.calls, self.frame.kind) else { return all };
        let Some(stream) = self.streams.get(id) else { return all };
        let exchange = stream.exchange;
        let Call { is_read: true, reader, .. } = &mut calls.all[place] else { return all };
        let data = bytes.len().min(left.saturating_sub(self.padding) as usize);
        let mut at = 0;
        while at < data {
            match reader.feed(&bytes[at..data]) {
                Err(BadMessage { consumed, fault }) => {
                    return (at + consumed, Some(self.spoil(id, fault, out)));
                }
                Ok(MessageProgress { consumed, is_whole }) => {
                    at += consumed;
                    if is_whole && calls.answers == CallAnswers::Stream {
                        let number = reader.messages();
                        return (at, Some(StreamEvent::Message { exchange, number }));
                    }
                }
            }
        }
        all
    }
}
