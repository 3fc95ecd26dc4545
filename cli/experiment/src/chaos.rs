//! A run with faults: its processes, the thread that injects, and the figures afterwards.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use uringbench_core::chaos::{
    ChaosAnalysis, ChaosInput, ChaosPlan, Injection, InjectionTimes, PlannedProcess, PlannedProxy,
};
use uringbench_core::plan::{Peer, Plan};
use uringbench_core::record::RunRecord;
use uringbench_core::slo::SloFinding;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_core::validity::{Reason, Severity};
use uringbench_document::SloHeld;
use uringbench_document::chaos::{ChaosFigures, FaultFigures};
use uringbench_engine::Control;
use uringbench_faults::proxy::{Proxy, ProxyControl};
use uringbench_faults::{
    FaultRunner, FoundProcesses, InjectionReport, JournalError, ReadyFaults, Targets,
};
use uringbench_machine::processes;
use uringbench_profiler::selector::{self, Selector};

use crate::server::{Probe, Ready, RunningServer, ServerCommand, ServerError};

/// How long a process of the plan may take until it accepts connections.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// The faults of a run, and what they need.
#[derive(Clone, Debug)]
pub struct ChaosRun {
    /// The plan.
    pub plan: ChaosPlan,
    /// When each fault is injected.
    pub injections: Vec<Injection>,
    /// The targets.
    pub targets: Arc<ChaosTargets>,
    /// The folder of journals.
    pub journals: PathBuf,
    /// This program, which is also the watchdog.
    pub program: PathBuf,
}

/// The processes that the run started, and whatever else it may do to this machine.
#[derive(Debug, Default)]
pub struct ChaosTargets {
    started: Mutex<Vec<Started>>,
    proxies: Vec<(String, Proxy)>,
    kept_folders: Vec<PathBuf>,
    kept_cpus: Vec<usize>,
}

#[derive(Debug)]
struct Started {
    name: String,
    command: ServerCommand,
    probe: Probe,
    server: Option<RunningServer>,
}

impl ChaosTargets {
    /// Starts the processes of a plan, in order, in this folder, and its proxies; the output of
    /// processes goes into files in `logs`. All end when this is dropped.
    ///
    /// # Errors
    /// A process does not become ready, or an address is in use.
    pub fn start(
        (planned, proxies): (&[PlannedProcess], &[PlannedProxy]),
        (folder, logs): (PathBuf, PathBuf),
        control: &Control,
    ) -> Result<Self, ServerError> {
        let mut running = Vec::new();
        for proxy in proxies {
            let name = proxy.name.clone();
            let failed = |why| ServerError::NotStarted(format!("proxy {}", proxy.listen), why);
            running.push((name, Proxy::start(proxy).map_err(failed)?));
        }
        let mut started = Vec::new();
        for process in planned {
            let log = logs.join(format!("{}.log", process.name.replace('/', "-")));
            let mut command = ServerCommand::new(&process.command, &folder, log);
            let ours = std::env::current_exe().map(|path| path.display().to_string());
            command.variables.extend(ours.ok().map(|path| ("URINGBENCH".to_owned(), path)));
            let peer = Peer::Tcp(process.ready);
            let probe = Probe { peer, ready: Ready::Accepts, within: READY_WITHIN };
            let server = Some(command.start(&probe, control)?);
            started.push(Started { name: process.name.clone(), command, probe, server });
        }
        Ok(Self { started: Mutex::new(started), proxies: running, ..Self::default() })
    }

    /// The same, which keeps these folders writable and these CPUs free.
    #[must_use]
    pub fn keeping(mut self, folders: Vec<PathBuf>, cpus: Vec<usize>) -> Self {
        (self.kept_folders, self.kept_cpus) = (folders, cpus);
        self
    }
}

impl Targets for ChaosTargets {
    fn find(&self, name: &str) -> Result<FoundProcesses, String> {
        let started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ours) = started.iter().find(|started| started.name == name) {
            let root = ours.server.as_ref().map(RunningServer::pid);
            let members = root.map(|pid| processes::descendants(&[pid])).unwrap_or_default();
            return Ok(FoundProcesses { members, cgroup: None });
        }
        drop(started);
        let selector: Selector =
            name.parse().map_err(|why: selector::SelectorError| why.to_string())?;
        let found = selector::resolve(&selector).map_err(|why| why.to_string())?;
        Ok(FoundProcesses { members: found.members, cgroup: found.cgroup })
    }

    fn is_ours(&self, name: &str) -> bool {
        let started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        started.iter().any(|started| started.name == name)
    }

    fn restart(&self, name: &str) -> Result<(), String> {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(ours) = started.iter_mut().find(|started| started.name == name) else {
            return Err(format!("`{name}` was not started by this run"));
        };
        ours.server = None;
        // It comes back also when the run is ended meanwhile.
        let server = ours.command.start(&ours.probe, &Control::new());
        ours.server = Some(server.map_err(|why| why.to_string())?);
        Ok(())
    }

    fn proxy(&self, name: &str) -> Option<Arc<ProxyControl>> {
        self.proxies.iter().find(|(known, _)| known == name).map(|(_, proxy)| proxy.control())
    }

    fn kept_folders(&self) -> Vec<PathBuf> {
        self.kept_folders.clone()
    }

    fn kept_cpus(&self) -> Vec<usize> {
        self.kept_cpus.clone()
    }
}

/// What the faults of a run did.
pub(crate) struct ChaosResult {
    pub(crate) figures: ChaosFigures,
    pub(crate) objectives: Vec<SloFinding>,
    pub(crate) reasons: Vec<Reason>,
}

impl ChaosRun {
    /// The journal and the watchdog: without them nothing begins.
    pub(crate) fn prepare(&self) -> Result<ReadyFaults, JournalError> {
        let targets: Arc<dyn Targets> = Arc::<ChaosTargets>::clone(&self.targets);
        let schedule = (&self.plan, self.injections.as_slice());
        FaultRunner::prepare(schedule, targets, &self.journals, &self.program)
    }

    /// The figures of what was injected.
    pub(crate) fn result(
        &self,
        plan: &Plan,
        record: &RunRecord,
        reports: &[InjectionReport],
    ) -> ChaosResult {
        let start = record.start();
        let since = |time: Timestamp| time.since(start);
        let times: Vec<_> = reports
            .iter()
            .map(|report| InjectionTimes {
                fault: report.fault,
                injected: since(report.injected),
                effective: report.effective.map(since),
                cleared: report.cleared.map(since),
            })
            .collect();
        let window = record.windows.measured();
        let window = window.map_or((plan.limits.warmup, Nanos(u64::MAX)), |measured| {
            (since(measured.start), since(measured.end))
        });
        let input = ChaosInput {
            injections: &times,
            window,
            good: self.plan.good,
            availability: self.plan.availability,
        };
        let rows = record.due_rows.clone();
        let analysis = rows.and_then(|rows| ChaosAnalysis::of(rows, &input));
        let name_of = |fault: usize| self.plan.faults[fault].name.as_str();
        let injections = analysis.as_ref().map(|it| it.injections.as_slice()).unwrap_or_default();
        let objectives = self.plan.objectives.iter();
        let objectives: Vec<_> =
            objectives.flat_map(|objective| objective.compare(injections, name_of)).collect();
        let faults = reports.iter().zip(&times).map(|(report, times)| self.figures(report, times));
        let held = objectives.iter().map(SloHeld::from).collect();
        let figures = ChaosFigures::of(analysis.as_ref(), self.plan.good, faults.collect(), held);
        let reasons = reasons(analysis.as_ref(), &figures);
        ChaosResult { figures, objectives, reasons }
    }

    fn figures(&self, report: &InjectionReport, times: &InjectionTimes) -> FaultFigures {
        let fault = &self.plan.faults[report.fault];
        let seconds = |time: Option<Nanos>| time.map(Nanos::as_secs_f64);
        FaultFigures {
            done: report.done.clone(),
            t_effective_s: seconds(times.effective),
            t_clear_s: seconds(times.cleared),
            undone: report.left.is_none(),
            failure: report.failure.clone(),
            left: report.left.clone(),
            ..FaultFigures::new(&fault.name, &fault.kind, times.injected)
        }
    }
}

/// What speaks against these figures.
fn reasons(analysis: Option<&ChaosAnalysis>, figures: &ChaosFigures) -> Vec<Reason> {
    let reason = |code, message: String, severity| Reason { code, message, severity };
    let mut reasons = Vec::new();
    for fault in &figures.faults {
        if let Some(failure) = &fault.failure {
            let message = format!("`{}` did not work: {failure}", fault.name);
            reasons.push(reason("fault_not_effective", message, Severity::Invalid));
        }
        if let Some(left) = &fault.left {
            let message = format!("`{}` may be still there: {left}", fault.name);
            reasons.push(reason("fault_not_cleared", message, Severity::Invalid));
        }
    }
    match analysis {
        None if !figures.faults.is_empty() => {
            let message = "too few requests or too little time before the first fault: nothing \
                           can be compared with them; begin it later, or raise the rate";
            reasons.push(reason("too_few_rows", message.to_owned(), Severity::Invalid));
        }
        Some(analysis) if analysis.is_unsteady => {
            let message = "the target changed before the first fault, so what came after it says \
                           less; give it a longer --warmup, or begin the fault later";
            reasons.push(reason("baseline_unsteady", message.to_owned(), Severity::Suspect));
        }
        _ => {}
    }
    reasons
}
