//! Why bytes are not a response: the kind of fault, its place, and the bytes themselves.
//!
//! Made only when a connection is already useless, so its cost does not matter.

use std::fmt;

use super::chunked::ChunkedError;
use super::quote::{Quoted, QuotedLine};
use super::response::Malformed;

/// The fault of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    kind: Malformed,
    /// Number of the header line, from 1, if the fault is in one.
    line: Option<usize>,
    quote: String,
}

impl Fault {
    /// Found at `bytes`, which are quoted.
    #[cold]
    #[inline(never)]
    pub(super) fn at(kind: Malformed, bytes: &[u8]) -> Box<Self> {
        let quote = if bytes.is_empty() { String::new() } else { Quoted(bytes).to_string() };
        Box::new(Self { kind, line: None, quote })
    }

    /// Found in header line `number`, which is quoted.
    #[cold]
    #[inline(never)]
    pub(super) fn in_line(kind: Malformed, number: Option<usize>, line: &[u8]) -> Box<Self> {
        Box::new(Self { kind, line: number, quote: QuotedLine(line).to_string() })
    }

    /// Found at byte `at` of a chunked body, or in the part of it that has arrived.
    #[cold]
    #[inline(never)]
    pub(super) fn in_chunks(error: ChunkedError, body: &[u8], at: usize) -> Box<Self> {
        let before = body.get(..at).unwrap_or_default();
        let line_at = match error {
            ChunkedError::PayloadEnd => at,
            _ => before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1),
        };
        let line = body.get(line_at..).unwrap_or_default();
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        Self::at(Malformed::Chunked(error), line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// The same without the line number, for a copy with other line numbers.
    pub(super) fn without_line(mut self: Box<Self>) -> Box<Self> {
        self.line = None;
        self
    }

    /// The kind.
    pub const fn kind(&self) -> Malformed {
        self.kind
    }

    /// The bytes, in backquotes; empty if there are none to show.
    pub fn quote(&self) -> &str {
        &self.quote
    }
}

impl fmt::Display for Fault {
    /// Kind and place, without the quotation: equal for equal faults.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "header line {line}: ")?;
        }
        self.kind.fmt(f)
    }
}

impl From<Malformed> for Box<Fault> {
    fn from(kind: Malformed) -> Self {
        Fault::at(kind, b"")
    }
}
