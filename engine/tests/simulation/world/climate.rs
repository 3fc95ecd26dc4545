//! The properties of a world: the behaviour of its server, and its faults.

use std::sync::Arc;

use uringbench_core::flow::script::Script;
use uringbench_core::http2::machine::CallAnswers;
use uringbench_core::time::{Nanos, Timestamp};

use crate::server::{Answer, Leaving, Manners, Websocket};

/// The properties of a world.
#[derive(Clone, Debug)]
pub(crate) struct Climate {
    pub(crate) manners: Manners,
    /// Thousandths of connection attempts that fail; half of them get no answer.
    pub(crate) refuse_share: u64,
    /// Thousandths of receives that find no buffer.
    pub(crate) no_buffer_share: u64,
    /// The server closes connections that were idle for this long, in this way.
    pub(crate) leaves: Option<(Nanos, Leaving)>,
    /// The shortest service time, and the range above it.
    pub(crate) service_min: Nanos,
    pub(crate) service_max: Nanos,
    /// The messages that the server sends on WebSockets without a request.
    pub(crate) speech: Speech,
    /// The answer to every request, if it is always the same.
    pub(crate) always: Option<Answer>,
    /// Between these times the server answers nothing; then it answers everything.
    pub(crate) stall: (Timestamp, Timestamp),
    pub(crate) has_multishot: bool,
    /// Connections pause between receives.
    pub(crate) is_slow: bool,
    pub(crate) can_skip: bool,
    pub(crate) is_head: bool,
    pub(crate) is_http2: bool,
    /// The requests are calls of gRPC.
    pub(crate) calls: Option<CallAnswers>,
    pub(crate) is_redis: bool,
    pub(crate) is_postgres: bool,
    pub(crate) pipeline: u16,
    pub(crate) request_length: usize,
    /// The offset of the body in a request that waits for `100 Continue`.
    pub(crate) held_at: Option<usize>,
    pub(crate) websocket: Option<Websocket>,
    pub(crate) has_tls: bool,
    /// Thousandths of encrypted answers with one wrong byte.
    pub(crate) corrupt_share: u64,
    /// The script of the users; the request then consists of all their constant requests.
    pub(crate) script: Option<Arc<Script>>,
    /// The time that the kernel takes for each send.
    pub(crate) send_cost: Nanos,
    /// The number of waits after which the driver fails.
    pub(crate) breaks_after: Option<u64>,
}

/// The messages that the server sends on open WebSockets without a request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Speech {
    /// The number of messages together with the answer to the opening, or directly after it.
    pub(crate) greeting: u64,
    /// The number of later messages, and the time within which they are sent.
    pub(crate) pushes: u64,
    pub(crate) within: Nanos,
}
