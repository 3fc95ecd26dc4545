//! Deviations from RFC 9112 that browsers and curl accept: counted, with an example each, while the
//! response is measured.
//!
//! Responses that deviate are parsed from copies (`lenient`) and never learned, so that correct
//! ones pay nothing for it.

use super::quote::QuotedLine;

/// The kinds of deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Deviation {
    /// A status line in lower case, with the version of HTTP/2, with several blanks or none after
    /// the code (RFC 9112 section 4).
    StatusLine,
    /// `Name : value` (RFC 9112 section 5.1).
    SpaceBeforeColon,
    /// A value that continues on the next line (section 5.2).
    FoldedLine,
    /// A name that is not a token (RFC 9110 section 5.1).
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
    /// A Content-Length with a sign, or with other characters after its digits (section 8.6).
    LengthForm,
    /// `chunked` more than once (RFC 9112 section 6.1).
    ChunkedRepeated,
    /// A line of a chunked body that ends with a bare LF, or with more than one CR (section 7.1).
    ChunkLineEnd,
    /// Anything but an extension after the size of a chunk (section 7.1.1).
    ChunkSizeLine,
    /// A trailer line that is not `name: value`, but has a colon (section 7.1.2).
    TrailerLine,
    /// An empty line before a status line.
    EmptyLine,
    /// Bytes of a body after an answer that has none: 204, 304, or one to HEAD.
    BytesBehind,
}

/// The count of each kind, with an example.
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
    pub const ALL: [Self; 16] = [
        Self::StatusLine,
        Self::SpaceBeforeColon,
        Self::FoldedLine,
        Self::HeaderName,
        Self::ControlCharacter,
        Self::IdentityCoding,
        Self::LengthBesideCoding,
        Self::CodingInHttp10,
        Self::LengthRepeated,
        Self::LengthForm,
        Self::ChunkedRepeated,
        Self::ChunkLineEnd,
        Self::ChunkSizeLine,
        Self::TrailerLine,
        Self::EmptyLine,
        Self::BytesBehind,
    ];

    /// The word for it in the result document.
    pub const fn key(self) -> &'static str {
        match self {
            Self::StatusLine => "status_line",
            Self::SpaceBeforeColon => "space_before_colon",
            Self::FoldedLine => "folded_line",
            Self::HeaderName => "header_name",
            Self::ControlCharacter => "control_character",
            Self::IdentityCoding => "identity_coding",
            Self::LengthBesideCoding => "length_beside_coding",
            Self::CodingInHttp10 => "coding_in_http10",
            Self::LengthRepeated => "length_repeated",
            Self::LengthForm => "length_form",
            Self::ChunkedRepeated => "chunked_repeated",
            Self::ChunkLineEnd => "chunk_line_end",
            Self::ChunkSizeLine => "chunk_size_line",
            Self::TrailerLine => "trailer_line",
            Self::EmptyLine => "empty_line",
            Self::BytesBehind => "bytes_behind",
        }
    }

    /// The deviation, as the end of "answers with …".
    pub const fn describe(self) -> &'static str {
        match self {
            Self::StatusLine => "a status line that is not in the form `HTTP/1.1 200 OK`",
            Self::SpaceBeforeColon => "a space before the colon of a header line",
            Self::FoldedLine => "a header line folded into several",
            Self::HeaderName => "a header name that is not a token",
            Self::ControlCharacter => "a control character in a header line",
            Self::IdentityCoding => "the removed coding `identity`",
            Self::LengthBesideCoding => {
                "Transfer-Encoding beside Content-Length, which was ignored"
            }
            Self::CodingInHttp10 => "Transfer-Encoding in HTTP/1.0",
            Self::LengthRepeated => "the same Content-Length more than once",
            Self::LengthForm => "a Content-Length that is not digits alone; its number counts",
            Self::ChunkedRepeated => "Transfer-Encoding that names `chunked` again",
            Self::ChunkLineEnd => "a line of a chunked body that does not end in CRLF",
            Self::ChunkSizeLine => "a chunk size followed by something else than an extension",
            Self::TrailerLine => "a trailer line that is not `name: value`",
            Self::EmptyLine => "an empty line ahead of the status line",
            Self::BytesBehind => "bytes after them though they have no body (204, 304 or HEAD)",
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

    /// A response deviates; `line` is the place, and becomes the example if it is the first.
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

    /// Add those of another worker or interval.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.seen.iter_mut().zip(&other.seen) {
            match (mine, theirs) {
                (Some(mine), Some(theirs)) => mine.count += theirs.count,
                (none, Some(theirs)) => *none = Some(theirs.clone()),
                (_, None) => {}
            }
        }
    }

    /// The kinds seen, the number of responses with each, and the first example.
    pub fn list(&self) -> impl Iterator<Item = (Deviation, u64, &str)> {
        let seen = Deviation::ALL.into_iter().zip(&self.seen);
        seen.filter_map(|(deviation, seen)| {
            seen.as_ref().map(|seen| (deviation, seen.count, seen.example.as_str()))
        })
    }
}
