//! A regular expression that searches without allocating: the positions of a match are on the
//! stack.

use std::fmt;

use regex_automata::Input;
use regex_automata::meta::{BuildError, Config, Regex};
use regex_automata::util::syntax;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Largest size of a compiled expression.
const BYTES_MAX: usize = 1 << 20;

/// A regular expression over bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    regex: Regex,
    written: String,
}

/// The text is not a regular expression.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not a valid regular expression: {0}")]
pub struct PatternError(String);

impl Pattern {
    /// Compile an expression, without Unicode tables.
    ///
    /// # Errors
    /// If it is invalid, or needs more than 1 MiB.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let config = Config::new()
            .utf8_empty(false)
            .nfa_size_limit(Some(BYTES_MAX))
            .onepass_size_limit(Some(BYTES_MAX));
        let syntax = syntax::Config::new().unicode(false).utf8(false);
        let built = Regex::builder().configure(config).syntax(syntax).build(text);
        let regex = built.map_err(|why| PatternError(cause(&why)))?;
        Ok(Self { regex, written: text.to_owned() })
    }

    /// The first group of the first match in `text`, or the whole match if there is no group.
    pub fn find<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        let mut places = [None; 4];
        self.regex.search_slots(&Input::new(text), &mut places)?;
        let [begin, end, group_begins, group_ends] = places.map(|place| place.map(|at| at.get()));
        let (begin, end) = group_begins.zip(group_ends).or_else(|| begin.zip(end))?;
        text.get(begin..end)
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        Self::new(&text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.written
    }
}

impl fmt::Display for Pattern {
    /// The expression as written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// The error in one line.
fn cause(error: &BuildError) -> String {
    match error.syntax_error() {
        Some(error) => {
            let text = error.to_string();
            text.lines().last().unwrap_or_default().trim().to_owned()
        }
        None => format!("it needs more than {BYTES_MAX} bytes when compiled"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_group_is_found_or_all_of_the_match() {
        let cases = [
            ("a(b+)c(d)", "xabbcd", Some("bb")),
            ("ab+", "xabbc", Some("abb")),
            ("a(b)?c", "ac", Some("ac")),
            ("(?:a)(?<name>b)", "ab", Some("b")),
            ("^b", "ab", None),
            ("", "ab", Some("")),
            ("(a*)", "baa", Some("")),
            ("(\\w+)@", "x y@z", Some("y")),
        ];
        for (written, text, expected) in cases {
            let pattern = Pattern::new(written).expect(written);
            assert_eq!(pattern.find(text.as_bytes()), expected.map(str::as_bytes), "{pattern}");
        }
        let byte = Pattern::new("\\xC3(.)").expect("a pattern");
        assert_eq!(byte.find("aé".as_bytes()), Some(&[0xa9][..]), "of bytes, not of characters");
    }

    #[test]
    fn mistakes_are_told_in_one_line() {
        for (written, cause) in [
            ("(", "unclosed group"),
            ("a{9999999}", "more than"),
            ("[z-a]", "invalid character class range"),
            ("\\pL", "Unicode"),
        ] {
            let why = Pattern::new(written).expect_err(written).to_string();
            assert!(why.contains(cause) && !why.contains('\n'), "{why}");
        }
    }
}
