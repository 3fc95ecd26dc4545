//! Arguments of the profiler: the options of a load, and those of the commands `profile` and
//! `soak`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args};
use uringbench_core::time::Nanos;

use super::RunArgs;
use crate::units;

/// Options of the profile during a load.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Profile")]
pub(crate) struct ProfileArgs {
    /// Sample this process and its children during the load: PID, NAME or cgroup:PATH
    ///
    /// Writes flame graphs, waits, spikes, timelines and CPU time per request and function to the
    /// result's folder. If the target cannot be sampled, the load runs without, and the result
    /// gives the cause and the fix.
    #[arg(long, value_name = "TARGET")]
    pub(crate) profile: Option<String>,

    /// Samples per second and CPU, 1 to 10000 [default: 99]
    #[arg(
        long, value_name = "N", value_parser = units::sampling_rate, requires = "profile",
        allow_negative_numbers = true
    )]
    pub(crate) profile_hz: Option<u32>,

    /// Measure the cost of sampling: switch it on and off in random blocks of the run
    #[arg(long, requires = "profile")]
    pub(crate) profile_overhead: bool,

    /// Report the cost of a request for the target: CPU time, switches, faults, memory; needs -R
    ///
    /// At a fixed rate these vary less from run to run than throughput or response times. The
    /// kernel accounts them, so without --profile nothing is sampled, and the target is the process
    /// that listens on the address of the load. Each figure has a 95 % interval.
    #[arg(long)]
    pub(crate) cost: bool,

    /// Rows of the timeline per second, 1 to 10 [default: 1]
    #[arg(
        long, value_name = "N", value_parser = units::timeline_rate, requires = "profile",
        allow_negative_numbers = true
    )]
    pub(crate) timeline_hz: Option<u32>,

    /// Response p99 that makes an interval a spike [default: 3 times its median, at least 1ms]
    ///
    /// An interval is 100 ms, or one second in runs of more than ten minutes.
    #[arg(
        long, value_name = "TIME", value_parser = units::span, requires = "profile",
        allow_negative_numbers = true
    )]
    pub(crate) spike: Option<Nanos>,
}

/// Options of `uringbench profile`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ProfileCommandArgs {
    /// Process to sample, with its children: PID, NAME or cgroup:PATH
    #[arg(value_name = "TARGET", required_unless_present_any = ["command", "read"])]
    pub(crate) target: Option<String>,

    /// Command to start and to sample from its first instruction to its end
    #[arg(value_name = "COMMAND", last = true, conflicts_with = "target")]
    pub(crate) command: Vec<OsString>,

    /// Time to sample [default: 10s, or until the started command ends]
    #[arg(
        short, long, value_name = "TIME", value_parser = units::span,
        allow_negative_numbers = true
    )]
    pub(crate) duration: Option<Nanos>,

    /// Samples per second and CPU, 1 to 10000 [default: 99]
    #[arg(
        long, value_name = "N", value_parser = units::sampling_rate,
        allow_negative_numbers = true
    )]
    pub(crate) profile_hz: Option<u32>,

    /// Rows of the timeline per second, 1 to 10 [default: 1]
    #[arg(
        long, value_name = "N", value_parser = units::timeline_rate,
        allow_negative_numbers = true
    )]
    pub(crate) timeline_hz: Option<u32>,

    /// Read the samples stored in a result's folder instead of sampling
    #[arg(
        long, value_name = "DIR",
        conflicts_with_all = ["target", "command", "duration", "profile_hz", "timeline_hz"]
    )]
    pub(crate) read: Option<PathBuf>,

    /// With --read: report the changes since the profile in this folder, per request
    #[arg(long, value_name = "DIR", requires = "read")]
    pub(crate) against: Option<PathBuf>,

    /// With --read: only this phase (warmup, measure or drain), or only the spikes (spikes)
    #[arg(long, value_name = "NAME", requires = "read", conflicts_with = "between")]
    pub(crate) phase: Option<String>,

    /// With --read: only this time, counted from the start of the run (3s-7s)
    #[arg(long, value_name = "FROM-TO", requires = "read", value_parser = units::stretch)]
    pub(crate) between: Option<(Nanos, Nanos)>,

    #[command(flatten)]
    pub(crate) output: super::OutputArgs,
}

/// Options of `uringbench soak`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct SoakArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,

    /// Distinguish leaks per request from leaks per second; needs -R
    ///
    /// Alternates between no load, the rate of -R and twice that rate, in random order.
    #[arg(long, help_heading = "Soak")]
    pub(crate) dose: bool,

    /// Give the verdict on the soak stored in this folder, also on one that was killed
    ///
    /// Only --json can be given as well.
    #[arg(long, value_name = "DIR", help_heading = "Soak")]
    pub(crate) read: Option<PathBuf>,
}

/// Refuses what has no effect beside `soak --read`: all but the form of the output.
pub(super) fn check_read(
    command: &mut clap::Command,
    matches: &ArgMatches,
) -> Result<(), clap::Error> {
    let Some(("soak", soak)) = matches.subcommand() else { return Ok(()) };
    let is_typed = |id: &str| soak.value_source(id) == Some(ValueSource::CommandLine);
    if !is_typed("read") {
        return Ok(());
    }
    let others = command.find_subcommand("soak").into_iter().flat_map(clap::Command::get_arguments);
    let other = others
        .filter(|other| !["read", "json", "help"].contains(&other.get_id().as_str()))
        .find(|other| is_typed(other.get_id().as_str()))
        .map(ToString::to_string);
    let Some(other) = other else { return Ok(()) };
    let why = format!(
        "the argument '{other}' has no effect with '--read <DIR>', which loads nothing: leave out \
         one of the two"
    );
    Err(command.error(ErrorKind::ArgumentConflict, why))
}

#[cfg(test)]
mod tests {
    use super::super::{Command, Typed, parse};

    #[test]
    fn a_stored_soak_is_read_with_no_option_but_json() {
        let parse = |line: &str| parse(line.split(' '));
        for line in ["uringbench soak --read out", "uringbench soak --json --read out"] {
            assert!(matches!(parse(line), Ok(Typed::Command(Command::Soak(_)))), "{line}");
        }
        for (option, named) in [
            ("http://h/", "URL"),
            ("--dose", "--dose"),
            ("-q", "--quiet"),
            ("-o new", "--out"),
            ("-d 5s", "--duration"),
            ("--profile 7", "--profile"),
            ("--tag x", "--tag"),
        ] {
            let why = parse(&format!("uringbench soak --read out {option}")).expect_err(option);
            let why = why.to_string();
            assert!(why.contains(named) && why.contains("'--read <DIR>'"), "{why}");
            assert!(!why.contains('\n'), "{why}");
        }
        assert!(parse("uringbench soak -q http://h/ --profile 7").is_ok());
    }
}
