//! Whether an answer is the expected one.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::answer::Answer;
use super::expected::Expected;
use super::pointer::{Pointer, is_string_of};
use super::template::find;
use super::value::Scope;

/// One condition on an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The status is one of these.
    Status(Vec<u16>),
    /// A header with this name has this value. A `Content-Type` without parameters also accepts one
    /// with them: `text/html` accepts `text/html; charset=utf-8`.
    Header {
        /// Compared without regard to case.
        name: String,
        /// Compared without surrounding white space.
        value: Expected,
    },
    /// The body contains these bytes.
    Contains(Expected),
    /// The body does not contain these bytes.
    Excludes(Expected),
    /// The body is these bytes.
    Equals(Expected),
    /// The body has this length in bytes.
    Length(u64),
    /// A value of the JSON in the body.
    Json {
        /// Its place.
        pointer: Pointer,
        /// Its expected value.
        expected: Scalar,
    },
}

/// A JSON value that is neither an object nor an array.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number; `1.0` is not one.
    Integer(i64),
    /// Any number.
    Float(f64),
    /// A string.
    Text(Expected),
}

impl Check {
    /// Whether the condition holds. Texts that vary are built in `scratch`.
    pub fn holds(&self, answer: &Answer<'_>, scope: &Scope<'_>, scratch: &mut Vec<u8>) -> bool {
        match self {
            Self::Status(statuses) => statuses.contains(&answer.status),
            Self::Header { name, value } => {
                let value = value.bytes(scope, scratch);
                let is_type = name.eq_ignore_ascii_case("content-type") && !value.contains(&b';');
                answer.headers(name).any(|given| match is_type {
                    true => is_of_type(given, value),
                    false => given == value,
                })
            }
            Self::Contains(text) => {
                let bytes = text.bytes(scope, scratch);
                bytes.is_empty() || find(answer.body, bytes).is_some()
            }
            Self::Excludes(text) => {
                let bytes = text.bytes(scope, scratch);
                bytes.is_empty() || find(answer.body, bytes).is_none()
            }
            Self::Equals(text) => answer.body == text.bytes(scope, scratch),
            Self::Length(length) => answer.body_bytes == *length,
            Self::Json { pointer, expected } => {
                let value = pointer.find(answer.body);
                value.is_some_and(|value| expected.is(value, scope, scratch))
            }
        }
    }

    /// Whether it reads the header, whose bytes must then be kept.
    pub const fn needs_head(&self) -> bool {
        matches!(self, Self::Header { .. })
    }

    /// Whether it reads the body's bytes, which must then be kept.
    pub const fn needs_body(&self) -> bool {
        matches!(self, Self::Contains(_) | Self::Excludes(_) | Self::Equals(_) | Self::Json { .. })
    }
}

/// Whether a `Content-Type` is of this media type (RFC 9110 section 8.3.1: letter case does not
/// matter).
fn is_of_type(given: &[u8], expected: &[u8]) -> bool {
    let essence = given.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(expected)
}

impl Scalar {
    /// Whether `value`, as written in JSON, equals this.
    fn is(&self, value: &[u8], scope: &Scope<'_>, scratch: &mut Vec<u8>) -> bool {
        let text = || std::str::from_utf8(value).ok();
        match self {
            Self::Bool(bool) => value == if *bool { &b"true"[..] } else { b"false" },
            Self::Integer(integer) => text().and_then(|text| text.parse().ok()) == Some(*integer),
            Self::Float(float) => {
                let number = text().filter(|text| !text.starts_with(['i', 'n', 'N', '+']));
                number.and_then(|text| text.parse().ok()) == Some(*float)
            }
            Self::Text(expected) => is_string_of(value, expected.bytes(scope, scratch)),
        }
    }
}

/// Longest text of a check that is shown, in characters.
const SHOWN_MAX: usize = 60;

impl fmt::Display for Check {
    /// The fault if it does not hold: `status is not 200`, `JSON /id is not 42`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(statuses) => {
                f.write_str("status is not ")?;
                for (at, status) in statuses.iter().enumerate() {
                    let or = if at == 0 { "" } else { " or " };
                    write!(f, "{or}{status}")?;
                }
                Ok(())
            }
            Self::Header { name, value } => write!(f, "header {name} is not {}", Shown(value)),
            Self::Contains(text) => write!(f, "body does not hold {}", Shown(text)),
            Self::Excludes(text) => write!(f, "body holds {}", Shown(text)),
            Self::Equals(text) => write!(f, "body is not {}", Shown(text)),
            Self::Length(length) => write!(f, "body does not have {length} bytes"),
            Self::Json { pointer, expected } => {
                write!(f, "JSON {pointer} is not ")?;
                match expected {
                    Scalar::Bool(bool) => write!(f, "{bool}"),
                    Scalar::Integer(integer) => write!(f, "{integer}"),
                    Scalar::Float(float) => write!(f, "{float}"),
                    Scalar::Text(text) => write!(f, "{}", Shown(text)),
                }
            }
        }
    }
}

/// A text in quotes and on one line, shortened if it is long.
struct Shown<'a>(&'a Expected);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.written();
        let cut = text.char_indices().nth(SHOWN_MAX).map_or(text, |(end, _)| &text[..end]);
        let dots = if cut.len() < text.len() { "…" } else { "" };
        write!(f, "`{}{dots}`", cut.escape_debug())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::cookie_jar::CookieJar;

    #[test]
    fn each_check_tells_right_from_wrong() {
        let body = r#"{"id":42,"ratio":0.5,"name":"a\"b","ok":true}"#;
        let answer = Answer {
            status: 201,
            head: b"Content-Type: application/json\r\n\r\n",
            body: body.as_bytes(),
            body_bytes: body.len() as u64,
        };
        let json =
            |pointer: &str, expected| Check::Json { pointer: pointer.parse().unwrap(), expected };
        let header =
            |value: &str| Check::Header { name: "content-type".to_owned(), value: value.into() };
        assert!(is_of_type(b"text/HTML ; charset=utf-8", b"Text/html"));
        assert!(!is_of_type(b"text/html; charset=utf-8", b"text"));
        let pairs = [
            (Check::Status(vec![200, 201]), Check::Status(vec![200])),
            (header("application/json"), header("application")),
            (Check::Contains("\"id\":42".into()), Check::Contains("43".into())),
            (Check::Excludes("43".into()), Check::Excludes("\"id\":42".into())),
            (Check::Equals(body.into()), Check::Equals("{}".into())),
            (Check::Length(body.len() as u64), Check::Length(0)),
            (json("/id", Scalar::Integer(42)), json("/id", Scalar::Integer(4))),
            (json("/ratio", Scalar::Float(0.5)), json("/ok", Scalar::Float(1.0))),
            (json("/name", Scalar::Text("a\"b".into())), json("/id", Scalar::Text("42".into()))),
            (json("/ok", Scalar::Bool(true)), json("/gone", Scalar::Bool(false))),
        ];
        let nowhere = Scope {
            user: 0,
            sequence: 0,
            unix_ms: 0,
            captures: &[],
            tables: &[],
            rows: &[],
            cookies: CookieJar::empty(),
        };
        for (right, wrong) in pairs {
            let mut scratch = Vec::new();
            assert!(right.holds(&answer, &nowhere, &mut scratch), "{right}");
            assert!(!wrong.holds(&answer, &nowhere, &mut scratch), "{wrong}");
        }
    }
}
