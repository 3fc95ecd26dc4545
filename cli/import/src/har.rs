//! HTTP archives recorded by browsers and proxies: one flow with the requests in order.

mod entry;

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::model::{Body, BodyFile, Flow, Part, PartContent, Scenario, Step};
use crate::request::{add_header, basic, body, default_header, header, is_method, settle};
use crate::template::plain;
use crate::url::{self, Address};
use crate::{ImportError, Imported, Notes, SideFile};
use entry::{Entry, Param, PostData};

/// Shorter pauses are made by the browser, not by the user.
const THINK_MS_MIN: i64 = 10;
/// Conditions on a copy in the browser's cache, which users of the scenario do not have.
const CONDITIONS: [&str; 2] = ["If-None-Match", "If-Modified-Since"];

/// Options of the import.
#[derive(Clone, Debug)]
pub struct HarOptions {
    /// `http://host:port`; `None` for the origin of most requests.
    pub origin: Option<String>,
    /// Import only addresses that contain this text.
    pub filter: Option<String>,
    /// Whether pauses between requests become think times.
    pub has_think: bool,
}

/// Imports an archive.
///
/// # Errors
/// The text is not an archive, or has no request to the origin.
pub fn import(text: &str, options: &HarOptions) -> Result<Imported, ImportError> {
    let not = |why: &dyn std::fmt::Display| {
        ImportError::new(format!("not an HTTP archive: export one with log.entries: {why}"))
    };
    let archive: Value =
        serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|why| not(&why))?;
    let entries = archive.pointer("/log/entries").and_then(Value::as_array);
    let entries = entries.ok_or_else(|| not(&"it has no such list"))?;
    let mut reader = Reader::default();
    let entries = reader.entries(entries);
    let kept = reader.of_origin(&entries, options)?;
    let creator = archive.pointer("/log/creator/name").and_then(Value::as_str).unwrap_or_default();
    reader.note_sanitized(&kept, creator);
    let mut flow = Flow { name: "recorded".to_owned(), ..Flow::default() };
    for (at, (entry, address)) in kept.iter().enumerate() {
        let Some(mut step) = reader.step(entry, address) else { continue };
        let next = kept.get(at + 1).and_then(|(next, _)| next.start);
        if options.has_think
            && let (Some(next), Some(start)) = (next, entry.start)
        {
            step.think_ms = think(start, next, entry.took_ms);
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

/// The time from the end of an answer to the next request.
fn think(start: i64, next: i64, took_ms: Option<f64>) -> u64 {
    // No recording lasts a year, so the cast keeps every sensible value.
    let took = took_ms.filter(|ms| (0.0..3.0e10).contains(ms)).unwrap_or(0.0) as i64;
    let pause = (next - start) / 1_000 - took;
    if pause >= THINK_MS_MIN { pause.unsigned_abs() } else { 0 }
}

#[derive(Default)]
struct Reader {
    notes: Notes,
    files: Vec<SideFile>,
    /// Names of the cookies that answers have set so far.
    cookies: HashSet<String>,
}

impl Reader {
    /// All entries that can be read.
    fn entries(&mut self, all: &[Value]) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (at, entry) in all.iter().enumerate() {
            match Entry::read(entry) {
                Ok(mut entry) => {
                    for line in std::mem::take(&mut entry.unread) {
                        self.notes.add(line);
                    }
                    entries.push(entry);
                }
                Err(why) => self.notes.add(format!("entry {}: left out, {why}", at + 1)),
            }
        }
        // Readers must sort them (HAR 1.2, "entries"); if times are missing they keep their order.
        let has_times = entries.iter().all(|entry| entry.start.is_some());
        if has_times && !entries.is_sorted_by_key(|entry| entry.start) {
            entries.sort_by_key(|entry| entry.start);
            self.notes.add("entries: sorted by their times");
        }
        entries
    }

    /// Notes that browsers leave cookies and keys out of archives by default.
    fn note_sanitized(&mut self, kept: &[(&Entry, Address)], creator: &str) {
        const BROWSERS: [&str; 5] = ["WebInspector", "Chrom", "Edge", "Firefox", "WebKit"];
        let is_of_browser = BROWSERS.iter().any(|name| creator.contains(name));
        let has_any = |(entry, _): &(&Entry, Address)| {
            let names = ["Cookie", "Authorization"];
            names.iter().any(|name| entry.header(name).is_some()) || !entry.cookies_set.is_empty()
        };
        if is_of_browser && !kept.iter().any(has_any) {
            self.notes.add(
                "no request has a cookie or an Authorization: if the target asks for them, export \
                 the archive with sensitive data",
            );
        }
    }

    /// The entries of one origin; notes how many belong to others.
    fn of_origin<'a>(
        &mut self,
        entries: &'a [Entry],
        options: &HarOptions,
    ) -> Result<Vec<(&'a Entry, Address)>, ImportError> {
        let filter = options.filter.as_deref().unwrap_or_default();
        let wanted: Vec<&Entry> =
            entries.iter().filter(|entry| entry.url.contains(filter)).collect();
        if wanted.len() < entries.len() {
            let left = entries.len() - wanted.len();
            self.notes.add(format!("{left} requests: left out, without `{filter}` in the address"));
        }
        let mut all = Vec::new();
        for entry in wanted {
            // For example data:, blob:, ws: and chrome-extension:.
            let scheme = entry.url.split(':').next().unwrap_or_default().to_ascii_lowercase();
            let has_scheme = entry.url.contains("://") || matches!(&*scheme, "data" | "blob");
            match Address::parse(&plain(&entry.url)) {
                _ if has_scheme && !matches!(&*scheme, "http" | "https") => {
                    let scheme = crate::shown(&scheme);
                    self.notes.add(format!("an address of {scheme}: left out, it is not http"));
                }
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
        let upper = entry.method.to_ascii_uppercase();
        // Browsers do the same for these methods and no others (Fetch, "normalize a method").
        let is_common = matches!(&*upper, "DELETE" | "GET" | "HEAD" | "OPTIONS" | "POST" | "PUT");
        let method = if is_common { upper } else { entry.method.clone() };
        let place = format!("{} {}", crate::shown(&method), address.path);
        if !is_method(&method) {
            self.notes.add(format!("{place}: left out, no such method can be sent"));
            return None;
        }
        if entry.status == Some(101) {
            self.notes.add(format!("{place}: left out, it left HTTP for another protocol"));
            return None;
        }
        let mut step = Step { method, target: address.target(), ..Step::default() };
        self.headers(entry, address, &mut step);
        // Cookies set by earlier answers are sent from the user's own cookies.
        step.cookies.retain(|(name, _)| !self.cookies.contains(name));
        if let Some(data) = &entry.data {
            step.body = self.body(data, &mut step);
        }
        step.check.status = self.status(entry, &step, &place).into_iter().collect();
        if entry.is_cached {
            self.notes.add("answers from the browser's cache are requested anyway");
        }
        let names = entry.cookies_set.iter().filter_map(|line| line.split_once('='));
        self.cookies.extend(names.map(|(name, _)| name.trim().to_owned()));
        settle(&mut step);
        Some(step)
    }

    fn headers(&mut self, entry: &Entry, address: &Address, step: &mut Step) {
        let is_read = matches!(step.method.as_str(), "GET" | "HEAD");
        for (name, value) in &entry.headers {
            let is = |other: &str| name.eq_ignore_ascii_case(other);
            if is_read && CONDITIONS.iter().any(|condition| is(condition)) {
                self.notes.add(format!("header {name}: left out, users have no copy to compare"));
                continue;
            }
            if is_redacted(value) {
                let name = crate::shown(name);
                self.notes.add(format!("header {name}: the archive does not contain its value"));
            }
            add_header(step, name, &plain(value), &address.origin, &mut self.notes);
        }
        if let Some(user) = &address.user
            && let Some(value) = basic(user)
        {
            default_header(step, "Authorization", &value);
        }
    }

    /// The expected status, as recorded.
    fn status(&mut self, entry: &Entry, step: &Step, place: &str) -> Option<u16> {
        match entry.status {
            None => {
                let why = "no answer was recorded, so its status is not checked";
                self.notes.add(format!("{place}: {why}"));
                None
            }
            Some(304) => {
                let why = "304 was recorded for the browser's copy, it is not expected again";
                self.notes.add(format!("{place}: {why}"));
                None
            }
            Some(status @ (401 | 403)) if header(step, "Authorization").is_some() => {
                let why = "its Authorization was refused, this is not expected again: put in a \
                           valid one";
                self.notes.add(format!("{place}: {status} was recorded, {why}"));
                None
            }
            status => status,
        }
    }

    fn body(&mut self, data: &PostData, step: &mut Step) -> Option<Body> {
        let is_multipart = data.mime_type.to_ascii_lowercase().starts_with("multipart/");
        let content_type = header(step, "Content-Type").map(str::to_owned);
        let content_type = content_type.unwrap_or_else(|| data.mime_type.clone());
        let bytes = match STANDARD.decode(&data.text) {
            Ok(bytes) if data.is_base64 => bytes,
            _ => bytes_of(&data.text),
        };
        self.unpacked(&bytes, step);
        if !bytes.is_empty() {
            if is_multipart && data.text.contains("filename=") {
                self.notes.add(format!(
                    "{}: files of the form are sent if the archive contains them",
                    step.method
                ));
            }
            if header(step, "Content-Type").is_none() && !content_type.is_empty() {
                let value = plain(&content_type);
                add_header(step, "Content-Type", &value, "", &mut self.notes);
            }
            return Some(self.content(bytes, &content_type));
        }
        if data.params.is_empty() {
            return None;
        }
        Some(if is_multipart { self.upload(&data.params) } else { form(&data.params) })
    }

    /// Archives contain some bodies decompressed, while their header says that they are compressed.
    fn unpacked(&mut self, bytes: &[u8], step: &mut Step) {
        let Some(coding) = header(step, "Content-Encoding").map(str::to_ascii_lowercase) else {
            return;
        };
        let is_packed = match coding.trim() {
            "identity" => true,
            "gzip" | "x-gzip" => bytes.starts_with(b"\x1f\x8b"),
            "zstd" => bytes.starts_with(b"\x28\xb5\x2f\xfd"),
            // The other encodings have no magic number, but are not text.
            _ => std::str::from_utf8(bytes).is_err(),
        };
        if !is_packed {
            step.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("Content-Encoding"));
            self.notes.add(
                "header Content-Encoding: left out, the archive contains the decompressed body, \
                 which is sent",
            );
        }
    }

    fn content(&mut self, bytes: Vec<u8>, content_type: &str) -> Body {
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
                    .add(format!("part {name} of a form: the archive does not contain its file"));
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

/// Browsers write bytes that are not text as characters up to U+00FF.
fn bytes_of(text: &str) -> Vec<u8> {
    // Text has none of these characters; binary files almost always have some.
    let is_binary = text.contains(|c| ('\u{80}'..='\u{9f}').contains(&c));
    let bytes: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
    match bytes {
        Ok(bytes) if is_binary => bytes,
        _ => text.as_bytes().to_vec(),
    }
}

/// Whether a tool that removes secrets from archives has replaced the value.
fn is_redacted(value: &str) -> bool {
    let word = value.trim_matches(|c: char| !c.is_ascii_alphabetic()).to_ascii_lowercase();
    let is_masked = value.len() > 2 && value.chars().all(|c| c == '*');
    is_masked || matches!(word.as_str(), "redacted" | "removed" | "sanitized")
}

/// The fields of a form; archives contain some encoded and some not.
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
