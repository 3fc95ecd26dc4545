//! The protocol on a connection: which one, how far it has come, and what every connection is
//! configured with. The machines themselves are `uringbench_core`'s; they know no socket.

pub(crate) mod messages;
pub(crate) mod proxy;
pub(crate) mod stream;
pub(crate) mod tls;
pub(crate) mod websocket;

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use uringbench_core::http::response::ResponseParser;
use uringbench_core::http::unfinished::Unfinished;
use uringbench_core::plan::{Plan, ProxyVersion, StreamPlan};

use self::websocket::{WebSocket, WebSocketConfig};
use crate::work::users::{self, FlowConfig};

/// The protocol that a connection speaks, and how far it has come.
pub(crate) enum Wire {
    /// HTTP/1.1, of which answers come in the order of their requests.
    Http(ResponseParser),
    /// A WebSocket, or one that is being opened.
    WebSocket(Box<WebSocket>),
}

impl Wire {
    /// HTTP at the start of a connection. `tells_continue`: see
    /// [`ResponseParser::telling_continue`].
    pub(crate) const fn http(tells_continue: bool) -> Self {
        Self::Http(if tells_continue {
            ResponseParser::telling_continue()
        } else {
            ResponseParser::new()
        })
    }

    /// The parser of HTTP, where it is that.
    #[inline]
    pub(crate) const fn parser(&self) -> Option<&ResponseParser> {
        match self {
            Self::Http(parser) => Some(parser),
            Self::WebSocket(_) => None,
        }
    }

    /// The WebSocket, where it is one.
    #[inline]
    pub(crate) const fn websocket(&self) -> Option<&WebSocket> {
        match self {
            Self::Http(_) => None,
            Self::WebSocket(socket) => Some(socket),
        }
    }

    /// The same, to change it.
    #[inline]
    pub(crate) fn websocket_mut(&mut self) -> Option<&mut WebSocket> {
        match self {
            Self::Http(_) => None,
            Self::WebSocket(socket) => Some(socket),
        }
    }

    /// How many of the next bytes are payload and nothing else, so that they may be dropped unread:
    /// `u64::MAX` until the connection ends.
    #[inline]
    pub(crate) fn opaque(&self) -> u64 {
        match self {
            Self::Http(parser) => parser.opaque(),
            Self::WebSocket(socket) => socket.machine().opaque(),
        }
    }

    /// How far the answer under way has come.
    pub(crate) fn unfinished(&self) -> Option<Unfinished> {
        self.parser()?.unfinished()
    }

    /// Whether messages go to and fro, each of which the target may have acted on.
    pub(crate) fn is_open_websocket(&self) -> bool {
        self.websocket().is_some_and(|socket| !socket.is_opening())
    }
}

/// What every connection of a loop is made with.
#[derive(Debug, Default)]
pub struct ConnectionConfig {
    /// The bytes of one request, for what is not sent from the driver's own copy.
    pub request: Arc<Vec<u8>>,
    /// TLS, and the name to ask for.
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// Whether an answer may end with the connection where TLS does not say that it is the end.
    pub tolerates_truncation: bool,
    /// Whether connections say first whom they are made for.
    pub proxy: Option<ProxyVersion>,
    /// WebSocket: the request is a message.
    pub websocket: Option<WebSocketConfig>,
    /// Answers are streams.
    pub stream: Option<StreamPlan>,
    /// The length of the request's header, if its body waits for `100 Continue`.
    pub held_at: Option<usize>,
    /// What users do step by step; the request is then all of theirs that are always the same.
    pub flows: Option<FlowConfig>,
}

impl ConnectionConfig {
    /// Whether every byte of payload is wanted.
    pub(crate) fn reads_payload(&self) -> bool {
        self.stream.is_some()
            || self.websocket.as_ref().is_some_and(WebSocketConfig::knows_answers)
            || self.flows.as_ref().is_some_and(|config| users::read_payload(&config.script))
    }

    /// Whether more of some answer is looked at than its status.
    pub(crate) fn reads_answers(&self) -> bool {
        self.stream.is_some()
            || self.flows.as_ref().is_some_and(|config| users::read_answers(&config.script))
    }

    /// What a plan says of them, TLS apart: that has to be set up.
    pub fn of(plan: &Plan) -> Self {
        let websocket = plan.workload.websocket().cloned().map(Arc::new);
        Self {
            request: Arc::clone(plan.workload.bytes()),
            tls: None,
            tolerates_truncation: plan.tls().is_some_and(|tls| tls.tolerates_truncation),
            proxy: plan.proxy(),
            websocket: websocket.map(|spoken| WebSocketConfig { plan: spoken, seed: plan.seed }),
            stream: plan.workload.stream(),
            held_at: plan.workload.held_at(),
            flows: None,
        }
    }
}
