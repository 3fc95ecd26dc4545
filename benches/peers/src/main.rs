//! Compares uringbench with the floor probe and with other load generators on this machine.
//!
//! The server runs on one CPU and each client in turn on another; all figures are taken in the same
//! way. This file selects the cases and writes the report; README.md next to it explains how to
//! read the report.

mod answers;
mod cases;
mod clients;
mod engines;
mod http2;
mod machine;
mod measure;
mod nginx;
mod protocols;
mod rounds;
mod scenarios;
mod server;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::cases::{Case, Scale};
use crate::clients::Programs;
use crate::rounds::Bench;
use crate::server::Server;
use crate::table::Section;

/// Compare uringbench with the floor probe, wrk, h2load and, where installed, oha, gcannon, wrk2
/// and Python's websockets: server on one CPU, client on another, interleaved round by round.
#[derive(Debug, Parser)]
#[command(
    name = "peers",
    after_help = "Clients not in PATH: PEERS_WRK2=/path/to/wrk, \
    PEERS_GCANNON, PEERS_OHA, PEERS_WRK, PEERS_H2LOAD; PEERS_WEBSOCKETS=/path/to/python3, \
    PEERS_NGINX.\nA missed goal is reported and exits 0; \
    a client that failed to run exits 1."
)]
struct Args {
    /// Parts to run, separated by commas [default: all]
    #[arg(long = "case", value_delimiter = ',', value_enum)]
    cases: Vec<Case>,
    /// Run only the case `engines`; the same as --case engines
    #[arg(long, conflicts_with = "cases")]
    engines: bool,
    /// Number of runs of each client in each comparison
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Duration of the load of each run in seconds
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Run one round of 1 s with few connections, to check that every part works
    #[arg(long)]
    smoke: bool,
    /// Also write the report as Markdown
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// CPU of the server [default: the first allowed CPU]
    #[arg(long, value_name = "CPU")]
    target_cpu: Option<usize>,
    /// CPU of the clients [default: the last allowed CPU]
    #[arg(long, value_name = "CPU")]
    client_cpu: Option<usize>,
    /// Load this server instead of the built-in target; it must answer GET / and GET /bytes/N, and
    /// accept POST /
    #[arg(long, value_name = "http://HOST:PORT", value_parser = target_address)]
    target: Option<String>,
    /// Take uringbench, floor and echo from this folder instead of building them
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
}

fn main() -> ExitCode {
    match compare(&Args::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failures) => {
            eprintln!("peers: {failures} runs failed; the report says which and why");
            ExitCode::FAILURE
        }
        Err(cause) => {
            eprintln!("peers: {cause}");
            ExitCode::FAILURE
        }
    }
}

fn target_address(url: &str) -> Result<String, String> {
    server::parse_address(url).ok_or_else(|| "give http://HOST:PORT".to_owned())
}

/// Runs all selected cases and returns the number of runs that failed.
fn compare(args: &Args) -> Result<usize, String> {
    let cpus = machine::cpus_allowed();
    let target_cpu = args.target_cpu.unwrap_or(cpus[0]);
    let client_cpu = args.client_cpu.unwrap_or(cpus[cpus.len() - 1]);
    for cpu in [target_cpu, client_cpu] {
        if !cpus.contains(&cpu) {
            return Err(format!("CPU {cpu} is not one of those this process may use: {cpus:?}"));
        }
    }
    let open_files = machine::raise_open_files();
    let built = match &args.binaries {
        Some(folder) => server::built_in(folder),
        None => server::build()?,
    };
    let (_server, address) = match &args.target {
        Some(address) => (None, address.clone()),
        None => {
            let server = Server::target(&built.uringbench, target_cpu)?;
            let address = server.address.clone();
            (Some(server), address)
        }
    };
    let scratch = std::env::temp_dir().join(format!("uringbench-peers-{}", std::process::id()));
    let mut bench = Bench {
        programs: Programs::find(built.uringbench, built.floor),
        address,
        cpu: client_cpu,
        target_cpu,
        echo: built.echo,
        scratch,
        settle: Duration::from_millis(if args.smoke { 100 } else { 500 }),
        open_files,
        failures: 0,
        runs: 0,
    };
    let heading = heading(&bench);
    for line in &heading {
        println!("{line}");
    }
    let sections = run_cases(args, &mut bench);
    // A leftover folder takes up space, but nothing depends on it.
    std::fs::remove_dir_all(&bench.scratch).ok();
    if let Some(file) = &args.markdown {
        let parts: Vec<_> = sections.iter().map(Section::markdown).collect();
        let text = format!("{}\n\n{}", heading.join("  \n"), parts.join(""));
        std::fs::write(file, text.trim_end().to_owned() + "\n")
            .map_err(|e| format!("cannot write {}: {e}", file.display()))?;
    }
    Ok(bench.failures)
}

fn run_cases(args: &Args, bench: &mut Bench) -> Vec<Section> {
    let scale = if args.smoke {
        Scale { rounds: 1, seconds: 1, smoke: true }
    } else {
        Scale { rounds: args.rounds, seconds: args.seconds, smoke: false }
    };
    let cases = match (args.engines, &args.cases) {
        (true, _) => vec![Case::Engines],
        (false, cases) if cases.is_empty() => Case::value_variants().to_vec(),
        (false, cases) => cases.clone(),
    };
    let mut all = Vec::new();
    for case in cases {
        let sections = case.run(bench, scale);
        for section in &sections {
            print!("{}", section.text());
        }
        all.extend(sections);
    }
    all
}

fn heading(bench: &Bench) -> Vec<String> {
    let mut lines = vec![machine::describe()];
    lines.push(format!("server on CPU {}, clients on CPU {}", bench.target_cpu, bench.cpu));
    if bench.target_cpu == bench.cpu {
        lines.push("! server and clients share one CPU: the rates mean little".to_owned());
    }
    let absent = bench.programs.absent();
    if !absent.is_empty() {
        lines.push(format!("absent: {}", absent.join(", ")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_sound_and_cases_are_a_list() {
        use clap::CommandFactory;
        Args::command().debug_assert();
        let args = Args::try_parse_from(["peers", "--case", "small,memory", "--smoke"]).unwrap();
        assert_eq!(args.cases, [Case::Small, Case::Memory]);
        assert!(Args::try_parse_from(["peers", "--engines"]).unwrap().engines);
        assert!(Args::try_parse_from(["peers", "--engines", "--case", "small"]).is_err());
        assert!(Args::try_parse_from(["peers", "--rounds", "0"]).is_err());
        assert!(Args::try_parse_from(["peers", "--case", "large"]).is_err());
        assert!(Args::try_parse_from(["peers", "--target", "localhost"]).is_err());
        let args = Args::try_parse_from(["peers", "--target", "http://127.0.0.1:80/"]).unwrap();
        assert_eq!(args.target.as_deref(), Some("127.0.0.1:80"));
    }
}
