//! What can be typed for the profiler: the options a load takes beside its own, and those of the
//! commands `profile` and `soak`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use uringbench_core::time::Nanos;

use super::RunArgs;
use crate::units;

/// What is sampled of the target while it is under load.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Profile")]
pub(crate) struct ProfileArgs {
    /// Sample this target and its child processes meanwhile: PID, NAME or cgroup:PATH
    ///
    /// Flame graphs, waits, spikes, timelines and CPU time per request and function go to the
    /// result's folder. When the target cannot be sampled the load runs all the same, and the
    /// result says why and how to fix it.
    #[arg(long, value_name = "TARGET")]
    pub(crate) profile: Option<String>,

    /// Samples per second and CPU, 1 to 10000 [default: 99]
    #[arg(
        long, value_name = "N", value_parser = units::sampling_rate, requires = "profile",
        allow_negative_numbers = true
    )]
    pub(crate) profile_hz: Option<u32>,

    /// Switch sampling on and off in random blocks of the run and report what it costs
    #[arg(long, requires = "profile")]
    pub(crate) profile_overhead: bool,

    /// Rows of the timeline per second, 1 to 10 [default: 1]
    #[arg(
        long, value_name = "N", value_parser = units::timeline_rate, requires = "profile",
        allow_negative_numbers = true
    )]
    pub(crate) timeline_hz: Option<u32>,

    /// Response p99 above which a tenth of a second is a spike [default: 3 times the usual]
    #[arg(
        long, value_name = "TIME", value_parser = units::span, requires = "profile",
        allow_negative_numbers = true
    )]
    pub(crate) spike: Option<Nanos>,
}

/// Options of `uringbench profile`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ProfileCommandArgs {
    /// The process to sample with its children: PID, NAME or cgroup:PATH
    #[arg(value_name = "TARGET", required_unless_present_any = ["command", "read"])]
    pub(crate) target: Option<String>,

    /// Start this command, sample it from its first instruction, and end with it
    #[arg(value_name = "COMMAND", last = true, conflicts_with = "target")]
    pub(crate) command: Vec<OsString>,

    /// How long to sample [default: 10s; a command that is started: until it ends]
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

    /// Cut views from the samples stored in a result's folder, without sampling anything
    #[arg(
        long, value_name = "DIR",
        conflicts_with_all = ["target", "command", "duration", "profile_hz", "timeline_hz"]
    )]
    pub(crate) read: Option<PathBuf>,

    /// With --read: what changed since the profile in this folder, per request
    #[arg(long, value_name = "DIR", requires = "read")]
    pub(crate) against: Option<PathBuf>,

    /// With --read: this phase alone (warmup, measure, drain), or the spikes
    #[arg(long, value_name = "NAME", requires = "read", conflicts_with = "between")]
    pub(crate) phase: Option<String>,

    /// With --read: this stretch alone, such as 3s-7s from the start of the run
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

    /// Alternate between the rate, twice the rate and none, in random blocks, to tell what leaks
    /// per request from what leaks per second; needs -R
    #[arg(long, help_heading = "Soak")]
    pub(crate) dose: bool,
}
