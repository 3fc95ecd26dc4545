//! Secrets in addresses and bodies, found by the names of their fields: parameters, fields of forms
//! and of JSON. Headers have names of their own kind: see [`quote::is_secret`](super::quote).

use std::ops::Range;

/// Begins a place of a scenario that is filled later.
const SLOT: &[u8] = b"{{";
/// Stands in the place of a secret.
const LEFT_OUT: &str = "…";

/// A name that contains one of these is that of a secret, whatever else it contains.
const PARTS: [&str; 11] = [
    "passw",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "credential",
    "signature",
    "sessionid",
];
/// Names of secrets that are parts of harmless names too, as `auth` is of `author`.
const WHOLE: [&str; 14] = [
    "pwd",
    "pw",
    "pass",
    "pin",
    "otp",
    "auth",
    "authorization",
    "authentication",
    "session",
    "sid",
    "phpsessid",
    "sig",
    "key",
    "jwt",
];

/// A secret in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretField {
    /// The name of its field, as written.
    pub name: String,
    /// Its place, in bytes; never empty.
    pub place: Range<usize>,
}

/// Whether a parameter, or a field of a body, of this name may be a secret: `password`, `api_key`,
/// `X-Amz-Signature`; not `author`, `sort_key`.
pub fn is_secret_field(name: &str) -> bool {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    let plain: String = letters.map(|letter| letter.to_ascii_lowercase()).collect();
    PARTS.iter().any(|part| plain.contains(part)) || WHOLE.contains(&plain.as_str())
}

/// The secrets in an address, a form or a JSON text, in their order; they do not overlap.
pub fn secret_fields(text: &[u8]) -> Vec<SecretField> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let field = match text[at] {
            b'=' => parameter(text, at).or_else(|| part_of_form(text, at)),
            b':' => member(text, at),
            _ => None,
        };
        at += 1;
        if let Some(field) = field.filter(|field| !field.place.is_empty()) {
            at = field.place.end;
            found.push(field);
        }
    }
    found
}

/// `name=value` in a query or a form; `equals` is the place of the sign.
fn parameter(text: &[u8], equals: usize) -> Option<SecretField> {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.[]%$".contains(byte);
    let length = text[..equals].iter().rev().take_while(|byte| is_name(byte)).count();
    let name = std::str::from_utf8(&text[equals - length..equals]).ok()?;
    let is_end = |byte: &u8| b"&;# \r\n\t\"'<>\\,}".contains(byte);
    let value = &text[equals + 1..];
    if value.starts_with(SLOT) {
        return None;
    }
    let length = value.iter().position(is_end).unwrap_or(value.len());
    field(name, equals + 1, length)
}

/// `name="password"` in the header of a part of a form: the value is its body.
fn part_of_form(text: &[u8], equals: usize) -> Option<SecretField> {
    if !text[..equals].ends_with(b" name") || text.get(equals + 1) != Some(&b'"') {
        return None;
    }
    let rest = &text[equals + 2..];
    let name = std::str::from_utf8(&rest[..rest.iter().position(|byte| *byte == b'"')?]).ok()?;
    let begin = find(text, equals, b"\r\n\r\n")? + 4;
    let end = find(text, begin, b"\r\n--").unwrap_or(text.len());
    field(name, begin, end - begin)
}

/// `"name": "value"` in JSON; `colon` is the place of the sign.
fn member(text: &[u8], colon: usize) -> Option<SecretField> {
    let before = text[..colon].trim_ascii_end().strip_suffix(b"\"")?;
    let begin = before.iter().rposition(|byte| *byte == b'"')? + 1;
    let name = std::str::from_utf8(&before[begin..]).ok()?;
    let after = &text[colon + 1..];
    let blanks = after.len() - after.trim_ascii_start().len();
    let (begin, value) = (colon + 1 + blanks, &after[blanks..]);
    match value.first()? {
        b'"' => {
            let mut is_escaped = false;
            let end = value[1..].iter().position(|byte| {
                let is_end = *byte == b'"' && !is_escaped;
                is_escaped = *byte == b'\\' && !is_escaped;
                is_end
            });
            field(name, begin + 1, end.unwrap_or(value.len() - 1))
        }
        b'-' | b'0'..=b'9' => {
            let is_end = |byte: &u8| b",}] \r\n\t".contains(byte);
            field(name, begin, value.iter().position(is_end).unwrap_or(value.len()))
        }
        _ => None,
    }
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
    fn names_of_secrets_are_known_and_harmless_ones_are_not() {
        for name in [
            "password",
            "Password_new",
            "user[password]",
            "access_token",
            "X-Amz-Signature",
            "key",
            "api-key",
            "clientSecret",
            "SID",
            "csrf_token",
            "auth",
            "sessionId",
            "pin",
        ] {
            assert!(is_secret_field(name), "{name}");
        }
        for name in ["author", "sort_key", "keyboard", "sessions", "compass", "spin", "q", ""] {
            assert!(!is_secret_field(name), "{name}");
        }
    }

    #[test]
    fn secrets_are_found_in_queries_forms_and_json() {
        assert_eq!(found("GET /a?q=1&token=abc%20d&x=2 HTTP/1.1\r\n"), [pair("token", "abc%20d")]);
        assert_eq!(
            found("user=me&password=p%26w&pin=1"),
            [pair("password", "p%26w"), pair("pin", "1")]
        );
        assert_eq!(
            found(r#"{"user":"me", "password" : "a\"b\\", "pin":12, "key":"","author":"x"}"#),
            [pair("password", r#"a\"b\\"#), pair("pin", "12")]
        );
        let form =
            "--x\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nhun\r\nter\r\n--x--";
        assert_eq!(found(form), [pair("password", "hun\r\nter")]);
        for harmless in
            ["", "=", "a:b", "\"key\":", "\"key\":{\"a\":1}", "key=", "key={{k}}", "::=="]
        {
            assert_eq!(found(harmless), [], "{harmless}");
        }
    }

    #[test]
    fn secrets_of_an_address_are_left_out() {
        let cases = [
            ("http://h:1/a?b=c", "http://h:1/a?b=c"),
            ("http://me:pw@h/a@b", "http://…@h/a@b"),
            ("http://token=x@h/?token=y", "http://…@h/?token=…"),
            ("/a?api_key=1&x=2&Password=3&token=", "/a?api_key=…&x=2&Password=…&token="),
            ("http://h/ü?key=ü#a", "http://h/ü?key=…#a"),
            ("/a?to=http://me@h/", "/a?to=http://me@h/"),
        ];
        for (url, shown) in cases {
            assert_eq!(without_secrets(url), shown);
            assert_eq!(without_secrets(shown), shown, "once is enough");
        }
    }
}
