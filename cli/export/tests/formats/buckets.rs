//! Exponential buckets: their bounds, and that messages keep every count.

use proptest::prelude::*;
use prost::Message;
use uringbench_core::histogram::empty;
use uringbench_export::exponential::{ExponentialBuckets, SCHEMA};
use uringbench_export::metrics::{MetricNames, MetricValue, of_run};
use uringbench_export::remote_write::{NativeHistogram, WriteRequest, samples};

use crate::{OPEN, stored};

/// The counts by bucket that a receiver reads from spans and deltas.
fn unpacked(histogram: &NativeHistogram) -> Vec<(i32, u64)> {
    let (mut index, mut count) = (0, 0);
    let mut deltas = histogram.positive_deltas.iter();
    let mut counts = Vec::new();
    for span in &histogram.positive_spans {
        index += span.offset;
        for _ in 0..span.length {
            count += deltas.next().expect("a delta for each bucket");
            counts.push((index, u64::try_from(count).expect("counts are not negative")));
            index += 1;
        }
    }
    assert_eq!(deltas.next(), None, "a bucket for each delta");
    counts
}

proptest! {
    #[test]
    fn every_value_lies_within_its_bucket(
        values in prop::collection::vec(1_u64..3_600_000_000_000, 1..50), schema in -2_i32..=6
    ) {
        let mut times = empty();
        for value in &values {
            times.record(*value).expect("up to an hour");
        }
        let buckets = ExponentialBuckets::of(&times, schema);
        prop_assert_eq!(buckets.count, values.len() as u64);
        prop_assert_eq!(buckets.counts.values().sum::<u64>(), buckets.count);
        let bound = |index: i32| (f64::from(index) / f64::from(schema).exp2()).exp2();
        for value in values {
            // Within the bucket, or the 0.1 % of our own slots beside it.
            let seconds = value as f64 / 1e9;
            let is_in = |&index: &i32| {
                seconds > bound(index - 1) * 0.998 && seconds <= bound(index) * 1.002
            };
            prop_assert!(buckets.counts.keys().any(is_in), "{} {:?}", value, buckets);
        }
    }
}

#[test]
fn a_bucket_includes_its_upper_bound() {
    let of = |ns: u64| {
        let mut times = empty();
        times.record(ns).expect("up to an hour");
        *ExponentialBuckets::of(&times, 0).counts.keys().next().expect("one value")
    };
    // Buckets of schema 0 end at powers of two seconds.
    assert_eq!([of(900_000_000), of(1_900_000_000), of(2_100_000_000), of(3)], [0, 1, 2, -28]);
}

#[test]
fn a_message_keeps_every_count() {
    let run = stored(OPEN);
    let families = of_run(&run, MetricNames::Own).expect("it is whole");
    let request = WriteRequest::decode(&*samples(&families, 77)).expect("a WriteRequest");
    let histograms = request.timeseries.iter().flat_map(|series| &series.histograms);
    let histogram = histograms.last().expect("response times are a histogram");
    let MetricValue::Times(times) = &families[0].series[0].value else { panic!("the first") };
    let buckets = ExponentialBuckets::of(times, SCHEMA);
    assert_eq!(unpacked(histogram), buckets.counts.into_iter().collect::<Vec<_>>());
    assert_eq!(histogram.count_int, Some(run.latency_ns.response.count));
    assert_eq!(histogram.timestamp, 77);
    let numbers = request.timeseries.iter().filter(|series| series.histograms.is_empty());
    assert!(numbers.clone().count() > 10);
    assert!(numbers.into_iter().all(|series| series.samples[0].timestamp == 77));
}
