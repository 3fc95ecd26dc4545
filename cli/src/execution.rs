//! One run with its progress on stderr, its result on stdout, and its exit code.

use anyhow::{Context, anyhow};
use uringbench_engine::Control;
use uringbench_experiment::Finished;
use uringbench_report::text;

use crate::actions::{self, Stdout};
use crate::console;
use crate::exit::{Exit, Failure};
use crate::observers::RunObservers;
use crate::resolve::{Format, ResolvedRun};

/// Execute, store, print. Results are printed even when they cannot be stored; that is then the
/// failure.
pub(crate) fn execute(run: &ResolvedRun, control: &Control) -> Result<Exit, Failure> {
    let mut observers = RunObservers::start(&run.experiment, run.progress, &run.follow, control)?;
    let finished = run.experiment.run(control, &mut observers).map_err(anyhow::Error::new);
    let shown = finished.map_err(Failure::from).and_then(|finished| shown(run, finished));
    // Also after a failure: what waits to be sent is of the load, which there was.
    let stored = shown.as_ref().ok().and_then(|finished| finished.stored.as_deref().ok());
    observers.finish(stored);
    let finished = shown?;
    let exit = finished.gate().into();
    if let Err(why) = &finished.entered {
        console::note(&format!("uringbench: {why}"));
    }
    finished.stored.context("the result above is not stored")?;
    let faults = finished.document.chaos.iter().flat_map(|chaos| &chaos.faults);
    if let Some((name, left)) =
        faults.into_iter().find_map(|it| Some((&it.name, it.left.as_ref()?)))
    {
        return Err(anyhow!("`{name}` is not undone: {left}").into());
    }
    match finished.halted {
        None => Ok(exit),
        Some(why) => {
            Err(anyhow!("the run was ended, io_uring_enter fails repeatedly: {why}").into())
        }
    }
}

/// Prints the result.
fn shown(run: &ResolvedRun, finished: Finished) -> Result<Finished, Failure> {
    let document = &finished.document;
    let folder = finished.stored.as_deref().ok();
    let (result, stdout) = match run.format {
        Format::Json => {
            let text = document.to_json().context("cannot write JSON")?;
            (format!("{text}\n"), Stdout::Document)
        }
        Format::Text => {
            let text = text::summary(document, folder, console::colour());
            (actions::shown(text), Stdout::Text)
        }
    };
    console::print(&result)?;
    actions::run_ended(document, folder, stdout)?;
    Ok(finished)
}
