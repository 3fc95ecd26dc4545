//! Answers of PostgreSQL, in bytes that may be split anywhere: where each ends, and what it says.
//!
//! An answer is everything up to `ReadyForQuery`. Its rows are counted, not kept, so that memory
//! does not grow with it. What an answer means for a request is decided elsewhere.

use std::fmt;

use super::error::{FIELDS_KEPT, ServerRefusal};
use crate::answer_code::AnswerCode;
use crate::reply::{ReplyProgress, WholeReply};

/// A tag and a length.
const HEADER: usize = 5;
/// The longest message: PostgreSQL's own limit of what it allocates.
const MESSAGE_MAX: u32 = 1 << 30;

/// What a server says of the transaction block at the end of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BlockStatus {
    /// There is none.
    #[default]
    Idle,
    /// One is open.
    Open,
    /// One has failed, and fails every statement until its end.
    Failed,
}

/// Why bytes are not an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostgresFault {
    /// No message of an answer begins with this byte.
    Tag(u8),
    /// The length of a message of this kind is too small or too large.
    Length(u8),
    /// The server wants to copy a table.
    Copy,
    /// An error without a SQLSTATE.
    Error,
    /// The end of an answer does not say what becomes of the transaction.
    Status(u8),
}

impl fmt::Display for PostgresFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |byte: &u8| char::from(*byte).escape_default();
        match self {
            Self::Tag(byte) => {
                write!(f, "no message of a PostgreSQL answer begins with `{}`", shown(byte))
            }
            Self::Length(byte) => {
                write!(f, "the length of a PostgreSQL message `{}` is out of range", shown(byte))
            }
            Self::Copy => f.write_str("the statement copies a table, which cannot be timed"),
            Self::Error => f.write_str("a PostgreSQL error has no SQLSTATE"),
            Self::Status(byte) => {
                write!(f, "a PostgreSQL answer ends with the status `{}`", shown(byte))
            }
        }
    }
}

/// Reads answers, one after the other.
#[derive(Debug, Default)]
pub struct PostgresReader {
    /// The header under way, and how much of it has come.
    header: [u8; HEADER],
    held: usize,
    /// Of the message under way: its tag, and how much of its body is still to come.
    tag: u8,
    left: u32,
    /// Of the answer under way.
    has_begun: bool,
    code: Option<AnswerCode>,
    payload: u64,
    counted: u64,
    /// Of the latest answer.
    rows: u64,
    status: BlockStatus,
    /// The latest error, and the fields of the one under way.
    error: Option<Box<ServerRefusal>>,
    fields: Vec<u8>,
}

impl PostgresReader {
    /// The latest error, if the latest answer is one.
    pub fn error(&self) -> Option<&ServerRefusal> {
        self.error.as_deref()
    }

    /// The error with which the server ends the connection, if it does.
    pub fn farewell(&self) -> Option<&ServerRefusal> {
        self.error().filter(|error| error.is_fatal)
    }

    /// Rows in the latest answer.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// What the latest answer says of its transaction block.
    pub const fn status(&self) -> BlockStatus {
        self.status
    }

    /// Whether bytes of an answer have come. Notices and errors may come unasked.
    pub const fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// How many of the next bytes are payload alone, so that they may be discarded unread.
    #[inline]
    pub const fn opaque(&self) -> u64 {
        if self.tag == b'D' { self.left as u64 } else { 0 }
    }

    /// So many bytes of payload, at most [`Self::opaque`], were discarded unread.
    pub fn skip(&mut self, count: u64) {
        let count = count.min(self.opaque());
        self.payload += count;
        self.left -= count as u32; // at most as many
    }

    /// Read bytes up to the end of the first answer among them.
    ///
    /// # Errors
    /// If they are no answer; the reader is then of no further use.
    #[inline]
    pub fn feed(&mut self, bytes: &[u8]) -> Result<ReplyProgress, PostgresFault> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            if self.left == 0 {
                let (taken, is_whole) = self.read_header(rest)?;
                at += taken;
                if !is_whole || self.left > 0 {
                    continue;
                }
            } else {
                let taken = rest.len().min(self.left as usize);
                self.read_body(&rest[..taken])?;
                self.left -= taken as u32; // at most as many
                at += taken;
                if self.left > 0 {
                    continue;
                }
            }
            if let Some(progress) = self.end_message(at)? {
                return Ok(progress);
            }
        }
        Ok(ReplyProgress::NeedMore)
    }

    /// Read the tag and the length of a message. Returns how many bytes, and whether they are
    /// whole.
    #[inline]
    fn read_header(&mut self, bytes: &[u8]) -> Result<(usize, bool), PostgresFault> {
        if self.held == 0
            && let Some(header) = bytes.first_chunk::<HEADER>()
        {
            self.begin_message(*header)?;
            return Ok((HEADER, true));
        }
        let taken = bytes.len().min(HEADER - self.held);
        self.header[self.held..self.held + taken].copy_from_slice(&bytes[..taken]);
        self.held += taken;
        check_tag(self.header[0])?;
        if self.held < HEADER {
            return Ok((taken, false));
        }
        self.held = 0;
        self.begin_message(self.header)?;
        Ok((taken, true))
    }

    #[inline]
    fn begin_message(&mut self, header: [u8; HEADER]) -> Result<(), PostgresFault> {
        let [tag, length @ ..] = header;
        check_tag(tag)?;
        let length = u32::from_be_bytes(length);
        let is_right = match tag {
            b'1' | b'2' | b'3' | b'n' | b's' | b'I' => length == 4,
            b'Z' => length == 5,
            // At least a number of columns, or a text.
            b'D' | b'T' | b't' => (6..MESSAGE_MAX).contains(&length),
            _ => (5..MESSAGE_MAX).contains(&length),
        };
        if !is_right {
            return Err(PostgresFault::Length(tag));
        }
        (self.tag, self.left) = (tag, length - 4);
        match tag {
            b'N' | b'S' | b'A' => {}
            b'E' => self.fields.clear(),
            b'D' => {
                self.counted += 1;
                self.has_begun = true;
            }
            _ => self.has_begun = true,
        }
        Ok(())
    }

    #[inline]
    fn read_body(&mut self, body: &[u8]) -> Result<(), PostgresFault> {
        match self.tag {
            b'D' => self.payload += body.len() as u64,
            b'Z' => {
                self.status = match body {
                    b"I" => BlockStatus::Idle,
                    b"T" => BlockStatus::Open,
                    b"E" => BlockStatus::Failed,
                    _ => return Err(PostgresFault::Status(body[0])),
                }
            }
            b'E' => {
                let room = FIELDS_KEPT.saturating_sub(self.fields.len());
                self.fields.extend_from_slice(&body[..body.len().min(room)]);
            }
            _ => {}
        }
        Ok(())
    }

    /// A message has ended. Returns what ends with it.
    #[inline]
    fn end_message(&mut self, consumed: usize) -> Result<Option<ReplyProgress>, PostgresFault> {
        match self.tag {
            b'Z' => Ok(Some(self.end_answer(consumed))),
            b'E' => self.end_error(consumed),
            b'N' | b'S' | b'A' => Ok(Some(ReplyProgress::Aside { consumed })),
            _ => Ok(None),
        }
    }

    /// An error ends the answer if it ends the connection; otherwise its end follows.
    #[cold]
    #[inline(never)]
    fn end_error(&mut self, consumed: usize) -> Result<Option<ReplyProgress>, PostgresFault> {
        let error = ServerRefusal::read(&self.fields).ok_or(PostgresFault::Error)?;
        let is_fatal = error.is_fatal;
        // The first one is the cause of those behind it, unless one is the last word.
        if self.code.is_none() || is_fatal {
            self.code = Some(error.code);
            self.error = Some(Box::new(error));
        }
        self.has_begun = true;
        Ok(is_fatal.then(|| self.end_answer(consumed)))
    }

    #[inline]
    fn end_answer(&mut self, consumed: usize) -> ReplyProgress {
        let payload = std::mem::take(&mut self.payload);
        self.rows = std::mem::take(&mut self.counted);
        self.has_begun = false;
        let code = match self.code.take() {
            Some(code) => code,
            None => {
                self.error = None;
                AnswerCode::SQL_SUCCESS
            }
        };
        ReplyProgress::Reply { consumed, reply: WholeReply { code, payload } }
    }
}

/// Whether a message of an answer begins so.
#[inline]
const fn check_tag(tag: u8) -> Result<(), PostgresFault> {
    match tag {
        b'1' | b'2' | b'3' | b'n' | b't' | b'T' | b'D' | b'C' | b'I' | b's' | b'Z' | b'E'
        | b'N' | b'S' | b'A' => Ok(()),
        b'G' | b'H' | b'W' => Err(PostgresFault::Copy),
        tag => Err(PostgresFault::Tag(tag)),
    }
}

#[cfg(test)]
mod tests;
