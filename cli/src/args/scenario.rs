//! What can be typed about scenario files.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Of a run: what is taken of a scenario file.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Scenario files")]
pub(crate) struct FileArgs {
    /// Load this server instead of the one the file names
    #[arg(long, value_name = "URL")]
    pub(crate) target: Option<String>,

    /// Take this flow alone; may be given several times [default: all]
    #[arg(long = "flow", value_name = "NAME")]
    pub(crate) flows: Vec<String>,

    /// A variable of a .hurl file
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
    /// Say what each file holds, or every mistake in it with its place and what to write instead
    Check {
        /// The scenarios
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The server, in the place of the one the files name
        #[arg(long, value_name = "URL")]
        target: Option<String>,
    },
    /// Print the bytes of each request, as user 0 sends it first
    ///
    /// Line ends and what cannot be printed are escaped; long bodies are cut. Captures stand as
    /// their names, since no answer has come.
    Show {
        /// The scenario
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// For random values
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
        /// The server, in the place of the one the file names
        #[arg(long, value_name = "URL")]
        target: Option<String>,
    },
}

pub(super) fn variable(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let pair = pair.map(|(name, value)| (name.to_owned(), value.to_owned()));
    pair.ok_or_else(|| "expected name=value".to_owned())
}
