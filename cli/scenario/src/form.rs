//! The form of a file: TOML with the fields and types of its format, with all its mistakes.
//!
//! serde stops at the first mistake. This module removes that part of the tree and parses the rest
//! again. `compile` checks fields against each other.

use std::ops::Range;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, Error};

use crate::diagnostic::{self, Diagnostic};

/// The largest number of reported mistakes in one file.
const MISTAKES_MAX: usize = 20;

/// A step from a table or a list to one of its values.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    Name(String),
    Index(usize),
}

/// Parses the form of a file of type `F`.
pub(crate) fn read<F>(text: &str) -> Result<F, Vec<Diagnostic>>
where
    F: DeserializeOwned + JsonSchema,
{
    toml::from_str(text).map_err(|error| match DeTable::parse(text) {
        Ok(tree) => mistakes::<F>(text, tree),
        Err(_) => vec![diagnostic::of_form::<F>(text, &error)],
    })
}

/// All mistakes of form in a file that is valid TOML.
fn mistakes<F>(text: &str, mut tree: Spanned<DeTable<'_>>) -> Vec<Diagnostic>
where
    F: DeserializeOwned + JsonSchema,
{
    let mut found = Vec::new();
    // Names that were removed, with the table that now lacks them.
    let mut missing: Vec<(usize, String)> = Vec::new();
    while found.len() < MISTAKES_MAX
        && let Err(error) = F::deserialize(Deserializer::from(tree.clone()))
    {
        let span = error.span().unwrap_or_default();
        if !is_follow_up(&error, &span, &missing) {
            found.push((span.start, diagnostic::of_form::<F>(text, &error)));
        }
        let Some(path) = narrowest(tree.get_ref(), &span) else { break };
        let table_begin = begin_of_parent(&tree, &path);
        if let Some(Key::Name(name)) = path.last() {
            missing.push((table_begin, name.clone()));
        }
        remove(tree.get_mut(), &path);
    }
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, diagnostic)| diagnostic).collect()
}

/// Whether the missing field was removed before.
fn is_follow_up(error: &Error, span: &Range<usize>, missing: &[(usize, String)]) -> bool {
    let message = error.message();
    let name = message.strip_prefix("missing field ").map(|name| name.trim_matches('`'));
    let is_gone = |gone: &str| name == Some(gone) || message.starts_with(diagnostic::ONE_WANTED);
    missing.iter().any(|(at, gone)| *at == span.start && is_gone(gone))
}

/// The path to the smallest key or value that contains `span`.
fn narrowest(tree: &DeTable<'_>, span: &Range<usize>) -> Option<Vec<Key>> {
    let mut best: Option<(usize, Vec<Key>)> = None;
    let mut path = Vec::new();
    look_into_table(tree, span, &mut path, &mut best);
    best.map(|(_, path)| path)
}

fn look_into_table(
    table: &DeTable<'_>,
    span: &Range<usize>,
    path: &mut Vec<Key>,
    best: &mut Option<(usize, Vec<Key>)>,
) {
    for (key, value) in table {
        path.push(Key::Name(key.get_ref().to_string()));
        consider(&key.span(), span, path, best);
        look_into(value, span, path, best);
        path.pop();
    }
}

fn look_into(
    value: &Spanned<DeValue<'_>>,
    span: &Range<usize>,
    path: &mut Vec<Key>,
    best: &mut Option<(usize, Vec<Key>)>,
) {
    consider(&value.span(), span, path, best);
    match value.get_ref() {
        DeValue::Table(table) => look_into_table(table, span, path, best),
        DeValue::Array(array) => {
            for (index, element) in array.iter().enumerate() {
                path.push(Key::Index(index));
                look_into(element, span, path, best);
                path.pop();
            }
        }
        _ => {}
    }
}

fn consider(
    own: &Range<usize>,
    span: &Range<usize>,
    path: &[Key],
    best: &mut Option<(usize, Vec<Key>)>,
) {
    let holds = own.start <= span.start && span.end <= own.end;
    if holds && best.as_ref().is_none_or(|(length, _)| own.len() <= *length) {
        *best = Some((own.len(), path.to_vec()));
    }
}

fn begin_of_parent(tree: &Spanned<DeTable<'_>>, path: &[Key]) -> usize {
    let mut begin = tree.span().start;
    let mut at: Option<&Spanned<DeValue<'_>>> = None;
    for key in path.iter().take(path.len().saturating_sub(1)) {
        at = match (key, at.map(Spanned::get_ref)) {
            (Key::Name(name), None) => tree.get_ref().get(name.as_str()),
            (Key::Name(name), Some(value)) => value.get(name.as_str()),
            (Key::Index(index), Some(value)) => value.get(*index),
            (Key::Index(_), None) => None,
        };
        begin = at.map_or(begin, |value| value.span().start);
    }
    begin
}

/// Removes the value at `path`.
fn remove(table: &mut DeTable<'_>, path: &[Key]) {
    let Some((Key::Name(name), rest)) = path.split_first() else { return };
    match rest {
        [] => drop(table.remove(name.as_str())),
        rest => {
            if let Some(value) = table.get_mut(name.as_str()) {
                remove_within(value.get_mut(), rest);
            }
        }
    }
}

fn remove_within(value: &mut DeValue<'_>, path: &[Key]) {
    match (value, path) {
        (DeValue::Table(table), path) => remove(table, path),
        (DeValue::Array(array), [Key::Index(index)]) => {
            let kept = array.iter().enumerate().filter(|(at, _)| at != index);
            *array = kept.map(|(_, element)| element.clone()).collect();
        }
        (DeValue::Array(array), [Key::Index(index), rest @ ..]) => {
            if let Some(element) = array.get_mut(*index) {
                remove_within(element.get_mut(), rest);
            }
        }
        _ => {}
    }
}
