//! Requests: their headers at once, their bodies as far as the target's windows allow.

use super::super::frame::{FrameHeader, PAYLOAD_MAX, flag, kind};
use super::super::request::{Encoding, RequestFrames};
use super::super::streams::Stream;
use super::Http2Machine;

impl Http2Machine {
    /// Begin a request, of which there are fewer in flight than [`Self::allowed`]: its header is
    /// added to `out`, its body follows with [`Self::send_bodies`]. `exchange` names it in events;
    /// no other one in flight has the same name.
    #[inline]
    pub fn begin(&mut self, exchange: u32, request: &RequestFrames, out: &mut Vec<u8>) {
        debug_assert!(self.live < self.depth, "there is a free place");
        let id = self.streams.free_from(self.next_id);
        self.next_id = id + 2;
        let unsent = request.body().len();
        self.streams.open(Stream::new(id, exchange, self.peer.window, unsent));
        self.live += 1;
        self.unsent += u16::from(unsent > 0);
        self.quiet = 0;
        request.write(self.encoding, id, out);
        self.encoding = match self.encoding {
            Encoding::Priming | Encoding::Steady => Encoding::Steady,
            Encoding::Emptying | Encoding::Literal => Encoding::Literal,
        };
    }

    /// Whether part of a request has not been sent.
    #[inline]
    pub const fn has_unsent(&self) -> bool {
        self.unsent > 0
    }

    /// Add parts of bodies to `out`, as far as the windows allow, and until it has about `most`
    /// bytes. Streams take turns.
    pub fn send_bodies(&mut self, request: &RequestFrames, most: usize, out: &mut Vec<u8>) {
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
            let length = stream.unsent.min(room).min(PAYLOAD_MAX);
            if length == 0 {
                continue;
            }
            let body = request.body();
            let start = body.len() - stream.unsent;
            stream.unsent -= length;
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
