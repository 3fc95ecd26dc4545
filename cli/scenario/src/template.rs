//! Texts in the scenario's syntax: escapes literal text, and changes texts without their values.

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Literal text with escapes resolved.
    Literal(String),
    /// A value with its braces.
    Value(String),
}

/// A piece of a text as written.
pub(crate) struct Token<'a> {
    pub(crate) kind: TokenKind,
    pub(crate) text: &'a str,
}

pub(crate) enum TokenKind {
    /// Text without `{{`.
    Literal,
    /// `{{{{`, which stands for `{{`.
    Escape,
    /// `{{…}}`.
    Value,
    /// An unclosed `{{`.
    Open,
}

/// Splits a text into tokens.
pub(crate) fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (kind, len) = match rest.find("{{") {
            _ if rest.is_empty() => return None,
            Some(0) if rest.starts_with("{{{{") => (TokenKind::Escape, 4),
            Some(0) => match rest.find("}}") {
                Some(end) => (TokenKind::Value, end + 2),
                None => (TokenKind::Open, 2),
            },
            at => (TokenKind::Literal, at.unwrap_or(rest.len())),
        };
        let (text, after) = rest.split_at(len);
        rest = after;
        Some(Token { kind, text })
    })
}

/// Escapes a text so that it means itself.
pub fn plain(text: &str) -> String {
    text.replace("{{", "{{{{")
}

/// The pieces of a text. An unclosed `{{` is literal.
pub fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for Token { kind, text } in tokens(text) {
        let literal = if matches!(kind, TokenKind::Escape) { "{{" } else { text };
        match pieces.last_mut() {
            _ if matches!(kind, TokenKind::Value) => pieces.push(Piece::Value(text.to_owned())),
            Some(Piece::Literal(before)) => before.push_str(literal),
            _ => pieces.push(Piece::Literal(literal.to_owned())),
        }
    }
    pieces
}

/// Joins pieces to a text. A brace directly before a value would be read as part of it, and the
/// syntax has no way to write that: a space separates them.
pub fn join(pieces: impl IntoIterator<Item = Piece>) -> String {
    let mut text = String::new();
    let mut literal = String::new();
    for piece in pieces {
        match piece {
            // Two pieces may together form two braces.
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

/// Changes the literal pieces of a text.
pub fn map(text: &str, change: &dyn Fn(&str) -> String) -> String {
    join(pieces(text).into_iter().map(|piece| match piece {
        Piece::Literal(literal) => Piece::Literal(change(&literal)),
        value => value,
    }))
}

/// The text's meaning, with `value` in place of each value.
pub fn filled(text: &str, value: &str) -> String {
    let piece = |piece: Piece| match piece {
        Piece::Literal(literal) => literal,
        Piece::Value(_) => value.to_owned(),
    };
    pieces(text).into_iter().map(piece).collect()
}

/// The text's meaning, if it contains no value.
pub fn constant(text: &str) -> Option<String> {
    match pieces(text).as_mut_slice() {
        [] => Some(String::new()),
        [Piece::Literal(all)] => Some(std::mem::take(all)),
        _ => None,
    }
}

/// The position in bytes of the first such character in a literal piece.
pub fn find(text: &str, is: impl Fn(char) -> bool) -> Option<usize> {
    let mut at = 0;
    for Token { kind, text } in tokens(text) {
        let is_literal = matches!(kind, TokenKind::Literal | TokenKind::Open);
        if let Some(found) = text.find(&is).filter(|_| is_literal) {
            return Some(at + found);
        }
        at += text.len();
    }
    None
}

/// Splits the text at the first such character in its literal pieces.
pub fn split_once(text: &str, at: char) -> Option<(&str, &str)> {
    let found = find(text, |c| c == at)?;
    Some((&text[..found], &text[found + at.len_utf8()..]))
}

/// Splits the text at each such character in its literal pieces.
pub fn split(text: &str, at: char) -> Vec<&str> {
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
