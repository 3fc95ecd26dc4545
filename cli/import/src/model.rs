//! What an import can say: the part of a scenario file that inputs have words for.
//!
//! Texts are in the scenario's own syntax, with `{{name}}` for a value; `template::plain` makes
//! one of a text that means itself.

/// A scenario.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scenario {
    /// What it was made of: the first line of the file.
    pub(crate) origin: String,
    /// `http://host:port`.
    pub(crate) target: String,
    /// Whether users keep the cookies they are given.
    pub(crate) has_cookies: bool,
    /// When flows begin, if the input says so.
    pub(crate) replay: Option<Replay>,
    /// Files of rows.
    pub(crate) data: Vec<Data>,
    /// What users do.
    pub(crate) flows: Vec<Flow>,
}

/// Flows begin as rows of a file say.
#[derive(Clone, Debug)]
pub(crate) struct Replay {
    /// The rows.
    pub(crate) data: String,
    /// The column of seconds.
    pub(crate) column: String,
    /// The column that names the flow.
    pub(crate) flow: String,
    /// How much faster than recorded.
    pub(crate) speed: Option<f64>,
}

/// A file of rows.
#[derive(Clone, Debug)]
pub(crate) struct Data {
    /// What the scenario calls it.
    pub(crate) name: String,
    /// Beside the scenario.
    pub(crate) file: String,
}

/// A sequence of steps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flow {
    /// What reports call it.
    pub(crate) name: String,
    /// How often it is chosen, unless once among the others.
    pub(crate) weight: Option<u32>,
    /// In order.
    pub(crate) steps: Vec<Step>,
}

/// A request and what becomes of its answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Step {
    /// Without one: method and path.
    pub(crate) name: Option<String>,
    /// As it is sent.
    pub(crate) method: String,
    /// What is asked for.
    pub(crate) target: Target,
    /// In order; several of a name are a line each.
    pub(crate) headers: Vec<(String, String)>,
    /// Names of headers that are not sent although they would be.
    pub(crate) without: Vec<String>,
    /// Sent besides those that the user keeps.
    pub(crate) cookies: Vec<(String, String)>,
    /// The content.
    pub(crate) body: Option<Body>,
    /// What must hold of the answer.
    pub(crate) check: Check,
    /// What is kept of the answer.
    pub(crate) captures: Vec<Capture>,
    /// A pause afterwards, in milliseconds.
    pub(crate) think_ms: u64,
    /// How often in a row, unless once.
    pub(crate) repeat: Option<u32>,
}

/// What a request asks for.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// A path, and a query of names and values that are percent-encoded when sent.
    Path { path: String, query: Vec<(String, String)> },
    /// Path and query as they are sent.
    Verbatim(String),
}

impl Default for Target {
    fn default() -> Self {
        Self::Path { path: "/".to_owned(), query: Vec::new() }
    }
}

/// The content of a request.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Text(String),
    Json(String),
    Form(Vec<(String, String)>),
    File(BodyFile),
    Multipart(Vec<Part>),
}

/// A file whose bytes are sent.
#[derive(Clone, Debug)]
pub(crate) enum BodyFile {
    /// Named by the input.
    Given(String),
    /// Made by the import.
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
    /// Empty: none is sent.
    pub(crate) content_type: Option<String>,
    /// Further ones, which mean themselves.
    pub(crate) headers: Vec<(String, String)>,
}

/// What is in a field of an upload.
#[derive(Clone, Debug)]
pub(crate) enum PartContent {
    Text(String),
    File(BodyFile),
}

/// What must hold of an answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Check {
    pub(crate) status: Vec<u16>,
    pub(crate) header: Vec<(String, String)>,
    pub(crate) contains: Option<String>,
    pub(crate) equals: Option<String>,
    pub(crate) length: Option<u64>,
    /// By JSON pointer.
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

/// Something to keep of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Capture {
    pub(crate) name: String,
    pub(crate) source: Source,
    /// Longest value in bytes.
    pub(crate) max: u32,
}

/// Where a value is in an answer. Texts mean themselves.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Header(String),
    Cookie(String),
    /// A JSON pointer.
    Json(String),
    Regex(String),
}
