//! Hurl files: the entries in order as the steps of one flow.
//!
//! The grammar is Hurl's own. Its crate `hurl_core` could parse it, but needs the C library libxml2
//! and its headers, only for XML bodies, which are sent unchanged anyway.

mod answer;
mod names;
mod parse;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::model::{Body, BodyFile, Flow, Part, PartContent, Scenario, Step, Target};
use crate::request::{add_header, basic, body, default_header, header, is_json, is_method, settle};
use crate::url::Address;
use crate::{ImportError, Imported, Notes, SideFile, template, url};
use names::{Escapes, Names};
use parse::{Content, Entry, Field, Kind};

/// Imports a file; `variables` are names and values as with Hurl's `--variable`.
///
/// # Errors
/// A line does not follow the grammar, a variable is not defined, or there is no request.
pub fn import(text: &str, variables: &[(String, String)]) -> Result<Imported, ImportError> {
    let mut names = Names::default();
    for (name, value) in variables {
        names.set(name, value);
    }
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = Reader {
        names,
        notes: Notes::default(),
        files: Vec::new(),
        target: None,
        steps: Vec::new(),
    };
    for entry in parse::entries(text)? {
        reader.entry(&entry)?;
    }
    let Some(target) = reader.target.filter(|_| !reader.steps.is_empty()) else {
        return Err(ImportError::new("the file has no request: write GET http://127.0.0.1:8080/"));
    };
    let has_cookies = reader.steps.len() > 1;
    let flow = Flow { name: "hurl".to_owned(), weight: None, steps: reader.steps };
    let scenario = Scenario {
        origin: "Imported from a Hurl file.".to_owned(),
        target,
        // Hurl keeps cookies between entries.
        has_cookies,
        flows: vec![flow],
        ..Scenario::default()
    };
    Ok(Imported { scenario, files: reader.files, notes: reader.notes })
}

struct Reader {
    names: Names,
    notes: Notes,
    files: Vec<SideFile>,
    target: Option<String>,
    steps: Vec<Step>,
}

/// The options of an entry that a step supports.
#[derive(Default)]
struct Wishes {
    delay_ms: u64,
    repeat: Option<u32>,
    is_skipped: bool,
    user: Option<String>,
    headers: Vec<(String, String)>,
}

impl Reader {
    fn text(&mut self, written: &str, line: usize) -> Result<String, ImportError> {
        self.names.text(written, Escapes::Hurl, line, &mut self.notes)
    }

    /// A text without values, for a place that does not allow them.
    fn constant(&mut self, written: &str, line: usize) -> Result<String, ImportError> {
        let text = self.text(written, line)?;
        template::constant(&text).ok_or_else(|| {
            ImportError::new(format!(
                "line {line}: `{}`: a captured value cannot stand here: write what it is",
                crate::shown(written)
            ))
        })
    }

    fn entry(&mut self, entry: &Entry) -> Result<(), ImportError> {
        let line = entry.line;
        let wishes = self.options(&entry.options)?;
        if wishes.is_skipped {
            self.left_out(entry, "the option skip says so");
            return Ok(());
        }
        let url = self.names.text(&entry.url, Escapes::None, line, &mut self.notes)?;
        let address = match &self.target {
            // A captured address, such as a `Location`, is requested from the target.
            Some(target) if is_captured(&url) => {
                let (origin, host, path) = (target.clone(), String::new(), url.clone());
                Ok(Address { origin, host, path, query: None, user: None })
            }
            _ => Address::parse(&url),
        };
        let mut address = address.map_err(|why| ImportError::new(format!("line {line}: {why}")))?;
        let target = self.target.get_or_insert_with(|| address.origin.clone());
        if *target != address.origin {
            let why = format!("{} is another server, a scenario has one target", address.origin);
            self.left_out(entry, &why);
            return Ok(());
        }
        if !is_method(&entry.method) {
            return Err(ImportError::new(format!(
                "line {line}: {} cannot be sent: write another method",
                entry.method
            )));
        }
        let mut step =
            Step { method: entry.method.clone(), repeat: wishes.repeat, ..Step::default() };
        self.headers(entry, &wishes, &address, &mut step)?;
        let query = self.pairs(&entry.query, encoded)?;
        let query = address.query.take().into_iter().chain((!query.is_empty()).then_some(query));
        let query: Vec<String> = query.collect();
        address.query = (!query.is_empty()).then(|| query.join("&"));
        step.target = match address.query.take() {
            None if is_captured(&url) => Target::Verbatim(url),
            Some(query) if is_captured(&url) => Target::Verbatim(format!("{url}?{query}")),
            query => Address { query, ..address }.target(),
        };
        step.body = self.body(entry, &mut step)?;
        settle(&mut step);
        if let Some(response) = &entry.response {
            answer::answer(response, &mut step, &mut self.names, &mut self.notes)?;
        }
        if wishes.delay_ms > 0 {
            match self.steps.last_mut() {
                Some(before) => before.think_ms = wishes.delay_ms,
                None => {
                    self.notes.add(format!("line {line}: delay: left out before the first request"))
                }
            }
        }
        self.steps.push(step);
        Ok(())
    }

    /// Notes that an entry is not sent, and that its captures are lost.
    fn left_out(&mut self, entry: &Entry, why: &str) {
        let Entry { line, method, url, .. } = entry;
        self.notes.add(format!("line {line}: {method} {}: left out, {why}", crate::shown(url)));
        for capture in entry.response.iter().flat_map(|response| &response.captures) {
            self.names.lose(&capture.key);
        }
    }

    fn options(&mut self, options: &[Field]) -> Result<Wishes, ImportError> {
        let mut wishes = Wishes::default();
        for Field { line, key, value } in options {
            let line = *line;
            let value = self.text(value, line)?;
            let bad = |expected: &str| {
                ImportError::new(format!(
                    "line {line}: `{key}: {}`: write {expected}",
                    crate::shown(&value)
                ))
            };
            match key.as_str() {
                "variable" => {
                    let (name, value) = value.split_once('=').ok_or_else(|| bad("name=value"))?;
                    let value = template::constant(value).unwrap_or_else(|| value.to_owned());
                    self.names.set(name.trim(), value.trim_matches('"'));
                }
                "delay" => wishes.delay_ms = millis(&value).ok_or_else(|| bad("500ms or 1s"))?,
                "repeat" if value == "-1" => {
                    self.notes
                        .add(format!("line {line}: repeat: left out, flows begin again anyhow"));
                }
                "repeat" => {
                    let times = value.parse().ok().filter(|times| (0..=1_000_000).contains(times));
                    let times: u32 = times.ok_or_else(|| bad("a number up to 1000000"))?;
                    wishes.is_skipped |= times == 0;
                    wishes.repeat = Some(times).filter(|times| *times > 1);
                }
                "skip" => wishes.is_skipped |= value == "true",
                "user" => wishes.user = Some(value),
                "header" => {
                    let (name, value) = value.split_once(':').ok_or_else(|| bad("Name: value"))?;
                    wishes.headers.push((name.to_owned(), value.to_owned()));
                }
                "compressed" if value == "true" => {
                    let all = "deflate, gzip, br, zstd".to_owned();
                    wishes.headers.push(("Accept-Encoding".to_owned(), all));
                    self.notes.add(format!(
                        "line {line}: compressed: answers are not unpacked before they are checked"
                    ));
                }
                _ if value == "false" => {}
                "location" | "location-trusted" | "max-redirs" => self.notes.add(format!(
                    "line {line}: {key}: left out, redirects are not followed: add an entry for \
                     where they lead"
                )),
                _ => self.notes.add(format!(
                    "line {line}: {key}: left out, options of the run set it, see \
                     `uringbench --help`"
                )),
            }
        }
        Ok(wishes)
    }

    fn headers(
        &mut self,
        entry: &Entry,
        wishes: &Wishes,
        address: &Address,
        step: &mut Step,
    ) -> Result<(), ImportError> {
        for Field { line, key, value } in &entry.headers {
            let (key, value) = (self.constant(key, *line)?, self.text(value, *line)?);
            add_header(step, &key, &value, &address.origin, &mut self.notes);
        }
        for (name, value) in &wishes.headers {
            add_header(step, name, value, &address.origin, &mut self.notes);
        }
        let mut user = wishes.user.clone().or_else(|| address.user.clone());
        if let Some(Field { line, key, value }) = entry.basic.first() {
            user = Some(format!("{}:{}", self.text(key, *line)?, self.text(value, *line)?));
        }
        match user.as_deref().map(basic) {
            None => {}
            Some(Some(value)) => default_header(step, "Authorization", &value),
            Some(None) => self.notes.add(format!(
                "line {}: user and password: left out, a captured value in them cannot be encoded",
                entry.line
            )),
        }
        let mut cookies = Vec::new();
        for Field { line, key, value } in &entry.cookies {
            cookies.push(format!("{}={}", self.text(key, *line)?, self.text(value, *line)?));
        }
        if !cookies.is_empty() {
            add_header(step, "Cookie", &cookies.join("; "), &address.origin, &mut self.notes);
        }
        Ok(())
    }

    /// `name=value&…`, with these names; values are percent-encoded around the scenario's own.
    fn pairs(&mut self, fields: &[Field], name: fn(&str) -> String) -> Result<String, ImportError> {
        let mut pairs = Vec::new();
        for Field { line, key, value } in fields {
            let (key, value) = (self.text(key, *line)?, self.text(value, *line)?);
            pairs.push(format!("{}={}", name(&key), encoded(&value)));
        }
        Ok(pairs.join("&"))
    }

    fn body(&mut self, entry: &Entry, step: &mut Step) -> Result<Option<Body>, ImportError> {
        if !entry.multipart.is_empty() {
            let parts = entry.multipart.iter().map(|field| self.part(field));
            return Ok(Some(Body::Multipart(parts.collect::<Result<_, _>>()?)));
        }
        // If there is a body, Hurl ignores the form.
        if entry.body.is_none() && !entry.form.is_empty() {
            // Hurl encodes the values of a form, and not their names.
            let text = self.pairs(&entry.form, str::to_owned)?;
            default_header(step, "Content-Type", "application/x-www-form-urlencoded");
            return Ok(Some(body(text, header(step, "Content-Type"))));
        }
        let Some(content) = &entry.body else { return Ok(None) };
        self.content(content, step).map(Some)
    }

    fn content(&mut self, content: &Content, step: &mut Step) -> Result<Body, ImportError> {
        let line = content.line;
        let mut plainly = |text: &str| self.names.text(text, Escapes::None, line, &mut self.notes);
        let (text, own) = match &content.kind {
            Kind::Json(text) => (plainly(text)?, "application/json"),
            Kind::Xml(text) => (plainly(text)?, "application/xml"),
            Kind::OneLine(text) => (self.text(text, line)?, ""),
            Kind::Block { language, text } => {
                match language.split(',').next().unwrap_or_default() {
                    "json" => (plainly(text)?, "application/json"),
                    "xml" => (plainly(text)?, "application/xml"),
                    "graphql" => (graphql(&plainly(text)?), "application/json"),
                    "base64" => return self.encoded(text, line),
                    "hex" => return self.bytes(hex(text), line),
                    _ => (plainly(text)?, ""),
                }
            }
            Kind::Base64(text) => return self.encoded(text, line),
            Kind::Hex(text) => return self.bytes(hex(text), line),
            Kind::File(name) => {
                return Ok(Body::File(BodyFile::Given(self.constant(name, line)?)));
            }
        };
        if !own.is_empty() {
            default_header(step, "Content-Type", own);
        } else if header(step, "Content-Type").is_none() {
            // A text of a scenario has a type of its own, that of a Hurl file has none.
            step.without.push("Content-Type".to_owned());
        }
        Ok(body(text, header(step, "Content-Type")))
    }

    fn encoded(&mut self, text: &str, line: usize) -> Result<Body, ImportError> {
        let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        self.bytes(STANDARD.decode(digits).ok(), line)
    }

    fn bytes(&mut self, bytes: Option<Vec<u8>>, line: usize) -> Result<Body, ImportError> {
        let bytes = bytes.ok_or_else(|| {
            ImportError::new(format!("line {line}: not base64, or not hexadecimal: fix it"))
        })?;
        let name = format!("body-{}.bin", self.files.len() + 1);
        self.files.push(SideFile { name: name.clone(), bytes });
        Ok(Body::File(BodyFile::Beside(name)))
    }

    /// `name: text` or `name: file,NAME; type`.
    fn part(&mut self, field: &Field) -> Result<Part, ImportError> {
        let Field { line, key, value } = field;
        let name = self.constant(key, *line)?;
        let Some(file) = value.strip_prefix("file,") else {
            let content = PartContent::Text(self.text(value, *line)?);
            return Ok(Part {
                name,
                content,
                filename: None,
                content_type: None,
                headers: Vec::new(),
            });
        };
        let (file, content_type) = file.split_once(';').ok_or_else(|| {
            ImportError::new(format!(
                "line {line}: `{}`: write a `;` behind it",
                crate::shown(value)
            ))
        })?;
        let file = self.constant(file.trim(), *line)?;
        let content_type = self.constant(content_type.trim(), *line)?;
        let is_given = !content_type.is_empty() && !content_type.contains(char::is_control);
        let content_type = Some(if is_given { content_type } else { type_of(&file).to_owned() });
        let content = PartContent::File(BodyFile::Given(file));
        Ok(Part { name, content, filename: None, content_type, headers: Vec::new() })
    }
}

/// Whether an address begins with a captured value.
fn is_captured(url: &str) -> bool {
    let inside = url.strip_prefix("{{").filter(|inside| !inside.starts_with("{{"));
    inside.is_some_and(|inside| !inside.starts_with("env "))
}

/// Hurl's default type for a file.
fn type_of(file: &str) -> &'static str {
    match file.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "gif" => "image/gif",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "txt" => "text/plain",
        "htm" | "html" => "text/html",
        "pdf" => "application/pdf",
        "xml" => "application/xml",
        _ => "application/octet-stream",
    }
}

/// `500`, `500ms`, `2s` or `1m`, in milliseconds.
fn millis(text: &str) -> Option<u64> {
    const DAY: u64 = 86_400_000;
    let (number, scale) = match text.trim() {
        text if text.ends_with("ms") => (text.strip_suffix("ms")?, 1),
        text if text.ends_with('s') => (text.strip_suffix('s')?, 1_000),
        text if text.ends_with('m') => (text.strip_suffix('m')?, 60_000),
        text => (text, 1),
    };
    number.trim().parse::<u64>().ok()?.checked_mul(scale).filter(|ms| *ms <= DAY)
}

/// A GraphQL query, with the variables after the word `variables`, as JSON.
fn graphql(text: &str) -> String {
    let (query, variables) = match text.rsplit_once("\nvariables") {
        Some((query, variables)) if is_json(variables) => (query, Some(variables.trim())),
        _ => (text, None),
    };
    let quoted = template::map(query.trim_end(), &|literal| {
        let quoted = serde_json::Value::from(literal).to_string();
        quoted[1..quoted.len() - 1].to_owned()
    });
    match variables {
        Some(variables) => format!("{{\"query\":\"{quoted}\",\"variables\":{variables}}}"),
        None => format!("{{\"query\":\"{quoted}\"}}"),
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16))
        .collect::<Option<_>>()?;
    let is_even = digits.len().is_multiple_of(2);
    // Two digits give at most 255.
    is_even.then(|| digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect())
}

/// A text percent-encoded around its values.
fn encoded(text: &str) -> String {
    template::map(text, &url::encoded)
}
