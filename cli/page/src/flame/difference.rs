//! Two profiles in one tree, per request: which functions cost more than before, and which less.
//!
//! A function is the same if its name and origin are: its file may have another name in another
//! build. What lies within two standard deviations of the sampling is called equal.

use std::collections::HashMap;

use maud::Markup;

use super::cut::{FlameCut, Weights, block};
use super::picture::{Shown, layout, picture};
use super::{CodeOrigin, FlameFrame, FlameNode};
use crate::shell::Block;
use crate::show;

/// Differences within so many standard deviations are noise.
const NOISE: f64 = 2.0;

/// Two profiles in one tree.
#[derive(Clone, Debug)]
pub struct FlameDifference {
    frames: Vec<FlameFrame>,
    nodes: Vec<FlameNode>,
    before: Weights,
    after: Weights,
}

/// A tree that grows by the stacks of profiles.
#[derive(Default)]
struct Joined<'a> {
    frames: Vec<FlameFrame>,
    nodes: Vec<FlameNode>,
    frame_of: HashMap<(&'a str, CodeOrigin), u32>,
    node_of: HashMap<(u32, u32), u32>,
}

impl<'a> Joined<'a> {
    /// For each node of a profile, the root first, its node here.
    fn add(&mut self, cut: &'a FlameCut) -> Vec<u32> {
        let mut number = vec![0_u32];
        for node in &cut.nodes {
            let frame = self.frame(&cut.frames[node.frame as usize]);
            let caller = number[node.caller as usize];
            let new = *self.node_of.entry((caller, frame)).or_insert_with(|| {
                self.nodes.push(FlameNode { caller, frame });
                self.nodes.len() as u32
            });
            number.push(new);
        }
        number
    }

    fn frame(&mut self, frame: &'a FlameFrame) -> u32 {
        *self.frame_of.entry((frame.function.as_str(), frame.origin)).or_insert_with(|| {
            self.frames.push(frame.clone());
            self.frames.len() as u32 - 1
        })
    }
}

impl FlameDifference {
    /// The profile `after` against the one `before`; `None` if one has no samples, or no requests
    /// to divide by.
    pub fn of(before: &FlameCut, after: &FlameCut) -> Option<Self> {
        let is_one = |cut: &FlameCut| cut.is_something() && cut.requests > 0;
        if !is_one(before) || !is_one(after) {
            return None;
        }
        let mut joined = Joined::default();
        // The names of files are those of now.
        let numbers = [after, before].map(|cut| joined.add(cut));
        let Joined { frames, nodes, .. } = joined;
        let weights = |cut: &FlameCut, number: &[u32]| {
            let mut own = vec![0_u64; nodes.len() + 1];
            for (node, weight) in &cut.weights {
                let sum = &mut own[number[*node as usize] as usize];
                *sum = sum.saturating_add(*weight);
            }
            Weights::of(&nodes, own, (cut.samples, cut.requests))
        };
        let (after, before) = (weights(after, &numbers[0]), weights(before, &numbers[1]));
        Some(Self { frames, nodes, before, after })
    }

    /// For the scripts.
    pub(crate) fn block(&self, name: &str) -> Block {
        block(name, (&self.frames, &self.nodes), &[&self.before, &self.after])
    }

    /// The picture: as wide as now.
    pub(crate) fn picture(&self) -> Markup {
        picture(&layout(&self.nodes, &self.after.total), |node| {
            let frame = &self.frames[self.nodes[node as usize - 1].frame as usize];
            let (class, sign) = match self.excess(node) {
                excess if excess > NOISE => ("more", "▲ "),
                excess if excess < -NOISE => ("less", "▼ "),
                _ => ("equal", ""),
            };
            Shown { class, sign, name: &frame.function, title: self.title(node, frame) }
        })
    }

    fn title(&self, node: u32, frame: &FlameFrame) -> String {
        let [before, after] = self.costs(node);
        let nanos = |value: f64| show::nanos(Some(value.round() as u64));
        let sign = if after < before { "−" } else { "+" };
        let share = match before {
            0.0 => "new".to_owned(),
            _ => format!("{sign}{}", show::share(Some(((after - before) / before).abs()))),
        };
        format!(
            "{}: {}/request, before {} ({sign}{}, {share})",
            frame.named(),
            nanos(after),
            nanos(before),
            nanos((after - before).abs())
        )
    }

    /// Nanoseconds per request, before and after.
    fn costs(&self, node: u32) -> [f64; 2] {
        let of = |side: &Weights| side.total[node as usize] as f64 / side.requests as f64;
        [of(&self.before), of(&self.after)]
    }

    /// How many standard deviations of the sampling the cost lies above that before.
    fn excess(&self, node: u32) -> f64 {
        let variance = |side: &Weights| {
            let weight = (side.total[node as usize] as f64).max(side.period);
            weight * side.period / (side.requests as f64).powi(2)
        };
        let [before, after] = self.costs(node);
        (after - before) / (variance(&self.before) + variance(&self.after)).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stacks `main;x` with milliseconds of CPU time, in samples of 1 ms.
    fn cut(requests: u64, stacks: &[(&str, u64)]) -> FlameCut {
        let frame = |function: &str| FlameFrame {
            function: function.to_owned(),
            module: format!("of-{requests}"),
            origin: CodeOrigin::Native,
        };
        let names = std::iter::once("main").chain(stacks.iter().map(|(name, _)| *name));
        let nodes = (0..=stacks.len() as u32)
            .map(|frame| FlameNode { caller: u32::from(frame > 0), frame });
        FlameCut {
            frames: names.map(frame).collect(),
            nodes: nodes.collect(),
            weights: stacks.iter().zip(2..).map(|((_, ms), node)| (node, ms * 1_000_000)).collect(),
            samples: stacks.iter().map(|(_, ms)| ms).sum(),
            requests,
        }
    }

    #[test]
    fn functions_are_compared_per_request() {
        // Twice as many requests: `same` costs the same, `grown` twice as much, `shrunk` half.
        let before = cut(1_000, &[("same", 1_000), ("grown", 500), ("shrunk", 500), ("gone", 9)]);
        let after = cut(2_000, &[("new", 100), ("shrunk", 500), ("same", 2_000), ("grown", 2_000)]);
        let found = FlameDifference::of(&before, &after).expect("both have samples");
        assert_eq!(found.frames.len(), 6, "main, and five functions");
        let node = |name: &str| {
            let at = found
                .nodes
                .iter()
                .position(|node| found.frames[node.frame as usize].function == name);
            at.expect("it is there") as u32 + 1
        };
        assert_eq!(found.costs(node("grown")), [500_000.0, 1_000_000.0]);
        let excess = ["same", "grown", "shrunk", "gone"].map(|name| found.excess(node(name)));
        assert!(excess[0].abs() < 0.1 && excess[1] > 10.0, "{excess:?}");
        assert!(excess[2] < -5.0 && excess[3] < -NOISE, "{excess:?}");
        let picture = found.picture().into_string();
        let grown = "grown (of-2000): 1.00 ms/request, before 500 µs (+500 µs, +100 %)";
        for part in [grown, "▲ grown", "▼ shrunk", "class=\"equal\"", "(+50.0 µs, new)"] {
            assert!(picture.contains(part), "{part}: {picture}");
        }
        assert!(!picture.contains("gone"), "it has no width now");
        let all: u64 = found.before.own.iter().sum();
        assert_eq!((all, found.after.total[0]), (2_009_000_000, 4_600_000_000));
    }

    #[test]
    fn noise_is_neither_more_nor_less() {
        let [before, after] = [20, 25].map(|ms| cut(1_000, &[("a", ms), ("b", 1_000)]));
        let found = FlameDifference::of(&before, &after).expect("both have samples");
        assert!(!found.picture().into_string().contains("class=\"more\""));
    }

    #[test]
    fn without_requests_there_is_no_difference() {
        let some = cut(10, &[("a", 1)]);
        for none in [cut(0, &[("a", 1)]), cut(10, &[])] {
            assert!(FlameDifference::of(&some, &none).is_none());
            assert!(FlameDifference::of(&none, &some).is_none());
        }
    }
}
