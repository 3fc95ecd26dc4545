//! curl command lines, copied from a browser or written by hand: one step for each address.

mod build;
pub mod form;
mod glob;
mod input;
mod options;
mod parts;
mod shell;
mod words;

use std::iter::Peekable;

use crate::model::{Flow, Scenario, Step};
use crate::request::{add_cookies, exact_cookies};
use crate::template::plain;
use crate::{ImportError, Imported, Notes, Read};
use build::{Data, Header, Request};
use form::Field;
use input::Input;
use options::Known;
use shell::{Command, Joint};

/// The effect of an option.
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
    Agent,
    Referer,
    Range,
    Cookie,
    CookieJar,
    Compressed,
    Url,
    UrlQuery,
    Upload,
    Next,
    GlobOff,
    PathAsIs,
    /// `--request-target`
    Target,
    /// The scenario already behaves in this way.
    Nothing,
    /// The user name and password are for an authentication that cannot be imported, for this
    /// reason.
    Challenge(&'static str),
    /// The option cannot be imported, for this reason.
    Left(&'static str),
}

/// Imports copied text: one command, or several with shell syntax between them.
///
/// # Errors
/// There is no curl command with an HTTP address, or a command names a file that cannot be read, or
/// needs a shell to be evaluated.
pub fn import(text: &str, read: Read<'_>) -> Result<Imported, ImportError> {
    let script = shell::script(text)?;
    let mut all = All::default();
    script.notes.iter().for_each(|note| all.notes.add(note));
    let mut other = None;
    for command in script.commands {
        let is_first = all.steps.is_empty() && other.is_none();
        let Some(words) = words_of_curl(&command.words, is_first) else {
            all.notes.add(left_out(&command));
            other.get_or_insert(command);
            continue;
        };
        if command.joint == Joint::Or {
            let shown = crate::shown(&command.source);
            all.notes
                .add(format!("`{shown}`: left out, it runs only when the command before it fails"));
            continue;
        }
        all.command(words, Input { read, stdin: command.stdin })?;
    }
    all.imported(other.as_ref())
}

/// Like [`import`], for the words of one command that a shell has already split.
///
/// # Errors
/// The same as those of [`import`].
pub fn import_words(words: &[String], read: Read<'_>) -> Result<Imported, ImportError> {
    let words: Vec<String> = words.iter().map(|word| plain(word)).collect();
    let mut all = All::default();
    let command = Command { words, ..Command::default() };
    match words_of_curl(&command.words, true) {
        Some(words) => {
            all.command(words, Input { read, stdin: command.stdin })?;
            all.imported(None)
        }
        None => all.imported(Some(&command)),
    }
}

/// The words after `curl`, which may be missing from the first command.
fn words_of_curl(words: &[String], is_first: bool) -> Option<&[String]> {
    let (first, rest) = words.split_first()?;
    match first.rsplit(['/', '\\']).next() {
        Some("curl" | "curl.exe") => Some(rest),
        _ if is_first && (first.starts_with('-') || first.contains("://")) => Some(words),
        _ => None,
    }
}

/// The note on a command other than curl.
fn left_out(command: &Command) -> String {
    let shown = crate::shown(&command.source);
    match command.joint {
        Joint::Pipe => format!("`{shown}`: left out, answers are measured, not passed on"),
        Joint::Background { is_glued: true } => {
            format!("`{shown}`: left out; if it is part of the address, put quotes around that")
        }
        _ => format!("`{shown}`: left out, it is not curl"),
    }
}

/// The steps of all commands so far.
#[derive(Default)]
struct All {
    notes: Notes,
    has_cookies: bool,
    /// The steps, each with its origin.
    steps: Vec<(String, Step)>,
}

impl All {
    fn command(&mut self, words: &[String], input: Input<'_>) -> Result<(), ImportError> {
        let mut reader = Reader { input, request: Request::default(), all: self };
        reader.options(words.iter().map(String::as_str))?;
        reader.finish()
    }

    fn imported(self, other: Option<&Command>) -> Result<Imported, ImportError> {
        let Self { mut notes, has_cookies, steps } = self;
        let mut steps = steps.into_iter().peekable();
        let Some((target, _)) = steps.peek().cloned() else {
            let first = other.and_then(|command| command.words.first());
            return Err(ImportError::new(match first {
                Some(word) => format!("`{}` is not curl: write curl first", crate::shown(word)),
                None => "there is no command: write curl and an address".to_owned(),
            }));
        };
        let mut flow = Flow { name: "curl".to_owned(), ..Flow::default() };
        for (origin, mut step) in steps {
            if origin == target {
                settle_cookies(&mut step, has_cookies, &mut notes);
                flow.steps.push(step);
            } else {
                notes.add(format!("{origin}: left out, a scenario has one target"));
            }
        }
        let scenario = Scenario {
            origin: "Imported from a curl command.".to_owned(),
            target,
            has_cookies,
            flows: vec![flow],
            ..Scenario::default()
        };
        Ok(Imported { scenario, files: Vec::new(), notes })
    }
}

/// Moves cookies into a table if that sends the same bytes, or if users also keep their own
/// cookies.
fn settle_cookies(step: &mut Step, has_cookies: bool, notes: &mut Notes) {
    let is_cookie = |name: &str| name.eq_ignore_ascii_case("Cookie");
    let lines: Vec<String> = step
        .headers
        .iter()
        .filter(|(name, _)| is_cookie(name))
        .map(|(_, value)| value.clone())
        .collect();
    if has_cookies {
        lines.iter().for_each(|line| add_cookies(step, line, notes));
    } else if let [line] = lines.as_slice()
        && let Some(cookies) = exact_cookies(line)
    {
        step.cookies = cookies;
    } else {
        return;
    }
    step.headers.retain(|(name, _)| !is_cookie(name));
}

struct Reader<'a, 'b> {
    input: Input<'a>,
    request: Request,
    all: &'b mut All,
}

impl Reader<'_, '_> {
    fn options<'a>(&mut self, words: impl Iterator<Item = &'a str>) -> Result<(), ImportError> {
        let mut words = words.peekable();
        let mut is_past_options = false;
        while let Some(word) = words.next() {
            if is_past_options || !word.starts_with('-') || word == "-" {
                self.request.addresses.push(word.to_owned());
            } else if word == "--" {
                is_past_options = true;
            } else if word.starts_with("--") {
                let (name, joined) =
                    word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
                match options::known(name) {
                    Some(known) => self.take(known, joined, &mut words)?,
                    None if self.negated(name) => {}
                    None => self.unknown(name, joined, &mut words),
                }
            } else {
                self.letters(&word[1..], &mut words)?;
            }
        }
        Ok(())
    }

    /// `-sSfXPOST`: single letters, up to the first that takes a value.
    fn letters<'a>(
        &mut self,
        letters: &'a str,
        words: &mut Peekable<impl Iterator<Item = &'a str>>,
    ) -> Result<(), ImportError> {
        for (at, letter) in letters.char_indices() {
            let Some(known) = options::known(&format!("-{letter}")) else {
                self.unknown(&format!("-{letter}"), None, words);
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

    /// An unknown option may take a value, which is then not an address.
    fn unknown<'a>(
        &mut self,
        name: &str,
        joined: Option<&str>,
        words: &mut Peekable<impl Iterator<Item = &'a str>>,
    ) {
        let name = crate::shown(name);
        let notes = &mut self.all.notes;
        if name.starts_with("--expand-") {
            // It takes a value, even one that looks like an option.
            let value = if joined.is_none() { words.next() } else { joined };
            let with = if value.is_some() { " and its value" } else { "" };
            notes.add(format!(
                "{name}{with}: left out, variables of curl are not expanded: write the option \
                 with its value"
            ));
            return;
        }
        notes.add(format!("{name}: left out, it is not a known option of curl"));
        let is_doubtful = |word: &&str| {
            !word.starts_with('-') && !word.contains("://") && !word.contains(['.', ':', '/'])
        };
        if joined.is_none()
            && let Some(word) = words.next_if(is_doubtful)
        {
            self.request.doubtful.push(word.to_owned());
        }
    }

    /// `--no-…` cancels a switch.
    fn negated(&mut self, name: &str) -> bool {
        let Some(known) = name
            .strip_prefix("--no-")
            .and_then(|rest| options::known(&format!("--{rest}")))
            .filter(|known| !known.takes_value)
        else {
            return false;
        };
        let request = &mut self.request;
        match known.act {
            Act::Get => request.is_get = false,
            Act::Head => request.is_head = false,
            Act::GlobOff => request.is_glob_off = false,
            Act::PathAsIs => request.keeps_dots = false,
            Act::Compressed => request.is_compressed = false,
            Act::Challenge(_) => request.is_challenged = false,
            // The scenario already behaves in this way.
            _ => {}
        }
        true
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
                ImportError::new(format!("{} has no value: copy the whole command", known.name))
            })?,
        };
        self.act(known, value)
    }

    fn act(&mut self, known: Known, value: &str) -> Result<(), ImportError> {
        let request = &mut self.request;
        let notes = &mut self.all.notes;
        match known.act {
            Act::Method => request.method = Some(value.to_owned()),
            Act::Header => self.header(value)?,
            Act::Agent => request.agent = Some(value.to_owned()),
            Act::Referer => request.referer = Some(value.to_owned()),
            Act::Range => request.range = Some(value.to_owned()),
            Act::Bearer => request.bearer = Some(value.to_owned()),
            Act::Compressed => {
                request.is_compressed = true;
                notes.add("--compressed: answers are not unpacked before they are checked");
            }
            Act::Data | Act::DataBinary | Act::DataRaw | Act::DataEncoded | Act::Json => {
                self.data(known.act, value)?;
            }
            Act::Form | Act::FormString => {
                let is_form = matches!(known.act, Act::Form);
                let field = if is_form { Field::parse(value) } else { Field::literal(value) };
                let name = if is_form { "-F" } else { "--form-string" };
                let shown = crate::shown(value);
                let bad = |why| ImportError::new(format!("{name} '{shown}': {why}"));
                request.fields.push(field.map_err(bad)?);
            }
            Act::Get => request.is_get = true,
            Act::Head => request.is_head = true,
            Act::GlobOff => request.is_glob_off = true,
            Act::PathAsIs => request.keeps_dots = true,
            Act::User => request.user = Some(value.to_owned()),
            Act::Cookie if value.contains('=') => request.cookies.push(value.to_owned()),
            Act::Cookie if value.is_empty() => self.all.has_cookies = true,
            Act::Cookie => {
                self.all.has_cookies = true;
                let file = crate::shown(value);
                notes.add(format!(
                    "--cookie {file}: left out, the file is not read; users \
                     keep the cookies that answers set"
                ));
            }
            Act::CookieJar => self.all.has_cookies = true,
            Act::Url => request.addresses.push(value.to_owned()),
            Act::UrlQuery => request.query.push(value.to_owned()),
            Act::Target => request.target = Some(value.to_owned()),
            Act::Upload => request.uploads.push(value.to_owned()),
            Act::Next => self.finish()?,
            Act::Challenge(why) => {
                request.is_challenged = true;
                notes.add(format!("{}: left out, {why}", known.name));
            }
            Act::Nothing => {}
            Act::Left(why) => notes.add(format!("{}: left out, {why}", known.name)),
        }
        Ok(())
    }

    fn header(&mut self, value: &str) -> Result<(), ImportError> {
        if let Some(file) = value.strip_prefix('@') {
            let text = self.input.text_of(file, "-H")?;
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                self.header_line(line);
            }
        } else {
            self.header_line(value);
        }
        Ok(())
    }

    fn header_line(&mut self, line: &str) {
        if let Some(pseudo) = line.strip_prefix(':') {
            let name = crate::shown(pseudo.split(':').next().unwrap_or_default());
            let why = "left out, as curl does: it is part of the request line of HTTP/2";
            self.all.notes.add(format!("header :{name}: {why}"));
            return;
        }
        let (name, value) = match line.split_once(':') {
            // An empty value also removes a header that curl would send by default.
            Some((name, value)) if value.trim().is_empty() => (name, None),
            Some((name, value)) => (name, Some(value.trim())),
            // `Name;` sends the header with an empty value.
            None => match line.trim_end().strip_suffix(';') {
                Some(name) => (name, Some("")),
                None => {
                    // The text after the name may be a secret.
                    let name = crate::shown(line.split_whitespace().next().unwrap_or_default());
                    let why = "left out, a header is 'Name: value'";
                    self.all.notes.add(format!("-H '{name}': {why}"));
                    return;
                }
            },
        };
        let header = Header { name: name.to_owned(), value: value.map(str::to_owned) };
        self.request.headers.push(header);
    }

    fn data(&mut self, act: Act, value: &str) -> Result<(), ImportError> {
        let option = if matches!(act, Act::Json) { "--json" } else { "-d" };
        let file = value.strip_prefix('@').filter(|_| !matches!(act, Act::DataRaw));
        let as_it_is = matches!(act, Act::DataBinary | Act::Json);
        let text = match (act, file) {
            (Act::DataEncoded, _) => build::encoded(value, &self.input, "--data-urlencode")?,
            (_, None) => value.to_owned(),
            (_, Some(file)) if as_it_is && self.request.data.is_none() && file != "-" => {
                self.request.is_json |= matches!(act, Act::Json);
                self.request.data = Some(Data::File(file.to_owned()));
                return Ok(());
            }
            (_, Some(file)) if as_it_is => self.input.text_of(file, option)?,
            // `-d @file` removes line ends.
            (_, Some(file)) => self.input.text_of(file, option)?.replace(['\r', '\n', '\0'], ""),
        };
        let is_json = matches!(act, Act::Json);
        self.request.is_json |= is_json;
        // JSON is concatenated without a separator.
        let between = if is_json { "" } else { "&" };
        self.request.data = Some(Data::Text(match self.request.data.take() {
            None => text,
            Some(Data::Text(before)) => format!("{before}{between}{text}"),
            Some(Data::File(file)) => {
                format!("{}{between}{text}", plain(&self.input.text(&file, option)?))
            }
        }));
        Ok(())
    }

    /// Completes the steps of the command so far.
    fn finish(&mut self) -> Result<(), ImportError> {
        let mut request = std::mem::take(&mut self.request);
        let doubtful = std::mem::take(&mut request.doubtful);
        if request.addresses.is_empty() {
            request.addresses = doubtful;
        } else {
            for word in doubtful {
                let word = crate::shown(&word);
                let why = "it may be the value of the option before it, which is not known";
                self.all.notes.add(format!("`{word}`: left out, {why}"));
            }
        }
        let steps = request.steps(&self.input, &mut self.all.notes)?;
        self.all.steps.extend(steps);
        Ok(())
    }
}
