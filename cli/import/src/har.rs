//! HTTP archives, as browsers and proxies record them: a flow of the requests in their order.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use crate::model::{Body, BodyFile, Flow, Part, PartContent, Scenario, Step};
use crate::request::{add_header, body, header, is_method, settle};
use crate::template::plain;
use crate::url::{self, Address};
use crate::{ImportError, Imported, Notes, SideFile, time};

/// A shorter pause is the browser's, not the user's.
const THINK_MS_MIN: i64 = 10;

/// What of an archive is wanted.
#[derive(Clone, Debug)]
pub struct Options {
    /// `http://host:port`; without it the one most requests went to.
    pub origin: Option<String>,
    /// Only addresses with this in them.
    pub filter: Option<String>,
    /// Whether pauses between requests become think times.
    pub has_think: bool,
}

#[derive(Deserialize)]
struct Archive {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    #[serde(default)]
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default)]
    started_date_time: String,
    /// In milliseconds.
    #[serde(default)]
    time: Value,
    request: Request,
    #[serde(default)]
    response: Response,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<Named>,
    post_data: Option<PostData>,
}

#[derive(Default, Deserialize)]
struct Response {
    #[serde(default)]
    status: Value,
    #[serde(default)]
    headers: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostData {
    #[serde(default)]
    mime_type: String,
    text: Option<String>,
    encoding: Option<String>,
    #[serde(default)]
    params: Vec<Param>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Param {
    name: String,
    value: Option<String>,
    file_name: Option<String>,
    content_type: Option<String>,
}

/// Read an archive.
///
/// # Errors
/// When it is none, or has no request to the origin.
pub fn import(text: &str, options: &Options) -> Result<Imported, ImportError> {
    let archive: Archive =
        serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|why| {
            ImportError::new(format!("not an HTTP archive: export one with log.entries: {why}"))
        })?;
    let mut reader = Reader::default();
    let kept = reader.of_origin(&archive.log.entries, options)?;
    let starts: Vec<Option<i64>> =
        kept.iter().map(|(entry, _)| time::iso(&entry.started_date_time)).collect();
    let mut flow = Flow { name: "recorded".to_owned(), ..Flow::default() };
    for (at, (entry, address)) in kept.iter().enumerate() {
        let Some(mut step) = reader.step(entry, address) else { continue };
        if options.has_think
            && let (Some(Some(next)), Some(start)) = (starts.get(at + 1), starts[at])
        {
            step.think_ms = think(start, *next, entry.time.as_f64());
        }
        flow.steps.push(step);
    }
    let Some((_, address)) = kept.first().filter(|_| !flow.steps.is_empty()) else {
        return Err(ImportError::new("the archive has no request that can be sent: record one"));
    };
    let scenario = Scenario {
        origin: "Imported from an HTTP archive.".to_owned(),
        target: address.origin.clone(),
        has_cookies: !reader.cookies.is_empty(),
        flows: vec![flow],
        ..Scenario::default()
    };
    Ok(Imported { scenario, files: reader.files, notes: reader.notes })
}

/// From the end of an answer to the next request.
fn think(start: i64, next: i64, took_ms: Option<f64>) -> u64 {
    // No recording lasts a year, so the cast keeps every value that means something.
    let took = took_ms.filter(|ms| (0.0..3.0e10).contains(ms)).unwrap_or(0.0) as i64;
    let pause = (next - start) / 1_000 - took;
    if pause >= THINK_MS_MIN { pause.unsigned_abs() } else { 0 }
}

#[derive(Default)]
struct Reader {
    notes: Notes,
    files: Vec<SideFile>,
    /// Names of cookies that answers have set so far.
    cookies: HashSet<String>,
}

impl Reader {
    /// The entries of one origin; how many of others there are is noted.
    fn of_origin<'a>(
        &mut self,
        entries: &'a [Entry],
        options: &Options,
    ) -> Result<Vec<(&'a Entry, Address)>, ImportError> {
        let filter = options.filter.as_deref().unwrap_or_default();
        let wanted: Vec<&Entry> =
            entries.iter().filter(|entry| entry.request.url.contains(filter)).collect();
        if wanted.len() < entries.len() {
            let left = entries.len() - wanted.len();
            self.notes.add(format!("{left} requests: left out, without `{filter}` in the address"));
        }
        let mut all = Vec::new();
        for entry in wanted {
            match Address::parse(&plain(&entry.request.url)) {
                Ok(address) => all.push((entry, address)),
                Err(why) => self.notes.add(format!("left out: {why}")),
            }
        }
        let mut origins: Vec<(String, usize)> = Vec::new();
        for (_, address) in &all {
            match origins.iter_mut().find(|(known, _)| *known == address.origin) {
                Some((_, count)) => *count += 1,
                None => origins.push((address.origin.clone(), 1)),
            }
        }
        let most = origins.iter().rev().max_by_key(|(_, count)| *count);
        let chosen = match (&options.origin, most) {
            (Some(origin), _) => Address::parse(origin)?.origin,
            (None, Some((origin, _))) => origin.clone(),
            (None, None) => return Err(ImportError::new("the archive has no request: record one")),
        };
        if !origins.iter().any(|(known, _)| *known == chosen) {
            let all: Vec<&str> = origins.iter().map(|(origin, _)| origin.as_str()).collect();
            let all = all.join(", ");
            return Err(ImportError::new(format!(
                "the archive has no request to {chosen}: choose among {all}"
            )));
        }
        for (origin, count) in origins.iter().filter(|(origin, _)| *origin != chosen) {
            let requests = if *count == 1 { "request" } else { "requests" };
            self.notes.add(format!(
                "{origin}: {count} {requests} left out, a scenario has one target (--origin)"
            ));
        }
        Ok(all.into_iter().filter(|(_, address)| address.origin == chosen).collect())
    }

    fn step(&mut self, entry: &Entry, address: &Address) -> Option<Step> {
        let request = &entry.request;
        let method = request.method.to_ascii_uppercase();
        if !is_method(&method) {
            let method = crate::shown(&method);
            self.notes
                .add(format!("{method} {}: left out, no such method can be sent", address.path));
            return None;
        }
        let mut step = Step { method, target: address.target(), ..Step::default() };
        for Named { name, value } in &request.headers {
            add_header(&mut step, name, &plain(value), &address.origin, &mut self.notes);
        }
        // Those that earlier answers have set come from the user's own.
        step.cookies.retain(|(name, _)| !self.cookies.contains(name));
        if let Some(data) = &request.post_data {
            step.body = self.body(data, &mut step);
        }
        let status = entry.response.status.as_u64().and_then(|status| u16::try_from(status).ok());
        match status.filter(|status| (100..600).contains(status)) {
            Some(status) => step.check.status = vec![status],
            None => self.notes.add(format!(
                "{} {}: no answer was recorded, so its status is not checked",
                step.method, address.path
            )),
        }
        self.remember_cookies(&entry.response);
        settle(&mut step);
        Some(step)
    }

    fn remember_cookies(&mut self, response: &Response) {
        let is_set = |named: &&Named| named.name.eq_ignore_ascii_case("Set-Cookie");
        // Firefox puts several into one, a line each.
        let lines = response.headers.iter().filter(is_set).flat_map(|named| named.value.lines());
        let names = lines.filter_map(|line| line.split_once('='));
        self.cookies.extend(names.map(|(name, _)| name.trim().to_owned()));
    }

    fn body(&mut self, data: &PostData, step: &mut Step) -> Option<Body> {
        let is_multipart = data.mime_type.to_ascii_lowercase().starts_with("multipart/");
        let content_type = header(step, "Content-Type").map(str::to_owned);
        let content_type = content_type.unwrap_or_else(|| data.mime_type.clone());
        let text = data.text.as_deref().unwrap_or_default();
        if data.encoding.as_deref() == Some("base64") {
            return Some(self.bytes(text, &content_type));
        }
        if !text.is_empty() {
            if is_multipart {
                self.notes.add(format!(
                    "{}: files of the form are sent as far as the archive \
                     holds them",
                    step.method
                ));
            }
            if header(step, "Content-Type").is_none() && !content_type.is_empty() {
                let value = plain(&content_type);
                add_header(step, "Content-Type", &value, "", &mut self.notes);
            }
            return Some(body(plain(text), Some(&content_type)));
        }
        if data.params.is_empty() {
            return None;
        }
        Some(if is_multipart { self.upload(&data.params) } else { form(&data.params) })
    }

    fn bytes(&mut self, text: &str, content_type: &str) -> Body {
        let Ok(bytes) = STANDARD.decode(text) else {
            return Body::Text(plain(text));
        };
        match String::from_utf8(bytes) {
            Ok(text) => body(plain(&text), Some(content_type)),
            Err(error) => {
                let name = format!("body-{}.bin", self.files.len() + 1);
                self.files.push(SideFile { name: name.clone(), bytes: error.into_bytes() });
                Body::File(BodyFile::Beside(name))
            }
        }
    }

    fn upload(&mut self, params: &[Param]) -> Body {
        let is_clean = |text: &String| !text.is_empty() && !text.contains(char::is_control);
        let mut parts = Vec::new();
        for param in params {
            if param.name.is_empty() {
                self.notes.add("a part of a form: left out, it has no name");
                continue;
            }
            if param.file_name.is_some() && param.value.is_none() {
                let name = crate::shown(&param.name);
                self.notes
                    .add(format!("part {name} of a form: the archive does not hold its file"));
            }
            parts.push(Part {
                name: param.name.clone(),
                content: PartContent::Text(plain(param.value.as_deref().unwrap_or_default())),
                filename: param.file_name.clone(),
                content_type: param.content_type.clone().filter(is_clean),
                headers: Vec::new(),
            });
        }
        if parts.is_empty() { Body::Text(String::new()) } else { Body::Multipart(parts) }
    }
}

/// The fields of a form; archives hold some encoded and some not.
fn form(params: &[Param]) -> Body {
    let field = |param: &Param| {
        let value = param.value.as_deref().unwrap_or_default();
        format!("{}={}", encoded_once(&param.name), encoded_once(value))
    };
    let text: Vec<String> = params.iter().map(field).collect();
    body(plain(&text.join("&")), Some("application/x-www-form-urlencoded"))
}

fn encoded_once(text: &str) -> String {
    let is_encoded = text.contains('%')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._~%+*".contains(c));
    if is_encoded { text.to_owned() } else { url::encoded(text) }
}
