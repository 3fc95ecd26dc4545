//! Colours: ECMA-48 "select graphic rendition".

use std::fmt::Display;

/// Whether to colour; the caller knows the output and whether `NO_COLOR` is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// For a terminal.
    Yes,
    /// For anything else.
    No,
}

/// The style of a piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Good.
    Green,
    /// Doubtful.
    Yellow,
    /// Bad.
    Red,
    /// The most important figure.
    Bold,
    /// A label of the figures beside it.
    Dim,
}

impl Colour {
    /// `text` in that style; pad it before, because the codes count as letters.
    pub(crate) fn paint(self, ink: Ink, text: impl Display) -> String {
        let code = match ink {
            Ink::Green => "1;32",
            Ink::Yellow => "1;33",
            Ink::Red => "1;31",
            Ink::Bold => "1",
            Ink::Dim => "2",
        };
        match self {
            Self::Yes => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::No => text.to_string(),
        }
    }
}
