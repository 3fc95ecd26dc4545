//! How a test server behaves on one connection: a closed set of behaviours, each a short script.
//!
//! It decides the bytes, their pacing and the connection's end. Sockets and threads are
//! `server`'s.

use std::time::Duration;

/// What the server does on every connection.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    /// A small 200, connection kept.
    Good,
    /// A small 200 after holding each request for a known time.
    Hold(Hold),
    /// Another status, connection kept.
    Status(u16),
    /// The same with a header line of its own.
    StatusWith(u16, &'static str),
    /// The request is read, nothing is ever said.
    NeverAnswer,
    /// The given number of good answers, then the connection closes on the next request.
    GoodThenClose(u32),
    /// The given number of good answers, then the connection is reset on the next request.
    GoodThenReset(u32),
    /// A close where the header is cut.
    CloseMidHeader,
    /// A close before the last byte of the promised length.
    CloseMidBody,
    /// A close inside a chunk.
    CloseMidChunk,
    /// A reset inside a body that only the connection's end delimits.
    ResetMidCloseDelimited,
    /// A reset instead of an answer.
    Reset,
    /// Bytes that are not HTTP.
    Garbage,
    /// These bytes for each request, then the next request or the close.
    Answer(&'static str, End),
    /// These bytes, cut at a place that moves with every answer.
    AnswerInTwo(&'static str),
    /// A chunk size that is no number.
    BadChunkSize,
    /// Two lengths that contradict each other.
    TwoLengths,
    /// More is promised than is sent; then silence.
    PromiseTooMuch,
    /// Less is promised than is sent.
    PromiseTooLittle,
    /// A header of 1 MiB.
    HugeHeader,
    /// A whole answer on accept, before any request; requests are answered too.
    AnswerFirst,
    /// Two answers to each request.
    AnswerTwice,
    /// A good answer, one byte each this often.
    ByteEvery(Duration),
    /// `Connection: close` and the close.
    CloseEach,
    /// A good answer that keeps the connection by its words, then a close: the client may have
    /// sent its next request already.
    CloseUnannounced,
    /// HTTP/1.0 with a length, and the close that version implies.
    Http10,
    /// A body that ends where the connection does.
    CloseDelimited,
    /// Chunks with extensions and trailers, cut at a place that moves with every answer.
    Chunked,
    /// A body with a length, cut at a place that moves with every answer.
    Split,
    /// 100 and 103 before the 200.
    Interim,
}

/// How long a request is held before it is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Hold {
    /// Every request alike.
    Constant(Duration),
    /// Every tenth request `slow`, the others `fast`.
    Bimodal {
        /// Nine of ten.
        fast: Duration,
        /// One of ten.
        slow: Duration,
    },
}

impl Hold {
    /// For the `index`th request the server saw, from 0.
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

/// A behaviour, spelled out.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// Sent on accept.
    pub(crate) greeting: Vec<u8>,
    /// Answers of [`GOOD`] before `answer` and `end` begin to hold.
    pub(crate) good_first: u32,
    /// How long each request is held.
    pub(crate) hold: Option<Hold>,
    /// Sent for each request.
    pub(crate) answer: Vec<u8>,
    /// In what pieces.
    pub(crate) delivery: Delivery,
    /// What follows it.
    pub(crate) end: End,
}

/// In what pieces an answer is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Delivery {
    /// One write.
    Whole,
    /// Two writes a little apart, cut one byte later with every answer.
    MovingCut,
    /// A byte at a time.
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
    /// Requests are read, none is answered.
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

    /// Behaviours without a parameter: bytes and an end.
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
