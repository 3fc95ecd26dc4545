//! What can be typed, as clap types: names, short letters, help, and the form of each value.
//!
//! Whether the values make sense together and on this machine is `resolve`'s to say. `run` may
//! be left out, so its options stand at the top as well.

mod connection;
mod import;
#[cfg(test)]
mod page;
mod profiling;
mod request;
mod scenario;
mod target;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ErrorKind};
use clap::{Args, Parser, Subcommand, ValueEnum};
use uringbench_core::plan;
use uringbench_core::rate::Rate;
use uringbench_core::time::Nanos;

use crate::exit::Failure;
use crate::host::cpus::CoreSpec;
use crate::units;

pub(crate) use connection::{ConnectionArgs, Sources, TlsArgs, TlsVersion};
pub(crate) use import::{ImportArgs, ImportSource};
pub(crate) use profiling::{ProfileArgs, ProfileCommandArgs, SoakArgs};
pub(crate) use request::{FormField, FormValue, RequestArgs, StreamArgs};
pub(crate) use scenario::{FileArgs, ScenarioArgs, ScenarioCommand};
pub(crate) use target::{AppArgs, TargetArgs};

/// What was typed: something to do, or a text to show (`--help`, `--version`).
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
    match Arguments::try_parse_from(words) {
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

/// A word after options can be no command any more, which clap words as if it were one.
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

/// clap explains in paragraphs; the contract is one line. Tips stay, but for the one that the word
/// may have been meant as a value; the usage text goes.
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
      As fast as the target answers: 64 connections, 10 seconds.
  uringbench --cores 1 -c 256 -d 30s http://127.0.0.1:8080/
      One generator core, more connections, longer.
  uringbench -R 50k --slo 'p99<20ms,errors<0.1%' http://127.0.0.1:8080/
      Exactly 50,000 requests a second; exit code 11 when the objective is missed.
  uringbench -R 2k --arrivals poisson --seed 7 http://example.com/search?q=x
      Arrivals as independent users make them, the same ones in every run with this seed.
  uringbench -n 100k -m PUT -H 'Content-Type: application/json' --body '{}' http://localhost/item
      Exactly 100,000 requests with a body, every one accounted for.
  uringbench -d 1m shop.toml
      What users do in several steps, as a scenario file describes it.
  uringbench --json -q -d 5s http://127.0.0.1:8080/ | jq .rate.completed
      One JSON document on stdout, nothing else.

Times are 30s, 1m30s, 500ms, 2h, or a plain number of seconds. Counts and rates take k and M.
Add --profile NAME to a run to see which function of the target the time goes to.
The letters of wrk work: -t -c -d -H --timeout, and --latency is accepted for wrk's sake;
quantiles are always printed.

Exit codes: 0 done, 1 could not run, 2 bad usage; with --slo also 11 missed, 12 undecided (too few
samples), 13 invalid measurement.";

const REPORT_EXAMPLES: &str = "\
Examples:
  uringbench report results/127.0.0.1_8080/GET/20260228T235959Z
      The page of that run, verdict first; profiled runs and soaks with all they had.
  uringbench report run.json
      The same of a document that was sent; runs of every earlier version can be read.";

const PROFILE_USAGE: &str = "\
uringbench profile [OPTIONS] <PID|NAME|cgroup:PATH>
       uringbench profile [OPTIONS] -- <COMMAND>...
       uringbench profile --read <DIR> [--phase NAME | --between FROM-TO] [--against DIR]";

const PROFILE_EXAMPLES: &str = "\
Examples:
  uringbench profile nginx
      Ten seconds of all nginx processes; flamegraph.svg and more in a folder under results/.
  uringbench profile -d 30s --profile-hz 997 cgroup:system.slice/api.service
      Thirty seconds of a service's cgroup, in fine grain.
  uringbench profile -o out -- python3 job.py
      A command from its first instruction to its end.
  uringbench profile --read out --between 3s-5s -o slice
      Another view of samples taken before.";

const SOAK_EXAMPLES: &str = "\
Examples:
  uringbench soak -R 2k -d 2h --profile api http://127.0.0.1:8080/
      Two hours at 2,000 requests a second: LEAK, NO LEAK > X or INCONCLUSIVE, per request.
  uringbench soak -R 1k --dose -d 30m --profile 4711 http://127.0.0.1:8080/
      Distinguishes a leak per request from one per second.

Exit codes: 10 LEAK, 12 INCONCLUSIVE; otherwise as a run.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Load a URL, or run a scenario (the default: `run` may be left out)
    #[command(
        override_usage = "uringbench [run] [OPTIONS] <URL|SCENARIO.toml>",
        after_help = "Examples and details: uringbench --help",
        after_long_help = EXAMPLES
    )]
    Run(Box<RunArgs>),
    /// Sample a process tree: flame graphs, waits and timelines
    #[command(override_usage = PROFILE_USAGE, after_help = PROFILE_EXAMPLES)]
    Profile(Box<ProfileCommandArgs>),
    /// Load a target for long and say whether it leaks memory, files or threads
    #[command(
        override_usage = "uringbench soak [OPTIONS] --profile <TARGET> <URL|SCENARIO.toml>",
        after_help = SOAK_EXAMPLES
    )]
    Soak(Box<SoakArgs>),
    /// Show a stored run as it was shown when it ended
    #[command(after_help = REPORT_EXAMPLES)]
    Report(ReportArgs),
    /// Check scenario files, or show the requests they describe
    Scenario(ScenarioArgs),
    /// Write a scenario file from what another tool knows: curl, HAR, OpenAPI, vegeta, logs, Hurl
    Import(ImportArgs),
    /// Print the JSON Schema of scenario files, for editors
    Schema,
    /// Say what this machine offers for load generation, and how to fix what it lacks
    Doctor,
    /// Load the built-in reference target for a few seconds and show the result
    Demo(DemoArgs),
    /// Serve the built-in reference target
    Target(TargetArgs),
    /// Write a completion script for a shell to stdout
    Completions {
        /// The shell to write for
        shell: clap_complete::Shell,
    },
    /// Write a man page to stdout: of uringbench, or of one command
    Man {
        /// The command, such as `soak` or `import har`
        #[arg(value_name = "COMMAND")]
        command: Vec<String>,
    },
}

/// Options of `uringbench report`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReportArgs {
    /// The folder of the run, or the run.json in it
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
}

/// Options of `uringbench run`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct RunArgs {
    /// The address to load, such as http://127.0.0.1:8080/, or the file of a scenario
    #[arg(value_name = "URL|SCENARIO.toml")]
    pub(crate) url: Option<String>,

    /// Repeat the stored plan of this run exactly: its folder, or the run.json in it
    ///
    /// The same requests, load, seed and data. Secrets are not stored: -H, --variable and the
    /// environment give them again. What is typed about profiles and the result is of this run.
    #[arg(
        long,
        value_name = "RUN",
        conflicts_with_all = ["url", "LoadArgs", "StreamArgs", "ConnectionArgs", "TlsArgs",
            "method", "body", "body_file", "body_size", "form", "chunked", "expect_continue",
            "binary", "subprotocol", "echo", "greeting", "target", "flows", "warmup", "timeout",
            "wait", "slo"]
    )]
    pub(crate) again: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) load: LoadArgs,
    #[command(flatten)]
    pub(crate) request: RequestArgs,
    #[command(flatten)]
    pub(crate) stream: StreamArgs,
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
}

/// How much load, for how long.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Load")]
pub(crate) struct LoadArgs {
    /// CPUs for the generator: how many, or which (4, or 2-5,8)
    ///
    /// One pinned worker thread each. A number takes one CPU per physical core first, away from
    /// a target on this machine; a list names CPUs (3-3 is CPU 3 alone). Without it: every
    /// physical core, or half of them when the target is on this machine.
    #[arg(
        long,
        value_name = "N|LIST",
        visible_alias = "threads",
        visible_short_alias = 't',
        allow_hyphen_values = true
    )]
    pub(crate) cores: Option<CoreSpec>,

    /// Connections over all cores [default: 64]
    #[arg(
        short, long, value_name = "N", value_parser = units::small_count,
        allow_negative_numbers = true
    )]
    pub(crate) connections: Option<u32>,

    /// Length of the measured window [default: 10s, unless -n is given]
    #[arg(
        short, long, value_name = "TIME", value_parser = units::span,
        allow_negative_numbers = true
    )]
    pub(crate) duration: Option<Nanos>,

    /// Release exactly this many requests; with -d, whichever comes first
    #[arg(
        short = 'n', long, value_name = "N", value_parser = units::count,
        allow_negative_numbers = true
    )]
    pub(crate) requests: Option<u64>,

    /// Requests per second over all cores (50000, 100k, 1.5M, 0.5)
    ///
    /// An open loop: requests are due on a schedule whatever the target does, and response times
    /// count from the due time. Without it: a closed loop, as fast as the target answers.
    #[arg(
        short = 'R', long, value_name = "RATE", value_parser = units::rate,
        allow_negative_numbers = true
    )]
    pub(crate) rate: Option<Rate>,

    /// Gaps between due times, with -R [default: constant]
    #[arg(long, value_name = "LAW", value_enum)]
    pub(crate) arrivals: Option<Arrivals>,

    /// Replays the random gaps of an earlier run, with -R [default: from the clock, printed]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,

    /// Requests in flight per connection, 1 to 256 [default: 1]
    #[arg(
        short, long, value_name = "N", value_parser = units::small_count,
        allow_negative_numbers = true
    )]
    pub(crate) pipeline: Option<u32>,

    /// What carries the load [default: ring]
    #[arg(long, value_name = "NAME", value_enum)]
    pub(crate) engine: Option<Engine>,
}

/// How it is measured.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Measurement")]
pub(crate) struct MeasurementArgs {
    /// Load before the measured window [default: a tenth of -d, at most 5s; none with -n]
    #[arg(
        long, value_name = "TIME", value_parser = units::span, allow_negative_numbers = true
    )]
    pub(crate) warmup: Option<Nanos>,

    /// How long an answer, a connection or the drain may take, 1ms to 1h [default: 5s]
    ///
    /// A stream of events (--sse, --stream) may last longer: it is late when nothing has come for
    /// so long.
    #[arg(
        long, value_name = "TIME", value_parser = units::span, allow_negative_numbers = true
    )]
    pub(crate) timeout: Option<Nanos>,

    /// How a core waits, for the next due time or for answers [default: hybrid]
    #[arg(long, value_name = "HOW", value_enum)]
    pub(crate) wait: Option<Wait>,

    /// Objective to judge the run by: 'p99<20ms,errors<0.1%'
    #[arg(long, value_name = "TERMS")]
    pub(crate) slo: Option<String>,

    /// Accepted for wrk's sake; quantiles are always printed
    #[arg(long = "latency", hide = true)]
    _latency: bool,
}

/// Where the result goes.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Print the result as one JSON document on stdout, everything else on stderr
    #[arg(long)]
    pub(crate) json: bool,

    /// The run's own folder [default: one made under results/]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// No progress
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// A name for this run, kept with its result
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// Options of `uringbench demo`.
#[derive(Args, Clone, Debug)]
pub(crate) struct DemoArgs {
    /// Length of each of the two parts
    #[arg(short, long, value_name = "TIME", value_parser = units::span, default_value = "3s")]
    pub(crate) duration: Nanos,
}

/// What carries the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// io_uring as fast as it goes
    Ring,
    /// The monoio runtime: over epoll where io_uring is forbidden, as in most containers
    Monoio,
    /// The tokio-uring runtime, to compare with
    TokioUring,
}

/// The law of the gaps between due times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arrivals {
    /// Evenly spaced, for comparisons
    Constant,
    /// Random and independent, as users arrive, for capacity
    Poisson,
}

/// How a worker waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wait {
    /// Sleep in the kernel: least CPU, some 10 µs late
    Block,
    /// Sleep, and spin for the last stretch before a due time, or while answers come at once
    Hybrid,
    /// Never sleep: least lateness, a whole CPU
    Spin,
}

impl From<Engine> for plan::Engine {
    fn from(engine: Engine) -> Self {
        match engine {
            Engine::Ring => Self::Ring,
            Engine::Monoio => Self::Monoio,
            Engine::TokioUring => Self::TokioUring,
        }
    }
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
            Wait::Block => Self::Block,
            Wait::Hybrid => Self::Hybrid,
            Wait::Spin => Self::Spin,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

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
            (&["http://a/", "http://b/"], "unexpected argument"),
            (&["-c", "8", "run", "http://h/"], "a command comes first"),
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
