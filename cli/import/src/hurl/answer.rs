//! Hurl's assertions and captures, as far as a scenario's checks and captures can express them.

use std::collections::BTreeSet;

use uringbench_core::flow::pattern::Pattern;

use super::names::{Escapes, Names, called};
use super::parse::{Content, Field, Kind, Response, without_comment};
use crate::model::{Capture, Check, Scalar, Source, Step};
use crate::template::plain;
use crate::{ImportError, Notes};

/// The limit of a captured value: Hurl has none, and tokens are longer than the scenario's default
/// of 256 bytes.
const CAPTURE_MAX: u32 = 4_096;
const PREDICATES: [&str; 30] = [
    "==",
    "!=",
    ">",
    ">=",
    "<",
    "<=",
    "equals",
    "notEquals",
    "greaterThan",
    "greaterThanOrEquals",
    "lessThan",
    "lessThanOrEquals",
    "startsWith",
    "endsWith",
    "contains",
    "includes",
    "matches",
    "exists",
    "isEmpty",
    "isBoolean",
    "isCollection",
    "isDate",
    "isFloat",
    "isInteger",
    "isIsoDate",
    "isNumber",
    "isString",
    "isList",
    "isObject",
    "not",
];
const CANNOT: &str = "left out, checks cannot express it";

/// A word of an assertion or a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    /// Between quotes or backticks, which are removed; escapes are kept.
    Text(String),
    /// Between three backticks.
    Block(String),
    /// Between slashes.
    Regex(String),
}

/// The queried part of the answer, and the filters on it.
struct Query {
    name: String,
    argument: Option<Token>,
    filters: Vec<Token>,
}

/// Imports the assertions and captures of an answer.
pub(super) fn answer(
    response: &Response,
    step: &mut Step,
    names: &mut Names,
    notes: &mut Notes,
) -> Result<(), ImportError> {
    let mut checks = Checks { check: Check::default(), statuses: None, names, notes };
    if let Some(status) = response.status {
        checks.keep(|known| known == status);
    }
    for field in &response.headers {
        let (key, value) =
            (checks.text(&field.key, field.line)?, checks.text(&field.value, field.line)?);
        checks.header(&key, value, field.line);
    }
    if let Some(body) = &response.body {
        checks.body(body)?;
    }
    for (line, assert) in &response.asserts {
        checks.assert(*line, assert)?;
    }
    if response.status.is_none() && checks.statuses.is_none() {
        let line = response.line;
        checks
            .notes
            .add(format!("line {line}: HTTP *: statuses from 400 on are failures all the same"));
    }
    let Checks { mut check, statuses, .. } = checks;
    // Status codes below 400 are the default check.
    let statuses = statuses.filter(|statuses| !statuses.iter().copied().eq(100..400));
    check.status = statuses.into_iter().flatten().collect();
    step.check = check;
    // Hurl captures before it checks, a scenario afterwards.
    for field in &response.captures {
        capture(field, step, names, notes)?;
    }
    Ok(())
}

struct Checks<'a> {
    check: Check,
    /// The expected status codes, if there are assertions on them.
    statuses: Option<BTreeSet<u16>>,
    names: &'a Names,
    notes: &'a mut Notes,
}

impl Checks<'_> {
    fn text(&mut self, written: &str, line: usize) -> Result<String, ImportError> {
        self.names.text(written, Escapes::Hurl, line, self.notes)
    }

    fn keep(&mut self, is_good: impl Fn(u16) -> bool) {
        let known = self.statuses.take().unwrap_or_else(|| (100..600).collect());
        let kept: BTreeSet<u16> = known.into_iter().filter(|status| is_good(*status)).collect();
        if kept.is_empty() {
            self.notes.add("no status meets all its assertions: none is checked");
            return;
        }
        self.statuses = Some(kept);
    }

    fn header(&mut self, name: &str, value: String, line: usize) {
        let is_known = |(known, _): &(String, String)| known.eq_ignore_ascii_case(name);
        if self.check.header.iter().any(is_known) {
            self.notes.add(format!("line {line}: header {name} a second time: {CANNOT}"));
        } else {
            self.check.header.push((name.to_owned(), value));
        }
    }

    /// Imports the body that the answer must have.
    fn body(&mut self, content: &Content) -> Result<(), ImportError> {
        let line = content.line;
        match &content.kind {
            Kind::Json(text) => {
                let text = self.names.text(text, Escapes::None, line, self.notes)?;
                let Ok(value) = serde_json::from_str(&text) else {
                    self.notes.add(format!("line {line}: the JSON of the answer: {CANNOT}"));
                    return Ok(());
                };
                self.notes.add(format!(
                    "line {line}: the JSON of the answer is compared value by value, what it has \
                     besides is not noticed"
                ));
                self.leaves("", &value);
            }
            Kind::OneLine(text) | Kind::Block { text, .. } | Kind::Xml(text) => {
                let text = self.names.text(text, Escapes::None, line, self.notes)?;
                self.equals(text, line);
            }
            Kind::Base64(_) | Kind::Hex(_) | Kind::File(_) => {
                self.notes.add(format!("line {line}: the bytes of the answer: {CANNOT}"));
            }
        }
        Ok(())
    }

    fn equals(&mut self, text: String, line: usize) {
        if self.check.equals.replace(text).is_some() {
            self.notes.add(format!("line {line}: two bodies are asserted, the last one is used"));
        }
    }

    fn leaves(&mut self, pointer: &str, value: &serde_json::Value) {
        match value {
            serde_json::Value::Object(members) => {
                for (name, value) in members {
                    self.leaves(&format!("{pointer}/{}", escaped(name)), value);
                }
            }
            serde_json::Value::Array(elements) => {
                for (at, value) in elements.iter().enumerate() {
                    self.leaves(&format!("{pointer}/{at}"), value);
                }
            }
            other => {
                self.check.json.extend(scalar(other).map(|scalar| (pointer.to_owned(), scalar)))
            }
        }
    }

    fn assert(&mut self, line: usize, text: &str) -> Result<(), ImportError> {
        let mut tokens = tokens(text).into_iter().peekable();
        let is_predicate = |token: &Token| match token {
            Token::Word(word) => PREDICATES.contains(&word.as_str()),
            _ => false,
        };
        let mut of_query = Vec::new();
        while let Some(token) = tokens.next_if(|token| !is_predicate(token)) {
            of_query.push(token);
        }
        let predicate: Vec<Token> = tokens.collect();
        let taken = match (query(of_query), predicate.as_slice()) {
            (Some(query), [Token::Word(predicate), value]) => {
                self.compare(&query, predicate, value, line)?
            }
            _ => false,
        };
        if !taken {
            let instead = if text.starts_with("duration") {
                "left out, an objective says it: [[slo]] limit = \"p99<…\""
            } else {
                CANNOT
            };
            let text = if text.contains("```") { text } else { without_comment(text) };
            self.notes.add(format!("line {line}: `{}`: {instead}", crate::shown(text)));
        }
        Ok(())
    }

    /// Imports a comparison; returns whether a scenario can express it.
    fn compare(
        &mut self,
        query: &Query,
        predicate: &str,
        value: &Token,
        line: usize,
    ) -> Result<bool, ImportError> {
        let is_equal = matches!(predicate, "==" | "equals");
        if query.name == "status" && query.filters.is_empty() {
            return Ok(self.status(predicate, value));
        }
        let text = match value {
            Token::Text(text) => Some(self.expected(text, Escapes::Hurl, line)?),
            Token::Block(text) => Some(self.expected(text, Escapes::None, line)?),
            Token::Word(word) if word.starts_with("{{") => {
                Some(self.expected(word, Escapes::None, line)?)
            }
            Token::Word(_) | Token::Regex(_) => None,
        };
        if text == Some(None) {
            return Ok(false);
        }
        let text = text.flatten();
        match (query.name.as_str(), query.filters.as_slice(), text) {
            ("header", [], Some(text)) if is_equal => {
                let Some(Token::Text(name)) = &query.argument else { return Ok(false) };
                let name = self.text(name, line)?;
                self.header(&name, text, line);
            }
            ("body", [], Some(text)) if is_equal => self.equals(text, line),
            ("body", [], Some(text))
                if predicate == "contains" && self.check.contains.is_none() =>
            {
                self.check.contains = Some(text);
            }
            ("bytes", [Token::Word(count)], None) if is_equal && count == "count" => {
                let Token::Word(number) = value else { return Ok(false) };
                let Ok(length) = number.parse() else { return Ok(false) };
                self.check.length = Some(length);
            }
            ("jsonpath", filters, text) if is_equal => {
                let Some(pointer) = json_pointer(query, filters) else { return Ok(false) };
                let expected = match (text, value) {
                    (Some(text), _) => Some(Scalar::Text(text)),
                    (None, Token::Word(word)) => {
                        serde_json::from_str(word).ok().as_ref().and_then(scalar)
                    }
                    (None, _) => None,
                };
                let Some(expected) = expected else { return Ok(false) };
                if self.check.json.iter().any(|(known, _)| *known == pointer) {
                    return Ok(false);
                }
                self.check.json.push((pointer, expected));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A text to compare with; `None` if it contains a value from the same answer.
    fn expected(
        &mut self,
        written: &str,
        escapes: Escapes,
        line: usize,
    ) -> Result<Option<String>, ImportError> {
        match self.names.text(written, escapes, line, self.notes) {
            Ok(text) if text.contains("{{uuid}}") || text.contains("{{timestamp}}") => Ok(None),
            Ok(text) => Ok(Some(text)),
            Err(_) if written.contains("{{") => Ok(None),
            Err(why) => Err(why),
        }
    }

    fn status(&mut self, predicate: &str, value: &Token) -> bool {
        let Token::Word(number) = value else { return false };
        let Ok(number) = number.parse::<u16>() else { return false };
        match predicate {
            "==" | "equals" => self.keep(|status| status == number),
            "!=" | "notEquals" => self.keep(|status| status != number),
            ">" | "greaterThan" => self.keep(|status| status > number),
            ">=" | "greaterThanOrEquals" => self.keep(|status| status >= number),
            "<" | "lessThan" => self.keep(|status| status < number),
            "<=" | "lessThanOrEquals" => self.keep(|status| status <= number),
            _ => return false,
        }
        true
    }
}

fn capture(
    field: &Field,
    step: &mut Step,
    names: &mut Names,
    notes: &mut Notes,
) -> Result<(), ImportError> {
    let Field { line, key, value } = field;
    let mut tokens = tokens(value);
    tokens.retain(|token| *token != Token::Word("redact".to_owned()));
    let source = match query(tokens) {
        Some(query) => source(&query, *line, names, notes)?,
        None => None,
    };
    let name = called(key);
    match source {
        Some(_) if step.captures.iter().any(|known| known.name == name) => {
            notes.add(format!("line {line}: `{key}` is captured twice, the first one is used"));
        }
        Some(source) => {
            names.capture(key);
            step.captures.push(Capture { name, source, max: CAPTURE_MAX });
        }
        None => {
            names.lose(key);
            let shown = crate::shown(&format!("{key}: {value}"));
            notes.add(format!("line {line}: `{shown}`: left out, a regex may say it"));
        }
    }
    Ok(())
}

fn source(
    query: &Query,
    line: usize,
    names: &Names,
    notes: &mut Notes,
) -> Result<Option<Source>, ImportError> {
    let argument = match &query.argument {
        Some(Token::Text(text)) => Some(names.text(text, Escapes::Hurl, line, notes)?),
        _ => None,
    };
    let constant = argument.as_deref().and_then(crate::template::constant);
    Ok(match (query.name.as_str(), query.filters.as_slice(), constant) {
        ("header", [], Some(name)) => Some(Source::Header(name)),
        ("cookie", [], Some(name)) => {
            let name = name.strip_suffix("[Value]").unwrap_or(&name);
            (!name.contains('[')).then(|| Source::Cookie(name.to_owned()))
        }
        ("jsonpath", filters, _) => json_pointer(query, filters).map(Source::Json),
        ("regex", [], text) => {
            let literal = match &query.argument {
                Some(Token::Regex(text)) => Some(text.clone()),
                _ => text,
            };
            literal.filter(|text| is_regex(text)).map(Source::Regex)
        }
        ("body", [Token::Word(filter), pattern], _) if filter == "regex" => {
            let text = match pattern {
                Token::Regex(text) => text.clone(),
                Token::Text(text) => names.text(text, Escapes::Hurl, line, notes)?,
                Token::Word(_) | Token::Block(_) => return Ok(None),
            };
            is_regex(&text).then_some(Source::Regex(text))
        }
        _ => None,
    })
}

/// Whether the scenario's parser accepts it as a regular expression.
fn is_regex(text: &str) -> bool {
    Pattern::new(text).is_ok()
}

/// The JSON pointer for a path without wildcards, with the filters `first` and `nth N`.
fn json_pointer(query: &Query, filters: &[Token]) -> Option<String> {
    let Some(Token::Text(path)) = &query.argument else { return None };
    let mut pointer = pointer(&path.replace("\\\"", "\""))?;
    let words = filters.iter().map(|token| match token {
        Token::Word(word) => Some(word.as_str()),
        _ => None,
    });
    match words.collect::<Option<Vec<_>>>()?.as_slice() {
        [] => {}
        ["first"] => pointer += "/0",
        ["nth", number] => pointer += &format!("/{}", number.parse::<u32>().ok()?),
        _ => return None,
    }
    Some(pointer)
}

/// `$.a.b[0]['c']` as a JSON pointer; `None` for a path with zero or several results.
fn pointer(path: &str) -> Option<String> {
    let mut rest = path.trim().strip_prefix('$')?;
    let mut pointer = String::new();
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (token, after) = match inner.chars().next()? {
                quote @ ('\'' | '"') => {
                    let (token, after) = inner[1..].split_once(quote)?;
                    (token, after.strip_prefix(']')?)
                }
                _ => {
                    let (token, after) = inner.split_once(']')?;
                    token.parse::<u32>().ok()?;
                    (token, after)
                }
            };
            pointer += &format!("/{}", escaped(token));
            rest = after;
        } else {
            let inner = rest.strip_prefix('.')?;
            let end = inner.find(['.', '[']).unwrap_or(inner.len());
            let (token, after) = inner.split_at(end);
            let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
            if token.is_empty() || !token.chars().all(is_name) {
                return None;
            }
            pointer += &format!("/{token}");
            rest = after;
        }
    }
    Some(pointer)
}

fn escaped(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

/// A value that a check can compare with; texts are escaped so that they mean themselves.
fn scalar(value: &serde_json::Value) -> Option<Scalar> {
    match value {
        serde_json::Value::String(text) => Some(Scalar::Text(plain(text))),
        serde_json::Value::Bool(bool) => Some(Scalar::Bool(*bool)),
        serde_json::Value::Number(number) => {
            number.as_i64().map(Scalar::Integer).or_else(|| number.as_f64().map(Scalar::Float))
        }
        _ => None,
    }
}

fn query(tokens: Vec<Token>) -> Option<Query> {
    let mut tokens = tokens.into_iter();
    let Some(Token::Word(name)) = tokens.next() else { return None };
    let takes_argument = matches!(
        name.as_str(),
        "header" | "cookie" | "jsonpath" | "xpath" | "regex" | "variable" | "certificate"
    );
    let argument = if takes_argument { Some(tokens.next()?) } else { None };
    Some(Query { name, argument, filters: tokens.collect() })
}

/// The words of a line up to a comment.
fn tokens(line: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = if line.contains("```") { line } else { without_comment(line) }.trim_start();
    while let Some(c) = rest.chars().next() {
        let closed = |quote: &str| {
            let inner = &rest[quote.len()..];
            end_of(inner, quote).map(|end| (&inner[..end], &inner[end + quote.len()..]))
        };
        let (token, after) =
            if let Some((text, after)) = rest.starts_with("```").then(|| closed("```")).flatten() {
                // The word after the backticks names a language.
                let text = text.split_once('\n').map_or(text, |(_, text)| text);
                (Token::Block(text.to_owned()), after)
            } else if let Some((text, after)) =
                matches!(c, '"' | '`').then(|| closed(&rest[..1])).flatten()
            {
                (Token::Text(text.to_owned()), after)
            } else if let Some((text, after)) = (c == '/').then(|| closed("/")).flatten() {
                (Token::Regex(text.replace("\\/", "/")), after)
            } else if let Some((value, after)) =
                rest.strip_prefix("{{").and_then(|inner| inner.split_once("}}"))
            {
                (Token::Word(format!("{{{{{value}}}}}")), after)
            } else {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                (Token::Word(rest[..end].to_owned()), &rest[end..])
            };
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}

/// The position of the first quote that is not escaped.
fn end_of(text: &str, quote: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        if !is_escaped && text[at..].starts_with(quote) {
            return Some(at);
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    None
}
