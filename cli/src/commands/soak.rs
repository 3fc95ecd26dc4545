//! `uringbench soak`: a long load with a verdict on what the target keeps.

use uringbench_core::time::Nanos;
use uringbench_engine::Control;
use uringbench_experiment::{SoakError, SoakLoad};

use crate::args::SoakArgs;
use crate::execution;
use crate::exit::{Exit, Failure, usage};
use crate::resolve::{ResolvedRun, resolve};
use crate::scenario;
use crate::signals;

/// Length of the measured window unless asked otherwise.
const DURATION: Nanos = Nanos::from_secs(600);

/// Decide the plan, load, judge.
pub(crate) fn execute(mut args: SoakArgs) -> Result<Exit, Failure> {
    if args.run.profile.profile.is_none() {
        return Err(refused(SoakError::NoProfile));
    }
    let is_scenario = args.run.url.as_deref().is_some_and(|url| scenario::named(url).is_some());
    // A scenario lasts as long as its file says.
    if args.run.load.requests.is_none() && !is_scenario {
        args.run.load.duration.get_or_insert(DURATION);
    }
    let run = resolve(&args.run)?;
    let load = if args.dose { SoakLoad::Dosed } else { SoakLoad::Steady };
    let experiment = run.experiment.into_soak(load).map_err(refused)?;
    let run = ResolvedRun { experiment, ..run };
    let control = Control::new();
    signals::forward_to(control.clone())?;
    execution::execute(&run, &control)
}

fn refused(why: SoakError) -> Failure {
    usage(why.to_string())
}
