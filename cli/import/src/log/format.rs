//! The format of a log as configured in its server: nginx's `log_format` and Apache's `LogFormat`.

use super::line::{Fields, Line, Why, closing_quote, status_of};
use crate::ImportError;
use crate::time::{self, Stamp};

const COMMON: &str = r#"$remote_addr - $remote_user [$time_local] "$request" $status $bytes"#;
const COMBINED: &str =
    r#"$remote_addr - $remote_user [$time_local] "$request" $status $bytes "$r" "$a""#;

/// The format of lines.
#[derive(Debug)]
pub(super) struct Format(Vec<Piece>);

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Value),
}

/// A field in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Request,
    Method,
    Url,
    Query,
    Status,
    /// A time with its date, in brackets for Apache.
    Time,
    /// Seconds since 1970, or a smaller unit.
    Epoch,
    Agent,
    Other,
}

impl Format {
    /// Parses a format, or takes a named one.
    pub(super) fn parse(text: &str) -> Result<Self, ImportError> {
        let text = match text.trim() {
            "common" => COMMON,
            "combined" => COMBINED,
            text => text,
        };
        let pieces = merged(if text.contains('$') { nginx(text) } else { apache(text) });
        let bad = |why: &str| {
            let shown = crate::shown(text);
            Err(ImportError::new(format!("the log format `{shown}` {why}")))
        };
        let has = |value: Value| pieces.contains(&Piece::Value(value));
        if !has(Value::Time) && !has(Value::Epoch) {
            return bad("has no time with a date: write $time_local or %t");
        }
        let has_request = has(Value::Request) || (has(Value::Method) && has(Value::Url));
        if !has_request {
            return bad("has no request: write $request or %r");
        }
        let is_value = |piece: &Piece| matches!(piece, Piece::Value(_));
        if pieces.windows(2).any(|pair| pair.iter().all(is_value)) {
            return bad("has nothing between two of its values: put a blank there");
        }
        Ok(Self(pieces))
    }

    pub(super) fn line(&self, text: &str) -> Result<Line, Why> {
        const UNLIKE: Why = "it does not match the log format";
        let mut fields = Fields::default();
        let mut has_headers = false;
        let mut rest = text.trim_end();
        let mut is_quoted = false;
        for (at, piece) in self.0.iter().enumerate() {
            let value = match piece {
                Piece::Text(literal) => {
                    rest = rest.strip_prefix(literal.as_str()).ok_or(UNLIKE)?;
                    is_quoted = literal.ends_with('"');
                    continue;
                }
                Piece::Value(value) => *value,
            };
            let end = match self.0.get(at + 1) {
                Some(Piece::Text(next)) if is_quoted && next.starts_with('"') => {
                    closing_quote(rest)
                }
                Some(Piece::Text(next)) => end_of(rest, next),
                _ => Some(rest.len()),
            };
            let (cell, after) = rest.split_at(end.ok_or(UNLIKE)?);
            rest = after;
            has_headers |= value == Value::Agent;
            value.put(cell, &mut fields);
        }
        if !rest.trim().is_empty() {
            return Err(UNLIKE);
        }
        fields.line().map(|line| Line { has_headers, ..line })
    }
}

/// The end of a value followed by this text; a value in brackets may contain blanks.
fn end_of(rest: &str, next: &str) -> Option<usize> {
    match rest.find(']').filter(|_| rest.starts_with('[')) {
        Some(bracket) => rest[bracket..].find(next).map(|at| bracket + at),
        None => rest.find(next),
    }
}

impl Value {
    fn put(self, cell: &str, fields: &mut Fields) {
        let text = Some(cell.to_owned()).filter(|cell| cell != "-");
        match self {
            Self::Request => fields.request = text,
            Self::Method => fields.method = text,
            Self::Url => {
                // A host may precede it; `$uri` has no query, `$request_uri` has one.
                let path = text.and_then(|url| Some(url[url.find('/')?..].to_owned()));
                let known = fields.url.take().filter(|url| url.contains('?'));
                fields.url = known.or(path);
            }
            Self::Query => fields.query = text,
            Self::Status => fields.status = status_of(cell),
            Self::Time => {
                fields.stamp = time::stamp(cell.trim_matches(['[', ']'])).or(fields.stamp);
            }
            Self::Epoch => {
                let at = time::since_epoch(cell);
                fields.stamp = at.map(|at| Stamp { at, has_zone: true }).or(fields.stamp);
            }
            Self::Agent | Self::Other => {}
        }
    }

    fn of_nginx(name: &str) -> Self {
        match name {
            "request" => Self::Request,
            "request_method" => Self::Method,
            "request_uri" | "uri" | "document_uri" => Self::Url,
            "args" | "query_string" | "is_args" => Self::Query,
            "status" => Self::Status,
            "time_local" | "time_iso8601" => Self::Time,
            "msec" => Self::Epoch,
            "http_user_agent" | "http_referer" => Self::Agent,
            _ => Self::Other,
        }
    }

    fn of_apache(letter: char, argument: &str) -> Self {
        let argument = argument.trim_start_matches("begin:").trim_start_matches("end:");
        match (letter, argument) {
            ('r', _) => Self::Request,
            ('m', _) => Self::Method,
            ('U', _) => Self::Url,
            ('q', _) => Self::Query,
            ('s', _) => Self::Status,
            ('t', "sec" | "msec" | "usec" | "%s") => Self::Epoch,
            ('t', _) => Self::Time,
            ('i', _) => Self::Agent,
            _ => Self::Other,
        }
    }
}

/// Joins a field directly next to an address to it: `%U%q`, `$host$request_uri`.
fn merged(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut merged: Vec<Piece> = Vec::new();
    for piece in pieces {
        match (merged.last_mut(), &piece) {
            (Some(Piece::Value(Value::Url)), Piece::Value(Value::Query)) => {}
            (Some(Piece::Value(before @ Value::Other)), Piece::Value(Value::Url)) => {
                *before = Value::Url;
            }
            _ => merged.push(piece),
        }
    }
    merged
}

/// `$name` and `${name}`.
fn nginx(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        let braced = after.strip_prefix('{').and_then(|after| after.split_once('}'));
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (name, after) = braced
            .unwrap_or_else(|| after.split_at(after.find(|c| !is_name(c)).unwrap_or(after.len())));
        pieces.push(Piece::Text(before.to_owned()));
        pieces.push(Piece::Value(Value::of_nginx(name)));
        rest = after;
    }
    pieces.push(Piece::Text(rest.to_owned()));
    pieces.retain(|piece| *piece != Piece::Text(String::new()));
    pieces
}

/// `%h`, `%>s`, `%{User-Agent}i`; the configuration writes `\"` for a quote.
fn apache(text: &str) -> Vec<Piece> {
    let text = text.replace("\\\"", "\"").replace("\\t", "\t");
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('%') {
        literal.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            literal.push('%');
            rest = after;
            continue;
        }
        // `<`, `>` and conditions such as `!200,304` select the answer.
        let after = after
            .trim_start_matches(|c: char| matches!(c, '<' | '>' | '!' | ',') || c.is_ascii_digit());
        let (argument, after) =
            after.strip_prefix('{').and_then(|after| after.split_once('}')).unwrap_or(("", after));
        let mut letters = after.chars();
        let Some(letter) = letters.next() else { break };
        rest = letters.as_str();
        // `^ti` and the like have two letters.
        if letter == '^' {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        }
        pieces.push(Piece::Text(std::mem::take(&mut literal)));
        pieces.push(Piece::Value(Value::of_apache(letter, argument)));
    }
    literal.push_str(rest);
    pieces.push(Piece::Text(literal));
    pieces.retain(|piece| *piece != Piece::Text(String::new()));
    pieces
}
