//! Arguments of the command `capacity`.

use clap::{Args, ValueEnum};
use uringbench_core::rate::Rate;
use uringbench_core::time::Nanos;

use super::RunArgs;
use crate::units;

pub(super) const EXAMPLES: &str = "\
Examples:
  uringbench capacity --slo 'p99<20ms,errors<0.1%' http://127.0.0.1:8080/
      The highest rate at which both hold, as an interval 5 % wide, within five minutes.
  uringbench capacity --slo 'p99<50ms' --from 1k --to 20k --width 10% --budget 2m shop.toml
      The same for flows of a scenario per second, in a given range, less exactly and sooner.
  uringbench capacity --over connections --slo 'p99<20ms' http://127.0.0.1:8080/
      The most connections of a closed loop, and the law by which the target scales.

Exit codes: 0 answer found, 11 no load met the objectives, 12 answer wider than asked, not confirmed
or lost by overload, 13 no trial counts.";

/// Options of `uringbench capacity`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct CapacityArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,

    /// The load to vary [default: rate]
    #[arg(long, value_name = "LOAD", value_enum, help_heading = "Capacity")]
    pub(crate) over: Option<Over>,

    /// The first load, a tenth of the capacity or less [default: 100/s, or 1 connection]
    #[arg(
        long, value_name = "LOAD", value_parser = units::rate, help_heading = "Capacity",
        allow_negative_numbers = true
    )]
    pub(crate) from: Option<Rate>,

    /// The highest load to try [default: 10M/s, or 4096 connections]
    #[arg(
        long, value_name = "LOAD", value_parser = units::rate, help_heading = "Capacity",
        allow_negative_numbers = true
    )]
    pub(crate) to: Option<Rate>,

    /// Width of the answer, as a share of its lower end [default: 5%]
    #[arg(
        long, value_name = "PERCENT", value_parser = units::width, help_heading = "Capacity",
        allow_negative_numbers = true
    )]
    pub(crate) width: Option<f64>,

    /// Longest time for the search, and with it the length of its trials [default: 5m]
    #[arg(
        long, value_name = "TIME", value_parser = units::span, help_heading = "Capacity",
        allow_negative_numbers = true
    )]
    pub(crate) budget: Option<Nanos>,

    /// Print the result as Markdown, for a pull request or a page
    #[arg(long, conflicts_with = "json", help_heading = "Output")]
    pub(crate) markdown: bool,
}

/// The load that a search varies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Over {
    /// Requests per second of an open loop, or flows of a scenario
    #[default]
    Rate,
    /// Connections of a closed loop
    Connections,
}
