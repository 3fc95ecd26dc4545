//! Answers as frames, made once per path.

use std::collections::HashMap;
use std::sync::Arc;

use uringbench_core::http2::frame::{self, HEADER_BYTES, PAYLOAD_MAX, flag, kind};

use crate::answer::body_of;

/// Paths whose answers are kept; beyond, all are made again.
const KEPT_MAX: usize = 256;
/// Longer bodies are made again each time: all that are kept have at most 256 MiB.
const KEPT_BODY_MAX: usize = 1 << 20;
/// Where a frame has the id of its stream.
const ID_AT: usize = HEADER_BYTES - 4;

/// The fields of a request that decide its answer.
#[derive(Default, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    path: String,
    is_head: bool,
}

impl Asked {
    /// The next field.
    pub(super) fn add(&mut self, (name, value): (&[u8], &[u8])) {
        match name {
            b":method" => self.is_head = value == b"HEAD",
            b":path" => {
                let path = String::from_utf8_lossy(value);
                path.split('?').next().unwrap_or_default().clone_into(&mut self.path);
            }
            _ => {}
        }
    }
}

/// An answer.
pub(super) struct Answer {
    /// Its header, for stream 0.
    head: Vec<u8>,
    body: Vec<u8>,
    /// Both in a row, if the body fits into one frame.
    whole: Option<Vec<u8>>,
}

impl Answer {
    fn new(path: &str, is_head: bool) -> Self {
        let (status, kind, mut body) = body_of(path);
        let length = body.len().to_string();
        // `content-type` and the length, without the table: the same bytes each time.
        let mut block = status_field(status);
        literal(0x0f, 0x10, kind.as_bytes(), &mut block);
        literal(0x0f, 0x0d, length.as_bytes(), &mut block);
        if is_head {
            body.clear();
        }
        let end = if body.is_empty() { flag::END_STREAM } else { 0 };
        let mut head = Vec::new();
        frame::write(&mut head, (kind::HEADERS, flag::END_HEADERS | end, 0), &block);
        let whole = (body.len() <= PAYLOAD_MAX).then(|| {
            let mut whole = head.clone();
            if !body.is_empty() {
                frame::write(&mut whole, (kind::DATA, flag::END_STREAM, 0), &body);
            }
            whole
        });
        Self { head, body, whole }
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Add all of it to `out`, if it is that short.
    #[inline]
    pub(super) fn write_whole(&self, id: u32, out: &mut Vec<u8>) -> bool {
        let Some(whole) = &self.whole else { return false };
        let start = out.len();
        out.extend_from_slice(whole);
        let mut patch = |at: usize| {
            out[start + at..start + at + 4].copy_from_slice(&id.to_be_bytes());
        };
        patch(ID_AT);
        if !self.body.is_empty() {
            patch(self.head.len() + ID_AT);
        }
        true
    }

    /// Add its header to `out`.
    pub(super) fn write_head(&self, id: u32, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.head);
        out[start + ID_AT..start + ID_AT + 4].copy_from_slice(&id.to_be_bytes());
    }
}

/// `:status`, of which the static table has some (RFC 7541 appendix A).
fn status_field(status: u16) -> Vec<u8> {
    let indexed: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    match indexed.iter().position(|known| *known == status) {
        Some(at) => vec![0x80 | (8 + at as u8)],
        None => [b"\x08\x03", status.to_string().as_bytes()].concat(),
    }
}

/// A field with a name of the static table: an index of 15 and more takes two bytes. `text` is
/// shorter than 127 bytes.
fn literal(first: u8, second: u8, text: &[u8], block: &mut Vec<u8>) {
    block.extend_from_slice(&[first, second, text.len() as u8]);
    block.extend_from_slice(text);
}

/// The answers that were made.
#[derive(Default)]
pub(crate) struct Answers {
    made: HashMap<Asked, Arc<Answer>>,
}

impl Answers {
    /// The answer to a request.
    pub(super) fn of(&mut self, asked: Asked) -> Arc<Answer> {
        if let Some(answer) = self.made.get(&asked) {
            return Arc::clone(answer);
        }
        let answer = Arc::new(Answer::new(&asked.path, asked.is_head));
        if answer.body.len() > KEPT_BODY_MAX {
            return answer;
        }
        if self.made.len() >= KEPT_MAX {
            self.made.clear();
        }
        self.made.insert(asked, Arc::clone(&answer));
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(path: &str) -> Asked {
        Asked { path: path.to_owned(), is_head: false }
    }

    #[test]
    fn answers_have_the_types_of_their_bodies() {
        let mut answers = Answers::default();
        for (path, kind) in [("/health", &b"application/json"[..]), ("/", b"text/plain")] {
            let head = &answers.of(asked(path)).head;
            assert!(head.windows(kind.len()).any(|part| part == kind), "{path}: {head:?}");
        }
    }

    #[test]
    fn long_bodies_are_not_kept() {
        let mut answers = Answers::default();
        for (path, kept) in [("/bytes/1048577", 0), ("/bytes/1048576", 1)] {
            assert!(answers.of(asked(path)).body.len() >= KEPT_BODY_MAX);
            assert_eq!(answers.made.len(), kept, "{path}");
        }
    }
}
