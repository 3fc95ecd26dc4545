//! Arguments about imports: the source, and the file for the scenario.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::scenario::variable;

/// Options of `uringbench import`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ImportArgs {
    #[command(subcommand)]
    pub(crate) source: ImportSource,
    /// File for the scenario; its data files are written beside it [default: stdout]
    #[arg(short, long, global = true, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Overwrite existing files
    #[arg(long, global = true)]
    pub(crate) force: bool,
}

/// The source of an import.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ImportSource {
    /// Convert a curl command, such as a browser's "Copy as cURL": one step per URL
    #[command(override_usage = "uringbench import curl [OPTIONS] <COMMAND>\n       \
                                uringbench import curl [OPTIONS] -- curl <WORDS>...")]
    Curl {
        /// The command in quotes, `-` to read it from stdin, or its words after `--`
        #[arg(required = true, value_name = "COMMAND")]
        words: Vec<String>,
    },
    /// Convert an HTTP archive: the requests to one server in order, with the pauses between them
    Har {
        /// The archive (.har), saved by a browser or a proxy
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Server whose requests to convert [default: the one with the most requests]
        #[arg(long, value_name = "URL")]
        origin: Option<String>,
        /// Convert only requests whose URL contains this text
        #[arg(long, value_name = "SUBSTR")]
        filter: Option<String>,
        /// Leave out the pauses between requests
        #[arg(long)]
        no_think: bool,
    },
    /// Convert an OpenAPI 3 description: one flow per operation
    Openapi {
        /// The description, JSON or YAML
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Server to load [default: the first one in the description]
        #[arg(long, value_name = "URL")]
        target: Option<String>,
    },
    /// Convert targets of vegeta, text or JSON lines
    Vegeta {
        /// The file with the targets
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Convert an access log, text or JSON lines: its requests at their times
    Log {
        /// The log
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Factor by which to replay faster than recorded, 0.001 to 1000 (2x) [default: 1x]
        #[arg(long, value_name = "FACTOR", value_parser = speed)]
        speed: Option<f64>,
        /// Server to load, which the log does not contain
        #[arg(long, value_name = "URL")]
        target: Option<String>,
        /// Format of the lines: nginx's log_format, Apache's LogFormat, common or combined
        /// [default: detected]
        #[arg(long, value_name = "FORMAT")]
        log_format: Option<String>,
    },
    /// Convert a Hurl file: one step per entry, in order
    Hurl {
        /// The Hurl file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Variable of the file; may be given several times
        #[arg(long = "variable", value_name = "NAME=VALUE", value_parser = variable)]
        variables: Vec<(String, String)>,
    },
}

fn speed(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix(['x', 'X']).unwrap_or(text).parse::<f64>().ok();
    let number = number.filter(|speed| (0.001..=1_000.0).contains(speed));
    number.ok_or_else(|| "expected a factor from 0.001 to 1000 such as 2x or 0.5".to_owned())
}
