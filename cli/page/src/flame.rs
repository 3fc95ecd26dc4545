//! The flame graph of a page: stacks as a tree, and what of it ran in each row, so that the scripts
//! can cut it again for any stretch. Trees that are not cut are in `cut` and `difference`.

mod cut;
mod difference;
mod kept;
mod picture;

use std::collections::HashMap;

use maud::Markup;
use serde::Serialize;

pub use cut::FlameCut;
pub use difference::FlameDifference;

use self::kept::Kept;
use self::picture::{Shown, layout, picture, with_callers};
use crate::grid::Grid;
use crate::shell::Block;
use crate::show;

/// The largest packed profile, in bytes.
const PACKED_MAX: usize = 1_200_000;
/// Share of the whole below which a stack is joined with its caller.
const SHARE_MIN: f64 = 0.000_2;
/// The largest such share.
const SHARE_MAX: f64 = 0.05;
/// Steps of time in the data, at least, however large the profile.
const STEPS_MIN: usize = 60;

/// A profile as a tree of stacks, with the weights of each interval of a run.
#[derive(Clone, Debug, Default)]
pub struct FlameProfile {
    /// The functions.
    pub frames: Vec<FlameFrame>,
    /// The tree: callers before those they call. Node 0 is the root and has no entry here, so that
    /// the first entry is node 1.
    pub nodes: Vec<FlameNode>,
    /// For each of the run's intervals the weights of nodes, nanoseconds of CPU time.
    pub intervals: Vec<Vec<(u32, u64)>>,
    /// Whether an interval was sampled.
    pub sampled: Vec<bool>,
}

/// A function in a stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlameFrame {
    /// Its name.
    pub function: String,
    /// Its file; empty if it has none.
    pub module: String,
    /// Where its code is from.
    pub origin: CodeOrigin,
}

/// Where code is from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeOrigin {
    /// The kernel.
    Kernel,
    /// A compiled file.
    #[default]
    Native,
    /// An interpreted program.
    Interpreted,
    /// Made at run time.
    Jit,
    /// No code: a mark that something is missing.
    Marker,
}

/// A node of the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlameNode {
    /// The node of its caller; 0 for outermost functions.
    pub caller: u32,
    /// Its function, an index into the frames.
    pub frame: u32,
}

/// What the scripts get.
#[derive(Debug, Serialize)]
struct FlameData {
    /// Name, file, origin.
    frames: Vec<(String, String, CodeOrigin)>,
    callers: Vec<u32>,
    functions: Vec<u32>,
    /// For each step gaps between nodes and microseconds, in turn.
    steps: Vec<Vec<u64>>,
    sampled: Vec<bool>,
    /// Rows in a step.
    rows: usize,
    /// Share below which stacks were joined with their callers.
    joined_below: f64,
}

/// A profile in steps of rows.
struct Stepped<'a> {
    profile: &'a FlameProfile,
    /// For each row the weights of nodes.
    rows: Vec<HashMap<u32, u64>>,
    sampled: Vec<bool>,
    /// Weight of each node with all that it calls, over all intervals.
    totals: Vec<u64>,
}

impl FlameProfile {
    /// The block of data, small enough for a page.
    pub(crate) fn block(&self, grid: &Grid) -> Block {
        let stepped = Stepped::of(self, grid);
        let (mut rows, mut share) = (1, SHARE_MIN);
        loop {
            let block = Block::of("flame", &stepped.data(rows, share));
            let steps = stepped.rows.len().div_ceil(rows);
            if block.len() <= PACKED_MAX || share > SHARE_MAX {
                return block;
            }
            if steps / 2 >= STEPS_MIN {
                rows *= 2;
            } else {
                share *= 2.0;
            }
        }
    }

    /// Weight of each node alone, over all intervals.
    fn own(&self) -> Vec<u64> {
        let mut own = vec![0_u64; self.nodes.len() + 1];
        for (node, weight) in self.intervals.iter().flatten() {
            if let Some(sum) = own.get_mut(*node as usize) {
                *sum = sum.saturating_add(*weight);
            }
        }
        own
    }

    /// The whole as a picture, callers above those they call.
    pub(crate) fn picture(&self) -> Markup {
        let total = with_callers(&self.nodes, self.own());
        let whole = total[0].max(1) as f64;
        picture(&layout(&self.nodes, &total), |node| {
            let frame = &self.frames[self.nodes[node as usize - 1].frame as usize];
            let share = show::share(Some(total[node as usize] as f64 / whole));
            Shown {
                class: frame.origin.class(),
                sign: "",
                name: &frame.function,
                title: format!("{}: {share} of the CPU time", frame.named()),
            }
        })
    }

    /// Whether its numbers fit together: a caller comes before those it calls.
    pub(crate) fn is_sound(&self) -> bool {
        is_tree(&self.frames, &self.nodes)
            && self.intervals.iter().flatten().all(|(node, _)| *node as usize <= self.nodes.len())
    }

    /// Whether anything was sampled.
    pub(crate) fn is_empty(&self) -> bool {
        self.intervals.iter().all(Vec::is_empty)
    }
}

/// Whether nodes stand behind their callers and name known functions.
fn is_tree(frames: &[FlameFrame], nodes: &[FlameNode]) -> bool {
    let known = |(at, node): (usize, &FlameNode)| {
        node.caller as usize <= at && (node.frame as usize) < frames.len()
    };
    nodes.iter().enumerate().all(known)
}

impl FlameFrame {
    /// Its name with its file.
    fn named(&self) -> String {
        match self.module.is_empty() {
            true => self.function.clone(),
            false => format!("{} ({})", self.function, self.module),
        }
    }
}

impl CodeOrigin {
    const fn class(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Native => "native",
            Self::Interpreted => "interpreted",
            Self::Jit => "jit",
            Self::Marker => "marker",
        }
    }
}

impl<'a> Stepped<'a> {
    /// Intervals joined as the rows of the grid are.
    fn of(profile: &'a FlameProfile, grid: &Grid) -> Self {
        let mut from = 0;
        let mut rows = Vec::with_capacity(grid.rows.len());
        let mut sampled = Vec::with_capacity(grid.rows.len());
        for row in &grid.rows {
            let to = from + row.intervals;
            let mut weights: HashMap<u32, u64> = HashMap::new();
            for (node, weight) in profile.intervals.iter().take(to).skip(from).flatten() {
                let sum = weights.entry(*node).or_default();
                *sum = sum.saturating_add(*weight);
            }
            rows.push(weights);
            let is_sampled = |at: usize| profile.sampled.get(at).copied().unwrap_or_default();
            sampled.push((from..to).all(is_sampled));
            from = to;
        }
        Self { profile, rows, sampled, totals: with_callers(&profile.nodes, profile.own()) }
    }

    fn data(&self, rows: usize, share: f64) -> FlameData {
        let profile = self.profile;
        let total = &self.totals;
        let least = (total[0] as f64 * share) as u64;
        let is_kept = |node: usize| total[node] > 0 && total[node] >= least;
        let kept = Kept::of(&profile.frames, &profile.nodes, is_kept);
        let step = |part: &[HashMap<u32, u64>]| {
            let mut weights: HashMap<u32, u64> = HashMap::new();
            for (node, weight) in part.iter().flatten() {
                let sum = weights.entry(kept.number[*node as usize]).or_default();
                *sum = sum.saturating_add(*weight);
            }
            let mut sorted: Vec<_> = weights.into_iter().collect();
            sorted.sort_unstable();
            let mut last = 0;
            let gaps = sorted.into_iter().flat_map(|(node, weight)| {
                let gap = node - last;
                last = node;
                [u64::from(gap), weight.saturating_add(500) / 1_000]
            });
            gaps.collect()
        };
        let steps = self.rows.chunks(rows).map(step).collect();
        let sampled = self.sampled.chunks(rows).map(|part| part.iter().all(|it| *it)).collect();
        let Kept { frames, callers, functions, .. } = kept;
        FlameData { frames, callers, functions, steps, sampled, rows, joined_below: share }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Row;

    fn frame(function: &str) -> FlameFrame {
        FlameFrame { function: function.to_owned(), ..FlameFrame::default() }
    }

    /// main calls a and b; a calls c.
    fn profile() -> FlameProfile {
        let node = |caller, frame| FlameNode { caller, frame };
        FlameProfile {
            frames: ["main", "a", "b", "<script>"].map(frame).into(),
            nodes: vec![node(0, 0), node(1, 1), node(1, 2), node(2, 3)],
            intervals: vec![vec![(2, 3_000_000), (4, 1_000)], vec![(3, 2_000_000)], vec![]],
            sampled: vec![true, true, false],
        }
    }

    fn grid(intervals: &[usize]) -> Grid {
        let row = |intervals: &usize| Row { intervals: *intervals, ..Row::default() };
        Grid { rows: intervals.iter().map(row).collect(), ..Grid::default() }
    }

    #[test]
    fn steps_keep_every_weight_and_small_stacks_join_their_callers() {
        let profile = profile();
        let stepped = Stepped::of(&profile, &grid(&[1, 1, 1]));
        let whole = stepped.data(1, 0.0);
        assert_eq!((whole.callers, whole.functions), (vec![0, 1, 1, 2], vec![0, 1, 2, 3]));
        assert_eq!(whole.steps, [vec![2, 3_000, 2, 1], vec![3, 2_000], vec![]]);
        assert_eq!(whole.sampled, [true, true, false]);
        let joined = stepped.data(2, 0.01);
        assert_eq!(
            (joined.callers, joined.steps),
            (vec![0, 1, 1], vec![vec![2, 3_001, 1, 2_000], vec![]])
        );
        assert_eq!((joined.frames.len(), joined.sampled), (3, vec![true, false]));
        let rows = Stepped::of(&profile, &grid(&[2, 1]));
        assert_eq!(rows.data(1, 0.0).steps, [vec![2, 3_000, 1, 2_000, 1, 1], vec![]]);
    }

    #[test]
    fn a_picture_has_no_markup_of_its_names() {
        let mut profile = profile();
        profile.intervals[0][1].1 = 1_000_000;
        let picture = profile.picture().into_string();
        assert!(picture.contains("&lt;script&gt;") && !picture.contains("<script"), "{picture}");
        assert!(profile.is_sound() && !profile.is_empty());
        profile.nodes[0].caller = 3;
        assert!(!profile.is_sound());
    }

    #[test]
    fn a_large_profile_is_made_small() {
        let mut state = 1_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        let nodes = (0..40_000_u64)
            .map(|at| FlameNode { caller: random(at + 1) as u32, frame: random(5_000) as u32 });
        let nodes: Vec<_> = nodes.collect();
        let interval = |_| (0..200).map(|_| (1 + random(40_000) as u32, 10_101_010)).collect();
        let profile = FlameProfile {
            frames: (0..5_000).map(|at| frame(&format!("module::function_{at}"))).collect(),
            nodes,
            intervals: (0..1_200).map(interval).collect(),
            sampled: vec![true; 1_200],
        };
        let block = profile.block(&grid(&[1; 1_200]));
        assert!(block.len() <= PACKED_MAX, "{}", block.len());
    }
}
