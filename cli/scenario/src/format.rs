//! The fields of a scenario file, as serde reads them and as the JSON Schema shows editors.
//!
//! The doc comments are what editors show. Whether values make sense together is decided by
//! `compile`.

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
/// In texts `{{name}}` stands for a value: a capture of an earlier step, a data column
/// (`{{users.email}}`), `{{seq}}`, `{{uuid}}`, `{{int 1 1000}}`, `{{string 12}}`,
/// `{{choice a b c}}`, `{{timestamp}}`, `{{user}}` or `{{env NAME}}`. `{{{{` is a plain `{{`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// The server, without a path: `http://127.0.0.1:8080`. `{{env NAME}}` may stand in it.
    pub(crate) target: String,
    /// Whether each user keeps the cookies that answers set, and sends them back.
    #[serde(default, rename = "cookies")]
    pub(crate) keeps_cookies: bool,
    /// How much load, for how long.
    #[serde(default)]
    pub(crate) load: Load,
    /// Files of rows to take values from, by name.
    #[serde(default)]
    pub(crate) data: BTreeMap<String, Data>,
    /// What each user does once before its first flow. Its captures are there in every flow.
    #[serde(default)]
    pub(crate) on_start: Vec<Step>,
    /// What users do repeatedly.
    #[serde(default)]
    pub(crate) flow: Vec<Flow>,
    /// What each user does once after its last flow.
    #[serde(default)]
    pub(crate) on_end: Vec<Step>,
    /// Objectives.
    #[serde(default)]
    pub(crate) slo: Vec<Slo>,
}

/// How much load, for how long. With `rate` the loop is open: flows begin at a rate whatever the
/// server does. Without it the loop is closed: each of `users` begins a flow when its last one
/// has ended.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Load {
    /// Connections over all cores; without it 64.
    #[schemars(range(min = 1))]
    pub(crate) connections: Option<u32>,
    /// Users of a closed loop; without it one for each connection.
    #[schemars(range(min = 1))]
    pub(crate) users: Option<u32>,
    /// Whether each user keeps a connection of its own, as a browser does; without it a user's
    /// request takes whichever connection is free.
    #[serde(default, rename = "own_connections")]
    pub(crate) has_own_connections: bool,
    /// Which free connection takes the next request; without it round-robin.
    pub(crate) connection_order: Option<ConnectionOrder>,
    /// Flows begun per second: `500`, `"1.5k"`.
    pub(crate) rate: Option<PerSecond>,
    /// Gaps between beginnings, with `rate`: without it constant.
    pub(crate) arrivals: Option<Arrivals>,
    /// Changes of `rate`, one after the other.
    #[serde(default)]
    pub(crate) stage: Vec<Stage>,
    /// Flows begin at times from a data file: in the place of `rate`, `users`, `arrivals` and
    /// `stage`.
    pub(crate) replay: Option<Replay>,
    /// Load before the measured window; without it 1 second, or none of a replay.
    pub(crate) warmup: Option<Span>,
    /// The measured window; without it as long as the stages or the replay last, or 10 seconds.
    pub(crate) duration: Option<Span>,
}

/// A recording that is played: each row of a data file begins a flow, which takes that row.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replay {
    /// The data, by its name under `data`.
    pub(crate) data: String,
    /// The column of times: seconds from the start such as `12.5`, none less than the one before.
    pub(crate) column: String,
    /// How fast; without it as recorded.
    pub(crate) speed: Option<Speed>,
    /// The column of names of flows; without it they are chosen by their weights.
    pub(crate) flow: Option<String>,
}

/// The law of the gaps between beginnings.
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
    /// The one that has been free for longest: all of them are used alike.
    RoundRobin,
    /// The one used last: few are used when few are needed.
    Lifo,
}

/// A stretch of the load.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stage {
    /// How the rate gets to `rate`.
    pub(crate) shape: StageShape,
    /// Flows begun per second.
    pub(crate) rate: PerSecond,
    /// How long the stage lasts.
    pub(crate) duration: Span,
}

/// How the rate of a stage comes about.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Shape")]
pub(crate) enum StageShape {
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
pub(crate) struct Data {
    /// Path from the scenario's folder: `.csv` with a line of column names, or `.jsonl` with an
    /// object on each line.
    pub(crate) file: String,
    /// Who gets which row; without it shared.
    #[serde(default)]
    pub(crate) order: DataOrder,
}

/// Who gets which row.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Order")]
pub(crate) enum DataOrder {
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
pub(crate) struct Flow {
    /// What reports call it.
    pub(crate) name: String,
    /// How often it is chosen compared with other flows; without it 1.
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
    /// What reports call it; without it method and path.
    pub(crate) name: Option<String>,
    /// Sent as it is written, in these cases of letters; without it `POST` with a body, else
    /// `GET`.
    pub(crate) method: Option<String>,
    /// Begins with `/`, without a query. Values in it are percent-encoded. This or `url`.
    pub(crate) path: Option<String>,
    /// Path and query as they stand, values included: only spaces, control characters and what is
    /// not ASCII are percent-encoded. What begins with `http://` or `https://`, such as a captured
    /// `Location`, is asked of the target all the same. In the place of `path` and `query`.
    pub(crate) url: Option<String>,
    /// The query, name = value. Both are percent-encoded.
    #[serde(default)]
    pub(crate) query: Pairs,
    /// Headers, name = value. A list of values is sent as a line each; an empty one, such as
    /// `User-Agent = []`, leaves out a header that would be sent otherwise.
    #[serde(default)]
    pub(crate) headers: Headers,
    /// Cookies to send, name = value, besides those the user keeps. Of a list of values each is
    /// sent under the name.
    #[serde(default)]
    pub(crate) cookies: Headers,
    /// The content.
    pub(crate) body: Option<Body>,
    /// The answer is a stream of server-sent events.
    pub(crate) events: Option<Events>,
    /// The answer opens a WebSocket, over which messages go; then it is closed.
    pub(crate) websocket: Option<Socket>,
    /// What must hold of the answer, or of each message; without it a status below 400 is enough.
    pub(crate) check: Option<Check>,
    /// What to keep of the answer for later steps, by name.
    #[serde(default)]
    pub(crate) capture: BTreeMap<String, Capture>,
    /// A pause after the step.
    pub(crate) think: Option<Think>,
    /// How often the step is taken in a row; without it once.
    #[schemars(range(min = 1, max = REPEAT_MAX))]
    pub(crate) repeat: Option<u32>,
    /// Of neighbouring steps that name the same choice, each time one is taken.
    pub(crate) choice: Option<String>,
    /// How often it is the one, compared with the others of its choice; without it 1.
    #[schemars(range(min = 1))]
    pub(crate) weight: Option<u32>,
    /// Whether the flow ends here when the step fails.
    #[serde(default, rename = "stop_on_failure")]
    pub(crate) is_last_when_failed: bool,
}

/// The content of a request.
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
pub(crate) struct Events {
    /// After so many the step is done; without it, when the server ends the answer.
    #[schemars(range(min = 1))]
    pub(crate) count: Option<u64>,
    /// A gap of this length is a stall; without it 1 second.
    pub(crate) stall: Option<Span>,
}

/// Messages over a WebSocket: one of `text`, `json` and `size`. Each is sent when the answer to
/// the one before has come. The step's `check` and `capture` are about each answer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Socket {
    /// The message; its values are generated for each one.
    pub(crate) text: Option<String>,
    /// The message, a JSON text. Values in it are escaped as in a JSON string.
    pub(crate) json: Option<String>,
    /// The message is so many made-up bytes, up to 2^30.
    #[schemars(range(max = GENERATED_MAX))]
    pub(crate) size: Option<u32>,
    /// Whether the message is sent as binary; without it as text.
    #[serde(default, rename = "binary")]
    pub(crate) is_binary: bool,
    /// How many are sent; without it 1.
    #[schemars(range(min = 1, max = MESSAGES_MAX))]
    pub(crate) messages: Option<u32>,
    /// Whether each answer must be the message that was sent.
    #[serde(default, rename = "echo")]
    pub(crate) is_echo: bool,
    /// How many messages the target sends on its own when the WebSocket is open: the first
    /// message of the step waits for them, and they answer none; without it 0.
    #[schemars(range(max = MESSAGES_MAX))]
    pub(crate) greeting: Option<u32>,
    /// Subprotocols to choose from, the preferred one first.
    #[serde(default)]
    pub(crate) protocols: Vec<String>,
}

/// A field or file of an upload: one of `text`, `file` and `generated`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    /// The field's name.
    pub(crate) name: String,
    /// Its value.
    pub(crate) text: Option<String>,
    /// A file, from the scenario's folder.
    pub(crate) file: Option<String>,
    /// A file of made-up bytes, the same every time.
    pub(crate) generated: Option<Generated>,
    /// The name the file is sent under; without it its own, or `generated`.
    pub(crate) filename: Option<String>,
    /// Its media type, like `image/png`; without it a file is `application/octet-stream`, and a
    /// value has none. Empty: a file has none either.
    pub(crate) content_type: Option<String>,
    /// Further headers of the part, name = value.
    #[serde(default)]
    pub(crate) headers: Pairs,
}

/// Made-up bytes.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Generated {
    /// How many, up to 2^30.
    #[schemars(range(max = GENERATED_MAX))]
    pub(crate) size: u32,
    /// Names them; without it 0.
    #[serde(default)]
    pub(crate) seed: u64,
}

/// What must hold of an answer: all that is named. In its texts may stand captures of earlier
/// steps, data columns, `{{user}}` and `{{env NAME}}`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    /// The status is one of these.
    #[schemars(inner(range(min = 100, max = 999)))]
    pub(crate) status: Option<Vec<u16>>,
    /// Headers, name = value: exactly this value.
    #[serde(default)]
    pub(crate) header: Pairs,
    /// The body holds this text.
    pub(crate) contains: Option<String>,
    /// The body is this text.
    pub(crate) equals: Option<String>,
    /// The body has so many bytes.
    pub(crate) length: Option<u64>,
    /// Values in the JSON of the body, JSON pointer = value.
    #[serde(default)]
    pub(crate) json: BTreeMap<String, Scalar>,
}

/// What to keep of an answer: one of `header`, `cookie`, `json` and `regex`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Capture {
    /// The value of this header.
    pub(crate) header: Option<String>,
    /// The value of this cookie, which the answer sets.
    pub(crate) cookie: Option<String>,
    /// What this JSON pointer finds in the body.
    pub(crate) json: Option<String>,
    /// The first group of the first match in the body, or all of the match.
    pub(crate) regex: Option<String>,
    /// Longest value in bytes, 1 to 65536; a longer one fails the step. Without it 256.
    #[schemars(range(min = 1, max = CAPTURE_BYTES_MAX))]
    pub(crate) max: Option<u32>,
}

/// A pause.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Think {
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
pub(crate) struct Slo {
    /// Terms such as `p99<20ms,errors<0.1%`.
    pub(crate) limit: String,
    /// The flow it is about.
    pub(crate) flow: Option<String>,
    /// The step of that flow it is about.
    pub(crate) step: Option<String>,
}
