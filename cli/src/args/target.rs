//! Arguments about the reference target.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use uringbench_core::time::Nanos;

use crate::units;

/// Options of `uringbench target`.
#[derive(Args, Clone, Debug)]
pub(crate) struct TargetArgs {
    /// Address to listen on; port 0 chooses a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,

    /// CPU to pin the server to
    #[arg(long, value_name = "N")]
    pub(crate) cpu: Option<usize>,

    /// Serve fixed answers as fast as possible, for calibration (the default)
    #[arg(long = "null", conflicts_with = "is_app")]
    pub(crate) is_null: bool,

    #[command(flatten)]
    pub(crate) app: AppArgs,
}

/// Options of the application, and its faults.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Application")]
pub(crate) struct AppArgs {
    /// Serve an application with a database instead of fixed answers
    #[arg(long = "app")]
    pub(crate) is_app: bool,

    /// Threads that serve the application [default: 1]
    #[arg(long, value_name = "N", value_parser = units::small_count, requires = "is_app")]
    pub(crate) workers: Option<u32>,

    /// SQLite file, or postgres://user:password@host/name [default: SQLite in memory, not kept]
    #[arg(long, value_name = "FILE|URL", requires = "is_app")]
    pub(crate) database: Option<PathBuf>,

    /// Folder with files to serve below /static
    #[arg(long = "static", value_name = "FOLDER", requires = "is_app")]
    pub(crate) files: Option<PathBuf>,

    /// Leak this many bytes of memory per request [default: 0]
    #[arg(long, value_name = "BYTES", value_parser = units::small_count, requires = "is_app")]
    pub(crate) leak: Option<u32>,

    /// Stop answering for this long, repeatedly; see --stall-every
    #[arg(long, value_name = "TIME", value_parser = units::span, requires = "is_app")]
    pub(crate) stall: Option<Nanos>,

    /// Time from the start of one stall to the start of the next [default: 5s]
    #[arg(long, value_name = "TIME", value_parser = units::span, requires = "stall")]
    pub(crate) stall_every: Option<Nanos>,

    /// Delay each request by this time without using CPU
    #[arg(long, value_name = "TIME", value_parser = units::span, requires = "is_app")]
    pub(crate) delay: Option<Nanos>,

    /// Share of requests to answer with status 500, from 0 to 1
    #[arg(long, value_name = "SHARE", value_parser = share, requires = "is_app")]
    pub(crate) error_rate: Option<f64>,

    /// Use this much additional CPU time per request
    #[arg(long, value_name = "TIME", value_parser = units::span, requires = "is_app")]
    pub(crate) burn: Option<Nanos>,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "give a share from 0 to 1, such as 0.01".to_owned())
}
