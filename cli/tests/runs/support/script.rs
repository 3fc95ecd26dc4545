//! The behaviour of a test server on one connection: a closed set of behaviours, each a short
//! script.
//!
//! The script defines the bytes, their pacing and the connection's end; `server` owns sockets and
//! threads.

use std::time::Duration;

/// The behaviour of the server on every connection.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    /// A small 200; the connection is kept.
    Good,
    /// A small 200 after each request was held for a known time.
    Hold(Hold),
    /// Another status; the connection is kept.
    Status(u16),
    /// The same with an additional header line.
    StatusWith(u16, &'static str),
    /// The request is read but never answered.
    NeverAnswer,
    /// The given number of good answers, then the connection closes on the next request.
    GoodThenClose(u32),
    /// The given number of good answers, then the connection is reset on the next request.
    GoodThenReset(u32),
    /// A close in the middle of the header.
    CloseMidHeader,
    /// A close before the last byte of the declared length.
    CloseMidBody,
    /// A close inside a chunk.
    CloseMidChunk,
    /// A reset in a body that only the connection's end delimits.
    ResetMidCloseDelimited,
    /// A reset instead of an answer.
    Reset,
    /// Bytes that are not HTTP.
    Garbage,
    /// These bytes for each request, then the next request or the close.
    Answer(&'static str, End),
    /// These bytes in two pieces, split at a place that moves with every answer.
    AnswerInTwo(&'static str),
    /// A chunk size that is not a number.
    BadChunkSize,
    /// Two contradictory lengths.
    TwoLengths,
    /// The declared length is larger than the body; then nothing more is sent.
    PromiseTooMuch,
    /// The declared length is smaller than the body.
    PromiseTooLittle,
    /// A header of 1 MiB.
    HugeHeader,
    /// A complete answer on accept, before any request; requests are answered too.
    AnswerFirst,
    /// Two answers to each request.
    AnswerTwice,
    /// A good answer, one byte at this interval.
    ByteEvery(Duration),
    /// `Connection: close`, then the close.
    CloseEach,
    /// A good answer that announces a kept connection, then a close: the client may have sent its
    /// next request already.
    CloseUnannounced,
    /// HTTP/1.0 with a length, and the close that this version implies.
    Http10,
    /// A body that ends with the connection.
    CloseDelimited,
    /// Chunks with extensions and trailers, split at a place that moves with every answer.
    Chunked,
    /// A body with a length, split at a place that moves with every answer.
    Split,
    /// 100 and 103 before the 200.
    Interim,
}

/// How long a request is held before it is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Hold {
    /// Every request for the same time.
    Constant(Duration),
    /// Every tenth request `slow`, the others `fast`.
    Bimodal {
        /// For nine of ten.
        fast: Duration,
        /// For one of ten.
        slow: Duration,
    },
}

impl Hold {
    /// The time for request `index` of the server, from 0.
    pub(crate) const fn of(self, index: u64) -> Duration {
        match self {
            Self::Constant(time) => time,
            Self::Bimodal { fast, slow } => {
                if index % 10 == 9 {
                    slow
                } else {
                    fast
                }
            }
        }
    }
}

/// A behaviour in full.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// The bytes sent on accept.
    pub(crate) greeting: Vec<u8>,
    /// Number of [`GOOD`] answers before `answer` and `end` apply.
    pub(crate) good_first: u32,
    /// How long each request is held.
    pub(crate) hold: Option<Hold>,
    /// The bytes sent for each request.
    pub(crate) answer: Vec<u8>,
    /// The pieces in which they are sent.
    pub(crate) delivery: Delivery,
    /// What follows the answer.
    pub(crate) end: End,
}

/// The pieces in which an answer is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Delivery {
    /// One write.
    Whole,
    /// Two writes with a short pause, split one byte later with every answer.
    MovingCut,
    /// One byte at this interval.
    ByteEvery(Duration),
}

/// What follows an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// The next request.
    Keep,
    /// A close.
    Close,
    /// A reset.
    Reset,
    /// Further requests are read but not answered.
    Silence,
}

/// A small complete answer.
pub(crate) const GOOD: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";

/// Chunks with extensions, an uppercase size and leading zeros, trailers; 26 bytes of body.
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
    5;name=value\r\nhello\r\n00A;quoted=\"a;b\"\r\n0123456789\r\nb\r\nhello world\r\n\
    0;last\r\nX-Sum: 26\r\nX-More: yes\r\n\r\n";

impl Behaviour {
    /// The script of this behaviour.
    pub(crate) fn script(&self) -> Script {
        let good = Script::of(GOOD, End::Keep);
        match *self {
            Self::Good => good,
            Self::Hold(hold) => Script { hold: Some(hold), ..good },
            Self::ByteEvery(gap) => Script { delivery: Delivery::ByteEvery(gap), ..good },
            Self::Split => Script { delivery: Delivery::MovingCut, ..good },
            Self::AnswerFirst => Script { greeting: GOOD.to_vec(), ..good },
            Self::AnswerTwice => Script { answer: [GOOD, GOOD].concat(), ..good },
            Self::GoodThenClose(n) => Script { good_first: n, ..Script::of(b"", End::Close) },
            Self::GoodThenReset(n) => Script { good_first: n, ..Script::of(b"", End::Reset) },
            Self::CloseUnannounced => Script::of(GOOD, End::Close),
            Self::Answer(bytes, end) => Script::of(bytes, end),
            Self::AnswerInTwo(bytes) => {
                Script { delivery: Delivery::MovingCut, ..Script::of(bytes, End::Keep) }
            }
            Self::Chunked => {
                Script { delivery: Delivery::MovingCut, ..Script::of(CHUNKED, End::Keep) }
            }
            Self::HugeHeader => {
                let filler = "x".repeat(1024 * 1024);
                Script::of(
                    format!("HTTP/1.1 200 OK\r\nX-Filler: {filler}\r\nContent-Length: 0\r\n\r\n"),
                    End::Keep,
                )
            }
            Self::Status(status) => Script::of(
                format!("HTTP/1.1 {status} Said So\r\nContent-Length: 4\r\n\r\nno.\n"),
                End::Keep,
            ),
            Self::StatusWith(status, header) => Script::of(
                format!("HTTP/1.1 {status} Said So\r\n{header}\r\nContent-Length: 4\r\n\r\nno.\n"),
                End::Keep,
            ),
            _ => self.fixed(),
        }
    }

    /// The behaviours without a parameter: bytes and an end.
    fn fixed(&self) -> Script {
        let (answer, end): (&[u8], End) = match self {
            Self::NeverAnswer => (b"", End::Silence),
            Self::CloseMidHeader => (b"HTTP/1.1 200 OK\r\nContent-Le", End::Close),
            Self::CloseMidBody => {
                (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123456789", End::Close)
            }
            Self::CloseMidChunk => (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nff\r\nhalf",
                End::Close,
            ),
            Self::ResetMidCloseDelimited => {
                (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nsome of it", End::Reset)
            }
            Self::Reset => (b"", End::Reset),
            Self::Garbage => (b"\x16\x03\x01 this is not HTTP at all\r\n\r\n", End::Keep),
            Self::BadChunkSize => (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nhello\r\n0\r\n\r\n",
                End::Keep,
            ),
            Self::TwoLengths => (
                b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nhello77",
                End::Keep,
            ),
            Self::PromiseTooMuch => {
                (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfifty of it", End::Silence)
            }
            Self::PromiseTooLittle => {
                (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more", End::Keep)
            }
            Self::CloseEach => (
                b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
                End::Close,
            ),
            Self::Http10 => (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", End::Close),
            Self::CloseDelimited => (b"HTTP/1.0 200 OK\r\n\r\nas long as it lasts", End::Close),
            Self::Interim => (
                b"HTTP/1.1 100 Continue\r\n\r\n\
                HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n\
                HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
                End::Keep,
            ),
            other => unreachable!("{other:?} has a parameter or more than bytes and an end"),
        };
        Script::of(answer, end)
    }
}

impl Script {
    fn of(answer: impl Into<Vec<u8>>, end: End) -> Self {
        Self {
            greeting: Vec::new(),
            good_first: 0,
            hold: None,
            answer: answer.into(),
            delivery: Delivery::Whole,
            end,
        }
    }
}
