//! How a connection ends, and the causes reported for that. `endings` decides what happens to the
//! requests on it.

use std::fmt::Display;

use uringbench_core::ending::{CLOSED_IDLE, CLOSED_NEW, CLOSED_UNSAID, Ending};

use crate::connections::connection::Connection;
use crate::connections::in_flight::Exchange;

/// The cause if TLS leaves open whether an answer is complete (RFC 8446 section 6.1).
pub(super) const TRUNCATED: &str = "TLS ended without close_notify, so the body that the \
                                    connection's end delimits may be cut short: \
                                    --tolerate-truncation counts it";
/// The cause of requests in flight on a WebSocket that ends without a Close frame.
pub(super) const UNCLOSED: &str = "the target ended the connection without closing the WebSocket";

/// How a connection that was up ends.
#[derive(Clone, Copy)]
pub(super) enum End<'a> {
    /// Its latest answer is complete, and one side closes it for this reason.
    Finished(Ending),
    /// The target has closed it.
    Closed,
    /// The target, or the network, has reset it.
    Reset,
    /// The target has closed it, and TLS leaves open whether the answer under way is complete.
    Truncated,
    /// The target has sent 408, or closed TLS, on a connection that it took for idle.
    Expired,
    /// TLS failed, with the cause.
    Tls(&'a dyn Display),
    /// The target has ended a WebSocket with a Close frame, with the cause: no message on it is
    /// sent twice.
    Goodbye(&'a dyn Display),
    /// The same without a Close frame.
    Unclosed,
    /// A database has ended it with an error, with the cause.
    Fatal(&'a dyn Display),
    /// The target broke HTTP/2, with the cause.
    Violated(&'a dyn Display),
    /// An answer was malformed; its request has ended already.
    Malformed,
    /// Bytes arrived that no request asked for.
    Unsolicited,
    /// The oldest answer is late. It may still arrive, so the connection is of no further use.
    Late,
}

impl End<'_> {
    /// The way in which the end is counted. `oldest` is the exchange with the next expected answer,
    /// if there is one, with HTTP/2 any of them.
    pub(super) fn ending(self, connection: &Connection, oldest: Option<&Exchange>) -> Ending {
        let http2 = connection.wire().http2();
        match self {
            Self::Closed | Self::Reset
                if http2.is_some_and(|it| it.machine.expulsion().is_some()) =>
            {
                Ending::Expelled
            }
            Self::Finished(ending) => ending,
            Self::Goodbye(_) if oldest.is_none() => Ending::Goodbye,
            Self::Fatal(_) if oldest.is_none() => Ending::Announced,
            Self::Goodbye(_) | Self::Fatal(_) => Ending::Unanswered,
            Self::Closed | Self::Reset | Self::Unclosed => match oldest {
                None => Ending::Idle,
                Some(exchange) if exchange.is_begun() => Ending::BrokenOff,
                Some(_) if connection.wire().is_open_websocket() => Ending::Unanswered,
                Some(exchange) if connection.has_stood(exchange) => Ending::Idle,
                Some(_) => Ending::Unanswered,
            },
            Self::Expired => Ending::Idle,
            Self::Truncated => Ending::Truncated,
            Self::Tls(_) => Ending::Tls,
            Self::Malformed | Self::Violated(_) => Ending::Malformed,
            Self::Unsolicited => Ending::Unsolicited,
            Self::Late => Ending::Late,
        }
    }
}

/// The cause of requests on a connection that the target closed before their answers.
pub(super) fn closed_cause(
    connection: &Connection,
    ending: Ending,
    has_due_times: bool,
) -> &'static str {
    if connection.wire().is_open_websocket() {
        return "the target closed the WebSocket before its answer";
    }
    match ending {
        // A closed loop sends the next request directly after an answer: the connection was not
        // idle.
        Ending::Idle if !has_due_times && connection.has_answered() => CLOSED_UNSAID,
        Ending::Idle => CLOSED_IDLE,
        _ => CLOSED_NEW,
    }
}
