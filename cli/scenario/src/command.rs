//! Commands of Redis as they are typed: words, quotes and values.
//!
//! Quotes and escapes are those of redis-cli. What a command does is not known here.

use uringbench_core::flow::text as core;
use uringbench_core::flow::value::Escape;

use crate::template::{Token, TokenKind, tokens};
use crate::text::{Names, Text};

/// The words of a command, with their values.
///
/// # Errors
/// If a quote is not closed, or a value cannot be read.
pub fn command(typed: &str) -> Result<Vec<core::Text>, String> {
    words(typed)?.iter().map(|word| of_url(word)).collect()
}

/// A text with the values that a URL can have.
pub(crate) fn of_url(text: &str) -> Result<core::Text, String> {
    let names = Names { env: &|_| None, tables: &[], captures: Vec::new() };
    if tokens(text).any(|token| is_env(&token)) {
        return Err(
            "{{env}} beside a URL would be stored with the run: write the value, if it is \
                    no secret; a password belongs into the URL"
                .to_owned(),
        );
    }
    let text = Text::read(text, &names)?;
    if text.has_user() {
        return Err("{{user}} is for scenarios: a URL has no users".to_owned());
    }
    Ok(text.alone(Escape::None))
}

/// Whether it is a variable of the environment.
fn is_env(token: &Token<'_>) -> bool {
    let inner = token.text.trim_start_matches("{{").trim_end_matches("}}");
    matches!(token.kind, TokenKind::Value) && inner.split_whitespace().next() == Some("env")
}

/// The words of a line: separated by blanks, which belong to a word within quotes and values.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (word, behind) = word(rest)?;
        words.push(word);
        rest = behind.trim_start();
    }
    Ok(words)
}

/// The first word, without its quotes, and what follows it.
fn word(text: &str) -> Result<(String, &str), String> {
    let mut word = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            break;
        }
        rest = if first == '"' || first == '\'' {
            quoted(rest, first, &mut word)?
        } else if rest.starts_with("{{") {
            // What is not closed is reported when the word is read.
            let end = rest.find("}}").map_or(rest.len(), |at| at + 2);
            word.push_str(&rest[..end]);
            &rest[end..]
        } else {
            word.push(first);
            &rest[first.len_utf8()..]
        };
    }
    Ok((word, rest))
}

/// Add a quoted text to a word. Returns what follows it.
fn quoted<'a>(text: &'a str, quote: char, word: &mut String) -> Result<&'a str, String> {
    let mut rest = &text[1..];
    loop {
        let Some(first) = rest.chars().next() else {
            return Err(format!("a {quote} is not closed: close it, or write \\{quote} in it"));
        };
        rest = &rest[first.len_utf8()..];
        if first == quote {
            return Ok(rest);
        }
        if first != '\\' {
            word.push(first);
            continue;
        }
        let escaped = rest.chars().next().unwrap_or('\\');
        rest = &rest[escaped.len_utf8().min(rest.len())..];
        match (quote, escaped) {
            ('"', 'n') => word.push('\n'),
            ('"', 'r') => word.push('\r'),
            ('"', 't') => word.push('\t'),
            ('"', other) => word.push(other),
            (_, '\'') => word.push('\''),
            (_, other) => word.extend(['\\', other]),
        }
    }
}

#[cfg(test)]
mod tests {
    use uringbench_core::resp::command::RedisCommand;
    use uringbench_core::statistics::random::Random;

    use super::*;

    fn sent(typed: &str) -> Result<String, String> {
        let texts = command(typed)?;
        let command = RedisCommand::new(texts).map_err(|why| why.to_string())?;
        let mut out = Vec::new();
        command.render((7, 0), &mut Random::new(1), &mut out);
        Ok(String::from_utf8(out).expect("text"))
    }

    #[test]
    fn words_are_split_as_redis_cli_splits_them() {
        for (typed, words) in [
            ("PING", &["PING"][..]),
            ("  SET  k 'a b' ", &["SET", "k", "a b"]),
            (r#"SET k "a\"b\n""#, &["SET", "k", "a\"b\n"]),
            (r"SET k 'it\'s'", &["SET", "k", "it's"]),
            ("SET k ''", &["SET", "k", ""]),
            ("GET key:{{int 0 9 width=2}}x", &["GET", "key:{{int 0 9 width=2}}x"]),
            ("SET é ü", &["SET", "é", "ü"]),
        ] {
            assert_eq!(super::words(typed).expect(typed), words, "{typed}");
        }
        for open in ["SET 'a", "SET \"a", "SET \"a\\", "SET 'a\\"] {
            assert!(super::words(open).is_err(), "{open}");
        }
    }

    #[test]
    fn lengths_are_those_of_the_bytes_that_are_sent() {
        assert_eq!(sent("GET é").as_deref(), Ok("*2\r\n$3\r\nGET\r\n$2\r\né\r\n"));
        assert_eq!(
            sent("SET k {{seq}}").as_deref(),
            Ok("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n7\r\n")
        );
        for env in ["GET {{env A}}", "GET k:{{ env A }}"] {
            assert!(sent(env).is_err_and(|why| why.contains("would be stored")), "{env}");
        }
        let padded = sent("GET k:{{int 3 3 width=12}}");
        assert_eq!(padded.as_deref(), Ok("*2\r\n$3\r\nGET\r\n$14\r\nk:000000000003\r\n"));
        let skewed = sent("GET k:{{zipf 3 3 1.1 width=12}}");
        assert_eq!(skewed, padded);
    }

    #[test]
    fn mistakes_name_their_fix() {
        for (typed, part) in [
            ("", "there is no command"),
            ("{{uuid}} k", "its name"),
            ("GET {{user}}", "no users"),
            ("GET {{int 0 100 width=2}}", "width=3"),
            ("GET {{int -1 100 width=5}}", "negative"),
            ("GET {{int 0 9 wide}}", "width=12"),
            ("GET {{nothing}}", "nothing"),
            ("GET {{zipf 1}}", "two numbers"),
            ("GET {{zipf 9 1}}", "{{zipf 1 9}}"),
            ("GET {{zipf 1 9 0}}", "0.001 to 1000"),
            ("GET {{gaussian 1 9 1}}", "2 to 1000"),
            ("GET {{exponential 1 9 nan}}", "{{exponential 1 9 5}}"),
            ("GET {{zipf 1 9 0.99 width=1 2}}", "does not take `2`"),
            ("GET {{zipf -1 9 width=3}}", "negative"),
            ("GET {{int 0", "not closed"),
            ("subscribe x", "another command"),
        ] {
            let why = sent(typed).expect_err(typed);
            assert!(why.contains(part), "{typed}: {why}");
        }
    }
}
