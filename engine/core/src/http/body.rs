//! What a request carries, as bytes: given ones, made-up ones or a form, whole or in chunks.
//!
//! It decides the content and its framing on the wire (RFC 9112 section 7.1). How a form is
//! written is decided in `multipart`, and which headers announce all this in `request`.

use std::num::NonZeroUsize;

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::multipart::Multipart;

/// Made-up bytes come in blocks of this many.
const BLOCK_BYTES: usize = 4096;

/// Closes a body in chunks: the last chunk, and no trailers.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// What [`Alphabet::Text`] is written with.
const LETTERS: [u8; 64] = *b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The content of a request.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// These bytes; without any, there is no body.
    Bytes(&'a [u8]),
    /// Bytes made up from a seed.
    Generated(Generated),
    /// The fields and files of a form, as `multipart/form-data`.
    Multipart(Multipart<'a>),
}

/// Bytes that look random and are the same every time, in every version. Fewer of the same seed
/// are the beginning of more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generated {
    /// How many.
    pub len: usize,
    /// Names them.
    pub seed: u64,
    /// What they are taken from.
    pub alphabet: Alphabet,
}

/// The bytes among which [`Generated`] ones are chosen, each as likely as the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// Letters, digits, `-` and `_`: they mean themselves in JSON, in a URL and in a form.
    Text,
    /// All 256: no compression makes them fewer.
    Binary,
}

impl Body<'_> {
    /// Bytes of content.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Generated(generated) => generated.len,
            Self::Multipart(form) => form.len(),
        }
    }

    /// Whether there is no content, and so nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The content, which may become that of a form's part. A request is written without this
    /// copy.
    pub fn content(&self) -> Vec<u8> {
        let mut content = Vec::with_capacity(self.len());
        self.pieces(&mut |piece| content.extend_from_slice(piece));
        content
    }

    /// Hand over the content piece by piece.
    fn pieces(&self, take: &mut impl FnMut(&[u8])) {
        match self {
            Self::Bytes(bytes) => take(bytes),
            Self::Generated(generated) => generated.pieces(take),
            Self::Multipart(form) => form.pieces(take),
        }
    }

    /// Bytes on the wire: `len`, the content, and what frames it.
    pub(super) fn framed_len(len: usize, chunk: Option<NonZeroUsize>) -> usize {
        let Some(chunk) = chunk else { return len };
        let (whole, last) = (len / chunk, len % chunk);
        let framed = |size: usize| size_line(size).len() + size + 2;
        let wholes = if whole > 0 { whole * framed(chunk.get()) } else { 0 };
        wholes + if last > 0 { framed(last) } else { 0 } + LAST_CHUNK.len()
    }

    /// Write the content behind the header, framed.
    pub(super) fn append_to(&self, bytes: &mut Vec<u8>, chunk: Option<NonZeroUsize>) {
        let Some(chunk) = chunk else {
            return self.pieces(&mut |piece| bytes.extend_from_slice(piece));
        };
        let mut chunks = Chunks { bytes, size: chunk.get(), ahead: self.len(), open: 0 };
        self.pieces(&mut |piece| chunks.push(piece));
        bytes.extend_from_slice(LAST_CHUNK);
    }
}

impl Generated {
    fn pieces(&self, take: &mut impl FnMut(&[u8])) {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        let mut block = [0; BLOCK_BYTES];
        let mut left = self.len;
        while left > 0 {
            for word in block.as_chunks_mut::<8>().0 {
                *word = random.next_u64().to_le_bytes();
            }
            if self.alphabet == Alphabet::Text {
                for byte in &mut block {
                    *byte = LETTERS[usize::from(*byte % 64)];
                }
            }
            let here = left.min(BLOCK_BYTES);
            take(&block[..here]);
            left -= here;
        }
    }
}

/// Content on its way into chunks, all of one size but the last.
struct Chunks<'a> {
    bytes: &'a mut Vec<u8>,
    size: usize,
    /// Of the content, behind the open chunk.
    ahead: usize,
    /// Bytes the open chunk still lacks; 0 when none is open.
    open: usize,
}

impl Chunks<'_> {
    fn push(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while !rest.is_empty() {
            if self.open == 0 {
                self.open = self.size.min(self.ahead);
                self.ahead -= self.open;
                self.bytes.extend_from_slice(size_line(self.open).as_bytes());
            }
            let (here, after) = rest.split_at(rest.len().min(self.open));
            self.bytes.extend_from_slice(here);
            self.open -= here.len();
            if self.open == 0 {
                self.bytes.extend_from_slice(b"\r\n");
            }
            rest = after;
        }
    }
}

fn size_line(size: usize) -> String {
    format!("{size:x}\r\n")
}
