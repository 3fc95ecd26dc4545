//! The profile of a stored run as stacks with their CPU time.

use std::path::Path;

use anyhow::Context;
use uringbench_experiment::profiling::measured_windows;
use uringbench_export::speedscope::{StackFrame, WeightedStack};
use uringbench_profiler::profile::{Selection, Stored, read_stored};
use uringbench_profiler::sample::SampleKind;

use crate::exit::Failure;

/// The stacks of the measured window, sorted from the outermost function on.
pub(super) fn cpu_stacks(folder: &Path) -> Result<Vec<WeightedStack>, Failure> {
    let stored = read_stored(folder)
        .context("there is no profile to convert: name a run that was made with --profile")?;
    let windows = measured_windows(&stored);
    let Stored { profile, .. } = &stored;
    let selection = Selection { windows, ..Selection::of([SampleKind::Cpu]) };
    let view = profile.cut(&selection).context("the samples of the profile cannot be read")?;
    let stacks = view.weights.iter().map(|(&stack, &ns)| {
        let frames = profile.stacks.root_first(stack).into_iter().map(|frame| {
            let name = profile.name(frame);
            StackFrame { function: name.function.clone(), module: name.module.clone() }
        });
        WeightedStack { frames: frames.collect(), ns }
    });
    let mut stacks: Vec<_> = stacks.collect();
    stacks.sort_by(|one, other| one.frames.cmp(&other.frames));
    Ok(stacks)
}
