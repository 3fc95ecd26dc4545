//! A step's request: its texts read, its body brought in, and all of it one template.

use uringbench_core::flow;
use uringbench_core::flow::exchange::Exchange;
use uringbench_core::flow::template::{Marks, Template};
use uringbench_core::flow::value::{Escape, TemplateValue, Value};
use uringbench_core::http::body::{Alphabet, Body, Generated};
use uringbench_core::http::multipart::{Multipart, MultipartPart};
use uringbench_core::http::request::{RequestError, RequestParts, RequestTemplate};
use uringbench_core::websocket::handshake::{Opening, OpeningError, OpeningParts};

use crate::Context;
use crate::diagnostic::{Diagnostics, FieldPath};
use crate::exchange::{self, Wanted};
use crate::format::{self, Headers, Pairs, Step};
use crate::text::{Names, Text};

/// Most bytes made up for one body, as for any body.
pub(crate) const GENERATED_MAX: u32 = 1 << 30;

/// Any sixteen bytes, which the answer to an opening must prove to have read.
const KEY: [u8; 16] = *b"uringbench flows";

/// A request whose texts were read.
struct Parts {
    method: String,
    target: Target,
    headers: Vec<(String, Text)>,
    /// Headers that are not sent.
    omitted: Vec<String>,
    cookies: Vec<(String, Text)>,
    content: Content,
}

/// Where all requests go.
pub(crate) struct Server {
    /// What `Host` says.
    pub(crate) authority: String,
    pub(crate) keeps_cookies: bool,
}

enum Target {
    Path(Text, Vec<(String, Text)>),
    Url(Text),
}

enum Content {
    None,
    /// A text, in which values are escaped so.
    Text(Text, Escape),
    Form(Vec<(String, Text)>),
    Bytes(Vec<u8>),
    Generated(Generated),
    Multipart(Vec<PartText>),
}

struct PartText {
    name: String,
    filename: Option<String>,
    content_type: Option<String>,
    headers: Vec<(String, String)>,
    content: PartContent,
}

enum PartContent {
    Text(Text),
    File(Vec<u8>),
}

/// `GET` or what was given.
pub(crate) fn method(step: &Step) -> &str {
    let by_body = if step.body.is_some() { "POST" } else { "GET" };
    step.method.as_deref().unwrap_or(by_body)
}

/// The request of a step and what comes of it; `None` with its mistakes noted.
pub(crate) fn compiled(
    step: &Step,
    place: &FieldPath,
    names: &Names<'_>,
    context: &Context<'_>,
    server: &Server,
    diagnostics: &mut Diagnostics<'_>,
) -> Option<(Template, Exchange)> {
    let target = target(step, place, names, &server.authority, diagnostics);
    let headers = headers(&step.headers, &place.key("headers"), names, diagnostics);
    let cookies = cookies(step, place, names, server, diagnostics);
    let content = match &step.body {
        None => Some(Content::None),
        Some(body) => content(body, &place.key("body"), names, context, diagnostics),
    };
    let wanted = exchange::read(step, place, names, diagnostics);
    let parts = Parts {
        method: method(step).to_owned(),
        target: target?,
        headers: headers?,
        omitted: omitted(&step.headers),
        cookies: cookies?,
        content: content?,
    };
    let wanted = wanted?;
    let protocols = match &wanted {
        Wanted::Socket(talk) => Some(talk.protocols.as_slice()),
        Wanted::Http | Wanted::Events { .. } => None,
    };
    let built = parts.template(server, protocols);
    let built = built.map_err(|(field, why)| diagnostics.add(&place.key(field), why));
    built.ok().map(|(template, opening)| (template, wanted.compiled(opening)))
}

fn target(
    step: &Step,
    place: &FieldPath,
    names: &Names<'_>,
    authority: &str,
    diagnostics: &mut Diagnostics<'_>,
) -> Option<Target> {
    let query = pairs(&step.query, &place.key("query"), names, diagnostics);
    match (&step.path, &step.url) {
        (Some(path), None) => {
            let path = Text::read(path, names).and_then(checked_path);
            let path = diagnostics.take(&place.key("path"), path);
            Some(Target::Path(path?, query?))
        }
        (None, Some(url)) => {
            if !step.query.0.is_empty() {
                let why = "the query is part of `url`: write it there, behind a `?`";
                diagnostics.add(&place.key("query"), why);
            }
            let url = Text::read(url, names).and_then(|url| checked_url(url, authority));
            diagnostics.take(&place.key("url"), url).map(Target::Url)
        }
        (Some(_), Some(_)) => {
            diagnostics
                .add(&place.key("url"), "`path` says already what to ask for: keep one of them");
            None
        }
        (None, None) => {
            diagnostics.add(place, "`path` is missing: add it, or `url`");
            None
        }
    }
}

/// All requests go to the target, so that no other host may be written.
fn checked_url(url: Text, authority: &str) -> Result<Text, String> {
    let begin = url.beginning();
    let host = begin.strip_prefix("http://").or_else(|| begin.strip_prefix("https://"));
    let Some(host) = host else { return Ok(url) };
    let (host, is_whole) = match host.find(['/', '?', '#']) {
        Some(end) => (&host[..end], true),
        None => (host, url.constant().is_some()),
    };
    // A value may be the rest of the host.
    if !is_whole || authority.eq_ignore_ascii_case(host) {
        return Ok(url);
    }
    Err(format!("`{host}` is not the target, which all requests go to: write the path alone"))
}

fn checked_path(path: Text) -> Result<Text, String> {
    let shown = path.example();
    if !shown.starts_with('/') && shown != "*" {
        return Err(format!("`{shown}` does not begin with `/`: write /{shown}"));
    }
    let is_out_of_place = |c: &char| !c.is_ascii_graphic() || matches!(c, '?' | '#');
    let found = path.literals().flat_map(str::chars).find(is_out_of_place);
    match found {
        Some('?') => Err("the path has a `?`: put what follows into `query`".to_owned()),
        Some('#') => Err("the path has a `#`, which is never sent: leave it out".to_owned()),
        Some(c) => Err(format!("the path has {c:?} in it: write {}", percent_encoded(c))),
        None => Ok(path),
    }
}

fn pairs(
    given: &Pairs,
    place: &FieldPath,
    names: &Names<'_>,
    diagnostics: &mut Diagnostics<'_>,
) -> Option<Vec<(String, Text)>> {
    let read: Vec<_> = given
        .0
        .iter()
        .map(|(name, value)| {
            let text = diagnostics.take(&place.key(name), Text::read(value, names));
            text.map(|text| (name.clone(), text))
        })
        .collect();
    read.into_iter().collect()
}

/// Lines of headers, or cookies: several values of a name are one each.
fn headers(
    given: &Headers,
    place: &FieldPath,
    names: &Names<'_>,
    diagnostics: &mut Diagnostics<'_>,
) -> Option<Vec<(String, Text)>> {
    let lines = given.0.iter().flat_map(|(name, values)| values.iter().map(move |v| (name, v)));
    let read: Vec<_> = lines
        .map(|(name, value)| {
            let text = diagnostics.take(&place.key(name), Text::read(value, names));
            text.map(|text| (name.clone(), text))
        })
        .collect();
    read.into_iter().collect()
}

/// Headers with an empty list of values.
fn omitted(given: &Headers) -> Vec<String> {
    let without = given.0.iter().filter(|(_, values)| values.is_empty());
    without.map(|(name, _)| name.clone()).collect()
}

/// Cookies that are always sent.
fn cookies(
    step: &Step,
    place: &FieldPath,
    names: &Names<'_>,
    server: &Server,
    diagnostics: &mut Diagnostics<'_>,
) -> Option<Vec<(String, Text)>> {
    let has_header = step.headers.0.iter().any(|(name, _)| name.eq_ignore_ascii_case("Cookie"));
    if has_header && (server.keeps_cookies || !step.cookies.0.is_empty()) {
        let why = "`cookies` writes the header `Cookie`: leave it out, and put what it says there";
        diagnostics.add(&place.key("headers"), why);
    }
    let place = place.key("cookies");
    for (name, _) in step.cookies.0.iter().filter(|(_, values)| values.is_empty()) {
        diagnostics.add(&place.key(name), "a cookie has a value: write one, or leave the name out");
    }
    let cookies = headers(&step.cookies, &place, names, diagnostics)?;
    for (name, text) in &cookies {
        let place = place.key(name);
        let is_word = |c: char| c.is_ascii_graphic() && !matches!(c, '=' | ';' | ',' | '"');
        if name.is_empty() || !name.chars().all(is_word) {
            diagnostics
                .add(&place, "a cookie's name is a word: write letters, digits, `-` and `_`");
        }
        let is_out_of_place = |c: char| c.is_control() || c == ';';
        if let Some(c) = text.literals().flat_map(str::chars).find(|c| is_out_of_place(*c)) {
            let encoded = percent_encoded(c);
            diagnostics.add(&place, format!("a cookie has no {c:?} in it: write {encoded}"));
        }
    }
    Some(cookies)
}

fn percent_encoded(c: char) -> String {
    c.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn content(
    body: &format::Body,
    place: &FieldPath,
    names: &Names<'_>,
    context: &Context<'_>,
    diagnostics: &mut Diagnostics<'_>,
) -> Option<Content> {
    match body {
        format::Body::Text(text) => {
            let text = diagnostics.take(&place.key("text"), Text::read(text, names))?;
            Some(Content::Text(text, Escape::None))
        }
        format::Body::Json(text) => {
            let text = Text::read(text, names).and_then(checked_json);
            Some(Content::Text(diagnostics.take(&place.key("json"), text)?, Escape::Json))
        }
        format::Body::Form(fields) => {
            pairs(fields, &place.key("form"), names, diagnostics).map(Content::Form)
        }
        format::Body::File(file) => {
            let read = (context.read)(file);
            diagnostics.take(&place.key("file"), read).map(Content::Bytes)
        }
        format::Body::Generated(given) => {
            generated(*given, &place.key("generated"), diagnostics).map(Content::Generated)
        }
        format::Body::Multipart(parts) => {
            let place = place.key("multipart");
            let parts: Vec<_> = parts
                .iter()
                .enumerate()
                .map(|(at, part)| part_text(part, &place.index(at), names, context, diagnostics))
                .collect();
            parts.into_iter().collect::<Option<_>>().map(Content::Multipart)
        }
    }
}

fn generated(
    given: format::Generated,
    place: &FieldPath,
    diagnostics: &mut Diagnostics<'_>,
) -> Option<Generated> {
    if given.size > GENERATED_MAX {
        let why = format!("more than 1 GiB: write at most {GENERATED_MAX}");
        diagnostics.add(&place.key("size"), why);
        return None;
    }
    Some(Generated { len: given.size as usize, seed: given.seed, alphabet: Alphabet::Text })
}

/// A value that is never a number has to stand in a string.
pub(crate) fn checked_json(text: Text) -> Result<Text, String> {
    match serde_json::from_str::<serde::de::IgnoredAny>(&text.example()) {
        Ok(_) => Ok(text),
        Err(why) => Err(format!("not JSON: fix it, or send it as `text`: {why}")),
    }
}

fn part_text(
    part: &format::Part,
    place: &FieldPath,
    names: &Names<'_>,
    context: &Context<'_>,
    diagnostics: &mut Diagnostics<'_>,
) -> Option<PartText> {
    let (content, own_name) = match (&part.text, &part.file, part.generated) {
        (Some(text), None, None) => {
            let text = diagnostics.take(&place.key("text"), Text::read(text, names))?;
            (PartContent::Text(text), None)
        }
        (None, Some(file), None) => {
            let bytes = diagnostics.take(&place.key("file"), (context.read)(file))?;
            (PartContent::File(bytes), file.rsplit('/').next().map(str::to_owned))
        }
        (None, None, Some(given)) => {
            let made = generated(given, &place.key("generated"), diagnostics)?;
            (PartContent::File(Body::Generated(made).content()), Some("generated".to_owned()))
        }
        _ => {
            let why = "a part is one of `text`, `file` and `generated`: write one of the three";
            diagnostics.add(place, why);
            return None;
        }
    };
    Some(PartText {
        name: part.name.clone(),
        filename: part.filename.clone().or(own_name),
        content_type: part.content_type.clone(),
        headers: part.headers.0.clone(),
        content,
    })
}

impl Parts {
    /// The request; with `protocols`, of a WebSocket, whose opening goes with it.
    fn template(
        &self,
        server: &Server,
        protocols: Option<&[String]>,
    ) -> Result<(Template, Option<Opening>), (&'static str, String)> {
        let mut literals = self.literals();
        literals.push(server.authority.as_bytes());
        literals.extend(protocols.into_iter().flatten().map(|name| name.as_bytes()));
        let mut marks = Marks::unlike(literals.iter().copied());
        let target = self.target.marked(&mut marks);
        let headers = self.marked_headers(server, &mut marks);
        let authority = server.authority.as_str();
        let (template, opening) = match protocols {
            Some(_) if !self.omitted.is_empty() => {
                let why = "the opening of a WebSocket has all of its headers: leave the empty \
                           list out";
                return Err(("headers", why.to_owned()));
            }
            Some(protocols) => {
                let parts = OpeningParts {
                    authority,
                    target: &target,
                    headers: &headers,
                    protocols,
                    key: KEY,
                };
                let opening = Opening::build(parts)
                    .map_err(|why| (field_of_opening(&why), why.to_string()))?;
                let request = RequestTemplate::of_bytes(opening.bytes().to_vec());
                (Template::of_request(&request, &marks), Some(opening))
            }
            None => {
                let parts = RequestParts {
                    headers: &headers,
                    omitted: &self.omitted,
                    ..RequestParts::new(&self.method, authority, &target)
                };
                (self.with_content(parts, &mut marks)?, None)
            }
        };
        if !server.keeps_cookies {
            return Ok((template, opening));
        }
        let fixed = |(name, text): &(String, Text)| (name.clone(), text.alone(Escape::Cookie));
        Ok((template.with_cookies(self.cookies.iter().map(fixed).collect()), opening))
    }

    fn with_content(
        &self,
        parts: RequestParts<'_>,
        marks: &mut Marks,
    ) -> Result<Template, (&'static str, String)> {
        let with = |body| RequestParts { body, ..parts };
        let built = match &self.content {
            Content::None => Template::build(with(Body::Bytes(b"")), marks),
            Content::Bytes(bytes) => Template::build(with(Body::Bytes(bytes)), marks),
            Content::Generated(made) => Template::build(with(Body::Generated(*made)), marks),
            Content::Text(text, escape) => {
                let text = text.marked(Escape::None, *escape, marks);
                Template::build(with(Body::Bytes(text.as_bytes())), marks)
            }
            Content::Form(fields) => {
                let text = encoded(fields, marks);
                Template::build(with(Body::Bytes(text.as_bytes())), marks)
            }
            Content::Multipart(given) => {
                let contents: Vec<Vec<u8>> =
                    given.iter().map(|part| part.content.marked(marks)).collect();
                let all: Vec<MultipartPart<'_>> =
                    given.iter().zip(&contents).map(PartText::with_content).collect();
                let mut form = Multipart::new(&all).map_err(|why| ("body", why.to_string()))?;
                // The form writes its type itself, with the boundary.
                let (types, headers): (Vec<_>, Vec<_>) =
                    parts.headers.iter().cloned().partition(|(name, _)| is_content_type(name));
                for (_, kind) in &types {
                    form =
                        form.with_content_type(kind).map_err(|why| ("headers", why.to_string()))?;
                }
                let body = Body::Multipart(form);
                Template::build(RequestParts { headers: &headers, body, ..parts }, marks)
            }
        };
        built.map_err(|why| (field_of(&why), why.to_string()))
    }

    /// Whatever of the file gets into the request.
    fn literals(&self) -> Vec<&[u8]> {
        let mut all: Vec<&[u8]> = vec![self.method.as_bytes()];
        let mut pairs = vec![&self.headers, &self.cookies];
        match &self.target {
            Target::Path(path, query) => {
                all.extend(path.literals().map(str::as_bytes));
                pairs.push(query);
            }
            Target::Url(url) => all.extend(url.literals().map(str::as_bytes)),
        }
        match &self.content {
            Content::None | Content::Generated(_) => {}
            Content::Text(text, _) => all.extend(text.literals().map(str::as_bytes)),
            Content::Form(fields) => pairs.push(fields),
            Content::Bytes(bytes) => all.push(bytes),
            Content::Multipart(parts) => {
                for part in parts {
                    let texts =
                        [Some(&part.name), part.filename.as_ref(), part.content_type.as_ref()];
                    all.extend(texts.into_iter().flatten().map(|text| text.as_bytes()));
                    let headers = part.headers.iter().flat_map(|(name, value)| [name, value]);
                    all.extend(headers.map(String::as_bytes));
                    match &part.content {
                        PartContent::Text(text) => all.extend(text.literals().map(str::as_bytes)),
                        PartContent::File(bytes) => all.push(bytes),
                    }
                }
            }
        }
        for (name, text) in pairs.into_iter().flatten() {
            all.push(name.as_bytes());
            all.extend(text.literals().map(str::as_bytes));
        }
        all
    }

    fn marked_headers(&self, server: &Server, marks: &mut Marks) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        for (name, text) in &self.headers {
            headers.push((name.clone(), text.marked(Escape::None, Escape::Header, marks)));
        }
        if !self.cookies.is_empty() && !server.keeps_cookies {
            let pair = |(name, text): &(String, Text)| {
                format!("{name}={}", text.marked(Escape::None, Escape::Cookie, marks))
            };
            let pairs: Vec<String> = self.cookies.iter().map(pair).collect();
            headers.push(("Cookie".to_owned(), pairs.join("; ")));
        }
        let own = match &self.content {
            Content::Text(_, Escape::Json) => "application/json",
            Content::Text(..) => "text/plain; charset=utf-8",
            Content::Form(_) => "application/x-www-form-urlencoded",
            _ => return headers,
        };
        let is_given = headers.iter().any(|(name, _)| is_content_type(name));
        if !is_given && !self.omitted.iter().any(|name| is_content_type(name)) {
            headers.push(("Content-Type".to_owned(), own.to_owned()));
        }
        headers
    }
}

impl Target {
    fn marked(&self, marks: &mut Marks) -> String {
        match self {
            Self::Path(path, query) => {
                let path = path.marked(Escape::None, Escape::Url, marks);
                if query.is_empty() { path } else { format!("{path}?{}", encoded(query, marks)) }
            }
            Self::Url(url) => {
                let text = url.alone(Escape::None);
                let Some(constant) = text.constant() else {
                    let slot = TemplateValue::new(Value::Target(text), Escape::None);
                    return format!("/{}", marks.mark(slot));
                };
                let mut bytes = b"/".to_vec();
                let mut target = flow::target::RequestTarget::new();
                target.push(constant, &mut |piece| bytes.extend_from_slice(piece));
                target.end(&mut |piece| bytes.extend_from_slice(piece));
                // Nothing but ASCII is left.
                String::from_utf8_lossy(&bytes).into_owned()
            }
        }
    }
}

impl PartText {
    fn with_content<'a>((part, content): (&'a Self, &'a Vec<u8>)) -> MultipartPart<'a> {
        MultipartPart {
            name: &part.name,
            filename: part.filename.as_deref(),
            content_type: part.content_type.as_deref(),
            headers: &part.headers,
            content,
        }
    }
}

impl PartContent {
    fn marked(&self, marks: &mut Marks) -> Vec<u8> {
        match self {
            Self::Text(text) => text.marked(Escape::None, Escape::None, marks).into_bytes(),
            Self::File(bytes) => bytes.clone(),
        }
    }
}

fn is_content_type(name: &str) -> bool {
    name.eq_ignore_ascii_case("Content-Type")
}

/// `name=value&…`, percent-encoded.
fn encoded(pairs: &[(String, Text)], marks: &mut Marks) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        let and = if text.is_empty() { "" } else { "&" };
        let name = Text::literal(name).marked(Escape::Url, Escape::Url, marks);
        text += &format!("{and}{name}={}", value.marked(Escape::Url, Escape::Url, marks));
    }
    text
}

const fn field_of_opening(error: &OpeningError) -> &'static str {
    match error {
        OpeningError::Request(error) => field_of(error),
        OpeningError::Protocol(_) | OpeningError::ProtocolTwice(_) => "websocket",
        _ => "headers",
    }
}

/// The field of a step in which a mistake lies.
const fn field_of(error: &RequestError) -> &'static str {
    match error {
        RequestError::Method(_) | RequestError::Connect => "method",
        RequestError::Target(_) => "path",
        RequestError::BodyTooLarge => "body",
        _ => "headers",
    }
}
