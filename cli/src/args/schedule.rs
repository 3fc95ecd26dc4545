//! Arguments of `uringbench schedule`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

pub(super) const EXAMPLES: &str = "\
Examples:
  uringbench schedule print --name nightly -- -R 5k -d 5m --slo 'p99<20ms' http://shop:8080/
      A systemd service and a timer that loads the shop each night.
  uringbench schedule print --every weekly --name capacity -- capacity --slo 'p99<20ms' http://shop/
      Each week the highest load that meets the objective.
  uringbench schedule print --as cron --mail me@example.com -- gate --baseline main results/shop
      A line for crontab; cron sends the output by mail.";

/// Options of `uringbench schedule`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ScheduleArgs {
    #[command(subcommand)]
    pub(crate) command: ScheduleCommand,
}

/// What to do with schedules.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ScheduleCommand {
    /// Print what systemd or cron need to run a command of uringbench at given times
    Print(SchedulePrintArgs),
}

/// Options of `uringbench schedule print`.
#[derive(Args, Clone, Debug)]
pub(crate) struct SchedulePrintArgs {
    /// Who runs it
    #[arg(long = "as", value_name = "SYSTEM", value_enum, default_value_t = Scheduler::Systemd)]
    pub(crate) scheduler: Scheduler,

    /// How often
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Every::Daily)]
    pub(crate) every: Every,

    /// Name of the job, of letters, digits, - and _
    #[arg(long, value_name = "NAME", default_value = "load", value_parser = job_name)]
    pub(crate) name: String,

    /// Folder in which it runs, and below which its results are [default: this one]
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,

    /// Address that gets a message if it fails, through the system's own mail
    #[arg(long, value_name = "ADDRESS", value_parser = mail_address)]
    pub(crate) mail: Option<String>,

    /// The command, without the word uringbench
    #[arg(value_name = "COMMAND", required = true, last = true)]
    pub(crate) command: Vec<String>,
}

/// A program that runs others at given times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scheduler {
    /// A service and a timer
    Systemd,
    /// A line for crontab
    Cron,
}

/// How often a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Every {
    /// Each night at three
    Daily,
    /// On Sundays at three
    Weekly,
    /// On the first of the month at three
    Monthly,
}

fn job_name(text: &str) -> Result<String, String> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    match !text.is_empty() && text.chars().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err("expected letters, digits, - and _".to_owned()),
    }
}

fn mail_address(text: &str) -> Result<String, String> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "@.-_+".contains(letter);
    match text.contains('@') && !text.starts_with('-') && text.chars().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err("expected an address such as me@example.com".to_owned()),
    }
}
