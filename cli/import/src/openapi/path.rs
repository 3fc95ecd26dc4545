//! Keys of `paths`: `/items/{id}`, and variants used by gateways: `/{proxy+}`, `/{id:[0-9]+}`,
//! `/{bucket}?acl`, `/#Action=x`.

use crate::template::{self, Piece};

/// A parsed key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key<'a> {
    path: Vec<Stretch<'a>>,
    query: Option<Vec<Stretch<'a>>>,
    /// The text after `#`, which requests do not have.
    pub(super) fragment: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stretch<'a> {
    Text(&'a str),
    /// The text between braces.
    Name(&'a str),
}

/// A path or a query with its values inserted.
#[derive(Debug, Default)]
pub(super) struct Filled {
    pub(super) path: String,
    pub(super) query: Option<String>,
    /// The names without a value, which stay as they are.
    pub(super) missing: Vec<String>,
}

impl<'a> Key<'a> {
    pub(super) fn parse(key: &'a str) -> Self {
        let (key, fragment) = split_outside(key, '#');
        let (path, query) = split_outside(key, '?');
        Self { path: stretches(path), query: query.map(stretches), fragment }
    }

    /// Inserts `values`, which are encoded as they are sent.
    pub(super) fn filled(&self, base: &str, values: &[(&str, String)]) -> Filled {
        let mut missing = Vec::new();
        let mut fill = |stretches: &[Stretch<'_>], before: &str| {
            let mut pieces = vec![Piece::Literal(before.to_owned())];
            for stretch in stretches {
                match *stretch {
                    Stretch::Text(text) => pieces.push(Piece::Literal(text.to_owned())),
                    Stretch::Name(name) => match value_of(values, name) {
                        Some(text) => pieces.extend(template::pieces(text)),
                        None => {
                            missing.push(format!("{{{name}}}"));
                            pieces.push(Piece::Literal(format!("{{{name}}}")));
                        }
                    },
                }
            }
            template::join(pieces)
        };
        let path = fill(&self.path, base);
        let query = self.query.as_ref().map(|query| fill(query, ""));
        Filled { path, query, missing }
    }
}

fn value_of<'v>(values: &'v [(&str, String)], name: &str) -> Option<&'v String> {
    let own = values.iter().find(|(known, _)| *known == name);
    let found = own.or_else(|| {
        let name = bare(name);
        values.iter().find(|(known, _)| bare(known) == name)
    });
    found.map(|(_, text)| text)
}

/// The name in `proxy+`, `*rest`, `rest...`, `id:[0-9]+`, `id?` and `.format`.
fn bare(name: &str) -> &str {
    let name = name.split_once(':').map_or(name, |(name, _)| name);
    let name = name.trim().trim_start_matches(['+', '*', '.', '/', ';', '&', '#', '?']);
    name.trim_end_matches(['+', '*', '?', '.'])
}

/// Splits at a character outside of braces.
fn split_outside(text: &str, at: char) -> (&str, Option<&str>) {
    let mut depth = 0_usize;
    for (index, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            c if c == at && depth == 0 => {
                return (&text[..index], Some(&text[index + at.len_utf8()..]));
            }
            _ => {}
        }
    }
    (text, None)
}

fn stretches(text: &str) -> Vec<Stretch<'_>> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let Some(length) = closed(&rest[at..]) else { break };
        all.push(Stretch::Text(&rest[..at]));
        all.push(Stretch::Name(&rest[at + 1..at + length - 1]));
        rest = &rest[at + length..];
    }
    all.push(Stretch::Text(rest));
    all.retain(|stretch| *stretch != Stretch::Text(""));
    all
}

/// The length of text in braces, which may contain braces, with its own.
fn closed(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return Some(index + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_apart_and_filled() {
        let values =
            [("id", "4".to_owned()), ("proxy", "a%2Fb".to_owned()), ("b+", "x".to_owned())];
        let cases = [
            ("/i/{id}", "/i/4", None, ""),
            ("/i/{id:[0-9]{1,3}}/x", "/i/4/x", None, ""),
            ("/{proxy+}", "/a%2Fb", None, ""),
            ("/{*proxy}", "/a%2Fb", None, ""),
            ("/{proxy...}", "/a%2Fb", None, ""),
            ("/{b}", "/x", None, ""),
            ("/{id}?acl", "/4", Some("acl"), ""),
            ("/x?of={id}#y", "/x", Some("of=4"), "y"),
            ("/#Action=Foo", "/", None, "Action=Foo"),
            ("/{id?}", "/4", None, ""),
            ("/{", "/{", None, ""),
            ("/}{id}", "/}4", None, ""),
        ];
        for (key, path, query, fragment) in cases {
            let parsed = Key::parse(key);
            let filled = parsed.filled("", &values);
            assert_eq!((filled.path.as_str(), filled.query.as_deref()), (path, query), "{key}");
            assert_eq!(parsed.fragment.unwrap_or_default(), fragment, "{key}");
            assert_eq!(filled.missing, Vec::<String>::new(), "{key}");
        }
        let missing = Key::parse("/{other}").filled("/v1", &values);
        assert_eq!(
            (missing.path.as_str(), missing.missing),
            ("/v1/{other}", vec!["{other}".into()])
        );
    }
}
