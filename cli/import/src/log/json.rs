//! A line in JSON: nginx, Caddy, Traefik, Envoy, load balancers and applications use different
//! names for the same fields, and some nest them.

use serde_json::Value;

use super::line::{Fields, Line, NO_REQUEST, Why, read};
use crate::time::{self, Stamp};

/// Names in lower case without punctuation, the most specific first.
const METHOD: [&str; 4] = ["requestmethod", "httpmethod", "method", "verb"];
const URL: [&str; 9] = [
    "requesturi",
    "requesturl",
    "requestpath",
    "originalurl",
    "uri",
    "url",
    "original",
    "request",
    "path",
];
const QUERY: [&str; 3] = ["args", "querystring", "query"];
const STATUS: [&str; 7] = [
    "status",
    "statuscode",
    "responsestatus",
    "downstreamstatus",
    "responsecode",
    "code",
    "response",
];
const TIME: [&str; 13] = [
    "timeiso8601",
    "startutc",
    "starttime",
    "startlocal",
    "timelocal",
    "timestamp",
    "time",
    "ts",
    "msec",
    "datetime",
    "date",
    "requesttime",
    "requesttimeepoch",
];
/// Fields below these names contain unrelated text.
const FOREIGN: [&str; 4] = ["headers", "requestheaders", "responseheaders", "user"];

/// Parses the line if it is JSON.
pub(super) fn line(text: &str) -> Option<Result<Line, Why>> {
    let text = text.trim_end();
    // Log collectors put their own text before the line.
    let begin = text.find('{').filter(|_| text.ends_with('}'))?;
    let value: Value = serde_json::from_str(&text[begin..]).ok()?;
    let mut all = Vec::new();
    flatten(&value, &mut all);
    Some(of(&all))
}

fn of(all: &[(String, &Value)]) -> Result<Line, Why> {
    let named = |names: &[&str]| -> Vec<&Value> {
        let of = |name: &&str| {
            let name = (*name).to_owned();
            all.iter().filter(move |(known, _)| *known == name).map(|(_, value)| *value)
        };
        names.iter().flat_map(of).collect()
    };
    let texts = |names: &[&str]| named(names).into_iter().filter_map(Value::as_str);
    let stamp = named(&TIME).into_iter().find_map(stamp);
    let fields = Fields {
        stamp,
        request: texts(&["request", "requestline"])
            .find(|one| one.contains(' '))
            .map(str::to_owned),
        method: texts(&METHOD).next().map(str::to_owned),
        url: texts(&URL).find(|url| url.starts_with('/') || url.contains("://")).map(str::to_owned),
        query: texts(&QUERY).next().map(str::to_owned),
        status: named(&STATUS).into_iter().find_map(status),
    };
    let found = fields.line();
    if found.as_ref().err() != Some(&NO_REQUEST) {
        return found;
    }
    // Container runtimes wrap each line in a JSON line of their own.
    let inner = texts(&["log", "message", "msg"]).next().ok_or(NO_REQUEST)?;
    read(inner, stamp)
}

fn flatten<'a>(value: &'a Value, all: &mut Vec<(String, &'a Value)>) {
    let Value::Object(members) = value else { return };
    for (name, value) in members {
        // In `http.request.method` the last part is the name.
        let last = name.rsplit('.').next().unwrap_or(name);
        let name: String = last.chars().filter(char::is_ascii_alphanumeric).collect();
        let name = name.to_ascii_lowercase();
        match value {
            Value::Object(_) if FOREIGN.contains(&name.as_str()) => {}
            Value::Object(_) => flatten(value, all),
            value => all.push((name, value)),
        }
    }
}

fn stamp(value: &Value) -> Option<Stamp> {
    let by_number = |text: &str| Some(Stamp { at: time::since_epoch(text)?, has_zone: true });
    match value {
        Value::String(text) => time::stamp(text).or_else(|| by_number(text)),
        Value::Number(number) => by_number(&number.to_string()),
        _ => None,
    }
}

fn status(value: &Value) -> Option<u16> {
    match value {
        Value::String(text) => super::line::status_of(text),
        value => value.as_u64().and_then(|status| u16::try_from(status).ok()),
    }
}
