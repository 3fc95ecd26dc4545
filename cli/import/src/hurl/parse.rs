//! Splits the text of a Hurl file into entries by Hurl's grammar. The fields keep their text as
//! written, with escapes and templates.

use crate::ImportError;

/// A request, and the expectations for its answer.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) line: usize,
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: Vec<Field>,
    pub(super) query: Vec<Field>,
    pub(super) form: Vec<Field>,
    pub(super) multipart: Vec<Field>,
    pub(super) cookies: Vec<Field>,
    pub(super) basic: Vec<Field>,
    pub(super) options: Vec<Field>,
    pub(super) body: Option<Content>,
    pub(super) response: Option<Response>,
}

/// The expectations for an answer.
#[derive(Debug, Default)]
pub(super) struct Response {
    pub(super) line: usize,
    /// `None` for `*`, any status.
    pub(super) status: Option<u16>,
    pub(super) headers: Vec<Field>,
    pub(super) captures: Vec<Field>,
    /// The assertions, one per line.
    pub(super) asserts: Vec<(usize, String)>,
    pub(super) body: Option<Content>,
}

/// `key: value`.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) line: usize,
    pub(super) key: String,
    pub(super) value: String,
}

/// A body.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) line: usize,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Json(String),
    Xml(String),
    /// Between three backticks, with the word behind the first three.
    Block {
        language: String,
        text: String,
    },
    /// Between single backticks.
    OneLine(String),
    Base64(String),
    Hex(String),
    File(String),
}

/// Names of sections: the first of several is the current one.
const SECTIONS: [(&str, Section); 13] = [
    ("Query", Section::Query),
    ("QueryStringParams", Section::Query),
    ("Form", Section::Form),
    ("FormParams", Section::Form),
    ("Multipart", Section::Multipart),
    ("MultipartFormData", Section::Multipart),
    ("Cookies", Section::Cookies),
    ("BasicAuth", Section::Basic),
    ("Options", Section::Options),
    ("Captures", Section::Captures),
    ("Asserts", Section::Asserts),
    ("Headers", Section::Headers),
    ("ResponseHeaders", Section::Headers),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Headers,
    Query,
    Form,
    Multipart,
    Cookies,
    Basic,
    Options,
    Captures,
    Asserts,
}

/// Splits a file into entries.
pub(super) fn entries(text: &str) -> Result<Vec<Entry>, ImportError> {
    let mut parser = Parser { text, at: 0, entries: Vec::new(), section: Section::Headers };
    while parser.at < text.len() {
        parser.item()?;
    }
    Ok(parser.entries)
}

struct Parser<'a> {
    text: &'a str,
    /// The position: the start of a line, except after a body.
    at: usize,
    entries: Vec<Entry>,
    section: Section,
}

impl<'a> Parser<'a> {
    fn line_number(&self) -> usize {
        self.text[..self.at].matches('\n').count() + 1
    }

    fn bad(&self, why: &str) -> ImportError {
        let line = self.text[self.at..].lines().next().unwrap_or_default();
        ImportError::new(format!("line {}: `{}`: {why}", self.line_number(), crate::shown(line)))
    }

    /// Parses a line, or a body of several lines.
    fn item(&mut self) -> Result<(), ImportError> {
        let rest = &self.text[self.at..];
        let end = rest.find('\n').map_or(rest.len(), |end| end + 1);
        let line = rest[..end].trim();
        if line.is_empty() || line.starts_with('#') {
            self.at += end;
        } else if let Some(section) = section(line) {
            self.begin(section)?;
            self.at += end;
        } else if line.starts_with('[')
            && line.ends_with(']')
            && line[1..].starts_with(char::is_uppercase)
        {
            return Err(self.bad("Hurl has no section of this name: fix it"));
        } else if let Some((method, url)) = request_line(line) {
            let line = self.line_number();
            let url = without_comment(url).to_owned();
            self.entries.push(Entry { line, method: method.to_owned(), url, ..Entry::default() });
            self.section = Section::Headers;
            self.at += end;
        } else if let Some(status) = response_line(line) {
            self.response(status)?;
            self.at += end;
        } else if self.section == Section::Asserts && !is_block(line) {
            let number = self.line_number();
            let multiline = line.contains("```").then(|| self.block_end(rest)).transpose()?;
            let end = multiline.unwrap_or(end);
            let assert = (number, rest[..end].trim().to_owned());
            self.last_response()?.asserts.push(assert);
            self.at += end;
        } else if let Some((kind, length)) = self.content(rest)? {
            let content = Content { line: self.line_number(), kind };
            self.at += length;
            self.end_of_line()?;
            self.set_body(content)?;
        } else {
            self.field(line)?;
            self.at += end;
        }
        Ok(())
    }

    fn begin(&mut self, section: Section) -> Result<(), ImportError> {
        let is_of_answer = matches!(section, Section::Captures | Section::Asserts);
        let has_answer = self.entries.last().is_some_and(|entry| entry.response.is_some());
        if self.entries.is_empty() {
            return Err(self.bad("begin with a request, such as GET http://127.0.0.1:8080/"));
        }
        if section != Section::Headers && is_of_answer != has_answer {
            return Err(self.bad(if is_of_answer {
                "it applies to an answer: write HTTP 200 before it"
            } else {
                "it applies to a request: write it before HTTP 200"
            }));
        }
        self.section = section;
        Ok(())
    }

    fn response(&mut self, status: &str) -> Result<(), ImportError> {
        let status = match without_comment(status) {
            "*" => None,
            number => {
                Some(number.parse().ok().filter(|s| (100..1000).contains(s)).ok_or_else(|| {
                    self.bad("a status is a number from 100 to 999, or *: write HTTP 200")
                })?)
            }
        };
        let line = self.line_number();
        let wrong = self.bad("an answer follows a request: write one before it");
        match self.entries.last_mut() {
            Some(entry) if entry.response.is_none() => {
                entry.response = Some(Response { line, status, ..Response::default() });
            }
            _ => return Err(wrong),
        }
        self.section = Section::Headers;
        Ok(())
    }

    fn last_response(&mut self) -> Result<&mut Response, ImportError> {
        let wrong = self.bad("it applies to an answer: write HTTP 200 before it");
        self.entries.last_mut().and_then(|entry| entry.response.as_mut()).ok_or(wrong)
    }

    fn set_body(&mut self, content: Content) -> Result<(), ImportError> {
        let wrong = self.bad("a body follows a request: write one before it");
        let entry = self.entries.last_mut().ok_or(wrong)?;
        match &mut entry.response {
            Some(response) => response.body = Some(content),
            None => entry.body = Some(content),
        }
        Ok(())
    }

    fn field(&mut self, line: &str) -> Result<(), ImportError> {
        let (key, value) = key_and_value(line).ok_or_else(|| {
            self.bad("neither a request, nor `name: value`, nor a section: fix it")
        })?;
        let field = Field {
            line: self.line_number(),
            key: key.to_owned(),
            value: without_comment(value).to_owned(),
        };
        let wrong = self.bad("begin with a request, such as GET http://127.0.0.1:8080/");
        let entry = self.entries.last_mut().ok_or(wrong)?;
        match (self.section, &mut entry.response) {
            (Section::Headers, Some(response)) => response.headers.push(field),
            (Section::Captures, Some(response)) => response.captures.push(field),
            (Section::Query, _) => entry.query.push(field),
            (Section::Form, _) => entry.form.push(field),
            (Section::Multipart, _) => entry.multipart.push(field),
            (Section::Cookies, _) => entry.cookies.push(field),
            (Section::Basic, _) => entry.basic.push(field),
            (Section::Options, _) => entry.options.push(field),
            _ => entry.headers.push(field),
        }
        Ok(())
    }

    /// The text after a body up to the end of its line.
    fn end_of_line(&mut self) -> Result<(), ImportError> {
        let rest = &self.text[self.at..];
        let end = rest.find('\n').map_or(rest.len(), |end| end + 1);
        let line = rest[..end].trim();
        if !line.is_empty() && !line.starts_with('#') {
            return Err(self.bad("something follows the body: begin a line"));
        }
        self.at += end;
        Ok(())
    }

    /// Parses a body that begins here; returns it with the length of the text it takes.
    fn content(&self, rest: &'a str) -> Result<Option<(Kind, usize)>, ImportError> {
        let begin = rest.len() - rest.trim_start().len();
        let body = &rest[begin..];
        let found = if body.starts_with("```") {
            let length = self.block_end(body)?;
            (block(&body[..length]), length)
        } else if let Some(inner) = body.strip_prefix('`') {
            let end = inner.find('`').ok_or_else(|| self.bad("the ` is not closed: close it"))?;
            (Kind::OneLine(inner[..end].to_owned()), end + 2)
        } else if let Some((kind, length)) = self.encoded(body)? {
            (kind, length)
        } else if body.starts_with(['{', '[']) {
            let length =
                json_length(body).ok_or_else(|| self.bad("the JSON does not end: fix it"))?;
            (Kind::Json(body[..length].to_owned()), length)
        } else if body.starts_with('<') {
            let length =
                xml_length(body).ok_or_else(|| self.bad("the XML does not end: fix it"))?;
            (Kind::Xml(body[..length].to_owned()), length)
        } else {
            let line = body.lines().next().unwrap_or_default();
            let line = without_comment(line);
            if serde_json::from_str::<serde::de::IgnoredAny>(line).is_err() {
                return Ok(None);
            }
            (Kind::Json(line.to_owned()), line.len())
        };
        Ok(Some((found.0, begin + found.1)))
    }

    /// `base64,…;`, `hex,…;` and `file,…;`.
    fn encoded(&self, body: &str) -> Result<Option<(Kind, usize)>, ImportError> {
        for prefix in ["base64,", "hex,", "file,"] {
            if let Some(inner) = body.strip_prefix(prefix) {
                let end = inner.find(';').ok_or_else(|| self.bad("write a `;` behind it"))?;
                let length = prefix.len() + end + 1;
                let text = inner[..end].trim().to_owned();
                let kind = match prefix {
                    "base64," => Kind::Base64(text),
                    "hex," => Kind::Hex(text),
                    _ => Kind::File(text),
                };
                return Ok(Some((kind, length)));
            }
        }
        Ok(None)
    }

    /// The end of the block with three backticks in `text`, including the backticks.
    fn block_end(&self, text: &str) -> Result<usize, ImportError> {
        let open = text.find("```").map_or(0, |at| at + 3);
        let close = text[open..].find("```");
        close.map(|at| open + at + 3).ok_or_else(|| self.bad("the ``` are not closed: close them"))
    }
}

fn is_block(line: &str) -> bool {
    line.starts_with(['`', '{', '[', '<'])
}

/// `[Name]` alone on a line. Other brackets are JSON.
fn section(line: &str) -> Option<Section> {
    let inner = without_comment(line).strip_prefix('[')?.strip_suffix(']')?;
    SECTIONS.iter().find(|(name, _)| *name == inner).map(|(_, section)| *section)
}

fn request_line(line: &str) -> Option<(&str, &str)> {
    let (method, rest) = line.split_once([' ', '\t'])?;
    let is_method = method.chars().all(|c| c.is_ascii_uppercase()) && method != "HTTP";
    let rest = rest.trim();
    (is_method && !rest.is_empty() && !rest.starts_with(':')).then_some((method, rest))
}

/// The status after `HTTP`, `HTTP/1.1` and the like.
fn response_line(line: &str) -> Option<&str> {
    let (version, status) = line.split_once([' ', '\t'])?;
    let is_version =
        matches!(version, "HTTP" | "HTTP/1.0" | "HTTP/1.1" | "HTTP/2" | "HTTP/3" | "HTTP/*");
    is_version.then(|| status.trim())
}

/// Splits at the first colon that is not escaped and not in a template or quotes.
pub(super) fn key_and_value(line: &str) -> Option<(&str, &str)> {
    let (mut is_escaped, mut in_quotes) = (false, false);
    let mut at = 0;
    while let Some(c) = line[at..].chars().next() {
        match c {
            '{' if line[at..].starts_with("{{") => {
                at += line[at..].find("}}")?;
            }
            ':' if !is_escaped && !in_quotes => {
                let key = line[..at].trim();
                return (!key.is_empty()).then(|| (key, line[at + 1..].trim()));
            }
            '"' if at == 0 || in_quotes && !is_escaped => in_quotes = !in_quotes,
            _ => {}
        }
        is_escaped = c == '\\' && !is_escaped;
        at += line[at..].chars().next().map_or(1, char::len_utf8);
    }
    None
}

/// Removes a comment, which begins with `#` unless that is escaped or between quotes, backticks or
/// slashes. In an address `#` begins a fragment unless a space precedes it.
pub(super) fn without_comment(text: &str) -> &str {
    let mut quote: Option<char> = None;
    let mut is_escaped = false;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open && !is_escaped => quote = None,
            (None, '"' | '`') if before == ' ' => quote = Some(c),
            (None, '/') if before == ' ' => quote = Some(c),
            (None, '#') if before == ' ' && !is_escaped => return text[..at].trim(),
            _ => {}
        }
        is_escaped = c == '\\' && !is_escaped;
        before = c;
    }
    // A quote that is never closed is not a quote.
    match text.find(" #") {
        Some(at) if quote.is_some() => text[..at].trim(),
        _ => text.trim(),
    }
}

/// ` ``` `, the language, a line end, the text; or all on one line without a language.
fn block(whole: &str) -> Kind {
    let inner = whole.trim_start_matches("```");
    let inner = inner.strip_suffix("```").unwrap_or(inner);
    match inner.split_once('\n') {
        Some((language, text)) => {
            Kind::Block { language: language.trim().to_owned(), text: text.to_owned() }
        }
        None => Kind::Block { language: String::new(), text: inner.to_owned() },
    }
}

/// The length of the object or array at the start of `text`. Templates have two braces on each
/// side, so counting braces is correct.
fn json_length(text: &str) -> Option<usize> {
    let (mut depth, mut in_string, mut is_escaped) = (0usize, false, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' if !is_escaped => in_string = !in_string,
            '{' | '[' if !in_string => depth += 1,
            '}' | ']' if !in_string => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    None
}

/// The length of the element at the start of `text`, with the text before it.
fn xml_length(text: &str) -> Option<usize> {
    let (mut depth, mut at) = (0usize, 0);
    loop {
        at += text[at..].find('<')?;
        let rest = &text[at..];
        let skip = |end: &str| rest.find(end).map(|found| found + end.len());
        at += match rest.as_bytes().get(1)? {
            b'?' => skip("?>")?,
            b'!' if rest.starts_with("<!--") => skip("-->")?,
            b'!' if rest.starts_with("<![CDATA[") => skip("]]>")?,
            b'!' => skip(">")?,
            b'/' => {
                depth = depth.checked_sub(1)?;
                skip(">")?
            }
            _ => {
                let end = tag_length(rest)?;
                depth += usize::from(!rest[..end].ends_with("/>"));
                end
            }
        };
        let is_element = !matches!(rest.as_bytes().get(1), Some(b'?' | b'!'));
        if depth == 0 && is_element {
            return Some(at);
        }
    }
}

/// A `>` in a quoted attribute does not end the tag.
fn tag_length(text: &str) -> Option<usize> {
    let mut quote: Option<char> = None;
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) => quote = quote.filter(|_| c != open),
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None if c == '>' => return Some(at + 1),
            None => {}
        }
    }
    None
}
