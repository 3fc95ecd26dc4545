//! Why slots ended without a passing answer: a bounded tally of texts.
//!
//! Outcomes say how many requests failed, causes say why. Texts are formatted into a buffer that is
//! reused, so a cause seen before allocates nothing. This file decides which causes are separate
//! and in which order they are listed; readers of records decide where to show them.

use std::fmt::{Display, Write as _};

use crate::outcome::Outcome;

/// Most separate causes; later ones are counted together, per outcome.
pub const CAUSES_MAX: usize = 16;

/// The text of the causes that are counted together.
const OTHERS: &str = "other causes";

/// Why slots ended as they did, with counts.
#[derive(Clone, Debug, Default)]
pub struct Causes {
    known: Vec<Known>,
    others: [u64; Outcome::ALL.len()],
    /// Buffer in which texts are formatted before they are compared.
    text: String,
}

/// A cause and its count.
#[derive(Clone, Debug)]
struct Known {
    cause: Cause,
    /// Length of the text that identifies it; the rest is an example.
    own: usize,
}

/// One cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// How the slots ended.
    pub outcome: Outcome,
    /// Why: one line without a final line break, for users.
    pub text: String,
    /// How many slots.
    pub count: u64,
}

impl Causes {
    /// `count` slots ended as `outcome` for the reason `text`: one line.
    #[cold]
    #[inline(never)]
    pub fn add(&mut self, outcome: Outcome, text: impl Display, count: u64) {
        self.add_with_example(outcome, text, "", count);
    }

    /// The same with an example: the first one of a cause is kept after its text.
    #[cold]
    #[inline(never)]
    pub fn add_with_example(
        &mut self,
        outcome: Outcome,
        text: impl Display,
        example: impl Display,
        count: u64,
    ) {
        let mut room = std::mem::take(&mut self.text);
        room.clear();
        // Writing to a `String` cannot fail.
        let _ = write!(room, "{text}");
        let own = room.len();
        let is_it = |known: &Known| {
            known.cause.outcome == outcome && known.cause.text.get(..known.own) == Some(&room)
        };
        // Later examples are not kept, so they are not written.
        if !self.known.iter().any(is_it) {
            let _ = write!(room, ": {example}");
            if room.len() == own + 2 {
                room.truncate(own);
            }
        }
        self.count(outcome, (&room, own), count);
        self.text = room;
    }

    /// Add another worker's or interval's.
    pub fn merge(&mut self, other: &Self) {
        for Known { cause, own } in &other.known {
            self.count(cause.outcome, (&cause.text, *own), cause.count);
        }
        for (mine, theirs) in self.others.iter_mut().zip(other.others) {
            *mine += theirs;
        }
    }

    /// Remove all causes.
    pub fn clear(&mut self) {
        self.known.clear();
        self.others = Default::default();
    }

    /// Every cause, the most frequent first, equally frequent ones in the order of their first
    /// occurrence; causes beyond [`CAUSES_MAX`] are last.
    pub fn list(&self) -> Vec<Cause> {
        let mut causes: Vec<_> = self.known.iter().map(|known| known.cause.clone()).collect();
        causes.sort_by_key(|cause| std::cmp::Reverse(cause.count));
        let others = Outcome::ALL.into_iter().zip(self.others).filter(|(_, count)| *count > 0);
        causes.extend(others.map(|(outcome, count)| Cause {
            outcome,
            text: OTHERS.to_owned(),
            count,
        }));
        causes
    }

    fn count(&mut self, outcome: Outcome, (text, own): (&str, usize), count: u64) {
        let mut same = self.known.iter_mut().filter(|known| {
            known.cause.outcome == outcome && known.cause.text[..known.own] == text[..own]
        });
        if let Some(known) = same.next() {
            known.cause.count += count;
        } else if self.known.len() < CAUSES_MAX {
            let cause = Cause { outcome, text: text.to_owned(), count };
            self.known.push(Known { cause, own });
        } else {
            self.others[outcome as usize] += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(causes: &Causes) -> Vec<(Outcome, String, u64)> {
        causes.list().into_iter().map(|cause| (cause.outcome, cause.text, cause.count)).collect()
    }

    #[test]
    fn the_most_frequent_stands_first_and_outcomes_are_kept_apart() {
        let mut causes = Causes::default();
        causes.add(Outcome::Reset, "closed", 1);
        causes.add(Outcome::Malformed, format_args!("line {}", 3), 2);
        causes.add(Outcome::Timeout, "closed", 2);
        causes.add(Outcome::Reset, "closed", 4);
        let expected = [
            (Outcome::Reset, "closed".to_owned(), 5),
            (Outcome::Malformed, "line 3".to_owned(), 2),
            (Outcome::Timeout, "closed".to_owned(), 2),
        ];
        assert_eq!(listed(&causes), expected);
    }

    #[test]
    fn the_first_example_stands_for_all() {
        let (mut causes, mut other) = (Causes::default(), Causes::default());
        causes.add_with_example(Outcome::Malformed, "no colon", "`a`", 1);
        causes.add_with_example(Outcome::Malformed, "no colon", "`b`", 1);
        other.add_with_example(Outcome::Malformed, "no colon", "`c`", 1);
        causes.merge(&other);
        assert_eq!(listed(&causes), [(Outcome::Malformed, "no colon: `a`".to_owned(), 3)]);
    }

    #[test]
    fn past_the_bound_causes_are_counted_together() {
        let mut causes = Causes::default();
        for number in 0..CAUSES_MAX + 3 {
            causes.add(Outcome::Malformed, format_args!("cause {number}"), 1);
        }
        causes.add(Outcome::Malformed, "cause 0", 1);
        let list = listed(&causes);
        assert_eq!(list.len(), CAUSES_MAX + 1);
        assert_eq!(list[0], (Outcome::Malformed, "cause 0".to_owned(), 2));
        assert_eq!(list[CAUSES_MAX], (Outcome::Malformed, OTHERS.to_owned(), 3));
    }

    #[test]
    fn merging_adds_up_what_is_the_same() {
        let (mut one, mut other) = (Causes::default(), Causes::default());
        for number in 0..CAUSES_MAX + 1 {
            one.add(Outcome::Reset, number, 1);
            other.add(Outcome::Reset, number, 2);
        }
        one.merge(&other);
        let list = listed(&one);
        assert!(list[..CAUSES_MAX].iter().all(|(_, _, count)| *count == 3), "{list:?}");
        assert_eq!(list[CAUSES_MAX].2, 3);
        one.clear();
        assert_eq!(listed(&one), []);
    }
}
