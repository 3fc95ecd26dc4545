//! A form as `multipart/form-data`, written as browsers do (RFC 7578; WHATWG HTML section
//! 4.10.21.8): parts, their headers, and the boundary between them.
//!
//! It refuses parts that would not arrive as what they are. Which fields and files there are is
//! the caller's matter.

use thiserror::Error;

use super::chunked::is_field_value;

/// What browsers call a file whose type they do not know.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// One field or file of a form.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// The field's name, not empty. A line break or `"` in it is sent percent-encoded.
    pub name: &'a str,
    /// Of a file: the name it is sent under.
    pub filename: Option<&'a str>,
    /// What the content is. Left out, a file is `application/octet-stream`, and a field's type
    /// is not told, which means `text/plain`.
    pub content_type: Option<&'a str>,
    /// The field's value or the file's bytes, sent as they are.
    pub content: &'a [u8],
}

/// The parts of a form, and a boundary that occurs in none of them.
#[derive(Clone, Copy, Debug)]
pub struct Multipart<'a> {
    parts: &'a [Part<'a>],
    boundary: u64,
}

/// Why parts do not make a form, and what would.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MultipartError {
    /// Nothing to send.
    #[error("the form has no parts: give it one, or leave it out")]
    NoParts,
    /// Servers tell fields by their names.
    #[error("a part of the form has an empty name: name it")]
    NoName,
    /// Empty, or with a line break or another control character.
    #[error("{content_type:?} is not a content type, which part {name:?} needs: write `image/png`")]
    ContentType {
        /// Of the part.
        name: String,
        /// As given.
        content_type: String,
    },
}

impl<'a> Multipart<'a> {
    /// A form of these parts, in their order. The same parts give the same bytes.
    ///
    /// # Errors
    /// When a part would not be sent as what it is.
    pub fn new(parts: &'a [Part<'a>]) -> Result<Self, MultipartError> {
        if parts.is_empty() {
            return Err(MultipartError::NoParts);
        }
        parts.iter().try_for_each(Part::check)?;
        // What is sent does not hold every number.
        let mut boundary = 0;
        while parts.iter().any(|part| part.holds(boundary_text(boundary).as_bytes())) {
            boundary += 1;
        }
        Ok(Self { parts, boundary })
    }

    /// The value of the request's `Content-Type`, which names the boundary.
    pub fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", boundary_text(self.boundary))
    }

    /// Bytes of the whole form.
    pub(super) fn len(&self) -> usize {
        let mut len = 0;
        self.pieces(&mut |piece| len += piece.len());
        len
    }

    /// Hand over the form piece by piece.
    pub(super) fn pieces(&self, take: &mut impl FnMut(&[u8])) {
        let boundary = boundary_text(self.boundary);
        for part in self.parts {
            take(part.head(&boundary).as_bytes());
            take(part.content);
            take(b"\r\n");
        }
        take(format!("--{boundary}--\r\n").as_bytes());
    }
}

impl Part<'_> {
    fn check(&self) -> Result<(), MultipartError> {
        if self.name.is_empty() {
            return Err(MultipartError::NoName);
        }
        let is_type = |text: &str| !text.is_empty() && text.bytes().all(is_field_value);
        match self.content_type.filter(|text| !is_type(text)) {
            None => Ok(()),
            Some(text) => Err(MultipartError::ContentType {
                name: self.name.to_owned(),
                content_type: text.to_owned(),
            }),
        }
    }

    /// Whether the boundary occurs in the part, also where no reader should look for it.
    fn holds(&self, boundary: &[u8]) -> bool {
        let texts = [Some(self.name), self.filename, self.content_type];
        let mut all = texts.into_iter().flatten().map(str::as_bytes).chain([self.content]);
        // The first byte alone rules most places out, and content may be long.
        all.any(|bytes| {
            let mut places = bytes.windows(boundary.len());
            places.any(|place| place[0] == boundary[0] && place == boundary)
        })
    }

    /// The delimiter line, and the part's headers up to the empty line.
    fn head(&self, boundary: &str) -> String {
        let mut head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"",
            escaped(self.name)
        );
        if let Some(filename) = self.filename {
            head += &format!("; filename=\"{}\"", escaped(filename));
        }
        if let Some(kind) = self.content_type.or_else(|| self.filename.map(|_| UNKNOWN_TYPE)) {
            head += &format!("\r\nContent-Type: {kind}");
        }
        head + "\r\n\r\n"
    }
}

/// Numbered instead of random, so that the same form is always the same bytes.
fn boundary_text(number: u64) -> String {
    format!("----uringbench{number:016}")
}

/// A name between quotes: these three, and no other escapes (WHATWG HTML section 4.10.21.8).
fn escaped(name: &str) -> String {
    name.replace('\n', "%0A").replace('\r', "%0D").replace('"', "%22")
}
