//! The sides of a comparison that is measured: their servers and CPUs, the experiment of each run,
//! the folder of all runs, and the line that shows one.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context;
use uringbench_core::plan::Plan;
use uringbench_core::time::Nanos;
use uringbench_document::Document;
use uringbench_experiment::Experiment;
use uringbench_experiment::server::{Probe, READY_WITHIN, Ready, ServerCommand};
use uringbench_experiment::side_by_side::SideRun;
use uringbench_machine::cpu_set::CpuSet;
use uringbench_machine::cpus::{self, CoreSpec};
use uringbench_report::comparison::value;
use uringbench_store::{Destination, run_folder};

use crate::args::{LoadArgs, RunArgs};
use crate::exit::Failure;
use crate::resolve;
use crate::store_place::StorePlace;
use crate::url::Url;

/// Samples per second and CPU of runs that explain a difference: some, in a short run.
const EXPLAIN_HZ: u32 = 1_999;

/// A new folder for all runs.
pub(crate) fn folder(run: &RunArgs, name: &str) -> Result<PathBuf, Failure> {
    let destination = match &run.output.out {
        Some(folder) => Destination::prepare(folder),
        None => {
            let place = StorePlace::of(&run.history.store)?;
            let plan = resolve::resolve(run)?.experiment.plan;
            let peer = plan.peers().first().map_or_else(String::new, ToString::to_string);
            let name = run.output.name.as_deref().unwrap_or(name);
            Destination::prepare_new(&run_folder(&place.root, &peer, name, SystemTime::now()))
        }
    };
    let destination = destination.context("nothing was measured: it could not be stored")?;
    Ok(destination.folder().to_path_buf())
}

/// The servers of the sides that are started.
pub(crate) fn servers(
    commands: &[Option<String>; 2],
    runs: &[RunArgs; 2],
    folders: [&Path; 2],
) -> Result<[Option<(ServerCommand, Probe)>; 2], Failure> {
    let mut servers = [None, None];
    for (side, command) in commands.iter().enumerate() {
        let Some(command) = command else { continue };
        let plan = resolve::resolve(&runs[side])?.experiment.plan;
        let server = ServerCommand {
            cpus: target_cpus(&runs[side].load),
            ..ServerCommand::new(command.as_str(), folders[side], PathBuf::new())
        };
        servers[side] = Some((server, probe(&plan)?));
    }
    Ok(servers)
}

/// The CPUs of a target that is started here: those that the workers do not name, or the first
/// half.
pub(crate) fn target_cpus(load: &LoadArgs) -> CpuSet {
    let allowed = cpus::allowed();
    let of_workers = match &load.cores {
        Some(CoreSpec::List(cpus)) => cpus.clone(),
        _ => allowed.iter().skip(allowed.len().div_ceil(2)).collect(),
    };
    let left: CpuSet = allowed.iter().filter(|&cpu| !of_workers.contains(cpu)).collect();
    if left.is_empty() { allowed } else { left }
}

fn probe(plan: &Plan) -> Result<Probe, Failure> {
    let peer = plan.peers().into_iter().next().context("the target has no address")?;
    let is_plain = plan.tls().is_none()
        && plan.workload.websocket().is_none()
        && plan.workload.database().is_none()
        && plan.workload.calls().is_none();
    let path = Url::parse(&plan.target.url).ok().map(|url| url.path);
    let path = path.filter(|_| is_plain);
    Ok(Probe { peer, ready: path.map_or(Ready::Accepts, Ready::Answers), within: READY_WITHIN })
}

/// The experiment of one run of a side whose target runs now.
pub(crate) fn experiment(
    run: &RunArgs,
    profiled: Option<u32>,
) -> Result<Experiment, Box<dyn Error + Send + Sync>> {
    let mut run = run.clone();
    if let Some(pid) = profiled {
        run.profile.profile = Some(pid.to_string());
        run.profile.profile_hz = Some(EXPLAIN_HZ);
    }
    resolve::resolve(&run).map(|run| run.experiment).map_err(|why| why.to_string().into())
}

/// `A 03  48,210/s  p99 1.20 ms  20.5 µs CPU/request`.
pub(crate) fn line(name: &str, run: &SideRun) -> String {
    let number = run.folder.file_name().unwrap_or_default().to_string_lossy();
    format!("{name} {number}  {}", figures(&run.document))
}

/// `48,210/s  p99 1.20 ms  20.5 µs CPU/request`.
pub(crate) fn figures(document: &Document) -> String {
    let rate = value("per_s", document.rate.completed);
    let p99 = document
        .latency_ns
        .response
        .p99
        .map_or_else(String::new, |p99| format!("  p99 {}", Nanos(p99)));
    let cpu = document.target_usage.as_ref().and_then(|usage| usage.cpu_us_per_request);
    let cpu = cpu.map_or_else(String::new, |us| format!("  {us:.2} µs CPU/request"));
    let validity = match document.verdict.validity.as_str() {
        "valid" => String::new(),
        other => format!("  {}", other.to_uppercase()),
    };
    format!("{rate}{p99}{cpu}{validity}")
}
