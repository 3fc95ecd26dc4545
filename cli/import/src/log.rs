//! Access logs of Apache and nginx, common and combined: what was asked for, at its time.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Data, Flow, Replay, Scenario, Step, Target};
use crate::request::is_method;
use crate::template::plain;
use crate::url::Address;
use crate::{ImportError, Imported, Notes, SideFile, time};

/// How many bad lines are shown.
const SHOWN_MAX: usize = 5;
const SECOND: i64 = 1_000_000;
/// No replay lasts longer.
const YEAR: i64 = 365 * 86_400 * SECOND;

/// How a log is replayed.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `http://host:port`: a log does not say it.
    pub target: Option<String>,
    /// How much faster than recorded; above 0.
    pub speed: Option<f64>,
}

/// A request as a line of the log has it.
struct Line<'a> {
    /// In microseconds.
    at: i64,
    method: &'a str,
    url: String,
    status: Option<u16>,
    has_agent: bool,
}

/// Read a log.
///
/// # Errors
/// When no line of it is a request, or the target is no address.
pub fn import(text: &str, options: &Options) -> Result<Imported, ImportError> {
    let mut notes = Notes::default();
    let target = match &options.target {
        Some(target) => Address::parse(&plain(target))?.origin,
        None => {
            notes.add(
                "target: a log does not name it, http://127.0.0.1:8080 is put in its place \
                 (--target)",
            );
            "http://127.0.0.1:8080".to_owned()
        }
    };
    let mut lines = read(text, &mut notes);
    if lines.is_empty() {
        return Err(ImportError::new(
            "no line is one of an access log, common or combined: name such a log",
        ));
    }
    lines.sort_by_key(|line| line.at);
    let start = lines[0].at;
    let count = lines.len();
    lines.retain(|line| line.at - start < YEAR);
    if lines.len() < count {
        let left = count - lines.len();
        notes.add(format!("{left} lines: left out, a year or more after the first"));
    }
    spread(&mut lines, &mut notes);
    if lines.iter().any(|line| line.has_agent) {
        notes.add("headers, such as the user agent and the referer, are not sent");
    }
    let rows = lines.iter().map(|line| {
        let at = line.at - start;
        [format!("{}.{:06}", at / SECOND, at % SECOND), line.method.to_owned(), line.url.clone()]
    });
    let bytes = crate::rows(&["at", "flow", "url"], rows);
    let speed = options.speed.filter(|speed| (*speed - 1.0).abs() > f64::EPSILON);
    let scenario = Scenario {
        origin: "Imported from an access log.".to_owned(),
        target,
        replay: Some(Replay {
            data: "requests".to_owned(),
            column: "at".to_owned(),
            flow: "flow".to_owned(),
            speed,
        }),
        data: vec![Data { name: "requests".to_owned(), file: "requests.csv".to_owned() }],
        flows: flows(&lines, &mut notes),
        ..Scenario::default()
    };
    let files = vec![SideFile { name: "requests.csv".to_owned(), bytes }];
    Ok(Imported { scenario, files, notes })
}

fn read<'a>(text: &'a str, notes: &mut Notes) -> Vec<Line<'a>> {
    let mut lines = Vec::new();
    let mut bad = 0;
    for (at, text) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match line(text) {
            Ok(line) => lines.push(line),
            Err(why) => {
                bad += 1;
                if bad <= SHOWN_MAX {
                    notes.add(format!("line {}: left out, {why}: {}", at + 1, crate::shown(text)));
                }
            }
        }
    }
    if bad > SHOWN_MAX {
        notes.add(format!("{} more lines: left out likewise", bad - SHOWN_MAX));
    }
    lines
}

/// Up to the time in brackets, or at the beginning of the line, and then the request in quotes.
fn line(text: &str) -> Result<Line<'_>, &'static str> {
    let bracketed = text.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    let (stamp, rest) = bracketed
        .filter(|(stamp, _)| stamp_of(stamp).is_some())
        .or_else(|| text.split_once(' '))
        .ok_or("not a line of an access log")?;
    let at = stamp_of(stamp).ok_or("there is no time in it")?;
    let (_, rest) = rest.split_once('"').ok_or("there is no request in it")?;
    let end = closing_quote(rest).ok_or("its request does not end")?;
    let (request, after) = (&rest[..end], &rest[end + 1..]);
    let mut words = request.split_ascii_whitespace();
    let (Some(method), Some(url)) = (words.next(), words.next()) else {
        return Err("there is no request in it");
    };
    let version = words.next().unwrap_or("HTTP/0.9");
    if !is_method(method) || words.next().is_some() || !version.starts_with("HTTP/") {
        return Err("its request is none that can be sent");
    }
    let url = path_of(url).ok_or("its request is none that can be sent")?;
    let status = after.split_ascii_whitespace().next().and_then(|status| status.parse().ok());
    Ok(Line { at, method, url, status, has_agent: after.contains('"') })
}

fn stamp_of(text: &str) -> Option<i64> {
    time::common_log(text).or_else(|| time::iso(text)).or_else(|| time::seconds(text))
}

/// Quotes in a request are escaped.
fn closing_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' if !is_escaped => return Some(at),
            c => is_escaped = c == '\\' && !is_escaped,
        }
    }
    None
}

/// What is sent: logs of proxies have the host before it, and bytes that are no text are `\xHH`.
fn path_of(url: &str) -> Option<String> {
    let path = match url.split_once("://") {
        Some(("http" | "https", rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => url,
    };
    let path = path.split('#').next().unwrap_or(path);
    let mut clean = String::new();
    let mut rest = path;
    while let Some(c) = rest.chars().next() {
        let code = rest.strip_prefix("\\x").and_then(|rest| rest.get(..2));
        if let Some(code) = code.filter(|code| code.bytes().all(|c| c.is_ascii_hexdigit())) {
            clean += &format!("%{code}");
            rest = &rest[4..];
            continue;
        }
        if c.is_ascii_graphic() {
            clean.push(c);
        } else {
            clean += &crate::url::encoded(c.encode_utf8(&mut [0; 4]));
        }
        rest = &rest[c.len_utf8()..];
    }
    clean.starts_with('/').then_some(clean)
}

/// Times in whole seconds do not say when within them: requests are spread over each evenly.
fn spread(lines: &mut [Line<'_>], notes: &mut Notes) {
    if lines.iter().any(|line| line.at % SECOND != 0) {
        return;
    }
    let mut is_spread = false;
    for second in lines.chunk_by_mut(|a, b| a.at == b.at) {
        let count = second.len() as i64;
        is_spread |= count > 1;
        for (at, line) in second.iter_mut().enumerate() {
            line.at += at as i64 * SECOND / count;
        }
    }
    if is_spread {
        notes.add("times are whole seconds: requests are spread evenly within each");
    }
}

/// A flow for each method, and what cannot be known of its requests.
fn flows(lines: &[Line<'_>], notes: &mut Notes) -> Vec<Flow> {
    let mut methods: BTreeMap<&str, (usize, BTreeSet<u16>)> = BTreeMap::new();
    for line in lines {
        let (count, statuses) = methods.entry(line.method).or_default();
        *count += 1;
        // 499 is nginx's for a client that left.
        statuses.extend(line.status.filter(|status| (100..499).contains(status)));
    }
    let mut flows = Vec::new();
    for (method, (count, statuses)) in methods {
        if matches!(method, "POST" | "PUT" | "PATCH") {
            notes
                .add(format!("{method}: {count} requests are sent without a body, logs have none"));
        }
        let mut step = Step {
            name: Some(method.to_owned()),
            method: method.to_owned(),
            target: Target::Verbatim("{{requests.url}}".to_owned()),
            ..Step::default()
        };
        // Below 400 all is well without a check.
        if statuses.iter().any(|status| *status >= 400) {
            step.check.status = statuses.into_iter().collect();
            notes
                .add(format!("{method}: statuses that were recorded below 499 are taken for good"));
        }
        flows.push(Flow { name: method.to_owned(), weight: None, steps: vec![step] });
    }
    flows
}
