//! A thread's stack: the copy made with a sample, and the memory beyond its end as it is some
//! milliseconds later.
//!
//! The frames at a stack's base rarely change while the thread works above them. If the last bytes
//! of the copy are still in place, the memory beyond it is trusted, as long as every return address
//! found there follows a call and the stack ends where threads begin.

use super::code_lookup::CodeLookup;

/// A stack.
#[derive(Debug)]
pub(super) struct CopiedStack<'a> {
    /// The address of the first byte: the stack pointer.
    base: u64,
    copied: &'a [u8],
    /// Whether the copy has the size that was asked for, so that the stack may go on after it.
    is_full: bool,
    beyond: Vec<u8>,
}

impl<'a> CopiedStack<'a> {
    pub(super) const fn new(base: u64, copied: &'a [u8], is_full: bool) -> Self {
        Self { base, copied, is_full, beyond: Vec::new() }
    }

    /// The word at an address.
    pub(super) fn word(&self, address: u64) -> Option<u64> {
        let at = usize::try_from(address.checked_sub(self.base)?).ok()?;
        let (part, at) = match at.checked_sub(self.copied.len()) {
            Some(at) => (&self.beyond[..], at),
            None => (self.copied, at),
        };
        let bytes = part.get(at..at.checked_add(8)?)?;
        bytes.try_into().map(u64::from_ne_bytes).ok()
    }

    /// Whether a word that could not be read may be in a larger copy.
    pub(super) fn may_continue_at(&self, address: u64) -> bool {
        let end = self.base.saturating_add(self.copied.len() as u64);
        let is_on_stack =
            address.checked_sub(self.base).is_some_and(|above| above < STACK_SIZE_MAX);
        let is_near = address >= end.saturating_sub(8) && is_on_stack;
        self.is_full && is_near
    }

    /// Whether memory beyond the copy was read.
    pub(super) const fn is_extended(&self) -> bool {
        !self.beyond.is_empty()
    }

    /// Read the memory beyond the copy; false if there is none, or the end of the copy has changed.
    pub(super) fn extend(&mut self, lookup: &mut CodeLookup<'_>) -> bool {
        if self.is_extended() || !self.is_full || self.copied.len() < OVERLAP {
            return false;
        }
        let kept = &self.copied[self.copied.len() - OVERLAP..];
        let start = self.base + (self.copied.len() - OVERLAP) as u64;
        // Few bytes decide whether the many after them are of use.
        let mut end = [0; OVERLAP];
        if lookup.read(start, &mut end) < OVERLAP || end != *kept {
            return false;
        }
        let mut bytes = vec![0; OVERLAP + BEYOND_MAX];
        let length = lookup.read(start, &mut bytes);
        bytes.truncate(length);
        if bytes.len() <= OVERLAP || bytes[..OVERLAP] != *kept {
            return false;
        }
        self.beyond = bytes.split_off(OVERLAP);
        true
    }
}

/// The bytes at the end of a copy that have to be unchanged.
const OVERLAP: usize = 256;
/// The most bytes read beyond a copy.
const BEYOND_MAX: usize = 256 << 10;
/// Largest stack (8 MiB is the usual limit); an address further from the stack pointer is not part
/// of it.
const STACK_SIZE_MAX: u64 = 64 << 20;
