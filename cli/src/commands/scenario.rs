//! `uringbench scenario` and `uringbench schema`: checks, shows and describes scenario files.

use std::path::Path;

use uringbench_scenario::{schema, show, suite};

use crate::args::{ScenarioArgs, ScenarioCommand};
use crate::console;
use crate::exit::{Exit, Failure};
use crate::scenario::{load, one_by_one};

/// Check or show.
pub(crate) fn execute(args: &ScenarioArgs) -> Result<Exit, Failure> {
    match &args.command {
        ScenarioCommand::Check { files, target } => check(files, target.as_deref()),
        ScenarioCommand::Show { file, seed, target } => {
            let plan = load(file, target.as_deref(), &[]).map_err(one_by_one)?;
            console::print(&show::requests(&plan, *seed)).map(|()| Exit::Success)
        }
    }
}

/// Print the JSON Schema of scenario files, or of suite files.
pub(crate) fn print_schema(of_suites: bool) -> Result<Exit, Failure> {
    console::print(&if of_suites { suite::schema() } else { schema() }).map(|()| Exit::Success)
}

fn check<P: AsRef<Path>>(files: &[P], target: Option<&str>) -> Result<Exit, Failure> {
    let mut mistakes = Vec::new();
    for file in files {
        let file = file.as_ref();
        match load(file, target, &[]) {
            Ok(plan) => {
                console::print(&format!("{}: {}\n", file.display(), show::summary(&plan)))?;
            }
            Err(more) => mistakes.extend(more),
        }
    }
    if mistakes.is_empty() { Ok(Exit::Success) } else { Err(one_by_one(mistakes)) }
}
