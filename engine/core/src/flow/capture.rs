//! Values captured from an answer for later steps, bounded so that no server can fill the memory.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::answer::Answer;
use super::pattern::Pattern;
use super::pointer::Pointer;

/// The value to capture.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Capture {
    /// Its place in the answer.
    pub source: Source,
    /// Longest value kept, in bytes: at least 1.
    pub bytes_max: usize,
}

/// A place in an answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The first header of this name.
    Header(String),
    /// The cookie that the answer sets.
    Cookie(String),
    /// A value of the JSON in the body: strings without quotes and escapes, others as written.
    Json(Pointer),
    /// The first group of the first match in the body, or all of it when there is no group.
    Regex(Pattern),
}

/// Why nothing was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CaptureError {
    /// The answer does not contain it.
    #[error("the answer does not have it")]
    Missing,
    /// It is longer than the limit.
    #[error("it is longer than the capture's `max`")]
    TooLong,
}

impl Capture {
    /// Put the captured value of `answer` into `kept`, which is emptied first.
    ///
    /// # Errors
    /// If the value is missing or too long; `kept` is empty then.
    pub fn take(&self, answer: &Answer<'_>, kept: &mut Vec<u8>) -> Result<(), CaptureError> {
        kept.clear();
        let found = match &self.source {
            Source::Header(name) => answer.headers(name).next(),
            Source::Cookie(name) => answer.cookie(name),
            Source::Json(pointer) => {
                let value = pointer.find(answer.body).ok_or(CaptureError::Missing)?;
                let mut is_short = true;
                let is_whole = super::pointer::text(value, &mut |piece| {
                    is_short &= kept.len() + piece.len() <= self.bytes_max;
                    if is_short {
                        kept.extend_from_slice(piece);
                    }
                });
                return match (is_whole, is_short) {
                    (true, true) => Ok(()),
                    (is_whole, _) => {
                        kept.clear();
                        let too_long = CaptureError::TooLong;
                        Err(if is_whole { too_long } else { CaptureError::Missing })
                    }
                };
            }
            Source::Regex(pattern) => pattern.find(answer.body),
        };
        let found = found.ok_or(CaptureError::Missing)?;
        if found.len() > self.bytes_max {
            return Err(CaptureError::TooLong);
        }
        kept.extend_from_slice(found);
        Ok(())
    }

    /// Whether it reads the header, whose bytes must then be kept.
    pub const fn needs_head(&self) -> bool {
        matches!(self.source, Source::Header(_) | Source::Cookie(_))
    }

    /// Whether it reads the body, whose bytes must then be kept.
    pub const fn needs_body(&self) -> bool {
        matches!(self.source, Source::Json(_) | Source::Regex(_))
    }
}

impl fmt::Display for Source {
    /// Its name in reports: `header X-Id`, `JSON /token`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header {name}"),
            Self::Cookie(name) => write!(f, "cookie {name}"),
            Self::Json(pointer) => write!(f, "JSON {pointer}"),
            Self::Regex(pattern) => {
                write!(f, "match of `{}`", pattern.to_string().escape_debug())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_hold_at_their_bounds() {
        let answer = Answer {
            status: 200,
            head: b"Location: /items/7\r\nSet-Cookie: sid=abcdef; HttpOnly\r\n\r\n",
            body: br#"{"a":[{"b":"x\u00e9y\n"}],"n":-1.5,"o":{}} token=abc123;"#,
            body_bytes: 55,
        };
        let json = |text: &str| Source::Json(text.parse().unwrap());
        let regex = |text: &str| Source::Regex(Pattern::new(text).unwrap());
        let cases = [
            (Source::Header("location".into()), Some("/items/7")),
            (Source::Header("x-none".into()), None),
            (Source::Cookie("sid".into()), Some("abcdef")),
            (json("/a/0/b"), Some("xéy\n")),
            (json("/n"), Some("-1.5")),
            (json("/a/1/b"), None),
            (json("/o"), Some("{}")),
            (regex("token=([a-z0-9]+)"), Some("abc123")),
            (regex("token=[a-z]+"), Some("token=abc")),
            (regex("nothing"), None),
        ];
        for (source, expected) in cases {
            let mut kept = b"old".to_vec();
            let len = expected.map_or(1, str::len);
            let exact = Capture { source, bytes_max: len };
            let taken = exact.take(&answer, &mut kept);
            assert_eq!(taken.is_ok(), expected.is_some(), "{exact:?}: {taken:?}");
            assert_eq!(kept, expected.unwrap_or("").as_bytes());
            if expected.is_some() {
                let short = Capture { bytes_max: len - 1, ..exact };
                assert_eq!(short.take(&answer, &mut kept), Err(CaptureError::TooLong));
                assert!(kept.is_empty());
            }
        }
    }
}
