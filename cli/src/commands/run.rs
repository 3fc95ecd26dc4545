//! `uringbench run`: load a URL.

use uringbench_engine::{Command, Control};

use crate::args::{RedisTest, RunArgs};
use crate::execution;
use crate::exit::{Exit, Failure, usage};
use crate::resolve::resolve;
use crate::signals;

/// Decide the plan, then execute it; signals end it early. Several tests of Redis are as many runs,
/// in turn; the exit code is the first one that is not a success.
pub(crate) fn execute(args: &RunArgs) -> Result<Exit, Failure> {
    let runs = tests(args)?;
    let runs = runs.iter().map(resolve).collect::<Result<Vec<_>, _>>()?;
    let control = Control::new();
    signals::forward_to(control.clone())?;
    let mut exit = Exit::Success;
    for run in &runs {
        let ended = execution::execute(run, &control)?;
        exit = if exit == Exit::Success { ended } else { exit };
        if control.command() != Command::Run {
            break;
        }
    }
    Ok(exit)
}

/// The arguments of each run: one for each test.
fn tests(args: &RunArgs) -> Result<Vec<RunArgs>, Failure> {
    let tests = &args.database.redis.test;
    if tests.len() < 2 {
        return Ok(vec![args.clone()]);
    }
    if args.output.json || args.output.out.is_some() {
        return Err(usage("--json and --out are for one run: give one --test"));
    }
    let one = |test: &RedisTest| {
        let mut args = args.clone();
        args.database.redis.test = vec![*test];
        args
    };
    Ok(tests.iter().map(one).collect())
}
