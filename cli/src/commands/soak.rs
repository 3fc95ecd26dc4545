//! `uringbench soak`: a long load with a verdict on what the target keeps.

use uringbench_core::plan::{Limit, Load};
use uringbench_core::record::INTERVAL;
use uringbench_core::time::Nanos;
use uringbench_engine::Control;
use uringbench_profiler::soak;

use crate::args::SoakArgs;
use crate::execution;
use crate::exit::{Exit, Failure};
use crate::resolve::resolve;
use crate::scenario;
use crate::signals;

/// Length of the measured window unless asked otherwise.
const DURATION: Nanos = Nanos::from_secs(600);

/// Decide the plan, load, judge.
pub(crate) fn execute(mut args: SoakArgs) -> Result<Exit, Failure> {
    if args.run.profile.profile.is_none() {
        return Err(Failure::Usage(
            "soak watches a target's memory: say which with --profile PID, NAME or cgroup:PATH"
                .to_owned(),
        ));
    }
    let is_scenario = args.run.url.as_deref().is_some_and(|url| scenario::named(url).is_some());
    // A scenario lasts as long as its file says.
    if args.run.load.requests.is_none() && !is_scenario {
        args.run.load.duration.get_or_insert(DURATION);
    }
    let mut run = resolve(args.run)?;
    run.plan.slice = INTERVAL;
    run.is_soak = true;
    if let Some(profile) = &mut run.profile {
        profile.follows_memory = true;
    }
    if args.dose {
        let (Load::Open { rate, .. }, Limit::Duration(length)) =
            (&mut run.plan.load, run.plan.limit)
        else {
            return Err(Failure::Usage(
                "--dose changes a rate over time: give it with -R, and -d instead of -n".to_owned(),
            ));
        };
        if !run.plan.stretches.is_empty() {
            return Err(Failure::Usage(
                "--dose changes the rate by itself: give a constant one with -R, or leave the \
                 stages out of the file"
                    .to_owned(),
            ));
        }
        *rate = rate.doubled().ok_or_else(|| {
            Failure::Usage("--dose sends up to twice the rate: lower -R".to_owned())
        })?;
        run.plan.stages = soak::stages(run.plan.warmup, length, run.plan.seed);
    }
    let control = Control::new();
    signals::forward_to(control.clone())?;
    execution::execute(&run, &control)
}
