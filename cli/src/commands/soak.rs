//! `uringbench soak`: a long load with a verdict on what the target keeps.

use uringbench_core::plan::{Course, Limit, Load, Plan};
use uringbench_core::record::INTERVAL;
use uringbench_core::time::Nanos;
use uringbench_engine::Control;
use uringbench_profiler::soak;

use crate::args::SoakArgs;
use crate::execution;
use crate::exit::{Exit, Failure, usage};
use crate::resolve::resolve;
use crate::scenario;
use crate::signals;

/// Length of the measured window unless asked otherwise.
const DURATION: Nanos = Nanos::from_secs(600);

/// Decide the plan, load, judge.
pub(crate) fn execute(mut args: SoakArgs) -> Result<Exit, Failure> {
    if args.run.profile.profile.is_none() {
        return Err(Failure::Usage(
            "soak needs a target to observe: add --profile PID, NAME or cgroup:PATH".to_owned(),
        ));
    }
    let is_scenario = args.run.url.as_deref().is_some_and(|url| scenario::named(url).is_some());
    // A scenario lasts as long as its file says.
    if args.run.load.requests.is_none() && !is_scenario {
        args.run.load.duration.get_or_insert(DURATION);
    }
    let mut run = resolve(&args.run)?;
    run.is_soak = true;
    if let Some(profile) = &mut run.profile {
        profile.follows_memory = true;
    }
    let load = if args.dose { dose(&run.plan)? } else { run.plan.load.clone() };
    run.plan = run
        .plan
        .with(|plan| {
            plan.observe.slice = INTERVAL;
            plan.load = load;
        })
        .map_err(|why| usage(why.to_string()))?;
    let control = Control::new();
    signals::forward_to(control.clone())?;
    execution::execute(&run, &control)
}

/// The load of the plan with nothing, its rate and twice its rate in turn.
fn dose(plan: &Plan) -> Result<Load, Failure> {
    let (Load::Open { rate, arrivals, course }, Limit::Duration(length)) =
        (&plan.load, plan.limits.window)
    else {
        return Err(usage(
            "--dose changes a rate over time: give it with -R, and -d instead of -n",
        ));
    };
    if *course != Course::Even {
        return Err(usage(
            "--dose changes the rate by itself: give a constant one with -R, or leave the \
             stages out of the file",
        ));
    }
    let double =
        rate.doubled().ok_or_else(|| usage("--dose sends up to twice the rate: lower -R"))?;
    let segments = soak::segments((*rate, double), plan.limits.warmup, length, plan.seed);
    Ok(Load::Open { rate: double, arrivals: *arrivals, course: Course::Segments(segments) })
}
