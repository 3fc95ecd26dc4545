//! Descriptions of APIs in OpenAPI 3: a flow for each operation, with made-up parameters.

mod sample;
mod yaml;

use serde_json::Value;

use crate::model::{Body, Flow, Part, PartContent, Scenario, Step};
use crate::request::{add_header, header, settle};
use crate::template::{self, Piece, plain};
use crate::url::Address;
use crate::{ImportError, Imported, Notes};
use sample::{Maker, Sample};

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
/// A reference to a reference to … ends here.
const REFERENCES_MAX: usize = 32;
/// What `2XX` is taken for.
const GOOD: [u16; 7] = [200, 201, 202, 203, 204, 205, 206];

/// A description that has been read.
struct Document {
    root: Value,
    /// Stands for what is not there.
    nothing: Value,
}

impl Document {
    /// What a `$ref` names, or the value itself.
    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        let mut value = value;
        for _ in 0..REFERENCES_MAX {
            let Some(reference) = value.get("$ref").and_then(Value::as_str) else { return value };
            let Some(pointer) = reference.strip_prefix('#') else { return &self.nothing };
            let pointer = pointer.replace("%7B", "{").replace("%7D", "}").replace("%20", " ");
            let Some(found) = self.root.pointer(&pointer) else { return &self.nothing };
            value = found;
        }
        &self.nothing
    }
}

/// Read a description, JSON or YAML. `target` is the server where it is not the first that the
/// description names.
///
/// # Errors
/// When it is no OpenAPI 3 with operations, or its server cannot be loaded.
pub fn import(text: &str, target: Option<&str>) -> Result<Imported, ImportError> {
    let document = Document { root: read(text)?, nothing: Value::Null };
    let mut reader = Reader { document: &document, notes: Notes::default(), flows: Vec::new() };
    let (origin, base) = reader.server(target)?;
    reader.note_foreign(&document.root);
    let paths = document.root.get("paths").and_then(Value::as_object);
    for (path, item) in paths.into_iter().flatten() {
        let item = document.resolved(item);
        for method in METHODS {
            if let Some(operation) = item.get(method).filter(|operation| operation.is_object()) {
                reader.operation(
                    &Place { origin: &origin, base: &base, path, method },
                    item,
                    operation,
                )?;
            }
        }
    }
    if reader.flows.is_empty() {
        return Err(ImportError::new("the description has no operation: add one below `paths`"));
    }
    let scenario = Scenario {
        origin: "Imported from an OpenAPI description.".to_owned(),
        target: origin,
        flows: reader.flows,
        ..Scenario::default()
    };
    Ok(Imported { scenario, files: Vec::new(), notes: reader.notes })
}

fn read(text: &str) -> Result<Value, ImportError> {
    let text = text.trim_start_matches('\u{feff}');
    let is_json = text.trim_start().starts_with('{');
    let read = if is_json {
        serde_json::from_str(text).map_err(|why| why.to_string())
    } else {
        yaml::read(text)
    };
    let root: Value = read.map_err(|why| {
        let kind = if is_json { "JSON" } else { "YAML" };
        ImportError::new(format!("the description is not {kind}: mend it: {}", crate::shown(&why)))
    })?;
    let version = root.get("openapi").map(|version| match version {
        Value::String(version) => version.clone(),
        other => other.to_string(),
    });
    match version {
        Some(version) if version.starts_with('3') => Ok(root),
        Some(version) => Err(ImportError::new(format!(
            "OpenAPI {} is not known: write 3.0 or 3.1",
            crate::shown(&version)
        ))),
        None if root.get("swagger").is_some() => {
            Err(ImportError::new("this is Swagger 2: convert it to OpenAPI 3"))
        }
        None => Err(ImportError::new("not an OpenAPI description: it begins with `openapi: 3.…`")),
    }
}

/// Where an operation is.
struct Place<'a> {
    origin: &'a str,
    /// The path of the server.
    base: &'a str,
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
    /// Origin and base path.
    fn server(&mut self, target: Option<&str>) -> Result<(String, String), ImportError> {
        let server = self.document.root.pointer("/servers/0");
        let mut url =
            server.and_then(|server| server.get("url")?.as_str()).unwrap_or("/").to_owned();
        let variables = server.and_then(|server| server.get("variables")?.as_object());
        for (name, variable) in variables.into_iter().flatten() {
            let default = variable.get("default").map(|default| Sample::of(default).text());
            url = url.replace(&format!("{{{name}}}"), &default.unwrap_or_default());
        }
        let is_whole = url.contains("://");
        let (url, base) = match (target, is_whole) {
            (Some(target), true) => (target.to_owned(), Address::parse(&plain(&url))?.path),
            (Some(target), false) => (target.to_owned(), url),
            (None, true) => (url.clone(), Address::parse(&plain(&url))?.path),
            (None, false) => {
                self.notes.add(
                    "target: the description does not name it, http://127.0.0.1:8080 \
                     is put in its place (--target)",
                );
                ("http://127.0.0.1:8080".to_owned(), url)
            }
        };
        Ok((Address::parse(&plain(&url))?.origin, base.trim_end_matches('/').to_owned()))
    }

    /// References to other files are not followed.
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
                        self.notes
                            .add(format!("$ref {reference}: left out, it is not in this file"));
                    }
                    all.extend(members.values());
                }
                _ => {}
            }
        }
    }

    fn operation(
        &mut self,
        place: &Place<'_>,
        item: &'a Value,
        operation: &'a Value,
    ) -> Result<(), ImportError> {
        let method = place.method.to_ascii_uppercase();
        let mut step = Step { method: method.clone(), ..Step::default() };
        let mut in_path = Vec::new();
        let mut query = Vec::new();
        for parameter in self.parameters(item, operation) {
            let Parameter { name, place: r#in, is_required, .. } = parameter;
            if !is_required && r#in != "path" {
                let why = "left out, it need not be there";
                self.notes.add(format!("{method} {}: parameter {name}: {why}", place.path));
                continue;
            }
            let text = self.parameter(place, &parameter).text();
            match r#in {
                "path" => in_path.push((name, text)),
                "query" => query.push((name.to_owned(), text)),
                "header" if is_of_others(name) => {}
                "header" => add_header(&mut step, name, &text, place.origin, &mut self.notes),
                "cookie" => {
                    let pair = format!("{}={text}", plain(name));
                    add_header(&mut step, "Cookie", &pair, place.origin, &mut self.notes);
                }
                other => self
                    .notes
                    .add(format!("{method} {}: parameter in {other}: left out", place.path)),
            }
        }
        self.secure(place, operation, &mut step, &mut query);
        self.body(place, operation, &mut step);
        let (path, is_missing) = filled_path(&format!("{}{}", place.base, place.path), &in_path);
        if is_missing {
            let note = format!("{method} {}: a parameter of the path is not described", place.path);
            self.notes.add(note);
        }
        step.target = crate::url::target(&path, None);
        if let crate::model::Target::Path { query: known, .. } = &mut step.target {
            for (name, value) in query {
                if known.iter().all(|(other, _)| *other != name) {
                    known.push((name, value));
                }
            }
        }
        step.check.status = self.statuses(operation);
        settle(&mut step);
        let id = operation.get("operationId").and_then(Value::as_str).map(str::trim);
        let name = id
            .filter(|id| !id.is_empty())
            .map_or_else(|| format!("{method} {}", place.path), str::to_owned);
        self.add_flow(name, step);
        Ok(())
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

    /// Those of the operation, and those of its path that it does not describe anew.
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
        if let Some(example) = example(self.document, value) {
            return Sample::of(example);
        }
        let content = value.get("content").and_then(|content| content.as_object()?.values().next());
        let schema = value.get("schema").or_else(|| content?.get("schema"));
        self.sample(place, schema.unwrap_or(&self.document.nothing))
    }

    fn sample(&mut self, place: &Place<'_>, schema: &'a Value) -> Sample {
        let mut maker = Maker::new(self.document);
        let sample = maker.sample(schema);
        if maker.has_pattern {
            let method = place.method.to_ascii_uppercase();
            let path = place.path;
            self.notes.add(format!("{method} {path}: texts are made without regard to `pattern`"));
        }
        sample
    }

    fn body(&mut self, place: &Place<'_>, operation: &'a Value, step: &mut Step) {
        let body = operation.get("requestBody").map(|body| self.document.resolved(body));
        let Some(content) = body.and_then(|body| body.get("content")?.as_object()) else { return };
        let kind = |name: &str| name.split(';').next().unwrap_or(name).trim().to_ascii_lowercase();
        let is_json =
            |name: &str| kind(name) == "application/json" || kind(name).ends_with("+json");
        // The ones that can be made best come first.
        let rank = |name: &str| match kind(name).as_str() {
            _ if is_json(name) => 0,
            "*/*" | "application/*" => 1,
            "application/x-www-form-urlencoded" => 2,
            "multipart/form-data" => 3,
            _ => 4,
        };
        let Some((name, media)) = content.iter().min_by_key(|(name, _)| rank(name)) else { return };
        let given = example(self.document, media);
        let schema = media.get("schema").unwrap_or(&self.document.nothing);
        let sample = given.map_or_else(|| self.sample(place, schema), Sample::of);
        let made = match (rank(name), &sample) {
            (0 | 1, sample) => Body::Json(sample.json()),
            (2, Sample::Object(members)) => Body::Form(
                members.iter().map(|(name, value)| (name.clone(), value.text())).collect(),
            ),
            (3, Sample::Object(members)) if !members.is_empty() => {
                Body::Multipart(self.parts(members, media))
            }
            (_, Sample::Text(text)) if given.is_some() || name.starts_with("text/") => {
                Body::Text(text.clone())
            }
            _ => {
                let (method, path) = (&step.method, place.path);
                self.notes
                    .add(format!("{method} {path}: body {name}: left out, nothing is known of it"));
                return;
            }
        };
        if rank(name) != 1 && header(step, "Content-Type").is_none() {
            add_header(step, "Content-Type", &plain(name), place.origin, &mut self.notes);
        }
        step.body = Some(made);
    }

    fn parts(&self, members: &[(String, Sample)], media: &Value) -> Vec<Part> {
        let nothing = &self.document.nothing;
        let schema = self.document.resolved(media.get("schema").unwrap_or(nothing));
        let part = |(name, value): &(String, Sample)| {
            let property = schema.get("properties").and_then(|all| all.get(name));
            let property = self.document.resolved(property.unwrap_or(nothing));
            let property = self.document.resolved(property.get("items").unwrap_or(property));
            let is_file = property.get("format").and_then(Value::as_str) == Some("binary")
                || property.get("contentMediaType").is_some();
            Part {
                name: name.clone(),
                content: PartContent::Text(if is_file {
                    "{{string 1024}}".to_owned()
                } else {
                    value.text()
                }),
                filename: is_file.then(|| "file.bin".to_owned()),
                content_type: is_file.then(|| "application/octet-stream".to_owned()),
            }
        };
        members.iter().filter(|(name, _)| !name.is_empty()).map(part).collect()
    }

    /// The first way to be let in that is described.
    fn secure(
        &mut self,
        place: &Place<'_>,
        operation: &Value,
        step: &mut Step,
        query: &mut Vec<(String, String)>,
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
                    "query" => query.push((text("name").to_owned(), value)),
                    "cookie" => {
                        let pair = format!("{}={value}", plain(text("name")));
                        add_header(step, "Cookie", &pair, place.origin, &mut self.notes);
                    }
                    _ => add_header(step, text("name"), &value, place.origin, &mut self.notes),
                }
                "a key"
            } else {
                let name = crate::shown(name);
                self.notes
                    .add(format!("security {name}: left out, it cannot be said in a request"));
                continue;
            };
            self.notes.add(format!("security: set the environment variable {variable} to {what}"));
        }
    }

    /// The good ones that are described.
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

/// The path with values in the places of `{name}`, and whether one of them is missing.
fn filled_path(path: &str, values: &[(&str, String)]) -> (String, bool) {
    let mut pieces = Vec::new();
    let mut is_missing = false;
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        pieces.push(Piece::Literal(before.to_owned()));
        let value = after.split_once('}').and_then(|(name, after)| {
            let (_, text) = values.iter().find(|(known, _)| *known == name)?;
            Some((text, after))
        });
        if let Some((text, after)) = value {
            pieces.extend(template::pieces(&template::map(text, &crate::url::encoded)));
            rest = after;
        } else {
            is_missing = true;
            pieces.push(Piece::Literal("{".to_owned()));
            rest = after;
        }
    }
    pieces.push(Piece::Literal(rest.to_owned()));
    (template::join(pieces), is_missing)
}

/// Headers that OpenAPI leaves to other parts of the description.
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
