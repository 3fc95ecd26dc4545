//! Arguments of the command `chaos`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use uringbench_core::time::Nanos;

use super::RunArgs;
use crate::units;

pub(super) const USAGE: &str = "\
uringbench chaos [OPTIONS] <URL|SCENARIO.toml>
       uringbench chaos check <SCENARIO.toml>
       uringbench chaos undo";

pub(super) const EXAMPLES: &str = "\
Examples:
  uringbench chaos -R 2k -d 60s --fault 'pause nginx at 20s for 5s' http://127.0.0.1:8080/
      Stop all processes of nginx for five seconds, and say how long it takes to recover.
  uringbench chaos check scenarios/chaos/pause.toml
      Say what would be done, to which processes, and how it is undone.
  uringbench chaos --fault-slo 'recover<2s,lost<5000' scenarios/chaos/kill.toml
      Kill a server and start it again; exit code 11 if an objective is missed.
  uringbench chaos undo
      Undo what runs left that were killed together with their watchdog.

Exit codes: 0 done, and objectives met; 1 a fault is not undone; 11 an objective is missed, 12 the
target did not recover within the run, 13 a fault did not work.";

/// Options of `uringbench chaos`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ChaosArgs {
    #[command(subcommand)]
    pub(crate) command: Option<ChaosCommand>,
    #[command(flatten)]
    pub(crate) run: RunArgs,

    /// A fault: what, whom, when and for how long; repeatable
    ///
    /// `pause NAME at 20s for 5s`, `kill`, `fds NAME spare=4`, `cpu NAME limit=0.2`, `memory NAME
    /// limit=200M`, `burn threads=2`, `disk_full FOLDER` or `nothing`; with `every 30s repeat 5`.
    /// A target is a PID, a name or cgroup:PATH.
    #[arg(long = "fault", value_name = "FAULT", help_heading = "Chaos")]
    pub(crate) faults: Vec<String>,

    /// Objectives for every fault, such as recover<2s,fail_fast<1s,lost<1000,bad<5%,p99<500ms
    #[arg(long, value_name = "TERMS", help_heading = "Chaos")]
    pub(crate) fault_slo: Option<String>,

    /// Slowest good answer [default: the p99 before the first fault]
    #[arg(long, value_name = "TIME", value_parser = units::span, help_heading = "Chaos")]
    pub(crate) good: Option<Nanos>,

    /// How long the run goes on after the last fault at least [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = units::span, help_heading = "Chaos")]
    pub(crate) recovery: Option<Nanos>,
}

/// What to do other than a run.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ChaosCommand {
    /// Say what the faults of a scenario would do now, and how each is undone
    Check {
        /// The scenario
        #[arg(value_name = "SCENARIO.toml")]
        file: PathBuf,
    },
    /// Undo what runs left that have ended
    Undo,
    /// Watch over a run: started by the run itself
    #[command(hide = true)]
    Watchdog {
        /// The journal of the run
        journal: PathBuf,
    },
}
