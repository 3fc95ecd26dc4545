//! Restores the outer frames of stacks that were read in part. Pure.
//!
//! A coroutine that is suspended while its stack is read has no caller any more, so the reading
//! ends there: under load that happens to every third stack of an asyncio server. The frames it
//! found are right, and the missing ones hardly ever change. So the callers of its outermost frame
//! are taken from the complete stack that has this frame with the most equal frames below it; among
//! equals, from the most frequent one.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use super::stacks::{PythonFrame, PythonSample, PythonStackId, PythonStacks};

/// Complete stacks that are compared, the most frequent ones: bounds the work for a target with a
/// new stack in every reading.
const MOST_MODELS: usize = 512;
/// The functions with which Python itself begins a thread.
const ROOTS: [&str; 4] = ["<module> ", "_run_module_as_main ", "Thread._bootstrap ", "_bootstrap "];

/// Samples that were read in part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    /// Samples whose missing outer frames were restored.
    pub repaired: u64,
    /// Samples whose outer frames stay missing: no complete stack contains their outermost one.
    pub partial: u64,
}

/// Replaces the stacks of samples that were read in part.
pub fn repair(stacks: &mut PythonStacks, samples: &mut [PythonSample]) -> Repairs {
    let mut seen = FxHashMap::<PythonStackId, u64>::default();
    for sample in samples.iter() {
        *seen.entry(sample.stack).or_default() += 1;
    }
    let is_root = roots(stacks, &seen);
    let (mut models, broken): (Vec<_>, Vec<_>) = seen
        .iter()
        .map(|(&stack, &count)| (stack, count))
        .partition(|&(stack, _)| stacks.stack(stack).root_first().next().is_none_or(&is_root));
    models.sort_unstable_by_key(|&(stack, count)| (Reverse(count), stack));
    models.truncate(MOST_MODELS);
    let mut whole = FxHashMap::default();
    for (stack, _) in broken {
        let completed = completed(stacks, stack, &models).and_then(|frames| stacks.intern(frames));
        if completed.is_none() {
            stacks.mark_partial(stack);
        }
        whole.insert(stack, completed);
    }
    let mut repairs = Repairs::default();
    for sample in samples {
        match whole.get(&sample.stack) {
            None => {}
            Some(&Some(stack)) => {
                sample.stack = stack;
                repairs.repaired += 1;
            }
            Some(None) => repairs.partial += 1,
        }
    }
    repairs
}

/// Which frames are valid outermost frames: Python's own, and one that is outermost in most stacks
/// (a server written in C calls the same function each time).
fn roots(
    stacks: &PythonStacks,
    seen: &FxHashMap<PythonStackId, u64>,
) -> impl Fn(&PythonFrame) -> bool + use<> {
    let mut outermost = FxHashMap::<&PythonFrame, u64>::default();
    for (&stack, &count) in seen {
        if let Some(frame) = stacks.stack(stack).root_first().next() {
            *outermost.entry(frame).or_default() += count;
        }
    }
    let all: u64 = outermost.values().sum();
    let usual = outermost.into_iter().find(|&(_, count)| count * 2 > all);
    let usual = usual.map(|(frame, _)| frame.clone());
    move |frame| {
        ROOTS.iter().any(|root| frame.name.starts_with(root)) || usual.as_ref() == Some(frame)
    }
}

/// The frames of a stack with the missing ones, innermost first.
fn completed(
    stacks: &PythonStacks,
    broken: PythonStackId,
    models: &[(PythonStackId, u64)],
) -> Option<Vec<PythonFrame>> {
    let broken: Vec<_> = stacks.stack(broken).root_first().collect();
    let mut best: Option<(usize, Vec<&PythonFrame>)> = None;
    for &(model, _) in models {
        let model: Vec<_> = stacks.stack(model).root_first().collect();
        for at in 0..model.len() {
            let same = model[at..].iter().zip(&broken).take_while(|(one, other)| one == other);
            let same = same.count();
            if same > best.as_ref().map_or(0, |(most, _)| *most) {
                best = Some((same, model[..at].to_vec()));
            }
        }
    }
    let (_, outer) = best?;
    Some(broken.into_iter().rev().chain(outer.into_iter().rev()).cloned().collect())
}
