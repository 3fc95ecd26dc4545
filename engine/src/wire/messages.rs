//! Messages of a WebSocket that answer nothing: the target speaks first, or of its own accord.
//!
//! Where an answer is known by what it holds (an echo, a check), a message that is not the one
//! awaited is held, and the wait goes on: when the right one comes, those held were unasked; when
//! it does not come in time, the first of them stands for the answer, and fails it.

use std::fmt;

use uringbench_core::time::{Nanos, Timestamp};
use uringbench_core::websocket::machine::Machine;

/// The right answer is waited for at least so long after another message.
const PATIENCE_MIN: Nanos = Nanos::from_millis(100);
/// And for so many times as long as the slowest right one took.
const PATIENCE_SERVICES: u64 = 8;
/// So much of a message is quoted, in bytes.
const QUOTED_MAX: usize = 60;
/// The longest payload whose length is in the second byte of its frame (RFC 6455 section 5.2).
const SHORT_MAX: usize = 125;

/// How the target closed a WebSocket, as causes quote it.
#[derive(Debug)]
pub(crate) struct Goodbye {
    code: Option<u16>,
    reason: String,
}

impl Goodbye {
    /// The one that `machine` has just read.
    #[cold]
    pub(crate) fn of(machine: &Machine, code: Option<u16>) -> Self {
        Self { code, reason: machine.close_reason().unwrap_or_default().to_owned() }
    }
}

impl fmt::Display for Goodbye {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            None => f.write_str("the target closed the WebSocket without a code"),
            Some(code) if self.reason.is_empty() => {
                write!(f, "the target closed the WebSocket with code {code}")
            }
            Some(code) => {
                let reason = self.reason.escape_debug();
                write!(f, "the target closed the WebSocket with code {code}: `{reason}`")
            }
        }
    }
}

/// Which message came in the place of the right answer, as causes quote it.
pub(crate) struct Instead<'a>(pub(crate) &'a str);

impl fmt::Display for Instead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} came instead of the answer awaited", self.0)
    }
}

/// Messages that came while an answer was awaited, and are not it.
#[derive(Debug)]
pub(crate) struct Held {
    /// When the first came.
    pub(crate) since: Timestamp,
    pub(crate) count: u32,
    /// How the first begins, as texts quote it.
    pub(crate) quote: String,
}

impl Held {
    /// None so far, of which the first will be one with this payload, as far as that is known.
    pub(crate) fn new(payload: Option<&[u8]>, now: Timestamp) -> Self {
        Self { since: now, count: 0, quote: quoted(payload) }
    }
}

/// What earlier answers tell of how long the right one may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Hearing {
    /// No answer has been judged yet.
    #[default]
    Unknown,
    /// Right ones have come, the slowest of which took so long.
    Right { slowest: Nanos },
    /// None was right, though all the time there is was waited for: each message answers.
    Wrong,
}

impl Hearing {
    /// A right answer has come after so long.
    #[inline]
    pub(crate) fn note_right(&mut self, service: Nanos) {
        let slowest = match *self {
            Self::Right { slowest } => slowest.max(service),
            Self::Unknown | Self::Wrong => service,
        };
        *self = Self::Right { slowest };
    }

    /// The right answer has not come.
    pub(crate) const fn note_missing(&mut self) {
        if let Self::Unknown = self {
            *self = Self::Wrong;
        }
    }

    /// How long the right answer is waited for after another message has come; not at all where
    /// there is none to be waited for.
    pub(crate) fn patience(self, timeout: Nanos) -> Nanos {
        match self {
            Self::Unknown => timeout,
            Self::Right { slowest } => {
                Nanos(slowest.0.saturating_mul(PATIENCE_SERVICES)).max(PATIENCE_MIN).min(timeout)
            }
            Self::Wrong => Nanos::ZERO,
        }
    }

    /// Whether the right answer may still come when the wait for it is over, so that the
    /// connection cannot be used on.
    pub(crate) const fn may_come_late(self) -> bool {
        matches!(self, Self::Right { .. })
    }
}

/// The payload of a message that is one short frame; `None` if it takes more to find.
pub(crate) fn payload_of(frame: &[u8]) -> Option<&[u8]> {
    match frame {
        [0x81 | 0x82, length, payload @ ..] if usize::from(*length) <= SHORT_MAX => {
            (payload.len() == usize::from(*length)).then_some(payload)
        }
        _ => None,
    }
}

/// How a message begins, for causes.
pub(crate) fn quoted(payload: Option<&[u8]>) -> String {
    let Some(payload) = payload else { return "a longer message".to_owned() };
    let shown = &payload[..payload.len().min(QUOTED_MAX)];
    let dots = if shown.len() < payload.len() { "…" } else { "" };
    format!("`{}{dots}`", String::from_utf8_lossy(shown).escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_fits_what_right_answers_took() {
        let timeout = Nanos::from_secs(5);
        let mut hearing = Hearing::default();
        assert_eq!((hearing.patience(timeout), hearing.may_come_late()), (timeout, false));
        hearing.note_right(Nanos::from_millis(1));
        assert_eq!((hearing.patience(timeout), hearing.may_come_late()), (PATIENCE_MIN, true));
        hearing.note_right(Nanos::from_millis(100));
        hearing.note_right(Nanos::from_millis(1));
        hearing.note_missing();
        assert_eq!(hearing.patience(timeout), Nanos::from_millis(800));
        hearing.note_right(Nanos::from_secs(3));
        assert_eq!(hearing.patience(timeout), timeout);
    }

    #[test]
    fn a_target_that_never_answers_right_is_judged_message_by_message() {
        let timeout = Nanos::from_secs(5);
        let mut hearing = Hearing::default();
        hearing.note_missing();
        assert_eq!((hearing.patience(timeout), hearing.may_come_late()), (Nanos::ZERO, false));
        hearing.note_right(Nanos::MILLISECOND);
        assert_eq!(hearing.patience(timeout), PATIENCE_MIN);
    }

    #[test]
    fn goodbyes_say_code_and_reason() {
        let told = |code, reason: &str| Goodbye { code, reason: reason.to_owned() }.to_string();
        assert_eq!(told(None, ""), "the target closed the WebSocket without a code");
        assert_eq!(told(Some(1001), ""), "the target closed the WebSocket with code 1001");
        let all = "the target closed the WebSocket with code 1008: `no\\n`";
        assert_eq!(told(Some(1008), "no\n"), all);
    }

    #[test]
    fn messages_are_quoted_by_how_they_begin() {
        let held = Held::new(payload_of(b"\x81\x04ti\nk"), Timestamp(7));
        assert_eq!((held.since, held.quote.as_str()), (Timestamp(7), "`ti\\nk`"));
        assert_eq!(quoted(Some(&[b'x'; 61])), format!("`{}…`", "x".repeat(60)));
        // In fragments, or split over receives: the frame is not all there.
        for frame in [&b"\x01\x01a"[..], b"\x81\x05abc", b"\x81\x7e\x00\x01a", b""] {
            assert_eq!(payload_of(frame), None, "{frame:x?}");
        }
    }
}
