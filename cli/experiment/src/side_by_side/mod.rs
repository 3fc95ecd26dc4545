//! Two targets measured side by side: a run of one, a run of the other, in balanced random order,
//! each against a fresh process, until the caller has seen enough or the budget is spent.
//!
//! [`SideBySide`] is the input, [`SideRun`]s are the outcome. The caller makes the experiment of
//! each run, since the target is located when it runs, and decides what the runs mean.

mod order;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use uringbench_document::Document;
use uringbench_engine::{Command, Control};
use uringbench_store::StoreError;

use crate::experiment::{Experiment, ExperimentError, ResultPlace};
use crate::server::{Probe, RunningServer, ServerCommand, ServerError};

/// What is measured.
#[derive(Clone, Debug)]
pub struct SideBySide {
    /// The servers to start; none if a side runs already.
    pub sides: [Option<(ServerCommand, Probe)>; 2],
    /// The folder of all runs, with one folder for each side.
    pub folder: PathBuf,
    /// Of the order.
    pub seed: u64,
    /// Pairs at most.
    pub pairs: usize,
    /// No pair begins after this time.
    pub budget: Duration,
}

/// One run of a side.
#[derive(Clone, Debug)]
pub struct SideRun {
    /// Its folder.
    pub folder: PathBuf,
    /// Its result.
    pub document: Document,
}

/// The runs of both sides; those of a pair at the same place.
pub type SideRuns = [Vec<SideRun>; 2];

/// What the caller decides, and sees.
pub trait SideCaller {
    /// The experiment of a run of a side, whose target runs now; `profiled` is the process to
    /// sample.
    ///
    /// # Errors
    /// If the run cannot be made.
    fn experiment(
        &mut self,
        side: usize,
        profiled: Option<u32>,
    ) -> Result<Experiment, Box<dyn Error + Send + Sync>>;

    /// A run ended.
    fn run_ended(&mut self, _side: usize, _run: &SideRun) {}

    /// Whether no further pairs are needed. Called after each block of two pairs.
    fn is_enough(&mut self, runs: &SideRuns) -> bool;

    /// Whether a last pair with a profile should say why the sides differ. Asked only if both are
    /// started.
    fn wants_profile(&mut self, _runs: &SideRuns) -> bool {
        false
    }
}

/// Why there are no runs.
#[derive(Debug, thiserror::Error)]
pub enum SideError {
    /// A server did not become ready.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A run cannot be made.
    #[error("{0}")]
    Experiment(Box<dyn Error + Send + Sync>),
    /// A run gave no result.
    #[error("a run has no result")]
    Run(#[source] ExperimentError),
    /// A run is not stored.
    #[error("a run is not stored")]
    Store(#[source] StoreError),
    /// The user ended it before the first pair was complete.
    #[error("ended before the first pair was complete")]
    Interrupted,
}

/// The profiled runs, one of each side.
pub type ProfiledPair = [PathBuf; 2];

impl SideBySide {
    /// Measures. Ends early, with what is complete, if `control` says so.
    ///
    /// # Errors
    /// If a server does not start, or a run has no result.
    pub fn run(
        &self,
        control: &Control,
        caller: &mut dyn SideCaller,
    ) -> Result<(SideRuns, Option<ProfiledPair>), SideError> {
        let started = Instant::now();
        let mut runs: SideRuns = [Vec::new(), Vec::new()];
        for (at, pair) in order::balanced(self.pairs, self.seed).into_iter().enumerate() {
            let is_block_complete = at % 2 == 0 && at > 0;
            let is_over = started.elapsed() > self.budget && at > 0;
            if is_over || (is_block_complete && caller.is_enough(&runs)) {
                break;
            }
            match self.pair(pair, Some(at + 1), control, caller)? {
                Some([one, other]) => {
                    runs[0].push(one);
                    runs[1].push(other);
                }
                None if runs[0].is_empty() => return Err(SideError::Interrupted),
                None => return Ok((runs, None)),
            }
        }
        let mut profiled = None;
        if self.sides.iter().all(Option::is_some)
            && caller.wants_profile(&runs)
            && let Some([one, other]) = self.pair([0, 1], None, control, caller)?
        {
            profiled = Some([one.folder, other.folder]);
        }
        Ok((runs, profiled))
    }

    /// A run of each side, in this order: the pair of this number, or without one the profiled
    /// pair. `None` if the user ended one.
    fn pair(
        &self,
        order: [usize; 2],
        number: Option<usize>,
        control: &Control,
        caller: &mut dyn SideCaller,
    ) -> Result<Option<[SideRun; 2]>, SideError> {
        let mut of_side = [None, None];
        for side in order {
            let name = ["a", "b"][side];
            let folder = match number {
                Some(number) => self.folder.join(name).join(format!("{number:02}")),
                None => self.folder.join("profiled").join(name),
            };
            let run = match self.one(side, &folder, number.is_none(), control, caller) {
                Err(SideError::Server(ServerError::Interrupted(_))) => return Ok(None),
                run => run?,
            };
            if control.command() != Command::Run {
                return Ok(None);
            }
            caller.run_ended(side, &run);
            of_side[side] = Some(run);
        }
        let [one, other] = of_side;
        Ok(one.zip(other).map(|(one, other)| [one, other]))
    }

    fn one(
        &self,
        side: usize,
        folder: &Path,
        is_profiled: bool,
        control: &Control,
        caller: &mut dyn SideCaller,
    ) -> Result<SideRun, SideError> {
        let running = match &self.sides[side] {
            Some((server, probe)) => {
                let destination = uringbench_store::Destination::prepare(folder);
                destination.map_err(SideError::Store)?;
                let log = folder.join("target.log");
                Some(ServerCommand { log, ..server.clone() }.start(probe, control)?)
            }
            None => None,
        };
        let profiled = running.as_ref().filter(|_| is_profiled).map(RunningServer::pid);
        let experiment = caller.experiment(side, profiled).map_err(SideError::Experiment)?;
        let place = ResultPlace::Folder(folder.to_path_buf());
        let experiment = Experiment { place, ..experiment };
        let finished = experiment.run(control, &mut ()).map_err(SideError::Run)?;
        drop(running);
        let folder = finished.stored.map_err(SideError::Store)?;
        Ok(SideRun { folder, document: finished.document })
    }
}
