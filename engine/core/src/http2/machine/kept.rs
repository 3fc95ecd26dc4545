//! Requests and answers of which each is its own: the bodies that wait for windows, and the bytes
//! of answers that are read.
//!
//! They lie at the places of their streams, so nothing has to be given up when a stream ends: the
//! next one at its place takes its buffers over.

use super::super::block::Blocks;
use super::super::error::Violation;
use super::super::frame::kind;
use super::super::head::AnswerFields;
use super::super::streams::Phase;
use super::Http2Machine;
use crate::flow::response_buffer::BODY_MAX;

/// Larger buffers are not kept for the next stream.
const ROOM_MAX: usize = 64 << 10;
/// What stands in front of a status where HTTP/1.1 has its version.
const VERSION: &[u8] = b"HTTP/2.0 ";

/// The bytes of an answer.
#[derive(Debug, Default)]
struct KeptAnswer {
    /// As of HTTP/1.1: a status line, and a line for each field.
    head: Vec<u8>,
    body: Vec<u8>,
}

/// The streams of a connection, by their places.
#[derive(Debug)]
pub(super) struct Kept {
    requests: Vec<Vec<u8>>,
    answers: Vec<KeptAnswer>,
    /// The place of the answer that the latest event has completed, if it is kept.
    done: Option<usize>,
    /// A buffer for names of fields in lower case.
    pub(super) name: Vec<u8>,
}

impl Kept {
    pub(super) fn new(places: usize) -> Self {
        let mut answers = Vec::new();
        answers.resize_with(places, KeptAnswer::default);
        Self { requests: vec![Vec::new(); places], answers, done: None, name: Vec::new() }
    }

    /// A request begins at a place.
    pub(super) fn begin(&mut self, place: usize, body: &[u8]) {
        let KeptAnswer { head, body: answer } = &mut self.answers[place];
        for buffer in [head, answer, &mut self.requests[place]] {
            buffer.clear();
            buffer.shrink_to(ROOM_MAX);
        }
        self.requests[place].extend_from_slice(body);
    }

    /// The body of the request there.
    pub(super) fn body(&self, place: usize) -> &[u8] {
        &self.requests[place]
    }
}

impl Http2Machine {
    /// Exchange the bytes of the answer that the latest event has completed for these buffers: its
    /// header as HTTP/1.1 has it, and its body, of which at most [`BODY_MAX`] bytes are kept.
    pub fn take_answer(&mut self, (head, body): (&mut Vec<u8>, &mut Vec<u8>)) {
        let Some(kept) = &mut self.kept else { return };
        let Some(place) = kept.done.take() else { return };
        let answer = &mut kept.answers[place];
        std::mem::swap(&mut answer.head, head);
        std::mem::swap(&mut answer.body, body);
    }

    /// An answer is complete.
    pub(super) fn keep_answer(&mut self, id: u32, is_kept: bool) {
        if let Some(kept) = &mut self.kept {
            kept.done = is_kept.then(|| self.streams.place(id));
        }
    }

    /// Read a header block, and keep its fields if they are those of an answer that is kept.
    #[inline(never)]
    pub(super) fn read_kept(
        &mut self,
        id: u32,
        block: &[u8],
        blocks: &mut Blocks,
    ) -> Result<AnswerFields, Violation> {
        let place = self.streams.place(id);
        let stream = self.streams.get(id);
        let is_kept = stream.is_some_and(|its| its.is_kept && its.phase == Phase::Waiting);
        let (true, Some(kept)) = (is_kept, &mut self.kept) else {
            return self.blocks.read(block, blocks);
        };
        // That of an interim answer gives way.
        let head = &mut kept.answers[place].head;
        head.clear();
        let fields = self.blocks.read_fields(block, blocks, |(name, value)| {
            if name == b":status" {
                head.extend_from_slice(VERSION);
            } else {
                head.extend_from_slice(name);
                head.extend_from_slice(b": ");
            }
            head.extend_from_slice(value);
            head.extend_from_slice(b"\r\n");
        })?;
        head.extend_from_slice(b"\r\n");
        Ok(fields)
    }

    /// These are the next bytes of a frame, of which `left` are still to come with them.
    pub(super) fn keep_data(&mut self, bytes: &[u8], left: u32) {
        let id = self.frame.stream;
        let is_kept = self.frame.kind == kind::DATA
            && self.streams.get(id).is_some_and(|stream| stream.is_kept);
        let (true, Some(kept)) = (is_kept, &mut self.kept) else { return };
        let body = &mut kept.answers[self.streams.place(id)].body;
        let data = left.saturating_sub(self.padding) as usize;
        let room = BODY_MAX - body.len().min(BODY_MAX);
        body.extend_from_slice(&bytes[..bytes.len().min(data).min(room)]);
    }
}
