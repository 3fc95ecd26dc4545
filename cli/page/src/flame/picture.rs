//! A tree of stacks as SVG: which frames are wide enough, and where they stand.

use std::cmp::Reverse;

use maud::{Markup, html};

use super::FlameNode;
use crate::foreign::Foreign;
use crate::svg::percent;

/// Smallest share of the width that the picture shows.
const DRAWN_MIN: f64 = 0.004;
/// Depth of the picture.
const DEPTH_MAX: usize = 32;
/// Pixels of a frame.
const FRAME: usize = 18;

/// A frame of a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Drawn {
    pub(super) node: u32,
    depth: usize,
    /// Shares of the width.
    left: f64,
    share: f64,
}

/// How a frame looks.
pub(super) struct Shown<'a> {
    pub(super) class: &'static str,
    /// Stands before the name.
    pub(super) sign: &'static str,
    pub(super) name: &'a str,
    /// Its figures, shown where a pointer rests on it.
    pub(super) title: String,
}

/// The weight of each node with all that it calls, of the weights of each alone; the root is
/// first.
pub(super) fn with_callers(nodes: &[FlameNode], mut own: Vec<u64>) -> Vec<u64> {
    own.resize(nodes.len() + 1, 0);
    for at in (1..own.len()).rev() {
        let caller = nodes[at - 1].caller as usize;
        own[caller] = own[caller].saturating_add(own[at]);
    }
    own
}

/// The frames that are wide enough, by these weights of nodes with all that they call.
pub(super) fn layout(nodes: &[FlameNode], total: &[u64]) -> Vec<Drawn> {
    let whole = total[0].max(1) as f64;
    let mut called = vec![Vec::new(); total.len()];
    for (node, at) in nodes.iter().zip(1_u32..) {
        if total[at as usize] as f64 / whole >= DRAWN_MIN {
            called[node.caller as usize].push(at);
        }
    }
    let mut drawn = Vec::new();
    let mut open = vec![(0_u32, 0_usize, 0.0_f64)];
    while let Some((caller, depth, mut left)) = open.pop() {
        if depth >= DEPTH_MAX {
            continue;
        }
        let nodes = &mut called[caller as usize];
        nodes.sort_by_key(|node| Reverse(total[*node as usize]));
        for &node in nodes.iter() {
            let share = total[node as usize] as f64 / whole;
            drawn.push(Drawn { node, depth, left, share });
            open.push((node, depth + 1, left));
            left += share;
        }
    }
    drawn
}

/// The picture of frames, callers above those they call.
pub(super) fn picture<'a>(drawn: &[Drawn], shown: impl Fn(u32) -> Shown<'a>) -> Markup {
    let depth = drawn.iter().map(|frame| frame.depth + 1).max().unwrap_or(1);
    html! {
        svg.flame width="100%" height=(depth * FRAME) aria-hidden="true" focusable="false" {
            @for Drawn { node, depth, left, share } in drawn {
                @let shown = shown(*node);
                svg x=(percent(left * 100.0)) y=(depth * FRAME)
                    width=(percent(share * 100.0)) height=(FRAME - 1) {
                    title { (Foreign(&shown.title)) }
                    rect class=(shown.class) width="100%" height="100%" {}
                    text x="3" y="13" { (shown.sign) (Foreign(shown.name)) }
                }
            }
        }
    }
}
