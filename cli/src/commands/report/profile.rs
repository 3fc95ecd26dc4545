//! A stored profile as a page needs it: a tree of stacks with its weights in each interval of the
//! run, in the measured window, or in memory that stays.

use std::collections::BTreeMap;
use std::io;

use uringbench_core::time::{Nanos, Timestamp};
use uringbench_document::IntervalFigures;
use uringbench_document::soak::SoakFigures;
use uringbench_experiment::profiling::measured_windows;
use uringbench_page::flame::{CodeOrigin, FlameCut, FlameFrame, FlameNode, FlameProfile};
use uringbench_profiler::analysis::Cut;
use uringbench_profiler::profile::{Profile, Selection, Stored};
use uringbench_profiler::sample::SampleKind;
use uringbench_profiler::stack::{FrameId, FrameKind, StackId};

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
    let (frames, nodes) = tree(profile);
    Ok(Some(FlameProfile {
        frames,
        nodes,
        intervals: weights.into_iter().map(|of| of.into_iter().collect()).collect(),
        sampled: starts.iter().map(|start| covered.contains(*start)).collect(),
    }))
}

/// The CPU time of the measured window; `None` if it was recorded without a load.
pub(super) fn measured(stored: &Stored) -> io::Result<Option<FlameCut>> {
    let Some(windows) = measured_windows(stored) else { return Ok(None) };
    let requests = Cut { stored, windows: &windows }.requests();
    let selection = Selection::of([SampleKind::Cpu]).within(windows);
    cut(&stored.profile, &selection, requests).map(Some)
}

/// The memory that stays, of a soak; `None` if none was found, or its stacks were not followed.
pub(super) fn leak(stored: &Stored, soak: &SoakFigures) -> io::Result<Option<FlameCut>> {
    let of_function = soak.leak_functions.iter().find_map(|function| {
        let cost = function.bytes_per_request.filter(|cost| *cost > 0.0)?;
        Some((function.bytes as f64 / cost).round() as u64)
    });
    let selection = Selection::of([SampleKind::FirstTouch]);
    let cut = cut(&stored.profile, &selection, of_function.unwrap_or_default())?;
    Ok((cut.samples > 0).then_some(cut))
}

fn cut(profile: &Profile, selection: &Selection, requests: u64) -> io::Result<FlameCut> {
    let view = profile.cut(selection)?;
    let (frames, nodes) = tree(profile);
    let mut weights: Vec<_> =
        view.weights.iter().map(|(stack, &weight)| (stack.0, weight)).collect();
    weights.sort_unstable();
    Ok(FlameCut { frames, nodes, weights, samples: view.samples, requests })
}

/// The functions and stacks of a profile.
fn tree(profile: &Profile) -> (Vec<FlameFrame>, Vec<FlameNode>) {
    let frame = |frame| {
        let name = profile.name(FrameId(frame));
        FlameFrame {
            function: name.function.clone(),
            module: name.module.clone(),
            origin: origin(name.kind),
        }
    };
    let node = |(caller, frame): (StackId, FrameId)| FlameNode { caller: caller.0, frame: frame.0 };
    let frames = (0..profile.stacks.locations().len() as u32).map(frame).collect();
    (frames, profile.stacks.nodes().map(node).collect())
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
