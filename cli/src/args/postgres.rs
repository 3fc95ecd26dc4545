//! Arguments about PostgreSQL.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use uringbench_core::postgres::statement::QueryMode;

use crate::units;

/// Options of runs against PostgreSQL.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "PostgreSQL")]
pub(crate) struct PostgresArgs {
    /// How statements are sent, as pgbench's -M [default: prepared]
    #[arg(short = 'M', long, value_name = "MODE", value_enum)]
    pub(crate) query_mode: Option<QueryModeName>,

    /// A script of pgbench to send; instead of a statement
    #[arg(long, value_name = "NAME", value_enum, conflicts_with = "command")]
    pub(crate) builtin: Option<Builtin>,

    /// A file with a script for pgbench to send; instead of a statement
    #[arg(long, value_name = "FILE", conflicts_with_all = ["command", "builtin"])]
    pub(crate) script: Option<PathBuf>,

    /// The scale with which `pgbench -i -s N` made the tables of --builtin or --script [default: 1]
    #[arg(
        long, value_name = "N", value_parser = units::small_count, allow_negative_numbers = true
    )]
    pub(crate) scale: Option<u32>,

    /// Do not ask for the columns of each result, which libpq and so pgbench do
    #[arg(long)]
    pub(crate) no_describe: bool,
}

/// How statements are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum QueryModeName {
    /// As text, with the values in it
    Simple,
    /// Parsed each time, with the values as parameters
    Extended,
    /// Parsed once per connection
    Prepared,
}

impl From<QueryModeName> for QueryMode {
    fn from(name: QueryModeName) -> Self {
        match name {
            QueryModeName::Simple => Self::Simple,
            QueryModeName::Extended => Self::Extended,
            QueryModeName::Prepared => Self::Prepared,
        }
    }
}

/// A script of pgbench (its `pgbench.c`, `builtin_script`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Builtin {
    /// A row of pgbench_accounts by its key, as pgbench -S
    SelectOnly,
    /// A transfer in five statements, after TPC-B
    #[value(alias = "tpcb-like")]
    Tpcb,
    /// The same without tellers and branches, as pgbench -N
    SimpleUpdate,
}

const SELECT: &str = "SELECT abalance FROM pgbench_accounts WHERE aid = {{aid}}";
const UPDATE: &str =
    "UPDATE pgbench_accounts SET abalance = abalance + {{delta}} WHERE aid = {{aid}}";
const TELLERS: &str =
    "UPDATE pgbench_tellers SET tbalance = tbalance + {{delta}} WHERE tid = {{tid}}";
const BRANCHES: &str =
    "UPDATE pgbench_branches SET bbalance = bbalance + {{delta}} WHERE bid = {{bid}}";
const INSERT: &str = "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) \
                      VALUES ({{tid}}, {{bid}}, {{aid}}, {{delta}}, CURRENT_TIMESTAMP)";

impl Builtin {
    /// Its statements, with named values.
    pub(crate) fn statements(self) -> String {
        match self {
            Self::SelectOnly => SELECT.to_owned(),
            Self::Tpcb => ["BEGIN", UPDATE, SELECT, TELLERS, BRANCHES, INSERT, "END"].join(";\n"),
            Self::SimpleUpdate => ["BEGIN", UPDATE, SELECT, INSERT, "END"].join(";\n"),
        }
    }

    /// Its named values.
    pub(crate) fn values(scale: u32) -> [(&'static str, String); 4] {
        let up_to = |count: u64| format!("{{{{int 1 {}}}}}", count * u64::from(scale));
        [
            ("aid", up_to(100_000)),
            ("bid", up_to(1)),
            ("tid", up_to(10)),
            ("delta", "{{int -5000 5000}}".to_owned()),
        ]
    }

    /// Its name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::SelectOnly => "select-only",
            Self::Tpcb => "tpcb",
            Self::SimpleUpdate => "simple-update",
        }
    }
}
