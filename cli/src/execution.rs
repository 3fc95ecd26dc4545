//! One run from plan to printed and stored result.

use std::time::SystemTime;

use anyhow::{Context, anyhow};
use uringbench_core::record::Backend;
use uringbench_core::slo::{Measured, Met, SloFinding};
use uringbench_core::summary::Summary;
use uringbench_core::validity::{self, Validity};
use uringbench_document::{Document, DocumentParts, Environment, HistogramLog, PlanFile};
use uringbench_engine::{Control, RunError};
use uringbench_machine::environment;
use uringbench_machine::observe;
use uringbench_report::text;
use uringbench_store::{Destination, IntervalFile, StoreError, run_folder};

use crate::console;
use crate::exit::{Exit, Failure};
use crate::profiling::{ProfileReport, ProfiledRun};
use crate::progress::Watch;
use crate::resolve::{Format, ResolvedRun};
use crate::wanted::Secrets;

/// The folder results go to when none is named.
const RESULTS: &str = "results";
/// Requests larger than that are not stored with the plan of a run.
const PLAN_BYTES_MAX: usize = 16 << 20;

/// Execute, print, store. Results are printed even when they cannot be stored; that is then the
/// failure.
pub(crate) fn execute(run: &ResolvedRun, control: &Control) -> Result<Exit, Failure> {
    let started = SystemTime::now();
    let destination = destination(run, started)?;
    let machine = observe::HostObserver::new(run.target.clone(), &run.plan.transport.cpus);
    let target_cpus = run.target.cpus();
    let profiled = run.profile.as_ref().map(|asked| {
        ProfiledRun::start(asked, &run.plan, target_cpus.as_ref(), destination.folder())
    });
    let log = (&destination, started);
    let mut watch = Watch::new(&run.plan, machine, run.progress, profiled.as_ref(), log);
    let result = uringbench_engine::run(&run.plan, control, &mut watch);
    let (observed, log) = watch.end();
    let record = match result {
        Ok(record) => record,
        Err(error) => {
            drop(log);
            // Nothing was measured: an empty folder would only puzzle. One with files in it stays,
            // since only empty folders can be removed so.
            let _kept = std::fs::remove_dir(destination.folder());
            return Err(broken_off(error).into());
        }
    };

    let summary = Summary::of(&run.plan, &record);
    let verdict = validity::judge(&run.plan, &record, &summary, &observed);
    let url = run.url.to_string();
    let profile = profiled.map_or_else(ProfileReport::default, |profiled| {
        let title = run.name.as_deref().unwrap_or(&url);
        profiled.detach().report(
            &run.plan,
            &record,
            destination.folder(),
            (title, run.name.as_deref()),
        )
    });
    let slo = judged(run, &summary);
    let environment = host(record.backend);
    let document = Document::build(DocumentParts {
        plan: &run.plan,
        url: &url,
        method: &run.plan.target.method,
        name: run.name.as_deref(),
        started,
        record: &record,
        summary: &summary,
        verdict: &verdict,
        slo: &slo,
        environment: &environment,
        target: profile.target,
        soak: profile.soak,
        timeline: profile.timeline,
    })
    .context("cannot make the result document")?;
    let histograms = HistogramLog::of(&record, started).context("cannot make the histogram log")?;
    let stored = store(&destination, (&document, run), &histograms, log);
    let folder = stored.is_ok().then(|| destination.folder());
    let result = match run.format {
        Format::Json => format!("{}\n", document.to_json().context("cannot write JSON")?),
        Format::Text => text::summary(&document, folder, console::colour()),
    };
    console::print(&result)?;
    stored?;
    if let Some(why) = record.workers.iter().find_map(|worker| worker.halted.as_ref()) {
        return Err(
            anyhow!("the run was ended, io_uring_enter fails again and again: {why}").into()
        );
    }
    let exit = exit(verdict.validity, &slo);
    Ok(if run.is_soak { exit_of_soak(&document, exit) } else { exit })
}

/// Why there is no record.
fn broken_off(error: RunError) -> anyhow::Error {
    let what = match error {
        RunError::WorkerLost { .. } => "the run broke off",
        _ => "the run did not begin",
    };
    anyhow::Error::new(error).context(what)
}

/// Every objective against the figures it is about.
fn judged(run: &ResolvedRun, summary: &Summary) -> Vec<SloFinding> {
    let whole = Measured::of_run(summary);
    let judged = run.plan.observe.objectives.iter().flat_map(|objective| {
        let script = summary.script.as_ref();
        let about = match (objective.flow, objective.step) {
            (None, _) => Some(whole.clone()),
            (Some(flow), None) => {
                script.and_then(|script| script.flows.get(flow)).map(Measured::of_flow)
            }
            (Some(flow), Some(step)) => {
                script.and_then(|script| script.step(flow, step)).map(Measured::of_step)
            }
        };
        about.map(|about| objective.limit.judge(&about)).unwrap_or_default()
    });
    judged.collect()
}

fn destination(run: &ResolvedRun, started: SystemTime) -> Result<Destination, Failure> {
    let prepared = if let Some(folder) = &run.out {
        Destination::prepare(folder)
    } else {
        let target = run.url.authority();
        let request = format!("{} {}", run.plan.target.method, run.url.path);
        let scenario = run.name.clone().unwrap_or(request);
        Destination::prepare_new(&run_folder(RESULTS.as_ref(), &target, &scenario, started))
    };
    Ok(prepared.context("nothing was started: results could not be stored")?)
}

fn store(
    destination: &Destination,
    (document, run): (&Document, &ResolvedRun),
    histograms: &HistogramLog,
    log: Option<IntervalFile>,
) -> Result<(), Failure> {
    let stored = || {
        destination.write_document(document)?;
        destination.write_plan(plan_file(run)?.as_ref())?;
        destination.write_log(histograms)?;
        log.map_or(Ok(()), |log| log.finish().map(|_| ()))
    };
    stored().context("the result above is not stored")?;
    Ok(())
}

/// The plan as it is stored, unless what is sent is too much to keep with every run.
fn plan_file(run: &ResolvedRun) -> Result<Option<PlanFile>, StoreError> {
    if run.plan.workload.bytes().len() > PLAN_BYTES_MAX {
        return Ok(None);
    }
    let Secrets { texts, tables } = &run.secrets;
    Ok(Some(PlanFile::of(&run.plan, run.name.as_deref(), texts, tables)?))
}

/// This machine, in the words of the result document.
fn host(backend: Backend) -> Environment {
    let machine = environment::read();
    let governors: Vec<String> = machine.governors.into_keys().collect();
    Environment {
        kernel: machine.kernel,
        cpu: machine.cpu,
        cores: Some(machine.cpus.len()),
        governor: (!governors.is_empty()).then(|| governors.join(", ")),
        engine: Some(backend.to_string()),
        clock: machine.clock_source,
        congestion_control: machine.congestion_control,
        hostname: machine.hostname,
        uringbench: Some(env!("CARGO_PKG_VERSION").to_owned()),
    }
}

/// A soak is a gate by itself, so it needs targets that were really watched.
fn exit_of_soak(document: &Document, exit: Exit) -> Exit {
    match (document.soak.as_ref().map(|soak| soak.verdict.as_str()), exit) {
        (Some("leak"), _) => Exit::GateFailed,
        (Some("inconclusive") | None, Exit::Success) => Exit::Inconclusive,
        (_, exit) => exit,
    }
}

/// A gate was asked for by an objective; without one, a verdict alone does not fail a run.
fn exit(validity: Validity, slo: &[SloFinding]) -> Exit {
    if slo.is_empty() {
        Exit::Success
    } else if validity == Validity::Invalid {
        Exit::Invalid
    } else if slo.iter().any(|finding| finding.met == Met::No) {
        Exit::SloFailed
    } else if slo.iter().any(|finding| finding.met == Met::Unknown) {
        Exit::Inconclusive
    } else {
        Exit::Success
    }
}
