//! A run with faults: its processes, the thread that injects, and the figures afterwards.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use uringbench_core::chaos::{
    ChaosAnalysis, ChaosInput, ChaosPlan, Injection, InjectionTimes, PlannedProcess, PlannedProxy,
};
use uringbench_core::outcome::Outcome;
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
/// Share of failures before the first fault beyond which figures are suspect, as for other runs.
const ERRORS_MAX: f64 = 0.01;
/// Share of failures before the first fault beyond which there is nothing to compare with.
const FAILING: f64 = 0.5;

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
    folder: PathBuf,
    control: Control,
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
        let (started, control) = (Mutex::new(started), control.clone());
        Ok(Self { started, proxies: running, control, ..Self::default() }.in_folder(&folder))
    }

    /// The same, whose commands run in this folder.
    #[must_use]
    pub fn in_folder(mut self, folder: &Path) -> Self {
        // Who undoes them may be elsewhere. Only an empty path has no absolute one.
        self.folder = std::path::absolute(folder).unwrap_or_else(|_| PathBuf::from("/"));
        self
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

    fn restart(&self, name: &str) -> Result<bool, String> {
        let lock = || self.started.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown = || format!("`{name}` was not started by this run");
        let place = lock().iter().position(|started| started.name == name).ok_or_else(unknown)?;
        let (command, probe, old) = {
            let ours = &mut lock()[place];
            (ours.command.clone(), ours.probe.clone(), ours.server.take())
        };
        // Others are found while this one starts.
        drop(old);
        match command.start(&probe, &self.control) {
            Ok(server) => lock()[place].server = Some(server),
            Err(ServerError::Interrupted(_)) => return Ok(false),
            Err(why) => return Err(why.to_string()),
        }
        Ok(true)
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

    fn folder(&self) -> PathBuf {
        self.folder.clone()
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
        record: &mut RunRecord,
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
            has_steps: plan.workload.script().is_some_and(|script| script.steps().count() > 1),
        };
        let rows = record.due_rows.take();
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
        Some(analysis) => {
            reasons.extend(baseline_failing(analysis));
            if analysis.is_unsteady {
                let message = "the target changed before the first fault, so what came after it \
                               says less; give it a longer --warmup, or begin the fault later";
                reasons.push(reason("baseline_unsteady", message.to_owned(), Severity::Suspect));
            }
        }
        None => {}
    }
    reasons
}

/// A target that fails before the first fault has nothing to lose by it, and nothing to recover.
fn baseline_failing(analysis: &ChaosAnalysis) -> Option<Reason> {
    let baseline = &analysis.baseline;
    let due = baseline.due();
    let failures = due - baseline.of(Outcome::Ok);
    let share = failures as f64 / due.max(1) as f64;
    let severity = if share > FAILING || baseline.good() == 0 {
        Severity::Invalid
    } else if share > ERRORS_MAX {
        Severity::Suspect
    } else {
        return None;
    };
    let message = format!(
        "{failures} of the {due} requests before the first fault failed and {} were good: what a \
         fault cost cannot be seen; repair the target, or raise `good`",
        baseline.good()
    );
    Some(Reason { code: "baseline_failing", message, severity })
}

#[cfg(test)]
mod tests {
    use uringbench_core::chaos::DueRows;

    use super::*;

    /// The analysis of 100 requests in each row of 10 s, some of which fail.
    fn analysis(failures: u16) -> ChaosAnalysis {
        let mut rows = DueRows::new(Timestamp(0), Nanos::from_secs(10), Some(Nanos::SECOND));
        for row in 0..100 {
            let at = Timestamp(0) + Nanos::from_millis(100 * row);
            rows.ended(at, at + Nanos::MILLISECOND, Outcome::Ok, 100 - failures);
            rows.ended(at, at + Nanos::MILLISECOND, Outcome::Status, failures);
        }
        let times = InjectionTimes {
            fault: 0,
            injected: Nanos::from_secs(5),
            effective: Some(Nanos::from_secs(5)),
            cleared: Some(Nanos::from_secs(6)),
        };
        let input = ChaosInput {
            injections: &[times],
            window: (Nanos::ZERO, Nanos::from_secs(10)),
            good: Some(Nanos::SECOND),
            availability: 0.999,
            has_steps: false,
        };
        ChaosAnalysis::of(rows, &input).expect("the baseline is long enough")
    }

    #[test]
    fn a_target_that_fails_before_the_fault_is_no_result() {
        let severity = |failures| baseline_failing(&analysis(failures)).map(|it| it.severity);
        assert_eq!(severity(1), None);
        assert_eq!(severity(2), Some(Severity::Suspect));
        assert_eq!(severity(50), Some(Severity::Suspect));
        assert_eq!(severity(51), Some(Severity::Invalid));
        assert_eq!(severity(100), Some(Severity::Invalid));
    }
}
