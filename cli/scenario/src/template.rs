//! Texts in the scenario's syntax: made of texts that mean themselves, and changed around the
//! values in them.

/// A stretch of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Means itself; escapes are resolved.
    Literal(String),
    /// With its braces.
    Value(String),
}

/// A stretch of a text as it is written.
pub(crate) struct Token<'a> {
    pub(crate) kind: TokenKind,
    pub(crate) text: &'a str,
}

pub(crate) enum TokenKind {
    /// Without `{{`.
    Literal,
    /// `{{{{`, which means `{{`.
    Escape,
    /// `{{…}}`.
    Value,
    /// `{{` that is not closed.
    Open,
}

/// What a text is made of.
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

/// A text that means itself.
pub fn plain(text: &str) -> String {
    text.replace("{{", "{{{{")
}

/// The stretches of a text. What is not closed is literal.
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

/// A text of such stretches. A brace right before a value would be read as part of it, and there
/// is no way to write that: a space parts them.
pub fn join(pieces: impl IntoIterator<Item = Piece>) -> String {
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
pub fn map(text: &str, change: &dyn Fn(&str) -> String) -> String {
    join(pieces(text).into_iter().map(|piece| match piece {
        Piece::Literal(literal) => Piece::Literal(change(&literal)),
        value => value,
    }))
}

/// What the text means, with `value` in the place of each value.
pub fn filled(text: &str, value: &str) -> String {
    let piece = |piece: Piece| match piece {
        Piece::Literal(literal) => literal,
        Piece::Value(_) => value.to_owned(),
    };
    pieces(text).into_iter().map(piece).collect()
}

/// What the text means, if there is no value in it.
pub fn constant(text: &str) -> Option<String> {
    match pieces(text).as_mut_slice() {
        [] => Some(String::new()),
        [Piece::Literal(all)] => Some(std::mem::take(all)),
        _ => None,
    }
}

/// Where such a character stands in a literal stretch for the first time, in bytes.
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

/// The text before and after the first such character of its literal stretches.
pub fn split_once(text: &str, at: char) -> Option<(&str, &str)> {
    let found = find(text, |c| c == at)?;
    Some((&text[..found], &text[found + at.len_utf8()..]))
}

/// The text cut wherever its literal stretches have the character.
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
