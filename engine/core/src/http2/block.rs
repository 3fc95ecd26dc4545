//! Header blocks recognised by comparing (an exact memo), so that most are never decoded.
//!
//! A block without references to the dynamic table means the same on every connection. What it
//! inserts is owed to the table of its connection, and paid before anything depends on it. A block
//! that only refers means the same as long as the table does not change.

use std::sync::Arc;

use super::error::Violation;
use super::head::AnswerFields;
use super::hpack::decode::{Decoder, Effects};
use super::hpack::table::{DynamicTable, HpackField};
use crate::grpc::status::{GrpcStatus, TEXT_BYTES_MAX};

/// Longer blocks are always decoded.
const KNOWN_BYTES_MAX: usize = 256;
/// Blocks known to a worker.
const KNOWN_MAX: usize = 8;
/// The longest block that refers to its table and is remembered.
const SEEN_BYTES_MAX: usize = 46;

/// After so many blocks in a row of which none was known, only one in [`TRIED_EVERY`] is learnt:
/// they may all differ.
const TRIED_MAX: u32 = 64;
const TRIED_EVERY: u32 = 16;

/// A block that does not depend on any table.
#[derive(Debug)]
struct Known {
    bytes: [u8; KNOWN_BYTES_MAX],
    length: usize,
    head: AnswerFields,
    /// The sizes of the entries that it inserts, summed.
    inserted: usize,
}

impl Known {
    fn block(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The blocks that a worker knows, shared by its connections.
#[derive(Debug, Default)]
pub struct Blocks {
    known: Vec<Arc<Known>>,
    /// The one that was used last.
    last: usize,
    /// The next one to give up.
    oldest: usize,
    hits: u64,
    misses: u64,
    /// Blocks decoded since one was recognised.
    misses_in_row: u32,
    is_disabled: bool,
    /// The `grpc-message` of the block that is being decoded, and the latest one of each status.
    text: Vec<u8>,
    texts: Vec<(u8, Vec<u8>)>,
}

impl Blocks {
    /// Blocks that were recognised without decoding.
    pub const fn hits(&self) -> u64 {
        self.hits
    }

    /// Blocks that were decoded.
    pub const fn misses(&self) -> u64 {
        self.misses
    }

    /// The place of a known block.
    #[inline]
    fn place(&self, block: &[u8]) -> Option<usize> {
        let is_it = |known: &Arc<Known>| known.block() == block;
        if self.known.get(self.last).is_some_and(is_it) {
            return Some(self.last);
        }
        self.known.iter().position(is_it)
    }

    /// The latest `grpc-message` that came with this status, percent-encoded and cut; empty if
    /// none did. A block that is recognised brings the one of an equal block.
    pub fn grpc_message(&self, status: u8) -> &[u8] {
        self.texts.iter().find(|(known, _)| *known == status).map_or(&[], |(_, text)| text)
    }

    /// The block that was decoded has this status and [`Self::text`].
    #[cold]
    fn note_text(&mut self, status: u8) {
        match self.texts.iter_mut().find(|(known, _)| *known == status) {
            Some((_, text)) => std::mem::swap(text, &mut self.text),
            None => self.texts.push((status, std::mem::take(&mut self.text))),
        }
    }

    #[inline]
    fn find(&mut self, block: &[u8]) -> Option<&Arc<Known>> {
        self.last = self.place(block)?;
        self.hits += 1;
        self.misses_in_row = 0;
        self.known.get(self.last)
    }

    fn learn(&mut self, block: &[u8], head: AnswerFields, inserted: usize) {
        self.misses_in_row = self.misses_in_row.saturating_add(1);
        if self.misses_in_row > TRIED_MAX && !self.misses_in_row.is_multiple_of(TRIED_EVERY) {
            return;
        }
        let mut known = Known { bytes: [0; KNOWN_BYTES_MAX], length: block.len(), head, inserted };
        known.bytes[..block.len()].copy_from_slice(block);
        if self.known.len() < KNOWN_MAX {
            self.last = self.known.len();
            self.known.push(Arc::new(known));
        } else {
            // A place that no connection owes to its table is overwritten: nothing is allocated.
            let places = (0..KNOWN_MAX).map(|nth| (self.oldest + nth) % KNOWN_MAX);
            let free = places.into_iter().find(|&at| Arc::get_mut(&mut self.known[at]).is_some());
            self.last = free.unwrap_or(self.oldest);
            match Arc::get_mut(&mut self.known[self.last]) {
                Some(old) => *old = known,
                None => self.known[self.last] = Arc::new(known),
            }
            self.oldest = (self.last + 1) % KNOWN_MAX;
        }
    }

    /// None are remembered: every block is decoded. For comparison.
    pub fn disabled() -> Self {
        Self { is_disabled: true, ..Self::default() }
    }
}

/// A block that depends on the table of its connection.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// The table's, when it was decoded.
    epoch: u64,
    length: u8,
    bytes: [u8; SEEN_BYTES_MAX],
    head: AnswerFields,
}

/// The block reader of one connection.
#[derive(Debug)]
pub struct BlockReader {
    decoder: Decoder,
    /// A known block whose insertions are owed to the table, and how often.
    owed: Option<(Arc<Known>, u32)>,
    /// Mostly a header and a trailer.
    seen: [Option<Seen>; 2],
    /// The one to give up next.
    oldest: usize,
}

impl BlockReader {
    /// For a connection on which the peer may use a table of so many bytes.
    pub fn new(table_size: usize) -> Self {
        Self { decoder: Decoder::new(table_size), owed: None, seen: [None; 2], oldest: 0 }
    }

    /// The table of the connection, without what is owed to it.
    pub const fn table(&self) -> &DynamicTable {
        self.decoder.table()
    }

    /// What a block means.
    ///
    /// # Errors
    /// If it cannot be decoded.
    #[inline]
    pub fn read(&mut self, block: &[u8], blocks: &mut Blocks) -> Result<AnswerFields, Violation> {
        if let Some(known) = blocks.find(block) {
            let head = known.head;
            self.owe(known)?;
            return Ok(head);
        }
        self.read_other(block, blocks)
    }

    /// What a block means that a worker knows or this connection has seen, if it is wanted: the
    /// table then has what it inserts. Otherwise nothing has changed.
    #[inline]
    pub(super) fn recall<T>(
        &mut self,
        block: &[u8],
        blocks: &mut Blocks,
        wanted: impl FnOnce(&AnswerFields) -> Option<T>,
    ) -> Option<T> {
        let found = match blocks.place(block) {
            Some(place) => {
                let known = &blocks.known[place];
                let found = wanted(&known.head)?;
                match &mut self.owed {
                    _ if known.inserted == 0 => {}
                    Some((same, times)) if Arc::ptr_eq(same, known) => {
                        *times = times.saturating_add(1);
                    }
                    _ => return None,
                }
                blocks.last = place;
                found
            }
            None if self.owed.is_some() => return None,
            None => wanted(&self.seen(block)?.head)?,
        };
        blocks.hits += 1;
        blocks.misses_in_row = 0;
        Some(found)
    }

    /// The same, and `field` gets each of its fields.
    ///
    /// # Errors
    /// If it cannot be decoded.
    pub fn read_fields(
        &mut self,
        block: &[u8],
        blocks: &mut Blocks,
        mut field: impl FnMut(HpackField<'_>),
    ) -> Result<AnswerFields, Violation> {
        self.pay()?;
        blocks.misses += 1;
        let mut head = AnswerFields::default();
        self.decoder.decode(block, |its| {
            head.add(its);
            field(its);
        })?;
        Ok(head)
    }

    #[inline(never)]
    fn read_other(&mut self, block: &[u8], blocks: &mut Blocks) -> Result<AnswerFields, Violation> {
        self.pay()?;
        if let Some(seen) = self.seen(block) {
            blocks.hits += 1;
            return Ok(seen.head);
        }
        blocks.misses += 1;
        let mut head = AnswerFields::default();
        let text = &mut blocks.text;
        text.clear();
        let effects = self.decoder.decode(block, |(name, value)| {
            head.add((name, value));
            if name == b"grpc-message" {
                text.clear();
                text.extend_from_slice(&value[..value.len().min(TEXT_BYTES_MAX)]);
            }
        })?;
        if let GrpcStatus::Code(status @ 1..) = head.grpc_status {
            blocks.note_text(status);
        }
        match effects {
            _ if blocks.is_disabled => {}
            Effects { resizes: true, .. } | Effects { refers: true, inserts: true, .. } => {}
            Effects { refers: false, inserted, .. } => {
                if block.len() <= KNOWN_BYTES_MAX {
                    blocks.learn(block, head, inserted);
                }
            }
            Effects { refers: true, .. } => self.note_seen(block, head),
        }
        Ok(head)
    }

    /// The block that was seen while the table was as it is.
    #[inline]
    fn seen(&self, block: &[u8]) -> Option<&Seen> {
        let epoch = self.decoder.table().epoch();
        let is_it = |seen: &&Seen| {
            seen.epoch == epoch && seen.bytes.get(..usize::from(seen.length)) == Some(block)
        };
        self.seen.iter().flatten().find(is_it)
    }

    fn note_seen(&mut self, block: &[u8], head: AnswerFields) {
        let mut bytes = [0; SEEN_BYTES_MAX];
        let Some(place) = bytes.get_mut(..block.len()) else { return };
        place.copy_from_slice(block);
        let epoch = self.decoder.table().epoch();
        self.seen[self.oldest] = Some(Seen { epoch, length: block.len() as u8, bytes, head });
        self.oldest = 1 - self.oldest;
    }

    /// What a known block inserts is owed to the table.
    #[inline]
    fn owe(&mut self, known: &Arc<Known>) -> Result<(), Violation> {
        match &mut self.owed {
            _ if known.inserted == 0 => {}
            Some((same, times)) if Arc::ptr_eq(same, known) => *times = times.saturating_add(1),
            _ => {
                self.pay()?;
                self.owed = Some((Arc::clone(known), 1));
            }
        }
        Ok(())
    }

    /// Insert what is owed to the table. Once a block has filled it, repeating changes nothing.
    fn pay(&mut self) -> Result<(), Violation> {
        let Some((known, times)) = self.owed.take() else { return Ok(()) };
        let enough = self.decoder.table().size_max() / known.inserted + 2;
        for _ in 0..enough.min(times as usize) {
            self.decoder.decode(known.block(), |_| {})?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
