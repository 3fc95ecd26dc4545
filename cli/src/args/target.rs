//! What can be typed about the reference target.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use uringbench_core::time::Nanos;

use crate::units;

/// Options of `uringbench target`.
#[derive(Args, Clone, Debug)]
pub(crate) struct TargetArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,

    /// CPU to pin the server to
    #[arg(long, value_name = "N")]
    pub(crate) cpu: Option<usize>,

    /// Serve the fastest responder there is, for calibration; so does nothing at all
    #[arg(long = "null", conflicts_with = "is_app")]
    pub(crate) is_null: bool,

    #[command(flatten)]
    pub(crate) app: AppArgs,
}

/// The application in place of the bare responder, and what is to go wrong with it.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Application")]
pub(crate) struct AppArgs {
    /// Serve an application with a database, in place of the fastest responder
    #[arg(long = "app")]
    pub(crate) is_app: bool,

    /// Threads that serve the application [default: 1]
    #[arg(long, value_name = "N", value_parser = units::small_count, requires = "is_app")]
    pub(crate) workers: Option<u32>,

    /// SQLite file, or postgres://user:password@host/name [default: in memory, new at each start]
    #[arg(long, value_name = "FILE|URL", requires = "is_app")]
    pub(crate) database: Option<PathBuf>,

    /// Folder whose files are served below /static
    #[arg(long = "static", value_name = "FOLDER", requires = "is_app")]
    pub(crate) files: Option<PathBuf>,

    /// Bytes that each request leaves behind in memory
    #[arg(long, value_name = "BYTES", value_parser = units::small_count, requires = "is_app")]
    pub(crate) leak: Option<u32>,

    /// Answer nothing for this long, again and again
    #[arg(long, value_name = "TIME", value_parser = units::span, requires = "is_app")]
    pub(crate) stall: Option<Nanos>,

    /// From the start of one stall to the start of the next [default: 5s]
    #[arg(long, value_name = "TIME", value_parser = units::span, requires = "stall")]
    pub(crate) stall_every: Option<Nanos>,

    /// Let each request wait before it is worked on
    #[arg(long, value_name = "TIME", value_parser = units::span, requires = "is_app")]
    pub(crate) delay: Option<Nanos>,

    /// Share of requests to answer with status 500, from 0 to 1
    #[arg(long, value_name = "SHARE", value_parser = share, requires = "is_app")]
    pub(crate) error_rate: Option<f64>,

    /// CPU time that each request costs on top
    #[arg(long, value_name = "TIME", value_parser = units::span, requires = "is_app")]
    pub(crate) burn: Option<Nanos>,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "give a share from 0 to 1, such as 0.01".to_owned())
}
