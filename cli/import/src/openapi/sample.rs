//! A value generated for a schema. Its texts are in the scenario's syntax.

use serde_json::{Map, Value};

use crate::template::{self, Piece, plain};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Sample {
    /// A number, a boolean or null as in JSON, or a scenario value that gives one.
    Bare(String),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Sample {
    /// The value as a JSON body.
    pub(super) fn json(&self) -> String {
        match self {
            Self::Bare(text) => text.clone(),
            Self::Text(text) => quoted(text),
            Self::List(all) => {
                let all: Vec<String> = all.iter().map(Self::json).collect();
                format!("[{}]", all.join(", "))
            }
            Self::Object(members) => {
                let member = |(name, value): &(String, Self)| {
                    format!("{}: {}", quoted(&plain(name)), value.json())
                };
                let members: Vec<String> = members.iter().map(member).collect();
                format!("{{{}}}", members.join(", "))
            }
        }
    }

    /// The value as text; lists and objects are JSON.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Bare(text) | Self::Text(text) => text.clone(),
            Self::List(_) | Self::Object(_) => self.json(),
        }
    }

    /// A literal value of a document.
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::String(text) => Self::Text(plain(text)),
            Value::Array(all) => Self::List(all.iter().map(Self::of).collect()),
            Value::Object(members) => Self::Object(
                members.iter().map(|(name, value)| (name.clone(), Self::of(value))).collect(),
            ),
            other => Self::Bare(other.to_string()),
        }
    }

    /// An example of the values that are sent.
    pub(super) fn value(&self) -> Value {
        match self {
            Self::Bare(text) => serde_json::from_str(&filled(text)).unwrap_or(Value::Null),
            Self::Text(text) => Value::String(filled(text)),
            Self::List(all) => all.iter().map(Self::value).collect(),
            Self::Object(members) => {
                let member = |(name, value): &(String, Self)| (name.clone(), value.value());
                Value::Object(members.iter().map(member).collect::<Map<String, Value>>())
            }
        }
    }

    /// A value like this one that differs from those of lower numbers; values with few choices
    /// repeat.
    pub(super) fn numbered(&self, at: usize) -> Self {
        match self {
            Self::Bare(text) => Self::Bare(numbered(text, at)),
            Self::Text(text) => Self::Text(numbered(text, at)),
            Self::List(all) => Self::List(all.iter().map(|one| one.numbered(at)).collect()),
            Self::Object(members) => {
                let member = |(name, value): &(String, Self)| (name.clone(), value.numbered(at));
                Self::Object(members.iter().map(member).collect())
            }
        }
    }
}

/// The words of a value, `{{int 1 9}}`.
pub(super) fn words(value: &str) -> impl Iterator<Item = &str> {
    value.trim_matches(['{', '}']).split_ascii_whitespace()
}

fn each(text: &str, one: impl Fn(&str, &[&str]) -> String) -> String {
    let piece = |piece: Piece| match piece {
        Piece::Literal(literal) => literal,
        Piece::Value(value) => {
            let words: Vec<&str> = words(&value).collect();
            one(&value, &words)
        }
    };
    template::pieces(text).into_iter().map(piece).collect()
}

/// A text with an example in place of each value.
fn filled(text: &str) -> String {
    each(text, |_, words| match words {
        ["int" | "choice", first, ..] => (*first).to_owned(),
        ["string", length] => "a".repeat(length.parse().unwrap_or(1)),
        ["uuid"] => "00000000-0000-4000-8000-000000000000".to_owned(),
        _ => "1".to_owned(),
    })
}

fn numbered(text: &str, at: usize) -> String {
    let piece = |piece: Piece| {
        let Piece::Value(value) = &piece else { return piece };
        let words: Vec<&str> = words(value).collect();
        match words.as_slice() {
            ["choice", all @ ..] if !all.is_empty() => {
                Piece::Literal(all[at % all.len()].to_owned())
            }
            ["int", low, high] => {
                let bounds = low.parse::<i64>().ok().zip(high.parse::<i64>().ok());
                let number = bounds.and_then(|(low, high)| {
                    low.checked_add(i64::try_from(at).ok()?).filter(|number| *number <= high)
                });
                number.map_or(piece, |number| Piece::Literal(number.to_string()))
            }
            ["string", length] => Piece::Value(match length.parse::<usize>() {
                Ok(length) if length > 1 => format!("{at}{{{{string {}}}}}", length - 1),
                _ => return Piece::Literal(at.to_string()),
            }),
            ["uuid"] => Piece::Literal(format!("00000000-0000-4000-8000-{at:012}")),
            ["seq"] => Piece::Value(format!("{value}{at}")),
            _ => piece,
        }
    };
    template::join(template::pieces(text).into_iter().map(piece))
}

/// A text in the scenario's syntax as a JSON string.
fn quoted(text: &str) -> String {
    let inside = template::map(text, &|literal| {
        let quoted = Value::from(literal).to_string();
        quoted[1..quoted.len() - 1].to_owned()
    });
    format!("\"{inside}\"")
}
