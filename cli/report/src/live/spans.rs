//! A line of pieces with styles, cut to the width of a terminal.

use crate::Colour;
use crate::paint::Ink;

/// Stands for letters whose width on a terminal is unknown.
const UNKNOWN: char = '?';

/// One line. Each letter is one column.
#[derive(Clone, Debug, Default)]
pub(super) struct Spans(Vec<(Option<Ink>, String)>);

impl Spans {
    pub(super) fn plain(mut self, text: impl Into<String>) -> Self {
        self.0.push((None, text.into()));
        self
    }

    pub(super) fn inked(mut self, ink: Ink, text: impl Into<String>) -> Self {
        self.0.push((Some(ink), text.into()));
        self
    }

    /// A label at the left.
    pub(super) fn label(text: &str) -> Self {
        Self::default().inked(Ink::Dim, format!(" {text:<8}"))
    }

    /// Its first `columns`, with the styles as codes.
    pub(super) fn painted(&self, columns: usize, colour: Colour) -> String {
        let (mut left, mut line) = (columns, String::new());
        for (ink, text) in &self.0 {
            let part: String = text.chars().take(left).collect();
            left -= part.chars().count();
            match ink {
                Some(ink) if !part.is_empty() => line.push_str(&colour.paint(*ink, part)),
                _ => line.push_str(&part),
            }
        }
        line
    }
}

/// A text from outside as letters of one column each, which cannot command a terminal.
pub(super) fn narrow(text: &str) -> String {
    let is_known = |letter: char| {
        !letter.is_control()
            && match u32::from(letter) {
                0x300..=0x36f | 0x483..=0x489 | 0x590..=0x8ff => false,
                // Latin, Greek, Cyrillic, punctuation, arrows, lines and blocks.
                0x20..=0x58f | 0x2010..=0x2027 | 0x2190..=0x22ff | 0x2500..=0x25ff => true,
                // Check marks.
                0x2713 | 0x2717 => true,
                _ => false,
            }
    };
    text.chars().map(|letter| if is_known(letter) { letter } else { UNKNOWN }).collect()
}
