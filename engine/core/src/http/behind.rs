//! Bytes after a response that must have no body: some servers send a body anyway.
//!
//! This file decides which bytes belong to it, so that the next response is found: as many as the
//! header declared, otherwise all up to the next status line, however they are split.

use super::chunked::ChunkedDecoder;
use super::deviation::{Deviation, Deviations};
use super::head::Declared;

/// The start of a response. No suffix of it is also a prefix.
const BEGIN: &[u8] = b"HTTP/";

/// The bytes after such a response.
#[derive(Clone, Debug)]
pub(super) struct Behind {
    rest: Rest,
    /// Some of them have arrived.
    is_begun: bool,
    /// The last bytes may be this much of the start of [`BEGIN`].
    matched: u8,
}

#[derive(Clone, Debug)]
enum Rest {
    Undeclared,
    /// A declared length that exceeds [`BEGIN`] before any byte has arrived.
    Length(u64),
    Chunked(ChunkedDecoder),
}

impl Behind {
    pub(super) const fn new(declared: Declared) -> Self {
        let rest = match declared {
            Declared::Length(length) if length > BEGIN.len() as u64 => Rest::Length(length),
            Declared::Nothing | Declared::Length(_) => Rest::Undeclared,
            Declared::Chunked => Rest::Chunked(ChunkedDecoder::new()),
        };
        Self { rest, is_begun: false, matched: 0 }
    }

    /// Whether the last bytes taken may belong to the next response.
    pub(super) const fn is_open(&self) -> bool {
        self.matched > 0
    }

    /// The bytes taken that belong to the next response.
    pub(super) fn withheld(&mut self) -> &'static [u8] {
        &BEGIN[..usize::from(std::mem::take(&mut self.matched))]
    }

    /// How many of the next bytes belong to the unexpected body, and whether it has ended with
    /// them. None if a response begins.
    pub(super) fn take(&mut self, bytes: &[u8], deviations: &mut Deviations) -> (usize, bool) {
        let may_begin = !self.is_begun || matches!(self.rest, Rest::Undeclared);
        if may_begin {
            let matched = usize::from(self.matched);
            let ahead = &BEGIN[matched..];
            let here = ahead.len().min(bytes.len());
            if bytes[..here].eq_ignore_ascii_case(&ahead[..here]) {
                if here == ahead.len() {
                    return (0, false);
                }
                self.matched += here as u8; // less than BEGIN has
                return (here, false);
            }
            // It was not a start, but part of the body.
            self.matched = 0;
            match &mut self.rest {
                Rest::Length(left) => *left -= matched as u64,
                rest @ Rest::Chunked(_) if matched > 0 => *rest = Rest::Undeclared,
                Rest::Chunked(_) | Rest::Undeclared => {}
            }
        }
        if !std::mem::replace(&mut self.is_begun, true) {
            deviations.note(Deviation::BytesBehind, bytes);
        }
        match &mut self.rest {
            Rest::Undeclared => self.search(bytes),
            Rest::Length(left) => {
                let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= taken as u64;
                (taken, *left == 0)
            }
            Rest::Chunked(decoder) => {
                let mut at = 0;
                match decoder.feed_from(&mut at, bytes, &mut |_: &[u8]| {}, deviations) {
                    Ok(Some(end)) => (end, true),
                    Ok(None) => (bytes.len(), false),
                    Err(_) => {
                        self.rest = Rest::Undeclared;
                        let (found, _) = self.search(&bytes[at..]);
                        (at + found, false)
                    }
                }
            }
        }
    }

    /// The position where the next response begins, or may begin.
    fn search(&mut self, bytes: &[u8]) -> (usize, bool) {
        let next = bytes.windows(BEGIN.len()).position(|window| window.eq_ignore_ascii_case(BEGIN));
        if next.is_none() {
            let is_beginning = |length: &usize| {
                let end = bytes.len().checked_sub(*length).map(|start| &bytes[start..]);
                end.is_some_and(|end| end.eq_ignore_ascii_case(&BEGIN[..*length]))
            };
            let matched = (1..BEGIN.len()).rev().find(is_beginning).unwrap_or(0);
            self.matched = matched as u8; // less than BEGIN has
        }
        (next.unwrap_or(bytes.len()), false)
    }
}
