//! What is sent, and what its answers are.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::flow::script::Script;
use crate::http::request::RequestTemplate;
use crate::time::Nanos;
use crate::websocket::handshake::Opening;

/// What is sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Workload {
    /// The same HTTP request again and again.
    Requests(Requests),
    /// The same message again and again, over WebSockets.
    Messages(Messages),
    /// What users do step by step. Whatever is due on a schedule is then a flow.
    Script(Arc<Script>),
}

/// One HTTP request, sent again and again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Requests {
    /// Its bytes.
    pub request: RequestTemplate,
    /// Requests in flight per connection, 1..=[`PIPELINE_MAX`].
    pub pipeline: u16,
    /// What comes back.
    pub answers: Answers,
}

/// What comes back for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answers {
    /// An answer with one end, timed as a whole.
    Whole,
    /// A stream whose events are timed.
    Stream(StreamPlan),
}

/// One message, sent again and again over WebSockets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Messages {
    /// Its frame.
    pub message: RequestTemplate,
    /// Messages in flight per connection, 1..=[`PIPELINE_MAX`].
    pub pipeline: u16,
    /// How the WebSocket is opened, and what comes back.
    pub websocket: WebSocketPlan,
}

/// What is spoken over a WebSocket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WebSocketPlan {
    /// What is asked for before the first message.
    pub opening: Opening,
    /// What every message that comes must carry, if that is checked.
    #[serde(with = "crate::stored::optional")]
    pub expected: Option<Vec<u8>>,
    /// Whether text that comes is checked to be UTF-8.
    pub checks_text: bool,
    /// Messages that the target sends of its own accord after the opening, and that the first
    /// message of this side waits for.
    pub greeting: u32,
}

/// How the events of a stream are found and judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamPlan {
    /// What an event is.
    pub kind: StreamKind,
    /// A gap of at least this length is a stall.
    pub stall: Nanos,
    /// After so many events of an answer the exchange ends, as a success, and the connection with
    /// it; `None` when the target ends its answers.
    pub events_max: Option<u64>,
}

/// What an event of a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamKind {
    /// A server-sent event.
    Events,
    /// Any payload that arrives.
    Arrivals,
}

/// The most requests in flight on one connection.
pub const PIPELINE_MAX: u16 = 256;

impl Requests {
    /// One in flight per connection, answered as a whole.
    pub const fn of(request: RequestTemplate) -> Self {
        Self { request, pipeline: 1, answers: Answers::Whole }
    }
}

impl Messages {
    /// One in flight per connection.
    pub const fn of(message: RequestTemplate, websocket: WebSocketPlan) -> Self {
        Self { message, pipeline: 1, websocket }
    }
}

impl Workload {
    /// The bytes that a driver keeps to send them: the request, the message, or all requests of a
    /// script that are always the same, one behind the other.
    pub fn bytes(&self) -> &Arc<Vec<u8>> {
        match self {
            Self::Requests(requests) => requests.request.shared(),
            Self::Messages(messages) => messages.message.shared(),
            Self::Script(script) => script.constants(),
        }
    }

    /// The headers that are sent, as far as they are the same in every run of a step.
    pub fn heads(&self) -> &[u8] {
        match self {
            Self::Requests(Requests { request, .. }) => &request.bytes()[..request.head_length()],
            Self::Messages(messages) => messages.websocket.opening.bytes(),
            Self::Script(script) => script.constants(),
        }
    }

    /// The request, if there is only one.
    pub const fn request(&self) -> Option<&RequestTemplate> {
        match self {
            Self::Requests(requests) => Some(&requests.request),
            Self::Messages(_) | Self::Script(_) => None,
        }
    }

    /// Requests in flight per connection. A user waits for each of its answers.
    pub const fn pipeline(&self) -> u16 {
        match self {
            Self::Requests(requests) => requests.pipeline,
            Self::Messages(messages) => messages.pipeline,
            Self::Script(_) => 1,
        }
    }

    /// Have so many in flight per connection. A script stays as it is.
    pub const fn set_pipeline(&mut self, depth: u16) {
        match self {
            Self::Requests(requests) => requests.pipeline = depth,
            Self::Messages(messages) => messages.pipeline = depth,
            Self::Script(_) => {}
        }
    }

    /// Whether the one request is a HEAD.
    pub fn is_head(&self) -> bool {
        self.request().is_some_and(RequestTemplate::is_head)
    }

    /// The length of the request's header, if its body waits for `100 Continue`.
    pub fn held_at(&self) -> Option<usize> {
        let held = self.request().filter(|request| request.expects_continue());
        held.map(RequestTemplate::head_length)
    }

    /// What is spoken over WebSockets, if messages are sent.
    pub const fn websocket(&self) -> Option<&WebSocketPlan> {
        match self {
            Self::Messages(messages) => Some(&messages.websocket),
            Self::Requests(_) | Self::Script(_) => None,
        }
    }

    /// How the events of answers are found, if those of the one request are streams.
    pub const fn stream(&self) -> Option<StreamPlan> {
        match self {
            Self::Requests(Requests { answers: Answers::Stream(stream), .. }) => Some(*stream),
            _ => None,
        }
    }

    /// What users do.
    pub const fn script(&self) -> Option<&Arc<Script>> {
        match self {
            Self::Script(script) => Some(script),
            Self::Requests(_) | Self::Messages(_) => None,
        }
    }
}
