//! What the options of one request say, made a step for each of its addresses.
//!
//! It follows curl where options meet: a header given by `-H` goes before every option that would
//! write it, and `-H 'Name:'` leaves it out.

use crate::model::{Body, BodyFile, Step, Target};
use crate::request::{add_header, basic, body, header, is_method, settle};
use crate::template::{self, plain};
use crate::url::{self, Address};
use crate::{ImportError, Notes};

use super::form::Field;
use super::glob::{self, GlobError};
use super::input::{self, Input};
use super::parts;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
/// What `--compressed` of curl 7.88 with all of its libraries asks for.
const ENCODINGS: &str = "deflate, gzip, br, zstd";

/// What the options say so far, until `--next`. Texts are in the scenario's syntax.
#[derive(Default)]
pub(super) struct Request {
    pub(super) addresses: Vec<String>,
    /// Addresses, or values of options that are not known.
    pub(super) doubtful: Vec<String>,
    pub(super) method: Option<String>,
    pub(super) headers: Vec<Header>,
    pub(super) data: Option<Data>,
    pub(super) is_json: bool,
    pub(super) fields: Vec<Field>,
    pub(super) query: Vec<String>,
    pub(super) target: Option<String>,
    pub(super) is_get: bool,
    pub(super) is_head: bool,
    pub(super) is_glob_off: bool,
    pub(super) keeps_dots: bool,
    pub(super) is_compressed: bool,
    pub(super) agent: Option<String>,
    pub(super) referer: Option<String>,
    pub(super) range: Option<String>,
    pub(super) cookies: Vec<String>,
    pub(super) user: Option<String>,
    pub(super) bearer: Option<String>,
    /// Whether name and password answer a challenge, as with `--digest`.
    pub(super) is_challenged: bool,
    /// The first is for the first address, and so on.
    pub(super) uploads: Vec<String>,
}

/// A header that was given by `-H`.
#[derive(Clone)]
pub(super) struct Header {
    pub(super) name: String,
    /// `None`: it is not sent, and no option sends it.
    pub(super) value: Option<String>,
}

/// What `-d` and its like have gathered.
#[derive(Clone)]
pub(super) enum Data {
    Text(String),
    /// One file as it is.
    File(String),
}

impl Request {
    /// The steps, with the origin of each.
    pub(super) fn steps(
        &self,
        input: &Input<'_>,
        notes: &mut Notes,
    ) -> Result<Vec<(String, Step)>, ImportError> {
        if self.addresses.is_empty() {
            return Err(ImportError::new("the command has no address: copy the whole command"));
        }
        let mut steps = Vec::new();
        for (at, address) in self.addresses.iter().enumerate() {
            let upload = self.uploads.get(at).map(String::as_str);
            let several = |file: &&str| glob::addresses(file).is_ok_and(|all| all.len() > 1);
            if let Some(files) = upload.filter(|_| !self.is_glob_off).filter(several) {
                return Err(ImportError::new(format!(
                    "-T '{}': it names several files: write a command for each",
                    crate::shown(files)
                )));
            }
            for address in self.globbed(address, notes)? {
                steps.push(self.step(&address, upload, input, notes)?);
            }
        }
        Ok(steps)
    }

    /// The addresses that one with patterns stands for.
    fn globbed(&self, address: &str, notes: &mut Notes) -> Result<Vec<String>, ImportError> {
        if self.is_glob_off {
            return Ok(vec![address.to_owned()]);
        }
        match glob::addresses(address) {
            Ok(all) => Ok(all),
            Err(GlobError::Bad) => {
                let shown = crate::shown(address);
                notes.add(format!(
                    "`{shown}`: braces are sent unchanged; curl rejects them without --globoff"
                ));
                Ok(vec![address.to_owned()])
            }
            Err(GlobError::TooMany) => Err(ImportError::new(format!(
                "`{}` stands for more than 100 addresses: write one with a value in it, such as \
                 {{{{int 1 1000}}}}, into a scenario",
                crate::shown(address)
            ))),
        }
    }

    /// Whether `-H` says what becomes of a header.
    fn decides(&self, name: &str) -> bool {
        self.headers.iter().any(|header| header.name.eq_ignore_ascii_case(name))
    }

    fn step(
        &self,
        address: &str,
        upload: Option<&str>,
        input: &Input<'_>,
        notes: &mut Notes,
    ) -> Result<(String, Step), ImportError> {
        let mut address = Address::parse(&url::as_curl_reads(address))?;
        if !self.keeps_dots {
            address.path = without_dots(&address.path);
        }
        if let Some(file) = upload.filter(|_| address.path.ends_with('/')) {
            let name = file.rsplit('/').next().unwrap_or(file);
            if !matches!(name, "-" | ".") {
                address.path += &template::map(name, &url::encoded);
            }
        }
        let mut step = Step::default();
        self.add_headers(&mut step, &address, notes);
        let mut query: Vec<String> = address.query.take().into_iter().collect();
        let is_replaced = self.data.is_some() && (self.is_get || self.is_head) && upload.is_none();
        if is_replaced && !self.query.is_empty() {
            notes.add("--url-query: left out, as curl does where -d becomes the query");
        }
        for text in self.query.iter().filter(|_| !is_replaced) {
            query.push(in_lower_case(&match text.strip_prefix('+') {
                Some(raw) => raw.to_owned(),
                None => encoded(text, input, "--url-query")?,
            }));
        }
        if self.data.is_some() && (upload.is_some() || !self.fields.is_empty()) {
            notes.add("-d: left out beside -F or -T, curl refuses to send both");
        }
        match upload {
            Some(file) => upload_body(&mut step, file, input, notes)?,
            None => self.content(&mut step, input, &mut query, notes)?,
        }
        leave_type_out(&mut step);
        self.settle_length(&mut step, notes);
        step.target = self.target(&address, &query, notes);
        step.method = self.method(&step, upload.is_some())?;
        // Where the method has a body, one without says so by itself.
        if !matches!(step.method.as_str(), "POST" | "PUT" | "PATCH") {
            step.without.retain(|name| name != "Content-Length");
            if matches!(&step.body, Some(Body::Text(text)) if text.is_empty()) {
                step.headers.push(("Content-Length".to_owned(), "0".to_owned()));
            }
        }
        settle(&mut step);
        Ok((address.origin, step))
    }

    fn target(&self, address: &Address, query: &[String], notes: &mut Notes) -> Target {
        match self.target.as_deref() {
            Some("*") => return Target::Path { path: "*".to_owned(), query: Vec::new() },
            Some(target) if target.starts_with('/') => {
                let clean = url::clean(target, &['#']);
                if clean != target {
                    notes.add(
                        "--request-target: characters that no target can contain, such as blanks, \
                         are percent-encoded; curl sends them unchanged",
                    );
                }
                return Target::Verbatim(clean);
            }
            Some(target) => {
                let target = crate::shown(target);
                notes.add(format!("--request-target {target}: left out, it begins with no `/`"));
            }
            None => {}
        }
        let query = query.iter().cloned().reduce(|before, part| {
            let is_apart = before.is_empty() || before.ends_with('&');
            format!("{before}{}{part}", if is_apart { "" } else { "&" })
        });
        if query.as_deref().is_some_and(|query| !template::filled(query, "").is_ascii()) {
            notes.add(
                "characters of a query that are not ASCII are percent-encoded, as browsers do; \
                 curl sends them as they are",
            );
        }
        match query {
            // What a variable holds is sent as it is, and not encoded.
            Some(query) if template::constant(&query).is_none() => {
                url::verbatim(&address.path, &query)
            }
            query => url::target(&address.path, query.as_deref()),
        }
    }

    fn method(&self, step: &Step, is_upload: bool) -> Result<String, ImportError> {
        let by_content = if self.is_head {
            "HEAD"
        } else if is_upload {
            "PUT"
        } else if step.body.is_some() {
            "POST"
        } else {
            "GET"
        };
        let method = self.method.as_deref().unwrap_or(by_content);
        if is_method(method) {
            return Ok(method.to_owned());
        }
        let shown = crate::shown(method);
        Err(ImportError::new(format!("-X {shown} is not a method: write one like GET")))
    }

    fn add_headers(&self, step: &mut Step, address: &Address, notes: &mut Notes) {
        for Header { name, value } in &self.headers {
            let is = |other: &str| name.eq_ignore_ascii_case(other);
            match value {
                Some(value) if is("Cookie") => add_cookie_line(step, value, notes),
                // It is what HTTP/1.1 does anyhow.
                Some(value) if is("Connection") && value.eq_ignore_ascii_case("keep-alive") => {
                    step.headers.push((name.clone(), value.clone()));
                }
                // Decided with the body.
                _ if is("Content-Length") => {}
                Some(value) => add_header(step, name, value, &address.origin, notes),
                None if is("User-Agent") => step.without.push("User-Agent".to_owned()),
                None if is("Host") => {
                    notes.add("-H 'Host:': left out, no request is sent without it");
                }
                // None that is sent by itself.
                None => {}
            }
        }
        // Servers may tell the cases of letters apart, and a target does not.
        if !address.origin.ends_with(&address.host) && !self.decides("Host") {
            step.headers.push(("Host".to_owned(), address.host.clone()));
        }
        let mut add = |name: &str, value: &str| {
            if !self.decides(name) {
                add_header(step, name, value, &address.origin, notes);
            }
        };
        if let Some(range) = &self.range {
            // A single number is where it begins.
            let is_number = range.bytes().all(|byte| byte.is_ascii_digit());
            let open = if is_number { "-" } else { "" };
            add("Range", &format!("bytes={range}{open}"));
        }
        if let Some(agent) = self.agent.as_deref().filter(|agent| !agent.is_empty()) {
            add("User-Agent", agent);
        }
        if let Some(referer) = &self.referer {
            let referer = referer.strip_suffix(";auto").unwrap_or(referer);
            if !referer.is_empty() {
                add("Referer", referer);
            }
        }
        if self.is_compressed {
            add("Accept-Encoding", ENCODINGS);
        }
        if let Some(token) = self.bearer.as_ref().filter(|_| !self.is_challenged) {
            add("Authorization", &format!("Bearer {token}"));
        }
        if !self.cookies.is_empty() && !self.decides("Cookie") {
            add_cookie_line(step, &self.cookies.join(";"), notes);
        }
        if self.agent.as_deref() == Some("") && !self.decides("User-Agent") {
            step.without.push("User-Agent".to_owned());
        }
        self.authorize(step, address, notes);
    }

    /// Name and password, where nothing else says who asks.
    fn authorize(&self, step: &mut Step, address: &Address, notes: &mut Notes) {
        let user = self.user.as_ref().or(address.user.as_ref());
        if self.decides("Authorization") {
            if user.is_some() {
                notes.add("--user: left out, -H sets Authorization");
            }
            return;
        }
        if self.is_challenged && (user.is_some() || self.bearer.is_some()) {
            notes.add("the user name is left out: curl sends it when the server asks for it");
            return;
        }
        let Some(user) = user else { return };
        if self.bearer.is_some() {
            notes.add("--user: left out, --oauth2-bearer sets Authorization");
            return;
        }
        let value = if user.contains(':') { basic(user) } else { basic(&format!("{user}:")) };
        match value {
            Some(value) => step.headers.push(("Authorization".to_owned(), value)),
            None => notes.add(
                "--user: left out, a variable in it cannot be encoded; add a header Authorization",
            ),
        }
    }

    fn content(
        &self,
        step: &mut Step,
        input: &Input<'_>,
        query: &mut Vec<String>,
        notes: &mut Notes,
    ) -> Result<(), ImportError> {
        if !self.fields.is_empty() {
            let mut all = Vec::new();
            for field in &self.fields {
                all.extend(parts::of(field, input, notes)?);
            }
            step.body = Some(Body::Multipart(all));
            self.check_form_type(step, notes);
            return Ok(());
        }
        let is_query = self.is_get || self.is_head;
        if is_query && self.is_json {
            self.add_types(step);
        }
        match &self.data {
            None => {}
            Some(Data::Text(text)) if is_query => query.push(in_lower_case(text)),
            Some(Data::File(file)) if is_query => {
                query.push(in_lower_case(&plain(&input.text(file, "-d")?)));
            }
            Some(Data::File(file)) => {
                self.add_types(step);
                step.body = Some(Body::File(given(file)?));
            }
            Some(Data::Text(text)) => {
                self.add_types(step);
                step.body = Some(if template::constant(text).is_some() {
                    body(text.clone(), header(step, "Content-Type"))
                } else {
                    // What a variable holds is sent as it is, and not encoded.
                    Body::Text(text.clone())
                });
            }
        }
        Ok(())
    }

    /// What `-d` and `--json` say of their data.
    fn add_types(&self, step: &mut Step) {
        let kind = if self.is_json { JSON } else { FORM };
        if !self.decides("Content-Type") {
            step.headers.push(("Content-Type".to_owned(), kind.to_owned()));
        }
        if self.is_json && !self.decides("Accept") {
            step.headers.push(("Accept".to_owned(), JSON.to_owned()));
        }
    }

    /// The length is that of the body; without a body there is none.
    fn settle_length(&self, step: &mut Step, notes: &mut Notes) {
        let is_length = |header: &&Header| header.name.eq_ignore_ascii_case("Content-Length");
        let given = self.headers.iter().rev().find(is_length).map(|header| header.value.as_deref());
        match (given, &step.body) {
            (Some(Some("0")), None) | (None, Some(_)) => {}
            (None | Some(None), None) => step.without.push("Content-Length".to_owned()),
            (Some(None), Some(_)) => {
                notes.add("-H 'Content-Length:': left out, a body is not sent without it");
            }
            (Some(Some(value)), _) => notes.add(format!(
                "header Content-Length: {}: left out, the length of the body is sent",
                crate::shown(value)
            )),
        }
    }

    fn check_form_type(&self, step: &Step, notes: &mut Notes) {
        let has_boundary = |kind: &str| kind.to_ascii_lowercase().contains("boundary=");
        if header(step, "Content-Type").is_some_and(has_boundary) {
            let why = "its boundary is left out, the form is sent with its own";
            notes.add(format!("header Content-Type: {why}"));
        }
        if self.decides("Content-Type") && header(step, "Content-Type").is_none() {
            notes.add("-H 'Content-Type:': left out, a form is not sent without it");
        }
    }
}

fn upload_body(
    step: &mut Step,
    file: &str,
    input: &Input<'_>,
    notes: &mut Notes,
) -> Result<(), ImportError> {
    step.body = Some(match input.stdin(file, "-T") {
        Some(text) => {
            notes.add(format!("-T {file}: sent with its length, curl sends stdin in chunks"));
            Body::Text(text?)
        }
        None => Body::File(given(file)?),
    });
    Ok(())
}

/// Without a type of its own, a body of the scenario has that of its kind.
fn leave_type_out(step: &mut Step) {
    let has_kind = matches!(step.body, Some(Body::Text(_) | Body::Json(_) | Body::Form(_)));
    if has_kind && header(step, "Content-Type").is_none() {
        step.without.push("Content-Type".to_owned());
    }
}

/// Cookies as they are written; they are cut when it is known whether users keep others.
fn add_cookie_line(step: &mut Step, line: &str, notes: &mut Notes) {
    if template::filled(line, "").contains(char::is_control) {
        notes.add("header Cookie: left out, its value has a control character");
    } else {
        step.headers.push(("Cookie".to_owned(), line.to_owned()));
    }
}

/// `content`, `=content`, `name=content`, `@file` or `name@file`, as `option` has it.
pub(super) fn encoded(value: &str, input: &Input<'_>, option: &str) -> Result<String, ImportError> {
    let of_text = |text: &str| template::map(text, &url::encoded);
    let at = template::find(value, |c| matches!(c, '=' | '@'));
    let (name, content) = match at.map(|at| value.split_at(at)) {
        None => ("", of_text(value)),
        Some((name, rest)) => match rest.strip_prefix('@') {
            Some(file) => match input.stdin(file, option) {
                Some(text) => (name, of_text(&text?)),
                None => (name, url::encoded_bytes(&input.bytes(file, option)?)),
            },
            None => (name, of_text(&rest[1..])),
        },
    };
    // A blank is written as in a form.
    let content = template::map(&content, &|text| text.replace("%20", "+"));
    Ok(if name.is_empty() { content } else { format!("{name}={content}") })
}

/// What curl adds to a query has the digits of its escapes in lower case.
fn in_lower_case(text: &str) -> String {
    template::map(text, &|literal| {
        let mut parts = literal.split('%');
        let mut lower = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let is_code = part.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
            let (code, rest) = part.split_at(if is_code { 2 } else { 0 });
            lower += &format!("%{}{rest}", code.to_ascii_lowercase());
        }
        lower
    })
}

/// The path as curl sends it (RFC 3986 section 5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

/// A file whose bytes are sent; no value can stand in its name.
pub(super) fn given(file: &str) -> Result<BodyFile, ImportError> {
    input::name(file).map(BodyFile::Given)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_lead_where_curl_follows_them() {
        for (path, expected) in [
            ("/", "/"),
            ("/a/./b/../c", "/a/c"),
            ("/../a", "/a"),
            ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("/a//b/", "/a//b/"),
            ("/a/%2e%2E/..b", "/a/%2e%2E/..b"),
        ] {
            assert_eq!(without_dots(path), expected, "{path}");
        }
    }
}
