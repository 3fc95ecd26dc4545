//! The arguments as clap types: names, short letters, help, and the form of each value.
//!
//! `resolve` decides whether the values make sense together and on this machine. `run` may be
//! omitted, so its options are at the top level as well.

mod ab;
mod alerts;
mod capacity;
mod chaos;
mod compare;
mod connection;
mod database;
mod grpc;
mod history;
mod import;
mod output;
#[cfg(test)]
mod page;
mod postgres;
mod profiling;
mod redis;
mod report;
mod request;
mod scenario;
mod schedule;
mod serve;
mod suite;
mod target;
mod telemetry;
mod trend;
mod view;

use std::ffi::OsString;

use clap::error::{ContextKind, ErrorKind};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use uringbench_core::plan;
use uringbench_core::rate::Rate;
use uringbench_core::time::Nanos;
use uringbench_machine::cpus::CoreSpec;

use crate::exit::Failure;
use crate::units;

pub(crate) use ab::{AbArgs, NoiseArgs, SideArgs};
pub(crate) use alerts::{AlertsArgs, AlertsCommand};
pub(crate) use capacity::{CapacityArgs, Over};
pub(crate) use chaos::{ChaosArgs, ChaosCommand};
pub(crate) use compare::{
    BaselineArgs, BaselineCommand, CompareArgs, FormArgs, GateArgs, LimitArgs,
};
pub(crate) use connection::{ConnectionArgs, Engine, Sources, TlsArgs, TlsVersion};
pub(crate) use database::DatabaseArgs;
pub(crate) use grpc::GrpcArgs;
pub(crate) use history::{ExportForm, FilterArgs, HistoryArgs, HistoryCommand};
pub(crate) use import::{ImportArgs, ImportSource};
pub(crate) use output::{OutputArgs, RunHistoryArgs};
pub(crate) use postgres::{Builtin, PostgresArgs};
pub(crate) use profiling::{ProfileArgs, ProfileCommandArgs, SoakArgs};
pub(crate) use redis::{RedisArgs, RedisTest};
pub(crate) use report::{PrometheusNames, ReportArgs, ReportFormat};
pub(crate) use request::{FormField, FormValue, RequestArgs, StreamArgs, given, given_of_request};
pub(crate) use scenario::{FileArgs, ScenarioArgs, ScenarioCommand};
pub(crate) use schedule::{Every, ScheduleArgs, ScheduleCommand, SchedulePrintArgs, Scheduler};
pub(crate) use serve::ServeArgs;
pub(crate) use suite::{SuiteArgs, SuiteCommand, SuiteSelection};
pub(crate) use target::{AppArgs, TargetArgs};
pub(crate) use telemetry::TelemetryArgs;
pub(crate) use trend::TrendArgs;
pub(crate) use view::ViewArgs;

/// The parsed arguments: a command, or a text to print (`--help`, `--version`).
#[derive(Debug)]
pub(crate) enum Typed {
    Command(Command),
    Text(String),
}

/// Read a command line, the program's name first.
pub(crate) fn parse<I>(words: I) -> Result<Typed, Failure>
where
    I: IntoIterator<Item: Into<OsString> + Clone>,
{
    let mut command = Arguments::command();
    let parsed = command.try_get_matches_from_mut(words).and_then(|matches| {
        profiling::check_read(&mut command, &matches)?;
        Arguments::from_arg_matches(&matches)
    });
    match parsed {
        Ok(arguments) => {
            Ok(Typed::Command(arguments.command.unwrap_or(Command::Run(arguments.run))))
        }
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                Ok(Typed::Text(format!("{}\n", error.to_string().trim_end())))
            }
            _ => Err(Failure::Usage(one_line(&explained(&error)))),
        },
    }
}

/// After options a word cannot be a command any more, but clap reports it as if it were one.
fn explained(error: &clap::Error) -> String {
    match (error.kind(), error.get(ContextKind::InvalidSubcommand)) {
        (ErrorKind::ArgumentConflict, Some(word)) => {
            format!(
                "unexpected argument '{word}': one URL or scenario at a time, a command comes first"
            )
        }
        _ => error.to_string(),
    }
}

/// clap explains in paragraphs; the contract is one line, with tips but the one on values.
fn one_line(explanation: &str) -> String {
    let kept = explanation
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .filter(|line| !line.is_empty() && !line.starts_with("tip: to pass '"));
    let line = kept.collect::<Vec<_>>().join(" ").replace(" tip: ", "; ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    format!("{line} (see `uringbench --help`)")
}

#[derive(Debug, Parser)]
#[command(
    name = "uringbench",
    version,
    about = "Load an HTTP server over io_uring and say whether the numbers can be trusted",
    override_usage = "uringbench [run] [OPTIONS] <URL|SCENARIO.toml>\n       uringbench <COMMAND>",
    after_help = "Examples and details: uringbench --help",
    after_long_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Box<RunArgs>,
}

const EXAMPLES: &str = "\
Examples:
  uringbench http://127.0.0.1:8080/
      Closed loop, as fast as the target answers: 64 connections, 10 seconds.
  uringbench --cores 1 -c 256 -d 30s http://127.0.0.1:8080/
      One core for the load generator, 256 connections, 30 seconds.
  uringbench -R 50k --slo 'p99<20ms,errors<0.1%' http://127.0.0.1:8080/
      Open loop, exactly 50,000 requests per second; exit code 11 if the objective is missed.
  uringbench -R 2k --arrivals poisson --seed 7 http://example.com/search?q=x
      Random arrivals, as from independent users; the same seed repeats the same arrivals.
  uringbench -n 100k -m PUT -H 'Content-Type: application/json' --body '{}' http://localhost/item
      Exactly 100,000 requests with a body; the reported counts add up to 100,000.
  uringbench -d 1m shop.toml
      Users that take several steps, described in a scenario file, for one minute.
  uringbench --json -q -d 5s http://127.0.0.1:8080/ | jq .rate.completed
      One JSON document on stdout, nothing else.

Times are 30s, 1m30s, 500ms, 2h, or a plain number of seconds. Counts and rates take k and M.
Add --profile NAME to see which functions of the target use its CPU time.
wrk's options -t -c -d -H --timeout work as in wrk. --latency is accepted and has no effect:
quantiles are always printed.

Exit codes: 0 run completed, 1 could not run, 2 wrong usage; with --slo also 11 objective missed,
12 undecided (too few samples), 13 invalid measurement.";

const TREND_EXAMPLES: &str = "\
Examples:
  uringbench trend shop --branch main
      The rate (or p99 at a given rate) of all runs of shop on main, and what changed it.
  uringbench trend shop --metric cpu --window 7d --json
      CPU time per request, with the slope of a week, as one JSON document.";

const PROFILE_USAGE: &str = "\
uringbench profile [OPTIONS] <PID|NAME|cgroup:PATH>
       uringbench profile [OPTIONS] -- <COMMAND>...
       uringbench profile --read <DIR> [--phase NAME | --between FROM-TO] [--against DIR]";

const PROFILE_EXAMPLES: &str = "\
Examples:
  uringbench profile nginx
      Sample all nginx processes for ten seconds; write flamegraph.svg and more under results/.
  uringbench profile -d 30s --profile-hz 997 cgroup:system.slice/api.service
      Sample all processes of a cgroup for thirty seconds, 997 times per second and CPU.
  uringbench profile -o out -- python3 job.py
      Start a command and sample it from its first instruction to its end.
  uringbench profile --read out --between 3s-5s -o slice
      Show two seconds of the samples stored in the folder out.";

const SOAK_USAGE: &str = "\
uringbench soak [OPTIONS] --profile <TARGET> <URL|SCENARIO.toml>
       uringbench soak --read <DIR> [--json]";

const SOAK_EXAMPLES: &str = "\
Examples:
  uringbench soak -R 2k -d 2h --profile api http://127.0.0.1:8080/
      Two hours at 2,000 requests per second. Verdict: LEAK, NO LEAK > X or INCONCLUSIVE.
  uringbench soak -R 1k --dose -d 30m --profile 4711 http://127.0.0.1:8080/
      Vary the rate to distinguish a leak per request from one per second.
  uringbench soak --read results/soak-api
      The verdict on what a soak has written so far, also if it was killed.

Exit codes: 10 LEAK, 12 INCONCLUSIVE; otherwise those of `uringbench run`.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Load a URL or run a scenario (the word `run` may be omitted)
    #[command(
        override_usage = "uringbench [run] [OPTIONS] <URL|SCENARIO.toml>",
        after_help = "Examples and details: uringbench --help",
        after_long_help = EXAMPLES
    )]
    Run(Box<RunArgs>),
    /// Load a gRPC server: unary calls and streams
    #[command(
        override_usage = grpc::USAGE, after_help = grpc::EXAMPLES, mut_args(grpc::hidden)
    )]
    Grpc(Box<RunArgs>),
    /// Sample a process and its children: flame graphs, waits and timelines
    #[command(override_usage = PROFILE_USAGE, after_help = PROFILE_EXAMPLES)]
    Profile(Box<ProfileCommandArgs>),
    /// Load a target for minutes or hours and report whether it leaks memory, files or threads
    #[command(
        override_usage = SOAK_USAGE,
        after_help = SOAK_EXAMPLES
    )]
    Soak(Box<SoakArgs>),
    /// Find the highest load at which a target meets its objectives, as an interval
    #[command(
        override_usage = "uringbench capacity [OPTIONS] --slo <TERMS> <URL|SCENARIO.toml>",
        after_help = capacity::EXAMPLES,
        mut_args(telemetry::hidden)
    )]
    Capacity(Box<CapacityArgs>),
    /// Load a target while something fails, and report how it recovers
    #[command(
        override_usage = chaos::USAGE, after_help = chaos::EXAMPLES,
        args_conflicts_with_subcommands = true
    )]
    Chaos(Box<ChaosArgs>),
    /// Start several servers in turn and measure all of them with the same scenarios
    #[command(
        override_usage = suite::USAGE, after_help = suite::EXAMPLES,
        args_conflicts_with_subcommands = true
    )]
    Suite(Box<SuiteArgs>),
    /// Print the report of stored runs, also in the formats of other programs
    #[command(after_help = report::REPORT_EXAMPLES)]
    Report(ReportArgs),
    /// Check alert rules, evaluate them over a stored run, write them for Prometheus
    #[command(after_help = alerts::EXAMPLES)]
    Alerts(AlertsArgs),
    /// List, show, export, delete and import stored runs
    #[command(after_help = history::EXAMPLES)]
    History(Box<HistoryArgs>),
    /// Show stored results in a browser: runs, comparisons, trends, suites
    #[command(after_help = serve::EXAMPLES)]
    Serve(ServeArgs),
    /// Show how a figure of a benchmark went over its runs: changes, slope, outliers
    #[command(after_help = TREND_EXAMPLES)]
    Trend(Box<TrendArgs>),
    /// Compare groups of stored runs: what changed, by how much, and whether it is chance
    #[command(after_help = compare::COMPARE_EXAMPLES)]
    Compare(CompareArgs),
    /// Compare runs with a named baseline, and fail if something is worse
    #[command(after_help = compare::GATE_EXAMPLES)]
    Gate(GateArgs),
    /// Measure two targets side by side and compare them
    #[command(
        override_usage = ab::AB_USAGE, after_help = ab::AB_EXAMPLES,
        mut_args(telemetry::hidden)
    )]
    Ab(Box<AbArgs>),
    /// Measure how much runs of one target differ on this machine; gates then allow for it
    #[command(
        override_usage = "uringbench noise [OPTIONS] [--start <CMD>] <URL|SCENARIO.toml>",
        mut_args(telemetry::hidden)
    )]
    Noise(Box<NoiseArgs>),
    /// Print what systemd or cron need to run a command of uringbench regularly
    #[command(after_help = schedule::EXAMPLES)]
    Schedule(ScheduleArgs),
    /// Name runs of a known state, to compare later ones with
    Baseline(BaselineArgs),
    /// Check scenario files or print their requests
    Scenario(ScenarioArgs),
    /// Convert curl commands, HAR, OpenAPI, vegeta, access logs or Hurl to a scenario file
    Import(ImportArgs),
    /// Print the JSON Schema of scenario files, for completion in editors
    Schema {
        /// Print that of suite files
        #[arg(long)]
        suite: bool,
    },
    /// Check whether this machine is ready to generate load, and list the fixes
    Doctor,
    /// Start the built-in reference target, load it for a few seconds and print the results
    Demo(DemoArgs),
    /// Start the built-in reference target, a server to load
    Target(TargetArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the man page of uringbench, or of one command
    Man {
        /// The command, such as `soak` or `import har`
        #[arg(value_name = "COMMAND")]
        command: Vec<String>,
    },
}

/// Options of `uringbench run`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct RunArgs {
    /// The URL to load, such as http://127.0.0.1:8080/, ws://host/path, redis://host or
    /// postgres://user@host/database, or a scenario file
    #[arg(value_name = "URL|SCENARIO.toml")]
    pub(crate) url: Option<String>,

    /// What to send to a database: SQL, or a command of Redis such as 'GET k:{{int 0 9 width=12}}'
    #[arg(value_name = "COMMAND")]
    pub(crate) command: Option<String>,

    /// Repeat a stored run exactly; RUN is its folder, its run.json, or what the history calls it
    ///
    /// Requests, load, seed and data are those of the stored run. Secrets are not stored: give them
    /// again with -H, --variable or the environment. Only the options under Profile and Output can
    /// be given as well; they apply to the new run.
    #[arg(
        long,
        value_name = "RUN",
        conflicts_with_all = ["url", "command", "GrpcArgs", "RedisArgs", "LoadArgs", "StreamArgs",
            "PostgresArgs", "ConnectionArgs", "TlsArgs",
            "method", "body", "body_file", "body_size", "form", "chunked", "expect_continue",
            "http2", "h2_table", "h2_window", "binary", "subprotocol", "echo", "greeting",
            "target", "flows", "warmup", "timeout", "wait", "slo"]
    )]
    pub(crate) again: Option<String>,

    #[command(flatten)]
    pub(crate) load: LoadArgs,
    #[command(flatten)]
    pub(crate) request: RequestArgs,
    #[command(flatten)]
    pub(crate) stream: StreamArgs,
    #[command(flatten)]
    pub(crate) grpc: GrpcArgs,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) file: FileArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
    #[command(flatten)]
    pub(crate) measurement: MeasurementArgs,
    #[command(flatten)]
    pub(crate) profile: ProfileArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) history: RunHistoryArgs,
    #[command(flatten)]
    pub(crate) telemetry: TelemetryArgs,
}

/// Amount and length of the load.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Load")]
pub(crate) struct LoadArgs {
    /// CPUs for the load generator: a number (4) or a list (2-5,8)
    ///
    /// Each CPU runs one pinned worker thread. A number prefers one CPU per physical core, and CPUs
    /// that a target on this machine does not use. A list names CPUs; 3-3 is CPU 3 alone. [default:
    /// every physical core, or half of them if the target is on this machine]
    #[arg(
        long,
        value_name = "N|LIST",
        visible_alias = "threads",
        visible_short_alias = 't',
        allow_hyphen_values = true
    )]
    pub(crate) cores: Option<CoreSpec>,

    /// Number of connections, divided among the cores [default: 64]
    #[arg(
        short, long, value_name = "N", value_parser = units::small_count,
        allow_negative_numbers = true
    )]
    pub(crate) connections: Option<u32>,

    /// Length of the measured window, which follows the warm-up [default: 10s, none with -n]
    #[arg(
        short, long, value_name = "TIME", value_parser = units::span,
        allow_negative_numbers = true
    )]
    pub(crate) duration: Option<Nanos>,

    /// Number of requests to send; with -d, the run ends at whichever comes first
    #[arg(
        short = 'n', long, value_name = "N", value_parser = units::count,
        allow_negative_numbers = true
    )]
    pub(crate) requests: Option<u64>,

    /// Requests per second in total, 0.001 to 1000M (50000, 100k, 1.5M)
    ///
    /// Makes an open loop: each request has a due time on a schedule that the target cannot delay,
    /// and response times count from the due time. [default: a closed loop: each connection sends
    /// its next request when the last answer has arrived]
    #[arg(
        short = 'R', long, value_name = "RATE", value_parser = units::rate,
        allow_negative_numbers = true
    )]
    pub(crate) rate: Option<Rate>,

    /// Distribution of the gaps between due times, with -R [default: constant]
    #[arg(long, value_name = "LAW", value_enum)]
    pub(crate) arrivals: Option<Arrivals>,

    /// Seed of random gaps, bodies and values, to repeat a run [default: from the clock, printed]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,

    /// Requests in flight per connection, 1 to 256 [default: 1]
    #[arg(
        short, long, value_name = "N", value_parser = units::small_count,
        allow_negative_numbers = true
    )]
    pub(crate) pipeline: Option<u32>,

    /// I/O engine that sends the load [default: ring]
    #[arg(long, value_name = "NAME", value_enum)]
    pub(crate) engine: Option<Engine>,
}

/// Options of the measurement.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Measurement")]
pub(crate) struct MeasurementArgs {
    /// Time of load before the measured window [default: a tenth of -d, at most 5s; 0 with -n]
    #[arg(
        long, value_name = "TIME", value_parser = units::span, allow_negative_numbers = true
    )]
    pub(crate) warmup: Option<Nanos>,

    /// Longest time for an answer, a connect or the drain at the end, 1ms to 1h [default: 5s]
    ///
    /// With --sse or --stream it limits the time without any data, not the length of an answer.
    #[arg(
        long, value_name = "TIME", value_parser = units::span, allow_negative_numbers = true
    )]
    pub(crate) timeout: Option<Nanos>,

    /// How a worker thread waits for the next due time or answer [default: hybrid]
    #[arg(long, value_name = "HOW", value_enum)]
    pub(crate) wait: Option<Wait>,

    /// Objectives for times, errors and rate: 'p99<20ms,errors<0.1%,rate>9k'
    ///
    /// Exit codes: 11 if one is missed, 12 if the run has too few samples, 13 if it is INVALID.
    #[arg(long, value_name = "TERMS")]
    pub(crate) slo: Option<String>,

    /// Accepted for wrk's sake; quantiles are always printed
    #[arg(long = "latency", hide = true)]
    _latency: bool,
}

/// Options of `uringbench demo`.
#[derive(Args, Clone, Debug)]
pub(crate) struct DemoArgs {
    /// Length of each of the two runs
    #[arg(short, long, value_name = "TIME", value_parser = units::span, default_value = "3s")]
    pub(crate) duration: Nanos,
}

/// The distribution of the gaps between due times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arrivals {
    /// Equal gaps, for comparisons
    Constant,
    /// Random gaps (exponential), as from independent users
    Poisson,
}

/// How a worker waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wait {
    /// As block, but each answer waits up to 50 µs for others: less CPU, times that much longer
    Batch,
    /// Always sleep: least CPU, requests some 10 µs late
    Block,
    /// Sleep, but spin shortly before a due time and while answers arrive within 50 µs
    Hybrid,
    /// Never sleep: least lateness, uses all of its CPU
    Spin,
}

impl From<Arrivals> for plan::Arrivals {
    fn from(arrivals: Arrivals) -> Self {
        match arrivals {
            Arrivals::Constant => Self::Constant,
            Arrivals::Poisson => Self::Poisson,
        }
    }
}

impl From<Wait> for plan::WaitMode {
    fn from(wait: Wait) -> Self {
        match wait {
            Wait::Batch => Self::Batch,
            Wait::Block => Self::Block,
            Wait::Hybrid => Self::Hybrid,
            Wait::Spin => Self::Spin,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str) -> RunArgs {
        let words = std::iter::once("uringbench").chain(line.split(' '));
        match parse(words) {
            Ok(Typed::Command(Command::Run(args))) => *args,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn clap_finds_no_contradiction_in_the_definition() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn run_may_be_left_out_and_options_may_stand_anywhere() {
        for line in [
            "http://h/ -c 8",
            "-c 8 http://h/",
            "run http://h/ -c 8",
            "run -c8 http://h/",
            "run --connections=8 http://h/ --latency",
        ] {
            let args = run(line);
            assert_eq!(args.url.as_deref(), Some("http://h/"), "{line}");
            assert_eq!(args.load.connections, Some(8), "{line}");
        }
    }

    #[test]
    fn wrk_s_letters_mean_what_they_mean_in_wrk() {
        let args = run("-t2 -c100 -d10s -H a:b --latency --timeout 2 http://h/");
        assert_eq!(args.load.cores, Some(CoreSpec::Count(2)));
        assert_eq!(args.load.duration, Some(Nanos::from_secs(10)));
        assert_eq!(args.request.headers, ["a:b"]);
        assert_eq!(args.measurement.timeout, Some(Nanos::from_secs(2)));
        assert_eq!(run("--threads 3 h:1").load.cores, Some(CoreSpec::Count(3)));
    }

    #[test]
    fn a_mistake_is_explained_in_one_line() {
        let cases = [
            (
                &["--conections", "8", "http://h/"][..],
                "found; a similar argument exists: '--connections'",
            ),
            (&["--pid", "8", "http://h/"], "unexpected argument '--pid' found (see"),
            (&["-c", "0", "http://h/"], "at least 1"),
            (&["-c", "-5", "http://h/"], "whole number"),
            (&["-R", "0", "http://h/"], "above 0"),
            (&["-d"], "'--duration <TIME>'"),
            (&["--arrivals", "uniform", "http://h/"], "constant, poisson"),
            (&["--engine", "epoll", "http://h/"], "ring, monoio, tokio-uring"),
            (&["--cores", "0", "http://h/"], "at least 1 CPU"),
            (&["--cores", "-1", "http://h/"], "2-5,8"),
            (&["--body", "a", "--body-file", "b", "http://h/"], "cannot be used with"),
            (&["redis://a/", "GET k", "x"], "unexpected argument"),
            (&["--test", "get", "redis://a/", "GET k"], "cannot be used with"),
            (&["-r", "9", "redis://a/"], "--test"),
            (&["-c", "8", "run", "redis://h/", "GET k"], "a command comes first"),
            (&["completions"], "<SHELL>"),
        ];
        for (words, part) in cases {
            let failure = parse(std::iter::once("uringbench").chain(words.iter().copied()));
            let Err(Failure::Usage(line)) = failure else {
                panic!("{words:?}: {failure:?}");
            };
            assert!(line.contains(part), "{words:?}: {line}");
            assert!(!line.contains('\n') && !line.contains("Usage"), "{words:?}: {line}");
        }
    }
}
