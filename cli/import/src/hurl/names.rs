//! The meaning of `{{name}}` in a Hurl file: a given variable, a capture, or a function.

use std::collections::{BTreeMap, BTreeSet};

use crate::template::{Piece, join};
use crate::{ImportError, Notes};

/// Names with a built-in meaning in a scenario.
const BUILT_IN: [&str; 11] = [
    "seq",
    "uuid",
    "int",
    "zipf",
    "gaussian",
    "exponential",
    "string",
    "choice",
    "timestamp",
    "user",
    "env",
];

/// The names that are known at a point of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// Given with the file, or by an option in it.
    variables: BTreeMap<String, String>,
    captures: BTreeSet<String>,
    /// Captures that could not be imported.
    lost: BTreeSet<String>,
}

/// Which backslashes are escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escapes {
    /// None of them.
    None,
    /// Hurl's escapes, in names, values and quoted strings.
    Hurl,
}

impl Names {
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
        self.captures.remove(name);
        self.lost.remove(name);
    }

    pub(super) fn capture(&mut self, name: &str) {
        self.variables.remove(name);
        self.lost.remove(name);
        self.captures.insert(name.to_owned());
    }

    pub(super) fn lose(&mut self, name: &str) {
        self.variables.remove(name);
        self.captures.remove(name);
        self.lost.insert(name.to_owned());
    }

    /// Converts a string of the file to the scenario's syntax.
    pub(super) fn text(
        &self,
        written: &str,
        escapes: Escapes,
        line: usize,
        notes: &mut Notes,
    ) -> Result<String, ImportError> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = written;
        while let Some(c) = rest.chars().next() {
            if let Some((inside, after)) =
                rest.strip_prefix("{{").and_then(|inside| inside.split_once("}}"))
            {
                match self.value(inside.trim(), line, notes)? {
                    Piece::Literal(text) => literal += &text,
                    value => {
                        pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                        pieces.push(value);
                    }
                }
                rest = after;
            } else if c == '\\' && escapes == Escapes::Hurl {
                let (c, after) = unescaped(&rest[1..]);
                literal.push(c);
                rest = after;
            } else {
                literal.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
        pieces.push(Piece::Literal(literal));
        Ok(join(pieces.into_iter().filter(|piece| *piece != Piece::Literal(String::new()))))
    }

    fn value(&self, name: &str, line: usize, notes: &mut Notes) -> Result<Piece, ImportError> {
        let value = |text: String| Ok(Piece::Value(format!("{{{{{text}}}}}")));
        if let Some(text) = self.variables.get(name) {
            return Ok(Piece::Literal(text.clone()));
        }
        if self.captures.contains(name) {
            return value(called(name));
        }
        if self.lost.contains(name) {
            notes.add(format!(
                "line {line}: {{{{{name}}}}} is sent as the word {name}: what it captures was \
                 left out"
            ));
            return Ok(Piece::Literal(name.to_owned()));
        }
        if name == "newUuid" {
            return value("uuid".to_owned());
        }
        if name == "newDate" {
            notes
                .add(format!("line {line}: {{{{newDate}}}} becomes {{{{timestamp}}}}, in seconds"));
            return value("timestamp".to_owned());
        }
        if let Some(variable) = name.strip_prefix("getEnv ") {
            let variable = variable.trim().trim_matches('"');
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if !variable.is_empty() && variable.chars().all(is_name) {
                return value(format!("env {variable}"));
            }
        }
        let shown = crate::shown(name);
        Err(ImportError::new(format!(
            "line {line}: the variable `{shown}` is not defined: give it by --variable \
             {shown}=…, or capture it before"
        )))
    }
}

/// The name of a capture in the scenario.
pub(super) fn called(name: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let name: String = name.chars().map(|c| if is_word(c) { c } else { '_' }).collect();
    if name.is_empty() || BUILT_IN.contains(&name.as_str()) { format!("{name}_") } else { name }
}

/// The character that an escape stands for, and the rest of the text.
fn unescaped(text: &str) -> (char, &str) {
    let Some(c) = text.chars().next() else { return ('\\', text) };
    let after = &text[c.len_utf8()..];
    let plain = match c {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'b' => '\x08',
        'f' => '\x0c',
        'u' => {
            let code = after.strip_prefix('{').and_then(|rest| rest.split_once('}'));
            let character = code.and_then(|(code, after)| {
                let number = u32::from_str_radix(code, 16).ok()?;
                Some((char::from_u32(number)?, after))
            });
            return character.unwrap_or((c, after));
        }
        c => c,
    };
    (plain, after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_become_values_and_escapes_characters() {
        let mut names = Names::default();
        names.set("host", "a{{b");
        names.capture("user");
        names.lose("gone");
        let mut notes = Notes::default();
        let mut text = |written: &str| {
            names.text(written, Escapes::Hurl, 3, &mut notes).map_err(|why| why.to_string())
        };
        assert_eq!(text("x{{host}}{{user}}"), Ok("xa{{{{b{{user_}}".into()));
        assert_eq!(text(r"\#\n\u{e9}\u{}"), Ok("#\né{}".trim_end_matches("{}").to_owned() + "u{}"));
        assert_eq!(text("{{newUuid}} {{getEnv \"A\"}}"), Ok("{{uuid}} {{env A}}".into()));
        assert_eq!(text("{{gone}}"), Ok("gone".into()));
        assert!(text("{{no}}").unwrap_err().contains("--variable no=…"));
        assert_eq!(notes.lines().len(), 1);
    }
}
