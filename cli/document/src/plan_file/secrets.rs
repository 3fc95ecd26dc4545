//! Secrets in a plan that is stored: found, taken out, and put back.
//!
//! A text that holds one becomes the list of its parts. A secret is found by its place, as the
//! value of a header, a parameter or a field that carries one, and by its value wherever else it
//! stands.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};
use uringbench_core::flow::value::Escape;
use uringbench_core::http::quote;
use uringbench_core::http::secrets::{SecretField, secret_fields};

use super::{Secret, SecretName};

/// Shorter texts are found by their place alone: they stand in many others.
const LENGTH_MIN: usize = 4;
/// The parts of a text.
const PARTS: &str = "parts";
/// A part that is missing: its number.
const SECRET: &str = "secret";
/// How it is escaped there.
const ESCAPED: &str = "as";
const BASE_64: &str = "base64";
/// Keys of texts with header lines in them.
const HEADS: [&str; 3] = ["head", "text", "bytes"];
/// Headers of an opening of WebSocket, which are no secrets.
const OPENING: &str = "sec-websocket-";
const ESCAPES: [(&str, Escape); 4] = [
    ("none", Escape::None),
    ("json", Escape::Json),
    ("url", Escape::Url),
    ("cookie", Escape::Cookie),
];

/// What is taken out of a plan, and under which number.
pub(super) struct Places {
    pub(super) withheld: Vec<(SecretName, Option<Vec<u8>>)>,
    /// Those given from outside; they are numbered when they are found.
    given: Vec<Secret>,
    /// The header whose value goes on in the next piece.
    open: Option<String>,
}

impl Places {
    pub(super) fn new(given: &[Secret]) -> Self {
        Self { withheld: Vec::new(), given: given.to_vec(), open: None }
    }

    pub(super) fn names(self) -> Vec<SecretName> {
        self.withheld.into_iter().map(|(name, _)| name).collect()
    }

    /// What stands in the place of a secret that is found by its place alone.
    pub(super) fn withhold(&mut self, name: SecretName) -> Value {
        self.withheld.push((name, None));
        json!({ SECRET: self.withheld.len() - 1 })
    }

    /// Take all secrets out.
    pub(super) fn clear(&mut self, plan: &mut Value) {
        self.headers(plan);
        self.texts(plan, Self::cut);
        self.texts(plan, Self::split);
    }

    /// The number of a header's value.
    fn number(&mut self, name: &str, value: &[u8]) -> usize {
        self.numbered(SecretName::Header(name.to_owned()), value)
    }

    fn numbered(&mut self, name: SecretName, value: &[u8]) -> usize {
        let known = |(known, of): &(SecretName, Option<Vec<u8>>)| {
            *known == name && of.as_deref() == Some(value)
        };
        self.withheld.iter().position(known).unwrap_or_else(|| {
            self.withheld.push((name.clone(), Some(value.to_vec())));
            self.withheld.len() - 1
        })
    }

    /// Take out the values of headers.
    fn headers(&mut self, value: &mut Value) {
        match value {
            Value::Array(list) => {
                // A list within a piece does not end the header that the piece stands in.
                let open = self.open.take();
                list.iter_mut().for_each(|value| self.headers(value));
                self.open = open;
            }
            Value::Object(fields) => {
                for (key, value) in fields {
                    if key == "cookies" {
                        self.cookies(value);
                    } else if HEADS.contains(&key.as_str()) && value.is_string() {
                        let parts = self.lines(value.as_str().unwrap_or_default());
                        *value = joined(parts);
                    } else {
                        self.headers(value);
                    }
                }
            }
            _ => {}
        }
    }

    /// The parts of a text in which header lines stand.
    fn lines(&mut self, text: &str) -> Vec<Value> {
        let (mut parts, mut literal) = (Vec::new(), String::new());
        for line in text.split_inclusive("\r\n") {
            let end = if line.ends_with("\r\n") { "\r\n" } else { "" };
            let content = &line[..line.len() - end.len()];
            let (before, name, value) = match (self.open.take(), content.split_once(':')) {
                (Some(name), _) => (0, Some(name), content),
                (None, Some((name, value))) if is_secret(name) => {
                    let value = value.trim_start();
                    (content.len() - value.len(), Some(name.to_owned()), value)
                }
                (None, _) => (content.len(), None, ""),
            };
            literal.push_str(&content[..before]);
            if let Some(name) = name {
                // The scheme of credentials says only how they are meant.
                let scheme = value.split_inclusive(' ').next().filter(|word| {
                    word.ends_with(' ') && word.trim_end().bytes().all(|b| b.is_ascii_alphabetic())
                });
                let is_part = end.is_empty() && scheme == Some(value);
                if value.is_empty() || is_part {
                    literal.push_str(value);
                } else {
                    parts.push(Value::from(std::mem::take(&mut literal)));
                    parts.push(json!({ SECRET: self.number(&name, value.as_bytes()) }));
                }
                self.open = end.is_empty().then_some(name);
            }
            literal.push_str(end);
        }
        parts.push(Value::from(literal));
        parts
    }

    /// The literals of cookies that a step sends.
    fn cookies(&mut self, value: &mut Value) {
        match value {
            Value::Array(list) => list.iter_mut().for_each(|value| self.cookies(value)),
            Value::Object(fields) => {
                for (key, value) in fields {
                    match value.as_str().map(str::to_owned) {
                        Some(text) if key == "literal" && !text.is_empty() => {
                            let number = self.number("Cookie", text.as_bytes());
                            *value = joined(vec![json!({ SECRET: number })]);
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    /// Take secrets out of every text with `apart`, which returns its parts.
    fn texts(&mut self, value: &mut Value, apart: fn(&mut Self, &[u8]) -> Vec<Value>) {
        match value {
            Value::String(text) => {
                let parts = apart(self, text.as_bytes());
                if parts.iter().any(Value::is_object) {
                    *value = joined(parts);
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|value| self.texts(value, apart)),
            Value::Object(fields) => match (fields.get(PARTS), binary(fields)) {
                (Some(Value::Array(known)), _) => {
                    let parts = known.iter().flat_map(|part| {
                        let bytes = part.as_object().and_then(binary);
                        match part.as_str().map(str::as_bytes).or(bytes.as_deref()) {
                            Some(bytes) => apart(self, bytes),
                            None => vec![part.clone()],
                        }
                    });
                    let parts = parts.collect();
                    *value = joined(parts);
                }
                (_, Some(bytes)) => {
                    let parts = apart(self, &bytes);
                    if parts.len() > 1 {
                        *value = joined(parts);
                    }
                }
                _ => fields.values_mut().for_each(|value| self.texts(value, apart)),
            },
            _ => {}
        }
    }

    /// Bytes, with the values of such fields apart.
    fn cut(&mut self, bytes: &[u8]) -> Vec<Value> {
        let (mut parts, mut at) = (Vec::new(), 0);
        for SecretField { name, place } in secret_fields(bytes) {
            let number = self.numbered(SecretName::Field(name), &bytes[place.clone()]);
            parts.push(stored(&bytes[at..place.start]));
            parts.push(json!({ SECRET: number }));
            at = place.end;
        }
        if at < bytes.len() {
            parts.push(stored(&bytes[at..]));
        }
        parts
    }

    /// Bytes, with the secrets in them apart.
    fn split(&mut self, bytes: &[u8]) -> Vec<Value> {
        let mut known: Vec<(usize, Option<usize>, Vec<u8>)> = Vec::new();
        for (at, (_, value)) in self.withheld.iter().enumerate() {
            known.extend(value.iter().map(|value| (at, Some(at), value.clone())));
        }
        for (at, secret) in self.given.iter().enumerate() {
            known.push((at, None, secret.value.clone().into_bytes()));
        }
        known.retain(|(_, _, value)| value.len() >= LENGTH_MIN);
        // The longest first: one may stand within another.
        known.sort_by_key(|(_, _, value)| std::cmp::Reverse(value.len()));
        for (at, number, value) in known {
            for (name, escape) in ESCAPES {
                let mut escaped = Vec::new();
                escape.pieces(&value, &mut |piece| escaped.extend_from_slice(piece));
                let Some(begin) = bytes.windows(escaped.len()).position(|part| part == escaped)
                else {
                    continue;
                };
                let number = number.unwrap_or_else(|| self.found(at));
                let mut parts = self.split(&bytes[..begin]);
                parts.push(if escape == Escape::None {
                    json!({ SECRET: number })
                } else {
                    json!({ SECRET: number, ESCAPED: name })
                });
                parts.extend(self.split(&bytes[begin + escaped.len()..]));
                return parts;
            }
        }
        if bytes.is_empty() { Vec::new() } else { vec![stored(bytes)] }
    }

    /// The number of a secret that was given.
    fn found(&mut self, at: usize) -> usize {
        let Secret { name, value } = self.given[at].clone();
        let known = self.withheld.iter().position(|(known, _)| *known == name);
        known.unwrap_or_else(|| {
            self.withheld.push((name, Some(value.into_bytes())));
            self.withheld.len() - 1
        })
    }
}

fn is_secret(name: &str) -> bool {
    !name.to_ascii_lowercase().starts_with(OPENING)
        && !name.contains([' ', '/'])
        && quote::is_secret(name.as_bytes())
}

/// A text of these parts: by itself where it is one.
fn joined(mut parts: Vec<Value>) -> Value {
    parts.retain(|part| part.as_str() != Some(""));
    match parts.as_slice() {
        [] => Value::from(""),
        [Value::String(text)] => Value::from(text.as_str()),
        _ => json!({ PARTS: parts }),
    }
}

/// Bytes as a plan stores them.
fn stored(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => json!({ BASE_64: BASE64.encode(bytes) }),
    }
}

/// The bytes of an object that stores some.
fn binary(fields: &Map<String, Value>) -> Option<Vec<u8>> {
    let text = fields.get(BASE_64).filter(|_| fields.len() == 1)?.as_str()?;
    BASE64.decode(text).ok()
}

/// Put `given` where secrets were taken out.
pub(super) fn put_back(value: &mut Value, given: &[Value]) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|value| put_back(value, given)),
        Value::Object(fields) => {
            let number = fields.get(SECRET).and_then(Value::as_u64);
            if let Some(Value::Array(parts)) = fields.get(PARTS) {
                let bytes: Vec<u8> = parts.iter().flat_map(|part| bytes(part, given)).collect();
                *value = stored(&bytes);
            } else if let Some(number) = number {
                *value = given.get(number as usize).cloned().unwrap_or_default();
            } else {
                fields.values_mut().for_each(|value| put_back(value, given));
            }
        }
        _ => {}
    }
}

/// The bytes of one part.
fn bytes(part: &Value, given: &[Value]) -> Vec<u8> {
    if let Some(text) = part.as_str() {
        return text.as_bytes().to_vec();
    }
    let Some(fields) = part.as_object() else { return Vec::new() };
    if let Some(bytes) = binary(fields) {
        return bytes;
    }
    let number = fields.get(SECRET).and_then(Value::as_u64).unwrap_or(u64::MAX) as usize;
    let text = given.get(number).and_then(Value::as_str).unwrap_or_default();
    let name = fields.get(ESCAPED).and_then(Value::as_str).unwrap_or_default();
    let escape = ESCAPES.iter().find(|(known, _)| *known == name);
    let mut bytes = Vec::new();
    let escape = escape.map_or(Escape::None, |(_, escape)| *escape);
    escape.pieces(text.as_bytes(), &mut |piece| bytes.extend_from_slice(piece));
    bytes
}
