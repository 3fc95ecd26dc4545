//! A parsed description, with its references and the schemas that hold together.

use serde_json::{Map, Value};

use super::yaml;
use crate::ImportError;

/// The longest chain of references that is followed.
const REFERENCES_MAX: usize = 32;
/// The largest number of parts of one schema: `allOf` can branch without end.
const PARTS_MAX: usize = 200;

/// A parsed description.
pub(super) struct Document {
    pub(super) root: Value,
    /// The value that stands for missing ones.
    pub(super) nothing: Value,
    /// Whether keywords next to a `$ref` count: since 3.1.
    has_siblings: bool,
}

/// Everything that applies to a value: a schema, the schemas it refers to, and those of its
/// `allOf`.
pub(super) struct Joined<'a> {
    /// The outermost first.
    pub(super) parts: Vec<&'a Map<String, Value>>,
    /// The references that lead to them, the outermost first.
    pub(super) references: Vec<&'a str>,
}

impl<'a> Joined<'a> {
    /// The values of a keyword, the outermost first.
    pub(super) fn all(&self, keyword: &str) -> impl Iterator<Item = &'a Value> {
        self.parts.iter().filter_map(move |part| part.get(keyword))
    }

    /// Whether a schema is one of the parts.
    pub(super) fn has(&self, schema: &Value) -> bool {
        let is_it = |part: &&Map<String, Value>| {
            schema.as_object().is_some_and(|schema| std::ptr::eq(schema, *part))
        };
        self.parts.iter().any(is_it)
    }

    /// The non-negative integer values of a keyword.
    pub(super) fn numbers(&self, keyword: &str) -> impl Iterator<Item = u64> {
        self.all(keyword).filter_map(Value::as_u64)
    }
}

impl Document {
    /// Parses JSON or YAML.
    pub(super) fn read(text: &str) -> Result<Self, ImportError> {
        let text = text.trim_start_matches('\u{feff}');
        let is_json = text.trim_start().starts_with('{');
        let read = if is_json {
            serde_json::from_str(text).map_err(|why| why.to_string())
        } else {
            yaml::read(text)
        };
        let root: Value = read.map_err(|why| {
            let kind = if is_json { "JSON" } else { "YAML" };
            let why = crate::shown(&why);
            ImportError::new(format!("the description is not {kind}: fix it: {why}"))
        })?;
        let version = root.get("openapi").map(|version| match version {
            Value::String(version) => version.clone(),
            other => other.to_string(),
        });
        match version {
            Some(version) if version.starts_with('3') => {
                let has_siblings = !(version == "3" || version.starts_with("3.0"));
                Ok(Self { root, nothing: Value::Null, has_siblings })
            }
            Some(version) => Err(ImportError::new(format!(
                "OpenAPI {} is not known: write 3.0 or 3.1",
                crate::shown(&version)
            ))),
            None if root.get("swagger").is_some() => {
                Err(ImportError::new("this is Swagger 2: convert it to OpenAPI 3"))
            }
            None => {
                Err(ImportError::new("not an OpenAPI description: it begins with `openapi: 3.…`"))
            }
        }
    }

    /// The value that a reference names: a JSON pointer in a fragment (RFC 6901 section 6).
    pub(super) fn found(&self, reference: &str) -> Option<&Value> {
        let pointer = crate::url::percent_decoded(reference.strip_prefix('#')?)?;
        self.root.pointer(&pointer)
    }

    /// The value that a `$ref` names, or the value itself.
    pub(super) fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        let mut value = value;
        for _ in 0..REFERENCES_MAX {
            let Some(reference) = reference(value) else { return value };
            let Some(found) = self.found(reference) else { return &self.nothing };
            value = found;
        }
        &self.nothing
    }

    /// Everything that applies if all of `schemas` apply, except alternatives.
    pub(super) fn joined<'a>(&'a self, schemas: &[&'a Value]) -> Joined<'a> {
        let mut joined = Joined { parts: Vec::new(), references: Vec::new() };
        let mut open: Vec<&'a Value> = schemas.iter().rev().copied().collect();
        while let Some(schema) = open.pop() {
            let Value::Object(part) = schema else { continue };
            if joined.parts.len() >= PARTS_MAX {
                break;
            }
            // The last one pushed is visited first.
            let all_of = part.get("allOf").and_then(Value::as_array).into_iter().flatten();
            let reference = reference(schema);
            if reference.is_none() || self.has_siblings {
                joined.parts.push(part);
                open.extend(all_of.rev());
            }
            if let Some(reference) = reference
                && !joined.references.contains(&reference)
                && let Some(found) = self.found(reference)
            {
                joined.references.push(reference);
                open.push(found);
            }
        }
        joined
    }

    /// Whether keywords next to a `$ref` count.
    pub(super) const fn has_siblings(&self) -> bool {
        self.has_siblings
    }
}

/// The target of a `$ref`.
pub(super) fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref").and_then(Value::as_str)
}

/// The texts of a list.
pub(super) fn strings(value: Option<&Value>) -> impl Iterator<Item = &str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}
