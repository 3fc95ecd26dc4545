//! A soak: a run that ends in a verdict on the memory of the target.

use uringbench_core::plan::{Course, Limit, Load, Plan, PlanError};
use uringbench_core::record::INTERVAL;
use uringbench_profiler::soak;

use crate::experiment::Experiment;

/// Why a run cannot be a soak, and the fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SoakError {
    /// No target is observed.
    #[error("soak needs a target to observe: add --profile PID, NAME or cgroup:PATH")]
    NoProfile,
    /// There is no rate to change, or no end in time.
    #[error("--dose changes a rate over time: give it with -R, and -d instead of -n")]
    NoRate,
    /// The rate already changes.
    #[error(
        "--dose changes the rate by itself: give a constant one with -R, or leave the stages out \
         of the file"
    )]
    RateChanges,
    /// Twice the rate is not a valid rate.
    #[error("--dose sends up to twice the rate: lower -R")]
    TooFast,
    /// The parts do not form a valid plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// The load of a soak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoakLoad {
    /// As planned.
    Steady,
    /// Nothing, the planned rate and twice that rate in turn, to find whether growth follows the
    /// load.
    Dosed,
}

impl Experiment {
    /// The same run as a soak of the target that it profiles.
    ///
    /// # Errors
    /// It profiles no target, or its rate cannot be changed for `load`.
    pub fn into_soak(mut self, load: SoakLoad) -> Result<Self, SoakError> {
        self.profile.as_mut().ok_or(SoakError::NoProfile)?.follows_memory = true;
        let load = match load {
            SoakLoad::Steady => self.plan.load.clone(),
            SoakLoad::Dosed => dosed(&self.plan)?,
        };
        self.plan = self.plan.with(|plan| {
            plan.observe.slice = INTERVAL;
            plan.load = load;
        })?;
        Ok(self)
    }
}

fn dosed(plan: &Plan) -> Result<Load, SoakError> {
    let (Load::Open { rate, arrivals, course }, Limit::Duration(length)) =
        (&plan.load, plan.limits.window)
    else {
        return Err(SoakError::NoRate);
    };
    if *course != Course::Even {
        return Err(SoakError::RateChanges);
    }
    let double = rate.doubled().ok_or(SoakError::TooFast)?;
    let segments = soak::segments((*rate, double), plan.limits.warmup, length, plan.seed);
    Ok(Load::Open { rate: double, arrivals: *arrivals, course: Course::Segments(segments) })
}
