//! A form as `multipart/form-data`, written as browsers do (RFC 7578; WHATWG HTML section
//! 4.10.21.8): parts, their headers, and the boundary between them.
//!
//! Parts that would arrive changed are refused. The caller chooses the fields and files.

use thiserror::Error;

use super::chunked::{is_field_value, is_token};

/// The type of a form, unless another was given.
const FORM_DATA: &str = "multipart/form-data";

/// The type that browsers send for a file of unknown type.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// Headers of a part that are written from its fields.
const OWN: [&str; 2] = ["Content-Disposition", "Content-Type"];

/// One field or file of a form.
#[derive(Clone, Copy, Debug)]
pub struct MultipartPart<'a> {
    /// The field's name, not empty. A line break or `"` in it is sent percent-encoded.
    pub name: &'a str,
    /// Of a file: the name that is sent.
    pub filename: Option<&'a str>,
    /// The type of the content. If `None`, a file is sent as `application/octet-stream`, and a
    /// field without a type, which means `text/plain`. If empty, no type is sent for either.
    pub content_type: Option<&'a str>,
    /// Further header lines of the part, after its type.
    pub headers: &'a [(String, String)],
    /// The field's value or the file's bytes, sent as they are.
    pub content: &'a [u8],
}

/// The parts of a form, and a boundary that occurs in none of them.
#[derive(Clone, Copy, Debug)]
pub struct Multipart<'a> {
    parts: &'a [MultipartPart<'a>],
    /// Without the boundary.
    content_type: &'a str,
    boundary: u64,
}

/// Why parts are not a form, and the fix.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MultipartError {
    /// Nothing to send.
    #[error("the form has no parts: give it one, or leave it out")]
    NoParts,
    /// Servers identify fields by their names.
    #[error("a part of the form has an empty name: name it")]
    NoName,
    /// With a line break or another control character.
    #[error("{content_type:?} is not a content type, which part {name:?} needs: write `image/png`")]
    ContentType {
        /// Of the part.
        name: String,
        /// As given.
        content_type: String,
    },
    /// Not a token and a value, or a header of the part that is written automatically.
    #[error("{header:?} is not a header for part {name:?}: write a name and a value in one line")]
    Header {
        /// Of the part.
        name: String,
        /// As given.
        header: String,
    },
    /// It names a boundary, which only the writer of the parts knows, or is not valid in a header.
    #[error(
        "content type {0:?} cannot be that of a form: write one in one line, such as \
         `multipart/related`, without a boundary, which is added"
    )]
    FormType(String),
}

impl<'a> Multipart<'a> {
    /// A form of these parts, in their order. The same parts give the same bytes.
    ///
    /// # Errors
    /// If a part would arrive changed.
    pub fn new(parts: &'a [MultipartPart<'a>]) -> Result<Self, MultipartError> {
        if parts.is_empty() {
            return Err(MultipartError::NoParts);
        }
        parts.iter().try_for_each(MultipartPart::check)?;
        // The content cannot contain every number.
        let mut boundary = 0;
        while parts.iter().any(|part| part.holds(boundary_text(boundary).as_bytes())) {
            boundary += 1;
        }
        Ok(Self { parts, content_type: FORM_DATA, boundary })
    }

    /// The same parts with another type than `multipart/form-data`, such as `multipart/related`.
    /// Its parts are attachments, as in curl.
    ///
    /// # Errors
    /// If the type is empty, names a boundary, or is not valid in a header.
    pub fn with_content_type(self, content_type: &'a str) -> Result<Self, MultipartError> {
        let content_type = content_type.trim_matches([' ', '\t', ';']);
        let is_good = !content_type.is_empty()
            && content_type.bytes().all(is_field_value)
            && !has_boundary(content_type);
        if is_good {
            Ok(Self { content_type, ..self })
        } else {
            Err(MultipartError::FormType(content_type.to_owned()))
        }
    }

    /// The value of the request's `Content-Type`, which names the boundary.
    pub fn content_type(&self) -> String {
        format!("{}; boundary={}", self.content_type, boundary_text(self.boundary))
    }

    /// Bytes of the whole form.
    pub(super) fn len(&self) -> usize {
        let mut len = 0;
        self.pieces(&mut |piece| len += piece.len());
        len
    }

    /// Pass on the form piece by piece.
    pub(super) fn pieces(&self, take: &mut impl FnMut(&[u8])) {
        let boundary = boundary_text(self.boundary);
        let kind = self.content_type.split(';').next().unwrap_or_default().trim();
        let disposition =
            if kind.eq_ignore_ascii_case(FORM_DATA) { "form-data" } else { "attachment" };
        for part in self.parts {
            take(part.head(&boundary, disposition).as_bytes());
            take(part.content);
            take(b"\r\n");
        }
        take(format!("--{boundary}--\r\n").as_bytes());
    }
}

impl MultipartPart<'_> {
    fn check(&self) -> Result<(), MultipartError> {
        if self.name.is_empty() {
            return Err(MultipartError::NoName);
        }
        let name = || self.name.to_owned();
        if let Some(text) = self.content_type.filter(|text| !text.bytes().all(is_field_value)) {
            let content_type = text.to_owned();
            return Err(MultipartError::ContentType { name: name(), content_type });
        }
        let is_header = |(name, value): &&(String, String)| {
            !name.is_empty()
                && name.bytes().all(is_token)
                && !OWN.iter().any(|own| own.eq_ignore_ascii_case(name))
                && value.bytes().all(is_field_value)
        };
        match self.headers.iter().find(|header| !is_header(header)) {
            None => Ok(()),
            Some((header, value)) => {
                Err(MultipartError::Header { name: name(), header: format!("{header}: {value}") })
            }
        }
    }

    /// Whether the part contains the boundary, even where no reader should look for it.
    fn holds(&self, boundary: &[u8]) -> bool {
        let texts = [Some(self.name), self.filename, self.content_type].into_iter().flatten();
        let headers = self.headers.iter().flat_map(|(name, value)| [name.as_str(), value]);
        let mut all = texts.chain(headers).map(str::as_bytes).chain([self.content]);
        // The first byte alone excludes most places, and content may be long.
        all.any(|bytes| {
            let mut places = bytes.windows(boundary.len());
            places.any(|place| place[0] == boundary[0] && place == boundary)
        })
    }

    /// The delimiter line, and the part's headers up to the empty line.
    fn head(&self, boundary: &str, disposition: &str) -> String {
        let mut head = format!(
            "--{boundary}\r\nContent-Disposition: {disposition}; name=\"{}\"",
            escaped(self.name)
        );
        if let Some(filename) = self.filename {
            head += &format!("; filename=\"{}\"", escaped(filename));
        }
        let kind = self.content_type.or_else(|| self.filename.map(|_| UNKNOWN_TYPE));
        if let Some(kind) = kind.filter(|kind| !kind.is_empty()) {
            head += &format!("\r\nContent-Type: {kind}");
        }
        for (name, value) in self.headers {
            head += &format!("\r\n{name}: {value}");
        }
        head + "\r\n\r\n"
    }
}

/// Whether a content type has a parameter `boundary`.
fn has_boundary(content_type: &str) -> bool {
    let mut parameters = content_type.split(';').skip(1);
    let is_boundary = |name: &str| name.trim().eq_ignore_ascii_case("boundary");
    parameters.any(|parameter| parameter.split('=').next().is_some_and(is_boundary))
}

/// Numbered instead of random, so that equal forms give equal bytes.
fn boundary_text(number: u64) -> String {
    format!("----uringbench{number:016}")
}

/// A name in quotes: these three escapes and no others (WHATWG HTML section 4.10.21.8).
fn escaped(name: &str) -> String {
    name.replace('\n', "%0A").replace('\r', "%0D").replace('"', "%22")
}
