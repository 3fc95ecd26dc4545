//! How much of a stack is copied with each CPU sample: more while stacks are cut at the end of the
//! copy. Pure: times and counts are arguments.

use uringbench_core::time::{Nanos, Timestamp};

/// The sizes in bytes. The last is the kernel's limit, from which it takes what a record needs for
/// the rest of a sample.
const SIZES: [u32; 4] = [16 << 10, 32 << 10, 48 << 10, 65_528];
/// The time for which stacks are counted before a decision.
const LOOK: Nanos = Nanos::from_secs(1);
/// The most bytes of stacks per second and CPU: the rings hold a quarter of that, and more would
/// be lost in a pause of the reader.
const PER_SECOND_MAX: u64 = 32 << 20;
/// With fewer stacks a share is not meaningful.
const STACKS_MIN: u64 = 20;
/// One cut stack in this many is tolerated.
const CUT_ONE_IN: u64 = 50;

/// Stacks of CPU samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CopyCounts {
    /// All of them.
    pub(super) stacks: u64,
    /// Those that go on after their copy.
    pub(super) cut: u64,
}

/// A size that was raised, for the report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RaisedStack {
    /// The size in bytes.
    pub(super) bytes: u32,
    /// When.
    pub(super) at: Timestamp,
    /// The share of stacks that were cut at the size before.
    pub(super) cut_share: f64,
}

/// Chooses the size.
#[derive(Clone, Copy, Debug)]
pub(super) struct StackSize {
    bytes: u32,
    /// Samples per second and CPU.
    hz: u32,
    since: Timestamp,
    then: CopyCounts,
}

impl StackSize {
    /// Copies have the smallest size; `hz` are made per second and CPU.
    pub(super) const fn new(start: Timestamp, hz: u32) -> Self {
        Self { bytes: SIZES[0], hz, since: start, then: CopyCounts { stacks: 0, cut: 0 } }
    }

    /// Evaluate the counts so far; returns a larger size if many stacks go on after their copies.
    pub(super) fn advise(&mut self, now: Timestamp, counts: CopyCounts) -> Option<RaisedStack> {
        let stacks = counts.stacks - self.then.stacks;
        if now.since(self.since) < LOOK || stacks < STACKS_MIN {
            return None;
        }
        let cut = counts.cut - self.then.cut;
        (self.since, self.then) = (now, counts);
        if cut * CUT_ONE_IN <= stacks {
            return None;
        }
        let fits = |bytes: &u32| u64::from(*bytes) * u64::from(self.hz) <= PER_SECOND_MAX;
        let bytes = SIZES.into_iter().find(|&bytes| bytes > self.bytes).filter(fits)?;
        self.bytes = bytes;
        Some(RaisedStack { bytes, at: now, cut_share: cut as f64 / stacks as f64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_grow_while_stacks_go_on_after_them() {
        let at = |millis: u64| Timestamp(millis * 1_000_000);
        let counts = |stacks, cut| CopyCounts { stacks, cut };
        let mut size = StackSize::new(at(0), 99);
        assert_eq!(size.advise(at(999), counts(100, 100)), None, "too early");
        assert_eq!(size.advise(at(1_000), counts(19, 19)), None, "too few");
        let raised = size.advise(at(1_500), counts(100, 75)).expect("three quarters are cut");
        assert_eq!((raised.bytes, raised.cut_share), (32 << 10, 0.75));
        assert_eq!(size.advise(at(2_600), counts(200, 77)), None, "one in fifty");
        assert_eq!(size.advise(at(3_700), counts(300, 80)).map(|to| to.bytes), Some(48 << 10));
        assert_eq!(size.advise(at(4_800), counts(400, 180)).map(|to| to.bytes), Some(65_528));
        assert_eq!(size.advise(at(6_000), counts(500, 280)), None, "the kernel copies no more");
        let mut often = StackSize::new(at(0), 997);
        assert_eq!(often.advise(at(1_000), counts(100, 75)).map(|to| to.bytes), Some(32 << 10));
        assert_eq!(often.advise(at(2_000), counts(200, 150)), None, "more would not fit the rings");
    }
}
