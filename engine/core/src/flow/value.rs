//! The values of slots in requests, and their escaping.
//!
//! All values depend on the scope and the random source that are passed in, so equal ones give
//! equal bytes.

use serde::{Deserialize, Serialize};

use super::cookie_jar::CookieJar;
use super::skew::Skew;
use super::table::Table;
use super::target::RequestTarget;
use super::text::Text;
use crate::statistics::random::Random;

/// Milliseconds since 1970 have this many digits until the year 2286.
const TIMESTAMP_DIGITS: usize = 13;
/// The most digits of a number with zeros before it: those of 2^63.
pub const PADDED_MAX: usize = 19;
/// Of `8-4-4-4-12` hexadecimal digits.
const UUID_BYTES: usize = 36;
/// The letters of random strings, which need no escape in a URL, JSON or a header.
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const HEX: &[u8; 16] = b"0123456789abcdef";

/// The source of a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// A number that is unique among the requests of the run.
    Sequence,
    /// The user's number, from 0.
    User,
    /// A random UUID (RFC 9562 version 4).
    Uuid,
    /// Milliseconds since 1970, in 13 digits.
    Timestamp,
    /// A random whole number from `low` to `high`, both included.
    Int {
        /// At most `high`.
        low: i64,
        /// At least `low`, and less than 2^63 above it.
        high: i64,
    },
    /// The same with zeros before it, so that it always has `width` digits.
    Padded {
        /// At most `high`.
        low: u64,
        /// At least `low`, below 2^63, and of at most `width` digits.
        high: u64,
        /// 1 to 19.
        width: u8,
    },
    /// A random whole number, some more frequent than others.
    Skewed(Skew),
    /// A number of random letters and digits.
    Letters(usize),
    /// One of these at random, with equal probability; at least one.
    Choice(#[serde(with = "crate::stored::list")] Vec<Vec<u8>>),
    /// A cell of the user's row.
    Cell {
        /// The table.
        table: usize,
        /// The column.
        column: usize,
    },
    /// A value captured from an earlier answer.
    Capture(usize),
    /// All this as a request target, without its first `/`; its slots are not escaped.
    Target(Text),
}

/// The escaping of a value, so that it stays one value in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Escape {
    /// None: in a text.
    None,
    /// In a path, a query or a form: anything but unreserved characters becomes `%XX` (RFC 3986).
    Url,
    /// In a JSON text: characters that a string may not contain become `\u00XX`, `"` and `\` get a
    /// `\`.
    Json,
    /// In a header: control characters become spaces (RFC 9110 section 5.5).
    Header,
    /// In a cookie: `;` and control characters become `%XX`.
    Cookie,
}

/// The inputs of values besides random numbers.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The user's number, from 0.
    pub user: u64,
    /// The request's number, from 0.
    pub sequence: u64,
    /// Milliseconds since 1970.
    pub unix_ms: u64,
    /// The user's captured values, by index.
    pub captures: &'a [Vec<u8>],
    /// All tables.
    pub tables: &'a [Table],
    /// The user's row in each.
    pub rows: &'a [usize],
    /// The user's cookies; [`CookieJar::empty`] if none are stored.
    pub cookies: &'a CookieJar,
}

/// A value and its escaping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateValue {
    value: Value,
    escape: Escape,
}

impl TemplateValue {
    /// A slot for `value`; constant values are escaped now.
    pub fn new(value: Value, escape: Escape) -> Self {
        let Value::Choice(choices) = value else { return Self { value, escape } };
        let escaped = |choice: Vec<u8>| {
            let mut bytes = Vec::new();
            escape.pieces(&choice, &mut |piece| bytes.extend_from_slice(piece));
            bytes
        };
        let choices = choices.into_iter().map(escaped).collect();
        Self { value: Value::Choice(choices), escape: Escape::None }
    }

    /// The value, without its escaping.
    pub const fn value(&self) -> &Value {
        &self.value
    }

    /// Its constant length in bytes; `None` if it depends on the value.
    pub fn width(&self) -> Option<usize> {
        match &self.value {
            Value::Uuid => Some(UUID_BYTES),
            Value::Timestamp => Some(TIMESTAMP_DIGITS),
            Value::Letters(count) => Some(*count),
            Value::Padded { width, .. } => Some(PADDED_MAX.min((*width).into())),
            Value::Skewed(skew) => {
                let width = skew.parts().width;
                (width > 0).then_some(PADDED_MAX.min(width.into()))
            }
            Value::Choice(choices) => {
                let width = choices.first()?.len();
                choices.iter().all(|choice| choice.len() == width).then_some(width)
            }
            Value::Int { low, high } => {
                let width = Digits::of((*low).into()).text().len();
                // All numbers between two of the same sign and length have that length.
                (width == Digits::of((*high).into()).text().len() && (*low < 0) == (*high < 0))
                    .then_some(width)
            }
            Value::Sequence
            | Value::User
            | Value::Cell { .. }
            | Value::Capture(_)
            | Value::Target(_) => None,
        }
    }

    /// Pass on the value, escaped, piece by piece.
    pub fn pieces(&self, scope: &Scope<'_>, random: &mut Random, take: &mut impl FnMut(&[u8])) {
        match &self.value {
            Value::Sequence => take(Digits::of(scope.sequence.into()).text()),
            Value::User => take(Digits::of(scope.user.into()).text()),
            Value::Uuid => take(&uuid(random)),
            Value::Timestamp => take(&timestamp(scope.unix_ms)),
            Value::Int { low, high } => {
                let drawn = random.below(high.abs_diff(*low) as usize + 1);
                let number = low.saturating_add_unsigned(drawn as u64);
                take(Digits::of(number.into()).text());
            }
            Value::Padded { low, high, width } => {
                let drawn = random.below((high.abs_diff(*low) as usize).saturating_add(1));
                let digits = padded(low.saturating_add(drawn as u64));
                take(&digits[PADDED_MAX.saturating_sub((*width).into())..]);
            }
            Value::Skewed(skew) => match (skew.draw(random), skew.parts().width) {
                (number, 0) => take(Digits::of(number.into()).text()),
                (number, width) => {
                    let digits = padded(number.unsigned_abs());
                    take(&digits[PADDED_MAX.saturating_sub(width.into())..]);
                }
            },
            Value::Letters(count) => {
                for _ in 0..*count {
                    take(&[LETTERS[random.below(LETTERS.len())]]);
                }
            }
            Value::Choice(choices) => {
                if let Some(choice) = choices.get(random.below(choices.len())) {
                    take(choice);
                }
            }
            Value::Cell { table, column } => {
                let row = scope.rows.get(*table).copied().unwrap_or(0);
                if let Some(table) = scope.tables.get(*table) {
                    self.escape.pieces(table.cell(row, *column), take);
                }
            }
            Value::Capture(number) => {
                if let Some(capture) = scope.captures.get(*number) {
                    self.escape.pieces(capture, take);
                }
            }
            Value::Target(text) => {
                let mut target = RequestTarget::new();
                text.pieces(scope, random, &mut |piece| target.push(piece, take));
                target.end(take);
            }
        }
    }
}

impl Escape {
    /// Pass on `text`, escaped, piece by piece.
    pub fn pieces(self, text: &[u8], take: &mut impl FnMut(&[u8])) {
        let mut rest = text;
        while let Some(at) = rest.iter().position(|&byte| !self.is_plain(byte)) {
            take(&rest[..at]);
            let byte = rest[at];
            let [high, low] = [byte >> 4, byte & 15].map(|digit| HEX[usize::from(digit)]);
            match self {
                Self::None | Self::Header => take(b" "),
                Self::Url | Self::Cookie => {
                    take(&[b'%', high.to_ascii_uppercase(), low.to_ascii_uppercase()])
                }
                Self::Json if matches!(byte, b'"' | b'\\') => take(&[b'\\', byte]),
                Self::Json => take(&[b'\\', b'u', b'0', b'0', high, low]),
            }
            rest = &rest[at + 1..];
        }
        take(rest);
    }

    const fn is_plain(self, byte: u8) -> bool {
        match self {
            Self::None => true,
            Self::Url => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'),
            Self::Json => byte >= b' ' && !matches!(byte, b'"' | b'\\'),
            Self::Cookie => !byte.is_ascii_control() && byte != b';',
            Self::Header => !byte.is_ascii_control() || byte == b'\t',
        }
    }
}

/// A whole number in decimal, at the end of a larger buffer.
pub(crate) struct Digits {
    bytes: [u8; 21],
    begin: usize,
}

impl Digits {
    pub(crate) fn of(number: i128) -> Self {
        let mut digits = Self { bytes: [b'0'; 21], begin: 21 };
        let mut rest = number.unsigned_abs();
        loop {
            digits.begin -= 1;
            digits.bytes[digits.begin] = b'0' + (rest % 10) as u8; // a digit
            rest /= 10;
            // Any number of 64 bits fits, with its sign.
            if rest == 0 || digits.begin == 1 {
                break;
            }
        }
        if number < 0 {
            digits.begin -= 1;
            digits.bytes[digits.begin] = b'-';
        }
        digits
    }

    pub(crate) fn text(&self) -> &[u8] {
        &self.bytes[self.begin..]
    }
}

fn uuid(random: &mut Random) -> [u8; UUID_BYTES] {
    let bits = u128::from(random.bits()) << 64 | u128::from(random.bits());
    let version = 0x4 << 76 | 0x2 << 62;
    let bits = bits & !(0xF << 76 | 0x3 << 62) | version;
    let mut text = [b'-'; UUID_BYTES];
    let places = (0..UUID_BYTES).filter(|at| !matches!(at, 8 | 13 | 18 | 23));
    for (place, digit) in places.zip(0..) {
        text[place] = HEX[(bits >> (124 - 4 * digit)) as usize & 15];
    }
    text
}

fn timestamp(unix_ms: u64) -> [u8; TIMESTAMP_DIGITS] {
    decimal(unix_ms)
}

fn padded(number: u64) -> [u8; PADDED_MAX] {
    decimal(number)
}

/// The last digits of a number, with zeros before it.
fn decimal<const DIGITS: usize>(number: u64) -> [u8; DIGITS] {
    let mut text = [b'0'; DIGITS];
    let mut rest = number;
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8; // a digit
        rest /= 10;
    }
    text
}
