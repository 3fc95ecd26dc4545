//! WebSocket messages that answer no request: greetings, and messages that the target sends on its
//! own.
//!
//! If replies are matched by content (an echo, a check), a message other than the expected one is
//! held and the wait continues: if the right one arrives, those held were unsolicited; if it does
//! not arrive in time, the first one held counts as the reply, and fails.

use std::fmt;

use uringbench_core::time::{Nanos, Timestamp};
use uringbench_core::websocket::machine::Machine;

/// Shortest wait for the right reply after another message.
const PATIENCE_MIN: Nanos = Nanos::from_millis(100);
/// The wait is also at least this many times the slowest right reply.
const PATIENCE_SERVICES: u64 = 8;
/// Bytes of a message that causes quote.
const QUOTED_MAX: usize = 60;
/// The longest payload whose length is in the second byte of its frame (RFC 6455 section 5.2).
const SHORT_MAX: usize = 125;

/// How the target closed a WebSocket, for causes.
#[derive(Debug)]
pub(crate) struct Goodbye {
    code: Option<u16>,
    reason: String,
}

impl Goodbye {
    /// The close that `machine` has just read.
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

/// The message that arrived instead of the right reply, for causes.
pub(crate) struct Instead<'a>(pub(crate) &'a str);

impl fmt::Display for Instead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} arrived instead of the awaited reply", self.0)
    }
}

/// Messages that arrived while a reply was awaited, and did not match.
#[derive(Debug)]
pub(crate) struct Held {
    /// When the first arrived.
    pub(crate) since: Timestamp,
    pub(crate) count: u32,
    /// The start of the first, for causes.
    pub(crate) quote: String,
}

impl Held {
    /// Empty; the first to be held will have this payload, if it is known.
    pub(crate) fn new(payload: Option<&[u8]>, now: Timestamp) -> Self {
        Self { since: now, count: 0, quote: quoted(payload) }
    }
}

/// What earlier replies show about the time of a right one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Hearing {
    /// No reply has been checked yet.
    #[default]
    Unknown,
    /// Right replies have arrived; the slowest took this long.
    Right { slowest: Nanos },
    /// No reply matched, although the whole timeout was waited for: every message counts as a
    /// reply.
    Wrong,
}

impl Hearing {
    /// A right reply has arrived after this time.
    #[inline]
    pub(crate) fn note_right(&mut self, service: Nanos) {
        let slowest = match *self {
            Self::Right { slowest } => slowest.max(service),
            Self::Unknown | Self::Wrong => service,
        };
        *self = Self::Right { slowest };
    }

    /// The right reply has not arrived.
    pub(crate) const fn note_missing(&mut self) {
        if let Self::Unknown = self {
            *self = Self::Wrong;
        }
    }

    /// How long to wait for the right reply after another message; zero if none is expected.
    pub(crate) fn patience(self, timeout: Nanos) -> Nanos {
        match self {
            Self::Unknown => timeout,
            Self::Right { slowest } => {
                Nanos(slowest.0.saturating_mul(PATIENCE_SERVICES)).max(PATIENCE_MIN).min(timeout)
            }
            Self::Wrong => Nanos::ZERO,
        }
    }

    /// Whether the right reply may still arrive after the wait, so that the connection cannot be
    /// used again.
    pub(crate) const fn may_come_late(self) -> bool {
        matches!(self, Self::Right { .. })
    }
}

/// The payload of a message in one short frame; `None` for any other form.
pub(crate) fn payload_of(frame: &[u8]) -> Option<&[u8]> {
    match frame {
        [0x81 | 0x82, length, payload @ ..] if usize::from(*length) <= SHORT_MAX => {
            (payload.len() == usize::from(*length)).then_some(payload)
        }
        _ => None,
    }
}

/// The start of a message, for causes.
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
        let text = |code, reason: &str| Goodbye { code, reason: reason.to_owned() }.to_string();
        assert_eq!(text(None, ""), "the target closed the WebSocket without a code");
        assert_eq!(text(Some(1001), ""), "the target closed the WebSocket with code 1001");
        let all = "the target closed the WebSocket with code 1008: `no\\n`";
        assert_eq!(text(Some(1008), "no\n"), all);
    }

    #[test]
    fn messages_are_quoted_by_how_they_begin() {
        let held = Held::new(payload_of(b"\x81\x04ti\nk"), Timestamp(7));
        assert_eq!((held.since, held.quote.as_str()), (Timestamp(7), "`ti\\nk`"));
        assert_eq!(quoted(Some(&[b'x'; 61])), format!("`{}…`", "x".repeat(60)));
        // In fragments, or split over receives: the frame is incomplete.
        for frame in [&b"\x01\x01a"[..], b"\x81\x05abc", b"\x81\x7e\x00\x01a", b""] {
            assert_eq!(payload_of(frame), None, "{frame:x?}");
        }
    }
}
