//! Functions for all importers: headers that are imported or that uringbench sets itself, and
//! bodies in the scenario's syntax.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::Notes;
use crate::model::{Body, Step};
use crate::template;
use crate::url;

/// Headers of a connection rather than a request (RFC 9110 section 7.6.1), and those that a client
/// negotiates itself.
const OF_CONNECTION: [&str; 9] = [
    "Connection",
    "Keep-Alive",
    "Proxy-Connection",
    "Proxy-Authorization",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "HTTP2-Settings",
];
const FORM: &str = "application/x-www-form-urlencoded";

/// Whether a method can be sent. Both upper and lower case letters can (RFC 9110 section 9.1).
pub(crate) fn is_method(method: &str) -> bool {
    !method.is_empty() && method.chars().all(is_token) && method != "CONNECT"
}

const fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(
            c,
            '!' | '#'
                | '$'
                | '%'
                | '&'
                | '\''
                | '*'
                | '+'
                | '-'
                | '.'
                | '^'
                | '_'
                | '`'
                | '|'
                | '~'
        )
}

/// Whether a name and a value can form a header.
pub(crate) fn is_header(name: &str, value: &str) -> bool {
    !name.is_empty()
        && name.chars().all(is_token)
        && value.chars().all(|c| c == '\t' || !c.is_control())
}

/// Adds a header to a step, its value in the scenario's syntax. Headers that uringbench sets itself
/// are left out; several headers of one name are separate lines.
pub(crate) fn add_header(
    step: &mut Step,
    name: &str,
    value: &str,
    origin: &str,
    notes: &mut Notes,
) {
    let name = name.trim();
    let value = value.trim();
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    // HTTP/2 puts the request line into these.
    if name.starts_with(':') || is("Content-Length") {
        return;
    }
    if is("Host") && Some(value) == origin.split_once("://").map(|(_, host)| host) {
        return;
    }
    if OF_CONNECTION.iter().any(|other| is(other)) {
        notes.add(format!("header {name}: left out, uringbench manages connections itself"));
        return;
    }
    if is("Expect") {
        notes.add("header Expect: left out, bodies of scenarios are sent at once");
        return;
    }
    let is_value = |c: char| c == '\t' || !c.is_control();
    if name.is_empty() || !name.chars().all(is_token) {
        notes
            .add(format!("header `{}`: left out, this is no name of a header", crate::shown(name)));
        return;
    }
    if !template::filled(value, "").chars().all(is_value) {
        notes.add(format!("header {name}: left out, its value has a control character"));
        return;
    }
    if is("Cookie") {
        add_cookies(step, value, notes);
        return;
    }
    match step.headers.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        Some((_, before)) if is("Host") || is("Content-Type") => {
            notes.add(format!("header {name}: is given twice, the last one is used"));
            *before = value.to_owned();
        }
        _ => step.headers.push((name.to_owned(), value.to_owned())),
    }
}

/// `name=value; …`: adds cookies of the step, which are sent in addition to the user's.
pub(crate) fn add_cookies(step: &mut Step, pairs: &str, notes: &mut Notes) {
    for pair in template::split(pairs, ';').into_iter().filter(|pair| !pair.trim().is_empty()) {
        let is_word = |c: char| c.is_ascii_graphic() && !matches!(c, '=' | ',' | '"');
        let named = template::split_once(pair.trim(), '=').and_then(|(name, value)| {
            let name = template::constant(name.trim())?;
            let is_name = !name.is_empty() && name.chars().all(is_word);
            is_name.then(|| (name, value.trim().to_owned()))
        });
        match named {
            Some((name, value)) => {
                let is_known = step.cookies.iter().any(|(known, _)| *known == name);
                let is_last = step.cookies.last().is_some_and(|(known, _)| *known == name);
                if is_known && !is_last {
                    notes.add(format!("cookie {name}: its values are sent next to each other"));
                }
                step.cookies.push((name, value));
            }
            None => {
                let name = pair.split('=').next().filter(|name| name.len() < pair.len());
                let name = crate::shown(name.unwrap_or_default().trim());
                notes.add(format!("cookie `{name}`: left out, a cookie is name=value"));
            }
        }
    }
}

/// The cookies of a header, if a table of them sends the same bytes.
pub(crate) fn exact_cookies(line: &str) -> Option<Vec<(String, String)>> {
    let (mut step, mut notes) = (Step::default(), Notes::default());
    add_cookies(&mut step, line, &mut notes);
    let pairs = step.cookies.iter().map(|(name, value)| format!("{name}={value}"));
    let is_exact = notes.lines().is_empty() && pairs.collect::<Vec<_>>().join("; ") == line;
    (is_exact && !line.is_empty()).then_some(step.cookies)
}

/// The value of a header.
pub(crate) fn header<'a>(step: &'a Step, name: &str) -> Option<&'a str> {
    let found = step.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

/// Adds a header unless there is one of that name.
pub(crate) fn default_header(step: &mut Step, name: &str, value: &str) {
    if header(step, name).is_none() {
        step.headers.push((name.to_owned(), value.to_owned()));
    }
}

/// `Authorization` for `name:password`. `None` if it contains a value, since the scenario has no
/// way to encode that.
pub(crate) fn basic(user: &str) -> Option<String> {
    Some(format!("Basic {}", STANDARD.encode(template::constant(user)?)))
}

/// A text as the body, of the kind that its content type names.
pub(crate) fn body(text: String, content_type: Option<&str>) -> Body {
    let kind = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    if (kind == "application/json" || kind.ends_with("+json")) && is_json(&text) {
        return Body::Json(text);
    }
    if kind == FORM
        && let Some(fields) = url::pairs(&text)
    {
        return Body::Form(fields);
    }
    Body::Text(text)
}

/// Whether a text is JSON once its values are.
pub(crate) fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(&template::filled(text, "0")).is_ok()
}

/// Removes settings that are the scenario's default.
pub(crate) fn settle(step: &mut Step) {
    let own = match &step.body {
        Some(Body::Json(_)) => "application/json",
        Some(Body::Form(_)) => FORM,
        Some(Body::Text(_)) => "text/plain; charset=utf-8",
        Some(Body::Multipart(_)) => {
            let is_type = |name: &str| name.eq_ignore_ascii_case("Content-Type");
            for (_, value) in step.headers.iter_mut().filter(|(name, _)| is_type(name)) {
                *value = without_boundary(value);
            }
            let is_own = |value: &str| value.eq_ignore_ascii_case("multipart/form-data");
            step.headers.retain(|(name, value)| !is_type(name) || !is_own(value));
            return;
        }
        Some(Body::File(_)) | None => return,
    };
    let is_own =
        |name: &str, value: &str| name.eq_ignore_ascii_case("Content-Type") && value == own;
    step.headers.retain(|(name, value)| !is_own(name, value));
}

/// A content type without its boundary, which the sender chooses.
fn without_boundary(kind: &str) -> String {
    let is_boundary = |parameter: &str| {
        parameter.trim_start().get(..9).is_some_and(|name| name.eq_ignore_ascii_case("boundary="))
    };
    let kept: Vec<&str> = kind.split(';').filter(|parameter| !is_boundary(parameter)).collect();
    kept.join(";").trim().to_owned()
}
