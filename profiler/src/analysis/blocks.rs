//! CPU time by function in each interval of a load, from which the confidence intervals of costs
//! are computed.

use std::collections::BTreeSet;
use std::io;

use uringbench_core::time::Timestamp;

use crate::profile::{Profile, Windows};
use crate::sample::SampleKind;
use crate::stack::FrameName;
use crate::statistics::per_request::TimeBlock;

/// The weights of `count` functions in the intervals that begin in `windows`: each sample in
/// `windows` counts for the function `index_of` its innermost frame. `steps` are the start of each
/// interval, in order, and the requests completed in it.
///
/// # Errors
/// If samples cannot be read back.
pub(super) fn of_leaves(
    profile: &Profile,
    steps: &[(Timestamp, u64)],
    windows: &Windows,
    count: usize,
    index_of: impl Fn(&FrameName) -> Option<usize>,
) -> io::Result<Vec<TimeBlock>> {
    of_frames(profile, steps, windows, (count, 1), index_of)
}

/// The same, but each sample counts for every function in its stack, once.
///
/// # Errors
/// If samples cannot be read back.
pub(super) fn of_stacks(
    profile: &Profile,
    steps: &[(Timestamp, u64)],
    windows: &Windows,
    count: usize,
    index_of: impl Fn(&FrameName) -> Option<usize>,
) -> io::Result<Vec<TimeBlock>> {
    of_frames(profile, steps, windows, (count, usize::MAX), index_of)
}

/// The weights of `count` functions in the innermost `depth` frames.
fn of_frames(
    profile: &Profile,
    steps: &[(Timestamp, u64)],
    windows: &Windows,
    (count, depth): (usize, usize),
    index_of: impl Fn(&FrameName) -> Option<usize>,
) -> io::Result<Vec<TimeBlock>> {
    let steps: Vec<_> = steps.iter().filter(|(start, _)| windows.contains(*start)).collect();
    let mut blocks: Vec<TimeBlock> = steps
        .iter()
        .map(|(_, requests)| TimeBlock { requests: *requests, weights: vec![0; count] })
        .collect();
    for sample in profile.samples.samples() {
        let sample = sample?;
        if sample.kind != SampleKind::Cpu || !windows.contains(sample.time) {
            continue;
        }
        let begun = steps.partition_point(|(start, _)| *start <= sample.time);
        let Some(block) = begun.checked_sub(1) else { continue };
        let frames = profile.stacks.leaf_first(sample.stack).take(depth);
        // A function that calls itself counts once.
        let functions: BTreeSet<usize> =
            frames.filter_map(|frame| index_of(profile.name(frame))).collect();
        for function in functions {
            let weight = &mut blocks[block].weights[function];
            *weight = weight.saturating_add(sample.weight);
        }
    }
    Ok(blocks)
}

/// The same in at most `most` blocks, with neighbours merged.
pub(super) fn coarser(blocks: Vec<TimeBlock>, most: usize) -> Vec<TimeBlock> {
    let together = blocks.len().div_ceil(most.max(1)).max(1);
    let sum = |part: &[TimeBlock]| {
        let mut sum = part[0].clone();
        for block in &part[1..] {
            sum.requests = sum.requests.saturating_add(block.requests);
            for (weight, more) in sum.weights.iter_mut().zip(&block.weights) {
                *weight = weight.saturating_add(*more);
            }
        }
        sum
    };
    blocks.chunks(together).map(sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_put_together_and_nothing_is_lost() {
        let block = |n: u64| TimeBlock { requests: n, weights: vec![n * 10, 1] };
        let sums = coarser((1..=7).map(block).collect(), 3);
        let expected = [(6, [60, 3]), (15, [150, 3]), (7, [70, 1])];
        let read: Vec<_> =
            sums.iter().map(|b| (b.requests, [b.weights[0], b.weights[1]])).collect();
        assert_eq!(read, expected);
        assert_eq!(coarser((1..=3).map(block).collect(), 100).len(), 3);
        assert!(coarser(Vec::new(), 3).is_empty());
    }
}
