//! Times in exponential buckets: Prometheus' native histograms and OpenTelemetry's exponential
//! ones have the same.
//!
//! With schema s a bucket is 2^(2^-s) times as wide as the one before: 9 % with schema 3. A value
//! counts at the middle of its slot in our histogram, whose slots are a hundred times narrower.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

/// The usual schema: buckets of 9 %.
pub const SCHEMA: i32 = 3;

/// Counts by bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct ExponentialBuckets {
    /// The schema, 8 at most.
    pub schema: i32,
    /// Counts by Prometheus' index: bucket i ends, inclusive, at 2^(i / 2^schema) seconds.
    pub counts: BTreeMap<i32, u64>,
    /// All values.
    pub count: u64,
    /// Their sum in seconds.
    pub sum: f64,
}

impl ExponentialBuckets {
    /// The counts of a histogram of nanoseconds.
    pub fn of(times: &Histogram<u64>, schema: i32) -> Self {
        let mut counts: BTreeMap<i32, u64> = BTreeMap::new();
        let (mut count, mut sum) = (0, 0.0);
        for step in times.iter_recorded() {
            let middle = times.median_equivalent(step.value_iterated_to()).max(1);
            let seconds = middle as f64 / 1e9;
            *counts.entry(index(seconds, schema)).or_default() += step.count_at_value();
            count += step.count_at_value();
            sum += seconds * step.count_at_value() as f64;
        }
        Self { schema, counts, count, sum }
    }
}

/// The bucket of a value above 0.
fn index(value: f64, schema: i32) -> i32 {
    (value.log2() * f64::from(schema).exp2()).ceil() as i32
}
