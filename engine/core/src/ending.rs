//! Why connections that stood have ended, where neither the plan nor the end of the run wanted it.

/// Why one has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Ending {
    /// The target announced it with an answer: `Connection: close`, HTTP/1.0, or a body that lasts
    /// until the connection ends (RFC 9112 section 9.6).
    Announced,
    /// The target closed it while nothing was in flight, with or without a 408 first.
    Idle,
    /// The target closed it before the first byte of an answer that was awaited.
    Unanswered,
    /// The target closed it in the middle of an answer.
    BrokenOff,
    /// TLS on it broke.
    Tls,
    /// Dropped by this side: what came was not what the protocol has.
    Malformed,
    /// Dropped by this side: bytes came that nobody had asked for.
    Unsolicited,
    /// Dropped by this side: an answer was late, and would be taken for the next one's.
    Late,
}

/// The cause of a request that a keep-alive timeout has cost.
pub const CLOSED_IDLE: &str = "the target closed the idle connection as the request was sent: \
                               raise its keep-alive timeout, or lower -c";

/// The cause of a stream that the run's end has cut.
pub const STREAM_CUT: &str = "the stream had not ended when the run did: --events N ends it after \
                              N events";

impl Ending {
    /// Every one, in the order of the result document.
    pub const ALL: [Self; 8] = [
        Self::Announced,
        Self::Idle,
        Self::Unanswered,
        Self::BrokenOff,
        Self::Tls,
        Self::Malformed,
        Self::Unsolicited,
        Self::Late,
    ];

    /// The word for it in the result document.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Idle => "idle",
            Self::Unanswered => "unanswered",
            Self::BrokenOff => "broken_off",
            Self::Tls => "tls",
            Self::Malformed => "malformed",
            Self::Unsolicited => "unsolicited",
            Self::Late => "late",
        }
    }

    /// When it was, for people.
    pub const fn when(self) -> &'static str {
        match self {
            Self::Announced => "as its answers announced",
            Self::Idle => "while idle",
            Self::Unanswered => "before an answer",
            Self::BrokenOff => "in the middle of an answer",
            Self::Tls => "since TLS broke",
            Self::Malformed => "after a malformed answer",
            Self::Unsolicited => "after bytes nobody had asked for",
            Self::Late => "after a late answer",
        }
    }

    /// Whether it was the target that ended the connection.
    pub const fn is_the_target_s(self) -> bool {
        matches!(self, Self::Announced | Self::Idle | Self::Unanswered | Self::BrokenOff)
    }

    /// Whether servers do so in the best of health.
    pub const fn is_usual(self) -> bool {
        matches!(self, Self::Announced | Self::Idle)
    }
}

/// How many connections have ended in each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Endings([u64; Ending::ALL.len()]);

impl Endings {
    /// One more has.
    pub const fn add(&mut self, ending: Ending) {
        self.0[ending as usize] += 1;
    }

    /// So many have.
    pub const fn of(&self, ending: Ending) -> u64 {
        self.0[ending as usize]
    }

    /// Add another worker's or interval's.
    pub fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum += more);
    }

    /// Those that there were, in the order of [`Ending::ALL`].
    pub fn list(&self) -> impl Iterator<Item = (Ending, u64)> {
        Ending::ALL.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_counted_apart() {
        let mut endings = Endings::default();
        for (index, ending) in Ending::ALL.into_iter().enumerate() {
            (0..=index).for_each(|_| endings.add(ending));
        }
        let mut twice = endings;
        twice.merge(&endings);
        for (index, (ending, count)) in twice.list().enumerate() {
            assert_eq!((ending, count), (Ending::ALL[index], 2 * (index as u64 + 1)));
            assert_eq!((ending as usize, endings.of(ending)), (index, index as u64 + 1));
        }
    }
}
