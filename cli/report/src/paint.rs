//! Colour, where it is wanted: ECMA-48 "select graphic rendition".

use std::fmt::Display;

/// Whether to colour; the caller knows what it writes to and whether `NO_COLOR` is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// For a terminal.
    Yes,
    /// For anything else.
    No,
}

/// How a piece of text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Good.
    Green,
    /// Doubtful.
    Yellow,
    /// Bad.
    Red,
    /// What matters most.
    Bold,
    /// What only names the figures beside it.
    Dim,
}

impl Colour {
    /// `text` in that ink; pad it before, for the codes count as letters.
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
