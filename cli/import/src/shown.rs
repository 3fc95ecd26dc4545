//! Parts of the input as messages show them: on one line, of limited length, and without secrets.
//!
//! A text may be a secret because of its place: in a query, before the host of an address, after a
//! name whose values the report also hides, or after `Bearer`.

use uringbench_core::http::quote::is_secret;

/// The largest number of characters shown.
const SHOWN_MAX: usize = 80;
/// The text in place of a removed part.
const LEFT_OUT: &str = "…";

/// `text` as a message shows it.
pub(crate) fn shown(text: &str) -> String {
    let clean = without_secrets(text);
    let mut shown: String =
        clean.chars().take(SHOWN_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if clean.chars().nth(SHOWN_MAX).is_some() {
        shown.push('…');
    }
    shown
}

fn without_secrets(text: &str) -> String {
    let mut clean = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (kept, after) = match c {
            '?' => query(rest),
            ':' if rest.starts_with("://") => user(rest),
            c if is_of_name(c) => name(rest),
            c => rest.split_at(c.len_utf8()),
        };
        clean.push_str(kept);
        if kept.len() + after.len() < rest.len() {
            clean.push_str(LEFT_OUT);
        }
        rest = after;
    }
    clean
}

/// Each of these splits the text: the start that is kept, and the text after the removed part.
fn query(text: &str) -> (&str, &str) {
    let end = text.find(is_end).unwrap_or(text.len());
    if text[..end].contains('=') { (&text[..1], &text[end..]) } else { text.split_at(1) }
}

fn user(text: &str) -> (&str, &str) {
    let begin = "://".len();
    let end = text[begin..].find(|c| is_end(c) || matches!(c, '/' | '?' | '#'));
    let authority = &text[begin..end.map_or(text.len(), |end| begin + end)];
    match authority.rfind('@') {
        Some(at) => (&text[..begin], &text[begin + at..]),
        None => text.split_at(begin),
    }
}

fn name(text: &str) -> (&str, &str) {
    let end = text.find(|c| !is_of_name(c)).unwrap_or(text.len());
    let (name, after) = text.split_at(end);
    let is_scheme = ["bearer", "basic"].iter().any(|scheme| name.eq_ignore_ascii_case(scheme));
    // The quote that ends the name, and the text between it and the value.
    let mark = after.trim_start_matches(['"', '\'', ' ']);
    let value = match mark.chars().next() {
        Some('=' | ':') if is_secret(name.as_bytes()) => mark[1..].trim_start_matches(' '),
        _ if is_scheme && after.starts_with(' ') => after.trim_start(),
        _ => return (name, after),
    };
    let is_quoted = value.starts_with(['"', '\'']);
    let value = if is_quoted { &value[1..] } else { value };
    let is_header = mark.starts_with(':') && !is_quoted;
    let ends = |c: char| match c {
        '"' | '\'' | '`' => true,
        c => !is_quoted && !is_header && (c.is_whitespace() || matches!(c, '&' | ';' | ',')),
    };
    let stop = value.find(ends).unwrap_or(value.len());
    let (begin, end) = (text.len() - value.len(), text.len() - value.len() + stop);
    (&text[..begin], &text[end..])
}

const fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

fn is_end(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '`')
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn secrets_are_left_out_and_all_else_is_shown() {
        for (text, expected) in [
            ("GET /a?token=s3cret&b=c HTTP/1.1\" 200", "GET /a?… HTTP/1.1\" 200"),
            ("http://me:s3cret@h/a?b=s3cret#c", "http://…@h/a?…"),
            ("http://h:81/@a", "http://h:81/@a"),
            ("what? yes=no", "what? yes=no"),
            ("-H 'Authorization: Bearer s3cret x'", "-H 'Authorization: …'"),
            ("Authorization Bearer s3cret", "Authorization Bearer …"),
            ("{\"api_key\": \"s3cret\", \"a\": 1}", "{\"api_key\": \"…\", \"a\": 1}"),
            ("password=s3cret&x=y", "password=…&x=y"),
            ("Cookie: a=s3cret; b=s3cret", "Cookie: …"),
            ("session = 's3cret' ok", "session = '…' ok"),
            ("token=", "token="),
            ("a key is here", "a key is here"),
            ("a\tb\n", "a b "),
        ] {
            assert_eq!(shown(text), expected);
        }
        assert_eq!(shown(&"x".repeat(81)), format!("{}…", "x".repeat(80)));
    }
}
