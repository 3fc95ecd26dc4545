//! Arguments about comparisons that are measured: two targets side by side, and the noise floor.

use clap::Args;
use uringbench_core::time::Nanos;

use super::{LimitArgs, RunArgs};
use crate::units;

pub(super) const AB_USAGE: &str = "\
uringbench ab [OPTIONS] --a <CMD> --b <CMD> <URL|SCENARIO.toml>
       uringbench ab [OPTIONS] --base <REF> --b <CMD> <URL|SCENARIO.toml>
       uringbench ab [OPTIONS] --a-url <URL> --b-url <URL>";

pub(super) const AB_EXAMPLES: &str = "\
Examples:
  uringbench ab --a './old --port 8080' --b './new --port 8080' http://127.0.0.1:8080/
      Start each in turn, in balanced random order, until the intervals are narrow.
  uringbench ab --base main --build 'cargo build --release' \\
      --b './target/release/server' http://127.0.0.1:8080/
      Compare the current folder with the revision main.

Exit codes: 0 PASS or WARN, 10 FAIL, 12 INCONCLUSIVE, 13 no run of one side measures the target.";

/// Options of `uringbench ab`.
#[derive(Args, Clone, Debug)]
pub(crate) struct AbArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) sides: SideArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// What is compared, and for how long.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Sides")]
pub(crate) struct SideArgs {
    /// Command that starts A; it listens at the URL, and stays in the foreground
    #[arg(long, value_name = "CMD", conflicts_with_all = ["a_url", "b_url"])]
    pub(crate) a: Option<String>,

    /// Command that starts B; with --base, both sides
    #[arg(long, value_name = "CMD", conflicts_with_all = ["a_url", "b_url"])]
    pub(crate) b: Option<String>,

    /// URL of A, which runs already
    #[arg(long, value_name = "URL", requires = "b_url", conflicts_with = "url")]
    pub(crate) a_url: Option<String>,

    /// URL of B, which runs already
    #[arg(long, value_name = "URL", requires = "a_url")]
    pub(crate) b_url: Option<String>,

    /// Git revision to check out as A; B is the current folder
    #[arg(long, value_name = "REF", requires = "b")]
    pub(crate) base: Option<String>,

    /// Command that builds a side, in its folder, before anything is measured
    #[arg(long, value_name = "CMD")]
    pub(crate) build: Option<String>,

    /// Runs of each side, at most
    #[arg(long, value_name = "N", value_parser = units::small_count, default_value = "20")]
    pub(crate) runs: u32,

    /// Begin no further pair after this time
    #[arg(long, value_name = "TIME", value_parser = units::span, default_value = "10m")]
    pub(crate) budget: Nanos,

    /// Print Markdown, for a summary of CI or a comment
    #[arg(long, conflicts_with = "json")]
    pub(crate) markdown: bool,
}

/// Options of `uringbench noise`.
#[derive(Args, Clone, Debug)]
pub(crate) struct NoiseArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,

    /// Command that starts the target for each run; without it, the target runs already
    #[arg(long, value_name = "CMD", help_heading = "Noise")]
    pub(crate) start: Option<String>,

    /// Number of runs, at least 4
    #[arg(
        long, value_name = "N", value_parser = units::small_count, default_value = "10",
        help_heading = "Noise"
    )]
    pub(crate) runs: u32,
}
