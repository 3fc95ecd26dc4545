//! `uringbench ab`: two targets measured side by side, compared as they are measured.

mod worktree;

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use uringbench_core::http::secrets::without_secrets;
use uringbench_decision::{ComparisonSettings, Pairing, RunGroup, is_narrow};
use uringbench_document::Document;
use uringbench_document::comparison::{ComparisonDocument, Decision};
use uringbench_engine::Control;
use uringbench_experiment::profiling::changed_functions;
use uringbench_experiment::server::ServerCommand;
use uringbench_experiment::side_by_side::{SideBySide, SideCaller, SideRun, SideRuns};
use uringbench_store::write_comparison;

use crate::args::{AbArgs, FormArgs, RunArgs, SideArgs};
use crate::comparing;
use crate::console;
use crate::exit::{Exit, Failure, usage};
use crate::sides;
use crate::signals;
use crate::store_place::StorePlace;
use crate::wanted;
use worktree::Worktree;

/// Pairs after which it ends if no run of one side measures the target.
const VAIN_PAIRS_MAX: usize = 4;

/// Build, measure, compare, print.
pub(crate) fn execute(args: &AbArgs) -> Result<Exit, Failure> {
    args.run.telemetry.refuse("ab")?;
    let settings = comparing::settings(&args.limits, Pairing::InTurn)?;
    let control = Control::new();
    signals::forward_to(control.clone())?;
    let (commands, runs) = typed(args)?;
    let folder = sides::folder(&runs[0], "ab")?;
    let base = args.sides.base.as_deref().map(|base| Worktree::add(base, &folder)).transpose()?;
    let here = std::env::current_dir().context("there is no current folder")?;
    let folders = [base.as_ref().map_or(&*here, Worktree::path), &here];
    build(&args.sides, folders, &folder, &control)?;
    let servers = sides::servers(&commands, &runs, folders)?;
    let plan = SideBySide {
        sides: servers,
        folder: folder.clone(),
        seed: args.run.load.seed.unwrap_or_else(wanted::seed_from_clock),
        pairs: args.sides.runs as usize,
        budget: Duration::from_nanos(args.sides.budget.0),
    };
    let place = StorePlace::of(&args.run.history.store)?;
    let mut caller = Caller { place, runs, settings, is_quiet: args.run.output.quiet };
    let measured = plan.run(&control, &mut caller);
    let (runs, profiled) = measured.map_err(anyhow::Error::new)?;
    let mut document = caller.compared(&runs)?;
    if let Some(comparison) = document.comparisons.first_mut() {
        comparison.notes.splice(0..0, described(&args.sides));
        if let Some([before, after]) = &profiled {
            comparison.functions = changed_functions(before, after);
        }
    }
    let stored = write_comparison(&folder, &document);
    let form = FormArgs { json: args.run.output.json, markdown: args.sides.markdown };
    comparing::print(&document, &form)?;
    if !form.json && !form.markdown {
        console::print(&format!("stored    {}\n", folder.display()))?;
    }
    stored.context("the comparison above is not stored")?;
    Ok(document.verdict.into())
}

/// The commands of the sides, and the run of each.
fn typed(args: &AbArgs) -> Result<([Option<String>; 2], [RunArgs; 2]), Failure> {
    let SideArgs { a, b, a_url, b_url, base, .. } = &args.sides;
    let with = |url: Option<&String>| {
        let mut run = args.run.clone();
        if let Some(url) = url {
            run.url = Some(url.clone());
        }
        run
    };
    let runs = [with(a_url.as_ref()), with(b_url.as_ref())];
    match (a, b, base) {
        (_, Some(b), Some(_)) => {
            Ok(([Some(a.as_ref().unwrap_or(b).clone()), Some(b.clone())], runs))
        }
        (Some(a), Some(b), None) => Ok(([Some(a.clone()), Some(b.clone())], runs)),
        (None, None, None) if a_url.is_some() => Ok(([None, None], runs)),
        _ => Err(usage(
            "two sides are compared: start them with --a CMD --b CMD, or name running ones with \
             --a-url URL --b-url URL, or compare with a git revision by --base REF --b CMD",
        )),
    }
}

fn build(
    args: &SideArgs,
    folders: [&Path; 2],
    log: &Path,
    control: &Control,
) -> Result<(), Failure> {
    let Some(command) = &args.build else { return Ok(()) };
    let is_same = folders[0] == folders[1];
    for (at, folder) in folders.into_iter().enumerate().skip(usize::from(is_same)) {
        let log = log.join(format!("build-{}.log", ["a", "b"][at]));
        let build = ServerCommand::new(command.as_str(), folder, log);
        build.complete(control).context("nothing was measured")?;
    }
    Ok(())
}

fn described(args: &SideArgs) -> Vec<String> {
    let SideArgs { a, b, a_url, b_url, base, .. } = args;
    let a = a.as_ref().or(a_url.as_ref()).or(b.as_ref());
    let side = |name: &str, what: Option<&String>, base: Option<&String>| {
        let at = base.map_or_else(String::new, |base| format!(" at {base}"));
        what.map(|what| format!("{name} is `{}`{at}", without_secrets(what)))
    };
    let both = [side("A", a, base.as_ref()), side("B", b.as_ref().or(b_url.as_ref()), None)];
    both.into_iter().flatten().collect()
}

/// Makes the runs, shows them, and decides whether there are enough.
struct Caller {
    place: StorePlace,
    runs: [RunArgs; 2],
    settings: ComparisonSettings,
    is_quiet: bool,
}

impl Caller {
    fn compared(&self, runs: &SideRuns) -> Result<ComparisonDocument, Failure> {
        let group = |side: usize| {
            let all = runs[side].iter();
            let named = all.map(|run| (run.folder.display().to_string(), &run.document));
            RunGroup::new(["A", "B"][side], named)
        };
        comparing::compared(&self.place, &[group(0), group(1)], self.settings.clone())
    }
}

impl SideCaller for Caller {
    fn experiment(
        &mut self,
        side: usize,
        profiled: Option<u32>,
    ) -> Result<uringbench_experiment::Experiment, Box<dyn std::error::Error + Send + Sync>> {
        sides::experiment(&self.runs[side], profiled)
    }

    fn run_ended(&mut self, side: usize, run: &SideRun) {
        if !self.is_quiet {
            console::note(&sides::line(["A", "B"][side], run));
        }
    }

    /// Narrow intervals are enough; pairs of which none measures the target are too many.
    fn is_enough(&mut self, runs: &SideRuns) -> bool {
        let is_over = |it: ComparisonDocument| {
            let is_vain = it.verdict == Decision::Invalid && runs[0].len() >= VAIN_PAIRS_MAX;
            is_vain || it.comparisons.iter().all(is_narrow)
        };
        self.compared(runs).is_ok_and(is_over)
    }

    fn wants_profile(&mut self, runs: &SideRuns) -> bool {
        let is_profiled = |run: &Document| run.target.is_some();
        let is_known = runs.iter().flatten().any(|run| is_profiled(&run.document));
        let is_local = runs.iter().flatten().all(|run| run.document.target_usage.is_some());
        let is_worse =
            |it: ComparisonDocument| matches!(it.verdict, Decision::Fail | Decision::Warn);
        !is_known && is_local && self.compared(runs).is_ok_and(is_worse)
    }
}
