//! Headers that httparse refuses and browsers accept: the same result, parsed from a copy with the
//! deviations corrected.
//!
//! This file decides which deviations are accepted (RFC 9112 sections 2.2, 4, 5.1 and 5.2, and the
//! behaviour of curl and browsers), and for a faulty header the line and the reason. Only headers
//! that httparse refuses come here.

use std::mem::MaybeUninit;

use super::chunked::{is_field_value, is_token};
use super::deviation::{Deviation, Deviations};
use super::fault::Fault;
use super::head::{self, HEAD_BYTES_MAX, HEADERS_MAX, Head, Parsed};
use super::partial_head::head_end;
use super::response::Malformed;

/// Versions that curl accepts in a status line, and their replacement in the copy.
const VERSIONS: [(&[u8], &[u8]); 4] = [
    (b"HTTP/1.1", b"HTTP/1.1"),
    (b"HTTP/1.0", b"HTTP/1.0"),
    (b"HTTP/2", b"HTTP/1.1"),
    (b"HTTP/2.0", b"HTTP/1.1"),
];

/// Read one header from the front of `bytes`, which is cut at the maximum length. `None`: it is
/// incomplete.
#[cold]
#[inline(never)]
pub(super) fn parse(
    bytes: &[u8],
    is_head: bool,
    deviations: &mut Deviations,
) -> Result<Option<Head>, Box<Fault>> {
    let end = head_end(&[], bytes);
    let copy = Repaired::of(&bytes[..end.unwrap_or(bytes.len())])?;
    let Some(end) = end else {
        let is_bounded = bytes.len() >= HEAD_BYTES_MAX;
        return if is_bounded { Err(Malformed::HeadTooLarge.into()) } else { Ok(None) };
    };
    let mut room = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let whole = head::parse_strictly(&copy.bytes, &mut room, is_head, deviations)
        .map_err(|fault| fault.without_line())?;
    // A complete copy is parsed to its end.
    let Parsed { head, .. } = whole.ok_or(Malformed::HeaderLine)?;
    for (deviation, line) in copy.deviations() {
        deviations.note(deviation, &bytes[line]);
    }
    Ok(Some(Head { bytes: end as u32, ..head })) // at most 64 KiB
}

/// A complete header that was accepted, corrected so that its lines are those that httparse reads.
pub(crate) fn put_right(head: &[u8]) -> Result<Vec<u8>, Box<Fault>> {
    Repaired::of(head).map(|copy| copy.bytes)
}

/// The corrected header, as far as it is read.
#[derive(Default)]
struct Repaired {
    bytes: Vec<u8>,
    /// Lines read, the status line included.
    lines: usize,
    /// Bytes read.
    at: usize,
    /// The start of the current field.
    field_at: usize,
    /// The field is left out, because its name is invalid.
    is_left_out: bool,
    /// The first place of each kind of deviation.
    seen: [Option<std::ops::Range<usize>>; Deviation::ALL.len()],
}

impl Repaired {
    fn of(head: &[u8]) -> Result<Self, Box<Fault>> {
        let mut copy = Self::default();
        head.split_inclusive(|byte| *byte == b'\n').try_for_each(|line| copy.take(line))?;
        Ok(copy)
    }

    /// Read the next line, which ends in LF unless it is the last and incomplete.
    fn take(&mut self, line: &[u8]) -> Result<(), Box<Fault>> {
        let is_whole = line.ends_with(b"\n");
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let number = self.lines;
        if number > 0 && text.contains(&0) {
            return Err(Fault::in_line(Malformed::HeaderNul, Some(number), text));
        }
        match text.first() {
            _ if number == 0 => self.status_line(is_whole, text)?,
            // The empty line at the end.
            None => self.bytes.extend_from_slice(line),
            Some(_) if number > HEADERS_MAX => return Err(Malformed::TooManyHeaders.into()),
            Some(b' ' | b'\t') => self.fold(number, text)?,
            Some(_) => self.field(number, is_whole, text)?,
        }
        self.lines += 1;
        self.at += line.len();
        Ok(())
    }

    fn status_line(&mut self, is_whole: bool, text: &[u8]) -> Result<(), Box<Fault>> {
        let plain = match status_line(text) {
            Ok(plain) => plain,
            Err(Incomplete::MayBecome(_)) if !is_whole => return Ok(()),
            Err(Incomplete::MayBecome(kind) | Incomplete::Never(kind)) => {
                return Err(Fault::at(kind, text));
            }
        };
        if plain != text {
            self.note(Deviation::StatusLine, text);
        }
        self.bytes.extend_from_slice(&plain);
        self.bytes.extend_from_slice(b"\r\n");
        Ok(())
    }

    fn field(&mut self, number: usize, is_whole: bool, text: &[u8]) -> Result<(), Box<Fault>> {
        self.field_at = self.at;
        let Some(colon) = text.iter().position(|byte| *byte == b':') else {
            if is_whole {
                return Err(Fault::in_line(Malformed::HeaderColon, Some(number), text));
            }
            return Ok(());
        };
        let name = text[..colon].trim_ascii_end();
        if name.len() < colon {
            self.note(Deviation::SpaceBeforeColon, text);
        }
        self.is_left_out = name.is_empty() || !name.iter().all(|byte| is_token(*byte));
        if self.is_left_out {
            self.note(Deviation::HeaderName, text);
            return Ok(());
        }
        self.bytes.extend_from_slice(name);
        self.bytes.push(b':');
        self.value(&text[colon + 1..], text);
        Ok(())
    }

    /// A line that continues the value of the line before.
    fn fold(&mut self, number: usize, text: &[u8]) -> Result<(), Box<Fault>> {
        if number == 1 {
            return Err(Fault::in_line(Malformed::HeaderLine, Some(number), text));
        }
        let range = self.field_at..self.at + text.len();
        self.seen[Deviation::FoldedLine as usize].get_or_insert(range);
        if !self.is_left_out {
            // In place of the line end before it.
            self.bytes.truncate(self.bytes.len() - 2);
            self.value(text, text);
        }
        Ok(())
    }

    fn value(&mut self, value: &[u8], text: &[u8]) {
        if !value.iter().all(|byte| is_field_value(*byte)) {
            self.note(Deviation::ControlCharacter, text);
        }
        self.bytes.extend(without_controls(value));
        self.bytes.extend_from_slice(b"\r\n");
    }

    fn note(&mut self, deviation: Deviation, text: &[u8]) {
        let range = self.at..self.at + text.len();
        self.seen[deviation as usize].get_or_insert(range);
    }

    fn deviations(self) -> impl Iterator<Item = (Deviation, std::ops::Range<usize>)> {
        let seen = Deviation::ALL.into_iter().zip(self.seen);
        seen.filter_map(|(deviation, line)| Some((deviation, line?)))
    }
}

/// Why a text is not a status line.
enum Incomplete {
    /// It is a prefix of one; the fault applies if nothing follows.
    MayBecome(Malformed),
    Never(Malformed),
}

/// A status line in the form of RFC 9112, made from one that curl accepts: the version in any case
/// or that of HTTP/2, blanks before the code, any non-digit after it, and any reason.
fn status_line(text: &[u8]) -> Result<Vec<u8>, Incomplete> {
    use Incomplete::{MayBecome, Never};
    let Some(blank) = text.iter().position(|byte| *byte == b' ') else {
        let begins = |version: &[u8]| {
            version.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text))
        };
        let is_begun = VERSIONS.iter().any(|(version, _)| begins(version));
        return Err(if is_begun { MayBecome } else { Never }(Malformed::NotHttp));
    };
    let (version, rest) = text.split_at(blank);
    let is_it = |(known, _): &&(&[u8], &[u8])| known.eq_ignore_ascii_case(version);
    let (_, version) = VERSIONS.iter().find(is_it).ok_or(Never(Malformed::NotHttp))?;
    let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
    let rest = &rest[blanks..];
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match digits {
        3 if !rest.contains(&0) => {}
        0..3 if digits == rest.len() => return Err(MayBecome(Malformed::StatusCode)),
        _ => return Err(Never(Malformed::StatusCode)),
    }
    let (code, reason) = rest.split_at(digits);
    let gap: &[u8] = if matches!(reason.first(), None | Some(b' ')) { b"" } else { b" " };
    let mut plain = [version, b" ".as_slice(), code, gap].concat();
    plain.extend(without_controls(reason));
    Ok(plain)
}

fn without_controls(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().map(|byte| if is_field_value(*byte) { *byte } else { b' ' })
}
