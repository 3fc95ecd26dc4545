//! What is exchanged over a connection once a step's request is sent: one answer, a stream of
//! events, or messages over a WebSocket.

use serde::{Deserialize, Serialize};

use super::text::Text;
use crate::time::Nanos;
use crate::websocket::frame::Kind;
use crate::websocket::handshake::Opening;

/// How a step goes on after its request.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exchange {
    /// One answer comes, and is judged when it is whole.
    #[default]
    Http,
    /// An answer comes whose body is server-sent events. It is judged by its header.
    Events {
        /// The exchange ends well after so many, at least 1; without it, when the server ends it.
        count: Option<u64>,
        /// A gap of at least this length is a stall.
        stall: Nanos,
    },
    /// The answer opens a WebSocket, over which messages go.
    Socket(Box<Socket>),
}

/// What is said over a WebSocket, which the step closes in the end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Socket {
    /// What the answer must say. The request itself is the step's template, not its bytes.
    pub opening: Opening,
    /// Whether messages are text or binary.
    pub kind: Kind,
    /// The message, made anew each time.
    pub message: Text,
    /// How many are sent, each when the answer to the one before has come: at least 1.
    pub messages: u32,
    /// Whether what comes must be what was sent.
    pub is_echo: bool,
    /// Messages that the target sends of its own accord after the opening, and that the first
    /// message waits for.
    pub greeting: u32,
}
