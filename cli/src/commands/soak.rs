//! `uringbench soak`: a long load with a verdict on what the target keeps.

use std::path::Path;

use anyhow::{Context, anyhow};
use uringbench_core::time::Nanos;
use uringbench_engine::Control;
use uringbench_experiment::{SoakError, SoakLoad};
use uringbench_profiler::soak;
use uringbench_report as report;

use crate::args::SoakArgs;
use crate::console;
use crate::execution;
use crate::exit::{Exit, Failure, usage};
use crate::resolve::{ResolvedRun, resolve};
use crate::scenario;
use crate::signals;

/// Length of the measured window unless asked otherwise.
const DURATION: Nanos = Nanos::from_secs(600);

/// Decide the plan, load, judge.
pub(crate) fn execute(mut args: SoakArgs) -> Result<Exit, Failure> {
    if let Some(folder) = &args.read {
        return read(folder, args.run.output.json);
    }
    if args.run.profile.profile.is_none() {
        return Err(refused(SoakError::NoProfile));
    }
    let is_scenario = args.run.url.as_deref().is_some_and(|url| scenario::named(url).is_some());
    // A scenario lasts as long as its file says.
    if args.run.load.requests.is_none() && !is_scenario {
        args.run.load.duration.get_or_insert(DURATION);
    }
    let run = resolve(&args.run)?;
    let load = if args.dose { SoakLoad::Dosed } else { SoakLoad::Steady };
    let experiment = run.experiment.into_soak(load).map_err(refused)?;
    let run = ResolvedRun { experiment, ..run };
    let control = Control::new();
    signals::forward_to(control.clone())?;
    execution::execute(&run, &control)
}

/// The verdict on a stored soak, printed.
fn read(folder: &Path, is_json: bool) -> Result<Exit, Failure> {
    let soak = soak::read_stored(folder).map_err(|why| anyhow!("{why}"))?;
    if is_json {
        let text = serde_json::to_string_pretty(&soak).context("cannot write JSON")?;
        console::print(&format!("{text}\n"))?;
    } else {
        let lines = report::soak::lines(&soak);
        let lines = lines.iter().map(|(name, line)| format!("{name:<10}{line}\n"));
        let page: String = lines.collect();
        console::print(&format!("{}\n{page}", report::soak::headline(&soak)))?;
    }
    Ok(match soak.verdict.as_str() {
        "leak" => Exit::GateFailed,
        "no_leak" => Exit::Success,
        _ => Exit::Inconclusive,
    })
}

fn refused(why: SoakError) -> Failure {
    usage(why.to_string())
}
