//! Prometheus' remote write 1.0: messages of samples and native histograms, and their compression.
//!
//! The messages are those of `prompb/remote.proto` and `prompb/types.proto`, as far as they are
//! used. Requests that follow each other can be joined byte by byte, as all of protobuf can.

use prost::Message;

use crate::exponential::{ExponentialBuckets, SCHEMA};
use crate::metrics::{MetricFamily, MetricValue};

/// The headers that a receiver requires.
pub const HEADERS: [(&str, &str); 3] = [
    ("Content-Encoding", "snappy"),
    ("Content-Type", "application/x-protobuf"),
    ("X-Prometheus-Remote-Write-Version", "0.1.0"),
];

/// The value after which a series has ended.
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// `WriteRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct WriteRequest {
    /// The series.
    #[prost(message, repeated, tag = "1")]
    pub timeseries: Vec<TimeSeries>,
}

/// `TimeSeries`.
#[derive(Clone, PartialEq, Message)]
pub struct TimeSeries {
    /// Sorted by name.
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<Label>,
    /// Numbers.
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<NumberSample>,
    /// Native histograms.
    #[prost(message, repeated, tag = "4")]
    pub histograms: Vec<NativeHistogram>,
}

/// `Label`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Label {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// `Sample`.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct NumberSample {
    /// Its value.
    #[prost(double, tag = "1")]
    pub value: f64,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "2")]
    pub timestamp: i64,
}

/// `Histogram` with integer counts.
#[derive(Clone, PartialEq, Message)]
pub struct NativeHistogram {
    /// All values; optional, so that an empty histogram has its count too.
    #[prost(uint64, optional, tag = "1")]
    pub count_int: Option<u64>,
    /// Their sum.
    #[prost(double, tag = "3")]
    pub sum: f64,
    /// The width of buckets.
    #[prost(sint32, tag = "4")]
    pub schema: i32,
    /// Values up to this one are zeros.
    #[prost(double, tag = "5")]
    pub zero_threshold: f64,
    /// How many.
    #[prost(uint64, optional, tag = "6")]
    pub zero_count_int: Option<u64>,
    /// Which buckets follow.
    #[prost(message, repeated, tag = "11")]
    pub positive_spans: Vec<BucketSpan>,
    /// The first count, then differences.
    #[prost(sint64, repeated, tag = "12")]
    pub positive_deltas: Vec<i64>,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "15")]
    pub timestamp: i64,
}

/// `BucketSpan`: buckets that follow each other.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct BucketSpan {
    /// Buckets since the last span, or the index of the first bucket.
    #[prost(sint32, tag = "1")]
    pub offset: i32,
    /// How many.
    #[prost(uint32, tag = "2")]
    pub length: u32,
}

/// The metrics at a moment, not compressed.
pub fn samples(families: &[MetricFamily], unix_ms: i64) -> Vec<u8> {
    request(families, |value| match value {
        MetricValue::Number(value) => {
            (vec![NumberSample { value: *value, timestamp: unix_ms }], Vec::new())
        }
        MetricValue::Times(times) => {
            (Vec::new(), vec![native(&ExponentialBuckets::of(times, SCHEMA), unix_ms)])
        }
    })
}

/// The end of all series of these metrics, not compressed.
pub fn ends(families: &[MetricFamily], unix_ms: i64) -> Vec<u8> {
    let stale = f64::from_bits(STALE);
    request(families, |value| match value {
        MetricValue::Number(_) => {
            (vec![NumberSample { value: stale, timestamp: unix_ms }], Vec::new())
        }
        MetricValue::Times(_) => {
            let ended = NativeHistogram { sum: stale, timestamp: unix_ms, ..Default::default() };
            (Vec::new(), vec![ended])
        }
    })
}

/// The body of a request: requests that were joined, compressed.
pub fn body(requests: &[u8]) -> Vec<u8> {
    let compressed = snap::raw::Encoder::new().compress_vec(requests);
    compressed.expect("a few hundred seconds are far below snappy's limit of 4 GiB")
}

fn request(
    families: &[MetricFamily],
    values: impl Fn(&MetricValue) -> (Vec<NumberSample>, Vec<NativeHistogram>),
) -> Vec<u8> {
    let all = families.iter().flat_map(|family| family.series.iter().map(move |it| (family, it)));
    let timeseries = all.map(|(family, series)| {
        let (samples, histograms) = values(&series.value);
        let mut labels: Vec<_> = series
            .labels
            .iter()
            .map(|(name, value)| Label { name: name.clone(), value: value.clone() })
            .collect();
        labels.push(Label { name: "__name__".to_owned(), value: family.name.to_owned() });
        labels.sort_by(|one, other| one.name.cmp(&other.name));
        TimeSeries { labels, samples, histograms }
    });
    WriteRequest { timeseries: timeseries.collect() }.encode_to_vec()
}

fn native(buckets: &ExponentialBuckets, unix_ms: i64) -> NativeHistogram {
    let mut histogram = NativeHistogram {
        count_int: Some(buckets.count),
        sum: buckets.sum,
        schema: buckets.schema,
        zero_count_int: Some(0),
        timestamp: unix_ms,
        ..NativeHistogram::default()
    };
    let (mut next, mut before) = (0, 0);
    for (&index, &count) in &buckets.counts {
        let offset = index - next;
        match histogram.positive_spans.last_mut() {
            Some(span) if offset == 0 => span.length += 1,
            _ => histogram.positive_spans.push(BucketSpan { offset, length: 1 }),
        }
        histogram.positive_deltas.push(count as i64 - before);
        (next, before) = (index + 1, count as i64);
    }
    histogram
}
