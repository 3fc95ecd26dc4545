//! Bodies of requests: JSON, forms, uploads, texts and bytes.

use serde_json::Value;

use super::document::Document;
use super::maker::Maker;
use super::sample::Sample;
use super::style::{self, Style};
use super::{Place, Reader, example};
use crate::model::{Body, Part, PartContent, Step};
use crate::request::{add_header, header};
use crate::template::plain;

/// The content of an uploaded file.
const FILE: &str = "{{string 1024}}";
const BYTES: &str = "application/octet-stream";

/// A media type without its parameters, in lower case.
fn bare(name: &str) -> String {
    name.split(';').next().unwrap_or(name).trim().to_ascii_lowercase()
}

pub(super) fn is_json(name: &str) -> bool {
    let bare = bare(name);
    bare == "application/json" || bare.ends_with("+json")
}

/// Media types that can be generated best come first.
fn rank(name: &str) -> u32 {
    match bare(name).as_str() {
        _ if is_json(name) => 0,
        "*/*" | "application/*" => 1,
        "application/x-www-form-urlencoded" => 2,
        "multipart/form-data" => 3,
        bare if bare.starts_with("text/") => 4,
        BYTES => 5,
        _ => 6,
    }
}

impl<'a> Reader<'a> {
    /// The body of an operation's request, in the media type that can be generated best.
    pub(super) fn body(&mut self, place: &Place<'_>, operation: &'a Value, step: &mut Step) {
        let body = operation.get("requestBody").map(|body| self.document.resolved(body));
        let Some(content) = body.and_then(|body| body.get("content")?.as_object()) else { return };
        let Some((name, media)) = content.iter().min_by_key(|(name, _)| rank(name)) else { return };
        let given = example(self.document, media);
        let schema = media.get("schema").unwrap_or(&self.document.nothing);
        let is_known = given.is_some() || Maker::is_known(self.document, schema);
        let maker = Maker::new(self.document);
        let (sample, notes) = match given {
            Some(given) => maker.given(given, schema),
            None => maker.sample(schema),
        };
        for note in notes {
            self.note(place, &format!("body: {note}"));
        }
        let made = match (rank(name), &sample) {
            (0 | 1, _) if !is_known => {
                self.note(place, "body: {} is sent, its content is not described");
                Body::Json("{}".to_owned())
            }
            (0 | 1, sample) => Body::Json(sample.json()),
            (2, Sample::Object(members)) => form(self.document, members, media),
            (3, Sample::Object(members)) if !members.is_empty() => {
                Body::Multipart(self.parts(place, members, media))
            }
            (_, Sample::Text(text)) if given.is_some() || rank(name) == 4 => {
                Body::Text(text.clone())
            }
            (5, _) => {
                self.note(place, &format!("body {name}: 1024 generated letters are sent"));
                Body::Text(FILE.to_owned())
            }
            (6, Sample::Text(_)) if is_known => {
                self.note(place, &format!("body {name}: 1024 generated letters are sent"));
                Body::Text(FILE.to_owned())
            }
            _ => {
                self.note(place, &format!("body {name}: left out, nothing is known of it"));
                return;
            }
        };
        if !name.contains('*') && header(step, "Content-Type").is_none() {
            add_header(step, "Content-Type", &plain(name), place.origin, &mut self.notes);
        }
        step.body = Some(made);
    }

    fn parts(
        &mut self,
        place: &Place<'_>,
        members: &[(String, Sample)],
        media: &'a Value,
    ) -> Vec<Part> {
        let schema = media.get("schema").unwrap_or(&self.document.nothing);
        let joined = self.document.joined(&[schema]);
        let mut parts = Vec::new();
        for (name, value) in members.iter().filter(|(name, _)| !name.is_empty()) {
            let described = joined.all("properties").filter_map(|all| all.get(name));
            let mut property = self.document.joined(&described.collect::<Vec<_>>());
            let items: Vec<&Value> = property.all("items").collect();
            let values = match value {
                Sample::List(all) => {
                    property = self.document.joined(&items);
                    all.as_slice()
                }
                one => std::slice::from_ref(one),
            };
            let is_bytes = |format: &Value| matches!(format.as_str(), Some("binary" | "base64"));
            let is_file = property.all("format").any(is_bytes)
                || property.all("contentMediaType").next().is_some();
            let encoding = media.get("encoding").and_then(|all| all.get(name));
            let own = encoding.and_then(|one| one.get("contentType")?.as_str());
            let own = own.or_else(|| property.all("contentMediaType").find_map(Value::as_str));
            let chosen = own.and_then(|all| {
                all.split(',').map(str::trim).find(|one| !one.contains('*') && !one.is_empty())
            });
            if encoding.is_some_and(|one| one.get("headers").is_some()) {
                self.note(place, &format!("part {name}: its headers are left out"));
            }
            for value in values {
                let default = match value {
                    _ if is_file => Some(BYTES),
                    Sample::Object(_) | Sample::List(_) => Some("application/json"),
                    Sample::Bare(_) | Sample::Text(_) => None,
                };
                let content = if is_file { FILE.to_owned() } else { value.text() };
                parts.push(Part {
                    name: name.clone(),
                    content: PartContent::Text(content),
                    filename: is_file.then(|| "file.bin".to_owned()),
                    content_type: chosen.or(default).filter(|one| is_clean(one)).map(Into::into),
                    headers: Vec::new(),
                });
            }
        }
        parts
    }
}

fn is_clean(text: &str) -> bool {
    !text.contains(char::is_control)
}

/// The fields of a form, each in the style that the document describes.
fn form(document: &Document, members: &[(String, Sample)], media: &Value) -> Body {
    let mut pairs = Vec::new();
    for (name, value) in members {
        let encoding = media.get("encoding").and_then(|all| all.get(name));
        let is_styled = encoding.is_some_and(|one| one.get("style").is_some());
        let value = match value {
            Sample::Object(_) if !is_styled => Sample::Text(value.json()),
            value => value.clone(),
        };
        let style = Style::of(encoding.unwrap_or(&document.nothing), "form");
        pairs.extend(style.pairs(name, &value));
    }
    style::table(&pairs).map_or_else(|| Body::Text(style::joined(&pairs)), Body::Form)
}
