//! What may stand in a scenario file, as serde reads it and as the JSON Schema tells editors.
//!
//! The doc comments are what editors show. Whether values make sense together is decided by
//! `compile`.

mod values;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub use values::{Headers, Pairs, PerSecond, Scalar, Span, Speed};

/// A scenario of uringbench.
///
/// In texts `{{name}}` stands for a value: a capture of an earlier step, a data column
/// (`{{users.email}}`), `{{seq}}`, `{{uuid}}`, `{{int 1 1000}}`, `{{string 12}}`,
/// `{{choice a b c}}`, `{{timestamp}}`, `{{user}}` or `{{env NAME}}`. `{{{{` is a plain `{{`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The server, without a path: `http://127.0.0.1:8080`. `{{env NAME}}` may stand in it.
    pub target: String,
    /// Whether each user keeps the cookies that answers set, and sends them back.
    #[serde(default, rename = "cookies")]
    pub keeps_cookies: bool,
    /// How much load, for how long.
    #[serde(default)]
    pub load: Load,
    /// Files of rows to take values from, by name.
    #[serde(default)]
    pub data: BTreeMap<String, Data>,
    /// What each user does once before its first flow. Its captures are there in every flow.
    #[serde(default)]
    pub on_start: Vec<Step>,
    /// What users do again and again.
    #[serde(default)]
    pub flow: Vec<Flow>,
    /// What each user does once after its last flow.
    #[serde(default)]
    pub on_end: Vec<Step>,
    /// Objectives.
    #[serde(default)]
    pub slo: Vec<Slo>,
}

/// How much load, for how long. With `rate` the loop is open: flows begin at a rate whatever the
/// server does. Without it the loop is closed: each of `users` begins a flow when its last one
/// has ended.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Connections over all cores; without it 64.
    pub connections: Option<u32>,
    /// Users of a closed loop; without it one for each connection.
    pub users: Option<u32>,
    /// Whether each user keeps a connection of its own, as a browser does; without it a user's
    /// request takes whichever connection is free.
    #[serde(default, rename = "own_connections")]
    pub has_own_connections: bool,
    /// Which free connection takes the next request; without it round-robin.
    pub connection_order: Option<ConnectionOrder>,
    /// Flows begun per second: `500`, `"1.5k"`.
    pub rate: Option<PerSecond>,
    /// Gaps between beginnings, with `rate`: without it constant.
    pub arrivals: Option<Arrivals>,
    /// Changes of `rate`, one after the other.
    #[serde(default)]
    pub stage: Vec<Stage>,
    /// Flows begin at times from a data file: in the place of `rate`, `users`, `arrivals` and
    /// `stage`.
    pub replay: Option<Replay>,
    /// Load before the measured window; without it 1 second, or none of a replay.
    pub warmup: Option<Span>,
    /// The measured window; without it as long as the stages or the replay last, or 10 seconds.
    pub duration: Option<Span>,
}

/// A recording that is played: each row of a data file begins a flow, which takes that row.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// The data, by its name under `data`.
    pub data: String,
    /// The column of times: seconds from the start such as `12.5`, none less than the one before.
    pub column: String,
    /// How fast; without it as recorded.
    pub speed: Option<Speed>,
    /// The column of names of flows; without it they are chosen by their weights.
    pub flow: Option<String>,
}

/// The law of the gaps between beginnings.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// Evenly spaced.
    Constant,
    /// Random and independent, as users arrive.
    Poisson,
}

/// Which free connection takes the next request.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionOrder {
    /// The one that has been free for longest: all of them are used alike.
    RoundRobin,
    /// The one used last: few are used when few are needed.
    Lifo,
}

/// A stretch of the load.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// How the rate gets to `rate`.
    pub shape: Shape,
    /// Flows begun per second.
    pub rate: PerSecond,
    /// How long the stage lasts.
    pub duration: Span,
}

/// How the rate of a stage comes about.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// Evenly from the rate before to this one.
    Ramp,
    /// At once, and it stays.
    Step,
    /// At once, and after the stage back to the rate before.
    Spike,
}

/// A file of rows.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Path from the scenario's folder: `.csv` with a line of column names, or `.jsonl` with an
    /// object on each line.
    pub file: String,
    /// Who gets which row; without it shared.
    #[serde(default)]
    pub order: Order,
}

/// Who gets which row.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Each flow that begins takes the next row; after the last comes the first.
    #[default]
    Shared,
    /// Each flow that begins takes a random row.
    Random,
    /// Each user keeps the row of its number.
    User,
}

/// What users do, step by step.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// What reports call it.
    pub name: String,
    /// How often it is chosen compared with other flows; without it 1.
    pub weight: Option<u32>,
    /// Its steps, in order.
    #[serde(default)]
    pub step: Vec<Step>,
}

/// One request.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What reports call it; without it method and path.
    pub name: Option<String>,
    /// Sent as it is written, in these cases of letters; without it `POST` with a body, else
    /// `GET`.
    pub method: Option<String>,
    /// Begins with `/`, without a query. Values in it are percent-encoded. This or `url`.
    pub path: Option<String>,
    /// Path and query as they stand, values included: only spaces, control characters and what is
    /// not ASCII are percent-encoded. What begins with `http://` or `https://`, such as a captured
    /// `Location`, is asked of the target all the same. In the place of `path` and `query`.
    pub url: Option<String>,
    /// The query, name = value. Both are percent-encoded.
    #[serde(default)]
    pub query: Pairs,
    /// Headers, name = value. A list of values is sent as a line each; an empty one, such as
    /// `User-Agent = []`, leaves out a header that would be sent otherwise.
    #[serde(default)]
    pub headers: Headers,
    /// Cookies to send, name = value, besides those the user keeps. Of a list of values each is
    /// sent under the name.
    #[serde(default)]
    pub cookies: Headers,
    /// The content.
    pub body: Option<Body>,
    /// The answer is a stream of server-sent events.
    pub events: Option<Events>,
    /// The answer opens a WebSocket, over which messages go; then it is closed.
    pub websocket: Option<Socket>,
    /// What must hold of the answer, or of each message; without it a status below 400 is enough.
    pub check: Option<Check>,
    /// What to keep of the answer for later steps, by name.
    #[serde(default)]
    pub capture: BTreeMap<String, Capture>,
    /// A pause after the step.
    pub think: Option<Think>,
    /// How often the step is taken in a row; without it once.
    pub repeat: Option<u32>,
    /// Of neighbouring steps that name the same choice, each time one is taken.
    pub choice: Option<String>,
    /// How often it is the one, compared with the others of its choice; without it 1.
    pub weight: Option<u32>,
    /// Whether the flow ends here when the step fails.
    #[serde(default, rename = "stop_on_failure")]
    pub is_last_when_failed: bool,
}

/// The content of a request.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Body {
    /// A text, sent as `text/plain; charset=utf-8` unless `headers` says otherwise.
    Text(String),
    /// A JSON text. Values in it are escaped as in a JSON string: write `"{{name}}"` for a string
    /// and `{{number}}` for a number.
    Json(String),
    /// The fields of a form, name = value, percent-encoded.
    Form(Pairs),
    /// A file, from the scenario's folder, sent as it is.
    File(String),
    /// The fields and files of a form, as browsers upload them. `headers` may have another
    /// `Content-Type` than `multipart/form-data`, without a boundary, which is added.
    Multipart(Vec<Part>),
    /// Made-up bytes, the same every time.
    Generated(Generated),
}

/// A stream of server-sent events. What is checked and kept of it is in its header.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Events {
    /// After so many the step is done; without it, when the server ends the answer.
    pub count: Option<u64>,
    /// A gap of this length is a stall; without it 1 second.
    pub stall: Option<Span>,
}

/// Messages over a WebSocket: one of `text`, `json` and `size`. Each is sent when the answer to
/// the one before has come. The step's `check` and `capture` are about each answer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Socket {
    /// The message, with values made anew each time.
    pub text: Option<String>,
    /// The message, a JSON text. Values in it are escaped as in a JSON string.
    pub json: Option<String>,
    /// The message is so many made-up bytes, up to 2^30.
    pub size: Option<u32>,
    /// Whether the message is sent as binary; without it as text.
    #[serde(default, rename = "binary")]
    pub is_binary: bool,
    /// How many are sent; without it 1.
    pub messages: Option<u32>,
    /// Whether each answer must be the message that was sent.
    #[serde(default, rename = "echo")]
    pub is_echo: bool,
    /// How many messages the target sends of its own accord when the WebSocket is open: the first
    /// message of the step waits for them, and they answer none; without it 0.
    pub greeting: Option<u32>,
    /// Subprotocols to choose from, the preferred one first.
    #[serde(default)]
    pub protocols: Vec<String>,
}

/// A field or file of an upload: one of `text`, `file` and `generated`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The field's name.
    pub name: String,
    /// Its value.
    pub text: Option<String>,
    /// A file, from the scenario's folder.
    pub file: Option<String>,
    /// A file of made-up bytes, the same every time.
    pub generated: Option<Generated>,
    /// The name the file is sent under; without it its own, or `generated`.
    pub filename: Option<String>,
    /// Its media type, like `image/png`; without it a file is `application/octet-stream`, and a
    /// value has none. Empty: a file has none either.
    pub content_type: Option<String>,
    /// Further headers of the part, name = value.
    #[serde(default)]
    pub headers: Pairs,
}

/// Made-up bytes.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Generated {
    /// How many, up to 2^30.
    pub size: u32,
    /// Names them; without it 0.
    #[serde(default)]
    pub seed: u64,
}

/// What must hold of an answer: all that is named. In its texts may stand captures of earlier
/// steps, data columns, `{{user}}` and `{{env NAME}}`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The status is one of these.
    pub status: Option<Vec<u16>>,
    /// Headers, name = value: exactly this value.
    #[serde(default)]
    pub header: Pairs,
    /// The body holds this text.
    pub contains: Option<String>,
    /// The body is this text.
    pub equals: Option<String>,
    /// The body has so many bytes.
    pub length: Option<u64>,
    /// Values in the JSON of the body, JSON pointer = value.
    #[serde(default)]
    pub json: BTreeMap<String, Scalar>,
}

/// What to keep of an answer: one of `header`, `cookie`, `json` and `regex`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Capture {
    /// The value of this header.
    pub header: Option<String>,
    /// The value of this cookie, which the answer sets.
    pub cookie: Option<String>,
    /// What this JSON pointer finds in the body.
    pub json: Option<String>,
    /// The first group of the first match in the body, or all of the match.
    pub regex: Option<String>,
    /// Longest value in bytes, 1 to 65536; a longer one fails the step. Without it 256.
    pub max: Option<u32>,
}

/// A pause.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Think {
    /// Always this long.
    Constant(Span),
    /// From the first to the second, all as likely.
    Uniform(Span, Span),
    /// With this mean, as between independent events.
    Exponential(Span),
}

/// An objective of the whole run, of a flow, or of a step.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slo {
    /// Terms such as `p99<20ms,errors<0.1%`.
    pub limit: String,
    /// The flow it is about.
    pub flow: Option<String>,
    /// The step of that flow it is about.
    pub step: Option<String>,
}
