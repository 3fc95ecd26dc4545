//! Targets of vegeta, in its text format and as JSON lines: one flow through them in order.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Deserializer, Value};

use crate::model::{Body, BodyFile, Data, Flow, Scenario, Step, Target};
use crate::request::{add_header, basic, body, default_header, header, is_method, settle};
use crate::template::plain;
use crate::url::Address;
use crate::{ImportError, Imported, Notes, SideFile};

/// More targets than this become rows of a file instead of steps.
const STEPS_MAX: usize = 200;
/// But only if there are no more kinds than this: each kind is a flow.
const KINDS_MAX: usize = 20;

/// A target of the file, and the line where it begins.
struct Given {
    line: usize,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    content: Content,
}

enum Content {
    None,
    File(String),
    Bytes(Vec<u8>),
}

#[derive(Deserialize)]
struct JsonTarget {
    method: String,
    url: String,
    body: Option<String>,
    #[serde(default)]
    header: Option<BTreeMap<String, Vec<String>>>,
}

/// Imports targets.
///
/// # Errors
/// A line does not follow the format, or there is no target.
pub fn import(text: &str) -> Result<Imported, ImportError> {
    let text = text.trim_start_matches('\u{feff}');
    let is_json = text.trim_start().starts_with(['{', '[']);
    let given = if is_json { json(text)? } else { http(text)? };
    let (mut notes, mut files) = (Notes::default(), Vec::new());
    let mut target: Option<String> = None;
    let mut steps = Vec::new();
    for given in given {
        let line = given.line;
        let mut url = plain(&given.url);
        // Go, the language of vegeta, accepts this.
        if url.contains("://:") {
            notes.add("an address without a host is at localhost");
            url = url.replacen("://:", "://localhost:", 1);
        }
        let address =
            Address::parse(&url).map_err(|why| ImportError::new(format!("line {line}: {why}")))?;
        let origin = target.get_or_insert_with(|| address.origin.clone());
        if *origin != address.origin {
            notes.add(format!("{}: left out, a scenario has one target", address.origin));
            continue;
        }
        steps.push(step(given, &address, &mut notes, &mut files)?);
    }
    let target =
        target.ok_or_else(|| ImportError::new("the file has no target: write GET http://…"))?;
    let kinds = kinds(&steps);
    let (flows, data) = if steps.len() > STEPS_MAX && kinds.len() <= KINDS_MAX {
        by_rows(&steps, &kinds, &mut notes, &mut files)
    } else {
        if steps.len() > 1 {
            let count = steps.len();
            notes.add(format!("a rate counts flows here, and a flow is all {count} requests"));
        }
        (vec![Flow { name: "targets".to_owned(), weight: None, steps }], Vec::new())
    };
    let scenario = Scenario {
        origin: "Imported from targets of vegeta.".to_owned(),
        target,
        data,
        flows,
        ..Scenario::default()
    };
    Ok(Imported { scenario, files, notes })
}

fn http(text: &str) -> Result<Vec<Given>, ImportError> {
    let mut all: Vec<Given> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let number = at + 1;
        let bad =
            |why: &str| ImportError::new(format!("line {number}: `{}` {why}", crate::shown(line)));
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some((method, url)) = line.split_once(char::is_whitespace)
            && is_method(method)
            && (url.contains("://") || !method.contains(|c: char| c.is_ascii_lowercase()))
        {
            all.push(Given {
                line: number,
                method: method.to_owned(),
                url: url.trim().to_owned(),
                headers: Vec::new(),
                content: Content::None,
            });
            continue;
        }
        let Some(last) = all.last_mut() else {
            return Err(bad("is not a target: begin with GET http://…"));
        };
        if let Some(file) = line.strip_prefix('@') {
            if file.is_empty() {
                return Err(bad("names no file: write @body.json"));
            }
            last.content = Content::File(file.to_owned());
        } else {
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| bad("is neither a header, nor @FILE, nor a target: fix it"))?;
            last.headers.push((name.to_owned(), value.to_owned()));
        }
    }
    Ok(all)
}

/// Targets one after another, each on one or several lines, or all in a list.
fn json(text: &str) -> Result<Vec<Given>, ImportError> {
    let mut all = Vec::new();
    let mut values = Deserializer::from_str(text).into_iter::<Value>();
    loop {
        let rest = text.get(values.byte_offset()..).unwrap_or_default();
        let begin = text.len() - rest.trim_start().len();
        let line = text.as_bytes()[..begin].iter().filter(|byte| **byte == b'\n').count() + 1;
        match values.next() {
            None => return Ok(all),
            Some(Ok(Value::Array(targets))) => {
                for target in targets {
                    all.push(json_target(target, line)?);
                }
            }
            Some(Ok(target)) => all.push(json_target(target, line)?),
            Some(Err(why)) => {
                return Err(ImportError::new(format!(
                    "line {}: this is not JSON: fix it: {why}",
                    why.line()
                )));
            }
        }
    }
}

fn json_target(target: Value, line: usize) -> Result<Given, ImportError> {
    let bad = |why: &dyn std::fmt::Display| {
        ImportError::new(format!("line {line}: no target in JSON: fix it: {why}"))
    };
    let target: JsonTarget = serde_json::from_value(target).map_err(|why| bad(&why))?;
    let content = match target.body {
        None => Content::None,
        Some(text) => {
            Content::Bytes(STANDARD.decode(&text).map_err(|_| bad(&"its body is not base64"))?)
        }
    };
    let headers = target.header.unwrap_or_default().into_iter();
    let headers =
        headers.flat_map(|(name, all)| all.into_iter().map(move |one| (name.clone(), one)));
    let headers = headers.collect();
    Ok(Given { line, method: target.method, url: target.url, headers, content })
}

fn step(
    given: Given,
    address: &Address,
    notes: &mut Notes,
    files: &mut Vec<SideFile>,
) -> Result<Step, ImportError> {
    if !is_method(&given.method) {
        let (line, method) = (given.line, crate::shown(&given.method));
        return Err(ImportError::new(format!(
            "line {line}: `{method}` is not a method: write GET"
        )));
    }
    let mut step = Step { method: given.method, target: address.target(), ..Step::default() };
    for (name, value) in &given.headers {
        add_header(&mut step, name, &plain(value), &address.origin, notes);
    }
    if let Some(value) = address.user.as_deref().and_then(basic) {
        default_header(&mut step, "Authorization", &value);
    }
    step.body = match given.content {
        Content::None => None,
        Content::File(file) => Some(Body::File(BodyFile::Given(file))),
        Content::Bytes(bytes) => Some(match String::from_utf8(bytes) {
            Ok(text) => body(plain(&text), header(&step, "Content-Type")),
            Err(error) => {
                let name = format!("body-{}.bin", files.len() + 1);
                files.push(SideFile { name: name.clone(), bytes: error.into_bytes() });
                Body::File(BodyFile::Beside(name))
            }
        }),
    };
    settle(&mut step);
    Ok(step)
}

/// Groups of steps that differ only in path and query, by their numbers.
fn kinds(steps: &[Step]) -> Vec<Vec<usize>> {
    let mut kinds: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, step) in steps.iter().enumerate() {
        let kind = format!("{} {:?} {:?}", step.method, step.headers, step.body);
        kinds.entry(kind).or_default().push(at);
    }
    let mut kinds: Vec<Vec<usize>> = kinds.into_values().collect();
    kinds.sort();
    kinds
}

/// A flow and a data file for each kind.
fn by_rows(
    steps: &[Step],
    kinds: &[Vec<usize>],
    notes: &mut Notes,
    files: &mut Vec<SideFile>,
) -> (Vec<Flow>, Vec<Data>) {
    let (mut flows, mut data) = (Vec::new(), Vec::new());
    if kinds.len() > 1 {
        notes.add("targets that differ in more than the address are chosen by weight, not in turn");
    }
    for (at, kind) in kinds.iter().enumerate() {
        let Some(first) = kind.first().and_then(|first| steps.get(*first)) else { continue };
        let number = if at == 0 { String::new() } else { format!("-{}", at + 1) };
        let name = format!("targets{number}");
        let file = format!("{name}.csv");
        let urls = kind.iter().map(|step| sent(&steps[*step].target));
        files.push(SideFile {
            name: file.clone(),
            bytes: crate::rows(&["url"], urls.map(|url| [url])),
        });
        let mut step = first.clone();
        step.target = Target::Verbatim(format!("{{{{{name}.url}}}}"));
        step.name = Some(step.method.clone());
        let weight = (kinds.len() > 1).then(|| u32::try_from(kind.len()).unwrap_or(u32::MAX));
        flows.push(Flow { name: format!("{} {name}", step.method), weight, steps: vec![step] });
        data.push(Data { name, file });
    }
    (flows, data)
}

/// The path and query of a target; vegeta's contain no values.
fn sent(target: &Target) -> String {
    let text = match target {
        Target::Verbatim(url) => url.clone(),
        Target::Path { path, query } if query.is_empty() => path.clone(),
        Target::Path { path, query } => {
            let pair = |(name, value): &(String, String)| {
                let value = crate::template::filled(value, "");
                format!("{}={}", crate::url::encoded(name), crate::url::encoded(&value))
            };
            format!("{path}?{}", query.iter().map(pair).collect::<Vec<_>>().join("&"))
        }
    };
    crate::template::filled(&text, "")
}
