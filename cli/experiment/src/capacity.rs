//! A capacity search executed: each trial one experiment with a stored run of its own, below the
//! folder of the search.
//!
//! `uringbench-decision` chooses the trials and computes the answer; here they are run one after
//! the other. The next begins when the last has nothing in flight any more. An interruption ends
//! the search with the answer so far.

mod document;

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use uringbench_core::plan::{Arrivals, Limit, Load, PlanError};
use uringbench_core::rate::Rate;
use uringbench_core::slo::{ShareObjective, Slo, SloError};
use uringbench_core::time::Nanos;
use uringbench_decision::capacity::{
    CapacityGoal, CapacitySearch, CapacityTrial, SearchSettings, TrialResult, bad_requests,
    trial_limit,
};
use uringbench_document::capacity::{CapacityDocument, TrialFigures};
use uringbench_document::{EncodeError, Environment};
use uringbench_engine::{Command, Control, RunError};
use uringbench_store::{Destination, StoreError};

use crate::experiment::{Experiment, ExperimentError, ResultPlace};
use crate::finished::Finished;
use crate::observer::ExperimentObserver;

/// A search of five minutes, and its trials; others are longer or shorter in proportion.
const BUDGET: f64 = 300.0;
const INITIAL: f64 = 2.0;
const FULL: f64 = 10.0;
const SUM: f64 = 30.0;
const EXCEED_RATIO: f64 = 0.5;
/// Load before the measured window, as a share of it.
const WARMUP: f64 = 0.1;
/// The folder of the trials, below that of the search.
const TRIALS: &str = "trials";

/// A search to run.
#[derive(Clone, Debug)]
pub struct Capacity {
    /// A run; its load and its length are those of each trial.
    pub experiment: Experiment,
    /// The objectives.
    pub slo: Slo,
    /// The load that is varied.
    pub over: Varied,
    /// The first load.
    pub from: f64,
    /// The highest load allowed.
    pub to: f64,
    /// The width of the answer, as a share of its lower end.
    pub width: f64,
    /// The longest time.
    pub budget: Nanos,
}

/// The load that a search varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Varied {
    /// Requests, or flows of a scenario, per second, due in this distribution.
    Rate(Arrivals),
    /// Connections of a closed loop.
    Connections,
}

/// The outcome of a search.
#[derive(Debug)]
pub struct CapacityFinished {
    /// The whole result.
    pub document: CapacityDocument,
    /// The folder of the search, or why it is not stored.
    pub stored: Result<Destination, StoreError>,
}

/// Follows a search, and the run of each trial. `()` ignores both.
pub trait CapacityObserver: ExperimentObserver {
    /// A trial has ended, the first with number 1.
    fn trial_ended(&mut self, _number: usize, _trial: &TrialFigures) {}
}

impl CapacityObserver for () {}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CapacityError {
    /// An objective does not divide requests.
    #[error(transparent)]
    Slo(#[from] SloError),
    /// The folder of the search cannot be created.
    #[error("nothing was started: results could not be stored")]
    NoFolder(#[source] StoreError),
    /// A load is not one that the plan can have.
    #[error("the search reached a load that cannot be offered")]
    Plan(#[from] PlanError),
    /// A trial has no result.
    #[error("trial {number}")]
    Trial {
        /// Its number.
        number: usize,
        /// Why.
        #[source]
        cause: ExperimentError,
    },
    /// The histogram of a trial cannot be read.
    #[error(transparent)]
    Histogram(#[from] EncodeError),
}

/// One search in progress.
struct Progress<'a> {
    capacity: &'a Capacity,
    objectives: Vec<ShareObjective>,
    search: CapacitySearch,
    trials: Vec<TrialFigures>,
    folder: PathBuf,
    host: Environment,
    /// Why it ended before its time: a trial could not be run.
    ended: Option<String>,
}

impl Capacity {
    /// Runs trials until the answer is found, the time is over or `control` ends it.
    ///
    /// # Errors
    /// There is no answer.
    pub fn run(
        &self,
        control: &Control,
        observer: &mut dyn CapacityObserver,
    ) -> Result<CapacityFinished, CapacityError> {
        let started = SystemTime::now();
        let objectives = self.slo.shares()?;
        let destination = self.destination(started).map_err(CapacityError::NoFolder)?;
        let mut progress = Progress {
            capacity: self,
            search: CapacitySearch::new(self.settings(&objectives)),
            objectives,
            trials: Vec::new(),
            folder: destination.folder().to_path_buf(),
            host: Environment::default(),
            ended: None,
        };
        while let Some(trial) = progress.search.next_trial() {
            let number = progress.trials.len() + 1;
            if !progress.run(number, trial, control, observer)? {
                break;
            }
        }
        let document = progress.document(started, control.command() != Command::Run);
        let stored = destination.write_capacity(&document).map(|_| destination);
        Ok(CapacityFinished { document, stored })
    }

    fn destination(&self, started: SystemTime) -> Result<Destination, StoreError> {
        match &self.experiment.place {
            ResultPlace::Folder(folder) => Destination::prepare(folder),
            ResultPlace::Below(root) => {
                let named = self.experiment.name.clone();
                let named = named.unwrap_or_else(|| self.experiment.request());
                let named = format!("capacity {named}");
                Destination::prepare_new(&self.experiment.folder_below(root, &named, started))
            }
        }
    }

    fn settings(&self, objectives: &[ShareObjective]) -> SearchSettings {
        let budget = self.budget.as_secs_f64();
        let scale = budget / BUDGET;
        let goals = objectives.iter();
        SearchSettings {
            goals: goals
                .map(|it| CapacityGoal { name: it.text.clone(), loss_ratio: it.share })
                .collect(),
            from: self.from,
            to: self.to,
            width: self.width,
            is_whole: self.over == Varied::Connections,
            initial: INITIAL * scale,
            full: FULL * scale,
            sum: SUM * scale,
            exceed_ratio: EXCEED_RATIO,
            budget,
        }
    }

    /// The run of one trial.
    fn experiment(
        &self,
        number: usize,
        trial: &CapacityTrial,
        folder: &Path,
    ) -> Result<Experiment, PlanError> {
        let plan = self.experiment.plan.clone().with(|plan| {
            match self.over {
                Varied::Rate(arrivals) => {
                    let milli = (trial.load * 1e3).round() as u64;
                    if let Some(rate) = Rate::from_milli(milli) {
                        plan.load = Load::open(rate, arrivals);
                    }
                }
                Varied::Connections => {
                    let count = trial.load.round() as u32;
                    plan.load = Load::Closed;
                    plan.transport.connections.count = count;
                    plan.transport.cpus.truncate(count as usize);
                }
            }
            let window = Nanos((trial.seconds * 1e9).round() as u64);
            plan.limits.window = Limit::Duration(window);
            plan.limits.warmup = Nanos((trial.seconds * WARMUP * 1e9).round() as u64);
            plan.seed = plan.seed.wrapping_add(number as u64 - 1);
        })?;
        let place = ResultPlace::Folder(folder.to_path_buf());
        Ok(Experiment { plan, place, ..self.experiment.clone() })
    }
}

impl Progress<'_> {
    /// Runs a trial; `false` if it counts for nothing, because it was interrupted, or the target
    /// is gone.
    fn run(
        &mut self,
        number: usize,
        trial: CapacityTrial,
        control: &Control,
        observer: &mut dyn CapacityObserver,
    ) -> Result<bool, CapacityError> {
        let began = Instant::now();
        let name = format!("{TRIALS}/{number:03}");
        let experiment = self.capacity.experiment(number, &trial, &self.folder.join(&name))?;
        let finished = match experiment.run(control, observer) {
            Ok(finished) => finished,
            Err(ExperimentError::NotBegun(RunError::Interrupted)) => return Ok(false),
            Err(ExperimentError::NotBegun(why @ RunError::Unreachable { .. })) if number > 1 => {
                self.ended = Some(format!("trial {number} was the last: {why}"));
                return Ok(false);
            }
            Err(cause) => return Err(CapacityError::Trial { number, cause }),
        };
        if control.command() != Command::Run {
            return Ok(false);
        }
        let Finished { document, .. } = &finished;
        let (bad, of) = bad_requests(document, &self.objectives)?;
        let limit = trial_limit(document, &self.objectives);
        let took = began.elapsed().as_secs_f64();
        let result = TrialResult { bad, of, limit, took };
        let figures = self.figures(name, &trial, &result, document);
        observer.trial_ended(number, &figures);
        self.host = document.host.clone();
        self.trials.push(figures);
        self.search.record(trial, result);
        Ok(true)
    }
}
