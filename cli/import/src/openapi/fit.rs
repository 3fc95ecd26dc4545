//! Checks values against schemas, with the vocabulary of OpenAPI 3.0 and of JSON Schema 2020-12.
//!
//! It checks requests: members that only answers have may be missing, and if a discriminator names
//! the variant, a value may match several. Formats are not checked, as in JSON Schema.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;

use regex::bytes::RegexBuilder;
use serde_json::{Map, Value};

use super::document::{Document, reference, strings};

/// The largest depth that is checked: schemas may refer to themselves.
const DEPTH_MAX: usize = 64;

/// A part of a value that does not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    /// The part of the value, as a JSON pointer.
    pub(super) pointer: String,
    /// The keyword of the schema that it violates.
    pub(super) keyword: &'static str,
}

/// Checks values against schemas.
pub(super) struct Fit<'a> {
    document: &'a Document,
    /// Members that only answers have.
    answered: &'a HashSet<String>,
    /// Number of schemas that may still be checked; at zero every value matches.
    steps: &'a Cell<usize>,
    /// The references that are being followed, each with its value.
    open: RefCell<Vec<(*const Value, *const Value)>>,
}

type Found = Result<(), Misfit>;

fn hold(is_held: bool, keyword: &'static str) -> Found {
    if is_held { Ok(()) } else { Err(Misfit { pointer: String::new(), keyword }) }
}

impl<'a> Fit<'a> {
    pub(super) const fn new(
        document: &'a Document,
        answered: &'a HashSet<String>,
        steps: &'a Cell<usize>,
    ) -> Self {
        Self { document, answered, steps, open: RefCell::new(Vec::new()) }
    }

    pub(super) fn is(&self, value: &Value, schemas: &[&Value]) -> bool {
        schemas.iter().all(|schema| self.check(value, schema).is_ok())
    }

    /// The first keyword that a value violates.
    pub(super) fn check(&self, value: &Value, schema: &Value) -> Found {
        self.at(value, schema, DEPTH_MAX)
    }

    fn at(&self, value: &Value, schema: &Value, depth: usize) -> Found {
        let part = match schema {
            Value::Bool(is_any) => return hold(*is_any, "false"),
            Value::Object(part) if depth > 0 => part,
            _ => return Ok(()),
        };
        let depth = depth - 1;
        let Some(steps) = self.steps.get().checked_sub(1) else { return Ok(()) };
        self.steps.set(steps);
        if let Some(reference) = reference(schema) {
            // Missing ones are reported once elsewhere.
            if let Some(found) = self.document.found(reference) {
                self.referred(value, found, depth)?;
            }
            if !self.document.has_siblings() {
                return Ok(());
            }
        }
        any(value, part)?;
        self.combined(value, part, depth)?;
        match value {
            Value::Number(number) => of_number(number.as_f64().unwrap_or_default(), part),
            Value::String(text) => of_text(text, part),
            Value::Array(list) => self.list(list, part, depth),
            Value::Object(members) => self.object(members, part, depth),
            Value::Null | Value::Bool(_) => Ok(()),
        }
    }

    /// A schema that refers to itself for the same value adds nothing.
    fn referred(&self, value: &Value, schema: &Value, depth: usize) -> Found {
        let pair = (std::ptr::from_ref(schema), std::ptr::from_ref(value));
        if self.open.borrow().contains(&pair) {
            return Ok(());
        }
        self.open.borrow_mut().push(pair);
        let found = self.at(value, schema, depth);
        self.open.borrow_mut().pop();
        found
    }

    /// Schemas that apply to the same value.
    fn combined(&self, value: &Value, part: &Map<String, Value>, depth: usize) -> Found {
        let list = |keyword: &str| part.get(keyword).and_then(Value::as_array);
        let fits = |schema: &Value| self.at(value, schema, depth).is_ok();
        for schema in list("allOf").into_iter().flatten() {
            self.at(value, schema, depth)?;
        }
        if let Some(all) = list("anyOf") {
            hold(all.iter().any(fits), "anyOf")?;
        }
        if let Some(all) = list("oneOf") {
            let count = all.iter().filter(|schema| fits(schema)).count();
            hold(count == 1 || (count > 1 && part.contains_key("discriminator")), "oneOf")?;
        }
        if let Some(schema) = part.get("not") {
            hold(!fits(schema), "not")?;
        }
        let branch = part.get("if").map(|schema| if fits(schema) { "then" } else { "else" });
        match branch.and_then(|branch| part.get(branch)) {
            Some(schema) => hold(fits(schema), "if"),
            None => Ok(()),
        }
    }

    fn list(&self, list: &[Value], part: &Map<String, Value>, depth: usize) -> Found {
        hold(is_within(list.len(), part, "minItems", "maxItems"), "minItems or maxItems")?;
        let is_unique = part.get("uniqueItems") == Some(&Value::Bool(true));
        let is_new = |at: usize| !list[..at].contains(&list[at]);
        hold(!is_unique || (0..list.len()).all(is_new), "uniqueItems")?;
        let first = part.get("prefixItems").and_then(Value::as_array);
        for (at, value) in list.iter().enumerate() {
            let schema = first.and_then(|all| all.get(at)).or_else(|| part.get("items"));
            if let Some(schema) = schema {
                self.at(value, schema, depth).map_err(|misfit| misfit.below(&at.to_string()))?;
            }
        }
        let Some(schema) = part.get("contains") else { return Ok(()) };
        let count = list.iter().filter(|value| self.at(value, schema, depth).is_ok()).count();
        let least = if part.contains_key("minContains") { "minContains" } else { "contains" };
        let is_enough = count >= 1 || least == "minContains";
        hold(is_enough && is_within(count, part, "minContains", "maxContains"), "contains")
    }

    fn object(
        &self,
        members: &Map<String, Value>,
        part: &Map<String, Value>,
        depth: usize,
    ) -> Found {
        let is_there = |name: &str| members.contains_key(name) || self.answered.contains(name);
        let is_whole = strings(part.get("required")).all(is_there);
        hold(is_whole, "required")?;
        let count = is_within(members.len(), part, "minProperties", "maxProperties");
        hold(count, "minProperties or maxProperties")?;
        let dependent = part.get("dependentRequired").and_then(Value::as_object);
        for (name, needed) in dependent.into_iter().flatten() {
            let is_held = !members.contains_key(name) || strings(Some(needed)).all(is_there);
            hold(is_held, "dependentRequired")?;
        }
        let dependent = part.get("dependentSchemas").and_then(Value::as_object);
        for (_, schema) in dependent.into_iter().flatten().filter(|(name, _)| is_there(name)) {
            self.at(&Value::Object(members.clone()), schema, depth)?;
        }
        for (name, value) in members {
            if let Some(schema) = part.get("propertyNames") {
                let is_held = self.at(&Value::from(name.as_str()), schema, depth).is_ok();
                hold(is_held, "propertyNames").map_err(|misfit| misfit.below(name))?;
            }
            for schema in of_member(part, name) {
                self.at(value, schema, depth).map_err(|misfit| match (misfit, schema) {
                    (misfit, Value::Bool(false)) => {
                        Misfit { keyword: "additionalProperties", ..misfit }.below(name)
                    }
                    (misfit, _) => misfit.below(name),
                })?;
            }
        }
        Ok(())
    }
}

impl Misfit {
    /// The fix, in one line.
    pub(super) fn message(&self) -> String {
        let place = match self.pointer.as_str() {
            "" => "it".to_owned(),
            pointer => crate::shown(pointer),
        };
        let keyword = self.keyword;
        match keyword {
            "not" => format!("{place} matches `not` of its schema: write another value"),
            "oneOf" => format!(
                "{place} does not match `oneOf` of its schema, it matches none or several: write \
                 a value that matches one"
            ),
            _ => format!(
                "{place} does not match `{keyword}` of its schema: write a value that \
                          matches"
            ),
        }
    }

    /// The same, relative to the enclosing value.
    fn below(mut self, name: &str) -> Self {
        let name = name.replace('~', "~0").replace('/', "~1");
        self.pointer = format!("/{name}{}", self.pointer);
        self
    }
}

/// The schemas of an object's member: its own, those of its pattern, or that of all others.
pub(super) fn of_member<'a>(
    part: &'a Map<String, Value>,
    name: &str,
) -> impl Iterator<Item = &'a Value> {
    let own = part.get("properties").and_then(|all| all.get(name));
    let patterns = part.get("patternProperties").and_then(Value::as_object);
    let by_pattern = patterns.into_iter().flatten().filter(|(pattern, _)| is_like(name, pattern));
    let mut all: Vec<&Value> =
        own.into_iter().chain(by_pattern.map(|(_, schema)| schema)).collect();
    if all.is_empty() {
        all.extend(part.get("additionalProperties"));
    }
    all.into_iter()
}

/// Keywords for values of every type.
fn any(value: &Value, part: &Map<String, Value>) -> Found {
    if value.is_null() && part.get("nullable") == Some(&Value::Bool(true)) {
        return Ok(());
    }
    let is_type = |name: &str| match (name, value) {
        ("null", Value::Null)
        | ("boolean", Value::Bool(_))
        | ("string", Value::String(_))
        | ("array", Value::Array(_))
        | ("object", Value::Object(_))
        | ("number", Value::Number(_)) => true,
        ("integer", Value::Number(number)) => {
            number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|n| n.fract() == 0.0)
        }
        _ => false,
    };
    match part.get("type") {
        Some(Value::String(name)) => hold(is_type(name), "type")?,
        Some(list @ Value::Array(_)) => hold(strings(Some(list)).any(is_type), "type")?,
        _ => {}
    }
    if let Some(all) = part.get("enum").and_then(Value::as_array) {
        hold(all.iter().any(|one| is_equal(one, value)), "enum")?;
    }
    hold(part.get("const").is_none_or(|one| is_equal(one, value)), "const")
}

/// Numbers are equal by value: 1 is 1.0.
fn is_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (a, b) => a == b,
    }
}

fn of_number(number: f64, part: &Map<String, Value>) -> Found {
    let bound = |keyword: &str| part.get(keyword).and_then(Value::as_f64);
    let is_strict = |keyword: &str| part.get(keyword) == Some(&Value::Bool(true));
    if let Some(least) = bound("minimum") {
        let is_above = number > least || (number == least && !is_strict("exclusiveMinimum"));
        hold(is_above, "minimum")?;
    }
    if let Some(most) = bound("maximum") {
        let is_below = number < most || (number == most && !is_strict("exclusiveMaximum"));
        hold(is_below, "maximum")?;
    }
    hold(bound("exclusiveMinimum").is_none_or(|least| number > least), "exclusiveMinimum")?;
    hold(bound("exclusiveMaximum").is_none_or(|most| number < most), "exclusiveMaximum")?;
    let is_multiple = |step: f64| {
        let times = number / step;
        (times - times.round()).abs() < 1e-9
    };
    let step = bound("multipleOf").filter(|step| *step > 0.0);
    hold(step.is_none_or(is_multiple), "multipleOf")
}

fn of_text(text: &str, part: &Map<String, Value>) -> Found {
    let length = text.chars().count();
    hold(is_within(length, part, "minLength", "maxLength"), "minLength or maxLength")?;
    let pattern = part.get("pattern").and_then(Value::as_str);
    hold(pattern.is_none_or(|pattern| is_like(text, pattern)), "pattern")
}

/// Whether a part of a text matches the pattern. Classes are ASCII, as in ECMA-262; nothing matches
/// a pattern that cannot be parsed.
fn is_like(text: &str, pattern: &str) -> bool {
    let regex = RegexBuilder::new(pattern).unicode(false).build();
    regex.is_ok_and(|regex| regex.is_match(text.as_bytes()))
}

fn is_within(count: usize, part: &Map<String, Value>, least: &str, most: &str) -> bool {
    let bound = |keyword: &str| part.get(keyword).and_then(Value::as_f64);
    let count = count as f64;
    bound(least).is_none_or(|least| count >= least) && bound(most).is_none_or(|most| count <= most)
}
