//! The stored form of a template: piece by piece, so that a piece may be restored with another
//! length.

use serde::{Deserialize, Serialize};

use super::{Digits, Fill, LENGTH_NAME, LENGTH_WIDTH, Placed, Template, TemplateValue, Text, find};
use crate::stored::StoredBytes;

/// Its pieces in their order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Form {
    head: Vec<Piece>,
    body: Vec<Piece>,
    is_head: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Piece {
    Text(StoredBytes),
    Slot(TemplateValue),
    Cookies(Vec<(String, Text)>),
    /// The length of the body, in digits.
    Length,
}

impl Template {
    /// The position and width of the body's length in the header.
    fn length(&self) -> Option<(usize, usize)> {
        if let Some(at) = self.length_at {
            return Some((at, LENGTH_WIDTH));
        }
        let head = &self.bytes[..self.head_length];
        let at = find(head, LENGTH_NAME)? + LENGTH_NAME.len();
        let digits = Digits::of((self.bytes.len() - self.head_length) as i128);
        let is_it = head[at..].starts_with(digits.text())
            && head[at + digits.text().len()..].starts_with(b"\r\n");
        is_it.then(|| (at, digits.text().len()))
    }

    /// The bytes from `from` up to `to`, in the body or before it.
    fn part(&self, is_body: bool, mut from: usize, to: usize) -> Vec<Piece> {
        let length = self.length().filter(|_| !is_body);
        let mut pieces = Vec::new();
        let text = |from: usize, to: usize, pieces: &mut Vec<Piece>| {
            let mut literal = |from: usize, to: usize| {
                if from < to {
                    pieces.push(Piece::Text(StoredBytes(self.bytes[from..to].to_vec())));
                }
                pieces.len()
            };
            match length {
                Some((at, width)) if (from..to).contains(&at) => {
                    let place = literal(from, at);
                    literal(at + width, to);
                    pieces.insert(place, Piece::Length);
                }
                _ => {
                    literal(from, to);
                }
            }
        };
        for placed in self.slots.iter().filter(|placed| (placed.at >= self.head_length) == is_body)
        {
            text(from, placed.at, &mut pieces);
            pieces.push(match &placed.fill {
                Fill::Slot(slot) => Piece::Slot(slot.clone()),
                Fill::Cookies(fixed) => Piece::Cookies(fixed.clone()),
            });
            from = placed.at + placed.width.unwrap_or(0);
        }
        text(from, to, &mut pieces);
        pieces
    }

    /// Append a piece other than the length.
    fn take(&mut self, piece: Piece) {
        let at = self.bytes.len();
        let (width, fill) = match piece {
            Piece::Length => return,
            Piece::Text(text) => return self.bytes.extend_from_slice(&text.0),
            Piece::Slot(slot) => (slot.width(), Fill::Slot(slot)),
            Piece::Cookies(fixed) => (None, Fill::Cookies(fixed)),
        };
        self.slots.push(Placed { at, width, fill });
        self.bytes.resize(at + width.unwrap_or(0), b'0');
    }
}

impl From<Template> for Form {
    fn from(template: Template) -> Self {
        Self {
            head: template.part(false, 0, template.head_length),
            body: template.part(true, template.head_length, template.bytes.len()),
            is_head: template.is_head,
        }
    }
}

impl From<Form> for Template {
    fn from(form: Form) -> Self {
        let mut body = Self::empty(false);
        form.body.into_iter().for_each(|piece| body.take(piece));
        let mut template = Self::empty(form.is_head);
        for piece in form.head {
            match piece {
                Piece::Length if body.is_fixed() => {
                    let digits = Digits::of(body.bytes.len() as i128);
                    template.bytes.extend_from_slice(digits.text());
                }
                Piece::Length => {
                    template.length_at = Some(template.bytes.len());
                    template.bytes.extend_from_slice(&[b' '; LENGTH_WIDTH]);
                }
                piece => template.take(piece),
            }
        }
        template.head_length = template.bytes.len();
        template.append(body);
        template
    }
}
