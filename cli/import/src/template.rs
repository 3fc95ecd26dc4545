//! Texts in the scenario's syntax: made of texts that mean themselves, and changed around the
//! values in them.

/// A stretch of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Means itself; escapes are resolved.
    Literal(String),
    /// With its braces.
    Value(String),
}

/// A text that means itself.
pub(crate) fn plain(text: &str) -> String {
    text.replace("{{", "{{{{")
}

/// The stretches of a text. What is not closed is literal.
pub(crate) fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        literal.push_str(&rest[..at]);
        let after = &rest[at..];
        if let Some(after) = after.strip_prefix("{{{{") {
            literal.push_str("{{");
            rest = after;
        } else if let Some(end) = after.find("}}") {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            pieces.push(Piece::Value(after[..end + 2].to_owned()));
            rest = &after[end + 2..];
        } else {
            literal.push_str("{{");
            rest = &after[2..];
        }
    }
    literal.push_str(rest);
    pieces.push(Piece::Literal(literal));
    pieces.retain(|piece| *piece != Piece::Literal(String::new()));
    pieces
}

/// A text of such stretches. A brace right before a value would be read as part of it, and there
/// is no way to write that: a space parts them.
pub(crate) fn join(pieces: impl IntoIterator<Item = Piece>) -> String {
    let mut text = String::new();
    let mut literal = String::new();
    for piece in pieces {
        match piece {
            // Two stretches may make two braces.
            Piece::Literal(more) => literal += &more,
            Piece::Value(value) => {
                text += &plain(&literal);
                if literal.ends_with('{') {
                    text.push(' ');
                }
                literal.clear();
                text += &value;
            }
        }
    }
    text + &plain(&literal)
}

/// The text with its literal stretches changed.
pub(crate) fn map(text: &str, change: &dyn Fn(&str) -> String) -> String {
    join(pieces(text).into_iter().map(|piece| match piece {
        Piece::Literal(literal) => Piece::Literal(change(&literal)),
        value => value,
    }))
}

/// What the text means, with `value` in the place of each value.
pub(crate) fn filled(text: &str, value: &str) -> String {
    let piece = |piece: Piece| match piece {
        Piece::Literal(literal) => literal,
        Piece::Value(_) => value.to_owned(),
    };
    pieces(text).into_iter().map(piece).collect()
}

/// What the text means, if there is no value in it.
pub(crate) fn constant(text: &str) -> Option<String> {
    let mut all = String::new();
    for piece in pieces(text) {
        match piece {
            Piece::Literal(literal) => all.push_str(&literal),
            Piece::Value(_) => return None,
        }
    }
    Some(all)
}

/// Where such a character stands in a literal stretch for the first time, in bytes.
pub(crate) fn find(text: &str, is: impl Fn(char) -> bool) -> Option<usize> {
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let value = if rest.starts_with("{{") { rest.find("}}") } else { None };
        at += match value {
            _ if rest.starts_with("{{{{") => 4,
            Some(end) => end + 2,
            None if is(c) => return Some(at),
            None => c.len_utf8(),
        };
    }
    None
}

/// The text before and after the first such character of its literal stretches.
pub(crate) fn split_once(text: &str, at: char) -> Option<(&str, &str)> {
    let found = find(text, |c| c == at)?;
    Some((&text[..found], &text[found + at.len_utf8()..]))
}

/// The text cut wherever its literal stretches have the character.
pub(crate) fn split(text: &str, at: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((part, after)) = split_once(rest, at) {
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_changed_around_their_values() {
        assert_eq!(plain("a{{b}}"), "a{{{{b}}");
        assert_eq!(constant(&plain("{{{x{{")).as_deref(), Some("{{{x{{"));
        assert_eq!(constant("a{{b}}"), None);
        assert_eq!(filled("{\"a\":{{b}},{{{{", "0"), "{\"a\":0,{{");
        assert_eq!(map("A{{B c}}D{{", &str::to_lowercase), "a{{B c}}d{{{{");
        assert_eq!(split("a&b={{x & y}}&c", '&'), ["a", "b={{x & y}}", "c"]);
        assert_eq!(split_once("{{a b}}=c=d", '='), Some(("{{a b}}", "c=d")));
        assert_eq!(join([Piece::Literal("{".into()), Piece::Value("{{a}}".into())]), "{ {{a}}");
    }
}
