//! How much of an unfinished answer has arrived.

use std::fmt;

use crate::summary::Grouped;

/// The missing part of an answer that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfinished {
    /// The end of its header.
    Header,
    /// The response itself: only interim ones came (RFC 9110 section 15.2).
    Interims,
    /// The rest of a body of known length, in bytes.
    Length {
        /// Bytes that arrived.
        got: u64,
        /// Bytes that Content-Length announced.
        of: u64,
    },
    /// The last chunk (RFC 9112 section 7.1).
    Chunked {
        /// Bytes of payload that arrived.
        got: u64,
    },
    /// The empty line after the last chunk and its trailers.
    Trailers {
        /// Bytes of payload that arrived.
        got: u64,
    },
    /// The end of the connection, which ends the body: it has neither length nor chunks (RFC 9112
    /// section 6.3, rule 8).
    UntilClose,
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Header => f.write_str("its header had not ended"),
            Self::Interims => f.write_str("only interim (1xx) responses came, not the final one"),
            Self::Length { got, of } => {
                write!(f, "{} of {} bytes of its body arrived", Grouped(got), Grouped(of))
            }
            Self::Chunked { got } => {
                write!(f, "no last chunk arrived after {} bytes of its body", Grouped(got))
            }
            Self::Trailers { got } => write!(
                f,
                "the last chunk arrived after {} bytes, but no empty line after it",
                Grouped(got)
            ),
            Self::UntilClose => f.write_str(
                "no Content-Length or chunks delimit its body: it ends with the connection",
            ),
        }
    }
}
