//! Arguments about the history.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::units;

pub(super) const EXAMPLES: &str = "\
Examples:
  uringbench history list --name 'shop*' --since 7d
      The runs of the last week whose name begins with shop.
  uringbench history show before
      The newest run with the tag (or name, commit, branch, folder) before.
  uringbench history export --format csv > runs.csv
      All runs with their figures, for a spreadsheet.
  uringbench history prune --keep 20 --older-than 90d
      Say which runs could go; --yes deletes them.
  uringbench history import target/criterion
      The newest measurements of Criterion.";

/// Options of `uringbench history`.
#[derive(Args, Clone, Debug)]
pub(crate) struct HistoryArgs {
    /// Folder of the results, or a database postgres://…; both may be named [default: the
    /// environment variable URINGBENCH_STORE, or else results]
    #[arg(long, value_name = "DIR|URL", global = true)]
    pub(crate) store: Vec<String>,
    #[command(subcommand)]
    pub(crate) command: HistoryCommand,
}

/// What to do with the history.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum HistoryCommand {
    /// List runs, the newest first
    List {
        #[command(flatten)]
        filter: FilterArgs,
        /// The newest N runs; 0 for all
        #[arg(short = 'n', long, value_name = "N", default_value_t = 30)]
        limit: u64,
        /// Print the list as one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Show one run: where it came from and its figures
    Show {
        /// Folder, name, tag, commit or branch of the run; the newest run of several
        #[arg(value_name = "RUN")]
        run: String,
        /// Print the entry as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print runs as lines of JSON or as CSV
    Export {
        #[command(flatten)]
        filter: FilterArgs,
        /// Form of the output
        #[arg(long, value_name = "FORM", value_enum, default_value_t = ExportForm::Jsonl)]
        format: ExportForm,
    },
    /// Delete old runs with their folders; without --yes it only says which
    ///
    /// Runs with a tag are kept unless --tag names it. A run outside of the folder of results is
    /// only forgotten: its folder stays.
    Prune {
        #[command(flatten)]
        filter: FilterArgs,
        /// Keep the newest N runs of each benchmark of each target
        #[arg(long, value_name = "N", required_unless_present = "older_than")]
        keep: Option<usize>,
        /// Delete runs older than this: 30d, 12h
        #[arg(long, value_name = "AGE", value_parser = units::age)]
        older_than: Option<u64>,
        /// Delete, and say what
        #[arg(long)]
        yes: bool,
    },
    /// Copy results of elsewhere into the history: run.json, folders of runs, target/criterion
    Import {
        /// Files and folders
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// A tag for benchmarks of Criterion; may be repeated
        #[arg(long = "tag", value_name = "NAME", value_parser = units::tag)]
        tags: Vec<String>,
    },
    /// Make the history again from the folders of the runs
    Rebuild,
}

/// Which runs are meant; NAME may have `*` for any letters and `?` for one.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct FilterArgs {
    /// Runs of this name
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Runs against this host:port
    #[arg(long, value_name = "NAME")]
    pub(crate) target: Option<String>,
    /// Runs with this tag
    #[arg(long, value_name = "NAME")]
    pub(crate) tag: Option<String>,
    /// Runs of commits whose hash begins like this
    #[arg(long, value_name = "HASH")]
    pub(crate) commit: Option<String>,
    /// Runs of this branch
    #[arg(long, value_name = "NAME")]
    pub(crate) branch: Option<String>,
    /// Runs since a day (2026-11-01), a time in UTC, or an age (7d, 12h)
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<String>,
}

/// The form of exported runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportForm {
    /// One JSON object per line
    Jsonl,
    /// A table with a line of names, for spreadsheets
    Csv,
}
