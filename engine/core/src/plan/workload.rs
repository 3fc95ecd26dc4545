//! What is sent, and how its answers are read.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::flow::script::Script;
use crate::http::request::RequestTemplate;
use crate::http2::machine::CallAnswers;
use crate::postgres::login::PostgresLogin;
use crate::postgres::statement::Transaction;
use crate::resp::command::RedisCommand;
use crate::resp::opening::RedisLogin;
use crate::time::Nanos;
use crate::websocket::handshake::Opening;

/// What is sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Workload {
    /// The same HTTP request repeatedly.
    Requests(Requests),
    /// The same message repeatedly, over WebSockets.
    Messages(Messages),
    /// The same Redis command repeatedly, with other values.
    Commands(Arc<Commands>),
    /// The same transaction of PostgreSQL repeatedly, with other values.
    Transactions(Arc<Transactions>),
    /// The steps of users. Flows are then due on a schedule, not requests.
    Script(Arc<Script>),
}

/// One Redis command, sent repeatedly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commands {
    /// The command.
    pub command: RedisCommand,
    /// Commands in flight per connection, 1..=[`PIPELINE_MAX`].
    pub pipeline: u16,
    /// How connections are opened.
    pub login: RedisLogin,
}

/// One transaction of PostgreSQL, sent repeatedly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transactions {
    /// The transaction.
    pub transaction: Transaction,
    /// Transactions in flight per connection, 1..=[`PIPELINE_MAX`].
    pub pipeline: u16,
    /// How connections are opened.
    pub login: PostgresLogin,
}

/// One HTTP request, sent repeatedly.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Requests {
    /// Its bytes.
    pub request: RequestTemplate,
    /// Requests in flight per connection, 1..=[`PIPELINE_MAX`].
    pub pipeline: u16,
    /// How its answers are read.
    pub answers: Answers,
    /// The protocol that carries it.
    #[serde(default)]
    pub version: HttpVersion,
    /// Bodies that calls of gRPC take in turn instead of the request's own; none if it is the
    /// same in all.
    #[serde(with = "crate::stored::shared_list", default, skip_serializing_if = "has_none")]
    pub rows: Arc<Vec<Vec<u8>>>,
}

fn has_none(rows: &Arc<Vec<Vec<u8>>>) -> bool {
    rows.is_empty()
}

/// Versions of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpVersion {
    /// HTTP/1.1; requests in flight on one connection are pipelined.
    #[default]
    Http1,
    /// HTTP/2; requests in flight on one connection are streams.
    Http2,
}

/// How answers to a request are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answers {
    /// As a whole, with one time.
    Whole,
    /// As a stream, with times of its events.
    Stream(StreamPlan),
    /// As that to a call of gRPC with one message.
    Call,
    /// As that to a call of gRPC with any number of messages, which are the events.
    CallStream(StreamPlan),
}

/// One message, sent repeatedly over WebSockets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Messages {
    /// Its frame.
    pub message: RequestTemplate,
    /// Messages in flight per connection, 1..=[`PIPELINE_MAX`].
    pub pipeline: u16,
    /// How the WebSocket is opened, and how replies are checked.
    pub websocket: WebSocketPlan,
}

/// The handshake, and checks of messages.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WebSocketPlan {
    /// The handshake before the first message.
    pub opening: Opening,
    /// The payload that every reply must have, if it is checked.
    #[serde(with = "crate::stored::optional")]
    pub expected: Option<Vec<u8>>,
    /// Whether received text is checked to be UTF-8.
    pub checks_text: bool,
    /// Messages that the target sends on its own after the handshake, and that the first message
    /// waits for.
    pub greeting: u32,
}

/// How the events of a stream are found and timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamPlan {
    /// The kind of events.
    pub kind: StreamKind,
    /// A gap of at least this length is a stall.
    pub stall: Nanos,
    /// After this many events of an answer the exchange ends successfully, and the connection with
    /// it; `None` if the target ends its answers.
    pub events_max: Option<u64>,
}

/// The kind of events of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamKind {
    /// A server-sent event.
    Events,
    /// Every arrival of payload.
    Arrivals,
    /// A message of gRPC.
    Messages,
}

/// The most requests in flight on one connection.
pub const PIPELINE_MAX: u16 = 256;

impl Requests {
    /// One in flight per connection, read as a whole.
    pub fn of(request: RequestTemplate) -> Self {
        Self {
            request,
            pipeline: 1,
            answers: Answers::Whole,
            version: HttpVersion::Http1,
            rows: Arc::new(Vec::new()),
        }
    }
}

impl Messages {
    /// One in flight per connection.
    pub const fn of(message: RequestTemplate, websocket: WebSocketPlan) -> Self {
        Self { message, pipeline: 1, websocket }
    }
}

impl Workload {
    /// The bytes that a driver keeps to send: the request, the message, or all constant requests of
    /// a script, one after the other.
    pub fn bytes(&self) -> &Arc<Vec<u8>> {
        match self {
            Self::Requests(requests) => requests.request.shared(),
            Self::Messages(messages) => messages.message.shared(),
            Self::Commands(commands) => commands.command.example(),
            Self::Transactions(transactions) => transactions.transaction.example(),
            Self::Script(script) => script.constants(),
        }
    }

    /// The headers that are sent, if they are the same in every run of a step.
    pub fn heads(&self) -> &[u8] {
        match self {
            Self::Requests(Requests { request, .. }) => &request.bytes()[..request.head_length()],
            Self::Messages(messages) => messages.websocket.opening.bytes(),
            Self::Commands(_) | Self::Transactions(_) => &[],
            Self::Script(script) => script.constants(),
        }
    }

    /// The request, if there is only one.
    pub const fn request(&self) -> Option<&RequestTemplate> {
        match self {
            Self::Requests(requests) => Some(&requests.request),
            _ => None,
        }
    }

    /// Requests in flight per connection. A user waits for each of its answers, so it is 1 for a
    /// script over HTTP/1.1.
    pub fn pipeline(&self) -> u16 {
        match self {
            Self::Requests(requests) => requests.pipeline,
            Self::Messages(messages) => messages.pipeline,
            Self::Commands(commands) => commands.pipeline,
            Self::Transactions(transactions) => transactions.pipeline,
            Self::Script(script) => script.streams().unwrap_or(1),
        }
    }

    /// Set the number in flight per connection. A script stays unchanged.
    pub fn set_pipeline(&mut self, depth: u16) {
        match self {
            Self::Requests(requests) => requests.pipeline = depth,
            Self::Messages(messages) => messages.pipeline = depth,
            Self::Commands(commands) => Arc::make_mut(commands).pipeline = depth,
            Self::Transactions(transactions) => Arc::make_mut(transactions).pipeline = depth,
            Self::Script(_) => {}
        }
    }

    /// Whether the single request is a HEAD.
    pub fn is_head(&self) -> bool {
        self.request().is_some_and(RequestTemplate::is_head)
    }

    /// The length of the request's header, if its body waits for `100 Continue`.
    pub fn held_at(&self) -> Option<usize> {
        let held = self.request().filter(|request| request.expects_continue());
        held.map(RequestTemplate::head_length)
    }

    /// The WebSocket plan, if messages are sent.
    pub const fn websocket(&self) -> Option<&WebSocketPlan> {
        match self {
            Self::Messages(messages) => Some(&messages.websocket),
            _ => None,
        }
    }

    /// The stream plan, if answers to the single request are streams.
    pub const fn stream(&self) -> Option<StreamPlan> {
        match self {
            Self::Requests(Requests { answers, .. }) => match answers {
                Answers::Stream(stream) | Answers::CallStream(stream) => Some(*stream),
                Answers::Whole | Answers::Call => None,
            },
            _ => None,
        }
    }

    /// How the answers to calls of gRPC are read, if such are sent.
    pub const fn calls(&self) -> Option<CallAnswers> {
        match self {
            Self::Requests(Requests { answers, .. }) => match answers {
                Answers::Call => Some(CallAnswers::One),
                Answers::CallStream(_) => Some(CallAnswers::Stream),
                Answers::Whole | Answers::Stream(_) => None,
            },
            _ => None,
        }
    }

    /// How many bodies requests take in turn; 0 if all have the same.
    pub fn rows(&self) -> usize {
        match self {
            Self::Requests(requests) => requests.rows.len(),
            _ => 0,
        }
    }

    /// Whether requests are sent over HTTP/2.
    pub fn is_http2(&self) -> bool {
        match self {
            Self::Requests(requests) => requests.version == HttpVersion::Http2,
            Self::Messages(_) | Self::Commands(_) | Self::Transactions(_) => false,
            Self::Script(script) => script.streams().is_some(),
        }
    }

    /// The Redis command, if commands are sent.
    pub const fn commands(&self) -> Option<&Arc<Commands>> {
        match self {
            Self::Commands(commands) => Some(commands),
            _ => None,
        }
    }

    /// The transaction of PostgreSQL, if transactions are sent.
    pub const fn transactions(&self) -> Option<&Arc<Transactions>> {
        match self {
            Self::Transactions(transactions) => Some(transactions),
            _ => None,
        }
    }

    /// The name of the database under load, if it is one.
    pub const fn database(&self) -> Option<&'static str> {
        match self {
            Self::Commands(_) => Some("Redis"),
            Self::Transactions(_) => Some("PostgreSQL"),
            Self::Requests(_) | Self::Messages(_) | Self::Script(_) => None,
        }
    }

    /// Whether requests are made one by one, since each has other values.
    pub fn differs(&self) -> bool {
        match self {
            Self::Commands(commands) => !commands.command.is_constant(),
            Self::Transactions(transactions) => !transactions.transaction.is_constant(),
            Self::Script(_) => true,
            Self::Requests(_) | Self::Messages(_) => false,
        }
    }

    /// The script of users, if there is one.
    pub const fn script(&self) -> Option<&Arc<Script>> {
        match self {
            Self::Script(script) => Some(script),
            _ => None,
        }
    }
}
