//! Why open connections ended, other than by the plan or at the end of the run.

/// The way in which a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Ending {
    /// The target announced it with an answer: `Connection: close`, HTTP/1.0, or a body that lasts
    /// until the connection ends (RFC 9112 section 9.6).
    Announced,
    /// The target closed a WebSocket with a Close frame while nothing was in flight.
    Goodbye,
    /// The target announced it with an HTTP/2 GOAWAY; the streams that it had taken were answered.
    GoingAway,
    /// The target announced it with an HTTP/2 GOAWAY that names an error.
    Expelled,
    /// The target closed it between two answers, with or without a 408 first: nothing was in
    /// flight, or only a request that had just been sent.
    Idle,
    /// The target closed it before the first byte of an expected answer.
    Unanswered,
    /// The target closed it in the middle of an answer.
    BrokenOff,
    /// The target closed it after a body that its end delimits, and TLS without close_notify.
    Truncated,
    /// TLS failed on it.
    Tls,
    /// Closed by this side: the bytes received violate the protocol.
    Malformed,
    /// Closed by this side: bytes arrived without a request.
    Unsolicited,
    /// Closed by this side: an answer was late, and could be taken for that of the next request.
    Late,
    /// Closed by this side: an HTTP/2 target allowed no stream on it any more.
    Barred,
    /// Closed by this side: an answer's header is ambiguous about its end, so that no bytes after
    /// it can be trusted (RFC 9112 sections 6.1 and 6.3).
    Ambiguous,
    /// Closed by this side: an answer arrived before its request had been sent completely.
    Early,
    /// Closed by this side: a stream had delivered the requested number of events.
    Enough,
    /// Closed by this side: the target refused to open a WebSocket on it.
    Refused,
}

/// The cause of a request that failed because of a keep-alive timeout.
pub const CLOSED_IDLE: &str = "the target closed the idle connection as the request was sent: \
                               raise its keep-alive timeout, or lower -c";

/// The cause of a request after the last one that the target answers on a connection.
pub const CLOSED_UNSAID: &str = "the target closed the connection unannounced (no `Connection: \
                                 close`): set a lower --requests-per-connection";

/// The cause if a connection ends without any byte.
pub const CLOSED_NEW: &str = "the target closed a new connection without an answer";

/// The cause of a stream that the end of the run cut.
pub const STREAM_CUT: &str = "the stream had not ended when the run did: --events N ends it after \
                              N events";

impl Ending {
    /// All of them, in the order of the result document.
    pub const ALL: [Self; 17] = [
        Self::Announced,
        Self::Goodbye,
        Self::GoingAway,
        Self::Expelled,
        Self::Idle,
        Self::Unanswered,
        Self::BrokenOff,
        Self::Truncated,
        Self::Tls,
        Self::Malformed,
        Self::Unsolicited,
        Self::Late,
        Self::Barred,
        Self::Ambiguous,
        Self::Early,
        Self::Enough,
        Self::Refused,
    ];

    /// Its key in the result document.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Goodbye => "goodbye",
            Self::GoingAway => "going_away",
            Self::Expelled => "expelled",
            Self::Idle => "idle",
            Self::Unanswered => "unanswered",
            Self::BrokenOff => "broken_off",
            Self::Truncated => "truncated",
            Self::Tls => "tls",
            Self::Malformed => "malformed",
            Self::Unsolicited => "unsolicited",
            Self::Late => "late",
            Self::Barred => "barred",
            Self::Ambiguous => "ambiguous",
            Self::Early => "early",
            Self::Enough => "enough",
            Self::Refused => "refused",
        }
    }

    /// When it happened, as text.
    pub const fn when(self) -> &'static str {
        match self {
            Self::Announced => "as its answers announced",
            Self::Goodbye => "with a WebSocket Close frame",
            Self::GoingAway => "with an HTTP/2 GOAWAY",
            Self::Expelled => "with an HTTP/2 GOAWAY that names an error",
            Self::Idle => "between answers",
            Self::Unanswered => "before an answer",
            Self::BrokenOff => "in the middle of an answer",
            Self::Truncated => "without the close_notify that ends a body within TLS",
            Self::Tls => "since TLS broke",
            Self::Malformed => "after a malformed answer",
            Self::Unsolicited => "after bytes nobody had asked for",
            Self::Late => "after a late answer",
            Self::Barred => "since the target allowed no HTTP/2 stream any more",
            Self::Ambiguous => {
                "after an answer that does not say clearly where it ends (Transfer-Encoding \
                 beside Content-Length, or in HTTP/1.0)"
            }
            Self::Early => "after an answer that came before all of its request was sent",
            Self::Enough => "after the last event wanted of a stream",
            Self::Refused => "after a WebSocket was refused",
        }
    }

    /// Whether the target ended the connection.
    pub const fn is_the_target_s(self) -> bool {
        matches!(
            self,
            Self::Announced
                | Self::Goodbye
                | Self::GoingAway
                | Self::Expelled
                | Self::Idle
                | Self::Unanswered
                | Self::BrokenOff
                | Self::Truncated
        )
    }

    /// Whether it is no sign of a fault: one side closes between answers, as HTTP allows.
    pub const fn is_usual(self) -> bool {
        let is_theirs =
            matches!(self, Self::Announced | Self::Goodbye | Self::GoingAway | Self::Idle);
        is_theirs || matches!(self, Self::Ambiguous | Self::Early | Self::Enough | Self::Refused)
    }
}

/// The number of connections that ended in each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Endings([u64; Ending::ALL.len()]);

impl Endings {
    /// Counts one more.
    pub const fn add(&mut self, ending: Ending) {
        self.0[ending as usize] += 1;
    }

    /// The number that ended in this way.
    pub const fn of(&self, ending: Ending) -> u64 {
        self.0[ending as usize]
    }

    /// Adds the counts of another worker or interval.
    pub fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum += more);
    }

    /// Those that occurred, in the order of [`Ending::ALL`].
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
