//! Replies of Redis, in bytes that may be split anywhere: where each ends, and what it says.
//!
//! A reply is one top-level value. Values inside it are walked through, not kept: no recursion, and
//! memory that does not grow with the reply. What a reply means for a request is decided elsewhere.

use std::fmt;

use memchr::memchr;

use crate::answer_code::{AnswerCode, RedisReply};
use crate::reply::{ReplyProgress, WholeReply};

/// The deepest nesting of values.
pub const DEPTH_MAX: usize = 32;
/// The longest line: a simple value, or the length of another.
pub const LINE_MAX: usize = 64 << 10;
/// The longest string: Redis's own limit, `proto-max-bulk-len`.
const BULK_MAX: u64 = 512 << 20;
/// The most elements of one value.
const ELEMENTS_MAX: u64 = u32::MAX as u64;
/// Bytes of an error that are kept.
const ERROR_KEPT: usize = 160;
/// The most digits of a length, with its sign.
const DIGITS_MAX: usize = 20;
const VALUE: AnswerCode = AnswerCode::redis_reply(RedisReply::Value);
const NIL: AnswerCode = AnswerCode::redis_reply(RedisReply::Nil);
const STATUS: AnswerCode = AnswerCode::redis_reply(RedisReply::Status);

/// Why bytes are not a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyFault {
    /// No value begins with this byte.
    Type(u8),
    /// A length that is no number, or too large.
    Length,
    /// A line longer than [`LINE_MAX`].
    Line,
    /// A line or a string that does not end with CR LF.
    End,
    /// Values nested deeper than [`DEPTH_MAX`].
    Depth,
    /// A number, a boolean or a null with other content.
    Value,
    /// A push inside another value.
    Push,
}

impl fmt::Display for ReplyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(byte) => {
                write!(f, "no Redis reply begins with `{}`", char::from(*byte).escape_default())
            }
            Self::Length => {
                f.write_str("the length of a Redis value is not a number, or too large")
            }
            Self::Line => write!(f, "a line of a Redis reply is longer than {LINE_MAX} bytes"),
            Self::End => f.write_str("a Redis value does not end with CR LF"),
            Self::Depth => write!(f, "Redis values are nested deeper than {DEPTH_MAX}"),
            Self::Value => f.write_str("a Redis number, boolean or null has other content"),
            Self::Push => f.write_str("a Redis push is inside another value"),
        }
    }
}

/// How a line is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// Any text.
    Text,
    /// An error, whose beginning is kept.
    Error,
    /// A whole number.
    Integer,
    /// `t` or `f`.
    Boolean,
    /// Nothing.
    Null,
    /// The length of a string, which is an error's text or not.
    Bulk { is_error: bool },
    /// The number of elements, of this value.
    Elements(Aggregate),
}

/// A value with elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aggregate {
    /// Array or set.
    Array,
    Map,
    /// It belongs to the value behind it.
    Attribute,
    Push,
}

/// Where the reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first byte of a value.
    Value,
    /// In a line.
    Line(Line),
    /// In a string, with so many bytes still to come.
    Bulk {
        left: u64,
        is_error: bool,
    },
    /// Behind a string: CR, then LF.
    BulkCr,
    BulkLf,
}

/// A value whose elements are being read.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// Elements still to come.
    left: u64,
    is_attribute: bool,
}

/// Reads replies, one after the other.
#[derive(Debug)]
pub struct ReplyReader {
    state: State,
    open: Vec<Open>,
    /// Of the line under way: how long it is, and whether its CR has come.
    line_length: usize,
    ends_with_cr: bool,
    /// The digits of a line that is a number.
    digits: [u8; DIGITS_MAX],
    /// What the reply under way says, once its first byte is known.
    code: Option<AnswerCode>,
    is_push: bool,
    payload: u64,
    /// The beginning of the latest error.
    error: Vec<u8>,
}

impl Default for ReplyReader {
    fn default() -> Self {
        Self {
            state: State::Value,
            open: Vec::new(),
            line_length: 0,
            ends_with_cr: false,
            digits: [0; DIGITS_MAX],
            code: None,
            is_push: false,
            payload: 0,
            error: Vec::new(),
        }
    }
}

impl ReplyReader {
    /// The beginning of the latest error, without its `-`.
    pub fn error(&self) -> &[u8] {
        &self.error
    }

    /// Whether the value under way answers no command.
    pub const fn is_push(&self) -> bool {
        self.is_push
    }

    /// How many of the next bytes are payload alone, so that they may be discarded unread.
    #[inline]
    pub fn opaque(&self) -> u64 {
        match self.state {
            State::Bulk { left, is_error: false } => left,
            _ => 0,
        }
    }

    /// So many bytes of payload, at most [`Self::opaque`], were discarded unread.
    pub fn skip(&mut self, count: u64) {
        if let State::Bulk { left, is_error } = self.state {
            let count = count.min(left);
            self.payload += count;
            let left = left - count;
            self.state = if left == 0 { State::BulkCr } else { State::Bulk { left, is_error } };
        }
    }

    /// Read bytes up to the end of the first reply among them.
    ///
    /// # Errors
    /// If they are no reply; the reader is then of no further use.
    #[inline]
    pub fn feed(&mut self, bytes: &[u8]) -> Result<ReplyProgress, ReplyFault> {
        let mut at = 0;
        while at < bytes.len() {
            let (taken, has_ended) = self.step(&bytes[at..])?;
            at += taken;
            if has_ended && self.end_value() {
                return Ok(self.end_reply(at));
            }
        }
        Ok(ReplyProgress::NeedMore)
    }

    /// Read some of these bytes, at least one. Returns how many, and whether a value without
    /// elements ended with them.
    #[inline]
    fn step(&mut self, bytes: &[u8]) -> Result<(usize, bool), ReplyFault> {
        match self.state {
            State::Value => {
                self.begin_value(bytes[0])?;
                Ok((1, false))
            }
            State::Line(line) => self.read_line(line, bytes),
            State::Bulk { left, is_error } => {
                let here = left.min(bytes.len() as u64);
                if is_error {
                    self.keep_error(&bytes[..here as usize]);
                }
                self.skip(here);
                Ok((here as usize, false))
            }
            State::BulkCr if bytes[0] == b'\r' => {
                self.state = State::BulkLf;
                Ok((1, false))
            }
            State::BulkLf if bytes[0] == b'\n' => {
                self.end_error();
                Ok((1, true))
            }
            State::BulkCr | State::BulkLf => Err(ReplyFault::End),
        }
    }

    /// A value begins with this byte.
    #[inline]
    fn begin_value(&mut self, kind: u8) -> Result<(), ReplyFault> {
        let line = match kind {
            b'+' | b',' | b'(' => Line::Text,
            b'-' => Line::Error,
            b':' => Line::Integer,
            b'#' => Line::Boolean,
            b'_' => Line::Null,
            b'$' | b'=' => Line::Bulk { is_error: false },
            b'!' => Line::Bulk { is_error: true },
            b'*' | b'~' => Line::Elements(Aggregate::Array),
            b'%' => Line::Elements(Aggregate::Map),
            b'|' => Line::Elements(Aggregate::Attribute),
            b'>' if self.open.is_empty() => Line::Elements(Aggregate::Push),
            b'>' => return Err(ReplyFault::Push),
            other => return Err(ReplyFault::Type(other)),
        };
        if self.open.is_empty() {
            self.begin_reply(line);
        }
        self.state = State::Line(line);
        self.line_length = 0;
        self.ends_with_cr = false;
        Ok(())
    }

    /// The top-level value begins; an attribute only announces it.
    #[inline]
    fn begin_reply(&mut self, line: Line) {
        let code = match line {
            Line::Elements(Aggregate::Attribute) => return,
            Line::Text | Line::Integer | Line::Boolean => STATUS,
            Line::Null => NIL,
            // Its word follows.
            Line::Error | Line::Bulk { is_error: true } => AnswerCode::redis(b""),
            // Unless its length shows that it is a null.
            Line::Bulk { is_error: false } | Line::Elements(_) => VALUE,
        };
        self.is_push = line == Line::Elements(Aggregate::Push);
        self.code = Some(code);
        self.error.clear();
    }

    /// Read up to the end of the line.
    #[inline]
    fn read_line(&mut self, line: Line, bytes: &[u8]) -> Result<(usize, bool), ReplyFault> {
        let end = memchr(b'\n', bytes);
        let part = &bytes[..end.unwrap_or(bytes.len())];
        self.keep_line(line, part)?;
        let Some(end) = end else { return Ok((bytes.len(), false)) };
        if !self.ends_with_cr {
            return Err(ReplyFault::End);
        }
        Ok((end + 1, self.end_line(line)?))
    }

    /// A part of a line, without its LF. A CR stands only at its end.
    #[inline]
    fn keep_line(&mut self, line: Line, part: &[u8]) -> Result<(), ReplyFault> {
        if self.ends_with_cr && !part.is_empty() {
            return Err(ReplyFault::End);
        }
        let cr = memchr(b'\r', part);
        let text = &part[..cr.unwrap_or(part.len())];
        match line {
            Line::Text => {}
            Line::Error => self.keep_error(text),
            _ => {
                let room = self.digits.get_mut(self.line_length..self.line_length + text.len());
                room.ok_or(ReplyFault::Length)?.copy_from_slice(text);
            }
        }
        self.line_length += text.len();
        self.ends_with_cr |= cr.is_some();
        if self.line_length > LINE_MAX {
            Err(ReplyFault::Line)
        } else if cr.is_some_and(|at| at + 1 < part.len()) {
            Err(ReplyFault::End)
        } else {
            Ok(())
        }
    }

    /// A line is complete. Returns whether its value is.
    #[inline]
    fn end_line(&mut self, line: Line) -> Result<bool, ReplyFault> {
        match line {
            Line::Text => Ok(true),
            Line::Error => {
                self.end_error();
                Ok(true)
            }
            Line::Integer => {
                let digits = &self.digits[..self.line_length];
                let unsigned = digits.strip_prefix(b"-").or_else(|| digits.strip_prefix(b"+"));
                number(unsigned.unwrap_or(digits)).ok_or(ReplyFault::Value)?;
                Ok(true)
            }
            Line::Boolean => match &self.digits[..self.line_length] {
                b"t" | b"f" => Ok(true),
                _ => Err(ReplyFault::Value),
            },
            Line::Null if self.line_length == 0 => Ok(true),
            Line::Null => Err(ReplyFault::Value),
            Line::Bulk { is_error } => {
                let Some(left) = self.length()? else { return Ok(self.end_null()) };
                if left > BULK_MAX {
                    return Err(ReplyFault::Length);
                }
                self.state = if left == 0 { State::BulkCr } else { State::Bulk { left, is_error } };
                Ok(false)
            }
            Line::Elements(aggregate) => self.open_elements(aggregate),
        }
    }

    /// A value with elements begins. Returns whether it has none, and so has ended.
    fn open_elements(&mut self, aggregate: Aggregate) -> Result<bool, ReplyFault> {
        let count = match (self.length()?, aggregate) {
            (None, Aggregate::Array) => return Ok(self.end_null()),
            (None, _) => return Err(ReplyFault::Length),
            (Some(count), _) if count > ELEMENTS_MAX => return Err(ReplyFault::Length),
            (Some(count), Aggregate::Map | Aggregate::Attribute) => 2 * count,
            (Some(count), _) => count,
        };
        self.state = State::Value;
        let is_attribute = aggregate == Aggregate::Attribute;
        if count == 0 {
            // Of a key that is not there, lists, sets and hashes are empty.
            if self.open.is_empty() && !is_attribute {
                self.code = Some(NIL);
            }
            return Ok(!is_attribute);
        }
        if self.open.len() == DEPTH_MAX {
            return Err(ReplyFault::Depth);
        }
        self.open.push(Open { left: count, is_attribute });
        Ok(false)
    }

    /// The null of RESP2, which is a string or an array with a length of -1.
    fn end_null(&mut self) -> bool {
        if self.open.is_empty() {
            self.code = Some(NIL);
        }
        true
    }

    /// The number in a line; `None` for -1.
    #[inline]
    fn length(&self) -> Result<Option<u64>, ReplyFault> {
        match &self.digits[..self.line_length] {
            b"-1" => Ok(None),
            digits => number(digits).map(Some).ok_or(ReplyFault::Length),
        }
    }

    fn keep_error(&mut self, text: &[u8]) {
        if self.open.is_empty() {
            let room = ERROR_KEPT.saturating_sub(self.error.len());
            self.error.extend_from_slice(&text[..text.len().min(room)]);
        }
    }

    /// The text of an error is complete, if there is one: its first word is its code. Errors inside
    /// other values, as after EXEC, are elements.
    #[inline]
    fn end_error(&mut self) {
        if self.open.is_empty() && !self.error.is_empty() {
            let word = self.error.split(|byte| *byte == b' ').next().unwrap_or_default();
            self.code = Some(AnswerCode::redis(word));
        }
    }

    /// A value has ended. Returns whether the reply has with it.
    #[inline]
    fn end_value(&mut self) -> bool {
        self.state = State::Value;
        while let Some(open) = self.open.last_mut() {
            open.left -= 1;
            if open.left > 0 {
                return false;
            }
            let is_attribute = open.is_attribute;
            self.open.pop();
            if is_attribute {
                return false;
            }
        }
        true
    }

    #[inline]
    fn end_reply(&mut self, consumed: usize) -> ReplyProgress {
        let payload = std::mem::take(&mut self.payload);
        let code = self.code.take().unwrap_or(VALUE);
        if std::mem::take(&mut self.is_push) {
            return ReplyProgress::Aside { consumed };
        }
        ReplyProgress::Reply { consumed, reply: WholeReply { code, payload } }
    }
}

/// A number without a sign; `None` if it is none, or has more than 19 digits.
#[inline]
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests;
