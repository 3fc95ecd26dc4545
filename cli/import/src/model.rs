//! The part of a scenario file that an import can write.
//!
//! Texts are in the scenario's syntax, with `{{name}}` for a value; `template::plain` escapes a
//! text so that it means itself.

/// A scenario.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scenario {
    /// The source of the import: the first line of the file.
    pub(crate) origin: String,
    /// `http://host:port`.
    pub(crate) target: String,
    /// Whether users keep the cookies that answers set.
    pub(crate) has_cookies: bool,
    /// When flows begin, if the input has times.
    pub(crate) replay: Option<Replay>,
    /// Files of rows.
    pub(crate) data: Vec<Data>,
    /// What users do.
    pub(crate) flows: Vec<Flow>,
}

/// Flows begin at the times in the rows of a file.
#[derive(Clone, Debug)]
pub(crate) struct Replay {
    /// The rows.
    pub(crate) data: String,
    /// The column of seconds.
    pub(crate) column: String,
    /// The column that names the flow.
    pub(crate) flow: String,
    /// The factor by which the replay is faster than the recording.
    pub(crate) speed: Option<f64>,
}

/// A file of rows.
#[derive(Clone, Debug)]
pub(crate) struct Data {
    /// Its name in the scenario.
    pub(crate) name: String,
    /// Its file next to the scenario.
    pub(crate) file: String,
}

/// A sequence of steps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flow {
    /// Its name in reports.
    pub(crate) name: String,
    /// How often it is chosen; `None` for 1.
    pub(crate) weight: Option<u32>,
    /// The steps in order.
    pub(crate) steps: Vec<Step>,
}

/// A request, and the use of its answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Step {
    /// `None` for method and path.
    pub(crate) name: Option<String>,
    /// The method as sent.
    pub(crate) method: String,
    /// The path and query.
    pub(crate) target: Target,
    /// Headers in order; several with one name are sent as separate lines.
    pub(crate) headers: Vec<(String, String)>,
    /// Names of default headers that are not sent.
    pub(crate) without: Vec<String>,
    /// Cookies sent in addition to those that the user keeps.
    pub(crate) cookies: Vec<(String, String)>,
    /// The body.
    pub(crate) body: Option<Body>,
    /// The checks of the answer.
    pub(crate) check: Check,
    /// The values captured from the answer.
    pub(crate) captures: Vec<Capture>,
    /// The pause after the step, in milliseconds.
    pub(crate) think_ms: u64,
    /// How often the step is repeated; `None` for once.
    pub(crate) repeat: Option<u32>,
}

/// The path and query of a request.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// A path, and a query of names and values that are percent-encoded when sent.
    Path { path: String, query: Vec<(String, String)> },
    /// Path and query, sent without encoding.
    Verbatim(String),
}

impl Default for Target {
    fn default() -> Self {
        Self::Path { path: "/".to_owned(), query: Vec::new() }
    }
}

/// The body of a request.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Text(String),
    Json(String),
    Form(Vec<(String, String)>),
    File(BodyFile),
    Multipart(Vec<Part>),
}

/// A file to send.
#[derive(Clone, Debug)]
pub(crate) enum BodyFile {
    /// Named in the input.
    Given(String),
    /// Written by the import.
    Beside(String),
}

impl BodyFile {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Given(name) | Self::Beside(name) => name,
        }
    }
}

/// A field of an upload.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) content: PartContent,
    pub(crate) filename: Option<String>,
    /// Empty if none is sent.
    pub(crate) content_type: Option<String>,
    /// Additional headers, as literal text.
    pub(crate) headers: Vec<(String, String)>,
}

/// The content of an upload's field.
#[derive(Clone, Debug)]
pub(crate) enum PartContent {
    Text(String),
    File(BodyFile),
}

/// The checks of an answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Check {
    pub(crate) status: Vec<u16>,
    pub(crate) header: Vec<(String, String)>,
    pub(crate) contains: Option<String>,
    pub(crate) equals: Option<String>,
    pub(crate) length: Option<u64>,
    /// Values by JSON pointer.
    pub(crate) json: Vec<(String, Scalar)>,
}

/// A value in JSON.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar {
    Text(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
}

/// A value to capture from the answer.
#[derive(Clone, Debug)]
pub(crate) struct Capture {
    pub(crate) name: String,
    pub(crate) source: Source,
    /// The longest value in bytes.
    pub(crate) max: u32,
}

/// The place of a value in an answer. Texts are literal.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Header(String),
    Cookie(String),
    /// A JSON pointer.
    Json(String),
    Regex(String),
}
