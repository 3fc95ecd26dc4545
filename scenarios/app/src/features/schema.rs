//! A JSON Schema, read once, that validates documents: the keywords that orders need.
//!
//! `type`, `enum`, `required`, `properties`, `additionalProperties` as true or false, `items`,
//! `minItems`, `maxItems`, `minLength`, `maxLength`, `pattern`, `minimum` and `maximum`. A schema
//! with others is refused, since a rule that is not held would not be noticed.

use std::collections::BTreeMap;

use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

use super::validation::Faults;

/// A schema that validates documents.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Schema {
    #[serde(rename = "type")]
    kind: Option<Kind>,
    #[serde(rename = "enum")]
    values: Option<Vec<Value>>,
    #[serde(default)]
    required: Vec<String>,
    #[serde(default)]
    properties: BTreeMap<String, Self>,
    #[serde(default = "yes")]
    additional_properties: bool,
    items: Option<Box<Self>>,
    min_items: Option<usize>,
    max_items: Option<usize>,
    min_length: Option<usize>,
    max_length: Option<usize>,
    pattern: Option<Pattern>,
    minimum: Option<f64>,
    maximum: Option<f64>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
    Null,
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Pattern(Regex);

impl TryFrom<String> for Pattern {
    type Error = regex::Error;

    fn try_from(pattern: String) -> Result<Self, regex::Error> {
        Regex::new(&pattern).map(Self)
    }
}

const fn yes() -> bool {
    true
}

impl Kind {
    fn is_of(self, value: &Value) -> bool {
        match self {
            Self::Object => value.is_object(),
            Self::Array => value.is_array(),
            Self::String => value.is_string(),
            // 1.0 is an integer too, according to JSON Schema.
            Self::Integer => {
                value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0)
            }
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::Null => value.is_null(),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Null => "null",
        }
    }
}

impl Schema {
    /// A schema from its document; unknown keywords are refused.
    pub(super) fn read(document: &Value) -> Result<Self, serde_json::Error> {
        Self::deserialize(document)
    }

    /// Add all faults of a value at this path.
    pub(super) fn check(&self, value: &Value, path: &str, faults: &mut Faults) {
        let mut fault = |rule: String| faults.add(|| (path.to_owned(), rule));
        if let Some(kind) = self.kind.filter(|kind| !kind.is_of(value)) {
            // All further faults would only repeat it.
            return fault(format!("of type {}", kind.name()));
        }
        if self.values.as_ref().is_some_and(|values| !values.contains(value)) {
            fault("one of the values it may have".to_owned());
        }
        match value {
            Value::String(text) => {
                let length = text.chars().count();
                check_bounds(length, self.min_length, self.max_length, " characters", &mut fault);
                if let Some(Pattern(pattern)) = &self.pattern
                    && !pattern.is_match(text)
                {
                    fault(format!("matches {pattern}"));
                }
            }
            Value::Number(number) => {
                let number = number.as_f64().unwrap_or(f64::NAN);
                check_bounds(number, self.minimum, self.maximum, "", &mut fault);
            }
            Value::Array(items) => {
                let length = items.len();
                check_bounds(length, self.min_items, self.max_items, " items", &mut fault);
                if let Some(schema) = &self.items {
                    for (index, item) in items.iter().enumerate() {
                        schema.check(item, &below(path, &index.to_string()), faults);
                    }
                }
            }
            Value::Object(fields) => {
                for name in self.required.iter().filter(|name| !fields.contains_key(*name)) {
                    faults.add(|| (below(path, name), "is required".to_owned()));
                }
                for (name, value) in fields {
                    match self.properties.get(name) {
                        Some(schema) => schema.check(value, &below(path, name), faults),
                        None if self.additional_properties => {}
                        None => faults.add(|| (below(path, name), "is not expected".to_owned())),
                    }
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn check_bounds<T: PartialOrd + std::fmt::Display>(
    value: T,
    least: Option<T>,
    most: Option<T>,
    what: &str,
    fault: &mut impl FnMut(String),
) {
    if let Some(least) = least.filter(|least| value < *least) {
        fault(format!("{least} or more{what}"));
    }
    if let Some(most) = most.filter(|most| value > *most) {
        fault(format!("{most} or less{what}"));
    }
}
