//! Causes of failed connections, each with its fix.

use std::fmt;
use std::sync::Arc;

use rustix::io::Errno;
use uringbench_ring::Failure;

use crate::wire::tls::TlsFailure;

/// Why a connection could not be made.
#[derive(Clone, Debug, PartialEq)]
pub enum ConnectFailure {
    /// The kernel or the peer refused it.
    Refused(Failure),
    /// The peer does not speak TLS, or the handshake failed.
    Tls(TlsFailure),
    /// The target answered the WebSocket handshake with this status.
    Upgrade(u16),
    /// The WebSocket was opened, but only so many messages of a longer greeting arrived.
    Greeting(u32, u32),
    /// The target answered the WebSocket handshake with something else.
    Answer(Arc<str>),
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
            Self::Upgrade(status) => {
                return write!(
                    f,
                    "the target refused the WebSocket with status {status}: check the path, and \
                     whether it needs a subprotocol, an Origin or an Authorization header"
                );
            }
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
            Self::Closed => {
                return f.write_str(
                    "the target closes connections before the first request is sent: check the \
                     URL's scheme and port, and the target's log",
                );
            }
            Self::Unanswered => {
                return f.write_str(
                    "the target accepts connections but did not answer the handshake within the \
                     timeout: if it speaks neither TLS nor WebSocket, use http://; otherwise \
                     raise --timeout",
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
