//! Access logs: their requests, replayed at the recorded times.
//!
//! Lines are parsed by their content (a request in quotes and a time, names, JSON, or columns of
//! `#Fields`), or by the log format of the server if it is given.

mod format;
mod json;
mod line;
mod w3c;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Data, Flow, Replay, Scenario, Step, Target};
use crate::template::plain;
use crate::url::Address;
use crate::{ImportError, Imported, Notes, SideFile};
use format::Format;
use line::{Line, Why};
use w3c::Columns;

/// The largest number of unreadable lines of one kind that are named.
const NAMED_MAX: usize = 5;
const SECOND: i64 = 1_000_000;
/// The longest replay.
const YEAR: i64 = 365 * 86_400 * SECOND;

/// How a log is replayed.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    /// `http://host:port`, which a log does not contain.
    pub target: Option<String>,
    /// The factor by which the replay is faster than the recording; above 0.
    pub speed: Option<f64>,
    /// nginx's `log_format` or Apache's `LogFormat`, or `common` or `combined`; `None` to parse
    /// lines by their content.
    pub format: Option<String>,
}

/// Imports a log.
///
/// # Errors
/// No line is a request, or the target is no address, or the format lacks needed fields.
pub fn import(text: &str, options: &LogOptions) -> Result<Imported, ImportError> {
    let mut notes = Notes::default();
    let target = match &options.target {
        Some(target) => Address::parse(&plain(target))?.origin,
        None => {
            notes.add(
                "target: a log does not contain it, http://127.0.0.1:8080 is used \
                 (--target)",
            );
            "http://127.0.0.1:8080".to_owned()
        }
    };
    let format = options.format.as_deref().map(Format::parse).transpose()?;
    let mut lines = read(text, format.as_ref(), &mut notes)?;
    lines.sort_by_key(|line| line.stamp.at);
    let start = lines[0].stamp.at;
    let count = lines.len();
    lines.retain(|line| line.stamp.at - start < YEAR);
    if lines.len() < count {
        let left = counted(count - lines.len(), "line");
        notes.add(format!("{left}: left out, a year or more after the first"));
    }
    if lines.iter().any(|line| !line.stamp.has_zone) {
        notes.add("times without a zone are read as UTC");
    }
    spread(&mut lines, &mut notes);
    if lines.iter().any(|line| line.has_headers) {
        notes.add("headers, such as the user agent and the referer, are not sent");
    }
    let rows = lines.iter().map(|line| {
        let at = line.stamp.at - start;
        [format!("{}.{:06}", at / SECOND, at % SECOND), line.method.clone(), line.url.clone()]
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

/// All lines that are requests. The others are reported by kind.
fn read(text: &str, format: Option<&Format>, notes: &mut Notes) -> Result<Vec<Line>, ImportError> {
    let mut lines = Vec::new();
    let mut columns = Columns::default();
    let mut unread: Vec<Unread<'_>> = Vec::new();
    for (at, text) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        if text.starts_with('#') {
            columns.directive(text);
            continue;
        }
        let read = match format {
            Some(format) => format.line(text),
            None => json::line(text).unwrap_or_else(|| {
                if columns.are_known() { columns.line(text) } else { line::read(text, None) }
            }),
        };
        match read {
            Ok(line) => lines.push(line),
            Err(why) => match unread.iter_mut().find(|kind| kind.why == why) {
                Some(kind) => kind.numbers.push(at + 1),
                None => unread.push(Unread { why, example: text, numbers: vec![at + 1] }),
            },
        }
    }
    if lines.is_empty() {
        let why = match unread.first() {
            Some(kind) => kind.to_string(),
            None => "it has no line".to_owned(),
        };
        return Err(ImportError::new(format!(
            "no line is a request with its time: {why}: name an access log, or its form by \
             --log-format"
        )));
    }
    for kind in unread {
        notes.add(kind.to_string());
    }
    Ok(lines)
}

/// Lines of one kind that cannot be read.
struct Unread<'a> {
    why: Why,
    example: &'a str,
    numbers: Vec<usize>,
}

impl std::fmt::Display for Unread<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named: Vec<String> =
            self.numbers.iter().take(NAMED_MAX).map(usize::to_string).collect();
        let lines = if self.numbers.len() == 1 { "line" } else { "lines" };
        let more = match self.numbers.len().saturating_sub(NAMED_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let (why, example) = (self.why, crate::shown(self.example));
        write!(f, "{lines} {}{more}: left out, {why}: {example}", named.join(", "))
    }
}

fn counted(count: usize, name: &str) -> String {
    if count == 1 { format!("1 {name}") } else { format!("{count} {name}s") }
}

/// Times in whole seconds have no fraction: requests are spread evenly over each second.
fn spread(lines: &mut [Line], notes: &mut Notes) {
    if lines.iter().any(|line| line.stamp.at % SECOND != 0) {
        return;
    }
    let mut is_spread = false;
    for second in lines.chunk_by_mut(|a, b| a.stamp.at == b.stamp.at) {
        let count = second.len() as i64;
        is_spread |= count > 1;
        for (at, line) in second.iter_mut().enumerate() {
            line.stamp.at += at as i64 * SECOND / count;
        }
    }
    if is_spread {
        notes.add("times are whole seconds: requests are spread evenly within each");
    }
}

/// A flow for each method, and notes on parts of its requests that a log does not contain.
fn flows(lines: &[Line], notes: &mut Notes) -> Vec<Flow> {
    let mut methods: BTreeMap<&str, (usize, BTreeSet<u16>)> = BTreeMap::new();
    for line in lines {
        let (count, statuses) = methods.entry(&line.method).or_default();
        *count += 1;
        // 499 is nginx's code for a client that disconnected.
        statuses.extend(line.status.filter(|status| (100..499).contains(status)));
    }
    let mut flows = Vec::new();
    for (method, (count, statuses)) in methods {
        if matches!(method, "POST" | "PUT" | "PATCH") {
            let requests = match count {
                1 => "1 request is".to_owned(),
                count => format!("{count} requests are"),
            };
            notes.add(format!("{method}: {requests} sent without a body, logs have none"));
        }
        let mut step = Step {
            name: Some(method.to_owned()),
            method: method.to_owned(),
            target: Target::Verbatim("{{requests.url}}".to_owned()),
            ..Step::default()
        };
        // A status below 400 passes without a check.
        if statuses.iter().any(|status| *status >= 400) {
            step.check.status = statuses.into_iter().collect();
            notes.add(format!("{method}: recorded statuses below 499 count as success"));
        }
        flows.push(Flow { name: method.to_owned(), weight: None, steps: vec![step] });
    }
    flows
}
