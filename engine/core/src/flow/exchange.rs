//! The exchange of a step after its request: one answer, a stream of events, or messages over a
//! WebSocket.

use serde::{Deserialize, Serialize};

use super::text::Text;
use crate::time::Nanos;
use crate::websocket::frame::Kind;
use crate::websocket::handshake::Opening;

/// The kind of exchange after a step's request.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exchange {
    /// One answer, which is checked when it is complete.
    #[default]
    Http,
    /// An answer whose body is server-sent events. Its header is checked.
    Events {
        /// The exchange ends successfully after this many events, at least 1; if `None`, when the
        /// server ends it.
        count: Option<u64>,
        /// A gap of at least this length is a stall.
        stall: Nanos,
    },
    /// The answer opens a WebSocket, over which messages are exchanged.
    Socket(Box<Socket>),
}

/// The messages over a WebSocket, which the step closes at its end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Socket {
    /// The required content of the answer. The request itself is the step's template, not these
    /// bytes.
    pub opening: Opening,
    /// Text or binary messages.
    pub kind: Kind,
    /// The message, built again each time.
    pub message: Text,
    /// How many are sent, each after the reply to the one before: at least 1.
    pub messages: u32,
    /// Whether each reply must equal the message.
    pub is_echo: bool,
    /// Messages that the target sends on its own after the handshake, and that the first message
    /// waits for.
    pub greeting: u32,
}
