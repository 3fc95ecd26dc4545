//! Whether an answer is the one that was expected.

use super::answer::Answer;
use super::pointer::{Pointer, is_string_of};
use super::template::find;

/// One thing that must hold of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    /// The status is one of these.
    Status(Vec<u16>),
    /// There is such a header with this value.
    Header {
        /// In any case.
        name: String,
        /// Without white space around it.
        value: String,
    },
    /// These bytes occur in the body.
    Contains(Vec<u8>),
    /// The body is these bytes.
    Equals(Vec<u8>),
    /// The body has so many bytes.
    Length(u64),
    /// A value of the JSON in the body.
    Json {
        /// Where it is.
        pointer: Pointer,
        /// What it is.
        expected: Scalar,
    },
}

/// A value within JSON that holds no others.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number; `1.0` is none.
    Integer(i64),
    /// Any number.
    Float(f64),
    /// A string.
    Text(String),
}

impl Check {
    /// Whether it holds.
    pub fn holds(&self, answer: &Answer<'_>) -> bool {
        match self {
            Self::Status(statuses) => statuses.contains(&answer.status),
            Self::Header { name, value } => {
                answer.headers(name).any(|given| given == value.as_bytes())
            }
            Self::Contains(bytes) => bytes.is_empty() || find(answer.body, bytes).is_some(),
            Self::Equals(bytes) => answer.body == bytes,
            Self::Length(length) => answer.body.len() as u64 == *length,
            Self::Json { pointer, expected } => {
                pointer.find(answer.body).is_some_and(|value| expected.is(value))
            }
        }
    }

    /// Whether it looks at the body's bytes, which then have to be kept.
    pub const fn needs_body(&self) -> bool {
        matches!(self, Self::Contains(_) | Self::Equals(_) | Self::Json { .. })
    }
}

impl Scalar {
    /// Whether `value`, as written in JSON, is this.
    fn is(&self, value: &[u8]) -> bool {
        let text = || std::str::from_utf8(value).ok();
        match self {
            Self::Bool(bool) => value == if *bool { &b"true"[..] } else { b"false" },
            Self::Integer(integer) => text().and_then(|text| text.parse().ok()) == Some(*integer),
            Self::Float(float) => {
                let number = text().filter(|text| !text.starts_with(['i', 'n', 'N', '+']));
                number.and_then(|text| text.parse().ok()) == Some(*float)
            }
            Self::Text(expected) => is_string_of(value, expected),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_tells_right_from_wrong() {
        let answer = Answer {
            status: 201,
            head: b"Content-Type: application/json\r\n\r\n",
            body: br#"{"id":42,"ratio":0.5,"name":"a\"b","ok":true}"#,
        };
        let json =
            |pointer: &str, expected| Check::Json { pointer: pointer.parse().unwrap(), expected };
        let header = |value: &str| Check::Header {
            name: "content-type".to_owned(),
            value: value.to_owned(),
        };
        let pairs = [
            (Check::Status(vec![200, 201]), Check::Status(vec![200])),
            (header("application/json"), header("application")),
            (Check::Contains(b"\"id\":42".to_vec()), Check::Contains(b"43".to_vec())),
            (Check::Equals(answer.body.to_vec()), Check::Equals(b"{}".to_vec())),
            (Check::Length(answer.body.len() as u64), Check::Length(0)),
            (json("/id", Scalar::Integer(42)), json("/id", Scalar::Integer(4))),
            (json("/ratio", Scalar::Float(0.5)), json("/ok", Scalar::Float(1.0))),
            (json("/name", Scalar::Text("a\"b".into())), json("/id", Scalar::Text("42".into()))),
            (json("/ok", Scalar::Bool(true)), json("/gone", Scalar::Bool(false))),
        ];
        for (right, wrong) in pairs {
            assert!(right.holds(&answer), "{right:?}");
            assert!(!wrong.holds(&answer), "{wrong:?}");
        }
    }
}
