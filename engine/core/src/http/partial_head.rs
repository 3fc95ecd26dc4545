//! A header split over receives: its first parts, kept until the rest arrives.
//!
//! This file decides when a kept header is parsed again, so that the cost stays linear however
//! finely it is split. `head` decides what it means.

use std::mem::MaybeUninit;

use super::fault::Fault;
use super::head::{self, HEAD_BYTES_MAX, HEADERS_MAX, Head, Parsed};
use super::header_cache::HeaderCache;
use super::response::Malformed;

/// Largest buffer kept for the next split header, so that memory stays small with thousands of
/// connections.
const CARRY_KEPT_MAX: usize = 1024;

/// Capacity for the first part of a split header: most fit without growing.
const CARRY_ROOM: usize = 256;

/// The parts of one header that have arrived.
#[derive(Debug, Default)]
pub(super) struct PartialHead {
    bytes: Vec<u8>,
    /// How much of it httparse has parsed without an error or an end.
    parsed: usize,
}

impl PartialHead {
    /// Whether it is empty, and kept only for its buffer.
    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether its buffer is small enough to be kept.
    pub(super) const fn is_small(&self) -> bool {
        self.bytes.capacity() <= CARRY_KEPT_MAX
    }

    /// Discard its content.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Keep `bytes`, a first part without an error.
    pub(super) fn begin(&mut self, bytes: &[u8]) {
        self.bytes.reserve(CARRY_ROOM.max(bytes.len()));
        self.bytes.extend_from_slice(bytes);
        self.parsed = bytes.len();
    }

    /// Take the missing part of the header from `bytes`: the header and the length of that part, or
    /// `None` if all of `bytes` belongs to it.
    pub(super) fn complete(
        &mut self,
        bytes: &[u8],
        header_cache: &mut HeaderCache,
        is_head: bool,
    ) -> Result<Option<(Head, usize)>, Box<Fault>> {
        let carried = self.bytes.len();
        if let Some(missing) = header_cache.missing(&self.bytes, is_head) {
            let taken = missing.min(bytes.len());
            self.bytes.extend_from_slice(&bytes[..taken]);
            if let Some(head) = header_cache.recognise(&self.bytes, is_head) {
                // Another shape, and a shorter one, may fit.
                return Ok(Some((head, head.bytes as usize - carried)));
            }
            self.bytes.truncate(carried);
        }
        let end = head_end(&self.bytes, bytes);
        self.bytes.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
        // Parsing only at the end, or when the kept part has doubled, keeps the cost linear however
        // finely the header is split, and still finds endless garbage.
        if end.is_none() && self.bytes.len() < (2 * self.parsed).min(HEAD_BYTES_MAX) {
            return Ok(None);
        }
        self.parsed = self.bytes.len();
        match (parse(&self.bytes, header_cache, is_head)?, end) {
            (Some(head), Some(end)) => Ok(Some((head, end))),
            (None, None) => Ok(None),
            // The empty line and httparse disagree about the end.
            (Some(_), None) | (None, Some(_)) => Err(Malformed::HeaderLine.into()),
        }
    }
}

/// Parse a header from the front of `bytes`, and let the header cache learn from it.
pub(super) fn parse(
    bytes: &[u8],
    header_cache: &mut HeaderCache,
    is_head: bool,
) -> Result<Option<Head>, Box<Fault>> {
    let mut room = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let parsed = head::parse(bytes, &mut room, is_head, &mut header_cache.deviations)?;
    let Some(Parsed { head, headers, deviates }) = parsed else { return Ok(None) };
    // Headers that deviate are parsed every time, so that they are counted.
    if !head.is_interim()
        && !deviates
        && let Some(headers) = headers
    {
        header_cache.learn(&bytes[..head.bytes as usize], headers, head, is_head);
    }
    Ok(Some(head))
}

/// Where in `bytes`, which follow `carried`, the first empty line ends. CR is optional, as for
/// httparse (RFC 9112 section 2.2).
pub(crate) fn head_end(carried: &[u8], bytes: &[u8]) -> Option<usize> {
    let before = |at: usize, back: usize| match at.checked_sub(back) {
        Some(index) => Some(bytes[index]),
        None => carried.len().checked_sub(back - at).map(|index| carried[index]),
    };
    let ends = |at: usize| match before(at, 1) {
        Some(b'\r') => before(at, 2) == Some(b'\n'),
        byte => byte == Some(b'\n'),
    };
    let mut lines = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    lines.find(|(at, _)| ends(*at)).map(|(at, _)| at + 1)
}
