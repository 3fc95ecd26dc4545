//! Arguments about comparisons: groups of runs, limits, baselines.

use std::path::PathBuf;

use clap::{Args, Subcommand};

pub(super) const COMPARE_EXAMPLES: &str = "\
Examples:
  uringbench compare results/old results/new
      Compare the runs below two folders.
  uringbench compare 'results/*/GET/20260228*' 'results/*/GET/20260301*' --markdown
      Compare the runs of two days, as Markdown.
  uringbench compare results/old results/new -o compare.html
      Write a page too, with percentile bands and what changed in the profiles.

Exit codes: 0 PASS or WARN, 10 FAIL, 12 INCONCLUSIVE, 13 no run of one side measures the target.";

pub(super) const GATE_EXAMPLES: &str = "\
Examples:
  uringbench baseline set main results/main
      Make the runs below results/main the baseline `main`.
  uringbench gate --baseline main results/branch
      Compare the runs below results/branch with it.

Exit codes: 0 PASS or WARN, 10 FAIL, 12 INCONCLUSIVE, 13 no run measures the target.";

/// Options of `uringbench compare`.
#[derive(Args, Clone, Debug)]
pub(crate) struct CompareArgs {
    /// Two or more groups of runs: each a run's folder, a folder with runs below it, a quoted
    /// pattern ('results/*/GET/2026*'), a name, tag, commit or branch, or several with commas
    /// between
    #[arg(value_name = "RUNS", num_args = 2.., required = true)]
    pub(crate) groups: Vec<String>,

    /// Folder of the results [default: the environment variable URINGBENCH_STORE, or else results]
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Vec<String>,

    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    #[command(flatten)]
    pub(crate) form: FormArgs,

    /// Write the comparison as a page (HTML) too
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub(crate) out: Option<PathBuf>,
}

/// Options of `uringbench gate`.
#[derive(Args, Clone, Debug)]
pub(crate) struct GateArgs {
    /// The runs to check: as for `uringbench compare`
    #[arg(value_name = "RUNS", required = true)]
    pub(crate) runs: Vec<String>,

    /// The baseline to compare with: its name or its file
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) baseline: String,

    /// Folder of the results [default: the environment variable URINGBENCH_STORE, or else results]
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Vec<String>,

    #[command(flatten)]
    pub(crate) folder: BaselineFolder,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    #[command(flatten)]
    pub(crate) form: FormArgs,
}

/// Options of `uringbench baseline`.
#[derive(Args, Clone, Debug)]
pub(crate) struct BaselineArgs {
    #[command(subcommand)]
    pub(crate) command: BaselineCommand,
}

/// The commands about baselines.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum BaselineCommand {
    /// Make these runs the baseline of a name
    Set {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        /// Runs of a known state, at least 4: as for `uringbench compare`
        #[arg(value_name = "RUNS", required = true)]
        runs: Vec<String>,
        #[command(flatten)]
        folder: BaselineFolder,
        #[command(flatten)]
        limits: LimitArgs,
        /// Folder of the results [default: the environment variable URINGBENCH_STORE, or else
        /// results]
        #[arg(long, value_name = "DIR")]
        store: Vec<String>,
    },
    /// Print a baseline: its figures, their spread and the range that later runs may have
    Show {
        /// Its name or its file
        #[arg(value_name = "NAME|FILE")]
        name: String,
        #[command(flatten)]
        folder: BaselineFolder,
        /// Print its JSON
        #[arg(long)]
        json: bool,
    },
    /// List the names of all baselines
    List {
        #[command(flatten)]
        folder: BaselineFolder,
    },
}

/// Where baselines are kept.
#[derive(Args, Clone, Debug)]
pub(crate) struct BaselineFolder {
    /// Folder of the baselines
    #[arg(long = "baselines", value_name = "DIR", default_value = uringbench_store::BASELINES)]
    pub(crate) path: PathBuf,
}

/// By how much figures may be worse.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitArgs {
    /// Warn if a figure is worse by more than this
    #[arg(long, value_name = "SHARE", value_parser = percent, default_value = "5%")]
    pub(crate) warn: f64,

    /// Fail if a figure is worse by more than this
    #[arg(long, value_name = "SHARE", value_parser = percent, default_value = "10%")]
    pub(crate) fail: f64,

    /// Call it severe if a figure is worse by more than this
    #[arg(long, value_name = "SHARE", value_parser = percent, default_value = "15%")]
    pub(crate) severe: f64,

    /// Figures that decide: rate, response_p50, response_p95, response_p99, response_p999,
    /// target_cpu_per_request, target_memory, client_cpu_per_request
    ///
    /// [default: rate, response_p50, response_p99, target_cpu_per_request and target_memory]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) metric: Vec<String>,

    /// Compare although hosts or plans differ
    #[arg(long)]
    pub(crate) force: bool,
}

/// The form of a comparison.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub(crate) struct FormArgs {
    /// Print one JSON document
    #[arg(long, conflicts_with = "markdown")]
    pub(crate) json: bool,

    /// Print Markdown, for a summary of CI or a comment
    #[arg(long)]
    pub(crate) markdown: bool,
}

/// `5%`, `2.5%` or `5`: a share of 0.05.
fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').trim().parse::<f64>().ok();
    let number = number.filter(|number| number.is_finite() && (0.0..=1_000.0).contains(number));
    number.map(|number| number / 100.0).ok_or_else(|| "expected a share such as 5%".to_owned())
}
