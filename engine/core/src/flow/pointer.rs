//! A JSON pointer (RFC 6901) evaluated on a text without building a tree.
//!
//! Only the path is parsed: of other values only nesting and strings are read. So errors elsewhere
//! in the text are not found.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The place of a value in a JSON text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer(Vec<String>);

/// Not a pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "a JSON pointer begins with `/`, and `~` in it is written `~0`: write /user/id or /items/0"
)]
pub struct PointerError;

impl FromStr for Pointer {
    type Err = PointerError;

    fn from_str(text: &str) -> Result<Self, PointerError> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let tokens = text.strip_prefix('/').ok_or(PointerError)?.split('/');
        let unescaped = |token: &str| {
            let is_valid = token.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
            is_valid.then(|| token.replace("~1", "/").replace("~0", "~")).ok_or(PointerError)
        };
        tokens.map(unescaped).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Pointer {
    /// The pointer as written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escaped = |token: &String| token.replace('~', "~0").replace('/', "~1");
        self.0.iter().try_for_each(|token| write!(f, "/{}", escaped(token).escape_debug()))
    }
}

impl Pointer {
    /// The value, as written in `json`.
    pub fn find<'a>(&self, json: &'a [u8]) -> Option<&'a [u8]> {
        let mut cursor = Cursor { bytes: json, at: 0 };
        for token in &self.0 {
            cursor.space();
            match cursor.next()? {
                b'{' => cursor.member(token)?,
                b'[' => cursor.element(token)?,
                _ => return None,
            }
        }
        cursor.space();
        cursor.value()
    }
}

/// Pass on the text of `value`: the content of a string, anything else as written. `false` if a
/// string is not well-formed.
pub(super) fn text(value: &[u8], take: &mut impl FnMut(&[u8])) -> bool {
    let inner = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    let Some(mut rest) = inner else {
        take(value);
        return !value.is_empty();
    };
    while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
        take(&rest[..at]);
        let Some((letter, used)) = unescaped(&rest[at..]) else { return false };
        take(letter.encode_utf8(&mut [0; 4]).as_bytes());
        rest = &rest[at + used..];
    }
    take(rest);
    true
}

/// Whether `value` is a string with the content `expected`.
pub(super) fn is_string_of(value: &[u8], expected: &[u8]) -> bool {
    let mut left = Some(expected);
    let is_whole = text(value, &mut |piece| left = left.and_then(|left| left.strip_prefix(piece)));
    value.starts_with(b"\"") && is_whole && left == Some(b"")
}

/// The character of an escape, and the escape's length.
fn unescaped(escape: &[u8]) -> Option<(char, usize)> {
    let plain = match escape.get(1)? {
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        byte @ (b'"' | b'\\' | b'/') => char::from(*byte),
        b'u' => {
            let high = unit(escape)?;
            if !(0xD800..0xDC00).contains(&high) {
                return Some((char::from_u32(high)?, 6));
            }
            // A character above 16 bits is a pair of escapes (RFC 8259 section 7).
            let low = unit(escape.get(6..)?).filter(|low| (0xDC00..0xE000).contains(low))?;
            let scalar = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
            return Some((char::from_u32(scalar)?, 12));
        }
        _ => return None,
    };
    Some((plain, 2))
}

/// The four digits of `\uXXXX`.
fn unit(escape: &[u8]) -> Option<u32> {
    let digits = escape.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |sum, &digit| Some(sum * 16 + char::from(digit).to_digit(16)?))
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// Move to the value of a member, starting after the `{`.
    fn member(&mut self, name: &str) -> Option<()> {
        loop {
            self.space();
            let key = self.value().filter(|key| key.starts_with(b"\""))?;
            self.space();
            if self.next()? != b':' {
                return None;
            }
            if is_string_of(key, name.as_bytes()) {
                return Some(());
            }
            self.behind_value()?;
        }
    }

    /// Move to an element, starting after the `[`.
    fn element(&mut self, index: &str) -> Option<()> {
        let is_index = index == "0" || !index.starts_with(['0', '+']);
        let index: usize = index.parse().ok().filter(|_| is_index)?;
        for _ in 0..index {
            self.behind_value()?;
        }
        self.space();
        (self.peek()? != b']').then_some(())
    }

    /// Skip a value and the comma after it.
    fn behind_value(&mut self) -> Option<()> {
        self.space();
        self.value()?;
        self.space();
        (self.next()? == b',').then_some(())
    }

    /// Skip a value, and return it.
    fn value(&mut self) -> Option<&'a [u8]> {
        let begin = self.at;
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => self.string()?,
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' if depth > 0 => self.at += 1,
                _ => self.word()?,
            }
            if depth == 0 {
                return Some(&self.bytes[begin..self.at]);
            }
        }
    }

    fn string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            match self.next()? {
                b'"' => return Some(()),
                b'\\' => self.at += 1,
                _ => {}
            }
        }
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self) -> Option<()> {
        let is_word =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
        let rest = &self.bytes[self.at..];
        let length = rest.iter().take_while(|byte| is_word(byte)).count();
        self.at += length;
        (length > 0).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(json: &str, pointer: &str) -> Option<String> {
        let pointer: Pointer = pointer.parse().unwrap();
        pointer.find(json.as_bytes()).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    #[test]
    fn values_are_found_as_the_rfc_finds_them() {
        // RFC 6901 section 5, and invalid cases.
        let json = r#" {"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3,
            "g|h": 4, "i\\j": 5, "k\"l": 6, " ": 7, "m~n": 8, "deep": {"x": [[], [{"y": "]"}]]}} "#;
        let cases = [
            ("/foo", Some(r#"["bar", "baz"]"#)),
            ("/foo/0", Some("\"bar\"")),
            ("/foo/2", None),
            ("/foo/01", None),
            ("/foo/-", None),
            ("/", Some("0")),
            ("/a~1b", Some("1")),
            ("/c%d", Some("2")),
            ("/i\\j", Some("5")),
            ("/k\"l", Some("6")),
            ("/ ", Some("7")),
            ("/m~0n", Some("8")),
            ("/deep/x/1/0/y", Some("\"]\"")),
            ("/deep/x/0/0", None),
            ("/none", None),
        ];
        for (pointer, expected) in cases {
            assert_eq!(found(json, pointer).as_deref(), expected, "{pointer}");
        }
        for json in ["", "{", "{\"a\"", "{\"a\":", "[", "[1", "{\"b\":1 2", "nul", "{\"b\" 1}"] {
            assert_eq!(found(json, "/a"), None, "{json}");
        }
        for text in ["a", "/~", "/~2"] {
            assert_eq!(text.parse::<Pointer>(), Err(PointerError));
        }
    }

    #[test]
    fn no_cut_makes_it_panic() {
        let json = br#"{"a":[1,{"b":"\ud83d\ude00\"x"}],"c":null}"#;
        let pointer: Pointer = "/a/1/b".parse().unwrap();
        for end in 0..=json.len() {
            if let Some(value) = pointer.find(&json[..end]) {
                assert!(is_string_of(value, "😀\"x".as_bytes()));
            }
        }
    }
}
