//! What can be typed about imports: what is read, and where the scenario goes.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::scenario::variable;

/// Options of `uringbench import`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ImportArgs {
    #[command(subcommand)]
    pub(crate) source: ImportSource,
    /// Write the scenario to this file, and what belongs to it beside it; without it to stdout
    #[arg(short, long, global = true, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Write over files that are there
    #[arg(long, global = true)]
    pub(crate) force: bool,
}

/// What a scenario is made of.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ImportSource {
    /// A command of curl, such as a browser copies: a step for each address
    #[command(override_usage = "uringbench import curl [OPTIONS] <COMMAND>\n       \
                                uringbench import curl [OPTIONS] -- curl <WORDS>...")]
    Curl {
        /// All of it in one word, `-` for stdin, or word by word behind `--`
        #[arg(required = true, value_name = "COMMAND")]
        words: Vec<String>,
    },
    /// An HTTP archive: the requests to one server, in their order, with the pauses between them
    Har {
        /// As a browser or a proxy saves it
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The server, if not the one that most requests went to
        #[arg(long, value_name = "URL")]
        origin: Option<String>,
        /// Take only addresses with this in them
        #[arg(long, value_name = "SUBSTR")]
        filter: Option<String>,
        /// Leave out the pauses
        #[arg(long)]
        no_think: bool,
    },
    /// A description of an API in OpenAPI 3: a flow for each operation
    Openapi {
        /// JSON or YAML
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The server, if not the first that the description names
        #[arg(long, value_name = "URL")]
        target: Option<String>,
    },
    /// Targets of vegeta, as text or lines of JSON
    Vegeta {
        /// The targets
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// An access log of a server or a balancer, as text or JSON: its requests at their times
    Log {
        /// The log
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// How much faster than recorded, such as 2x
        #[arg(long, value_name = "FACTOR", value_parser = speed)]
        speed: Option<f64>,
        /// The server, which a log does not name
        #[arg(long, value_name = "URL")]
        target: Option<String>,
        /// The form of its lines, as nginx's `log_format` or Apache's `LogFormat` has it, or
        /// `common` or `combined`; without it they are read by what is in them
        #[arg(long, value_name = "FORMAT")]
        log_format: Option<String>,
    },
    /// A Hurl file: its entries in their order
    Hurl {
        /// The entries
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// A variable of the file
        #[arg(long = "variable", value_name = "NAME=VALUE", value_parser = variable)]
        variables: Vec<(String, String)>,
    },
}

fn speed(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix(['x', 'X']).unwrap_or(text).parse::<f64>().ok();
    let number = number.filter(|speed| (0.001..=1_000.0).contains(speed));
    number.ok_or_else(|| "expected a factor from 0.001 to 1000 such as 2x or 0.5".to_owned())
}
