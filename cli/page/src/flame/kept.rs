//! What of a tree goes into a page: small nodes join their callers, and unused functions go.

use std::collections::HashMap;

use super::{CodeOrigin, FlameFrame, FlameNode};
use crate::foreign::safe;

/// The part of a tree that stays.
#[derive(Debug)]
pub(super) struct Kept {
    /// For each node of the tree, the root included, the number of the one that it is now part of.
    pub(super) number: Vec<u32>,
    /// The callers of the nodes that stay, from node 1 on.
    pub(super) callers: Vec<u32>,
    /// Their functions.
    pub(super) functions: Vec<u32>,
    /// Name, file and origin of the functions.
    pub(super) frames: Vec<(String, String, CodeOrigin)>,
}

impl Kept {
    /// Of a sound tree; the root always stays.
    pub(super) fn of(
        frames: &[FlameFrame],
        nodes: &[FlameNode],
        is_kept: impl Fn(usize) -> bool,
    ) -> Self {
        let mut number = vec![0_u32; nodes.len() + 1];
        let (mut callers, mut functions) = (Vec::new(), Vec::new());
        for (at, node) in nodes.iter().enumerate() {
            let caller = number[node.caller as usize];
            number[at + 1] = caller;
            if is_kept(at + 1) {
                callers.push(caller);
                functions.push(node.frame);
                number[at + 1] = callers.len() as u32;
            }
        }
        let frames = used_frames(frames, &mut functions);
        Self { number, callers, functions, frames }
    }
}

/// The frames that nodes name, which then name them by their new numbers.
fn used_frames(all: &[FlameFrame], functions: &mut [u32]) -> Vec<(String, String, CodeOrigin)> {
    let mut frames = Vec::new();
    let mut number: HashMap<u32, u32> = HashMap::new();
    for function in functions {
        let at = *function;
        *function = *number.entry(at).or_insert_with(|| {
            let frame = &all[at as usize];
            let name = |text: &str| safe(text).into_owned();
            frames.push((name(&frame.function), name(&frame.module), frame.origin));
            frames.len() as u32 - 1
        });
    }
    frames
}
