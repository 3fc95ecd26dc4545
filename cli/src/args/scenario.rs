//! Arguments about scenario files.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Options of a run about its scenario file.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Scenario files")]
pub(crate) struct FileArgs {
    /// Server to load instead of the one in the file
    #[arg(long, value_name = "URL")]
    pub(crate) target: Option<String>,

    /// Run only this flow; may be given several times [default: all]
    #[arg(long = "flow", value_name = "NAME")]
    pub(crate) flows: Vec<String>,

    /// Variable of a .hurl file; may be given several times
    #[arg(long = "variable", value_name = "NAME=VALUE", value_parser = variable)]
    pub(crate) variables: Vec<(String, String)>,
}

/// Options of `uringbench scenario`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ScenarioArgs {
    #[command(subcommand)]
    pub(crate) command: ScenarioCommand,
}

/// What to do with scenario files.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ScenarioCommand {
    /// Print a summary of each file, or all of its mistakes with their lines and fixes
    Check {
        /// The scenario files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Server to use instead of the one in the files
        #[arg(long, value_name = "URL")]
        target: Option<String>,
    },
    /// Print the bytes of each request, as the first user sends them the first time
    ///
    /// Line ends and unprintable bytes are escaped, long bodies are shortened. Captured values are
    /// shown by name, since there is no answer to capture from.
    Show {
        /// The scenario file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Seed of random values
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
        /// Server to use instead of the one in the file
        #[arg(long, value_name = "URL")]
        target: Option<String>,
    },
}

pub(super) fn variable(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let pair = pair.map(|(name, value)| (name.to_owned(), value.to_owned()));
    pair.ok_or_else(|| "expected name=value".to_owned())
}
