//! `uringbench scenario` and `uringbench schema`: scenario files checked, shown and described.

use std::fs;
use std::path::Path;

use uringbench_scenario::plan::Plan;
use uringbench_scenario::{Surroundings, compile, schema, show};

use crate::args::{ScenarioArgs, ScenarioCommand};
use crate::console;
use crate::exit::{Exit, Failure};
use crate::request::read_body;
use crate::url::Url;

/// Check or show.
pub(crate) fn execute(args: &ScenarioArgs) -> Result<Exit, Failure> {
    match &args.command {
        ScenarioCommand::Check { files } => check(files),
        ScenarioCommand::Show { file, seed } => {
            let plan = load(file).map_err(one_by_one)?;
            console::print(&show::requests(&plan, *seed)).map(|()| Exit::Success)
        }
    }
}

/// Print the JSON Schema of scenario files.
pub(crate) fn print_schema() -> Result<Exit, Failure> {
    console::print(&schema()).map(|()| Exit::Success)
}

fn check<P: AsRef<Path>>(files: &[P]) -> Result<Exit, Failure> {
    let mut mistakes = Vec::new();
    for file in files {
        let file = file.as_ref();
        match load(file) {
            Ok(plan) => {
                console::print(&format!("{}: {}\n", file.display(), show::summary(&plan)))?;
            }
            Err(more) => mistakes.extend(more),
        }
    }
    if mistakes.is_empty() { Ok(Exit::Success) } else { Err(one_by_one(mistakes)) }
}

/// Every mistake is a line; the last becomes the failure.
fn one_by_one(mut mistakes: Vec<String>) -> Failure {
    let last = mistakes.pop().unwrap_or_default();
    for mistake in mistakes {
        console::note(&format!("uringbench: {}", Failure::Usage(mistake)));
    }
    Failure::Usage(last)
}

/// The plan of a file, or its mistakes, each beginning with its place.
fn load(file: &Path) -> Result<Plan, Vec<String>> {
    let shown = file.display();
    let text = fs::read_to_string(file)
        .map_err(|why| vec![format!("{shown} cannot be read: {why}; name a scenario file")])?;
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    let around = Surroundings {
        read: &|name| read_body("file", &folder.join(name)),
        env: &|name| std::env::var(name).ok(),
        authority: &authority,
    };
    compile(&text, &around)
        .map_err(|problems| problems.iter().map(|problem| format!("{shown}:{problem}")).collect())
}

fn authority(target: &str) -> Result<String, String> {
    let url = Url::parse(target)?;
    if url.scheme.is_websocket() {
        return Err("scenarios speak HTTP: write http:// or https://".to_owned());
    }
    if url.path != "/" {
        return Err(format!("the target has no path: put `{}` into the steps", url.path));
    }
    Ok(url.authority())
}
