//! Secrets in addresses and bodies, found by the names of their fields: parameters, fields of forms
//! and of JSON. Headers have names of their own kind: see [`quote::is_secret`](super::quote).
//!
//! Results are compared without secrets, so a name counts only if its values are surely secrets.
//! No digest stands for a value: it would give short ones away.

mod names;

use std::ops::Range;

pub use names::is_secret_field;

/// Begins a place of a scenario that is filled later.
const SLOT: &[u8] = b"{{";
/// Stands in the place of a secret.
const LEFT_OUT: &str = "…";
/// Longest name, in bytes.
const NAME_MAX: usize = 256;

/// A secret in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretField {
    /// The name of its field, as written.
    pub name: String,
    /// Its place, in bytes; never empty.
    pub place: Range<usize>,
}

/// The secrets in an address, a form or a JSON text, in their order; they do not overlap.
pub fn secret_fields(text: &[u8]) -> Vec<SecretField> {
    let mut found = Vec::new();
    let mut around = Around::default();
    let mut searched = 0;
    for at in 0..text.len() {
        let field = match text[at] {
            _ if at < searched => None,
            b'=' => parameter(text, at, &around).or_else(|| part_of_form(text, at)),
            b':' => member(text, at),
            _ => None,
        };
        around.pass(text, at);
        if let Some(field) = field.filter(|field| !field.place.is_empty()) {
            searched = field.place.end;
            found.push(field);
        }
    }
    found
}

/// What a parameter stands in, which says where its value ends.
#[derive(Default)]
struct Around {
    /// JSON, since the text or its body began.
    is_json: bool,
    /// The word up to here, which ends at a blank.
    word: Word,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Word {
    #[default]
    Empty,
    /// Neither a parameter nor a sign of an address yet.
    Plain,
    Form,
    Path,
    Query,
}

impl Around {
    fn pass(&mut self, text: &[u8], at: usize) {
        if at == 0 || text[..at].ends_with(b"\r\n\r\n") {
            let first = text[at..].iter().find(|byte| !byte.is_ascii_whitespace());
            self.is_json = first.is_some_and(|byte| b"{[\"".contains(byte));
        }
        self.word = match (text[at], self.word) {
            (b' ' | b'\t' | b'\r' | b'\n', _) => Word::Empty,
            (_, Word::Form) => Word::Form,
            (b'?' | b'#', _) | (_, Word::Query) => Word::Query,
            (_, Word::Path) => Word::Path,
            (b'/', Word::Empty) => Word::Path,
            (b'/', Word::Plain) if text[..at].ends_with(b":/") => Word::Path,
            (b'=' | b'&', _) => Word::Form,
            _ => Word::Plain,
        };
    }

    /// Whether a value ends at this byte. Where several signs may be part of it, it goes on: half
    /// of a secret is not left.
    fn is_end(&self, byte: u8) -> bool {
        let ends: &[u8] = match self.word {
            _ if self.is_json => b"&# \r\n\"\\",
            Word::Path => b"&#; \r\n/?",
            Word::Query => b"&# \r\n",
            Word::Empty | Word::Plain | Word::Form => b"&\r\n",
        };
        ends.contains(&byte)
    }
}

/// `name=value` in a query or a form; `equals` is the place of the sign.
fn parameter(text: &[u8], equals: usize, around: &Around) -> Option<SecretField> {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.[]%$".contains(byte);
    let before = &text[equals.saturating_sub(NAME_MAX)..equals];
    let length = before.iter().rev().take_while(|byte| is_name(byte)).count();
    let name = std::str::from_utf8(&text[equals - length..equals]).ok()?;
    let value = &text[equals + 1..];
    if !is_secret_field(name) || value.starts_with(SLOT) {
        return None;
    }
    let length = value.iter().position(|byte| around.is_end(*byte)).unwrap_or(value.len());
    field(name, equals + 1, length)
}

/// `name="password"` in the header of a part of a form: the value is its body.
fn part_of_form(text: &[u8], equals: usize) -> Option<SecretField> {
    if !text[..equals].ends_with(b" name") || text.get(equals + 1) != Some(&b'"') {
        return None;
    }
    let rest = &text[equals + 2..];
    let name = std::str::from_utf8(&rest[..rest.iter().position(|byte| *byte == b'"')?]).ok()?;
    // First, since the search for the body may go through all that follows.
    if !is_secret_field(name) {
        return None;
    }
    let begin = find(text, equals, b"\r\n\r\n")? + 4;
    let end = find(text, begin, b"\r\n--").unwrap_or(text.len());
    field(name, begin, end - begin)
}

/// `"name": "value"` in JSON, in JSON within a text of JSON, where the quotes are escaped, and
/// `name: "value"` as in GraphQL; `colon` is the place of the sign.
fn member(text: &[u8], colon: usize) -> Option<SecretField> {
    let before = text[colon.saturating_sub(NAME_MAX)..colon].trim_ascii_end();
    let (name, quote) = match before.strip_suffix(b"\"") {
        Some(quoted) => {
            let escapes = escapes_before(quoted);
            let quoted = &quoted[..quoted.len() - escapes];
            let begin = quoted.iter().rposition(|byte| *byte == b'"')? + 1;
            (&quoted[begin..], Some(escapes))
        }
        None => {
            let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
            let length = before.iter().rev().take_while(|byte| is_name(byte)).count();
            (&before[before.len() - length..], None)
        }
    };
    let name = std::str::from_utf8(name).ok().filter(|name| is_secret_field(name))?;
    let begin = text.len() - text[colon + 1..].trim_ascii_start().len();
    let value = &text[begin..];
    let escapes = value.iter().take_while(|byte| **byte == b'\\').count();
    match value.get(escapes)? {
        b'"' if quote.is_none_or(|of_name| of_name == escapes) => {
            let begin = begin + escapes + 1;
            field(name, begin, quoted_length(&text[begin..], escapes))
        }
        b'-' | b'0'..=b'9' if quote.is_some() && escapes == 0 => {
            let is_end = |byte: &u8| b",}] \r\n\t".contains(byte);
            field(name, begin, value.iter().position(is_end).unwrap_or(value.len()))
        }
        _ => None,
    }
}

/// The length of what is left of a quotation, whose quotes have that many `\` before them.
fn quoted_length(text: &[u8], escapes: usize) -> usize {
    let mut seen = 0;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'\\' => seen += 1,
            // Each level of escaping doubles what is before a quote, and adds one.
            b'"' if seen % (2 * (escapes + 1)) == escapes => return at - escapes,
            _ => seen = 0,
        }
    }
    text.len()
}

fn escapes_before(text: &[u8]) -> usize {
    text.iter().rev().take_while(|byte| **byte == b'\\').count()
}

fn field(name: &str, begin: usize, length: usize) -> Option<SecretField> {
    let found = || SecretField { name: name.to_owned(), place: begin..begin + length };
    is_secret_field(name).then(found)
}

fn find(text: &[u8], from: usize, part: &[u8]) -> Option<usize> {
    let rest = text.get(from..)?;
    rest.windows(part.len()).position(|window| window == part).map(|at| from + at)
}

/// An address without the user before its host and without the values of secret parameters.
pub fn without_secrets(url: &str) -> String {
    let mut shown = String::new();
    let mut at = 0;
    if let Some(scheme) = url.find("://").filter(|at| !url[..*at].contains(['/', '?'])) {
        let host = scheme + 3;
        let end = url[host..].find(['/', '?']).map_or(url.len(), |end| host + end);
        if let Some(user) = url[host..end].rfind('@') {
            shown.push_str(&url[..host]);
            shown.push_str(LEFT_OUT);
            at = host + user;
        }
    }
    let rest = &url[at..];
    let mut at = 0;
    for SecretField { place, .. } in secret_fields(rest.as_bytes()) {
        // Its ends are at ASCII letters, or at that of the text.
        shown.push_str(&rest[at..place.start]);
        shown.push_str(LEFT_OUT);
        at = place.end;
    }
    shown.push_str(&rest[at..]);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, &str)> {
        let fields = secret_fields(text.as_bytes()).into_iter();
        fields.map(|it| (it.name, &text[it.place])).collect()
    }

    fn pair<'a>(name: &str, value: &'a str) -> (String, &'a str) {
        (name.to_owned(), value)
    }

    #[test]
    fn secrets_are_found_in_queries_forms_and_json() {
        assert_eq!(found("GET /a?q=1&token=abc%20d&x=2 HTTP/1.1\r\n"), [pair("token", "abc%20d")]);
        assert_eq!(
            found("user=me&password=p%26w&otp=1"),
            [pair("password", "p%26w"), pair("otp", "1")]
        );
        assert_eq!(
            found(r#"{"user":"me", "password" : "a\"b\\", "otp":12, "jwt":"","author":"x"}"#),
            [pair("password", r#"a\"b\\"#), pair("otp", "12")]
        );
        let form =
            "--x\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nhun\r\nter\r\n--x--";
        assert_eq!(found(form), [pair("password", "hun\r\nter")]);
        for harmless in
            ["", "=", "a:b", "\"jwt\":", "\"jwt\":{\"a\":1}", "jwt=", "jwt={{k}}", "::=="]
        {
            assert_eq!(found(harmless), [], "{harmless}");
        }
    }

    #[test]
    fn a_secret_ends_where_its_text_says_so_and_not_before() {
        let hard = "pa,s;s}w'o<r>d";
        for text in [
            format!("GET /a?password={hard}&b=1 HTTP/1.1\r\n\r\n"),
            format!("a=1&password={hard}&b=1"),
            format!("{{\"to\":\"http://h/?password={hard}\",\"b\":1}}"),
            format!("POST /a HTTP/1.1\r\n\r\npassword={hard}\r\n"),
        ] {
            assert_eq!(found(&text), [pair("password", hard)], "{text}");
        }
        // Not encoded, as some programs send it.
        assert_eq!(found("q=what?&password=my \"p#w&a=1"), [pair("password", "my \"p#w")]);
        assert_eq!(found("/a?password=x#y"), [pair("password", "x")]);
    }

    #[test]
    fn secrets_are_found_in_escaped_json_and_in_graphql() {
        assert_eq!(
            found(r#"{"json":"{\"password\":\"x\\\"y\",\"a\":\"b\"}"}"#),
            [pair("password", r#"x\\\"y"#)]
        );
        assert_eq!(
            found(r#"{"query":"mutation{login(user:\"me\",password: \"x\"){id}}"}"#),
            [pair("password", "x")]
        );
        assert_eq!(found(r#"login(password: "x, y")"#), [pair("password", "x, y")]);
        assert_eq!(found("password: see below"), []);
    }

    #[test]
    fn secrets_of_an_address_are_left_out() {
        let cases = [
            ("http://h:1/a?b=c", "http://h:1/a?b=c"),
            ("http://me:pw@h/a@b", "http://…@h/a@b"),
            ("http://token=x@h/?token=y", "http://…@h/?token=…"),
            ("/a?api_key=1&x=2&Password=3&token=", "/a?api_key=…&x=2&Password=…&token="),
            ("http://h/ü?jwt=ü#a", "http://h/ü?jwt=…#a"),
            ("/a;jsessionid=1/b?x=1", "/a;jsessionid=…/b?x=1"),
            ("/a?key=42&max_tokens=7", "/a?key=42&max_tokens=7"),
            ("/a?token=pa,ss;wo}r'd<&b=1", "/a?token=…&b=1"),
            ("/a?to=http://me@h/", "/a?to=http://me@h/"),
        ];
        for (url, shown) in cases {
            assert_eq!(without_secrets(url), shown);
            assert_eq!(without_secrets(shown), shown, "once is enough");
        }
    }
}
