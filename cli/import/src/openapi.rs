//! OpenAPI 3 descriptions: one flow for each operation, with generated parameters.

mod document;
mod fit;
mod maker;
mod media;
mod path;
mod sample;
mod scalar;
mod server;
mod style;
#[cfg(test)]
mod tests;
mod yaml;

use serde_json::Value;

use crate::model::{Flow, Scenario, Step};
use crate::request::{add_header, settle};
use crate::template::plain;
use crate::{ImportError, Imported, Notes};
use document::Document;
use maker::Maker;
use path::Key;
use sample::Sample;
use server::Servers;
use style::{Pair, Style};

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
/// The codes that `2XX` stands for.
const GOOD: [u16; 7] = [200, 201, 202, 203, 204, 205, 206];

/// Imports a description in JSON or YAML. `target` replaces the first server of the description.
///
/// # Errors
/// The text is not an OpenAPI 3 description with operations, or uringbench cannot load its server.
pub fn import(text: &str, target: Option<&str>) -> Result<Imported, ImportError> {
    let document = Document::read(text)?;
    let mut notes = Notes::default();
    let servers = Servers::new(&document.root, target, &mut notes)?;
    let mut reader = Reader { document: &document, notes, flows: Vec::new() };
    reader.note_foreign(&document.root);
    let webhooks = document.root.get("webhooks").and_then(Value::as_object);
    if webhooks.is_some_and(|all| !all.is_empty()) {
        reader.notes.add("webhooks: left out, the target sends them");
    }
    let paths = document.root.get("paths").and_then(Value::as_object);
    let mut count = 0;
    for (path, item) in paths.into_iter().flatten() {
        let item = document.resolved(item);
        for method in METHODS {
            let Some(operation) = item.get(method).filter(|one| one.is_object()) else { continue };
            count += 1;
            let place = Place { origin: &servers.target, path, method };
            match servers.base(item, operation, &mut reader.notes) {
                Ok(base) => reader.operation(&place, &base, item, operation),
                Err(why) => reader.note(&place, &format!("left out, {why}")),
            }
        }
    }
    if reader.flows.is_empty() {
        let why = match count {
            0 => "the description has no operation: add one below `paths`",
            _ => "the target has no operation: name their server with --target",
        };
        return Err(ImportError::new(why));
    }
    let scenario = Scenario {
        origin: "Imported from an OpenAPI description.".to_owned(),
        target: servers.target,
        flows: reader.flows,
        ..Scenario::default()
    };
    Ok(Imported { scenario, files: Vec::new(), notes: reader.notes })
}

/// The place of an operation.
struct Place<'a> {
    origin: &'a str,
    path: &'a str,
    method: &'a str,
}

struct Reader<'a> {
    document: &'a Document,
    notes: Notes,
    flows: Vec<Flow>,
}

/// A parameter of an operation.
struct Parameter<'a> {
    name: &'a str,
    place: &'a str,
    is_required: bool,
    value: &'a Value,
}

impl<'a> Reader<'a> {
    fn note(&mut self, place: &Place<'_>, note: &str) {
        let method = place.method.to_ascii_uppercase();
        self.notes.add(format!("{method} {}: {note}", place.path));
    }

    /// Notes that references to other files are not followed.
    fn note_foreign(&mut self, value: &Value) {
        let mut all = vec![value];
        while let Some(value) = all.pop() {
            match value {
                Value::Array(list) => all.extend(list),
                Value::Object(members) => {
                    let reference = members.get("$ref").and_then(Value::as_str);
                    let unknown = |reference: &&str| {
                        self.document.resolved(value).is_null() && !reference.is_empty()
                    };
                    if let Some(reference) = reference.filter(unknown) {
                        let reference = crate::shown(reference);
                        self.notes.add(format!(
                            "$ref {reference}: left out, it is not found in this file"
                        ));
                    }
                    if let Some(reference) = members.get("$dynamicRef").and_then(Value::as_str) {
                        let reference = crate::shown(reference);
                        self.notes.add(format!(
                            "$dynamicRef {reference}: left out, its target is not known"
                        ));
                    }
                    all.extend(members.values());
                }
                _ => {}
            }
        }
    }

    fn operation(&mut self, place: &Place<'_>, base: &str, item: &'a Value, operation: &'a Value) {
        let method = place.method.to_ascii_uppercase();
        let mut step = Step { method: method.clone(), ..Step::default() };
        let mut in_path = Vec::new();
        let mut query: Vec<Pair> = Vec::new();
        for parameter in self.parameters(item, operation) {
            let Parameter { name, place: r#in, is_required, value } = parameter;
            if !is_required && r#in != "path" {
                self.note(place, &format!("parameter {name}: left out, it is optional"));
                continue;
            }
            let sample = self.parameter(place, &parameter);
            let style = |default| Style::of(value, default);
            match r#in {
                "path" => in_path.push((name, style("simple").path(name, &sample))),
                "query" => query.extend(style("form").pairs(name, &sample)),
                "header" if is_of_others(name) => {}
                "header" => {
                    let text = style("simple").header(&sample);
                    add_header(&mut step, name, &text, place.origin, &mut self.notes);
                }
                "cookie" => {
                    let pairs = style("form").pairs(name, &sample);
                    let pairs: Vec<String> = pairs.iter().map(Pair::cookie).collect();
                    let pairs = pairs.join("; ");
                    add_header(&mut step, "Cookie", &pairs, place.origin, &mut self.notes);
                }
                other => self.note(place, &format!("parameter in {other}: left out")),
            }
        }
        self.note_unasked(place, operation);
        self.secure(place, operation, &mut step, &mut query);
        self.body(place, operation, &mut step);
        let key = Key::parse(place.path);
        let filled = key.filled(base, &in_path);
        for name in filled.missing {
            self.note(
                place,
                &format!("a parameter of the path is not described: {name} is sent unchanged"),
            );
        }
        if let Some(fragment) = key.fragment {
            let fragment = crate::shown(fragment);
            self.note(place, &format!("`#{fragment}` of its path: left out, requests have none"));
        }
        step.target = style::target(&filled.path, filled.query.as_deref(), &query);
        step.check.status = self.statuses(operation);
        settle(&mut step);
        let id = operation.get("operationId").and_then(Value::as_str).map(str::trim);
        let name = id
            .filter(|id| !id.is_empty())
            .map_or_else(|| format!("{method} {}", place.path), str::to_owned);
        self.add_flow(name, step);
    }

    /// Notes the other requests that an operation describes.
    fn note_unasked(&mut self, place: &Place<'_>, operation: &Value) {
        let has_any = |value: &Value| value.as_object().is_some_and(|all| !all.is_empty());
        if operation.get("callbacks").is_some_and(has_any) {
            self.note(place, "callbacks: left out, the target sends them");
        }
        let responses = operation.get("responses").and_then(Value::as_object);
        let mut links = responses.into_iter().flat_map(|all| all.values());
        if links.any(|response| response.get("links").is_some_and(has_any)) {
            self.note(
                place,
                "links: left out, each operation is a flow of its own; a step can capture values \
                 for later ones",
            );
        }
    }

    fn add_flow(&mut self, wanted: String, step: Step) {
        let mut name = wanted.clone();
        let mut count = 1;
        while self.flows.iter().any(|flow| flow.name == name) {
            count += 1;
            name = format!("{wanted} ({count})");
        }
        self.flows.push(Flow { name, weight: None, steps: vec![step] });
    }

    /// The parameters of the operation, and those of its path that it does not override.
    fn parameters(&self, item: &'a Value, operation: &'a Value) -> Vec<Parameter<'a>> {
        let mut parameters: Vec<Parameter<'a>> = Vec::new();
        for owner in [operation, item] {
            for value in owner.get("parameters").and_then(Value::as_array).into_iter().flatten() {
                let value = self.document.resolved(value);
                let text = |name: &str| value.get(name).and_then(Value::as_str);
                let (Some(name), Some(place)) = (text("name"), text("in")) else { continue };
                let is_required = value.get("required").and_then(Value::as_bool) == Some(true);
                if !parameters.iter().any(|known| known.name == name && known.place == place) {
                    parameters.push(Parameter { name, place, is_required, value });
                }
            }
        }
        parameters
    }

    fn parameter(&mut self, place: &Place<'_>, parameter: &Parameter<'a>) -> Sample {
        let value = parameter.value;
        let content = value.get("content").and_then(|all| all.as_object()?.iter().next());
        let media = content.map(|(_, media)| media);
        let schema = value.get("schema").or_else(|| media?.get("schema"));
        let schema = schema.unwrap_or(&self.document.nothing);
        let example = example(self.document, value)
            .or_else(|| media.and_then(|media| example(self.document, media)));
        let maker = Maker::new(self.document);
        let (sample, notes) = match example {
            Some(example) => maker.given(example, schema),
            None => maker.sample(schema),
        };
        for note in notes {
            self.note(place, &format!("parameter {}: {note}", parameter.name));
        }
        match content {
            Some((kind, _)) if media::is_json(kind) => Sample::Text(sample.json()),
            _ => sample,
        }
    }

    /// Adds the first authentication that is described.
    fn secure(
        &mut self,
        place: &Place<'_>,
        operation: &Value,
        step: &mut Step,
        query: &mut Vec<Pair>,
    ) {
        let security = operation.get("security").or_else(|| self.document.root.get("security"));
        let first = security.and_then(|all| all.as_array()?.first()?.as_object());
        for name in first.into_iter().flat_map(|first| first.keys()) {
            let schemes = self.document.root.pointer("/components/securitySchemes");
            let scheme = schemes.and_then(|schemes| schemes.get(name));
            let scheme = self.document.resolved(scheme.unwrap_or(&self.document.nothing));
            let text = |key: &str| scheme.get(key).and_then(Value::as_str).unwrap_or_default();
            let variable = variable(name);
            let value = format!("{{{{env {variable}}}}}");
            let is = |key: &str, other: &str| text(key).eq_ignore_ascii_case(other);
            let what = if is("type", "http") && is("scheme", "basic") {
                let value = format!("Basic {value}");
                add_header(step, "Authorization", &value, place.origin, &mut self.notes);
                "name:password in base64"
            } else if is("type", "http") || is("type", "oauth2") || is("type", "openIdConnect") {
                let value = format!("Bearer {value}");
                add_header(step, "Authorization", &value, place.origin, &mut self.notes);
                "a token"
            } else if is("type", "apiKey") && !text("name").is_empty() {
                match text("in") {
                    "query" => {
                        let is_it = |pair: &Pair| pair.is_named(text("name"));
                        if !query.iter().any(is_it) {
                            query.push(Pair::Plain(text("name").to_owned(), value));
                        }
                    }
                    "cookie" => {
                        let pair = format!("{}={value}", plain(text("name")));
                        add_header(step, "Cookie", &pair, place.origin, &mut self.notes);
                    }
                    _ => add_header(step, text("name"), &value, place.origin, &mut self.notes),
                }
                "a key"
            } else {
                let name = crate::shown(name);
                self.notes.add(format!("security {name}: left out, a request cannot carry it"));
                continue;
            };
            self.notes.add(format!("security: set the environment variable {variable} to {what}"));
        }
    }

    /// The described status codes of success.
    fn statuses(&self, operation: &Value) -> Vec<u16> {
        let responses = operation.get("responses").and_then(Value::as_object);
        let keys = || responses.into_iter().flat_map(|responses| responses.keys());
        let of = |class: char| {
            let mut all: Vec<u16> = Vec::new();
            for key in keys().filter(|key| key.starts_with(class)) {
                match key.parse::<u16>() {
                    Ok(status) if (100..600).contains(&status) => all.push(status),
                    Ok(_) => {}
                    Err(_) if class == '2' && key.eq_ignore_ascii_case("2XX") => all.extend(GOOD),
                    Err(_) => {}
                }
            }
            all.sort_unstable();
            all.dedup();
            all
        };
        let good = of('2');
        if good.is_empty() { of('3') } else { good }
    }
}

/// Headers that OpenAPI describes in other places.
fn is_of_others(name: &str) -> bool {
    ["Accept", "Content-Type", "Authorization"].iter().any(|other| name.eq_ignore_ascii_case(other))
}

/// `example`, or the first of `examples`.
fn example<'a>(document: &'a Document, value: &'a Value) -> Option<&'a Value> {
    value.get("example").or_else(|| {
        let first = value.get("examples")?.as_object()?.values().next()?;
        document.resolved(first).get("value")
    })
}

/// `bearerAuth` -> `BEARER_AUTH`.
fn variable(name: &str) -> String {
    let mut variable = String::new();
    let mut was_lower = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() && was_lower {
            variable.push('_');
        }
        was_lower = c.is_ascii_lowercase();
        variable.push(if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    }
    if variable.starts_with(|c: char| c.is_ascii_digit()) || variable.is_empty() {
        variable.insert_str(0, "API_");
    }
    variable
}
