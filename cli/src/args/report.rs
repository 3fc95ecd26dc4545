//! Arguments of `uringbench report`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

pub(super) const REPORT_EXAMPLES: &str = "\
Examples:
  uringbench report results/127.0.0.1_8080/GET/20260228T235959Z
      Print the report of that run: verdict, numbers, and the profile or soak if it had one.
  uringbench report before
      Print the report of the newest run with the tag (or name, commit, branch) before.
  uringbench report before -o report.html
      Write a page with charts of it: open it in a browser.
  uringbench report run.json
      Print the report of a run.json alone, of this version or any earlier one.
  uringbench report before --format junit -o junit.xml
      Write its verdict and its objectives as test cases, for a CI system.
  uringbench report results/shop/GET/* --format benchfmt | benchstat -
      Hand several runs to Go's benchstat.";

/// Options of `uringbench report`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReportArgs {
    /// The folder of the run, its run.json, or a name, tag, commit or branch: the newest such run;
    /// or the folder or comparison.json of a comparison. For a page also the folder of a suite or a
    /// capacity search, or several groups of runs to compare
    #[arg(value_name = "RUN", required = true)]
    pub(crate) runs: Vec<String>,

    /// Folder of the results [default: the environment variable URINGBENCH_STORE, or else results]
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Vec<String>,

    /// Write into this file instead of stdout; FILE.html is a page that needs no network
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// Form of the output [default: text, or html for -o FILE.html]
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(crate) format: Option<ReportFormat>,

    /// Names of the response times, the rate and the share of errors, with --format prometheus
    /// [default: own]
    #[arg(long, value_name = "NAMES", value_enum)]
    pub(crate) prometheus_names: Option<PrometheusNames>,
}

/// The forms of a stored result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// The report for a terminal
    Text,
    /// A page with charts: one HTML file, with -o
    Html,
    /// Markdown, for a summary of CI or a comment
    Markdown,
    /// The stored document
    Json,
    /// JUnit XML: verdict, objectives and gates as test cases
    Junit,
    /// Annotations of GitHub Actions, for checks that did not pass
    Github,
    /// A row for each second, for spreadsheets
    Csv,
    /// Bencher Metric Format, for bencher.dev
    Bmf,
    /// Times, costs and errors for github-action-benchmark: tool customSmallerIsBetter
    GithubBenchmark,
    /// Rates for github-action-benchmark: tool customBiggerIsBetter
    GithubBenchmarkRates,
    /// Prometheus' text format, for the textfile collector or a push gateway
    Prometheus,
    /// Go's benchmark format, for benchstat
    Benchfmt,
    /// Percentiles of the response times, for HdrHistogram's plotter
    Hgrm,
    /// The profile of the target, for speedscope.app
    Speedscope,
}

/// The names of shared metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PrometheusNames {
    /// `uringbench_response_seconds`, `uringbench_completed_per_second`, `uringbench_error_ratio`
    Own,
    /// `api_response_time_seconds`, `api_requests_per_second`, `api_error_rate_percent`
    Api,
}
