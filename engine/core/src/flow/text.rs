//! A text with values in it, independent of a prebuilt request.

use serde::{Deserialize, Serialize};

use super::value::{Scope, TemplateValue};
use crate::statistics::random::Random;

/// Literal bytes and slots in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text(Vec<TextPart>);

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextPart {
    /// Always these bytes.
    Literal(#[serde(with = "crate::stored")] Vec<u8>),
    /// A value.
    Slot(TemplateValue),
}

impl Text {
    /// An empty text.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Append these bytes.
    pub fn literal(mut self, bytes: &[u8]) -> Self {
        match self.0.last_mut() {
            Some(TextPart::Literal(before)) => before.extend_from_slice(bytes),
            _ => self.0.push(TextPart::Literal(bytes.to_vec())),
        }
        self
    }

    /// Append this slot.
    pub fn slot(mut self, slot: TemplateValue) -> Self {
        self.0.push(TextPart::Slot(slot));
        self
    }

    /// The bytes, if there is no slot.
    pub fn constant(&self) -> Option<&[u8]> {
        match self.0.as_slice() {
            [] => Some(&[]),
            [TextPart::Literal(bytes)] => Some(bytes),
            _ => None,
        }
    }

    /// Its parts, in order.
    pub fn parts(&self) -> &[TextPart] {
        &self.0
    }

    /// Its constant length in bytes; `None` if it depends on its values.
    pub fn width(&self) -> Option<usize> {
        let width = |piece: &TextPart| match piece {
            TextPart::Literal(bytes) => Some(bytes.len()),
            TextPart::Slot(slot) => slot.width(),
        };
        self.0.iter().map(width).sum()
    }

    /// Pass on the text piece by piece.
    pub fn pieces(&self, scope: &Scope<'_>, random: &mut Random, mut take: &mut dyn FnMut(&[u8])) {
        for piece in &self.0 {
            match piece {
                TextPart::Literal(bytes) => take(bytes),
                TextPart::Slot(slot) => slot.pieces(scope, random, &mut take),
            }
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new().literal(text.as_bytes())
    }
}
