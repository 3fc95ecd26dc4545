//! A part of a profile, summed over time: its stacks with one weight each. That of a soak is the
//! memory that stays, by the stacks that touched it first.

use maud::Markup;
use serde::Serialize;

use super::kept::Kept;
use super::picture::{Shown, layout, picture, with_callers};
use super::{CodeOrigin, FlameFrame, FlameNode, SHARE_MAX, SHARE_MIN, is_tree};
use crate::shell::Block;
use crate::show;

/// The largest packed tree, in bytes: a page may have several beside a profile.
const PACKED_MAX: usize = 400_000;

/// A part of a profile as a tree of stacks.
#[derive(Clone, Debug, Default)]
pub struct FlameCut {
    /// The functions.
    pub frames: Vec<FlameFrame>,
    /// The tree, as that of a [`FlameProfile`](super::FlameProfile).
    pub nodes: Vec<FlameNode>,
    /// The weights of nodes alone: nanoseconds of CPU time, or bytes of memory.
    pub weights: Vec<(u32, u64)>,
    /// The number of samples that these weights are of.
    pub samples: u64,
    /// Requests that were answered meanwhile.
    pub requests: u64,
}

/// A tree for the scripts, with the weights of one side or of two.
#[derive(Debug, Serialize)]
pub(super) struct TreeData {
    frames: Vec<(String, String, CodeOrigin)>,
    callers: Vec<u32>,
    functions: Vec<u32>,
    /// Of each side the weights of nodes alone, the root first.
    own: Vec<Vec<u64>>,
    requests: Vec<u64>,
    /// Of each side the weight of a sample.
    period: Vec<f64>,
}

/// What of a tree differs between its sides.
#[derive(Clone, Debug, Default)]
pub(super) struct Weights {
    /// Of each node alone, the root first.
    pub(super) own: Vec<u64>,
    /// Of each node with all that it calls.
    pub(super) total: Vec<u64>,
    pub(super) requests: u64,
    /// Of a sample, at least 1.
    pub(super) period: f64,
}

impl Weights {
    pub(super) fn of(nodes: &[FlameNode], own: Vec<u64>, (samples, requests): (u64, u64)) -> Self {
        let total = with_callers(nodes, own.clone());
        let period = (total[0] as f64 / samples.max(1) as f64).max(1.0);
        Self { own, total, requests, period }
    }
}

/// The block of a tree, small enough for a page.
pub(super) fn block(
    name: &str,
    (frames, nodes): (&[FlameFrame], &[FlameNode]),
    sides: &[&Weights],
) -> Block {
    let mut share = SHARE_MIN;
    loop {
        let block = Block::of(name, &data(frames, nodes, sides, share));
        if block.len() <= PACKED_MAX || share > SHARE_MAX {
            return block;
        }
        share *= 2.0;
    }
}

fn data(frames: &[FlameFrame], nodes: &[FlameNode], sides: &[&Weights], share: f64) -> TreeData {
    let is_kept = |node: usize| {
        sides.iter().any(|side| {
            let total = side.total[node];
            total > 0 && total as f64 >= side.total[0] as f64 * share
        })
    };
    let kept = Kept::of(frames, nodes, is_kept);
    let own = sides.iter().map(|side| {
        let mut own = vec![0_u64; kept.callers.len() + 1];
        for (weight, number) in side.own.iter().zip(&kept.number) {
            let sum = &mut own[*number as usize];
            *sum = sum.saturating_add(*weight);
        }
        own
    });
    TreeData {
        own: own.collect(),
        requests: sides.iter().map(|side| side.requests).collect(),
        period: sides.iter().map(|side| side.period).collect(),
        frames: kept.frames,
        callers: kept.callers,
        functions: kept.functions,
    }
}

impl FlameCut {
    /// Whether its numbers fit together, and anything is in it.
    pub(crate) fn is_something(&self) -> bool {
        is_tree(&self.frames, &self.nodes)
            && self.weights.iter().all(|(node, _)| *node as usize <= self.nodes.len())
            && self.weights.iter().any(|(_, weight)| *weight > 0)
    }

    /// The weight of each node alone, the root first.
    fn own(&self) -> Vec<u64> {
        let mut own = vec![0_u64; self.nodes.len() + 1];
        for (node, weight) in &self.weights {
            let sum = &mut own[*node as usize];
            *sum = sum.saturating_add(*weight);
        }
        own
    }

    fn weights(&self) -> Weights {
        Weights::of(&self.nodes, self.own(), (self.samples, self.requests))
    }

    /// Memory by stack, for the scripts.
    pub(crate) fn leak_block(&self) -> Block {
        block("leak", (&self.frames, &self.nodes), &[&self.weights()])
    }

    /// Memory by stack, as a picture.
    pub(crate) fn leak_picture(&self) -> Markup {
        let Weights { total, requests, .. } = self.weights();
        let whole = total[0].max(1) as f64;
        picture(&layout(&self.nodes, &total), |node| {
            let frame = &self.frames[self.nodes[node as usize - 1].frame as usize];
            let bytes = total[node as usize];
            let share = show::share(Some(bytes as f64 / whole));
            let cost = match requests {
                0 => String::new(),
                _ => format!(", {} bytes/request", show::three(bytes as f64 / requests as f64)),
            };
            Shown {
                class: frame.origin.class(),
                sign: "",
                name: &frame.function,
                title: format!("{}: {} bytes, {share}{cost}", frame.named(), show::count(bytes)),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// main calls keep and `<b>`.
    fn cut() -> FlameCut {
        let frame =
            |function: &str| FlameFrame { function: function.to_owned(), ..Default::default() };
        let node = |caller, frame| FlameNode { caller, frame };
        FlameCut {
            frames: ["main", "keep", "<b>"].map(frame).into(),
            nodes: vec![node(0, 0), node(1, 1), node(1, 2)],
            weights: vec![(2, 6_000), (3, 2_000)],
            samples: 2,
            requests: 100,
        }
    }

    #[test]
    fn memory_is_drawn_with_its_bytes_and_no_markup() {
        let cut = cut();
        assert!(cut.is_something());
        let picture = cut.leak_picture().into_string();
        assert!(picture.contains("keep: 6,000 bytes, 75.0 %, 60.0 bytes/request"), "{picture}");
        assert!(picture.contains("&lt;b&gt;") && !picture.contains("<b>"), "{picture}");
        let unknown = FlameCut { requests: 0, ..cut.clone() };
        assert!(!unknown.leak_picture().into_string().contains("/request"));
        let damaged = FlameCut { weights: vec![(9, 1)], ..cut.clone() };
        assert!(!damaged.is_something());
        assert!(!FlameCut { weights: vec![(1, 0)], ..cut }.is_something());
    }

    #[test]
    fn small_stacks_join_their_callers_and_no_weight_is_lost() {
        let cut = cut();
        let weights = cut.weights();
        let data = data(&cut.frames, &cut.nodes, &[&weights], 0.5);
        assert_eq!((data.callers, data.functions), (vec![0, 1], vec![0, 1]));
        assert_eq!(data.own, [[0, 2_000, 6_000]]);
        assert_eq!((data.period, data.requests), (vec![4_000.0], vec![100]));
    }
}
