//! What a world is like: how its server behaves, and what may go wrong.

use std::sync::Arc;

use uringbench_core::flow::script::Script;
use uringbench_core::time::{Nanos, Timestamp};

use crate::server::{Answer, Leaving, Manners, Websocket};

/// What a world is like.
#[derive(Clone, Debug)]
pub(crate) struct Climate {
    pub(crate) manners: Manners,
    /// Thousandths of connection attempts that fail, half of them without an answer.
    pub(crate) refuse_share: u64,
    /// Thousandths of receives that find no buffer.
    pub(crate) no_buffer_share: u64,
    /// The server leaves connections on which nothing has come for so long, in this way.
    pub(crate) leaves: Option<(Nanos, Leaving)>,
    /// Shortest service time, and by how much it may be longer.
    pub(crate) service_min: Nanos,
    pub(crate) service_max: Nanos,
    /// What WebSockets say of their own accord.
    pub(crate) speech: Speech,
    /// How every request is answered, if always alike.
    pub(crate) always: Option<Answer>,
    /// Between these times the server answers nothing and then everything.
    pub(crate) stall: (Timestamp, Timestamp),
    pub(crate) has_multishot: bool,
    /// Connections pause between receives.
    pub(crate) is_slow: bool,
    pub(crate) can_skip: bool,
    pub(crate) is_head: bool,
    pub(crate) pipeline: u16,
    pub(crate) request_length: usize,
    /// Where the body of a request begins that waits for consent.
    pub(crate) held_at: Option<usize>,
    pub(crate) websocket: Option<Websocket>,
    pub(crate) has_tls: bool,
    /// Thousandths of encrypted answers in which a byte is wrong.
    pub(crate) corrupt_share: u64,
    /// What users do; the request is then all of theirs that are always the same.
    pub(crate) script: Option<Arc<Script>>,
    /// How long the kernel takes over each send that is handed to it.
    pub(crate) send_cost: Nanos,
    /// So many waits, and the driver does not work any more.
    pub(crate) breaks_after: Option<u64>,
}

/// What WebSockets say of their own accord once they are open.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Speech {
    /// Messages with the answer to the opening, or right after it.
    pub(crate) greeting: u64,
    /// Messages later, and within which time.
    pub(crate) pushes: u64,
    pub(crate) within: Nanos,
}
