//! Encodes values of parameters: the styles of OpenAPI, which are those of RFC 6570.

use serde_json::Value;

use super::sample::{Sample, words};
use crate::model::Target;
use crate::template::{self, Piece};
use crate::url;

/// The encoding of a parameter's value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style<'a> {
    name: &'a str,
    /// Whether each item and member is a separate value.
    is_exploded: bool,
    /// Whether `:/?#[]@!$&'()*+,;=` are not encoded.
    is_reserved: bool,
}

/// A part of a query or of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pair {
    /// Encoded when sent.
    Plain(String, String),
    /// Sent as written.
    Encoded(String),
}

impl Pair {
    pub(super) fn is_named(&self, name: &str) -> bool {
        match self {
            Self::Plain(known, _) => known == name,
            Self::Encoded(text) => {
                text.split('=').next() == Some(encoded(&template::plain(name)).as_str())
            }
        }
    }

    /// The pair as a cookie, which nobody decodes.
    pub(super) fn cookie(&self) -> String {
        match self {
            Self::Plain(name, value) => format!("{}={value}", template::plain(name)),
            Self::Encoded(text) => text.clone(),
        }
    }
}

impl<'a> Style<'a> {
    /// The style of a parameter, or of a form field's encoding.
    pub(super) fn of(described: &'a Value, default: &'a str) -> Self {
        let name = described.get("style").and_then(Value::as_str).unwrap_or(default);
        let is = |key: &str| described.get(key).and_then(Value::as_bool);
        Self {
            name,
            is_exploded: is("explode").unwrap_or(name == "form"),
            is_reserved: is("allowReserved") == Some(true),
        }
    }

    /// The pairs in a query, a cookie or a form.
    pub(super) fn pairs(&self, name: &str, sample: &Sample) -> Vec<Pair> {
        let delimiter = match self.name {
            "spaceDelimited" => "%20",
            "pipeDelimited" => "%7C",
            _ => ",",
        };
        let one = |name: &str, sample: &Sample| self.pair(name, &sample.text());
        match sample {
            Sample::Bare(_) | Sample::Text(_) => vec![one(name, sample)],
            Sample::Object(members) if self.name == "deepObject" => members
                .iter()
                .flat_map(|(key, value)| self.pairs(&format!("{name}[{key}]"), value))
                .collect(),
            Sample::List(all) if self.is_exploded || self.name == "deepObject" => {
                all.iter().map(|item| one(name, item)).collect()
            }
            Sample::Object(members) if self.is_exploded => {
                members.iter().map(|(key, value)| one(key, value)).collect()
            }
            // An empty list is undefined (RFC 6570 section 3.2.1).
            Sample::List(all) if all.is_empty() => Vec::new(),
            Sample::Object(members) if members.is_empty() => Vec::new(),
            sample => {
                let all = flat(sample, &|text| self.encoded(text));
                vec![Pair::Encoded(format!(
                    "{}={}",
                    encoded(&template::plain(name)),
                    all.join(delimiter)
                ))]
            }
        }
    }

    fn pair(&self, name: &str, text: &str) -> Pair {
        if self.is_reserved {
            Pair::Encoded(format!("{}={}", encoded(&template::plain(name)), self.encoded(text)))
        } else {
            Pair::Plain(name.to_owned(), text.to_owned())
        }
    }

    fn encoded(&self, text: &str) -> String {
        const RESERVED: &str = ":/?[]@!$'()*,;";
        if !self.is_reserved {
            return encoded(text);
        }
        changed(text, &|literal| {
            let one = |c: char| {
                let text = c.to_string();
                if RESERVED.contains(c) { text } else { url::encoded(&text) }
            };
            literal.chars().map(one).collect()
        })
    }

    /// The value in a path. Values in the text are encoded when sent.
    pub(super) fn path(&self, name: &str, sample: &Sample) -> String {
        let literal = |text: &str| template::map(text, &url::encoded);
        let name = literal(&template::plain(name));
        let all = flat(sample, &literal);
        let pairs = || match sample {
            Sample::Object(members) => members
                .iter()
                .map(|(key, value)| {
                    format!("{}={}", literal(&template::plain(key)), literal(&value.text()))
                })
                .collect(),
            _ => all.clone(),
        };
        match (self.name, self.is_exploded) {
            ("label", true) => format!(".{}", pairs().join(".")),
            ("label", false) => format!(".{}", all.join(",")),
            ("matrix", true) if matches!(sample, Sample::Object(_)) => {
                format!(";{}", pairs().join(";"))
            }
            ("matrix", true) => all.iter().map(|one| format!(";{name}={one}")).collect(),
            ("matrix", false) => format!(";{name}={}", all.join(",")),
            (_, true) => pairs().join(","),
            (_, false) => all.join(","),
        }
    }

    /// The value in a header.
    pub(super) fn header(&self, sample: &Sample) -> String {
        match sample {
            Sample::Object(members) if self.is_exploded => {
                let pair = |(key, value): &(String, Sample)| {
                    format!("{}={}", template::plain(key), value.text())
                };
                members.iter().map(pair).collect::<Vec<_>>().join(",")
            }
            sample => flat(sample, &str::to_owned).join(","),
        }
    }
}

/// The items of a list, names and values of an object, or a single value.
fn flat(sample: &Sample, encode: &dyn Fn(&str) -> String) -> Vec<String> {
    match sample {
        Sample::List(all) => all.iter().map(|item| encode(&item.text())).collect(),
        Sample::Object(members) => members
            .iter()
            .flat_map(|(key, value)| [encode(&template::plain(key)), encode(&value.text())])
            .collect(),
        sample => vec![encode(&sample.text())],
    }
}

/// The encoded text, for a place where nothing is encoded later, with the words of its choices
/// encoded too.
pub(super) fn encoded(text: &str) -> String {
    changed(text, &url::encoded)
}

fn changed(text: &str, change: &dyn Fn(&str) -> String) -> String {
    with_words(&template::map(text, change), change)
}

/// The text with the words of its choices changed.
fn with_words(text: &str, change: &dyn Fn(&str) -> String) -> String {
    let piece = |piece: Piece| match &piece {
        Piece::Value(value) if words(value).next() == Some("choice") => {
            let words: Vec<String> = words(value).skip(1).map(change).collect();
            Piece::Value(format!("{{{{choice {}}}}}", words.join(" ")))
        }
        _ => piece,
    };
    template::join(template::pieces(text).into_iter().map(piece))
}

/// Encoded pairs of a form or a query.
pub(super) fn joined(pairs: &[Pair]) -> String {
    let text = |pair: &Pair| match pair {
        Pair::Plain(name, value) => {
            format!("{}={}", encoded(&template::plain(name)), encoded(value))
        }
        Pair::Encoded(text) => text.clone(),
    };
    pairs.iter().map(text).collect::<Vec<_>>().join("&")
}

/// Names and values for a table of the scenario, if that can express them.
pub(super) fn table(pairs: &[Pair]) -> Option<Vec<(String, String)>> {
    let mut table: Vec<(String, String)> = Vec::new();
    for pair in pairs {
        match pair {
            Pair::Plain(name, value) if table.iter().all(|(known, _)| known != name) => {
                table.push((name.clone(), value.clone()));
            }
            _ => return None,
        }
    }
    Some(table)
}

/// The target of a request. The path and the query of its key are sent as written.
pub(super) fn target(path: &str, query: Option<&str>, pairs: &[Pair]) -> Target {
    match (url::target(path, None), table(pairs)) {
        (Target::Path { path, .. }, Some(table)) if query.is_none() => {
            Target::Path { path, query: table }
        }
        (Target::Path { path, .. } | Target::Verbatim(path), _) => {
            // Nothing in it is encoded later.
            let path = with_words(&path, &url::encoded);
            let query = query.map(|query| url::clean(query, &['#']));
            let all = query.into_iter().chain((!pairs.is_empty()).then(|| joined(pairs)));
            let all = all.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("&");
            Target::Verbatim(if all.is_empty() { path } else { format!("{path}?{all}") })
        }
    }
}
