//! `uringbench capacity`: the highest load at which a target meets its objectives.

use anyhow::Context;
use uringbench_core::plan::Arrivals;
use uringbench_core::rate::Rate;
use uringbench_core::slo::Slo;
use uringbench_core::time::Nanos;
use uringbench_document::capacity::{CapacityDocument, TrialFigures};
use uringbench_engine::Control;
use uringbench_experiment::capacity::{Capacity, CapacityObserver, Varied};
use uringbench_experiment::{ExperimentObserver, RunNote};
use uringbench_report::capacity;
use uringbench_store::Destination;

use crate::args::{CapacityArgs, Over};
use crate::console;
use crate::exit::{Exit, Failure, usage};
use crate::resolve::{Format, Progress, ResolvedRun, resolve};
use crate::signals;

const BUDGET: Nanos = Nanos::from_secs(300);
/// A search needs trials of some length.
const BUDGET_MIN: Nanos = Nanos::from_secs(10);
const WIDTH: f64 = 0.05;
/// First and highest load, in thousandths as rates are.
const RATES: (u64, u64) = (100_000, 10_000_000_000);
/// The same over connections.
const CONNECTIONS: (u64, u64) = (1_000, 4_096_000);

/// Resolve the run, search, print.
pub(crate) fn execute(args: CapacityArgs) -> Result<Exit, Failure> {
    refuse_what_the_search_chooses(&args)?;
    args.run.telemetry.refuse("capacity")?;
    let is_markdown = args.markdown;
    let (capacity, format, progress) = resolved(args)?;
    let control = Control::new();
    signals::forward_to(control.clone())?;
    let mut shown = ShownTrials { is_shown: progress == Progress::Shown };
    let finished = capacity.run(&control, &mut shown).map_err(anyhow::Error::new)?;
    let document = &finished.document;
    let stored = finished.stored.and_then(|destination| {
        if let Some(picture) = capacity::curve(document) {
            destination.write_capacity_picture(&picture)?;
        }
        Ok(destination)
    });
    let text = match format {
        Format::Json => format!("{}\n", document.to_json().context("cannot write JSON")?),
        Format::Text if is_markdown => capacity::markdown(document),
        Format::Text => {
            let folder = stored.as_ref().ok().map(Destination::folder);
            capacity::text(document, folder, console::colour())
        }
    };
    console::print(&text)?;
    stored.context("the result above is not stored")?;
    Ok(exit(document))
}

/// The search that was asked for, with the form of its result.
fn resolved(mut args: CapacityArgs) -> Result<(Capacity, Format, Progress), Failure> {
    let slo: Slo = match args.run.measurement.slo.take() {
        None => return Err(usage("capacity needs an objective: add --slo 'p99<20ms,errors<0.1%'")),
        Some(slo) => slo.parse().map_err(|why| usage(format!("--slo: {why}")))?,
    };
    slo.shares().map_err(|why| usage(format!("--slo: {why}")))?;
    let over = args.over.unwrap_or_default();
    let (least, most) = if over == Over::Rate { RATES } else { CONNECTIONS };
    let from = args.from.map_or(least, Rate::milli);
    let to = args.to.map_or(most, Rate::milli);
    if from >= to {
        return Err(usage("--from is not below --to: give a first load below the highest"));
    }
    let budget = args.budget.unwrap_or(BUDGET);
    if budget < BUDGET_MIN {
        return Err(usage(format!("--budget {budget} is too short for trials: at least 10s")));
    }
    let varied = match over {
        Over::Rate => {
            let arrivals = args.run.load.arrivals.map_or(Arrivals::Poisson, Arrivals::from);
            args.run.load.rate = Rate::from_milli(from);
            args.run.load.arrivals.get_or_insert(crate::args::Arrivals::Poisson);
            Varied::Rate(arrivals)
        }
        Over::Connections => {
            // The most that a trial may need is checked before the first.
            args.run.load.connections = u32::try_from(to / 1_000).ok();
            Varied::Connections
        }
    };
    let ResolvedRun { experiment, format, progress, .. } = resolve(&args.run)?;
    if over == Over::Connections && experiment.plan.workload.script().is_some() {
        return Err(usage(
            "--over connections is for a URL: the users of a scenario are in its file",
        ));
    }
    let load = |milli: u64| milli as f64 / 1e3;
    let capacity = Capacity {
        experiment,
        slo,
        over: varied,
        from: load(from),
        to: load(to),
        width: args.width.unwrap_or(WIDTH),
        budget,
    };
    Ok((capacity, format, progress))
}

/// Options of a run that contradict a search.
fn refuse_what_the_search_chooses(args: &CapacityArgs) -> Result<(), Failure> {
    let load = &args.run.load;
    let over_connections = args.over == Some(Over::Connections);
    let chosen = [
        ("-R", load.rate.is_some(), "give the range with --from and --to"),
        ("-d", load.duration.is_some(), "give the time of the whole search with --budget"),
        ("-n", load.requests.is_some(), "give the time of the whole search with --budget"),
        ("--warmup", args.run.measurement.warmup.is_some(), "it is a tenth of each trial"),
        ("-c", over_connections && load.connections.is_some(), "give the range with --from, --to"),
        ("--arrivals", over_connections && load.arrivals.is_some(), "a closed loop has none"),
        ("--cost", args.run.profile.cost, "the table shows the target's CPU at each rate"),
        ("--again", args.run.again.is_some(), "name the URL or the scenario"),
    ];
    match chosen.into_iter().find(|(_, is_given, _)| *is_given) {
        Some((option, _, fix)) => {
            Err(usage(format!("{option} is chosen by the search: leave it out; {fix}")))
        }
        None => Ok(()),
    }
}

/// Whether there is an answer that can be relied on.
fn exit(document: &CapacityDocument) -> Exit {
    let answer = &document.answer;
    let has_collapsed = answer.hysteresis.is_some_and(|found| !found.recovered);
    match (answer.lower, answer.upper) {
        (Some(_), _) if answer.settled && answer.confirmed != Some(false) && !has_collapsed => {
            Exit::Success
        }
        (Some(_), _) => Exit::Inconclusive,
        (None, Some(_)) => Exit::SloFailed,
        (None, None) => Exit::Invalid,
    }
}

/// Prints a line for each trial.
struct ShownTrials {
    is_shown: bool,
}

impl ExperimentObserver for ShownTrials {
    fn note(&mut self, note: &RunNote) {
        console::note(&format!("uringbench: {note}"));
    }
}

impl CapacityObserver for ShownTrials {
    fn trial_ended(&mut self, number: usize, trial: &TrialFigures) {
        if self.is_shown {
            console::note(&capacity::trial_line(number, trial));
        }
    }
}
