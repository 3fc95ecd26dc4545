//! Descriptions of form fields by curl's `-F`, with their quotes, escapes and parameters.
//!
//! It parses the description as curl does (its manual under `--form`, `tool_formparse.c` of 8.x),
//! and keeps the parts that curl would leave out with a warning. The callers, the importer and the
//! command line, open the files and use the parts.

/// A field of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The field's name, not empty.
    pub name: String,
    /// Its content: one part, or one for each file.
    pub parts: Vec<FieldPart>,
    /// Parts of the description that curl leaves out with a warning.
    pub left_out: Vec<String>,
}

/// A value or a file of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPart {
    /// The content to send.
    pub content: FieldContent,
    /// `type=`: a media type with its parameters.
    pub content_type: Option<String>,
    /// `filename=`.
    pub filename: Option<String>,
    /// `headers=`, in order.
    pub headers: Vec<FieldHeader>,
    /// `encoder=`.
    pub encoder: Option<String>,
}

/// The content of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldContent {
    /// Literal text.
    Text(String),
    /// `@`: a file, sent with its name.
    File(String),
    /// `<`: the content of a file, sent as a value.
    TextOf(String),
}

/// A header of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldHeader {
    /// `Name: value`.
    Line(String),
    /// The lines of this file.
    File(String),
}

impl Field {
    /// Parses a description: `name=value`, `name=@file`, `name=@one,two` or `name=<file`, followed
    /// by `;type=`, `;filename=`, `;headers=` and `;encoder=`.
    ///
    /// # Errors
    /// Descriptions that curl rejects, and forms in forms: cause and fix in one line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, rest) = text.split_once('=').ok_or("it has no `=`: write name=content")?;
        if rest.starts_with('(') || (name.is_empty() && rest.starts_with(')')) {
            return Err("`(` and `)` hold a form within the form, which is not sent: write its \
                        fields by themselves; for a value write name=\"(…\""
                .to_owned());
        }
        if name.is_empty() {
            return Err("the field has no name: write name=content".to_owned());
        }
        let mut cursor = Cursor { rest, left_out: Vec::new() };
        let mut parts = Vec::new();
        if let Some(after) = rest.strip_prefix('@') {
            cursor.rest = after;
            parts.push(cursor.part(Some(','), FieldContent::File)?);
            while let Some(after) = cursor.rest.strip_prefix(',') {
                cursor.rest = after;
                parts.push(cursor.part(Some(','), FieldContent::File)?);
            }
        } else if let Some(after) = rest.strip_prefix('<') {
            cursor.rest = after;
            let mut part = cursor.part(None, FieldContent::TextOf)?;
            cursor.left_out.extend(part.filename.take().map(|name| format!("filename={name}")));
            parts.push(part);
        } else {
            parts.push(cursor.part(None, FieldContent::Text)?);
        }
        Ok(Self { name: name.to_owned(), parts, left_out: cursor.left_out })
    }

    /// A field of `--form-string`: the whole text after the `=` is its value.
    ///
    /// # Errors
    /// The name or the `=` is missing.
    pub fn literal(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self {
                name: name.to_owned(),
                parts: vec![FieldPart {
                    content: FieldContent::Text(value.to_owned()),
                    content_type: None,
                    filename: None,
                    headers: Vec::new(),
                    encoder: None,
                }],
                left_out: Vec::new(),
            }),
            _ => Err("the field has no name: write name=content".to_owned()),
        }
    }
}

impl FieldPart {
    /// The media type to send: the given one, or curl's default for the name of the file.
    pub fn media_type(&self) -> Option<&str> {
        let path = match &self.content {
            FieldContent::File(path) => Some(path.as_str()),
            FieldContent::Text(_) | FieldContent::TextOf(_) => None,
        };
        let by_name = || [self.filename.as_deref(), path].into_iter().flatten().find_map(by_name);
        self.content_type.as_deref().or_else(by_name)
    }
}

/// curl's media types by file extension, upper or lower case.
fn by_name(name: &str) -> Option<&'static str> {
    const TYPES: [(&str, &str); 10] = [
        (".gif", "image/gif"),
        (".jpg", "image/jpeg"),
        (".jpeg", "image/jpeg"),
        (".png", "image/png"),
        (".svg", "image/svg+xml"),
        (".txt", "text/plain"),
        (".htm", "text/html"),
        (".html", "text/html"),
        (".pdf", "application/pdf"),
        (".xml", "application/xml"),
    ];
    let name = name.to_ascii_lowercase();
    TYPES.iter().find(|(end, _)| name.ends_with(end)).map(|(_, kind)| *kind)
}

/// The rest of a description.
struct Cursor<'a> {
    rest: &'a str,
    left_out: Vec<String>,
}

impl<'a> Cursor<'a> {
    /// Parses content and parameters, up to the end or to `end`.
    fn part(
        &mut self,
        end: Option<char>,
        content: fn(String) -> FieldContent,
    ) -> Result<FieldPart, String> {
        self.skip_blanks();
        let content = content(self.word(end));
        let mut part = FieldPart {
            content,
            content_type: None,
            filename: None,
            headers: Vec::new(),
            encoder: None,
        };
        // The start of a type that may continue: `type=text/plain; charset=utf-8`.
        let mut open: Option<&'a str> = None;
        while let Some(after) = self.rest.strip_prefix(';') {
            self.rest = after;
            self.skip_blanks();
            if open.is_none() && self.take("type=") {
                self.skip_blanks();
                check_type(self.rest)?;
                open = Some(self.rest);
                part.content_type = self.type_from(self.rest, end);
            } else if self.take("filename=") {
                open = None;
                self.skip_blanks();
                part.filename = Some(self.word(end));
            } else if self.take("headers=") {
                open = None;
                let is_file = self.take("@") || self.take("<");
                self.skip_blanks();
                let kind = if is_file { FieldHeader::File } else { FieldHeader::Line };
                part.headers.push(kind(self.word(end)));
            } else if self.take("encoder=") {
                open = None;
                self.skip_blanks();
                part.encoder = Some(self.word(end));
            } else if let Some(from) = open {
                part.content_type = self.type_from(from, end);
            } else {
                let unknown = self.word(end);
                if !unknown.is_empty() {
                    self.left_out.push(unknown);
                }
            }
        }
        Ok(part)
    }

    /// The type from `from` up to the next `;` or `end`.
    fn type_from(&mut self, from: &'a str, end: Option<char>) -> Option<String> {
        let stop = self.rest.find(|c| is_end(c, end)).unwrap_or(self.rest.len());
        self.rest = &self.rest[stop..];
        Some(from[..from.len() - self.rest.len()].trim_end_matches(is_blank).to_owned())
    }

    /// A quoted word, or the text up to the next `;` or `end` without trailing blanks.
    fn word(&mut self, end: Option<char>) -> String {
        let (word, after) = match quoted(self.rest) {
            Some((word, after)) => (Some(word), after),
            None => (None, self.rest),
        };
        let stop = after.find(|c| is_end(c, end)).unwrap_or(after.len());
        let (bare, rest) = after.split_at(stop);
        self.rest = rest;
        let bare = bare.trim_end_matches(is_blank);
        match word {
            None => bare.to_owned(),
            Some(word) => {
                if !bare.trim_start_matches(is_blank).is_empty() {
                    self.left_out.push(bare.to_owned());
                }
                word
            }
        }
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches(is_blank);
    }

    /// Consumes `prefix`, in upper or lower case, if it comes next.
    fn take(&mut self, prefix: &str) -> bool {
        let is_next =
            self.rest.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix));
        if is_next {
            self.rest = &self.rest[prefix.len()..];
        }
        is_next
    }
}

const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

fn is_end(c: char, end: Option<char>) -> bool {
    c == ';' || Some(c) == end
}

/// A word in double quotes, in which `\"` and `\\` are escapes, and the text after it. `None` if
/// the closing quote is missing.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut word = String::new();
    let mut rest = text.strip_prefix('"')?;
    loop {
        let c = rest.chars().next()?;
        rest = &rest[c.len_utf8()..];
        match c {
            '"' => return Some((word, rest)),
            '\\' if rest.starts_with(['\\', '"']) => {
                word.push_str(&rest[..1]);
                rest = &rest[1..];
            }
            c => word.push(c),
        }
    }
}

/// Checks that a type is two words with a `/` between them.
fn check_type(text: &str) -> Result<(), String> {
    let good = text.split_once('/').is_some_and(|(major, minor)| {
        let minor = minor.split([';', ',', ' ', '\n']).next().unwrap_or_default();
        !major.is_empty() && !major.contains([' ', ';']) && !minor.is_empty()
    });
    if good {
        return Ok(());
    }
    let shown: String = text.chars().take(40).map(|c| if is_blank(c) { ' ' } else { c }).collect();
    Err(format!(
        "`type={shown}` is no media type: write one such as type=text/plain, or put quotes around \
         a value that has a `;` in it"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Content, type, file name and the parts left out.
    fn read(text: &str) -> String {
        let field = match Field::parse(text) {
            Ok(field) => field,
            Err(why) => return format!("error: {why}"),
        };
        let part = |part: &FieldPart| {
            let mut text = match &part.content {
                FieldContent::Text(text) => format!("[{text}]"),
                FieldContent::File(path) => format!("@{path}"),
                FieldContent::TextOf(path) => format!("<{path}"),
            };
            text.extend(part.content_type.iter().map(|kind| format!(" type {kind}")));
            text.extend(part.filename.iter().map(|name| format!(" name {name}")));
            text.extend(part.headers.iter().map(|header| format!(" {header:?}")));
            text.extend(part.encoder.iter().map(|encoder| format!(" as {encoder}")));
            text
        };
        let parts: Vec<String> = field.parts.iter().map(part).collect();
        let left_out = field.left_out.iter().map(|text| format!(" - {text}"));
        parts.join(" + ") + &left_out.collect::<String>()
    }

    #[test]
    fn fields_are_read_as_curl_reads_them() {
        for (text, expected) in [
            ("a=b", "[b]"),
            ("a=", "[]"),
            ("a= b  ", "[b]"),
            ("a=b=c", "[b=c]"),
            (r#"a="red; green; blue";type=text/x-app"#, "[red; green; blue] type text/x-app"),
            (r#"a="she said \"hi\" \\ \n""#, r#"[she said "hi" \ \n]"#),
            (r#"a="open;b"#, "[\"open] - b"),
            ("a=b;c", "[b] - c"),
            ("a=\"b\" c;type=x/y", "[b] type x/y -  c"),
            ("a=b;type=text/plain; charset=utf-8;filename=f", {
                "[b] type text/plain; charset=utf-8 name f"
            }),
            ("a=b; TYPE=x/y ;Filename= f ", "[b] type x/y name f"),
            ("f=@pic.png", "@pic.png"),
            ("f=@\"a,b.txt\";filename=\"n;i;p.txt\"", "@a,b.txt name n;i;p.txt"),
            ("f=@a.txt,b.txt;type=x/y", "@a.txt + @b.txt type x/y"),
            ("f=@a;b.txt", "@a - b.txt"),
            ("f=<note.txt;type=x/y;filename=z", "<note.txt type x/y - filename=z"),
            ("f=@-", "@-"),
            ("a=b;headers=\"X-A: b; c\";encoder=base64", { "[b] Line(\"X-A: b; c\") as base64" }),
            ("a=b;headers=@h.txt", "[b] File(\"h.txt\")"),
            ("a=)", "[)]"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        for (text, expected) in [
            ("a", "no `=`"),
            ("=a", "no name"),
            ("=(;type=multipart/alternative", "form within the form"),
            ("=)", "form within the form"),
            ("a=(", "form within the form"),
            ("a={\"k\":\"a;type=b\"}", "is no media type"),
            ("a=b;type=;x/y", "is no media type"),
        ] {
            assert!(read(text).contains(expected), "{text}: {}", read(text));
        }
    }

    #[test]
    fn types_are_known_by_the_names_of_files() {
        let kind = |text: &str| {
            let field = Field::parse(text).unwrap();
            field.parts[0].media_type().map(str::to_owned)
        };
        assert_eq!(kind("f=@a.TXT").as_deref(), Some("text/plain"));
        assert_eq!(kind("f=@a.txt;filename=b.jpeg").as_deref(), Some("image/jpeg"));
        assert_eq!(kind("f=@a.txt;filename=b").as_deref(), Some("text/plain"));
        assert_eq!(kind("f=@a.txt;type=x/y").as_deref(), Some("x/y"));
        assert_eq!(kind("f=a;filename=b.xml").as_deref(), Some("application/xml"));
        assert_eq!(kind("f=@a.bin"), None);
        assert_eq!(kind("f=a.txt"), None);
    }
}
