//! The rises of a resource's floor: the level below which it never fell again.
//!
//! A leak raises the floor many times. Growth that came in few rises, in one large one or long
//! ago is that of a heap or a cache which settles, however well a line fits it.

use super::Point;

/// A leak needs this many rises of the floor, this many of them in the last third, and none larger
/// than this share of the growth: with fewer, a line through them may be chance.
const RISES_MIN: usize = 12;
const RISES_LATE_MIN: usize = 4;
const RISE_SHARE_MAX: f64 = 0.25;

/// The rises of one series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rises {
    /// How many.
    pub(super) count: usize,
    /// Those in the last third.
    pub(super) late: usize,
    /// The height of the largest.
    pub(super) largest: f64,
    /// The sum of their heights.
    pub(super) total: f64,
}

impl Rises {
    /// Of the readings from `from_s` on.
    pub(super) fn of(points: &[Point], from_s: f64) -> Self {
        let settled = &points[points.partition_point(|point| point.t_s < from_s)..];
        let mut rises = Self { count: 0, late: 0, largest: 0.0, total: 0.0 };
        let (Some(first), Some(last)) = (settled.first(), settled.last()) else { return rises };
        let late_s = last.t_s - (last.t_s - first.t_s) / 3.0;
        let mut floor = last.value;
        for point in settled.iter().rev() {
            if point.value < floor {
                let rise = floor - point.value;
                rises.count += 1;
                rises.late += usize::from(point.t_s >= late_s);
                rises.largest = rises.largest.max(rise);
                rises.total += rise;
                floor = point.value;
            }
        }
        rises
    }

    /// Whether they are those of a leak.
    pub(super) fn are_a_line(&self) -> bool {
        self.count >= RISES_MIN
            && self.late >= RISES_LATE_MIN
            && self.largest <= RISE_SHARE_MAX * self.total
    }
}
