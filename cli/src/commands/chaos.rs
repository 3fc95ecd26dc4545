//! `uringbench chaos`: load while something fails.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use uringbench_core::chaos::{ChaosObjective, ChaosPlan};
use uringbench_core::plan::{ByDue, Limit, Load};
use uringbench_core::time::Nanos;
use uringbench_engine::Control;
use uringbench_experiment::chaos::{ChaosRun, ChaosTargets};
use uringbench_experiment::{Experiment, ResultPlace};
use uringbench_faults::{check, journal_folder, undo_left, watchdog};
use uringbench_scenario::fault;

use crate::args::{ChaosArgs, ChaosCommand};
use crate::console;
use crate::execution;
use crate::exit::{Exit, Failure, usage};
use crate::resolve::{self, ResolvedRun};
use crate::scenario;
use crate::signals;

/// Run, check or undo.
pub(crate) fn execute(mut args: ChaosArgs) -> Result<Exit, Failure> {
    match args.command.take() {
        Some(ChaosCommand::Check { file }) => print_check(&file),
        Some(ChaosCommand::Undo) => undo(),
        Some(ChaosCommand::Watchdog { journal }) => {
            watchdog::keep(&journal).context("the watchdog cannot begin")?;
            Ok(Exit::Success)
        }
        None => run(args),
    }
}

fn run(args: ChaosArgs) -> Result<Exit, Failure> {
    if args.run.again.is_some() {
        return Err(usage("--again is for runs without faults: run the scenario's file again"));
    }
    let mut wanted = resolve::wanted(&args.run)?;
    add(&mut wanted.chaos, &args)?;
    let chaos = wanted.chaos.clone();
    if wanted.load == Load::Closed {
        return Err(usage(
            "chaos needs a rate: a closed loop stops to ask while the target fails, so its figures \
             say nothing about users; add -R, or `rate` to [load] of the file",
        ));
    }
    let Limit::Duration(window) = wanted.window else {
        return Err(usage("chaos lasts for a time: leave out -n and give -d, such as -d 60s"));
    };
    let injections = chaos.injections(window, wanted.seed);
    let injections = injections.map_err(|why| usage(why.to_string()))?;
    leave_nothing()?;
    let control = Control::new();
    signals::forward_to(control.clone())?;
    let (folder, logs) = folders(&args)?;
    // What is started again later inherits the raised limit: what is started first must too.
    let _files = uringbench_machine::limits::raise_files();
    let targets = ChaosTargets::start(
        (&chaos.processes, &chaos.proxies),
        (folder, logs.path().into()),
        &control,
    );
    let targets = targets.map_err(anyhow::Error::new)?;
    let run = resolve::of_wanted(&args.run, wanted)?;
    let kept = vec![result_folder(&run.experiment), journal_folder(), std::env::temp_dir()];
    let targets = Arc::new(targets.keeping(kept, run.experiment.plan.transport.cpus.clone()));
    for fault in &chaos.faults {
        let refused = |why| anyhow!("fault `{}`: {why}; no load was started", fault.name);
        check(&fault.kind, targets.as_ref()).map_err(refused)?;
    }
    let plan = run.experiment.plan.clone();
    let plan = plan.with(|plan| plan.observe.by_due = Some(ByDue { good: chaos.good }));
    let plan = plan.map_err(|why| usage(why.to_string()))?;
    let chaos = ChaosRun {
        plan: chaos,
        injections,
        targets,
        journals: journal_folder(),
        program: std::env::current_exe().context("this program cannot be found")?,
    };
    let experiment = Experiment { plan, chaos: Some(chaos), ..run.experiment };
    execution::execute(&ResolvedRun { experiment, ..run }, &control)
}

/// The faults and objectives of the command line.
fn add(chaos: &mut ChaosPlan, args: &ChaosArgs) -> Result<(), Failure> {
    for text in &args.faults {
        let one = fault(text, chaos).map_err(|why| usage(format!("--fault: {why}")))?;
        chaos.faults.push(one);
    }
    if let Some(terms) = &args.fault_slo {
        let terms: Result<ChaosObjective, _> = terms.parse();
        chaos.objectives.push(terms.map_err(|why| usage(format!("--fault-slo: {why}")))?);
    }
    chaos.good = args.good.or(chaos.good);
    chaos.recovery = args.recovery.unwrap_or(chaos.recovery);
    Ok(())
}

/// The folder of the scenario, and one for the output of its processes.
fn folders(args: &ChaosArgs) -> Result<(PathBuf, tempfile::TempDir), Failure> {
    let file = args.run.url.as_deref().and_then(scenario::named);
    let logs = tempfile::tempdir().context("no folder for the output of processes")?;
    Ok((folder_of(file.as_deref()), logs))
}

/// The folder of a file; the present one without a file.
fn folder_of(file: Option<&Path>) -> PathBuf {
    let folder = file.and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or_else(|| Path::new(".")).to_path_buf()
}

/// The closest folder to that of the results that is there.
fn result_folder(experiment: &Experiment) -> PathBuf {
    let (ResultPlace::Folder(folder) | ResultPlace::Below(folder)) = &experiment.place;
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
    folder
        .ancestors()
        .find(|folder| folder.exists())
        .unwrap_or_else(|| Path::new("/"))
        .to_path_buf()
}

/// Undoes what earlier runs left, and says so.
fn leave_nothing() -> Result<(), Failure> {
    for left in undo_left(&journal_folder()).map_err(anyhow::Error::new)? {
        match left.undone {
            Ok(()) => console::note(&format!("undone: `{}` of an earlier run", left.name)),
            Err(why) => {
                return Err(
                    anyhow!("`{}` of an earlier run is still there: {why}", left.name).into()
                );
            }
        }
    }
    Ok(())
}

fn undo() -> Result<Exit, Failure> {
    let all = undo_left(&journal_folder()).map_err(anyhow::Error::new)?;
    let mut text = String::new();
    for left in &all {
        match &left.undone {
            Ok(()) => text.push_str(&format!("undone: {}\n", left.name)),
            Err(why) => text.push_str(&format!("NOT UNDONE: {}: {why}\n", left.name)),
        }
    }
    if all.is_empty() {
        text.push_str("nothing to undo\n");
    }
    console::print(&text)?;
    let left = all.iter().filter(|left| left.undone.is_err()).count();
    if left > 0 {
        Err(anyhow!("{left} of {} faults are still there", all.len()).into())
    } else {
        Ok(Exit::Success)
    }
}

fn print_check(file: &Path) -> Result<Exit, Failure> {
    let scenario = scenario::load(file, None, &[]).map_err(scenario::one_by_one)?;
    let injections = scenario.chaos.injections(scenario.duration, 1);
    let injections = injections.map_err(|why| usage(why.to_string()))?;
    let processes = scenario.chaos.processes.iter().map(|it| it.name.as_str());
    let proxies = scenario.chaos.proxies.iter().map(|it| it.name.as_str());
    let names: Vec<_> = processes.chain(proxies).collect();
    let kept = vec![PathBuf::from("."), journal_folder(), std::env::temp_dir()];
    let folder = folder_of(Some(file));
    let targets = ChaosTargets::default().in_folder(&folder).keeping(kept, Vec::new());
    let mut text = String::new();
    let mut refused = 0;
    for injection in &injections {
        let fault = &scenario.chaos.faults[injection.fault];
        let is_planned = fault.kind.subject().is_some_and(|subject| names.contains(&subject));
        let done = if is_planned {
            Ok("part of this file, which starts and ends it".to_owned())
        } else {
            check(&fault.kind, &targets)
        };
        let done = done.unwrap_or_else(|why| {
            refused += 1;
            format!("REFUSED: {why}")
        });
        let length = if injection.length > Nanos::ZERO {
            format!(" for {}", injection.length)
        } else {
            String::new()
        };
        let (name, kind) = (&fault.name, fault.kind.key());
        text.push_str(&format!(
            "{:>9}{length}  {name}: {kind}: {done}\n",
            injection.at.to_string()
        ));
    }
    console::print(&text)?;
    if refused > 0 {
        return Err(anyhow!("{refused} of {} faults would be refused now", injections.len()).into());
    }
    Ok(Exit::Success)
}
