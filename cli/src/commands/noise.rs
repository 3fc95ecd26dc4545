//! `uringbench noise`: how much runs of one target differ on this machine, stored for gates.

use std::time::Duration;

use anyhow::{Context, anyhow};
use uringbench_decision::noise_of;
use uringbench_engine::Control;
use uringbench_experiment::side_by_side::{SideBySide, SideCaller, SideRun, SideRuns};
use uringbench_report::noise;
use uringbench_store::write_noise;

use crate::args::{NoiseArgs, RunArgs};
use crate::comparing;
use crate::console;
use crate::exit::{Exit, Failure, usage};
use crate::sides;
use crate::signals;
use crate::store_place::StorePlace;
use crate::wanted;

/// Runs below which a spread is not known.
const RUNS_MIN: u32 = 4;

/// Measure, store, print.
pub(crate) fn execute(args: &NoiseArgs) -> Result<Exit, Failure> {
    if args.runs < RUNS_MIN {
        return Err(usage(format!("--runs {}: a spread needs at least {RUNS_MIN}", args.runs)));
    }
    args.run.telemetry.refuse("noise")?;
    let place = StorePlace::of(&args.run.history.store)?;
    let control = Control::new();
    signals::forward_to(control.clone())?;
    let folder = sides::folder(&args.run, "noise")?;
    let here = std::env::current_dir().context("there is no current folder")?;
    let commands = [args.start.clone(), args.start.clone()];
    let runs = [args.run.clone(), args.run.clone()];
    let servers = sides::servers(&commands, &runs, [&here, &here])?;
    let plan = SideBySide {
        sides: servers,
        folder: folder.clone(),
        seed: args.run.load.seed.unwrap_or_else(wanted::seed_from_clock),
        pairs: args.runs.div_ceil(2) as usize,
        budget: Duration::MAX,
    };
    let mut caller = Caller { run: args.run.clone() };
    let measured = plan.run(&control, &mut caller);
    let (runs, _) = measured.map_err(anyhow::Error::new)?;
    let runs: Vec<_> = runs.into_iter().flatten().collect();
    let named: Vec<_> =
        runs.into_iter().map(|run| (run.folder.display().to_string(), run.document)).collect();
    let group = comparing::group("noise", &named);
    let counted = group.counted();
    let measured = noise_of(&group).filter(|it| it.runs >= RUNS_MIN as usize);
    let measured = measured.ok_or_else(|| {
        anyhow!("{counted} of {} runs measure the target: too few for a spread", named.len())
    })?;
    let name = folder.iter().rev().take(3).map(|part| part.to_string_lossy()).collect::<Vec<_>>();
    let name = name.into_iter().rev().collect::<Vec<_>>().join("_");
    let path = write_noise(&place.root, &name, &measured).context("it is not stored")?;
    let page = match args.run.output.json {
        true => serde_json::to_string_pretty(&measured).context("cannot write JSON")? + "\n",
        false => format!("{}\nstored    {}\n", noise::text(&measured), path.display()),
    };
    console::print(&page).map(|()| Exit::Success)
}

struct Caller {
    run: RunArgs,
}

impl SideCaller for Caller {
    fn experiment(
        &mut self,
        _side: usize,
        profiled: Option<u32>,
    ) -> Result<uringbench_experiment::Experiment, Box<dyn std::error::Error + Send + Sync>> {
        sides::experiment(&self.run, profiled)
    }

    fn run_ended(&mut self, side: usize, run: &SideRun) {
        if !self.run.output.quiet {
            console::note(&sides::line(["a", "b"][side], run));
        }
    }

    fn is_enough(&mut self, _runs: &SideRuns) -> bool {
        false
    }
}
