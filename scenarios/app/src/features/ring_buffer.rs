//! The newest of many items: memory does not grow with the length of a run.

use std::collections::VecDeque;

/// The newest of many items, each with a number from 1.
pub(super) struct RingBuffer<T> {
    most: usize,
    /// The number of the oldest kept one.
    first: u64,
    kept: VecDeque<T>,
}

impl<T> RingBuffer<T> {
    /// Keep this many, at least 1.
    pub(super) const fn new(most: usize) -> Self {
        Self { most, first: 1, kept: VecDeque::new() }
    }

    /// Add one; returns its number. The oldest may be dropped.
    pub(super) fn push(&mut self, thing: T) -> u64 {
        if self.kept.len() == self.most {
            self.kept.pop_front();
            self.first += 1;
        }
        self.kept.push_back(thing);
        self.next() - 1
    }

    /// The number the next one will have.
    pub(super) fn next(&self) -> u64 {
        self.first + self.kept.len() as u64
    }

    /// The one with this number, unless it never existed or was dropped.
    pub(super) fn get(&self, number: u64) -> Option<&T> {
        self.kept.get(self.index(number)?)
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let index = self.index(number)?;
        self.kept.get_mut(index)
    }

    /// The newest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.kept.iter().rev()
    }

    fn index(&self, number: u64) -> Option<usize> {
        number.checked_sub(self.first)?.try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_and_numbers_stay() {
        let mut ring = RingBuffer::new(3);
        for (number, thing) in ["a", "b", "c", "d"].into_iter().enumerate() {
            assert_eq!(ring.push(thing), number as u64 + 1);
        }
        assert_eq!(
            [0, 1, 2, 4, 5].map(|n| ring.get(n).copied()),
            [None, None, Some("b"), Some("d"), None]
        );
        assert_eq!(ring.iter().copied().collect::<Vec<_>>(), ["d", "c", "b"]);
        assert_eq!(ring.next(), 5);
        *ring.get_mut(4).expect("it is kept") = "e";
        assert_eq!(ring.get(4), Some(&"e"));
        assert!(ring.get(u64::MAX).is_none());
    }
}
