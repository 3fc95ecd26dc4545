//! Where results go, and the further names of a run.

use std::path::PathBuf;

use clap::Args;

use crate::units;

/// Where the result is written.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Print the result as one JSON document on stdout; messages go to stderr
    #[arg(long)]
    pub(crate) json: bool,

    /// Folder for the result [default: a new one under results/]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Print no progress on stderr
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// Name of this run, stored with its result
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// Where the history of runs is, and the further names of a run in it.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Output")]
pub(crate) struct RunHistoryArgs {
    /// Folder of results and history, or a database to which runs are sent too; both may be named
    ///
    /// A database is postgres://USER@HOST:PORT/DATABASE; sslmode=require and sslrootcert=FILE ask
    /// for TLS. While it is away, runs wait in the history of the folder. [default: the environment
    /// variable URINGBENCH_STORE, or else results]
    #[arg(long, value_name = "DIR|URL")]
    pub(crate) store: Vec<String>,

    /// A further name by which this run is found later, such as `before`; may be repeated
    #[arg(long = "tag", value_name = "NAME", value_parser = units::tag)]
    pub(crate) tags: Vec<String>,

    /// Store secrets too: addresses as typed, and a plan that repeats without giving them again
    ///
    /// Without it, no file of a result has the values of headers, parameters and fields whose names
    /// are those of secrets. Pages never show them.
    #[arg(long)]
    pub(crate) keep_secrets: bool,
}
