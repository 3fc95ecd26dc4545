//! Causes of failed connections, each with its fix.

use std::fmt;
use std::sync::Arc;

use rustix::io::Errno;
use uringbench_core::status::StatusSample;
use uringbench_ring::Failure;

use super::connection::Connection;
use crate::wire::Wire;
use crate::wire::tls::TlsFailure;
use crate::wire::websocket::WebSocketConfig;

/// Why a connection could not be made.
#[derive(Clone, Debug, PartialEq)]
pub enum ConnectFailure {
    /// The kernel or the peer refused it.
    Refused(Failure),
    /// The peer does not speak TLS, or the handshake failed.
    Tls(TlsFailure),
    /// The target answered the WebSocket handshake with another status.
    Upgrade(Arc<StatusSample>),
    /// The WebSocket was opened, but only so many messages of a longer greeting arrived.
    Greeting(u32, u32),
    /// The target answered the WebSocket handshake with something else.
    Answer(Arc<str>),
    /// The WebSocket was opened, and closed before the first message.
    Goodbye(Arc<str>),
    /// TLS has not agreed on HTTP/2.
    NoHttp2,
    /// The target does not open HTTP/2, for this reason.
    Http2(Arc<str>),
    /// The target ends the connection at the first bytes of HTTP/2.
    ClosedOnPreface,
    /// The target answers HTTP/2 with TLS.
    TlsInstead,
    /// The target opens HTTP/2, but allows no stream.
    NoStream,
    /// A database refuses the connection, or something else answers.
    Database(Arc<str>),
    /// The peer closed it before the first request could be sent.
    Closed,
    /// No answer to the connect within the timeout.
    TimedOut,
    /// The connection was made, but the handshakes before its first request did not end in time.
    Unanswered,
}

impl fmt::Display for ConnectFailure {
    /// Cause and fix in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failure = match self {
            Self::Refused(failure) => failure,
            Self::Tls(failure) => return failure.fmt(f),
            Self::Upgrade(refusal) => return write_refusal(refusal, f),
            Self::Greeting(came, wanted) => {
                let s = if *wanted == 1 { "" } else { "s" };
                return write!(
                    f,
                    "the WebSocket was opened, but {came} of {wanted} message{s} of the greeting \
                     arrived within the timeout: lower --greeting, or raise --timeout"
                );
            }
            Self::Answer(why) => {
                return write!(f, "the answer to the WebSocket handshake is invalid: {why}");
            }
            Self::Goodbye(why) => {
                return write!(f, "the WebSocket opens, but accepts no message: {why}");
            }
            Self::Http2(why) => return write!(f, "HTTP/2 cannot be opened: {why}"),
            Self::Database(why) => return f.write_str(why),
            Self::NoHttp2 | Self::ClosedOnPreface | Self::TlsInstead | Self::NoStream => {
                return f.write_str(self.without_http2());
            }
            Self::Closed => {
                return f.write_str(
                    "the target closes connections before the first request is sent: check the \
                     URL's scheme and port, and the target's log",
                );
            }
            Self::Unanswered => {
                return f.write_str(
                    "the target accepts connections but did not answer the handshake within the \
                     timeout: if it speaks neither TLS nor WebSocket, use http://; if it has no \
                     HTTP/2, leave --http2 out; otherwise raise --timeout",
                );
            }
            Self::TimedOut => {
                return f.write_str(
                    "no answer within the timeout; check the address and firewalls, or raise \
                     --timeout",
                );
            }
        };
        let fix = match failure.0 {
            Errno::CONNREFUSED => "nothing listens there; start the server or fix the port",
            Errno::ADDRNOTAVAIL => {
                "every local port towards this address is in use; connect from more addresses \
                 (--source-ip), widen net.ipv4.ip_local_port_range, use fewer connections, or keep \
                 them alive"
            }
            Errno::NETUNREACH | Errno::HOSTUNREACH => "there is no route to it from here",
            Errno::MFILE | Errno::NFILE => "raise the limit of open files (`ulimit -n`)",
            Errno::TIMEDOUT => "no answer from the address; check for a firewall",
            _ => "the target or the network refuses connections",
        };
        write!(f, "{failure}: {fix}")
    }
}

impl ConnectFailure {
    /// Cause and fix where HTTP/2 was asked for.
    const fn without_http2(&self) -> &'static str {
        match self {
            Self::NoHttp2 => {
                "the target does not agree on HTTP/2 in TLS (ALPN `h2`): turn HTTP/2 on there, or \
                 leave --http2 out"
            }
            Self::ClosedOnPreface => {
                "the target closes the connection at the first bytes of HTTP/2: it does not speak \
                 it on this port; check the port, or leave --http2 out"
            }
            Self::NoStream => {
                "the target allows no stream (SETTINGS_MAX_CONCURRENT_STREAMS 0): raise its limit, \
                 or leave --http2 out"
            }
            _ => "TLS answers on this port: use https:// in the URL",
        }
    }

    /// Why the handshakes before the first request on a connection did not end in time.
    pub(crate) fn unopened(connection: &Connection, config: Option<&WebSocketConfig>) -> Self {
        if connection.wire().http2().is_some_and(|http2| http2.machine.is_open()) {
            return Self::NoStream;
        }
        let silent = match connection.wire() {
            Wire::Redis(_) => Some(
                "the target accepts connections but did not answer the login within the timeout: \
                 check that Redis is on this port; if it speaks TLS there, use rediss://; \
                 otherwise raise --timeout",
            ),
            Wire::Postgres(_) => Some(
                "the target accepts connections but did not answer the login within the timeout: \
                 check that PostgreSQL is on this port; otherwise raise --timeout",
            ),
            Wire::Http(_) | Wire::WebSocket(_) | Wire::Http2(_) => None,
        };
        if let Some(why) = silent {
            return Self::Database(why.into());
        }
        let socket = connection.wire().websocket();
        match socket.filter(|socket| !socket.is_opening()).zip(config) {
            Some((socket, config)) => {
                let wanted = config.plan.greeting;
                Self::Greeting(wanted - socket.greeting(), wanted)
            }
            None => Self::Unanswered,
        }
    }

    /// Why a connection ended in its handshakes, if HTTP/2 explains it.
    pub(crate) fn of_preface(connection: &Connection) -> Option<Self> {
        let machine = &connection.wire().http2()?.machine;
        match (machine.is_open(), machine.hears_tls()) {
            (true, _) => None,
            (false, true) => Some(Self::TlsInstead),
            (false, false) => Some(Self::ClosedOnPreface),
        }
    }
}

/// The opening of a WebSocket was refused.
fn write_refusal(refusal: &StatusSample, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let StatusSample { status, location, scheme, retry_after } = refusal;
    write!(f, "the target refused the WebSocket with status {status}")?;
    match (status, location, scheme, retry_after) {
        (300..=399, Some(location), ..) => write!(
            f,
            " and redirects to `{location}`: redirects are not followed; use the URL it leads to"
        ),
        (_, _, Some(scheme), _) => {
            write!(f, " and asks for {scheme} credentials: send an Authorization header (-H)")
        }
        (.., Some(after)) => {
            write!(f, " (Retry-After: {after}): open fewer (-c), or raise the target's limit")
        }
        _ => f.write_str(
            ": check the path, and whether it needs a subprotocol, an Origin or an Authorization \
             header",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_a_websocket_say_what_the_target_wants() {
        let plain = StatusSample { status: 404, ..StatusSample::default() };
        let location = Some("wss://x/chat".to_owned());
        let scheme = Some("Basic".to_owned());
        let retry_after = Some("30".to_owned());
        for (refusal, end) in [
            (plain.clone(), "404: check the path"),
            (StatusSample { status: 301, location: location.clone(), ..plain.clone() }, "`wss://x"),
            // A Location means nothing there.
            (StatusSample { location, ..plain.clone() }, "404: check the path"),
            (StatusSample { status: 401, scheme, ..plain.clone() }, "asks for Basic credentials"),
            (StatusSample { status: 503, retry_after, ..plain }, "503 (Retry-After: 30)"),
        ] {
            let text = ConnectFailure::Upgrade(refusal.into()).to_string();
            assert!(text.contains(end), "{text}");
        }
    }
}
