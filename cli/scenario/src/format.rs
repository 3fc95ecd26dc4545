//! The fields of a scenario file, for serde and for the JSON Schema.
//!
//! Editors show the doc comments. `compile` checks values against each other.

pub(crate) mod faults;
mod values;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::answer::CAPTURE_BYTES_MAX;
use crate::compile::REPEAT_MAX;
use crate::exchange::MESSAGES_MAX;
use crate::request::GENERATED_MAX;

pub(crate) use values::{Headers, Pairs, PerSecond, Scalar, Span, Speed};

/// A scenario of uringbench.
///
/// In texts `{{name}}` is replaced by a value: a capture of an earlier step, a data column
/// (`{{users.email}}`), `{{seq}}`, `{{uuid}}`, `{{int 1 1000}}`, `{{zipf 1 1000}}`, `{{gaussian 1
/// 1000}}`, `{{exponential 1 1000}}`, `{{string 12}}`, `{{choice a b c}}`, `{{timestamp}}`,
/// `{{user}}` or `{{env NAME}}`. `{{{{` is a literal `{{`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// The server, without a path: `http://127.0.0.1:8080`. It may contain `{{env NAME}}`.
    pub(crate) target: String,
    /// The version of HTTP, 1 or 2; default 1. Over HTTP/2 users share connections, and their
    /// requests are streams.
    #[schemars(range(min = 1, max = 2))]
    pub(crate) http: Option<u8>,
    /// Whether each user keeps the cookies that answers set, and sends them back.
    #[serde(default, rename = "cookies")]
    pub(crate) keeps_cookies: bool,
    /// The load and its duration.
    #[serde(default)]
    pub(crate) load: Load,
    /// Data files with rows of values, by name.
    #[serde(default)]
    pub(crate) data: BTreeMap<String, Data>,
    /// The steps that each user runs once before its first flow. All flows can use their captures.
    #[serde(default)]
    pub(crate) on_start: Vec<Step>,
    /// The flows that users run repeatedly.
    #[serde(default)]
    pub(crate) flow: Vec<Flow>,
    /// The steps that each user runs once after its last flow.
    #[serde(default)]
    pub(crate) on_end: Vec<Step>,
    /// Objectives.
    #[serde(default)]
    pub(crate) slo: Vec<Slo>,
    /// What a good answer is where something fails; for `uringbench chaos`.
    pub(crate) chaos: Option<faults::Chaos>,
    /// Processes that `uringbench chaos` starts before the load.
    #[serde(default)]
    pub(crate) process: Vec<faults::Process>,
    /// TCP proxies that `uringbench chaos` puts into the path.
    #[serde(default)]
    pub(crate) proxy: Vec<faults::Proxy>,
    /// Faults that `uringbench chaos` injects.
    #[serde(default)]
    pub(crate) fault: Vec<faults::Fault>,
}

/// The load and its duration. With `rate` the loop is open: flows begin at that rate, however fast
/// the server answers. Without it the loop is closed: each of the `users` begins a flow when its
/// last one has ended.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Load {
    /// Number of connections over all cores; default 64.
    #[schemars(range(min = 1))]
    pub(crate) connections: Option<u32>,
    /// Number of users of a closed loop; default one for each connection.
    #[schemars(range(min = 1))]
    pub(crate) users: Option<u32>,
    /// Whether each user keeps a connection of its own, as a browser does; by default a user's
    /// request takes any free connection.
    #[serde(default, rename = "own_connections")]
    pub(crate) has_own_connections: bool,
    /// Which free connection takes the next request; default round-robin.
    pub(crate) connection_order: Option<ConnectionOrder>,
    /// Flows begun per second: `500`, `"1.5k"`.
    pub(crate) rate: Option<PerSecond>,
    /// The gaps between flow starts, with `rate`; default constant.
    pub(crate) arrivals: Option<Arrivals>,
    /// Changes of `rate`, one after another.
    #[serde(default)]
    pub(crate) stage: Vec<Stage>,
    /// Flows begin at the times in a data file; replaces `rate`, `users`, `arrivals` and `stage`.
    pub(crate) replay: Option<Replay>,
    /// Duration of the load before the measured window; default 1 second, or none for a replay.
    pub(crate) warmup: Option<Span>,
    /// Duration of the measured window; default the duration of the stages or of the replay, or 10
    /// seconds.
    pub(crate) duration: Option<Span>,
}

/// A recording to replay: each row of a data file begins a flow, which uses that row.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replay {
    /// The name of the data under `data`.
    pub(crate) data: String,
    /// The column of times: seconds from the start such as `12.5`, in ascending order.
    pub(crate) column: String,
    /// The speed of the replay; default as recorded.
    pub(crate) speed: Option<Speed>,
    /// The column with the names of flows; by default flows are chosen by their weights.
    pub(crate) flow: Option<String>,
}

/// The distribution of the gaps between flow starts.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Arrivals {
    /// Evenly spaced.
    Constant,
    /// Random and independent, as users arrive.
    Poisson,
}

/// Which free connection takes the next request.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ConnectionOrder {
    /// The one that has been free for the longest time: all are used equally.
    RoundRobin,
    /// The one used last: only as many are used as needed.
    Lifo,
}

/// A part of the load.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stage {
    /// How the rate changes to `rate`.
    pub(crate) shape: StageShape,
    /// Flows begun per second at the end of a ramp, or during a step or spike.
    pub(crate) rate: PerSecond,
    /// The duration of the stage.
    pub(crate) duration: Span,
}

/// How the rate changes in a stage.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Shape")]
pub(crate) enum StageShape {
    /// Evenly from the rate before to this one.
    Ramp,
    /// At once; the rate then stays.
    Step,
    /// At once; after the stage the rate returns to the one before.
    Spike,
}

/// Rows of data: from a file, or generated.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Data {
    /// Path from the scenario's folder: `.csv` with a line of column names, or `.jsonl` with an
    /// object on each line.
    pub(crate) file: Option<String>,
    /// What is generated instead of read from a file.
    pub(crate) generate: Option<Generate>,
    /// The number of generated rows; default 1,000.
    #[schemars(range(min = 1, max = crate::generate::ROWS_MAX))]
    pub(crate) rows: Option<u32>,
    /// The seed of generated rows; default 1. More rows with one seed begin with the same ones.
    pub(crate) seed: Option<u64>,
    /// Which flow or user gets which row; default shared.
    #[serde(default)]
    pub(crate) order: DataOrder,
}

/// What is generated.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Generate {
    /// `id`, `first_name`, `last_name`, `name`, `username`, `email`, `password`, `age`, `city`.
    Users,
    /// `id`, `sku`, `name`, `description`, `category`, `price`, `stock`.
    Products,
    /// `id`, `title`, `slug`, `author`, `body`, `tags`.
    Posts,
}

/// Which flow or user gets which row.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Order")]
pub(crate) enum DataOrder {
    /// Each flow takes the next row when it begins; the first row follows the last.
    #[default]
    Shared,
    /// Each flow takes a random row when it begins.
    Random,
    /// Each user keeps the row with its number.
    User,
}

/// A sequence of steps that users run.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Flow {
    /// Its name in reports.
    pub(crate) name: String,
    /// How often it is chosen, relative to other flows; default 1.
    #[schemars(range(min = 1))]
    pub(crate) weight: Option<u32>,
    /// Its steps, in order.
    #[serde(default)]
    pub(crate) step: Vec<Step>,
}

/// One request.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// Its name in reports; default method and path.
    pub(crate) name: Option<String>,
    /// The method, sent exactly as written; default `POST` with a body, otherwise `GET`.
    pub(crate) method: Option<String>,
    /// The path: begins with `/`, without a query. Values in it are percent-encoded. Required
    /// unless `url` is given.
    pub(crate) path: Option<String>,
    /// Path and query, sent as written, values included: only spaces, control characters and
    /// characters outside ASCII are percent-encoded. A text that begins with `http://` or
    /// `https://`, such as a captured `Location`, is also requested from the target. Replaces
    /// `path` and `query`.
    pub(crate) url: Option<String>,
    /// The query, name = value. Both are percent-encoded.
    #[serde(default)]
    pub(crate) query: Pairs,
    /// Headers, name = value. Each value of a list is sent as a separate line; an empty list, such
    /// as `User-Agent = []`, removes a default header.
    #[serde(default)]
    pub(crate) headers: Headers,
    /// Cookies to send, name = value, in addition to those that the user keeps. Each value of a
    /// list is sent under the name.
    #[serde(default)]
    pub(crate) cookies: Headers,
    /// The body.
    pub(crate) body: Option<Body>,
    /// The answer is a stream of server-sent events.
    pub(crate) events: Option<Events>,
    /// The answer opens a WebSocket; the step sends its messages over it and then closes it.
    pub(crate) websocket: Option<Socket>,
    /// The checks of the answer, or of each message; by default a status below 400 passes.
    pub(crate) check: Option<Check>,
    /// Values of the answer to keep for later steps, by name.
    #[serde(default)]
    pub(crate) capture: BTreeMap<String, Capture>,
    /// A pause after the step.
    pub(crate) think: Option<Think>,
    /// How often the step is repeated in a row; default once.
    #[schemars(range(min = 1, max = REPEAT_MAX))]
    pub(crate) repeat: Option<u32>,
    /// Of adjacent steps with the same choice, one is chosen each time.
    pub(crate) choice: Option<String>,
    /// How often it is chosen, relative to the others of its choice; default 1.
    #[schemars(range(min = 1))]
    pub(crate) weight: Option<u32>,
    /// Whether the flow ends here when the step fails.
    #[serde(default, rename = "stop_on_failure")]
    pub(crate) is_last_when_failed: bool,
}

/// The body of a request.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Body {
    /// A text, sent as `text/plain; charset=utf-8` unless `headers` says otherwise.
    Text(String),
    /// A JSON text. Values in it are escaped as in a JSON string: write `"{{name}}"` for a string
    /// and `{{number}}` for a number.
    Json(String),
    /// The fields of a form, name = value, percent-encoded.
    Form(Pairs),
    /// A file in the scenario's folder, sent unchanged.
    File(String),
    /// The fields and files of a form, as browsers upload them. `headers` may contain another
    /// `Content-Type` than `multipart/form-data`, without a boundary, which is added.
    Multipart(Vec<Part>),
    /// Generated bytes, the same in every run.
    Generated(Generated),
}

/// An event stream: an answer of another type than `text/event-stream` fails. Checks and captures
/// apply to the answer's header.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Events {
    /// The step ends after this many events; by default when the server ends the answer.
    #[schemars(range(min = 1))]
    pub(crate) count: Option<u64>,
    /// A gap of this length is a stall; default 1 second.
    pub(crate) stall: Option<Span>,
}

/// Messages over a WebSocket: exactly one of `text`, `json` and `size`. Each is sent after the
/// answer to the one before. The step's `check` and `capture` apply to each answer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Socket {
    /// The message; its values are generated for each one.
    pub(crate) text: Option<String>,
    /// The message as a JSON text. Values in it are escaped as in a JSON string.
    pub(crate) json: Option<String>,
    /// The message consists of this many generated bytes, up to 2^30.
    #[schemars(range(max = GENERATED_MAX))]
    pub(crate) size: Option<u32>,
    /// Whether the message is sent as binary; default as text.
    #[serde(default, rename = "binary")]
    pub(crate) is_binary: bool,
    /// Number of messages to send; default 1.
    #[schemars(range(min = 1, max = MESSAGES_MAX))]
    pub(crate) messages: Option<u32>,
    /// Whether each answer must be the message that was sent.
    #[serde(default, rename = "echo")]
    pub(crate) is_echo: bool,
    /// Number of messages that the target sends on its own when the WebSocket is open: the first
    /// message of the step is sent after them, and they count as no answer; default 0.
    #[schemars(range(max = MESSAGES_MAX))]
    pub(crate) greeting: Option<u32>,
    /// Subprotocols to offer, the preferred one first.
    #[serde(default)]
    pub(crate) protocols: Vec<String>,
}

/// A field or file of an upload: exactly one of `text`, `file` and `generated`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    /// The name of the field.
    pub(crate) name: String,
    /// Its value.
    pub(crate) text: Option<String>,
    /// A file in the scenario's folder.
    pub(crate) file: Option<String>,
    /// A file of generated bytes, the same in every run.
    pub(crate) generated: Option<Generated>,
    /// The name under which the file is sent; default its own name, or `generated`.
    pub(crate) filename: Option<String>,
    /// The media type, such as `image/png`; default `application/octet-stream` for a file, none for
    /// a value. Empty: none for a file either.
    pub(crate) content_type: Option<String>,
    /// Additional headers of the part, name = value.
    #[serde(default)]
    pub(crate) headers: Pairs,
}

/// Generated bytes.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Generated {
    /// Number of bytes, up to 2^30.
    #[schemars(range(max = GENERATED_MAX))]
    pub(crate) size: u32,
    /// Selects the bytes; default 0.
    #[serde(default)]
    pub(crate) seed: u64,
}

/// The checks of an answer: all of them must pass. Their texts may contain captures of earlier
/// steps, data columns, `{{user}}` and `{{env NAME}}`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    /// The status is one of these.
    #[schemars(inner(range(min = 100, max = 999)))]
    pub(crate) status: Option<Vec<u16>>,
    /// Headers, name = value: exactly this value. A `Content-Type` without parameters also accepts
    /// one with them: `text/html` accepts `text/html; charset=utf-8`.
    #[serde(default)]
    pub(crate) header: Pairs,
    /// The body contains this text.
    pub(crate) contains: Option<String>,
    /// The body does not contain this text.
    pub(crate) excludes: Option<String>,
    /// The body equals this text.
    pub(crate) equals: Option<String>,
    /// The length of the body in bytes.
    pub(crate) length: Option<u64>,
    /// Values in the JSON of the body, JSON pointer = value.
    #[serde(default)]
    pub(crate) json: BTreeMap<String, Scalar>,
}

/// A value of the answer to keep: exactly one of `header`, `cookie`, `json` and `regex`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Capture {
    /// The value of this header.
    pub(crate) header: Option<String>,
    /// The value of this cookie, if the answer sets it.
    pub(crate) cookie: Option<String>,
    /// The value at this JSON pointer in the body.
    pub(crate) json: Option<String>,
    /// The first group of the first match in the body, or the whole match if there is no group.
    pub(crate) regex: Option<String>,
    /// The longest value in bytes, 1 to 65536; a longer one fails the step; default 256.
    #[schemars(range(min = 1, max = CAPTURE_BYTES_MAX))]
    pub(crate) max: Option<u32>,
}

/// A pause.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Think {
    /// Always this long.
    Constant(Span),
    /// Between the first and the second, uniformly distributed.
    Uniform(Span, Span),
    /// Exponentially distributed with this mean.
    Exponential(Span),
}

/// An objective of the whole run, of a flow, of a step, or of a fault.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Slo {
    /// Conditions such as `p99<20ms,errors<0.1%`, of a fault such as
    /// `recover<2s,fail_fast<1s,lost<1000,bad<5%,p99<500ms`.
    pub(crate) limit: String,
    /// The flow to which it applies.
    pub(crate) flow: Option<String>,
    /// The step of that flow to which it applies.
    pub(crate) step: Option<String>,
    /// The fault to which it applies.
    pub(crate) fault: Option<String>,
}
