//! The heat map: how many response times of each size ended in each row.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use maud::{Markup, html};
use serde::Serialize;

use crate::grid::{Grid, cell_start};
use crate::panel::Panel;
use crate::svg::{TimeAxis, WIDTH, inside};

/// Shades, from one request to the most.
const SHADES: u32 = 6;
/// Columns of the picture; the scripts draw all rows.
const COLUMNS_MAX: usize = 150;
/// Cells of the data in one of the picture's.
const CELLS_JOINED: u32 = 2;

/// The counts for the scripts: of each row pairs of cell and count.
#[derive(Debug, Serialize)]
pub(crate) struct Heat {
    pub(crate) cells: Vec<Vec<(u32, u64)>>,
}

impl Heat {
    /// Of every row.
    pub(crate) fn of(grid: &Grid) -> Self {
        let row = |cells: &BTreeMap<u32, u64>| {
            cells.iter().map(|(&cell, &count)| (cell, count)).collect()
        };
        Self { cells: grid.rows.iter().map(|row_of| row(&row_of.cells)).collect() }
    }
}

/// The shade of a count: one request is visible beside millions.
fn shade(count: u64, most: u64) -> u32 {
    if most <= 1 {
        return SHADES;
    }
    let share = (count as f64).ln() / (most as f64).ln();
    1 + (share * f64::from(SHADES - 1)).round() as u32
}

/// The picture behind the curves of a chart, in the units of its inner picture.
pub(crate) fn picture(grid: &Grid, panel: &Panel, axis: &TimeAxis) -> Markup {
    let Some(range) = panel.range() else { return html! {} };
    let width = grid.rows.len().div_ceil(COLUMNS_MAX).max(1);
    let columns: Vec<_> = grid
        .rows
        .chunks(width)
        .filter_map(|rows| {
            let (first, last) = (rows.first()?, rows.last()?);
            let mut cells: BTreeMap<u32, u64> = BTreeMap::new();
            for (&cell, &count) in rows.iter().flat_map(|row| &row.cells) {
                *cells.entry(cell / CELLS_JOINED).or_default() += count;
            }
            Some((first.from, last.from + last.length, cells))
        })
        .collect();
    let most = columns.iter().flat_map(|(_, _, cells)| cells.values()).max().copied().unwrap_or(1);
    let mut paths = vec![String::new(); SHADES as usize + 1];
    let y = |nanos: f64| inside(panel, range, nanos);
    for (from, to, cells) in &columns {
        if axis.end <= 0.0 {
            continue;
        }
        let [left, right] = [from, to].map(|at| (at / axis.end * WIDTH).clamp(0.0, WIDTH));
        for (&cell, &count) in cells {
            let start = cell * CELLS_JOINED;
            let (bottom, top) = (y(cell_start(start)), y(cell_start(start + CELLS_JOINED)));
            let path = &mut paths[shade(count, most) as usize];
            let _ = write!(
                path,
                "M{left:.1} {top:.1}h{:.1}v{:.1}h-{:.1}z",
                right - left,
                bottom - top,
                right - left
            );
        }
    }
    html! {
        @for (shade, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
            path class=(format!("heat h{shade}")) d=(path) {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_is_visible_beside_millions() {
        let shades: Vec<_> = [1, 10, 1_000, 1_000_000].map(|count| shade(count, 1_000_000)).into();
        assert_eq!(shades, [1, 2, 4, 6]);
        assert_eq!((shade(1, 1), shade(2, 2)), (SHADES, SHADES));
    }
}
