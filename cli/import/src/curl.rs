//! Command lines of curl, as browsers copy them and people write them: a step for each address.

mod options;
mod words;

use crate::model::{Body, BodyFile, Flow, Part, PartContent, Scenario, Step};
use crate::request::{add_header, basic, body, default_header, header, is_method, settle};
use crate::template::{self, plain};
use crate::url::{self, Address};
use crate::{ImportError, Imported, Notes, Read};
use options::Known;

const FORM: &str = "application/x-www-form-urlencoded";

/// What an option does.
#[derive(Clone, Copy)]
enum Act {
    Method,
    Header,
    Data,
    DataBinary,
    DataRaw,
    DataEncoded,
    Json,
    Form,
    FormString,
    Get,
    Head,
    User,
    Bearer,
    Named(&'static str),
    Range,
    Cookie,
    CookieJar,
    Compressed,
    Url,
    UrlQuery,
    Upload,
    Next,
    GlobOff,
    /// It is so anyhow.
    Nothing,
    /// It cannot be taken over, because of this.
    Left(&'static str),
}

/// Read a command line as it was copied.
///
/// # Errors
/// When it is not a command of curl with an address of HTTP, or names a file that cannot be read.
pub fn import(line: &str, read: Read<'_>) -> Result<Imported, ImportError> {
    let found = words::words(line)?;
    let mut notes = Notes::default();
    if let Some(after) = &found.after {
        let after = crate::shown(after);
        notes.add(format!("`{after}`: left out, it is no part of the command; quote it if it is"));
    }
    command(&found.words, read, notes)
}

/// As [`import`], of words that a shell has cut already.
///
/// # Errors
/// As there.
pub fn import_words(words: &[String], read: Read<'_>) -> Result<Imported, ImportError> {
    let words: Vec<String> = words.iter().map(|word| plain(word)).collect();
    command(&words, read, Notes::default())
}

fn command(words: &[String], read: Read<'_>, notes: Notes) -> Result<Imported, ImportError> {
    // A prompt that was copied along, and variables that are set for the command alone.
    let is_before = |word: &&String| {
        word.as_str() == "$" || (word.contains('=') && !word.contains(['-', ':', '/', '?']))
    };
    let mut words = words.iter().skip_while(is_before).peekable();
    let is_curl = |word: &str| {
        word.rsplit(['/', '\\']).next().is_some_and(|name| matches!(name, "curl" | "curl.exe"))
    };
    match words.peek() {
        Some(word) if is_curl(word) => {
            words.next();
        }
        Some(word) if word.starts_with('-') || word.contains("://") => {}
        Some(word) => {
            let word = crate::shown(word);
            return Err(ImportError::new(format!("`{word}` is not curl: write curl first")));
        }
        None => {
            return Err(ImportError::new("there is no command: write curl and an address"));
        }
    }
    let mut reader =
        Reader { read, notes, request: Request::default(), has_cookies: false, steps: Vec::new() };
    reader.options(words.map(String::as_str))?;
    reader.finish()?;
    reader.imported()
}

/// What the options say so far, until `--next`.
#[derive(Default)]
struct Request {
    addresses: Vec<String>,
    method: Option<String>,
    headers: Vec<(String, String)>,
    data: Option<Data>,
    is_json: bool,
    parts: Vec<Part>,
    query: Vec<String>,
    is_get: bool,
    is_head: bool,
    is_glob_off: bool,
    user: Option<String>,
    upload: Option<String>,
}

/// What `-d` and its like have gathered.
enum Data {
    Text(String),
    /// One file as it is.
    File(String),
}

struct Reader<'a> {
    read: Read<'a>,
    notes: Notes,
    request: Request,
    has_cookies: bool,
    /// With the origin of each.
    steps: Vec<(String, Step)>,
}

impl Reader<'_> {
    fn options<'a>(&mut self, words: impl Iterator<Item = &'a str>) -> Result<(), ImportError> {
        let mut words = words;
        let mut is_past_options = false;
        while let Some(word) = words.next() {
            if is_past_options || !word.starts_with('-') || word == "-" {
                self.request.addresses.push(word.to_owned());
            } else if word == "--" {
                is_past_options = true;
            } else if word.starts_with("--") {
                let (name, joined) =
                    word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
                let Some(known) = options::known(name) else {
                    self.unknown(name);
                    continue;
                };
                self.take(known, joined, &mut words)?;
            } else {
                self.letters(&word[1..], &mut words)?;
            }
        }
        Ok(())
    }

    /// `-sSfXPOST`: letters, until one takes a value.
    fn letters<'a>(
        &mut self,
        letters: &'a str,
        words: &mut impl Iterator<Item = &'a str>,
    ) -> Result<(), ImportError> {
        for (at, letter) in letters.char_indices() {
            let Some(known) = options::known(&format!("-{letter}")) else {
                self.unknown(&format!("-{letter}"));
                continue;
            };
            let rest = &letters[at + letter.len_utf8()..];
            if known.takes_value {
                let joined = (!rest.is_empty()).then_some(rest);
                return self.take(known, joined, words);
            }
            self.take(known, None, words)?;
        }
        Ok(())
    }

    fn unknown(&mut self, name: &str) {
        let name = crate::shown(name);
        self.notes.add(format!("{name}: left out, no option of curl is called so here"));
    }

    fn take<'a>(
        &mut self,
        known: Known,
        joined: Option<&'a str>,
        words: &mut impl Iterator<Item = &'a str>,
    ) -> Result<(), ImportError> {
        let value = match (known.takes_value, joined) {
            (false, _) => "",
            (true, Some(value)) => value,
            (true, None) => words.next().ok_or_else(|| {
                ImportError::new(format!("{} has no value: copy all of the command", known.name))
            })?,
        };
        self.act(known, value)
    }

    fn act(&mut self, known: Known, value: &str) -> Result<(), ImportError> {
        let request = &mut self.request;
        match known.act {
            Act::Method => request.method = Some(value.to_owned()),
            Act::Header => self.header(value)?,
            Act::Named(name) => request.headers.push((name.to_owned(), value.to_owned())),
            Act::Range => {
                request.headers.push(("Range".to_owned(), format!("bytes={value}")));
            }
            Act::Bearer => {
                request.headers.push(("Authorization".to_owned(), format!("Bearer {value}")));
            }
            Act::Compressed => {
                let all = ("Accept-Encoding".to_owned(), "deflate, gzip, br, zstd".to_owned());
                request.headers.push(all);
                self.notes.add("--compressed: answers are not unpacked before they are checked");
            }
            Act::Data | Act::DataBinary | Act::DataRaw | Act::DataEncoded | Act::Json => {
                self.data(known.act, value)?;
            }
            Act::Form => self.form(value)?,
            Act::FormString => {
                let (name, text) = template::split_once(value, '=').unwrap_or((value, ""));
                self.part(name, PartContent::Text(text.to_owned()), "")?;
            }
            Act::Get => request.is_get = true,
            Act::Head => request.is_head = true,
            Act::GlobOff => request.is_glob_off = true,
            Act::User => request.user = Some(value.to_owned()),
            Act::Cookie if value.contains('=') => {
                request.headers.push(("Cookie".to_owned(), value.to_owned()));
            }
            Act::Cookie if value.is_empty() => self.has_cookies = true,
            Act::Cookie => {
                self.has_cookies = true;
                let file = crate::shown(value);
                self.notes.add(format!(
                    "--cookie {file}: left out, the file is not read; users \
                     keep the cookies that answers set"
                ));
            }
            Act::CookieJar => self.has_cookies = true,
            Act::Url => request.addresses.push(value.to_owned()),
            Act::UrlQuery => request.query.push(value.to_owned()),
            Act::Upload => request.upload = Some(value.to_owned()),
            Act::Next => self.finish()?,
            Act::Nothing => {}
            Act::Left(why) => self.notes.add(format!("{}: left out, {why}", known.name)),
        }
        Ok(())
    }

    fn header(&mut self, value: &str) -> Result<(), ImportError> {
        if let Some(file) = value.strip_prefix('@') {
            let text = self.text(file)?;
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                self.header_line(&plain(line));
            }
        } else {
            self.header_line(value);
        }
        Ok(())
    }

    fn header_line(&mut self, line: &str) {
        match line.split_once(':') {
            // curl leaves out its own header of that name then.
            Some((_, value)) if value.trim().is_empty() => {}
            Some((name, value)) => {
                self.request.headers.push((name.to_owned(), value.trim().to_owned()));
            }
            // `Name;` sends it empty.
            None => match line.strip_suffix(';') {
                Some(name) => self.request.headers.push((name.to_owned(), String::new())),
                None => {
                    let line = crate::shown(line);
                    self.notes.add(format!("-H '{line}': left out, a header is 'Name: value'"));
                }
            },
        }
    }

    /// The text of a file that the command names.
    fn text(&self, file: &str) -> Result<String, ImportError> {
        let file = template::constant(file).unwrap_or_else(|| file.to_owned());
        let bytes = (self.read)(&file).map_err(ImportError)?;
        let not_text = |_| {
            ImportError::new(format!("{file} is no text: send it alone, by --data-binary @{file}"))
        };
        String::from_utf8(bytes).map_err(not_text)
    }

    fn data(&mut self, act: Act, value: &str) -> Result<(), ImportError> {
        let file = value.strip_prefix('@').filter(|_| !matches!(act, Act::DataRaw));
        let text = match (act, file) {
            (Act::DataEncoded, _) => self.encoded(value)?,
            (_, None) => value.to_owned(),
            (Act::DataBinary | Act::Json, Some(file)) if self.request.data.is_none() => {
                self.request.is_json |= matches!(act, Act::Json);
                self.request.data = Some(Data::File(file.to_owned()));
                return Ok(());
            }
            (Act::DataBinary | Act::Json, Some(file)) => plain(&self.text(file)?),
            // `-d @file` has always left out line ends.
            (_, Some(file)) => plain(&self.text(file)?.replace(['\r', '\n', '\0'], "")),
        };
        let is_json = matches!(act, Act::Json);
        self.request.is_json |= is_json;
        // JSON is put together as it comes.
        let between = if is_json { "" } else { "&" };
        self.request.data = Some(Data::Text(match self.request.data.take() {
            None => text,
            Some(Data::Text(before)) => format!("{before}{between}{text}"),
            Some(Data::File(file)) => format!("{}{between}{text}", plain(&self.text(&file)?)),
        }));
        Ok(())
    }

    /// `content`, `=content`, `name=content`, `@file` or `name@file`.
    fn encoded(&self, value: &str) -> Result<String, ImportError> {
        let at = template::find(value, |c| matches!(c, '=' | '@'));
        let (name, content) = match at.map(|at| value.split_at(at)) {
            None => ("", value.to_owned()),
            Some((name, rest)) => match rest.strip_prefix('@') {
                Some(file) => (name, plain(&self.text(file)?)),
                None => (name, rest[1..].to_owned()),
            },
        };
        let content = template::map(&content, &url::encoded);
        Ok(if name.is_empty() { content } else { format!("{name}={content}") })
    }

    /// `name=content`, `name=@file` or `name=<file`, with `;type=` and `;filename=` behind it.
    fn form(&mut self, value: &str) -> Result<(), ImportError> {
        let Some((name, content)) = template::split_once(value, '=') else {
            let value = crate::shown(value);
            return Err(ImportError::new(format!("-F '{value}' has no `=`: write name=content")));
        };
        let (content, parameters) = match template::split_once(content, ';') {
            _ if content.starts_with('"') => (content, ""),
            Some((content, parameters)) => (content, parameters),
            None => (content, ""),
        };
        let unquoted = |text: &str| text.trim().trim_matches('"').to_owned();
        let content = if let Some(file) = content.strip_prefix('@') {
            if file.contains(',') {
                self.notes.add(format!("-F {name}: several files in one part are taken for one"));
            }
            PartContent::File(given(&unquoted(file))?)
        } else if let Some(file) = content.strip_prefix('<') {
            PartContent::Text(plain(&self.text(&unquoted(file))?))
        } else {
            PartContent::Text(content.to_owned())
        };
        self.part(name, content, parameters)
    }

    fn part(
        &mut self,
        name: &str,
        content: PartContent,
        parameters: &str,
    ) -> Result<(), ImportError> {
        let name = template::constant(name).filter(|name| !name.is_empty()).ok_or_else(|| {
            ImportError::new("a part of the form has no name of its own: write -F name=content")
        })?;
        let mut part = Part { name, content, filename: None, content_type: None };
        for parameter in template::split(parameters, ';') {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = template::constant(value.trim().trim_matches('"')).unwrap_or_default();
            match key.trim() {
                "" => {}
                "type" => part.content_type = content_type(&value),
                "filename" => part.filename = Some(value),
                other => {
                    let other = crate::shown(other);
                    self.notes
                        .add(format!("-F …;{other}=: left out, parts have type and filename"));
                }
            }
        }
        self.request.parts.push(part);
        Ok(())
    }

    /// The steps of what was said so far.
    fn finish(&mut self) -> Result<(), ImportError> {
        let request = std::mem::take(&mut self.request);
        if request.addresses.is_empty() {
            return Err(ImportError::new("the command has no address: copy all of it"));
        }
        for address in &request.addresses {
            self.step(&request, address)?;
        }
        Ok(())
    }

    fn step(&mut self, request: &Request, address: &str) -> Result<(), ImportError> {
        if !request.is_glob_off && template::find(address, |c| "{}[]".contains(c)).is_some() {
            let shown = crate::shown(address);
            self.notes.add(format!(
                "`{shown}`: braces are sent as they are, curl would make several \
                 addresses of them"
            ));
        }
        let mut address = Address::parse(address)?;
        let mut step = Step::default();
        for (name, value) in &request.headers {
            add_header(&mut step, name, value, &address.origin, &mut self.notes);
        }
        self.authorize(&mut step, request, &address);
        let mut query: Vec<String> = address.query.take().into_iter().collect();
        for text in &request.query {
            query.push(self.encoded(text)?);
        }
        self.content(&mut step, request, &mut query)?;
        address.query = (!query.is_empty()).then(|| query.join("&"));
        step.target = address.target();
        if request.upload.is_some() && address.path.ends_with('/') {
            self.notes.add("--upload-file: curl would add the file's name to the path");
        }
        let by_content = if request.is_head {
            "HEAD"
        } else if request.upload.is_some() {
            "PUT"
        } else if step.body.is_some() {
            "POST"
        } else {
            "GET"
        };
        let method = request.method.as_deref().unwrap_or(by_content);
        if !is_method(method) {
            let method = crate::shown(method);
            return Err(ImportError::new(format!("-X {method} is no method: write one like GET")));
        }
        step.method = method.to_owned();
        settle(&mut step);
        self.steps.push((address.origin, step));
        Ok(())
    }

    fn authorize(&mut self, step: &mut Step, request: &Request, address: &Address) {
        let Some(user) = request.user.as_ref().or(address.user.as_ref()) else { return };
        if header(step, "Authorization").is_some() {
            self.notes.add("--user: left out, there is a header Authorization");
            return;
        }
        let user = if user.contains(':') { user.clone() } else { format!("{user}:") };
        match basic(&user) {
            Some(value) => default_header(step, "Authorization", &value),
            None => self.notes.add(
                "--user: left out, a variable in it cannot be encoded; add a header Authorization",
            ),
        }
    }

    fn content(
        &mut self,
        step: &mut Step,
        request: &Request,
        query: &mut Vec<String>,
    ) -> Result<(), ImportError> {
        if let Some(file) = &request.upload {
            step.body = Some(Body::File(given(file)?));
            return Ok(());
        }
        if !request.parts.is_empty() {
            step.body = Some(Body::Multipart(request.parts.clone()));
            return Ok(());
        }
        match &request.data {
            None => {}
            Some(data) if request.is_get || request.is_head => query.push(match data {
                Data::Text(text) => text.clone(),
                Data::File(file) => plain(&self.text(file)?),
            }),
            Some(data) => {
                if request.is_json {
                    default_header(step, "Content-Type", "application/json");
                    default_header(step, "Accept", "application/json");
                }
                default_header(step, "Content-Type", FORM);
                step.body = Some(match data {
                    Data::Text(text) => body(text.clone(), header(step, "Content-Type")),
                    Data::File(file) => Body::File(given(file)?),
                });
            }
        }
        Ok(())
    }

    fn imported(self) -> Result<Imported, ImportError> {
        let mut notes = self.notes;
        let mut steps = self.steps.into_iter().peekable();
        let Some((target, _)) = steps.peek().cloned() else {
            return Err(ImportError::new("the command has no address: copy all of it"));
        };
        let mut flow = Flow { name: "curl".to_owned(), ..Flow::default() };
        for (origin, step) in steps {
            if origin == target {
                flow.steps.push(step);
            } else {
                notes.add(format!("{origin}: left out, a scenario has one target"));
            }
        }
        let scenario = Scenario {
            origin: "Imported from a command of curl.".to_owned(),
            target,
            has_cookies: self.has_cookies,
            flows: vec![flow],
            ..Scenario::default()
        };
        Ok(Imported { scenario, files: Vec::new(), notes })
    }
}

/// A file whose bytes are sent; no value can stand in its name.
fn given(file: &str) -> Result<BodyFile, ImportError> {
    template::constant(file).map(BodyFile::Given).ok_or_else(|| {
        let file = crate::shown(file);
        ImportError::new(format!("@{file}: a variable cannot stand in it: write the file's name"))
    })
}

/// What the sender accepts as a content type: something without control characters.
fn content_type(text: &str) -> Option<String> {
    (!text.is_empty() && !text.contains(char::is_control)).then(|| text.to_owned())
}
