//! The histogram that the event loop writes: HDR geometry, three digits, one array, no allocation.
//!
//! Values are nanoseconds from 1 to 1 hour; each is kept within 0.1 %. The geometry is that of
//! `hdrhistogram` (lowest 1, three digits), so [`LatencyCounts::drain_into`] moves counts into its
//! histograms without loss; that crate computes quantiles and serialises.

use hdrhistogram::Histogram;

/// Values in one half of a bucket: 2,048 sub-buckets give three decimal digits.
const HALF: usize = 1_024;
const HALF_BITS: u32 = 10;
/// Buckets needed so that the last reaches past one hour: 2,048 << 31 ns = 1.2 h.
const BUCKETS: usize = 32;
const SLOTS: usize = (BUCKETS + 1) * HALF;

/// The largest distinct value in nanoseconds: one hour. Larger ones are recorded as this.
pub const VALUE_MAX: u64 = 3_600_000_000_000;

/// An empty histogram of whole-run size, with the geometry of [`LatencyCounts`].
pub fn empty() -> Histogram<u64> {
    Histogram::new_with_bounds(1, VALUE_MAX, 3)
        .expect("bounds 1..=1 h and 3 digits are within what the crate accepts")
}

/// Counts per value for one interval; 132 KiB, of which a run touches a few.
#[derive(Clone, Debug)]
pub struct LatencyCounts {
    counts: Box<[u32]>,
    total: u64,
    touched: (usize, usize),
}

impl Default for LatencyCounts {
    fn default() -> Self {
        Self { counts: vec![0; SLOTS].into_boxed_slice(), total: 0, touched: UNTOUCHED }
    }
}

/// An empty range of slots that any slot widens.
const UNTOUCHED: (usize, usize) = (SLOTS, 0);

impl LatencyCounts {
    /// Record one value in nanoseconds. Zero counts as 1, more than an hour as an hour.
    #[inline]
    pub fn record(&mut self, nanos: u64) {
        self.record_many(nanos, 1);
    }

    /// Record one value `times` times.
    #[inline]
    pub fn record_many(&mut self, nanos: u64, times: u32) {
        let slot = slot_of(nanos.clamp(1, VALUE_MAX));
        self.counts[slot] = self.counts[slot].saturating_add(times);
        self.total += u64::from(times);
        self.touched = (self.touched.0.min(slot), self.touched.1.max(slot + 1));
    }

    /// Values recorded.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Add these counts to `whole`, without loss.
    pub fn add_to(&self, whole: &mut Histogram<u64>) {
        let (first, end) = self.touched;
        for slot in first..end {
            let count = self.counts[slot];
            if count > 0 {
                whole.saturating_record_n(lowest_of(slot), u64::from(count));
            }
        }
    }

    /// Move these counts to `whole`, without loss.
    pub fn drain_into(&mut self, whole: &mut Histogram<u64>) {
        self.add_to(whole);
        self.clear();
    }

    /// Add another's counts to these.
    pub fn merge(&mut self, other: &Self) {
        let (first, end) = other.touched;
        for slot in first..end {
            self.counts[slot] = self.counts[slot].saturating_add(other.counts[slot]);
        }
        self.total += other.total;
        self.touched = (self.touched.0.min(first), self.touched.1.max(end));
    }

    /// Remove all values.
    pub fn clear(&mut self) {
        let (first, end) = self.touched;
        if first < end {
            self.counts[first..end].fill(0);
        }
        self.total = 0;
        self.touched = UNTOUCHED;
    }

    /// The mean, with every value in the middle of its slot (as HDR has it); `None` when empty.
    pub fn mean(&self) -> Option<f64> {
        let slots = self.touched.0..self.touched.1;
        let sum: f64 =
            slots.map(|slot| middle_of(slot) as f64 * f64::from(self.counts[slot])).sum();
        (self.total > 0).then(|| sum / self.total as f64)
    }

    /// The smallest value, as the lowest of its slot; `None` when empty.
    pub fn min(&self) -> Option<u64> {
        let mut slots = self.touched.0..self.touched.1;
        slots.find(|&slot| self.counts[slot] > 0).map(lowest_of)
    }

    /// The smallest value that at least the share `quantile` of the values do not exceed, as the
    /// highest value of its slot (as HDR reports it); `None` when empty.
    pub fn value_at(&self, quantile: f64) -> Option<u64> {
        if self.total == 0 {
            return None;
        }
        let wanted = ((quantile * self.total as f64).ceil() as u64).clamp(1, self.total);
        let mut seen = 0;
        (self.touched.0..self.touched.1)
            .find(|&slot| {
                seen += u64::from(self.counts[slot]);
                seen >= wanted
            })
            .map(highest_of)
    }
}

/// The slot of a value in 1..=[`VALUE_MAX`].
#[inline]
const fn slot_of(value: u64) -> usize {
    // Values below 2,048 share bucket 0; each further bucket doubles the width of its slots.
    let bucket = (u64::BITS - HALF_BITS - 1) - (value | (2 * HALF as u64 - 1)).leading_zeros();
    let within = (value >> bucket) as usize;
    ((bucket as usize + 1) << HALF_BITS) + within - HALF
}

/// The smallest value of a slot.
const fn lowest_of(slot: usize) -> u64 {
    let (bucket, within) = split(slot);
    (within as u64) << bucket
}

/// The middle of a slot.
const fn middle_of(slot: usize) -> u64 {
    let (bucket, _) = split(slot);
    lowest_of(slot) + ((1 << bucket) >> 1)
}

/// The largest value of a slot.
const fn highest_of(slot: usize) -> u64 {
    let (bucket, within) = split(slot);
    ((within as u64 + 1) << bucket) - 1
}

const fn split(slot: usize) -> (usize, usize) {
    if slot < 2 * HALF { (0, slot) } else { (slot / HALF - 1, slot % HALF + HALF) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_value_lies_in_its_slot_within_a_thousandth(value in 1..=VALUE_MAX) {
            let slot = slot_of(value);
            prop_assert!(slot < SLOTS);
            prop_assert!((lowest_of(slot)..=highest_of(slot)).contains(&value));
            prop_assert!(highest_of(slot) - lowest_of(slot) <= value / 1_000);
        }

        #[test]
        fn counts_agree_with_the_library_value_by_value(
            values in prop::collection::vec(1..=VALUE_MAX, 1..200),
            quantile in 0.0..=1.0f64,
        ) {
            let mut ours = LatencyCounts::default();
            let mut theirs = empty();
            for &value in &values {
                ours.record(value);
                theirs.record(value).expect("the value is within the bounds");
            }
            prop_assert_eq!(ours.value_at(quantile), Some(theirs.value_at_quantile(quantile)));
            prop_assert_eq!(ours.min(), Some(theirs.min()));
            prop_assert_eq!(ours.value_at(1.0), Some(theirs.max()));
            let means = ours.mean().expect("there are values") / theirs.mean();
            prop_assert!((means - 1.0).abs() < 1e-9, "{}", means);
            let mut merged = empty();
            ours.drain_into(&mut merged);
            prop_assert_eq!(&merged, &theirs);
            prop_assert_eq!(ours.total(), 0);
            prop_assert_eq!(ours.value_at(quantile), None);
        }

        #[test]
        fn merging_intervals_in_any_order_gives_the_same(
            a in prop::collection::vec(1..=VALUE_MAX, 0..50),
            b in prop::collection::vec(1..=VALUE_MAX, 0..50),
        ) {
            let record = |values: &[u64]| {
                let mut counts = LatencyCounts::default();
                values.iter().for_each(|&v| counts.record(v));
                counts
            };
            let (mut ab, mut ba) = (record(&a), record(&b));
            ab.merge(&record(&b));
            ba.merge(&record(&a));
            prop_assert_eq!(ab.counts, ba.counts);
            prop_assert_eq!(ab.total, ba.total);
        }
    }

    #[test]
    fn what_lies_outside_the_range_is_kept_at_its_edge() {
        let mut counts = LatencyCounts::default();
        counts.record(0);
        counts.record(u64::MAX);
        assert_eq!(counts.total(), 2);
        assert_eq!(counts.value_at(0.0), Some(1));
        assert!(counts.value_at(1.0).is_some_and(|max| max >= VALUE_MAX));
    }
}
