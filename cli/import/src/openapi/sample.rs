//! Values that fit a schema: its own examples where it has some, else made of its type and bounds.

use serde_json::Value;

use super::Document;
use crate::template::plain;

/// Deeper is cut off: schemas may name themselves.
const DEPTH_MAX: usize = 8;
/// Longest string and list that are made for a lower bound.
const LETTERS_MAX: u64 = 65_536;
const ITEMS_MAX: u64 = 10;
/// Members of all objects of one value: schemas can branch without end.
const MEMBERS_MAX: usize = 500;

/// A value. Texts are in the scenario's syntax.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Sample {
    /// A number, a boolean or null, as JSON has it, or a value that makes one.
    Bare(String),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Sample {
    /// As a body.
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

    /// As the value of a parameter or a field; of a list the first.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Bare(text) | Self::Text(text) => text.clone(),
            Self::List(all) => all.first().map_or_else(String::new, Self::text),
            Self::Object(_) => self.json(),
        }
    }

    /// What a document says literally.
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
}

/// A JSON string of a text in the scenario's syntax.
fn quoted(text: &str) -> String {
    let inside = crate::template::map(text, &|literal| {
        let quoted = Value::from(literal).to_string();
        quoted[1..quoted.len() - 1].to_owned()
    });
    format!("\"{inside}\"")
}

/// Makes values for the schemas of a document.
pub(super) struct Maker<'a> {
    pub(super) document: &'a Document,
    /// Whether a text had to keep to a pattern, which it does not.
    pub(super) has_pattern: bool,
    /// The references that are being followed.
    open: Vec<&'a str>,
    /// Members that may still be made.
    budget: usize,
}

impl<'a> Maker<'a> {
    pub(super) fn new(document: &'a Document) -> Self {
        Self { document, has_pattern: false, open: Vec::new(), budget: MEMBERS_MAX }
    }

    /// A value for a schema.
    pub(super) fn sample(&mut self, schema: &'a Value) -> Sample {
        self.at(schema, DEPTH_MAX)
    }

    fn at(&mut self, schema: &'a Value, depth: usize) -> Sample {
        let reference = reference(schema);
        self.open.extend(reference);
        let sample = self.resolved(self.document.resolved(schema), depth);
        if reference.is_some() {
            self.open.pop();
        }
        sample
    }

    fn resolved(&mut self, schema: &'a Value, depth: usize) -> Sample {
        if let Some(literal) = literal(schema) {
            return Sample::of(literal);
        }
        if let Some(choice) = choice(schema) {
            return choice;
        }
        if depth == 0 {
            return Sample::Bare("null".to_owned());
        }
        if schema.get("allOf").is_some() {
            return self.all_of(schema, depth);
        }
        for alternatives in ["oneOf", "anyOf"] {
            let all = schema.get(alternatives).and_then(Value::as_array).into_iter().flatten();
            let is_null = |one: &&Value| one.get("type").and_then(Value::as_str) != Some("null");
            if let Some(first) = all.clone().find(is_null) {
                return self.at(first, depth - 1);
            }
        }
        match kind(schema) {
            "object" => self.object(schema, depth),
            "array" => self.list(schema, depth),
            "integer" | "number" => number(schema),
            "boolean" => Sample::Bare("{{choice true false}}".to_owned()),
            "null" => Sample::Bare("null".to_owned()),
            _ => {
                self.has_pattern |= schema.get("pattern").is_some();
                Sample::Text(text(schema))
            }
        }
    }

    /// The members of all parts, or the first part that is no object.
    fn all_of(&mut self, schema: &'a Value, depth: usize) -> Sample {
        let mut members = match self.object(schema, depth) {
            Sample::Object(members) => members,
            other => return other,
        };
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            match self.at(part, depth - 1) {
                Sample::Object(more) => {
                    for (name, value) in more {
                        if !members.iter().any(|(known, _)| *known == name) {
                            members.push((name, value));
                        }
                    }
                }
                other if members.is_empty() => return other,
                _ => {}
            }
        }
        Sample::Object(members)
    }

    fn object(&mut self, schema: &'a Value, depth: usize) -> Sample {
        let properties = schema.get("properties").and_then(Value::as_object);
        let required: Vec<&str> = strings(schema.get("required")).collect();
        let mut members = Vec::new();
        for (name, property) in properties.into_iter().flatten() {
            let is_required = required.contains(&name.as_str());
            let resolved = self.document.resolved(property);
            let is_answered = resolved.get("readOnly").and_then(Value::as_bool) == Some(true);
            // What need not be there is left out where a schema goes on and on.
            let of_items = resolved.get("items").and_then(reference);
            let mut references = reference(property).into_iter().chain(of_items);
            let goes_on = self.budget == 0 || references.any(|one| self.open.contains(&one));
            if is_answered || (!is_required && goes_on) {
                continue;
            }
            self.budget = self.budget.saturating_sub(1);
            let depth = if self.budget == 0 { 0 } else { depth - 1 };
            members.push((name.clone(), self.at(property, depth)));
        }
        Sample::Object(members)
    }

    fn list(&mut self, schema: &'a Value, depth: usize) -> Sample {
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(1);
        let most = schema.get("maxItems").and_then(Value::as_u64).unwrap_or(u64::MAX);
        let Some(items) = schema.get("items") else { return Sample::List(Vec::new()) };
        let count = least.clamp(1, ITEMS_MAX).min(most);
        Sample::List((0..count).map(|_| self.at(items, depth - 1)).collect())
    }
}

fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref").and_then(Value::as_str)
}

fn strings(value: Option<&Value>) -> impl Iterator<Item = &str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// What a schema says it may be.
fn literal(schema: &Value) -> Option<&Value> {
    let first = schema.get("examples").and_then(|all| all.as_array()?.first());
    let all = [schema.get("example"), schema.get("const"), first, schema.get("default")];
    all.into_iter().flatten().find(|value| !value.is_null())
}

fn choice(schema: &Value) -> Option<Sample> {
    let all = schema.get("enum")?.as_array()?;
    let first = all.iter().find(|value| !value.is_null())?;
    // A choice is between words.
    let word = |value: &Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let is_word = !text.is_empty()
            && !text.contains(|c: char| c.is_whitespace() || matches!(c, '{' | '}'));
        is_word.then_some(text)
    };
    let is_alike = |value: &&Value| value.is_string() == first.is_string() && !value.is_null();
    let words: Option<Vec<String>> = all.iter().filter(is_alike).map(word).collect();
    let chosen = words.filter(|words| words.len() > 1).map(|words| words.join(" "));
    Some(match chosen {
        Some(words) if first.is_string() => Sample::Text(format!("{{{{choice {words}}}}}")),
        Some(words) if first.is_number() => Sample::Bare(format!("{{{{choice {words}}}}}")),
        _ => Sample::of(first),
    })
}

/// The type of a schema, by what it has if it does not say.
fn kind(schema: &Value) -> &str {
    let kind = schema.get("type");
    if let Some(kind) = kind.and_then(Value::as_str) {
        return kind;
    }
    if let Some(kind) = strings(kind).find(|kind| *kind != "null") {
        return kind;
    }
    if schema.get("properties").is_some() {
        "object"
    } else if schema.get("items").is_some() {
        "array"
    } else {
        "string"
    }
}

/// A whole number between the bounds, which are looked at as whole numbers too.
fn number(schema: &Value) -> Sample {
    const SPAN: i64 = 999;
    const SPAN_MAX: i64 = i64::MAX - 1;
    let whole = |value: Option<&Value>| {
        // The cast keeps to the range of the type.
        value.and_then(|value| value.as_i64().or_else(|| Some(value.as_f64()?.ceil() as i64)))
    };
    let bound = |name: &str, exclusive: &str, step: i64| {
        let bound = whole(schema.get(name));
        match schema.get(exclusive) {
            Some(Value::Bool(true)) => bound.map(|bound| bound.saturating_add(step)),
            Some(Value::Number(_)) => {
                whole(schema.get(exclusive)).map(|bound| bound.saturating_add(step))
            }
            _ => bound,
        }
    };
    let low = bound("minimum", "exclusiveMinimum", 1);
    let high = bound("maximum", "exclusiveMaximum", -1);
    let (low, high) = match (low, high) {
        (None, None) => (1, 1 + SPAN),
        (Some(low), None) => (low, low.saturating_add(SPAN)),
        (None, Some(high)) if high >= 1 => (1, high),
        (None, Some(high)) => (high.saturating_sub(SPAN), high),
        (Some(low), Some(high)) => (low, high.max(low)),
    };
    let multiple = whole(schema.get("multipleOf")).filter(|multiple| *multiple > 1);
    if let Some(multiple) = multiple {
        let least = low.checked_add(multiple - 1).map_or(low, |sum| sum.div_euclid(multiple));
        return Sample::Bare(least.saturating_mul(multiple).to_string());
    }
    match high.checked_sub(low) {
        Some(0) => Sample::Bare(low.to_string()),
        Some(1..=SPAN_MAX) => Sample::Bare(format!("{{{{int {low} {high}}}}}")),
        _ => Sample::Bare(format!("{{{{int 1 {}}}}}", 1 + SPAN)),
    }
}

fn text(schema: &Value) -> String {
    let text = match schema.get("format").and_then(Value::as_str).unwrap_or_default() {
        "uuid" => "{{uuid}}",
        "date-time" => "2026-01-01T12:00:00Z",
        "date" => "2026-01-01",
        "time" => "12:00:00Z",
        "duration" => "PT1H",
        "email" | "idn-email" => "user{{seq}}@example.com",
        "uri" | "url" | "uri-reference" | "iri" => "http://example.com/{{seq}}",
        "hostname" | "idn-hostname" => "example.com",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "byte" => "dGV4dA==",
        _ => {
            let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0);
            let most = schema.get("maxLength").and_then(Value::as_u64).unwrap_or(u64::MAX);
            let length = least.max(12).min(most).min(LETTERS_MAX);
            return match length {
                0 => String::new(),
                length => format!("{{{{string {length}}}}}"),
            };
        }
    };
    text.to_owned()
}
