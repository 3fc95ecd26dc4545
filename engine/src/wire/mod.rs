//! The protocol on a connection with its state, and the configuration that all connections share.
//! The protocol machines are in `uringbench_core`; they know no socket.

pub(crate) mod http2;
pub(crate) mod messages;
pub(crate) mod postgres;
pub(crate) mod proxy;
pub(crate) mod redis;
pub(crate) mod stream;
pub(crate) mod tls;
pub(crate) mod websocket;

use std::fmt;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use uringbench_core::http::response::ResponseParser;
use uringbench_core::http::unfinished::Unfinished;
use uringbench_core::plan::{Plan, ProxyVersion, StreamPlan};
use uringbench_core::postgres::reader::PostgresFault;
use uringbench_core::reply::ReplyProgress;
use uringbench_core::resp::reader::ReplyFault;

use self::http2::{Http2, Http2Config};
use self::postgres::{Postgres, PostgresConfig};
use self::redis::{Redis, RedisConfig};
use self::websocket::{WebSocket, WebSocketConfig};
use crate::work::users::{self, FlowConfig};

/// The protocol of a connection, and its state.
pub(crate) enum Wire {
    /// HTTP/1.1, which answers requests in order.
    Http(ResponseParser),
    /// A WebSocket, or a handshake for one.
    WebSocket(Box<WebSocket>),
    /// HTTP/2, which answers requests in any order.
    Http2(Box<Http2>),
    /// Redis, which answers commands in order.
    Redis(Box<Redis>),
    /// PostgreSQL, which answers transactions in order.
    Postgres(Box<Postgres>),
}

/// Why bytes are no reply of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DatabaseFault {
    /// Of Redis.
    Redis(ReplyFault),
    /// Of PostgreSQL.
    Postgres(PostgresFault),
}

impl fmt::Display for DatabaseFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redis(fault) => fault.fmt(f),
            Self::Postgres(fault) => fault.fmt(f),
        }
    }
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

    /// The HTTP parser, if it is HTTP.
    #[inline]
    pub(crate) const fn parser(&self) -> Option<&ResponseParser> {
        match self {
            Self::Http(parser) => Some(parser),
            _ => None,
        }
    }

    /// The WebSocket, if it is one.
    #[inline]
    pub(crate) const fn websocket(&self) -> Option<&WebSocket> {
        match self {
            Self::WebSocket(socket) => Some(socket),
            _ => None,
        }
    }

    /// The same, mutable.
    #[inline]
    pub(crate) fn websocket_mut(&mut self) -> Option<&mut WebSocket> {
        match self {
            Self::WebSocket(socket) => Some(socket),
            _ => None,
        }
    }

    /// The HTTP/2 connection, if it is one.
    #[inline]
    pub(crate) const fn http2(&self) -> Option<&Http2> {
        match self {
            Self::Http2(http2) => Some(http2),
            _ => None,
        }
    }

    /// The same, mutable.
    #[inline]
    pub(crate) fn http2_mut(&mut self) -> Option<&mut Http2> {
        match self {
            Self::Http2(http2) => Some(http2),
            _ => None,
        }
    }

    /// How many of the next bytes are payload alone, so that they may be discarded unread:
    /// `u64::MAX` until the connection ends.
    #[inline]
    pub(crate) fn opaque(&self) -> u64 {
        match self {
            Self::Http(parser) => parser.opaque(),
            Self::WebSocket(socket) => socket.machine().opaque(),
            // Frames of other streams stand between the payload of one.
            Self::Http2(_) => 0,
            Self::Redis(redis) => redis.reader().opaque(),
            Self::Postgres(postgres) => postgres.reader().opaque(),
        }
    }

    /// Read bytes up to the end of the first reply of a database among them.
    #[inline]
    pub(crate) fn feed_reply(&mut self, bytes: &[u8]) -> Result<ReplyProgress, DatabaseFault> {
        match self {
            Self::Redis(redis) => redis.reader_mut().feed(bytes).map_err(DatabaseFault::Redis),
            Self::Postgres(postgres) => {
                postgres.reader_mut().feed(bytes).map_err(DatabaseFault::Postgres)
            }
            Self::Http(_) | Self::WebSocket(_) | Self::Http2(_) => Ok(ReplyProgress::NeedMore),
        }
    }

    /// Whether what is under way is a reply; otherwise a database sent it on its own.
    pub(crate) fn has_reply_begun(&self) -> bool {
        match self {
            Self::Redis(redis) => !redis.reader().is_push(),
            Self::Postgres(postgres) => postgres.reader().has_begun(),
            Self::Http(_) | Self::WebSocket(_) | Self::Http2(_) => false,
        }
    }

    /// PostgreSQL, if it is spoken.
    #[inline]
    pub(crate) fn postgres_mut(&mut self) -> Option<&mut Postgres> {
        match self {
            Self::Postgres(postgres) => Some(postgres),
            _ => None,
        }
    }

    /// How much of the current answer has arrived.
    pub(crate) fn unfinished(&self) -> Option<Unfinished> {
        self.parser()?.unfinished()
    }

    /// Whether messages are exchanged, each of which the target may have processed.
    pub(crate) fn is_open_websocket(&self) -> bool {
        self.websocket().is_some_and(|socket| !socket.is_opening())
    }
}

/// The configuration of every connection of a loop.
#[derive(Debug, Default)]
pub struct ConnectionConfig {
    /// The bytes of one request, for sends that do not use the driver's copy.
    pub request: Arc<Vec<u8>>,
    /// TLS, and the server name to send.
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// Whether an answer may end with the connection although TLS did not end with close_notify.
    pub tolerates_truncation: bool,
    /// Whether connections begin with a PROXY header.
    pub proxy: Option<ProxyVersion>,
    /// WebSocket: the request is a message.
    pub websocket: Option<WebSocketConfig>,
    /// Answers are streams.
    pub stream: Option<StreamPlan>,
    /// HTTP/2, and what is sent over it.
    pub http2: Option<Http2Config>,
    /// Redis: the commands.
    pub redis: Option<RedisConfig>,
    /// PostgreSQL: the transactions.
    pub postgres: Option<PostgresConfig>,
    /// The length of the request's header, if its body waits for `100 Continue`.
    pub held_at: Option<usize>,
    /// The flows of a scenario; the request then holds all of their constant requests.
    pub flows: Option<FlowConfig>,
}

impl ConnectionConfig {
    /// Whether requests are calls of gRPC.
    #[inline]
    pub(crate) fn has_calls(&self) -> bool {
        self.http2.as_ref().is_some_and(|http2| http2.calls.is_some())
    }

    /// Whether payload is read, not only counted.
    pub(crate) fn reads_payload(&self) -> bool {
        self.stream.is_some()
            || self.http2.is_some()
            || self.websocket.as_ref().is_some_and(WebSocketConfig::knows_answers)
            || self.flows.as_ref().is_some_and(|config| users::read_payload(&config.script))
    }

    /// Whether more than the status of an answer is read.
    pub(crate) fn reads_answers(&self) -> bool {
        // Messages of calls are counted as they pass.
        (self.stream.is_some() && self.http2.is_none())
            || self.flows.as_ref().is_some_and(|config| users::read_answers(&config.script))
    }

    /// Whether connections begin with a login to a database.
    pub(crate) const fn has_login(&self) -> bool {
        self.redis.is_some() || self.postgres.is_some()
    }

    /// The configuration of a plan without TLS, flows and databases, which are set up apart.
    pub fn of(plan: &Plan) -> Self {
        let websocket = plan.workload.websocket().cloned().map(Arc::new);
        Self {
            request: Arc::clone(plan.workload.bytes()),
            tls: None,
            tolerates_truncation: plan.tls().is_some_and(|tls| tls.tolerates_truncation),
            proxy: plan.proxy(),
            websocket: websocket.map(|spoken| WebSocketConfig { plan: spoken, seed: plan.seed }),
            stream: plan.workload.stream(),
            http2: Http2Config::of(plan),
            redis: None,
            postgres: None,
            held_at: plan.workload.held_at(),
            flows: None,
        }
    }
}
