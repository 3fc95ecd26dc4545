//! A suite: every target started, checked and measured with every case, in an order that treats all
//! targets alike; what fails is named, and the rest goes on.
//!
//! [`Suite`] is the input, [`CellOutcome`]s are the outcome. The caller makes the experiment of
//! each run, and shows the progress. A run that is stored is never made again: a suite that ended
//! early goes on where it stopped, whatever ended it.

mod cell;
mod database;
mod document;
mod microbench;
mod running;
mod sampler;

use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use uringbench_document::Document;
use uringbench_engine::{Command, Control};
use uringbench_machine::cgroup::{self, GroupRefused};
use uringbench_machine::cpu_set::CpuSet;
use uringbench_scenario::suite::{
    Case, DatabaseKind, DatabasePlan, InstallPlan, SuitePlan, SuiteTurn, TargetPlan, TargetSession,
    TurnKind, schedule,
};
use uringbench_store::{
    EnterError, HistoryPlace, ReadRunError, StoreError, StoredRun, suite_folder,
};

use crate::experiment::{Experiment, ExperimentError, ResultPlace};
use crate::finished::Finished;
use crate::server::{ServerCommand, ServerError, has_gone, kill_left, own_name};
use cell::refusal;
use database::DatabaseServer;
use running::RunningTarget;

pub use cell::{CellOutcome, CellRun};
pub use database::DatabaseError;

/// The beginning of the names of folders and control groups that belong to a running suite.
const PREFIX: &str = "uringbench-";

/// What is measured, and where the results go.
#[derive(Clone, Debug)]
pub struct Suite {
    /// What the file says.
    pub plan: SuitePlan,
    /// The folder of the file.
    pub folder: PathBuf,
    /// The folder of all results.
    pub results: PathBuf,
    /// The CPUs of targets and their database.
    pub cpus: CpuSet,
    /// The database server to use instead of a new one.
    pub database: Option<String>,
}

/// One run that is to be made.
#[derive(Clone, Copy, Debug)]
pub struct SuiteRun<'a> {
    /// The target, which runs now.
    pub target: &'a TargetPlan,
    /// What it is measured with.
    pub case: &'a Case,
    /// What the run is for.
    pub kind: TurnKind,
    /// The process at the root of the target.
    pub pid: u32,
    /// The folder of the result.
    pub folder: &'a Path,
}

/// What the caller provides, and sees.
pub trait SuiteCaller {
    /// The experiment of a run. It is entered into its history only if the run is kept.
    ///
    /// # Errors
    /// If it cannot be made.
    fn experiment(
        &mut self,
        run: &SuiteRun<'_>,
    ) -> Result<Experiment, Box<dyn Error + Send + Sync>>;

    /// Something happened.
    fn notice(&mut self, notice: &SuiteNotice<'_>);
}

/// What happened.
#[derive(Debug)]
pub enum SuiteNotice<'a> {
    /// The install command runs.
    Installs(&'a str),
    /// The benchmarks of a target run, by this command.
    Benchmarks(&'a str, &'a str),
    /// The benchmarks of a target have no results.
    NotBenchmarked(&'a str, &'a str),
    /// Limits cannot be set: everything runs without them.
    Unlimited(&'a GroupRefused),
    /// There is no database: cells that need it are not measured.
    NoDatabase(&'a DatabaseError),
    /// A run begins: so many of so many cells and rounds are done.
    Begins {
        /// The run.
        run: &'a SuiteRun<'a>,
        /// Runs that are done.
        done: usize,
        /// All runs.
        of: usize,
        /// The time that the rest takes, if it takes as long as what is done.
        left: Option<Duration>,
    },
    /// A run is stored, but not entered into the history or its database.
    NotEntered(&'a EnterError),
    /// A run ended.
    Ended(&'a SuiteRun<'a>, &'a Document),
    /// A cell is not measured from here on.
    Failed(&'a str, &'a str, &'a str),
}

/// Everything that was measured.
#[derive(Clone, Debug)]
pub struct SuiteOutcome {
    /// The cells, by case and then by target.
    pub cells: Vec<CellOutcome>,
    /// Why limits could not be set, if so.
    pub unlimited: Option<String>,
    /// Whether the user ended it early.
    pub is_interrupted: bool,
    /// The time of all of it, and that of the load alone.
    pub took: (Duration, Duration),
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// The install command failed.
    #[error("the suite cannot be installed")]
    Install(#[source] ServerError),
    /// A folder or file cannot be made.
    #[error("cannot use {}: {cause}", path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// A run cannot be made, of whichever target.
    #[error("{0}")]
    Experiment(Box<dyn Error + Send + Sync>),
    /// A run could not begin or broke off because something is missing here.
    #[error("a run has no result")]
    Run(#[source] ExperimentError),
    /// A run is not stored.
    #[error("a run is not stored")]
    Store(#[source] StoreError),
    /// A stored run cannot be read again.
    #[error("cannot go on")]
    Read(#[source] ReadRunError),
    /// The user ended it before anything was measured.
    #[error("ended before anything was measured")]
    Interrupted,
}

impl Suite {
    /// Measures everything that has no stored run yet. Ends early if `control` says so.
    ///
    /// # Errors
    /// If this machine or the suite cannot do it, not if a target cannot.
    pub fn run(
        &self,
        control: &Control,
        caller: &mut dyn SuiteCaller,
    ) -> Result<SuiteOutcome, SuiteError> {
        remove_left();
        if let Some(install) = &self.plan.install {
            self.install(install, control, caller)?;
        }
        self.microbenchmarks(control, caller);
        let scratch = std::env::temp_dir().join(format!("{PREFIX}{}", own_name()));
        fs::create_dir_all(&scratch)
            .map_err(|cause| SuiteError::Folder { path: scratch.clone(), cause })?;
        let _scratch = database::RemovedFolder(scratch.clone());
        let mut progress = Progress {
            suite: self,
            control,
            caller,
            cells: self.cells()?,
            database: Err("the suite has none".to_owned()),
            scratch,
            unlimited: None,
            done: 0,
            of: 0,
            began: Instant::now(),
            loaded: Duration::ZERO,
        };
        progress.prepare_database();
        progress.run_all()?;
        let is_interrupted = control.command() != Command::Run;
        let Progress { cells, unlimited, began, loaded, .. } = progress;
        if is_interrupted && cells.iter().all(|cell| cell.runs.is_empty()) {
            return Err(SuiteError::Interrupted);
        }
        Ok(SuiteOutcome { cells, unlimited, is_interrupted, took: (began.elapsed(), loaded) })
    }

    fn install(
        &self,
        install: &InstallPlan,
        control: &Control,
        caller: &mut dyn SuiteCaller,
    ) -> Result<(), SuiteError> {
        let changed =
            |file: &str| fs::metadata(self.folder.join(file)).and_then(|it| it.modified());
        if let Some(made) = install.creates.as_ref().and_then(|file| changed(file).ok()) {
            let is_newer = |input: &String| changed(input).is_ok_and(|input| input <= made);
            if install.inputs.iter().all(is_newer) {
                return Ok(());
            }
        }
        caller.notice(&SuiteNotice::Installs(&install.command));
        let log = self.results.join("install.log");
        let command = ServerCommand::new(install.command.as_str(), &self.folder, log);
        command.complete(control).map_err(|why| match why {
            ServerError::Interrupted(_) => SuiteError::Interrupted,
            why => SuiteError::Install(why),
        })
    }

    /// All cells, with the runs that are stored already.
    fn cells(&self) -> Result<Vec<CellOutcome>, SuiteError> {
        let mut cells = Vec::new();
        for (case_number, case) in self.plan.cases.iter().enumerate() {
            for (target_number, target) in self.plan.targets.iter().enumerate() {
                let mut cell = CellOutcome {
                    target: target_number,
                    case: case_number,
                    failure: target.lack(case).map(str::to_owned),
                    is_lacking: target.lack(case).is_some(),
                    is_closed: false,
                    runs: Vec::new(),
                    profile: None,
                    soak: None,
                    is_checked: false,
                    is_wrong: false,
                    killed_for_memory: 0,
                };
                for number in 1..=self.plan.settings.runs {
                    let folder = self.run_folder(target, case, TurnKind::Measure(number));
                    if let Some(document) = stored(&folder)? {
                        cell.runs.push(CellRun { number, folder, document });
                    }
                }
                let profile = self.run_folder(target, case, TurnKind::Profile);
                cell.profile = stored(&profile)?.map(|_| profile);
                let soak = self.run_folder(target, case, TurnKind::Soak);
                cell.soak =
                    stored(&soak)?.map(|document| CellRun { number: 0, folder: soak, document });
                cells.push(cell);
            }
        }
        Ok(cells)
    }

    fn run_folder(&self, target: &TargetPlan, case: &Case, kind: TurnKind) -> PathBuf {
        let of_case = suite_folder(&self.results, &target.name, &case.name);
        match kind {
            TurnKind::Check => of_case.join("check"),
            TurnKind::Measure(number) => of_case.join(format!("run-{number:02}")),
            TurnKind::Profile => of_case.join("profile"),
            TurnKind::Soak => of_case.join("soak"),
        }
    }
}

/// The run in a folder, if there is one.
fn stored(folder: &Path) -> Result<Option<Document>, SuiteError> {
    if !folder.join("run.json").is_file() {
        return Ok(None);
    }
    let run = StoredRun::open(folder).map_err(SuiteError::Read)?;
    Ok(Some(run.document))
}

/// Ends and deletes what suites have left that were killed.
fn remove_left() {
    kill_left();
    let is_left = |name: &str| name.strip_prefix(PREFIX).is_some_and(has_gone);
    cgroup::remove_left_groups(PREFIX, is_left);
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_left) {
            // Another user's is that user's to delete.
            let _left = fs::remove_dir_all(entry.path());
        }
    }
}

/// A suite while it runs.
struct Progress<'a> {
    suite: &'a Suite,
    control: &'a Control,
    caller: &'a mut dyn SuiteCaller,
    cells: Vec<CellOutcome>,
    /// The database server, or why there is none.
    database: Result<DatabaseServer, String>,
    scratch: PathBuf,
    unlimited: Option<String>,
    done: usize,
    of: usize,
    began: Instant,
    /// The time of the load.
    loaded: Duration,
}

/// How a turn ended, for the ones after it.
enum TurnEnd {
    /// The target still runs.
    Runs,
    /// It has ended, or lost a process: it has to be started for the next turn.
    Ended,
    /// It may fail because of an earlier turn: it has to be started again for this one.
    Again,
}

impl Progress<'_> {
    fn prepare_database(&mut self) {
        let Some(DatabasePlan { kind: DatabaseKind::Postgres, .. }) = &self.suite.plan.database
        else {
            return;
        };
        let started = match &self.suite.database {
            Some(url) => DatabaseServer::at(url, self.scratch.clone()),
            None => {
                let folder = self.scratch.join("postgres");
                DatabaseServer::start(folder, &self.suite.cpus, self.control)
            }
        };
        self.database = started.map_err(|why| {
            self.caller.notice(&SuiteNotice::NoDatabase(&why));
            why.to_string()
        });
    }

    fn run_all(&mut self) -> Result<(), SuiteError> {
        let sessions = {
            let cells = &self.cells;
            let targets = self.suite.plan.targets.len();
            schedule(&self.suite.plan, |target, turn: SuiteTurn| {
                let cell = &cells[turn.case * targets + target];
                match turn.kind {
                    TurnKind::Check => false,
                    TurnKind::Measure(number) => cell.runs.iter().any(|it| it.number == number),
                    TurnKind::Profile => cell.profile.is_some(),
                    TurnKind::Soak => cell.soak.is_some(),
                }
            })
        };
        let counted = |turn: &&SuiteTurn| turn.kind != TurnKind::Check;
        self.of = sessions.iter().flat_map(|it| &it.turns).filter(counted).count();
        for session in &sessions {
            if self.control.command() != Command::Run {
                break;
            }
            self.session(session)?;
        }
        for cell in &mut self.cells {
            cell.runs.sort_by_key(|run| run.number);
        }
        Ok(())
    }

    fn session(&mut self, session: &TargetSession) -> Result<(), SuiteError> {
        let mut running: Option<RunningTarget> = None;
        for turn in &session.turns {
            if self.control.command() != Command::Run {
                break;
            }
            if turn.kind != TurnKind::Check {
                self.done += 1;
            }
            let at = self.cell(session.target, turn.case);
            if self.cells[at].is_closed {
                continue;
            }
            let (suite, case) = (self.suite, &self.suite.plan.cases[turn.case]);
            if let Err(why) = self.database.as_ref()
                && case.needs_database
            {
                let why = why.clone();
                self.fail(at, why);
                continue;
            }
            loop {
                if running.is_none() {
                    match self.start(&suite.plan.targets[session.target]) {
                        Ok(started) => running = Some(started),
                        Err(ServerError::Interrupted(_)) => return Ok(()),
                        Err(why) => {
                            let why = why.to_string();
                            self.fail_target(session.target, &why);
                            return Ok(());
                        }
                    }
                }
                let Some(target) = &mut running else { break };
                let end = self.turn(target, at, *turn)?;
                if matches!(end, TurnEnd::Ended | TurnEnd::Again)
                    && let Some(ended) = running.take()
                {
                    ended.end(self.database.as_ref().ok());
                }
                if !matches!(end, TurnEnd::Again) {
                    break;
                }
            }
        }
        if let Some(running) = running {
            running.end(self.database.as_ref().ok());
        }
        Ok(())
    }

    fn cell(&self, target: usize, case: usize) -> usize {
        case * self.suite.plan.targets.len() + target
    }

    /// Makes no further run of a cell.
    fn fail(&mut self, cell: usize, why: String) {
        let plan = &self.suite.plan;
        let CellOutcome { target, case, .. } = self.cells[cell];
        let names = (&plan.targets[target].name, &plan.cases[case].name);
        self.caller.notice(&SuiteNotice::Failed(names.0, names.1, &why));
        self.cells[cell].close(why, plan.settings.runs);
    }

    /// Makes no further run of all cells of a target.
    fn fail_target(&mut self, target: usize, why: &str) {
        let plan = &self.suite.plan;
        self.caller.notice(&SuiteNotice::Failed(&plan.targets[target].name, "", why));
        for cell in self.cells.iter_mut().filter(|cell| cell.target == target) {
            cell.close(why.to_owned(), plan.settings.runs);
        }
    }

    fn start(&mut self, target: &TargetPlan) -> Result<RunningTarget, ServerError> {
        let (started, refused) = RunningTarget::start(
            self.suite,
            target,
            self.database.as_ref().ok(),
            &self.scratch,
            self.control,
        )?;
        if let Some(refused) = refused
            && self.unlimited.is_none()
        {
            self.caller.notice(&SuiteNotice::Unlimited(&refused));
            self.unlimited = Some(refused.to_string());
        }
        Ok(started)
    }

    fn turn(
        &mut self,
        running: &mut RunningTarget,
        cell: usize,
        turn: SuiteTurn,
    ) -> Result<TurnEnd, SuiteError> {
        let suite = self.suite;
        let CellOutcome { target, case, .. } = self.cells[cell];
        let (target, case) = (&suite.plan.targets[target], &suite.plan.cases[case]);
        let folder = suite.run_folder(target, case, turn.kind);
        let run = SuiteRun { target, case, kind: turn.kind, pid: running.pid(), folder: &folder };
        self.announce(&run);
        let (finished, history) = self.load(running, &run)?;
        let is_fresh = running.is_fresh();
        running.has_served();
        let killed = running.killed_for_memory();
        self.cells[cell].killed_for_memory = self.cells[cell].killed_for_memory.max(killed);
        let has_ended = running.has_ended();
        // What lost a process may serve the next turn with the rest, or not at all.
        let end = if has_ended || killed > 0 { TurnEnd::Ended } else { TurnEnd::Runs };
        let finished = match finished {
            Ok(finished) => finished,
            // Without a target there is no connection, and no run.
            Err(_) if has_ended => {
                self.fail(cell, running.obituary(killed));
                return Ok(end);
            }
            Err(ExperimentError::NotBegun(_)) if !is_fresh => return Ok(TurnEnd::Again),
            Err(ExperimentError::NotBegun(why)) => {
                self.fail(cell, why.to_string());
                return Ok(end);
            }
            Err(why) => return Err(SuiteError::Run(why)),
        };
        finished.stored.map_err(SuiteError::Store)?;
        let document = finished.document;
        self.caller.notice(&SuiteNotice::Ended(&run, &document));
        let is_interrupted = self.control.command() != Command::Run;
        // A soak reports the end of its target itself.
        if has_ended && !is_interrupted && turn.kind != TurnKind::Soak {
            self.discard(&folder)?;
            self.fail(cell, running.obituary(killed));
            return Ok(end);
        }
        if turn.kind == TurnKind::Check && !is_interrupted {
            let why = refusal(&document);
            if why.is_some() && !is_fresh {
                return Ok(TurnEnd::Again);
            }
            match why {
                // Its run is kept, to look at.
                Some(why) => {
                    self.cells[cell].is_wrong = true;
                    self.fail(cell, format!("wrong answer: {why}"));
                }
                None => {
                    self.cells[cell].is_checked = true;
                    self.discard(&folder)?;
                }
            }
        } else if is_interrupted {
            // A run that was cut short is made again when the suite goes on.
            self.discard(&folder)?;
        } else {
            self.enter(&folder, history);
            self.keep(running, (cell, turn.kind), folder, document);
        }
        Ok(end)
    }

    /// Keeps a run that is whole.
    fn keep(
        &mut self,
        running: &RunningTarget,
        (cell, kind): (usize, TurnKind),
        folder: PathBuf,
        document: Document,
    ) {
        match kind {
            // It has a result of its own only if it fails.
            TurnKind::Check => {}
            TurnKind::Measure(number) => {
                running.store_figures(&folder, self.database.as_ref().ok());
                self.cells[cell].runs.push(CellRun { number, folder, document });
            }
            TurnKind::Profile => self.cells[cell].profile = Some(folder),
            TurnKind::Soak => {
                self.cells[cell].soak = Some(CellRun { number: 0, folder, document });
            }
        }
    }

    /// Makes the run, and follows what the target uses meanwhile.
    fn load(
        &mut self,
        running: &RunningTarget,
        run: &SuiteRun<'_>,
    ) -> Result<(Result<Finished, ExperimentError>, Option<HistoryPlace>), SuiteError> {
        let mut experiment = self.caller.experiment(run).map_err(SuiteError::Experiment)?;
        experiment.place = ResultPlace::Folder(run.folder.to_path_buf());
        let history = experiment.history.take();
        let _followed = running.follow(self.suite, run);
        let began = Instant::now();
        let finished = experiment.run(self.control, &mut ());
        if run.kind != TurnKind::Check {
            self.loaded += began.elapsed();
        }
        Ok((finished, history))
    }

    /// Enters a run that is kept.
    fn enter(&mut self, folder: &Path, history: Option<HistoryPlace>) {
        if let Some(Err(why)) = history.map(|history| history.add(folder)) {
            self.caller.notice(&SuiteNotice::NotEntered(&why));
        }
    }

    fn announce(&mut self, run: &SuiteRun<'_>) {
        let (done, of) = (self.done.saturating_sub(1), self.of);
        let left = self.began.elapsed().checked_div(u32::try_from(done).unwrap_or(u32::MAX));
        let left = left.map(|each| each * u32::try_from(of - done).unwrap_or(u32::MAX));
        self.caller.notice(&SuiteNotice::Begins { run, done, of, left });
    }

    fn discard(&self, folder: &Path) -> Result<(), SuiteError> {
        fs::remove_dir_all(folder)
            .map_err(|cause| SuiteError::Folder { path: folder.to_path_buf(), cause })
    }
}
