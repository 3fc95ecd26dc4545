//! Arguments of `uringbench alerts`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::PrometheusNames;

pub(super) const EXAMPLES: &str = "\
Examples:
  uringbench alerts check alerts.yaml
      Report mistakes in a file of rules.
  uringbench alerts test alerts.yaml before
      Evaluate the rules over the newest run that the history calls before. Exit code 10 if one
      fires.
  uringbench alerts export alerts.yaml -o rules.yml
      Write them as alerting rules of Prometheus.";

/// Options of `uringbench alerts`.
#[derive(Args, Clone, Debug)]
pub(crate) struct AlertsArgs {
    #[command(subcommand)]
    pub(crate) command: AlertsCommand,
}

/// What to do with rules.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum AlertsCommand {
    /// Report mistakes in files of rules
    Check {
        /// The files
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
    /// Evaluate rules over the seconds of a stored run, without their hooks
    Test {
        /// The file of rules
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The run: as for `uringbench report`
        #[arg(value_name = "RUN")]
        run: String,
        /// Folder of the results [default: the environment variable URINGBENCH_STORE, or else
        /// results]
        #[arg(long, value_name = "DIR")]
        store: Vec<String>,
    },
    /// Print rules as alerting rules of Prometheus, over the metrics that runs send
    Export {
        /// The file of rules
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Write into this file instead of stdout
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Names of the response times, the rate and the share of errors
        #[arg(long, value_name = "NAMES", value_enum, default_value_t = PrometheusNames::Own)]
        prometheus_names: PrometheusNames,
    },
}
