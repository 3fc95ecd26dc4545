//! One run, from the plan to the stored result.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use uringbench_core::http::secrets::without_secrets;
use uringbench_core::plan::Plan;
use uringbench_core::record::{Backend, RunRecord};
use uringbench_core::slo::{Measured, SloFinding};
use uringbench_core::summary::Summary;
use uringbench_core::validity::{self, ProcessCpu};
use uringbench_decision::insights;
use uringbench_document::target::{ProcessUsage, TargetUsage};
use uringbench_document::{
    Document, DocumentParts, EncodeError, Environment, GitRevision, HistogramLog, KnownSecrets,
    PlanFile,
};
use uringbench_engine::{Control, RunError};
use uringbench_faults::{FaultRunner, InjectionReport, JournalError};
use uringbench_machine::environment;
use uringbench_machine::git::SourceRevision;
use uringbench_machine::observe::HostObserver;
use uringbench_machine::target::TargetLocation;
use uringbench_store::{Destination, HistoryPlace, IntervalFile, StoreError, run_folder};

use crate::chaos::ChaosRun;
use crate::finished::Finished;
use crate::observer::ExperimentObserver;
use crate::profiling::{ProfilePlan, ProfileReport, ProfiledRun};
use crate::secrets::Secrets;
use crate::watch::{Seen, Watch};

/// The largest requests in bytes that are stored with the plan of a run.
const PLAN_BYTES_MAX: usize = 16 << 20;

/// Most processes of the target that are listed.
const PROCESSES_MAX: usize = 64;

/// The settings of one run.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// What the engine executes, with the objectives that it must meet.
    pub plan: Plan,
    /// The name of the run.
    pub name: Option<String>,
    /// Further names, by which it is found later.
    pub tags: Vec<String>,
    /// The location of the target, with its processes if it is on this machine.
    pub target: TargetLocation,
    /// The sampling of the target during the run, if any.
    pub profile: Option<ProfilePlan>,
    /// What fails during the run, if anything.
    pub chaos: Option<ChaosRun>,
    /// The parts of the plan that are not stored.
    pub secrets: Secrets,
    /// Whether secrets are stored nevertheless.
    pub keeps_secrets: bool,
    /// The place of the result.
    pub place: ResultPlace,
    /// The history into which the run is entered, if it is.
    pub history: Option<HistoryPlace>,
}

/// The folder of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResultPlace {
    /// This folder; it replaces the files of an earlier run in it.
    Folder(PathBuf),
    /// A new folder below this one, named after target, request and time.
    Below(PathBuf),
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum ExperimentError {
    /// No folder can be created.
    #[error("nothing was started: results could not be stored")]
    NoFolder(#[source] StoreError),
    /// No fault could be undone if this process ended.
    #[error("nothing was started: faults could not be undone")]
    NoUndo(#[source] JournalError),
    /// The engine could not start.
    #[error("the run did not begin")]
    NotBegun(#[source] RunError),
    /// The engine failed during the run; the figures would be incomplete.
    #[error("the run broke off")]
    BrokenOff(#[source] RunError),
    /// The record cannot be written as a document.
    #[error("cannot make the result document")]
    NoDocument(#[source] EncodeError),
    /// The record cannot be written as a log of histograms.
    #[error("cannot make the histogram log")]
    NoHistograms(#[source] EncodeError),
}

impl Experiment {
    /// Executes, evaluates and stores the run. Returns the result even if it cannot be stored.
    ///
    /// # Errors
    /// There is no result.
    pub fn run(
        &self,
        control: &Control,
        observer: &mut dyn ExperimentObserver,
    ) -> Result<Finished, ExperimentError> {
        let started = SystemTime::now();
        let destination = self.destination(started).map_err(ExperimentError::NoFolder)?;
        let faults = self.chaos.as_ref().map(ChaosRun::prepare).transpose();
        let faults = faults.map_err(ExperimentError::NoUndo)?;
        let target_cpus = self.target.cpus();
        let profiled = self.profile.as_ref().map(|asked| {
            ProfiledRun::start(asked, &self.plan, target_cpus.as_ref(), destination.folder())
        });
        let mut watch = Watch {
            plan: &self.plan,
            machine: HostObserver::new(self.target.clone(), &self.plan.transport.cpus),
            profiled: profiled.as_ref(),
            observer,
            log_of: (&destination, started),
            faults: faults.map(|ready| (ready, control.clone())),
            seen: Seen::default(),
        };
        let result = uringbench_engine::run(&self.plan, control, &mut watch);
        watch.observer.load_ended();
        let mut seen = watch.seen;
        let injected = seen.injecting.take().map(FaultRunner::finish).unwrap_or_default();
        let record = match result {
            Ok(record) => record,
            Err(error) => {
                drop(seen);
                // Nothing was measured, so an empty folder would be confusing. A folder with files
                // stays, since this call removes only empty ones.
                let _kept = std::fs::remove_dir(destination.folder());
                return Err(broken_off(error));
            }
        };
        let profile = profiled.map_or_else(ProfileReport::default, |profiled| {
            let url = self.stored_url();
            let title = self.name.as_deref().unwrap_or(&url);
            let names = (title, self.name.as_deref());
            profiled.detach().report(&self.plan, &record, destination.folder(), names)
        });
        self.conclude((&destination, started), (record, injected), seen, profile)
    }

    /// Evaluates and stores the record.
    fn conclude(
        &self,
        (destination, started): (&Destination, SystemTime),
        (mut record, injected): (RunRecord, Vec<InjectionReport>),
        seen: Seen,
        profile: ProfileReport,
    ) -> Result<Finished, ExperimentError> {
        let summary = Summary::of(&self.plan, &record);
        let verdict = validity::judge(&self.plan, &record, &summary, &seen.observations);
        let mut slo = self.objectives(&summary);
        let chaos = self.chaos.as_ref().map(|it| it.result(&self.plan, &mut record, &injected));
        let verdict = match &chaos {
            Some(chaos) => verdict.with(chaos.reasons.clone()),
            None => verdict,
        };
        let mut document = Document::build(DocumentParts {
            plan: &self.plan,
            url: &self.stored_url(),
            method: &self.plan.target.method,
            name: self.name.as_deref(),
            started,
            record: &record,
            summary: &summary,
            verdict: &verdict,
            slo: &slo,
            environment: &this_machine(record.backend),
            target_usage: target_usage(&record, &seen),
            git: revision(&self.target),
            tags: &self.tags,
            target: profile.target,
            cost: profile.cost,
            soak: profile.soak,
            timeline: profile.timeline,
        })
        .map_err(ExperimentError::NoDocument)?;
        if !self.keeps_secrets && KnownSecrets::may_be_in(&document) {
            let known = KnownSecrets::of(&self.plan, &self.secrets.texts);
            known.map_err(ExperimentError::NoDocument)?.hide(&mut document);
        }
        if let Some(chaos) = chaos {
            document.chaos = Some(chaos.figures);
            slo.extend(chaos.objectives);
        }
        document.insights = insights(&document);
        let histograms =
            HistogramLog::of(&record, started).map_err(ExperimentError::NoHistograms)?;
        let stored = self.store(destination, &document, &histograms, seen.log);
        let entered = match (&stored, &self.history) {
            (Ok(()), Some(history)) => history.add(destination.folder()),
            _ => Ok(()),
        };
        Ok(Finished {
            document,
            validity: verdict.validity,
            slo,
            is_soak: self.profile.as_ref().is_some_and(|profile| profile.follows_memory),
            stored: stored.map(|()| destination.folder().to_path_buf()),
            entered,
            halted: record.workers.into_iter().find_map(|worker| worker.halted),
        })
    }

    fn destination(&self, started: SystemTime) -> Result<Destination, StoreError> {
        match &self.place {
            ResultPlace::Folder(folder) => Destination::prepare(folder),
            ResultPlace::Below(root) => {
                let named = self.name.clone().unwrap_or_else(|| self.request());
                Destination::prepare_new(&self.folder_below(root, &named, started))
            }
        }
    }

    /// The method and the path, which name a run without a name.
    pub(crate) fn request(&self) -> String {
        let url = self.stored_url();
        format!("{} {}", self.plan.target.method, authority_and_path(&url).1)
    }

    /// The address of the target as files and pages have it: without secrets, unless they are kept.
    pub fn stored_url(&self) -> Cow<'_, str> {
        match self.keeps_secrets {
            true => Cow::Borrowed(&*self.plan.target.url),
            false => Cow::Owned(without_secrets(&self.plan.target.url)),
        }
    }

    /// The folder of results of this name, below `root`.
    pub(crate) fn folder_below(&self, root: &Path, name: &str, started: SystemTime) -> PathBuf {
        run_folder(root, authority_and_path(&self.stored_url()).0, name, started)
    }

    /// Compares every objective with the figures to which it applies.
    fn objectives(&self, summary: &Summary) -> Vec<SloFinding> {
        let whole = Measured::of_run(summary);
        let findings = self.plan.observe.objectives.iter().flat_map(|objective| {
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
        findings.collect()
    }

    fn store(
        &self,
        destination: &Destination,
        document: &Document,
        histograms: &HistogramLog,
        log: Option<IntervalFile>,
    ) -> Result<(), StoreError> {
        destination.write_document(document)?;
        destination.write_plan(self.plan_file()?.as_ref())?;
        destination.write_log(histograms)?;
        log.map_or(Ok(()), |log| log.finish().map(|_| ()))
    }

    /// The plan to store, unless its requests are too large to store with every run.
    fn plan_file(&self) -> Result<Option<PlanFile>, StoreError> {
        if self.plan.workload.bytes().len() > PLAN_BYTES_MAX {
            return Ok(None);
        }
        let name = self.name.as_deref();
        if self.keeps_secrets {
            return Ok(Some(PlanFile::whole(&self.plan, name)?));
        }
        let Secrets { texts, tables } = &self.secrets;
        Ok(Some(PlanFile::of(&self.plan, name, texts, tables)?))
    }
}

/// The target's use of this machine. The readings are taken shortly after the window's ends, so its
/// share of the time between them counts for the window.
fn target_usage(record: &RunRecord, seen: &Seen) -> Option<TargetUsage> {
    let cpu = seen.observations.target?;
    let answers = record.counts.completed();
    let measured = record.windows.measured()?;
    let seconds = measured.end.since(measured.start).as_secs_f64();
    let process = |process: &ProcessCpu| ProcessUsage {
        pid: process.pid,
        name: process.name.clone(),
        cpus: process.used,
    };
    let processes = seen.observations.target_processes.iter().take(PROCESSES_MAX);
    Some(TargetUsage {
        cpus: cpu.used,
        cpus_allowed: cpu.allowed,
        cpu_us_per_request: (answers > 0).then(|| cpu.used * seconds * 1e6 / answers as f64),
        memory_bytes: seen.target_memory,
        throttled_periods: seen.observations.target_throttled_periods,
        processes: processes.map(process).collect(),
    })
}

/// Host with port, and path with query, of a plan's URL: `http://host:80/path`.
fn authority_and_path(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_scheme, rest)| rest);
    rest.split_at(rest.find('/').unwrap_or(rest.len()))
}

/// Why there is no record.
fn broken_off(error: RunError) -> ExperimentError {
    match error {
        RunError::WorkerLost { .. } => ExperimentError::BrokenOff(error),
        _ => ExperimentError::NotBegun(error),
    }
}

/// This machine, in the fields of the result document.
fn this_machine(backend: Backend) -> Environment {
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
        fingerprint: None,
    }
}

/// The revision of the source: where the target works if it is on this machine, or else where this
/// process does.
fn revision(target: &TargetLocation) -> Option<GitRevision> {
    let of_target = target.working_folder().and_then(|folder| SourceRevision::of(&folder));
    let found = of_target.or_else(|| SourceRevision::of(&std::env::current_dir().ok()?))?;
    let SourceRevision { commit, branch } = found.in_ci(|name| std::env::var(name).ok());
    Some(GitRevision { commit, branch })
}
