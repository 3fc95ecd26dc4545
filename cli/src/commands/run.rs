//! `uringbench run`: load a URL.

use uringbench_engine::Control;

use crate::args::RunArgs;
use crate::execution;
use crate::exit::{Exit, Failure};
use crate::resolve::resolve;
use crate::signals;

/// Decide the plan, then execute it; signals end it early.
pub(crate) fn execute(args: &RunArgs) -> Result<Exit, Failure> {
    let run = resolve(args)?;
    let control = Control::new();
    signals::forward_to(control.clone())?;
    execution::execute(&run, &control)
}
