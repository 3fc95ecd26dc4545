//! The outcome of a released slot: exactly one each.
//!
//! The law of a run: `released = Σ outcomes + in flight`. [`Counts`] has both sides, so it can be
//! checked at any moment; after the drain nothing is in flight.

/// How one released slot ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// A complete answer with a 2xx or 3xx status that passed every check.
    Ok,
    /// A complete answer with a status of 400 or more.
    Status,
    /// No complete answer within the timeout.
    Timeout,
    /// The connection ended before the answer was complete.
    Reset,
    /// No connection could be made.
    ConnectFailed,
    /// The answer was not HTTP, or contradictory.
    Malformed,
    /// The answer was complete but failed a check.
    CheckFailed,
    /// It was due, but no connection was free within the timeout.
    NotSent,
    /// Still in flight when the run ended early; recorded with its age.
    Censored,
}

impl Outcome {
    /// Every outcome, in the order of the result document.
    pub const ALL: [Self; 9] = [
        Self::Ok,
        Self::Status,
        Self::Timeout,
        Self::Reset,
        Self::ConnectFailed,
        Self::Malformed,
        Self::CheckFailed,
        Self::NotSent,
        Self::Censored,
    ];

    /// The word for it in the result document.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Status => "status",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::ConnectFailed => "connect_failed",
            Self::Malformed => "malformed",
            Self::CheckFailed => "check_failed",
            Self::NotSent => "not_sent",
            Self::Censored => "censored",
        }
    }

    /// Whether a complete answer arrived.
    pub const fn is_completed(self) -> bool {
        matches!(self, Self::Ok | Self::Status | Self::CheckFailed)
    }
}

/// Slots released and their outcomes.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Counts {
    /// Slots released: passed to a connection or given up.
    pub released: u64,
    /// How often one of them was sent again, on another connection.
    pub retried: u64,
    outcomes: [u64; Outcome::ALL.len()],
}

impl Counts {
    /// Count the end of `slots` slots.
    #[inline]
    pub fn end(&mut self, outcome: Outcome, slots: u64) {
        self.outcomes[outcome as usize] += slots;
    }

    /// How many slots had this outcome.
    pub const fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// Slots that have ended, with any outcome.
    pub fn ended(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// Complete answers: `ok + status + check_failed`.
    pub fn completed(&self) -> u64 {
        Outcome::ALL.iter().filter(|o| o.is_completed()).map(|&o| self.of(o)).sum()
    }

    /// Slots that ended other than `ok`.
    pub fn errors(&self) -> u64 {
        self.ended() - self.of(Outcome::Ok)
    }

    /// Slots that have not ended. `None` breaks the law: more ended than were released.
    pub fn in_flight(&self) -> Option<u64> {
        self.released.checked_sub(self.ended())
    }

    /// Add another worker's or interval's counts.
    pub fn merge(&mut self, other: &Self) {
        self.released += other.released;
        self.retried += other.retried;
        for (mine, theirs) in self.outcomes.iter_mut().zip(other.outcomes) {
            *mine += theirs;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_law_is_visible_in_the_counts() {
        let mut counts = Counts { released: 3, ..Counts::default() };
        counts.end(Outcome::Ok, 1);
        counts.end(Outcome::Status, 1);
        assert_eq!((counts.in_flight(), counts.completed(), counts.errors()), (Some(1), 2, 1));
        counts.end(Outcome::Timeout, 2);
        assert_eq!(counts.in_flight(), None);
    }

    #[test]
    fn the_order_of_all_is_the_order_of_the_discriminants() {
        for (index, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
        }
    }
}
