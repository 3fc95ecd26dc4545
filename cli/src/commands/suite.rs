//! `uringbench suite`: several servers, measured with the same scenarios, and reported together.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context;
use serde::Serialize;
use uringbench_core::summary::plural;
use uringbench_core::time::Nanos;
use uringbench_document::civil::Civil;
use uringbench_document::suite::{CellState, SuiteDocument};
use uringbench_document::{Document, fingerprint};
use uringbench_engine::Control;
use uringbench_experiment::suite::{Suite, SuiteCaller, SuiteNotice, SuiteOutcome, SuiteRun};
use uringbench_experiment::{Experiment, SoakLoad};
use uringbench_report::suite::{self as report, MeasuredCell};
use uringbench_scenario::suite::{SuiteContext, SuitePlan, TurnKind, compile};
use uringbench_store::{SuiteFiles, newest_suite};

use crate::args::{
    self, Command, LoadArgs, RunArgs, SuiteArgs, SuiteCommand, SuiteSelection, Typed,
};
use crate::console;
use crate::exit::{Exit, Failure, usage};
use crate::resolve;
use crate::scenario::{load, one_by_one};
use crate::sides;
use crate::signals;
use crate::store_place::StorePlace;

mod extra;

/// The measured window of a check: some answers of each flow.
const CHECK: Nanos = Nanos::from_millis(300);
/// Connections of a check: one for each core, of which it takes one.
const CHECK_CONNECTIONS: u32 = 1;
/// Time of a run beside its load, for the estimate: the start of the target's share and the check.
const BESIDE: Nanos = Nanos::from_millis(700);
/// Window and warm-up of a scenario that says neither, for the estimate.
const USUAL: Nanos = Nanos::from_secs(11);
/// Samples per second and CPU of profiled runs: some, in a short run.
const PROFILE_HZ: u32 = 499;
/// The file by which a suite that goes on is known to be the same.
const PLAN: &str = "plan.fingerprint";

/// Check or run.
pub(crate) fn execute(args: SuiteArgs) -> Result<Exit, Failure> {
    if let Some(SuiteCommand::Check(selection)) = &args.command {
        let (plan, _) = planned(selection)?;
        return console::print(&listed(&plan)).map(|()| Exit::Success);
    }
    let (plan, folder) = planned(&args.selection)?;
    let place = StorePlace::of(&args.store)?;
    let files = files(&args, &plan, &place)?;
    let load = LoadArgs { cores: args.cores.clone(), ..LoadArgs::default() };
    let suite = Suite {
        results: files.folder().to_path_buf(),
        cpus: sides::target_cpus(&load),
        database: args.database.clone(),
        plan,
        folder,
    };
    let control = Control::new();
    signals::forward_to(control.clone())?;
    let mut caller = Caller { suite: &suite, args: &args };
    let outcome = suite.run(&control, &mut caller).map_err(anyhow::Error::new)?;
    let document = stored(&suite, &outcome, &files)?;
    extra::store(&suite, &outcome, &document, &place)?;
    let page = if args.json {
        pretty(&document)?
    } else if args.markdown {
        report::markdown(&without_pictures(document.clone()), &[])
    } else {
        let stored = files.folder().join("final_report.md");
        format!("{}\nstored    {}\n", report::text(&document, console::colour()), stored.display())
    };
    console::print(&page)?;
    if outcome.is_interrupted {
        console::note(&format!(
            "uringbench: ended early; go on with --resume={}",
            files.folder().display()
        ));
    }
    let is_whole =
        |state| matches!(state, CellState::Measured | CellState::Checked | CellState::Lacking);
    let is_whole = document.cells.iter().all(|cell| is_whole(cell.state));
    Ok(if is_whole { Exit::Success } else { Exit::Inconclusive })
}

/// The plan of a suite file with the options that were typed, and the file's folder.
fn planned(selection: &SuiteSelection) -> Result<(SuitePlan, PathBuf), Failure> {
    let file = selection.file.as_deref().unwrap_or_else(|| Path::new(""));
    let shown = file.display();
    let text = fs::read_to_string(file)
        .map_err(|why| usage(format!("{shown} cannot be read: {why}; name a suite file")))?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = std::path::absolute(folder.unwrap_or_else(|| Path::new(".")))
        .context("there is no current folder")?;
    let context = SuiteContext {
        flows: &|name| flows(&folder.join(name), name),
        exists: &|name| folder.join(name).exists(),
        is_short: selection.short,
    };
    let mut plan = compile(&text, &context).map_err(|mistakes| {
        one_by_one(mistakes.iter().map(|mistake| format!("{shown}:{mistake}")).collect())
    })?;
    plan.keep(&selection.only).map_err(|why| usage(format!("--only: {why}")))?;
    if !selection.connections.is_empty() {
        plan.set_connections(&selection.connections);
    }
    let settings = &mut plan.settings;
    settings.duration = selection.duration.or(settings.duration);
    settings.warmup = selection.warmup.or(settings.warmup);
    settings.runs = selection.runs.unwrap_or(settings.runs);
    let profile = selection.profile.or(settings.profile);
    settings.profile = profile.filter(|span| *span > Nanos::ZERO);
    settings.soak = selection.soak.or(settings.soak).filter(|span| *span > Nanos::ZERO);
    if settings.duration == Some(Nanos::ZERO) {
        return Err(usage("-d 0 measures nothing: give a duration such as 10s"));
    }
    Ok((plan, folder))
}

/// The names of the flows in a scenario file, or its first mistake.
fn flows(file: &Path, name: &str) -> Result<Vec<String>, String> {
    if !file.is_file() {
        return Err(format!("there is no file `{name}` in the suite's folder"));
    }
    match load(file, None, &[]) {
        Ok(scenario) => Ok(scenario.flows.into_iter().map(|flow| flow.name).collect()),
        Err(mistakes) => Err(mistakes.into_iter().next().unwrap_or_default()),
    }
}

/// The folder of results: new, named, or that of an earlier suite with the same plan.
fn files(args: &SuiteArgs, plan: &SuitePlan, place: &StorePlace) -> Result<SuiteFiles, Failure> {
    // Of everything in the plan, and without it: variables of targets may be secrets.
    let shown = format!("{}\n", fingerprint([format!("{plan:?}").as_str()]));
    let files = match (&args.resume, &args.out) {
        (Some(folder), _) => {
            let folder = folder.clone().or_else(|| newest_suite(&place.root, &plan.name));
            let folder = folder.ok_or_else(|| {
                usage(format!("--resume: no suite {} was measured here yet", plan.name))
            })?;
            let before = fs::read_to_string(folder.join(PLAN)).map_err(|why| {
                usage(format!("--resume: {} is no suite: {why}", folder.display()))
            })?;
            if before != shown {
                return Err(usage(format!(
                    "--resume: the suite in {} has another plan: use its file and options as they \
                     were, or begin again without --resume",
                    folder.display()
                )));
            }
            SuiteFiles::at(&folder)
        }
        (None, Some(folder)) => {
            if folder.join(PLAN).exists() {
                return Err(usage(format!(
                    "-o: a suite is in {} already: go on with --resume={0}, or name a new folder",
                    folder.display()
                )));
            }
            SuiteFiles::at(folder)
        }
        (None, None) => {
            let time = Civil::of(SystemTime::now()).compact();
            SuiteFiles::new_below(&place.root, &plan.name, &time)
        }
    };
    let files = files.context("nothing was measured: it could not be stored")?;
    files.write(PLAN, &shown).context("nothing was measured: it could not be stored")?;
    Ok(files)
}

/// Writes everything beside the runs.
fn stored(
    suite: &Suite,
    outcome: &SuiteOutcome,
    files: &SuiteFiles,
) -> Result<SuiteDocument, Failure> {
    let mut pictures = BTreeMap::new();
    for cell in &outcome.cells {
        let Some(folder) = &cell.profile else { continue };
        let (target, case) = (&suite.plan.targets[cell.target], &suite.plan.cases[cell.case]);
        let kept = files.keep_flamegraph(folder, &target.name, &case.name);
        if let Some(name) = kept.context("a flame graph is not stored")? {
            pictures.insert(folder.clone(), name);
        }
    }
    let mut document = suite.document(outcome, &pictures);
    let write = |name: &str, text: &str| {
        files.write(name, text).context("the suite is measured, but its report is not stored")
    };
    let mut charts = Vec::new();
    for category in report::categories(&document) {
        if let Some(picture) = report::chart(&document, category) {
            let name = format!("charts/{category}.svg");
            write(&name, &picture)?;
            charts.push((category.to_owned(), name));
        }
    }
    for target in &mut document.targets {
        let resources = format!("resources/{}.csv", target.name);
        let Ok(resources) = fs::read_to_string(files.folder().join(resources)) else { continue };
        if let Some(picture) = report::memory(&target.name, &resources) {
            let name = format!("memory/{}.svg", target.name);
            write(&name, &picture)?;
            target.memory_picture = Some(name);
        }
    }
    write("suite.json", &pretty(&document)?)?;
    write("metrics.json", &pretty(&report::metrics(&document))?)?;
    let cells: Vec<MeasuredCell<'_>> = document
        .cells
        .iter()
        .zip(&outcome.cells)
        .map(|(cell, measured)| MeasuredCell {
            cell,
            runs: measured.runs.iter().map(|run| (run.number, &run.document)).collect(),
        })
        .collect();
    write("results.csv", &report::csv(&cells))?;
    write("final_report.md", &report::markdown(&document, &charts))?;
    Ok(document)
}

/// For a page that stands elsewhere: the pictures are in the folder of the suite.
fn without_pictures(mut suite: SuiteDocument) -> SuiteDocument {
    suite.targets.iter_mut().for_each(|target| target.memory_picture = None);
    suite.cells.iter_mut().for_each(|cell| cell.flamegraph = None);
    suite
}

fn pretty(value: &impl Serialize) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(value).context("cannot write JSON")? + "\n")
}

/// What would be measured: targets, cells, runs and time.
fn listed(plan: &SuitePlan) -> String {
    let settings = &plan.settings;
    let each = match (settings.warmup, settings.duration) {
        (Some(warmup), Some(duration)) => Nanos(warmup.0 + duration.0),
        (None, Some(duration)) => Nanos(duration.0 + duration.0 / 10),
        _ => USUAL,
    };
    let cells = plan.cells() as u64;
    let runs = cells * u64::from(settings.runs);
    let profiles = settings.profile.map_or(0, |span| cells * (span.0 + BESIDE.0));
    let soaked = plan.cases.iter().filter(|case| case.has_soak);
    let soaks = soaked.map(|case| {
        plan.targets.iter().filter(|target| target.lack(case).is_none()).count() as u64
    });
    let soaks = settings.soak.map_or(0, |span| soaks.sum::<u64>() * (span.0 + BESIDE.0));
    let total = Nanos(runs * (each.0 + BESIDE.0) + cells * CHECK.0 + profiles + soaks);
    let mut page = format!(
        "{}: {} x {} = {}, {} each of {each}, about {} in all\n",
        plan.title,
        plural(plan.targets.len() as u64, "target"),
        plural(plan.cases.len() as u64, "case"),
        plural(cells, "cell"),
        plural(u64::from(settings.runs), "run"),
        rounded(total),
    );
    for target in &plan.targets {
        page.push_str(&format!("  {}  port {}  {}\n", target.name, target.port, target.command));
    }
    for case in &plan.cases {
        let connections = case.connections.map_or_else(String::new, |it| format!("  -c {it}"));
        page.push_str(&format!("  {}  {}{connections}\n", case.name, case.file));
        for target in &plan.targets {
            if let Some(why) = target.lack(case) {
                page.push_str(&format!("    not {}: {why}\n", target.name));
            }
        }
    }
    page
}

/// A time of which nobody wants the fractions.
fn rounded(span: Nanos) -> String {
    let seconds = span.0.div_ceil(1_000_000_000);
    match seconds {
        0..90 => format!("{seconds} s"),
        90..5_400 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{:.1} h", seconds as f64 / 3_600.0),
    }
}

/// Makes the runs and shows them.
struct Caller<'a> {
    suite: &'a Suite,
    args: &'a SuiteArgs,
}

impl Caller<'_> {
    /// The run as if it were typed.
    fn typed(&self, run: &SuiteRun<'_>) -> Result<RunArgs, Failure> {
        let (suite, case) = (self.suite, run.case);
        let settings = &suite.plan.settings;
        let file = suite.folder.join(&case.file);
        let mut words = vec!["uringbench".to_owned(), "run".to_owned(), file.display().to_string()];
        let mut add = |option: &str, value: String| words.extend([option.to_owned(), value]);
        add("--target", format!("http://127.0.0.1:{}", run.target.port));
        add("--name", format!("{}/{}", run.target.name, case.name));
        if let Some(flow) = &case.flow {
            add("--flow", flow.clone());
        }
        if run.kind == TurnKind::Check {
            add("-c", CHECK_CONNECTIONS.to_string());
            add("-d", format!("{}ms", CHECK.0 / 1_000_000));
            add("--warmup", "0".to_owned());
        } else {
            if let Some(connections) = case.connections {
                add("-c", connections.to_string());
            }
            if let Some(warmup) = settings.warmup {
                add("--warmup", format!("{}ms", warmup.0 / 1_000_000));
            }
            let duration = match run.kind {
                TurnKind::Profile => settings.profile,
                TurnKind::Soak => settings.soak,
                TurnKind::Check | TurnKind::Measure(_) => settings.duration,
            };
            if let Some(duration) = duration {
                add("-d", format!("{}ms", duration.0 / 1_000_000));
            }
            add("--tag", format!("suite/{}", suite.plan.name));
        }
        match run.kind {
            TurnKind::Check | TurnKind::Measure(_) => {}
            TurnKind::Profile => {
                add("--profile", run.pid.to_string());
                add("--profile-hz", PROFILE_HZ.to_string());
            }
            TurnKind::Soak => add("--profile", run.pid.to_string()),
        }
        for place in &self.args.store {
            add("--store", place.clone());
        }
        words.extend(settings.options.iter().chain(&case.options).cloned());
        let mut typed = match args::parse(words)? {
            Typed::Command(Command::Run(typed)) => *typed,
            Typed::Command(_) | Typed::Text(_) => {
                return Err(usage("`options` in the suite are those of `uringbench run`"));
            }
        };
        typed.telemetry.refuse("suite")?;
        typed.load.cores.clone_from(&self.args.cores);
        if run.kind == TurnKind::Check {
            typed.load.cores = None;
        }
        Ok(typed)
    }

    fn begins(&self, run: &SuiteRun<'_>, (done, of): (usize, usize), left: Option<Nanos>) {
        let kind = match run.kind {
            TurnKind::Check => "check".to_owned(),
            TurnKind::Measure(number) => format!("run {number}"),
            TurnKind::Profile => "profile".to_owned(),
            TurnKind::Soak => "soak".to_owned(),
        };
        let left = left.map_or_else(String::new, |left| format!("  about {} left", rounded(left)));
        let (target, case) = (&run.target.name, &run.case.name);
        console::rewrite(&format!("[{}/{of}] {target} {case} {kind}{left}", done + 1));
    }
}

impl SuiteCaller for Caller<'_> {
    fn experiment(
        &mut self,
        run: &SuiteRun<'_>,
    ) -> Result<Experiment, Box<dyn Error + Send + Sync>> {
        let typed = self.typed(run).map_err(|why| why.to_string())?;
        let experiment = resolve::resolve(&typed).map_err(|why| why.to_string())?.experiment;
        match run.kind {
            TurnKind::Soak => Ok(experiment.into_soak(SoakLoad::Steady)?),
            _ => Ok(experiment),
        }
    }

    fn notice(&mut self, notice: &SuiteNotice<'_>) {
        let is_seen = io::stderr().is_terminal();
        let note = |text: String| {
            if is_seen {
                console::rewrite("");
            }
            console::note(&text);
        };
        match notice {
            SuiteNotice::Unlimited(why) => note(format!("uringbench: {why}")),
            SuiteNotice::NoDatabase(why) => note(format!("uringbench: {why}")),
            SuiteNotice::NotEntered(why) => note(format!("uringbench: {why}")),
            SuiteNotice::Failed(target, "", why) => note(format!("{target}  failed: {why}")),
            SuiteNotice::Failed(target, case, why) => {
                note(format!("{target}  {case}  failed: {why}"));
            }
            SuiteNotice::NotBenchmarked(target, why) => {
                note(format!("{target}  benchmarks failed: {why}"));
            }
            _ if self.args.quiet => {}
            SuiteNotice::Benchmarks(target, command) => {
                note(format!("{target}  benchmarks: {command}"));
            }
            SuiteNotice::Installs(command) => note(format!("installing: {command}")),
            SuiteNotice::Begins { .. } if !is_seen => {}
            SuiteNotice::Begins { run, done, of, left } => {
                let left =
                    left.map(|left| Nanos(u64::try_from(left.as_nanos()).unwrap_or(u64::MAX)));
                self.begins(run, (*done, *of), left);
            }
            SuiteNotice::Ended(run, _) if run.kind == TurnKind::Check => {}
            SuiteNotice::Ended(run, document) => note(line(run, document)),
        }
    }
}

/// `fastapi  ping  1  12,340/s  p99 3.10 ms`.
fn line(run: &SuiteRun<'_>, document: &Document) -> String {
    let number = match run.kind {
        TurnKind::Measure(number) => number.to_string(),
        TurnKind::Check | TurnKind::Profile => "profile".to_owned(),
        TurnKind::Soak => "soak".to_owned(),
    };
    format!("{}  {}  {number}  {}", run.target.name, run.case.name, sides::figures(document))
}
