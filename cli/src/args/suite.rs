//! Arguments of suites.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use uringbench_core::time::Nanos;
use uringbench_machine::cpus::CoreSpec;

use crate::units;

pub(super) const USAGE: &str = "\
uringbench suite [OPTIONS] <SUITE.toml>
       uringbench suite check [OPTIONS] <SUITE.toml>";

pub(super) const EXAMPLES: &str = "\
Examples:
  uringbench suite check scenarios/shootout/suite.toml
      Print every cell that would be measured, and for how long; or every mistake with its fix.
  uringbench suite --short scenarios/shootout/suite.toml
      Start Aquilia, Sanic and FastAPI in turn and measure fourteen scenarios, in minutes.
  uringbench suite --only validation --duration 60s -c 100 scenarios/features/suite.toml
      One group of scenarios alone, with other settings than the file's.
  uringbench suite --resume scenarios/shootout/suite.toml
      Go on where the newest suite of this file stopped.

Exit codes: 0 everything was measured, 12 some cells were not, 1 and 2 as everywhere.";

/// Options of `uringbench suite`.
#[derive(Args, Clone, Debug)]
pub(crate) struct SuiteArgs {
    #[command(subcommand)]
    pub(crate) command: Option<SuiteCommand>,
    #[command(flatten)]
    pub(crate) selection: SuiteSelection,

    /// Go on in the folder DIR of an earlier suite, or in the newest one
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true)]
    pub(crate) resume: Option<Option<PathBuf>>,

    /// PostgreSQL server to use instead of starting one: postgres://USER@HOST:PORT
    #[arg(long, value_name = "URL")]
    pub(crate) database: Option<String>,

    /// CPUs for the load generator; targets use the others
    #[arg(long, value_name = "N|LIST")]
    pub(crate) cores: Option<CoreSpec>,

    /// Folder for the results [default: a new one under results/suites/]
    #[arg(short, long, value_name = "DIR", conflicts_with = "resume")]
    pub(crate) out: Option<PathBuf>,

    /// Folder of results and history, or a database to which runs are sent too
    #[arg(long, value_name = "DIR|URL")]
    pub(crate) store: Vec<String>,

    /// Print the result as one JSON document on stdout
    #[arg(long, conflicts_with = "markdown")]
    pub(crate) json: bool,

    /// Print the result as Markdown
    #[arg(long)]
    pub(crate) markdown: bool,

    /// Print no progress on stderr
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// What to do with a suite other than running it.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum SuiteCommand {
    /// Print what would be measured and for how long, or all mistakes with their lines and fixes
    Check(SuiteSelection),
}

/// A suite file, and the part of it that is measured.
#[derive(Args, Clone, Debug)]
pub(crate) struct SuiteSelection {
    /// The suite file
    #[arg(value_name = "SUITE.toml", required = true)]
    pub(crate) file: Option<PathBuf>,

    /// Only this target, category, scenario, flow or cell; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,

    /// The short form: the settings of `[short]` in the file
    #[arg(long)]
    pub(crate) short: bool,

    /// Measured window of each run
    #[arg(short, long, value_name = "TIME", value_parser = units::span)]
    pub(crate) duration: Option<Nanos>,

    /// Load before the measured window
    #[arg(long, value_name = "TIME", value_parser = units::span)]
    pub(crate) warmup: Option<Nanos>,

    /// Runs of each cell
    #[arg(long, value_name = "N", value_parser = units::small_count)]
    pub(crate) runs: Option<u32>,

    /// Duration of the profiled run of each cell; 0 for none
    #[arg(long, value_name = "TIME", value_parser = units::span)]
    pub(crate) profile: Option<Nanos>,

    /// Duration of the soak of each cell that has one; 0 for none
    #[arg(long, value_name = "TIME", value_parser = units::span)]
    pub(crate) soak: Option<Nanos>,

    /// Numbers of connections, separated by commas: a cell for each
    #[arg(
        short, long, value_name = "N", value_delimiter = ',', value_parser = units::small_count
    )]
    pub(crate) connections: Vec<u32>,
}
