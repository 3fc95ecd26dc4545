//! A text that an answer is compared with: as written, or put together from what the user knows
//! by then.

use super::value::{Escape, Scope, Slot, Value};
use crate::statistics::random::Random;

/// What something should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// As its author wrote it, for reports.
    written: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Vec<u8>),
    Value(Slot),
}

impl Expected {
    /// Nothing yet; reports show it as `written`.
    pub fn new(written: &str) -> Self {
        Self { written: written.to_owned(), pieces: Vec::new() }
    }

    /// Go on with this text.
    pub fn literal(mut self, text: &[u8]) -> Self {
        match self.pieces.last_mut() {
            Some(Piece::Literal(before)) => before.extend_from_slice(text),
            _ => self.pieces.push(Piece::Literal(text.to_vec())),
        }
        self
    }

    /// Go on with this value, which should stay the same while the flow lasts.
    pub fn value(mut self, value: Value) -> Self {
        self.pieces.push(Piece::Value(Slot::new(value, Escape::None)));
        self
    }

    /// As its author wrote it.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// What it comes to; put together in `scratch` where that is needed.
    pub fn bytes<'a>(&'a self, scope: &Scope<'_>, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        match self.pieces.as_slice() {
            [] => &[],
            [Piece::Literal(text)] => text,
            pieces => {
                scratch.clear();
                // Values that stay the same draw nothing.
                let mut random = Random::new(0);
                for piece in pieces {
                    let take = &mut |bytes: &[u8]| scratch.extend_from_slice(bytes);
                    match piece {
                        Piece::Literal(text) => take(text),
                        Piece::Value(slot) => slot.pieces(scope, &mut random, take),
                    }
                }
                scratch
            }
        }
    }
}

impl From<&str> for Expected {
    fn from(text: &str) -> Self {
        Self::new(text).literal(text.as_bytes())
    }
}
