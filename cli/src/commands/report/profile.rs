//! A stored profile as a page needs it: a tree of stacks, and its weights in each interval of the
//! run.

use std::collections::BTreeMap;
use std::io;

use uringbench_core::time::{Nanos, Timestamp};
use uringbench_document::IntervalFigures;
use uringbench_page::flame::{CodeOrigin, FlameFrame, FlameNode, FlameProfile};
use uringbench_profiler::profile::Stored;
use uringbench_profiler::sample::SampleKind;
use uringbench_profiler::stack::{FrameId, FrameKind};

/// The CPU time of a profile; `None` if it was recorded without a load, so that its times have no
/// place in the run.
pub(super) fn flame(
    stored: &Stored,
    intervals: &[IntervalFigures],
) -> io::Result<Option<FlameProfile>> {
    let Some(load) = &stored.about.load else { return Ok(None) };
    let profile = &stored.profile;
    let at = |seconds: f64| load.start + Nanos((seconds * 1e9).round() as u64);
    let starts: Vec<Timestamp> = intervals.iter().map(|it| at(it.t_s)).collect();
    let ends: Vec<Timestamp> = intervals.iter().map(|it| at(it.t_s + it.length_s)).collect();
    let mut weights = vec![BTreeMap::<u32, u64>::new(); intervals.len()];
    for sample in profile.samples.samples() {
        let sample = sample?;
        let after = starts.partition_point(|start| *start <= sample.time);
        let Some(index) = after.checked_sub(1).filter(|index| sample.time < ends[*index]) else {
            continue;
        };
        if sample.kind == SampleKind::Cpu {
            // A file can contain any weight.
            let sum = weights[index].entry(sample.stack.0).or_default();
            *sum = sum.saturating_add(sample.weight);
        }
    }
    let covered = load.covered();
    let frames = (0..profile.stacks.locations().len() as u32).map(|frame| {
        let name = profile.name(FrameId(frame));
        FlameFrame {
            function: name.function.clone(),
            module: name.module.clone(),
            origin: origin(name.kind),
        }
    });
    let nodes = profile.stacks.nodes();
    Ok(Some(FlameProfile {
        frames: frames.collect(),
        nodes: nodes
            .map(|(caller, frame)| FlameNode { caller: caller.0, frame: frame.0 })
            .collect(),
        intervals: weights.into_iter().map(|of| of.into_iter().collect()).collect(),
        sampled: starts.iter().map(|start| covered.contains(*start)).collect(),
    }))
}

const fn origin(kind: FrameKind) -> CodeOrigin {
    match kind {
        FrameKind::Kernel => CodeOrigin::Kernel,
        FrameKind::Native => CodeOrigin::Native,
        FrameKind::Interpreted => CodeOrigin::Interpreted,
        FrameKind::Jit => CodeOrigin::Jit,
        FrameKind::Marker => CodeOrigin::Marker,
    }
}
