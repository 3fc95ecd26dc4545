//! The open streams of a connection, in a direct-mapped table: a stream's place follows from its
//! id. An id whose place is occupied is skipped, which closes it (RFC 9113 section 5.1.1).

use super::window::{ReceiveDebt, SendWindow};

/// Where an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its header is awaited.
    Waiting,
    /// Its body, or its trailer.
    Body,
}

/// No body has this length.
pub(super) const UNKNOWN: u64 = u64::MAX;

// A connection has two for each stream that may be open.
const _: () = assert!(size_of::<Stream>() == 48);

/// How the answer to a request is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerForm {
    /// The request is a HEAD, so that the answer has no body (RFC 9110 section 9.3.2).
    pub is_head: bool,
    /// Its header and its body are kept, not only counted.
    pub is_kept: bool,
}

impl AnswerForm {
    /// It may have a body, of which only the length matters.
    pub const COUNTED: Self = Self { is_head: false, is_kept: false };
}

/// One exchange.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    /// 0 if the place is free.
    pub(super) id: u32,
    /// The caller's name for it.
    pub(super) exchange: u32,
    pub(super) phase: Phase,
    /// Interim answers so far.
    pub(super) interim: u8,
    pub(super) status: u16,
    /// Bytes of its body so far.
    pub(super) received: u64,
    /// The length that its header gives; [`UNKNOWN`] if it gives none.
    pub(super) expected: u64,
    pub(super) debt: ReceiveDebt,
    pub(super) window: SendWindow,
    /// Bytes of the request's body that have not been sent.
    pub(super) unsent: u32,
    /// Whether it answers a HEAD, so that it has no body.
    pub(super) is_head: bool,
    /// Whether its bytes are kept.
    pub(super) is_kept: bool,
}

impl Stream {
    const FREE: Self = Self::new(0, 0, 0, 0, AnswerForm::COUNTED);

    pub(super) const fn new(
        id: u32,
        exchange: u32,
        window: u32,
        unsent: u32,
        form: AnswerForm,
    ) -> Self {
        Self {
            id,
            exchange,
            phase: Phase::Waiting,
            interim: 0,
            status: 0,
            received: 0,
            expected: UNKNOWN,
            debt: ReceiveDebt::NONE,
            window: SendWindow::new(window),
            unsent,
            is_head: form.is_head,
            is_kept: form.is_kept,
        }
    }
}

/// The streams of a connection.
#[derive(Debug)]
pub(super) struct Streams {
    all: Box<[Stream]>,
}

impl Streams {
    /// At most `depth` of them are open at once.
    pub(super) fn new(depth: u16) -> Self {
        let places = (2 * usize::from(depth)).next_power_of_two();
        Self { all: vec![Stream::FREE; places].into() }
    }

    /// How many places there are: a power of two.
    pub(super) fn places(&self) -> u32 {
        self.all.len() as u32
    }

    /// The place of a stream, below [`Self::places`].
    #[inline]
    pub(super) fn place(&self, id: u32) -> usize {
        (id >> 1) as usize & (self.all.len() - 1)
    }

    /// The open stream with this id.
    #[inline]
    pub(super) fn get(&mut self, id: u32) -> Option<&mut Stream> {
        let place = self.place(id);
        self.all.get_mut(place).filter(|stream| stream.id == id && id != 0)
    }

    /// The first id from `id` on whose place is free; one is, since not all can be open.
    #[inline]
    pub(super) fn free_from(&self, mut id: u32) -> u32 {
        while self.all[self.place(id)].id != 0 {
            id += 2;
        }
        id
    }

    /// A stream opens at a free place.
    #[inline]
    pub(super) fn open(&mut self, stream: Stream) {
        let place = self.place(stream.id);
        self.all[place] = stream;
    }

    /// The stream with this id, which is open, ends.
    #[inline]
    pub(super) fn close(&mut self, id: u32) {
        let place = self.place(id);
        self.all[place].id = 0;
    }

    /// Every open stream.
    pub(super) fn open_ones(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.all.iter_mut().filter(|stream| stream.id != 0)
    }

    /// The stream at a place, if one is open there.
    pub(super) fn at(&mut self, place: u32) -> Option<&mut Stream> {
        let place = place as usize & (self.all.len() - 1);
        Some(&mut self.all[place]).filter(|stream| stream.id != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_stream_keeps_its_place_and_others_go_around_it() {
        let mut streams = Streams::new(3);
        assert_eq!(streams.places(), 8);
        streams.open(Stream::new(1, 77, 0, 0, AnswerForm::COUNTED));
        let mut id = 3;
        for round in 0..1_000 {
            id = streams.free_from(id);
            assert_ne!(id % 16, 1, "the place of stream 1");
            streams.open(Stream::new(id, round, 0, 0, AnswerForm::COUNTED));
            assert_eq!(streams.get(id).map(|stream| stream.exchange), Some(round));
            streams.close(id);
            assert!(streams.get(id).is_none());
            id += 2;
        }
        assert_eq!(streams.get(1).map(|stream| stream.exchange), Some(77));
        assert_eq!(streams.open_ones().count(), 1);
        assert!(streams.at(8).is_some() && streams.at(1).is_none());
    }
}
