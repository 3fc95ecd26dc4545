//! Windows of time: half-open, sorted, disjoint. Pure.

use std::ops::Range;

use uringbench_core::time::{Nanos, Timestamp};

/// Parts of a recording. A window holds its start and not its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Windows(Vec<Range<Timestamp>>);

impl Windows {
    /// The windows that cover `ranges`, in any order; overlapping and touching ones are merged,
    /// empty ones removed.
    pub fn covering(ranges: impl IntoIterator<Item = Range<Timestamp>>) -> Self {
        let mut ranges: Vec<_> = ranges.into_iter().filter(|range| !range.is_empty()).collect();
        ranges.sort_unstable_by_key(|range| range.start);
        let mut windows: Vec<Range<Timestamp>> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match windows.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => windows.push(range),
            }
        }
        Self(windows)
    }

    /// The parts of `whole` outside of these windows.
    pub fn others_of(&self, whole: Range<Timestamp>) -> Self {
        let mut from = whole.start;
        let mut others = Vec::with_capacity(self.0.len() + 1);
        for window in &self.0 {
            others.push(from..window.start.min(whole.end));
            from = from.max(window.end);
        }
        others.push(from..whole.end);
        Self::covering(others)
    }

    /// The parts of these windows that are also in `others`.
    pub fn within(&self, others: &Self) -> Self {
        let shared = self.0.iter().flat_map(|window| {
            let overlap =
                |other: &Range<Timestamp>| window.start.max(other.start)..window.end.min(other.end);
            others.0.iter().map(overlap)
        });
        Self::covering(shared)
    }

    /// Whether one of them contains all of `range`.
    pub fn hold(&self, range: &Range<Timestamp>) -> bool {
        self.0.iter().any(|window| window.start <= range.start && range.end <= window.end)
    }

    /// Whether `time` is in one of them.
    pub fn contains(&self, time: Timestamp) -> bool {
        let next = self.0.partition_point(|window| window.end <= time);
        self.0.get(next).is_some_and(|window| window.start <= time)
    }

    /// Their total length.
    pub fn length(&self) -> Nanos {
        self.0.iter().fold(Nanos::ZERO, |sum, window| sum + window.end.since(window.start))
    }

    /// The windows, in order.
    pub fn as_slice(&self) -> &[Range<Timestamp>] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, end: u64) -> Range<Timestamp> {
        Timestamp(start)..Timestamp(end)
    }

    #[test]
    fn a_window_holds_its_start_and_not_its_end() {
        let windows = Windows::covering([range(30, 40), range(10, 20), range(25, 25)]);
        let held: Vec<u64> = (0..50).filter(|&time| windows.contains(Timestamp(time))).collect();
        assert_eq!(held, (10..20).chain(30..40).collect::<Vec<_>>());
        assert_eq!(windows.length(), Nanos(20));
        assert!(!Windows::default().contains(Timestamp(0)));
    }

    #[test]
    fn windows_that_overlap_or_touch_are_one() {
        let windows = Windows::covering([range(5, 9), range(1, 6), range(9, 12), range(2, 3)]);
        assert_eq!(windows.as_slice(), [range(1, 12)]);
    }

    #[test]
    fn the_others_are_what_is_left_of_the_whole() {
        let windows = Windows::covering([range(10, 20), range(30, 40), range(90, 120)]);
        let others = windows.others_of(range(15, 100));
        assert_eq!(others.as_slice(), [range(20, 30), range(40, 90)]);
        assert_eq!(Windows::default().others_of(range(1, 2)).as_slice(), [range(1, 2)]);
        assert_eq!(windows.others_of(range(0, 5)).as_slice(), [range(0, 5)]);
        assert!(windows.others_of(range(12, 18)).as_slice().is_empty());
    }

    #[test]
    fn what_is_shared_is_in_both() {
        let windows = Windows::covering([range(10, 20), range(30, 40)]);
        let shared = windows.within(&Windows::covering([range(15, 32), range(38, 60)]));
        assert_eq!(shared.as_slice(), [range(15, 20), range(30, 32), range(38, 40)]);
        assert!(windows.within(&Windows::default()).as_slice().is_empty());
        assert!(windows.hold(&range(10, 20)) && windows.hold(&range(31, 33)));
        assert!(!windows.hold(&range(9, 20)) && !windows.hold(&range(15, 35)));
    }
}
