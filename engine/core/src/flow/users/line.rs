//! A queue of users from which any of them can be removed. All operations take constant time.

/// No user.
const NOBODY: u32 = u32::MAX;
/// In the place of a neighbour: the user is not in the queue.
const OUTSIDE: u32 = u32::MAX - 1;

/// The queue, by the users' places.
#[derive(Debug)]
pub(super) struct Line {
    first: u32,
    last: u32,
    /// Of each user who has ever been in the queue.
    neighbours: Vec<Neighbours>,
}

#[derive(Clone, Copy, Debug)]
struct Neighbours {
    ahead: u32,
    behind: u32,
}

impl Line {
    pub(super) const fn new() -> Self {
        Self { first: NOBODY, last: NOBODY, neighbours: Vec::new() }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.first == NOBODY
    }

    /// The user who has waited longest.
    pub(super) fn first(&self) -> Option<u32> {
        (self.first != NOBODY).then_some(self.first)
    }

    pub(super) fn contains(&self, place: u32) -> bool {
        self.neighbours.get(place as usize).is_some_and(|its| its.ahead != OUTSIDE)
    }

    /// Add a user who is not in the queue.
    pub(super) fn push(&mut self, place: u32) {
        debug_assert!(!self.contains(place), "user {place} stands in line twice");
        let outside = Neighbours { ahead: OUTSIDE, behind: OUTSIDE };
        if self.neighbours.len() <= place as usize {
            self.neighbours.resize(place as usize + 1, outside);
        }
        let ahead = std::mem::replace(&mut self.last, place);
        self.neighbours[place as usize] = Neighbours { ahead, behind: NOBODY };
        match ahead {
            NOBODY => self.first = place,
            ahead => self.neighbours[ahead as usize].behind = place,
        }
    }

    /// Take the user who has waited longest.
    pub(super) fn pop(&mut self) -> Option<u32> {
        let place = self.first()?;
        self.remove(place);
        Some(place)
    }

    /// Remove a user. Returns whether it was in the queue.
    pub(super) fn remove(&mut self, place: u32) -> bool {
        if !self.contains(place) {
            return false;
        }
        let outside = Neighbours { ahead: OUTSIDE, behind: OUTSIDE };
        let its = std::mem::replace(&mut self.neighbours[place as usize], outside);
        match its.ahead {
            NOBODY => self.first = its.behind,
            ahead => self.neighbours[ahead as usize].behind = its.behind,
        }
        match its.behind {
            NOBODY => self.last = its.ahead,
            behind => self.neighbours[behind as usize].ahead = its.ahead,
        }
        true
    }

    pub(super) fn clear(&mut self) {
        while self.pop().is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::random::Random;
    use std::collections::VecDeque;

    /// Compared with a queue that is searched.
    #[test]
    fn it_serves_as_a_queue_does_from_which_any_may_be_taken() {
        for seed in 0..50 {
            let mut random = Random::new(seed);
            let (mut line, mut queue) = (Line::new(), VecDeque::new());
            for _ in 0..2_000 {
                let place = random.below(12) as u32;
                let at = queue.iter().position(|&other| other == place);
                assert_eq!(line.contains(place), at.is_some());
                match (random.below(3), at) {
                    (0, _) => assert_eq!(line.pop(), queue.pop_front()),
                    (1, None) => {
                        line.push(place);
                        queue.push_back(place);
                    }
                    (_, at) => {
                        assert_eq!(line.remove(place), at.is_some());
                        at.and_then(|at| queue.remove(at));
                    }
                }
                assert_eq!(line.first(), queue.front().copied());
                assert_eq!(line.is_empty(), queue.is_empty());
            }
            line.clear();
            assert!(line.is_empty() && (0..12).all(|place| !line.contains(place)));
        }
    }
}
