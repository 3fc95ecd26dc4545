//! What responses do against RFC 9112 that browsers and curl read without harm: counted, with an
//! example each, and measured all the same.
//!
//! Responses that deviate are read by way of copies (`lenient`) and never learned, so
//! that those which do not pay nothing for it.

use super::quote::QuotedLine;

/// Ways of deviating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Deviation {
    /// `Name : value` (RFC 9112 section 5.1).
    SpaceBeforeColon,
    /// A value that goes on in the next line (section 5.2).
    FoldedLine,
    /// A name that is no token (RFC 9110 section 5.1).
    HeaderName,
    /// A control character in a value (RFC 9110 section 5.5); NUL makes a response malformed.
    ControlCharacter,
    /// `Transfer-Encoding: identity`, which RFC 7230 removed.
    IdentityCoding,
    /// Content-Length beside Transfer-Encoding, which wins (RFC 9112 section 6.3).
    LengthBesideCoding,
    /// Transfer-Encoding in HTTP/1.0 (RFC 9112 section 6.1).
    CodingInHttp10,
    /// The same Content-Length more than once (RFC 9110 section 8.6).
    LengthRepeated,
    /// An empty line ahead of a status line.
    EmptyLine,
    /// Bytes of a body behind an answer that has none: 204, 304, or one to HEAD.
    BytesBehind,
}

/// How often, and an example of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deviations {
    seen: [Option<Seen>; Deviation::ALL.len()],
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    count: u64,
    example: String,
}

impl Deviation {
    /// Every one.
    pub const ALL: [Self; 10] = [
        Self::SpaceBeforeColon,
        Self::FoldedLine,
        Self::HeaderName,
        Self::ControlCharacter,
        Self::IdentityCoding,
        Self::LengthBesideCoding,
        Self::CodingInHttp10,
        Self::LengthRepeated,
        Self::EmptyLine,
        Self::BytesBehind,
    ];

    /// The word for it in the result document.
    pub const fn key(self) -> &'static str {
        match self {
            Self::SpaceBeforeColon => "space_before_colon",
            Self::FoldedLine => "folded_line",
            Self::HeaderName => "header_name",
            Self::ControlCharacter => "control_character",
            Self::IdentityCoding => "identity_coding",
            Self::LengthBesideCoding => "length_beside_coding",
            Self::CodingInHttp10 => "coding_in_http10",
            Self::LengthRepeated => "length_repeated",
            Self::EmptyLine => "empty_line",
            Self::BytesBehind => "bytes_behind",
        }
    }

    /// What was seen, as the end of "answers with …".
    pub const fn describe(self) -> &'static str {
        match self {
            Self::SpaceBeforeColon => "a space before the colon of a header line",
            Self::FoldedLine => "a header line folded into several",
            Self::HeaderName => "a header name that is no token",
            Self::ControlCharacter => "a control character in a header line",
            Self::IdentityCoding => "the removed coding `identity`",
            Self::LengthBesideCoding => {
                "Transfer-Encoding beside Content-Length, which was ignored"
            }
            Self::CodingInHttp10 => "Transfer-Encoding in HTTP/1.0",
            Self::LengthRepeated => "the same Content-Length more than once",
            Self::EmptyLine => "an empty line ahead of the status line",
            Self::BytesBehind => "bytes behind them though they have no body (204, 304 or HEAD)",
        }
    }
}

impl Default for Deviations {
    fn default() -> Self {
        Self::new()
    }
}

impl Deviations {
    /// None so far.
    pub const fn new() -> Self {
        Self { seen: [const { None }; Deviation::ALL.len()] }
    }

    /// A response deviates so; `line` is where, and becomes the example if it is the first.
    #[cold]
    #[inline(never)]
    pub(super) fn note(&mut self, deviation: Deviation, line: &[u8]) {
        match &mut self.seen[deviation as usize] {
            Some(seen) => seen.count += 1,
            none => *none = Some(Seen { count: 1, example: QuotedLine(line).to_string() }),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.seen.iter().all(Option::is_none)
    }

    /// Add another worker's or interval's.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.seen.iter_mut().zip(&other.seen) {
            match (mine, theirs) {
                (Some(mine), Some(theirs)) => mine.count += theirs.count,
                (none, Some(theirs)) => *none = Some(theirs.clone()),
                (_, None) => {}
            }
        }
    }

    /// Those seen, how many responses had each, and how the first did.
    pub fn list(&self) -> impl Iterator<Item = (Deviation, u64, &str)> {
        let seen = Deviation::ALL.into_iter().zip(&self.seen);
        seen.filter_map(|(deviation, seen)| {
            seen.as_ref().map(|seen| (deviation, seen.count, seen.example.as_str()))
        })
    }
}
