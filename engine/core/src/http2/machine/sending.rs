//! Requests: their headers at once, their bodies as far as the target's windows allow.

use super::super::encoder::RequestEncoder;
use super::super::frame::{FrameHeader, PAYLOAD_MAX, flag, kind};
use super::super::request::{Encoding, RequestFrames};
use super::super::streams::{AnswerForm, Stream};
use super::Http2Machine;
use super::kept::Kept;

impl Http2Machine {
    /// Begin a request, of which there are fewer in flight than [`Self::allowed`]: its header is
    /// added to `out`, its body follows with [`Self::send_bodies`]. `exchange` names it in events;
    /// no other one in flight has the same name.
    #[inline]
    pub fn begin(&mut self, exchange: u32, request: &RequestFrames, out: &mut Vec<u8>) {
        self.begin_row(exchange, (request, 0), out);
    }

    /// The same, with one of the request's bodies.
    #[inline]
    pub fn begin_row(
        &mut self,
        exchange: u32,
        (request, row): (&RequestFrames, u32),
        out: &mut Vec<u8>,
    ) {
        let id = self.open(
            exchange,
            request.body(row).len(),
            AnswerForm { is_head: request.is_head(), is_kept: false },
        );
        if let Some(calls) = &mut self.calls {
            calls.begin(self.streams.place(id), row);
        }
        request.write(self.encoding, id, out);
        self.encoding = match self.encoding {
            Encoding::Priming | Encoding::Steady => Encoding::Steady,
            Encoding::Emptying | Encoding::Literal => Encoding::Literal,
        };
    }

    /// The same for a request of its own, as built for HTTP/1.1. The bytes of its answer are kept
    /// if `form` says so, and taken with [`Self::take_answer`]. Returns the length of its body.
    pub fn begin_own(
        &mut self,
        exchange: u32,
        request: &[u8],
        form: AnswerForm,
        encoder: &RequestEncoder,
        out: &mut Vec<u8>,
    ) -> usize {
        let (head, body) = RequestEncoder::split(request);
        let id = self.open(exchange, body.len(), form);
        let place = self.streams.place(id);
        let places = self.streams.places() as usize;
        let kept = self.kept.get_or_insert_with(|| Box::new(Kept::new(places)));
        kept.begin(place, body);
        let written = (head, !body.is_empty());
        self.encoding = encoder.write(self.encoding, id, written, (&mut kept.name, out));
        body.len()
    }

    #[inline]
    fn open(&mut self, exchange: u32, unsent: usize, form: AnswerForm) -> u32 {
        debug_assert!(self.live < self.depth, "there is a free place");
        let id = self.streams.free_from(self.next_id);
        self.next_id = id + 2;
        // A body has at most 1 GiB.
        let unsent = unsent as u32;
        self.streams.open(Stream::new(id, exchange, self.peer.window, unsent, form));
        self.live += 1;
        self.unsent += u16::from(unsent > 0);
        self.quiet = 0;
        id
    }

    /// Whether part of a request has not been sent.
    #[inline]
    pub const fn has_unsent(&self) -> bool {
        self.unsent > 0
    }

    /// Add parts of bodies to `out`, as far as the windows allow, and until it has about `most`
    /// bytes. Streams take turns. `shared` gives the body of this row, for requests that do not
    /// have their own.
    pub fn send_bodies<'a>(
        &mut self,
        shared: impl Fn(u32) -> &'a [u8],
        most: usize,
        out: &mut Vec<u8>,
    ) {
        let mut passed = 0;
        let places = self.streams.places();
        while self.unsent > 0 && self.window.left() > 0 && passed < places && out.len() < most {
            let place = self.next_place;
            self.next_place = self.next_place.wrapping_add(1);
            passed += 1;
            let Some(stream) = self.streams.at(place).filter(|stream| stream.unsent > 0) else {
                continue;
            };
            let room = self.window.left().min(stream.window.left());
            let length = (stream.unsent as usize).min(room).min(PAYLOAD_MAX);
            if length == 0 {
                continue;
            }
            let place = place as usize & (places as usize - 1);
            let body = match (&self.kept, &self.calls) {
                (Some(kept), _) => kept.body(place),
                (None, Some(calls)) => shared(calls.row(place)),
                (None, None) => shared(0),
            };
            let start = body.len() - stream.unsent as usize;
            stream.unsent -= length as u32;
            stream.window.take(length);
            self.window.take(length);
            let is_last = stream.unsent == 0;
            let flags = if is_last { flag::END_STREAM } else { 0 };
            let header =
                FrameHeader { length: length as u32, kind: kind::DATA, flags, stream: stream.id };
            header.write(out);
            out.extend_from_slice(&body[start..start + length]);
            self.unsent -= u16::from(is_last);
            self.quiet = 0;
            passed = 0;
        }
    }
}
