//! Converts a form field of `-F` to parts of a scenario's body.
//!
//! The module `form` parses the description.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::model::{Part, PartContent};
use crate::request::is_header;
use crate::template;
use crate::{ImportError, Notes};

use super::build::given;
use super::form::{Field, FieldContent, FieldHeader, FieldPart};
use super::input::Input;

/// The parts of a form field.
pub(super) fn of(
    field: &Field,
    input: &Input<'_>,
    notes: &mut Notes,
) -> Result<Vec<Part>, ImportError> {
    let shown = crate::shown(&field.name);
    let name = template::constant(&field.name)
        .ok_or_else(|| ImportError::new(format!("-F {shown}: a variable cannot name a field")))?;
    for left_out in &field.left_out {
        let left_out = crate::shown(left_out);
        notes.add(format!(
            "-F {shown}: `{left_out}`: left out, as curl does; put quotes around a value with `;`"
        ));
    }
    if field.parts.len() > 1 {
        notes.add(format!(
            "-F {shown}: its files are fields of one name, as browsers send them; curl puts them \
             into a form within the form"
        ));
    }
    field.parts.iter().map(|part| self::part(&name, part, input, notes)).collect()
}

fn part(
    name: &str,
    part: &FieldPart,
    input: &Input<'_>,
    notes: &mut Notes,
) -> Result<Part, ImportError> {
    let constant = |text: &str| constant_of(name, text);
    let mut filename = part.filename.as_deref().map(constant).transpose()?;
    let mut content = match &part.content {
        FieldContent::Text(text) => PartContent::Text(text.clone()),
        FieldContent::TextOf(file) => PartContent::Text(input.text_of(file, "-F")?),
        FieldContent::File(file) => match input.stdin(file, "-F") {
            Some(text) => {
                filename.get_or_insert_with(|| "-".to_owned());
                PartContent::Text(text?)
            }
            None => PartContent::File(given(file)?),
        },
    };
    let mut content_type = part.media_type().map(constant).transpose()?;
    if content_type.take_if(|kind| kind.contains(char::is_control)).is_some() {
        notes.add(format!("-F {name}: type=: left out, it has a control character"));
    }
    let is_value = matches!(content, PartContent::Text(_));
    let mut headers = Vec::new();
    match part.encoder.as_deref() {
        None => {}
        Some(encoder @ ("7bit" | "8bit" | "binary" | "base64")) => {
            if encoder == "base64" {
                content = PartContent::Text(base64(&content, input, name)?);
                if let FieldContent::File(file) = &part.content {
                    let own = || file.rsplit('/').next().unwrap_or(file).to_owned();
                    filename.get_or_insert_with(own);
                }
            }
            headers.push(("Content-Transfer-Encoding".to_owned(), encoder.to_owned()));
        }
        Some(other) => {
            return Err(ImportError::new(format!(
                "-F {name}: encoder={}: write base64, or the content as it is to be sent",
                crate::shown(other)
            )));
        }
    }
    for (header, value) in part_headers(name, part, input, notes)? {
        if header.eq_ignore_ascii_case("Content-Type") {
            content_type.get_or_insert(value);
        } else {
            headers.push((header, value));
        }
    }
    // For a value with a file name curl sends no type that it does not know.
    if content_type.is_none() && filename.is_some() && is_value {
        content_type = Some(String::new());
    }
    Ok(Part { name: name.to_owned(), content, filename, content_type, headers })
}

/// The headers of a part, `Content-Type` included.
fn part_headers(
    name: &str,
    part: &FieldPart,
    input: &Input<'_>,
    notes: &mut Notes,
) -> Result<Vec<(String, String)>, ImportError> {
    let mut headers = Vec::new();
    for given in &part.headers {
        let lines = match given {
            FieldHeader::Line(line) => constant_of(name, line)?,
            FieldHeader::File(file) => input.text(file, "-F")?,
        };
        for line in lines.lines().filter(|line| !line.trim().is_empty()) {
            let (header, value) = line.split_once(':').unwrap_or(("", line));
            let is_own = header.eq_ignore_ascii_case("Content-Disposition");
            if is_header(header, value) && !is_own {
                headers.push((header.to_owned(), value.trim().to_owned()));
            } else {
                notes.add(format!(
                    "-F {name}: headers={}: left out, it is no header that a part can have",
                    crate::shown(line)
                ));
            }
        }
    }
    Ok(headers)
}

/// A parameter of a part, which may not contain a variable.
fn constant_of(name: &str, text: &str) -> Result<String, ImportError> {
    template::constant(text).ok_or_else(|| {
        ImportError::new(format!("-F {name}: a variable stands in a parameter: write it out"))
    })
}

/// Content in base64, in lines of 76 characters (RFC 2045 section 6.8).
fn base64(content: &PartContent, input: &Input<'_>, name: &str) -> Result<String, ImportError> {
    let bytes = match content {
        PartContent::Text(text) => template::constant(text)
            .ok_or_else(|| {
                ImportError::new(format!("-F {name}: a variable cannot be sent in base64"))
            })?
            .into_bytes(),
        PartContent::File(file) => input.bytes(file.name(), "-F")?,
    };
    let text = STANDARD.encode(bytes);
    let lines: Vec<&str> =
        text.as_bytes().chunks(76).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    Ok(lines.join("\r\n"))
}
