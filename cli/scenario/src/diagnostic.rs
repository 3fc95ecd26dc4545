//! Mistakes and their places: messages of serde and the TOML parser in our words, and places for
//! mistakes found later.

use std::fmt;
use std::ops::Range;

use schemars::JsonSchema;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use uringbench_core::summary::Grouped;

use crate::schema;

/// A mistake in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// Keys from the top, such as `flow.step.path`; empty if the file is not TOML.
    pub field: String,
    /// Cause and fix, in one line.
    pub message: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.line, self.column)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

/// A place in the file: keys and indices from the top.
#[derive(Clone, Debug, Default)]
pub(crate) struct FieldPath(Vec<Key>);

#[derive(Clone, Debug)]
enum Key {
    Name(String),
    Index(usize),
}

impl FieldPath {
    pub(crate) fn top(name: &str) -> Self {
        Self::default().key(name)
    }

    pub(crate) fn key(&self, name: &str) -> Self {
        let mut place = self.clone();
        place.0.push(Key::Name(name.to_owned()));
        place
    }

    pub(crate) fn index(&self, index: usize) -> Self {
        let mut place = self.clone();
        place.0.push(Key::Index(index));
        place
    }
}

/// The mistakes found so far.
pub(crate) struct Diagnostics<'a> {
    text: &'a str,
    /// The file's tree, parsed for the first mistake that needs its place: a long file may have
    /// many.
    tree: Option<Option<Spanned<DeTable<'a>>>>,
    found: Vec<(usize, Diagnostic)>,
}

impl<'a> Diagnostics<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { text, tree: None, found: Vec::new() }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(crate) fn add(&mut self, place: &FieldPath, message: impl Into<String>) {
        let text = self.text;
        let tree = self.tree.get_or_insert_with(|| DeTable::parse(text).ok());
        let at = tree.as_ref().map_or(0, |tree| offset(tree.get_ref(), place));
        let names = place.0.iter().filter_map(|key| match key {
            Key::Name(name) => Some(name.as_str()),
            Key::Index(_) => None,
        });
        let field = names.collect::<Vec<_>>().join(".");
        self.found.push((at, diagnostic(self.text, at, field, message.into())));
    }

    /// Returns `value`, or adds the mistake and returns `None`.
    pub(crate) fn take<T>(&mut self, place: &FieldPath, value: Result<T, String>) -> Option<T> {
        value.map_err(|why| self.add(place, why)).ok()
    }

    /// Returns `value` if there is no mistake.
    pub(crate) fn into_result<T>(mut self, value: Option<T>) -> Result<T, Vec<Diagnostic>> {
        match value {
            Some(value) if self.found.is_empty() => Ok(value),
            _ => {
                self.found.sort_by_key(|(at, _)| *at);
                Err(self.found.into_iter().map(|(_, diagnostic)| diagnostic).collect())
            }
        }
    }
}

/// A mistake of form in a file of type `F`, with its place.
pub(crate) fn of_form<F: JsonSchema>(text: &str, error: &toml::de::Error) -> Diagnostic {
    let at = error.span().map_or(0, |span| span.start);
    let field = field_at(text, at);
    let message = explained::<F>(error.message(), &field);
    diagnostic(text, at, field, message)
}

/// The keys from the top to the value at `at`.
fn field_at(text: &str, at: usize) -> String {
    let Ok(tree) = DeTable::parse(text) else { return String::new() };
    if let Some(header) = header_at(text, at) {
        return header;
    }
    let mut best = (0, String::new());
    nearest_key(tree.get_ref(), "", at, &mut best);
    best.1
}

/// The keys of the `[table]` or `[[table]]` whose header begins at `at`, which is the place of a
/// mistake in the whole table.
fn header_at(text: &str, at: usize) -> Option<String> {
    let is_first = text.get(..at)?.rsplit('\n').next()?.trim().is_empty();
    let header = text.get(at..)?.lines().next()?.strip_prefix('[').filter(|_| is_first)?;
    let keys = header.trim_start_matches('[').split(']').next()?;
    Some(
        keys.split('.')
            .map(|key| key.trim().trim_matches(['"', '\'']))
            .collect::<Vec<_>>()
            .join("."),
    )
}

/// Asks whether the valid name closest to `name` was meant.
pub(crate) fn did_you_mean<'a>(name: &str, valid: impl IntoIterator<Item = &'a str>) -> String {
    // A prefix of a name means that name, whatever its length.
    let distance = |valid: &&str| (!valid.starts_with(name), strsim::osa_distance(name, valid));
    let nearest = valid.into_iter().min_by_key(distance);
    nearest.map_or_else(String::new, |nearest| format!(", did you mean `{nearest}`?"))
}

/// The start of the TOML library's message that a table must have exactly one field.
pub(crate) const ONE_WANTED: &str = "wanted exactly 1 element";

/// Rewrites serde's message: cause and fix.
fn explained<F: JsonSchema>(message: &str, field: &str) -> String {
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    for kind in ["unknown field", "unknown variant"] {
        if message.starts_with(kind)
            && let Some((name, valid)) = quoted.split_first()
        {
            let meant = did_you_mean(name, valid.iter().copied());
            return format!("`{name}` is unknown here{meant} (valid: {})", valid.join(", "));
        }
    }
    if message.starts_with(ONE_WANTED) {
        let choice = schema::choice::<F>(field);
        let choice = choice.map_or_else(String::new, |names| format!(": {}", names.join(", ")));
        return format!("exactly one field stands here, write one of them{choice}");
    }
    if let Some(missing) = message.strip_prefix("missing field ") {
        let values = schema::values::<F>(field, missing.trim_matches('`'));
        let values = values.map_or_else(String::new, |values| format!(" ({})", values.join(", ")));
        return format!("{missing} is missing: add it{values}");
    }
    if let Some((given, expected)) = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))
        .and_then(|rest| rest.split_once(", expected "))
    {
        return format!("{given} cannot stand here: write {}", plainly::<F>(expected, field));
    }
    message
}

/// The values that serde expects, without names of Rust types.
fn plainly<F: JsonSchema>(expected: &str, field: &str) -> String {
    let of_type = match expected {
        "u8" => Some(u64::from(u8::MAX)),
        "u16" => Some(u64::from(u16::MAX)),
        "u32" => Some(u64::from(u32::MAX)),
        // TOML has no larger integers.
        "u64" | "usize" | "i64" => Some(i64::MAX as u64),
        _ => None,
    };
    if let Some(most) = of_type {
        let (least, most) = schema::range::<F>(field, most);
        return format!("a whole number from {} to {}", Grouped(least), Grouped(most));
    }
    match expected {
        "f32" | "f64" => "a number".to_owned(),
        "a sequence" => "a list, [ … ]".to_owned(),
        "a map" => "a table, { name = value }".to_owned(),
        _ if expected.starts_with("struct ") => "a table of fields, { name = value }".to_owned(),
        expected => expected.to_owned(),
    }
}

fn diagnostic(text: &str, at: usize, field: String, message: String) -> Diagnostic {
    let before = text.get(..at).unwrap_or(text);
    let line_begins = before.rfind('\n').map_or(0, |end| end + 1);
    Diagnostic {
        line: before.matches('\n').count() + 1,
        column: before[line_begins..].chars().count() + 1,
        field,
        message,
    }
}

/// The start of `place`, or of its longest part that exists.
fn offset(tree: &DeTable<'_>, place: &FieldPath) -> usize {
    let mut at = 0;
    let mut table = Some(tree);
    let mut array: Option<&DeValue<'_>> = None;
    for key in &place.0 {
        let found = match key {
            Key::Name(name) => {
                let entry = table.and_then(|table| {
                    table.iter().find(|(key, _)| key.get_ref().as_ref() == name.as_str())
                });
                entry.map(|(key, value)| (key.span(), value))
            }
            Key::Index(index) => array
                .and_then(DeValue::as_array)
                .and_then(|array| array.get(*index))
                .map(|value| (value.span(), value)),
        };
        let Some((span, value)) = found else { break };
        at = begin_of(&span, value.get_ref());
        table = value.get_ref().as_table();
        array = Some(value.get_ref());
    }
    at
}

/// The elements of `[[name]]` may have an empty span; use the place of their first key.
fn begin_of(span: &Range<usize>, value: &DeValue<'_>) -> usize {
    let first = value.as_table().and_then(|table| table.iter().next());
    match first {
        Some((key, _)) if span.is_empty() => key.span().start,
        _ => span.start,
    }
}

/// The last key that begins before `at`, with its parents.
fn nearest_key(table: &DeTable<'_>, above: &str, at: usize, best: &mut (usize, String)) {
    for (key, value) in table {
        let dot = if above.is_empty() { "" } else { "." };
        let name = format!("{above}{dot}{}", key.get_ref());
        let begin = key.span().start;
        if begin <= at && (begin >= best.0) {
            *best = (begin, name.clone());
        }
        below(value.get_ref(), &name, at, best);
    }
}

fn below(value: &DeValue<'_>, name: &str, at: usize, best: &mut (usize, String)) {
    if let Some(table) = value.as_table() {
        nearest_key(table, name, at, best);
    }
    for element in value.as_array().into_iter().flatten() {
        // A mistake of a whole element has the place of its start.
        let begin = element.span().start;
        if begin <= at && begin >= best.0 {
            *best = (begin, name.to_owned());
        }
        below(element.get_ref(), name, at, best);
    }
}
