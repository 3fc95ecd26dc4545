//! A request that varies: bytes built once, and slots in them.
//!
//! This file decides where slots are and keeps `Content-Length` correct; `value` fills them, and
//! `http::request` builds the bytes.

mod form;

use serde::{Deserialize, Serialize};

use self::form::Form;
use super::text::Text;
use super::value::{Digits, Scope, TemplateValue};
use crate::http::request::{RequestError, RequestParts, RequestTemplate, is_idempotent};
use crate::statistics::random::Random;

/// Space for the length of a varying body, padded with leading spaces, which are optional white
/// space there (RFC 9110 section 5.5).
const LENGTH_WIDTH: usize = 10;
const LENGTH_NAME: &[u8] = b"\r\nContent-Length: ";
const MARK_DIGITS: usize = 8;

/// A request with slots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Form", into = "Form")]
pub struct Template {
    /// Slots of fixed width are inside them, others between them.
    bytes: Vec<u8>,
    slots: Vec<Placed>,
    head_length: usize,
    /// The position of the length of a varying body.
    length_at: Option<usize>,
    is_head: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Placed {
    at: usize,
    width: Option<usize>,
    fill: Fill,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Fill {
    Slot(TemplateValue),
    /// The whole line `Cookie: …`, or nothing: these cookies by name, and those of the jar.
    Cookies(Vec<(String, Text)>),
}

/// Words that stand for slots while a request is built, and occur nowhere else in it.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    number: u32,
    slots: Vec<TemplateValue>,
}

impl Marks {
    /// Marks that occur in none of `texts`.
    pub fn unlike<'a>(texts: impl Iterator<Item = &'a [u8]> + Clone) -> Self {
        let mut marks = Self::default();
        while texts.clone().any(|text| find(text, marks.prefix().as_bytes()).is_some()) {
            marks.number += 1;
        }
        marks
    }

    /// The word that stands for `slot` from now on. It is unchanged in a URL, JSON or a header,
    /// escaped or not.
    pub fn mark(&mut self, slot: TemplateValue) -> String {
        self.slots.push(slot);
        format!("{}{:0MARK_DIGITS$}", self.prefix(), self.slots.len() - 1)
    }

    /// One whose first letter occurs nowhere else in it, so that text before it cannot match its
    /// start.
    fn prefix(&self) -> String {
        format!("zSlot{:0MARK_DIGITS$}n", self.number)
    }
}

impl Template {
    /// The request built from `parts`, in which `marks` stand for slots.
    ///
    /// # Errors
    /// If the parts are not a request.
    pub fn build(parts: RequestParts<'_>, marks: &Marks) -> Result<Self, RequestError> {
        RequestTemplate::build(parts).map(|request| Self::of_request(&request, marks))
    }

    /// A request that was built already, in which `marks` stand for slots.
    pub fn of_request(request: &RequestTemplate, marks: &Marks) -> Self {
        let (head, body) = request.bytes().split_at(request.head_length());
        let mut template = Self::empty(request.is_head());
        let prefix = marks.prefix();
        let in_head = marks.slots.len() - occurrences(body, prefix.as_bytes(), marks.slots.len());
        if in_head == marks.slots.len() {
            template.push(head, marks, in_head);
            template.head_length = template.bytes.len();
            template.bytes.extend_from_slice(body);
            return template;
        }
        // The length of a body is declared in the last header before `Expect`.
        let name = find(head, LENGTH_NAME).unwrap_or(head.len() - 4);
        let digits = (name + LENGTH_NAME.len()).min(head.len());
        let after = find(&head[digits..], b"\r\n").map_or(head.len(), |end| digits + end);
        template.push(&head[..digits], marks, in_head);
        let length_at = template.bytes.len();
        let mut tail = Self::empty(false);
        tail.push(body, marks, marks.slots.len() - in_head);
        if tail.is_fixed() {
            template.bytes.extend_from_slice(Digits::of(tail.bytes.len() as i128).text());
        } else {
            template.length_at = Some(length_at);
            template.bytes.extend_from_slice(&[b' '; LENGTH_WIDTH]);
        }
        template.bytes.extend_from_slice(&head[after..]);
        template.head_length = template.bytes.len();
        template.append(tail);
        template
    }

    const fn empty(is_head: bool) -> Self {
        Self { bytes: Vec::new(), slots: Vec::new(), head_length: 0, length_at: None, is_head }
    }

    /// Whether it has no slots, so that every request equals [`Self::bytes`].
    pub const fn is_constant(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether it may be sent twice with the same effect.
    pub fn is_idempotent(&self) -> bool {
        is_idempotent(&self.bytes)
    }

    /// Whether its method is HEAD.
    pub const fn is_head(&self) -> bool {
        self.is_head
    }

    /// The same, sending the cookies of the user's jar after the `fixed` ones, which replace those
    /// of the same name.
    pub fn with_cookies(mut self, fixed: Vec<(String, Text)>) -> Self {
        // After the request line and `Host`.
        let end = b"\r\n";
        let after =
            |at: usize| find(&self.bytes[at..], end).map_or(at, |line| at + line + end.len());
        let at = after(after(0));
        let before = self.slots.partition_point(|placed| placed.at < at);
        self.slots.insert(before, Placed { at, width: None, fill: Fill::Cookies(fixed) });
        self
    }

    /// Whether it sends the cookies of the user's jar.
    pub fn uses_jar(&self) -> bool {
        self.slots.iter().any(|placed| matches!(placed.fill, Fill::Cookies(_)))
    }

    /// Whether all its requests have the same length, so that they can be patched in place.
    pub fn is_fixed(&self) -> bool {
        self.slots.iter().all(|placed| placed.width.is_some())
    }

    /// The bytes between slots; slots of fixed width are filled with `0`.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Append one request to `out`.
    pub fn render(&self, scope: &Scope<'_>, random: &mut Random, out: &mut Vec<u8>) {
        let begin = out.len();
        let mut from = 0;
        let mut grown = [0, 0]; // of the head, of the body
        for placed in &self.slots {
            out.extend_from_slice(&self.bytes[from..placed.at]);
            let before = out.len();
            match &placed.fill {
                Fill::Slot(slot) => {
                    slot.pieces(scope, random, &mut |piece| out.extend_from_slice(piece));
                }
                Fill::Cookies(fixed) => cookies(fixed, begin, scope, random, out),
            }
            let width = placed.width.unwrap_or(0);
            let is_body = usize::from(placed.at >= self.head_length);
            grown[is_body] += out.len() - before - width;
            from = placed.at + width;
        }
        out.extend_from_slice(&self.bytes[from..]);
        if let Some(at) = self.length_at {
            let length = Digits::of((self.bytes.len() - self.head_length + grown[1]) as i128);
            let end = begin + at + grown[0] + LENGTH_WIDTH;
            out[end - length.text().len()..end].copy_from_slice(length.text());
        }
    }

    /// Fill the slots of a copy of [`Self::bytes`], or of a request rendered before, in place. Only
    /// for a template that [`Self::is_fixed`]: other slots are skipped.
    pub fn patch(&self, scope: &Scope<'_>, random: &mut Random, bytes: &mut [u8]) {
        for placed in self.slots.iter().filter(|placed| placed.width.is_some()) {
            let Fill::Slot(slot) = &placed.fill else { continue };
            let mut at = placed.at;
            slot.pieces(scope, random, &mut |piece| {
                bytes[at..at + piece.len()].copy_from_slice(piece);
                at += piece.len();
            });
        }
    }

    /// Append `text`, which contains this many marks.
    fn push(&mut self, text: &[u8], marks: &Marks, count: usize) {
        let prefix = marks.prefix();
        let mut rest = text;
        for _ in 0..count {
            let Some(at) = find(rest, prefix.as_bytes()) else { break };
            let (mark, after) = rest[at + prefix.len()..].split_at(MARK_DIGITS);
            let number = mark.iter().fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
            self.bytes.extend_from_slice(&rest[..at]);
            let slot = marks.slots[number].clone();
            let width = slot.width();
            self.slots.push(Placed { at: self.bytes.len(), width, fill: Fill::Slot(slot) });
            self.bytes.resize(self.bytes.len() + width.unwrap_or(0), b'0');
            rest = after;
        }
        self.bytes.extend_from_slice(rest);
    }

    fn append(&mut self, tail: Self) {
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(&tail.bytes);
        let moved = |placed: Placed| Placed { at: placed.at + begin, ..placed };
        self.slots.extend(tail.slots.into_iter().map(moved));
    }
}

/// The target of a request, path and query: the second word of its first line.
pub fn target_of(request: &[u8]) -> &[u8] {
    request.split(|&byte| byte == b' ').nth(1).unwrap_or_default()
}

/// Append the cookies of a request that begins at `begin`.
fn cookies(
    fixed: &[(String, Text)],
    begin: usize,
    scope: &Scope<'_>,
    random: &mut Random,
    out: &mut Vec<u8>,
) {
    let mut before: &[u8] = b"Cookie: ";
    for (name, text) in fixed {
        for part in [before, name.as_bytes(), b"="] {
            out.extend_from_slice(part);
        }
        text.pieces(scope, random, &mut |piece| out.extend_from_slice(piece));
        before = b"; ";
    }
    for cookie in scope.cookies.cookies() {
        let is_fixed = fixed.iter().any(|(name, _)| name.as_bytes() == cookie.name());
        if !is_fixed && cookie.is_sent(target_of(&out[begin..]), scope.unix_ms) {
            out.extend_from_slice(before);
            out.extend_from_slice(cookie.pair());
            before = b"; ";
        }
    }
    if before == b"; " {
        out.extend_from_slice(b"\r\n");
    }
}

/// The first position of `word`, which is not empty.
pub(super) fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, word)
}

/// The number of occurrences of `word`, at most `most`.
fn occurrences(text: &[u8], word: &[u8], most: usize) -> usize {
    memchr::memmem::find_iter(text, word).take(most).count()
}
