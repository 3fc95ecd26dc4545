//! The command line of uringbench: parses the arguments, runs one command, and alone decides the
//! process's exit code.

mod actions;
mod address;
mod args;
mod commands;
mod comparing;
mod console;
mod execution;
mod exit;
mod grpc;
mod live;
mod login;
mod observers;
mod page_file;
mod postgres;
mod progress;
mod quiet;
mod redis;
mod repeat;
mod request;
mod resolve;
mod scenario;
mod sides;
mod signals;
mod single;
mod store_place;
mod tls;
mod tui;
mod units;
mod url;
mod wanted;

use std::process::ExitCode;

use args::{Command, Typed};
use exit::{Exit, Failure};

fn main() -> ExitCode {
    let code = match run() {
        Ok(exit) => exit.into(),
        Err(failure) => {
            console::note(&format!("uringbench: {failure}"));
            failure.exit_code()
        }
    };
    console::flush();
    code
}

fn run() -> Result<Exit, Failure> {
    match args::parse(std::env::args_os())? {
        Typed::Text(text) => console::print(&text).map(|()| Exit::Success),
        Typed::Command(Command::Run(args)) => commands::run::execute(&args),
        Typed::Command(Command::Grpc(args)) => commands::grpc::execute(&args),
        Typed::Command(Command::Profile(args)) => commands::profile::execute(*args),
        Typed::Command(Command::Soak(args)) => commands::soak::execute(*args),
        Typed::Command(Command::Capacity(args)) => commands::capacity::execute(*args),
        Typed::Command(Command::Chaos(args)) => commands::chaos::execute(*args),
        Typed::Command(Command::Suite(args)) => commands::suite::execute(*args),
        Typed::Command(Command::Report(args)) => commands::report::execute(&args),
        Typed::Command(Command::Alerts(args)) => commands::alerts::execute(&args),
        Typed::Command(Command::History(args)) => commands::history::execute(*args),
        Typed::Command(Command::Serve(args)) => commands::serve::execute(&args),
        Typed::Command(Command::Trend(args)) => commands::trend::execute(&args),
        Typed::Command(Command::Compare(args)) => commands::compare::execute(&args),
        Typed::Command(Command::Ab(args)) => commands::ab::execute(&args),
        Typed::Command(Command::Noise(args)) => commands::noise::execute(&args),
        Typed::Command(Command::Gate(args)) => commands::gate::execute(&args),
        Typed::Command(Command::Baseline(args)) => commands::baseline::execute(&args),
        Typed::Command(Command::Schedule(args)) => commands::schedule::execute(&args),
        Typed::Command(Command::Scenario(args)) => commands::scenario::execute(&args),
        Typed::Command(Command::Import(args)) => commands::import::execute(&args),
        Typed::Command(Command::Schema { suite }) => commands::scenario::print_schema(suite),
        Typed::Command(Command::Doctor) => commands::doctor::execute(),
        Typed::Command(Command::Demo(args)) => commands::demo::execute(args),
        Typed::Command(Command::Target(args)) => commands::target::execute(args),
        Typed::Command(Command::Completions { shell }) => commands::completions::execute(shell),
        Typed::Command(Command::Man { command }) => commands::man::execute(&command),
    }
}
